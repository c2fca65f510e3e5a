"""The best learning rate grows with the batch size: a mean over more rows is less noisy, and allows a longer step.

python examples/training/rate_and_batch_size.py

The loss of a network on 1,024 digits, trained at every rate with every batch size. After as many rows, larger batches
have had fewer steps, and want longer ones for that alone; so the control takes as many steps with each. There, small
rates do not feel the batch size at all, and large rates are of use with large batches only. Mean of two seeds.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import bioneuro
from bioneuro.errors import NotFiniteError
from bioneuro.viz.style import INK, SETTINGS
from feedforward import NetworkClassifier

SIZES, RATES, ROWS = (1, 4, 16, 64, 256), (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10), 1024
PANELS = {  # optimiser; rows and epochs with batches of b
    "SGD, 4,096 rows": ("sgd", lambda b: (ROWS, 4)),
    "SGD, 256 steps (control)": ("sgd", lambda b: (min(ROWS, 256 * b), max(1, b // 4))),
    "Adam, 4,096 rows": ("adam", lambda b: (ROWS, 4)),
}
digits, rows = bioneuro.load_digits(), np.random.default_rng(0).permutation(1797)[:ROWS]
X, y = digits.X[rows], digits.y[rows]


def loss(optimizer, rate, b, rows, epochs, seed):
    net = NetworkClassifier((30,), optimizer=optimizer, learning_rate=rate, schedule="constant", batch_size=b, l2=0)
    try:
        net.set_params(epochs=epochs, random_state=seed).fit(X[:rows], y[:rows])
    except NotFiniteError:
        return np.nan
    return -np.mean(np.log(net.predict_proba(X)[np.arange(ROWS), y] + 1e-30))


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 4.8), layout="constrained")
for ax, (title, (optimizer, plan)) in zip(axes := figure.subplots(1, 3, sharey=True), PANELS.items(), strict=True):
    cells = [[[loss(optimizer, rate, b, *plan(b), k) for k in range(2)] for b in SIZES] for rate in RATES]
    grid = np.mean(cells, axis=2)
    best = np.nanargmin(grid, axis=0)
    picture = ax.imshow(grid, norm=LogNorm(0.005, 3), cmap="viridis_r", origin="lower", aspect="auto")
    ax.plot(best, "o-", color="white", markeredgecolor=INK, label="best rate")
    ax.set(title=title, xlabel="batch size: rows a step")
    ax.set_xticks(range(5), labels=SIZES)
    ax.set_yticks(range(len(RATES)), labels=RATES)
    print(title, {f"{b} a step": f"rate {RATES[k]}" for b, k in zip(SIZES, best, strict=True)})
axes[0].set_ylabel("learning rate")
axes[0].legend(loc="lower right", labelcolor="white")
figure.colorbar(picture, ax=axes, label="loss (white: not finite)", extend="both")
figure.savefig("rate_and_batch_size.png", dpi=150)
