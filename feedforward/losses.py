"""Losses: the value to be made small, and its error at the output units.

A loss is a function of one row: of the inputs z of the output units, their outputs a and the targets y. Where unit and
loss belong together (`closed`), both come from z without ever forming log(0), and the error is dL/dz; else it is dL/da
and goes back through the unit. Adding a loss is two functions of one number in `kernels` and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from bioneuro._jit.kernel import specialise
from bioneuro._jit.simd import Matrix
from bioneuro.errors import InvalidInput, choose
from feedforward import kernels


class Loss(NamedTuple):
    """The kernel `kernels.loss` of a loss and an output unit, and whether it gives dL/dz."""

    kernel: Callable
    closed: bool

    def __call__(self, z, a, y, delta, weights=None) -> np.ndarray:
        """Loss of each row, (b,), times its weight; sets `delta` to the error of the mean over the (weighted) rows.

        z, a, y, delta : (b, n) of one type, C order; a is overwritten with what it is. weights : (b,) or None.
        """
        losses = np.empty(len(z))
        weights = np.empty(0, z.dtype) if weights is None else weights
        total = float(weights.sum() if len(weights) else len(z))
        z, a, delta = (Matrix(values.reshape(-1), 0, values.shape[1], 1) for values in (z, a, delta))
        self.kernel(z, a, delta, y, np.arange(len(y)), weights, total, 0, len(y), losses)
        return losses


# loss -> l(a, y) of one output and its slope; the sum over the outputs is the loss of a row
ENTRIES: dict[str, tuple[Callable, Callable]] = {
    "squared": (kernels.squared, kernels.squared_slope),
    "cross-entropy": (kernels.cross_entropy, kernels.cross_entropy_slope),
    "logistic": (kernels.logistic, kernels.logistic_slope),
}
# (loss, unit) -> rows that know the unit
CLOSED: dict[tuple[str, str], Callable] = {
    ("squared", "linear"): kernels.squared_of_linear,
    ("cross-entropy", "softmax"): kernels.cross_entropy_of_softmax,
    ("logistic", "sigmoid"): kernels.logistic_of_sigmoid,
}
NATURAL = {"softmax": "cross-entropy", "sigmoid": "logistic"}  # all other output units: squared
_ACCEPTS = {"cross-entropy": ("softmax", "sigmoid"), "logistic": ("sigmoid", "softmax")}


@cache
def loss_for(name: str, unit: str) -> Loss:
    """The loss called `name` ("auto": the natural one) for output units of one type.

    Raises `InvalidInput` where the outputs of the unit are no probabilities but the loss takes their logarithm.
    """
    name = NATURAL.get(unit, "squared") if name == "auto" else name
    choose("loss", name, ["auto", *ENTRIES])
    if name in _ACCEPTS and unit not in _ACCEPTS[name]:
        raise InvalidInput(
            f"the {name} loss takes logarithms of probabilities, and {unit!r} outputs are none; "
            f"use output units {' or '.join(map(repr, _ACCEPTS[name]))}, or the squared loss"
        )
    rows, closed = CLOSED.get((name, unit)), True
    if rows is None:
        value, slope = ENTRIES[name]
        template, closed = (kernels.rows_of_softmax, True) if unit == "softmax" else (kernels.rows_by_entry, False)
        rows = specialise(template, entry_loss=value, entry_slope=slope)
    return Loss(specialise(kernels.loss, row_loss=rows), closed)
