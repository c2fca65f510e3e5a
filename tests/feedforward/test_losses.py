import numpy as np
import pytest

from bioneuro.errors import InvalidInput, UnknownName
from feedforward.losses import loss_for
from tests.naive import feedforward as naive

pytestmark = pytest.mark.small


def softmax(z):
    return np.stack([naive.softmax(row) for row in z])


def test_the_error_behind_a_softmax_counts_targets_that_do_not_sum_to_one():
    z = np.random.default_rng(0).normal(size=(4, 10))
    y = np.where(np.eye(10)[[1, 3, 5, 7]] == 1, 0.85, 0.15)  # sums to 2.2
    a = softmax(z)
    delta = loss_for("cross-entropy", "softmax").delta(z, a, y)
    np.testing.assert_allclose(delta, a * 2.2 - y, atol=1e-14)
    assert np.abs(delta - (a - y)).max() > 0.1  # the shortcut z - y would be wrong


def test_logits_of_ten_thousand_are_finite():
    z = np.array([[1e4, -1e4, 0.0]])
    y = np.array([[0.0, 1.0, 0.0]])
    assert loss_for("auto", "softmax").value(z, np.array([[1.0, 0.0, 0.0]]), y) == pytest.approx(2e4)
    assert loss_for("auto", "sigmoid").value(z, np.array([[1.0, 0.0, 0.5]]), y) == pytest.approx(2e4 + np.log(2))


def test_losses_are_their_formulas():
    z = np.random.default_rng(1).normal(size=(3, 4))
    y = np.random.default_rng(2).random((3, 4))
    p, s = softmax(z), 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(loss_for("cross-entropy", "softmax").value(z, p, y), -(y * np.log(p)).sum(1), rtol=1e-13)
    logistic = -(y * np.log(s) + (1 - y) * np.log(1 - s)).sum(1)
    np.testing.assert_allclose(loss_for("logistic", "sigmoid").value(z, s, y), logistic, rtol=1e-13)
    np.testing.assert_allclose(loss_for("logistic", "softmax").value(z, s, y), logistic, rtol=1e-13)
    np.testing.assert_allclose(loss_for("squared", "linear").value(z, z, y), 0.5 * ((z - y) ** 2).sum(1), rtol=1e-13)


def test_a_logarithm_of_something_that_is_no_probability_is_refused():
    with pytest.raises(InvalidInput, match="takes logarithms of probabilities, and 'relu' outputs are none"):
        loss_for("cross-entropy", "relu")


def test_an_unknown_loss_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'squared'"):
        loss_for("square", "linear")
