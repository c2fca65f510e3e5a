"""Kernels called by address."""

import numba
import numpy as np
import pytest
from numba import types

from bioneuro._jit.dispatch import address, call
from bioneuro._jit.kernel import kernel

pytestmark = pytest.mark.small
VECTOR = types.Array(types.float64, 1, "C")


@kernel
def add_to(values, number, twice):
    for i in range(values.shape[0]):
        values[i] += 2 * number if twice else number
    return values.shape[0]


@kernel
def call_it(place, values, number):
    return call(place, (values, number, True))


def test_a_kernel_called_by_address_does_its_work_and_answers():
    values = np.arange(3.0)
    assert call_it(address(add_to, VECTOR, types.int64, types.boolean), values, 2) == 3
    np.testing.assert_array_equal(values, [4, 5, 6])


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="Python takes arguments of all types")
@pytest.mark.parametrize("number", [2.0, np.float32(2), np.uint64(2)])
def test_arguments_of_other_types_are_an_error_and_not_garbage(number):
    place = address(add_to, VECTOR, types.int64, types.boolean)
    with pytest.raises(TypeError, match="no kernel for arguments of the types"):
        call_it(place, np.arange(3.0), number)


def test_no_address_is_an_error():
    with pytest.raises(TypeError):
        call_it(0, np.arange(3.0), 2)
