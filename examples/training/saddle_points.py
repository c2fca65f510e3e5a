"""Saddle points: the higher the loss at a critical point, the more ways there are that lead down from it.

python examples/training/saddle_points.py

After Dauphin et al. (2014), Identifying and attacking the saddle point problem. Where a network of m units has its
minimum, one of four units with the others silent has a critical point: its gradient is 0, and the negative eigenvalues
of its Hessian are its ways down. Six starts for each m. The control is m = 4, where descent stays where it is.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import Parameters, Topology, optim, training, viz
from bioneuro.viz.style import MARKERS, PALETTE, SETTINGS
from feedforward import Backprop, Network, NetworkRegressor
from feedforward.instruments import gradients, hessian

NET, STEPS, draw = Topology.mlp(4, 4, 1, unit="tanh", output="linear"), 6000, np.random.default_rng(0)
X, teacher = draw.normal(size=(200, 4)), 1.5 * np.linalg.qr(draw.normal(size=(4, 4)))[0]
y = np.tanh(X @ teacher) @ [[2.0], [1.5], [1.0], [0.7]] + 0.1 * draw.normal(size=(200, 1))
backprop = Backprop(Network(NET), "squared")


def critical_point(m, seed):
    """Four units, of which m are as good as m can be, and the others silent."""
    point = Parameters.zeros(NET, "float64")
    point["output.bias"] = y.mean()
    if m:
        small = NetworkRegressor((m,), unit="tanh", optimizer="lbfgs", epochs=500, l2=0, centre=False)
        learnt = small.set_params(random_state=seed).fit(X, y.ravel()).parameters_
        point["input->hidden"][:, :m], point["hidden.bias"][:m] = learnt["input->hidden"], learnt["hidden.bias"]
        point["hidden->output"][:m], point["output.bias"] = learnt["hidden->output"], learnt["output.bias"]
    return point


def descend(point):
    settings = {"optimizer": optim.sgd(0.1), "epochs": STEPS, "batch_size": 200, "key": training.Key.from_seed(0)}
    beside = Parameters(NET, point.theta + draw.normal(0, 1e-3, point.theta.size))
    return training.fit(beside, backprop, X, y, **settings)["loss"]


rcParams.update(SETTINGS)
(left, right), courses = (figure := Figure(figsize=(11, 4.4), layout="constrained")).subplots(1, 2), {}
for m in range(5):
    points = [critical_point(m, seed) for seed in range(6)]
    losses = [backprop.loss_of(point, X, y) for point in points]
    ways = [np.sum(np.linalg.eigvalsh(hessian(point, X, y, loss="squared")) < -1e-4) for point in points]
    slope = max(np.linalg.norm(gradients(point, X, y, loss="squared").theta) for point in points)
    left.semilogx(losses, ways, MARKERS[m], color=PALETTE[m], label=f"m = {m}")
    courses[f"m = {m}"] = descend(points[0])
    print(f"m = {m}: loss {min(losses):.3g} to {max(losses):.3g}, ways {min(ways)} to {max(ways)}, |g| {slope:.0e}")
left.set(xlabel="loss", ylabel="ways down: negative eigenvalues", yticks=range(5))
left.set_title("The higher a critical point, the more ways down")
viz.bands(courses, range(1, STEPS + 1), title="Descent from beside them: it lingers, and goes on", ax=right)
right.set(xscale="log", yscale="log", xlabel="step", ylabel="loss")
left.legend()
figure.savefig("saddle_points.png", dpi=150)
