import pickle

import numpy as np
import pytest

from bioneuro import Dense, Parameters, Population, Topology, optim
from bioneuro.errors import InvalidInput, UnknownName
from tests.naive import optim as naive

pytestmark = pytest.mark.small
NET = Topology.mlp(3, 4, 2)


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


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "rmsprop", "adam"])
def test_an_optimiser_takes_the_textbook_path_for_200_steps(name, walk):
    theta, gradients = walk
    ours = list(run(getattr(optim, name)(0.01), theta, gradients))
    theirs = list(getattr(naive, name)(theta, gradients, 0.01))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)  # 200 steps of rounding at 1e-16


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "rmsprop", "adam"])
def test_float32_stays_float32_and_near_float64(name, walk):
    theta, gradients = walk
    single = list(run(getattr(optim, name)(0.01), theta, gradients, "float32"))
    double = list(run(getattr(optim, name)(0.01), theta, gradients))
    assert single[-1].dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=0, atol=2e-4)  # 200 steps of rounding at 1e-7, amplified by RMS


def test_a_second_call_compiles_nothing(walk):
    from bioneuro.optim import kernels

    theta, gradients = walk
    list(run(optim.adam(0.01), theta, gradients[:2]))
    before = len(kernels.adam.signatures) if hasattr(kernels.adam, "signatures") else 0
    list(run(optim.adam(0.02, beta1=0.5), theta, gradients[:2]))
    assert (len(kernels.adam.signatures) if hasattr(kernels.adam, "signatures") else 0) == before


def test_clip_bounds_the_length_of_the_whole_update(walk):
    theta, gradients = walk
    [after] = run(optim.chain(optim.clip(0.5), optim.sgd(1.0)), theta, 100 * gradients[:1])
    assert np.linalg.norm(after - theta) == pytest.approx(0.5, rel=1e-12)


def test_weight_decay_shrinks_weights_and_spares_biases():
    params = Parameters.zeros(NET, "float64")
    params.theta[...] = 1
    transform = optim.chain(optim.sgd(0.1), optim.weight_decay(0.01))
    update = np.zeros_like(params.theta)
    transform.update(update, transform.init(params), params, 0)
    params.theta += update
    np.testing.assert_allclose(params["input->hidden"], 0.99, rtol=1e-15)
    np.testing.assert_array_equal(params["hidden.bias"], 1)


def test_frozen_parameters_stay_bit_identical(walk):
    theta, gradients = walk
    transform = optim.chain(optim.adam(0.1), optim.freeze(("input->hidden", "output.bias")))
    last = list(run(transform, theta, gradients))[-1]
    before, after = Parameters(NET, theta), Parameters(NET, last)
    np.testing.assert_array_equal(after["input->hidden"], before["input->hidden"])
    np.testing.assert_array_equal(after["output.bias"], before["output.bias"])
    assert not np.array_equal(after["hidden->output"], before["hidden->output"])


def test_freezing_an_unknown_parameter_names_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'hidden.bias'"):
        optim.freeze(("hiden.bias",)).init(Parameters.zeros(NET))


def test_dale_keeps_weights_on_their_side_of_zero():
    net = Topology(
        [Population("e", 4), Population("i", 3), Population("x", 5)],
        [Dense("e", "x", sign=1), Dense("i", "x", sign=-1), Dense("e", "i")],
    )
    generator = np.random.default_rng(1)
    params = Parameters.zeros(net, "float64")
    params["e->x"], params["i->x"] = 0.1, -0.1
    transform = optim.chain(optim.momentum(0.1), optim.dale())
    state = transform.init(params)
    for step in range(50):
        update = generator.normal(size=params.theta.size)
        transform.update(update, state, params, step)
        params.theta += update
        assert params["e->x"].min() >= 0
        assert params["i->x"].max() <= 0
    assert params["e->x"].max() > 0  # not all of them died
    assert params["e->i"].min() < 0 < params["e->i"].max()  # sign 0 is free


def test_transforms_are_equal_by_their_settings_and_can_be_pickled():
    one, same, other = (
        optim.chain(optim.clip(1.0), optim.adam(optim.linear(rate, 0, 100)), optim.dale()) for rate in (0.1, 0.1, 0.2)
    )
    assert one == same
    assert one != other
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize("bad", [{"rate": -0.1}, {"rate": float("nan")}, {"beta": 1.0}])
def test_numbers_out_of_range_are_refused(bad):
    with pytest.raises(InvalidInput, match="must be a number in"):
        optim.momentum(**bad)


def test_an_unknown_optimiser_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'momentum'"):
        optim.as_optimizer("momentun", 0.1)
