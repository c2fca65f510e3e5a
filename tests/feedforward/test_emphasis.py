"""Emphasis in the training of networks: compiled and plain, beside class weights, and what it is good for."""

import signal

import numpy as np
import pytest

from bioneuro import Parameters, Topology, load_digits, optim
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, UnknownName
from bioneuro.initializers import initialise
from bioneuro.training import Balanced, Batch, Hard, TrainingInterrupted, fit
from bioneuro.training.batches import epoch_order
from feedforward import NetworkClassifier, NetworkRegressor
from feedforward.backprop import Backprop
from feedforward.network import Network
from feedforward.program import Program
from feedforward.targets import row_weights

KEY = Key.from_seed(3)
NET = Topology.mlp(20, 9, 3, unit="tanh")
STRATA = np.repeat([0, 1, 2], [60, 24, 6])
NAMES = ["stratified", "balanced", Balanced(0.5), "hard", Hard(1.0, 0.2, correction=1.0)]


class Plain(Backprop):
    """Backprop that no program is made of."""

    def __call__(self, *arguments):
        return super().__call__(*arguments)


def problem(density=1.0):
    draw = np.random.default_rng(0)
    X = draw.normal(size=(90, 20)) * (draw.random((90, 20)) < density)
    X[:, :3] += 2 * np.eye(3)[STRATA]
    return X, np.eye(3)[STRATA]


def train(make=Backprop, density=1.0, epochs=5, l2=1e-3, **options):
    X, y = problem(density)
    options = {"optimizer": optim.adam(0.01), "batch_size": 16, "key": KEY, "strata": STRATA} | options
    first = initialise(NET, random_state=0, dtype="float64")
    return fit(first, make(Network(NET), l2=l2), X, y, epochs=epochs, **options)


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 90)], ids=["alike", "weighed"])
@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
@pytest.mark.parametrize("emphasis", NAMES, ids=str)
def test_compiled_epochs_equal_the_plain_loop(emphasis, density, weights):
    ours, theirs = (train(make, density, emphasis=emphasis, weights=weights) for make in (Backprop, Plain))
    np.testing.assert_allclose(ours.parameters.theta, theirs.parameters.theta, rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-9)


def test_the_weights_given_are_never_changed():
    weights = np.linspace(0.5, 2, 90)
    train(emphasis=Hard(correction=1.0), weights=weights)
    np.testing.assert_array_equal(weights, np.linspace(0.5, 2, 90))


@pytest.mark.parametrize("emphasis", NAMES, ids=str)
def test_several_epochs_in_one_call_have_the_bits_of_one_at_a_time(emphasis):
    together, apart = train(emphasis=emphasis), train(emphasis=emphasis, callbacks=[lambda progress: False])
    assert together.parameters.theta.tobytes() == apart.parameters.theta.tobytes()
    np.testing.assert_allclose(together["loss"], apart["loss"], rtol=1e-14)


@pytest.mark.parametrize("emphasis", NAMES, ids=str)
def test_a_compiled_training_cut_in_the_middle_of_an_epoch_goes_on_bit_for_bit(emphasis, monkeypatch):
    whole, run, calls = train(emphasis=emphasis, epochs=4), Program.run, []

    def interrupted(self, *arguments):
        self.steps_at_once = 1
        calls.append(None)
        if len(calls) == 9:
            signal.raise_signal(signal.SIGINT)
        return run(self, *arguments)

    monkeypatch.setattr(Program, "run", interrupted)
    with pytest.warns(TrainingInterrupted):
        broken = train(emphasis=emphasis, epochs=4)
    monkeypatch.setattr(Program, "run", run)
    assert broken.state.step == 9  # of 6 in an epoch
    rest = train(emphasis=emphasis, epochs=4, state=broken.state)
    assert rest.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
    np.testing.assert_allclose(rest["loss"], whole["loss"], rtol=1e-14)  # summed in other pieces


# -- beside weights ----------------------------------------------------------------------------------------------------


def gradient_of(backprop, rows, weights=None):
    X, y = problem()
    params, out = initialise(NET, random_state=0, dtype="float64"), Parameters.zeros(NET, "float64")
    backprop(params, Batch(X[rows], y[rows], rows, weights), KEY, 0, out)
    return out.theta.copy()


def test_the_expected_gradient_of_balanced_rows_is_that_of_balanced_class_weights():
    strata, rows = np.repeat([0, 1], [24, 6]), np.r_[0:24, 84:90]
    weights = row_weights(strata, "balanced")
    expected = gradient_of(Backprop(Network(NET)), rows, weights)
    epochs = 600
    orders = [rows[epoch_order(30, KEY, epoch, strata, Balanced())] for epoch in range(epochs)]
    found = np.array([gradient_of(Backprop(Network(NET)), order) for order in orders])
    spread = found.std(axis=0) / np.sqrt(epochs)
    assert np.all(np.abs(found.mean(axis=0) - expected) < 5 * spread + 1e-12)
    assert np.abs(gradient_of(Backprop(Network(NET)), rows) - expected).max() > 20 * spread.max()


@pytest.mark.parametrize(("correction", "unbiased"), [(1.0, True), (0.0, False)])
def test_corrected_hard_rows_have_the_expected_gradient_of_the_whole_data(correction, unbiased):
    backprop, rows, epochs = Backprop(Network(NET)), np.arange(90), 600
    X, y = problem()
    losses = backprop.losses_of(initialise(NET, random_state=0, dtype="float64"), X, y)
    hard = Hard(1.0, 0.1, correction)
    factors = hard.factors(losses) if correction else np.ones(90)
    orders = [epoch_order(90, KEY, epoch, None, hard, losses) for epoch in range(epochs)]
    sums = np.array([gradient_of(backprop, order, factors[order]) * factors[order].sum() / 90 for order in orders])
    spread = sums.std(axis=0) / np.sqrt(epochs)
    near = np.abs(sums.mean(axis=0) - gradient_of(backprop, rows)) < 5 * spread + 1e-12
    assert near.all() == unbiased


def test_weights_in_minibatches_of_one_row_are_refused_because_they_would_do_nothing():
    for options in ({"weights": np.linspace(0.5, 2, 90)}, {"emphasis": Hard(correction=0.5)}):
        with pytest.raises(InvalidInput, match="in minibatches of one row weights have no effect"):
            train(batch_size=1, epochs=1, **options)
    train(batch_size=1, epochs=1, weights=np.repeat([0.0, 2.0], 45))  # rows that count and rows that do not


WEIGHTS = np.random.default_rng(5).uniform(0.2, 4, 90)


@pytest.mark.parametrize("density", [1.0, 0.15], ids=["dense", "sparse"])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_compiled_and_plain_steps_are_as_long_as_their_rows_are_heavy(density, batch_size):
    options = {"emphasis": "longer-steps", "weights": WEIGHTS, "batch_size": batch_size, "optimizer": optim.sgd(0.1)}
    ours, theirs = (train(make, density, **options) for make in (Backprop, Plain))
    np.testing.assert_allclose(ours.parameters.theta, theirs.parameters.theta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-12)


def test_a_row_by_itself_has_its_weight_over_the_mean_as_a_factor_of_the_rate():
    X, y = problem()
    params, rate = initialise(NET, random_state=0, dtype="float64"), 0.1
    for row in epoch_order(90, KEY, 0):
        out = Parameters.zeros(NET, "float64")
        Backprop(Network(NET))(params, Batch(X[[row]], y[[row]], np.array([row])), KEY, 0, out)
        params.theta -= rate * WEIGHTS[row] / WEIGHTS.mean() * out.theta
    options = {"emphasis": "longer-steps", "weights": WEIGHTS, "strata": None, "optimizer": optim.sgd(rate)}
    found = train(l2=0.0, batch_size=1, epochs=1, **options)
    np.testing.assert_allclose(found.parameters.theta, params.theta, rtol=0, atol=1e-13)


def test_longer_steps_are_right_in_the_mean_over_minibatches_and_weighted_means_are_not():
    X, y = problem()
    whole = gradient_of(Backprop(Network(NET)), np.arange(90), WEIGHTS)
    params = initialise(NET, random_state=0, dtype="float64")

    def mean_over_batches(total):
        out = Parameters.zeros(NET, "float64")
        for rows in epoch_order(90, KEY, 0).reshape(18, 5):
            Backprop(Network(NET))(params, Batch(X[rows], y[rows], rows, WEIGHTS[rows], total), KEY, 0, out)
        return out.theta / 18

    np.testing.assert_allclose(mean_over_batches(5 * WEIGHTS.mean()), whole, rtol=0, atol=1e-15)
    assert np.abs(mean_over_batches(None) - whole).max() > 1e-3


def test_over_a_whole_batch_longer_steps_change_nothing():
    options = {"weights": WEIGHTS, "batch_size": 90, "strata": None}
    usual, longer = (train(emphasis=emphasis, **options) for emphasis in (None, "longer-steps"))
    np.testing.assert_allclose(longer.parameters.theta, usual.parameters.theta, rtol=0, atol=1e-13)


def test_longer_steps_are_refused_where_no_row_weighs_more():
    with pytest.raises(InvalidInput, match=r"LongerSteps\(\) goes by the weights of rows; give some"):
        train(emphasis="longer-steps")
    with pytest.raises(InvalidInput, match="class_weight will do"):
        NetworkClassifier(emphasis="longer-steps").fit(*problem()[:1], STRATA)


# -- what it is good for -----------------------------------------------------------------------------------------------

TRAIN, TEST = load_digits().split(0.25, random_state=0)
RARE = 8


def with_a_rare_class():
    kept = (TRAIN.y != RARE) | (np.random.default_rng(0).random(len(TRAIN.y)) < 0.04)
    return TRAIN.X[kept], TRAIN.y[kept]


def scores(X, y, epochs, **options):
    """Accuracy and recall of the rare class on the test set, means of three networks."""
    nets = [NetworkClassifier((50,), epochs=epochs, random_state=s, **options).fit(X, y) for s in range(3)]
    right = np.mean([net.predict(TEST.X) == TEST.y for net in nets], axis=0)
    return right.mean(), right[TEST.y == RARE].mean()


def test_a_rare_class_is_found_sooner_where_its_rows_come_more_often_than_where_they_weigh_more():
    X, y = with_a_rare_class()
    plain, weighed, often = (
        scores(X, y, 5, **options)[1] for options in ({}, {"class_weight": "balanced"}, {"emphasis": "balanced"})
    )
    assert plain < weighed < often
    assert often > 0.5


def test_a_rare_class_is_found_sooner_where_its_rows_alone_take_longer_steps():
    X, y = with_a_rare_class()
    options = {"optimizer": "sgd", "learning_rate": 0.02, "batch_size": 1}
    plain, longer = (
        scores(X, y, 2, **options, **more)[1] for more in ({}, {"class_weight": "balanced", "emphasis": "longer-steps"})
    )
    assert longer > plain + 0.2


def test_hard_rows_bring_a_rare_class_forward_without_being_told_of_it():
    X, y = with_a_rare_class()
    assert scores(X, y, 20, emphasis="hard")[1] > scores(X, y, 20)[1] + 0.1


def test_where_labels_are_wrong_hard_rows_mislead_unless_corrected():
    draw, y = np.random.default_rng(0), TRAIN.y.copy()
    wrong = draw.random(len(y)) < 0.1
    y[wrong] = draw.integers(0, 10, wrong.sum())
    plain, hard, corrected = (
        scores(TRAIN.X, y, 20, emphasis=emphasis)[0] for emphasis in (None, Hard(1.0), Hard(1.0, correction=1.0))
    )
    assert hard < corrected - 0.01
    assert corrected == pytest.approx(plain, abs=0.01)


# -- in the estimators -------------------------------------------------------------------------------------------------


def test_partial_fit_takes_its_rows_in_the_proportions_asked_for():
    X, y = with_a_rare_class()
    settings = {"hidden_layer_sizes": (50,), "random_state": 0, "learning_rate": 0.01}
    found = []
    for emphasis in (None, "balanced"):
        net = NetworkClassifier(emphasis=emphasis, **settings)
        for _ in range(5):
            net.partial_fit(X, y, classes=np.arange(10))
        found.append((net.predict(TEST.X[TEST.y == RARE]) == RARE).mean())
    assert found[0] + 0.2 < found[1]


def test_a_regressor_has_hard_rows_and_no_classes():
    x = np.linspace(-3, 3, 80)[:, None]
    net = NetworkRegressor((8,), epochs=3, emphasis="hard", random_state=0).fit(x, np.sin(x).ravel())
    assert np.isfinite(net.loss_curve_).all()
    with pytest.raises(InvalidInput, match="goes by class, and rows of NetworkRegressor have none here"):
        NetworkRegressor(emphasis="balanced").fit(x, x.ravel())


def test_an_unknown_emphasis_names_the_nearest():
    with pytest.raises(UnknownName, match="unknown emphasis 'hart'; did you mean 'hard'"):
        NetworkClassifier(emphasis="hart").fit(TRAIN.X[:50], TRAIN.y[:50])
