import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput
from bioneuro.training.batches import batches, check_batch_size, epoch_order, n_batches

pytestmark = pytest.mark.small
KEY = Key.from_seed(7)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_every_row_comes_once_an_epoch_and_the_last_batch_is_short(n, size, epoch):
    X = np.arange(n)[:, None]
    found = list(batches(X, None, epoch_order(n, KEY, epoch), size))
    assert sorted(np.concatenate([batch.rows for batch in found])) == list(range(n))
    assert len(found) == n_batches(n, size)
    assert [len(batch.rows) for batch in found[:-1]] == [size] * (len(found) - 1)
    assert all((batch.X[:, 0] == batch.rows).all() for batch in found)


def test_epochs_differ_and_the_same_epoch_repeats():
    first, second = epoch_order(100, KEY, 0), epoch_order(100, KEY, 1)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, epoch_order(100, KEY, 0))


def test_starting_at_a_later_batch_gives_the_rest_of_the_same_epoch():
    X = np.arange(50)[:, None]
    order = epoch_order(50, KEY, 3)
    whole = [batch.rows.tolist() for batch in batches(X, None, order, 8)]
    rest = [batch.rows.tolist() for batch in batches(X, None, order, 8, start=4)]
    assert rest == whole[4:]


@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(0, 20))
def test_stratified_batches_hold_the_classes_in_proportion(counts, epoch):
    strata = np.repeat(np.arange(len(counts)), counts)
    order = epoch_order(len(strata), KEY, epoch, strata)
    assert sorted(order) == list(range(len(strata)))
    for first in range(0, len(strata), 10):
        chunk = strata[order[first : first + 10]]
        share = np.bincount(chunk, minlength=len(counts)) - len(chunk) * np.array(counts) / len(strata)
        assert np.abs(share).max() <= len(counts)  # each class is off by less than one at both ends of each stretch


def test_stratified_counts_are_exact_where_they_divide():
    strata = np.repeat([0, 1], [60, 20])
    order = epoch_order(80, KEY, 0, strata)
    counts = [np.bincount(strata[order[k : k + 8]], minlength=2) for k in range(0, 80, 8)]
    assert all(abs(count[1] - 2) <= 1 for count in counts)


@pytest.mark.parametrize("bad", [0, -3, 2.5, True, "a", None, [32], float("nan"), float("inf")])
def test_a_bad_batch_size_is_refused(bad):
    with pytest.raises(
        InvalidInput, match=r"batch_size must be an integer in \[1, inf\), got .*; one as large as the data"
    ):
        check_batch_size(bad, 10)


def test_no_rows_are_refused():
    with pytest.raises(InvalidInput, match="no data to learn from"):
        check_batch_size(4, 0)
