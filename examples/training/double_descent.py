"""Double descent: test error is worst where a model can only just fit its data, and falls again beyond.

python examples/training/double_descent.py

Left: random features of digits, a fifth of 200 labels wrong, fitted exactly with the shortest weights; the peak stands
where there are as many features as rows. Right: networks of one hidden layer, trained by backprop on 50 rows with noise;
it stands where there are about as many weights as rows. Median and range of three seeds.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro import Topology
from bioneuro.initializers import initialise
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkRegressor
from feedforward.instruments import activity

SEEDS = range(3)
FEATURES = (10, 20, 40, 80, 120, 160, 180, 200, 220, 250, 300, 400, 800, 1600)
WIDTHS = (1, 2, 3, 4, 5, 6, 8, 12, 20, 50, 150)
digits = bioneuro.load_digits()


def random_features(wrong, seed):
    """Test error by the number of random ReLUs, with shortest least-squares weights behind them."""
    train, test = digits.split(test_size=len(digits) - 200, random_state=seed)
    y = train.y.copy()
    y[: int(200 * wrong)] = np.random.default_rng(seed).integers(10, size=int(200 * wrong))
    errors = []
    for width in FEATURES:
        first = initialise(Topology.mlp(64, width, 10), random_state=seed)
        known, new = (activity(first, X - train.X.mean(axis=0))["hidden"] for X in (train.X, test.X))
        readout = np.linalg.lstsq(known, np.eye(10)[y] - 0.1)[0]
        errors.append(np.mean((new @ readout).argmax(axis=1) != test.y))
    return errors


def trained(noise, seed):
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(1050, 10))
    y = np.tanh(2 * X @ draw.normal(size=10) / np.sqrt(10))
    y[:50] += noise * draw.normal(size=50)
    nets = [NetworkRegressor((width,), l2=0, epochs=1500, learning_rate=0.01, batch_size=50, random_state=seed).fit(X[:50], y[:50]) for width in WIDTHS]
    return [[np.mean((net.predict(X[rows]) - y[rows]) ** 2) for net in nets] for rows in (slice(50), slice(50, None))]


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 4.4), layout="constrained")
left, right = figure.subplots(1, 2)
bioneuro.viz.bands({"a": np.array([random_features(0.2, s) for s in SEEDS]), "b": np.array([random_features(0, s) for s in SEEDS])}, FEATURES, centre="median", ax=left).set_xscale("log")
runs = np.array([trained(0.5, s) for s in SEEDS])
weights = [12 * w + 1 for w in WIDTHS]
bioneuro.viz.bands({"train": runs[:, 0], "test": runs[:, 1]}, weights, centre="median", ax=right).set_xscale("log")
figure.savefig("double_descent.png", dpi=150)
