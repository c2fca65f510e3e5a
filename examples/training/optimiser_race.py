"""A race of optimisers: how each takes a ravine, and which learning rate each wants on digits.

python examples/training/optimiser_race.py

Above: 40 steps on a bowl 30 times as steep one way as the other, and, as a control, on the same bowl turned by 45
degrees, where scaling each weight by itself (AdaGrad) is of no use; each at the best of a grid of rates. Below: 100
steps at each rate on a quarter of the digits, then all digits at the rate so found, which falls to 0.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro import Parameters, Topology, optim, training, viz
from bioneuro.initializers import initialise
from bioneuro.viz.style import SETTINGS
from feedforward import Backprop, Network, NetworkClassifier

ALONG, TURNED = np.array([[1.0, 0.0], [0.0, 30.0]]), np.array([[15.5, 14.5], [14.5, 15.5]])
RACERS, EPOCHS, RATES = ("sgd", "momentum", "adagrad", "adam", "rmsprop"), 15, 1e-4 * 10 ** np.arange(0, 4.1, 0.5)


def roll(H, optimizer):
    """The path of two weights down the bowl 1/2 w' H w, and how high it ends."""
    weights = Parameters(Topology.mlp(1, 1, output="linear"), np.array([-4.0, 1.5]))
    path, state = [weights.theta.copy()], optimizer.init(weights)
    for step in range(40):
        update = H @ weights.theta
        optimizer.update(update, state, weights, step)  # gradient in, step out
        weights.theta += update
        path.append(weights.theta.copy())
    return path[-1] @ H @ path[-1] / 2, np.array(path)


rcParams.update(SETTINGS)
axes = (figure := Figure(figsize=(11, 8), layout="constrained")).subplots(2, 2)
for ax, H, title in zip(axes[0], (ALONG, TURNED), ("Steep and flat along the axes", "The same, turned"), strict=True):
    paths = {}
    for name in RACERS[:4]:
        tries = (roll(H, optim.OPTIMIZERS[name](rate)) for rate in np.geomspace(0.01, 1.0, 13))
        end, paths[name] = min(tries, key=lambda found: found[0])
        print(f"{title}: {name} ends at a height of {end:.1g}")
    viz.descent_paths(lambda w, H=H: np.sum(w @ H * w, axis=1) / 2, paths, minimum=[0, 0], title=title, ax=ax)
digits = bioneuro.load_digits()
net, X, Y = Topology.mlp(64, 30, 10), digits.X - digits.X.mean(axis=0), np.eye(10, dtype="float32")[digits.y]
settings, tried, losses = {"rates": RATES, "share": 0.25, "steps": 100, "key": training.Key.from_seed(0)}, {}, {}
for name in RACERS:
    found = training.find_learning_rate(initialise(net), Backprop(Network(net)), X, Y, optimizer=name, **settings)
    learner = NetworkClassifier((30,), optimizer=name, learning_rate=found.best, l2=0, epochs=EPOCHS)
    runs = [learner.set_params(random_state=seed).fit(X, digits.y).loss_curve_ for seed in range(3)]
    tried[name], losses[f"{name}, rate {found.best:.2g}"] = found.losses, np.array(runs)
    print(f"{name}: rate {found.best:.2g}, loss after {EPOCHS} epochs {np.mean(runs, axis=0)[-1]:.4f}")
rates, race = viz.bands(tried, RATES, ax=axes[1, 0]), viz.bands(losses, range(1, EPOCHS + 1), ax=axes[1, 1])
rates.set(title="A quarter of the digits, 100 steps", xlabel="learning rate", ylabel="loss", xscale="log", yscale="log")
race.set(title="All digits: mean and range of three seeds", xlabel="epoch", ylabel="training loss", yscale="log")
figure.savefig("optimiser_race.png", dpi=150)
