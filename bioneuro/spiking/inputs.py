"""What reaches a network from outside: spikes for sources, spikes and currents for neurons.

Times are seconds of the whole run, continuations included: a run of 2 s equals two of 1 s with the same inputs.
`start` and `stop` limit an input to [start, stop). Values are one number, or one per unit of the population; what is
out of range raises `InvalidInput`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioneuro.errors import InvalidInput, check_field, check_numbers

HIGHEST_RATE = 1e6  # Hz, of one Poisson input
HIGHEST_DRIVE = 10.0  # V, constant or at a spike: five hundred times the way from rest to threshold
HIGHEST_NOISE = 1.0  # V
_IN_VOLTS = "volts: 0.02, which is 20 mV, brings a neuron from rest to its threshold"


@dataclass(frozen=True, eq=False)
class Input:
    """Base of all inputs."""

    def _check_window(self) -> None:
        check_field(self, "start", low=0, open_high=True, hint="seconds")
        check_field(self, "stop", low=self.start, hint="seconds, from start on")

    def _values(self, name: str, low: float = -math.inf, high: float = math.inf, hint: str = "") -> None:
        """Keep field `name` as float64; every entry must be finite and in [low, high]."""
        what = f"{type(self).__name__}.{name}"
        values = check_numbers(what, getattr(self, name), low=low, high=high, hint=hint)
        if values.ndim > 1:
            raise InvalidInput(f"{what} must be one number or one per unit, got shape {values.shape}")
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
    Rows of data become spikes by `bioneuro.data.encode_poisson`, `encode_rate` or `encode_latency`:
    `SpikeTrain(*spikes.row(i))` is row i.

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
        self._values("times", 0.0, hint="spike times are in seconds of the whole run")
        object.__setattr__(self, "times", np.atleast_1d(self.times))
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
        self._values("amplitude", -HIGHEST_DRIVE, HIGHEST_DRIVE, _IN_VOLTS)
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
        self._values("sigma", 0.0, HIGHEST_NOISE, "volts, never negative: 0.005 is 5 mV")
        self._values("mean", -HIGHEST_DRIVE, HIGHEST_DRIVE, _IN_VOLTS)
        self._check_window()


def _check_synapse(given: Poisson | SpikeTrain) -> None:
    if given.weight is not None:
        check_field(given, "weight", low=-HIGHEST_DRIVE, high=HIGHEST_DRIVE, hint="volts; a synapse's is near 0.0001")
    check_field(given, "tau_synapse", low=0, high=1, hint="seconds; a synapse's is near 0.005")
