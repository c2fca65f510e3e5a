"""Dropout against lesions: a network that learnt with half of its units dead can do without many of them.

python examples/training/dropout_and_lesions.py

After training, hidden units die (left), or synapses (right), and nothing is learnt again. Two controls: weight decay,
another remedy against learning by heart, and a network of half the size, for which no unit is to spare. Five draws of
the first weights and of the dead.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier

SHARES, SEEDS = np.linspace(0, 0.9, 10), range(5)
KINDS = {
    "dropout, 100 hidden units": {"dropout": 0.5},
    "without": {},
    "weight decay instead": {"l2": 1e-3},
    "without, 50 hidden units": {"hidden_layer_sizes": (50,)},
}
train, test = bioneuro.load_digits().split(random_state=0)


def learn(options, seed):
    return NetworkClassifier(**{"l2": 0, "epochs": 40} | options, random_state=seed).fit(train.X, train.y)


def hurt(net, kind, seed):
    """Accuracy by the share that is dead; what is dead at one share is dead at all larger ones."""
    return [net.lesion(**{kind: share}, random_state=seed).score(test.X, test.y) for share in SHARES]


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 4.4), layout="constrained")
nets = {name: [learn(options, seed) for seed in SEEDS] for name, options in KINDS.items()}
for ax, kind in zip(figure.subplots(1, 2, sharey=True), ("units", "synapses"), strict=True):
    curves = {name: np.array([hurt(net, kind, seed) for seed, net in enumerate(nets[name])]) for name in KINDS}
    bioneuro.viz.bands(curves, SHARES, percent=True, xlabel=f"dead {kind}", ylabel="accuracy on test digits", ax=ax)
    ax.set(title=f"{kind.capitalize()} die: with dropout least is lost", ylim=(0, 1))
    for name, found in curves.items():
        print(f"{kind}, {name}: {found[:, 0].mean():.1%} whole, {found[:, 5].mean():.1%} with half of them dead")
figure.savefig("dropout_and_lesions.png", dpi=150)
