"""Schedules: what a rate is at each step t = 0, 1, 2, ...; small objects that are called like functions.

They take an array of steps as well as a single one, so that a compiled epoch asks once for many steps. A function of
the user's own may serve as a schedule; one that takes single steps only is asked step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bioneuro.errors import InvalidInput, check_number, choose

Schedule = Callable[[int], float]


def _check(schedule, rates: tuple[str, ...] = (), counts: tuple[str, ...] = ()) -> None:
    """Rates are numbers >= 0, counts integers >= 1."""
    name = type(schedule).__name__
    for field in rates:
        check_number(f"schedule {name}: {field}", getattr(schedule, field), low=0, open_high=True)
    for field in counts:
        check_number(f"schedule {name}: {field}", getattr(schedule, field), low=1, integer=True)


@dataclass(frozen=True)
class constant:
    """value, always."""

    value: float

    def __post_init__(self):
        _check(self, ("value",))

    def __call__(self, t: int) -> float:
        return self.value


@dataclass(frozen=True)
class step:
    """first factor^floor(t / every)."""

    first: float
    factor: float
    every: int

    def __post_init__(self):
        _check(self, ("first", "factor"), ("every",))

    def __call__(self, t: int) -> float:
        return self.first * self.factor ** (t // self.every)


@dataclass(frozen=True)
class exponential:
    """first factor^(t / every), falling smoothly."""

    first: float
    factor: float
    every: float = 1

    def __post_init__(self):
        _check(self, ("first", "factor"))
        check_number("schedule exponential: every", self.every, low=0, open_low=True)

    def __call__(self, t: int) -> float:
        return self.first * self.factor ** (t / self.every)


@dataclass(frozen=True)
class linear:
    """From `first` at t = 0 in a straight line to `last` at t = over, and `last` from there on."""

    first: float
    last: float
    over: int

    def __post_init__(self):
        _check(self, ("first", "last"), ("over",))

    def __call__(self, t: int) -> float:
        return self.first + (self.last - self.first) * np.minimum(t / self.over, 1)


@dataclass(frozen=True)
class piecewise:
    """values[k] for boundaries[k-1] <= t < boundaries[k]; one value more than there are boundaries."""

    values: tuple[float, ...]
    boundaries: tuple[int, ...]

    def __post_init__(self):
        object.__setattr__(self, "values", tuple(self.values))
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        if len(self.values) != len(self.boundaries) + 1 or sorted(self.boundaries) != list(self.boundaries):
            raise InvalidInput(
                "piecewise needs rising boundaries and one value more than those, "
                f"got {self.values} and {self.boundaries}"
            )
        for value in self.values:
            check_number("schedule piecewise: a value", value, low=0)

    def __call__(self, t: int) -> float:
        return np.asarray(self.values)[np.searchsorted(self.boundaries, t, side="right")]


@dataclass(frozen=True)
class cyclic:
    """A triangle wave: from `low` up to `high` in `half` steps and down again in as many (Smith 2017).

    The k-th cycle, k = 0, 1, ..., rises to low + (high - low) shrink^k only.
    """

    low: float
    high: float
    half: int
    shrink: float = 1.0

    def __post_init__(self):
        _check(self, ("low", "high"), ("half",))
        check_number("schedule cyclic: shrink", self.shrink, low=0, high=1, open_low=True)

    def __call__(self, t: int) -> float:
        cycle, within = t // (2 * self.half), t % (2 * self.half)
        return self.low + (self.high - self.low) * self.shrink**cycle * (1 - np.abs(within / self.half - 1))


@dataclass(frozen=True)
class cosine:
    """last + (first - last) (1 + cos(pi t / over)) / 2, and `last` from t = over on."""

    first: float
    last: float
    over: int

    def __post_init__(self):
        _check(self, ("first", "last"), ("over",))

    def __call__(self, t: int) -> float:
        return self.last + (self.first - self.last) * (1 + np.cos(np.pi * np.minimum(t / self.over, 1))) / 2


@dataclass(frozen=True)
class warm_restarts:
    """As `cosine` within a cycle, back at `first` where the next begins (SGDR; Loshchilov and Hutter 2017).

    The first cycle has `every` steps, each later one `growth` times as many as the one before.
    """

    first: float
    last: float
    every: int
    growth: float = 1.0

    def __post_init__(self):
        _check(self, ("first", "last"), ("every",))
        check_number("schedule warm_restarts: growth", self.growth, low=1)

    def __call__(self, t: int) -> float:
        if self.growth == 1:
            share = t % self.every / self.every
        else:
            cycle = np.floor(np.log1p((self.growth - 1) * t / self.every) / np.log(self.growth))
            cycle = cycle + (self._begin(cycle + 1) <= t) - (self._begin(cycle) > t)  # the logarithm rounds
            share = (t - self._begin(cycle)) / (self.every * self.growth**cycle)
        return self.last + (self.first - self.last) * (1 + np.cos(np.pi * share)) / 2

    def _begin(self, cycle):
        return self.every * (self.growth**cycle - 1) / (self.growth - 1)


@dataclass(frozen=True)
class warm_up:
    """From `start` x then(0) at t = 0 in a straight line to then(0) at t = over; then `then`, a schedule."""

    over: int
    then: float | Schedule
    start: float = 0.0

    def __post_init__(self):
        _check(self, ("start",), ("over",))

    def __call__(self, t: int) -> float:
        then = as_schedule(self.then)
        rising = self.start + (1 - self.start) * np.minimum(t / self.over, 1)
        return rising * then(np.maximum(t - self.over, 0))

    @property
    def watches(self) -> bool:
        return getattr(self.then, "watches", False)

    def see(self, losses: Sequence[float]) -> None:
        if hasattr(self.then, "see"):
            self.then.see(losses)


@dataclass(frozen=True)
class growing_momentum:
    """beta from `first` at t = 0 to `last` at t = over, and `last` from there on; "slowly", as Hinton advises.

    The number of steps that momentum remembers, 1 / (1 - beta), grows by the same factor in every step.
    """

    first: float = 0.5
    last: float = 0.9
    over: int = 1000

    def __post_init__(self):
        _check(self, counts=("over",))
        for field in ("first", "last"):
            check_number(f"schedule growing_momentum: {field}", getattr(self, field), low=0, high=1, open_high=True)

    def __call__(self, t: int) -> float:
        return 1 - (1 - self.first) * ((1 - self.last) / (1 - self.first)) ** np.minimum(t / self.over, 1)


@dataclass(frozen=True)
class scaled:
    """factor times another schedule."""

    schedule: Schedule
    factor: float

    def __post_init__(self):
        _check(self, ("factor",))

    def __call__(self, t: int) -> float:
        return self.factor * self.schedule(t)

    @property
    def watches(self) -> bool:
        return getattr(self.schedule, "watches", False)

    def see(self, losses: Sequence[float]) -> None:
        if hasattr(self.schedule, "see"):
            self.schedule.see(losses)


@dataclass(frozen=True)
class on_plateau:
    """first factor^k, k the number of plateaus so far: stretches of `patience` epochs without a better loss.

    The training loop shows it the losses of all finished epochs (`see`), of the validation where there is one; the
    rate follows from them alone, so that a training that is resumed goes on with the same rate.

    Parameters
    ----------
    first : the rate at the start. factor : in (0, 1). patience : epochs, >= 1.
    tolerance : a loss is better if it is below the best so far by this share of it.
    lowest : the rate does not fall below.
    """

    first: float
    factor: float = 0.1
    patience: int = 5
    tolerance: float = 1e-4
    lowest: float = 0.0

    def __post_init__(self):
        _check(self, ("first", "tolerance", "lowest"), ("patience",))
        check_number("schedule on_plateau: factor", self.factor, low=0, high=1, open_low=True, open_high=True)
        object.__setattr__(self, "_plateaus", 0)

    def __call__(self, t: int) -> float:
        return max(self.first * self.factor**self._plateaus, self.lowest)

    @property
    def watches(self) -> bool:
        return True

    def see(self, losses: Sequence[float]) -> None:
        """Count the plateaus in the losses of all epochs so far."""
        plateaus, best, waited = 0, np.inf, 0
        for loss in losses:
            better = best == np.inf or loss < best - self.tolerance * abs(best)
            best, waited = (loss, 0) if better else (best, waited + 1)
            if waited == self.patience:
                plateaus, waited = plateaus + 1, 0
        object.__setattr__(self, "_plateaus", plateaus)


def as_schedule(given: float | Schedule) -> Schedule:
    """A number stands for the constant schedule."""
    return given if callable(given) else constant(float(given))


def check_rate(name: str, given: float | Schedule, *, open_low: bool = True, **limits) -> None:
    """Refuse a rate that is not above 0 (`open_low`; else, below 0); of a schedule, which may begin at 0, its first."""
    scheduled = callable(given)
    value, name = (given(0), f"{name} at step 0") if scheduled else (given, name)
    check_number(name, value, **{"low": 0, "open_high": True} | limits, open_low=open_low and not scheduled)


def times(given: float | Schedule, factor: float) -> float | Schedule:
    """`factor` times a number or a schedule."""
    return scaled(given, factor) if callable(given) else given * factor


SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda first, steps: constant(first),
    "step": lambda first, steps: step(first, 0.1, max(1, steps // 3)),
    "exponential": lambda first, steps: exponential(first, 0.01, max(1, steps)),
    "linear": lambda first, steps: linear(first, 0.0, max(1, steps)),
    "cosine": lambda first, steps: cosine(first, 0.0, max(1, steps)),
    "warm-restarts": lambda first, steps: warm_restarts(first, 0.0, max(1, -(-steps // 7)), 2.0),
    "cyclic": lambda first, steps: cyclic(first / 10, first, max(1, -(-steps // 8))),
    "warm-up": lambda first, steps: warm_up(max(1, steps // 20), cosine(first, 0.0, max(1, steps - steps // 20))),
    "plateau": lambda first, steps: on_plateau(first),
}


def over_training(name: str, first: float, steps: int) -> Schedule:
    """A schedule by name, fitted to a training of `steps` steps at the rate `first`.

    "constant"; "step": divided by ten after each third; "exponential": falls to a hundredth; "linear" and "cosine":
    fall to 0; "warm-restarts": does so three times, each twice as long as the one before; "cyclic": rises from a tenth
    and falls back four times; "warm-up": rises for a twentieth of the training, then falls to 0 as a cosine;
    "plateau": divided by ten when the loss has not fallen for five epochs.
    """
    choose("schedule", name, SCHEDULES)
    return SCHEDULES[name](check_number("learning rate", first, low=0, open_low=True, open_high=True), steps)
