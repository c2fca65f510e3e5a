"""Ensembles of networks, as scikit-learn's users would have them."""

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import parametrize_with_checks

import bioneuro
from bioneuro import load_digits, optim
from bioneuro.errors import InvalidInput
from bioneuro.topology import Topology
from feedforward import EnsembleClassifier, EnsembleRegressor, NetworkClassifier, NetworkRegressor

TRAIN, TEST = load_digits().split(0.25, random_state=0)
SMALL = NetworkClassifier((16,), epochs=10)


@parametrize_with_checks(
    [
        EnsembleClassifier(NetworkClassifier((20,), epochs=40), n_members=3),
        EnsembleRegressor(NetworkRegressor((20,), epochs=40), n_members=3),
    ]
)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def ensemble():
    return EnsembleClassifier(SMALL, n_members=10, bootstrap=True, random_state=0).fit(TRAIN.X, TRAIN.y)


def test_the_mean_of_the_members_is_better_than_the_mean_member(ensemble):
    assert ensemble.score(TEST.X, TEST.y) > np.mean([member.score(TEST.X, TEST.y) for member in ensemble.members_])
    losses = [log_loss(TEST.y, member.predict_proba(TEST.X)) for member in ensemble.members_]
    assert log_loss(TEST.y, ensemble.predict_proba(TEST.X)) < np.mean(losses)  # as Jensen says
    mean = np.mean([member.predict_proba(TEST.X) for member in ensemble.members_], axis=0)
    np.testing.assert_array_equal(ensemble.predict_proba(TEST.X), mean)


def test_rows_that_a_member_has_not_seen_tell_how_good_the_ensemble_is(ensemble):
    assert abs(ensemble.oob_score_ - ensemble.score(TEST.X, TEST.y)) < 0.03
    assert ensemble.oob_score_ < ensemble.score(TRAIN.X, TRAIN.y)


def test_it_does_what_bagging_of_the_same_networks_does(ensemble):
    bagged = BaggingClassifier(SMALL, 10, random_state=0).fit(TRAIN.X, TRAIN.y)
    assert ensemble.score(TEST.X, TEST.y) == pytest.approx(bagged.score(TEST.X, TEST.y), abs=0.02)


def test_without_bootstrap_members_differ_in_their_first_weights_only():
    ensemble = EnsembleClassifier(SMALL, n_members=2, random_state=0).fit(TRAIN.X, TRAIN.y)
    one, other = ensemble.members_
    assert not np.array_equal(one.parameters_.theta, other.parameters_.theta)
    alone = SMALL.set_params(random_state=one.seed_).fit(TRAIN.X, TRAIN.y)
    SMALL.set_params(random_state=None)
    assert alone.parameters_.theta.tobytes() == one.parameters_.theta.tobytes()
    assert not hasattr(ensemble, "oob_score_")


def test_the_same_seed_gives_the_same_bytes(ensemble):
    again = EnsembleClassifier(SMALL, n_members=10, bootstrap=True, random_state=ensemble.seed_).fit(TRAIN.X, TRAIN.y)
    assert again.predict_proba(TEST.X).tobytes() == ensemble.predict_proba(TEST.X).tobytes()


def test_rows_of_weight_zero_are_left_out(ensemble):
    wrong = np.where(TRAIN.y == 3, 8, TRAIN.y)
    labels = np.concatenate([TRAIN.y, wrong])
    weights = np.concatenate([np.ones(len(TRAIN.y)), np.zeros(len(TRAIN.y))])
    taught = EnsembleClassifier(SMALL, n_members=10, random_state=0)
    taught.fit(np.concatenate([TRAIN.X, TRAIN.X]), labels, sample_weight=weights)
    assert taught.score(TEST.X, TEST.y) > 0.9


def test_a_lesion_hurts_every_member(ensemble):
    hurt = ensemble.lesion(units=0.5)
    assert all((~member.alive_).sum() == 8 for member in hurt.members_)
    assert hurt.score(TEST.X, TEST.y) < ensemble.score(TEST.X, TEST.y)
    assert all(member.alive_.all() for member in ensemble.members_)


def test_two_classes_may_share_one_output():
    y = (TRAIN.y > 4).astype(int)
    network = NetworkClassifier(topology=Topology.mlp(64, 16, 1, output="sigmoid"), epochs=10)
    ensemble = EnsembleClassifier(network, n_members=5, bootstrap=True, random_state=0).fit(TRAIN.X, y)
    assert ensemble.score(TEST.X, TEST.y > 4) > 0.85
    assert abs(ensemble.oob_score_ - ensemble.score(TEST.X, TEST.y > 4)) < 0.06


def test_numbers_are_predicted_by_the_mean():
    x = np.linspace(-3, 3, 200)[:, None]
    y = np.c_[np.sin(x), np.cos(x)]
    ensemble = EnsembleRegressor(NetworkRegressor((30,), epochs=150), n_members=4, bootstrap=True, random_state=0).fit(
        x, y
    )
    assert ensemble.predict(x).shape == (200, 2)
    assert ensemble.score(x, y) > 0.97
    assert ensemble.oob_score_ > 0.95


def test_members_may_normalise_and_drop_and_clip():
    network = NetworkClassifier((32,), epochs=15, batch_norm=True, dropout=0.2)
    network.set_params(optimizer=optim.chain(optim.clip(1.0), optim.adam(3e-3)))
    ensemble = EnsembleClassifier(network, n_members=4, random_state=0).fit(TRAIN.X, TRAIN.y)
    assert ensemble.score(TEST.X, TEST.y) > 0.94


def test_a_fitted_ensemble_is_saved_and_loaded(ensemble, tmp_path):
    bioneuro.save(tmp_path / "ensemble.npz", ensemble)
    again = bioneuro.load(tmp_path / "ensemble.npz")
    assert again.predict_proba(TEST.X).tobytes() == ensemble.predict_proba(TEST.X).tobytes()


@pytest.mark.parametrize(
    ("ensemble", "said"),
    [
        (EnsembleClassifier(NetworkRegressor()), "must be a NetworkClassifier or None"),
        (EnsembleClassifier(NetworkClassifier(patience=3)), "without patience.*BaggingClassifier"),
        (EnsembleRegressor(NetworkRegressor(warm_start=True)), "without warm_start.*BaggingRegressor"),
        (EnsembleClassifier(NetworkClassifier(optimizer="lbfgs")), "takes all rows at once"),
        (EnsembleClassifier(n_members=0), "n_members"),
    ],
)
def test_what_members_cannot_have_is_refused(ensemble, said):
    with pytest.raises(InvalidInput, match=said):
        ensemble.fit(TRAIN.X, TRAIN.y)
