"""Batch normalisation: what it computes, what it learns, and how it is folded away."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

import bioneuro
from bioneuro import Dense, OneToOne, Parameters, Population, Topology, optim
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, UnknownName, UnsupportedTopology
from bioneuro.initializers import initialise
from bioneuro.training import Batch, fit
from feedforward import EnsembleClassifier, NetworkClassifier, NetworkRegressor, check_gradient
from feedforward.activations import ACTIVATIONS
from feedforward.backprop import Backprop
from feedforward.network import Network, alive_masks
from feedforward.normalisation import Normalised, check_rows, fold, with_batch_norm
from tests.naive.normalisation import normalise as naive

pytestmark = pytest.mark.small
KEY = Key.from_seed(0)
SKIPS = [("input", "output"), ("hidden1", "output"), ("input", "hidden2")]
DEEP = Topology.mlp(4, 5, 6, 3, unit="tanh", skip=SKIPS)
WEAVE = Topology(  # one-to-one projections beside dense ones, an input that reaches two normalised populations
    [
        Population("a", 4, "input"),
        Population("b", 4, unit="prelu"),
        Population("c", 4, unit="elu"),
        Population("d", 3, "output", "softmax"),
    ],
    [OneToOne("a", "b"), OneToOne("a", "c"), Dense("b", "c"), Dense("c", "d"), Dense("a", "d")],
)


def learnt(topology, populations=True, dtype="float64", **options):
    """Parameters of a normalised network as they may be after some training."""
    params = initialise(with_batch_norm(topology, populations, **options), random_state=0, dtype=dtype)
    params.theta[...] += 0.3 * np.random.default_rng(1).normal(size=params.theta.size)
    for key in params:
        if key.endswith(".variance"):
            params[key] = np.abs(params[key])
    return params


def rows(n, topology, seed=0):
    draw = np.random.default_rng(seed)
    sizes = [topology.by_role(role)[0].size for role in ("input", "output")]
    return draw.normal(1, 2, (n, sizes[0])), np.eye(sizes[1])[draw.integers(0, sizes[1], n)]


# -- the equation ------------------------------------------------------------------------------------------------------


def test_each_unit_is_normalised_over_the_rows_before_its_activation():
    params = learnt(Topology.mlp(4, 5, 3, unit="linear"), epsilon=0.1)
    X, _ = rows(7, params.topology)
    layers = Network(params.topology).forward(params, X, by_batch=True)
    for j, z in enumerate((X @ params["input->hidden"]).T):
        gain, bias = params["hidden.gain"][j], params["hidden.bias"][j]
        expected, _, _ = naive(z.tolist(), gain, bias, 0.1)
        np.testing.assert_allclose(layers.outputs["hidden"][:, j], expected, atol=1e-14)


def test_running_statistics_move_towards_the_mean_and_the_unbiased_variance_of_the_batch():
    params = learnt(Topology.mlp(4, 5, 3), momentum=0.25)
    before = params.copy()
    X, y = rows(7, params.topology)
    Backprop(Network(params.topology))(
        params, Batch(X, y, np.arange(7)), KEY, 0, Parameters.zeros(params.topology, "float64")
    )
    for j, z in enumerate((X @ params["input->hidden"]).T):
        _, mean, variance = naive(z.tolist(), 1, 0, 0)
        for array, seen in (("mean", mean), ("variance", variance)):
            expected = 0.75 * before[f"hidden.{array}"][j] + 0.25 * seen
            assert params[f"hidden.{array}"][j] == pytest.approx(expected, rel=1e-13)


def test_a_gain_and_bias_that_undo_it_give_the_identity():
    plain = Topology.mlp(4, 5, 3, unit="tanh")
    params = Parameters.zeros(with_batch_norm(plain), "float64").transfer_from(initialise(plain, dtype="float64"))
    X, _ = rows(9, plain)
    z = X @ params["input->hidden"]
    params["hidden.gain"], params["hidden.bias"] = np.sqrt(z.var(axis=0) + 1e-5), z.mean(axis=0)
    outputs = Network(params.topology).forward(params, X, by_batch=True).outputs["hidden"]
    np.testing.assert_allclose(outputs, np.tanh(z), atol=1e-14)


def test_ten_steps_of_training_are_those_of_torch():
    with np.load(Path(__file__).parent / "recorded" / "batch_norm.npz") as file:
        recorded = dict(file)
    topology = with_batch_norm(Topology.mlp(4, 5, 3, unit="tanh", output="linear"))
    params, out = Parameters.zeros(topology, "float64"), Parameters.zeros(topology, "float64")
    for key in params:
        params[key] = recorded[key][0]
    backprop, descent = Backprop(Network(topology)), optim.sgd(0.3)
    for step, (X, y) in enumerate(zip(recorded["X"], recorded["y"], strict=True)):
        out.theta[...] = 0
        backprop(params, Batch(X, y, np.arange(len(X))), KEY, step, out)
        descent.update(out.theta, descent.init(params), params, step)
        params.theta += out.theta
        for key in params:
            np.testing.assert_allclose(params[key], recorded[key][step + 1], rtol=1e-12, atol=1e-13, err_msg=key)
    answer = Network(fold(params).topology).forward(fold(params), recorded["X"][0]).emitted["output"]
    np.testing.assert_allclose(answer, recorded["answer"], rtol=1e-12)


# -- the gradient ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [*ACTIVATIONS, "softmax"])
def test_the_gradient_equals_central_differences_with_skips_penalty_and_dropout(unit):
    net = Topology.mlp(3, 4, 3, 2, unit=unit, skip=SKIPS)
    assert check_gradient(net, l2=0.01, dropout=0.3, batch_norm=("hidden1", "hidden2")) < 1e-6


@pytest.mark.parametrize(("output", "loss"), [("linear", "squared"), ("sigmoid", "squared"), ("softmax", "auto")])
def test_outputs_may_be_normalised_too(output, loss):
    assert check_gradient(WEAVE.with_units(d=output), loss=loss, batch_norm=("b", "c", "d")) < 1e-6


def test_the_gradient_check_looks_at_gains_and_biases(monkeypatch):
    right = Network.backward

    def wrong(self, params, layers, delta, closed, gradient, masks=None):
        right(self, params, layers, delta, closed, gradient, masks)
        gradient["hidden.gain"] *= 1.001

    monkeypatch.setattr(Network, "backward", wrong)
    assert check_gradient(Topology.mlp(4, 5, 3), batch_norm=True) > 1e-4


# -- folding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("topology", "names"), [(DEEP, True), (DEEP, "hidden2"), (WEAVE, ("b", "c", "d"))])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_folded_network_is_the_normalised_one_at_inference(topology, names, dtype):
    params = learnt(topology, names, dtype)
    before = params.theta.copy()
    folded = fold(params)
    assert folded.topology == topology
    assert folded.dtype == dtype
    np.testing.assert_array_equal(params.theta, before)
    X = rows(20, topology)[0].astype(dtype)
    theirs = Network(params.topology).forward(params, X).emitted
    ours = Network(topology).forward(folded, X).emitted
    for population in topology.populations:
        np.testing.assert_allclose(
            ours[population.name], theirs[population.name], atol=100 * np.finfo(dtype).eps, err_msg=population.name
        )


def test_inference_is_by_running_statistics_row_by_row():
    params = learnt(Topology.mlp(4, 5, 3, unit="linear"))
    X, _ = rows(6, params.topology)
    hidden = Network(params.topology).forward(params, X).emitted["hidden"]
    bias, gain, mean, variance = (params[f"hidden.{array}"] for array in ("bias", "gain", "mean", "variance"))
    expected = gain * (X @ params["input->hidden"] - mean) / np.sqrt(variance + 1e-5) + bias
    np.testing.assert_allclose(hidden, expected, atol=1e-13)
    alone = Network(params.topology).forward(params, X[2:3]).emitted["hidden"]
    assert alone.tobytes() == hidden[2:3].tobytes()


def test_a_folded_network_can_be_lesioned_and_saved(tmp_path):
    folded = fold(learnt(DEEP))
    bioneuro.save(tmp_path / "folded.npz", folded)
    again = bioneuro.load(tmp_path / "folded.npz")
    assert again.theta.tobytes() == folded.theta.tobytes()
    lesion = DEEP.lesion(units=0.5, synapses=0.1, random_state=0)
    masks = alive_masks(DEEP, lesion.alive, folded.dtype)
    hidden = Network(DEEP).forward(lesion.apply(again), rows(3, DEEP)[0], masks).emitted["hidden1"]
    np.testing.assert_array_equal(hidden[:, ~lesion.alive_in("hidden1")], 0)


def test_a_lesion_cuts_the_synapses_that_training_goes_on_from_too():
    X = np.random.default_rng(0).normal(size=(30, 4))
    whole = NetworkClassifier(topology=DEEP, batch_norm=True, epochs=2, random_state=0).fit(X, np.arange(30) % 3)
    before = whole.training_parameters_.theta.tobytes()
    hurt = whole.lesion(synapses=0.5, random_state=0)
    np.testing.assert_array_equal(fold(hurt.training_parameters_).theta, hurt.parameters_.theta)
    hurt.set_params(frozen=("input->hidden1",)).partial_fit(X, np.arange(30) % 3)
    assert np.count_nonzero(hurt.parameters_["input->hidden1"] == 0) == 10
    assert whole.training_parameters_.theta.tobytes() == before


def test_the_first_weights_are_those_of_the_network_without():
    for unit in ACTIVATIONS:
        net = Topology.mlp(4, 5, 3, unit=unit)
        ours, theirs = initialise(with_batch_norm(net), random_state=1), initialise(net, random_state=1)
        for key in theirs:
            np.testing.assert_array_equal(ours[key], theirs[key])


def test_settled_statistics_are_those_of_all_rows():
    params = learnt(DEEP)
    X, _ = rows(30, DEEP)
    network = Network(params.topology)
    settled = network.settle(params, X)
    z = X @ params["input->hidden1"]
    np.testing.assert_allclose(settled["hidden1.mean"], z.mean(axis=0), atol=1e-13)
    np.testing.assert_allclose(settled["hidden1.variance"], z.var(axis=0, ddof=1), rtol=1e-13)
    assert not np.array_equal(settled["hidden2.mean"], params["hidden2.mean"])
    np.testing.assert_array_equal(settled["hidden2.gain"], params["hidden2.gain"])


# -- in training -------------------------------------------------------------------------------------------------------


def test_an_interrupted_training_goes_on_with_its_statistics_bit_for_bit():
    net = with_batch_norm(DEEP)
    first, (X, y) = initialise(net, random_state=0, dtype="float64"), rows(40, DEEP)
    run = dict(optimizer=optim.adam(0.01), batch_size=8, key=KEY)
    whole = fit(first, Backprop(Network(net)), X, y, epochs=3, **run)
    half = fit(first, Backprop(Network(net)), X, y, epochs=1, **run)
    rest = fit(first, Backprop(Network(net)), X, y, epochs=3, state=half.state, **run)
    assert rest.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
    assert not np.array_equal(half.parameters["hidden1.mean"], whole.parameters["hidden1.mean"])


def test_the_best_parameters_keep_the_statistics_they_had():
    net = with_batch_norm(DEEP)
    (X, y), seen = rows(40, DEEP), []

    def validation(params):
        seen.append(params.theta.copy())
        return len(seen) if len(seen) != 2 else 0.0  # the second epoch is the best

    run = dict(optimizer=optim.adam(0.01), batch_size=8, key=KEY, epochs=4, validation=validation)
    best = fit(initialise(net, random_state=0, dtype="float64"), Backprop(Network(net)), X, y, **run)
    assert best.parameters.theta.tobytes() == seen[1].tobytes()


@pytest.mark.parametrize("optimizer", [optim.adam, optim.momentum, optim.rmsprop])
def test_optimisers_leave_the_statistics_to_the_batches(optimizer):
    net = with_batch_norm(Topology.mlp(4, 5, 3))
    (X, y), chain = rows(12, net), optim.chain(optimizer(0.1), optim.weight_decay(0.1))
    first = initialise(net, random_state=0, dtype="float64")
    moved = first.copy()
    Backprop(Network(net))(moved, Batch(X, y, np.arange(12)), KEY, 0, Parameters.zeros(net, "float64"))
    after = fit(first, Backprop(Network(net)), X, y, optimizer=chain, batch_size=12, epochs=1, key=KEY).parameters
    for array in ("mean", "variance"):
        np.testing.assert_allclose(after[f"hidden.{array}"], moved[f"hidden.{array}"], rtol=1e-13)


def test_rows_count_alike_in_the_statistics_whatever_they_weigh():
    net = with_batch_norm(Topology.mlp(4, 5, 3))
    (X, y), params = rows(6, net), initialise(net, random_state=0, dtype="float64")
    statistics = []
    for weights in (None, np.arange(6.0), np.zeros(6)):
        own = params.copy()
        loss = Backprop(Network(net))(own, Batch(X, y, np.arange(6), weights), KEY, 0, Parameters.zeros(net, "float64"))
        assert np.isfinite(loss)
        statistics.append(own["hidden.variance"].tobytes())
    assert len(set(statistics)) == 1


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "message"),
    [
        (1, 8, "at least 2 rows, got 1"),
        (20, 1, "got batch_size=1"),
        (33, 32, "33 rows in batches of 32 leave one row for the last batch.*use batch_size=33, or leave a row out"),
        (13, 4, "use batch_size=5,"),
    ],
)
def test_a_batch_of_one_row_is_refused_before_training_starts_with_a_way_out(n_rows, batch_size, message):
    net = with_batch_norm(Topology.mlp(4, 5, 3))
    X, y = rows(n_rows, net)
    with pytest.raises(InvalidInput, match=message):
        fit(
            initialise(net, dtype="float64"),
            Backprop(Network(net)),
            X,
            y,
            optimizer=optim.sgd(0.1),
            epochs=1,
            batch_size=batch_size,
            key=KEY,
        )


def test_the_batch_size_proposed_leaves_no_single_row():
    for n_rows in range(2, 40):
        for batch_size in range(2, n_rows + 3):
            try:
                check_rows(n_rows, batch_size)
            except InvalidInput as error:
                proposed = int(str(error).split("batch_size=")[1].split(",")[0])
                assert n_rows % min(batch_size, n_rows) == 1
                assert 1 < proposed <= n_rows
                assert n_rows % proposed != 1
            else:
                assert n_rows % min(batch_size, n_rows) != 1


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
def test_estimators_take_the_next_batch_size_that_leaves_no_single_row(kind):
    draw = np.random.default_rng(0)
    X, y = draw.standard_normal((33, 4)), draw.integers(0, 3, 33)
    options = {"batch_norm": True, "epochs": 2, "random_state": 0}
    ours, larger = (kind((5,), batch_size=size, **options).fit(X, y) for size in (32, 33))
    assert ours.parameters_.theta.tobytes() == larger.parameters_.theta.tobytes()
    ours.partial_fit(X, y)
    plain = kind((5,), batch_size=32, **options | {"batch_norm": False}).fit(X, y)
    assert plain.t_ == 2 * 2  # the last batch of a network that is not normalised is one row
    with pytest.raises(InvalidInput, match="batch_size=1"):
        kind((5,), batch_size=1, **options).fit(X, y)


def test_folds_of_any_size_can_be_cross_validated():
    draw = np.random.default_rng(0)
    X, y = draw.standard_normal((49, 4)), np.tile([0, 1], 25)[:49]
    network = NetworkClassifier((5,), batch_norm=True, epochs=1, batch_size=8, random_state=0)
    assert np.isfinite(cross_val_score(network, X, y, cv=3, error_score="raise")).all()  # 33, 33 and 32 rows
    assert len(EnsembleClassifier(network, n_members=2).fit(X[:33], y[:33]).members_) == 2


def test_a_single_row_is_refused_in_a_direct_call():
    net = with_batch_norm(Topology.mlp(4, 5, 3))
    X, y = rows(1, net)
    params, out = initialise(net, dtype="float64"), Parameters.zeros(net, "float64")
    with pytest.raises(InvalidInput, match="at least 2 rows"):
        Backprop(Network(net))(params, Batch(X, y, np.arange(1)), KEY, 0, out)


# -- the topology to train ---------------------------------------------------------------------------------------------


def test_nothing_to_normalise_is_the_topology_itself():
    assert with_batch_norm(DEEP, False) is DEEP
    assert with_batch_norm(DEEP, ()) is DEEP
    params = initialise(DEEP)
    assert fold(params) is params


def test_the_topology_given_stays_as_it_is_and_the_other_differs_in_name_and_number():
    digest = DEEP.digest
    other = with_batch_norm(DEEP, "hidden1")
    assert DEEP.digest == digest != other.digest
    assert other.n_parameters == DEEP.n_parameters + 3 * 5
    assert other.structure_digest == DEEP.structure_digest
    assert other == with_batch_norm(DEEP, ["hidden1"])


TIED = Topology(
    [Population("a", 4, "input"), Population("b", 3), Population("c", 4), Population("d", 2, "output")],
    [Dense("a", "b"), Dense("b", "c", tied_to="a->b"), Dense("c", "d"), Dense("a", "d", sign=1)],
)


@pytest.mark.parametrize(
    ("topology", "name", "error", "message"),
    [
        (DEEP, "hiden1", UnknownName, "hidden1"),
        (DEEP, "input", UnsupportedTopology, "standardise the data instead"),
        (TIED, "c", UnsupportedTopology, "'b->c', which ends on 'c', shares its weights"),
        (TIED, "b", UnsupportedTopology, "'a->b', which ends on 'b', shares its weights"),
        (TIED, "d", UnsupportedTopology, "'a->d', which ends on 'd', must keep its sign"),
        (with_batch_norm(DEEP, "hidden1"), "hidden1", UnsupportedTopology, "normalised already"),
        (
            Topology([Population("a", 2, "input"), Population("b", 2, "output", bias=False)], [Dense("a", "b")]),
            "b",
            UnsupportedTopology,
            "no bias.*bias=True",
        ),
    ],
)
def test_what_could_not_be_folded_is_refused_with_a_way_out(topology, name, error, message):
    with pytest.raises(error, match=message):
        with_batch_norm(topology, name)


@pytest.mark.parametrize("options", [{"momentum": 0}, {"momentum": 1.1}, {"epsilon": 0}])
def test_constants_out_of_range_are_refused(options):
    with pytest.raises(InvalidInput, match=f"Normalised.{next(iter(options))}"):
        with_batch_norm(DEEP, **options)


def test_a_normalised_unit_is_its_unit_with_more_to_learn():
    unit = Normalised(Topology.mlp(2, 3, 2, unit="prelu")["hidden"].unit)
    assert unit.name == "prelu"
    assert list(unit.learns) == ["gain", "mean", "variance", "alpha"]
