"""What reaches a network from outside: spikes for sources, spikes and currents for neurons.

Times are seconds of the whole run, continuations included: a run of 2 s equals two of 1 s with the same inputs.
`start` and `stop` limit an input to [start, stop). Values are one number, or one per unit of the population.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.spiking.kernels import Drive, Source
from bioneuro.spiking.neurons import per_unit
from bioneuro.topology import Topology

HIGHEST_RATE = 1e6  # Hz, of one Poisson input
MOST_INPUTS = 1024  # of one kind on one population


@dataclass(frozen=True, eq=False)
class Input:
    """Base of all inputs."""

    def _check_window(self) -> None:
        name = type(self).__name__
        check_number(f"{name}.start", self.start, low=0, hint="seconds")
        check_number(f"{name}.stop", self.stop, low=self.start, hint="seconds, from start on")

    def _values(self, name: str, low: float = -math.inf, high: float = math.inf, hint: str = "") -> None:
        """Keep field `name` as float64; every entry must be finite and in [low, high]."""
        values = np.asarray(getattr(self, name), float)
        what = f"{type(self).__name__}.{name}"
        if values.ndim > 1:
            raise InvalidInput(f"{what} must be one number or one per unit, got shape {values.shape}")
        bad = values[~(np.isfinite(values) & (values >= low) & (values <= high))]
        if bad.size:
            check_number(what, float(bad.flat[0]), low=low, high=high, open_high=high == math.inf, hint=hint)
            raise InvalidInput(f"{what} must be finite, got {bad.flat[0]}")
        object.__setattr__(self, name, values)


@dataclass(frozen=True, eq=False)
class Poisson(Input):
    """Independent Poisson spikes: in each step a number n ~ Poisson(rates dt), for each unit its own.

    For a population of sources the units emit the spikes. For a population of neurons each neuron receives a train of
    its own through a synapse of `weight` volts, and of `tau_synapse` seconds (0: the membrane jumps).

    Parameters
    ----------
    rates : Hz, >= 0, one number or one per unit.
    weight : V, for neurons only.
    tau_synapse : s, >= 0, for neurons only.
    start, stop : s.

    >>> Poisson([5.0, 40.0]).rates.tolist()
    [5.0, 40.0]
    """

    rates: float | Sequence[float] | np.ndarray
    weight: float | None = None
    tau_synapse: float = 0.0
    start: float = 0.0
    stop: float = math.inf

    def __post_init__(self):
        self._values("rates", 0.0, HIGHEST_RATE, "rates are in hertz, never negative")
        _check_synapse(self)
        self._check_window()


@dataclass(frozen=True, eq=False)
class SpikeTrain(Input):
    """Spikes given one by one: unit `units[k]` spikes at `times[k]`, rounded to the nearest step.

    For a population of neurons the spikes arrive at those units, through synapses of `weight` and `tau_synapse`.

    Parameters
    ----------
    units : (n,) indices within the population.
    times : (n,) s, >= 0, in any order; equal entries are several spikes.
    weight, tau_synapse : as for `Poisson`.

    >>> volley = SpikeTrain(units=[0, 1, 2], times=[10e-3] * 3)
    >>> volley.units.tolist()
    [0, 1, 2]
    """

    units: Sequence[int] | np.ndarray
    times: Sequence[float] | np.ndarray
    weight: float | None = None
    tau_synapse: float = 0.0

    def __post_init__(self):
        units = np.atleast_1d(np.asarray(self.units))
        if units.size == 0:
            units = units.astype(np.int64)
        if units.ndim != 1 or units.dtype.kind not in "iu":
            raise InvalidInput(f"SpikeTrain.units must be a list of unit indices, got {units.dtype}, {units.shape}")
        object.__setattr__(self, "times", np.atleast_1d(np.asarray(self.times, float)))
        self._values("times", 0.0, hint="spike times are in seconds of the whole run")
        if units.shape != self.times.shape:
            raise InvalidInput(
                f"SpikeTrain needs as many units as times, got {units.shape[0]} and {self.times.shape[0]}"
            )
        object.__setattr__(self, "units", units.astype(np.int64))
        _check_synapse(self)


@dataclass(frozen=True, eq=False)
class StepCurrent(Input):
    """A constant drive of `amplitude` volts (R I) from `start` to `stop`: alone it pulls V to v_rest + amplitude.

    >>> StepCurrent(25e-3, start=0.1).stop
    inf
    """

    amplitude: float | Sequence[float] | np.ndarray
    start: float = 0.0
    stop: float = math.inf

    def __post_init__(self):
        self._values("amplitude", -1e3, 1e3, "volts; a neuron's threshold is near 0.02 above rest")
        self._check_window()


@dataclass(frozen=True, eq=False)
class NoiseCurrent(Input):
    """White noise: tau_m dV/dt = -(V - v_rest) + mean + sigma sqrt(tau_m) xi(t); without threshold the membrane's
    standard deviation is sigma / sqrt(2).

    Drawn exactly for each step; several on one population add up as variances.

    Parameters
    ----------
    sigma : V, >= 0.
    mean : V.
    start, stop : s.

    >>> NoiseCurrent(5e-3, mean=15e-3).sigma.item()
    0.005
    """

    sigma: float | Sequence[float] | np.ndarray
    mean: float | Sequence[float] | np.ndarray = 0.0
    start: float = 0.0
    stop: float = math.inf

    def __post_init__(self):
        self._values("sigma", 0.0, 1e3, "volts, never negative")
        self._values("mean", -1e3, 1e3, "volts")
        self._check_window()


class Inputs:
    """The inputs of one run, checked against its topology, on the grid of time.

    `boundaries` are the steps at which anything begins or ends; between two of them `drive` gives what kernels need.
    """

    def __init__(self, topology: Topology, given: Mapping, alive: np.ndarray, dt: float, dtype):
        self.topology, self.alive, self.dt, self.dtype = topology, alive, dt, dtype
        self.inputs = [_placed(topology, name, place, entry, dt) for name, place, entry in _listed(topology, given)]
        self.tau_m = per_unit(topology, "tau_m")
        self.base = self._constant_drive()

    @property
    def taus(self) -> list[tuple[str, float]]:
        """(population, tau_synapse) of inputs that arrive through synapses."""
        return [
            (entry.population, entry.given.tau_synapse)
            for entry in self.inputs
            if isinstance(entry.given, Poisson | SpikeTrain) and not entry.source
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
        return Drive(
            (level * leak).astype(self.dtype),
            noise.astype(self.dtype),
            *self._poisson(poisson),
            _between(self.emitted, first, last)[0],
            *_between(self.arriving, first, last),
        )

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
        """Sources, rows of draws, means and weights of the Poisson inputs."""
        sources, means = [], [np.empty(0)]
        for entry in active:
            where, first = self.topology.unit_layout[entry.population], sum(map(len, means))
            means.append(np.where(self.alive[where], entry.given.rates * self.dt, 0.0))
            sources.append(Source(first, first + len(means[-1]), self._column(entry), where.start))
        return (
            np.array(sources, np.int64).reshape(-1, len(Source._fields)),
            np.array([entry.row for entry in active], np.uint64),
            np.concatenate(means),
            np.array([0.0 if entry.source else entry.given.weight for entry in active], self.dtype),
        )

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


class _Placed(NamedTuple):
    """An input, where it goes and when."""

    given: Input
    population: str
    source: bool  # the population emits; otherwise it receives
    row: int  # of random draws
    first: int
    last: int | None


def _listed(topology: Topology, given: Mapping):
    if not isinstance(given, Mapping):
        raise InvalidInput(
            f"inputs is {{population: input or list of inputs}}, got {type(given).__name__}; "
            'for example {"input": Poisson(rates=20.0)}'
        )
    for name, entries in given.items():
        choose("population that inputs go to", name, topology.unit_layout)
        for place, entry in enumerate(entries if isinstance(entries, list | tuple) else [entries]):
            if not isinstance(entry, Input):
                raise InvalidInput(
                    f"an input of {name!r} is one of Poisson, SpikeTrain, StepCurrent, NoiseCurrent, got {entry!r}"
                )
            yield name, place, entry


def _placed(topology: Topology, name: str, place: int, entry: Input, dt: float) -> _Placed:
    population = topology[name]
    source, kind = population.role == "input", type(entry).__name__
    for field in fields(entry):
        values = getattr(entry, field.name)
        per_unit_given = isinstance(values, np.ndarray) and values.ndim and field.name not in ("units", "times")
        if per_unit_given and values.shape != (population.size,):
            raise InvalidInput(
                f"{kind}.{field.name} has {values.shape[0]} values and population {name!r} has "
                f"{population.size} units; give one number or {population.size}"
            )
    if isinstance(entry, StepCurrent | NoiseCurrent):
        if source:
            raise InvalidInput(f"{name!r} is a source of spikes (role='input'); {kind} needs a population of neurons")
    elif source != (entry.weight is None):
        raise InvalidInput(
            f"{name!r} is a source of spikes (role='input'): drop the weight of {kind}, projections have weights"
            if source
            else f"{kind} on neurons {name!r} arrives through synapses; give weight=, in volts"
        )
    if isinstance(entry, SpikeTrain):
        bad = entry.units[(entry.units < 0) | (entry.units >= population.size)]
        if bad.size:
            raise InvalidInput(f"SpikeTrain names unit {bad[0]} of population {name!r}, which has {population.size}")
        return _Placed(entry, name, source, 0, 0, None)
    if not place < MOST_INPUTS:
        raise InvalidInput(f"{name!r} has more than {MOST_INPUTS} inputs; give one with a value per unit")
    row = list(topology.unit_layout).index(name) * MOST_INPUTS + place
    last = None if entry.stop == math.inf else round(entry.stop / dt)
    return _Placed(entry, name, source, row, round(entry.start / dt), last)


def _between(events: tuple[np.ndarray, np.ndarray], first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Events, and their weights, of the steps first .. last-1."""
    a, b = np.searchsorted(events[0][:, 0], [first, last])
    return events[0][a:b], events[1][a:b]


def _check_synapse(given: Poisson | SpikeTrain) -> None:
    name = type(given).__name__
    if given.weight is not None:
        check_number(f"{name}.weight", given.weight, low=-1e3, high=1e3, hint="volts; a synapse's is near 0.0001")
    check_number(f"{name}.tau_synapse", given.tau_synapse, low=0, high=1, hint="seconds; a synapse's is near 0.005")
