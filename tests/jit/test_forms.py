"""Each way to call a kernel has code of its own, without the wrappers that it does not need."""

import numba
import numpy as np
import pytest
from numba import types

from bioneuro._jit.dispatch import address, call
from bioneuro._jit.forms import Forms
from bioneuro._jit.kernel import kernel, scalar

pytestmark = [pytest.mark.small, pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")]


@scalar
def doubled(x):
    return 2 * x


@kernel
def double_all(x):
    for i in range(x.shape[0]):
        x[i] = doubled(x[i])
    return x.shape[0]


@kernel
def double_rows(x):
    for i in range(x.shape[0]):
        double_all(x[i])


@kernel
def double_by_address(place, x):
    return call(place, (x,))


def not_on_disk(function):
    """Compiled in every process: what is loaded from disk has asked for no other form."""
    return function if numba.config.DISABLE_JIT else Forms.of(function, {}, cached=False)


@not_on_disk
def last(x):
    return x + 1


@not_on_disk
def first(x):
    return last(x)


@not_on_disk
def times(x, factor):
    return x * factor


@not_on_disk
def two_and_three_times(x, n):
    return times(x, 2) + times(x, 3) + times(x, n)


def wrappers(dispatcher):
    """The kinds of wrappers in what a dispatcher has compiled in this process."""
    fresh = numba.njit(dispatcher.py_func, **{k: v for k, v in dispatcher.targetoptions.items() if k != "nopython"})
    fresh.compile((types.Array(types.float64, 1, "C"),))
    (result,) = fresh.overloads.values()
    names = [function.name for function in result.library.get_defined_functions()]
    kinds = {"cfunc": result.fndesc.llvm_cfunc_wrapper_name, "cpython": result.fndesc.llvm_cpython_wrapper_name}
    return {kind for kind, name in kinds.items() if name in names}


def test_each_form_has_only_the_wrapper_that_it_needs():
    assert wrappers(double_all) == {"cpython"}
    assert wrappers(double_all.form("address")) == {"cfunc"}
    assert wrappers(double_all.form("inner")) == set()


def test_all_ways_to_call_a_kernel_give_the_same():
    x = np.arange(6.0).reshape(2, 3)
    double_rows(x)
    assert double_all(x[0]) == double_by_address(address(double_all, types.Array(types.float64, 1, "C")), x[1]) == 3
    np.testing.assert_array_equal(x, 4 * np.arange(6.0).reshape(2, 3))
    assert doubled(3.0) == 6.0, "Python may call what a kernel has called before"


def test_a_form_is_compiled_when_it_is_first_used():
    def compiled(function):
        return [len(form.signatures) for form in function.made()]

    assert compiled(last) == [0]
    assert first(1) == 2
    assert compiled(last) == [0, 1]
    assert last(1) == 2
    assert compiled(last) == [1, 1]


def test_what_is_linked_into_kernels_becomes_machine_code_only_there():
    assert first(1.0) == 2.0
    for form, runs in ((first, True), (last.form("inner"), False)):
        result = form.overloads[(types.float64,)]
        assert bool(list(result.library.get_defined_functions())) == runs


def test_a_number_written_out_in_a_call_makes_no_other_code():
    assert two_and_three_times(1.0, 4) == 9.0
    assert times.form("inner").signatures == [(types.float64, types.int64)]
