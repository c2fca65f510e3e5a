"""Batch normalisation: in deep networks of ReLUs, loss and gradient change less on the way along the gradient.

python examples/training/smoother_landscape.py

After Santurkar et al. (2018), How does batch normalization help optimization? After every ten steps of training, 256
rows have a gradient g, and w - eta g is looked at, up to four steps ahead. The control: tanh, which normalisation makes
no smoother here. Median and range of three seeds.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from bioneuro import Parameters, load_digits, training, viz
from bioneuro.viz.style import SETTINGS
from feedforward import Backprop, Network, NetworkClassifier

RATE, SEEDS, STEPS = 0.1, range(3), 10 * np.arange(1, 19)
TITLES = {"relu": "Six layers of ReLUs: smoother", "tanh": "Control, six layers of tanh: not smoother"}
YLABELS = "loss ahead: greatest - least", "gradient ahead: largest change |g' - g|"
digits, rows = load_digits(), np.random.default_rng(0).permutation(1797)
X = digits.X - digits.X.mean(axis=0)
batch = training.Batch(X[rows[:256]], np.eye(10, dtype="float32")[digits.y[rows[:256]]], rows[:256])


def ahead(parameters):
    """How much the loss varies along the gradient, and how far the gradient gets from what it was."""
    backprop, losses, gradients = Backprop(Network(parameters.topology)), [], []
    for eta in RATE * np.array([0, 0.5, 1, 2, 3, 4]):
        there, gradient = parameters.copy(), Parameters.zeros(parameters.topology)
        there.theta -= np.float32(eta) * gradients[0] if eta else 0
        losses.append(backprop(there, batch, None, 0, gradient))
        gradients.append(gradient.theta)
    return np.ptp(losses), np.linalg.norm(np.array(gradients) - gradients[0], axis=1).max()


def course(unit, batch_norm, seed):
    net = NetworkClassifier((40,) * 6, unit=unit, batch_norm=batch_norm, optimizer="sgd", learning_rate=RATE, l2=0)
    net.set_params(centre=False, dtype="float32", random_state=seed)
    seen = []
    for part in np.resize(rows, (len(STEPS), 320)):  # ten steps of 32 rows
        net.partial_fit(X[part], digits.y[part], classes=range(10))
        seen.append(ahead(net.training_parameters_ if batch_norm else net.parameters_))
    return np.transpose(seen)


threadpool_limits(1, "blas")  # of matrices so small, more threads only wait for each other
rcParams.update(SETTINGS)
figure = Figure(figsize=(10, 7), layout="constrained")
for (unit, title), axes in zip(TITLES.items(), figure.subplots(2, 2, sharey="row").T, strict=True):
    runs = {kind: [course(unit, kind != "plain", seed) for seed in SEEDS] for kind in ("plain", "batch-normalised")}
    for k, ax in enumerate(axes):
        curves = {kind: np.array([seen[k] for seen in found]) for kind, found in runs.items()}
        viz.bands(curves, STEPS, centre="median", xlabel="step", ylabel=YLABELS[k], title=title, ax=ax)
        ax.set_yscale("log")
        print(f"{unit}: {YLABELS[k]}, median", {kind: f"{np.median(found):.2g}" for kind, found in curves.items()})
figure.savefig("smoother_landscape.png", dpi=150)
