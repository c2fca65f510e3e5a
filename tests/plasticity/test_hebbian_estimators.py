"""HebbianFeatures and HebbianClassifier as scikit-learn and a user meet them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

import bioneuro
from bioneuro import Dense, Population, Topology, corrupt, load_digits
from bioneuro.data import known_half
from bioneuro.errors import InvalidInput, UnknownName, UnsupportedTopology
from bioneuro.plasticity import RATE_RULES, Competitive, HebbianClassifier, HebbianFeatures, IdleUnits
from bioneuro.training import fit_readout

DIGITS = load_digits()
TRAIN, TEST = DIGITS.split(0.25, random_state=0)
NET = Topology.mlp(64, 16, 10)


@pytest.mark.filterwarnings("ignore::bioneuro.plasticity.IdleUnits")  # the checks ask 32 units about few rows
@parametrize_with_checks([HebbianFeatures(), *(HebbianClassifier(rule=rule) for rule in RATE_RULES)])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def features():
    return HebbianFeatures(16, random_state=0).fit(TRAIN.X)


@pytest.fixture(scope="module")
def classifier():
    return HebbianClassifier(topology=NET, random_state=0).fit(TRAIN.X, TRAIN.y)


@pytest.fixture(scope="module")
def memory():
    stored = DIGITS.bipolar_patterns(10, random_state=0)
    return HebbianFeatures(32, epochs=500, learning_rate=0.5, random_state=0).fit(stored), stored


# -- what they learn ---------------------------------------------------------------------------------------------------


def test_sangers_features_are_principal_components_up_to_sign():
    found = HebbianFeatures(4, features="linear", epochs=100, random_state=0).fit(TRAIN.X).transform(TEST.X)
    peer = PCA(4).fit(TRAIN.X).transform(TEST.X)
    for k in range(4):
        assert abs(np.corrcoef(found[:, k], peer[:, k])[0, 1]) > 0.999
        assert found[:, k].std() == pytest.approx(peer[:, k].std(), rel=0.02)


def test_on_and_off_cells_carry_the_two_signs(features):
    told = features.transform(TEST.X)
    linear = HebbianFeatures(16, features="linear", random_state=0).fit(TRAIN.X).transform(TEST.X)
    assert told.shape == (len(TEST.X), 32)
    assert (told >= 0).all()
    np.testing.assert_array_equal(told[:, :16] - told[:, 16:], linear)
    assert len(features.get_feature_names_out()) == 32


def test_sixteen_learnt_units_beat_sixteen_random_ones(classifier):
    random = HebbianClassifier(topology=NET, epochs=0, random_state=0).fit(TRAIN.X, TRAIN.y)
    assert classifier.score(TEST.X, TEST.y) > random.score(TEST.X, TEST.y) + 0.05


def test_competing_units_classify_too():
    model = HebbianClassifier(
        (60,),
        rule=Competitive(p=3, k=2, delta=0.4),
        learning_rate=0.1,
        sigma=1.0,
        epochs=20,
        batch_size=20,
        random_state=0,
    ).fit(TRAIN.X, TRAIN.y)
    assert model.additions_ == {}
    assert model.score(TEST.X, TEST.y) > 0.93


def test_all_rows_of_one_kind_do_no_harm():
    X = np.ones((5, 3))
    model = HebbianFeatures(2, random_state=0).fit(X)
    np.testing.assert_allclose(model.transform(X), 0, atol=1e-7)
    np.testing.assert_allclose(model.recall(X), X)


# -- memory ------------------------------------------------------------------------------------------------------------


def test_patterns_come_back_from_their_half_and_from_noise(memory):
    model, stored = memory
    half = known_half((8, 8), "upper")
    whole = model.recall(np.where(half, stored, np.float32(np.nan)), known=half)  # what is unknown is not looked at
    np.testing.assert_array_equal(whole[:, half], stored[:, half])
    assert (np.sign(whole) * stored).mean() > 0.95
    noisy = corrupt(stored, flip=0.2, random_state=0)
    assert (np.sign(model.recall(noisy)) * stored).mean() > 0.85  # .6 before
    np.testing.assert_array_equal(np.sign(model.recall(stored)), stored)


def test_recall_decides_where_it_amplifies_and_averages_where_it_does_not(memory):
    model, stored = memory
    noisy = corrupt(stored, flip=0.2, random_state=0)
    average, decided = (np.abs(model.recall(noisy, amplify=amplify)).mean() for amplify in (1.0, 2.0))
    assert average + 0.1 < decided <= 1  # 1: every unit at one wall or the other


def test_the_decoder_brings_digits_back_as_well_as_principal_components_do(features):
    peer = PCA(16).fit(TRAIN.X)
    best = np.square(TEST.X - peer.inverse_transform(peer.transform(TEST.X))).mean()
    ours = np.square(TEST.X - features.inverse_transform(features.transform(TEST.X))).mean()
    assert ours < 1.1 * best
    assert features.gain_ == pytest.approx(1, abs=0.05)


def test_the_gain_of_the_decoder_is_the_one_that_fits_the_training_rows_best():
    model = HebbianFeatures(8, rule="hebb", features="linear", random_state=0).fit(TRAIN.X)
    back = model.transform(TRAIN.X) @ model.parameters_["input->hidden"].T
    [best], *_ = np.linalg.lstsq(back.reshape(-1, 1), (TRAIN.X - model.mean_).ravel(), rcond=None)
    assert model.gain_ == pytest.approx(best, rel=1e-4)
    assert not 0.8 < best < 1.25  # nothing keeps the weights of this rule at a length of 1


def test_what_is_recalled_stays_in_the_range_of_the_data(features):
    recalled = features.recall(TEST.X * 3, amplify=5.0)
    assert recalled.min() >= TRAIN.X.min()
    assert recalled.max() <= TRAIN.X.max()


# -- topology and lesions ----------------------------------------------------------------------------------------------


def test_a_network_topology_is_used_as_it_is_and_additions_are_declared(classifier, features):
    assert classifier.topology_ is NET
    assert classifier.parameters_.topology is NET
    assert classifier.additions_ == {"off weights": 160}
    assert classifier.off_weights_.shape == (16, 10)
    on_net = HebbianFeatures(topology=NET, random_state=0).fit(TRAIN.X)
    assert on_net.transform(TEST.X).tobytes() == features.transform(TEST.X).tobytes()
    assert on_net.additions_ == {"decoder": 3 * 64 + 1}
    assert not on_net.parameters_["hidden->output"].any()


def test_the_mean_lies_in_the_hidden_biases(classifier):
    weights, bias = classifier.parameters_["input->hidden"], classifier.parameters_["hidden.bias"]
    np.testing.assert_allclose(TRAIN.X.mean(axis=0) @ weights + bias, 0, atol=1e-5)


def test_features_are_read_out_by_the_shared_readout(classifier):
    readout = fit_readout(classifier.transform(TRAIN.X), TRAIN.y, 10, l2=1e-3, scale="common")
    both = np.concatenate([classifier.parameters_["hidden->output"], classifier.off_weights_])
    np.testing.assert_allclose(both, readout.weights, rtol=1e-2, atol=1e-3)  # the product in training rounds otherwise


def test_a_dead_unit_tells_nothing_through_either_channel(features, classifier):
    hurt = features.lesion(units=0.5, random_state=0)
    dead = ~hurt.alive_[hurt.topology_.unit_layout["hidden"]]
    told, before = hurt.transform(TEST.X), features.transform(TEST.X)
    assert dead.sum() == 8
    assert not told[:, np.tile(dead, 2)].any()
    np.testing.assert_array_equal(told[:, np.tile(~dead, 2)], before[:, np.tile(~dead, 2)])
    blind = features.lesion(units={"input": 1.0})
    assert len(np.unique(blind.transform(TEST.X), axis=0)) == 1
    scores = [classifier.lesion(units=share).score(TEST.X, TEST.y) for share in (0, 0.3, 1.0)]
    assert scores[0] == classifier.score(TEST.X, TEST.y) > scores[1] > scores[2]


def test_a_synapse_of_the_readout_dies_in_both_channels(classifier):
    hurt = classifier.lesion(synapses={"hidden->output": 0.5}, random_state=0)
    np.testing.assert_array_equal(hurt.off_weights_ == 0, hurt.parameters_["hidden->output"] == 0)
    assert np.count_nonzero(hurt.off_weights_) == 80
    assert np.count_nonzero(classifier.off_weights_) == 160


def test_dales_law_holds_for_learnt_features():
    net = Topology(
        [Population("input", 64, "input", "linear", bias=False), Population("cells", 5, "hidden", "relu")],
        [Dense("input", "cells", sign=1)],
    )
    weights = HebbianFeatures(topology=net, random_state=0).fit(TRAIN.X).parameters_["input->cells"]
    assert (weights >= 0).all()
    assert (weights.max(axis=0) > 0).all()


# -- repeatability -----------------------------------------------------------------------------------------------------


def test_answers_are_the_same_bytes_however_the_batch_is_split(features, classifier, memory):
    X = TEST.X[:60]
    for verb in (features.transform, features.recall, memory[0].recall, classifier.predict_proba):
        whole = verb(X)
        assert whole.tobytes() == np.concatenate([verb(X[k : k + 7]) for k in range(0, 60, 7)]).tobytes()
        assert verb(X[::-1]).tobytes() == whole[::-1].tobytes()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(classifier):
    again, other = (HebbianClassifier(topology=NET, random_state=seed).fit(TRAIN.X, TRAIN.y) for seed in (0, 1))
    assert again.parameters_.theta.tobytes() == classifier.parameters_.theta.tobytes()
    assert not np.array_equal(other.parameters_.theta, classifier.parameters_.theta)


@pytest.mark.parametrize("rule", ["sanger", Competitive(k=3, delta=0.1)])
def test_a_saved_model_comes_back_bit_for_bit(rule, tmp_path):
    models = (
        HebbianFeatures(8, rule=rule, epochs=2, random_state=0).fit(TRAIN.X),
        HebbianClassifier((8,), rule=rule, epochs=2, random_state=0).fit(TRAIN.X, TRAIN.y).lesion(units=0.3),
    )
    for model in models:
        back = bioneuro.load(bioneuro.save(tmp_path / type(model).__name__, model))
        assert back.transform(TEST.X).tobytes() == model.transform(TEST.X).tobytes()
        assert back.rule == rule
    assert back.predict_proba(TEST.X).tobytes() == model.predict_proba(TEST.X).tobytes()


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rule": "sangar"}, UnknownName, "did you mean 'sanger'"),
        ({"features": "onoff"}, UnknownName, "did you mean 'on-off'"),
        ({"learning_rate": 0}, InvalidInput, "learning_rate"),
        ({"sigma": 0}, InvalidInput, "sigma"),
        ({"power": -1}, InvalidInput, "power"),
        ({"dtype": "float16"}, UnknownName, "dtype"),
        ({"n_components": 0}, InvalidInput, "n_components"),
        ({"n_components": 1, "rule": "competitive"}, InvalidInput, "Competitive.k=2 is the rank .* of 1 units"),
        ({"topology": Topology.mlp(63, 5, 10)}, InvalidInput, "63 units and the data has 64 features"),
        ({"topology": Topology.mlp(64, 10)}, UnsupportedTopology, "one Dense projection from it to hidden units"),
        ({"topology": Topology.mlp(64, 5, 10).with_units(hidden="lif")}, UnsupportedTopology, "'lif' units"),
    ],
)
def test_what_cannot_be_used_says_why(options, error, message):
    with pytest.raises(error, match=message):
        HebbianFeatures(**options).fit(TRAIN.X)


def test_the_classifier_refuses_networks_that_are_not_one_hidden_layer():
    for net in (Topology.mlp(64, 5, 10, skip=[("input", "output")]), Topology.mlp(64, 5, 5, 10)):
        with pytest.raises(UnsupportedTopology, match="one hidden layer"):
            HebbianClassifier(topology=net).fit(TRAIN.X, TRAIN.y)
    for sizes in ((5, 5), "5"):
        with pytest.raises(InvalidInput, match="one size"):
            HebbianClassifier(sizes).fit(TRAIN.X, TRAIN.y)


def test_recall_and_inverse_transform_check_what_they_are_given(features):
    with pytest.raises(InvalidInput, match="known must be a bool mask"):
        features.recall(TEST.X, known=np.ones(3, bool))
    with pytest.raises(InvalidInput, match=r"features must be \(n, 32\)"):
        features.inverse_transform(TEST.X)
    with pytest.raises(InvalidInput, match="trust"):
        features.recall(TEST.X, trust=2)


# -- each rule's own settings ------------------------------------------------------------------------------------------

RANDOM = HebbianClassifier((32,), epochs=0, features="rectified", random_state=0).fit(TRAIN.X, TRAIN.y)


@pytest.mark.parametrize("rule", ["hebb", "covariance", "oja", "sanger", "bcm", "competitive"])
def test_every_rule_learns_digits_with_the_settings_it_brings(rule):
    model = HebbianClassifier((32,), rule=rule, random_state=0).fit(TRAIN.X, TRAIN.y)
    assert model.score(TEST.X, TEST.y) > 0.92 > RANDOM.score(TEST.X, TEST.y) + 0.03


@pytest.mark.parametrize("epochs", [1, 30, 200])
def test_weights_that_grow_without_bound_stay_in_range_however_long_they_learn(epochs):
    model = HebbianFeatures(4, rule="hebb", epochs=epochs, random_state=0).fit(TRAIN.X[:200])
    lengths = np.linalg.norm(model.parameters_["input->hidden"], axis=0)
    assert 0.1 < lengths.min() < lengths.max() < 5
    assert model.learning_rate_ == pytest.approx(20 / (20 * epochs))


def test_one_unit_under_ojas_rule_finds_the_first_principal_component():
    found = HebbianFeatures(1, rule="oja", random_state=0).fit(TRAIN.X).parameters_["input->hidden"][:, 0]
    assert abs(found @ PCA(1).fit(TRAIN.X).components_[0]) > 0.999 * np.linalg.norm(found)


def test_settings_in_use_are_told_and_those_given_are_kept():
    model = HebbianFeatures(20, rule="competitive", epochs=1, random_state=0).fit(TRAIN.X)
    assert (model.learning_rate_, model.sigma_, model.batch_size_) == (0.1, 2.0, 20)
    given = HebbianFeatures(20, rule="competitive", epochs=1, learning_rate=0.3, sigma=2, batch_size=7, random_state=0)
    assert given.fit(TRAIN.X).get_params()["learning_rate"] == given.learning_rate_ == 0.3
    assert (given.sigma_, given.batch_size_) == (2.0, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "competitive", "sigma": 0.05}, "hidden units say the same about every row .* take sigma of 1 to 3"),
        (
            {"rule": "oja", "learning_rate": 0.2},
            r'32 of 32 hidden units have found the same direction .* rule="sanger" makes them differ',
        ),
        ({"rule": "competitive", "epochs": 1, "batch_size": 2000, "n_components": 400}, "were never changed .*epochs"),
    ],
)
def test_units_that_learn_nothing_of_their_own_are_told_of(options, message):
    with pytest.warns(IdleUnits, match=message):
        HebbianFeatures(**{"n_components": 32} | options, random_state=0).fit(TRAIN.X)
