"""Optimisers as functions of the rate, and the rate by short trainings of a network."""

import numpy as np
import pytest

from bioneuro import load_digits, optim
from bioneuro.errors import InvalidInput, UnknownName
from feedforward import EnsembleClassifier, NetworkClassifier, NetworkRegressor

DIGITS = load_digits()
X, y = DIGITS.X[:400], DIGITS.y[:400]
SETTINGS = {"hidden_layer_sizes": (12,), "epochs": 4, "random_state": 0}


def held(rate):
    return optim.chain(optim.l1(1e-3), optim.clip(1.0), optim.adam(rate), optim.max_norm(0.5))


def theta(model):
    return model.parameters_.theta


@pytest.mark.parametrize("make", [optim.adam, lambda rate: optim.adam(rate)], ids=["class", "function"])
def test_a_function_of_the_rate_is_given_the_rate_and_its_schedule(make):
    named = NetworkClassifier(optimizer="adam", learning_rate=0.02, schedule="cosine", **SETTINGS).fit(X, y)
    made = NetworkClassifier(optimizer=make, learning_rate=0.02, schedule="cosine", **SETTINGS).fit(X, y)
    assert theta(made).tobytes() == theta(named).tobytes()


def test_whatever_stands_around_an_optimiser_goes_with_the_settings_of_a_network():
    free, short = (NetworkClassifier(optimizer=o, learning_rate=0.02, **SETTINGS).fit(X, y) for o in ("adam", held))
    lengths = [np.linalg.norm(net.parameters_["input->hidden"], axis=0).max() for net in (free, short)]
    assert lengths[0] > 1
    assert lengths[1] <= 0.5 * (1 + 1e-6)
    assert short.score(X, y) > 0.6  # of ten classes
    members = EnsembleClassifier(NetworkClassifier(optimizer=held, **SETTINGS), n_members=2, random_state=0).fit(X, y)
    assert all(np.linalg.norm(net.parameters_["input->hidden"], axis=0).max() < 0.51 for net in members.members_)


def test_a_network_finds_its_learning_rate_and_stays_as_it_is():
    net = NetworkClassifier(optimizer=held, batch_norm=True, class_weight="balanced", **SETTINGS)
    found = net.find_learning_rate(X, y, rates=[1e-6, 1e-2, 100.0], share=0.5, steps=50)
    assert found.best == 1e-2
    assert found.losses.argmin() == 1
    assert not hasattr(net, "parameters_")
    again = net.find_learning_rate(X, y, rates=[1e-6, 1e-2, 100.0], share=0.5, steps=50)
    np.testing.assert_array_equal(again.losses, found.losses)
    assert found.plot().get_title() == "Best learning rate: 0.01"
    trained = net.set_params(learning_rate=found.best, epochs=20).fit(X, y)
    before = theta(trained).copy()
    trained.find_learning_rate(X, y, rates=[0.1], steps=1)
    np.testing.assert_array_equal(theta(trained), before)


def test_a_regressor_finds_its_rate_with_weights():
    x = np.linspace(-3, 3, 300)[:, None]
    weights = (x.ravel() > 0).astype(float)  # rows that do not count are never seen
    target = np.where(weights > 0, np.sin(x).ravel(), 1e6)
    net = NetworkRegressor((20,), random_state=0)
    found = net.find_learning_rate(x, target, weights, rates=[1e-5, 3e-2], steps=200, share=1.0)
    assert found.losses[1] < 0.05 < found.losses[0] < 1


def test_rates_are_not_looked_for_where_there_are_none():
    for optimizer, error, message in (
        (optim.adam(0.1), InvalidInput, "has a learning rate of its own; give a name, or a function of the rate"),
        ("lbfgs", InvalidInput, "finds the length of its steps by itself"),
        ("adamm", UnknownName, "did you mean 'adam'"),
    ):
        with pytest.raises(error, match=message):
            NetworkClassifier(optimizer=optimizer, **SETTINGS).find_learning_rate(X, y, rates=[0.1])


def test_hidden_units_begin_with_the_bias_asked_for():
    net = NetworkClassifier((5, 4), hidden_bias=0.1, epochs=0, random_state=0).fit(X, y)
    plain = NetworkClassifier((5, 4), epochs=0, random_state=0).fit(X, y)
    assert set(net.parameters_["hidden1.bias"]) == set(net.parameters_["hidden2.bias"]) == {np.float32(0.1)}
    for key in ("input->hidden1", "hidden1->hidden2", "hidden2->output", "output.bias"):
        np.testing.assert_array_equal(net.parameters_[key], plain.parameters_[key])
