"""LIF neurons on a grid of time: their constants as one value per unit, and the state of a run.

Between two steps the membrane follows tau_m dV/dt = -(V - v_rest) + I(t) exactly (Rotter and Diesmann, Biological
Cybernetics 81 (1999) 381):

    V(t + dt) = v + (V(t) - v) exp(-dt / tau_m) + sum over currents of gain I(t),    v = v_rest + constant drive
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_numbers, choose
from bioneuro.spiking.step_kernels import Dynamics, Neurons
from bioneuro.topology import LIF, Population, Topology

LARGEST_MEMBRANE = 10.0  # V, at the start of a run


class SpikingState(NamedTuple):
    """Where a run stands; `simulate(..., state=recording.state)` goes on from it bit for bit.

    Attributes
    ----------
    network : digest of what the state belongs to: populations, projections, delays, dt, number type. Synapses may come
        and go in between: a run goes on after `bioneuro.plasticity.grow`, `prune` and `rewire`; so may inputs.
    rules : digest of the spike-timing rules that the traces belong to.
    taus : (population, tau_synapse) of each stretch of `currents`.
    dt : seconds of one step.
    step : steps done; the time is step * dt.
    key : of all random draws.
    membrane : (n_units,) V, in the order of `Topology.unit_layout`; sources hold 0.
    refractory : (n_units,) steps left.
    threshold_rise : (n_units,) V, what adaptation adds to the threshold.
    currents : synaptic currents in V, one stretch per (population, tau_synapse) of `taus`.
    arrivals : (rows, columns) V, spikes on their way.
    history : (rows, n_populations + 1 + n_units) who fired lately, for spikes on their way to plastic synapses.
    pre_traces, post_traces : traces of plastic projections, one stretch each.
    window_counts : spikes of each population in the current window of the rate guard.
    """

    network: str
    rules: str
    taus: tuple[tuple[str, float], ...]
    dt: float
    step: int
    key: Key
    membrane: np.ndarray
    refractory: np.ndarray
    threshold_rise: np.ndarray
    currents: np.ndarray
    arrivals: np.ndarray
    history: np.ndarray
    pre_traces: np.ndarray
    post_traces: np.ndarray
    window_counts: np.ndarray

    @property
    def time(self) -> float:
        """Seconds of simulated time done."""
        return self.step * self.dt

    def __repr__(self) -> str:
        return f"SpikingState({len(self.membrane):,} units at {self.time:.6g} s, dt={self.dt:g} s)"

    def dynamics(self) -> Dynamics:
        """Copies of the arrays that the kernels change."""
        return Dynamics(*(getattr(self, name).copy() for name in Dynamics._fields))


def spiking_populations(topology: Topology) -> list[Population]:
    """The populations of neurons; raises `UnsupportedTopology` where one is neither a source nor LIF."""
    neurons = [population for population in topology.populations if population.role != "input"]
    for population in neurons:
        if not isinstance(population.unit, LIF):
            raise UnsupportedTopology(
                f"the spiking engine runs LIF units; population {population.name!r} has {population.unit.name!r}: "
                f"topology.with_units({population.name}='lif'), or role='input' for a source of spikes"
            )
    if not neurons:
        raise UnsupportedTopology(
            "the topology has sources of spikes (role='input') only; add a population of LIF units"
        )
    return neurons


def check_step(topology: Topology, dt: float) -> None:
    """Raise `InvalidInput` where dt is too long for a time constant."""
    for population in spiking_populations(topology):
        shortest = float(np.min(population.unit.tau_m))
        if dt > shortest:
            raise InvalidInput(
                f"dt={dt:g} s is longer than tau_m={shortest:g} s of population {population.name!r}; "
                f"take dt <= {shortest / 10:g}"
            )
    for projection in topology.projections:
        check_synapse(repr(projection.name), projection.tau_synapse, dt)


def check_synapse(whose: str, tau: float, dt: float) -> None:
    """Raise `InvalidInput` where dt is too long for a tau_synapse; 0 is a jump."""
    if 0 < tau < dt:
        raise InvalidInput(
            f"dt={dt:g} s is longer than tau_synapse={tau:g} s of {whose}; "
            f"take dt <= {tau / 10:g}, or tau_synapse=0 for a jump of the membrane"
        )


def constants(topology: Topology, alive: np.ndarray, dt: float, dtype) -> Neurons:
    """The constants of all units, dead ones with a threshold out of reach."""
    decay, reset, soft_reset = (np.zeros(topology.n_units, dtype) for _ in range(3))
    threshold, refractory = np.full(topology.n_units, np.inf, dtype), np.zeros(topology.n_units, np.int32)
    for population in spiking_populations(topology):
        where, unit = topology.unit_layout[population.name], population.unit
        decay[where] = np.exp(-dt / np.asarray(unit.tau_m))
        reset[where], soft_reset[where] = unit.v_reset, unit.soft_reset
        threshold[where] = unit.v_threshold
        refractory[where] = np.rint(np.asarray(unit.refractory) / dt)
    threshold[~alive] = np.inf
    return Neurons(decay, reset, soft_reset, threshold, refractory)


def per_unit(topology: Topology, constant: str) -> np.ndarray:
    """A constant of LIF units as float64 (n_units,); 1 for sources."""
    values = np.ones(topology.n_units)
    for population in spiking_populations(topology):
        values[topology.unit_layout[population.name]] = getattr(population.unit, constant)
    return values


def first_membranes(topology: Topology, given: Mapping) -> np.ndarray:
    """Membranes at the start, float64 (n_units,): as given by population, else at rest and below threshold."""
    rest, reset, threshold = (per_unit(topology, name) for name in ("v_rest", "v_reset", "v_threshold"))
    membrane = np.where(rest < threshold, rest, reset)
    for population in topology.by_role("input"):
        membrane[topology.unit_layout[population.name]] = 0.0
    if not isinstance(given, Mapping):
        raise InvalidInput(f'membrane is {{population: V}}, got {given!r}; for example {{"E": -60e-3}}')
    neurons = [population.name for population in spiking_populations(topology)]
    for name, values in given.items():
        size = topology[choose("population whose membrane to set", name, neurons)].size
        values = check_numbers(
            f"membrane of {name!r}",
            values,
            low=-LARGEST_MEMBRANE,
            high=LARGEST_MEMBRANE,
            hint="volts: -0.065 is -65 mV",
        )
        if values.shape not in ((), (size,)):
            raise InvalidInput(f"membrane of {name!r} must be one number or {size}, got shape {values.shape}")
        membrane[topology.unit_layout[name]] = values
    return membrane


def network_digest(topology: Topology, dt: float, dtype) -> str:
    """Names what a state belongs to: all but which synapses and inputs there are."""
    populations = [population.to_json() for population in topology.populations]
    ways = [(way.name, way.pre, way.post, way.delay, way.tau_synapse) for way in topology.projections]
    parts = (populations, ways, float(dt), np.dtype(dtype).name)
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
