"""Batch or stochastic descent: where rows repeat each other, one need not see all of them before a step.

python examples/training/batch_or_stochastic.py

A linear unit learns y = 1.5 x - 0.5 + noise. An epoch sees every row once, in one step or in many. The control: 5 rows
with the same bowl of a loss as the 500, but which hardly repeat each other. Each descent has the best rate of a grid.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import Parameters, Topology, optim, viz
from bioneuro.viz.style import LINES, PALETTE, SETTINGS

EPOCHS, UNIT = 3, Topology.mlp(1, 1, output="linear")  # its weights are a slope and an intercept
RATES = {500: {500: 1.0, 20: 0.18, 1: 0.008}, 5: {5: 1.0, 2: 0.5, 1: 0.35}}  # rows: {rows a step: learning rate}
TITLES = {500: "500 rows repeat each other: do not wait for all of them", 5: "5 rows hardly do: less to gain"}
MAP = {"limits": ((-1.4, 2.4), (-1.4, 1.2)), "xlabel": "slope", "ylabel": "intercept"}


def loss(w, X, y):
    return np.mean((w @ X.T - y) ** 2, axis=-1) / 2


def descend(X, y, rows_a_step, optimizer, draw):
    weights = Parameters(UNIT, np.array([-1.0, 0.0]))
    path, state = [weights.theta.copy()], optimizer.init(weights)
    for order in (draw.permutation(len(X)) for _ in range(EPOCHS)):
        for rows in np.split(order, range(rows_a_step, len(X), rows_a_step)):
            update = X[rows].T @ (X[rows] @ weights.theta - y[rows]) / len(rows)  # the gradient goes in
            optimizer.update(update, state, weights, len(path) - 1)  # and comes out as the step
            weights.theta += update
            path.append(weights.theta.copy())
    return np.array(path)


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 7), layout="constrained")
axes = figure.subplot_mosaic([[0, 0, 1, 1, 2, 2], [500, 500, 500, 5, 5, 5]], height_ratios=[1.1, 1])
figure.suptitle("Paths: epochs in two colours in turn. Curves: median and range of seven draws.", fontsize=9)
for n, k, kind in [(n, *kind) for n in RATES for kind in enumerate(("batch", "minibatch", "stochastic"))]:
    (b, rate), above = [*RATES[n].items()][k], []
    for draw in map(np.random.default_rng, range(7)):
        x, noise = draw.normal(size=(2, n))
        X = np.column_stack([0.6 + 0.8 * (x - x.mean()) / x.std(), np.ones(n)])
        y = X @ [1.5, -0.5] + 0.5 * noise
        path, best = descend(X, y, b, optim.sgd(rate), draw), np.linalg.lstsq(X, y)[0]
        above.append(loss(path, X, y) - loss(best, X, y))
    if n == 500:
        look = {"epoch": n // b, "minimum": best, "title": f"{kind.capitalize()} descent, rows a step: {b}"} | MAP
        viz.descent_paths(lambda w, X=X, y=y: loss(w, X, y), {"": path}, ax=axes[k], **look)
    epochs, (low, middle, high) = np.linspace(0, EPOCHS, len(path)), np.quantile(above, [0, 0.5, 1], axis=0)
    axes[n].plot(epochs, middle, color=PALETTE[k], linestyle=LINES[k], label=f"{kind}: {b} of {n} rows a step")
    axes[n].fill_between(epochs, low, high, color=PALETTE[k], alpha=0.15, linewidth=0)
    print(f"{n:3d} rows, {b:3d} a step: loss above the least after {EPOCHS} epochs {middle[-1]:.2g}")
    axes[n].set(yscale="log", xlabel="epochs", ylabel="loss above the least", ylim=(1e-5, 5), title=TITLES[n])
    axes[n].legend(loc="lower left")
figure.savefig("batch_or_stochastic.png", dpi=150)
