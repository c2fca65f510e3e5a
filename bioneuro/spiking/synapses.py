"""Synapses: a topology's projections compiled into the tables that the kernels walk.

A spike along a projection arrives `delay` later and either moves the membrane by its weight (tau_synapse = 0) or raises
a current that decays with tau_synapse. All projections onto one population with one tau_synapse share a current.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number
from bioneuro.parameters import Parameters
from bioneuro.spiking.neurons import SpikingState, per_unit
from bioneuro.spiking.step_kernels import Current, Currents, Dynamics
from bioneuro.spiking.synapse_kernels import DENSE, ONE_TO_ONE, SPARSE, Route, Synapses
from bioneuro.topology import Dense, OneToOne, Projection, Sparse, Topology
from bioneuro.topology.projections import unsupported
from bioneuro.topology.sparse_kernels import group

KINDS = {Dense: DENSE, OneToOne: ONE_TO_ONE, Sparse: SPARSE}
NOTHING = dict.fromkeys(Route._fields, 0) | {"rule": -1}
LONGEST_DELAY = 1.0  # s
GRID = 1e-6  # of a step: how far a time may lie from the grid and still be on it
ROUNDING = 1e-12  # of a time: what its own rounding and that of dt may add


class Wiring(NamedTuple):
    """All projections of a topology, compiled."""

    currents: Currents
    routes: np.ndarray  # (projections, Route)
    synapses: Synapses
    columns: Mapping[tuple[str, float], int]  # (population, tau_synapse) -> its first column of arrivals
    n_columns: int
    longest_delay: int  # steps

    @property
    def taus(self) -> tuple[tuple[str, float], ...]:
        """(population, tau_synapse) of each current, in the order of their columns."""
        return tuple(place for place in self.columns if place[1])


def whole_steps(what: str, seconds: float, dt: float, least: int) -> int:
    """`seconds` as steps of `dt`; raises `InvalidInput` unless it is a whole number >= `least`."""
    steps = check_number(what, seconds, low=0, open_high=True, hint="seconds") / dt
    whole = round(steps)
    if abs(steps - whole) > GRID + ROUNDING * steps or whole < least:
        near = max(least, whole) * dt
        if seconds == 0:
            raise InvalidInput(f"{what} of 0 s is no step at all; take {near:.9g} s (dt={dt:g} s) or more")
        below = "shorter than" if 0 < seconds < dt else "not a multiple of"
        raise InvalidInput(f"{what} of {seconds:.9g} s is {below} dt={dt:g} s; take {near:.9g} s, or another dt")
    return whole


def delay_steps(projection: Projection, dt: float) -> int:
    """A delay of 0 is one step: no spike acts in the instant that it is fired."""
    what, hint = f"{projection.name}: delay", "delays are in seconds; a synapse's is near 0.0015"
    delay = check_number(what, projection.delay, low=0, high=LONGEST_DELAY, hint=hint)
    return 1 if delay == 0 else whole_steps(what, delay, dt, 1)


def check_projections(topology: Topology) -> None:
    """Raise `UnsupportedTopology` for what the spiking engine does not run."""
    for projection in topology.projections:
        if type(projection) not in KINDS:
            raise unsupported("spiking", projection, tuple(KINDS))
        if projection.symmetric or projection.tied_to is not None:
            raise UnsupportedTopology(
                f"the spiking engine runs projections one way, with weights of their own; {projection.name!r} is "
                f"{'symmetric' if projection.symmetric else 'tied'}: write two projections"
            )
        if topology[projection.post].role == "input":
            raise UnsupportedTopology(
                f"{projection.name!r} ends on {projection.post!r}, a source of spikes (role='input'); "
                "a population that receives needs role='hidden' or 'output'"
            )


def check_signs(parameters: Parameters) -> None:
    """Raise `InvalidInput` where weights are not of their projection's sign (Dale's law)."""
    for projection in parameters.topology.projections:
        weights = parameters[projection.name]
        if projection.sign and weights.size and (projection.sign * weights).min() < 0:
            kind, side = ("excitatory", ">=") if projection.sign > 0 else ("inhibitory", "<=")
            raise InvalidInput(
                f"{projection.name!r} is {kind} (sign={projection.sign:+d}), so its weights are {side} 0, got "
                f"{weights.min():g} .. {weights.max():g}; turn them round, or set sign=0"
            )


def wire(topology: Topology, dt: float, dtype, plastic: Mapping[str, Mapping[str, int]], extra_taus=()) -> Wiring:
    """Compile the projections.

    plastic : {projection: the columns of `Route` that its rule fills}.
    extra_taus : (population, tau_synapse) of inputs that need a current of their own.
    """
    currents, columns = _currents(topology, dt, dtype, extra_taus)
    names = list(topology.unit_layout)
    routes, tables = [], {name: [] for name in Synapses._fields}

    def put(table: str, values: np.ndarray) -> int:
        tables[table].append(values)
        return sum(map(len, tables[table][:-1]))

    for projection in topology.projections:
        (pre, post), places = topology.ends(projection), {}
        if isinstance(projection, Sparse):
            indptr, targets = topology.edges(projection.name)
            places = {"pointer": put("pointers", indptr), "target": put("targets", targets)}
            if projection.name in plastic:
                indptr, incoming = by_post(indptr, targets, post.size)
                places["incoming_pointer"] = put("incoming_pointers", indptr)
                places["incoming"] = put("incoming", incoming)
        fixed = {
            "kind": KINDS[type(projection)],
            "shared": projection.shared,
            "pre": names.index(pre.name),
            "first_pre": topology.unit_layout[pre.name].start,
            "n_pre": pre.size,
            "post": names.index(post.name),
            "first_post": topology.unit_layout[post.name].start,
            "n_post": post.size,
            "weight": topology.layout[projection.name].where.start,
            "column": columns[post.name, projection.tau_synapse],
            "delay": delay_steps(projection, dt),
        }
        routes.append(Route(**NOTHING | fixed | places | dict(plastic.get(projection.name, {}))))
    empty = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64), np.empty((0, 2), np.int32))
    return Wiring(
        currents,
        np.array(routes, np.int64).reshape(-1, len(Route._fields)),
        Synapses(*(np.concatenate([none, *parts]) for none, parts in zip(empty, tables.values(), strict=True))),
        columns,
        topology.n_units + len(currents.gain),
        max((route.delay for route in routes), default=1),
    )


def in_columns_of(wiring: Wiring, topology: Topology, state: SpikingState) -> Dynamics:
    """What a state holds, with its currents and arrivals in the columns of a run that may have more of them.

    Currents of inputs that came since are 0.
    """
    dynamics, n = state.dynamics(), topology.n_units
    sizes = [topology[population].size for population, _ in state.taus]
    if state.taus == wiring.taus or dynamics.currents.shape != (sum(sizes),):
        return dynamics
    places = [
        np.arange(n),
        *(wiring.columns[tau] + np.arange(size) for tau, size in zip(state.taus, sizes, strict=True)),
    ]
    places = np.concatenate(places)
    currents = np.zeros(wiring.n_columns - n, dynamics.currents.dtype)
    currents[places[n:] - n] = dynamics.currents
    arrivals = np.zeros((len(dynamics.arrivals), wiring.n_columns), dynamics.arrivals.dtype)
    arrivals[:, places] = dynamics.arrivals
    return dynamics._replace(currents=currents, arrivals=arrivals)


def by_post(indptr: np.ndarray, targets: np.ndarray, n_post: int) -> tuple[np.ndarray, np.ndarray]:
    """The same synapses by postsynaptic unit: pointers (n_post + 1,), and (n, 2) place in the given order, pre unit."""
    n, pointers = targets.size, np.empty(n_post + 1, np.int64)
    sources = np.repeat(np.arange(indptr.size - 1, dtype=np.int32), np.diff(indptr))
    incoming = np.empty((n, 2), np.int32)
    for column, values in enumerate((np.arange(n, dtype=np.int32), sources)):
        group(targets, values, pointers, incoming[:, column])
    return pointers, incoming


def membrane_gain(dt: float, tau_m, tau_synapse: float):
    """What a current of 1 V at the start of a step adds to the membrane by its end.

    (1 / tau_m) integral_0^dt exp(-(dt - s) / tau_m) exp(-s / tau_synapse) ds
        = (dt / tau_m) exp(-dt / tau_m) (e^z - 1) / z,    z = dt (1 / tau_m - 1 / tau_synapse)

    exact for tau_synapse = tau_m too, where the last factor is 1.
    """
    from scipy.special import exprel

    tau_m = np.asarray(tau_m)
    return dt / tau_m * np.exp(-dt / tau_m) * exprel(dt * (1 / tau_m - 1 / tau_synapse))


def _currents(topology: Topology, dt: float, dtype, extra_taus) -> tuple[Currents, dict]:
    """Currents, and the columns of arrivals: one a unit, then one for each place of a current."""
    columns = {(name, 0.0): where.start for name, where in topology.unit_layout.items()}
    wanted = [(projection.post, projection.tau_synapse) for projection in topology.projections] + list(extra_taus)
    tau_m, first, currents, decays, gains = per_unit(topology, "tau_m"), 0, [], [], [np.empty(0)]
    for population, tau in sorted(set(wanted) - set(columns)):
        where, size = topology.unit_layout[population], topology[population].size
        columns[population, tau] = topology.n_units + first
        currents.append(Current(first, first + size, where.start))
        decays.append(np.exp(-dt / tau))
        gains.append(membrane_gain(dt, tau_m[where], tau))
        first += size
    table = np.array(currents, np.int64).reshape(-1, len(Current._fields))
    return Currents(table, np.array(decays, dtype), np.concatenate(gains).astype(dtype)), columns
