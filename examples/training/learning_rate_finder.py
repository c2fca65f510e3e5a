"""The learning rate, found on a random subsample: a tenth of the rows asks for the rate that all want.

python examples/training/learning_rate_finder.py

`find_learning_rate` trains for 200 steps at each rate and takes the middle of those about as good as the best. Control,
right: the error on new pictures after three epochs with all 10,000 rows, which is what one wants to know, but dear. A
hundredth is soon known by heart, by enormous weights too; what lies beyond the hill, where training fails, does not
count. Digits, a tenth of the pixels flipped; range of three seeds.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import corrupt, load_digits, viz
from bioneuro.training.learning_rate import RATES
from bioneuro.viz.style import GREY, SETTINGS
from feedforward import NetworkClassifier

OPTIMIZERS, SUBSAMPLES, SEEDS = ("adam", "sgd"), (100, 1_000, 10_000), range(3)


def pictures(digits, n):
    rows = np.random.default_rng(0).integers(len(digits), size=n)
    return corrupt(digits.X[rows], flip=0.1, random_state=0), digits.y[rows]


known, new = map(pictures, load_digits().split(random_state=0), (10_000, 2_000))


def network(optimizer, seed):
    return NetworkClassifier((30,), optimizer=optimizer, l2=0, epochs=3, random_state=seed)


def find(optimizer, n):
    return [network(optimizer, seed).find_learning_rate(*known, share=n / 10_000) for seed in SEEDS]


def errors_of(optimizer):
    """(seeds, rates) on new pictures, after a whole training."""
    nets = [[network(optimizer, seed).set_params(learning_rate=rate) for rate in RATES] for seed in SEEDS]
    return np.array([[1 - net.fit(*known).score(*new) for net in row] for row in nets])


rcParams.update(SETTINGS)
left, middle, right = (figure := Figure(figsize=(12, 4), layout="constrained")).subplots(1, 3)
found = {(name, n): find(name, n) for name in OPTIMIZERS for n in SUBSAMPLES}
errors = {name: errors_of(name) for name in OPTIMIZERS}
found["adam", 1_000][0].plot(ax=left).set_title(f"Adam, 1,000 rows: rate {found['adam', 1_000][0].best}")
losses = {f"{n:,} rows": np.array([one.losses for one in found["adam", n]]) for n in SUBSAMPLES}
viz.bands(losses, RATES, xlabel="learning rate", ylabel="loss", title="Adam: 1,000 rows are enough", ax=middle)
middle.set(xscale="log", yscale="log", ylim=(1e-4, 1e3))
viz.bands(errors, RATES, xlabel="learning rate", ylabel="error on new pictures", percent=True, ax=right)
right.set(xscale="log", title="All 10,000 rows; dotted: found with 1,000", ylim=(0, 1))
for (name, n), runs in found.items():
    chosen = [RATES.index(one.best) for one in runs]
    print(f"{name}, {n:,} rows: {[RATES[k] for k in chosen]}, with error {errors[name][SEEDS, chosen].mean():.1%}")
    right.axvline(RATES[chosen[0]], color=GREY, linestyle=":", zorder=1, visible=n == 1_000)
figure.savefig("learning_rate_finder.png", dpi=150)
