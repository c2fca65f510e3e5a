"""HopfieldClassifier: labels as units of an associative memory."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import bioneuro
from bioneuro import Topology, load_digits
from bioneuro.errors import InvalidInput, UnknownName
from energy import HopfieldClassifier, hopfield

DIGITS = load_digits()
TRAIN, TEST = DIGITS.split(0.25, random_state=0)


@parametrize_with_checks([HopfieldClassifier()])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def model():
    return HopfieldClassifier(random_state=0).fit(TRAIN.X, TRAIN.y)


def mean_score(**options) -> float:
    """Mean accuracy over three splits."""
    scores = []
    for seed in range(3):
        train, test = DIGITS.split(0.25, random_state=seed)
        scores.append(HopfieldClassifier(random_state=seed, **options).fit(train.X, train.y).score(test.X, test.y))
    return float(np.mean(scores))


def test_digits_are_told_apart_as_documented():
    dreaming = mean_score()
    assert dreaming > 0.94
    assert 0.87 < mean_score(rule="hebb") < dreaming - 0.03  # in effect the nearest mean of a class
    assert 0.88 < mean_score(levels=1) < dreaming - 0.02  # black and white
    assert mean_score(rule="pseudo-inverse", n_prototypes=5) < dreaming - 0.02


def test_held_pictures_are_classified_linearly_in_their_spins():
    """Before label units settle, their fields are the ridge regression of all labels on the spins, times a matrix.

    With C = [[C_xx, C_xl], [C_lx, C_ll]] the correlations of the patterns, W = 2 C (1 + C)^-1 holds
    W_lx = 2 S^-1 C_lx (1 + C_xx)^-1, S = 1 + C_ll - C_lx (1 + C_xx)^-1 C_xl the labels that regression leaves over.
    """
    model = HopfieldClassifier(3, levels=1, random_state=0).fit(TRAIN.X.astype(np.float64), TRAIN.y)
    correlations = model.patterns_.T.astype(float) @ model.patterns_ / 74
    (xx, xl), (lx, ll) = (np.split(rows, [64], axis=1) for rows in np.split(correlations, [64]))
    regression = lx @ np.linalg.inv(np.eye(64) + xx)
    left_over = np.eye(10) + ll - regression @ xl
    np.testing.assert_allclose(
        model.parameters_["spins->spins"][64:, :64], 2 * np.linalg.solve(left_over, regression), atol=1e-12
    )


def test_stored_prototypes_are_those_of_the_classes_with_their_labels(model):
    assert model.topology_ == Topology.hopfield(7 * 64 + 10)
    assert model.patterns_.shape == (400, 458)
    labels = model.patterns_[:, 448:]
    assert (labels.sum(axis=1) == -8).all()
    np.testing.assert_array_equal(labels.argmax(axis=1), np.repeat(np.arange(10), 40))
    one = HopfieldClassifier(1, levels=1, random_state=0).fit(DIGITS.X, DIGITS.y)
    means = np.array([DIGITS.X[DIGITS.y == digit].mean(axis=0) for digit in range(10)])
    half_way = (DIGITS.X.min(axis=0) + DIGITS.X.max(axis=0)) / 2
    np.testing.assert_array_equal(one.patterns_[:, :64], np.where(means > half_way, 1, -1))


def test_the_spins_of_a_feature_say_above_how_many_steps_of_its_range_it_lies():
    X = np.array([[0.0, 10.0], [8.0, 20.0], [1.9, 12.6], [6.1, 15.0]])
    model = HopfieldClassifier(levels=3, random_state=0).fit(X, [0, 1, 0, 1])
    np.testing.assert_allclose(model.steps_, [[2, 12.5], [4, 15], [6, 17.5]])
    above = (model._feature_spins(X) > 0).reshape(4, 3, 2).sum(axis=1)
    np.testing.assert_array_equal(above, [[0, 0], [3, 3], [0, 1], [3, 1]])


def test_few_features_get_many_levels_and_many_one():
    for n_features, levels in ((2, 224), (64, 7), (448, 1), (784, 1)):
        assert HopfieldClassifier()._n_levels(n_features) == levels


def test_hebbian_label_fields_count_agreements_with_the_prototypes():
    """Settled label units add what they say to each other; without them h_c = sum_p label_pc (x . prototype_p) / N."""
    model = HopfieldClassifier(3, rule="hebb", levels=1, random_state=0).fit(TRAIN.X, TRAIN.y)
    silent = model.lesion(synapses=0.0)
    spins = model._feature_spins(TEST.X[:20]).astype(float)
    features, labels = (part.astype(float) for part in np.split(model.patterns_, [64], axis=1))
    from_features = (spins @ features.T) @ labels / 74
    settled = hopfield.recall(
        model.parameters_,
        np.hstack([spins, np.zeros((20, 10))]).astype(np.int8),
        bioneuro._jit.keys.Key.from_seed(0),
        known=np.arange(74) < 64,
    ).state.spins[:, 64:]
    between = labels.T @ labels / 74
    np.fill_diagonal(between, 0)
    agree = silent.label_fields(TEST.X[:20]) - from_features
    assert np.mean(np.isclose(agree, settled @ between, atol=1e-5)) > 0.95  # the order of visits may decide a tie


def test_pixels_die_and_labels_are_spared(model):
    hurt = model.lesion(units=0.5, random_state=0)
    assert hurt.alive_[448:].all()
    assert 200 <= (~hurt.alive_).sum() <= 229
    nearly_gone = model.lesion(units=0.9, random_state=0)
    pixels = nearly_gone.alive_[:448].reshape(7, 64).any(axis=0)  # of which a spin lives
    assert 20 < pixels.sum() < 44
    shown = np.where(pixels, TEST.X, 16 - TEST.X)
    np.testing.assert_array_equal(nearly_gone.predict(shown), nearly_gone.predict(TEST.X))
    assert 0.8 < hurt.score(TEST.X, TEST.y) < model.score(TEST.X, TEST.y)
    cut = model.lesion(synapses=0.3, random_state=0)
    np.testing.assert_array_equal(cut.parameters_["spins->spins"], cut.parameters_["spins->spins"].T)


@pytest.mark.parametrize("rule", ["hebb", "pseudo-inverse", "dreaming"])
def test_answers_are_the_same_bytes_however_the_batch_is_split_and_after_a_file(rule, tmp_path):
    model = HopfieldClassifier(2, rule=rule, random_state=3).fit(TRAIN.X, TRAIN.y)
    back = bioneuro.load(bioneuro.save(tmp_path / "model", model))
    X = TEST.X[:50]
    whole = model.label_fields(X)
    parts = np.concatenate([back.label_fields(X[k : k + 7]) for k in range(0, 50, 7)])
    assert whole.tobytes() == parts.tobytes()


def test_what_cannot_be_used_says_why():
    for options, error, message in (
        ({"n_prototypes": 0}, InvalidInput, "n_prototypes"),
        ({"levels": 0}, InvalidInput, "levels"),
        ({"rule": "heb"}, UnknownName, "did you mean 'hebb'"),
        ({"topology": Topology.hopfield(64)}, InvalidInput, r"need 458: Topology.hopfield\(458\)"),
        ({"topology": Topology.mlp(64, 10)}, InvalidInput, "no Hopfield net"),
    ):
        with pytest.raises(error, match=message):
            HopfieldClassifier(**options).fit(TRAIN.X, TRAIN.y)


def test_a_topology_given_is_used_as_it_is():
    net = Topology.hopfield(458)
    assert HopfieldClassifier(topology=net).fit(TRAIN.X, TRAIN.y).topology_ is net
