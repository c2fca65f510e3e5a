"""Concentric circles: no hidden unit, no answer; each hidden unit draws a line, and three lines fence a circle in.

python examples/training/concentric_circles.py

Accuracies on 1,000 new points; the control for lucky first weights: ten draws of them, of which the first is drawn.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import viz
from bioneuro.data import concentric_circles
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier

known, new = (concentric_circles(n, noise=0.08, random_state=seed) for seed, n in enumerate((300, 1000)))


def learn(units, seed):
    sizes = (units,) if units else ()
    net = NetworkClassifier(sizes, unit="tanh", learning_rate=0.03, epochs=200, l2=0, random_state=seed)
    return net.fit(known.X, known.y)


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 7.2), layout="constrained")
axes = figure.subplot_mosaic("023;hhh", height_ratios=[1.15, 1])
for place, units in (("0", 0), ("2", 2), ("3", 3)):
    nets = [learn(units, seed) for seed in range(10)]
    scores = [net.score(new.X, new.y) for net in nets]
    ax = viz.decision_boundary(nets[0], known.X, known.y, ax=axes[place])
    ax.set(title=f"{units or 'No'} hidden units: {scores[0]:.0%} of new points right", aspect="equal")
    ax.get_legend().remove()
    print(f"{units} hidden units: {np.mean(scores):.0%} of new points right, at worst {min(scores):.0%}")
viz.hidden_units(nets[0], known.X, known.y, title="What the 3 hidden units answer: each draws a line", ax=axes["h"])
figure.savefig("concentric_circles.png", dpi=150)
