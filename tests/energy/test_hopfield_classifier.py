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


def test_digits_are_told_apart_far_above_chance(model):
    assert model.score(TEST.X, TEST.y) > 0.75  # in effect the nearest mean of black and white pixels


def test_more_levels_of_grey_tell_more():
    scores = [
        HopfieldClassifier(levels=levels, random_state=0).fit(TRAIN.X, TRAIN.y).score(TEST.X, TEST.y)
        for levels in (1, 7)
    ]
    assert scores[1] > scores[0] + 0.03


def test_stored_prototypes_are_those_of_the_classes_with_their_labels(model):
    assert model.topology_ == Topology.hopfield(64 + 10)
    assert model.patterns_.shape == (100, 74)
    labels = model.patterns_[:, 64:]
    assert (labels.sum(axis=1) == -8).all()
    np.testing.assert_array_equal(labels.argmax(axis=1), np.repeat(np.arange(10), 10))
    one = HopfieldClassifier(1, random_state=0).fit(DIGITS.X, DIGITS.y)
    np.testing.assert_array_equal(one.patterns_[:, :64], DIGITS.prototypes())


def test_hebbian_label_fields_count_agreements_with_the_prototypes():
    """Settled label units add what they say to each other; without them h_c = sum_p label_pc (x . prototype_p) / N."""
    model = HopfieldClassifier(3, random_state=0).fit(TRAIN.X, TRAIN.y)
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
    assert hurt.alive_[64:].all()
    assert 25 <= (~hurt.alive_).sum() <= 37
    dead = ~hurt.alive_[:64]
    shown = TEST.X.copy()
    shown[:, dead] = 1 - shown[:, dead]
    np.testing.assert_array_equal(hurt.predict(shown), hurt.predict(TEST.X))
    assert 0.4 < hurt.score(TEST.X, TEST.y) < model.score(TEST.X, TEST.y)
    cut = model.lesion(synapses=0.3, random_state=0)
    np.testing.assert_array_equal(cut.parameters_["spins->spins"], cut.parameters_["spins->spins"].T)


@pytest.mark.parametrize("rule", ["hebb", "pseudo-inverse"])
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
        ({"topology": Topology.hopfield(64)}, InvalidInput, r"need 74: Topology.hopfield\(74\)"),
        ({"topology": Topology.mlp(64, 10)}, InvalidInput, "no Hopfield net"),
    ):
        with pytest.raises(error, match=message):
            HopfieldClassifier(**options).fit(TRAIN.X, TRAIN.y)


def test_a_topology_given_is_used_as_it_is():
    net = Topology.hopfield(74)
    assert HopfieldClassifier(topology=net).fit(TRAIN.X, TRAIN.y).topology_ is net
