"""Cells that fire together grow together: weak synapses go, new ones sprout, and half a group calls up the other half.

python examples/growing_connections.py
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from bioneuro import Parameters, Population, Sparse, Topology, viz
from bioneuro.plasticity import STDP, grow, prune
from bioneuro.spiking import LIF, SpikeTrain, simulate, spikes_of
from bioneuro.topology import FixedInDegree
from bioneuro.viz.style import GREY, PALETTE

N, ROUNDS, LASTS, WEIGHT, STRONGEST = 60, 16, 2.0, 2e-3, 6e-3  # cells; rounds, s each; V of a new synapse, and at most
groups, draws, edge = np.arange(N).reshape(3, 20), np.random.default_rng(0), "cells->cells"
cells = Population("cells", N, unit=LIF(v_reset=0.0, refractory=5e-3))
synapses = Sparse("cells", "cells", FixedInDegree(8), delay=1.5e-3, sign=1)


def strike(params, sets, times, lasts, rules=None):  # each set of cells is made to fire, within 3 ms
    when = np.repeat(times, len(sets[0])) + draws.uniform(0, 3e-3, np.size(sets))
    return simulate(params, {"cells": SpikeTrain(np.ravel(sets), when, weight=25e-3)}, lasts, rules=rules)


first = Parameters.zeros(Topology([cells], [synapses]))
first[edge] = WEIGHT
curves = {"STDP, synapses stay": [], "STDP, synapses move": []}
for curve, share in zip(curves.values(), (0.0, 0.1), strict=True):
    params = first
    for _ in range(ROUNDS):
        halves = draws.permuted(np.tile(groups, (3, 1)), axis=1).reshape(-1, 2, 10)
        curve.append(np.mean([np.isin(b, spikes_of(strike(params, [a], 0.0, 0.05), "cells")[0]) for a, b in halves]))
        struck, times = groups[draws.integers(3, size=40)], draws.uniform(0, LASTS - 0.1, 40)
        run = strike(params, struck, times, LASTS, {edge: STDP(w_max=STRONGEST, a_plus=0.02, a_minus=0.022)})
        params = prune(run.parameters, edge, share=share)  # the weakest; as many grow between cells that fire together
        there = params.topology.edges(edge)
        counts = np.histogram2d(*spikes_of(run, "cells"), (np.arange(N + 1), np.arange(0, LASTS, 10e-3)))[0]
        chance = np.maximum(np.corrcoef(counts), 0) ** 2
        chance[[*there.pre, *range(N)], [*there.post, *range(N)]] = 0
        new = draws.choice(N * N, 8 * N - len(there.post), replace=False, p=chance.ravel() / chance.sum())
        params = grow(params, edge, edges=np.divmod(new, N), weight=WEIGHT)

*rings, right = (figure := Figure(figsize=(13, 4.8), layout="constrained")).subplots(1, 3)
colours, places = np.repeat(PALETTE[:3], 20), np.exp(2j * np.pi * np.arange(N)[:, None] / N).view(float)  # x, y
KEY = f"coloured: within a group; grey: between groups\nthe thicker the stronger, at most {1e3 * STRONGEST:g} mV"
for ax, title, shown in zip(rings, ("Drawn at random", f"After {ROUNDS} rounds"), (first, params), strict=True):
    pre, post = shown.topology.edges(edge).pre, shown.topology.edges(edge).post
    same, lines = pre // 20 == post // 20, places[np.column_stack([pre, post])]
    look = {"colors": np.where(same, colours[pre], GREY), "linewidths": 2e2 * shown[edge], "alpha": 0.6}
    ax.add_collection(LineCollection(lines, **look))
    ax.scatter(*places.T, c=colours, s=30, zorder=3)
    ax.set_title(f"{title}: {same.mean():.0%} of {len(same)}\nsynapses join cells of one group")
    ax.set(xlabel=KEY, aspect="equal", frame_on=False, xticks=[], yticks=[])
viz.bands(curves, np.arange(ROUNDS), percent=True, ax=right, title="Half of a group is struck: the rest answers")
right.set(xlabel=f"rounds behind it, each of {LASTS:g} s", ylabel="share of the other half that fires")
figure.savefig("growing_connections.png", dpi=150)
print("\n".join(f"{name}: {curve[-1]:.0%} of the other half answer at last" for name, curve in curves.items()))
