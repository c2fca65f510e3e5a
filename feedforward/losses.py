"""Losses: the value to be made small, and its error at the output units.

A loss is a function of one row: of the inputs z of the output units, their outputs a and the targets y, which may be
any numbers ("soft" targets): where they do not sum to one, the error behind a softmax is not a - y. A softmax is taken
of all rows of a batch before the first loss.

Losses of numbers go with all units: two functions of one number and a line of `ENTRIES`; their error is dL/da, and goes
back through the unit. Losses of probabilities, which end in ln 0, and others where it is simpler, are written together
with a unit, from z alone: a function of one row and a line of `CLOSED`; their error is dL/dz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from bioneuro._jit.kernel import Slot, scalar, specialise
from bioneuro._jit.math import exp, log, sigmoid, softplus
from bioneuro._jit.matrix import Matrix, rows_of
from bioneuro._jit.simd import dot, dot_gap, largest, scaled_gap, stretch, total
from bioneuro.errors import InvalidInput, check_field, choose
from feedforward import kernels

entry_loss = Slot("entry_loss(a, y) -> L")
entry_slope = Slot("entry_slope(a, y) -> dL/da")
delta = Slot("delta, where the Huber loss turns from a square to a line")


# -- of one output -----------------------------------------------------------------------------------------------------


@scalar
def squared(a, y):
    """1/2 (a - y)^2."""
    return (a - y) * (a - y) / 2


@scalar
def squared_slope(a, y):
    return a - y


@scalar
def absolute(a, y):
    """|a - y|."""
    return abs(a - y)


@scalar
def absolute_slope(a, y):
    """The sign of a - y: 0 where they are equal; NaN stays NaN."""
    error = a - y
    return 1 if error > 0 else (-1 if error < 0 else error)


def huber(a, y):
    """1/2 e^2 for |e| <= delta, delta (|e| - delta / 2) otherwise; e = a - y."""
    error = abs(a - y)
    return delta * (error - delta / 2) if error > delta else error * error / 2


def huber_slope(a, y):
    """e, cut off at -delta and delta."""
    error = a - y
    return delta if error > delta else (-delta if error < -delta else error)


# -- of one row --------------------------------------------------------------------------------------------------------


def rows_by_entry(z, a, y, delta, known):
    """L = sum over j of l(a_j, y_j) and dL/da."""
    n = y.shape[0]
    for j in range(n):
        delta[j] = entry_loss(a[j], y[j])
    result = total(delta, 0, n)
    for j in range(n):
        delta[j] = entry_slope(a[j], y[j])
    return result


def rows_of_softmax(z, a, y, delta, known):
    """The same behind a softmax, back to dL/dz through its Jacobian diag(a) - a a'."""
    n = y.shape[0]
    for j in range(n):
        delta[j] = entry_loss(a[j], y[j])
    result = total(delta, 0, n)
    for j in range(n):
        delta[j] = entry_slope(a[j], y[j])
    mean = dot(delta, 0, a, 0, n)
    for j in range(n):
        delta[j] = a[j] * (delta[j] - mean)
    return result


@scalar
def squared_of_linear(z, a, y, delta, known):
    """L = 1/2 sum (z - y)^2, dL/dz = z - y."""
    n = y.shape[0]
    for j in range(n):
        a[j] = z[j]
        delta[j] = z[j] - y[j]
    return dot(delta, 0, delta, 0, n) / 2


@scalar
def logistic_of_sigmoid(z, a, y, delta, known):
    """L = sum ln(1 + e^z) - y z; dL/dz = a - y.

    Of one output, L = ln(1 + e^-|z|) + |z| (1 - y), for z < 0 |z| y, in which nothing cancels.
    """
    n, one = y.shape[0], z.dtype.type(1)
    for j in range(n):
        size, missed = abs(z[j]), one - y[j] if z[j] > 0 else y[j]
        delta[j] = softplus(-size) + size * missed
    result = total(delta, 0, n)
    for j in range(n):
        a[j] = sigmoid(z[j])
        delta[j] = a[j] - y[j]
    return result


@scalar
def cross_entropy_of_sigmoid(z, a, y, delta, known):
    """L = sum y ln(1 + e^-z); dL/dz = -y sigmoid(-z)."""
    n = y.shape[0]
    for j in range(n):
        delta[j] = y[j] * softplus(-z[j])
    result = total(delta, 0, n)
    for j in range(n):
        delta[j] = -y[j] * sigmoid(-z[j])
        a[j] = sigmoid(z[j])
    return result


@scalar
def cross_entropy_of_softmax(z, a, y, delta, log_mass):
    """L = sum y (ln sum_i e^z_i - z); dL/dz_j = a_j sum_i y_i - y_j.

    With m the largest z, L = ln(sum e^(z - m)) sum y + sum y (m - z), in which nothing cancels.
    """
    n = y.shape[0]
    top, mass = largest(z, 0, n), total(y, 0, n)
    scaled_gap(a, 0, mass, y, 0, delta, 0, n)
    return log_mass * mass + dot_gap(y, 0, top, z, 0, n)


@scalar
def logistic_of_softmax(z, a, y, delta, log_mass):
    """L = sum -y ln a - (1 - y) ln(1 - a); dL/dz_i = a_i - y_i - sum over j != i of a_i g_j.

    g_j = -y_j + (1 - y_j) a_j / (1 - a_j). For the largest a, which may round to 1, 1 - a is what the others have
    together, and a_i / (1 - a) their own softmax.
    """
    n = y.shape[0]
    top = 0
    for j in range(1, n):
        top = j if z[j] > z[top] else top
    second = n - 1 if top == 0 else 0
    for j in range(n):
        second = j if j != top and z[j] > z[second] else second
    log_norm, rest = z[top] + log_mass, np.float64(0)
    for j in range(n):
        delta[j] = 0 if j == top else exp(z[j] - z[second])
        rest += delta[j]
    rest = max(rest, 1e-300)  # one unit alone has no others
    log_rest = z[second] + log(rest)
    result, others = -y[top] * (z[top] - log_norm) - (1 - y[top]) * (log_rest - log_norm), np.float64(0)
    for j in range(n):
        if j != top:
            result -= y[j] * (z[j] - log_norm) + (1 - y[j]) * log(1 - np.float64(a[j]))
            others += _pull(a[j], y[j])
    by_top = (1 - y[top]) * a[top] / rest
    for j in range(n):
        own = 0.0 if j == top else a[j] * (_pull(a[j], y[j]) + y[top]) - by_top * delta[j]
        delta[j] = a[j] * (1 - others) - y[j] + own
    return result


@scalar
def _pull(a, y):
    """a dL/da of the logistic loss, in float64."""
    return -y + (1 - y) * np.float64(a) / (1 - np.float64(a))


# -- of all rows -------------------------------------------------------------------------------------------------------


@scalar
def nothing(z, a, n, begin, end, losses):
    """Most losses are a matter of one row."""


@scalar
def softmax(z, a, n, begin, end, losses):
    """a = softmax of the first n numbers of each row; to `losses`, ln sum e^(z - m), m the largest z.

    Padding takes part without a say. Step by step for all rows, so that a processor can work on several at a time.
    """
    inputs, outputs, zero, one = rows_of(z, end), rows_of(a, end), a.values.dtype.type(0), a.values.dtype.type(1)
    for i in range(begin, end):
        stretch(inputs[i], 0, largest(inputs[i], 0, n), one, outputs[i], 0, n)
    powers = rows_of(Matrix(a.values, a.start + begin * a.row, (end - begin) * a.row, 1), 1)[0]
    for k in range(powers.shape[0]):  # all rows at once: one is too short to fill registers
        powers[k] = exp(min(powers[k], zero))
    for i in range(begin, end):
        losses[i] = total(outputs[i], 0, n)
    for i in range(begin, end):
        stretch(outputs[i], 0, zero, a.values.dtype.type(1 / losses[i]), outputs[i], 0, n)
    norms = losses[begin:end]
    for k in range(norms.shape[0]):
        norms[k] = log(norms[k])


# -- tables ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Huber:
    """L = sum of 1/2 e^2 for |e| <= delta, delta (|e| - delta / 2) otherwise, e = a - y: outliers pull no harder.

    delta : > 0, in the unit of the targets. Source: Huber, Robust estimation of a location parameter (1964).

    >>> Huber(delta=0.5)
    Huber(delta=0.5)
    """

    delta: float = 1.0

    def __post_init__(self):
        check_field(self, "delta", low=0, open_low=True)


class Loss(NamedTuple):
    """The kernel `kernels.loss` of a loss and an output unit, and whether it gives dL/dz."""

    kernel: Callable
    closed: bool

    def __call__(self, z, a, y, delta, weights=None, total: float | None = None) -> np.ndarray:
        """Loss of each row, (b,), times its weight; sets `delta` to the error of the mean over the (weighted) rows.

        z, a, delta : (b, n) of one type, C order; a is overwritten with what it is. y : (b, n). weights : (b,) or None.
        total : what `delta` is divided by in the place of the sum of the weights.
        """
        losses = np.empty(len(z))
        weights = np.empty(0, z.dtype) if weights is None else weights
        total = total or float(weights.sum() if len(weights) else len(z))
        y = y.astype(z.dtype, copy=False)
        z, a, delta = (Matrix(values.reshape(-1), 0, values.shape[1], 1) for values in (z, a, delta))
        self.kernel(z, a, delta, y, np.arange(len(y)), weights, total, 0, len(y), losses)
        return losses


# loss -> l(a, y) of one output and its slope; the sum over the outputs is the loss of a row
ENTRIES: dict[str, tuple[Callable, Callable]] = {
    "squared": (squared, squared_slope),
    "absolute": (absolute, absolute_slope),
    "huber": (huber, huber_slope),
}
# loss -> unit -> rows that know the unit
CLOSED: dict[str, dict[str, Callable]] = {
    "cross-entropy": {"softmax": cross_entropy_of_softmax, "sigmoid": cross_entropy_of_sigmoid},
    "logistic": {"sigmoid": logistic_of_sigmoid, "softmax": logistic_of_softmax},
    "squared": {"linear": squared_of_linear},
}
NATURAL = {"softmax": "cross-entropy", "sigmoid": "logistic"}  # all other output units: squared


@cache
def loss_for(loss: str | Huber, unit: str) -> Loss:
    """The loss of that name ("auto": the natural one) for output units of one type; `Huber` has a constant.

    Raises `InvalidInput` where the outputs of the unit are no probabilities but the loss takes their logarithm.
    """
    loss = Huber() if loss == "huber" else loss
    name = NATURAL.get(unit, "squared") if loss == "auto" else "huber" if isinstance(loss, Huber) else loss
    choose("loss", name, ["auto", *ENTRIES, *(name for name in CLOSED if name not in ENTRIES)])
    closed, before = CLOSED.get(name, {}), softmax if unit == "softmax" else nothing
    if unit in closed:
        return Loss(specialise(kernels.loss, prepare=before, row_loss=closed[unit]), closed=True)
    if name not in ENTRIES:
        raise InvalidInput(
            f"the {name} loss takes logarithms of probabilities, and {unit!r} outputs are none; "
            f"use output units {' or '.join(map(repr, closed))}, or the squared loss"
        )
    of_entry = ENTRIES[name]
    if isinstance(loss, Huber):
        of_entry = [specialise(function, delta=loss.delta) for function in of_entry]
    template = rows_of_softmax if unit == "softmax" else rows_by_entry
    rows = specialise(template, entry_loss=of_entry[0], entry_slope=of_entry[1])
    return Loss(specialise(kernels.loss, prepare=before, row_loss=rows), closed=unit == "softmax")
