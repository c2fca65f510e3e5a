"""Encoding: rows of numbers in [0, 1] as spikes, one train per feature.

Random spikes are keyed by the content of a row: the same row gives the same spikes, wherever in a batch it stands.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bioneuro._jit.keys import Key, seed_from
from bioneuro.data.domain import as_finite_floats
from bioneuro.errors import InvalidInput, check_number
from bioneuro.memory import require

_CHUNK = 1024  # rows encoded at a time; the spikes do not depend on it
_NUMBERS = 1 << 22  # uniform numbers drawn at a time, a row's whole, as many columns as the fullest row has spikes
_GOLDEN_RATIO = (1 + math.sqrt(5)) / 2
_SIGMAS = 8.0  # a Poisson count this far above its mean is not reckoned with when memory is predicted


class Spikes(NamedTuple):
    """Spike trains of many rows, row after row; in a row by time, of equal times the lower unit first.

    Attributes
    ----------
    starts : (n + 1,) int64; the spikes of row i are numbers starts[i] .. starts[i + 1] - 1.
    units : (n_spikes,) int32, the feature that spikes.
    times : (n_spikes,) float64, s, in [0, duration).
    n_units : number of features.

    >>> spikes = encode_latency(np.array([[1.0, 0.25]]), 0.1)
    >>> spikes.row(0)
    (array([0, 1], dtype=int32), array([0.   , 0.075]))
    """

    starts: np.ndarray
    units: np.ndarray
    times: np.ndarray
    n_units: int

    def row(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Units and times of the spikes of row i, as `bioneuro.spiking.SpikeTrain` takes them."""
        i = check_number("row", i, low=0, high=len(self.starts) - 2, integer=True)
        where = slice(self.starts[i], self.starts[i + 1])
        return self.units[where], self.times[where]

    def counts(self) -> np.ndarray:
        """(n, n_units) int64: how many spikes each feature of each row has."""
        n = len(self.starts) - 1
        rows = np.repeat(np.arange(n), np.diff(self.starts))
        return np.bincount(rows * self.n_units + self.units, minlength=n * self.n_units).reshape(n, self.n_units)

    def __repr__(self) -> str:
        return f"Spikes({len(self.units):,} of {self.n_units:,} units in {len(self.starts) - 1:,} rows)"


def rates_of(X, *, highest: float = 100.0, lowest: float = 0.0) -> np.ndarray:
    """Rate = lowest + (highest - lowest) x.

    Parameters
    ----------
    X : (n, features) or one row (features,), in [0, 1].
    highest, lowest : Hz, of x = 1 and x = 0; 0 <= lowest <= highest.

    Returns
    -------
    float64 array of the shape of X, Hz, as `bioneuro.spiking.Poisson` takes one row of it.

    Raises
    ------
    InvalidInput : X outside [0, 1] or not finite, negative rates, lowest above highest.
    """
    X = as_finite_floats(X)
    highest = check_number("highest", highest, low=0, high=1e6, hint="rates are in hertz")
    lowest = check_number("lowest", lowest, low=0, high=highest, hint="hertz, at most `highest`")
    if X.min() < 0 or X.max() > 1:
        raise InvalidInput(
            f"values run from {X.min():g} to {X.max():g}; spikes encode values in [0, 1]: rescale them, or clip noise"
        )
    return lowest + (highest - lowest) * X.astype(np.float64)


def encode_poisson(
    X, duration: float, *, highest: float = 100.0, lowest: float = 0.0, dt: float | None = None, random_state=None
) -> Spikes:
    """Poisson trains: each feature spikes n ~ Poisson(rate duration) times, at times uniform in [0, duration).

    Parameters
    ----------
    X : (n, features) or one row, in [0, 1].
    duration : s, > 0.
    highest, lowest : Hz, the rates of 1 and 0, as in `rates_of`.
    dt : s; times are multiples of it (several spikes may share one), or None: any time.
    random_state : None, int, Generator or RandomState. Equal rows get equal trains; another seed gives others.

    Returns
    -------
    Spikes

    Raises
    ------
    InvalidInput : X outside [0, 1], negative rates, a duration that is no multiple of dt.
    ResourceError : more spikes than fit into memory.

    Source: Gerstner, Kistler, Naud, Paninski, Neuronal Dynamics (2014), section 7.7.
    """
    from bioneuro._jit.random import fill_poisson, fill_uniform, hash_rows

    rates = np.atleast_2d(rates_of(X, highest=highest, lowest=lowest))
    duration, n_steps = _check_times(duration, dt)
    mean = float(rates.sum()) * duration
    _require(mean + _SIGMAS * math.sqrt(mean))
    key = Key.from_seed(seed_from(random_state)).child("encode_poisson")
    hashes = hash_rows(np.atleast_2d(np.asarray(X)))
    counts = np.empty(rates.shape, np.int64)
    fill_poisson(key.child("counts"), 0, rates * duration, counts, rows=hashes)
    total = counts.sum(axis=1)
    n_rows = max(1, min(_CHUNK, _NUMBERS // max(1, int(total.max()))))
    parts = []
    for start in range(0, len(rates), n_rows):
        rows = slice(start, start + n_rows)
        uniform = np.empty((len(total[rows]), int(total[rows].max())))
        if uniform.size:
            fill_uniform(key.child("times"), 0, uniform, rows=hashes[rows])
        times = duration * uniform if dt is None else np.floor(n_steps * uniform) * dt
        parts.append((counts[rows], times[np.arange(uniform.shape[1]) < total[rows, None]]))
    return _collect(parts)


def encode_rate(X, duration: float, *, highest: float = 100.0, lowest: float = 0.0) -> Spikes:
    """Regular trains, the rate code without noise: feature j spikes at (k + phase_j) / rate, k = 0, 1, 2, ...

    phase_j is the fractional part of (j + 1/2) times the golden ratio, so that features of equal rate take turns
    instead of spiking together; each has rate duration spikes, give or take less than one.

    Parameters
    ----------
    X : (n, features) or one row, in [0, 1].
    duration : s, > 0.
    highest, lowest : Hz, the rates of 1 and 0, as in `rates_of`.

    Returns
    -------
    Spikes : times in [0, duration).

    Raises
    ------
    InvalidInput : X outside [0, 1], negative rates.
    ResourceError : more spikes than fit into memory.
    """
    rates = np.atleast_2d(rates_of(X, highest=highest, lowest=lowest))
    duration, _ = _check_times(duration, None)
    _require(float(rates.sum()) * duration + rates.size)
    phase = (np.arange(rates.shape[1]) + 0.5) * _GOLDEN_RATIO % 1
    parts = []
    for start in range(0, len(rates), _CHUNK):
        rate = rates[start : start + _CHUNK]
        counts = np.ceil(np.maximum(rate * duration - phase, 0)).astype(np.int64)
        each = counts.ravel()
        number = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        times = (number + np.repeat(np.broadcast_to(phase, rate.shape).ravel(), each)) / np.repeat(rate.ravel(), each)
        parts.append((counts, np.minimum(times, np.nextafter(duration, 0))))
    return _collect(parts)


def encode_latency(X, duration: float, *, threshold: float = 0.0) -> Spikes:
    """Time to first spike: each feature above `threshold` spikes once, at (1 - x) duration: strong ones first.

    Parameters
    ----------
    X : (n, features) or one row, in [0, 1].
    duration : s, > 0.
    threshold : in [0, 1]; features with x <= threshold are silent.

    Returns
    -------
    Spikes : times in [0, duration).

    Raises
    ------
    InvalidInput : X or the threshold outside [0, 1].

    Source: Thorpe, Delorme and Van Rullen, Spike-based strategies for rapid processing, Neural Networks 14 (2001) 715.
    """
    values = np.atleast_2d(rates_of(X, highest=1.0))
    duration, _ = _check_times(duration, None)
    threshold = check_number("threshold", threshold, low=0, high=1)
    counts = (values > threshold).astype(np.int64)
    _require(float(counts.sum()))
    times = np.minimum((1 - values[counts > 0]) * duration, np.nextafter(duration, 0))
    return _collect([(counts, times)])


def _check_times(duration, dt) -> tuple[float, int]:
    duration = check_number("duration", duration, low=0, open_low=True, high=1e6, hint="seconds")
    if dt is None:
        return duration, 0
    dt = check_number("dt", dt, low=0, high=duration, open_low=True, hint="seconds")
    n_steps = round(duration / dt)
    if not math.isclose(n_steps * dt, duration, rel_tol=1e-9):
        raise InvalidInput(f"duration={duration:g} s is not a multiple of dt={dt:g} s; take {n_steps * dt:g} s")
    return duration, n_steps


def _require(n_spikes: float) -> None:
    require(
        {"spikes": int(12 * n_spikes), "spikes while they are sorted": int(40 * n_spikes)}, f"{n_spikes:,.0f} spikes"
    )


def _collect(parts: list[tuple[np.ndarray, np.ndarray]]) -> Spikes:
    """Parts are (counts (rows, units), times ordered by row and unit); each row is brought into the order of time."""
    units, times, totals = [], [], []
    for counts, at in parts:
        n_rows, n_units = counts.shape
        who = np.tile(np.arange(n_units, dtype=np.int32), n_rows).repeat(counts.ravel())
        total = counts.sum(axis=1)
        order = np.lexsort((who, at, np.repeat(np.arange(n_rows), total)))
        units.append(who[order])
        times.append(at[order])
        totals.append(total)
    starts = np.concatenate([[0], np.cumsum(np.concatenate(totals))])
    return Spikes(starts, np.concatenate(units), np.concatenate(times), parts[0][0].shape[1])
