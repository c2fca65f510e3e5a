"""Memorising: a network learns random labels and random pictures as perfectly as real ones, only later.

python examples/training/memorising_noise.py

500 pictures, 100 hidden units; after Zhang et al. (2017), Understanding deep learning requires rethinking
generalization. New pictures are made like those that were learnt. The control: pixels in another order, the same for
all pictures; a network without a notion of neighbours cannot tell. Mean and range of three seeds.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.viz.style import INK, PALETTE, SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import activity

EPOCHS, ROWS, SEEDS = range(1, 81), 500, range(3)
ORDER = np.random.default_rng(0).permutation(64)
WORLDS = {  # how pictures and labels are made
    "digits": lambda X, y, draw: (X, y),
    "all pixels shuffled alike": lambda X, y, draw: (X[:, ORDER], y),
    "each picture's pixels shuffled": lambda X, y, draw: (draw.permuted(X, axis=1), y),
    "pictures of noise": lambda X, y, draw: (draw.normal(X.mean(), X.std(), X.shape), y),
    "random labels": lambda X, y, draw: (X, draw.permutation(y)),
}
digits = bioneuro.load_digits()


def learn(make, seed):
    """Accuracy on what is learnt, epoch by epoch, and at last on new pictures."""
    rows, new = digits.split(test_size=len(digits) - ROWS, random_state=seed)
    draw, found = np.random.default_rng(seed), []
    X, y = make(rows.X, rows.y, draw)

    def ask(seen):
        found.append(np.mean(activity(seen.parameters, X - X.mean(axis=0))["output"].argmax(axis=1) == y))

    net = NetworkClassifier((100,), schedule="constant", l2=0, epochs=len(EPOCHS), callbacks=[ask], random_state=seed)
    net.fit(X, y)
    return [*found, net.score(*make(new.X, new.y, draw))]


rcParams.update(SETTINGS)
left, right = (figure := Figure(figsize=(11, 4.4), layout="constrained")).subplots(1, 2, width_ratios=[1.3, 1])
runs = {name: np.array([learn(make, seed) for seed in SEEDS]) for name, make in WORLDS.items()}
bioneuro.viz.bands({name: run[:, :-1] for name, run in runs.items()}, EPOCHS, percent=True, markers=False, ax=left)
left.set(title="500 pictures learnt by heart", xlabel="epoch", ylabel="accuracy on what is learnt")
for k, (name, run) in enumerate(runs.items()):
    right.barh(k, run[:, -1].mean(), color=PALETTE[k])
    right.plot(run[:, -1], [k] * 3, "o", color="white", markeredgecolor=INK)
    print(f"{name}: {run[:, -2].mean():.1%} of those learnt, {run[:, -1].mean():.1%} of new ones right")
right.axvline(0.1, color=INK, linestyle=":", linewidth=1)
right.set(title="1,297 new pictures", xlabel="accuracy (dotted: chance)", xlim=(0, 1), ylim=(4.6, -0.6))
right.set_yticks(range(5), labels=runs)
figure.savefig("memorising_noise.png", dpi=150)
