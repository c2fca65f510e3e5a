"""Rows become spikes: laws of the trains, and one row always the same train."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import bioneuro._jit.random
from bioneuro import memory
from bioneuro.data import encode_latency, encode_poisson, encode_rate, load_digits, rates_of
from bioneuro.errors import InvalidInput, ResourceError

RANDOM = np.random.default_rng(0)
X = RANDOM.random((40, 7)).astype(np.float32)
ENCODERS = {
    "poisson": lambda rows: encode_poisson(rows, 0.3, highest=80.0, lowest=5.0, random_state=4),
    "poisson on a grid": lambda rows: encode_poisson(rows, 0.3, dt=1e-3, random_state=4),
    "rate": lambda rows: encode_rate(rows, 0.3),
    "latency": lambda rows: encode_latency(rows, 0.3, threshold=0.2),
}
ALL = pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS)


@ALL
def test_one_row_gives_one_train_however_the_batch_is_cut(encode):
    whole = encode(X)
    order = RANDOM.permutation(len(X))
    shuffled, alone = encode(X[order].astype(np.float64)), [encode(row) for row in X]
    for place, i in enumerate(order):
        for one, other, third in zip(whole.row(i), shuffled.row(place), alone[i].row(0), strict=True):
            assert np.array_equal(one, other)
            assert np.array_equal(one, third)


@ALL
def test_spikes_lie_in_the_time_given_in_order_of_time(encode):
    spikes = encode(X)
    assert spikes.starts[-1] == len(spikes.units) == len(spikes.times)
    assert spikes.times.min() >= 0
    assert spikes.times.max() < 0.3
    for i in range(len(X)):
        units, times = spikes.row(i)
        assert np.all(np.diff(times) >= 0)
        assert np.array_equal(spikes.counts()[i], np.bincount(units, minlength=7))


@ALL
def test_chunks_do_not_show(encode, monkeypatch):
    whole = encode(X)
    monkeypatch.setattr("bioneuro.data.encoding._CHUNK", 7)
    for one, other in zip(whole, encode(X), strict=True):
        assert np.array_equal(one, other)


def test_one_full_row_among_silent_ones_takes_no_more_memory_than_its_spikes(monkeypatch):
    rows = np.zeros((200, 5))
    rows[150] = 1.0
    whole = encode_poisson(rows, 1.0, highest=2000.0, random_state=1)
    shapes = []
    original = bioneuro._jit.random.fill_uniform
    monkeypatch.setattr(
        bioneuro._jit.random, "fill_uniform", lambda *a, **k: (shapes.append(a[2].shape), original(*a, **k))[1]
    )
    monkeypatch.setattr("bioneuro.data.encoding._NUMBERS", 20_000)
    again = encode_poisson(rows, 1.0, highest=2000.0, random_state=1)
    assert max(n * m for n, m in shapes) <= 20_000
    for one, other in zip(whole, again, strict=True):
        assert np.array_equal(one, other)


def test_rates_run_linearly_from_the_lowest_to_the_highest():
    assert rates_of([0.0, 0.25, 1.0], highest=90.0, lowest=10.0).tolist() == [10, 30, 90]


def test_poisson_counts_follow_poissons_law():
    """3,000 different rows at mean 4: chi-square against the law, and the mean and variance of the counts."""
    rows = np.full((3000, 2), 0.5)
    rows[:, 1] = np.linspace(0, 1, 3000)  # tells the rows apart
    counts = encode_poisson(rows, 0.1, highest=80.0, random_state=1).counts()[:, 0]
    observed = np.bincount(np.minimum(counts, 10), minlength=11)
    expected = 3000 * np.append(stats.poisson.pmf(np.arange(10), 4), stats.poisson.sf(9, 4))
    assert stats.chisquare(observed, expected).pvalue > 1e-6


def test_poisson_times_are_uniform_and_intervals_exponential():
    rows = np.column_stack([np.ones(300), np.linspace(0, 1, 300)])
    spikes = encode_poisson(rows, 1.0, highest=50.0, lowest=50.0, random_state=2)
    assert stats.kstest(spikes.times, "uniform").pvalue > 1e-6
    intervals = np.concatenate([np.diff(times[units == 0]) for units, times in map(spikes.row, range(300))])
    # within [0, 1) long intervals are cut off: a mean of 1/50 less a share of about 1/50
    assert intervals.mean() == pytest.approx(1 / 50, rel=0.04)
    assert intervals.std() / intervals.mean() == pytest.approx(1, abs=0.05)


def test_poisson_trains_of_rows_features_and_seeds_are_not_alike():
    two = np.array([[0.5, 0.5], [0.5, 0.5000001]])
    spikes = encode_poisson(two, 1.0, random_state=0)
    units, times = spikes.row(0)
    assert not np.array_equal(times[units == 0], times[units == 1])
    assert not np.array_equal(spikes.row(0)[1], spikes.row(1)[1])
    assert not np.array_equal(encode_poisson(two, 1.0, random_state=1).times, spikes.times)


def test_spikes_on_a_grid_are_whole_steps():
    steps = encode_poisson(X, 0.05, dt=1e-4, highest=1000.0, random_state=0).times / 1e-4
    assert np.allclose(steps, np.rint(steps), atol=1e-6)
    assert steps.max() < 499.5


def test_regular_trains_have_their_rate_and_no_noise():
    rows = np.array([[1.0, 0.5, 0.0, 0.04], [0.3, 1.0, 1.0, 1.0]])
    spikes = encode_rate(rows, 0.2)
    assert np.all(np.abs(spikes.counts() - 20 * rows) < 1)
    units, times = spikes.row(0)
    assert np.diff(times[units == 0]) == pytest.approx(np.full(19, 0.01))
    assert np.diff(times[units == 1]) == pytest.approx(np.full(9, 0.02))


def test_regular_trains_of_equal_rate_take_turns():
    units, times = encode_rate(np.ones((1, 8)), 0.01).row(0)
    assert sorted(units) == list(range(8))
    assert np.diff(times).min() > 0.01 / 8 / 4


def test_latency_tells_strong_features_first():
    spikes = encode_latency([[0.25, 1.0, 0.0, 0.5]], 0.2)
    assert spikes.row(0)[0].tolist() == [1, 3, 0]
    assert spikes.row(0)[1] == pytest.approx([0, 0.1, 0.15])
    assert encode_latency([[0.25, 1.0]], 0.2, threshold=0.25).units.tolist() == [1]
    [faint] = encode_latency([[1e-30]], 0.2).times
    assert 0.1999 < faint < 0.2  # 1 - x rounds to 1


@ALL
def test_rows_without_activity_are_silent(encode):
    if encode is ENCODERS["poisson"]:
        pytest.skip("its lowest rate is 5 Hz")
    spikes = encode(np.zeros((3, 4)))
    assert spikes.starts.tolist() == [0, 0, 0, 0]
    assert spikes.counts().shape == (3, 4)


def test_a_row_that_is_not_there_is_refused_and_spikes_are_shown_in_one_line():
    spikes = encode_latency([[1.0, 0.5], [0.0, 0.3]], 0.1)
    assert repr(spikes) == "Spikes(3 of 2 units in 2 rows)"
    for row in (2, -1):
        with pytest.raises(InvalidInput, match=rf"row must be an integer in \[0, 1\], got {row}"):
            spikes.row(row)


def test_digits_are_encoded_as_they_come():
    digits = load_digits()
    spikes = encode_poisson(digits.X[:50], 0.1, random_state=0)
    mean, spread = 10 * digits.X[:50].sum(), np.sqrt(10 * digits.X[:50].sum())
    assert abs(len(spikes.times) - mean) < 5 * spread


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (
            lambda: encode_poisson([[1.5]], 0.1),
            r"values run from 1.5 to 1.5; spikes encode values in \[0, 1\]: rescale",
        ),
        (lambda: encode_rate([[-0.1]], 0.1), "values run from -0.1"),
        (lambda: encode_latency([[np.nan]], 0.1), "X holds 1 values that are NaN or infinite"),
        (lambda: encode_poisson(np.zeros((0, 3)), 0.1), "X is empty"),
        (lambda: encode_poisson([[1.0]], 0), "duration must be a number in .* got 0; seconds"),
        (lambda: encode_poisson([[1.0]], 0.1, highest=-5), "highest must be a number in .* rates are in hertz"),
        (lambda: encode_poisson([[1.0]], 0.1, lowest=200), "lowest must be a number in .* at most `highest`"),
        (lambda: encode_poisson([[1.0]], 0.1, dt=0.2), "dt must be a number in"),
        (lambda: encode_poisson([[1.0]], 0.1, dt=0.03), "duration=0.1 s is not a multiple of dt=0.03 s; take 0.09 s"),
        (lambda: encode_poisson([[1.0]], 0.1, random_state="x"), "random_state must be None"),
        (lambda: encode_latency([[1.0]], 0.1, threshold=2), r"threshold must be a number in \[0, 1\]"),
    ],
)
def test_what_cannot_be_encoded_is_refused_in_words(encode, message):
    with pytest.raises(InvalidInput, match=message):
        encode()


def test_more_spikes_than_memory_are_refused_before_they_are_drawn(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    with pytest.raises(ResourceError, match=r"spikes needs .* GiB"):
        encode_poisson(np.ones((100, 100)), 10.0)
