"""Training in compiled calls gives the numbers of the plain loop."""

import numpy as np
import pytest

from bioneuro import Dense, OneToOne, Parameters, Population, Topology, optim
from bioneuro._jit.keys import Key
from bioneuro.initializers import initialise
from bioneuro.training.batches import Batch
from feedforward.backprop import Backprop
from feedforward.epoch import train
from feedforward.network import Network
from feedforward.normalisation import with_batch_norm
from feedforward.program import Program, reason_against

KEY = Key.from_seed(3)
SMALL = Topology.mlp(20, 17, 33, 5, unit="tanh", skip=[("input", "hidden2"), ("hidden1", "output")])


def problem(topology, dtype, density=1.0, n=70, unit_range=False):
    draw = np.random.default_rng(0)
    sizes = [topology.by_role(role)[0].size for role in ("input", "output")]
    X = draw.normal(size=(n, sizes[0])) * (draw.random((n, sizes[0])) < density)
    X = np.clip(X, 0, 1) if unit_range else X
    y = np.eye(sizes[1])[draw.integers(0, sizes[1], n)]
    return X.astype(dtype), y.astype(dtype), draw.permutation(n)


def first_parameters(topology, dtype):
    parameters = initialise(topology, random_state=0, dtype=dtype)
    parameters.theta[...] += 0.01  # no bias and no slope at its first value
    return parameters


def compiled(backprop, optimizer, data, dtype, batch_size=16, n_threads=1, weights=None):
    X, y, order = data
    parameters = first_parameters(backprop.network.topology, dtype)
    state = optimizer.init(parameters)
    program = Program(backprop, parameters, X, y, optimizer, batch_size, n_threads, weights)
    program.load(parameters, state)
    losses, first = [], 0
    while first * batch_size < len(order):
        steps, seen = program.run(order, np.append(np.arange(0, len(order), batch_size), len(order)), first, 0, KEY)
        losses.append(seen)
        first += steps
    program.store(parameters, state)
    return parameters.theta, np.concatenate(losses)


def plain(backprop, optimizer, data, dtype, batch_size=16, weights=None):
    X, y, order = data
    parameters = first_parameters(backprop.network.topology, dtype)
    state, out = optimizer.init(parameters), Parameters.zeros(backprop.network.topology, dtype)
    losses = []
    for step, first in enumerate(range(0, len(order), batch_size)):
        rows = order[first : first + batch_size]
        out.theta[...] = 0
        own = None if weights is None else weights[rows]
        total = len(rows) if weights is None else own.sum()
        losses.append(total * backprop(parameters, Batch(X[rows], y[rows], rows, own), KEY, step, out))
        optimizer.update(out.theta, state, parameters, step)
        parameters.theta += out.theta
    return parameters.theta, np.array(losses)


def assert_same(backprop, optimizer, density=1.0, **options):
    data = problem(backprop.network.topology, "float64", density, unit_range=backprop.corrupts)
    assert reason_against(backprop.network, optimizer, first_parameters(backprop.network.topology, "float64")) is None
    ours, losses = compiled(backprop, optimizer, data, "float64", **options)
    theirs, sums = plain(backprop, optimizer, data, "float64", options.get("batch_size", 16))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)  # sums in another order, over a few steps
    assert losses.sum() == pytest.approx(sums.sum(), rel=1e-12)


@pytest.mark.parametrize("name", list(optim.OPTIMIZERS))
def test_every_optimiser_takes_the_same_path(name):
    optimizer = optim.OPTIMIZERS[name](0.01)
    if optim.fused.fuse(optimizer, first_parameters(SMALL, "float64")) is None:
        pytest.skip(f"{name} goes step by step")
    assert_same(Backprop(Network(SMALL), l2=1e-2), optimizer)


@pytest.mark.parametrize(
    ("output", "loss"),
    [("softmax", "cross-entropy"), ("sigmoid", "logistic"), ("linear", "squared"), ("sigmoid", "squared")],
)
def test_losses_that_know_their_unit_and_losses_that_go_through_it(output, loss):
    assert_same(Backprop(Network(SMALL.with_units(output=output)), loss), optim.momentum(0.05))


@pytest.mark.parametrize("dropout", [0.5, {"hidden1": 0.3, "input": 0.2}], ids=["hidden", "input"])
def test_the_same_units_are_dropped(dropout):
    assert_same(Backprop(Network(SMALL), dropout=dropout), optim.adam(0.01))


@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("unit", "names", "dropout"),
    [("tanh", True, 0.0), ("prelu", True, 0.4), ("relu", "hidden2", {"input": 0.2, "hidden2": 0.3})],
)
def test_the_same_populations_are_normalised(unit, names, dropout, density):
    network = Network(with_batch_norm(SMALL.with_units(hidden=unit), names, momentum=0.3, epsilon=1e-3))
    assert_same(Backprop(network, l2=1e-3, dropout=dropout), optim.adam(0.01), density)


@pytest.mark.parametrize("output", ["softmax", "tanh", "linear"])
def test_outputs_and_one_to_one_projections_are_normalised_in_the_same_way(output):
    topology = Topology(
        [
            Population("input", 20, role="input"),
            Population("middle", 20, unit="elu"),
            Population("output", 3, "output", unit=output),
        ],
        [OneToOne("input", "middle"), Dense("middle", "output"), Dense("input", "output")],
    )
    assert_same(Backprop(Network(with_batch_norm(topology, ("middle", "output")))), optim.momentum(0.05))


def test_gains_can_be_frozen_and_statistics_go_on():
    topology = with_batch_norm(SMALL)
    frozen = optim.chain(optim.adam(0.01), optim.freeze(("hidden1.gain", "hidden2.bias", "hidden1.mean")))
    assert_same(Backprop(Network(topology)), frozen)
    before = first_parameters(topology, "float64")
    after = before.like(compiled(Backprop(Network(topology)), frozen, problem(topology, "float64"), "float64")[0])
    for key in ("hidden1.gain", "hidden2.bias"):
        np.testing.assert_array_equal(after[key], before[key])
    for key in ("hidden2.gain", "hidden1.bias", "hidden1.mean"):
        assert not np.array_equal(after[key], before[key])


@pytest.mark.parametrize("dropout", [0.0, {"input": 0.2}], ids=["noise", "noise and dropout"])
def test_inputs_have_the_same_noise(dropout):
    assert_same(Backprop(Network(SMALL), noise=0.3, dropout=dropout), optim.adam(0.01), density=0.15)


@pytest.mark.parametrize("options", [{"flip": 0.2}, {"mask": 0.3}, {"flip": 0.4, "mask": 0.6, "noise": 0.1}], ids=str)
def test_the_same_inputs_are_flipped_and_unknown(options):
    assert_same(Backprop(Network(SMALL), **options), optim.adam(0.01), density=0.15)


def sharing(n_input, n_hidden, unit="sigmoid"):
    """Weights that run both ways, and weights that two layers have in common; the input reaches three populations."""
    sizes = (n_input, n_hidden, n_hidden, 7, 7, n_hidden, n_input)
    roles, units = ("input", *["hidden"] * 5, "output"), ("linear", *[unit] * 5, "sigmoid")
    kinds = zip("abcdefg", sizes, roles, units, strict=True)
    return Topology(
        [Population(name, size, role, unit) for name, size, role, unit in kinds],
        [
            Dense("f", "g", tied_to="a->b"),  # turned over, and named before its owner
            Dense("a", "b"),
            Dense("a", "c", tied_to="a->b"),
            Dense("b", "d"),
            Dense("c", "e", tied_to="b->d"),
            Dense("d", "f", tied_to="b->d"),
            Dense("e", "f", tied_to="b->d"),
            Dense("a", "f"),
        ],
    )


@pytest.mark.parametrize("batch_size", [1, 7, 16])
@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
@pytest.mark.parametrize("sizes", [(20, 9), (30, 70), (130, 64)])
def test_weights_are_shared(sizes, density, batch_size):
    backprop = Backprop(Network(sharing(*sizes)), l2=1e-3, dropout={"b": 0.2, "d": 0.3})
    assert_same(backprop, optim.momentum(0.05), density, batch_size=batch_size)


@pytest.mark.parametrize(
    "optimizer",
    [
        optim.adam(0.01),
        optim.chain(optim.clip(0.1), optim.adam(0.01)),
        optim.chain(optim.adam(0.01), optim.freeze("b->d")),
    ],
    ids=["adam", "clipped", "frozen"],
)
def test_shared_weights_have_the_same_bytes_for_any_number_of_threads(optimizer):
    backprop = Backprop(Network(sharing(130, 200, "tanh")))
    assert_same(backprop, optimizer)
    data = problem(backprop.network.topology, "float32", 0.15)
    one, *others = (compiled(backprop, optimizer, data, "float32", n_threads=n) for n in (1, 2, 3))
    assert [other[0].tobytes() for other in others] == [one[0].tobytes()] * 2


def test_units_that_learn_their_slope():
    assert_same(Backprop(Network(SMALL.with_units(hidden="prelu"))), optim.momentum(0.05))


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_of_a_power_of_two_are_put_further_apart(weighted):
    topology = Topology.mlp(256, 512, 256, unit="tanh")
    backprop, data = Backprop(Network(topology), dropout={"input": 0.1, "hidden": 0.2}), problem(topology, "float64")
    weights = np.random.default_rng(1).random(len(data[0])) if weighted else None
    options = {"batch_size": 16, "weights": weights}
    ours, theirs = (way(backprop, optim.momentum(0.05), data, "float64", **options) for way in (compiled, plain))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 70])
def test_sparse_inputs_and_short_last_batches(batch_size):
    assert_same(Backprop(Network(SMALL)), optim.adam(0.01), density=0.15, batch_size=batch_size)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_batch_may_hold_the_fullest_row_of_sparse_inputs_many_times(n_threads):
    X, y, _ = problem(SMALL, "float64", density=0.1)
    X[3] = 1.0
    order = np.repeat([3, 5, 3], [32, 6, 32])
    backprop, optimizer = Backprop(Network(SMALL)), optim.momentum(0.05)
    ours, losses = compiled(backprop, optimizer, (X, y, order), "float64", n_threads=n_threads)
    theirs, sums = plain(backprop, optimizer, (X, y, order), "float64")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert losses.sum() == pytest.approx(sums.sum(), rel=1e-12)


@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
def test_one_to_one_projections(density):
    topology = Topology(
        [
            Population("input", 20, role="input"),
            Population("middle", 20, unit="tanh"),
            Population("output", 3, "output"),
        ],
        [OneToOne("input", "middle"), Dense("middle", "output"), Dense("input", "output")],
    )
    assert_same(Backprop(Network(topology)), optim.adam(0.01), density)


def test_what_stands_around_the_optimiser_in_a_chain():
    topology = Topology(
        [
            Population("input", 20, role="input"),
            Population("hidden", 9, unit="relu"),
            Population("output", 3, "output"),
        ],
        [Dense("input", "hidden", sign=1), Dense("hidden", "output")],
    )
    chain = optim.chain(optim.adam(0.01), optim.weight_decay(0.01), optim.freeze(("hidden->output",)), optim.dale())
    assert_same(Backprop(Network(topology)), chain)
    data = problem(topology, "float32")
    before = first_parameters(topology, "float32")
    after = before.like(compiled(Backprop(Network(topology)), chain, data, "float32")[0])
    assert after["hidden->output"].tobytes() == before["hidden->output"].tobytes()
    assert (after["input->hidden"] >= 0).all()


@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_a_gradient_that_is_too_long_is_made_shorter_as_a_whole(density, penalty):
    parts = (optim.l1(penalty), optim.clip_value(0.05), optim.clip(0.1), optim.momentum(0.3))
    assert_same(Backprop(Network(SMALL), l2=penalty), optim.chain(*parts), density)


def test_the_largest_length_may_be_a_whole_number():
    for norm in (0.5, 1):  # a training with another type of number would be refused by the kernels of the first
        assert_same(Backprop(Network(SMALL)), optim.chain(optim.clip(norm), optim.momentum(0.3)))


def test_the_gradient_of_what_is_frozen_counts_in_its_length():
    frozen = ("input->hidden2", "hidden1.bias")
    chain = optim.chain(optim.clip(0.1), optim.adam(0.01), optim.weight_decay(0.1), optim.freeze(frozen))
    assert_same(Backprop(Network(SMALL)), chain)
    before = first_parameters(SMALL, "float64")
    after = before.like(compiled(Backprop(Network(SMALL)), chain, problem(SMALL, "float64"), "float64")[0])
    for key in frozen:
        np.testing.assert_array_equal(after[key], before[key])


@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    "optimizer",
    [
        optim.adam(0.01),
        optim.chain(optim.clip(0.1), optim.adam(0.01)),
        optim.chain(optim.adam(0.01), optim.max_norm(0.5)),
    ],
)
@pytest.mark.parametrize("sizes", [(40, 200, 130, 3), (40, 200, 100), (40, 50, 3), (40, 256, 256)])
def test_any_number_of_threads_gives_the_same_bytes(density, optimizer, sizes):
    topology = with_batch_norm(Topology.mlp(*sizes, unit="prelu"))
    disturbed = {"noise": 0.1, "flip": 0.1, "mask": 0.1} if density == 1 else {}
    backprop = Backprop(Network(topology), dropout=0.2, **disturbed)
    data = problem(topology, "float32", density, unit_range=backprop.corrupts)
    one, *others = (compiled(backprop, optimizer, data, "float32", n_threads=n) for n in (1, 2, 3))
    for other in others:
        assert other[0].tobytes() == one[0].tobytes()
        assert other[1].tobytes() == one[1].tobytes()


def test_moments_of_dead_inputs_end_at_zero_and_not_among_subnormal_numbers():
    topology, optimizer = Topology.mlp(20, 16, 3), optim.momentum(0.01, beta=0.5)
    X, y, order = problem(topology, "float32", n=400)
    X[1:, :5] = 0  # these inputs are alive in one row only
    parameters = first_parameters(topology, "float32")
    state = optimizer.init(parameters)
    program = Program(Backprop(Network(topology)), parameters, X, y, optimizer, 1, 1)
    program.load(parameters, state)
    first = 0
    while first < len(order):
        first += program.run(np.arange(len(order)), np.arange(len(order) + 1), first, 0, KEY)[0]
    program.store(parameters, state)
    moments = parameters.like(state["velocity"])["input->hidden"][:5]
    assert not moments.any()


def test_data_that_may_not_be_written_to_and_whole_numbers_need_no_code_of_their_own():
    X, y, order = problem(SMALL, "float32")
    compiled(Backprop(Network(SMALL)), optim.sgd(0.01), (X, y, order), "float32")
    known = len(train.signatures)
    for array in (X, y, order):
        array.flags.writeable = False
    compiled(Backprop(Network(SMALL)), optim.sgd(0.01), (X, y, order.astype(np.int32)), "float32")
    compiled(Backprop(Network(SMALL)), optim.sgd(0.01), (np.asfortranarray(X), y > 0, order), "float32")
    assert len(train.signatures) == known


LIMITS = {
    "all units": (optim.max_norm(0.6),),
    "some more than others": (optim.max_norm(0.8), optim.max_norm(0.5, "hidden2"), optim.freeze(())),
}


@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
@pytest.mark.parametrize("limits", LIMITS)
def test_what_reaches_a_unit_is_held_to_the_same_length(limits, density):
    free = optim.chain(optim.l1(0.01), optim.adam(0.01), optim.weight_decay(0.01))
    held = optim.chain(free, *LIMITS[limits], optim.dale())
    assert_same(Backprop(Network(SMALL)), held, density)
    longest = {}
    for chain in (free, held):
        params, data = first_parameters(SMALL, "float64"), problem(SMALL, "float64", density)
        params.theta[...], _ = compiled(Backprop(Network(SMALL)), chain, data, "float64")
        arriving = {name: [params[edge.name] for edge in SMALL.incoming(name)] for name in ("hidden1", "output")}
        longest[chain] = [np.linalg.norm(np.concatenate(weights), axis=0).max() for weights in arriving.values()]
    assert max(longest[held]) <= held.transforms[1].limit * (1 + 1e-12) < min(longest[free])


@pytest.mark.parametrize("clip", [(), (optim.clip(0.3),)], ids=["", "clipped"])
def test_lengths_are_held_beside_normalisation_clipping_and_one_to_one_projections(clip):
    topology = Topology(
        [Population("input", 20, role="input"), Population("middle", 20), Population("output", 3, "output")],
        [OneToOne("input", "middle"), Dense("middle", "output"), Dense("input", "output")],
    )
    chain = optim.chain(*clip, optim.sgd(0.3), optim.max_norm(0.7))
    assert_same(Backprop(Network(with_batch_norm(topology))), chain)


def test_what_cannot_be_compiled_is_named():
    parameters = first_parameters(SMALL, "float64")
    chain = optim.chain(optim.max_norm(1.0), optim.adam(0.01))
    assert reason_against(Network(SMALL), chain, parameters) == "the optimiser is a chain that cannot be fused"
    tied = Topology(
        [Population("input", 4, role="input"), Population("hidden", 3), Population("output", 4, role="output")],
        [Dense("input", "hidden"), Dense("hidden", "output", tied_to="input->hidden")],
    )
    bounded = optim.chain(optim.adam(0.01), optim.max_norm(1.0))
    reason = reason_against(Network(tied), bounded, first_parameters(tied, "float64"))
    assert reason == "the weights that reach a unit are held to a length, and some are tied to others"
    way = OneToOne("input", "output")
    one_to_one = Topology(
        [tied["input"], tied["output"]], [way, OneToOne("input", "output", name="again", tied_to=way)]
    )
    reason = reason_against(Network(one_to_one), optim.adam(0.01), first_parameters(one_to_one, "float64"))
    assert reason == "a one-to-one projection is tied to another"


@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
def test_weights_of_rows_count_in_the_same_way(density):
    X, y, order = problem(SMALL, "float64", density)
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    weights[order[16:32]] = 0  # a whole batch that counts nothing
    backprop, optimizer = Backprop(Network(SMALL)), optim.momentum(0.05)
    ours, losses = compiled(backprop, optimizer, (X, y, order), "float64", weights=weights)
    theirs, sums = plain(backprop, optimizer, (X, y, order), "float64", weights=weights)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert losses.sum() == pytest.approx(sums.sum(), rel=1e-12)


def test_a_row_of_weight_two_counts_as_two_rows():
    X, y, _ = problem(SMALL, "float64", n=12)
    weights = np.array([0, 1, 2] * 4, dtype=float)
    copies = np.repeat(np.arange(12), weights.astype(int))
    backprop, optimizer = Backprop(Network(SMALL)), optim.momentum(0.05)
    weighted, _ = compiled(backprop, optimizer, (X, y, np.arange(12)), "float64", weights=weights)
    repeated, _ = compiled(backprop, optimizer, (X[copies], y[copies], np.arange(12)), "float64")
    np.testing.assert_allclose(weighted, repeated, rtol=0, atol=1e-14)
