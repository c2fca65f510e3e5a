"""First weights: too small and signals die on the way up, too large and they saturate; 1 / n or 2 / n keeps them.

python examples/training/first_weights.py

What 10 layers of 500 units make of 1,000 rows of N(0, 1), untrained, by how the weights are drawn. The control (dotted)
is a calculation: were layers wide without end, h would be N(0, q), with q = 500 var(w) times the mean square below.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import Topology, viz
from bioneuro.initializers import gaussian, initialise
from bioneuro.viz.style import INK, SETTINGS
from feedforward.instruments import activity, moments

LAYERS, N = 10, 500
CASES = {  # unit, how weights are drawn, their variance
    "tanh, sd 0.01: dies": ("tanh", gaussian(0.01), 1e-4),
    "tanh, sd 1: saturates": ("tanh", gaussian(1.0), 1.0),
    "tanh, variance 1 / n": ("tanh", "lecun-normal", 1 / N),
    "ReLU, variance 1 / n: fades": ("relu", "lecun-normal", 1 / N),
    "ReLU, variance 2 / n": ("relu", "he-normal", 2 / N),
}
X = np.random.default_rng(0).normal(size=(1000, N))
grid = np.linspace(-8, 8, 2001)
share = np.exp(-(grid**2) / 2) / np.exp(-(grid**2) / 2).sum()


def calculate(unit, variance):
    """Standard deviation of each layer's activity, were the layers wide without end."""
    square, found = 1.0, []
    for _ in range(LAYERS):
        h = grid * np.sqrt(N * variance * square)
        a = np.tanh(h) if unit == "tanh" else np.maximum(h, 0)
        square = share @ a**2
        found.append(np.sqrt(square - (share @ a) ** 2))
    return np.array(found)


rcParams.update(SETTINGS)
figure = Figure(figsize=(13, 9), layout="constrained")
axes, found = figure.subplots(2, 3).ravel(), {}
expected = {case: calculate(unit, variance) for case, (unit, _, variance) in CASES.items()}
for ax, (case, (unit, scheme, _)) in zip(axes, CASES.items(), strict=False):
    net = Topology.mlp(N, *[N] * LAYERS, 1, unit=unit)
    layers = list(activity(initialise(net, scheme, random_state=0), X).values())[1:-1]
    found[case] = {str(k): layer for k, layer in enumerate(layers, start=1)}
    viz.layer_histograms(found[case], title=case, xlabel="activity", ax=ax)
    for name, values in (("drawn", [one.std for one in moments(found[case]).values()]), ("calculated", expected[case])):
        print(f"{case}, {name}:", *(f"{value:.2g}" for value in values))
viz.layer_moments(found, title="Standard deviation (dotted: calculated)", ax=axes[5])
axes[5].plot(np.transpose(list(expected.values())), ":", color=INK, linewidth=1, zorder=4)
axes[5].legend(loc="lower left")
figure.savefig("first_weights.png", dpi=150)
