"""Energies and conditional means of restricted Boltzmann machines."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neural_network import BernoulliRBM

from bioneuro import Parameters, Topology
from bioneuro._jit.keys import Key
from bioneuro.errors import UnsupportedTopology
from bioneuro.topology import Dense, Population
from energy import rbm
from energy.kernels import rbm as kernels
from energy.rbm import Machine
from tests.naive import rbm as naive

pytestmark = pytest.mark.small
RNG = np.random.default_rng(0)
FLOATS = [(np.float32, 2e-6), (np.float64, 1e-14)]  # a few roundings of sums of at most ten terms


def machine(n_visible=5, n_hidden=4, scale=1.0, seed=0, dtype="float64", dead=()):
    rng = np.random.default_rng(seed)
    topology = Topology.rbm(n_visible, n_hidden)
    parameters = Parameters.zeros(topology, dtype)
    parameters.theta[...] = scale * rng.normal(size=parameters.theta.size)
    alive = np.ones(topology.n_units, bool)
    alive[list(dead)] = False
    return Machine.of(parameters, alive=alive)


@pytest.mark.parametrize(("dtype", "tolerance"), FLOATS)
def test_kernels_equal_their_plain_twins(dtype, tolerance):
    fields, alive = RNG.normal(scale=3, size=(7, 9)).astype(dtype), np.array([1, 0, 1, 1, 1, 0, 1, 1, 1], dtype)
    labels, bias = RNG.normal(size=(3, 9)).astype(dtype), RNG.normal(size=3).astype(dtype)
    key, rows = Key.from_seed(1), np.arange(7, dtype=np.uint64) * np.uint64(1000)
    means, states = np.empty_like(fields), np.empty_like(fields)
    kernels.sample_units(fields, alive, dtype(1 / 2.0), key.words, rows, np.uint64(11), means, states)
    expected_means, expected_states = naive.sample_units(fields, alive, 2.0, key, rows, 11)
    np.testing.assert_allclose(means, expected_means, rtol=tolerance)
    np.testing.assert_array_equal(states, expected_states)
    sums, scores = np.empty(7), np.empty((7, 3), dtype)
    kernels.log_hidden_sums(fields, alive, sums)
    np.testing.assert_allclose(sums, naive.log_hidden_sums(fields, alive), rtol=tolerance)
    kernels.class_scores(fields, alive, labels, bias, scores)
    np.testing.assert_allclose(scores, naive.class_scores(fields, alive, labels, bias), rtol=tolerance)
    coefficients, back, collected = (
        RNG.normal(size=(7, 3)).astype(dtype),
        np.ones((7, 9), dtype),
        np.ones((3, 9), dtype),
    )
    kernels.class_score_gradients(fields, alive, labels, coefficients, back, collected)
    expected = naive.class_score_gradients(fields, alive, labels, coefficients)
    for found, wanted in zip((back, collected), expected, strict=True):
        np.testing.assert_allclose(found, 1 + wanted, rtol=tolerance, atol=20 * tolerance)


def test_the_free_energy_is_minus_the_log_of_the_sum_over_hidden_states():
    m = machine()
    v, hidden = naive.states(5), naive.states(4)
    sums = [np.log(np.sum(np.exp(-rbm.energy(m, np.repeat(row[None], 16, axis=0), hidden)))) for row in v]
    np.testing.assert_allclose(rbm.free_energy(m, v), -np.array(sums), rtol=1e-13, atol=1e-13)


def test_the_free_energy_equals_that_of_scikit_learn_at_equal_weights():
    m, X = machine(12, 7), RNG.random((20, 12))
    peer = BernoulliRBM(7)
    peer.components_, peer.intercept_hidden_, peer.intercept_visible_ = m.weights.T, m.hidden_bias, m.visible_bias
    np.testing.assert_allclose(rbm.free_energy(m, X), peer._free_energy(X), rtol=1e-12)


def test_the_pseudo_likelihood_is_the_sum_of_conditional_log_probabilities():
    m = machine()
    all_states = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
    v, log_p = all_states.visible, np.log(all_states.marginal)
    expected = np.zeros(len(v))
    for unit in range(5):
        turned = [np.flatnonzero((v == np.where(np.arange(5) == unit, 1 - row, row)).all(axis=1))[0] for row in v]
        expected += log_p - np.logaddexp(log_p, log_p[turned])
    np.testing.assert_allclose(rbm.pseudo_log_likelihood(m, v), expected, rtol=1e-12)


def test_the_pseudo_likelihood_is_the_mean_of_what_scikit_learn_estimates():
    m, X = machine(6, 4), naive.states(6)[::7]
    peer = BernoulliRBM(4)
    peer.components_, peer.intercept_hidden_, peer.intercept_visible_ = m.weights.T, m.hidden_bias, m.visible_bias
    draws = []
    for seed in range(400):
        peer.random_state = seed
        draws.append(peer.score_samples(X))
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert np.all(np.abs(np.mean(draws, axis=0) - rbm.pseudo_log_likelihood(m, X)) < 5 * error)


def test_without_weights_everything_has_a_closed_form():
    m = machine()._replace(weights=np.zeros((5, 4)))
    v, h = naive.states(5), naive.states(4)
    np.testing.assert_allclose(
        rbm.free_energy(m, v), -v @ m.visible_bias - np.logaddexp(0, m.hidden_bias).sum(), rtol=1e-13
    )
    np.testing.assert_allclose(rbm.hidden_means(m, v), np.tile(naive.sigmoid(m.hidden_bias), (32, 1)), rtol=1e-14)
    np.testing.assert_allclose(rbm.visible_means(m, h), np.tile(naive.sigmoid(m.visible_bias), (16, 1)), rtol=1e-14)


def test_conditional_means_are_those_of_the_enumerated_machine():
    m = machine()
    exact = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
    np.testing.assert_allclose(rbm.hidden_means(m, exact.visible), exact.given_visible @ exact.hidden, rtol=1e-12)
    np.testing.assert_allclose(rbm.visible_means(m, exact.hidden), exact.given_hidden.T @ exact.visible, rtol=1e-12)


def test_temperature_divides_the_fields():
    m, v = machine(), naive.states(5)
    hot = Machine(m.weights / 3, m.visible_bias / 3, m.hidden_bias / 3, m.visible_alive, m.hidden_alive)
    np.testing.assert_allclose(rbm.hidden_means(m, v, temperature=3), rbm.hidden_means(hot, v), rtol=1e-13)


def test_the_dead_contribute_nothing():
    hurt = machine(dead=[1, 5 + 2])  # a visible and a hidden unit
    small = hurt.living()
    v = naive.states(5)
    assert small.weights.shape == (4, 3)
    np.testing.assert_allclose(rbm.free_energy(hurt, v), rbm.free_energy(small, np.delete(v, 1, axis=1)), rtol=1e-13)
    means = rbm.hidden_means(hurt, v)
    assert np.all(means[:, 2] == 0)
    np.testing.assert_allclose(
        np.delete(means, 2, axis=1), rbm.hidden_means(small, np.delete(v, 1, axis=1)), rtol=1e-13
    )
    assert np.all(rbm.visible_means(hurt, naive.states(4))[:, 1] == 0)
    pseudo = rbm.pseudo_log_likelihood(small, np.delete(v, 1, axis=1))
    np.testing.assert_allclose(rbm.pseudo_log_likelihood(hurt, v), pseudo, rtol=1e-12)
    pairs = rbm.energy(hurt, v[:16], naive.states(4))
    hidden = np.delete(naive.states(4), 2, axis=1)
    np.testing.assert_allclose(pairs, rbm.energy(small, np.delete(v[:16], 1, axis=1), hidden), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_do_not_depend_on_their_neighbours(dtype):
    m, v = machine(33, 29, dtype=dtype), RNG.random((50, 33)).astype(dtype)
    for function in (rbm.free_energy, rbm.hidden_means, rbm.pseudo_log_likelihood):
        whole = function(m, v)
        parts = np.concatenate([function(m, v[k : k + 7]) for k in range(0, 50, 7)])
        assert whole.tobytes() == parts.tobytes()
        assert whole.tobytes() == np.concatenate([function(m, v[k : k + 1]) for k in range(50)]).tobytes()


def test_the_first_visible_biases_reproduce_the_means_of_the_data():
    X = (RNG.random((200, 6)) < [0.1, 0.3, 0.5, 0.7, 0.9, 0.0]).astype(float)
    parameters = rbm.initial_parameters(Topology.rbm(6, 3), X, sigma=0.0, key=Key.from_seed(0))
    m = Machine.of(parameters)
    np.testing.assert_allclose(rbm.visible_means(m, np.zeros((1, 3)))[0, :5], X.mean(axis=0)[:5], rtol=1e-12)
    assert naive.sigmoid(m.visible_bias[5]) == pytest.approx(0.5 / 200)  # never on: half a row
    wide = rbm.initial_parameters(Topology.rbm(6, 5000), X, sigma=0.05, key=Key.from_seed(0))
    assert wide["visible->hidden"].std() == pytest.approx(0.05, rel=5 / np.sqrt(2 * 30_000))


def with_output(projection, hidden_bias=True):
    populations = [Population("x", 4, "input", "bernoulli"), Population("h", 3, bias=hidden_bias)]
    return Topology(populations, [projection])


@pytest.mark.parametrize(
    ("topology", "message"),
    [
        (Topology.hopfield(4), "one projection from it to hidden units, .* has 1 and 0"),
        (Topology.mlp(4, 2), "has 1 and 0; use Topology.rbm"),
        (Topology.mlp(4, 3, 3, 2, skip=[("input", "hidden2")]), "has 1 and 2"),
        (with_output(Dense("x", "h", shared=True)), "'x->h' must be a Dense projection with a free weight"),
        (with_output(Dense("x", "h", sign=1)), "'x->h' must be a Dense projection with a free weight"),
        (with_output(Dense("x", "h"), hidden_bias=False), "'h' has bias=False"),
        (Topology.rbm(4, 3, visible="gaussian"), r"'visible' has 'gaussian' units.*with_units\(visible='bernoulli'\)"),
        (Topology.mlp(4, 3, 2, unit="lif"), "'hidden' has 'lif' units"),
    ],
)
def test_a_topology_that_is_no_boltzmann_machine_says_why(topology, message):
    with pytest.raises(UnsupportedTopology, match=message):
        rbm.boltzmann_projection(topology)
