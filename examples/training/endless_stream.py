"""Online learning: a stream that never ends shows no picture twice, and so nothing can be learnt by heart.

python examples/training/endless_stream.py

Every picture of the stream is a digit with 15 % of its pixels flipped afresh. Each batch is first a test and then a
lesson (`partial_fit`). The control takes as many steps, but goes through the first 1,000 pictures again and again.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier

BATCHES, ROWS, FIRST, EACH = 300, 50, 20, 20
train, test = bioneuro.load_digits().split(random_state=0)
asked = bioneuro.corrupt(test.X, flip=0.15, random_state=0)


def batch(k):
    """The k-th batch of the stream; there are as many as one likes."""
    rows = np.random.default_rng(k).integers(len(train), size=ROWS)
    return bioneuro.corrupt(train.X[rows], flip=0.15, random_state=k + 1), train.y[rows]


def course(batches):
    """Errors, by turns of `EACH` batches: on the batches before they are learnt, and on test pictures."""
    net, wrong, errors = NetworkClassifier((100,), l2=0, random_state=0), [], []
    for k, (X, y) in enumerate(batches, start=1):
        wrong.append(1 - net.score(X, y) if k > 1 else 0.9)
        net.partial_fit(X, y, classes=range(10))
        if k % EACH == 0:
            errors.append((np.mean(wrong[-EACH:]), 1 - net.score(asked, test.y)))
    return np.transpose(errors)


stream, again = course(map(batch, range(BATCHES))), course(batch(k % FIRST) for k in range(BATCHES))
curves = {
    "endless stream: next pictures": stream[0],
    "endless stream: test pictures": stream[1],
    "1,000 pictures again and again: next pictures": again[0],
    "1,000 pictures again and again: test pictures": again[1],
}
for name, errors in curves.items():
    print(f"{name}: {errors[-1]:.1%} wrong after {BATCHES * ROWS:,}")
rcParams.update(SETTINGS)
figure = Figure(figsize=(8, 4.6), layout="constrained")
shown = EACH * ROWS * np.arange(1, BATCHES // EACH + 1)
ax = bioneuro.viz.bands(curves, shown, percent=True, xlabel="pictures shown", ylabel="error", ax=figure.subplots())
ax.set(title="1,000 pictures are learnt by heart, an endless stream cannot be", ylim=(0, None))
figure.savefig("endless_stream.png", dpi=150)
