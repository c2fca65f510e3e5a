"""What a compiled epoch takes of a chain gives the numbers of the chain itself."""

from itertools import pairwise

import numpy as np
import pytest

from bioneuro import Dense, OneToOne, Parameters, Population, Topology, optim
from bioneuro.optim.fused import Own, fuse
from bioneuro.optim.kernels import block

pytestmark = pytest.mark.small
NET = Topology(
    [Population("x", 3, "input"), Population("h", 4, unit="prelu"), Population("i", 4), Population("y", 2, "output")],
    [Dense("x", "h", sign=1), Dense("h", "y"), Dense("x", "y"), OneToOne("h", "i", sign=-1), Dense("i", "y")],
)
STEPS = 30


@pytest.fixture(scope="module")
def gradients():
    return np.random.default_rng(0).normal(size=(STEPS, NET.n_parameters))


def first_weights():
    params = Parameters.zeros(NET, "float64")
    params.theta[...] = np.random.default_rng(1).normal(size=NET.n_parameters)
    for name, sign in (("x->h", 1), ("h->i", -1)):
        params[name] = sign * np.abs(params[name])
    return params


def by_the_chain(transform, gradients):
    params = first_weights()
    state = transform.init(params)
    for step, gradient in enumerate(gradients):
        update = gradient.copy()
        transform.update(update, state, params, step)
        params.theta += update
    return params.theta


def by_blocks(transform, gradients):
    """Array by array, as an engine does it."""
    params = first_weights()
    fused = fuse(transform, params)
    moments = fused.moments(transform.init(params))
    kernel = block(type(fused.optimizer).rule, len(moments))
    unused = [np.zeros(0)] * (3 - len(moments))
    constants = fused.constants(0, len(gradients), np.float64)
    for gradient, row in zip(gradients, constants, strict=True):
        for key, placed in NET.layout.items():
            if key not in fused.frozen:
                at = placed.where.start
                kernel(
                    params.theta,
                    *moments,
                    *unused,
                    *(at, gradient, at, placed.where.stop - at),
                    row,
                    np.array(fused.own[key]),
                )
    return params.theta


FUSED = {
    "momentum": optim.momentum(0.1, first_rate=0.3),
    "amsgrad": optim.amsgrad(optim.cosine(0.1, 0, 20)),
    "radam": optim.radam(0.1, beta2=0.9),
    "rprop": optim.rprop(0.1),
    "quickprop": optim.quickprop(0.01),
    "adamw": optim.adamw(optim.linear(0.1, 0, 20), decay=0.5, biases=0.5),
    "centred": optim.centred_rmsprop(0.01, inside=True, corrected=True),
    "growing momentum": optim.momentum(0.1, optim.growing_momentum(over=10)),
    "all that fuses": optim.chain(
        optim.chain(optim.l1(0.1), optim.l2(0.2, biases=0.1), optim.clip_value(0.7), optim.clip_value(2)),
        optim.chain(optim.nesterov(0.1), optim.weight_decay(0.1), optim.weight_decay(0.05, biases=1)),
        optim.per_layer({"h": 0.5, "h.bias": 0.0, "i->y": 3.0}),
        optim.chain(optim.freeze(("x->y",)), optim.dale()),
    ),
}


@pytest.mark.parametrize("name", FUSED)
def test_blocks_of_arrays_take_the_steps_of_the_chain(name, gradients):
    theirs = by_the_chain(FUSED[name], gradients)
    assert np.abs(theirs - first_weights().theta).max() > 0.01
    np.testing.assert_allclose(by_blocks(FUSED[name], gradients), theirs, rtol=0, atol=1e-12)  # rounding


def test_each_array_has_what_the_chain_says_of_it():
    own = fuse(FUSED["all that fuses"], first_weights()).own
    rest = {"l1": 0.1, "l2": 0.4, "bound": 0.7}
    assert own["x->h"] == pytest.approx(Own(rate=0.5, decay=0.075, low=0.0, **rest))
    assert own["h->y"] == pytest.approx(Own(decay=0.15, **rest))
    assert own["h->i"] == pytest.approx(Own(decay=0.15, high=0.0, **rest))
    assert own["h.bias"] == pytest.approx(Own(rate=0.0, l2=0.04, bound=0.7))
    assert own["h.alpha"] == pytest.approx(Own(rate=0.5, bound=0.7))  # learnt arrays know no penalty


def test_the_least_of_several_limits_counts():
    chain = optim.chain(optim.sgd(0.1), optim.dale(), optim.max_norm(2.0), optim.max_norm(1.0, ("h", "i")))
    assert fuse(chain, first_weights()).limits == {"h": 1.0, "i": 1.0, "y": 2.0}


@pytest.mark.parametrize(
    "transform",
    [
        optim.yellowfin(),
        optim.weight_decay(0.1),
        optim.chain(optim.clip(1.0), optim.clip_value(1.0), optim.sgd(0.1)),
        optim.chain(optim.sgd(0.1), optim.max_norm(2.0), optim.dale()),  # lengths are taken last
        optim.chain(optim.sgd(0.1), optim.max_norm(2.0), optim.freeze(("x->y",))),  # whose step counts in the length
        optim.chain(optim.sgd(0.1), optim.max_norm(2.0), optim.weight_decay(0.1)),
        optim.chain(optim.sgd(0.1), optim.adam(0.1)),
        optim.chain(optim.clip_value(1.0), optim.l2(0.1), optim.sgd(0.1)),  # bounded before the penalty
        optim.chain(optim.sgd(0.1), optim.clip_value(0.1)),  # bounds the step
        optim.chain(optim.per_layer({"h": 2}), optim.adam(0.1)),  # scales the gradient
        optim.chain(optim.sgd(0.1), optim.dale(), optim.weight_decay(0.1)),
        optim.chain(optim.sgd(0.1), optim.freeze(("x->y",)), optim.weight_decay(0.1)),  # the frozen would decay
        optim.chain(optim.sgd(0.1), optim.weight_decay(optim.linear(1, 0, 9)), optim.weight_decay(0.1)),
    ],
)
def test_what_a_block_cannot_do_in_the_same_order_is_not_fused(transform):
    assert fuse(transform, first_weights()) is None


@pytest.mark.parametrize("name", FUSED)
def test_constants_have_the_same_bits_in_pieces_of_any_length(name):
    fused = fuse(FUSED[name], first_weights())
    whole = fused.constants(0, 2000, np.float64)
    ends = [0, 1, 2, 5, 12, 27, 58, 121, 248, 503, 1014, 1999, 2000]
    pieces = [fused.constants(first, last, np.float64) for first, last in pairwise(ends)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_schedule_that_takes_one_step_at_a_time_is_asked_so():
    fused = fuse(
        optim.chain(optim.sgd(lambda t: 1.0 if t < 3 else 0.5), optim.weight_decay(lambda t: min(t, 2))),
        first_weights(),
    )
    constants = fused.constants(0, 5, np.float32)
    np.testing.assert_array_equal(constants[:, 0], [1, 1, 1, 0.5, 0.5])
    np.testing.assert_array_equal(constants[:, -1], [0, 1, 2, 2, 2])
    falling = fuse(optim.sgd(lambda t: 0.1 * 0.987**t if t < 400 else 0.0), first_weights())
    one_by_one = [falling.constants(step, step + 1, np.float64) for step in range(400)]
    np.testing.assert_array_equal(np.concatenate(one_by_one), falling.constants(0, 400, np.float64))
