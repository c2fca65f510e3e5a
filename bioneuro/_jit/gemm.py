"""Matrix products in place: no packing, any strides, the rows of a result independent of each other.

Kernels hand matrices over as `Matrix`, a part of a flat array; `matmul` and `matmul_nt` take NumPy arrays. Every
element is one chain of products x y + z in ascending k (`multiply`), or one for each lane of a register
(`multiply_nt`), whatever the number of rows and columns: splitting a batch, or the columns, gives the same bytes. So
`matmul` and `matmul_nt` share the rows of large products among threads.

A product is used up while it is in the cache: `in_blocks` hands every finished block of rows to a function bound into
it, an epilogue (bias, activation) or a consumer (an optimiser step, so that a gradient never reaches memory).
"""

from __future__ import annotations

import math
from functools import cache

import numba
import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from bioneuro._jit.borrow import borrowed
from bioneuro._jit.cores import team_size
from bioneuro._jit.dispatch import address, call
from bioneuro._jit.kernel import Slot, kernel, scalar, specialise
from bioneuro._jit.matrix import Matrix, part
from bioneuro._jit.simd import PANEL, lanes
from bioneuro._jit.team import run_team
from bioneuro._jit.tiles import DOT_COLUMNS, DOT_ROWS, TILE_ROWS, TILE_VECTORS, dot_tile, outer, tile
from bioneuro.errors import InvalidInput

_FAR = 1 << 40  # numbers; kernels are told how many there are
DEPTH = 256  # terms summed before the next rows: what they take of a and b stays in the caches, whatever the strides
_FIRST = np.int64(0)  # a literal would be compiled once more
_NANOSECONDS = 0.0025  # for a byte of a term of a sum, on a fast core
_LONG = 100_000  # nanoseconds of a product above which a team is thought of
_SHARE, _SHARES = 96, 6  # rows of a product that a worker takes at a time: whole tiles; how often, at most, roughly
BLOCK_COLUMNS = 128  # of a product with b'
BLOCK_ROWS = 4 * TILE_ROWS  # of a product that is used up in blocks: 512 columns fill an ordinary first-level cache
HALVES = Slot("the half registers of columns in a panel")
ROWS = Slot("the rows of a tile")


def _panel(a, b, out, rows, inner, more, first, last):
    """out (+)= a b for HALVES half registers of columns, in tiles of ROWS, 4 and, for what is left, single rows."""
    i = 0
    while i + ROWS <= rows and i + ROWS + 2 != rows:  # ROWS + 2 rows are better cut into fours than into a 2
        tile(ROWS, HALVES, part(a, i, 0), b, part(out, i, 0), inner, more, first, last)
        i += ROWS
    while i + 4 <= rows:
        tile(4, HALVES, part(a, i, 0), b, part(out, i, 0), inner, more, first, last)
        i += 4
    while i < rows:
        tile(1, HALVES, part(a, i, 0), b, part(out, i, 0), inner, more, first, last)
        i += 1


WIDE = 2 * TILE_VECTORS
_wide = specialise(_panel, HALVES=WIDE, ROWS=TILE_ROWS)
_triple = specialise(_panel, HALVES=6, ROWS=8) if WIDE > 6 else _wide
_double = specialise(_panel, HALVES=4, ROWS=8) if WIDE > 4 else _wide
_single = specialise(_panel, HALVES=2, ROWS=16)
_half = specialise(_panel, HALVES=1, ROWS=8)


@kernel
def multiply(a, b, out, rows, columns, inner, more):
    """out (+)= a b; a: (rows, inner), b: (inner, columns) and out: (rows, columns) with contiguous rows, all `Matrix`.

    Sums start from 0, or, where `more`, from `out`. out must not overlap a or b.
    """
    a, b, out = borrowed((a, b, out))
    if inner == 1 and not more:
        _outer(a, b, out, rows, columns)
        return 0
    half, k = lanes(out.values) // 2, 0
    while k == 0 or k < inner:  # each part of a sum goes on from the last: the order is one and the same
        depth, add, left, j = min(inner - k, DEPTH), more or k > 0, part(a, 0, k), 0
        while j < columns:
            halves = _halves(columns - j, columns, half)
            done = max(0, j + halves * half - columns)  # a panel that would reach too far moves back, off what is done
            right, target = part(b, k, j - done), part(out, 0, j - done)
            if columns < half:
                _half(left, part(b, k, 0), out, rows, depth, add, 0, columns)
            elif halves == WIDE:
                _wide(left, right, target, rows, depth, add, done, None)
            elif halves == 6:
                _triple(left, right, target, rows, depth, add, done, None)
            elif halves == 4:
                _double(left, right, target, rows, depth, add, done, None)
            elif halves == 2:
                _single(left, right, target, rows, depth, add, done, None)
            else:
                _half(left, right, target, rows, depth, add, done, None)
            j += halves * half
        k += DEPTH
    return 0


@scalar
def _outer(a, b, out, rows, columns):
    """out = a b, where inner = 1."""
    width, j = lanes(out.values), 0
    while j + 4 * width <= columns:
        outer(4, a, part(b, 0, j), part(out, 0, j), rows, None)
        j += 4 * width
    while j < columns:
        outer(1, a, part(b, 0, j), part(out, 0, j), rows, min(width, columns - j))
        j += width


@scalar
def _halves(left, columns, half):
    """How many half registers the next panel takes: 1 or an even number, no more than fit into all columns."""
    left, most = (left + half - 1) // half, columns // half
    return min(left + left % 2, most - most % 2, WIDE) if min(left, most) > 1 else 1


@kernel
def multiply_nt(a, b, out, rows, columns, inner, more, apart):
    """out (+)= a b'; a: (rows, inner), b: (columns, inner) and out: (rows, columns) with contiguous rows, all `Matrix`.

    Each lane of a register sums its own terms; then the lanes are added. b may be stored in panels of `PANEL` columns,
    `apart` from the beginning of one to that of the next; its `row` is then that of a panel. apart = PANEL: it is not.
    """
    a, b, out = borrowed((a, b, out))
    for begin in range(0, columns, BLOCK_COLUMNS):  # these rows of b stay in the second-level cache
        end, first = min(begin + BLOCK_COLUMNS, columns), 0
        while first < rows:  # and few rows of a, with one tile's of b, in the first
            last, j = first + DOT_ROWS if first + DOT_ROWS + 2 < rows else rows, begin
            while j + DOT_COLUMNS <= end:
                i, right = first, part(b, j, 0)
                if i + DOT_ROWS <= last and i + DOT_ROWS + 2 != last:
                    dot_tile(DOT_ROWS, DOT_COLUMNS, part(a, i, 0), right, part(out, i, j), inner, more, apart)
                    i += DOT_ROWS
                while i + 4 <= last:
                    dot_tile(4, DOT_COLUMNS, part(a, i, 0), right, part(out, i, j), inner, more, apart)
                    i += 4
                while i < last:
                    dot_tile(1, DOT_COLUMNS, part(a, i, 0), right, part(out, i, j), inner, more, apart)
                    i += 1
                j += DOT_COLUMNS
            while j < end:
                i, right = first, part(b, j, 0)
                while i + 4 <= last:
                    dot_tile(4, 1, part(a, i, 0), right, part(out, i, j), inner, more, apart)
                    i += 4
                while i < last:
                    dot_tile(1, 1, part(a, i, 0), right, part(out, i, j), inner, more, apart)
                    i += 1
                j += 1
            first = last
    return 0


finished = Slot("finished(block, first, rows, columns, own), what to do with rows `first` and following of a product")


def in_blocks(a, b, out, rows, columns, inner, kept, own):
    """Template of a product that is used while it is in the cache: out = a b, and `finished` for every block of rows.

    Where `kept`, out: (rows, columns) holds the whole product and `finished` is an epilogue (add a bias, apply an
    activation). Otherwise out: (BLOCK_ROWS, columns) holds one block after the other and `finished` is a consumer: it
    takes a gradient into an optimiser step before the next block overwrites it.

    `finished(block, first, rows, columns, own)` gets the block as a `Matrix`, the number of its first row, its size,
    and `own`, whatever the caller passes on. Bind it: `specialise(in_blocks, finished=add_bias)`.
    """
    for first in range(0, rows, BLOCK_ROWS):
        count = min(BLOCK_ROWS, rows - first)
        block = part(out, first, 0) if kept else out
        multiply(part(a, first, 0), b, block, count, columns, inner, False)
        finished(block, first, count, columns, own)


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None, bias: np.ndarray | None = None) -> np.ndarray:
    """out = a @ b + bias, each row of the result depending on its own row of `a` alone.

    Parameters
    ----------
    a : (n, k), float32 or float64, any strides
    b : (k, m), the type of `a`
    out : (n, m), the type of `a`, rows contiguous, not overlapping the others; allocated if None
    bias : (m,), the type of `a`; zero if None

    Returns `out`. Raises `InvalidInput` when shapes or types do not fit.
    """
    out, more = _check(a, b, b.shape[::-1], out, bias)
    _run(multiply, (), a, _with_contiguous_rows(b), out, more)
    return out


def matmul_nt(
    a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None, bias: np.ndarray | None = None
) -> np.ndarray:
    """out = a @ b.T + bias, each row by itself; a: (n, k), b: (m, k), the rest as in `matmul`."""
    out, more = _check(a, b, b.shape, out, bias)
    _run(multiply_nt, (PANEL,), _with_contiguous_rows(a), _with_contiguous_rows(b), out, more)
    return out


def _run(product, last: tuple[int, ...], a: np.ndarray, b: np.ndarray, out: np.ndarray, more: bool) -> None:
    """Hand arrays to a kernel by their addresses, which is quicker, and the same for arrays that are read-only.

    last : what the kernel's arguments end with.
    """
    if numba.config.DISABLE_JIT:
        left, right, result = (Matrix(m.ravel(), 0, m.shape[1], 1) for m in (a, b, out))
        product(left, right, result, *out.shape, a.shape[1], more, *last)
        out[...] = result.values.reshape(out.shape)
        return
    size = out.itemsize
    if any(stride % size for stride in a.strides) or not a.flags.aligned:
        a = np.array(a, order="C")
    number = numba.from_dtype(out.dtype)
    places = [(_address_of(m), m.strides[0] // size, m.strides[1] // size) for m in (a, b, out)]
    sizes, like = (*out.shape, a.shape[1]), out.dtype.type(0)
    product = _product_address(product, number, len(last))
    nanoseconds = math.prod(sizes) * size * _NANOSECONDS
    workers = team_size(outputs=-(-len(out) // _SHARE), nanoseconds=nanoseconds) if nanoseconds > _LONG else 1
    if workers == 1:
        _run_at(0, len(out), product, *places, sizes, more, last, like)
        return
    rows = _SHARE * -(-len(out) // (_SHARE * _SHARES * workers))
    begins = iter(range(0, len(out), rows))

    def work(_, worker: int) -> None:
        for begin in begins:  # whoever is free takes the next: cores are not equally fast, nor there at once
            _run_at(begin, min(rows, len(out) - begin), product, *places, sizes, more, last, like)

    run_team(work, workers)


@kernel
def _run_at(first, rows, product, a, b, out, sizes, more, last, like):
    """Some rows of a product; addresses and strides cost less to pass than arrays do."""
    left, right, result = _matrix_at(a, first, like), _matrix_at(b, _FIRST, like), _matrix_at(out, first, like)
    _, columns, inner = sizes
    call(product, (left, right, result, rows, columns, inner, more) + last)  # noqa: RUF005 - Numba adds tuples


@scalar
def _matrix_at(place, first, like):
    """The matrix at (address, row, column), from row `first` on."""
    address, row, column = place
    return Matrix(carray(_pointer_at(address, like), (_FAR,)), first * row, row, column)


@intrinsic
def _pointer_at(typing, address, like):
    def generate(context, builder, signature, given):
        return builder.inttoptr(given[0], context.get_value_type(signature.return_type))

    return types.CPointer(like)(types.intp, like), generate


@cache
def _product_address(product, number: types.Float, n_last: int) -> int:
    matrix = types.NamedTuple([types.Array(number, 1, "C"), *[types.int64] * 3], Matrix)
    return address(product, *[matrix] * 3, *[types.int64] * 3, types.boolean, *[types.int64] * n_last)


def _address_of(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _with_contiguous_rows(array: np.ndarray) -> np.ndarray:
    one_by_one = array.strides[1] == array.itemsize and array.strides[0] % array.itemsize == 0
    return array if one_by_one and array.flags.aligned else np.array(array, order="C")


def _check(a, b, shape, out, bias):
    """Return `out`, allocated if need be and holding the bias, and whether it does; `shape` is b's (columns, inner)."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != shape[1]:
        raise InvalidInput(f"the matrices do not fit: {a.shape} times {b.shape}; inner sizes must agree")
    if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        raise InvalidInput(f"both matrices must be float32 or both float64, got {a.dtype} and {b.dtype}")
    wanted = (a.shape[0], shape[0])
    out = np.empty(wanted, a.dtype) if out is None else out
    if (
        out.shape != wanted
        or out.dtype != a.dtype
        or (out.shape[1] > 1 and out.size and out.strides[1] != out.itemsize)
        or not out.flags.behaved
    ):
        raise InvalidInput(
            f"out must be {wanted}, {a.dtype}, writable, with contiguous rows; got {out.shape}, {out.dtype}"
        )
    if bias is None:
        return out, False
    if bias.shape != shape[:1] or bias.dtype != a.dtype:
        raise InvalidInput(f"bias must be {shape[:1]}, {a.dtype}; got {bias.shape}, {bias.dtype}")
    out[...] = bias
    return out, True
