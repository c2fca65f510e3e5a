"""Ensembles and dropout: networks that err in different places err less together, and dropout is many in one.

python examples/training/dropout_and_ensembles.py

400 digits of which a fifth bear a wrong label, which a network of 100 hidden units learns by heart. The remedies:
ten such networks that vote, each from first weights of its own, and on a bootstrap sample of its own (bagging); or one
network in which half of the hidden units, and a fifth of the inputs, are dead in every minibatch. The control: the
same with all labels right. Three draws of the rows; errors are on the other 1,397 digits.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from sklearn.ensemble import BaggingClassifier

import bioneuro
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier

MEMBERS, SEEDS = 10, range(3)
digits = bioneuro.load_digits()


def error(probabilities, truth):
    return np.mean(probabilities.argmax(axis=-1) != truth, axis=-1)


def run(wrong, seed):
    """Errors of ensembles of 1, 2, ... members by kind, and of the network with dropout."""
    train, test = digits.split(test_size=len(digits) - 400, random_state=seed)
    draw, y = np.random.default_rng(seed), train.y.copy()
    y[: int(wrong * 400)] = draw.integers(10, size=int(wrong * 400))
    net = NetworkClassifier((100,), l2=0, epochs=60, random_state=seed)
    result = {}
    for kind, bootstrap in (("own first weights", False), ("own first weights and rows", True)):
        bag = BaggingClassifier(net, MEMBERS, bootstrap=bootstrap, random_state=seed).fit(train.X, y)
        votes = np.cumsum([member.predict_proba(test.X) for member in bag.estimators_], axis=0)
        result[kind] = error(votes, test.y)
    dropped = net.set_params(dropout={"hidden": 0.5, "input": 0.2}).fit(train.X, y)
    result["one network with dropout"] = np.full(MEMBERS, error(dropped.predict_proba(test.X), test.y))
    return result


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 4.4), layout="constrained")
for ax, (title, wrong) in zip(figure.subplots(1, 2), {"A fifth of the labels wrong": 0.2, "All labels right": 0}.items(), strict=True):
    runs = [run(wrong, seed) for seed in SEEDS]
    curves = {kind: np.array([one[kind] for one in runs]) for kind in runs[0]}
    bioneuro.viz.bands(curves, range(1, MEMBERS + 1), title=title, xlabel="networks that vote", ylabel="error on new digits", ax=ax)
    for kind, curve in curves.items(): print(f"{title}, {kind}: {curve[:, 0].mean():.3f} alone, {curve[:, -1].mean():.3f} together")
figure.savefig("dropout_and_ensembles.png", dpi=150)
