"""Recall, energy and measures of the Hopfield engine."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioneuro import Parameters, Topology
from bioneuro._jit.keys import Key
from bioneuro._jit.random import draw_permutation, hash_rows
from bioneuro.errors import InvalidInput, ResourceError, UnknownName, UnsupportedTopology
from bioneuro.topology import Dense, Population
from energy import hopfield
from energy.kernels import hopfield as kernels
from tests.naive import hopfield as naive

KEY = Key.from_seed(0)
FLOATS = ["float32", "float64"]


def net(weights, thresholds=0.0, dtype="float64") -> Parameters:
    parameters = Parameters.zeros(Topology.hopfield(len(weights)), dtype)
    parameters["spins->spins"] = weights
    parameters["spins.bias"] = -np.asarray(thresholds)
    return parameters


def random_spins(random, *shape) -> np.ndarray:
    return random.choice([-1, 1], shape)


def random_weights(random, n, whole=False) -> np.ndarray:
    weights = random.integers(-3, 4, (n, n)).astype(float) if whole else random.normal(size=(n, n))
    weights = np.triu(weights, 1)
    return weights + weights.T


def mean_overlap_after(patterns, flips, rule, random) -> float:
    """Store `patterns`, flip `flips` spins of each, recall; the mean overlap with what was stored."""
    parameters = hopfield.store(Topology.hopfield(patterns.shape[1]), patterns, rule=rule)
    noisy = patterns.copy()
    for row in noisy:
        row[random.permutation(len(row))[:flips]] *= -1
    recalled = hopfield.recall(parameters, noisy, KEY).state.spins
    return float(hopfield.overlap(recalled, patterns).mean())


# -- kernels against their twins ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("whole", [True, False])
def test_a_sweep_flips_what_the_textbook_flips(dtype, whole):
    random = np.random.default_rng(1)
    n_rows, n = 5, 23
    weights = random_weights(random, n, whole).astype(dtype)
    thresholds = random.integers(-1, 2, n).astype(dtype)
    slack = np.full(n, 0 if whole else 1e-5, dtype)
    free = random.random((n_rows, n)) < 0.8
    spins = random.choice([-1, 0, 1], (n_rows, n)).astype(dtype)
    before, fields = spins.copy(), spins @ weights
    streams = hash_rows(spins)
    rows, flips = np.array([4, 0, 2]), np.empty(3, np.int64)
    order = np.empty(n, np.int64)
    kernels.sweep_asynchronously(
        weights, thresholds, slack, KEY.words, streams, 7, rows, free, spins, fields, order, flips
    )
    for k, row in enumerate(rows):
        visits = np.empty(n, np.int64)
        draw_permutation(KEY.words, streams[row], np.uint64(7), visits)
        wanted, flipped = naive.asynchronous_sweep(weights, thresholds, slack, visits, free[row], before[row])
        np.testing.assert_array_equal(spins[row], wanted)
        assert flips[k] == flipped
    np.testing.assert_array_equal(spins[[1, 3]], before[[1, 3]])
    np.testing.assert_allclose(fields, spins @ weights, atol=200 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_energies_are_the_textbooks(dtype):
    random = np.random.default_rng(2)
    parameters = net(random_weights(random, 17), random.normal(size=17), dtype)
    spins = random.choice([-1, 0, 1], (6, 17))
    wanted = [naive.energy(parameters["spins->spins"], -parameters["spins.bias"], row) for row in spins]
    # N^2 / 2 terms of order 1, each rounded to eps / 2, add up like a random walk
    np.testing.assert_allclose(hopfield.energy(parameters, spins), wanted, atol=17 * 4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_synchronous_steps_are_the_textbooks(dtype):
    random = np.random.default_rng(3)
    parameters = net(random_weights(random, 15, whole=True), random.integers(-1, 2, 15), dtype)
    known = random.random((8, 15)) < 0.2
    spins = random.choice([-1, 0, 1], (8, 15))
    recalled = hopfield.recall(parameters, spins, KEY, dynamics="synchronous", known=known, max_sweeps=1).state.spins
    for row in range(8):
        wanted = naive.synchronous_step(parameters["spins->spins"], -parameters["spins.bias"], ~known[row], spins[row])
        np.testing.assert_array_equal(recalled[row], wanted)


# -- energy ------------------------------------------------------------------------------------------------------------


@st.composite
def recalls(draw):
    """A random net with thresholds, clamped and dead units, and states of -1, 0, +1 to start from."""
    n = draw(st.integers(1, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    whole = draw(st.booleans())
    weights = random_weights(random, n, whole) * draw(st.sampled_from([1.0, 1e-6, 1e4]))
    weights *= random_weights(random, n, True) != 0 if draw(st.booleans()) else 1
    thresholds = draw(st.sampled_from([0.0, 1.0])) * (random.integers(-2, 3, n) if whole else random.normal(size=n))
    return {
        "parameters": net(weights, thresholds, draw(st.sampled_from(FLOATS))),
        "spins": random.choice([-1, 0, 1], (3, n)),
        "known": random.random((3, n)) < draw(st.sampled_from([0, 0.3])),
        "alive": random.random(n) >= draw(st.sampled_from([0, 0.3])),
        "key": Key.from_seed(draw(st.integers(0, 2**32))),
    }


@settings(max_examples=150, deadline=None)
@given(recalls())
def test_energy_never_rises_in_asynchronous_recall(run):
    recording = hopfield.recall(**run)
    parameters = run["parameters"]
    weights, thresholds = parameters["spins->spins"], -parameters["spins.bias"]
    # a flip lowers the energy by twice the field; what the trace shows may differ by the rounding of its terms
    largest = 0.5 * np.abs(weights).sum(dtype=float) + np.abs(thresholds).sum(dtype=float)
    assert np.diff(recording["energy"], axis=0).max(initial=-math.inf) <= 8 * np.finfo(parameters.dtype).eps * largest
    state = recording.state
    assert (state.period == 1).all()
    start = np.where(run["alive"], run["spins"], 0)
    held = run["known"] | ~run["alive"]
    np.testing.assert_array_equal(state.spins[held], start[held])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(2, 12), st.sampled_from(FLOATS))
def test_with_hebbian_weights_energy_falls_to_the_last_bit(seed, n_patterns, n, dtype):
    random = np.random.default_rng(seed)
    parameters = hopfield.store(Topology.hopfield(n), random_spins(random, n_patterns, n), dtype=dtype)
    recording = hopfield.recall(parameters, random_spins(random, 4, n), KEY)
    falls, flips = -np.diff(recording["energy"], axis=0), recording["flips"]
    assert ((falls > 0) == (flips > 0)).all()
    assert (falls[flips == 0] == 0).all()


def test_the_energy_of_two_coupled_spins_is_minus_their_coupling():
    parameters = net([[0, 2], [2, 0]], [0.5, 0])
    np.testing.assert_allclose(hopfield.energy(parameters, [[1, 1], [1, -1], [-1, -1], [0, 1]]), [-1.5, 2.5, -2.5, 0])


def test_recall_ends_in_a_state_that_no_single_flip_improves():
    random = np.random.default_rng(5)
    weights, thresholds = random_weights(random, 20), random.normal(size=20)
    for spins in hopfield.recall(net(weights, thresholds), random_spins(random, 10, 20), KEY).state.spins:
        depth = naive.energy(weights, thresholds, spins)
        for unit in range(20):
            flipped = spins.copy()
            flipped[unit] *= -1
            assert naive.energy(weights, thresholds, flipped) >= depth


# -- zero fields -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", hopfield.DYNAMICS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_zero_field_keeps_the_old_spin(dynamics, dtype):
    # two patterns that agree on units 0-2 and differ on 3-5: half way between them units 3-5 feel exactly nothing
    patterns = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, -1, -1, -1]])
    parameters = hopfield.store(Topology.hopfield(6), patterns, dtype=dtype)
    for unit_3 in (-1, 0, 1):
        start = np.array([[1, 1, 1, unit_3, 0, 0]])
        known = np.array([True, True, True, False, True, True])
        recalled = hopfield.recall(parameters, start, KEY, dynamics=dynamics, known=known).state.spins
        np.testing.assert_array_equal(recalled, start)


@pytest.mark.parametrize("n", [3, 7, 49, 999])
def test_hebbian_ties_are_exact_where_one_over_n_is_not(n):
    # with one pattern and as many spins right as wrong among the others, every field is (right - wrong) / N = 0
    pattern = random_spins(np.random.default_rng(n), 1, n)
    parameters = hopfield.store(Topology.hopfield(n), pattern)
    start = pattern.copy()
    start[0, 1 : 1 + (n - 1) // 2] *= -1
    known = np.arange(n) > 0
    for spin in (-1, 1):
        start[0, 0] = spin
        assert hopfield.recall(parameters, start, KEY, known=known).state.spins[0, 0] == spin


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [7, 100, 641])
def test_hebbian_fields_are_whole_numbers_without_any_rounding(dtype, n):
    random = np.random.default_rng(n)
    patterns, spins = random_spins(random, 30, n), random_spins(random, 5, n)
    couplings = hopfield.Couplings.of(hopfield.store(Topology.hopfield(n), patterns, dtype=dtype))
    whole = patterns.T @ patterns  # int64
    np.fill_diagonal(whole, 0)
    assert couplings.scale == n
    assert not couplings.slack.any()
    np.testing.assert_array_equal(couplings.weights, whole)
    np.testing.assert_array_equal(couplings.fields(spins.astype(dtype)), spins @ whole)


def test_whole_weights_too_large_for_exact_sums_are_not_taken_for_exact():
    large = np.array([[0, 1, 0], [1, 0, 2**24], [0, 2**24, 0]])
    assert hopfield.Couplings.of(net(large, dtype="float32")).slack.any()
    assert not hopfield.Couplings.of(net(large, dtype="float64")).slack.any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_ties_survive_the_rounding_of_other_weights(dtype):
    parameters = net([[0, 0.1, 0.2, -0.3], [0.1, 0, 0, 0], [0.2, 0, 0, 0], [-0.3, 0, 0, 0]], dtype=dtype)
    known = np.array([False, True, True, True])  # .1 + .2 - .3 is not 0 in floating point
    for spin in (-1, 1):
        assert hopfield.recall(parameters, [[spin, 1, 1, 1]], KEY, known=known).state.spins[0, 0] == spin


def test_a_field_equal_to_the_threshold_keeps_the_old_spin_and_a_larger_one_wins():
    parameters = net([[0, 1], [1, 0]], [1, 0])
    known = np.array([False, True])
    assert hopfield.recall(parameters, [[-1, 1]], KEY, known=known).state.spins[0, 0] == -1
    parameters = net([[0, 1], [1, 0]], [0.999, 0])
    assert hopfield.recall(parameters, [[-1, 1]], KEY, known=known).state.spins[0, 0] == 1


# -- theory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("load", "n_seeds"), [(0.1, 30), (0.15, 10), (0.2, 6)])
def test_the_one_step_error_of_random_patterns_is_the_closed_form(load, n_seeds):
    n, rates = 1001, []
    n_patterns = 1 + round(load * (n - 1))  # crosstalk comes from the other patterns and the other units
    for seed in range(n_seeds):
        patterns = random_spins(np.random.default_rng(seed), n_patterns, n)
        parameters = hopfield.store(Topology.hopfield(n), patterns)
        after = hopfield.recall(parameters, patterns, KEY, dynamics="synchronous", max_sweeps=1).state.spins
        rates.append(np.mean(after != patterns))
    expected = hopfield.one_step_error(load)
    # three standard errors of the mean over seeds; and fields come in steps of 2 / N, where the normal law is smooth
    tolerance = 3 * np.std(rates, ddof=1) / math.sqrt(n_seeds) / expected + 0.5 * (2 / n) / load
    assert tolerance < 0.1
    assert np.mean(rates) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(("load", "expected"), [(0.105, 0.001), (0.138, 0.0036), (0.185, 0.01), (0.37, 0.05)])
def test_the_one_step_error_is_that_of_the_textbook(load, expected):
    # Hertz, Krogh, Palmer (1991), table 2.1
    assert hopfield.one_step_error(load) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("rule", ["hebb", "pseudo-inverse"])
def test_random_patterns_well_below_capacity_are_recalled_from_noise(rule):
    random = np.random.default_rng(7)
    assert mean_overlap_after(random_spins(random, 16, 400), 40, rule, random) == 1


def test_hebb_fails_above_its_capacity_where_the_pseudo_inverse_does_not():
    random = np.random.default_rng(8)
    patterns = random_spins(random, 120, 400)  # .3 N
    assert mean_overlap_after(patterns, 20, "hebb", random) < 0.7
    assert mean_overlap_after(patterns, 20, "pseudo-inverse", random) > 0.99


def test_just_below_capacity_overlap_is_that_of_replica_theory():
    # Amit, Gutfreund, Sompolinsky: m(.12) = .9932; N = 1000 loses a few patterns, so the median counts
    random = np.random.default_rng(9)
    patterns = random_spins(random, 120, 1000)
    parameters = hopfield.store(Topology.hopfield(1000), patterns)
    recalled = hopfield.recall(parameters, patterns, KEY).state.spins
    assert np.median(hopfield.overlap(recalled, patterns)) == pytest.approx(0.9932, abs=0.006)


# -- dynamics ----------------------------------------------------------------------------------------------------------


def test_two_spins_that_inhibit_each_other_swap_for_ever_when_updated_at_once():
    recording = hopfield.recall(net([[0, -1], [-1, 0]]), [[1, 1], [1, -1]], KEY, dynamics="synchronous")
    np.testing.assert_array_equal(recording.state.period, [2, 1])
    np.testing.assert_array_equal(recording.state.sweeps, [2, 1])
    assert hopfield.recall(net([[0, -1], [-1, 0]]), [[1, 1]], KEY).state.period[0] == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 10), st.booleans())
def test_synchronous_recall_ends_in_fixed_points_or_cycles_of_two(seed, n, whole):
    random = np.random.default_rng(seed)
    weights = random_weights(random, n, whole)
    recording = hopfield.recall(net(weights), random_spins(random, 5, n), KEY, dynamics="synchronous", max_sweeps=500)
    free = np.ones(n, bool)
    for spins, period in zip(recording.state.spins, recording.state.period, strict=True):
        once = naive.synchronous_step(weights, 0.0, free, spins)
        twice = naive.synchronous_step(weights, 0.0, free, once)
        assert period == (1 if (once == spins).all() else 2)
        np.testing.assert_array_equal(twice, spins)


def test_recall_that_is_cut_short_says_so():
    random = np.random.default_rng(10)
    weights, spins = random_weights(random, 200), random_spins(random, 6, 200)
    cut, whole = (hopfield.recall(net(weights), spins, KEY, max_sweeps=sweeps) for sweeps in (1, 100))
    assert (cut.state.period == 0).all()
    assert (whole.state.period == 1).all()
    assert whole["flips"].shape == (whole.state.sweeps.max(), 6)
    assert whole["energy"].shape == (whole.state.sweeps.max() + 1, 6)
    np.testing.assert_array_equal(whole["energy"][1], cut["energy"][1])
    np.testing.assert_allclose(whole["energy"][-1], hopfield.energy(net(weights), whole.state.spins))


@pytest.mark.parametrize("dynamics", hopfield.DYNAMICS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_row_is_recalled_alike_in_any_company(dynamics, dtype):
    random = np.random.default_rng(11)
    parameters, spins = net(random_weights(random, 40), dtype=dtype), random_spins(random, 20, 40)

    def recalled(rows):
        recording = hopfield.recall(parameters, spins[rows], KEY, dynamics=dynamics)
        return recording.state.spins, recording["energy"][-1]

    together, energies = recalled(np.arange(20))
    for rows in (np.arange(20)[::-1], np.arange(3), np.array([17])):
        alone, energy = recalled(rows)
        assert alone.tobytes() == together[rows].tobytes()
        assert energy.tobytes() == energies[rows].tobytes()


def test_the_order_of_visits_depends_on_the_key_and_the_start_is_left_alone():
    random = np.random.default_rng(12)
    parameters, spins = net(random_weights(random, 60)), random_spins(random, 20, 60)
    spins.flags.writeable = False
    parameters.theta.flags.writeable = False
    first, again, other = (hopfield.recall(parameters, spins, key).state.spins for key in (KEY, KEY, Key.from_seed(1)))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_work_split_into_small_calls_gives_the_same_bytes(monkeypatch):
    random = np.random.default_rng(13)
    parameters, spins = net(random_weights(random, 30)), random_spins(random, 9, 30)
    whole = [hopfield.recall(parameters, spins, KEY, dynamics=dynamics) for dynamics in hopfield.DYNAMICS]
    monkeypatch.setattr(hopfield, "_WORK_PER_CALL", 1)
    split = [hopfield.recall(parameters, spins, KEY, dynamics=dynamics) for dynamics in hopfield.DYNAMICS]
    for one, other in zip(whole, split, strict=True):
        assert one.state.spins.tobytes() == other.state.spins.tobytes()
        assert one["energy"].tobytes() == other["energy"].tobytes()


def test_no_rows_give_no_rows():
    recording = hopfield.recall(net(np.zeros((3, 3))), np.zeros((0, 3)), KEY)
    assert recording.state.spins.shape == (0, 3)


# -- dead units --------------------------------------------------------------------------------------------------------


def test_dead_units_are_silent_as_if_they_had_never_been():
    random = np.random.default_rng(14)
    weights, thresholds = random_weights(random, 16, whole=True), random.integers(-1, 2, 16)
    alive = random.random(16) < 0.6
    spins = random_spins(random, 4, 16)
    hurt = hopfield.recall(net(weights, thresholds), spins, KEY, dynamics="synchronous", alive=alive)
    small = hopfield.recall(
        net(weights[np.ix_(alive, alive)], thresholds[alive]), spins[:, alive], KEY, dynamics="synchronous"
    )
    assert (hurt.state.spins[:, ~alive] == 0).all()
    np.testing.assert_array_equal(hurt.state.spins[:, alive], small.state.spins)
    np.testing.assert_allclose(hurt["energy"], small["energy"])


# -- measures ----------------------------------------------------------------------------------------------------------


def test_overlap_and_exact_recall_count_living_units_only_when_asked():
    stored, recalled = [[1, 1, -1, -1], [1, -1, 1, -1]], [[1, 1, -1, 1], [1, -1, 1, -1]]
    np.testing.assert_allclose(hopfield.overlap(recalled, stored), [0.5, 1])
    assert hopfield.exact_recall(recalled, stored) == 1
    alive = np.array([True, True, True, False])
    np.testing.assert_allclose(hopfield.overlap(recalled, stored, alive=alive), [1, 1])
    assert hopfield.exact_recall(recalled, stored, alive=alive) == 2
    np.testing.assert_array_equal(hopfield.overlap(recalled, stored, alive=np.zeros(4, bool)), [0, 0])


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topology", "complaint"),
    [
        (Topology.mlp(4, 2), "2 populations"),
        (Topology([Population("spins", 4, unit="relu")], []), "'relu'"),
        (Topology([Population("spins", 4, unit="spin")], []), "0 projections"),
        (Topology([Population("s", 4, unit="spin")], [Dense("s", "s")]), "symmetric"),
        (Topology([Population("s", 4, unit="spin")], [Dense("s", "s", symmetric=True, sign=1)]), "sign"),
    ],
)
def test_a_topology_that_is_no_hopfield_net_is_refused_with_the_reason(topology, complaint):
    with pytest.raises(UnsupportedTopology, match=rf"no Hopfield net: .*{complaint}.*Topology.hopfield"):
        hopfield.store(topology, np.ones((1, 4)))


def test_wrong_input_is_refused_with_what_is_allowed():
    parameters, spins = net(np.zeros((3, 3))), np.ones((2, 3))
    with pytest.raises(UnknownName, match="did you mean 'hebb'"):
        hopfield.store(Topology.hopfield(3), spins, rule="heb")
    with pytest.raises(UnknownName, match="did you mean 'asynchronous'"):
        hopfield.recall(parameters, spins, KEY, dynamics="asynchron")
    with pytest.raises(InvalidInput, match=r"\(rows, 3\)"):
        hopfield.recall(parameters, np.ones((2, 4)), KEY)
    with pytest.raises(InvalidInput, match="-1, 0, 1"):
        hopfield.energy(parameters, [[0.5, 1, 1]])
    with pytest.raises(InvalidInput, match="no pattern"):
        hopfield.store(Topology.hopfield(3), np.ones((0, 3)))
    with pytest.raises(InvalidInput, match=r"mask of True and False of shape \(3,\) or \(2, 3\); got int64"):
        hopfield.recall(parameters, spins, KEY, known=np.array([0, 1, 1]))
    with pytest.raises(InvalidInput, match=r"alive must be .* of shape \(3,\); got bool of shape \(2,\)"):
        hopfield.recall(parameters, spins, KEY, alive=np.ones(2, bool))
    with pytest.raises(InvalidInput, match="max_sweeps"):
        hopfield.recall(parameters, spins, KEY, max_sweeps=0)
    with pytest.raises(InvalidInput, match="same shape"):
        hopfield.overlap(spins, np.ones((2, 4)))


def test_a_net_larger_than_memory_is_refused_before_it_is_allocated():
    with pytest.raises(ResourceError, match="spins->spins"):
        hopfield.store(Topology.hopfield(3_000_000), np.ones((1, 3_000_000), np.int8))
