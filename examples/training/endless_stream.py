"""Online learning: a stream that never ends never shows a row twice, and cannot be learnt by heart.

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

BATCHES, ROWS, FIRST = 300, 50, 20
train, test = bioneuro.load_digits().split(random_state=0)
asked = bioneuro.corrupt(test.X, flip=0.15, random_state=0)


def batch(k):
    """The k-th batch of the stream; there are as many as one likes."""
    rows = np.random.default_rng(k).integers(len(train), size=ROWS)
    return bioneuro.corrupt(train.X[rows], flip=0.15, random_state=k + 1), train.y[rows]


nets = {"the stream": NetworkClassifier((100,), l2=0, random_state=0), "again": NetworkClassifier((100,), l2=0, random_state=0)}
stream, again = nets.values()
before, errors = [], []
for k in range(BATCHES):
    X, y = batch(k)
    before.append(1 - stream.score(X, y) if k else np.nan)
    stream.partial_fit(X, y, classes=digits_classes) if False else stream.partial_fit(X, y, classes=range(10))
    again.partial_fit(*batch(k % FIRST), classes=range(10))
    if k % 10 == 9:
        errors.append([1 - net.score(asked, test.y) for net in nets.values()])
errors = np.array(errors)
print(errors[[0, 4, 9, 19, 29]], np.nanmean(before[-100:]))
figure = Figure()
figure.savefig("endless_stream.png", dpi=150)
