"""Errors: what was given, what is allowed, what to do."""

from __future__ import annotations

import difflib
import math
import numbers
import reprlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class BioneuroError(Exception):
    """Every error that this library raises on purpose."""


class InvalidInput(BioneuroError, ValueError):
    """A value, shape or name that cannot be used; the message says what can."""


class UnknownName(InvalidInput):
    """A name that is not in a registry; the message gives the nearest match."""


class UnsupportedTopology(InvalidInput):
    """A topology that an engine cannot run; the message names the way out."""


class FileFormatError(InvalidInput):
    """A damaged, truncated, foreign or unsafe file."""


class DataNotFound(BioneuroError, FileNotFoundError):
    """A data set that is not on this machine; the message says how to get it."""


class ResourceError(BioneuroError, MemoryError):
    """More memory than there is; the message names the number and the largest part."""


class NotFiniteError(BioneuroError, ArithmeticError):
    """Learning or a simulation left the finite numbers; the message says where."""


# what scikit-learn and PyTorch call a thing, where the spelling does not lead to what it is called here
_ELSEWHERE = {
    "logistic": "sigmoid",
    "identity": "linear",
    "log_loss": "cross-entropy",
    "nll": "cross-entropy",
    "bce": "logistic",
    "mse": "squared",
    "squared_error": "squared",
    "l2": "squared",
    "mae": "absolute",
    "absolute_error": "absolute",
    "l1": "absolute",
    "adaptive": "plateau",
    "reducelronplateau": "plateau",
}


def choose(what: str, given: str, allowed: Iterable[str]) -> str:
    """Return `given` if it is one of `allowed`, else raise `UnknownName` with the nearest match.

    >>> choose("rule", "hebb", ["hebb", "storkey"])
    'hebb'
    """
    allowed = list(allowed)
    if given in allowed:
        return given
    written = {str(name).lower(): str(name) for name in allowed}  # "LIF" is near "lif"
    near = []
    if isinstance(given, str):
        known = _ELSEWHERE.get(given.lower())
        near = [known] if known in written else difflib.get_close_matches(given.lower(), written, n=1, cutoff=0.5)
    hint = f"did you mean {written[near[0]]!r}? " if near else ""
    if isinstance(given, type):
        hint = f"it is a class, of which an object may be meant, {given.__name__}(...); "
    raise UnknownName(f"unknown {what} {given!r}; {hint}allowed: {', '.join(map(repr, allowed))}")


def check_number(
    name: str,
    value,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
    integer: bool = False,
    hint: str = "",
):
    """Return `value` as a float (or int), or raise `InvalidInput` naming the allowed range.

    The range is closed unless `open_low` or `open_high` says otherwise; NaN is never allowed.
    """
    kind = "an integer" if integer else "a number"
    left = "(" if open_low or low == -math.inf else "["
    right = ")" if open_high or high == math.inf else "]"
    span = f"{left}{low:g}, {high:g}{right}"
    hint = f"; {hint}" if hint else ""
    try:
        exact = isinstance(value, numbers.Integral)  # a float would round integers above 2^53
        number = int(value) if exact else float(value)
        whole = exact or not integer or number == math.floor(number)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{name} must be {kind} in {span}, got {value!r}{hint}") from None
    below = number < low or (open_low and number == low)
    above = number > high or (open_high and number == high)
    if math.isnan(number) or below or above or not whole or isinstance(value, bool):
        raise InvalidInput(f"{name} must be {kind} in {span}, got {value!r}{hint}")
    return int(number) if integer else float(number)


def check_field(owner, field: str, **allowed) -> None:
    """Check one number of a frozen dataclass as `check_number` does, and keep it as a plain float (or int)."""
    value = check_number(f"{type(owner).__name__}.{field}", getattr(owner, field), **allowed)
    object.__setattr__(owner, field, value)


def check_numbers(name: str, values, *, low: float = -math.inf, high: float = math.inf, hint: str = "") -> np.ndarray:
    """Return `values` as a float64 array of any shape, or raise `InvalidInput` naming the first that is not allowed.

    All must be finite and in [low, high].
    """
    import numpy as np  # here, so that importing the library loads none

    try:
        numbers = np.asarray(values, float)
    except (TypeError, ValueError):
        got = reprlib.repr(values)
        raise InvalidInput(f"{name} must be numbers, got {got}{f'; {hint}' if hint else ''}") from None
    bad = numbers[~((numbers >= low) & (numbers <= high) & np.isfinite(numbers))]
    if bad.size:
        check_number(name, float(bad.flat[0]), low=low, high=high, open_high=high == math.inf, hint=hint)
        raise InvalidInput(f"{name} must be finite, got {bad.flat[0]}")
    return numbers
