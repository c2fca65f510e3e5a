import pickle

import numpy as np
import pytest

from bioneuro import Parameters, Topology, optim
from bioneuro._jit.kernel import kernel_statistics
from bioneuro.errors import InvalidInput, UnknownName
from tests.naive import optim as naive

pytestmark = pytest.mark.small
NET = Topology.mlp(3, 4, 2)
RULES = {
    "sgd": {},
    "momentum": {},
    "momentum with a first rate": {"first_rate": 0.1},
    "ewma": {},
    "ewma uncorrected": {"corrected": False},
    "nesterov": {},
    "adagrad": {},
    "rmsprop": {},
    "rmsprop corrected, epsilon inside": {"beta": 0.999, "inside": True, "corrected": True},
    "centred_rmsprop": {},
    "adam": {},
    "amsgrad": {"beta2": 0.9},
    "amsgrad of the corrected": {"beta2": 0.9, "largest_of": "corrected"},
    "radam": {"beta2": 0.9},
    "rprop": {},
    "quickprop": {},
}


def of(module, name):
    return getattr(module, name.split()[0])


def run(transform, theta, gradients, dtype="float64"):
    params = Parameters.zeros(NET, dtype)
    params.theta[...] = theta
    state = transform.init(params)
    for step, gradient in enumerate(gradients):
        update = gradient.astype(dtype)
        transform.update(update, state, params, step)
        params.theta += update
        yield params.theta.copy()


@pytest.fixture
def walk():
    generator = np.random.default_rng(0)
    curvature = np.logspace(0, -3, NET.n_parameters)  # condition number 1e3
    return generator.normal(size=NET.n_parameters), curvature * generator.normal(size=(200, NET.n_parameters))


@pytest.mark.parametrize("name", RULES)
def test_an_optimiser_takes_the_textbook_path_for_200_steps(name, walk):
    theta, gradients = walk
    ours = list(run(of(optim, name)(0.01, **RULES[name]), theta, gradients))
    theirs = list(of(naive, name)(theta, gradients, 0.01, **RULES[name]))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)  # 200 steps of rounding at 1e-16


@pytest.mark.parametrize("name", RULES)
def test_float32_stays_float32_and_near_float64(name, walk):
    theta, gradients = walk
    single = list(run(of(optim, name)(0.01, **RULES[name]), theta, gradients, "float32"))
    double = list(run(of(optim, name)(0.01, **RULES[name]), theta, gradients))
    assert single[-1].dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=0, atol=2e-4)  # 200 steps of rounding at 1e-7, amplified by RMS


def test_every_optimiser_is_to_be_had_by_its_name(walk):
    theta, gradients = walk
    for name in optim.OPTIMIZERS:
        optimizer = optim.as_optimizer(name, optim.constant(0.01))
        assert not np.array_equal(list(run(optimizer, theta, gradients[:2]))[-1], theta)


def test_a_second_call_compiles_nothing(walk):
    theta, gradients = walk
    list(run(optim.adam(0.01), theta, gradients[:2]))
    before = kernel_statistics()
    list(run(optim.adam(0.02, beta1=0.5), theta, gradients[:2]))
    assert kernel_statistics() == before


def test_a_moving_average_is_momentum_at_a_smaller_rate(walk):
    theta, gradients = walk
    average = list(run(optim.ewma(0.01, corrected=False), theta, gradients))
    heavy_ball = list(run(optim.momentum(0.01 * (1 - 0.9)), theta, gradients))
    np.testing.assert_allclose(average, heavy_ball, rtol=0, atol=1e-14)


def test_the_corrected_moving_average_starts_at_the_full_rate(walk):
    theta, gradients = walk
    [after] = run(optim.ewma(0.01), theta, gradients[:1])
    np.testing.assert_allclose(after, theta - 0.01 * gradients[0], rtol=1e-14)


def test_nesterov_looks_ahead_by_beta_times_the_velocity():
    """phi + beta m of the textbook form, gradients taken there, is our theta."""
    curvature = np.logspace(0, -3, NET.n_parameters)
    params = Parameters.zeros(NET, "float64")
    params.theta[...] = phi = np.random.default_rng(2).normal(size=NET.n_parameters)
    optimizer, m = optim.nesterov(0.3), np.zeros_like(phi)
    state = optimizer.init(params)
    for step in range(200):
        update = curvature * params.theta
        optimizer.update(update, state, params, step)
        params.theta += update
        m = 0.9 * m - 0.3 * curvature * (phi + 0.9 * m)
        phi = phi + m
        np.testing.assert_allclose(params.theta, phi + 0.9 * m, rtol=0, atol=1e-14)


def test_centred_rmsprop_never_takes_the_root_of_less_than_nothing():
    gradients = np.tile(np.random.default_rng(4).normal(size=NET.n_parameters), (500, 1))  # S - M^2 is rounding
    last = list(run(optim.centred_rmsprop(1e-9, beta=0.9), np.zeros(NET.n_parameters), gradients))[-1]
    assert np.isfinite(last).all()


def test_radam_of_a_short_memory_never_divides(walk):
    theta, gradients = walk
    radam = list(run(optim.radam(0.01, beta2=0.6), theta, gradients))  # n stays below 4
    np.testing.assert_allclose(radam, list(run(optim.ewma(0.01), theta, gradients)), rtol=0, atol=1e-13)


def test_rprop_and_quickprop_find_the_minimum_of_a_quadratic_of_any_scale():
    curvature = np.logspace(3, -3, NET.n_parameters)
    for optimizer in (optim.rprop(0.01), optim.quickprop(1e-3)):
        params = Parameters.zeros(NET, "float64")
        params.theta[...] = 1
        state = optimizer.init(params)
        for step in range(200):
            update = curvature * params.theta
            optimizer.update(update, state, params, step)
            params.theta += update
        assert np.abs(params.theta).max() < 1e-3, optimizer


@pytest.mark.parametrize("name", RULES)
def test_constants_of_many_steps_are_those_of_each_step(name):
    optimizer = of(optim, name)(optim.linear(0.01, 0, 50), **RULES[name])
    together = np.array([np.broadcast_to(column, 60) for column in optimizer.constants(np.arange(60))])
    one_by_one = np.array([optimizer.constants(step) for step in range(60)], float).T
    np.testing.assert_allclose(together, one_by_one, rtol=1e-13)  # powers near 1 round


def test_optimisers_are_equal_by_their_settings_and_can_be_pickled():
    one, same, other = (
        optim.chain(optim.clip(1.0), optim.adam(optim.linear(rate, 0, 100)), optim.dale()) for rate in (0.1, 0.1, 0.2)
    )
    assert one == same
    assert one != other
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: optim.momentum(-0.1), r"learning rate must be a number in \(0, inf\), got -0.1"),
        (lambda: optim.sgd(0), r"learning rate must be a number in \(0, inf\), got 0"),
        (lambda: optim.adamw(0), r"learning rate must be a number in \(0, inf\), got 0"),
        (lambda: optim.yellowfin(0.0), r"learning rate must be a number in \(0, inf\)"),
        (lambda: optim.adam(float("nan")), "learning rate must be a number"),
        (lambda: optim.momentum(first_rate=0), r"first_rate must be a number in \(0, inf\)"),
        (lambda: optim.momentum(beta=1.0), r"beta must be a number in \[0, 1\), got 1.0"),
        (lambda: optim.adam(beta2=1.5), r"beta2 must be a number in \[0, 1\), got 1.5"),
        (lambda: optim.ewma(beta=optim.linear(0.5, 0.9, 9)), "beta must be a number in"),  # its correction needs one
        (lambda: optim.adam(epsilon=0), r"epsilon must be a number in \(0, inf\)"),
        (lambda: optim.rprop(shrink=1.2), r"shrink must be a number in \(0, 1\)"),
        (lambda: optim.quickprop(growth=1), r"growth must be a number in \(1, inf\)"),
        (lambda: optim.adamw(decay=-1), r"decay must be a number in \[0, inf\)"),
        (lambda: optim.chain("adam"), "chain takes transforms"),
        (lambda: optim.yellowfin(float("inf")), r"learning rate must be a number in \(0, inf\), got inf"),
        (lambda: optim.adam(lambda step: -0.1), r"learning rate at step 0 must be a number in \[0, inf\), got -0.1"),
        (lambda: optim.sgd(lambda step: "fast"), r"learning rate at step 0 must be a number in \[0, inf\), got 'fast'"),
        (lambda: optim.momentum(0.1, lambda step: 1.0), r"beta at step 0 must be a number in \[0, 1\), got 1.0"),
        (lambda: optim.yellowfin(factor=lambda step: float("nan")), "factor at step 0 must be a number"),
        (lambda: optim.weight_decay(lambda step: -1), r"rate of weight_decay at step 0 must be a number in \[0, inf\)"),
    ],
)
def test_settings_out_of_range_are_refused(bad, message):
    with pytest.raises(InvalidInput, match=message):
        bad()


def test_unknown_names_name_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'momentum'"):
        optim.as_optimizer("momentun", 0.1)
    with pytest.raises(UnknownName, match="did you mean 'corrected'"):
        optim.amsgrad(largest_of="correct")
