"""Losses: the value to be made small, and its error at the output units.

A loss takes the input z of the output units, their output a and the targets y, all (b, n), and returns the loss of each
row, (b,), and dL/dz, (b, n). Where unit and loss belong together, both come from z without ever forming log(0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bioneuro.errors import InvalidInput, choose


class Loss(NamedTuple):
    """Both take (z, a, y). `value` -> (b,); `delta` -> dL/dz where `closed`, else dL/da, to go through the unit."""

    value: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    delta: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    closed: bool


def _squared(z, a, y):
    return 0.5 * np.square(a - y).sum(axis=1)


def _difference(z, a, y):
    return a - y


def _cross_entropy_of_softmax(z, a, y):
    top = z.max(axis=1, keepdims=True)
    log_norm = top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))
    return (y * (log_norm - z)).sum(axis=1)


def _delta_of_softmax(z, a, y):
    return a * y.sum(axis=1, keepdims=True) - y


def _logistic_of_sigmoid(z, a, y):
    return (np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))).sum(axis=1)


def _cross_entropy(z, a, y):
    return -(y * np.log(_positive(a))).sum(axis=1)


def _cross_entropy_delta(z, a, y):
    return -y / _positive(a)


def _logistic(z, a, y):
    return -(y * np.log(_positive(a)) + (1 - y) * np.log(_positive(1 - a))).sum(axis=1)


def _logistic_delta(z, a, y):
    return (a - y) / (_positive(a) * _positive(1 - a))


def _positive(a: np.ndarray) -> np.ndarray:
    return np.maximum(a, np.finfo(a.dtype).tiny)


# (loss, output unit) -> Loss; the unit None stands for every other
LOSSES: dict[tuple[str, str | None], Loss] = {
    # L = 1/2 sum_j (a_j - y_j)^2
    ("squared", "linear"): Loss(_squared, _difference, True),
    ("squared", None): Loss(_squared, _difference, False),
    # L = -sum_j y_j ln a_j; behind a softmax dL/dz_j = a_j sum_i y_i - y_j, which is a_j - y_j only if y sums to 1
    ("cross-entropy", "softmax"): Loss(_cross_entropy_of_softmax, _delta_of_softmax, True),
    ("cross-entropy", None): Loss(_cross_entropy, _cross_entropy_delta, False),
    # L = -sum_j [y_j ln a_j + (1 - y_j) ln(1 - a_j)]; behind a sigmoid dL/dz = a - y
    ("logistic", "sigmoid"): Loss(_logistic_of_sigmoid, _difference, True),
    ("logistic", None): Loss(_logistic, _logistic_delta, False),
}
NATURAL = {"softmax": "cross-entropy", "sigmoid": "logistic"}  # all other output units: squared
_ACCEPTS = {"cross-entropy": ("softmax", "sigmoid"), "logistic": ("sigmoid", "softmax")}


def loss_for(name: str, unit: str) -> Loss:
    """The loss called `name` ("auto": the natural one) for output units of one type.

    Raises `InvalidInput` where the outputs of the unit are no probabilities but the loss takes their logarithm.
    """
    name = NATURAL.get(unit, "squared") if name == "auto" else name
    choose("loss", name, ["auto", *dict.fromkeys(loss for loss, _ in LOSSES)])
    if name in _ACCEPTS and unit not in _ACCEPTS[name]:
        raise InvalidInput(
            f"the {name} loss takes logarithms of probabilities, and {unit!r} outputs are none; "
            f"use output units {' or '.join(map(repr, _ACCEPTS[name]))}, or the squared loss"
        )
    return LOSSES.get((name, unit), LOSSES[name, None])
