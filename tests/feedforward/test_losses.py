import numpy as np
import pytest

from bioneuro.errors import InvalidInput, UnknownName
from feedforward.losses import CLOSED, ENTRIES, Huber, loss_for
from tests.naive import feedforward as naive

pytestmark = pytest.mark.small
PAIRS = [*((loss, unit) for loss in ENTRIES for unit in ("linear", "softmax"))]
PAIRS += [(loss, unit) for loss in CLOSED for unit in CLOSED[loss] if (loss, unit) not in PAIRS]


def outputs_of(unit, z):
    return np.stack([naive.softmax(row) for row in z]) if unit == "softmax" else naive.activate(unit, z)


def evaluate(loss, unit, z, y, weights=None):
    """The loss of each row, its outputs and its error."""
    a, delta = np.array(z), np.empty_like(z)  # linear outputs are given, all others found
    losses = loss_for(loss, unit)(z, a, y, delta, weights)
    return losses, a, delta


def problem(n=4, size=5, scale=1.0, seed=0):
    draw = np.random.default_rng(seed)
    return draw.normal(scale=scale, size=(n, size)), draw.random((n, size))


# -- formulas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "unit"), PAIRS)
def test_a_loss_is_its_formula_for_targets_of_any_sum(loss, unit):
    z, y = problem(scale=2)
    losses, a, _ = evaluate(loss, unit, z, y)
    np.testing.assert_allclose(a, outputs_of(unit, z), rtol=1e-14)
    expected = [naive.loss(loss, *pair) for pair in zip(outputs_of(unit, z), y, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-13)


@pytest.mark.parametrize("scale", [1, 30])
@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize(("loss", "unit"), PAIRS)
def test_an_error_is_the_slope_of_the_mean_loss(loss, unit, size, scale):
    z, y = problem(size=size, scale=scale)
    _, _, delta = evaluate(loss, unit, z, y)
    step = 1e-5
    for j in range(size):
        shift = step * np.eye(size)[j]
        above, below = (evaluate(loss, unit, z + side * shift, y)[0] for side in (1, -1))
        np.testing.assert_allclose(delta[:, j], (above - below) / (2 * step) / len(z), rtol=1e-6, atol=1e-9 * scale)


def test_the_error_behind_a_softmax_counts_targets_that_do_not_sum_to_one():
    z, _ = problem(size=10)
    y = np.where(np.eye(10)[[1, 3, 5, 7]] == 1, 0.85, 0.15)  # sums to 2.2
    _, a, delta = evaluate("cross-entropy", "softmax", z, y)
    np.testing.assert_allclose(4 * delta, a * 2.2 - y, atol=1e-14)
    assert np.abs(4 * delta - (a - y)).max() > 0.1  # the shortcut a - y would be wrong


def test_errors_run_back_through_the_jacobian_of_softmax():
    z, y = problem()
    _, a, delta = evaluate("squared", "softmax", z, y)
    expected = [naive.softmax_jacobian(row) @ error for row, error in zip(a, a - y, strict=True)]
    np.testing.assert_allclose(4 * delta, expected, atol=1e-15)


@pytest.mark.parametrize("loss", [loss for loss, unit in PAIRS if unit == "softmax"])
def test_a_softmax_does_not_see_what_is_added_to_all_inputs(loss):
    z, y = problem()
    for given, shifted in zip(evaluate(loss, "softmax", z, y), evaluate(loss, "softmax", z + 64, y), strict=True):
        np.testing.assert_allclose(shifted, given, rtol=0, atol=1e-12)  # z + 64 is rounded at 1.4e-14


def test_huber_is_squared_near_and_grows_like_a_line_far_away():
    z, y = problem()
    y_near, y_far = z + y / 2.1, z - 100 * (1 + y)
    for given, expected in zip(
        evaluate(Huber(0.5), "linear", z, y_near), evaluate("squared", "linear", z, y_near), strict=True
    ):
        np.testing.assert_allclose(given, expected, rtol=1e-14)
    losses, _, delta = evaluate(Huber(0.5), "linear", z, y_far)
    np.testing.assert_allclose(losses, (0.5 * (z - y_far) - 0.5**2 / 2).sum(axis=1), rtol=1e-14)
    np.testing.assert_array_equal(delta, 0.5 / 4)
    assert loss_for("huber", "linear") == loss_for(Huber(1.0), "linear")
    with pytest.raises(InvalidInput, match=r"Huber.delta must be a number in \(0, inf\), got 0"):
        Huber(0)


def test_an_exact_output_has_no_absolute_error():
    z = np.ones((1, 3))
    np.testing.assert_array_equal(evaluate("absolute", "linear", z, np.array([[0.0, 1.0, 2.0]]))[2], [[1, 0, -1]])


def test_cross_entropy_moves_a_unit_that_is_sure_and_wrong_where_squared_error_does_not():
    z, y = np.array([[10.0]]), np.array([[0.0]])
    a = 1 / (1 + np.exp(-10))
    assert evaluate("logistic", "sigmoid", z, y)[2] == pytest.approx(a)
    assert (a - 0) * a * (1 - a) < 5e-5  # the error under 1/2 (a - y)^2


# -- numbers that are hard to hold -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "unit"), PAIRS)
def test_inputs_of_ten_thousand_are_finite(loss, unit, dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4]], dtype)
    for y in (np.eye(3, dtype=dtype)[[1, 0]], np.eye(3, dtype=dtype)[[0, 1]], np.ones((2, 3), dtype)):
        assert all(np.isfinite(values).all() for values in evaluate(loss, unit, z, y))


def test_probabilities_near_zero_keep_their_logarithm_and_their_error():
    z, y = np.array([[1e4, -1e4, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    losses, _, delta = evaluate("cross-entropy", "softmax", z, y)
    assert losses == pytest.approx(2e4)
    np.testing.assert_array_equal(delta, [[1, -1, 0]])
    losses, _, delta = evaluate("logistic", "sigmoid", z, y)
    assert losses == pytest.approx(2e4 + np.log(2))
    np.testing.assert_array_equal(delta, [[1, -1, 0.5]])
    losses, _, delta = evaluate("cross-entropy", "sigmoid", z, y)
    assert losses == pytest.approx(1e4)
    np.testing.assert_array_equal(delta, [[0, -1, 0]])
    losses, _, delta = evaluate("logistic", "softmax", z, y)
    assert losses == pytest.approx(2e4 + 1e4)  # -ln a_2 - ln(1 - a_1)
    np.testing.assert_array_equal(delta, [[2, -1, -1]])  # 1 - a_1 is all but a_3
    sure = evaluate("cross-entropy", "sigmoid", np.array([[40.0]]), np.ones((1, 1)))
    np.testing.assert_allclose([sure[0], -sure[2][0]], np.exp(-40), rtol=1e-14)


def test_the_loss_of_a_sigmoid_that_is_sure_and_right_keeps_its_digits_in_float32():
    z, y = np.array([[15.0, -15.0, 12.0]], np.float32), np.array([[1.0, 0.0, 1.0]], np.float32)
    losses, _, _ = evaluate("logistic", "sigmoid", z, y)
    np.testing.assert_allclose(losses, 2 * np.log1p(np.exp(-15)) + np.log1p(np.exp(-12)), rtol=1e-6)


@pytest.mark.parametrize("loss", [loss for loss, unit in PAIRS if unit == "softmax"])
def test_a_softmax_of_one_unit_is_one(loss):
    losses, a, delta = evaluate(loss, "softmax", np.array([[3.0]]), np.ones((1, 1)))
    assert (losses[0], a[0, 0], delta[0, 0]) == (0, 1, 0)


@pytest.mark.parametrize(("loss", "unit"), PAIRS)
def test_float32_is_float64_to_rounding(loss, unit):
    z, y = (values.astype(np.float32) for values in problem())
    exact = evaluate(loss, unit, z.astype(np.float64), y.astype(np.float64))
    for ours, expected in zip(evaluate(loss, unit, z, y), exact, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize(("loss", "unit"), PAIRS)
def test_nan_stays_nan(loss, unit):
    z, y = problem()
    z[0, 1] = np.nan
    losses, _, delta = evaluate(loss, unit, z, y)
    assert np.isnan(losses[0])
    assert np.isnan(delta[0, 1])
    assert np.isfinite(losses[1:]).all()
    assert np.isfinite(delta[1:]).all()


# -- weights of rows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "unit"), PAIRS)
def test_a_row_of_weight_k_counts_like_k_copies(loss, unit):
    z, y = problem()
    weights = np.array([1, 3, 0, 2])
    copies = np.repeat(np.arange(4), weights)
    losses, _, delta = evaluate(loss, unit, z, y, weights.astype(float))
    each_loss, _, each_delta = evaluate(loss, unit, z[copies], y[copies])
    for row in range(4):
        assert losses[row] == pytest.approx(each_loss[copies == row].sum(), rel=1e-14)
        np.testing.assert_allclose(delta[row], each_delta[copies == row].sum(axis=0), rtol=1e-13, atol=1e-16)


def test_rows_of_weight_zero_have_no_say_whatever_they_hold():
    z, y = problem()
    z[1], y[2] = np.nan, np.nan
    losses, _, delta = evaluate("cross-entropy", "softmax", z, y, np.array([1.0, 0.0, 0.0, 1.0]))
    np.testing.assert_array_equal(losses[1:3], 0)
    np.testing.assert_array_equal(delta[1:3], 0)
    assert np.isfinite(delta).all()


def test_a_batch_of_weight_zero_has_no_loss_and_no_error():
    z, y = problem()
    losses, _, delta = evaluate("squared", "linear", z, y, np.zeros(4))
    np.testing.assert_array_equal(losses, 0)
    np.testing.assert_array_equal(delta, 0)


# -- names -------------------------------------------------------------------------------------------------------------


def test_the_natural_loss_goes_by_the_unit():
    for unit, loss in (
        ("softmax", "cross-entropy"),
        ("sigmoid", "logistic"),
        ("linear", "squared"),
        ("elu", "squared"),
    ):
        assert loss_for("auto", unit) == loss_for(loss, unit)


@pytest.mark.parametrize("loss", ["cross-entropy", "logistic"])
def test_a_logarithm_of_something_that_is_no_probability_is_refused(loss):
    with pytest.raises(InvalidInput, match=f"the {loss} loss takes logarithms of probabilities, and 'relu'"):
        loss_for(loss, "relu")


def test_an_unknown_loss_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'squared'"):
        loss_for("square", "linear")
