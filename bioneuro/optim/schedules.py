"""Schedules: what a rate is at each step t = 0, 1, 2, ...; small objects that are called like functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bioneuro.errors import InvalidInput, check_number, choose

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class constant:
    """value, always."""

    value: float

    def __call__(self, t: int) -> float:
        return self.value


@dataclass(frozen=True)
class step:
    """first factor^floor(t / every)."""

    first: float
    factor: float
    every: int

    def __post_init__(self):
        check_number("every", self.every, low=1, integer=True)

    def __call__(self, t: int) -> float:
        return self.first * self.factor ** (t // self.every)


@dataclass(frozen=True)
class exponential:
    """first factor^(t / every), falling smoothly."""

    first: float
    factor: float
    every: float = 1

    def __post_init__(self):
        check_number("every", self.every, low=0, open_low=True)

    def __call__(self, t: int) -> float:
        return self.first * self.factor ** (t / self.every)


@dataclass(frozen=True)
class linear:
    """From `first` at t = 0 in a straight line to `last` at t = over, and `last` from there on."""

    first: float
    last: float
    over: int

    def __post_init__(self):
        check_number("over", self.over, low=1, integer=True)

    def __call__(self, t: int) -> float:
        return self.first + (self.last - self.first) * min(t / self.over, 1)


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

    def __call__(self, t: int) -> float:
        return self.values[sum(t >= boundary for boundary in self.boundaries)]


def as_schedule(given: float | Schedule) -> Schedule:
    """A number stands for the constant schedule."""
    return given if callable(given) else constant(float(given))


SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda first, steps: constant(first),
    "step": lambda first, steps: step(first, 0.1, max(1, steps // 3)),
    "exponential": lambda first, steps: exponential(first, 0.01, max(1, steps)),
    "linear": lambda first, steps: linear(first, 0.0, max(1, steps)),
}


def over_training(name: str, first: float, steps: int) -> Schedule:
    """A schedule by name, fitted to a training of `steps` steps that starts at the rate `first`.

    "constant"; "step": divided by ten after each third; "exponential": falls to a hundredth; "linear": falls to 0.
    """
    return SCHEDULES[choose("schedule", name, SCHEDULES)](first, steps)
