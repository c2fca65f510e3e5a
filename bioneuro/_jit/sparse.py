"""Products of sparse rows with a matrix, any number of columns: what the blocks of `simd` do, with the ends handled.

A binary row is the list of its ones, a sparse row the list of its entries with their factors, a pattern of -1/+1 the
bits of 64-bit words. Every element of a result is one sum in the order of the list: columns may be split among threads,
and the bits stay the same. Nothing is checked: callers hold the bounds. `m` is a `Matrix` with contiguous rows.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import kernel
from bioneuro._jit.matrix import part
from bioneuro._jit.simd import STRIP_VECTORS, WIDE_STRIP_VECTORS, add_signed, lanes, sum_rows, sum_scaled_rows

_ONE = np.uint64(1)


@kernel
def multiply_binary(rows, first, last, m, columns, out, out0, more):
    """out[out0 + j] (+)= sum over n in [first, last) of m[rows[n], j], for `columns` columns; rows: integers."""
    j, width = 0, lanes(out)
    while j + WIDE_STRIP_VECTORS * width <= columns:
        sum_rows(WIDE_STRIP_VECTORS, rows, first, last, part(m, 0, j), out, out0 + j, None, more)
        j += WIDE_STRIP_VECTORS * width
    while j + STRIP_VECTORS * width <= columns:
        sum_rows(STRIP_VECTORS, rows, first, last, part(m, 0, j), out, out0 + j, None, more)
        j += STRIP_VECTORS * width
    while j + 4 * width <= columns:
        sum_rows(4, rows, first, last, part(m, 0, j), out, out0 + j, None, more)
        j += 4 * width
    if j < columns:
        sum_rows(4, rows, first, last, part(m, 0, j), out, out0 + j, columns - j, more)


@kernel
def multiply_sparse(rows, factors, first, last, m, columns, out, out0, more):
    """out[out0 + j] (+)= sum over n in [first, last) of factors[n] m[rows[n], j], for `columns` columns."""
    j, width = 0, lanes(out)
    while j + STRIP_VECTORS * width <= columns:
        sum_scaled_rows(STRIP_VECTORS, rows, factors, first, last, part(m, 0, j), out, out0 + j, None, more)
        j += STRIP_VECTORS * width
    while j + 4 * width <= columns:
        sum_scaled_rows(4, rows, factors, first, last, part(m, 0, j), out, out0 + j, None, more)
        j += 4 * width
    if j < columns:
        sum_scaled_rows(4, rows, factors, first, last, part(m, 0, j), out, out0 + j, columns - j, more)


@kernel
def multiply_sparse_rows(starts, ends, indices, factors, m, out, rows, columns, more):
    """`multiply_sparse` for each row of the `Matrix` out: row i has entries starts_i to ends_i; returns 0."""
    one_strip = columns == 4 * lanes(out.values)  # as wide as a panel: rows of few entries cost little more than these
    for i in range(rows):
        begin, end, place = starts[i], ends[i], out.start + i * out.row
        if one_strip:
            sum_scaled_rows(4, indices, factors, begin, end, m, out.values, place, None, more)
        elif begin < end or not more:
            multiply_sparse(indices, factors, begin, end, m, columns, out.values, place, more)
    return 0


@kernel
def add_pattern(words, start, m, m0, out, out0, count):
    """out[out0 + j] += m[m0 + j] where bit j, counted from words[start], is 1, else -m[m0 + j]; j below count."""
    whole = count // 64
    for word in range(whole):
        add_signed(words[start + word], m, m0 + 64 * word, out, out0 + 64 * word)
    for j in range(64 * whole, count):
        bit = (words[start + whole] >> np.uint64(j - 64 * whole)) & _ONE
        out[out0 + j] += m[m0 + j] if bit == _ONE else -m[m0 + j]
