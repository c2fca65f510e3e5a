"""Vanishing gradients: in a deep network of saturated sigmoids little error gets through; five remedies, one at a time.

python examples/training/vanishing_gradients.py

Four hidden layers of 30 units on digits; without a remedy first weights are N(0, 4) and the error is squared. 2 and 4
act at the output alone. 1 ends saturation, but a sigmoid passes on a quarter at most, for which 12.8 makes up.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro import Topology, viz
from bioneuro.initializers import gaussian
from bioneuro.topology.units import Sigmoid
from bioneuro.viz.style import INK, PALETTE, SETTINGS
from feedforward import NetworkRegressor
from feedforward.instruments import condition, gradients
from feedforward.targets import to_range

PLAIN = {"unit": "sigmoid", "output": "sigmoid", "loss": "squared", "initializer": gaussian(2.0), "targets": (0, 1)}
REMEDIES = {
    "none": {},
    "1  weights of variance 1/n": {"initializer": "lecun-normal"},
    "1b  weights of variance 12.8/n": {"initializer": "sigmoid-normal"},
    "2  targets 0.15 and 0.85": {"targets": (0.15, 0.85)},
    "3  0.1 added to each slope": {"unit": Sigmoid(flat_spot=0.1), "output": Sigmoid(flat_spot=0.1)},
    "4  cross-entropy": {"loss": "logistic"},
    "5  ReLUs, variance 2/n": {"unit": "relu", "initializer": "he-normal"},
}
train, test = bioneuro.load_digits().split(random_state=0)
rcParams.update(SETTINGS)
figure, sizes = Figure(figsize=(12, 4.6), layout="constrained"), {}
left, right = figure.subplots(1, 2)
for k, name in enumerate(REMEDIES):
    unit, output, loss, initializer, spread = (PLAIN | REMEDIES[name]).values()
    net, targets = Topology.mlp(64, *[30] * 4, 10, unit=unit, output=output), to_range(np.eye(10)[train.y], *spread)
    model = NetworkRegressor(topology=net, loss=loss, initializer=initializer, optimizer="momentum", l2=0)
    sizes[name], scores = np.zeros((3, 5)), np.zeros((2, 3))
    for seed in range(3):
        slopes = gradients(model.set_params(random_state=seed, epochs=0).fit(train.X, targets), train.X, targets)
        sizes[name][seed] = [np.sqrt(np.mean(slopes[projection.name] ** 2)) for projection in net.projections]
        flat = np.mean([found.saturated for found in list(condition(model, train.X).values())[:-1]])
        for row, rate in enumerate((0.1, 0.3)):
            model.set_params(epochs=15, learning_rate=rate).fit(train.X, targets)
            scores[row, seed] = np.mean(model.predict(test.X).argmax(axis=1) == test.y)
    best = scores[scores.mean(axis=1).argmax()]
    print(f"{name}: gradient of the first layer {sizes[name].mean(axis=0)[0]:.1e}, accuracy {best.mean():.1%}")
    right.barh(k, best.mean(), color=PALETTE[k])
    right.plot(best, [k] * 3, "o", color="white", markeredgecolor=INK)
    right.text(1.04, k, f"{flat:.0%}", va="center")
viz.bands(sizes, range(1, 6), xlabel="layer of weights, from input to output", ylabel="root mean square", ax=left)
left.set(title="Gradients before training", yscale="log", xticks=range(1, 6))
left.get_legend().remove()
right.text(1.04, -0.7, "saturated at first")
right.set(xlabel="accuracy on test digits", xlim=(0, 1), yticks=range(7), yticklabels=REMEDIES, ylim=(6.6, -0.6))
right.set_title("After 15 epochs at the better of two rates: three seeds")
figure.savefig("vanishing_gradients.png", dpi=150)
