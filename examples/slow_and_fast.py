"""A neuron adds up over time, but forgets: the same twenty input spikes make it fire when fast, and never when slow.

python examples/slow_and_fast.py
"""

import numpy as np
from matplotlib.figure import Figure

from bioneuro import Dense, Parameters, Population, Topology
from bioneuro.spiking import LIF, SpikeTrain, simulate, spikes_of
from bioneuro.viz.style import BLUE, INK, VERMILLION

N, JUMP = 20, 2e-3  # synapses, each used once; volts by which one spike moves the membrane
LASTING = {"fast": 20e-3, "slow": 2.0}  # s, over which the twenty spikes are spread

cell = LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=0.0, refractory=2e-3)
net = Topology([Population("fibres", N, "input"), Population("cell", 1, "output", cell)], [Dense("fibres", "cell")])
params = Parameters.zeros(net)
params["fibres->cell"] = JUMP

figure = Figure(figsize=(10, 5), layout="constrained")
axes = figure.subplots(2, 2, height_ratios=[1, 2], sharex="col", sharey="row")
for (name, lasting), (above, below) in zip(LASTING.items(), axes.T, strict=True):
    volley = SpikeTrain(units=np.arange(N), times=0.1 * lasting + lasting * np.arange(N) / N)
    record = {"spikes": True, "voltage": {"cell": [0]}}
    run = simulate(params, {"fibres": volley}, 3 * lasting if name == "fast" else 1.1 * lasting, record=record)
    fired, times = spikes_of(run, "cell")[1], run["times"]
    scale, unit = (1e3, "ms") if name == "fast" else (1.0, "s")

    fibre, arrivals = spikes_of(run, "fibres")
    above.vlines(scale * arrivals, fibre + 0.6, fibre + 1.4, color=INK, linewidth=1.5)
    above.set(title=f"{N} input spikes within {scale * lasting:g} {unit}", yticks=(1, 10, 20))
    below.plot(scale * times, 1e3 * run["voltage.cell"], color=BLUE, linewidth=1.4)
    below.vlines(scale * fired, 20, 40, color=VERMILLION, linewidth=2)
    below.axhline(1e3 * cell.v_threshold, color=INK, linestyle="--", linewidth=0.8)
    says = {0: "never fires", 1: "fires once"}.get(len(fired), f"fires {len(fired)} times")
    below.set(title=f"{name}: the neuron {says}", xlabel=f"time ({unit})", xlim=(0, scale * times[-1]), ylim=(-1, 42))
    print(f"{N} spikes within {lasting:g} s: the neuron {says}")
axes[0, 0].set_ylabel("input fibre")
axes[1, 0].set_ylabel("membrane above rest (mV)")
axes[1, 1].text(2.18, 20.6, "threshold", color=INK, ha="right")
for ax in axes.flat:
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig("slow_and_fast.png", dpi=150)
