import numpy as np
import pytest

from feedforward import kernels
from tests.naive import feedforward as naive

pytestmark = pytest.mark.small
Z = np.random.default_rng(0).normal(scale=3, size=(7, 5))
SPECIAL = np.array([[0.0, -0.0, np.inf, -np.inf, np.nan]])


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_an_activation_is_its_formula(name):
    a = Z.copy()
    kernels.activation(name)(a)
    np.testing.assert_allclose(a, naive.activate(name, Z), rtol=1e-15, atol=1e-300)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_a_slope_is_its_formula(name):
    a, delta = naive.activate(name, Z), np.random.default_rng(1).normal(size=Z.shape)
    scaled = delta.copy()
    kernels.slope(name)(scaled, a)
    np.testing.assert_allclose(scaled, naive.scale_by_slope(name, delta, a), rtol=1e-15)


@pytest.mark.parametrize(("name", "limits"), [("sigmoid", (1, 0)), ("tanh", (1, -1)), ("relu", (np.inf, 0))])
def test_infinities_reach_the_limits_and_nan_stays(name, limits):
    a = SPECIAL.copy()
    kernels.activation(name)(a)
    np.testing.assert_array_equal(a[0, 2:4], limits)
    assert np.isnan(a[0, 4])


def test_the_slope_of_relu_at_zero_is_zero():
    delta = np.ones((1, 3))
    kernels.slope("relu")(delta, np.array([[0.0, 1e-300, -1.0]]))
    np.testing.assert_array_equal(delta, [[0, 1, 0]])


def test_float32_stays_float32():
    for name in ("sigmoid", "tanh", "relu"):
        a = Z.astype(np.float32)
        kernels.activation(name)(a)
        np.testing.assert_allclose(a, naive.activate(name, Z), rtol=5e-7, atol=1e-6)  # rounding of z itself


def test_softmax_runs_back_through_its_jacobian():
    a = np.stack([naive.softmax(row) for row in Z])
    delta = np.random.default_rng(1).normal(size=Z.shape)
    expected = np.stack([naive.softmax_jacobian(row) @ error for row, error in zip(a, delta, strict=True)])
    kernels.softmax_backward(delta, a)
    np.testing.assert_allclose(delta, expected, atol=1e-15)


def test_prelu_learns_its_slope_below_zero():
    alpha = np.array([0.25, 0.0, -0.5, 1.0, 2.0])
    a = Z.copy()
    kernels.prelu(a, alpha)
    np.testing.assert_array_equal(a, np.where(Z > 0, Z, alpha * Z))
    delta, gradient = np.ones_like(Z), np.zeros(5)
    kernels.prelu_backward(delta, Z, alpha, gradient)
    np.testing.assert_array_equal(delta, np.where(Z > 0, 1, np.broadcast_to(alpha, Z.shape)))
    np.testing.assert_allclose(gradient, np.minimum(0, Z).sum(axis=0), rtol=1e-14)
