import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from bioneuro import Dense, Topology, corrupt, load_digits, optim
from bioneuro._jit.keys import Key
from bioneuro.data import concentric_circles, known_half, xor
from bioneuro.errors import InvalidInput, UnknownName, UnsupportedTopology
from feedforward import Autoencoder, NetworkClassifier, NetworkRegressor

DIGITS = load_digits()
TRAIN, TEST = DIGITS.split(0.25, random_state=0)


@parametrize_with_checks([NetworkClassifier(), NetworkRegressor(), Autoencoder()])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def network():
    return NetworkClassifier((50,), epochs=15, random_state=0).fit(TRAIN.X, TRAIN.y)


def test_digits_are_told_apart(network):
    assert network.score(TEST.X, TEST.y) > 0.95
    assert network.n_iter_ == len(network.loss_curve_) == 15
    assert network.loss_curve_[-1] < 0.1 * network.loss_curve_[0]


def test_predictions_are_the_same_bytes_however_the_batch_is_split(network):
    whole = network.predict_proba(TEST.X)
    parts = [network.predict_proba(TEST.X[k : k + 11]) for k in range(0, len(TEST.X), 11)]
    assert whole.tobytes() == np.concatenate(parts).tobytes()
    np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-15)


def test_what_the_inputs_emit_may_be_written_to_and_the_data_stay():
    X = TEST.X.copy()
    network = NetworkClassifier((5,), epochs=1, centre=False, random_state=0).fit(X, TEST.y)
    emitted = network.activations(X)["input"]
    np.testing.assert_array_equal(emitted, TEST.X)
    emitted[...] = 0
    np.testing.assert_array_equal(X, TEST.X)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(network):
    again = NetworkClassifier((50,), epochs=15, random_state=0).fit(TRAIN.X, TRAIN.y)
    other = NetworkClassifier((50,), epochs=15, random_state=1).fit(TRAIN.X, TRAIN.y)
    assert again.parameters_.theta.tobytes() == network.parameters_.theta.tobytes()
    assert not np.array_equal(other.parameters_.theta, network.parameters_.theta)


def test_fresh_entropy_is_kept_as_a_seed():
    first = NetworkClassifier((5,), epochs=2).fit(TRAIN.X, TRAIN.y)
    again = NetworkClassifier((5,), epochs=2, random_state=first.seed_).fit(TRAIN.X, TRAIN.y)
    assert again.parameters_.theta.tobytes() == first.parameters_.theta.tobytes()


def test_the_global_generator_is_neither_read_nor_changed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  the state that must not move
    NetworkClassifier((5,), epochs=1, dropout=0.5).fit(TRAIN.X, TRAIN.y)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_topology_given_is_used_and_not_altered():
    net = Topology.mlp(64, 20, 10, unit="tanh", skip=[("input", "output")])
    model = NetworkClassifier(topology=net, epochs=8, random_state=0).fit(TRAIN.X, TRAIN.y)
    assert model.topology_ is net
    assert model.score(TEST.X, TEST.y) > 0.93


@pytest.mark.parametrize(
    ("topology", "error", "message"),
    [
        (Topology.mlp(63, 5, 10), InvalidInput, r"'input' of the topology has 63 units and the data has 64 features"),
        (Topology.mlp(64, 5, 9), InvalidInput, r"'output' of the topology has 9 units and the data has 10 outputs"),
        (Topology.recurrent(64, 5, 10), UnsupportedTopology, "form a cycle"),
        (Topology.hopfield(64), UnsupportedTopology, "needs exactly one output population"),
        ("mlp", InvalidInput, "topology must be a Topology or None"),
    ],
)
def test_a_topology_that_does_not_fit_says_why(topology, error, message):
    with pytest.raises(error, match=message):
        NetworkClassifier(topology=topology).fit(TRAIN.X, TRAIN.y)


def test_xor_is_learnt_by_relus_with_a_single_sigmoid_output():
    data = xor()
    net = Topology.mlp(2, 8, 1, unit="relu", output="sigmoid")
    model = NetworkClassifier(topology=net, epochs=300, learning_rate=0.05, l2=0, random_state=0).fit(data.X, data.y)
    assert model.score(data.X, data.y) == 1
    assert model.predict_proba(data.X).shape == (len(data.X), 2)


def test_circles_need_a_hidden_layer():
    data = concentric_circles(random_state=0)
    flat = NetworkClassifier((), epochs=100, random_state=0).fit(data.X, data.y).score(data.X, data.y)
    bent = NetworkClassifier((20,), epochs=300, learning_rate=0.02, random_state=0).fit(data.X, data.y)
    assert flat < 0.7
    assert bent.score(data.X, data.y) > 0.95


@pytest.mark.parametrize(
    ("settings", "X", "y"),
    [
        ({}, TRAIN.X[:50], np.eye(10)[TRAIN.y[:50]] * 2),
        ({"class_weight": "balanced"}, TRAIN.X[:50], np.eye(10)[TRAIN.y[:50]]),
        ({}, TRAIN.X[:50, :20], TRAIN.y[:49]),
        ({"dropout": 2.0}, TRAIN.X[:50, :20], TRAIN.y[:50] % 2),
    ],
)
def test_a_fit_that_is_refused_leaves_the_network_of_the_last_one(settings, X, y, network):
    model = copy.deepcopy(network).set_params(**settings)
    with pytest.raises(ValueError, match=r"."):
        model.fit(X, y)
    assert model.predict_proba(TEST.X).tobytes() == network.predict_proba(TEST.X).tobytes()
    np.testing.assert_array_equal(model.predict(TEST.X), network.predict(TEST.X))


def test_logarithms_of_probabilities_are_there_where_probabilities_are(network):
    found = network.predict_log_proba(TEST.X)
    np.testing.assert_array_equal(found, np.log(network.predict_proba(TEST.X)))
    assert not hasattr(NetworkRegressor(), "predict_log_proba")


def test_a_lesion_hurts_and_is_nested_and_leaves_the_original_alone(network):
    before = network.score(TEST.X, TEST.y)
    scores = [network.lesion(units=share, random_state=0).score(TEST.X, TEST.y) for share in (0, 0.3, 0.9)]
    assert scores[0] == before
    assert before > scores[2]
    small, large = (network.lesion(units=share, random_state=0).alive_ for share in (0.3, 0.5))
    assert (large <= small).all()
    assert network.alive_.all()
    cut = network.lesion(synapses={"input->hidden": 0.5}, random_state=0)
    assert (cut.parameters_["input->hidden"] == 0).mean() == pytest.approx(0.5, abs=1e-3)


def test_dropout_prepares_for_lesions():
    plain, dropped = (
        NetworkClassifier((60,), epochs=25, dropout=share, random_state=0).fit(TRAIN.X, TRAIN.y) for share in (0, 0.5)
    )
    hurt = [
        np.mean([m.lesion(units=0.5, random_state=s).score(TEST.X, TEST.y) for s in range(5)]) for m in (plain, dropped)
    ]
    assert hurt[1] > hurt[0] + 0.01


def test_frozen_layers_keep_their_first_weights():
    random = NetworkClassifier((30,), epochs=5, frozen=("input->hidden", "hidden.bias"), random_state=0)
    random.fit(TRAIN.X, TRAIN.y)
    start = NetworkClassifier((30,), epochs=0, random_state=0).fit(TRAIN.X, TRAIN.y)
    np.testing.assert_array_equal(random.parameters_["input->hidden"], start.parameters_["input->hidden"])
    assert not np.array_equal(random.parameters_["hidden->output"], start.parameters_["hidden->output"])


def test_early_stopping_stops_and_keeps_the_best():
    model = NetworkClassifier((100,), epochs=400, learning_rate=0.02, schedule="constant", patience=3, random_state=0)
    model.fit(TRAIN.X[:300], TRAIN.y[:300])
    assert model.n_iter_ < 400
    assert model.n_iter_ - 1 - model.validation_curve_.argmin() == 3


def test_rows_held_out_for_early_stopping_are_not_learnt_from():
    X, y = np.arange(40.0)[:, None], np.arange(40.0)
    net = NetworkRegressor((3,), epochs=1, batch_size=5, patience=2, validation_fraction=0.25, random_state=0).fit(X, y)
    assert net.t_ == 30 / 5
    (learnt, *_), (held, *_) = net._hold_out(Key.from_seed(net.seed_), X, y, None, None)
    assert len(held) == 10
    assert sorted([*learnt.ravel(), *held.ravel()]) == y.tolist()


def test_rows_held_out_hold_the_classes_in_proportion():
    X, y = np.arange(100.0)[:, None], np.repeat(["common", "rare", "rarest"], [78, 20, 2])
    for seed in range(10):
        net = NetworkClassifier((3,), epochs=1, patience=2, validation_fraction=0.2, random_state=seed).fit(X, y)
        numbers = np.searchsorted(net.classes_, y)
        (_, _, learnt, _), (_, _, held, _) = net._hold_out(
            Key.from_seed(net.seed_), X, np.eye(3)[numbers], numbers, None
        )
        assert np.abs(np.bincount(held, minlength=3) - [15.6, 4, 0.4]).max() <= 1
        assert np.bincount(learnt, minlength=3).min() >= 1


def test_it_works_in_pipelines_grids_clones_and_pickles(network):
    pipeline = make_pipeline(StandardScaler(), NetworkClassifier((20,), epochs=20, random_state=0))
    grid = GridSearchCV(pipeline, {"networkclassifier__unit": ["relu", "tanh"]}, cv=2).fit(TRAIN.X[:400], TRAIN.y[:400])
    assert grid.best_score_ > 0.7
    assert clone(network).get_params() == network.get_params()
    copy = pickle.loads(pickle.dumps(network))
    assert copy.predict_proba(TEST.X).tobytes() == network.predict_proba(TEST.X).tobytes()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"optimizer": "adan"}, UnknownName, "did you mean 'adam'"),
        ({"loss": "cross-entropie"}, UnknownName, "did you mean 'cross-entropy'"),
        ({"unit": "rellu"}, UnknownName, "did you mean 'relu'"),
        ({"initializer": "hee"}, UnknownName, "did you mean 'he'"),
        ({"schedule": "liner"}, UnknownName, "did you mean 'linear'"),
        ({"learning_rate": 0}, InvalidInput, r"learning_rate must be a number in \(0, inf\), got 0"),
        ({"epochs": -1}, InvalidInput, "epochs must be an integer"),
        (
            {"batch_size": 0},
            InvalidInput,
            r"batch_size must be an integer in \[1, inf\), got .*; one as large as the data",
        ),
        ({"dropout": 1.0}, InvalidInput, r"dropout of 'hidden' must be a number in \[0, 1\), got 1.0"),
        ({"dropout": {"hiden": 0.5}}, UnknownName, "did you mean 'hidden'"),
        ({"dtype": "float16"}, UnknownName, "allowed: 'auto', 'float32', 'float64'"),
        ({"frozen": ("input->hiden",)}, UnknownName, "did you mean 'input->hidden'"),
        ({"patience": 2, "validation_fraction": 1.5}, InvalidInput, "validation_fraction must be a number"),
    ],
)
def test_bad_settings_say_what_is_allowed(settings, error, message):
    with pytest.raises(error, match=message):
        NetworkClassifier(**settings).fit(TRAIN.X[:50], TRAIN.y[:50])


def test_bad_data_says_what_is_wrong():
    model = NetworkClassifier(epochs=1)
    with pytest.raises(InvalidInput, match="y holds one class only, 3; a classifier needs two or more"):
        model.fit(TRAIN.X[:5], np.full(5, 3))
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(np.full((5, 2), np.nan), [0, 1, 0, 1, 0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(np.zeros((5, 2)), [0, 1])
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        model.fit(np.zeros((0, 2)), [])
    model.fit(TRAIN.X[:50], TRAIN.y[:50])
    with pytest.raises(ValueError, match="X has 63 features, but NetworkClassifier is expecting 64"):
        model.predict(TRAIN.X[:, :63])


def test_a_regressor_starts_at_the_mean_and_gives_columns_as_it_got_them():
    x = np.linspace(-3, 3, 200)[:, None]
    y = 100 + np.sin(x)
    start = NetworkRegressor((10,), epochs=0, initializer="zeros", random_state=0).fit(x, y)
    np.testing.assert_allclose(start.predict(x), np.full((200, 1), y.mean()), rtol=1e-6)
    assert NetworkRegressor((10,), epochs=1).fit(x, y.ravel()).predict(x).shape == (200,)
    assert NetworkRegressor((10,), epochs=1).fit(x, np.hstack([y, -y])).predict(x).shape == (200, 2)


def test_an_autoencoder_gives_codes_and_repairs_what_it_has_stored():
    stored = DIGITS.bipolar_patterns(10, random_state=0)
    memory = Autoencoder((100,), epochs=500, batch_size=10, random_state=0).fit(stored)
    codes = memory.transform(stored)
    assert codes.shape == (10, 100)
    repaired = np.sign(memory.recall(corrupt(stored, flip=0.2, random_state=1)))
    assert (repaired == stored).all(axis=1).mean() >= 0.8
    upper = known_half((8, 8), "upper")
    completed = memory.recall(stored, known=upper)
    np.testing.assert_array_equal(completed[:, upper], stored[:, upper])
    assert (np.sign(completed) == stored).all(axis=1).mean() >= 0.8


def test_tied_weights_are_one_matrix_there_and_back():
    model = Autoencoder((20,), tied=True, epochs=3, random_state=0).fit(TRAIN.X)
    np.testing.assert_array_equal(model.parameters_["hidden->output"], model.parameters_["input->hidden"].T)
    assert model.parameters_.theta.size == 64 * 20 + 20 + 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_layer_sizes": ()}, "needs a hidden layer"),
        ({"flip": 0.6, "mask": 0.6}, r"flip \+ mask must not exceed 1"),
        ({"tied": True, "hidden_layer_sizes": (20, 5)}, "mirror each other"),
        ({"input_range": (0, 0.5)}, r"input_range is \(0, 0.5\) and the data lies in \[0, 1\]"),
        ({"input_range": (1, 0)}, "low < high"),
    ],
)
def test_an_autoencoder_refuses_what_cannot_be(settings, message):
    with pytest.raises(InvalidInput, match=message):
        Autoencoder(**{"epochs": 1} | settings).fit(TRAIN.X)


def test_known_must_be_a_mask():
    model = Autoencoder((5,), epochs=1, random_state=0).fit(TRAIN.X)
    with pytest.raises(InvalidInput, match=r"known must be a bool mask of shape \(64,\)"):
        model.recall(TRAIN.X[:2], known=np.ones(64))


def test_one_softmax_output_is_refused_with_the_way_out():
    net = Topology.mlp(64, 8, 1)
    with pytest.raises(InvalidInput, match=r"one 'softmax' output cannot tell.*with_units\(output='sigmoid'\)"):
        NetworkClassifier(topology=net).fit(TRAIN.X, TRAIN.y > 4)


def test_dropout_of_the_output_is_refused():
    with pytest.raises(InvalidInput, match="dropout of the output 'output' would hide targets"):
        NetworkClassifier(dropout={"output": 0.5}).fit(TRAIN.X, TRAIN.y)


def test_signs_are_kept_through_training():
    net = Topology.mlp(64, 20, 10)
    signed = Topology(net.populations, [Dense("input", "hidden", sign=1), Dense("hidden", "output", sign=-1)])
    model = NetworkClassifier(topology=signed, epochs=3, random_state=0).fit(TRAIN.X, TRAIN.y)
    assert model.parameters_["input->hidden"].min() >= 0
    assert model.parameters_["hidden->output"].max() <= 0


def test_an_untrained_copy_keeps_its_first_representation():
    random = NetworkClassifier((30,), epochs=3, random_state=0).untrained().fit(TRAIN.X, TRAIN.y)
    start = NetworkClassifier((30,), epochs=0, random_state=0).fit(TRAIN.X, TRAIN.y)
    np.testing.assert_array_equal(random.parameters_["hidden.bias"], start.parameters_["hidden.bias"])
    np.testing.assert_array_equal(random.parameters_["input->hidden"], start.parameters_["input->hidden"])
    assert not np.array_equal(random.parameters_["hidden->output"], start.parameters_["hidden->output"])


def test_what_is_unknown_may_be_nan():
    stored = DIGITS.bipolar_patterns(5, random_state=0)
    memory = Autoencoder((30,), epochs=50, random_state=0).fit(stored)
    upper = known_half((8, 8), "upper")
    holed = memory.recall(np.where(upper, stored, np.nan), known=upper)
    np.testing.assert_array_equal(holed, memory.recall(stored, known=upper))


def test_codes_give_back_what_they_stand_for():
    model = Autoencoder((64,), epochs=40, flip=0, mask=0, random_state=0).fit(TRAIN.X)
    assert np.abs(model.reconstruct(TEST.X) - TEST.X).mean() < 0.5 * np.abs(TEST.X - TRAIN.X.mean(axis=0)).mean()


def test_an_estimator_with_an_optimiser_of_its_own_can_be_pickled():
    model = NetworkClassifier((5,), optimizer=optim.momentum(0.05), epochs=2, random_state=0).fit(TRAIN.X, TRAIN.y)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.predict_proba(TEST.X).tobytes() == model.predict_proba(TEST.X).tobytes()
