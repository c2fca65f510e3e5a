"""Early stopping: what is learnt last is the noise, and the weights wander far for it.

python examples/training/early_stopping.py

300 digits to learn from, a fifth of them with a wrong label, and 100 to watch: training stops where their loss is least.
The control has right labels only, and nothing to fear from training on. Three draws.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import WeightHistory, activity

EPOCHS, SEEDS = 80, range(3)
digits = bioneuro.load_digits()


def train(wrong, seed):
    """One row of numbers an epoch: training loss, validation loss, test accuracy, distance from the first weights."""
    learn, test = digits.split(test_size=len(digits) - 400, random_state=seed)
    y = learn.y.copy()
    y[: int(wrong * 400)] = np.random.default_rng(seed).integers(10, size=int(wrong * 400))
    right, history = [], WeightHistory()

    def look(seen):
        right.append(np.mean(activity(seen.parameters, test.X)["output"].argmax(axis=1) == test.y))

    net = NetworkClassifier((100,), schedule="constant", l2=0, centre=False, epochs=EPOCHS, patience=EPOCHS,
                            validation_fraction=0.25, callbacks=[history, look], random_state=seed)  # fmt: skip
    net.fit(learn.X, y)
    return np.array([net.loss_curve_, net.validation_curve_, right, history.distances["all"][1:]])


rcParams.update(SETTINGS)
noisy, clean = (np.array([train(wrong, seed) for seed in SEEDS]) for wrong in (0.2, 0))
stops = noisy[:, 1].argmin(axis=1)
print(stops, [noisy[s,2,k] for s,k in enumerate(stops)], noisy[:,2,-1], clean[:,1].argmin(1), clean[:,2,-1])
figure = Figure(figsize=(12, 4), layout="constrained")
axes = figure.subplots(1, 3)
epochs = range(1, EPOCHS + 1)
bioneuro.viz.bands({"training": noisy[:, 0], "validation": noisy[:, 1]}, epochs, ax=axes[0], markers=False)
bioneuro.viz.bands({"a fifth of the labels wrong": noisy[:, 2], "all labels right": clean[:, 2]}, epochs, ax=axes[1], markers=False)
bioneuro.viz.bands({"a fifth of the labels wrong": noisy[:, 3], "all labels right": clean[:, 3]}, epochs, ax=axes[2], markers=False)
figure.savefig("early_stopping.png", dpi=150)
