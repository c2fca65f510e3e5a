"""A trained rate network in spikes: the drives are the activities, the decisions stay, and the way back is exact."""

from __future__ import annotations

import numpy as np
import pytest

from bioneuro import Conv2D, Dense, OneToOne, Parameters, Population, Sparse, Topology, load, load_digits, save
from bioneuro.errors import InvalidInput, UnsupportedTopology
from bioneuro.initializers import initialise
from bioneuro.plasticity import HebbianClassifier
from bioneuro.spiking import classify, spike_counts, to_rates, to_spiking
from bioneuro.topology import LIF, FixedInDegree
from feedforward import NetworkClassifier

RANDOM = np.random.default_rng(0)
X = RANDOM.random((60, 6))
MEAN = X.mean(axis=0)
NETS = {
    "one layer": Topology.mlp(6, 4),
    "hidden": Topology.mlp(6, 12, 4),
    "deep": Topology.mlp(6, 12, 9, 4, output="linear"),
    "skip": Topology.mlp(6, 12, 4, skip=[("input", "output")], output="sigmoid"),
    "mixed": Topology(
        [Population("in", 6, "input"), Population("a", 6), Population("b", 8), Population("out", 4, "output", "relu")],
        [OneToOne("in", "a"), Sparse("a", "b", FixedInDegree(3)), Dense("b", "out"), Dense("a", "out")],
    ),
}  # fmt: skip
ALL = pytest.mark.parametrize("net", NETS.values(), ids=NETS)


def trained(net, dtype="float64"):
    return initialise(net, "he-normal", bias=0.1, random_state=3, dtype=dtype)


def weights_of(parameters, name):
    """W as a matrix, synapse by synapse."""
    projection, values = parameters.topology.projection(name), parameters[name]
    if isinstance(projection, Dense):
        return values
    if isinstance(projection, OneToOne):
        return np.diag(values)
    pre, post = parameters.topology.ends(name)
    found = parameters.topology.edges(name)
    matrix = np.zeros((pre.size, post.size))
    matrix[found.pre, found.post] = values
    return matrix


def fields(parameters, emitted):
    """h of every population that receives, given what every population emits."""
    topology = parameters.topology
    return {
        population.name: parameters[f"{population.name}.bias"]
        + sum(emitted[p.pre] @ weights_of(parameters, p.name) for p in topology.incoming(population.name))
        for population in topology.populations
        if population.role != "input"
    }


def activities(parameters, rows):
    topology = parameters.topology
    emitted = {topology.order()[0].name: rows}
    for population in topology.order()[1:]:
        ready = {name: emitted.get(name, np.zeros((len(rows), topology[name].size))) for name in topology.unit_layout}
        h = fields(parameters, ready)[population.name]
        emitted[population.name] = h if population.role == "output" else np.maximum(h, 0)
    return emitted


# -- the scale, without any simulation ---------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize(("mean", "unit"), [(None, None), (MEAN, LIF(0.4, 15e-3, -5e-3, -5e-3, 0.0))])
def test_rates_of_activities_drive_each_neuron_to_the_rate_of_its_activity(net, mean, unit):
    """theta r_post = sum_j w'_j r_j + bias' / tau_m, for the fields of all units on all rows, whatever their sign."""
    before, shift = trained(net), 0.0 if mean is None else mean
    network = to_spiking(before, X, input_mean=mean, percentile=100, unit=unit)
    scale, values = network.scale, activities(before, X - shift)
    source = net.by_role("input")[0].name
    emitted = {name: scale.rates(name, X if name == source else values[name]) for name in values}
    unit = network.topology.by_role("output")[0].unit
    expected = fields(before, values)
    for name, h in expected.items():
        drive = network.parameters[f"{name}.bias"] / unit.tau_m + sum(
            emitted[p.pre] @ weights_of(network.parameters, p.name) for p in net.incoming(name)
        )
        wanted = scale.gain(name) * (h - scale.silent[name])
        assert drive / (unit.v_threshold - unit.v_reset) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@ALL
def test_the_largest_activity_has_the_rate_named(net):
    before = trained(net)
    scale = to_spiking(before, X, rate=150.0, percentile=100).scale
    for name, values in activities(before, X).items():
        if net[name].role != "input":
            assert scale.rates(name, values).max() == pytest.approx(150)
            assert scale.activities(name, scale.rates(name, values.max())) == pytest.approx(values.max())
    best = activities(before, X)[net.by_role("output")[0].name].max(axis=1)
    assert scale.rates(net.by_role("output")[0].name, best).min() > 0


@ALL
def test_structure_is_kept_and_units_become_lif(net):
    network = to_spiking(trained(net), X)
    assert network.topology.structure_digest == net.structure_digest
    assert all(isinstance(p.unit, LIF) for p in network.topology.populations if p.role != "input")
    assert network.source == net


@ALL
def test_the_way_back_gives_the_rate_network(net):
    before = trained(net)
    after = to_rates(to_spiking(before, X, input_mean=MEAN))
    assert after.topology == net
    assert after.theta == pytest.approx(before.theta, rel=1e-12, abs=1e-14)


def test_the_rate_network_is_not_changed():
    before = trained(NETS["hidden"])
    kept = before.theta.copy()
    to_spiking(before, X)
    assert np.array_equal(before.theta, kept)


def test_the_scale_is_stated():
    text = repr(to_spiking(trained(NETS["hidden"]), X, rate=200.0, input_rate=800.0))
    assert "input 0 .. 1 as 0 .. 800 Hz" in text
    assert "as 0 .. 200 Hz" in text


FORGETFUL = dict.fromkeys(("hidden", "output"), LIF(1.0, 20e-3, 0.0, 0.0, 0.0, soft_reset=0.0))


# -- spikes ------------------------------------------------------------------------------------------------------------


@ALL
def test_output_neurons_fire_at_the_rates_of_their_logits(net):
    """Counts over `duration` against the rates that logits stand for, rates falling by 8 from layer to layer.

    Leaks take up to 1 Hz from a rate, and two spikes are those of a count that is whole and of the first ones being on
    their way; spikes that came too early cannot be taken back, which leaves a twentieth.
    """
    before, duration = trained(net), 2.0
    layers = [population.name for population in net.order()]
    rate = {name: 8000 / 8**depth for depth, name in enumerate(layers) if depth}
    network = to_spiking(before, X, rate=rate, input_rate=8000.0)
    expected = network.scale.rates(layers[-1], activities(before, X[:3])[layers[-1]])
    counts, membranes = spike_counts(network, X[:3], duration, dt=2e-5)
    assert np.all(np.abs(counts - duration * expected) <= 0.05 * duration * expected + duration + 2)
    assert counts.max() > 10
    assert membranes.max() < 20e-3


def test_the_decisions_do_not_hang_on_the_membrane():
    """Another time constant, rest and threshold: the same rates, but for the leak of 1 / tau_m."""
    before = trained(NETS["one layer"])
    other = LIF(tau_m=0.5, v_threshold=10e-3, v_reset=-5e-3, v_rest=-5e-3, refractory=0.0, soft_reset=1.0)
    counts = [spike_counts(to_spiking(before, X, unit=unit), X[:3], 1.0)[0] for unit in (None, other)]
    assert np.abs(counts[0] - counts[1]).max() <= 2
    assert counts[0].max() > 50


@pytest.fixture(scope="module")
def digits():
    train, test = load_digits().split(0.25, random_state=0)
    model = NetworkClassifier(topology=Topology.mlp(64, 100, 10), random_state=0).fit(train.X, train.y)
    return model, to_spiking(model, train.X), test


def test_digits_are_told_apart_as_well_as_by_rates(digits):
    model, network, test = digits
    by_spikes = np.mean(model.classes_[classify(network, test.X, 0.1)] == test.y)
    assert by_spikes >= model.score(test.X, test.y) - 0.01
    assert by_spikes >= 0.97


def test_counts_on_digits_are_the_logits_to_three_spikes_and_resets_to_a_value_lower_them(digits):
    model, network, test = digits
    logits = activities(model.parameters_, test.X[:40].astype(np.float64) - model.input_mean_)["output"]
    expected = network.scale.rates("output", logits)
    counts, _ = spike_counts(network, test.X[:40], 1.0)
    assert np.abs(counts - expected).max() <= 3  # of up to 200
    clear = expected > 20
    assert 0.98 < np.median(counts[clear] / expected[clear]) < 1  # the leak takes half a hertz
    forgetful = network._replace(
        parameters=Parameters(network.topology.with_units(**FORGETFUL), network.parameters.theta)
    )
    counts, _ = spike_counts(forgetful, test.X[:40], 1.0)
    assert 0.93 < np.median(counts[clear] / expected[clear]) < 0.95


def test_a_fitted_network_brings_its_mean(digits):
    model, network, _ = digits
    train, _ = load_digits().split(0.25, random_state=0)
    by_hand = to_spiking(model.parameters_, train.X, input_mean=model.input_mean_)
    assert by_hand.parameters.theta.tobytes() == network.parameters.theta.tobytes()
    np.testing.assert_array_equal(network.input_mean, model.input_mean_)


def test_one_output_neuron_tells_two_classes_apart():
    net = Topology.mlp(6, 8, 1, output="sigmoid")
    y = np.where(X[:, 0] + X[:, 1] > 1, "wet", "dry")
    model = NetworkClassifier(topology=net, epochs=200, learning_rate=0.02, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    labels = model.classes_[classify(to_spiking(model, X, input_rate=5000.0), X, 0.5)]
    assert np.mean(labels == model.predict(X)) > 0.95
    assert set(labels) == {"dry", "wet"}


def test_one_row_gives_one_answer_however_the_batch_is_cut(digits):
    _, network, test = digits
    counts, membranes = spike_counts(network, test.X[:6], 0.05)
    for rows in ([3], [5, 0, 1]):
        again = spike_counts(network, test.X[rows], 0.05)
        assert np.array_equal(again[0], counts[rows])
        assert np.array_equal(again[1], membranes[rows])


def test_dead_neurons_are_silent(digits):
    _, network, test = digits
    everything = network.topology.lesion(units={"hidden": 1.0, "output": 0.5}, random_state=0)
    counts, _ = spike_counts(network, test.X[:2], 0.1, lesion=everything)
    dead = ~everything.alive_in("output")
    assert not counts[:, dead].any()
    assert np.array_equal(counts[0], counts[1])  # nothing of the digit reaches the living


def test_ties_go_to_the_highest_membrane():
    net = Topology.mlp(2, 2, output="linear")
    network = to_spiking(
        Parameters(net, np.array([0.9, 1.0, 0.0, 0.0, 0.0, 0.0])), np.array([[1.0, 0.0], [0.9, 0.0]]), percentile=100
    )
    duration = 2e-3  # inputs have arrived and nobody has fired
    counts, membranes = spike_counts(network, [[1.0, 0.0]], duration)
    assert counts.tolist() == [[0, 0]]
    assert membranes[0, 1] > membranes[0, 0]
    assert classify(network, [[1.0, 0.0]], duration) == [1]


def test_only_a_converted_network_answers_in_spikes():
    for ask in (lambda model: classify(model, np.zeros((1, 64))), to_rates):
        with pytest.raises(
            InvalidInput, match="takes a SpikingNetwork, as to_spiking returns it, got NetworkClassifier"
        ):
            ask(NetworkClassifier())


def test_a_converted_network_is_saved_with_its_scale(tmp_path):
    network = to_spiking(trained(NETS["hidden"]), X)
    save(tmp_path / "network.npz", network)
    again = load(tmp_path / "network.npz")
    assert again.scale == network.scale
    assert np.array_equal(again.parameters.theta, network.parameters.theta)
    assert again.topology == network.topology


# -- what is refused ---------------------------------------------------------------------------------------------------

NO_BIAS = Topology(
    [Population("in", 6, "input"), Population("out", 4, "output", "linear", bias=False)], [Dense("in", "out")]
)


def fitted():
    return NetworkClassifier((4,), epochs=1, random_state=0).fit(X, X[:, 0] > 0.5)


def tied():
    net = Topology(
        [Population("in", 6, "input"), Population("h", 6), Population("out", 6, "output", "linear")],
        [Dense("in", "h"), Dense("h", "out", tied_to="in->h")],
    )
    return initialise(net)


@pytest.mark.parametrize(
    ("convert", "error", "message"),
    [
        (
            lambda: to_spiking(trained(Topology.mlp(6, 5, 4, unit="tanh")), X),
            UnsupportedTopology,
            "hidden units 'hidden' are 'tanh'; a rate of spikes can stand for 'relu': train a network of those",
        ),
        (
            lambda: to_spiking(trained(Topology.mlp(6, 4, output="tanh")), X),
            UnsupportedTopology,
            "output units 'output' are 'tanh'",
        ),
        (lambda: to_spiking(trained(Topology.recurrent(6, 5, 4)), X), UnsupportedTopology, "no feedforward order"),
        (
            lambda: to_spiking(trained(Topology.hopfield(6)), X),
            UnsupportedTopology,
            "'spins->spins' is symmetric and runs both ways",
        ),
        (
            lambda: to_spiking(
                initialise(
                    Topology(
                        [Population("i", (6, 6, 1), "input"), Population("o", (4, 4, 1), "output", "linear")],
                        [Conv2D("i", "o")],
                    )
                ),
                np.ones((2, 36)),
            ),
            UnsupportedTopology,
            "'i->o' is Conv2D: use Dense, OneToOne or Sparse",
        ),
        (lambda: to_spiking(tied(), X), UnsupportedTopology, "'h->out' is tied: use Dense"),
        (lambda: to_spiking(NetworkClassifier(), X), InvalidInput, "this NetworkClassifier is not fitted; call fit"),
        (lambda: to_spiking(NETS["hidden"], X), InvalidInput, "takes a fitted network or Parameters, got Topology"),
        (
            lambda: to_spiking(HebbianClassifier((4,), random_state=0).fit(X, X[:, 0] > 0.5), X),
            InvalidInput,
            "HebbianClassifier does not answer by a network of rate units alone",
        ),
        (lambda: to_spiking(fitted().lesion(units=0.5), X), InvalidInput, r"convert the whole network, .* a lesion="),
        (lambda: to_spiking(fitted(), X, input_mean=MEAN), InvalidInput, "brings its own input_mean_; leave"),
        (
            lambda: to_spiking(trained(NETS["hidden"]), X[:, :5]),
            InvalidInput,
            r"X must be \(n, 6\) for .* got shape \(60, 5\)",
        ),
        (lambda: to_spiking(trained(NETS["hidden"]), X - MEAN), InvalidInput, r"spikes encode values in \[0, 1\]"),
        (
            lambda: to_spiking(trained(NETS["hidden"]), X, input_mean=MEAN[:3]),
            InvalidInput,
            r"input_mean must be 6 finite numbers, got shape \(3,\)",
        ),
        (
            lambda: to_spiking(initialise(NO_BIAS), X, input_mean=MEAN),
            InvalidInput,
            "population 'out' has no bias to take the mean of the inputs; train without",
        ),
        (
            lambda: to_spiking(Parameters.zeros(NETS["hidden"]), X),
            InvalidInput,
            "population 'hidden' has no activity above 0 on these 60 rows",
        ),
        (lambda: to_spiking(trained(NETS["hidden"]), X, rate=0), InvalidInput, "rate of 'hidden' must be a number in"),
        (
            lambda: to_spiking(trained(NETS["hidden"]), X, rate={"hiden": 5.0}),
            InvalidInput,
            "unknown population with a rate 'hiden'; did you mean 'hidden'",
        ),
        (lambda: to_spiking(trained(NETS["hidden"]), X, percentile=0), InvalidInput, "percentile must be a number in"),
        (lambda: to_spiking(trained(NETS["hidden"]), X, unit="lif"), InvalidInput, "unit must be a LIF, got 'lif'"),
        (
            lambda: to_spiking(trained(NETS["hidden"]), X, unit=LIF()),
            InvalidInput,
            "a LIF with one value per constant that resets to rest",
        ),
        (
            lambda: spike_counts(to_spiking(trained(NETS["hidden"]), X), X + 1),
            InvalidInput,
            r"spikes encode values in \[0, 1\]",
        ),
        (
            lambda: spike_counts(to_spiking(trained(NETS["hidden"]), X), X, 0.10005),
            InvalidInput,
            "duration",
        ),
    ],
)
def test_what_cannot_be_converted_is_refused_in_words(convert, error, message):
    with pytest.raises(error, match=message):
        convert()
