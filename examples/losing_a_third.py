"""A spiking network loses neurons: survivors that compete again take over, units that nobody hears are simply missed.

python examples/losing_a_third.py
"""

import numpy as np
from matplotlib.figure import Figure

import bioneuro
from bioneuro.spiking import SpikingClassifier
from bioneuro.viz.style import BLUE, GREY, INK, VERMILLION

SHARES = np.array([0, 0.1, 0.2, 0.3, 1 / 3, 0.4, 0.5, 0.6, 0.7])
KINDS = {"dead while it runs": SpikingClassifier.lesion, "silenced at the readout alone": SpikingClassifier.silence}

digits = bioneuro.load_digits()
curves = {kind: [] for kind in KINDS}
for seed in range(3):
    train, test = digits.split(random_state=seed)
    model = SpikingClassifier((200,), random_state=seed).fit(train.X, train.y)
    for kind, hurt in KINDS.items():
        scores = [[hurt(model, share, random_state=k).score(test.X, test.y) for k in range(3)] for share in SHARES]
        curves[kind].append(np.mean(scores, axis=1))

figure = Figure(figsize=(11, 4.2), layout="constrained")
left, right = figure.subplots(1, 2)
bioneuro.viz.bands(
    {kind: np.array(runs) for kind, runs in curves.items()}, SHARES, percent=True, ax=left, xlabel="hidden units lost",
    ylabel="accuracy on test digits", title="200 spiking units, three seeds: the survivors take over",
)  # fmt: skip
left.axvline(1 / 3, color=GREY, linewidth=0.8, zorder=0)
left.set_ylim(0, 1)
left.text(1 / 3 + 0.01, 0.35, "a third", color=GREY)

whole = model.transform(test.X).sum(axis=1)
bins = np.arange(0, 13) - 0.5
for name, third, style in (
    ("whole", model, {"color": INK}),
    ("a third dead", model.lesion(1 / 3), {"color": BLUE, "linestyle": "--"}),
    ("a third silenced", model.silence(1 / 3), {"color": VERMILLION, "linestyle": ":"}),
):
    right.hist(third.transform(test.X).sum(axis=1), bins, histtype="step", linewidth=1.8, label=name, **style)
right.set(title="Spikes that reach the readout", xlabel="spikes of a picture", ylabel="pictures")
right.legend(frameon=False)
figure.savefig("losing_a_third.png", dpi=150)

at = int(np.argmin(np.abs(SHARES - 1 / 3)))
print(f"whole: {np.mean([run[0] for run in curves['dead while it runs']]):.1%}")
for kind, runs in curves.items():
    print(f"a third {kind}: {np.mean([run[at] for run in runs]):.1%}")
