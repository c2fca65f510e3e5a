"""Activation patterns: deep ReLU networks have surprisingly few (Hanin and Rolnick 2019).

python examples/training/activation_patterns.py
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro import Topology
from bioneuro.initializers import initialise
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import activity

SIDE, SEEDS, UNITS = 300, range(3), (8, 16, 32, 64)
digits = bioneuro.load_digits()
X = digits.X - digits.X.mean(axis=0)
corners = np.stack([X[digits.y == label][0] for label in (0, 1, 7)]).astype(float)
middle = corners.mean(axis=0)
axes_of_plane = np.linalg.svd(corners - middle)[2][:2]
there = (corners - middle) @ axes_of_plane.T
reach = 1.3 * np.linalg.norm(there, axis=1).max()
steps = np.linspace(-reach, reach, SIDE)
plane = middle + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) @ axes_of_plane


def pieces(parameters):
    on = np.hstack([emitted > 0 for name, emitted in activity(parameters, plane).items() if name.startswith("hidden")])
    codes = on @ np.random.default_rng(0).integers(2**60, size=on.shape[1])
    return np.unique(codes, return_inverse=True)[1].reshape(SIDE, SIDE)


rcParams.update(SETTINGS)
figure = Figure(figsize=(12, 4), layout="constrained")
axes = figure.subplots(1, 3)
for ax, epochs in zip(axes, (0, 30)):
    net = NetworkClassifier((16, 16), l2=0, centre=False, epochs=epochs, random_state=0).fit(X, digits.y)
    p = pieces(net.parameters_)
    print(epochs, p.max() + 1)
    ax.imshow(p, cmap="viridis", origin="lower")
figure.savefig("activation_patterns.png", dpi=150)
