"""Ranges, thresholds and shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bioneuro.data.domain import median_threshold, share_count, value_range_of

VALUES = st.integers(-8, 8).map(lambda value: value / 4)


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=VALUES))
def test_bits_above_the_median_are_balanced_unless_ties_forbid_it(X):
    on = X - median_threshold(X) > 0
    varies = np.ptp(X, axis=0) > 0
    assert np.all(on.any(axis=0) == varies)
    if len(np.unique(X)) > 2:
        below_top = np.median(X, axis=0) < X.max(axis=0)
        assert np.all(on.sum(axis=0)[below_top] <= len(X) / 2)


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.sampled_from([-1.0, 1.0])))
def test_binary_data_pass_the_median_threshold_unchanged_where_they_vary(X):
    varies = np.ptp(X, axis=0) > 0
    assert np.array_equal(np.where(X - median_threshold(X) > 0, 1, -1)[:, varies], X[:, varies])


@pytest.mark.parametrize(("share", "n", "count"), [(0.2, 64, 13), (0.5, 5, 3), (0, 9, 0), (1, 9, 9), (0.1, 64, 6)])
def test_a_share_is_rounded_half_up(share, n, count):
    assert share_count(share, n) == count


def test_values_that_are_all_one_are_read_as_zero_to_one():
    assert value_range_of(np.ones((2, 2))) == (0, 1)
    assert value_range_of(-np.ones((2, 2))) == (-1, 1)
