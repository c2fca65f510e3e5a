"""Methods of SciPy by name, smoothed labels, targets within reach, losses with constants."""

import numpy as np
import pytest
import scipy.optimize

from bioneuro import Dense, Topology, load_digits
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, UnknownName
from bioneuro.training.batches import epoch_order
from feedforward import Autoencoder, Huber, NetworkClassifier, NetworkRegressor
from feedforward.targets import smooth, to_range

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(80, 4))
y = (X[:, 0] + 0.3 * X[:, 1] ** 2 > 0.3).astype(int) + (X[:, 2] > 0.5)
T = X @ DRAW.normal(size=(4, 2)) + 0.1 * DRAW.normal(size=(80, 2))
NEWTON = pytest.mark.parametrize("optimizer", ["lbfgs", "cg"])


# -- soft targets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_soft_targets_of_any_sum_are_met_in_proportion(optimizer):
    """L = -sum y ln a is least where a = y / sum y, and rows pull by their sums."""
    one_hot, targets = np.eye(2).repeat(20, axis=0), DRAW.uniform(0, 2, size=(40, 3))
    net = NetworkRegressor(
        topology=Topology.mlp(2, 3), optimizer=optimizer, l2=0, learning_rate=0.1, epochs=400, batch_size=40
    ).fit(one_hot, targets)
    sums = targets.reshape(2, 20, 3).sum(axis=1)
    np.testing.assert_allclose(net.predict(np.eye(2)), sums / sums.sum(axis=1, keepdims=True), atol=1e-4)


def test_a_network_is_taught_by_the_probabilities_of_another():
    teacher = NetworkClassifier((20,), epochs=100, learning_rate=0.02, random_state=0).fit(X, y)
    pupil = NetworkRegressor(topology=Topology.mlp(4, 20, 3), epochs=200, learning_rate=0.02, random_state=1)
    pupil.fit(X, teacher.predict_proba(X))
    np.testing.assert_allclose(pupil.predict(X).sum(axis=1), 1, rtol=1e-6)
    assert np.abs(pupil.predict(X) - teacher.predict_proba(X)).mean() < 0.03


# -- SciPy's methods ---------------------------------------------------------------------------------------------------


@NEWTON
def test_a_linear_network_reaches_the_least_squares_solution(optimizer):
    net = NetworkRegressor((), optimizer=optimizer, l2=0.0, epochs=200, random_state=0).fit(X, T)
    exact = np.linalg.lstsq(np.c_[X, np.ones(80)], T, rcond=None)[0]
    np.testing.assert_allclose(net.parameters_["input->output"], exact[:4], atol=1e-5)
    assert net.converged_
    assert net.n_iter_ == len(net.loss_curve_) == net.t_ < 200


@NEWTON
def test_a_softmax_regression_reaches_the_minimum_with_its_penalty_and_weights(optimizer):
    weights, l2 = np.linspace(0.2, 2, 80), 1e-2
    net = NetworkClassifier((), optimizer=optimizer, l2=l2, epochs=500, centre=False, random_state=0)
    net.fit(X, y, sample_weight=weights)
    targets = np.eye(3)[y]

    def loss(flat):
        z = X @ flat[:12].reshape(4, 3) + flat[12:]
        log_norm = np.log(np.exp(z).sum(axis=1))
        return np.average(log_norm - (z * targets).sum(axis=1), weights=weights) + l2 * flat[:12] @ flat[:12]

    found = scipy.optimize.minimize(loss, np.zeros(15), options={"gtol": 1e-8}).x
    np.testing.assert_allclose(net.parameters_["input->output"], found[:12].reshape(4, 3), atol=2e-4)


@NEWTON
def test_what_has_converged_goes_nowhere_with_a_warm_start(optimizer):
    net = NetworkClassifier((3,), unit="tanh", optimizer=optimizer, l2=0.01, epochs=2000, warm_start=True)
    net.set_params(random_state=0).fit(X, y)
    before = net.predict_proba(X)
    assert net.converged_
    np.testing.assert_allclose(net.fit(X, y).predict_proba(X), before, atol=1e-3)
    assert net.n_iter_ < 20


@NEWTON
def test_normalised_networks_have_the_statistics_of_all_rows_at_the_end(optimizer):
    net = NetworkClassifier((6,), unit="tanh", optimizer=optimizer, batch_norm=True, epochs=30, random_state=0)
    net.fit(X, y)
    trained, inputs = net.training_parameters_, X - net.input_mean_
    z = inputs @ trained["input->hidden"]
    np.testing.assert_allclose(trained["hidden.mean"], z.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(trained["hidden.variance"], z.var(axis=0, ddof=1), rtol=1e-12)
    assert net.score(X, y) > 0.9


def test_early_stopping_watches_the_network_that_is_returned():
    settings = {"optimizer": "lbfgs", "l2": 0.0, "epochs": 300, "validation_fraction": 0.4, "random_state": 1}
    for batch_norm in (False, True):
        net = NetworkClassifier((30,), unit="tanh", batch_norm=batch_norm, patience=5, **settings).fit(X, y)
        assert net.n_iter_ < 300
        assert len(net.validation_curve_) - 1 - net.validation_curve_.argmin() == 5
        held = epoch_order(80, Key.from_seed(net.seed_).child("hold-out"), 0, y)[:32]
        losses = -np.log(net.predict_proba(X[held])[np.arange(32), y[held]])
        assert losses.mean() == pytest.approx(net.validation_curve_.min(), rel=1e-9)


def test_callbacks_are_called_after_each_iteration_and_can_stop():
    seen = []

    def look(progress):
        seen.append(progress.loss)
        return progress.epoch == 4

    net = NetworkClassifier((5,), optimizer="lbfgs", callbacks=[look], random_state=0).fit(X, y)
    np.testing.assert_array_equal(seen, net.loss_curve_)
    assert len(seen) == 4


def test_frozen_parameters_and_signs_are_kept():
    start = NetworkClassifier((5,), epochs=0, random_state=0).fit(X, y).parameters_
    net = NetworkClassifier((5,), optimizer="lbfgs", frozen=("input->hidden",), random_state=0).fit(X, y)
    np.testing.assert_array_equal(net.parameters_["input->hidden"], start["input->hidden"])
    free = Topology.mlp(4, 5, 3)
    signed = Topology(free.populations, [Dense("input", "hidden", sign=1), Dense("hidden", "output")])
    net = NetworkClassifier(topology=signed, optimizer="lbfgs", random_state=0).fit(X, y)
    assert net.parameters_["input->hidden"].min() >= 0
    with pytest.raises(InvalidInput, match="conjugate gradients do not keep; use 'lbfgs'"):
        NetworkClassifier(topology=signed, optimizer="cg").fit(X, y)


def test_float32_is_learnt_in_float64_and_given_back_as_it_was():
    net = NetworkClassifier((5,), optimizer="lbfgs", dtype="float32", random_state=0).fit(X, y)
    assert net.parameters_.dtype == np.float32
    assert net.score(X, y) > 0.95


def test_an_autoencoder_without_corruption_can_be_minimised():
    digits = load_digits().X[:60]
    net = Autoencoder((12,), flip=0, mask=0, optimizer="lbfgs", epochs=20, random_state=0).fit(digits)
    assert net.loss_curve_[-1] < 0.8 * net.loss_curve_[0]


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (
            NetworkClassifier,
            {"dropout": 0.5},
            "needs the same loss at the same weights, got dropout=0.5; use dropout=0",
        ),
        (NetworkClassifier, {"dropout": {"hidden": 0.5}}, "got dropout={'hidden': 0.5}; use dropout=0"),
        (NetworkRegressor, {"noise": 0.1}, "needs the same loss at the same weights, got noise=0.1; use noise=0"),
        (NetworkClassifier, {"emphasis": "hard"}, "takes all rows at once, got emphasis='hard'; use emphasis=None"),
        (NetworkClassifier, {"checkpoint": "x.npz"}, "writes no checkpoints, got checkpoint='x.npz'"),
        (Autoencoder, {}, "got flip=0.1; use flip=0, or an optimiser that takes minibatches, such as 'adam'"),
    ],
)
def test_what_a_method_of_all_rows_cannot_do_is_refused_with_the_way_out(model, settings, message):
    with pytest.raises(InvalidInput, match=f"optimizer='lbfgs' .*{message}"):
        model((5,), optimizer="lbfgs", random_state=0, **settings).fit(X, y)


def test_a_method_of_all_rows_takes_no_parts_of_them():
    with pytest.raises(InvalidInput, match="partial_fit takes steps on minibatches, and optimizer='cg' all rows"):
        NetworkClassifier((5,), optimizer="cg").partial_fit(X, y, classes=[0, 1, 2])


def test_a_method_that_is_unknown_names_the_nearest():
    with pytest.raises(UnknownName, match="unknown optimizer 'lbgfs'; did you mean 'lbfgs'"):
        NetworkClassifier(optimizer="lbgfs").fit(X, y)


# -- targets -----------------------------------------------------------------------------------------------------------


def test_smoothed_labels_leave_the_outputs_at_the_smoothed_label():
    """The least cross-entropy of a network that can say anything is at the targets."""
    net = NetworkClassifier((30,), label_smoothing=0.3, l2=0.0, optimizer="lbfgs", epochs=3000, random_state=0)
    rows = [0, 3, int(np.argmax(y == 2)), int(np.argmax(y == 0))]
    assert len(set(y[rows])) == 3
    net.fit(X[rows], y[rows])
    np.testing.assert_allclose(net.predict_proba(X[rows]), smooth(np.eye(3)[y[rows]], 0.3), atol=1e-4)


def test_smoothing_with_a_single_output_is_that_with_two():
    labels = (y > 0).astype(int)
    one = Topology.mlp(4, 1, unit="linear", output="sigmoid")
    settings = {"label_smoothing": 0.2, "l2": 0.0, "optimizer": "lbfgs", "epochs": 500, "random_state": 0}
    single = NetworkClassifier(topology=one, **settings).fit(X, labels)
    double = NetworkClassifier((), **settings).fit(X, labels)
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize(
    ("target_range", "unit"), [((0.15, 0.85), "sigmoid"), ((0.1, 0.9), "sigmoid"), ((-0.9, 0.9), "tanh")]
)
def test_targets_in_a_range_are_reached_and_give_probabilities(target_range, unit):
    settings = {"unit": "tanh", "l2": 0.0, "optimizer": "lbfgs", "epochs": 2000, "random_state": 0}
    rows = np.concatenate([np.flatnonzero(y == k)[:4] for k in range(3)])
    net = NetworkClassifier((30,), target_range=target_range, **settings)
    net.fit(X[rows], y[rows])
    assert net.topology_["output"].unit.name == unit
    reached = net.activations(X[rows])["output"]
    np.testing.assert_allclose(reached, to_range(np.eye(3)[y[rows]], *target_range), atol=1e-2)
    assert np.abs(reached).max() < 0.95  # far from saturation
    np.testing.assert_allclose(net.predict_proba(X[rows]), np.eye(3)[y[rows]], atol=0.05)


def test_the_first_outputs_are_the_shares_of_the_classes_whatever_the_targets():
    for settings in ({}, {"target_range": (0.15, 0.85)}, {"label_smoothing": 0.2}):
        net = NetworkClassifier((5,), epochs=0, initializer="zeros", random_state=0, **settings).fit(X, y)
        share = np.bincount(y) / 80
        taught = 0.8 * share + 0.2 / 3 if "label_smoothing" in settings else share
        np.testing.assert_allclose(net.predict_proba(X)[0], taught, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing": 1.0}, r"label_smoothing must be a number in \[0, 1\), got 1.0"),
        ({"label_smoothing": -0.1}, r"label_smoothing must be a number in \[0, 1\), got -0.1"),
        ({"target_range": 0.9}, r"target_range must be \(low, high\) or None, got 0.9"),
        ({"target_range": (0.1, 0.5, 0.9)}, r"target_range must be \(low, high\) or None"),
        ({"target_range": (0.9, 0.1)}, r"with 0 <= low < high <= 1 for sigmoid outputs, got \(0.9, 0.1\)"),
        ({"target_range": (0.1, 1.5)}, "<= 1 for sigmoid outputs"),
        ({"target_range": (-1.5, 0.5)}, "with -1 <= low < high <= 1 for tanh outputs"),
        (
            {"target_range": (0.1, 0.9), "topology": Topology.mlp(4, 5, 3)},
            r"softmax outputs sum to 1 .* use label_smoothing, .* topology.with_units\(output='sigmoid'\)",
        ),
    ],
)
def test_targets_out_of_reach_are_refused(settings, message):
    with pytest.raises(InvalidInput, match=message):
        NetworkClassifier(**settings).fit(X, y)


def test_partial_fit_teaches_the_same_targets():
    settings = {"hidden_layer_sizes": (6,), "target_range": (0.15, 0.85), "label_smoothing": 0.1, "random_state": 0}
    whole = NetworkClassifier(epochs=1, schedule="constant", batch_size=80, **settings).fit(X, y)
    part = NetworkClassifier(batch_size=80, **settings).partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_allclose(part.parameters_.theta, whole.parameters_.theta, rtol=0, atol=1e-12)


# -- losses ------------------------------------------------------------------------------------------------------------


def test_the_delta_of_huber_says_how_far_outliers_pull():
    """A constant fitted to n zeros and one outlier at 100 is at delta / n: there the pulls are equal."""
    target = np.r_[np.zeros(40), 100.0]
    fitted = []
    for loss in ("huber", Huber(delta=0.25), Huber(delta=4.0)):
        net = NetworkRegressor((), loss=loss, l2=0.0, optimizer="lbfgs", epochs=500, random_state=0)
        fitted.append(net.fit(np.zeros((41, 1)), target).predict(np.zeros((1, 1)))[0])
    np.testing.assert_allclose(fitted, [1 / 40, 0.25 / 40, 4 / 40], atol=1e-5)
