"""Learning rules of Hopfield networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from bioneuro import Topology
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput
from bioneuro.topology import Dense, Population
from energy import hopfield
from energy.hopfield_rules import LEARNING_RULES, SLEEP
from tests.naive import hopfield as naive

KEY = Key.from_seed(0)
TWINS = {"hebb": naive.hebb, "pseudo-inverse": naive.pseudo_inverse, "dreaming": naive.dreaming}


def weights_of(patterns, rule, dtype="float64") -> np.ndarray:
    return hopfield.store(Topology.hopfield(np.shape(patterns)[1]), patterns, rule=rule, dtype=dtype)["spins->spins"]


def random_spins(seed, *shape) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 1], shape)


@pytest.mark.parametrize("rule", LEARNING_RULES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 8), (8, 3), (40, 12)])
def test_weights_are_the_textbooks(rule, dtype, shape):
    patterns = random_spins(sum(shape), *shape)
    tolerance = 8 * np.finfo(dtype).eps if rule == "hebb" else 100 * np.finfo(dtype).eps  # of entries below 1
    np.testing.assert_allclose(weights_of(patterns, rule, dtype), TWINS[rule](patterns), atol=tolerance * shape[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 20), st.sampled_from(sorted(LEARNING_RULES)))
def test_weights_are_exactly_symmetric_with_a_zero_diagonal(seed, n_patterns, n, rule):
    weights = weights_of(random_spins(seed, n_patterns, n), rule, "float32")
    np.testing.assert_array_equal(weights, weights.T)
    assert not np.diag(weights).any()


@pytest.mark.parametrize("dynamics", hopfield.DYNAMICS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_patterns", [1, 20, 32, 50, 63])
def test_the_pseudo_inverse_makes_every_pattern_a_fixed_point_up_to_n(n_patterns, dtype, dynamics):
    patterns = random_spins(0, n_patterns, 64)
    assert np.linalg.matrix_rank(patterns) == n_patterns
    parameters = hopfield.store(Topology.hopfield(64), patterns, rule="pseudo-inverse", dtype=dtype)
    recording = hopfield.recall(parameters, patterns, KEY, dynamics=dynamics)
    assert recording["flips"].sum() == 0


def test_the_pseudo_inverse_accepts_patterns_that_depend_on_each_other():
    patterns = random_spins(1, 6, 30)
    repeated = np.concatenate([patterns, patterns[:3], -patterns[2:4]])
    weights = weights_of(repeated, "pseudo-inverse")
    np.testing.assert_allclose(weights, weights_of(patterns, "pseudo-inverse"), atol=1e-14)
    projection = weights + np.diag(1 - np.diag(naive_complement(patterns)))
    np.testing.assert_allclose(projection @ projection, projection, atol=1e-13)


def naive_complement(patterns) -> np.ndarray:
    """1 - X^+ X."""
    return np.eye(patterns.shape[1]) - np.linalg.pinv(patterns) @ patterns


def test_patterns_that_span_everything_leave_no_weight_at_all():
    assert not weights_of(random_spins(2, 100, 16), "pseudo-inverse", "float32").any()


def test_dreaming_is_where_the_differential_equation_of_sleep_leads_from_hebbs_weights():
    """dW/dt = (W - W^2) / (1 + t) from t = 0 to SLEEP, by an integrator that knows nothing of the closed form."""
    patterns = random_spins(3, 9, 12) * np.where(np.arange(12) < 6, 1, random_spins(4, 1, 12))  # correlated
    asleep = solve_ivp(
        lambda t, w: ((w.reshape(12, 12) - w.reshape(12, 12) @ w.reshape(12, 12)) / (1 + t)).ravel(),
        (0, SLEEP),
        (patterns.T @ patterns / 12).ravel(),
        rtol=1e-10,
        atol=1e-12,
    ).y[:, -1]
    expected = asleep.reshape(12, 12)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(weights_of(patterns, "dreaming"), expected, atol=1e-8)


def test_after_a_sleep_a_memory_holds_twice_as_much_as_hebb_can():
    patterns = random_spins(5, 100, 400)  # .25 a unit; Hebb's rule fails from .138 on
    overlaps = {}
    for rule in LEARNING_RULES:
        parameters = hopfield.store(Topology.hopfield(400), patterns, rule=rule)
        overlaps[rule] = hopfield.overlap(hopfield.recall(parameters, patterns, KEY).state.spins, patterns).mean()
    assert overlaps["hebb"] < 0.6
    assert overlaps["dreaming"] > 0.99
    assert overlaps["pseudo-inverse"] == 1


def test_more_patterns_than_units_still_leave_something_to_dreaming():
    patterns = random_spins(2, 100, 16)
    assert not weights_of(patterns, "pseudo-inverse").any()
    assert weights_of(patterns, "dreaming").any()


def test_thresholds_are_kept_as_negative_biases():
    parameters = hopfield.store(Topology.hopfield(3), [[1, -1, 1]], thresholds=[0.5, 0, -2])
    np.testing.assert_array_equal(parameters["spins.bias"], np.float32([-0.5, 0, 2]))
    biased = hopfield.store(Topology.hopfield(3), [[1, -1, 1]], thresholds=3.0)
    assert hopfield.recall(biased, [[1, 1, 1]], KEY).state.spins.tolist() == [[-1, -1, -1]]


def test_thresholds_that_do_not_fit_are_refused():
    for thresholds, shown in (([1, 2], r"shape \(2,\)"), ("high", "'high'"), (float("nan"), "nan")):
        with pytest.raises(InvalidInput, match=f"one finite number or 3 .*{shown}"):
            hopfield.store(Topology.hopfield(3), [[1, -1, 1]], thresholds=thresholds)
    without = Topology([Population("s", 3, unit="spin", bias=False)], [Dense("s", "s", symmetric=True)])
    assert hopfield.store(without, [[1, -1, 1]]).theta.size == 9
    with pytest.raises(InvalidInput, match="bias=False"):
        hopfield.store(without, [[1, -1, 1]], thresholds=1)
