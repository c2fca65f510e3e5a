from __future__ import annotations

import functools
import math
import warnings

import numba
import numpy as np
import pytest
from numba.core import caching
from numba.core.errors import TypingError

from bioneuro._jit.kernel import Slot, UncachedKernel, instruction_for, kernel, kernel_statistics, scalar, specialise
from bioneuro._jit.math import tanh
from bioneuro.errors import InvalidInput, UnknownName

small = pytest.mark.small
compiled_only = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")

unit = Slot("unit(x) -> float")
gain = Slot("gain, a number")
inner = Slot("a kernel (x, out)")


@scalar
def double(x):
    return 2.0 * x


def triple(x):
    return 3.0 * x


def _apply(x, out):
    for i in range(x.shape[0]):
        out[i] = gain * unit(x[i])


def _outer(x, out):
    inner(x, out)


@kernel
def _divide(x, out):
    for i in range(x.shape[0]):
        out[i] = x[i] / (x[i] - x[i])


def apply(function, x=1.0):
    out = np.zeros(1)
    function(np.array([x]), out)
    return out[0]


def without_source(text, **names):
    exec(compile(text, "<no file>", "exec"), names)
    return names["made"]


@small
@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (double, 2.0),
        (triple, 3.0),
        (tanh, math.tanh(1.0)),
        (np.exp, math.e),
        (np.real, 1.0),
        (abs, 1.0),
        (math.sqrt, 1.0),
    ],
)
def test_a_template_takes_scalars_plain_functions_ufuncs_and_builtins(bound, expected):
    assert apply(specialise(_apply, unit=bound, gain=1.0)) == pytest.approx(expected, rel=1e-15)


@small
def test_the_same_bindings_give_the_same_object_and_different_ones_another():
    first = specialise(_apply, unit=double, gain=2.0)
    assert first is specialise(_apply, gain=2.0, unit=double)
    others = [
        specialise(_apply, unit=triple, gain=2.0),
        specialise(_apply, unit=double, gain=2),
        specialise(_apply, unit=double, gain=np.float32(2)),
        specialise(_apply, unit=double, gain=0.0),
        specialise(_apply, unit=double, gain=-0.0),
    ]
    assert len({id(function) for function in [first, *others]}) == 6
    assert np.signbit(apply(others[-1]))


@small
def test_the_template_itself_stays_as_it_was():
    specialise(_apply, unit=double, gain=2.0)
    assert _apply.__name__ == "_apply"
    with pytest.raises(InvalidInput, match=r"needs unit\(x\) -> float; bind it with specialise"):
        unit(1.0)


@small
def test_a_kernel_can_be_a_template():
    assert apply(specialise(kernel(_apply_offset), offset=3.0)) == 4.0


offset = 1.0


def _apply_offset(x, out):
    out[0] = x[0] + offset


@small
def test_names_that_the_template_does_not_use_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="'units'; did you mean 'unit'"):
        specialise(_apply, units=double)


@small
def test_arrays_and_closures_are_refused_with_the_way_out():
    with pytest.raises(InvalidInput, match="gain=ndarray; pass arrays to the kernel as arguments"):
        specialise(_apply, gain=np.ones(2))
    with pytest.raises(InvalidInput, match=r"binds functions, numbers, .* got unit=partial"):
        specialise(_apply, unit=functools.partial(triple))
    local = 1.0

    def closed(x, out):
        out[0] = local

    with pytest.raises(InvalidInput, match=r"closed closes over \('local',\); make them globals"):
        specialise(closed)


@compiled_only
def test_names_of_compiled_kernels_tell_what_is_bound_and_end_in_a_digest():
    names = {specialise(_apply, unit=bound, gain=1.0).py_func.__qualname__ for bound in (double, triple)}
    assert {name.rpartition("_")[0] for name in names} == {
        "_apply[gain=1.0,unit=double]",
        "_apply[gain=1.0,unit=triple]",
    }
    assert len({name.rpartition("_")[2] for name in names}) == 2
    assert {len(name.rpartition("_")[2]) for name in names} == {12}
    assert double.py_func.__qualname__.startswith("double_")


@compiled_only
def test_division_by_zero_follows_numpy():
    out = np.zeros(2)
    _divide(np.array([1.0, 0.0]), out)
    assert out[0] == np.inf
    assert np.isnan(out[1])


@compiled_only
def test_a_bound_function_without_source_compiles_uncached_with_a_notice():
    made = without_source("def made(x): return 7.0 * x")
    with pytest.warns(UncachedKernel, match=r"_apply\[.*made\] is compiled anew in every process: .* no source"):
        function = specialise(_apply, unit=made, gain=1.0)
    assert apply(function) == 7.0
    assert statistics_of(function) == [(1, 0, 1, False)]


@compiled_only
def test_a_kernel_that_uses_another_without_source_says_it_no_second_time():
    made = without_source("def made(x): return 6.0 * x")
    with pytest.warns(UncachedKernel):
        function = specialise(_apply, unit=made, gain=1.0)
    assert apply(specialise(_outer, inner=function)) == 6.0  # where warnings are errors


@compiled_only
def test_functions_of_one_name_and_line_are_told_apart():
    doubled, tripled = (lambda x: x * 2.0), (lambda x: x * 3.0)
    for _ in range(2):
        kernels = [specialise(_apply, unit=bound, gain=1.0) for bound in (doubled, tripled)]
        assert [apply(function) for function in kernels] == [2.0, 3.0]
    assert len({function.py_func.__qualname__ for function in kernels}) == 2


@compiled_only
def test_a_bound_function_that_closes_over_values_compiles_uncached_with_a_notice():
    power = 3.0
    with pytest.warns(UncachedKernel, match="closes over values"):
        function = specialise(_apply, unit=lambda x: x * power, gain=1.0)
    assert apply(function) == 3.0


@compiled_only
def test_a_kernel_without_source_compiles_uncached_with_a_notice():
    with pytest.warns(UncachedKernel, match="kernel made is compiled anew"):
        made = kernel(without_source("def made(x, out): out[0] = 5.0"))
    assert apply(made) == 5.0


@compiled_only
def test_a_kernel_that_calls_one_without_source_is_not_cached_either():
    with pytest.warns(UncachedKernel):
        globals()["sourceless"] = scalar(without_source("def made(x): return 9.0"))
    with pytest.warns(UncachedKernel, match="kernel _call_sourceless"):
        function = kernel(_call_sourceless)
    assert apply(function) == 9.0


def _call_sourceless(x, out):
    out[0] = sourceless(x[0])  # noqa: F821 - set by the test


@compiled_only
def test_without_a_folder_for_the_cache_kernels_still_work_with_a_notice(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.warns(UncachedKernel, match="_four is compiled anew in every process: cannot cache"):
        function = kernel(_four)
    assert apply(function) == 4.0


def _four(x, out):
    out[0] = 4.0


@compiled_only
def test_a_second_call_compiles_nothing():
    function = specialise(_apply, unit=double, gain=4.0)
    apply(function)
    before = statistics_of(function)
    apply(function, 3.0)
    assert statistics_of(function) == before
    (signatures, hits, misses, cached) = before[0]
    assert signatures == hits + misses == 1
    assert cached


@small
def test_statistics_name_every_kernel_of_the_process():
    specialise(_apply, unit=double, gain=2.0)
    names = [row.name for row in kernel_statistics()]
    assert names == sorted(names)
    assert {f"{__name__}.double", f"{__name__}._divide", f"{__name__}._apply[gain=2.0,unit=double]"} <= set(names)


@small
def test_decorating_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel(_four)


def statistics_of(function):
    name = f"{function.__module__}.{function.py_func.__name__}"
    return [tuple(row)[1:] for row in kernel_statistics() if row.name == name]


def negated(x):
    """The twin is the negative of what it should be, to tell who runs."""
    return x


@instruction_for(negated)
def _(typing, x):
    def generate(context, builder, signature, arguments):
        return builder.fneg(arguments[0])

    return (x(x), generate) if x == numba.types.float64 else None


@kernel
def _negate(x):
    return negated(x)


def _negated_by(x):
    return unit(x)


@compiled_only
def test_kernels_run_an_instruction_and_python_runs_its_twin():
    assert negated(2.0) == 2.0
    assert _negate(2.0) == specialise(_negated_by, unit=negated)(2.0) == -2.0
    with pytest.raises(TypingError, match="negated"):
        _negate(2)
