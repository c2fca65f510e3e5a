"""Products of sparse rows with a matrix, any number of columns: what the blocks of `simd` do, with the ends handled.

A binary row is the list of its ones, a sparse row the list of its entries with their factors, a pattern of -1/+1 the
bits of 64-bit words. Every element of a result is one sum in the order of the list: columns may be split among threads,
and the bits stay the same. Nothing is checked: callers hold the bounds. `m` is a `Matrix` with contiguous rows.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.borrow import borrowed
from bioneuro._jit.kernel import Slot, kernel, specialise
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


VECTORS = Slot("the registers of a strip")


def _strip_of_rows(starts, ends, indices, factors, m, out, rows, columns, more):
    for i in range(rows):
        place = out.start + i * out.row
        sum_scaled_rows(VECTORS, indices, factors, starts[i], ends[i], m, out.values, place, columns, more)


_quadruple = specialise(_strip_of_rows, VECTORS=4)
_triple = specialise(_strip_of_rows, VECTORS=3)
_double = specialise(_strip_of_rows, VECTORS=2)
_single = specialise(_strip_of_rows, VECTORS=1)


@kernel
def multiply_sparse_rows(starts, ends, indices, factors, m, out, rows, columns, more):
    """out_ij (+)= sum over n in [starts_i, ends_i) of factors[n] m[indices[n], j], for `columns` columns; returns 0.

    Strip by strip for all rows: many have few entries, or none, and cost little more than the loop over them.
    """
    starts, ends, indices, factors, m, out = borrowed((starts, ends, indices, factors, m, out))
    j, width = 0, lanes(out.values)
    while j < columns:
        vectors, right, target = min((columns - j) // width, 4), part(m, 0, j), part(out, 0, j)
        if vectors == 4:
            _quadruple(starts, ends, indices, factors, right, target, rows, None, more)
        elif vectors == 3:
            _triple(starts, ends, indices, factors, right, target, rows, None, more)
        elif vectors == 2:
            _double(starts, ends, indices, factors, right, target, rows, None, more)
        elif vectors == 1:
            _single(starts, ends, indices, factors, right, target, rows, None, more)
        else:
            _single(starts, ends, indices, factors, right, target, rows, columns - j, more)
        j += max(vectors, 1) * width
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
