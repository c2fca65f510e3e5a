"""Memorising: a network learns random labels, and random pictures, as perfectly as real ones; only not as fast.

python examples/training/memorising_noise.py

500 pictures of digits and 100 hidden units, after Zhang et al. (2017), Understanding deep learning requires rethinking
generalization. New pictures are treated as those that were learnt: whoever knows them by heart knows nothing of these.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import activity

EPOCHS, SEEDS = 60, range(3)
WORLDS = {  # what is done to pictures and labels
    "digits": lambda X, y, draw: (X, y),
    "pixels in another order, the same for all": lambda X, y, draw: (X[:, np.random.default_rng(0).permutation(64)], y),
    "pixels in another order in each": lambda X, y, draw: (draw.permuted(X, axis=1), y),
    "pictures of noise": lambda X, y, draw: (draw.normal(X.mean(), X.std(), X.shape), y),
    "random labels": lambda X, y, draw: (X, draw.permutation(y)),
}
digits = bioneuro.load_digits()
known, new = {name: [] for name in WORLDS}, {name: [] for name in WORLDS}
for seed in SEEDS:
    learn, test = digits.split(test_size=len(digits) - 500, random_state=seed)
    for name, make in WORLDS.items():
        draw, right = np.random.default_rng(seed), []
        X, y = make(learn.X, learn.y, draw)
        look = lambda seen, X=X - X.mean(axis=0), y=y, right=right: right.append(np.mean(activity(seen.parameters, X)["output"].argmax(axis=1) == y))
        net = NetworkClassifier((100,), schedule="constant", l2=0, epochs=EPOCHS, callbacks=[lambda seen: look(seen)], random_state=seed).fit(X, y)
        known[name].append(right)
        new[name].append(net.score(*make(test.X, test.y, draw)))
rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 4.4), layout="constrained")
left, rightax = figure.subplots(1, 2)
bioneuro.viz.bands({n: np.array(v) for n, v in known.items()}, range(1, EPOCHS + 1), ax=left, markers=False)
rightax.barh(list(new), [np.mean(v) for v in new.values()])
print({n: (np.mean(known[n],0)[[0,4,9,19,39,59]].round(2), np.mean(v)) for n, v in new.items()})
figure.savefig("memorising_noise.png", dpi=150)
