"""Schedules: what a rate is at each step, as functions of the step t = 0, 1, 2, ..."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bioneuro.errors import InvalidInput, check_number, choose

Schedule = Callable[[int], float]


def constant(value: float) -> Schedule:
    """value, always."""
    return lambda t: value


def step(first: float, factor: float, every: int) -> Schedule:
    """first factor^floor(t / every)."""
    check_number("every", every, low=1, integer=True)
    return lambda t: first * factor ** (t // every)


def exponential(first: float, factor: float, every: float = 1) -> Schedule:
    """first factor^(t / every), falling smoothly."""
    check_number("every", every, low=0, open_low=True)
    return lambda t: first * factor ** (t / every)


def linear(first: float, last: float, over: int) -> Schedule:
    """From `first` at t = 0 in a straight line to `last` at t = over, and `last` from there on."""
    check_number("over", over, low=1, integer=True)
    return lambda t: first + (last - first) * min(t / over, 1)


def piecewise(values: Sequence[float], boundaries: Sequence[int]) -> Schedule:
    """values[k] for boundaries[k-1] <= t < boundaries[k]; one value more than there are boundaries."""
    values, boundaries = tuple(values), tuple(boundaries)
    if len(values) != len(boundaries) + 1 or sorted(boundaries) != list(boundaries):
        raise InvalidInput(
            f"piecewise needs rising boundaries and one value more than those, got {values} and {boundaries}"
        )
    return lambda t: values[sum(t >= boundary for boundary in boundaries)]


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
