"""Double descent: test error is worst where a model can only just fit its data, and falls again beyond.

python examples/training/double_descent.py

Random ReLU features of digits, and behind them the shortest of all weights with the least squared error. Left, two
controls: right labels leave less to misfit; a penalty on the weights takes the peak away. Right: the peak stands at as
many features as there are rows (dotted). Median and range of three seeds.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

import bioneuro
from bioneuro import Topology
from bioneuro.initializers import initialise
from bioneuro.viz.style import GREY, SETTINGS
from feedforward.instruments import activity

WIDTHS = np.array([10, 20, 30, 40, 50, 60, 75, 90, 100, 110, 130, 160, 180, 200, 220, 260, 320, 400, 600, 1600])
PANELS = {  # rows, share of the labels that are random, penalty
    "200 rows, random labels and two controls": {
        "a fifth of the labels random": (200, 0.2, 0.0),
        "all labels right": (200, 0.0, 0.0),
        "a fifth random, penalised": (200, 0.2, 0.01),
    },
    "A fifth random: the peak moves with the rows": {f"{n} rows": (n, 0.2, 0.0) for n in (200, 100, 50)},
}
digits = bioneuro.load_digits()


def errors(rows, wrong, penalty, seed):
    """On new digits, by the number of features."""
    learn, new = digits.split(test_size=len(digits) - rows, random_state=seed)
    draw, y, found = np.random.default_rng(seed), learn.y.copy(), []
    y[: int(wrong * rows)] = draw.integers(10, size=int(wrong * rows))
    for width in WIDTHS.tolist():
        first = initialise(Topology.mlp(64, width, 10), random_state=seed)
        seen, asked = (activity(first, X - learn.X.mean(axis=0))["hidden"].astype("float64") for X in (learn.X, new.X))
        inverse = np.linalg.pinv(seen @ seen.T + rows * penalty * np.eye(rows), rcond=1e-12, hermitian=True)
        weights = seen.T @ inverse @ (np.eye(10)[y] - 0.1)
        found.append(np.mean((asked @ weights).argmax(axis=1) != new.y))
    return found


threadpool_limits(1, "blas")  # of matrices so small, more threads only wait for each other
rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 4.4), layout="constrained")
for ax, (title, cases) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
    runs = {name: np.array([errors(*case, seed) for seed in range(3)]) for name, case in cases.items()}
    bioneuro.viz.bands(runs, WIDTHS, centre="median", percent=True, title=title, ax=ax)
    ax.set(xlabel="random features", ylabel="error on new digits", xscale="log", ylim=(0, 1))
    for name, found in runs.items():
        ax.axvline(cases[name][0], color=GREY, linewidth=0.8, linestyle=":")
        middle = np.median(found, axis=0)
        print(f"{name}: worst at {WIDTHS[middle.argmax()]} features, {middle.max():.0%}; at 1,600 {middle[-1]:.0%}")
figure.savefig("double_descent.png", dpi=150)
