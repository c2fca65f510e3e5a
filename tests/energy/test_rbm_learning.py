"""Gradients of Boltzmann machines against enumeration, central differences, and what they learn."""

from __future__ import annotations

import numpy as np
import pytest

from bioneuro import Parameters, Topology, io, optim, training
from bioneuro._jit.keys import Key
from bioneuro.data import bars_and_stripes
from bioneuro.errors import InvalidInput, UnsupportedTopology
from bioneuro.topology import Dense, Population
from bioneuro.training import Batch
from energy import discriminative, partition
from energy.contrastive import ContrastiveDivergence
from energy.discriminative import HybridGradient, Joint, class_probabilities, joint_topology
from energy.rbm import Machine, initial_parameters
from tests.naive import rbm as naive

KEY = Key.from_seed(5)


def parameters(topology, seed=0, scale=1.0, dtype="float64"):
    params = Parameters.zeros(topology, dtype)
    params.theta[...] = scale * np.random.default_rng(seed).normal(size=params.theta.size)
    return params


def batch(X, y=None):
    return Batch(X, y, np.arange(len(X)))


def mean_gradient(gradient, params, rows, steps, block=1, first=0):
    """Mean of a stochastic gradient over `steps` calls, and its standard error from blocks longer than correlations."""
    draws = np.zeros((steps, params.theta.size))
    for step in range(steps):
        out = Parameters.zeros(params.topology, params.dtype)
        gradient(params, rows, KEY, first + step, out)
        draws[step] = out.theta
    blocks = draws.reshape(-1, block, draws.shape[1]).mean(axis=1)
    return draws.mean(axis=0), blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks))


def flat(topology, visible, hidden, pairs):
    out = Parameters.zeros(topology, "float64")
    out["visible.bias"], out["hidden.bias"], out["visible->hidden"] = visible, hidden, pairs
    return out.theta


@pytest.mark.parametrize("k", [1, 3])
def test_the_mean_gradient_of_cd_k_is_the_enumerated_k_step_expectation(k):
    params = parameters(Topology.rbm(4, 3), scale=2.5)  # weights so strong that chains forget slowly
    m = Machine.of(params)
    exact = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
    rows = np.array([[1.0, 0, 1, 1], [0, 0, 1, 0]])
    start = np.array([(exact.visible == row).all(axis=1) for row in rows]).mean(axis=0)
    ends = start @ np.linalg.matrix_power(exact.sweep(), k)
    expected = flat(params.topology, *exact.moments(ends)) - flat(params.topology, *exact.moments(start))
    copies = np.tile(rows, (200, 1))
    found, error = mean_gradient(ContrastiveDivergence(k), params, batch(copies), 200)
    assert np.all(np.abs(found - expected) < 5 * error)
    assert np.max(error) < 0.01 * np.max(np.abs(expected))  # so that the comparison says something
    true = flat(params.topology, *exact.moments(exact.marginal)) - flat(params.topology, *exact.moments(start))
    assert np.any(np.abs(found - true) > 10 * error)  # k steps are not yet equilibrium


def test_persistent_chains_come_to_the_true_gradient():
    params = parameters(Topology.rbm(4, 3))
    m = Machine.of(params)
    exact = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
    rows, start = np.array([[1.0, 0, 1, 1]]), (exact.visible == [1.0, 0, 1, 1]).all(axis=1).astype(float)
    gradient = ContrastiveDivergence(persistent=True, n_chains=500)
    mean_gradient(gradient, params, batch(rows), 60)
    assert gradient.state.shape == (500, 4)
    found, error = mean_gradient(gradient, params, batch(rows), 1000, block=20, first=60)
    expected = flat(params.topology, *exact.moments(exact.marginal)) - flat(params.topology, *exact.moments(start))
    assert np.all(np.abs(found - expected) < 5 * error)
    assert np.max(error) < 0.003


@pytest.mark.small
def test_data_of_means_meet_means_on_the_models_side():
    """With W = 0 and biases at the data's means, grey pixels leave nothing to learn but noise of the hidden units."""
    X = np.random.default_rng(0).random((500, 6))
    params = initial_parameters(Topology.rbm(6, 4), X, sigma=0.0, key=KEY)
    grey, drawn = (Parameters.zeros(params.topology, "float64") for _ in range(2))
    ContrastiveDivergence(graded=True)(params, batch(X), KEY, 0, grey)
    ContrastiveDivergence()(params, batch(X), KEY, 0, drawn)
    np.testing.assert_allclose(grey.theta, 0, atol=1e-12)
    assert np.abs(drawn["visible->hidden"]).max() > 1e-3


@pytest.mark.small
def test_the_penalty_adds_twice_its_share_of_the_weights_and_spares_biases():
    params, X = parameters(Topology.rbm(6, 4)), np.eye(6)
    plain, fined = (Parameters.zeros(params.topology, "float64") for _ in range(2))
    ContrastiveDivergence()(params, batch(X), KEY, 0, plain)
    ContrastiveDivergence(l2=0.3)(params, batch(X), KEY, 0, fined)
    weights = params["visible->hidden"]
    np.testing.assert_allclose(fined["visible->hidden"], plain["visible->hidden"] + 0.6 * weights, rtol=1e-12)
    np.testing.assert_array_equal(fined["hidden.bias"], plain["hidden.bias"])


def test_persistent_training_goes_on_bit_for_bit_from_its_state_and_from_a_file(tmp_path):
    X = (np.random.default_rng(0).random((30, 6)) < 0.4).astype(np.float32)
    start = initial_parameters(Topology.rbm(6, 4), X, sigma=0.1, key=KEY)

    def run(epochs, **options):
        gradient = ContrastiveDivergence(persistent=True, n_chains=7)
        return training.fit(
            start, gradient, X, optimizer=optim.momentum(0.05), epochs=epochs, batch_size=8, key=KEY, **options
        )

    whole, part = run(6), run(2)
    io.save(tmp_path / "state.npz", part.state)
    for state in (part.state, io.load(tmp_path / "state.npz")):
        resumed = run(6, state=state)
        assert resumed.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
        assert resumed.state.gradient.tobytes() == whole.state.gradient.tobytes()
        np.testing.assert_array_equal(resumed["loss"], whole["loss"])


def test_bars_and_stripes_are_learnt_well_beyond_independent_pixels():
    X = bars_and_stripes(4).X
    shares = X.mean(axis=0)
    independent = float(np.mean(np.log(np.where(X > 0, shares, 1 - shares)).sum(axis=1)))
    best = -np.log(len(X))
    start = initial_parameters(Topology.rbm(16, 12), X, sigma=0.1, key=KEY)
    learnt = training.fit(
        start,
        ContrastiveDivergence(5, persistent=True, n_chains=100),
        X,
        optimizer=optim.momentum(optim.linear(0.1, 0.0, 3000), 0.5),
        epochs=3000,
        batch_size=30,
        key=KEY,
    ).parameters
    reached = partition.log_likelihood(Machine.of(learnt), X).mean()
    assert independent == pytest.approx(-16 * np.log(2))
    assert best - 1 < reached < best


@pytest.mark.small
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_the_discriminative_gradient_equals_central_differences(l2):
    params = parameters(joint_topology(5, 4, 3))
    rng = np.random.default_rng(1)
    rows = batch(rng.random((7, 5)), rng.integers(0, 3, 7))
    gradient = HybridGradient(0.0, l2=l2)
    out = Parameters.zeros(params.topology, "float64")
    loss = gradient(params, rows, KEY, 0, out)
    joint = Joint.of(params)
    probabilities = class_probabilities(*joint, rows.X)
    squares = (params["visible->hidden"] ** 2).sum() + (params["hidden->output"] ** 2).sum()
    assert loss == pytest.approx(-np.log(probabilities[np.arange(7), rows.y]).mean() + l2 * squares, rel=1e-12)
    step, scratch = 1e-6, Parameters.zeros(params.topology, "float64")
    for i in range(params.theta.size):
        moved = []
        for sign in (1, -1):
            nudged = params.copy()
            nudged.theta[i] += sign * step
            moved.append(gradient(nudged, rows, KEY, 0, scratch))
        assert out.theta[i] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-6, abs=1e-8)


@pytest.mark.small
def test_class_probabilities_are_those_of_the_enumerated_joint_machine():
    params = parameters(joint_topology(3, 4, 3))
    W, U = params["visible->hidden"], params["hidden->output"]
    hidden, visible = naive.states(4), naive.states(3)
    found = class_probabilities(*Joint.of(params), visible)
    for row, probabilities in zip(visible, found, strict=True):
        weight = [
            sum(np.exp(h @ (params["hidden.bias"] + row @ W + U[:, y]) + params["output.bias"][y]) for h in hidden)
            for y in range(3)
        ]
        np.testing.assert_allclose(probabilities, np.array(weight) / np.sum(weight), rtol=1e-12)


def test_the_generative_part_is_the_contrastive_divergence_of_visible_and_class_units():
    params, g = parameters(joint_topology(3, 2, 2)), 0.7
    rows = batch(np.tile([[1.0, 0, 1], [0, 0, 1]], (200, 1)), np.tile([0, 1], 200))
    only = Parameters.zeros(params.topology, "float64")
    HybridGradient(0.0)(params, rows, KEY, 0, only)
    found, error = mean_gradient(HybridGradient(g), params, rows, 200)
    W, U = params["visible->hidden"], params["hidden->output"]
    # the same machine with the class as visible units, of which the states with exactly one on are possible
    exact = naive.Enumerated.of(
        np.vstack([W, U.T]), np.concatenate([params["visible.bias"], params["output.bias"]]), params["hidden.bias"]
    )
    possible = exact.visible[:, 3:].sum(axis=1) == 1
    given_hidden = np.where(possible[:, None], exact.joint, 0)
    given_hidden /= given_hidden.sum(axis=0)
    start = np.zeros(len(exact.visible))
    for row in ([1, 0, 1, 1, 0], [0, 0, 1, 0, 1]):
        start[(exact.visible == row).all(axis=1)] += 0.5
    ends = start @ exact.given_visible @ given_hidden.T
    (v1, h1, vh1), (v0, h0, vh0) = exact.moments(ends), exact.moments(start)
    expected = Parameters.zeros(params.topology, "float64")
    expected["visible.bias"], expected["output.bias"], expected["hidden.bias"] = (v1 - v0)[:3], (v1 - v0)[3:], h1 - h0
    expected["visible->hidden"], expected["hidden->output"] = (vh1 - vh0)[:3], (vh1 - vh0)[3:].T
    assert np.all(np.abs(found - only.theta - g * expected.theta) < 5 * error + 1e-12)
    assert np.max(error) < 0.01


@pytest.mark.small
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ContrastiveDivergence(0), r"k must be an integer in \[1, inf\), got 0; sweeps of Gibbs sampling"),
        (lambda: ContrastiveDivergence(n_chains=0), "n_chains must be an integer"),
        (lambda: ContrastiveDivergence(l2=-1), "l2 must be a number"),
        (lambda: HybridGradient(-0.1), "generative must be a number"),
    ],
)
def test_settings_out_of_range_are_refused_in_words(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.small
@pytest.mark.parametrize(
    ("topology", "message"),
    [
        (Topology.rbm(4, 3), "use Topology.mlp"),
        (Topology.mlp(4, 3, 2, skip=[("input", "output")]), "without skips"),
        (Topology.mlp(4, 3, 3, 2), "one hidden layer between input and output"),
        (
            Topology(
                [Population("x", 4, "input", "linear"), Population("h", 3), Population("o", 2, "output", bias=False)],
                [Dense("x", "h"), Dense("h", "o")],
            ),
            "onto output units with biases",
        ),
    ],
)
def test_a_topology_that_is_no_boltzmann_classifier_says_why(topology, message):
    with pytest.raises(UnsupportedTopology, match=message):
        discriminative.label_projection(topology)
