import copy

import numpy as np
import pytest

from bioneuro import Dense, OneToOne, Parameters, Population, Sparse, Topology, optim
from bioneuro.errors import InvalidInput, UnknownName, UnsupportedTopology
from bioneuro.topology import FixedProbability

pytestmark = pytest.mark.small
NET = Topology.mlp(3, 4, 2)


@pytest.fixture
def walk():
    generator = np.random.default_rng(0)
    curvature = np.logspace(0, -3, NET.n_parameters)
    return generator.normal(size=NET.n_parameters), curvature * generator.normal(size=(200, NET.n_parameters))


def take(transform, params, gradients):
    """`params` after one step along each gradient."""
    state = transform.init(params)
    for step, gradient in enumerate(gradients):
        update = np.array(gradient, params.dtype)
        transform.update(update, state, params, step)
        params.theta += update
    return params


def ones():
    params = Parameters.zeros(NET, "float64")
    params.theta[...] = 1
    return params


def test_clip_bounds_the_length_of_the_whole_update(walk):
    theta, gradients = walk
    after = take(optim.chain(optim.clip(0.5), optim.sgd(1.0)), Parameters(NET, theta.copy()), 100 * gradients[:1])
    assert np.linalg.norm(after.theta - theta) == pytest.approx(0.5, rel=1e-12)


def test_clip_measures_gradients_whose_squares_overflow():
    update = np.array([3e30, -4e30], np.float32)
    optim.clip(1.0).update(update, {}, None, 0)
    np.testing.assert_allclose(update, [0.6, -0.8], rtol=1e-6)
    update[:] = np.inf, 1
    with np.errstate(invalid="ignore"):
        optim.clip(1.0).update(update, {}, None, 0)
    assert np.isnan(update[0])  # and the training stops


def test_clip_value_bounds_each_number_by_itself(walk):
    theta, gradients = walk
    after = take(optim.chain(optim.clip_value(0.2), optim.sgd(1.0)), Parameters(NET, theta.copy()), gradients[:1])
    np.testing.assert_allclose(theta - after.theta, np.clip(gradients[0], -0.2, 0.2), rtol=0, atol=1e-15)
    assert (np.abs(gradients[0]) > 0.2).any()
    assert (np.abs(gradients[0]) < 0.2).any()


def test_the_l2_penalty_shrinks_weights_by_1_minus_2_rate_lambda_and_spares_biases():
    after = take(optim.chain(optim.l2(0.25), optim.sgd(0.1)), ones(), np.zeros((3, NET.n_parameters)))
    np.testing.assert_allclose(after["input->hidden"], (1 - 2 * 0.1 * 0.25) ** 3, rtol=1e-15)
    np.testing.assert_array_equal(after["hidden.bias"], 1)


def test_biases_may_have_a_penalty_of_their_own():
    after = take(optim.chain(optim.l2(0.25, biases=0.4), optim.sgd(0.1)), ones(), np.zeros((1, NET.n_parameters)))
    np.testing.assert_allclose(after["hidden.bias"], 1 - 2 * 0.1 * 0.25 * 0.4, rtol=1e-15)


def test_the_l1_penalty_pulls_all_weights_towards_zero_at_one_speed():
    params = ones()
    params["input->hidden"][0] = [-2, 0, 0.5, 3]
    after = take(optim.chain(optim.l1(0.25), optim.sgd(0.1)), params, np.zeros((1, NET.n_parameters)))
    np.testing.assert_allclose(after["input->hidden"][0], [-1.975, 0, 0.475, 2.975], rtol=1e-15)
    np.testing.assert_array_equal(after["output.bias"], 1)


def test_weight_decay_shrinks_weights_and_spares_biases():
    after = take(optim.chain(optim.sgd(0.1), optim.weight_decay(0.01)), ones(), np.zeros((1, NET.n_parameters)))
    np.testing.assert_allclose(after["input->hidden"], 0.99, rtol=1e-15)
    np.testing.assert_array_equal(after["hidden.bias"], 1)


def test_under_adam_a_penalty_moves_small_and_large_weights_alike_and_decay_does_not():
    params = ones()
    params["input->hidden"][0, 0] = 100
    nothing = np.zeros((1, NET.n_parameters))
    penalised = take(optim.chain(optim.l2(0.5), optim.adam(0.1)), params.copy(), nothing)["input->hidden"]
    np.testing.assert_allclose(params["input->hidden"] - penalised, 0.1, rtol=1e-6)  # the rate, whatever the weight
    decayed = take(optim.adamw(0.1, decay=0.5), params.copy(), nothing)["input->hidden"]
    np.testing.assert_allclose(decayed, 0.95 * params["input->hidden"], rtol=1e-14)


def test_adamw_decays_with_the_rate_of_its_schedule():
    after = take(optim.adamw(optim.piecewise([0.1, 0.01], [1]), decay=0.5), ones(), np.zeros((2, NET.n_parameters)))
    np.testing.assert_allclose(after["input->hidden"], (1 - 0.1 * 0.5) * (1 - 0.01 * 0.5), rtol=1e-15)


def test_frozen_parameters_stay_bit_identical(walk):
    theta, gradients = walk
    before = Parameters(NET, theta)
    after = take(optim.chain(optim.adam(0.1), optim.freeze(("input->hidden", "output.bias"))), before.copy(), gradients)
    np.testing.assert_array_equal(after["input->hidden"], before["input->hidden"])
    np.testing.assert_array_equal(after["output.bias"], before["output.bias"])
    assert not np.array_equal(after["hidden->output"], before["hidden->output"])


def test_freezing_an_unknown_parameter_names_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'hidden.bias'"):
        optim.freeze(("hiden.bias",)).init(Parameters.zeros(NET))
    with pytest.raises(UnknownName, match=r"'hiden.bias'; did you mean 'hidden.bias'"):
        optim.freeze("hiden.bias").init(Parameters.zeros(NET))
    assert optim.freeze("hidden.bias") == optim.freeze(("hidden.bias",))


def test_a_layer_with_rate_0_stays_bit_identical_and_the_others_learn_as_ever(walk):
    theta, gradients = walk
    before = Parameters(NET, theta)
    plain = take(optim.adam(0.1), before.copy(), gradients)
    layered = take(optim.chain(optim.adam(0.1), optim.per_layer({"hidden": 0})), before.copy(), gradients)
    for key in ("input->hidden", "hidden.bias"):
        assert layered[key].tobytes() == before[key].tobytes()
    for key in ("hidden->output", "output.bias"):
        np.testing.assert_array_equal(layered[key], plain[key])


def test_a_key_has_its_own_rate_and_counts_more_than_its_population():
    rates = optim.per_layer({"hidden.bias": 3.0, "hidden": 0.5, "output": 2}).by_key(Parameters.zeros(NET))
    assert rates == {"input->hidden": 0.5, "hidden.bias": 3.0, "hidden->output": 2, "output.bias": 2}


def test_a_rate_for_an_unknown_layer_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'hidden'"):
        optim.per_layer({"hiden": 0.5}).init(Parameters.zeros(NET))
    with pytest.raises(InvalidInput, match=r"factor of 'hidden' must be a number in \[0, inf\), got -1"):
        optim.per_layer({"hidden": -1})


def test_populations_that_no_weights_end_on_are_refused_where_something_is_asked_of_their_weights():
    with pytest.raises(
        InvalidInput, match=r"a rate of its own for population 'input' changes nothing.*'input->hidden'"
    ):
        optim.per_layer({"input": 0.5}).init(Parameters.zeros(NET))
    with pytest.raises(InvalidInput, match="max_norm of population 'input' changes nothing"):
        optim.max_norm(2.0, "input").init(Parameters.zeros(NET))


SKIP = Topology(
    [Population("x", 3, "input"), Population("h", 4), Population("i", 4), Population("y", 2, "output")],
    [Dense("x", "h"), Dense("h", "y"), Dense("x", "y"), OneToOne("h", "i"), Dense("i", "y")],
)


def incoming(params, name):
    """(n, units) all weights that end on the units of a population."""
    arriving = [params[p.name] for p in SKIP.incoming(name)]
    return np.concatenate([np.atleast_2d(weights) for weights in arriving])


def test_max_norm_holds_all_that_reaches_a_unit_together():
    generator = np.random.default_rng(3)
    params = Parameters.zeros(SKIP, "float64")
    params.theta[...] = generator.normal(size=SKIP.n_parameters)
    gradient = 0.1 * generator.normal(size=SKIP.n_parameters)
    free = take(optim.sgd(1.0), params.copy(), [gradient])
    held = take(optim.chain(optim.sgd(1.0), optim.max_norm(1.2)), params.copy(), [gradient])
    for name in ("h", "i", "y"):
        before, after = incoming(free, name), incoming(held, name)
        lengths = np.linalg.norm(before, axis=0)
        np.testing.assert_allclose(after, before * np.minimum(1, 1.2 / lengths), rtol=1e-13)
        np.testing.assert_array_equal(held[f"{name}.bias"], free[f"{name}.bias"])
    long = np.linalg.norm(incoming(free, "h"), axis=0) > 1.2
    assert long.any()
    assert not long.all()
    np.testing.assert_array_equal(incoming(held, "h")[:, ~long], incoming(free, "h")[:, ~long])  # bit for bit


def test_max_norm_may_be_meant_for_some_populations_only():
    params = Parameters.zeros(SKIP, "float64")
    params.theta[...] = 5
    held = take(optim.chain(optim.sgd(1.0), optim.max_norm(1.0, "h")), params, [np.zeros(SKIP.n_parameters)])
    np.testing.assert_allclose(np.linalg.norm(incoming(held, "h"), axis=0), 1, rtol=1e-14)
    assert (incoming(held, "y") == 5).all()


def test_max_norm_refuses_projections_whose_incoming_weights_it_does_not_know():
    net = Topology([Population("a", 9), Population("b", 9)], [Sparse("a", "b", FixedProbability(0.5))])
    with pytest.raises(UnsupportedTopology, match="not of 'a->b'"):
        optim.max_norm(1.0).init(Parameters.zeros(net))


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


def test_losses_reach_the_schedules_of_all_parts_of_a_chain():
    rate, decay = optim.on_plateau(1.0, 0.5, patience=1), optim.on_plateau(0.1, 0.5, patience=1)
    transform = optim.chain(optim.chain(optim.sgd(optim.warm_up(2, rate))), optim.weight_decay(optim.scaled(decay, 2)))
    transform.see([1.0, 2.0])
    assert (rate(0), decay(0)) == (0.5, 0.05)


def test_the_identity_of_a_chain_is_all_but_its_learning_rates():
    def make(rate, beta1=0.9, bound=1.0, penalty=0.1):
        return optim.chain(optim.l2(penalty), optim.clip_value(bound), optim.adamw(rate, beta1), optim.dale())

    one = make(0.1).identity()
    assert make(optim.warm_up(5, optim.linear(0.1, 0, 100))).identity() == one
    assert make(0.1, beta1=0.8).identity() != one
    assert make(0.1, bound=2.0).identity() != one
    assert make(0.1, penalty=0.2).identity() != one
    assert copy.deepcopy(make(0.1)).identity() == one


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: optim.clip_value(0), r"bound must be a number in \(0, inf\)"),
        (lambda: optim.max_norm(-1), r"limit must be a number in \(0, inf\)"),
        (lambda: optim.l1(-1), r"rate of l1 must be a number in \[0, inf\)"),
        (lambda: optim.l2(1, biases=-1), r"biases must be a number in \[0, inf\)"),
        (lambda: optim.weight_decay(-0.1), r"rate of weight_decay must be a number in \[0, inf\)"),
    ],
)
def test_settings_out_of_range_are_refused(bad, message):
    with pytest.raises(InvalidInput, match=message):
        bad()
