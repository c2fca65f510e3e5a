"""Weight decay: without it a network bends around single points; with it the boundary comes near the best there is.

python examples/training/weight_decay_boundary.py

Two classes, each a mixture of ten clouds in the plane, as in The Elements of Statistical Learning (figure 11.4), with 10
hidden units, softmax and cross-entropy. The clouds are known, so the boundary of least error (Bayes) is, too. The error
is that on 10,000 new points, for five draws of the first weights.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import viz
from bioneuro.viz.style import PURPLE, SETTINGS
from feedforward import NetworkClassifier

SEEDS, DECAYS = range(5), (0, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
means = np.random.default_rng(0).normal(size=(2, 10, 2)) + [[[1, 0]], [[0, 1]]]


def points(n, draw):
    y = np.repeat([0, 1], n // 2)
    return means[y, draw.integers(10, size=n)] + np.sqrt(0.2) * draw.normal(size=(n, 2)), y


def densities(X):
    return np.exp(-((X[:, None, None] - means) ** 2).sum(axis=-1) / 0.4).sum(axis=-1)


X, y = points(200, np.random.default_rng(1))
new, truth = points(10_000, np.random.default_rng(2))
least = np.mean(densities(new).argmax(axis=1) != truth)
nets = {decay: [NetworkClassifier((10,), unit="tanh", l2=decay, learning_rate=0.03, epochs=400, random_state=seed).fit(X, y) for seed in SEEDS] for decay in DECAYS}
errors = {name: [[1 - net.score(*rows) for net in nets[decay]] for decay in DECAYS] for name, rows in {"the 200 points": (X, y), "new": (new, truth)}.items()}
best = DECAYS[int(np.argmin(np.mean(errors["new"], axis=1)))]

rcParams.update(SETTINGS)
figure = Figure(figsize=(12, 4), layout="constrained")
axes = figure.subplots(1, 3)
for ax, decay in zip(axes, (0, best)):
    viz.decision_boundary(nets[decay][0], X, y, ax=ax, title=f"Weight decay {decay:g}")
    sides = [np.linspace(*limits, 200) for limits in (ax.get_xlim(), ax.get_ylim())]
    ratio = np.subtract(*densities(np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)).T).reshape(200, 200)
    ax.contour(*sides, ratio, levels=[0], colors=[PURPLE], linestyles="--")
figure.savefig("weight_decay_boundary.png", dpi=150)
print({k: np.round(v, 3) for k, v in errors.items()}, least, best)
