"""What is kept between calls of `partial_fit` never answers for something else."""

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning

from bioneuro import Topology, load_digits
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput
from bioneuro.training import fit
from bioneuro.training.checkpoint import Before
from bioneuro.training.emphasis import Emphasis
from feedforward import NetworkClassifier
from feedforward.addresses import _address, _kinds
from feedforward.backprop import Backprop
from feedforward.estimators.base import network_of
from feedforward.network import Network

DIGITS = load_digits()
PARTS = [slice(first, first + n) for first, n in ((0, 100), (100, 32), (132, 32), (164, 50), (214, 33), (247, 32))]


def learn(net, part):
    return net.partial_fit(DIGITS.X[part], DIGITS.y[part], classes=range(10))


def networks():
    settings = [
        {},
        {"unit": "tanh"},
        {"dtype": "float64"},
        {"optimizer": "momentum", "learning_rate": 0.05},
        {"batch_norm": True, "dropout": 0.2},
        {"noise": 0.1},
        {"topology": Topology.mlp(64, 20, 10, skip=[("input", "output")])},
    ]
    return [NetworkClassifier((20,), **options, random_state=0) for options in settings]


def test_networks_taught_in_turn_have_the_bytes_that_they_have_alone():
    alone, in_turn = networks(), networks()
    for net in alone:
        for kept in (network_of, _kinds, _address):
            kept.cache_clear()
        for part in PARTS:
            learn(net, part)
    for part in PARTS:
        for net in in_turn:
            learn(net, part)
    for one, other in zip(alone, in_turn, strict=True):
        assert one.parameters_.theta.tobytes() == other.parameters_.theta.tobytes()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"learning_rate": 0.01},
        {"l2": 0.01},
        {"batch_size": 7},
        {"dropout": 0.3},
        {"dropout": 0.3, "noise": 0.2},
        {"loss": "logistic"},
        {"frozen": ("input->hidden",)},
    ],
    ids=str,
)
def test_what_the_user_changes_between_two_calls_counts_at_once(changed):
    net = NetworkClassifier((20,), random_state=0, dtype="float64")
    for part in PARTS[:3]:
        learn(net, part)
    net.set_params(**changed)
    net.parameters_.theta[...] *= 0.9
    X, y = DIGITS.X[PARTS[3]], DIGITS.y[PARTS[3]]
    options = {name: getattr(net, name) for name in ("l2", "dropout", "noise")}
    expected = fit(
        net.parameters_,
        Backprop(Network(Topology.mlp(64, 20, 10)), net.loss, **options),
        X.astype(np.float64) - net.input_mean_,
        np.eye(10)[y],
        optimizer=net._optimizer(0),
        epochs=1,
        batch_size=net.batch_size,
        key=Key.from_seed(net.seed_).child("pass").child(net.t_),
        emphasis=Emphasis(),
        before=Before(net.t_, net.optimizer_state_),
    )
    assert learn(net, PARTS[3]).parameters_.theta.tobytes() == expected.parameters.theta.tobytes()


def test_the_parameters_of_a_call_are_left_alone_by_the_next():
    net = learn(NetworkClassifier((20,), random_state=0), PARTS[0])
    kept, bytes_then = net.parameters_, net.parameters_.theta.tobytes()
    assert learn(net, PARTS[1]).parameters_ is not kept
    assert kept.theta.tobytes() == bytes_then


def test_labels_are_checked_by_the_classes():
    net = learn(NetworkClassifier((20,), random_state=0), PARTS[0])
    X, y = DIGITS.X[PARTS[1]], DIGITS.y[PARTS[1]]
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.partial_fit(X, y[:-1])
    with pytest.raises(InvalidInput, match=r"not among the classes .*: \[nan\]"):
        net.partial_fit(X, np.where(y == 3, np.nan, y))
    with pytest.raises(InvalidInput, match=r"y must be the labels of the rows, \(n,\) or \(n, k\), got None"):
        net.partial_fit(X, None)
    with pytest.raises(ValueError, match="contains NaN"):
        net.partial_fit(np.where(X > 0, X, np.nan), y)
    with pytest.warns(DataConversionWarning):
        net.partial_fit(X, y[:, None])
