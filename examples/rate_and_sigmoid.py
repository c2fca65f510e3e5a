"""Why units have sigmoids: a neuron's rate is never negative, starts at a threshold and stays below 1,000 a second.

python examples/rate_and_sigmoid.py
"""

import numpy as np
from matplotlib.figure import Figure

from bioneuro import Parameters, Population, Topology
from bioneuro.spiking import LIF, NoiseCurrent, StepCurrent, lif_rate, siegert_rate, simulate
from bioneuro.viz.style import BLUE, GREEN, GREY, INK, VERMILLION

cell = LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=10e-3, refractory=1e-3)
ceiling = 1 / cell.refractory  # Hz


def measured(drive: np.ndarray, current, duration: float, dt: float) -> np.ndarray:
    """Rates (Hz) of neurons side by side, one per entry of `drive`, after a tenth of a second."""
    cells = Parameters.zeros(Topology([Population("cells", len(drive), "output", cell)]))
    run = simulate(cells, {"cells": current}, duration, dt=dt, random_state=0, max_rate=np.inf)
    late = run["spikes.units"][run["spikes.times"] >= 0.1]
    return np.bincount(late, minlength=len(drive)) / (duration - 0.1)


figure = Figure(figsize=(11, 4.4), layout="constrained")
whole, foot = figure.subplots(1, 2)

drive = np.geomspace(10e-3, 10.0, 37)  # V, R I
fine = np.geomspace(10e-3, 10.0, 2000)
rates = measured(drive, StepCurrent(drive), 1.1, dt=1e-5)
half = fine[np.searchsorted(lif_rate(fine, cell), ceiling / 2)]  # V, where it fires at half its ceiling
whole.axhline(ceiling, color=GREY, linewidth=0.8)
whole.text(10.5, ceiling + 12, "ceiling: 1 / refractory period", color=GREY)
whole.plot(1e3 * fine, ceiling / (1 + half / fine), "--", color=VERMILLION, label="logistic of log(drive)")
whole.plot(1e3 * fine, lif_rate(fine, cell), color=BLUE, label="neuron, closed form")
whole.plot(1e3 * drive, rates, "o", color=INK, markersize=4, label="neuron, simulated")
whole.set(
    title="Saturation: a neuron beside the logistic", xlabel="drive R I (mV, logarithmic)",
    ylabel="rate (Hz)", xscale="log", xticks=[10, 100, 1000, 10000], xticklabels=["10", "100", "1,000", "10,000"],
    ylim=(-20, 1080),
)  # fmt: skip
whole.legend(frameon=False, loc=(0.02, 0.72))

drive, fine = np.linspace(5e-3, 35e-3, 16), np.linspace(5e-3, 35e-3, 200)
foot.plot(1e3 * fine, lif_rate(fine, cell), color=BLUE, label="constant drive, closed form")
for sigma, colour, style in ((5e-3, VERMILLION, "--"), (10e-3, GREEN, "-.")):
    theory = [siegert_rate(mean, sigma, cell, dt=1e-4) for mean in fine]
    foot.plot(1e3 * fine, theory, style, color=colour, label=f"with noise of {1e3 * sigma:.0f} mV, closed form")
    foot.plot(1e3 * drive, measured(drive, NoiseCurrent(sigma, drive), 40.1, dt=1e-4), "o", color=INK, markersize=4)
foot.plot(
    1e3 * drive, measured(drive, StepCurrent(drive), 5.1, dt=1e-5), "o", color=INK, markersize=4, label="simulated"
)
foot.set(title="Threshold: sharp, but rounded off by noise", xlabel="drive R I (mV)", ylabel="rate (Hz)")
foot.legend(frameon=False)
figure.savefig("rate_and_sigmoid.png", dpi=150)

print(f"at {1e3 * 10:,.0f} mV the neuron fires at {rates[-1]:.0f} Hz; its ceiling is {ceiling:,.0f} Hz")
