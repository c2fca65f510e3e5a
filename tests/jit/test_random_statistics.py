"""Distributions, with tolerances computed from the sample size: four standard errors, or a chi-square quantile."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import special, stats

from bioneuro._jit.distributions import _poisson_log_probability, integer_below, normal_quantile, normals_from
from bioneuro._jit.kernel import kernel
from bioneuro._jit.random import Key, fill_bernoulli, fill_normal, fill_poisson, fill_uniform, hash_rows, permutation

KEY = Key.from_seed(2)
SHAPE = (400, 500)
N = SHAPE[0] * SHAPE[1]
RARE = 1e-4  # chance that a correct generator would fail one of these tests for a new key


@kernel
def _quantiles(p, out):
    for i in range(p.shape[0]):
        out[i] = normal_quantile(p[i])


@kernel
def _normals(words, out):
    normals_from(words, out)


@kernel
def _below(key, n, out):
    for i in range(out.shape[0]):
        out[i] = integer_below(key[0], key[1], np.uint64(i), np.uint64(0), np.uint64(0), n)


@kernel
def _log_probabilities(counts, rate, out):
    for i in range(counts.shape[0]):
        out[i] = _poisson_log_probability(counts[i], rate)


def assert_counts_fit(observed, expected):
    """Pearson's chi-square; cells are chosen so that every expectation is at least 5."""
    assert expected.min() >= 5
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, len(expected) - 1) > RARE


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_uniform_and_normal_draws_follow_their_distribution_functions(dtype):
    uniform = fill_uniform(KEY, 0, np.empty(SHAPE, dtype)).astype(np.float64)
    normal = fill_normal(KEY, 0, np.empty(SHAPE, dtype)).astype(np.float64)
    for sample in (uniform, special.ndtr(normal)):
        assert stats.kstest(sample.ravel(), "uniform").pvalue > RARE


@pytest.mark.parametrize("axis", ["unit", "row", "step", "key", "kind"])
def test_neighbouring_draws_are_uncorrelated(axis):
    first = fill_normal(KEY, 0, np.empty(SHAPE))
    second = {
        "unit": lambda: np.roll(first, 1, axis=1),
        "row": lambda: np.roll(first, 1, axis=0),
        "step": lambda: fill_normal(KEY, 1, np.empty(SHAPE)),
        "key": lambda: fill_normal(KEY.child("a"), 0, np.empty(SHAPE)),
        "kind": lambda: special.ndtri(fill_uniform(KEY, 0, np.empty(SHAPE)) + 2.0**-54),
    }[axis]()
    assert abs(np.mean(first * second)) < 4 / np.sqrt(N)


@pytest.mark.parametrize("p", [0.001, 0.3, 0.999])
def test_bernoulli_shares_are_p(p):
    share = fill_bernoulli(KEY, 0, p, np.empty(SHAPE)).mean()
    assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / N)


@pytest.mark.parametrize("rate", [0.02, 0.7, 4.0, 9.99, 10.0, 12.3, 60.0, 1e4])
def test_poisson_counts_have_their_probabilities(rate):
    counts = fill_poisson(KEY, 0, rate, np.empty(SHAPE, np.int64)).ravel()
    low, high = stats.poisson.ppf([100 / N, 1 - 100 / N], rate)
    step = max(1, int((high - low) // 100))
    edges = np.arange(low, high + 1, step)
    below = np.concatenate([[0.0], stats.poisson.cdf(edges, rate), [1.0]])
    observed = np.bincount(np.searchsorted(edges, counts), minlength=len(edges) + 1)
    assert_counts_fit(observed, N * np.diff(below))


@pytest.mark.parametrize("rate", [1e9, 1e15])
def test_poisson_counts_of_huge_rates_have_their_mean_and_variance(rate):
    counts = fill_poisson(KEY, 0, rate, np.empty(N, np.int64))
    scaled = (counts - rate) / np.sqrt(rate)
    assert abs(scaled.mean()) < 4 / np.sqrt(N)
    assert abs(scaled.var() - 1) < 4 * np.sqrt(2 / N)
    assert stats.kstest(scaled, "norm").pvalue > RARE


@pytest.mark.parametrize("rate", [10.0, 16.5, 300.0])
def test_poisson_log_probabilities_equal_exact_factorials(rate):
    counts = np.arange(400.0)
    out = np.empty_like(counts)
    _log_probabilities(counts, rate, out)
    with localcontext() as context:
        context.prec = 50
        log_rate = Decimal(rate).ln()
        exact = [k * log_rate - Decimal(rate) - Decimal(math.factorial(k)).ln() for k in range(400)]
    # a difference of terms of about k log k, below 3000: each rounds to 1e-16
    np.testing.assert_allclose(out, np.array(exact, float), atol=1e-12)


def test_all_orders_of_four_are_equally_likely():
    cells = {order: i for i, order in enumerate(itertools.permutations(range(4)))}
    observed = np.zeros(24)
    for step in range(4800):
        observed[cells[tuple(permutation(KEY, step, 4))]] += 1
    assert_counts_fit(observed, np.full(24, 200.0))


@pytest.mark.parametrize("n", [3, 2**63 + 2**62])  # without rejection the second leaves remainders 1/2, 1/4, 1/4
def test_bounded_whole_numbers_are_exactly_uniform(n):
    out = np.empty(N, np.uint64)
    _below(KEY.words, np.uint64(n), out)
    assert int(out.max()) < n
    observed = np.bincount((out % np.uint64(3)).astype(np.int64), minlength=3)
    assert_counts_fit(observed, np.full(3, N / 3))


def test_normal_quantiles_agree_with_scipy_to_the_far_tails():
    half = np.concatenate([np.logspace(-300, -1, 2000), np.linspace(0.01, 0.5, 2001)])
    p = np.concatenate([half, 1 - half[half > 1e-10]])
    out = np.empty_like(p)
    _quantiles(p, out)
    # AS 241 states 1e-16; near 1/2 the reference itself is good to 1e-16 absolute
    np.testing.assert_allclose(out, special.ndtri(p), rtol=2e-14, atol=1e-15)


@pytest.mark.parametrize("tails", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_normal_numbers_are_the_quantiles_of_their_words(tails, dtype):
    words = np.random.default_rng(0).integers(0, 2**64, 3000, np.uint64)
    if tails:  # beyond 6.6 standard deviations, where one number in 2e10 lies
        words[[7, 1500, 2999]] = 0, 2**28, 2**64 - 1
    p, expected, out = ((words >> np.uint64(12)).astype(float) + 0.5) / 2**52, np.empty(3000), np.empty(3000, dtype)
    _quantiles(p, expected)
    _normals(words, out)
    assert (abs(expected).max() > 6.6) == tails
    np.testing.assert_array_equal(out, expected.astype(dtype))


def test_hashes_of_similar_rows_look_like_independent_words():
    rows = np.eye(2000, 64)
    rows[64:, 0] = np.arange(2, 2000 - 62)
    hashes = hash_rows(rows)
    assert len(set(hashes.tolist())) == 2000
    bits = (hashes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(2000)
    flips = bits[:-1] ^ bits[1:]
    assert abs(flips.mean() - 0.5) < 5 * 0.5 / np.sqrt(flips.size)
