from __future__ import annotations

import numpy as np
import pytest

from bioneuro._jit import distributions
from bioneuro._jit.kernel import kernel
from bioneuro._jit.math import sigmoid
from bioneuro._jit.philox import BLOCKS
from bioneuro._jit.random import (
    Key,
    draw_bernoulli_of_sigmoid,
    fill_bernoulli,
    fill_normal,
    fill_poisson,
    fill_uniform,
    fill_uniform_rows,
    hash_rows,
    permutation,
    shuffled,
)
from bioneuro.errors import InvalidInput
from tests.naive import jit_random as naive

pytestmark = pytest.mark.small

KEY = Key.from_seed(11)
FILLS = {
    "uniform": fill_uniform,
    "bernoulli": lambda key, step, out, rows=0: fill_bernoulli(key, step, 0.3, out, rows),
    "normal": fill_normal,
    "poisson": lambda key, step, out, rows=0: fill_poisson(key, step, 2.5, out, rows),
    "poisson, large rate": lambda key, step, out, rows=0: fill_poisson(key, step, 25.0, out, rows),
}
NAIVE = {
    "uniform": lambda i, j, step: naive.uniform(KEY, i, j, step),
    "bernoulli": lambda i, j, step: naive.uniform(KEY, i, j, step) < 0.3,
    "normal": lambda i, j, step: naive.normal(KEY, i, j, step),
    "poisson": lambda i, j, step: naive.poisson(KEY, i, j, step, 2.5),
    "poisson, large rate": lambda i, j, step: naive.poisson(KEY, i, j, step, 25.0),
}


@kernel
def _single_draws(key, row, step, chance, rate, out):
    k0, k1 = key[0], key[1]
    for j in range(out.shape[1]):
        unit = np.uint64(j)
        out[0, j] = distributions.uniform(k0, k1, row, unit, step)
        out[1, j] = distributions.bernoulli(k0, k1, row, unit, step, chance)
        out[2, j] = distributions.normal(k0, k1, row, unit, step)
        out[3, j] = distributions.poisson(k0, k1, row, unit, step, rate)


@kernel
def _sigmoids(x, out):
    for j in range(x.shape[0]):
        out[j] = sigmoid(x[j])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("m", [1, 4, 7])
@pytest.mark.parametrize("kind", FILLS)
def test_every_draw_is_the_naive_function_of_key_row_unit_and_step(kind, m, dtype):
    out = FILLS[kind](KEY, 5, np.empty((3, m), dtype), rows=2)
    expected = [[NAIVE[kind](2 + i, j, 5) for j in range(m)] for i in range(3)]
    if kind == "uniform":
        expected = [[naive.uniform(KEY, 2 + i, j, 5, dtype) for j in range(m)] for i in range(3)]
    # the normal quantile is good to 1e-15; everything else is exact
    np.testing.assert_allclose(out, np.array(expected, dtype), rtol=1e-14 if kind == "normal" else 0)


@pytest.mark.parametrize("m", [BLOCKS, 4 * BLOCKS - 1, 6 * BLOCKS + 2, 641, 1500])
def test_long_rows_come_out_as_numpys_philox_says(m):
    row, step = 2, 5
    before = np.array([2**64 - 1, row - 1, step, 0], np.uint64)  # NumPy counts up before it draws
    words = np.random.Philox(counter=before, key=KEY.words).random_raw(m)
    drawn = fill_uniform(KEY, step, np.empty(m), rows=row)
    assert drawn.tolist() == ((words >> np.uint64(11)) / 2**53).tolist()
    assert fill_bernoulli(KEY, step, 0.3, np.empty(m), rows=row).tolist() == (drawn < 0.3).tolist()


def test_single_draws_in_a_kernel_equal_the_filled_arrays():
    out = np.empty((4, 9))
    _single_draws(KEY.words, np.uint64(2**63 + 1), np.uint64(8), 0.4, 3.0, out)
    rows = np.array([2**63 + 1], np.uint64)
    assert out[0].tolist() == fill_uniform(KEY, 8, np.empty((1, 9)), rows)[0].tolist()
    assert out[1].tolist() == fill_bernoulli(KEY, 8, 0.4, np.empty((1, 9)), rows)[0].tolist()
    assert out[2].tolist() == fill_normal(KEY, 8, np.empty((1, 9)), rows)[0].tolist()
    assert out[3].tolist() == fill_poisson(KEY, 8, 3.0, np.empty((1, 9)), rows)[0].tolist()


@pytest.mark.parametrize("kind", FILLS)
def test_any_split_of_the_rows_gives_the_same_draws(kind):
    whole = FILLS[kind](KEY, 0, np.empty((5, 6)))
    parts = [FILLS[kind](KEY, 0, np.empty((n, 6)), rows=first) for first, n in ((0, 2), (2, 1), (3, 2))]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("kind", FILLS)
def test_a_vector_is_the_first_row_of_a_matrix_and_longer_vectors_begin_alike(kind):
    long, short = FILLS[kind](KEY, 0, np.empty(11)), FILLS[kind](KEY, 0, np.empty(6))
    assert long[:6].tobytes() == short.tobytes() == FILLS[kind](KEY, 0, np.empty((2, 6)))[0].tobytes()


@pytest.mark.parametrize("kind", FILLS)
def test_long_rows_are_drawn_like_short_ones(kind):
    out = FILLS[kind](KEY, 0, np.empty((2, 1027)))
    units = [0, 510, 511, 512, 513, 1023, 1024, 1026]
    expected = np.array([[NAIVE[kind](i, j, 0) for j in units] for i in range(2)], float)
    np.testing.assert_allclose(out[:, units], expected, rtol=1e-14 if kind == "normal" else 0)


@pytest.mark.parametrize("m", [44, 100, 1500])
def test_a_row_is_numpys_stream_from_the_counter_of_its_first_unit(m):
    rows, step = np.array([9, 5], np.uint64), 7
    out = fill_uniform(KEY, step, np.empty((2, m)), rows)
    for row, line in zip(rows, out, strict=True):
        before = np.array([2**64 - 1, row - np.uint64(1), step, 0], np.uint64)  # NumPy counts up before it draws
        reference = np.random.Philox(counter=before, key=KEY.words).random_raw(m)
        assert line.tolist() == ((reference >> np.uint64(11)) / 2.0**53).tolist()


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_key_row_unit_and_step_all_matter(kind):
    fill = FILLS[kind]
    values = [
        *fill(KEY, 0, np.empty((3, 9))).ravel(),
        *fill(KEY, 1, np.empty((3, 9))).ravel(),
        *fill(KEY.child("a"), 0, np.empty((3, 9))).ravel(),
    ]
    assert len(set(values)) == len(values)


def test_bernoulli_is_the_uniform_draw_compared_with_p_in_every_type():
    p = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    uniform = fill_uniform(KEY, 0, np.empty((3, 4)))
    for dtype in (np.float64, np.float32, np.int8, np.bool_):
        assert (fill_bernoulli(KEY, 0, p, np.empty((3, 4), dtype)) == (uniform < p)).all()
    assert (fill_bernoulli(KEY, 0, p[0], np.empty((3, 4))) == (uniform < p[0])).all()
    assert not fill_bernoulli(KEY, 0, 0.0, np.ones(50)).any()
    assert fill_bernoulli(KEY, 0, 1.0, np.zeros(50)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("beside", [0.0, 1e-7, 1e-5, 1.0])
def test_a_unit_is_on_where_its_draw_is_below_the_sigmoid_however_close(dtype, beside):
    uniform = fill_uniform(KEY, 0, np.empty((2, 700)))
    fields = (np.log(uniform / (1 - uniform)) + beside * np.resize([1, -1, 0], uniform.shape)).astype(dtype)
    fields[:, :3] = np.inf, -np.inf, np.nan
    means, drawn = np.empty_like(fields), np.empty_like(fields)
    _sigmoids(fields.reshape(-1), means.reshape(-1))
    draw_bernoulli_of_sigmoid(KEY.words, np.arange(2, dtype=np.uint64), np.uint64(0), fields, drawn)
    assert drawn.tolist() == (uniform < means).tolist()


def test_rates_may_differ_by_unit_and_zero_never_counts():
    rates = np.array([0.0, 1e-300, 0.5, 9.999, 10.0, 1e6])
    out = fill_poisson(KEY, 0, rates, np.empty((2, 6), np.int64))
    expected = [[naive.poisson(KEY, i, j, 0, rate) if rate else 0 for j, rate in enumerate(rates)] for i in range(2)]
    assert out.tolist() == expected


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 128, 129, 1797, 20_000])
def test_shuffled_rows_are_those_of_numpy(n):
    for name in range(5):
        np.testing.assert_array_equal(shuffled(KEY.child(name), n), KEY.child(name).generator().permutation(n))


@pytest.mark.parametrize("n", [0, 1, 2, 13])
def test_permutations_are_the_naive_shuffle(n):
    order = permutation(KEY, 4, n, row=1)
    assert order.dtype == np.int64
    assert order.tolist() == naive.permutation(KEY, 1, 4, n)
    assert sorted(order) == list(range(n))


def test_row_hashes_follow_the_values_whatever_place_batch_or_type():
    X = np.array([[0.0, 1.0, -2.5], [0.0, 1.0, -2.5], [-0.0, 1.0, -2.5], [1.0, 0.0, -2.5]])
    hashes = hash_rows(X)
    assert hashes.tolist() == [naive.hash_row(row) for row in X]
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]
    assert (hash_rows(X.astype(np.float32)) == hashes).all()
    assert (hash_rows(np.asfortranarray(X)) == hashes).all()
    assert np.concatenate([hash_rows(X[:1]), hash_rows(X[1:])]).tolist() == hashes.tolist()
    assert hash_rows(X[3:, :2] == 1).tolist() == hash_rows(X[3:, :2]).tolist()
    assert len(set(hash_rows(np.zeros((1, m)))[0] for m in range(20))) == 20, "the length counts"


def test_row_streams_depend_on_the_content_of_the_row_alone():
    X = np.random.default_rng(0).integers(0, 2, (6, 10)).astype(np.float64)
    draws = fill_uniform_rows(KEY, hash_rows(X), 0, np.empty((6, 5)))
    order = np.array([3, 0, 5, 1, 4, 2])
    assert fill_uniform_rows(KEY, hash_rows(X[order]), 0, np.empty((6, 5))).tobytes() == draws[order].tobytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fill_uniform(KEY, -1, np.empty(3)), r"step must be an integer in \[0, .*got -1"),
        (lambda: fill_uniform(KEY, 0.5, np.empty(3)), "step must be an integer"),
        (lambda: fill_uniform(KEY, 0, np.empty(3, int)), "out must be .*got int64"),
        (lambda: fill_uniform(KEY, 0, np.empty((3, 4)).T), "in C order"),
        (lambda: fill_uniform(KEY, 0, np.empty((3, 4)), rows=-1), "rows must be an integer"),
        (lambda: fill_uniform(KEY, 0, np.empty((3, 4)), rows=np.arange(3)), "one uint64 per row .*got int64"),
        (lambda: fill_uniform_rows(KEY, np.zeros(2, np.uint64), 0, np.empty((3, 4))), r"per row of out \(3\)"),
        (lambda: fill_bernoulli(KEY, 0, np.ones(3), np.empty((3, 4))), r"\(3,\) does not broadcast to \(3, 4\)"),
        (lambda: fill_poisson(KEY, 0, -0.5, np.empty(3)), r"rate must be a number in \[0, 1e\+15\], got -0.5"),
        (lambda: fill_poisson(KEY, 0, [1.0, np.nan, 2.0], np.empty(3)), "rate must be .*got nan"),
        (lambda: fill_poisson(KEY, 0, np.inf, np.empty(3)), "rate must be .*got inf"),
        (lambda: permutation(KEY, 0, -1), "n must be an integer"),
        (lambda: hash_rows(np.zeros(3)), r"takes a matrix of real numbers, got float64, shape \(3,\)"),
        (lambda: hash_rows(np.array([["a"]])), "matrix of real numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_was_given(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
