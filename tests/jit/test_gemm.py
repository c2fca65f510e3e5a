from __future__ import annotations

import numba
import numpy as np
import pytest

from bioneuro._jit import gemm
from bioneuro._jit.gemm import BLOCK_ROWS, DEPTH, in_blocks, matmul, matmul_nt, multiply, multiply_nt
from bioneuro._jit.kernel import kernel_statistics, scalar, specialise
from bioneuro._jit.math import sigmoid
from bioneuro._jit.matrix import Matrix, at, turned
from bioneuro._jit.simd import PANEL
from bioneuro._jit.team import run_team
from bioneuro.errors import InvalidInput
from tests.naive import jit_gemm

TYPES = [np.float64, np.float32]
SIZES = (0, 1, 2, 15, 16, 17, 33, 64, 100, 255, 784)
small = pytest.mark.small


def sampled_shapes(sizes, count):
    """As many of sizes^3 as asked for, every size in every place."""
    draw = np.random.default_rng(0)
    rounds = -(-count // len(sizes))
    columns = [np.concatenate([draw.permutation(sizes) for _ in range(rounds)]) for _ in range(3)]
    return [tuple(map(int, shape)) for shape in zip(*columns, strict=True)][:count]


SHAPES = [
    pytest.param(*shape, marks=small) for shape in [(1, 1, 1), (3, 5, 9), (7, 6, 20), (0, 2, 3), (2, 0, 3), (3, 2, 0)]
]
SHAPES += sampled_shapes(SIZES, 55)


def matrices(n, k, m, dtype):
    draw = np.random.default_rng(n + k + m).standard_normal
    return draw((n, k)).astype(dtype), draw((k, m)).astype(dtype), draw(m).astype(dtype)


def whole_numbers(n, k, m, dtype=np.float32):
    """Matrices whose product has no rounding in any order."""
    draw = np.random.default_rng(n + k + m)
    return (draw.integers(-9, 10, shape).astype(dtype) for shape in ((n, k), (k, m), (m,)))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("n", "k", "m"), SHAPES)
def test_all_three_products_agree_with_exact_arithmetic(n, k, m, dtype):
    a, b, bias = matrices(n, k, m, dtype)
    exact = a.astype(np.float64) @ b.astype(np.float64) + bias
    # Higham: as many roundings as terms, here and, in float64, there
    bound = (k + 2) * (np.finfo(dtype).eps + np.finfo(np.float64).eps) * (np.abs(a) @ np.abs(b) + np.abs(bias))
    for product in (
        matmul(a, b, bias=bias),
        matmul(np.ascontiguousarray(a.T).T, b, bias=bias),
        matmul_nt(a, np.ascontiguousarray(b.T), bias=bias),
    ):
        assert product.shape == (n, m)
        assert product.dtype == dtype
        assert (np.abs(product - exact) <= bound).all()


@small
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("n", "k", "m"), [(1, 3, 1), (5, 4, 7), (7, 5, 30), (13, 20, 100)])
def test_products_without_rounding_are_those_of_the_loop_to_the_last_bit(n, k, m, dtype):
    a, b, bias = whole_numbers(n, k, m, dtype)
    expected = jit_gemm.matmul(a, b, bias)
    assert matmul(a, b, bias=bias).tobytes() == expected.tobytes()
    assert matmul_nt(a, b.T, bias=bias).tobytes() == expected.tobytes()


@small
@pytest.mark.parametrize("before", [0, DEPTH - 2, 2 * DEPTH])
def test_sums_ascend(before):
    b = np.tile(np.array([[1], [2**25], [1], [-(2**25)]], np.float32), 40)
    a, b = np.ones((2, before + 4), np.float32), np.concatenate([np.zeros((before, 40), np.float32), b])
    assert not matmul(a, b).any(), "(1 + 2^25) + 1 - 2^25 is 0 where the additions are rounded in this order"
    assert (matmul(a[:, :4], b[before:][[1, 3, 0, 2]]) == 2).all()


@small
@pytest.mark.parametrize("product", [matmul, lambda a, b, **options: matmul_nt(a, b.T, **options)], ids=["n", "nt"])
@pytest.mark.parametrize("split", [1, 2, 3, 4, 5, 6, 7, 8])
def test_any_split_of_the_batch_gives_the_same_bytes(product, split):
    a, b, bias = matrices(13, 19, 37, np.float32)
    parts = [product(a[i : i + split], b, bias=bias) for i in range(0, len(a), split)]
    assert np.concatenate(parts).tobytes() == product(a, b, bias=bias).tobytes()


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="NumPy's loops know of no team")
@pytest.mark.parametrize("product", [matmul, lambda a, b, **options: matmul_nt(a, b.T, **options)], ids=["n", "nt"])
def test_large_products_are_shared_by_any_number_of_threads_with_the_same_bytes(product, monkeypatch):
    a, b, bias = matrices(700, 300, 200, np.float32)
    b[:, 0] = a[5] = 1e-21  # whose products are subnormal numbers
    teams, expected = [], np.concatenate([product(a[i : i + 50], b, bias=0 * bias) for i in range(0, 700, 50)])
    monkeypatch.setattr(gemm, "run_team", lambda part, size: teams.append(size) or run_team(part, size))
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("BIONEURO_NUM_THREADS", threads)
        assert product(a, b, bias=0 * bias).tobytes() == expected.tobytes()
    assert teams == [2, 3]
    assert 0 < abs(expected[5, 0]) < np.finfo(np.float32).tiny


@small
@pytest.mark.parametrize("product", [matmul, lambda a, b, out: matmul_nt(a, b.T, out)], ids=["n", "nt"])
@pytest.mark.parametrize("split", [1, 3, 7, 8, 16, 23, 64])
def test_any_split_of_the_columns_gives_the_same_bytes_and_touches_no_others(product, split):
    a, b, _ = matrices(9, 19, 100, np.float32)
    out = np.full((9, 100), 7, np.float32)
    for j in range(0, 100, split):
        product(a, b[:, j : j + split], out[:, j : j + split])
        assert (out[:, j + split :] == 7).all()
    assert out.tobytes() == product(a, b, np.empty_like(out)).tobytes()


@small
def test_a_zero_times_infinity_is_not_skipped():
    with np.errstate(invalid="ignore"):
        assert np.isnan(matmul(np.zeros((1, 2)), np.full((2, 1), np.inf))).all()


def views(values):
    """The same numbers with other strides."""
    n, m = values.shape
    yield np.asfortranarray(values)
    yield np.repeat(values, 2, axis=1)[:, ::2]
    yield np.pad(values, 3)[3 : 3 + n, 3 : 3 + m]
    yield values[::-1, ::-1].copy()[::-1, ::-1]
    yield values[::-1].copy()[::-1]
    yield np.frombuffer(b"." + values.tobytes(), values.dtype, offset=1).reshape(values.shape)  # unaligned
    yield np.broadcast_to(values, (2, *values.shape))[1]


@small
def test_strides_of_any_kind_and_read_only_arrays_are_taken_as_they_are():
    a, b, _ = whole_numbers(8, 6, 20)
    expected = a @ b
    for left in views(a):
        np.testing.assert_array_equal(matmul(left, b), expected)
        np.testing.assert_array_equal(matmul_nt(left, b.T.copy()), expected)
    for right in views(b):
        np.testing.assert_array_equal(matmul(a, right), expected)
        np.testing.assert_array_equal(matmul_nt(a, right.T), expected)
    assert not list(views(a))[-1].flags.writeable


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_read_only_arrays_share_the_code_of_others():
    a, b, _ = whole_numbers(8, 6, 20)
    matmul(a, b)
    compiled = kernel_statistics()
    matmul(list(views(a))[-1], list(views(b))[-1])
    assert kernel_statistics() == compiled


@small
@pytest.mark.parametrize("product", [matmul, lambda a, b, out: matmul_nt(a, b.T, out)], ids=["n", "nt"])
def test_the_result_goes_into_a_window_and_nowhere_else(product):
    a, b, _ = whole_numbers(8, 6, 20)
    around = np.full((12, 29), 7, np.float32)
    window = around[2:10, 5:25]
    assert product(a, b, window) is window
    np.testing.assert_array_equal(window, a @ b)
    around[2:10, 5:25] = 7
    assert (around == 7).all()


@small
def test_sums_are_added_to_what_is_there():
    a, b, bias = whole_numbers(5, 19, 23)
    out, right = np.repeat(bias[None], 5, axis=0), np.ascontiguousarray(b.T)
    for product, matrix, row, last in ((multiply, b, 23, ()), (multiply_nt, right, 19, (PANEL,))):
        result = out.copy()
        views = (Matrix(x.reshape(-1), 0, width, 1) for x, width in ((a, 19), (matrix, row), (result, 23)))
        product(*views, 5, 23, 19, True, *last)
        np.testing.assert_array_equal(result, a @ b + bias)


@small
@pytest.mark.parametrize("inner", [1, PANEL, 3 * PANEL, 2 * PANEL + 5])
def test_a_matrix_stored_in_panels_gives_the_same_bytes(inner):
    a, b, _ = whole_numbers(7, inner, 9)
    a, columns = np.float32(0.1) * a, -(-inner // PANEL)
    right = np.zeros((columns, 9, PANEL), np.float32)
    for panel in range(columns):
        part = b[panel * PANEL : (panel + 1) * PANEL]
        right[panel, :, : len(part)] = part.T
    result = np.zeros((7, 9), np.float32)
    views = (Matrix(x.reshape(-1), 0, width, 1) for x, width in ((a, inner), (right, PANEL), (result, 9)))
    multiply_nt(*views, 7, 9, inner, False, 9 * PANEL)
    assert result.tobytes() == matmul_nt(a, np.ascontiguousarray(b.T)).tobytes()


@scalar
def add_bias_and_squash(block, first, rows, columns, bias):
    for i in range(rows):
        for j in range(columns):
            block.values[at(block, i, j)] = sigmoid(block.values[at(block, i, j)] + bias[j])


@scalar
def descend(block, first, rows, columns, weights):
    for i in range(rows):
        for j in range(columns):
            weights[first + i, j] -= block.values[at(block, i, j)]


@small
@pytest.mark.parametrize("rows", [0, 1, BLOCK_ROWS, BLOCK_ROWS + 3])
def test_an_epilogue_finishes_each_block_of_a_product(rows):
    a, b, bias = matrices(rows, 6, 20, np.float32)
    layer = specialise(in_blocks, finished=add_bias_and_squash)
    out = np.full((rows + 1, 20), 7, np.float32)
    layer(*(Matrix(x.reshape(-1), 0, x.shape[1], 1) for x in (a, b, out)), rows, 20, 6, True, bias)
    expected = 1 / (1 + np.exp(-(a.astype(float) @ b + bias)))
    np.testing.assert_allclose(out[:rows], expected, rtol=1e-5)  # 6 terms of size 1, slope below 1
    assert (out[rows:] == 7).all()


@small
@pytest.mark.parametrize("inputs", [1, BLOCK_ROWS, 2 * BLOCK_ROWS + 5])
def test_a_consumer_takes_a_gradient_of_which_one_block_exists_at_a_time(inputs):
    x, d, _ = whole_numbers(inputs, 10, 20)
    weights, scratch = np.ones((inputs, 20), np.float32), np.empty(BLOCK_ROWS * 20, np.float32)
    step = specialise(in_blocks, finished=descend)
    gradient_of = turned(Matrix(np.ascontiguousarray(x.T).reshape(-1), 0, inputs, 1))  # X' D, X: (10, inputs)
    step(gradient_of, Matrix(d.reshape(-1), 0, 20, 1), Matrix(scratch, 0, 20, 1), inputs, 20, 10, False, weights)
    np.testing.assert_array_equal(weights, 1 - x @ d)


@small
@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 2)), {}, r"\(2, 3\) times \(4, 2\); inner sizes"),
        (np.ones((2, 3)), np.ones((3, 2), np.float32), {}, "got float64 and float32"),
        (np.ones((2, 3), int), np.ones((3, 2), int), {}, "got int64 and int64"),
        (np.ones((2, 3)), np.ones((3, 2)), {"out": np.ones((2, 3))}, r"out must be \(2, 2\)"),
        (np.ones((2, 3)), np.ones((3, 2)), {"out": np.ones((2, 2), order="F")}, "with contiguous rows"),
        (np.ones((2, 3)), np.ones((3, 2)), {"out": np.broadcast_to(1.0, (2, 2))}, "writable"),
        (np.ones((2, 3)), np.ones((3, 2)), {"bias": np.ones(3)}, r"bias must be \(2,\)"),
    ],
)
def test_matrices_that_do_not_fit_are_refused_with_their_shapes(a, b, options, message):
    with pytest.raises(InvalidInput, match=message):
        matmul(a, b, **options)
