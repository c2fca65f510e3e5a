"""Matrices within flat arrays, as kernels hand them on: parts, transposes and padded rows without copies.

**Nothing is checked here**: callers hold the bounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import carray, types
from numba.core import cgutils, imputils
from numba.extending import intrinsic

from bioneuro._jit.emit import INDEX
from bioneuro._jit.kernel import instruction_for, scalar, twin_of


class Matrix(NamedTuple):
    """A matrix within a flat array: element (i, j) is values[start + i row + j column]."""

    values: np.ndarray
    start: int
    row: int
    column: int


def stored(values, start, row):
    """The matrix with contiguous rows that begins at `start` in `values`; its rows are `row` apart."""
    return Matrix(values, np.int64(start), np.int64(row), np.int64(1))


def part(m, i, j):
    """The matrix that begins at element (i, j) of `m`."""
    return Matrix(m.values, m.start + i * m.row + j * m.column, m.row, m.column)


def turned(m):
    """The transpose of `m`: the same numbers, read the other way."""
    return Matrix(m.values, m.start, m.column, m.row)


def rows_of(m, rows):
    """`rows` rows of `m` as an array, (rows, m.row); a part of a matrix owns the first numbers of each row."""
    size = m.values.itemsize
    return np.lib.stride_tricks.as_strided(m.values[m.start :], (rows, m.row), (m.row * size, size))


@twin_of(rows_of)
def _(m, rows):
    return lambda m, rows: carray(_address(m.values, m.start), (rows, m.row))


@intrinsic
def _address(typing, values, start):
    def generate(context, builder, signature, arguments):
        data = context.make_array(values)(context, builder, arguments[0]).data
        return builder.gep(data, [arguments[1]])

    return types.CPointer(values.dtype)(values, types.intp), generate


@scalar
def at(m, i, j):
    """Where element (i, j) of `m` lies in `m.values`."""
    return m.start + i * m.row + j * m.column


@instruction_for(stored)
def _(typing, values, start, row):
    matrix = types.NamedTuple([values, *[types.int64] * 3], Matrix)

    def generate(context, builder, signature, given):
        return _matrix(context, builder, matrix, *given, INDEX(1))

    return matrix(values, types.int64, types.int64), generate


@instruction_for(part)
def _(typing, m, i, j):
    def generate(context, builder, signature, given):
        (values, start, row, column), i, j = cgutils.unpack_tuple(builder, given[0]), *given[1:]
        start = builder.add(builder.add(start, builder.mul(i, row)), builder.mul(j, column))
        return _matrix(context, builder, m, values, start, row, column)

    return m(m, types.int64, types.int64), generate


@instruction_for(turned)
def _(typing, m):
    def generate(context, builder, signature, given):
        values, start, row, column = cgutils.unpack_tuple(builder, given[0])
        return _matrix(context, builder, m, values, start, column, row)

    return m(m), generate


def _matrix(context, builder, kind, *fields):
    return imputils.impl_ret_borrowed(context, builder, kind, context.make_tuple(builder, kind, fields))
