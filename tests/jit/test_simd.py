from __future__ import annotations

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from bioneuro._jit import simd, tiles
from bioneuro._jit.kernel import kernel
from bioneuro._jit.matrix import Matrix, at, part, rows_of, stored, turned
from bioneuro._jit.sparse import add_pattern, multiply_binary, multiply_sparse_rows
from tests.jit.blocks import (
    add_down,
    add_signed,
    count_differences,
    dot,
    dot_gap,
    dot_tile,
    largest,
    outer,
    scaled_gap,
    stretch,
    sum_down,
    sum_rows,
    sum_scaled_rows,
    tile,
    total,
)

pytestmark = pytest.mark.small

TYPES = [np.float32, np.float64]


def lanes(dtype):
    return simd.lanes.loop(np.empty(0, dtype))


def within_nan(values, start=3, row=None):
    """The matrix in a flat array between NaN, its rows `row` apart."""
    n, m = values.shape
    row = row or m + 2
    flat = np.full(start + max(n, 1) * row + 5, np.nan, values.dtype)
    for i in range(n):
        flat[start + i * row : start + i * row + m] = values[i]
    return Matrix(flat, start, row, 1)


def exact_factors(draw, shape, dtype):
    """Powers of two, so that products have no rounding, fused or not, and sums tell the order of their terms."""
    return np.ldexp(1.0, draw.integers(-3, 4, shape)).astype(dtype) * draw.choice([-1, 1], shape).astype(dtype)


def assert_does_as_its_loop(run, block, sizes, arguments, changed):
    """The block changes the array number `changed` of its arguments exactly as its loop does, and nothing else."""
    arrays = [argument.values if isinstance(argument, Matrix) else argument for argument in arguments]
    before = [array.copy() if isinstance(array, np.ndarray) else array for array in arrays]
    run(*arguments)
    after = arrays[changed].copy()
    arrays[changed][...] = before[changed]
    block.loop(*sizes, *arguments)
    for place, array in enumerate(arrays):
        if place != changed and isinstance(array, np.ndarray):
            np.testing.assert_array_equal(array, before[place])
    assert after.tobytes() == arrays[changed].tobytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("cut", ["whole", "cut off at the end"])
@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("inner", [0, 1, 9])
@pytest.mark.parametrize("first", [0, 1])
def test_a_tile_is_the_product_in_the_order_of_its_loop(dtype, cut, more, inner, first):
    draw, width = np.random.default_rng(inner), 3 * lanes(dtype) // 2
    last = None if cut == "whole" else width - 2
    columns = width if last is None else last
    a = within_nan(exact_factors(draw, (inner, 2), dtype))
    b = within_nan(draw.standard_normal((inner, columns)).astype(dtype))
    out = within_nan(draw.standard_normal((2, columns)).astype(dtype))
    for left in (turned(a), within_nan(exact_factors(draw, (2, inner), dtype))):
        arguments = (left, b, out, inner, more, min(first, columns), last)
        assert_does_as_its_loop(tile, tiles.tile, (2, 3), arguments, 2)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("more", [False, True])
def test_a_tile_of_scalar_products_adds_lanes_in_the_order_of_its_loop(dtype, more):
    draw, width = np.random.default_rng(1), lanes(dtype)
    for inner in (0, 1, width - 1, width, 2 * width + 3):
        a = within_nan(exact_factors(draw, (3, inner), dtype))
        b = within_nan(draw.standard_normal((2, inner)).astype(dtype))
        out = within_nan(draw.standard_normal((3, 2)).astype(dtype))
        assert_does_as_its_loop(dot_tile, tiles.dot_tile, (3, 2), (a, b, out, inner, more, simd.PANEL), 2)
        for i in range(3):
            where = (a.values, a.start + i * a.row, b.values, b.start, inner)
            assert dot(*where) == simd.dot.loop(*where)


def test_blocks_agree_with_exact_sums():
    draw = np.random.default_rng(2)
    a, b = draw.standard_normal((2, 2, 100)).astype(np.float32)
    out = np.zeros((3, 24), np.float32)
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble).T
    bound = 101 * np.finfo(np.float32).eps * np.abs(a) @ np.abs(b).T  # Higham: as many roundings as terms
    assert abs(dot(a[0], 0, b[1], 0, 100) - exact[0, 1]) <= bound[0, 1]
    right = np.zeros((100, 24), np.float32)
    right[:, :2] = b.T
    tile(*(Matrix(matrix.reshape(-1), 0, matrix.shape[1], 1) for matrix in (a, right, out)), 100, False, 0, 2)
    assert (np.abs(out[:2, :2] - exact) <= bound).all()
    assert not out[:, 2:].any()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("count", [0, 1, 3, 10, 16, 37])
def test_short_rows_are_summed_looked_through_and_stretched_as_their_loops_do(dtype, count):
    draw = np.random.default_rng(count)
    values, factors = draw.standard_normal(count).astype(dtype), exact_factors(draw, count, dtype)
    row, others = np.full(count + 5, np.nan, dtype), np.full(count + 5, np.nan, dtype)  # what lies around is not read
    row[3 : 3 + count], others[2 : 2 + count] = values, factors
    assert total(row, 3, count) == simd.total.loop(row, 3, count)
    assert largest(row, 3, count) == simd.largest.loop(row, 3, count) == (values.max() if count else -np.inf)
    high = dtype(3)
    gap = dot_gap(others, 2, high, row, 3, count)
    assert gap == simd.dot_gap.loop(others, 2, high, row, 3, count)
    assert gap == pytest.approx(factors.astype(float) @ (3 - values.astype(float)), rel=1e-5, abs=1e-5)
    out = np.full(count + 6, 7, dtype)
    assert_does_as_its_loop(stretch, simd.stretch, (), (row, 3, dtype(0.5), dtype(-2), out, 4, count), 4)
    stretch(row, 3, dtype(0.5), dtype(-2), out, 4, count)
    np.testing.assert_array_equal(out[4 : 4 + count], (values - dtype(0.5)) * dtype(-2))
    assert_does_as_its_loop(scaled_gap, simd.scaled_gap, (), (others, 2, dtype(3), row, 3, out, 4, count), 5)
    scaled_gap(others, 2, dtype(3), row, 3, out, 4, count)
    np.testing.assert_array_equal(out[4 : 4 + count], dtype(3) * factors - values)
    assert (np.delete(out, np.arange(4, 4 + count)) == 7).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("cut", [0, 3])
def test_rows_are_added_from_the_first_to_the_last(dtype, cut):
    draw, columns = np.random.default_rng(6), 2 * lanes(dtype) - cut
    for rows in (0, 1, 7):
        m, out = within_nan(draw.standard_normal((rows, columns)).astype(dtype)), np.full(columns + 6, 7, dtype)
        arguments = (m, rows, out, 2, columns if cut else None)
        assert_does_as_its_loop(sum_down, simd.sum_down, (2,), arguments, 2)
        sum_down(*arguments)
        assert (np.delete(out, np.arange(2, 2 + columns)) == 7).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("cut", [0, 3])
def test_products_of_one_term_are_those_of_a_tile(dtype, cut):
    draw, columns = np.random.default_rng(8), 2 * lanes(dtype) - cut
    b = within_nan(draw.standard_normal((1, columns)).astype(dtype))
    for rows in (0, 1, 7):
        column = draw.standard_normal((rows, 1)).astype(dtype)
        column[1:2] = -0.0
        for a in (within_nan(column), turned(within_nan(column.T.copy()))):
            out = within_nan(np.full((rows, columns), 7, dtype))
            assert_does_as_its_loop(outer, tiles.outer, (2,), (a, b, out, rows, columns if cut else None), 2)
            expected = column * rows_of(b, 1)[0, :columns]
            np.testing.assert_array_equal(out.values, within_nan(expected).values)
            assert not np.signbit(out.values[out.values == 0]).any()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("cut", [0, 3])
def test_a_row_is_added_to_every_row_and_to_nothing_between_them(dtype, cut):
    draw, columns = np.random.default_rng(7), 2 * lanes(dtype) - cut
    added = draw.standard_normal(columns + 4).astype(dtype)
    for rows in (0, 1, 7):
        before = draw.standard_normal((rows, columns)).astype(dtype)
        m, expected = within_nan(before), within_nan(before + added[2 : 2 + columns])
        assert_does_as_its_loop(add_down, simd.add_down, (2,), (m, rows, added, 2, columns if cut else None), 0)
        np.testing.assert_array_equal(m.values, expected.values)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_largest_number_is_found_beside_nan_and_infinities(dtype):
    for values, found in (([1, np.nan, 3, 2], 3), ([-np.inf, -5], -5), ([np.inf, 0], np.inf), ([np.nan], -np.inf)):
        row = np.array(values, dtype)
        assert largest(row, 0, len(row)) == simd.largest.loop(row, 0, len(row)) == found


@pytest.mark.parametrize(
    ("dtype", "index", "cut"),
    [(np.float32, np.int32, False), (np.float32, np.int64, True), (np.float64, np.uint16, True)],
)
def test_listed_rows_are_added_in_the_order_of_the_list(dtype, index, cut):
    draw, width = np.random.default_rng(3), 2 * lanes(dtype)
    columns = width - 3 if cut else width
    m = within_nan(draw.standard_normal((12, columns)).astype(dtype))
    rows, factors = draw.integers(0, 12, 9).astype(index), exact_factors(draw, 9, dtype)
    limit = columns if cut else None
    for first, last, more in ((0, 9, False), (2, 7, True), (4, 4, False), (4, 4, True)):
        out = draw.standard_normal(width + 6).astype(dtype)
        arguments = (rows, first, last, m, out, 2, limit, more)
        assert_does_as_its_loop(sum_rows, simd.sum_rows, (2,), arguments, 4)
        scaled = (rows, factors, *arguments[1:])
        assert_does_as_its_loop(sum_scaled_rows, simd.sum_scaled_rows, (2,), scaled, 5)


@pytest.mark.parametrize("dtype", TYPES)
def test_bits_choose_between_adding_and_subtracting(dtype):
    draw = np.random.default_rng(4)
    m, out = (draw.standard_normal(70).astype(dtype) for _ in range(2))
    for bits in (0, 2**64 - 1, 1, 2**63, 0x0123456789ABCDEF):
        assert_does_as_its_loop(add_signed, simd.add_signed, (), (np.uint64(bits), m, 5, out, 3), 3)
        signs = np.array([1 if bits >> j & 1 else -1 for j in range(64)], dtype)
        expected = out[3:67] + signs * m[5:69]
        add_signed(np.uint64(bits), m, 5, out, 3)
        np.testing.assert_array_equal(out[3:67], expected)


def test_differing_bits_are_counted():
    draw = np.random.default_rng(5)
    a, b = draw.integers(0, 2**64, (2, 200), np.uint64)
    for words in (0, 1, 31, 32, 33, 150):
        expected = sum(int(x ^ y).bit_count() for x, y in zip(a[7 : 7 + words], b[2 : 2 + words], strict=True))
        assert count_differences(a, 7, b, 2, words) == simd.count_differences.loop(a, 7, b, 2, words) == expected


@pytest.mark.parametrize("columns", [0, 1, 5, 37, 300, 600])
@pytest.mark.parametrize("more", [False, True])
def test_products_of_binary_rows_have_any_width_and_stop_at_their_end(columns, more):
    draw = np.random.default_rng(columns)
    weights = draw.integers(-9, 10, (8, columns)).astype(np.float32)  # sums of whole numbers have no rounding
    rows, out = draw.integers(0, 8, 6).astype(np.int32), np.full(columns + 4, 7, np.float32)
    multiply_binary(rows, 1, 5, within_nan(weights), columns, out, 2, more)
    np.testing.assert_array_equal(out[2:-2], weights[rows[1:5]].sum(0) + 7 * more)
    assert (out[[0, 1, -2, -1]] == 7).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("columns", [0, 1, 5, 16, 32, 37, 48, 64, 112, 300])
@pytest.mark.parametrize("more", [False, True])
def test_many_sparse_rows_at_once_are_each_its_own_product(dtype, columns, more):
    draw = np.random.default_rng(columns)
    weights = draw.integers(-9, 10, (8, columns)).astype(dtype)  # sums of whole numbers have no rounding
    ends = np.cumsum([3, 0, 1, 9])
    starts, indices = ends - [3, 0, 1, 9], draw.integers(0, 8, ends[-1]).astype(np.int32)
    factors, out = draw.integers(-3, 4, ends[-1]).astype(dtype), np.full((6, columns + 4), 7, dtype)
    expected = np.stack([factors[a:b] @ weights[indices[a:b]] for a, b in zip(starts, ends, strict=True)]) + 7 * more
    to = stored(out.reshape(-1), columns + 6, columns + 4)
    multiply_sparse_rows(starts, ends, indices, factors, within_nan(weights), to, 4, columns, more)
    np.testing.assert_array_equal(out[1:-1, 2:-2], expected)
    out[1:-1, 2:-2] = 7
    assert (out == 7).all()


@pytest.mark.parametrize("count", [0, 1, 64, 100, 128])
def test_a_pattern_of_any_length_is_added(count):
    draw = np.random.default_rng(count)
    words, m = draw.integers(0, 2**64, 4, np.uint64), draw.integers(-9, 10, 140).astype(np.float32)
    signs = np.unpackbits(words[1:].view(np.uint8), bitorder="little")[:count].astype(np.float32) * 2 - 1
    out = np.full(140, 2, np.float32)
    add_pattern(words, 1, m, 3, out, 5, count)
    expected = np.full(140, 2, np.float32)
    expected[5 : 5 + count] += signs * m[3 : 3 + count]
    np.testing.assert_array_equal(out, expected)


def test_parts_and_transposes_are_the_same_numbers():
    values = np.arange(20.0)
    m = Matrix(values, 0, 5, 1)
    for i, j in ((0, 0), (2, 3)):
        assert values[at(part(m, 1, 1), i, j)] == values.reshape(4, 5)[1 + i, 1 + j]
        assert values[at(turned(m), j, i)] == values.reshape(4, 5)[i, j]


@kernel
def add_to_rows(m, rows, columns):
    seen = rows_of(m, rows)
    for i in range(rows):
        row = seen[i]
        for j in range(columns):
            row[j] += 10 * i + j


def test_the_rows_of_a_part_are_the_numbers_themselves():
    values = np.zeros(20)
    add_to_rows(part(Matrix(values, 0, 5, 1), 1, 2), 3, 2)  # the last row of the view reaches beyond the array
    expected = np.zeros((4, 5))
    expected[1:, 2:4] = [[0, 1], [10, 11], [20, 21]]
    np.testing.assert_array_equal(values.reshape(4, 5), expected)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_arrays_of_two_types_are_refused_by_the_compiler():
    with pytest.raises(TypingError, match="one type of number"):
        add_signed(np.uint64(1), np.ones(64, np.float32), 0, np.ones(64), 0)
