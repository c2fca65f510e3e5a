"""HopfieldMemory: digits, domains, lesions, scikit-learn's contract, messages."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import bioneuro
import energy
from bioneuro.data import known_half
from bioneuro.errors import InvalidInput, UnknownName, UnsupportedTopology
from energy import hopfield

HALVES = ("upper", "lower", "left", "right")


@pytest.fixture(scope="module")
def stored() -> np.ndarray:
    return bioneuro.load_digits().prototypes()


def random_spins(seed, *shape) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1.0, 1.0], shape)


def noisy_copies(stored, flip, n_draws) -> tuple[np.ndarray, np.ndarray]:
    """`n_draws` noisy versions of all patterns, and what each should become."""
    noisy = [bioneuro.corrupt(stored, flip=flip, random_state=seed) for seed in range(n_draws)]
    return np.concatenate(noisy), np.tile(stored, (n_draws, 1))


# -- digits ------------------------------------------------------------------------------------------------------------


def test_the_pseudo_inverse_recalls_nine_in_ten_digits_exactly_from_a_fifth_flipped(stored):
    noisy, target = noisy_copies(stored, 0.2, 100)
    recalled = energy.HopfieldMemory("pseudo-inverse", random_state=0).fit(stored).recall(noisy)
    # 1,000 rows at .94: one standard deviation is .008
    assert energy.exact_recall(recalled, target) / len(target) >= 0.92


def test_with_half_the_picture_known_and_clamped_the_other_half_comes_back(stored):
    exact = 0
    for seed in range(25):
        memory = energy.HopfieldMemory("pseudo-inverse", random_state=seed).fit(stored)
        for which in HALVES:
            known = known_half((8, 8), which)
            recalled = memory.recall(stored, known=known)
            np.testing.assert_array_equal(recalled[:, known], stored[:, known])
            exact += energy.exact_recall(recalled, stored)
    assert exact / (25 * len(HALVES) * len(stored)) >= 0.95


def test_hebb_fails_on_digits_which_are_correlated_and_succeeds_on_random_patterns(stored):
    noisy, target = noisy_copies(stored, 0.2, 20)
    digits = energy.HopfieldMemory("hebb", random_state=0).fit(stored).recall(noisy)
    assert energy.exact_recall(digits, target) / len(target) <= 0.2
    patterns = random_spins(0, 50, 1000)  # .05 N
    noisy, target = noisy_copies(patterns, 0.2, 1)
    recalled = energy.HopfieldMemory("hebb", random_state=0).fit(patterns).recall(noisy)
    assert energy.exact_recall(recalled, target) / len(target) >= 0.95


def test_what_is_not_known_is_ignored(stored):
    memory = energy.HopfieldMemory("pseudo-inverse", random_state=0).fit(stored)
    known = known_half((8, 8), "upper")
    hidden = np.where(known, stored, random_spins(3, *stored.shape))
    np.testing.assert_array_equal(memory.recall(hidden, known=known), memory.recall(stored, known=known))
    each = np.tile(known, (len(stored), 1))
    np.testing.assert_array_equal(memory.recall(hidden, known=each), memory.recall(stored, known=known))


# -- domains -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_recalled_lives_in_the_domain_of_the_data(dtype):
    spins = random_spins(4, 3, 50).astype(dtype)
    expected = None
    for low, high in ((-1, 1), (0, 1)):
        X = np.where(spins > 0, high, low).astype(dtype)
        memory = energy.HopfieldMemory(random_state=0).fit(X)
        recalled = memory.recall(bioneuro.corrupt(X, flip=0.1, random_state=0))
        assert recalled.dtype == dtype
        np.testing.assert_array_equal(recalled, X)
        expected = memory.energy(X) if expected is None else expected
        np.testing.assert_array_equal(memory.energy(X), expected)


def test_any_numbers_are_cut_at_the_median_and_come_back_as_the_means_of_either_side():
    column = np.array([1.0, 2.0, 6.0, 7.0])
    constant = np.full(4, 3.0)
    X = np.stack([column, -column, constant], axis=1)
    memory = energy.HopfieldMemory(random_state=0).fit(X)
    np.testing.assert_array_equal(memory.patterns_, [[-1, 1, -1], [-1, 1, -1], [1, -1, -1], [1, -1, -1]])
    np.testing.assert_array_equal(memory.recall([[0.0, -1.0, 3.0]]), [[1.5, -1.5, 3.0]])
    np.testing.assert_array_equal(memory.recall([[4.0, -4.1, 2.0]]), [[1.5, -1.5, 3.0]])


def test_zero_means_no_opinion_among_minus_and_plus_one_and_a_half_does_between_nought_and_one():
    known = np.array([True, False, True, False])
    for X, unknown in ((np.array([[-1.0, 1, 1, -1]]), 0), (np.array([[0.0, 1, 1, 0]]), 0.5)):
        memory = energy.HopfieldMemory(random_state=0).fit(X)
        np.testing.assert_array_equal(memory.recall(np.where(known, X, unknown)), X)
        np.testing.assert_array_equal(memory.recall(np.full_like(X, unknown)), np.full_like(X, unknown))


# -- lesions -----------------------------------------------------------------------------------------------------------


def test_a_lesion_of_nothing_changes_nothing(stored):
    memory = energy.HopfieldMemory("pseudo-inverse", random_state=0).fit(stored)
    noisy, target = noisy_copies(stored, 0.2, 3)
    same = memory.lesion(units=0, synapses=0)
    assert same.recall(noisy).tobytes() == memory.recall(noisy).tobytes()
    assert same.score(noisy, target) == memory.score(noisy, target)


def test_lesions_nest_and_leave_the_memory_they_were_made_from_alone(stored):
    memory = energy.HopfieldMemory(random_state=0).fit(stored)
    before = memory.parameters_.theta.copy()
    small, large = (memory.lesion(units=share, synapses=share, random_state=1) for share in (0.2, 0.5))
    assert (~small.alive_).sum() == 13
    assert (~large.alive_).sum() == 32
    assert not (large.alive_ & ~small.alive_).any()
    kept = [hurt.parameters_["spins->spins"] != 0 for hurt in (small, large)]
    assert not (kept[1] & ~kept[0]).any()
    np.testing.assert_array_equal(large.parameters_["spins->spins"], large.parameters_["spins->spins"].T)
    np.testing.assert_array_equal(memory.parameters_.theta, before)
    assert memory.alive_.all()


def test_dead_units_come_back_undecided_and_the_score_does_not_count_them():
    patterns = random_spins(5, 3, 200)
    memory = energy.HopfieldMemory(random_state=0).fit(patterns)
    hurt = memory.lesion(units=0.3, random_state=0)
    recalled = hurt.recall(patterns)
    assert (recalled[:, ~hurt.alive_] == 0).all()
    np.testing.assert_array_equal(recalled[:, hurt.alive_], patterns[:, hurt.alive_])
    assert hurt.score(patterns) == 1
    assert hurt.score(bioneuro.corrupt(patterns, flip=0.2, random_state=0), patterns) == 1
    other_dead = np.where(hurt.alive_, patterns, -patterns)
    assert hurt.energy(other_dead).tobytes() == hurt.energy(patterns).tobytes()
    assert memory.lesion(units=1.0).score(patterns) == 0


def test_with_three_neurons_in_ten_dead_the_others_still_hold_the_digits(stored):
    memory = energy.HopfieldMemory("pseudo-inverse", random_state=0).fit(stored)
    hurt = [memory.lesion(units=0.3, random_state=seed) for seed in range(20)]
    noisy, target = noisy_copies(stored, 0.1, 5)
    assert np.mean([one.score(stored) for one in hurt]) > 0.98
    assert np.mean([one.score(noisy, target) for one in hurt]) > 0.95  # the noise itself has an overlap of .8
    exact = [hopfield.exact_recall(one.recall(stored), stored, alive=one.alive_) for one in hurt]
    assert np.mean(exact) / len(stored) > 0.88  # measured .92


# -- scores ------------------------------------------------------------------------------------------------------------


def test_the_score_is_the_mean_overlap_with_the_targets(stored):
    memory = energy.HopfieldMemory(random_state=0).fit(stored)
    noisy, target = noisy_copies(stored, 0.3, 2)
    assert memory.score(noisy, target) == pytest.approx((memory.recall(noisy) * target).mean())
    assert memory.score(noisy) == pytest.approx((memory.recall(noisy) * noisy).mean())


def test_with_labels_the_score_is_the_share_recalled_nearest_to_a_pattern_of_that_label(stored):
    labels = np.array(list("abcdefghij"))
    memory = energy.HopfieldMemory("pseudo-inverse", random_state=0).fit(stored, labels)
    assert memory.score(stored, labels) == 1
    assert memory.score(stored[:4], labels[[0, 1, 9, 9]]) == 0.5
    assert memory.lesion(units=0.3).score(stored, labels) == 1
    with pytest.raises(InvalidInput, match=r"fit\(X, y\)"):
        energy.HopfieldMemory().fit(stored).score(stored, labels)


# -- recordings and repeatability --------------------------------------------------------------------------------------


def test_the_recording_shows_the_energy_falling_to_that_of_what_was_recalled(stored):
    memory = energy.HopfieldMemory("pseudo-inverse", random_state=0).fit(stored)
    noisy = bioneuro.corrupt(stored, flip=0.2, random_state=0)
    recording = memory.recall_recording(noisy)
    np.testing.assert_allclose(recording["energy"][0], memory.energy(noisy), rtol=1e-5)
    np.testing.assert_allclose(recording["energy"][-1], memory.energy(memory.recall(noisy)), rtol=1e-5)
    assert (np.diff(recording["energy"], axis=0) <= 1e-5).all()
    assert (recording.state.period == 1).all()


@pytest.mark.parametrize("rule", ["hebb", "pseudo-inverse"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_split(stored, rule):
    noisy, _ = noisy_copies(stored, 0.3, 3)
    first, second = (energy.HopfieldMemory(rule, random_state=7).fit(stored) for _ in range(2))
    whole = first.recall(noisy)
    parts = np.concatenate([second.recall(noisy[:1]), second.recall(noisy[1:20]), second.recall(noisy[20:])])
    assert whole.tobytes() == parts.tobytes()
    assert first.energy(noisy).tobytes() == np.concatenate([first.energy(row[None]) for row in noisy]).tobytes()
    order = np.random.default_rng(0).permutation(len(noisy))
    assert first.recall(noisy[order]).tobytes() == whole[order].tobytes()


def test_no_seed_draws_one_and_keeps_it(stored):
    noisy, _ = noisy_copies(stored, 0.3, 2)
    memory = energy.HopfieldMemory().fit(stored)
    assert memory.seed_ != energy.HopfieldMemory().fit(stored).seed_
    np.testing.assert_array_equal(memory.recall(noisy), memory.recall(noisy))
    again = energy.HopfieldMemory(random_state=memory.seed_).fit(stored)
    np.testing.assert_array_equal(again.recall(noisy), memory.recall(noisy))


def test_a_pickled_copy_recalls_the_same_and_inputs_are_left_alone(stored):
    X = stored.copy()
    X.flags.writeable = False
    memory = energy.HopfieldMemory("pseudo-inverse", random_state=0).fit(X)
    copy = pickle.loads(pickle.dumps(memory))
    assert copy.recall(X).tobytes() == memory.recall(X).tobytes()
    assert not hasattr(clone(memory), "parameters_")


# -- scikit-learn ------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*leave no weight but 0:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks_pass_without_excuses():
    results = check_estimator(energy.HopfieldMemory(), on_fail=None)
    assert [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")] == []
    assert [r["check_name"] for r in results if r["status"] == "skipped"] in ([], ["check_array_api_input"])
    tags = energy.HopfieldMemory().__sklearn_tags__()
    assert (tags.no_validation, tags.non_deterministic, tags._skip_test) == (False, False, False)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_an_unknown_rule_or_dynamics_is_answered_with_the_nearest(stored):
    with pytest.raises(UnknownName, match="did you mean 'pseudo-inverse'"):
        energy.HopfieldMemory(rule="pseudoinverse").fit(stored)
    with pytest.raises(UnknownName, match="did you mean 'synchronous'"):
        energy.HopfieldMemory(dynamics="syncronous").fit(stored)


def test_wrong_input_is_refused_with_what_is_allowed(stored):
    memory = energy.HopfieldMemory().fit(stored)
    with pytest.raises(ValueError, match="63 features, but HopfieldMemory is expecting 64"):
        memory.recall(stored[:, 1:])
    with pytest.raises(ValueError, match="NaN"):
        memory.recall(np.where(stored > 0, stored, np.nan))
    with pytest.raises(
        InvalidInput, match=r"known must be a bool mask of shape \(64,\) or \(10, 64\), got bool of shape \(63,\)"
    ):
        memory.recall(stored, known=np.ones(63, bool))
    with pytest.raises(InvalidInput, match="got float32"):
        memory.recall(stored, known=stored)
    with pytest.raises(InvalidInput, match="one target pattern for each row"):
        memory.score(stored, stored[:5])
    with pytest.raises(InvalidInput, match="one label for each of the 10 rows"):
        memory.fit(stored, np.zeros(9))
    with pytest.raises(InvalidInput, match="max_sweeps"):
        energy.HopfieldMemory(max_sweeps=0).fit(stored)
    with pytest.raises(InvalidInput, match="thresholds"):
        energy.HopfieldMemory(thresholds=np.zeros(3)).fit(stored)
    with pytest.raises(NotFittedError):
        energy.HopfieldMemory().recall(stored)


def test_a_topology_is_checked_and_used(stored):
    net = bioneuro.Topology.hopfield((8, 8, 1))
    assert energy.HopfieldMemory(topology=net).fit(stored).topology_ is net
    with pytest.raises(InvalidInput, match="has 9 units and the data has 64 features"):
        energy.HopfieldMemory(topology=bioneuro.Topology.hopfield(9)).fit(stored)
    with pytest.raises(UnsupportedTopology, match=r"no Hopfield net.*Topology.hopfield"):
        energy.HopfieldMemory(topology=bioneuro.Topology.mlp(64, 10)).fit(stored)


def test_recall_that_is_cut_short_warns():
    patterns = random_spins(6, 40, 100)  # far above capacity
    memory = energy.HopfieldMemory(max_sweeps=1, random_state=0).fit(patterns)
    with pytest.warns(ConvergenceWarning, match="of 40 rows still moved after max_sweeps=1; raise max_sweeps"):
        memory.recall(patterns)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        memory.set_params(max_sweeps=100).recall(patterns)


def test_more_patterns_than_units_warn_that_nothing_is_left_to_recall_with():
    with pytest.warns(UserWarning, match="100 patterns of 12 units leave no weight but 0"):
        energy.HopfieldMemory("pseudo-inverse").fit(random_spins(7, 100, 12))


def test_a_recording_of_recall_can_be_kept(tmp_path, stored):
    import bioneuro

    recording = energy.HopfieldMemory(random_state=0).fit(stored).recall_recording(stored)
    path = bioneuro.save(tmp_path / "recall", recording)
    np.testing.assert_array_equal(bioneuro.load(path).state.spins, recording.state.spins)
