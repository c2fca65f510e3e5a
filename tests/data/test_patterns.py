"""Pattern sets: their statistics are those of their formulas. Tolerances are five standard errors."""

import numpy as np
import pytest

from bioneuro.data import biased_patterns, correlated_patterns, random_patterns
from bioneuro.errors import InvalidInput, ResourceError


def overlaps(patterns):
    products = patterns @ patterns.T / patterns.shape[1]
    return products[np.triu_indices(len(patterns), 1)]


def test_random_patterns_are_spins_without_mean_or_overlap():
    patterns = random_patterns(100, 1000, random_state=0)
    assert patterns.dtype == np.float32
    assert set(np.unique(patterns)) == {-1, 1}
    assert abs(patterns.mean()) < 5 / np.sqrt(patterns.size)
    assert overlaps(patterns).std() == pytest.approx(1 / np.sqrt(1000), rel=0.05)


@pytest.mark.parametrize("activity", [-0.8, 0, 0.5])
def test_biased_patterns_have_the_mean_activity(activity):
    patterns = biased_patterns(100, 1000, activity=activity, random_state=0)
    error = np.sqrt((1 - activity**2) / patterns.size)
    assert abs(patterns.mean() - activity) < 5 * error
    assert overlaps(patterns).mean() == pytest.approx(activity**2, abs=0.02)


def test_full_activity_is_all_ones():
    assert np.all(biased_patterns(3, 50, activity=1) == 1)
    assert np.all(biased_patterns(3, 50, activity=-1) == -1)


@pytest.mark.parametrize("overlap", [0, 0.3, 0.9, 1])
def test_correlated_patterns_overlap_as_asked_without_a_mean_activity(overlap):
    patterns = correlated_patterns(40, 20000, overlap=overlap, random_state=0)
    assert overlaps(patterns).mean() == pytest.approx(overlap, abs=0.01)
    assert abs(patterns.mean()) < 5 / np.sqrt(20000)


def test_patterns_of_two_ancestors_overlap_within_and_not_between():
    patterns = correlated_patterns(20, 20000, overlap=0.5, n_ancestors=2, random_state=0)
    products = patterns @ patterns.T / 20000
    family = np.arange(20) % 2
    same = (family[:, None] == family) & ~np.eye(20, dtype=bool)
    assert np.allclose(products[same], 0.5, atol=5 / np.sqrt(20000))
    assert np.allclose(products[family[:, None] != family], 0, atol=5 / np.sqrt(20000))


@pytest.mark.parametrize(
    "make",
    [
        lambda n, seed: random_patterns(n, 30, random_state=seed),
        lambda n, seed: biased_patterns(n, 30, activity=0.4, random_state=seed),
        lambda n, seed: correlated_patterns(n, 30, overlap=0.4, n_ancestors=3, random_state=seed),
    ],
)
def test_a_seed_gives_the_same_patterns_whatever_their_number(make):
    assert np.array_equal(make(5, 0), make(20, 0)[:5])
    assert not np.array_equal(make(5, 0), make(5, 1))
    assert not np.array_equal(make(5, None), make(5, None))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: random_patterns(0, 5), "n_patterns must be an integer"),
        (lambda: random_patterns(5, 2.5), "n_units must be an integer"),
        (lambda: biased_patterns(2, 2, activity=2), r"activity must be a number in \[-1, 1\], got 2; a share f"),
        (lambda: correlated_patterns(2, 2, overlap=-0.1), r"overlap must be a number in \[0, 1\]"),
        (lambda: correlated_patterns(2, 2, overlap=0.1, n_ancestors=3), r"n_ancestors must be an integer in \[1, 2\]"),
    ],
)
def test_patterns_that_cannot_be_are_refused(ask, message):
    with pytest.raises(InvalidInput, match=message):
        ask()


def test_more_patterns_than_memory_are_refused_by_name():
    with pytest.raises(ResourceError, match=r"GiB are free; the largest part is draws"):
        random_patterns(10**7, 10**7)
