from __future__ import annotations

import numba
import numpy as np
import pytest

from bioneuro._jit import math, rows
from bioneuro._jit.kernel import Slot, specialise
from tests.naive.jit_math import errors_in_last_place, log_sum_exp, softmax

pytestmark = pytest.mark.small

PLACES = {"exp": 1, "log": 1, "sigmoid": 2, "tanh": 2, "softplus": 2}  # as the module states
FUNCTIONS = list(PLACES)
TYPES = [np.float64, np.float32]
TWIN_PLACES = 3 if numba.config.DISABLE_JIT else 0  # the twins chain NumPy's functions, each within one unit

function = Slot("function(x)")


def _apply(x, out):
    for i in range(x.shape[0]):
        out[i] = function(x[i])


def compute(name, x):
    out = np.empty_like(x)
    specialise(_apply, function=getattr(math, name))(x, out)
    return out


def arguments(name, dtype):
    draw = np.random.default_rng(0).uniform
    limits = np.finfo(dtype)
    if name == "log":
        powers = draw(np.log10(float(limits.smallest_subnormal)), np.log10(float(limits.max)), 150)
        return np.concatenate([draw(0.4, 2.5, 300), 10.0**powers]).astype(dtype)
    low, high = np.log(float(limits.smallest_normal)), np.log(float(limits.max))
    tiny = 10.0 ** draw(-30, -3, 40)
    spread = [draw(-1.5, 1.5, 250), draw(-6, 6, 150), draw(low, high, 60), tiny, -tiny]
    return np.concatenate(spread).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_stay_within_the_stated_units_in_the_last_place(name, dtype):
    x = arguments(name, dtype)
    result = compute(name, x)
    assert result.dtype == dtype
    assert errors_in_last_place(name, x, result).max() <= max(PLACES[name], TWIN_PLACES)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_infinities_zeros_and_limits_pass_as_in_numpy(name, dtype):
    limits = np.finfo(dtype)
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, limits.max, limits.min, limits.smallest_subnormal], dtype)
    with np.errstate(all="ignore"):
        expected = {
            "exp": np.exp(x),
            "log": np.log(x),
            "sigmoid": np.array([np.nan, 1, 0, 0.5, 0.5, 1, 0, 0.5], dtype),
            "tanh": np.tanh(x),
            "softplus": np.logaddexp(dtype(0), x),
        }[name]
    result = compute(name, x)
    np.testing.assert_allclose(result, expected, rtol=4 * limits.eps)
    numbers = ~np.isnan(expected)
    assert np.array_equal(np.signbit(result[numbers]), np.signbit(expected[numbers])), "signs of zeros"


@pytest.mark.parametrize("dtype", TYPES)
def test_small_results_become_subnormal_before_they_vanish(dtype):
    x = np.linspace(np.log(float(np.finfo(dtype).smallest_subnormal)), np.log(float(np.finfo(dtype).tiny)), 50)
    x = x.astype(dtype)[1:]
    for name in ("exp", "sigmoid", "softplus"):
        assert errors_in_last_place(name, x, compute(name, x)).max() <= max(PLACES[name], TWIN_PLACES)
    assert compute("exp", x)[0] > 0


@pytest.mark.parametrize("dtype", TYPES)
def test_the_rough_sigmoid_is_within_the_stated_distance(dtype):
    x = np.concatenate([np.linspace(-20, 20, 4001), arguments("sigmoid", dtype), [np.inf, -np.inf]]).astype(dtype)
    exact = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    assert np.abs(compute("rough_sigmoid", x) - exact).max() <= 2.0**-20
    assert np.isnan(compute("rough_sigmoid", np.array([np.nan], dtype))).all()


@pytest.mark.parametrize("name", [*FUNCTIONS, "rough_sigmoid"])
def test_plain_calls_keep_the_type_and_take_arrays(name):
    for value in (0.3, np.float32(0.3), np.array([0.3, 700.0]), np.array([0.3], np.float32)):
        result = getattr(math, name)(value)
        assert np.asarray(result).dtype == np.asarray(value).dtype
        assert np.shape(result) == np.shape(value)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("m", [1, 10, 16, 37])
def test_softmax_and_log_sum_exp_equal_the_exact_sums(dtype, m):
    z = (20 * np.random.default_rng(m).standard_normal((5, m)) + 600).astype(dtype)
    high, powers = np.empty(5, dtype), np.empty_like(z)
    rows.log_sum_exp_rows(z, high)
    rows.softmax_rows(z, powers)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(high, [log_sum_exp(row) for row in z], rtol=2 * eps)
    # a sum of m terms, an exponential and a quotient: each rounds a few times
    np.testing.assert_allclose(powers, [softmax(row) for row in z], rtol=8 * eps, atol=np.finfo(dtype).tiny)
    assert rows.log_sum_exp(z[0]) == high[0]


@pytest.mark.parametrize("dtype", TYPES)
def test_softmax_rows_do_not_depend_on_the_batch_and_may_run_in_place(dtype):
    z = np.random.default_rng(0).standard_normal((7, 21)).astype(dtype)
    whole, parts, in_place = np.empty_like(z), np.empty_like(z), z.copy()
    rows.softmax_rows(z, whole)
    for i in range(len(z)):
        rows.softmax_rows(z[i : i + 1], parts[i : i + 1])
    rows.softmax_rows(in_place, in_place)
    assert whole.tobytes() == parts.tobytes() == in_place.tobytes()


@pytest.mark.parametrize("m", [2, 20])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-np.inf, -np.inf], -np.inf),
        ([np.inf, 0.0], np.inf),
        ([-np.inf, 0.0], np.log),
        ([np.nan, np.inf], np.nan),
        ([np.inf, np.nan], np.nan),
    ],
)
def test_log_sum_exp_of_infinities_is_what_the_limit_says(values, expected, m):
    z = np.tile(values, m // 2).astype(np.float64)
    expected = np.log(m // 2) if callable(expected) else expected
    np.testing.assert_allclose(rows.log_sum_exp(z), expected, atol=1e-15)


def test_softmax_of_a_row_without_a_finite_maximum_is_nan_and_spares_the_others():
    z = np.array([[np.inf, 0.0], [-np.inf, -np.inf], [0.0, np.nan], [0.0, -np.inf]])
    rows.softmax_rows(z, z)
    assert np.isnan(z[:3]).all()
    assert z[3].tolist() == [1.0, 0.0]
