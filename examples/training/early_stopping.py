"""Early stopping: what a network learns last are the wrong labels, and its weights wander far for them.

python examples/training/early_stopping.py

300 digits to learn from, a fifth of their labels random; the loss of 100 others, whose labels are no better, says when
to stop. The control: all labels are right, and training on does no harm. Mean and range of three draws.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.viz.style import INK, SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import WeightHistory, activity

EPOCHS, SEEDS = range(1, 81), range(3)
digits = bioneuro.load_digits()


def train(wrong, seed):
    """By epoch: loss of the learnt and of the watched rows, accuracy on new ones, distance from the first weights."""
    rows, new = digits.split(test_size=len(digits) - 400, random_state=seed)
    y = rows.y.copy()
    y[: int(400 * wrong)] = np.random.default_rng(seed).integers(10, size=int(400 * wrong))
    history, accuracy = WeightHistory(), []

    def ask(seen):
        accuracy.append(np.mean(activity(seen.parameters, new.X)["output"].argmax(axis=1) == new.y))

    net = NetworkClassifier((100,), schedule="constant", l2=0, centre=False, epochs=len(EPOCHS), patience=len(EPOCHS),
                            validation_fraction=0.25, callbacks=[history, ask], random_state=seed)  # fmt: skip
    net.fit(rows.X, y)
    return net.loss_curve_, net.validation_curve_, accuracy, history.distances["all"][1:]


wrong, right = (np.array([train(share, seed) for seed in SEEDS]).transpose(1, 0, 2) for share in (0.2, 0.0))
rcParams.update(SETTINGS)
figure = Figure(figsize=(12, 4.2), layout="constrained")
panels = (
    ("A fifth of the labels random", "mean loss", {"300 digits learnt from": wrong[0], "100 digits watched": wrong[1]}),
    ("On 1,397 new digits", "accuracy", {"a fifth of the labels random": wrong[2], "all labels right": right[2]}),
    ("Distance from the first weights", "|w - w at first|", {"a fifth random": wrong[3], "all right": right[3]}),
)
stops = wrong[1].argmin(axis=1)
places = (0.42, 0.2), "lower right", "upper left"
for k, (ax, (title, ylabel, curves)) in enumerate(zip(figure.subplots(1, 3), panels, strict=True), start=1):
    bioneuro.viz.bands(curves, EPOCHS, xlabel="epoch", ylabel=ylabel, title=title, markers=False, ax=ax)
    there = wrong[k][SEEDS, stops]
    ax.plot(stops + 1, there, "o", color="white", markeredgecolor=INK, zorder=5, label="watched loss is least")
    ax.legend(loc=places[k - 1])
    print(f"{title}: {there.mean():.2f} where the watched loss is least, {wrong[k][:, -1].mean():.2f} in the end")
figure.savefig("early_stopping.png", dpi=150)
