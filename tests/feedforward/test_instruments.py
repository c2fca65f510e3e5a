"""Instruments read what NumPy computes once more."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bioneuro import Parameters, Topology, load_digits
from bioneuro.errors import InvalidInput
from bioneuro.initializers import initialise
from bioneuro.training import Progress
from feedforward import NetworkClassifier, NetworkRegressor
from feedforward.gradcheck import numerical_gradient
from feedforward.instruments import (
    WeightHistory,
    activity,
    condition,
    distances,
    gradients,
    hessian,
    moments,
    net_inputs,
)
from feedforward.network import Network
from feedforward.normalisation import with_batch_norm

DIGITS = load_digits()
X, Y = DIGITS.X[:200].astype("float64"), DIGITS.y[:200]
SKIP = Topology.mlp(4, 6, 5, 3, unit="tanh", skip=[("input", "hidden2"), ("hidden1", "output")])


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.fixture(scope="module")
def fitted():
    history = WeightHistory()
    network = NetworkClassifier((20, 15), epochs=6, callbacks=[history], dtype="float64", random_state=0).fit(X, Y)
    return network, history


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# -- layers ------------------------------------------------------------------------------------------------------------


def test_activity_and_net_inputs_are_those_of_the_formulas():
    params = initialise(SKIP, bias=0.1, dtype="float64")
    rows = draw(7, 4)
    h1 = rows @ params["input->hidden1"] + 0.1
    h2 = np.tanh(h1) @ params["hidden1->hidden2"] + rows @ params["input->hidden2"] + 0.1
    z = np.tanh(h2) @ params["hidden2->output"] + np.tanh(h1) @ params["hidden1->output"] + 0.1
    wanted = {"input": rows, "hidden1": np.tanh(h1), "hidden2": np.tanh(h2), "output": softmax(z)}
    found = activity(params, rows)
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=1e-14)
    for name, values in {"hidden1": h1, "hidden2": h2, "output": z}.items():
        np.testing.assert_allclose(net_inputs(params, rows)[name], values, atol=1e-14)


def test_an_estimator_is_read_as_it_reads_its_data(fitted):
    network, _ = fitted
    own = network.activations(X)
    for name, values in activity(network, X).items():
        assert values.tobytes() == own[name].tobytes()
    np.testing.assert_allclose(softmax(net_inputs(network, X)["output"]), network.predict_proba(X), atol=1e-12)
    hurt = network.lesion(units=0.5)
    dead = ~hurt.alive_[hurt.topology_.unit_layout["hidden1"]]
    assert (activity(hurt, X)["hidden1"][:, dead] == 0).all()
    assert (gradients(hurt, X, Y)["hidden1.bias"][dead] == 0).all()


@pytest.mark.parametrize(("unit", "std"), [("tanh", 0.228008), ("relu", 0.026076)])
def test_moments_reproduce_the_tables_of_the_lecture(unit, std):
    """The tenth layer of 500 units with weights of variance 1 / fan-in; one draw scatters by 5 %."""
    params = initialise(Topology.mlp(*[500] * 11, unit=unit, output=unit), "xavier")
    found = moments(activity(params, draw(300, 500)))
    assert found["output"].std == pytest.approx(std, rel=0.15)
    assert found["hidden1"].std == pytest.approx({"tanh": 0.627953, "relu": 0.582273}[unit], rel=0.02)
    assert found["hidden5"].zeros == pytest.approx({"tanh": 0, "relu": 0.5}[unit], abs=0.03)


def test_moments_of_parameters_are_those_of_each_array():
    params = initialise(SKIP, dtype="float64")
    found = moments(params)
    assert list(found) == list(params)
    W = params["hidden1->output"]
    assert found["hidden1->output"] == pytest.approx((W.mean(), W.std(), 0))
    assert found["hidden1.bias"].zeros == 1


# -- gradients ---------------------------------------------------------------------------------------------------------


def test_gradients_equal_central_differences():
    params = initialise(SKIP, dtype="float64")
    rows, targets = draw(6, 4), np.eye(3)[[0, 1, 2, 2, 1, 0]]
    z = lambda: np.log(activity(params, rows)["output"])  # noqa: E731
    numerical = numerical_gradient(lambda: -(targets * z()).sum() / 6, params.theta)
    np.testing.assert_allclose(gradients(params, rows, targets).theta, numerical, atol=1e-9)


def test_gradients_of_estimators_take_labels_or_numbers_as_fit_does(fitted):
    network, _ = fitted
    inputs = X - network.input_mean_
    by_hand = gradients(network.parameters_, inputs, np.eye(10)[Y])
    assert gradients(network, X, Y).theta.tobytes() == by_hand.theta.tobytes()
    assert isinstance(by_hand, Parameters)
    x = np.linspace(-1, 1, 30)[:, None]
    line = NetworkRegressor((), epochs=0, dtype="float64", centre=False).fit(x, 3 * x.ravel())
    W, b = line.parameters_["input->output"], line.parameters_["output.bias"]
    error = x @ W + b - 3 * x
    np.testing.assert_allclose(gradients(line, x, 3 * x.ravel())["input->output"], x.T @ error / 30, atol=1e-14)


def test_the_curvature_of_least_squares_is_the_covariance_of_the_inputs():
    rows = draw(30, 4)
    net = Parameters(Topology.mlp(4, 2, output="linear"), draw(10))
    ones = np.hstack([rows, np.ones((30, 1))])
    block = ones.T @ ones / 30
    order = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]  # weights onto one output, its bias, then the other's
    found = hessian(net, rows, draw(30, 2))[np.ix_(order, order)]
    np.testing.assert_allclose(found, np.kron(np.eye(2), block), atol=1e-9)


def test_a_hessian_is_the_slope_of_the_slopes():
    params, rows, targets = initialise(SKIP, bias=0.1, dtype="float64"), draw(6, 4), np.eye(3)[[0, 1, 2, 2, 1, 0]]
    before = params.theta.copy()
    found = hessian(params, rows, targets)
    np.testing.assert_array_equal(params.theta, before)
    np.testing.assert_array_equal(found, found.T)
    along, small = draw(params.theta.size), 1e-5
    slopes = [gradients(params.like(before + sign * small * along), rows, targets).theta for sign in (1, -1)]
    np.testing.assert_allclose(found @ along, (slopes[0] - slopes[1]) / (2 * small), atol=1e-8)


def test_where_all_weights_are_zero_is_a_saddle_and_where_training_ends_is_none():
    """At zero, a hidden unit's weights v and w matter as -w (c v), c = E x (y - E y): curvatures -|c| and |c| each."""
    rows = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) / 2
    both = (rows > 0).all(axis=1).astype(float)
    settings = {"topology": Topology.mlp(2, 3, 1, unit="tanh", output="linear"), "l2": 0, "centre": False}
    start = NetworkRegressor(**settings, epochs=0, initializer="zeros").fit(rows, both)
    assert np.abs(gradients(start, rows, both).theta).max() < 1e-15
    curvatures, c = np.linalg.eigvalsh(hessian(start, rows, both)), np.linalg.norm(rows.T @ (both - both.mean()) / 4)
    np.testing.assert_allclose(curvatures, [-c] * 3 + [0] * 6 + [c] * 3 + [1], atol=1e-9)  # 1: of the output's bias
    end = NetworkRegressor(**settings, epochs=500, optimizer="lbfgs", random_state=1).fit(rows, both)
    assert np.abs(gradients(end, rows, both).theta).max() < 1e-4
    curvatures = np.linalg.eigvalsh(hessian(end, rows, both))
    assert curvatures[0] > -1e-3
    assert curvatures[-1] > 1


def test_normalised_layers_are_read_with_their_normalisation():
    net = with_batch_norm(Topology.mlp(4, 6, 3, unit="tanh"))
    params = initialise(net, bias=0.2, dtype="float64")
    params["hidden.mean"], params["hidden.variance"], params["hidden.gain"] = 0.5, 4.0, 2.0
    rows, targets = draw(20, 4), np.eye(3)[np.arange(20) % 3]
    h = 2 * (rows @ params["input->hidden"] - 0.5) / np.sqrt(4 + 1e-5) + 0.2
    np.testing.assert_allclose(net_inputs(params, rows)["hidden"], h, atol=1e-12)
    np.testing.assert_allclose(activity(params, rows)["hidden"], np.tanh(h), atol=1e-12)
    network = Network(net)

    def loss():
        return -(targets * np.log(network.forward(params, rows, by_batch=True).outputs["output"])).sum() / 20

    found, numerical = gradients(params, rows, targets), params.like(numerical_gradient(loss, params.theta))
    for key in ("input->hidden", "hidden.gain", "hidden.bias", "hidden->output"):
        np.testing.assert_allclose(found[key], numerical[key], atol=1e-8)
    moved = params.copy()
    moved["hidden.mean"] = moved["hidden.variance"] = 9.0  # statistics, no weights
    assert distances(params, moved)["all"] == 0


# -- units -------------------------------------------------------------------------------------------------------------


def test_units_that_are_never_active_are_dead():
    for unit, dies in (("relu", True), ("leaky_relu", False), ("bipolar_relu", True)):
        params = initialise(Topology.mlp(4, 6, 3, unit=unit), dtype="float64")
        params["hidden.bias"] = [-100, 0, 0, -100, 0, 100]
        found = condition(params, draw(500, 4))
        assert list(found) == ["hidden"]  # a softmax has no slope of its own
        sides = [1, 1, 1, -1, 1, -1] if unit.startswith("bipolar") else [1] * 6
        silent = np.array([-100, 0, 0, -100, 0, 100]) * sides < 0
        assert found["hidden"].dead.tolist() == (silent & dies).tolist()
        assert (found["hidden"].saturated[silent] == 1).all()
        assert found["hidden"].saturated[1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("unit", "near_flat"),
    [
        ("sigmoid", lambda h: 4 * np.exp(-np.abs(h)) / (1 + np.exp(-np.abs(h))) ** 2 < 0.1),
        ("tanh", lambda h: 1 - np.tanh(h) ** 2 < 0.1),
        ("linear", lambda h: h > np.inf),
    ],
)
def test_units_are_saturated_where_they_are_nearly_flat(unit, near_flat):
    params = initialise(Topology.mlp(4, 6, 3, unit=unit), "unit-gaussian", dtype="float64")
    rows = 2 * draw(300, 4)
    share = near_flat(rows @ params["input->hidden"]).mean(axis=0)
    np.testing.assert_allclose(condition(params, rows, below=0.1)["hidden"].saturated, share, atol=1e-12)
    assert not condition(params, rows)["hidden"].dead.any()


def test_the_raised_slope_of_a_sigmoid_does_not_hide_its_saturation():
    net = Topology.mlp(4, 6, 3, unit="sigmoid")
    params = initialise(net, "unit-gaussian", dtype="float64")
    raised = params.with_topology(net.with_units(hidden={"type": "sigmoid", "flat_spot": 0.1}))
    rows = 5 * draw(50, 4)
    plain = condition(params, rows)["hidden"].saturated
    assert (condition(raised, rows)["hidden"].saturated == plain).all()
    assert plain.mean() > 0.3


def test_units_of_a_lesion_count_as_dead(fitted):
    network, _ = fitted
    before = condition(network, X)["hidden1"].dead
    hurt = network.lesion(units=0.5)
    alive = hurt.alive_[hurt.topology_.unit_layout["hidden1"]]
    assert (condition(hurt, X)["hidden1"].dead == (before | ~alive)).all()
    assert (~alive).sum() == 10


# -- over time ---------------------------------------------------------------------------------------------------------


def test_a_history_tells_norms_and_distances_of_every_epoch(fitted):
    network, history = fitted
    assert history.epochs == [0, 1, 2, 3, 4, 5, 6]
    W = network.parameters_["input->hidden1"]
    assert history.norms["input->hidden1"][-1] == pytest.approx(np.sqrt((W**2).sum()))
    far = np.linalg.norm(network.parameters_.theta - history.first.theta)
    assert history.distances["all"][-1] == pytest.approx(far)
    assert history.distances["all"][0] == 0
    assert distances(history.first, network.parameters_)["hidden1.bias"] == history.distances["hidden1.bias"][-1]
    squares = [value**2 for key, value in distances(history.first, network.parameters_).items() if key != "all"]
    assert np.sqrt(sum(squares)) == pytest.approx(far)


def progress(epoch, params):
    return Progress(epoch, 10 * epoch, 0.5, None, params)


def test_a_history_that_has_seen_the_beginning_measures_from_there():
    params = Parameters.zeros(SKIP, "float64")
    history = WeightHistory()
    history.begin(params)
    for epoch in (1, 2):
        params.theta[...] = epoch  # a training changes its parameters in place
        assert history(progress(epoch, params)) is None
    n = params.theta.size
    assert history.epochs == [0, 1, 2]
    np.testing.assert_allclose(history.distances["all"], np.sqrt(n) * np.array([0, 1, 2]))
    history(progress(1, params))  # another training
    assert history.epochs == [1]
    assert history.distances["all"] == [0]
    assert history.first.theta[0] == 2


def test_snapshots_keep_within_their_memory_and_span_the_training_evenly():
    params = Parameters.zeros(SKIP, "float64")
    history = WeightHistory(snapshots=True, most_bytes=10.5 * params.nbytes)
    history.begin(params)
    for epoch in range(1, 101):
        params.theta[...] = epoch
        history(progress(epoch, params))
        assert len(history.snapshots) <= 10
    kept = list(history.snapshots)
    assert kept == list(range(0, 97, 16))
    assert all((theta == epoch).all() for epoch, theta in history.snapshots.items())
    assert len(history.epochs) == 101  # norms are kept of every epoch
    tiny = WeightHistory(snapshots=True, most_bytes=1)
    for epoch in range(1, 20):
        tiny(progress(epoch, params))
    assert len(tiny.snapshots) <= 2
    assert not WeightHistory().snapshots


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda params: activity(params, np.zeros((3, 5))), r"X must be finite rows \(n, 4\), n >= 1, got shape"),
        (lambda params: activity(params, np.full((3, 4), np.nan)), "X must be finite rows"),
        (lambda params: activity(SKIP, np.zeros((3, 4))), "look into a fitted network or at Parameters, got Topology"),
        (
            lambda params: gradients(params, np.zeros((3, 4)), [0, 1, 2]),
            r"y must be 3 rows of 3 targets, got shape .*np.eye",
        ),
        (lambda params: condition(params, np.zeros((3, 4)), below=2), r"below must be a number in \(0, 1\), got 2"),
        (
            lambda params: distances(params, Parameters.zeros(Topology.mlp(4, 3))),
            "lay their parameters out differently",
        ),
        (lambda params: WeightHistory(most_bytes=0), r"most_bytes must be a number in \(0, inf\), got 0"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(initialise(SKIP, dtype="float64"))


def test_labels_that_a_network_does_not_know_and_unfitted_networks_are_refused(fitted):
    network, _ = fitted
    with pytest.raises(InvalidInput, match="y holds labels that are not among the classes"):
        gradients(network, X[:2], [3, 11])
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        activity(NetworkClassifier(), X)


def test_importing_instruments_loads_no_matplotlib():
    code = (
        "import sys, feedforward.instruments, feedforward.graph, feedforward.calibration, bioneuro.viz.graph\n"
        "import bioneuro.viz.histograms, bioneuro.viz.learning, bioneuro.viz.hidden, bioneuro.viz.confusion\n"
        "print([m for m in ('matplotlib', 'sklearn') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
