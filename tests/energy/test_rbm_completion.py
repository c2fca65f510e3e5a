"""Pattern completion: what recall weighs, what it ignores, and what it keeps."""

from __future__ import annotations

import numpy as np
import pytest

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput
from energy import completion, rbm
from energy.rbm import Machine
from tests.energy.test_rbm import machine

pytestmark = pytest.mark.small
KEY = Key.from_seed(2)


def two_memories(n=8):
    """One hidden unit that wants all visible units on: F(all on) = 4, F(all off) = 0, and high walls between."""
    ones = np.ones(n)
    return Machine(4 * np.ones((n, 1)), -2 * ones, np.array([-2.0 * n - 4]), ones, np.ones(1))


def test_the_two_memories_lie_where_they_are_meant_to():
    m = two_memories()
    np.testing.assert_allclose(rbm.free_energy(m, np.array([np.ones(8), np.zeros(8)])), [4, 0], atol=1e-4)
    for whole in (np.ones((1, 8)), np.zeros((1, 8))):
        np.testing.assert_array_equal(np.rint(completion.settle(m, whole)), whole)


def test_rows_go_to_the_nearer_memory_even_where_it_is_the_less_likely_one():
    m = two_memories()
    near_on = np.vstack([np.ones(8), 1 - np.eye(8)])  # all on, and seven of eight
    near_off = 1 - near_on
    for chains in (1, 4):
        assert np.rint(completion.recall(m, near_on, KEY, chains=chains)).all()
        assert not np.rint(completion.recall(m, near_off, KEY, chains=chains)).any()


def test_what_was_given_counts_in_the_choice_between_chains():
    """All on costs F = 4, all off costs 8 entries x trust 1: among many chains the former is best, and is chosen."""
    m, whole = two_memories(), np.ones((1, 8))
    ends = [np.rint(completion.recall(m, whole, KEY.child(number), trust=1.0, chains=1))[0, 0] for number in range(40)]
    assert 5 < np.sum(ends) < 35  # one chain alone ends in either
    assert np.rint(completion.recall(m, whole, KEY, trust=1.0, chains=40)).all()
    assert not np.rint(completion.recall(m, whole, KEY, trust=0.1, chains=40)).any()


def test_clamped_units_stay_and_decide_the_rest():
    m, known = two_memories(), np.arange(8) < 6
    rows = np.array([[1.0] * 6 + [0, 0], [0.0] * 6 + [1, 1]])
    whole = completion.recall(m, rows, KEY, known=known)
    np.testing.assert_array_equal(whole[:, known], rows[:, known])
    np.testing.assert_array_equal(np.rint(whole), [[1] * 8, [0] * 8])


def test_what_unknown_units_hold_does_not_matter():
    m, known = machine(12, 9, scale=0.5), np.arange(12) < 5
    rows = np.random.default_rng(0).random((40, 12))
    other = np.where(known, rows, np.random.default_rng(1).random((40, 12)))
    first, second = (completion.recall(m, given, KEY, known=known, sweeps=3, chains=2) for given in (rows, other))
    assert first.tobytes() == second.tobytes()


def test_a_row_is_recalled_alike_wherever_it_stands():
    m, rows = machine(12, 9, scale=0.5), np.random.default_rng(0).random((30, 12))
    whole = completion.recall(m, rows, KEY, sweeps=3, chains=2)
    order = np.random.default_rng(1).permutation(30)
    assert completion.recall(m, rows[order], KEY, sweeps=3, chains=2).tobytes() == whole[order].tobytes()
    assert completion.recall(m, rows[4:5], KEY, sweeps=3, chains=2).tobytes() == whole[4:5].tobytes()


@pytest.mark.parametrize("options", [{"trust": -1}, {"sweeps": 0}, {"chains": 0}])
def test_settings_out_of_range_are_refused_by_name(options):
    with pytest.raises(InvalidInput, match=f"{next(iter(options))} must be"):
        completion.recall(machine(), np.zeros((1, 5)), KEY, **options)
