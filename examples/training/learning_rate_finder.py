"""The learning rate, found on a random subsample: a tenth of the rows asks for the rate that all want.

python examples/training/learning_rate_finder.py

`find_learning_rate` trains for 200 steps at each rate and takes the middle of those about as good as the best. Control,
right: the error on new pictures after three epochs with all 10,000 rows, which is what one wants to know, but dear. A
hundredth is soon known by heart, and can go astray. Digits, a tenth of the pixels flipped; range of three seeds.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import Topology, corrupt, load_digits, training, viz
from bioneuro._jit.keys import Key
from bioneuro.initializers import initialise
from bioneuro.training.learning_rate import RATES
from bioneuro.viz.style import GREY, SETTINGS
from feedforward import NetworkClassifier
from feedforward.network import Backprop, Network

NET, SUBSAMPLES, SEEDS = Topology.mlp(64, 30, 10), (100, 1_000, 10_000), range(3)


def pictures(digits, n):
    rows = np.random.default_rng(0).integers(len(digits), size=n)
    return corrupt(digits.X[rows], flip=0.1, random_state=0), digits.y[rows]


(X, y), (new, truth) = map(pictures, load_digits().split(random_state=0), (10_000, 2_000))


def find(optimizer, share, seed):
    first, targets = initialise(NET, random_state=seed), np.eye(10, dtype="float32")[y]
    settings = {"optimizer": optimizer, "share": share, "strata": y, "key": Key.from_seed(seed)}
    return training.find_learning_rate(first, Backprop(Network(NET)), X - X.mean(axis=0), targets, **settings)


def error(optimizer, rate, seed):
    net = NetworkClassifier(topology=NET, optimizer=optimizer, learning_rate=rate, l2=0, epochs=3, random_state=seed)
    return 1 - net.fit(X, y).score(new, truth)


rcParams.update(SETTINGS)
left, middle, right = (figure := Figure(figsize=(12, 4), layout="constrained")).subplots(1, 3)
found = {(name, n): [find(name, n / len(X), seed) for seed in SEEDS] for name in ("adam", "sgd") for n in SUBSAMPLES}
found["adam", 1000][0].plot(ax=left).set_title(f"Adam, 1,000 rows: rate {found['adam', 1000][0].best}")
losses = {f"{n:,} rows": np.array([one.losses for one in found["adam", n]]) for n in SUBSAMPLES}
viz.bands(losses, RATES, xlabel="learning rate", ylabel="loss", title="Adam: 1,000 rows are enough", ax=middle)
middle.set(xscale="log", yscale="log", ylim=(1e-4, 1e3))
errors = {name: np.array([[error(name, rate, seed) for rate in RATES] for seed in SEEDS]) for name in ("adam", "sgd")}
viz.bands(errors, RATES, xlabel="learning rate", ylabel="error on new pictures", percent=True, ax=right)
right.set(xscale="log", title="All 10,000 rows; dotted: found with 1,000", ylim=(0, 1))
for name in errors:
    right.axvline(found[name, 1000][0].best, color=GREY, linestyle=":", zorder=1)
for (name, n), runs in found.items():
    chosen = [RATES.index(one.best) for one in runs]
    print(f"{name}, {n} rows: {[RATES[k] for k in chosen]}, with error {errors[name][SEEDS, chosen].mean():.1%}")
figure.savefig("learning_rate_finder.png", dpi=150)
