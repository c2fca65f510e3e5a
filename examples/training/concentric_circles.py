"""Concentric circles: without hidden units half of the points are wrong; three hidden units draw a triangle around.

python examples/training/concentric_circles.py
"""

from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier

data = bioneuro.data.concentric_circles(300, noise=0.08, random_state=0)
rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 7.6), layout="constrained")
axes = figure.subplot_mosaic("012;hhh", height_ratios=[1.15, 1])
for ax, n in zip("012", (0, 2, 3)):
    net = NetworkClassifier((n,) if n else (), unit="tanh", learning_rate=0.03, epochs=200, l2=0, random_state=0).fit(data.X, data.y)
    bioneuro.viz.decision_boundary(net, data.X, data.y, ax=axes[ax])
    print(n, net.score(data.X, data.y))
bioneuro.viz.hidden_units(net, data.X, data.y, ax=axes["h"])
figure.savefig("concentric_circles.png", dpi=150)
