"""Batch size: the noise of a gradient falls with the root of the rows in it, so larger batches gain less and less.

python examples/training/gradient_noise.py

Left: how far the gradient of b rows is from that of all n = 128; lines: sqrt((n - b) / (b (n - 1))) x noise of one row.
Right: steps until the mean loss of an epoch is below 0.1, at the best of four rates, for each batch size; mean of two
seeds. Twice the rows take half the steps only up to where the noise is as large as the gradient.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.errors import NotFiniteError
from bioneuro.viz.style import GREY, LINES, MARKERS, PALETTE, SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import gradients

ROWS, SIZES, RATES, few = 128, 4.0 ** np.arange(6), 0.04 * 4.0 ** np.arange(4), 2 ** np.arange(7)
digits, draw, equal = bioneuro.load_digits(), np.random.default_rng(0), []


def steps(b, rate, seed):
    """Until the mean loss of an epoch is below 0.1."""
    net = NetworkClassifier((30,), optimizer="sgd", learning_rate=rate, schedule="constant", batch_size=b, l2=0)
    net.set_params(epochs=10 if b < 64 else 60, callbacks=[lambda seen: seen.loss < 0.1], random_state=seed)
    try:
        net.fit(digits.X, digits.y)
    except NotFiniteError:
        return np.inf
    return net.t_ if net.loss_curve_[-1] < 0.1 else np.inf


rcParams.update(SETTINGS)
left, right = (figure := Figure(figsize=(11, 4.4), layout="constrained")).subplots(1, 2)
for k, epochs in enumerate((0, 5)):
    net = NetworkClassifier((30,), l2=0, epochs=epochs, random_state=0).fit(digits.X, digits.y)
    single = np.stack([gradients(net, digits.X[[row]], digits.y[[row]]).theta for row in range(ROWS)])
    away = (single - single.mean(axis=0)) / np.linalg.norm(single.mean(axis=0))
    noise = np.sqrt(np.sum(away**2, axis=1).mean())
    drawn = [[away[draw.permutation(ROWS)[:b]].mean(axis=0) for _ in range(200)] for b in few]
    found = np.sqrt(np.sum(np.square(drawn), axis=2).mean(axis=1))
    left.loglog(few, found, MARKERS[k], color=PALETTE[k], label=f"after {epochs} epochs of training")
    left.plot(few, noise * np.sqrt((ROWS - few) / (few * (ROWS - 1))), LINES[k], color=PALETTE[k])
    equal.append(noise**2)  # the batch size at which noise and gradient are equal
left.axhline(1, color=GREY, linewidth=0.8)
right.axvspan(*equal, color=GREY, alpha=0.2, label="noise as large as the gradient")
needed = np.array([[np.mean([steps(int(b), rate, seed) for seed in range(2)]) for rate in RATES] for b in SIZES])
right.loglog(SIZES, needed.min(axis=1), "o", color=PALETTE[2], label="digits; beside it the best rate")
right.plot(SIZES, needed[0].min() / SIZES, "--", color=GREY, label="twice the rows, half the steps")
for b, counts in zip(SIZES, needed, strict=True):
    right.annotate(f"{RATES[counts.argmin()]:.2g}", (b, counts.min()), (6, 6), textcoords="offset points")
    print(f"b = {b:.0f}: {counts.min():.0f} steps, {b * counts.min():,.0f} rows, at rate {RATES[counts.argmin()]:.2g}")
left.set(title="Noise of a gradient", xlabel="rows in it, b", ylabel="noise / length of the gradient", ylim=(0.2, 12))
right.set(title="Steps to a loss of 0.1", xlabel="rows a step, b", ylabel="steps")
left.legend()
right.legend()
figure.savefig("gradient_noise.png", dpi=150)
