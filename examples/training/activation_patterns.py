"""Activation patterns: networks of ReLUs have few linear pieces, deep or not (Hanin and Rolnick 2019).

python examples/training/activation_patterns.py

Each pattern of active and silent ReLUs is a region in which the network is linear. Left: the plane of three digits, as
far as 300 x 300 points show. Right: the pieces of the triangle between them, exactly; five draws of the first weights.
The control is what depth could do: two ReLUs a layer that fold [0, 1] in two, again and again: 2^(n / 2) pieces.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import Parameters, Topology, load_digits, viz
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import activity, net_inputs

UNITS, SIDE = (32, 64, 128, 256), np.linspace(-2.8, 2.8, 300)
digits = load_digits()
triangle = np.stack([digits.X[digits.y == label][0] for label in (0, 1, 7, 0)]) - digits.X.mean(axis=0)
middle, across = triangle[:3].mean(axis=0), np.linalg.svd(np.diff(triangle, axis=0))[2][:2]


def learn(n, layers, epochs, seed=0):
    net = NetworkClassifier((n // layers,) * layers, l2=0, epochs=epochs, dtype="float64")
    return net.set_params(random_state=seed).fit(digits.X, digits.y).parameters_


def pieces(parameters, way):
    """What a ReLU receives is linear on each piece that the layers below leave; it cuts those on which it crosses 0."""
    t = np.arange(len(way), dtype="float64")
    for name in [population.name for population in parameters.topology.by_role("hidden")]:
        h = net_inputs(parameters, np.stack([np.interp(t, range(len(way)), x) for x in way.T], axis=1))[name]
        k, unit = np.nonzero(h[:-1] * h[1:] < 0)
        t = np.sort([*t, *(t[k] + np.diff(t)[k] * h[k, unit] / (h[k, unit] - h[k + 1, unit]))])
    return len(t) - 1


rcParams.update(SETTINGS)
left, right = (figure := Figure(figsize=(11, 4.6), layout="constrained")).subplots(1, 2, width_ratios=[1, 1.2])
plane = middle + np.stack(np.meshgrid(SIDE, SIDE), axis=-1).reshape(-1, 2) @ across
active = np.hstack([*activity(learn(32, 2, 30), plane).values()][1:3]) > 0
regions = np.unique(active, axis=0, return_inverse=True)[1].reshape(300, 300)
left.imshow(regions * 7 % 20, cmap="tab20", origin="lower", extent=(*SIDE[[0, -1]], *SIDE[[0, -1]]))
left.plot(*((triangle - middle) @ across.T).T, "wo-", markeredgecolor="black", label="three digits")
left.set(title=f"Two layers of 16 ReLUs, trained: {regions.max() + 1} regions", xlabel="the plane of three digits")
found, folded = {}, {}
for layers, epochs, name in ((1, 0, "1 layer"), (2, 0, "2 layers"), (8, 0, "8 layers"), (8, 10, "8 layers, trained")):
    found[name] = [[pieces(learn(n, layers, epochs, seed), triangle) for n in UNITS] for seed in range(5)]
    print(name, {n: f"{count:.0f} pieces" for n, count in zip(UNITS, np.mean(found[name], axis=0), strict=True)})
viz.bands(found, UNITS, xlabel="ReLUs, n", ylabel="pieces", title="ReLUs make pieces, depth does not", ax=right)
for layers in range(2, 9):  # of 2 max(x, 0) - 4 max(x - 1/2, 0)
    theta = np.array([1, 1, *[2, 2, -4, -4] * layers, *[0, -0.5] * (layers + 1)])
    net = Parameters(Topology.mlp(1, *[2] * (layers + 1), output="linear"), theta)
    folded[2 * layers] = pieces(net, np.array([[0.0], [1.0]]))
right.loglog(folded.keys(), folded.values(), "k:", label="set by hand, n / 2 layers")
right.legend()
figure.savefig("activation_patterns.png", dpi=150)
