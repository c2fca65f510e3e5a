"""The windows of spike-timing-dependent plasticity: the order of two spikes decides, measured pair by pair.

python examples/stdp_window.py
"""

import numpy as np
from matplotlib.figure import Figure

from bioneuro import Parameters, Population, Sparse, Topology
from bioneuro.plasticity import STDP, InhibitorySTDP
from bioneuro.spiking import LIF, SpikeTrain, simulate
from bioneuro.topology import Edges
from bioneuro.viz.style import BLUE, GREY, VERMILLION

DELAY, START, W_MAX, RATE = 1e-3, 0.1, 3e-4, 5.0  # s, s, V and Hz
PLUS, MINUS, BOTH = 17e-3, 34e-3, 20e-3  # s, over which a rule remembers a spike
apart = 1e-3 * np.arange(-78, 80, 4)  # s from the presynaptic spike to the arrival of the postsynaptic one
synapse = np.arange(len(apart))  # each pair of spikes has a synapse of its own, of either kind

sources = [Population(name, len(apart), "input") for name in ("exciting", "inhibiting")]
cells = Population("cells", len(apart), "output", LIF())
net = Topology(
    [*sources, cells],
    [
        Sparse("exciting", "cells", Edges(synapse, synapse), delay=DELAY, sign=1),
        Sparse("inhibiting", "cells", Edges(synapse, synapse), delay=DELAY, sign=-1),
    ],
)
params = Parameters.zeros(net, "float64")
params["exciting->cells"], params["inhibiting->cells"] = W_MAX / 2, -W_MAX / 2
before = SpikeTrain(synapse, np.full(len(apart), START))
after = SpikeTrain(synapse, START + apart - DELAY, weight=1.0)  # so strong that the cell fires at once
rules = {
    "exciting->cells": STDP(w_max=W_MAX, a_plus=0.01, a_minus=0.0105, tau_plus=PLUS, tau_minus=MINUS),
    "inhibiting->cells": InhibitorySTDP(w_max=W_MAX, rate=RATE, eta=0.01, tau=BOTH),
}
run = simulate(params, {"exciting": before, "inhibiting": before, "cells": after}, 0.2, rules=rules, max_rate=np.inf)

causal = f"formula: $\\tau_+$ {1e3 * PLUS:.0f} ms, $\\tau_-$ {1e3 * MINUS:.0f} ms"
either = f"formula: $\\tau$ {1e3 * BOTH:.0f} ms, less $2\\,\\tau$ times {RATE:.0f} Hz"
WINDOWS = (  # title, projection, words, and the change in per cent of w_max
    ("Excitatory: cause before effect strengthens", "exciting->cells", causal,
     lambda d: np.where(d > 0, np.exp(-np.abs(d) / PLUS), -1.05 * np.exp(-np.abs(d) / MINUS))),
    ("Inhibitory: together strengthens, in either order", "inhibiting->cells", either,
     lambda d: np.exp(-np.abs(d) / BOTH) - 2 * RATE * BOTH),
)  # fmt: skip
figure = Figure(figsize=(10, 4.2), layout="constrained")
for ax, (title, name, words, formula) in zip(figure.subplots(1, 2), WINDOWS, strict=True):
    found = 100 * (np.abs(run.parameters[name]) - W_MAX / 2) / W_MAX
    for side in (np.linspace(-0.08, -1e-9, 200), np.linspace(1e-9, 0.08, 200)):
        ax.plot(1e3 * side, formula(side), color=VERMILLION, label=words if side[0] > 0 else None)
    ax.plot(1e3 * apart, found, "o", color=BLUE, markersize=3.5, label="measured")
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set(title=title, xlabel="postsynaptic less presynaptic spike, at the synapse (ms)", ylabel="change (% of w_max)")
    ax.set_ylim(top=1.2)
    ax.legend(frameon=False, loc="upper left")
    print(f"{type(rules[name]).__name__}: measured and formula differ by {np.abs(found - formula(apart)).max():.1e} %")
figure.savefig("stdp_window.png", dpi=150)
