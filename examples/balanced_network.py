"""Excitation and inhibition in balance: every neuron fires irregularly, and no two together (Brunel 2000).

python examples/balanced_network.py
"""

import numpy as np
from matplotlib.figure import Figure

from bioneuro import Parameters, Topology
from bioneuro.spiking import LIF, Poisson, raster, rate, simulate, spikes_of, voltage

JUMP, G, DRIVE = 0.5e-3, 8, 1.3  # V of a synapse; inhibition is G times stronger; input, as multiple of the threshold
START, STOP = 0.2, 1.2  # s that are looked at, once the network has forgotten its start

cell = LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=10e-3, refractory=2e-3)
net = Topology.balanced(1600, 400, p=0.05, delay=1.5e-3, unit=cell)
params = Parameters.zeros(net)
for projection in net.projections:
    params[projection.name] = JUMP if projection.sign > 0 else -G * JUMP

outside = Poisson(DRIVE * cell.v_threshold / (JUMP * cell.tau_m), weight=JUMP)
drawn = np.random.default_rng(0)
run = simulate(
    params, {"E": outside, "I": outside}, STOP, random_state=0,
    record={"spikes": True, "rate": True, "voltage": {"E": [0, 1, 2]}},
    membrane={name: drawn.uniform(0, cell.v_threshold, net[name].size) for name in "EI"},
)  # fmt: skip

units, times = spikes_of(run, "E")
units, times = units[times >= START], times[times >= START]
intervals = [np.diff(times[units == unit]) for unit in range(net["E"].size)]
variation = np.array([np.std(d) / np.mean(d) for d in intervals if len(d) > 5])
mean_rate = len(units) / net["E"].size / (STOP - START)

figure = Figure(figsize=(10, 8), layout="constrained")
axes = figure.subplots(3, 1, sharex=True, height_ratios=[2, 1.2, 1])
raster(run, most=80, ax=axes[0])
voltage(run, "E", ax=axes[1])
rate(run, width=5e-3, ax=axes[2])
axes[0].set(title="Irregular: spikes of 80 excitatory (E) and 80 inhibitory (I) neurons of 2,000", xlabel="")
axes[1].set(title="Membranes of three excitatory neurons; strokes are their spikes", xlabel="", ylim=(-26, 32))
axes[1].legend(loc="lower center", ncols=4, frameon=False, fontsize=8)
axes[2].set(
    title=f"Asynchronous: the mean rate in windows of 5 ms wavers about {mean_rate:.0f} Hz",
    xlim=(START, 0.6),
    ylim=(0, 45),
)
figure.savefig("balanced_network.png", dpi=150)

print(f"excitatory neurons: {mean_rate:.1f} Hz; CV of their intervals {variation.mean():.2f} (clockwork 0, Poisson 1)")
