"""The inputs of a run, checked against its topology and compiled into what the kernels need."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from bioneuro.data.encoding import Spikes
from bioneuro.errors import InvalidInput, choose
from bioneuro.spiking.input_kernels import (
    GUIDED,
    HIGHEST_TABULATED,
    LONGEST_TABLE,
    InputSpikes,
    Source,
    tabulate,
)
from bioneuro.spiking.inputs import Input, NoiseCurrent, Poisson, SpikeTrain, StepCurrent
from bioneuro.spiking.neurons import check_synapse, per_unit
from bioneuro.spiking.step_kernels import Drive
from bioneuro.topology import Population, Topology

MOST_INPUTS = 1024  # of one kind on one population
MOST_TABLES = 64  # of different means in one Poisson input; more are drawn without tables, for which caches are small


class Inputs:
    """The inputs of one run, checked against its topology, on the grid of time.

    `boundaries` are the steps at which anything begins or ends; between two of them `drive` gives what kernels need.
    """

    def __init__(self, topology: Topology, given: Mapping, alive: np.ndarray, dt: float, dtype):
        self.topology, self.alive, self.dt, self.dtype = topology, alive, dt, dtype
        self.inputs = [_placed(topology, name, place, entry, dt) for name, place, entry in _listed(topology, given)]
        self.tau_m = per_unit(topology, "tau_m")
        self.base = self._constant_drive()
        self.drawn = {entry.row: self._drawn(entry) for entry in self.inputs if isinstance(entry.given, Poisson)}

    @property
    def taus(self) -> list[tuple[str, float]]:
        """(population, tau_synapse) of inputs that arrive through synapses."""
        return [(entry.population, entry.given.tau_synapse) for entry in self.inputs if entry.by_synapse]

    def placed(self) -> Iterator[tuple[str, Input, bool]]:
        """(population, input, whether the population emits its spikes), as given."""
        return ((entry.population, entry.given, entry.source) for entry in self.inputs)

    def weights(self, population: str) -> list[tuple[str, float]]:
        """(kind, V) of inputs that arrive at a population as spikes."""
        return [
            (type(entry.given).__name__, entry.given.weight)
            for entry in self.inputs
            if entry.population == population and entry.by_synapse
        ]

    @property
    def boundaries(self) -> list[int]:
        return sorted({step for entry in self.inputs for step in (entry.first, entry.last) if step is not None})

    def bind(self, columns: Mapping[tuple[str, float], int]) -> None:
        """Sort the given spikes by step, now that the columns of arrivals are known."""
        self.columns = columns
        trains = [entry for entry in self.inputs if isinstance(entry.given, SpikeTrain)]
        self.emitted = self._sorted([entry for entry in trains if entry.source])
        self.arriving = self._sorted([entry for entry in trains if not entry.source])

    def add_bias(self, population: str, bias: np.ndarray) -> None:
        """A population's bias is a constant drive in volts."""
        self.base[self.topology.unit_layout[population]] += bias

    def drive(self, first: int, last: int) -> Drive:
        """What comes from outside in steps first .. last-1, a stretch without a boundary inside."""
        active = [entry for entry in self.inputs if entry.first <= first and (entry.last is None or first < entry.last)]
        level, variance = self.base.copy(), np.zeros(self.topology.n_units)
        poisson = []
        for entry in active:
            where = self.topology.unit_layout[entry.population]
            match entry.given:
                case StepCurrent():
                    level[where] += entry.given.amplitude
                case NoiseCurrent():
                    level[where] += entry.given.mean
                    variance[where] += entry.given.sigma**2
                case Poisson():
                    poisson.append(entry)
        leak = -np.expm1(-self.dt / self.tau_m)
        noise = np.sqrt(variance * -np.expm1(-2 * self.dt / self.tau_m) / 2)
        emitted, arriving = _between(self.emitted, first, last)[0], _between(self.arriving, first, last)
        spikes = InputSpikes(np.zeros(2, np.int64), emitted, *arriving, *self._poisson(poisson))
        return Drive((level * leak).astype(self.dtype), noise.astype(self.dtype), spikes)

    @property
    def noisy(self) -> set[str]:
        """The populations that receive noise at any time."""
        return {entry.population for entry in self.inputs if isinstance(entry.given, NoiseCurrent)}

    def _constant_drive(self) -> np.ndarray:
        level = per_unit(self.topology, "v_rest")
        for population in self.topology.by_role("input"):
            level[self.topology.unit_layout[population.name]] = 0.0
        return level

    def _poisson(self, active: list[_Placed]) -> tuple[np.ndarray, ...]:
        """The fields of `InputSpikes` from `sources` on."""
        sources, drawn, first, n_tables = [], [_Drawn.nothing()], 0, 0
        for entry in active:
            own, start = self.drawn[entry.row], self.topology.unit_layout[entry.population].start
            last = first + len(own.means)
            sources.append(Source(first, last, self._column(entry), start, len(own.cumulative) > 0))
            drawn.append(own._replace(tables=own.tables + n_tables))
            first, n_tables = last, n_tables + len(own.cumulative)
        return (
            np.array(sources, np.int64).reshape(-1, len(Source._fields)),
            np.array([entry.row for entry in active], np.uint64),
            np.array([0.0 if entry.source else entry.given.weight for entry in active], self.dtype),
            *(np.concatenate(parts) for parts in zip(*drawn, strict=True)),
        )

    def _drawn(self, entry: _Placed) -> _Drawn:
        """The means of a Poisson input, 0 for the dead, and tables where few of them differ."""
        alive = self.alive[self.topology.unit_layout[entry.population]]
        means = np.where(alive, entry.given.rates * self.dt, 0.0)
        levels, tables = np.unique(means, return_inverse=True)
        if len(levels) > MOST_TABLES or levels[-1] >= HIGHEST_TABULATED:
            return _Drawn.nothing()._replace(means=means, tables=np.zeros(len(means), np.int64))
        cumulative, guides = np.empty((len(levels), LONGEST_TABLE)), np.empty((len(levels), GUIDED), np.uint8)
        tabulate(levels, cumulative, guides)
        return _Drawn(means, tables, cumulative, guides)

    def _column(self, entry: _Placed) -> int:
        return -1 if entry.source else self.columns[entry.population, entry.given.tau_synapse]

    def _sorted(self, trains: list[_Placed]) -> tuple[np.ndarray, np.ndarray]:
        """(n, 2) step and place (unit of a source, or column of arrivals) of each spike, by step; and its weight."""
        events, weights = [np.empty((0, 2), np.int64)], [np.empty(0)]
        for entry in trains:
            start = self.topology.unit_layout[entry.population].start
            steps = np.rint(entry.given.times / self.dt).astype(np.int64)
            places = entry.given.units + (start if entry.source else self._column(entry))
            lives = self.alive[start + entry.given.units]
            events.append(np.stack([steps, places], axis=1)[lives])
            weights.append(np.full(len(events[-1]), 0.0 if entry.source else entry.given.weight))
        events, weights = np.concatenate(events), np.concatenate(weights)
        order = np.argsort(events[:, 0], kind="stable")
        return events[order], weights[order].astype(self.dtype)


class _Drawn(NamedTuple):
    """Poisson spikes of one input, as the kernels draw them; the last fields of `InputSpikes`."""

    means: np.ndarray
    tables: np.ndarray
    cumulative: np.ndarray
    guides: np.ndarray

    @classmethod
    def nothing(cls) -> _Drawn:
        tables = np.empty((0, LONGEST_TABLE)), np.empty((0, GUIDED), np.uint8)
        return cls(np.empty(0), np.empty(0, np.int64), *tables)


class _Placed(NamedTuple):
    """An input, where it goes and when."""

    given: Input
    population: str
    source: bool  # the population emits; otherwise it receives
    row: int  # of random draws
    first: int
    last: int | None

    @property
    def by_synapse(self) -> bool:
        """Whether it arrives at neurons as spikes."""
        return not self.source and isinstance(self.given, Poisson | SpikeTrain)


def _listed(topology: Topology, given: Mapping):
    if not isinstance(given, Mapping):
        raise InvalidInput(
            f"inputs is {{population: input or list of inputs}}, got {type(given).__name__}; "
            'for example {"input": Poisson(rates=20.0)}'
        )
    for name, entries in given.items():
        choose("population that inputs go to", name, topology.unit_layout)
        if isinstance(entries, Spikes):
            raise InvalidInput(
                f"{name!r} is given Spikes of {len(entries.starts) - 1} rows; a run shows one: "
                f"{{{name!r}: SpikeTrain(*spikes.row(i))}}"
            )
        for place, entry in enumerate(entries if isinstance(entries, list | tuple) else [entries]):
            if not isinstance(entry, Input):
                raise InvalidInput(
                    f"an input of {name!r} is one of Poisson, SpikeTrain, StepCurrent, NoiseCurrent, got {entry!r}"
                )
            yield name, place, entry


def _placed(topology: Topology, name: str, place: int, entry: Input, dt: float) -> _Placed:
    source = topology[name].role == "input"
    _check_sizes(topology[name], entry)
    if isinstance(entry, Poisson | SpikeTrain):
        _check_spikes(name, source, entry, dt)
    elif source:
        raise InvalidInput(
            f"{name!r} is a source of spikes (role='input'); {type(entry).__name__} needs a population of neurons"
        )
    if isinstance(entry, SpikeTrain):
        return _Placed(entry, name, source, 0, 0, None)
    if not place < MOST_INPUTS:
        raise InvalidInput(f"{name!r} has more than {MOST_INPUTS} inputs; give one with a value per unit")
    row = list(topology.unit_layout).index(name) * MOST_INPUTS + place
    last = None if entry.stop == math.inf else round(entry.stop / dt)
    return _Placed(entry, name, source, row, round(entry.start / dt), last)


def _check_sizes(population: Population, entry: Input) -> None:
    """Raise `InvalidInput` unless values are one per unit, or one for all, and units are there."""
    if isinstance(entry, SpikeTrain):
        bad = entry.units[(entry.units < 0) | (entry.units >= population.size)]
        if bad.size:
            raise InvalidInput(
                f"SpikeTrain names unit {bad[0]} of population {population.name!r}, which has {population.size}"
            )
        return
    for field in fields(entry):
        if np.shape(getattr(entry, field.name)) not in ((), (population.size,)):
            raise InvalidInput(
                f"{type(entry).__name__}.{field.name} has {len(getattr(entry, field.name))} values and population "
                f"{population.name!r} has {population.size} units; give one number or {population.size}"
            )


def _check_spikes(name: str, source: bool, entry: Poisson | SpikeTrain, dt: float) -> None:
    """Raise `InvalidInput` unless spikes for neurons, and for these alone, arrive through a synapse."""
    kind = type(entry).__name__
    if source and (entry.weight is not None or entry.tau_synapse):
        raise InvalidInput(
            f"{name!r} is a source of spikes (role='input'): drop the weight of {kind} and its tau_synapse, "
            "projections have them"
        )
    if not source and entry.weight is None:
        raise InvalidInput(f"{kind} on neurons {name!r} arrives through synapses; give weight=, in volts")
    check_synapse(f"{kind} on {name!r}", entry.tau_synapse, dt)


def _between(events: tuple[np.ndarray, np.ndarray], first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Events, and their weights, of the steps first .. last-1."""
    a, b = np.searchsorted(events[0][:, 0], [first, last])
    return events[0][a:b], events[1][a:b]
