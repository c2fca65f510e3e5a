"""Arrays that kernels hand on without counting who holds them."""

import sys
from typing import NamedTuple

import numba
import numpy as np
import pytest

from bioneuro._jit.borrow import borrowed
from bioneuro._jit.kernel import kernel

pytestmark = pytest.mark.small


class Things(NamedTuple):
    first: np.ndarray
    pair: tuple[np.ndarray, int]


@kernel
def add_rows(things):
    things = borrowed(things)
    total = 0.0
    for i in range(things.first.shape[0]):
        row = things.first[i]
        row[0] += things.pair[0][i] * things.pair[1]
        total += row[0]
    return total


@kernel
def second(values):
    return borrowed(values)[1]


def test_borrowed_arrays_are_the_arrays_in_tuples_of_tuples_too():
    things = Things(np.arange(6.0).reshape(3, 2), (np.arange(3.0), 10))
    assert add_rows(things) == 36.0
    np.testing.assert_array_equal(things.first, [[0, 1], [12, 3], [24, 5]])


def test_an_array_alone_can_be_borrowed():
    assert second(np.array([1.0, 2.0])) == 2.0


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_the_caller_still_owns_what_was_lent():
    things = Things(np.arange(6.0).reshape(3, 2), (np.arange(3.0), 10))
    before = [sys.getrefcount(array) for array in (things.first, things.pair[0])]
    for _ in range(100):
        add_rows(things)
    assert [sys.getrefcount(array) for array in (things.first, things.pair[0])] == before
    assert things.first[2, 0] == 4 + 100 * 20
