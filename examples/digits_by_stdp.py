"""Digits learnt by spiking neurons: what STDP writes into their synapses, and which digit each came to stand for.

python examples/digits_by_stdp.py
"""

import numpy as np
from matplotlib.figure import Figure

import bioneuro
from bioneuro.spiking import SpikingClassifier
from bioneuro.viz.style import BLUE, VERMILLION

digits = bioneuro.load_digits()
train, test = digits.split(random_state=0)
net = bioneuro.Topology.mlp(64, 100, 10).with_units(hidden="lif", output="lif")

model = SpikingClassifier(topology=net, random_state=0).fit(train.X, train.y)
untrained = SpikingClassifier(topology=net, epochs=0, random_state=0).fit(train.X, train.y)
order = np.argsort(model.labels_, kind="stable")
fields = 1e3 * model.parameters_["input->hidden"].T[order]  # millivolts

figure = Figure(figsize=(12, 6.4), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
bioneuro.viz.images(
    fields, digits.image_shape, [f"{label}" for label in model.labels_[order]], columns=13,
    value_range=(0, fields.max()), colours="grey", ax=left,
    title="Receptive fields learnt without labels; above each, the digit it fires most for",
)  # fmt: skip
for name, values, style, colour in (
    ("mean spikes of a picture", model.spikes_curve_, "o-", BLUE),
    ("mean showings until it called forth 3", model.shows_curve_, "s--", VERMILLION),
):
    right.plot(np.arange(1, len(values) + 1), values, style, color=colour, label=name)
right.set(
    title="Rising thresholds make spikes rare", xlabel="epoch", ylabel="number", xticks=range(1, 6), ylim=(0, None)
)
right.legend(frameon=False)
figure.savefig("digits_by_stdp.png", dpi=150)

print(f"STDP, 100 units:    {model.score(test.X, test.y):.1%} of {test.n_samples} digits never seen")
print(f"the same untrained: {untrained.score(test.X, test.y):.1%}")
print(f"thresholds: 20 mV at first, {1e3 * model.thresholds_.mean():.0f} mV on average at the end")
