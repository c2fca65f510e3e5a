"""Excitation and inhibition in balance: neurons fire as irregularly as dice fall, and hardly any two together.

python examples/balanced_network.py

The asynchronous irregular state of Brunel (2000). Inhibition is made faster than excitation here: with one delay for
both the whole network swings, and neurons are four times as correlated.
"""

import numpy as np
from matplotlib.figure import Figure

from bioneuro import Parameters, Topology
from bioneuro.spiking import LIF, Poisson, raster, rate, simulate, spikes_of, voltage

JUMP, G, DRIVE = 0.6e-3, 8, 1.3  # V of a synapse; inhibition is G times stronger; input, as multiple of the threshold
START, STOP, BIN = 0.2, 1.2, 5e-3  # s that are looked at, once the network has forgotten its start

cell = LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=10e-3, refractory=2e-3)
net = Topology.balanced(3200, 800, p=0.025, delay=(3e-3, 0.5e-3), unit=cell)  # excitation arrives late, inhibition soon
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
variation = np.mean([np.std(d) / np.mean(d) for d in intervals if len(d) > 5])
mean_rate = len(units) / net["E"].size / (STOP - START)
counts = np.histogram2d(units, times, (np.arange(net["E"].size + 1), np.arange(START, STOP, BIN)))[0]
pairs = np.corrcoef(counts[counts.any(axis=1)])[np.triu_indices(np.sum(counts.any(axis=1)), 1)]

figure = Figure(figsize=(10, 8), layout="constrained")
axes = figure.subplots(3, 1, sharex=True, height_ratios=[2, 1.2, 1])
raster(run, most=80, ax=axes[0])
voltage(run, "E", ax=axes[1])
rate(run, width=BIN, ax=axes[2])
axes[0].set_title(f"Irregular: intervals have a CV of {variation:.2f} (clockwork 0, dice 1); 80 + 80 neurons of 4,000")
axes[0].set_xlabel("")
axes[1].set(title="Membranes of three excitatory neurons; strokes are their spikes", xlabel="", ylim=(-30, 32))
axes[2].set(
    title=f"Asynchronous: the mean rate stays near {mean_rate:.0f} Hz; two neurons correlate by {pairs.mean():.4f}",
    xlim=(START, 0.6),
    ylim=(0, 45),
)
figure.savefig("balanced_network.png", dpi=150)

print(f"excitatory neurons: {mean_rate:.1f} Hz; CV of their intervals {variation:.2f} (clockwork 0, Poisson 1)")
print(f"correlation of two of them, spikes within {1e3 * BIN:g} ms: {pairs.mean():.4f}, mean of all pairs")
