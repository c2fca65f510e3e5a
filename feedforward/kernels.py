"""Feedforward kernels: the loops that carry activations and losses over a batch.

Activations and losses are functions of one number, or of one row (`activations.py`, `losses.py`); `specialise` binds
each into a loop. All loops have one signature per job, so that the compiled epoch can call them by address:

    forward(z, a, rows, columns, theta, constant) -> 0              a = f(z)
    backward(delta, z, a, rows, columns, theta, constant, gradient, at) -> 0
        delta <- delta f'(z); gradient[at + j] += sum over rows of delta df/dconstant
    loss(z, a, delta, y, where, weights, total, begin, end, losses) -> 0
        for each row of the batch from `begin` to `end`, with target y[where[i]] and weight w = weights[where[i]] (1 if
        there are none): losses[i] = w L, delta = (w / total) dL

z, a and delta are `Matrix`, and z and a may be one; `constant` is where in theta the unit type's number for the first
column stands. The first column is an even unit of its population.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import Slot, scalar
from bioneuro._jit.matrix import Matrix, rows_of
from bioneuro._jit.simd import stretch

value = Slot("value(z, c) -> a")
slope = Slot("slope(z, a, c) -> f'(z)")
constant_slope = Slot("constant_slope(z, c) -> df/dc")
turn = Slot("turn(x, j) -> x or -x, by the unit j")
prepare = Slot("prepare(z, a, n, begin, end, losses), what is done to all rows before the first row_loss")
row_loss = Slot("row_loss(z, a, y, delta, known) -> L; sets delta, and a where the loss knows the unit")


@scalar
def linear(z, c):
    """What a unit is that has no activation: loops over it are left out."""
    return z


@scalar
def unturned(x, j):
    """x: all units are f(x)."""
    return x


@scalar
def turned_if_odd(x, j):
    """-x for odd units, so that they are -f(-x)."""
    return -x if j & 1 else x


def forward(z, a, rows, columns, theta, constant):
    """a = f(z), element by element."""
    constants, inputs, outputs = theta[constant : constant + columns], rows_of(z, rows), rows_of(a, rows)
    in_place = z.start == a.start and z.values.ctypes.data == a.values.ctypes.data
    for i in range(rows):
        source, target = inputs[i], outputs[i]
        if in_place:  # said aloud, or numbers would go one by one, for fear of what is written before it is read
            for j in range(columns):
                target[j] = turn(value(turn(target[j], j), constants[j]), j)
        else:
            for j in range(columns):
                target[j] = turn(value(turn(source[j], j), constants[j]), j)
    return 0


def backward(delta, z, a, rows, columns, theta, constant, gradient, at):
    """delta <- delta f'(z)."""
    constants = theta[constant : constant + columns]
    errors, inputs, outputs = rows_of(delta, rows), rows_of(z, rows), rows_of(a, rows)
    for i in range(rows):
        error, arrived, emitted = errors[i], inputs[i], outputs[i]
        for j in range(columns):
            error[j] *= slope(turn(arrived[j], j), turn(emitted[j], j), constants[j])
    return 0


def backward_learning(delta, z, a, rows, columns, theta, constant, gradient, at):
    """The same for a constant that is learnt, and its gradient."""
    constants, total = theta[constant : constant + columns], gradient[at : at + columns]
    errors, inputs, outputs = rows_of(delta, rows), rows_of(z, rows), rows_of(a, rows)
    for i in range(rows):
        error, arrived, emitted = errors[i], inputs[i], outputs[i]
        for j in range(columns):
            total[j] += error[j] * turn(constant_slope(turn(arrived[j], j), constants[j]), j)
            error[j] *= slope(turn(arrived[j], j), turn(emitted[j], j), constants[j])
    return 0


def loss(z, a, delta, y, where, weights, total, begin, end, losses):
    """Row by row, rows in full width: what lies behind the outputs is padding, zeros in delta, and stays so.

    What `prepare` leaves in `losses` of a row is `known` to its loss.
    """
    prepare(z, a, y.shape[1], begin, end, losses)
    inputs, outputs, deltas = rows_of(z, end), rows_of(a, end), rows_of(delta, end)
    for i in range(begin, end):
        losses[i] = row_loss(inputs[i], outputs[i], y[where[i]], deltas[i], losses[i])
    if weights.shape[0] == 0:
        factor = z.values.dtype.type(1 / total)
        errors = rows_of(Matrix(delta.values, delta.start + begin * delta.row, (end - begin) * delta.row, 1), 1)[0]
        for k in range(errors.shape[0]):
            errors[k] *= factor
        return 0
    nothing = z.values.dtype.type(0)
    for i in range(begin, end):  # a loop of its own: what was just written in parts is slow to read as a whole
        weight = np.float64(weights[where[i]])
        if weight != 0:
            stretch(deltas[i], 0, nothing, z.values.dtype.type(weight / total), deltas[i], 0, delta.row)
            losses[i] *= weight
        else:  # whatever they are, NaN included
            deltas[i, : delta.row], losses[i] = 0, 0
    return 0
