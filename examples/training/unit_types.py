"""Unit types: what each makes of its input, and how much of an error it passes back.

python examples/training/unit_types.py

A network whose hidden units have x as their bias and add up to one linear output has the gradient f'(x). The control:
differences of f (dots). Bipolar types turn every second unit round; the last one lies about its slope, to stay awake.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import Parameters, Topology
from bioneuro.topology.units import Sigmoid
from bioneuro.viz.style import BLUE, GREY, INK, SETTINGS, VERMILLION
from feedforward.instruments import activity, gradients

TYPES = {
    "linear": "linear", "sigmoid": "sigmoid", "tanh": "tanh", "softplus": "softplus",
    "ReLU": "relu", "leaky ReLU": "leaky_relu", "PReLU, slope 1/4 at first": "prelu", "FReLU, b = 0": "frelu",
    "ELU": "elu", "SELU": "selu", "bipolar ELU": "bipolar_elu", "sigmoid, slope + 0.1": Sigmoid(flat_spot=0.1),
}  # fmt: skip
x = np.linspace(-4, 4, 402)  # an even number: 0, where ReLUs have two slopes, is between two points


def curves(unit):
    """f(x) and f'(x) of even units, and of odd ones."""
    net = Parameters.zeros(Topology.mlp(1, 2 * len(x), 1, unit=unit, output="linear"), "float64")
    net["hidden->output"], net["hidden.bias"] = 1, np.repeat(x, 2)
    emitted = activity(net, [[0.0]])
    slopes = gradients(net, [[0.0]], emitted["output"] - 1)["hidden.bias"]  # where the error is 1
    return emitted["hidden"].reshape(-1, 2).T, slopes.reshape(-1, 2).T


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 7.8), layout="constrained")
between, apart = (x[:-1] + x[1:]) / 2, np.diff(x)
for ax, (name, unit) in zip(figure.subplots(3, 4, sharex=True, sharey=True).ravel(), TYPES.items(), strict=True):
    values, slopes = curves(unit)
    differences = np.diff(values[0]) / apart
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.axvline(0, color=GREY, linewidth=0.6)
    ax.plot(x, values[0], color=BLUE, label="f(x)")
    ax.plot(x, values[1], ":", color=BLUE, label="f(x) of every second unit")
    ax.plot(x, slopes[0], "--", color=VERMILLION, label="f'(x), by which errors are passed back")
    ax.plot(between[::20], differences[::20], ".", color=INK, label="differences of f")
    ax.set(title=name, ylim=(-2, 3))
    wrong = np.abs(np.interp(between, x, slopes[0]) - differences).max()
    print(f"{name}: f' from {slopes.min():.2f} to {slopes.max():.2f}, beside differences of f wrong by {wrong:.3f}")
figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
figure.savefig("unit_types.png", dpi=150)
