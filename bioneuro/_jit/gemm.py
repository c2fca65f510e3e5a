"""Matrix products whose rows do not depend on each other: any split of a batch gives the same bytes.

Each element is ((bias + a_0 b_0) + a_1 b_1) + ..., one term after the other in ascending k, rounded at every step, in
the type of the arrays. Blocks of rows and columns change only the order in which elements are visited.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import kernel
from bioneuro.errors import InvalidInput

_WIDTH = 256  # columns of one tile: four rows of partial sums stay in the first-level cache
_FEW = 4  # below this many rows a transposed copy of the weights costs more than it saves


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None, bias: np.ndarray | None = None) -> np.ndarray:
    """out = a @ b + bias, each row of the result depending on its own row of `a` alone.

    Parameters
    ----------
    a : (n, k), float32 or float64
    b : (k, m), the type of `a`
    out : (n, m), C order, the type of `a`, not overlapping the others; allocated if None
    bias : (m,), the type of `a`; zero if None

    Returns `out`. Raises `InvalidInput` when shapes or types do not fit.
    """
    out, bias = _check(a, b, b.shape[::-1], out, bias)
    product(np.ascontiguousarray(a), np.ascontiguousarray(b), bias, out)
    return out


def matmul_nt(
    a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None, bias: np.ndarray | None = None
) -> np.ndarray:
    """out = a @ b.T + bias with the bits of `matmul(a, b.T)`; a: (n, k), b: (m, k), the rest as in `matmul`."""
    out, bias = _check(a, b, b.shape, out, bias)
    product_nt(np.ascontiguousarray(a), np.ascontiguousarray(b), bias, out)
    return out


@kernel
def product(a, b, bias, out):
    """out = a @ b + bias; a: (n, k), b: (k, m), bias: (m,), out: (n, m), all of one type and in C order."""
    sums = np.empty((4, _WIDTH), a.dtype)
    for first in range(0, b.shape[1], _WIDTH):
        last = min(first + _WIDTH, b.shape[1])
        _tile(a, b, first, bias, sums, out, first, last)


@kernel
def product_nt(a, b, bias, out):
    """out = a @ b.T + bias; a: (n, k), b: (m, k), bias: (m,), out: (n, m), all of one type and in C order."""
    if a.shape[0] < _FEW:
        for i in range(a.shape[0]):
            _row_nt(a[i], b, bias, out[i])
        return
    sums, turned = np.empty((4, _WIDTH), a.dtype), np.empty((a.shape[1], _WIDTH), a.dtype)
    for first in range(0, b.shape[0], _WIDTH):
        last = min(first + _WIDTH, b.shape[0])
        _transpose(b[first:last], turned)
        _tile(a, turned, np.int64(0), bias, sums, out, first, last)


@kernel
def _tile(a, b, start, bias, sums, out, first, last):
    """Columns `first` to `last` of the product, from those of `b` that begin at `start`: four rows at a time."""
    n, width = a.shape[0], last - first
    for i in range(0, n - 3, 4):
        for row in range(4):
            _copy(bias[first:last], sums[row])
        _four_rows(a[i : i + 4], b, start, start + width, sums)
        for row in range(4):
            _copy(sums[row, :width], out[i + row, first:last])
    for i in range(n - n % 4, n):
        _copy(bias[first:last], out[i, first:last])
        _one_row(a[i], b, start, start + width, out[i, first:last])


@kernel
def _four_rows(a, b, first, last, sums):
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    s0, s1, s2, s3 = sums[0], sums[1], sums[2], sums[3]
    even = a.shape[1] - a.shape[1] % 2
    for k in range(0, even, 2):
        p0, p1, p2, p3 = a0[k], a1[k], a2[k], a3[k]
        q0, q1, q2, q3 = a0[k + 1], a1[k + 1], a2[k + 1], a3[k + 1]
        upper, lower = b[k, first:last], b[k + 1, first:last]
        for j in range(upper.shape[0]):
            u, v = upper[j], lower[j]
            s0[j] = (s0[j] + p0 * u) + q0 * v
            s1[j] = (s1[j] + p1 * u) + q1 * v
            s2[j] = (s2[j] + p2 * u) + q2 * v
            s3[j] = (s3[j] + p3 * u) + q3 * v
    for k in range(even, a.shape[1]):
        p0, p1, p2, p3, upper = a0[k], a1[k], a2[k], a3[k], b[k, first:last]
        for j in range(upper.shape[0]):
            u = upper[j]
            s0[j] += p0 * u
            s1[j] += p1 * u
            s2[j] += p2 * u
            s3[j] += p3 * u


@kernel
def _one_row(a, b, first, last, out):
    whole = a.shape[0] - a.shape[0] % 4
    for k in range(0, whole, 4):
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        b0, b1, b2, b3 = b[k, first:last], b[k + 1, first:last], b[k + 2, first:last], b[k + 3, first:last]
        for j in range(out.shape[0]):
            out[j] = (((out[j] + a0 * b0[j]) + a1 * b1[j]) + a2 * b2[j]) + a3 * b3[j]
    for k in range(whole, a.shape[0]):
        a0, b0 = a[k], b[k, first:last]
        for j in range(out.shape[0]):
            out[j] += a0 * b0[j]


@kernel
def _row_nt(a, b, bias, out):
    """Eight dot products side by side: each is a chain of additions, and the chains overlap."""
    m = b.shape[0]
    for j in range(0, m - 7, 8):
        b0, b1, b2, b3, b4, b5, b6, b7 = b[j], b[j + 1], b[j + 2], b[j + 3], b[j + 4], b[j + 5], b[j + 6], b[j + 7]
        s0, s1, s2, s3 = bias[j], bias[j + 1], bias[j + 2], bias[j + 3]
        s4, s5, s6, s7 = bias[j + 4], bias[j + 5], bias[j + 6], bias[j + 7]
        for k in range(a.shape[0]):
            value = a[k]
            s0 += value * b0[k]
            s1 += value * b1[k]
            s2 += value * b2[k]
            s3 += value * b3[k]
            s4 += value * b4[k]
            s5 += value * b5[k]
            s6 += value * b6[k]
            s7 += value * b7[k]
        out[j], out[j + 1], out[j + 2], out[j + 3] = s0, s1, s2, s3
        out[j + 4], out[j + 5], out[j + 6], out[j + 7] = s4, s5, s6, s7
    for j in range(m - m % 8, m):
        total, row = bias[j], b[j]
        for k in range(a.shape[0]):
            total += a[k] * row[k]
        out[j] = total


@kernel
def _copy(source, out):
    """A loop, because `out[:] = source` compiles the formatting of a shape error with it: two seconds."""
    for j in range(source.shape[0]):
        out[j] = source[j]


@kernel
def _transpose(b, out):
    """out = b.T in squares of 16, so that reads and writes both stay in the cache."""
    for top in range(0, b.shape[0], 16):
        for left in range(0, b.shape[1], 16):
            square = b[top : top + 16, left : left + 16]
            for k in range(square.shape[1]):
                for j in range(square.shape[0]):
                    out[left + k, top + j] = square[j, k]


def _check(a, b, shape, out, bias):
    """Return `out` and `bias`, allocated if need be; `shape` is (columns, inner size) as `b` gives it."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != shape[1]:
        raise InvalidInput(f"the matrices do not fit: {a.shape} times {b.shape}; inner sizes must agree")
    if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        raise InvalidInput(f"both matrices must be float32 or both float64, got {a.dtype} and {b.dtype}")
    wanted = (a.shape[0], shape[0])
    out = np.empty(wanted, a.dtype) if out is None else out
    if out.shape != wanted or out.dtype != a.dtype or not out.flags.c_contiguous:
        raise InvalidInput(f"out must be {wanted}, {a.dtype}, in C order; got {out.shape}, {out.dtype}")
    bias = np.zeros(shape[0], a.dtype) if bias is None else np.ascontiguousarray(bias)
    if bias.shape != shape[:1] or bias.dtype != a.dtype:
        raise InvalidInput(f"bias must be {shape[:1]}, {a.dtype}; got {bias.shape}, {bias.dtype}")
    return out, bias
