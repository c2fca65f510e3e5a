"""What a run writes down, within a limit of memory.

Traces of the `Recording` that `simulate` returns:

    "spikes.units"   (n,) int32, numbered through all populations (`Topology.unit_layout`), in order of time
    "spikes.times"   (n,) s
    "times"          (n_steps,) s, of the two below
    "voltage.<population>"   (n_steps, units chosen) V, after the reset where a unit spikes
    "voltage.<population>.units"   (units chosen,) their numbers within the population
    "rate.<population>"      (n_steps,) Hz, spikes of the population in one step / (size dt)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from bioneuro.errors import InvalidInput, ResourceError, check_number, choose
from bioneuro.recording import Recording
from bioneuro.spiking.step_kernels import Output
from bioneuro.topology import Topology

WHAT = ("spikes", "voltage", "rate")
BYTES_PER_SPIKE = 12
ROOM = 1 << 16  # spikes written down in one call, at least


class Recorder:
    """Collects what the kernels write, call by call.

    Parameters
    ----------
    given : {"spikes": True or [populations], "voltage": {population: [units] or True}, "rate": True or [populations]},
        or a list of some of these three names, each meaning all.
    limit : bytes that the traces may take.
    """

    def __init__(self, topology: Topology, given, n_steps: int, dt: float, dtype, limit: float):
        self.topology, self.dt, self.dtype = topology, dt, dtype
        self.limit = check_number("record_limit", limit, low=0, hint="bytes")
        given = _as_mapping(given)
        self.spikes = _names(topology, "spikes", given.get("spikes"))
        self.rates = _names(topology, "rate", given.get("rate"))
        self.watched = _watched(topology, given.get("voltage"))
        self.names = [population.name for population in topology.populations]
        start = topology.unit_layout
        units = [np.asarray(units, np.int64) + start[name].start for name, units in self.watched.items()]
        self.units = np.concatenate([np.empty(0, np.int64), *units])
        self.n_spikes = 0
        self.parts: dict[str, list[np.ndarray]] = {"unit": [], "step": [], "counts": [], "voltage": []}
        self._require(n_steps)

    def _require(self, n_steps: int) -> None:
        parts = {
            "voltage": n_steps * self.units.size * np.dtype(self.dtype).itemsize,
            "rate": n_steps * 4 * len(self.names) * bool(self.rates),
        }
        self.fixed = sum(parts.values())
        if self.fixed > self.limit:
            largest = max(parts, key=parts.get)
            raise ResourceError(
                f"recording {n_steps:,} steps needs {_bytes(self.fixed)}, mostly {largest}, and record_limit allows "
                f"{_bytes(self.limit)}; record fewer units, run in parts, or raise record_limit"
            )

    def room(self, n_steps: int) -> Output:
        """Fresh arrays for one call of at most `n_steps`."""
        n = max(ROOM, 2 * self.topology.n_units) if self.spikes else self.topology.n_units
        return Output(
            np.empty((n, 3), np.int64),
            np.empty((n_steps, len(self.names)), np.int64),
            self.units,
            np.empty((n_steps, self.units.size), self.dtype),
        )

    def keep(self, output: Output, n_steps: int, n_recorded: int) -> None:
        """Copy what one call wrote."""
        units, steps, counts = output.spikes[:n_recorded].T
        several = n_recorded > 0 and counts.max() > 1  # a source that spikes twice in a step is written twice
        for name, values in (("unit", units.astype(np.int32)), ("step", steps.copy())):
            self.parts[name].append(np.repeat(values, counts) if several else values)
        self.n_spikes += self.parts["unit"][-1].size
        if self.rates:
            self.parts["counts"].append(output.counts[:n_steps].astype(np.int32))
        if self.units.size:
            self.parts["voltage"].append(output.voltage[:n_steps].copy())

    @property
    def full(self) -> bool:
        return self.n_spikes * BYTES_PER_SPIKE + self.fixed > self.limit

    def traces(self, first_step: int, n_steps: int) -> dict[str, np.ndarray]:
        """All that was written, by name."""
        traces = {}
        if self.spikes:
            steps = np.concatenate([np.empty(0, np.int64), *self.parts["step"]])
            traces["spikes.units"] = np.concatenate([np.empty(0, np.int32), *self.parts["unit"]])
            traces["spikes.times"] = steps * self.dt
        if self.rates or self.watched:
            traces["times"] = np.arange(first_step, first_step + n_steps) * self.dt
        voltage = np.concatenate([np.empty((0, self.units.size), self.dtype), *self.parts["voltage"]])
        for name, units in self.watched.items():
            traces[f"voltage.{name}"], voltage = voltage[:, : len(units)], voltage[:, len(units) :]
            traces[f"voltage.{name}.units"] = np.array(units, np.int64)
        spikes = np.concatenate([np.empty((0, len(self.names)), np.int32), *self.parts["counts"]])
        for name in self.rates:
            traces[f"rate.{name}"] = spikes[:, self.names.index(name)] / (self.topology[name].size * self.dt)
        return traces


def spikes_of(recording: Recording, population: str) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of one population, in order of time: units (n,), numbered within it, and times (n,) in s.

    Raises `UnknownName` for a population that is not there, `InvalidInput` for a recording without spikes.
    """
    check_recording("spikes_of", recording)
    layout = recording.parameters.topology.unit_layout
    where = layout[choose("population", population, layout)]
    if "spikes.units" not in recording:
        raise InvalidInput('this recording holds no spikes; simulate with record=["spikes"], or leave record out')
    units = recording["spikes.units"]
    chosen = (units >= where.start) & (units < where.stop)
    return units[chosen] - where.start, recording["spikes.times"][chosen]


def check_recording(what: str, given) -> None:
    """Raise `InvalidInput` for anything but what `simulate` returns."""
    if not isinstance(given, Recording):
        raise InvalidInput(f"{what} takes a Recording, as simulate returns it, got {type(given).__name__}")


def _bytes(count: float) -> str:
    return f"{count / 2**20:,.0f} MiB" if count >= 2**20 else f"{count:,.0f} bytes"


def _as_mapping(given) -> dict:
    if given is None:
        return {}
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Iterable):
        raise InvalidInput(f"record is a list of {', '.join(WHAT)}, or {{one of these: what of it}}, got {given!r}")
    record = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, True)
    for name in record:
        choose("thing to record", name, WHAT)
    return record


def _names(topology: Topology, what: str, given) -> list[str]:
    if given is None or given is False:
        return []
    names = [population.name for population in topology.populations]
    if given is True:
        return names
    if not isinstance(given, Iterable):
        raise InvalidInput(f"record {what!r} is True or a list of populations, got {given!r}")
    return [
        choose(f"population whose {what} to record", name, names) for name in ([given] if given in names else given)
    ]


def _watched(topology: Topology, given) -> dict[str, list[int]]:
    neurons = {population.name: population.size for population in topology.populations if population.role != "input"}
    if given is None or given is False:
        return {}
    if given is True:
        given = dict.fromkeys(neurons, True)
    if not isinstance(given, Mapping):
        raise InvalidInput(f'record "voltage" is {{population: units}}, got {given!r}; for example {{"E": [0, 1]}}')
    watched = {}
    for name, units in given.items():
        size = neurons[choose("population whose voltage to record", name, neurons)]
        chosen = np.atleast_1d(range(size) if units is True else units)
        if chosen.size == 0:
            chosen = chosen.astype(int)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or np.any((chosen < 0) | (chosen >= size)):
            raise InvalidInput(f"voltage of {name!r}: units are numbers in 0 .. {size - 1}, or True: all, got {units}")
        watched[name] = chosen.tolist()
    return watched
