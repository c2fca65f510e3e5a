"""Named tuples that kernels hand on by one address, without counting who holds their arrays."""

import sys
from typing import NamedTuple

import numba
import numpy as np
import pytest

from bioneuro._jit.borrow import borrowed
from bioneuro._jit.kernel import kernel

pytestmark = pytest.mark.small


class Inner(NamedTuple):
    values: np.ndarray
    factor: int


class Things(NamedTuple):
    first: np.ndarray
    inner: Inner
    pair: tuple[np.ndarray, int]


@kernel
def add_row(things, i):
    row = things.first[i]
    row[0] += things.inner.values[i] * things.inner.factor + things.pair[0][i] * things.pair[1]
    return row[0]


@kernel
def add_rows(things):
    things = borrowed(things)
    total = 0.0
    for i in range(things.first.shape[0]):
        total += add_row(things, i)
    return total


@kernel
def add_twice(things, others):
    return add_rows(things) + add_row(borrowed(Things(others, things.inner, things.pair)), 1)


def new_things():
    return Things(np.arange(6.0).reshape(3, 2), Inner(np.arange(3.0), 10), (np.ones(3), 100))


def test_a_borrowed_tuple_is_read_by_the_kernels_it_is_handed_to():
    things = new_things()
    assert add_rows(things) == 336.0
    np.testing.assert_array_equal(things.first, [[100, 1], [112, 3], [124, 5]])


def test_a_tuple_put_together_in_a_kernel_can_be_borrowed():
    things, others = new_things(), np.zeros((3, 2))
    assert add_twice(things, others) == 336.0 + 110.0
    np.testing.assert_array_equal(others, [[0, 0], [110, 0], [0, 0]])


@kernel
def second(values):
    return borrowed(values)[1]


def test_an_array_and_a_tuple_without_names_can_be_borrowed():
    assert second(np.array([1.0, 2.0])) == 2.0
    assert second((np.zeros(1), np.array([3.0])))[0] == 3.0


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_the_caller_still_owns_what_was_lent():
    things = new_things()
    arrays = (things.first, things.inner.values, things.pair[0])
    before = [sys.getrefcount(array) for array in arrays]
    for _ in range(100):
        add_rows(things)
    assert [sys.getrefcount(array) for array in arrays] == before
    assert things.first[2, 0] == 4 + 100 * 120
