"""A trained network thinks in spikes: its activities become rates of spikes, and its answers stay.

python examples/network_to_spikes.py
"""

import numpy as np
from matplotlib.figure import Figure

import bioneuro
import feedforward
from bioneuro.data import encode_rate
from bioneuro.spiking import SpikeTrain, classify, raster, simulate, spikes_of, to_spiking
from bioneuro.viz.style import BLUE, GREY, VERMILLION

train, test = bioneuro.load_digits().split(random_state=0)
model = feedforward.NetworkClassifier((100,), random_state=0).fit(train.X, train.y)
network = to_spiking(model, train.X)  # the same structure, weights in volts; X sets the scale

durations = 1e-3 * np.array([5, 7, 10, 15, 20, 50, 100, 200])  # s that a digit is shown
answers = [model.classes_[classify(network, test.X, duration)] for duration in durations]
by_rates, by_spikes = model.score(test.X, test.y), [np.mean(labels == test.y) for labels in answers]

expected, counted = [], []  # Hz, of hidden neurons, by their activities and by their spikes in one second
for k in range(5):
    spikes = encode_rate(test.X[k], 1.0, highest=network.scale.highest["input"])
    run = simulate(network.parameters, {"input": SpikeTrain(*spikes.row(0))}, 1.0, max_rate=np.inf)
    expected.append(network.scale.rates("hidden", model.activations(test.X[[k]])["hidden"][0]))
    counted.append(np.bincount(spikes_of(run, "hidden")[0], minlength=100))

figure = Figure(figsize=(13, 4.2), layout="constrained")
seen, alike, sooner = figure.subplots(1, 3, width_ratios=[1.4, 1, 1])
raster(run, ax=seen)
seen.set(title=f"A handwritten {test.y[k]}, pixels to answer, in spikes", xlim=(0, 0.1))
alike.axline((0, 0), slope=1, color=GREY, linestyle="--")
alike.plot(np.ravel(expected), np.ravel(counted), ".", color=BLUE, markersize=4)
alike.set(title="Neurons fire as their units are active", xlabel="activity, written as a rate (Hz)")
alike.set_ylabel("rate of spikes, counted (Hz)")
sooner.axhline(by_rates, color=GREY, linestyle="--", label="by rates")
sooner.semilogx(1e3 * durations, by_spikes, "o-", color=VERMILLION, label="by spikes")
sooner.set(title="Ten milliseconds are nearly enough", xlabel="time that a digit is shown (ms)", ylabel="accuracy")
sooner.set(ylim=(0, 1.02), xticks=[5, 10, 20, 50, 100, 200], xticklabels=["5", "10", "20", "50", "100", "200"])
sooner.minorticks_off()
sooner.legend(frameon=False, loc="lower right")
figure.savefig("network_to_spikes.png", dpi=150)

print(f"digits never seen, by rates: {by_rates:.1%}")
for duration, accuracy in zip(durations, by_spikes, strict=True):
    print(f"by spikes within {1e3 * duration:3.0f} ms: {accuracy:.1%}")
