import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight

from bioneuro.errors import InvalidInput, UnknownName
from feedforward.targets import from_range, row_weights, smooth, to_range, unsmooth
from tests.naive import feedforward as naive

pytestmark = pytest.mark.small
RANGES = [(0.15, 0.85), (0.1, 0.9), (-0.9, 0.9)]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_targets_move_into_a_range_and_back(low, high):
    y = np.array([[0, 1], [0.5, 0.25]])
    t = to_range(y, low, high)
    np.testing.assert_allclose(t[0], [low, high], rtol=1e-15)
    np.testing.assert_allclose(from_range(t, low, high), y, rtol=0, atol=1e-15)
    assert to_range(y.astype(np.float32)).dtype == np.float32


def test_a_sigmoid_reaches_the_range_with_small_inputs_and_never_the_labels():
    reached = naive.activate("sigmoid", np.log([0.15 / 0.85, 0.85 / 0.15]))
    np.testing.assert_allclose(reached, to_range([0, 1]), rtol=1e-15)
    assert naive.activate("sigmoid", np.array([30.0]))[0] < 1


def test_a_range_runs_upwards():
    with pytest.raises(InvalidInput, match=r"high must be a number in \(0.85, inf\), got 0.15"):
        to_range([0, 1], 0.85, 0.15)


@given(st.integers(2, 7), st.floats(0, 0.9))
def test_smoothed_labels_sum_to_one_keep_their_order_and_come_back(k, share):
    y = np.eye(k)
    t = smooth(y, share)
    np.testing.assert_allclose(t.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_allclose(t.min(), share / k, rtol=1e-14)
    np.testing.assert_array_equal(t.argmax(axis=1), np.arange(k))
    np.testing.assert_allclose(unsmooth(t, share), y, rtol=0, atol=1e-14)


def test_smoothing_needs_classes_and_a_share_below_one():
    with pytest.raises(InvalidInput, match=r"give \(n, k\) with k >= 2, got shape \(3, 1\)"):
        smooth(np.ones((3, 1)))
    with pytest.raises(InvalidInput, match=r"share must be a number in \[0, 1\), got 1"):
        smooth(np.eye(3), 1)


LABELS = np.array(["cat", "dog", "cat", "cat", "newt"])


@pytest.mark.parametrize("class_weight", ["balanced", {"cat": 1, "dog": 2.5, "newt": 0}, {"dog": 2}])
def test_weights_of_classes_are_those_of_scikit_learn(class_weight):
    np.testing.assert_allclose(
        row_weights(LABELS, class_weight), compute_sample_weight(class_weight, LABELS), rtol=1e-15
    )


def test_balanced_classes_weigh_the_same_whatever_their_rows_weigh():
    own = np.array([1.0, 0.5, 0.0, 2.0, 4.0])
    weights = row_weights(LABELS, "balanced", own)
    for name in set(LABELS):
        assert weights[name == LABELS].sum() == pytest.approx(own.sum() / 3)
    assert weights.sum() == pytest.approx(own.sum())
    dead = row_weights(LABELS, "balanced", np.array([1.0, 0.0, 1.0, 1.0, 1.0]))
    assert dead[1] == 0  # a class without weight stays without


def test_weights_of_classes_and_rows_multiply():
    np.testing.assert_array_equal(row_weights([0, 1, 1], {1: 3}, [2, 1, 0]), [2, 3, 0])
    np.testing.assert_array_equal(row_weights([0, 1, 1], sample_weight=[2, 1, 0]), [2, 1, 0])
    assert row_weights([0, 1, 1]) is None


@pytest.mark.parametrize(
    ("class_weight", "sample_weight", "message"),
    [
        ({"cta": 2}, None, r"class_weight names \['cta'\], which no label is, and leaves out \['cat', 'dog', 'newt'\]"),
        ({"cat": -1}, None, r"class_weight\['cat'\] must be a number in \[0, inf"),
        (None, [1, 2, 3], r"must be \(n,\), got shapes \(5,\) and \(3,\)"),
        (None, [1, 1, 1, 1, -1], r"sample_weight must be a number in \[0, inf"),
        (None, [1, 1, 1, 1, np.nan], r"sample_weight must be a number in \[0, inf\), got nan"),
        (None, [0] * 5, "all weights are 0, which leaves no row to learn from"),
    ],
)
def test_weights_that_make_no_sense_are_refused(class_weight, sample_weight, message):
    with pytest.raises(InvalidInput, match=message):
        row_weights(LABELS, class_weight, sample_weight)


def test_an_unknown_scheme_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'balanced'"):
        row_weights(LABELS, "balance")


def test_a_class_that_these_rows_lack_may_have_a_weight():
    np.testing.assert_array_equal(row_weights([0, 1], {0: 1, 1: 2, 2: 9}), [1, 2])
