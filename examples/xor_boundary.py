"""XOR: no straight line tells its classes apart; a few ReLUs do.

python examples/xor_boundary.py
"""

from matplotlib.figure import Figure

import bioneuro
import feedforward

data = bioneuro.data.xor(per_corner=50, noise=0.15, random_state=0)
line = feedforward.NetworkClassifier((), epochs=200, random_state=0).fit(data.X, data.y)
bent = feedforward.NetworkClassifier((8,), epochs=400, learning_rate=0.02, random_state=0).fit(data.X, data.y)

figure = Figure(figsize=(9, 4.2), layout="constrained")
for ax, name, model in zip(figure.subplots(1, 2), ("no hidden unit", "eight ReLUs"), (line, bent), strict=True):
    bioneuro.viz.decision_boundary(model, data.X, data.y, ax=ax)
    ax.set_title(f"XOR with {name}: {model.score(data.X, data.y):.0%} right")
    print(f"{name}: {model.score(data.X, data.y):.3f} right")
figure.savefig("xor_boundary.png", dpi=150)
