"""Weights of rows and classes, and trainings that go on from one another."""

import signal

import numpy as np
import pytest

from bioneuro import Parameters, Topology, load, optim, save
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput
from bioneuro.initializers import initialise
from bioneuro.topology.units import PReLU
from bioneuro.training import Hard, TrainingInterrupted
from bioneuro.training.batches import Batch, epoch_order
from bioneuro.training.interrupt import Interruption
from feedforward import Autoencoder, Huber, NetworkClassifier, NetworkRegressor
from feedforward.backprop import Backprop
from feedforward.network import Network

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(60, 4))
y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)
SETTINGS = {"hidden_layer_sizes": (6,), "random_state": 0, "epochs": 5, "batch_size": 60}


def theta(model):
    return model.parameters_.theta


def test_a_row_of_weight_two_counts_as_two_rows():
    weights = DRAW.integers(0, 3, len(X))
    copies = np.repeat(np.arange(len(X)), weights)
    weighted = NetworkClassifier(**SETTINGS).fit(X, y, sample_weight=weights)
    repeated = NetworkClassifier(**SETTINGS | {"batch_size": 200}).fit(X[copies], y[copies])
    np.testing.assert_allclose(theta(weighted), theta(repeated), rtol=0, atol=1e-9)  # float64, five full batches


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "momentum", "l2": 0.1, "unit": "tanh"},
        {"optimizer": optim.chain(optim.clip(0.1), optim.adam(0.05), optim.max_norm(1.0))},
        {"class_weight": "balanced", "label_smoothing": 0.1},
        {"class_weight": {1: 3.0}, "target_range": (0.1, 0.9), "unit": "prelu"},
        {"topology": Topology.mlp(4, 5, 3, 1, output="sigmoid", skip=[("input", "output")])},
        {"emphasis": "longer-steps"},
    ],
    ids=str,
)
def test_weights_are_copies_whatever_else_is_on(options):
    weights = DRAW.integers(0, 4, len(X))
    copies = np.repeat(np.arange(len(X)), weights)
    settings = SETTINGS | {"batch_size": 1000, "epochs": 20} | options
    weighted = NetworkClassifier(**settings).fit(X, y, sample_weight=weights)
    if options.get("emphasis"):
        settings["emphasis"] = None  # all copies weigh the same
    repeated = NetworkClassifier(**settings).fit(X[copies], y[copies])
    np.testing.assert_allclose(theta(weighted), theta(repeated), rtol=0, atol=1e-11)  # rounding, through 20 steps
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-11)


def test_the_validation_loss_weighs_rows_as_copies():
    net = Topology.mlp(4, 5, 2)
    params, backprop = initialise(net, dtype="float64"), Backprop(Network(net))
    weights, targets = DRAW.integers(0, 4, len(X)), np.eye(2)[y]
    copies = np.repeat(np.arange(len(X)), weights)
    weighed = backprop.loss_of(params, X, targets, weights.astype(float))
    assert weighed == pytest.approx(backprop.loss_of(params, X[copies], targets[copies]), rel=1e-14)
    fitted = NetworkClassifier(**SETTINGS | {"epochs": 1}, patience=3).fit(X, y, weights + 1.0)
    everything = fitted._inputs(X), targets, y, weights + 1.0
    _, (rows, labels, _, own) = fitted._hold_out(Key.from_seed(fitted.seed_), *everything)
    backprop = Backprop(Network(fitted.topology_))
    assert fitted.validation_curve_[0] == backprop.loss_of(fitted.parameters_, rows, labels, own)
    assert fitted.validation_curve_[0] != pytest.approx(backprop.loss_of(fitted.parameters_, rows, labels), rel=1e-3)


def test_rows_of_weight_zero_are_left_out_of_minibatches_and_statistics():
    weights = (np.arange(len(X)) % 3 > 0).astype(float)
    kept = weights > 0
    settings = SETTINGS | {"batch_size": 8, "batch_norm": True, "dropout": 0.2, "patience": 2}
    whole = NetworkClassifier(**settings).fit(X, y, weights)
    part = NetworkClassifier(**settings).fit(X[kept], y[kept])
    np.testing.assert_allclose(theta(whole), theta(part), rtol=0, atol=1e-14)
    assert whole.t_ == part.t_


def test_regression_weighs_rows_too():
    weights = np.where(X[:, 0] > 0, 1.0, 0.0)
    target = X[:, 0] ** 2
    whole = NetworkRegressor(**SETTINGS).fit(X, target, sample_weight=weights)
    part = NetworkRegressor(**SETTINGS).fit(X[X[:, 0] > 0], target[X[:, 0] > 0])
    np.testing.assert_array_equal(theta(whole), theta(part))


def test_balanced_classes_find_more_of_a_rare_one():
    draw = np.random.default_rng(1)
    rare = np.r_[np.zeros(990, int), np.ones(10, int)]
    inputs = draw.normal(size=(1000, 2)) + 1.5 * rare[:, None]
    settings = {"hidden_layer_sizes": (4,), "random_state": 0, "epochs": 20}
    plain = NetworkClassifier(**settings).fit(inputs, rare)
    balanced = NetworkClassifier(**settings, class_weight="balanced").fit(inputs, rare)
    named = NetworkClassifier(**settings, class_weight={0: 1000 / 1980, 1: 50.0}).fit(inputs, rare)
    found = [model.predict(inputs[rare == 1]).sum() for model in (plain, balanced)]
    assert found[0] < found[1] >= 7
    np.testing.assert_allclose(theta(balanced), theta(named), atol=1e-4)


def test_partial_fit_goes_on_with_the_moments_of_the_optimiser():
    model = NetworkClassifier((6,), learning_rate=0.01, random_state=0, centre=False, l2=0.0, batch_size=60)
    halves = [(X[:30], y[:30]), (X[30:], y[30:])]
    for part, labels in halves:
        model.partial_fit(part, labels, classes=[0, 1])
    by_hand = NetworkClassifier((6,), random_state=0, centre=False, epochs=0).fit(*halves[0]).parameters_.copy()
    topology, optimizer = model.topology_, optim.adam(0.01)
    assert topology == Topology.mlp(4, 6, 2)
    moments, out = optimizer.init(by_hand), Parameters.zeros(topology, "float64")
    for step, (part, labels) in enumerate(halves):
        out.theta[...] = 0
        batch = Batch(part, np.eye(2)[labels], np.arange(len(part)))
        Backprop(Network(topology))(by_hand, batch, Key.from_seed(0), step, out)
        optimizer.update(out.theta, moments, by_hand, step)
        by_hand.theta += out.theta
    np.testing.assert_allclose(theta(model), by_hand.theta, rtol=0, atol=1e-12)
    assert (model.t_, model.n_iter_) == (2, 2)


def test_partial_fit_goes_on_after_fit_and_after_a_file(tmp_path):
    model = NetworkClassifier(**SETTINGS).fit(X, y)
    save(tmp_path / "net.npz", model)
    again = load(tmp_path / "net.npz")
    for net in (model, again):
        net.partial_fit(X[:20], y[:20])
    assert theta(again).tobytes() == theta(model).tobytes()
    assert model.n_iter_ == 6


def test_networks_with_settings_that_are_objects_are_saved_and_go_on(tmp_path):
    optimizer = optim.chain(optim.clip(1.0), optim.momentum(0.1, optim.growing_momentum(over=9)), optim.max_norm(1.0))
    settings = SETTINGS | {"optimizer": optimizer, "emphasis": Hard(1.0), "unit": PReLU(), "loss": Huber(0.5)}
    net = NetworkClassifier(**settings).fit(X, y)
    save(tmp_path / "net.npz", net)
    again = load(tmp_path / "net.npz")
    assert again.get_params() == net.get_params()
    assert theta(again.partial_fit(X, y)).tobytes() == theta(net.partial_fit(X, y)).tobytes()
    with pytest.raises(InvalidInput, match="functions are not stored"):
        save(tmp_path / "net.npz", net.set_params(optimizer=optim.momentum(lambda step: 0.1)))


def test_a_regressor_goes_on_in_parts_as_a_classifier_does(tmp_path):
    target = np.stack([X[:, 0], X[:, 1] ** 2], axis=1)
    settings = {"hidden_layer_sizes": (6,), "random_state": 0, "learning_rate": 0.01, "batch_size": 10}
    whole, broken = NetworkRegressor(**settings), NetworkRegressor(**settings)
    for part in (slice(0, 30), slice(30, 60), slice(0, 30)):
        whole.partial_fit(X[part], target[part])
        save(tmp_path / "net.npz", broken.partial_fit(X[part], target[part]))
        broken = load(tmp_path / "net.npz")
    assert theta(broken).tobytes() == theta(whole).tobytes()
    assert (whole.t_, whole.n_iter_, whole.predict(X).shape) == (9, 3, (60, 2))
    assert whole.loss_curve_[2] < whole.loss_curve_[0]
    with pytest.raises(InvalidInput, match="y has 1 columns, and 2 in the calls before"):
        whole.partial_fit(X, target[:, 0])
    with pytest.raises(ValueError, match="X has 3 features, but NetworkRegressor is expecting 4"):
        whole.partial_fit(X[:, :3], target)


def test_parts_of_a_regression_weigh_their_rows():
    weights = DRAW.integers(0, 3, len(X))
    copies = np.repeat(np.arange(len(X)), weights)
    settings = {"hidden_layer_sizes": (6,), "random_state": 0, "batch_size": 200, "centre": False}
    weighted, repeated = NetworkRegressor(**settings), NetworkRegressor(**settings)
    for _ in range(3):
        weighted.partial_fit(X, X[:, 0], sample_weight=weights)
        repeated.partial_fit(X[copies], X[copies, 0])
    np.testing.assert_allclose(theta(weighted), theta(repeated), rtol=0, atol=1e-12)


class Interrupts:
    """A callback that presses Ctrl-C at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def __call__(self, progress):
        if progress.epoch == self.epoch:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("optimizer", ["adam", "yellowfin"])
def test_ctrl_c_before_the_first_step_of_an_epoch_ends_none_twice(epoch, optimizer, monkeypatch):
    def drawn(n_rows, key, number, *of_rows):
        if number == epoch:
            signal.raise_signal(signal.SIGINT)
        return epoch_order(n_rows, key, number, *of_rows)

    seen, settings = [], SETTINGS | {"epochs": 6, "batch_size": 16, "patience": 5, "optimizer": optimizer}
    whole = NetworkClassifier(**settings).fit(X, y)
    Interruption.last = -np.inf
    monkeypatch.setattr("bioneuro.training.loop.epoch_order", drawn)
    with pytest.warns(TrainingInterrupted, match=f"{epoch} whole epochs"):
        stopped = NetworkClassifier(**settings, callbacks=[lambda progress: seen.append(progress.epoch)]).fit(X, y)
    assert stopped.n_iter_ == len(stopped.validation_curve_) == len(seen) == epoch
    np.testing.assert_array_equal(stopped.loss_curve_, whole.loss_curve_[:epoch])


@pytest.mark.parametrize("model", [NetworkClassifier, NetworkRegressor])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_norm": True, "dropout": 0.3, "noise": 0.1, "emphasis": "hard"},
        {"patience": 4, "schedule": "plateau"},
        {"optimizer": "yellowfin"},
        {"optimizer": optim.chain(optim.clip(1.0), optim.amsgrad(1e-2), optim.max_norm(1.0))},
    ],
    ids=["drawn", "watched", "yellowfin", "a chain"],
)
def test_an_interrupted_fit_is_taken_up_from_its_checkpoint_bit_for_bit(model, options, tmp_path):
    settings = SETTINGS | {"epochs": 8, "batch_size": 16} | options
    whole = model(**settings).fit(X, y)
    settings["checkpoint"] = tmp_path / "fit.npz"
    Interruption.last = -np.inf
    with pytest.warns(TrainingInterrupted, match="3 whole epochs"):
        part = model(**settings, callbacks=[Interrupts(3)]).fit(X, y)
    assert part.n_iter_ == 3
    again = model(**settings).fit(X, y)
    assert theta(again).tobytes() == theta(whole).tobytes()
    np.testing.assert_array_equal(again.loss_curve_, whole.loss_curve_)
    np.testing.assert_array_equal(again.validation_curve_, whole.validation_curve_)
    assert again.t_ == whole.t_
    for net in (again, whole):  # and so goes what comes after
        net.partial_fit(X, y)
    assert theta(again).tobytes() == theta(whole).tobytes()


@pytest.mark.parametrize(
    "other", [{"l2": 0.5}, {"dropout": 0.5}, {"noise": 1.0}, {"loss": "squared"}, {"dropout": {"input": 0.1}}]
)
def test_a_checkpoint_does_not_answer_for_other_settings(other, tmp_path):
    """A finished training would otherwise be handed back as if it had been made with them."""
    settings = SETTINGS | {"checkpoint": tmp_path / "fit.npz", "l2": 0.0}
    whole = NetworkClassifier(**settings).fit(X, y)
    with pytest.raises(InvalidInput, match=r"belongs to another training: .* l2, dropout, noise, flip, mask"):
        NetworkClassifier(**settings | other).fit(X, y)
    same = NetworkClassifier(**settings | {"l2": 0, "dropout": {"hidden": 0}}).fit(X, y)  # said in other words
    assert theta(same).tobytes() == theta(whole).tobytes()


@pytest.mark.parametrize("other", [{"flip": 0.2}, {"mask": 0.0}, {"l2": 0.1}])
def test_a_checkpoint_of_codes_does_not_answer_for_other_noise(other, tmp_path):
    settings = {"hidden_layer_sizes": (2,), "epochs": 2, "random_state": 0, "checkpoint": tmp_path / "fit.npz"}
    Autoencoder(**settings).fit(X)
    with pytest.raises(InvalidInput, match="belongs to another training"):
        Autoencoder(**settings | other).fit(X)


def test_an_interrupted_fit_without_a_checkpoint_goes_on_in_parts_and_by_warm_starts():
    settings = SETTINGS | {"epochs": 6, "batch_size": 16, "warm_start": True}
    Interruption.last = -np.inf
    with pytest.warns(TrainingInterrupted):
        stopped = NetworkClassifier(**settings, callbacks=[Interrupts(2)]).fit(X, y)
    two = NetworkClassifier(**settings | {"schedule": "constant", "epochs": 2}).fit(X, y)
    assert stopped.t_ == two.t_ == 8
    stopped.set_params(callbacks=None)
    kept = theta(stopped).copy()
    assert not np.array_equal(theta(stopped.partial_fit(X, y)), kept)
    assert stopped.fit(X, y).loss_curve_[0] < two.loss_curve_[-1]


def test_partial_fit_needs_to_know_the_classes_once():
    with pytest.raises(InvalidInput, match="the first call of partial_fit needs classes="):
        NetworkClassifier().partial_fit(X, y)
    model = NetworkClassifier((3,)).partial_fit(X, y, classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (60, 3)
    with pytest.raises(InvalidInput, match="not among the classes"):
        model.partial_fit(X, y + 2)
    with pytest.raises(InvalidInput, match="are not those of the calls before"):
        model.partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize(
    ("first", "second", "needs"),
    [
        ("adam", "momentum", "holds moments mean, square, and this one needs velocity"),
        ("adam", "adagrad", "holds moments mean, square, and this one needs square"),
        ("sgd", "adam", "holds moments none, and this one needs mean, square"),
        ("momentum", "yellowfin", "holds moments velocity, and this one needs averages"),
    ],
)
def test_partial_fit_never_goes_on_from_the_state_of_another_optimiser(first, second, needs):
    model = NetworkClassifier(**SETTINGS, optimizer=first).fit(X, y).set_params(optimizer=second)
    with pytest.raises(InvalidInput, match=needs):
        model.partial_fit(X, y)
    model.optimizer_state_ = None
    assert model.partial_fit(X, y).t_ == 6


def test_an_optimiser_without_moments_follows_any_other():
    models = [NetworkClassifier(**SETTINGS).fit(X, y).set_params(optimizer="sgd") for _ in range(2)]
    models[1].optimizer_state_ = None
    after = [theta(model.partial_fit(X, y).partial_fit(X, y)) for model in models]
    assert after[0].tobytes() == after[1].tobytes()


def test_a_warm_start_begins_where_the_last_fit_ended():
    model = NetworkClassifier((8,), epochs=10, warm_start=True, random_state=0).fit(X, y)
    first = model.loss_curve_
    model.fit(X, y)
    assert model.loss_curve_[0] < first[-1] < first[0]
    with pytest.raises(InvalidInput, match="warm_start goes on from"):
        model.set_params(hidden_layer_sizes=(9,)).fit(X, y)


def test_little_data_is_learnt_in_float64_and_much_in_float32():
    assert theta(NetworkClassifier(**SETTINGS).fit(X, y)).dtype == np.float64
    many = np.tile(X, (50, 1))
    assert theta(NetworkClassifier(**SETTINGS | {"epochs": 1}).fit(many, np.tile(y, 50))).dtype == np.float32


@pytest.mark.parametrize("model", [NetworkClassifier, NetworkRegressor])
def test_normalised_networks_are_ordinary_ones_at_inference(model, tmp_path):
    net = model((8, 6), batch_norm=True, noise=0.1, epochs=200, batch_size=20, random_state=0).fit(X, y)
    assert net.score(X, y) > 0.7
    assert (
        net.parameters_.topology
        == net.topology_
        == Topology.mlp(4, 8, 6, *net.parameters_["output.bias"].shape, output=net.topology_["output"].unit)
    )
    assert "hidden1.gain" in net.training_parameters_
    save(tmp_path / "net.npz", net)
    again = load(tmp_path / "net.npz")
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    if model is NetworkClassifier:
        assert theta(again.partial_fit(X, y)).tobytes() == theta(net.partial_fit(X, y)).tobytes()


def test_normalisation_by_name_and_warm_starts():
    net = NetworkClassifier((8, 6), batch_norm=("hidden2",), epochs=3, warm_start=True, random_state=0).fit(X, y)
    own = {key for key in net.training_parameters_ if key not in net.parameters_}
    assert own == {"hidden2.gain", "hidden2.mean", "hidden2.variance"}
    before = net.training_parameters_["hidden2.gain"].copy()
    assert np.any(net.fit(X, y).training_parameters_["hidden2.gain"] != before)
