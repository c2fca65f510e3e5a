"""The loops that carry activations, losses, sums and masks over a batch: what they read and what they change."""

import numpy as np
import pytest

from bioneuro._jit.keys import Key
from bioneuro._jit.matrix import Matrix
from bioneuro._jit.random import CHUNK, fill_uniform
from feedforward.activations import ACTIVATIONS, backward_kernel, forward_kernel
from feedforward.batch_kernels import drop, sum_rows
from feedforward.losses import loss_for
from tests.naive import feedforward as naive

pytestmark = pytest.mark.small
ROWS, COLUMNS = 3, 5
WITHIN = np.s_[7 : 7 + 8 * ROWS]  # a matrix that begins at 7, with rows of 8
UNTOUCHED = 99.0


def placed(values):
    """The numbers as part of a longer array, and as a matrix."""
    flat = np.full(40, UNTOUCHED)
    within(flat)[...] = values
    return flat, Matrix(flat, 7, 8, 1)


def within(flat):
    return flat[WITHIN].reshape(ROWS, 8)[:, :COLUMNS]


def around(flat):
    rest = flat.copy()
    within(rest)[...] = 0
    return rest[rest != 0]


@pytest.fixture
def z():
    return np.random.default_rng(0).normal(scale=3, size=(ROWS, COLUMNS))


@pytest.fixture
def constants():
    """theta, in which the constants of five units stand from 4 on."""
    return np.random.default_rng(1).random(12)


@pytest.mark.parametrize("name", ["prelu", "bipolar_prelu"])
@pytest.mark.parametrize("in_place", [True, False])
def test_forward_fills_its_part_of_a_matrix_and_nothing_else(name, in_place, z, constants):
    source, inputs = placed(z)
    target, outputs = (source, inputs) if in_place else placed(0)
    forward_kernel(ACTIVATIONS[name])(inputs, outputs, ROWS, COLUMNS, constants, 4)
    np.testing.assert_allclose(within(target), naive.activate(name, z, constants[4:9]), rtol=1e-15)
    assert set(around(target)) == {UNTOUCHED}
    if not in_place:
        np.testing.assert_array_equal(within(source), z)


def test_backward_multiplies_errors_by_the_slopes(z, constants):
    error = np.random.default_rng(2).normal(size=z.shape)
    (_, a), (errors, delta) = placed(naive.activate("relu", z)), placed(error)
    backward_kernel(ACTIVATIONS["relu"])(delta, a, a, ROWS, COLUMNS, constants, 4, constants[:0], 0)
    np.testing.assert_array_equal(within(errors), error * naive.slope("relu", z))
    assert set(around(errors)) == {UNTOUCHED}


@pytest.mark.parametrize("name", ["prelu", "bipolar_prelu"])
def test_backward_adds_up_the_gradient_of_what_units_learn(name, z, constants):
    error, c = np.random.default_rng(2).normal(size=z.shape), constants[4:9]
    (_, inputs), (_, outputs) = placed(z), placed(naive.activate(name, z, c))
    errors, delta = placed(error)
    gradient = np.ones(9)
    backward_kernel(ACTIVATIONS[name])(delta, inputs, outputs, ROWS, COLUMNS, constants, 4, gradient, 2)
    np.testing.assert_allclose(within(errors), error * naive.slope(name, z, c), rtol=1e-15)
    expected = np.ones(9)
    expected[2:7] += (error * naive.constant_slope(name, z, c)).sum(axis=0)
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)
    assert set(around(errors)) == {UNTOUCHED}


def test_a_loss_sees_the_rows_it_is_given_by_number_and_leaves_the_others(z):
    targets, where = np.random.default_rng(3).random((6, COLUMNS)), np.array([4, 1, 5])
    (_, inputs), (_, outputs), (errors, delta) = placed(z), placed(0), placed(UNTOUCHED)
    losses, padding = np.full(ROWS, UNTOUCHED), errors[WITHIN].reshape(ROWS, 8)[:, COLUMNS:]
    padding[...] = 0
    kernel = loss_for("squared", "linear").kernel
    kernel(inputs, outputs, delta, targets, where, np.empty(0), 3.0, 1, 3, losses)
    np.testing.assert_allclose(losses, [UNTOUCHED, *((z - targets[where]) ** 2).sum(axis=1)[1:] / 2], rtol=1e-15)
    np.testing.assert_allclose(within(errors)[1:], (z - targets[where])[1:] / 3, rtol=1e-15)
    assert set(np.delete(errors, WITHIN)) == {UNTOUCHED}
    assert set(within(errors)[0]) == {UNTOUCHED}
    assert not padding.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 7, 16, 33, 64, 100, 128, 200])
def test_columns_are_summed_whatever_registers_they_fill(columns, dtype):
    numbers = np.random.default_rng(4).integers(-9, 9, (5, columns + 3)).astype(dtype)  # sums without rounding
    sums = np.full(columns + 2, UNTOUCHED, dtype)
    sum_rows(Matrix(numbers.reshape(-1), 2, columns + 3, 1), sums, 4, columns)
    np.testing.assert_array_equal(sums[:columns], numbers[:4, 2 : 2 + columns].sum(axis=0))
    np.testing.assert_array_equal(sums[columns:], UNTOUCHED)


@pytest.mark.parametrize("first", [0, 64])
def test_the_dead_are_those_of_the_stream_wherever_a_share_of_the_units_begins(first):
    rows, columns, key = 3, CHUNK + 72, Key.from_seed(5)
    draws = fill_uniform(key, 7, np.empty((rows, first + columns), np.float32))[:, first:]
    share = float(np.sort(draws, axis=None)[300])  # the unit that draws just this lives
    a, mask, emitted = np.random.default_rng(6).normal(size=(3, rows, columns))
    drop(*(Matrix(x.reshape(-1), 0, columns, 1) for x in (a, mask, emitted)), key.words, share, rows, columns, first, 7)
    np.testing.assert_array_equal(mask, np.where(draws >= share, 1 / (1 - share), 0))
    assert np.count_nonzero(mask == 0) == 300
    np.testing.assert_array_equal(emitted, a * mask)
