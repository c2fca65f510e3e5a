"""Weight decay: without it a network bends around single points; with it the boundary comes near the best there is.

python examples/training/weight_decay_boundary.py

Two classes in the plane, each a mixture of ten clouds, as in The Elements of Statistical Learning, figure 11.4; 10
hidden units, softmax, cross-entropy. The clouds are known, hence also the boundary of least error (Bayes). Five draws
of the first weights.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import viz
from bioneuro.viz.style import INK, SETTINGS
from feedforward import NetworkClassifier

DECAYS, BAYES = (0, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2), "#7B3294"
clouds = np.random.default_rng(3).normal([[[1, 0]], [[0, 1]]], 1, (2, 10, 2))  # class, cloud, coordinate


def points(n, seed):
    """n rows and their classes."""
    draw, y = np.random.default_rng(seed), np.repeat([0, 1], n // 2)
    return draw.normal(clouds[y, draw.integers(10, size=n)], np.sqrt(0.2)), y


def densities(X):
    """Of either class at every row, but for a common factor."""
    return np.exp(-((X[:, None, None] - clouds) ** 2).sum(axis=-1) / 0.4).sum(axis=-1)


def learn(decay, seed):
    net = NetworkClassifier((10,), unit="tanh", l2=decay, learning_rate=0.03, epochs=400, random_state=seed)
    return net.fit(*known)


known, new = points(200, 0), points(10_000, 1)
nets = [[learn(decay, seed) for decay in DECAYS] for seed in range(5)]
seen, errors = (np.array([[1 - net.score(*rows) for net in run] for run in nets]) for rows in (known, new))
least, best = np.mean(densities(new[0]).argmax(axis=1) != new[1]), errors.mean(axis=0).argmin()
print(f"wrong without decay {errors[:, 0].mean():.1%}, with {errors[:, best].mean():.1%}, Bayes {least:.1%}")

rcParams.update(SETTINGS)
axes = (figure := Figure(figsize=(12, 4), layout="constrained")).subplots(1, 3)
for ax, k in zip(axes, (0, best), strict=False):
    title = f"Weight decay {DECAYS[k]}: {errors[0, k]:.1%} of new points wrong"
    viz.decision_boundary(nets[0][k], *known, xlabel="x1", ylabel="x2", title=title, ax=ax)
    sides = [np.linspace(*limits, 200) for limits in (ax.get_xlim(), ax.get_ylim())]
    difference = np.diff(densities(np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2))).reshape(200, 200)
    ax.contour(*sides, difference, levels=[0], colors=[BAYES], linestyles="--", linewidths=1.8)
    lines = [ax.plot([], color=INK)[0], ax.plot([], "--", color=BAYES)[0]]
    ax.legend(lines, ["network", "least error (Bayes)"], loc="lower left", frameon=True, framealpha=0.9)
viz.bands({"200 points learnt from": seen, "10,000 new points": errors}, range(7), percent=True, ax=axes[2])
axes[2].axhline(least, color=BAYES, linestyle="--")
axes[2].set(xlabel="weight decay", ylabel="error", title="Five draws of the first weights")
axes[2].set_xticks(range(7), labels=DECAYS)
figure.savefig("weight_decay_boundary.png", dpi=150)
