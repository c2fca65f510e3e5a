"""Ensembles and dropout: networks that err in different places err less together, and dropout is many in one.

python examples/training/dropout_and_ensembles.py

400 digits of which a fifth bear a random label, which a network with 100 hidden units learns by heart. Remedies: ten
such networks vote, each from first weights of its own, and (bagging) on a bootstrap sample of its own; or, in a single
one, half of the hidden units and a fifth of the inputs are dead in each minibatch. The control: no label is wrong, and
there is little to gain. Three draws of the rows.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.viz.style import SETTINGS
from feedforward import EnsembleClassifier, NetworkClassifier

ROWS, MEMBERS, SEEDS = 400, 10, range(3)
CASES = {"A fifth of the labels random": 0.2, "Control: all labels right": 0.0}
digits = bioneuro.load_digits()


def errors(wrong, seed):
    """{kind: error on new digits of 1, 2, ... networks together}."""
    learn, new = digits.split(test_size=len(digits) - ROWS, random_state=seed)
    draw, y = np.random.default_rng(seed), learn.y.copy()
    y[: int(wrong * ROWS)] = draw.integers(10, size=int(wrong * ROWS))
    net = NetworkClassifier((100,), l2=0, epochs=40, batch_size=50, learning_rate=5e-3, random_state=seed)
    found = {}
    for kind, bootstrap in (("own first weights", False), ("own first weights and rows", True)):
        ensemble = EnsembleClassifier(net, MEMBERS, bootstrap=bootstrap, random_state=seed).fit(learn.X, y)
        votes = np.cumsum([member.predict_proba(new.X) for member in ensemble.members_], axis=0)
        found[kind] = np.mean(votes.argmax(axis=2) != new.y, axis=1)
    dropped = net.set_params(dropout={"hidden": 0.5, "input": 0.2}).fit(learn.X, y)
    found["one network with dropout"] = np.full(MEMBERS, 1 - dropped.score(new.X, new.y))
    return found


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 4.4), layout="constrained")
for ax, (title, wrong) in zip(figure.subplots(1, 2), CASES.items(), strict=True):
    runs = [errors(wrong, seed) for seed in SEEDS]
    curves = {kind: np.array([run[kind] for run in runs]) for kind in runs[0]}
    bioneuro.viz.bands(curves, range(1, MEMBERS + 1), percent=True, title=title, ax=ax)
    ax.set(xlabel="networks that vote", ylabel="error on 1,397 new digits", ylim=(0, 0.18))
    for kind, curve in curves.items():
        print(f"{title}; {kind}: {curve[:, 0].mean():.1%} alone, {curve[:, -1].mean():.1%} together")
figure.savefig("dropout_and_ensembles.png", dpi=150)
