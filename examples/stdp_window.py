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

DELAY, START, W_MAX = 1e-3, 0.1, 3e-4  # s, s and V
apart = 1e-3 * np.arange(-78, 80, 4)  # s from the presynaptic spike to the arrival of the postsynaptic one
synapse = np.arange(len(apart))  # each pair of spikes has a synapse of its own


def measured(rule, sign: int) -> np.ndarray:
    """Change of each synapse by its one pair of spikes, per cent of w_max."""
    cells = [Population("before", len(apart), "input"), Population("after", len(apart), "output", LIF())]
    one_each = Sparse("before", "after", Edges(synapse, synapse), delay=DELAY, sign=sign)
    params = Parameters.zeros(Topology(cells, [one_each]), "float64")
    params["before->after"] = sign * W_MAX / 2
    pairs = {
        "before": SpikeTrain(synapse, np.full(len(apart), START)),
        "after": SpikeTrain(synapse, START + apart - DELAY, weight=1.0),  # so strong that it fires at once
    }
    run = simulate(params, pairs, 2 * START, rules={"before->after": rule}, max_rate=np.inf)
    return 100 * (np.abs(run.parameters["before->after"]) - W_MAX / 2) / W_MAX


stdp = STDP(w_max=W_MAX, a_plus=0.01, a_minus=0.0105, tau_plus=17e-3, tau_minus=34e-3)
balance = InhibitorySTDP(w_max=W_MAX, rate=5.0, eta=0.01, tau=20e-3)
t = np.array([*np.linspace(-0.08, -1e-9, 200), *np.linspace(1e-9, 0.08, 200)])
WINDOWS = {
    "Excitatory: cause before effect strengthens": (
        stdp, 1, lambda d: np.where(d > 0, np.exp(-d / 17e-3), -1.05 * np.exp(np.minimum(d, 0) / 34e-3)),
    ),
    "Inhibitory: together strengthens, in either order": (
        balance, -1, lambda d: np.exp(-np.abs(d) / 20e-3) - 2 * 5.0 * 20e-3,
    ),
}  # fmt: skip

figure = Figure(figsize=(10, 4.2), layout="constrained")
for ax, (title, (rule, sign, formula)) in zip(figure.subplots(1, 2), WINDOWS.items(), strict=True):
    found = measured(rule, sign)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.axvline(0, color=GREY, linewidth=0.8)
    for side in (t < 0, t > 0):
        ax.plot(1e3 * t[side], formula(t[side]), color=VERMILLION, label="formula" if side[0] else None)
    ax.plot(1e3 * apart, found, "o", color=BLUE, markersize=3.5, label="measured")
    ax.set(
        title=title, xlabel="postsynaptic minus presynaptic spike, at the synapse (ms)", ylabel="change (% of w_max)"
    )
    ax.legend(frameon=False, loc="lower right" if sign > 0 else "upper left")
    print(f"{type(rule).__name__}: measured and formula differ by {np.abs(found - formula(apart)).max():.1e} % at most")
figure.savefig("stdp_window.png", dpi=150)
