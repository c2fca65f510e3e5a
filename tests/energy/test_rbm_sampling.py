"""Gibbs sampling: stationary, clamped where told, the same bits however the chains are cut."""

from __future__ import annotations

import numpy as np
import pytest

from bioneuro._jit.keys import Key
from bioneuro._jit.random import CHUNK, draw_bernoulli
from bioneuro.errors import InvalidInput
from energy.sampling import first_states, gibbs
from tests.energy.test_rbm import machine
from tests.naive import rbm as naive

KEY = Key.from_seed(3)
SIGMAS = 5  # of the sampling error: one false alarm in two million comparisons


def frequencies(found, states):
    """How often each of `states` occurs among the rows of `found`."""
    weights = 2 ** np.arange(states.shape[1])[::-1]
    return np.bincount((found @ weights).astype(int), minlength=len(states)) / len(found)


def sampling_error(share, n):
    """Standard deviation of a frequency in n draws, plus one count."""
    return np.sqrt(share * (1 - share) / n) + 1 / n


@pytest.mark.parametrize("sweeps", [1, 2, 7])
def test_chains_at_equilibrium_stay_there(sweeps):
    m, n = machine(4, 3), 40_000
    exact = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
    start = exact.visible[np.random.default_rng(1).choice(16, n, p=exact.marginal)]
    ends = gibbs(m, start, KEY, sweeps=sweeps)
    found = frequencies(ends.visible, exact.visible)
    assert np.all(np.abs(found - exact.marginal) < SIGMAS * sampling_error(exact.marginal, n))
    hidden = exact.joint.sum(axis=0)
    assert np.all(np.abs(frequencies(ends.hidden, exact.hidden) - hidden) < SIGMAS * sampling_error(hidden, n))


def test_one_sweep_from_a_state_follows_the_transition_matrix():
    m, n = machine(3, 2), 20_000
    exact = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
    for state, expected in zip(exact.visible, exact.sweep(), strict=True):
        found = frequencies(gibbs(m, np.tile(state, (n, 1)), KEY).visible, exact.visible)
        assert np.all(np.abs(found - expected) < SIGMAS * sampling_error(expected, n))


def test_chains_far_from_equilibrium_get_there():
    m, n = machine(4, 3), 20_000
    exact = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
    left = np.linalg.matrix_power(exact.sweep(), 60)[0]  # what sixty sweeps make of the state 0000, exactly
    np.testing.assert_allclose(left, exact.marginal, atol=1e-3)
    found = frequencies(gibbs(m, np.zeros((n, 4)), KEY, sweeps=60).visible, exact.visible)
    assert np.all(np.abs(found - left) < SIGMAS * sampling_error(left, n))


def test_at_temperature_two_the_stationary_distribution_is_the_square_root():
    m, n = machine(4, 3), 40_000
    exact = naive.Enumerated.of(m.weights / 2, m.visible_bias / 2, m.hidden_bias / 2)
    start = exact.visible[np.random.default_rng(1).choice(16, n, p=exact.marginal)]
    found = frequencies(gibbs(m, start, KEY, sweeps=3, temperature=2).visible, exact.visible)
    assert np.all(np.abs(found - exact.marginal) < SIGMAS * sampling_error(exact.marginal, n))


def test_clamped_units_never_change_and_the_free_ones_follow_the_conditional():
    m, n = machine(4, 3), 40_000
    known, value = np.array([True, False, True, False]), np.array([1.0, 0, 0, 0])
    exact = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
    fits = (exact.visible[:, known] == value[known]).all(axis=1)
    expected = np.where(fits, exact.marginal, 0) / exact.marginal[fits].sum()
    start = exact.visible[np.random.default_rng(2).choice(16, n, p=expected)]
    for sweeps in (1, 4):
        chains = gibbs(m, start, KEY, sweeps=sweeps, known=known)
        assert np.all(chains.visible[:, known] == value[known])
        assert np.all(chains.visible_means[:, known] == value[known])
        found = frequencies(chains.visible, exact.visible)
        assert np.all(np.abs(found - expected) < SIGMAS * sampling_error(expected, n))


def test_each_chain_may_clamp_units_of_its_own():
    m, start = machine(4, 3), np.random.default_rng(0).integers(0, 2, (50, 4)).astype(float)
    known = np.random.default_rng(1).random((50, 4)) < 0.5
    chains = gibbs(m, start, KEY, sweeps=5, known=known)
    np.testing.assert_array_equal(chains.visible[known], start[known])
    assert not np.array_equal(chains.visible, start)


@pytest.mark.small
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_how_chains_are_cut(dtype):
    m = machine(13, 9, dtype=dtype)
    start = first_states(m, 20, KEY)
    rows = np.arange(20, dtype=np.uint64)
    whole = gibbs(m, start, KEY, sweeps=6)
    halves = [gibbs(m, start[part], KEY, sweeps=6, rows=rows[part]) for part in (slice(0, 7), slice(7, 20))]
    assert whole.visible.tobytes() == b"".join(half.visible.tobytes() for half in halves)
    first = gibbs(m, start, KEY, sweeps=2)
    later = gibbs(m, first.visible, KEY, sweeps=4, first=first.sweep)
    assert later.visible.tobytes() == whole.visible.tobytes()
    assert later.visible_means.tobytes() == whole.visible_means.tobytes()
    assert later.sweep == whole.sweep == 6


@pytest.mark.small
def test_a_unit_draws_the_same_number_whichever_units_are_drawn_with_it():
    means = np.random.default_rng(2).random((2, 2 * CHUNK + 100))
    together, apart = np.full_like(means, -1), np.full_like(means, -1)
    stream = KEY.words, np.arange(2, dtype=np.uint64), np.uint64(3), means
    draw_bernoulli(*stream, together, 0, means.shape[1])
    for begin in range(0, means.shape[1], 100):
        draw_bernoulli(*stream, apart, begin, min(begin + 100, means.shape[1]))
    np.testing.assert_array_equal(together, apart)
    assert set(apart.flat) == {0, 1}


def test_chains_of_the_same_row_number_are_twins_and_others_are_not():
    m, start = machine(8, 6), np.zeros((3, 8))
    ends = gibbs(m, start, KEY, sweeps=3, rows=np.array([5, 5, 6], np.uint64)).visible
    assert np.array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0], ends[2])


@pytest.mark.small
def test_the_dead_are_never_on():
    m = machine(5, 4, dead=[0, 5 + 3])
    chains = gibbs(m, np.ones((200, 5)), KEY, sweeps=3)
    assert not chains.visible[:, 0].any()
    assert not chains.hidden[:, 3].any()
    assert chains.visible[:, 1:].any(axis=0).all()


@pytest.mark.small
def test_evidence_pulls_units_towards_it():
    m, pull = machine(5, 4), np.full((100, 5), 50.0)
    assert gibbs(m, np.zeros((100, 5)), KEY, evidence=pull).visible.all()
    assert not gibbs(m, np.ones((100, 5)), KEY, evidence=-pull).visible.any()


@pytest.mark.small
def test_no_sweep_moves_nothing():
    start = np.eye(5)
    assert np.array_equal(gibbs(machine(), start, KEY, sweeps=0).visible, start)


@pytest.mark.small
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sweeps": -1}, r"sweeps must be an integer in \[0, inf\), got -1"),
        ({"temperature": 0}, "temperature must be finite and above 0"),
        ({"temperature": [1.0, np.nan], "sweeps": 2}, "temperature must be finite and above 0"),
        ({"temperature": [1.0, 2.0], "sweeps": 3}, r"one for each of the 3 sweeps, got shape \(2,\)"),
    ],
)
def test_bad_schedules_are_refused_in_words(options, message):
    with pytest.raises(InvalidInput, match=message):
        gibbs(machine(), np.zeros((2, 5)), KEY, **options)
