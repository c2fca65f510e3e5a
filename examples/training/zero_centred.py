"""Zero-centred units: behind units that are all positive, the weights of a unit all go up or all go down at once.

python examples/training/zero_centred.py

A linear unit learns, row by row, a teacher's weights from the answers of n hidden units. Sigmoids are positive: its
gradient, error times answers, has one sign, and the way to weights of unlike sign is a zigzag. The control: the same
sigmoids less their mean, which are tanh. Maps: one rate, in units of 1 / mean |x|^2; right: the best of a grid, for 30
units, median and range of seven draws.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import viz
from bioneuro.viz.style import SETTINGS

STEPS, SHARES, MEANS = 400, (0.1, 0.2, 0.4, 0.8, 1.2, 1.6), {"positive": 0.0, "zero-centred": 0.5}
MAP = {"minimum": [1, -1], "limits": ((-1.7, 1.7), (-1.7, 1.7))}


def descend(mean, n, share, seed):
    """The path of the weights, one row a step, and its losses."""
    draw, teacher = np.random.default_rng(seed), np.resize([1.0, -1.0], n)
    X = 1 / (1 + np.exp(-2 * draw.normal(size=(STEPS, n)))) - mean
    rate, path = share / np.mean(np.sum(X**2, axis=1)), [-teacher]
    for x in X:
        error = x @ (path[-1] - teacher)
        path.append(path[-1] - rate * error * x)
    return np.array(path), np.mean(((path - teacher) @ X.T) ** 2, axis=1) / 2


def bowl(mean):
    """The loss of two weights; sigmoids of N(0, 4) have the mean 1/2 and a variance of about 1/10."""
    moments = 0.1 * np.eye(2) + (0.5 - mean) ** 2
    return lambda w: np.sum((w - [1, -1]) @ moments * (w - [1, -1]), axis=1) / 2


rcParams.update(SETTINGS)
(*maps, right), courses = (figure := Figure(figsize=(12, 4), layout="constrained")).subplots(1, 3), {}
for ax, (kind, mean) in zip(maps, MEANS.items(), strict=True):
    path = descend(mean, 2, 0.8, 0)[0][:31]
    alike = np.mean(np.prod(np.diff(path, axis=0), axis=1) > 0)
    viz.descent_paths(bowl(mean), {"": path}, title=f"Two {kind} units: {alike:.0%} of steps one way", **MAP, ax=ax)
    runs = np.array([[descend(mean, 30, share, seed)[1] for seed in range(7)] for share in SHARES])
    ends = np.median(runs[:, :, -1], axis=1)
    courses[f"{kind}, rate {SHARES[ends.argmin()]}"] = runs[ends.argmin()]
    print(f"{kind}: {alike:.0%} of steps one way; 30 units end at {[f'{end:.0e}' for end in ends]} by rate {SHARES}")
viz.bands(courses, range(STEPS + 1), centre="median", title="30 units", xlabel="step", ylabel="loss", ax=right)
right.set_yscale("log")
figure.savefig("zero_centred.png", dpi=150)
