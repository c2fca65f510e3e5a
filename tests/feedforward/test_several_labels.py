"""Several labels a row: y (n, k) of 0 and 1, and a sigmoid for each."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import make_multilabel_classification
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.utils import get_tags

from bioneuro import Topology, load, save
from bioneuro.errors import InvalidInput
from feedforward import EnsembleClassifier, NetworkClassifier, check_gradient
from feedforward.instruments import gradients

X, Y = make_multilabel_classification(1200, n_features=20, n_classes=5, n_labels=2, length=200, random_state=0)
X = (X - X.mean(axis=0)) / X.std(axis=0)
TRAIN, TEST = slice(0, 800), slice(800, None)
SMALL = {"hidden_layer_sizes": (20,), "epochs": 20, "schedule": "constant", "random_state": 0}


@pytest.fixture(scope="module")
def network():
    return NetworkClassifier(**SMALL).fit(X[TRAIN], Y[TRAIN])


def test_it_is_as_good_as_scikit_learns_network_and_far_better_than_the_majority(network):
    peer = MLPClassifier(
        (20,), learning_rate_init=3e-3, batch_size=32, max_iter=20, tol=0, n_iter_no_change=99, random_state=0
    )
    with pytest.warns(match="Maximum iterations"):
        peer.fit(X[TRAIN], Y[TRAIN])
    majority = DummyClassifier().fit(X[TRAIN], Y[TRAIN])
    ours, theirs, least = (model.score(X[TEST], Y[TEST]) for model in (network, peer, majority))
    assert ours > theirs - 0.03  # the standard error of the difference on 400 rows is about .02
    assert ours > least + 0.3
    assert network.predict(X[TEST]).shape == peer.predict(X[TEST]).shape
    assert network.predict(X[TEST]).dtype == peer.predict(X[TEST]).dtype
    assert network.predict_proba(X[TEST]).shape == peer.predict_proba(X[TEST]).shape
    np.testing.assert_array_equal(network.classes_, peer.classes_)
    assert network.n_outputs_ == peer.n_outputs_ == 5


def test_labels_are_those_with_probabilities_from_one_half_on_and_the_score_counts_whole_rows(network):
    probabilities, labels = network.predict_proba(X[TEST]), network.predict(X[TEST])
    np.testing.assert_array_equal(labels, probabilities >= 0.5)
    assert network.score(X[TEST], Y[TEST]) == np.mean((labels == Y[TEST]).all(axis=1))
    assert len(set(labels.sum(axis=1))) > 2  # none, one and several
    assert np.abs(probabilities.sum(axis=1) - 1).max() > 0.5


def test_the_first_loss_and_gradient_are_those_of_the_logistic_loss():
    start = NetworkClassifier((), epochs=0, initializer="zeros", dtype="float64").fit(X[TRAIN], Y[TRAIN])
    share = Y[TRAIN].mean(axis=0)
    np.testing.assert_allclose(start.predict_proba(X[:3]), np.tile(share, (3, 1)), rtol=1e-12)
    found = gradients(start, X[TRAIN], Y[TRAIN])
    inputs = X[TRAIN] - X[TRAIN].mean(axis=0)
    np.testing.assert_allclose(found["input->output"], inputs.T @ (share - Y[TRAIN]) / 800, rtol=0, atol=1e-14)
    learnt = NetworkClassifier((), epochs=1, batch_size=800, initializer="zeros", l2=0, dtype="float64")
    learnt.fit(X[TRAIN], Y[TRAIN])
    entropy = sum(log_loss(Y[TRAIN, k], np.full(800, share[k])) for k in range(5))
    np.testing.assert_allclose(learnt.loss_curve_, [entropy], rtol=1e-12)


def test_the_gradient_is_right_for_labels_that_are_free_of_each_other(network):
    assert network.topology_.by_role("output")[0].unit.name == "sigmoid"
    assert check_gradient(network.topology_, network._inputs(X[:7]), Y[:7], directions=50) < 1e-6


def test_outputs_begin_undecided():
    start = NetworkClassifier((400,), epochs=0, random_state=0).fit(X[TRAIN], Y[TRAIN])
    assert start.parameters_["hidden->output"].std() == pytest.approx(1 / 20, rel=0.1)  # 2,000 draws
    given = NetworkClassifier((400,), epochs=0, initializer="sigmoid", random_state=0).fit(X[TRAIN], Y[TRAIN])
    assert given.parameters_["hidden->output"].std() == pytest.approx(12.8**0.5 / 20, rel=0.1)


def test_one_label_by_itself_is_learnt_as_a_network_of_two_classes_learns_it():
    settings = {
        "epochs": 40,
        "batch_size": 800,
        "learning_rate": 0.05,
        "initializer": "zeros",
        "l2": 0,
        "random_state": 0,
    }
    several = NetworkClassifier((), dtype="float64", **settings).fit(X[TRAIN], Y[TRAIN])
    net = Topology.mlp(20, 1, output="sigmoid")
    for k in range(5):
        one = NetworkClassifier(topology=net, dtype="float64", **settings).fit(X[TRAIN], Y[TRAIN, k])
        np.testing.assert_allclose(several.predict_proba(X)[:, k], one.predict_proba(X)[:, 1], rtol=1e-9)


@pytest.mark.parametrize("kind", [csr_matrix, list, lambda y: y.astype(bool), lambda y: y.astype(float)])
def test_labels_may_be_given_as_any_zeros_and_ones(network, kind):
    again = NetworkClassifier(**SMALL).fit(X[TRAIN], kind(Y[TRAIN]))
    assert again.parameters_.theta.tobytes() == network.parameters_.theta.tobytes()


def test_parts_are_learnt_one_after_the_other_without_all_labels_in_each():
    net = NetworkClassifier((20,), random_state=0)
    for _ in range(8):
        for first in range(0, 800, 100):
            rows = slice(first, first + 100)
            net.partial_fit(X[rows], Y[rows], classes=np.arange(5))
    net.partial_fit(X[:1], Y[:1]).partial_fit(X[:2], 0 * Y[:2])
    assert net.score(X[TEST], Y[TEST]) > 0.6
    with pytest.raises(InvalidInput, match=r"y must have shape \(n, 5\), as in the calls before, got \(10, 4\)"):
        net.partial_fit(X[:10], Y[:10, :4])
    with pytest.raises(InvalidInput, match=r"y must have shape \(n, 5\), as in the calls before, got \(10,\)"):
        net.partial_fit(X[:10], Y[:10, 0])
    with pytest.raises(
        InvalidInput, match=r"y has 5 columns, one for each of classes=\[0 1 2 3 4\], got range\(0, 4\)"
    ):
        NetworkClassifier().partial_fit(X[:10], Y[:10], classes=range(4))
    with pytest.raises(InvalidInput, match=r"classes=\[0 1 2 3 4\], got range\(1, 6\)"):
        NetworkClassifier().partial_fit(X[:10], Y[:10], classes=range(1, 6))
    one = NetworkClassifier().partial_fit(X[:100], Y[:100, 0], classes=[0, 1])
    with pytest.raises(InvalidInput, match=r"y must have shape \(n,\), as in the calls before, got \(10, 2\)"):
        one.partial_fit(X[:10], Y[:10, :2])


def test_weights_of_rows_are_copies_of_them():
    weights = np.arange(800) % 3
    settings = SMALL | {"batch_size": 2000, "epochs": 5}
    weighted = NetworkClassifier(**settings, dtype="float64").fit(X[TRAIN], Y[TRAIN], sample_weight=weights)
    rows = np.repeat(np.arange(800), weights)
    repeated = NetworkClassifier(**settings, dtype="float64").fit(X[rows], Y[rows])
    np.testing.assert_allclose(weighted.parameters_.theta, repeated.parameters_.theta, rtol=0, atol=1e-9)


@pytest.mark.parametrize("target_range", [(0.15, 0.85), (-0.9, 0.9)])
def test_labels_stand_for_the_ends_of_a_target_range_and_are_told_apart_in_its_middle(target_range):
    net = NetworkClassifier(**SMALL, target_range=target_range).fit(X[TRAIN], Y[TRAIN])
    assert net.topology_.by_role("output")[0].unit.name == ("sigmoid" if target_range[0] > 0 else "tanh")
    np.testing.assert_array_equal(net.predict(X[TEST]), net._output(X[TEST]) >= np.mean(target_range))
    assert net.predict_proba(X[TEST]).min() == 0
    assert net.predict_proba(X[TEST]).max() == 1
    assert net.score(X[TEST], Y[TEST]) > 0.6


def test_smoothed_labels_keep_half_a_share_from_yes_and_no(network):
    smooth = NetworkClassifier(**SMALL, label_smoothing=0.2).fit(X[TRAIN], Y[TRAIN])
    np.testing.assert_allclose(smooth._targets(np.array([[0, 1]])), [[0.1, 0.9]], rtol=1e-15)
    assert np.abs(smooth.predict_proba(X) - 0.5).max() < np.abs(network.predict_proba(X) - 0.5).max()
    assert smooth.score(X[TEST], Y[TEST]) > 0.6


def test_hard_rows_come_more_often_here_too(network):
    hard = NetworkClassifier(**SMALL, emphasis="hard").fit(X[TRAIN], Y[TRAIN])
    assert not np.array_equal(hard.parameters_.theta, network.parameters_.theta)
    assert hard.score(X[TEST], Y[TEST]) > 0.6


def test_a_topology_of_your_own_is_used():
    net = Topology.mlp(20, 10, 5, output="sigmoid", skip=[("input", "output")])
    model = NetworkClassifier(topology=net, epochs=20, random_state=0).fit(X[TRAIN], Y[TRAIN])
    assert model.topology_ is net
    assert model.score(X[TEST], Y[TEST]) > 0.6
    two = NetworkClassifier(topology=Topology.mlp(20, 10, 2, output="sigmoid"), epochs=1).fit(X, Y[:, :2])
    assert two.predict_proba(X).shape == (1200, 2)
    line = NetworkClassifier(topology=Topology.mlp(20, 5, output="linear"), epochs=5, random_state=0).fit(X, Y)
    assert line._output(X).min() < 0 == line.predict_proba(X).min()
    assert line._output(X).max() > 1 == line.predict_proba(X).max()


@pytest.mark.parametrize(
    ("settings", "y", "said"),
    [
        ({"topology": Topology.mlp(20, 5)}, Y, r"several labels a row; use topology.with_units\(output='sigmoid'\)"),
        ({"topology": Topology.mlp(20, 5), "target_range": (0.1, 0.9)}, Y, "softmax outputs sum to 1"),
        ({"topology": Topology.mlp(20, 4, output="sigmoid")}, Y, "has 4 units and the data has 5 outputs"),
        ({"topology": Topology.mlp(20, 1, output="sigmoid")}, Y[:, :2], "has 1 units and the data has 2 outputs"),
        ({"class_weight": "balanced"}, Y, "class_weight='balanced' goes by the class of a row"),
        (
            {"emphasis": "balanced"},
            Y,
            "goes by class, and rows of NetworkClassifier have none here; use 'hard' or None",
        ),
        ({"emphasis": "stratified"}, Y, "goes by class"),
        ({"loss": "cross-entropy"}, Y, "does not see labels that a row lacks; use loss='logistic'"),
        ({}, Y + 1, r"y of shape \(1200, 5\) must hold 0 and 1, .*, got \[1, 2\]; for one class a row"),
        ({}, Y.astype(str), r"must hold 0 and 1, .*, got \['0', '1'\]"),
    ],
)
def test_what_rows_of_several_labels_cannot_have_is_refused(settings, y, said):
    with pytest.raises(InvalidInput, match=said):
        NetworkClassifier(**settings).fit(X, y)


def test_an_ensemble_takes_the_mean_probability_of_each_label():
    network = NetworkClassifier((20,), epochs=20)
    ensemble = EnsembleClassifier(network, n_members=5, bootstrap=True, random_state=0).fit(X[TRAIN], Y[TRAIN])
    each = [member.predict_proba(X[TEST]) for member in ensemble.members_]
    np.testing.assert_array_equal(ensemble.predict(X[TEST]), np.mean(each, axis=0) >= 0.5)
    mean_member = np.mean([member.score(X[TEST], Y[TEST]) for member in ensemble.members_])
    assert accuracy_score(Y[TEST], ensemble.predict(X[TEST])) > mean_member
    assert (
        abs(ensemble.oob_score_ - ensemble.score(X[TEST], Y[TEST])) < 0.08
    )  # 5 members, of which 2 have not seen a row


def test_it_is_searched_and_saved_like_any_other(network, tmp_path):
    grid = GridSearchCV(NetworkClassifier((10,), random_state=0), {"epochs": [0, 15]}, cv=2).fit(X[TRAIN], Y[TRAIN])
    assert grid.best_params_ == {"epochs": 15}
    for model in (NetworkClassifier(), EnsembleClassifier()):
        assert get_tags(model).classifier_tags.multi_label
    save(tmp_path / "net.npz", network)
    np.testing.assert_array_equal(load(tmp_path / "net.npz").predict(X[TEST]), network.predict(X[TEST]))


def test_sparse_rows_have_several_labels_too():
    rows = np.where(np.abs(X) > 1, X, 0)
    dense, sparse = (
        NetworkClassifier(**SMALL, centre=False, dtype="float64").fit(inputs[TRAIN], Y[TRAIN])
        for inputs in (rows, csr_matrix(rows))
    )
    np.testing.assert_allclose(dense.predict_proba(rows), sparse.predict_proba(csr_matrix(rows)), rtol=1e-7, atol=1e-9)
    for net, inputs in ((dense, rows), (sparse, csr_matrix(rows))):
        net.partial_fit(inputs[TEST], Y[TEST])
    np.testing.assert_allclose(dense.predict_proba(rows), sparse.predict_proba(csr_matrix(rows)), rtol=1e-7, atol=1e-9)
