"""Doubts: numbers that can be run, but look as if they were meant in millivolts or milliseconds.

What no neuron could have is refused where it is given. These may be meant: a synapse that makes its cell fire at every
spike, an input of a later part of the run. So they are told of, once, when a run begins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bioneuro.parameters import Parameters
from bioneuro.spiking.drive import Inputs
from bioneuro.spiking.inputs import Poisson, SpikeTrain
from bioneuro.spiking.rules import STRONGEST
from bioneuro.spiking.synapses import delay_steps
from bioneuro.topology import Topology

LATE = 20  # lengths of a run, after which nothing of it is expected to begin
SLOW = 0.1  # s, a delay that is long for a synapse


class DoubtfulNumber(UserWarning):
    """A weight, a delay or a time that may have been meant in millivolts or milliseconds."""


def doubts(parameters: Parameters, inputs: Inputs, n_steps: int, dt: float) -> Iterator[str]:
    """What to ask about a run of `n_steps` from its beginning."""
    topology = parameters.topology
    for projection in topology.projections:
        weights, post = parameters[projection.name], projection.post
        if weights.size:
            yield from _strong(
                f"weights of {projection.name!r} reach", weights.max(), topology, post, projection.tau_synapse
            )
        if projection.delay >= SLOW and delay_steps(projection, dt) >= n_steps:
            yield (
                f"{projection.name}: a delay of {projection.delay:g} s is as long as this run ({n_steps * dt:g} s), "
                "so no spike arrives in it; delays are in seconds: 0.0015 is 1.5 ms"
            )
    for population, given, source in inputs.placed():
        kind = type(given).__name__
        if isinstance(given, Poisson) and not source:
            yield from _strong(
                f"the weight of {kind} on {population!r} is", given.weight, topology, population, given.tau_synapse
            )
        begin = given.times.min(initial=np.inf) if isinstance(given, SpikeTrain) else given.start
        if LATE * n_steps * dt <= begin < np.inf:
            yield (
                f"{kind} of {population!r} begins at {begin:g} s, and this run ends at {n_steps * dt:g} s; "
                "times are in seconds: 0.05 is 50 ms"
            )


def _strong(what: str, weight: float, topology: Topology, population: str, tau_synapse: float) -> Iterator[str]:
    """Doubt a spike that could make a cell fire many times over."""
    unit = topology[population].unit
    way = float(np.min(np.subtract(unit.v_threshold, unit.v_rest)))
    share = min(1.0, tau_synapse / float(np.min(unit.tau_m))) if tau_synapse else 1.0  # of a current, in V
    if 0 < STRONGEST * way < share * weight:
        yield (
            f"{what} {weight:g} V, where {way:g} V make a cell of {population!r} fire; "
            "weights are in volts: 0.0002 is 0.2 mV"
        )
