import numpy as np
import pytest
import scipy.optimize

from bioneuro import Parameters, Topology, optim
from bioneuro.optim.yellowfin import tuned

pytestmark = pytest.mark.small
NET = Topology.mlp(2, 2, unit="linear", output="linear")  # six numbers
MEASURED = [  # D, C, h_min, h_max
    (1.0, 1.0, 1.0, 1.0),
    (1.0, 1.0, 1.0, 100.0),
    (3.0, 1e-6, 0.5, 2.0),  # next to no noise: beta goes to its bound
    (0.01, 50.0, 0.1, 0.2),  # noise: beta near 1, small steps
    (1e6, 1e-6, 1e3, 1e3),
]


@pytest.mark.parametrize("measured", MEASURED)
def test_the_closed_form_is_the_root_of_the_cubic_or_the_bound(measured):
    distance, variance, low, high = measured
    alpha, beta = tuned(*measured)
    x, bound = np.sqrt(beta), (np.sqrt(high / low) - 1) / (np.sqrt(high / low) + 1)
    p = (distance * low) ** 2 / (2 * variance)
    assert x >= bound - 1e-15
    if x > bound:
        assert p * x == pytest.approx((1 - x) ** 3, rel=1e-7)
    assert alpha == pytest.approx((1 - x) ** 2 / low, rel=1e-12)


@pytest.mark.parametrize("measured", MEASURED[:4])
def test_no_other_beta_leaves_a_smaller_expected_distance(measured):
    distance, variance, low, high = measured
    bound = (np.sqrt(high / low) - 1) / (np.sqrt(high / low) + 1)
    best = scipy.optimize.minimize_scalar(
        lambda x: x**2 * distance**2 + (1 - x) ** 4 * variance / low**2,
        bounds=(bound, 1),
        method="bounded",
        options={"xatol": 1e-12},
    )
    assert np.sqrt(tuned(*measured)[1]) == pytest.approx(best.x, abs=1e-5)


@pytest.mark.parametrize("kappa", [1.0, 10.0, 1000.0])
def test_on_a_quadratic_beta_is_large_enough_for_its_condition_and_momentum_contracts_by_sqrt_beta(kappa):
    """The spectral radius of heavy-ball momentum is sqrt(beta) for every curvature between h_min and h_max."""
    low, high = 0.3, 0.3 * kappa
    alpha, beta = tuned(1.0, 0.01, low, high)
    assert beta >= ((np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)) ** 2 - 1e-15
    for h in np.linspace(low, high, 5):
        momentum = np.array([[1 - alpha * h + beta, -beta], [1, 0]])
        assert np.abs(np.linalg.eigvals(momentum)).max() == pytest.approx(np.sqrt(beta), rel=1e-6)


def test_it_finds_its_own_rate_on_a_noisy_quadratic():
    generator = np.random.default_rng(0)
    curvature = np.logspace(0, -2, 6)
    params = Parameters.zeros(NET, "float64")
    params.theta[...] = 3
    optimizer = optim.yellowfin(0.1)
    state = optimizer.init(params)
    losses = []
    for step in range(2000):
        losses.append(0.5 * np.sum(curvature * params.theta**2))
        update = curvature * params.theta + 0.1 * generator.normal(size=6)
        optimizer.update(update, state, params, step)
        params.theta += update
    assert np.mean(losses[-500:]) < losses[0] / 100


def test_the_first_step_has_the_rate_given_and_a_pause_in_the_middle_changes_nothing():
    gradients = np.random.default_rng(1).normal(size=(30, 6))

    def run(parts):
        params = Parameters.zeros(NET, "float64")
        optimizer = optim.yellowfin(0.25)
        state = optimizer.init(params)
        for part in parts:
            state = {name: array.copy() for name, array in state.items()}
            for step in part:
                update = gradients[step].copy()
                optimizer.update(update, state, params, step)
                params.theta += update
        return params.theta

    np.testing.assert_allclose(run([range(1)]), -0.25 * gradients[0], rtol=1e-15)
    np.testing.assert_array_equal(run([range(17), range(17, 30)]), run([range(30)]))


def test_gradients_of_zero_move_nothing():
    params = Parameters.zeros(NET, "float64")
    optimizer = optim.yellowfin()
    state = optimizer.init(params)
    for step in range(5):
        update = np.zeros(6)
        optimizer.update(update, state, params, step)
        params.theta += update
    np.testing.assert_array_equal(params.theta, 0)
