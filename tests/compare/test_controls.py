import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from bioneuro import load_digits
from bioneuro.compare.controls import AsGiven, NearestNeighbour, NearestStored, SoftmaxRegression


@parametrize_with_checks([SoftmaxRegression(), NearestNeighbour()])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


def test_raw_pixels_already_reach_what_the_literature_says():
    scores = []
    for seed in range(3):
        train, test = load_digits().split(0.25, random_state=seed)
        scores.append(SoftmaxRegression().fit(train.X, train.y).score(test.X, test.y))
    assert 0.955 < np.mean(scores) < 0.975


def test_a_softmax_has_synapses_to_lose_but_no_units():
    train, test = load_digits().subsample(500).split(random_state=0)
    model = SoftmaxRegression().fit(train.X, train.y)
    assert model.lesion(units=0.9).score(test.X, test.y) == model.score(test.X, test.y)
    assert model.lesion(synapses=1.0).score(test.X, test.y) < 0.3


@pytest.mark.small
def test_memory_controls_do_what_they_say():
    stored = np.array([[1, 1, 1, -1], [-1, -1, 1, 1]], dtype=float)
    noisy = np.array([[1, -1, 1, -1], [-1, -1, -1, 1]], dtype=float)
    known = np.array([True, True, False, False])
    np.testing.assert_array_equal(NearestStored().fit(stored).recall(noisy), stored)
    np.testing.assert_array_equal(NearestStored().fit(stored).recall(stored, known=known), stored)
    np.testing.assert_array_equal(AsGiven().fit(stored).recall(stored, known=known), stored * known)
