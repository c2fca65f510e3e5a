"""Momentum: plain descent crawls along the bottom of a ravine; momentum gathers speed there, and overshoots.

python examples/training/momentum_path.py

A linear unit learns y = 2 x + 1 + noise, x in [0, 1]: a steeper slope makes up for a lower intercept. The control,
below right: all rows a step, and each method at the best settings that a bowl of this condition has (Polyak 1964).
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import Parameters, Topology, optim, viz
from bioneuro.viz.style import SETTINGS

UNIT, STEPS, RATE = Topology.mlp(1, 1, output="linear"), 50, 0.1  # the weights: a slope and an intercept
METHODS = {"plain": optim.sgd(RATE), "momentum": optim.momentum(RATE, 0.9), "Nesterov": optim.nesterov(RATE, 0.9)}


def loss(w, X, y):
    return np.mean((w @ X.T - y) ** 2, axis=-1) / 2


def descend(X, y, rows_a_step, optimizer, draw):
    weights = Parameters(UNIT, np.array([-1.2, 0.1]))
    path, state = [weights.theta.copy()], optimizer.init(weights)
    for step in range(STEPS):
        rows = draw.permutation(len(X))[:rows_a_step]
        update = X[rows].T @ (X[rows] @ weights.theta - y[rows]) / rows_a_step
        optimizer.update(update, state, weights, step)  # gradient in, step out
        weights.theta += update
        path.append(weights.theta.copy())
    return np.array(path)


rcParams.update(SETTINGS)
figure, above = Figure(figsize=(11, 7), layout="constrained"), {name: [] for name in METHODS}
axes = figure.subplot_mosaic([[0, 0, 1, 1, 2, 2], ["few", "few", "few", "all", "all", "all"]], height_ratios=[1.1, 1])
for draw in map(np.random.default_rng, range(7)):
    X = np.column_stack([draw.random(100), np.ones(100)])
    y = X @ [2.0, 1.0] + 0.1 * draw.normal(size=100)
    best = np.linalg.lstsq(X, y)[0]
    paths = {name: descend(X, y, 16, method, draw) for name, method in METHODS.items()}
    for name, path in paths.items():
        above[name].append(loss(path, X, y) - loss(best, X, y))
for k, (name, path) in enumerate(paths.items()):  # of the last draw
    viz.descent_paths(lambda w: loss(w, X, y), {"": path}, minimum=best, limits=((-1.6, 2.9), (-0.4, 4.4)), ax=axes[k],
                      xlabel="slope", ylabel="intercept", title=f"{name.capitalize()}, rate {RATE}")  # fmt: skip
flat, steep = np.sqrt(np.linalg.eigvalsh(X.T @ X / 100))
best_momentum = optim.momentum(4 / (steep + flat) ** 2, ((steep - flat) / (steep + flat)) ** 2)
best_rates = {"plain": optim.sgd(2 / (steep**2 + flat**2)), "momentum": best_momentum}
tuned = {name: loss(descend(X, y, 100, method, draw), X, y) - loss(best, X, y) for name, method in best_rates.items()}
titles = "16 rows a step, one rate: seven draws", f"All rows a step, best rates: condition {(steep / flat) ** 2:.0f}"
for ax, curves, title in zip((axes["few"], axes["all"]), (above, tuned), titles, strict=True):
    viz.bands(curves, range(STEPS + 1), centre="median", markers=False, ax=ax, title=title)
    ax.set(xlabel="step", ylabel="loss above the least", yscale="log")
    for name, runs in curves.items():
        print(f"{title}; {name}: {np.median(np.atleast_2d(runs), axis=0)[-1]:.2g} above the least in the end")
figure.savefig("momentum_path.png", dpi=150)
