"""Backprop beside central differences: every unit, loss and option, where roads part, meet and share weights."""

from itertools import count

import numpy as np
import pytest

import feedforward.backprop
from bioneuro import Dense, Population, Topology
from bioneuro.topology.units import ReLU
from feedforward import check_gradient
from feedforward.activations import ACTIVATIONS
from feedforward.backprop import Backprop
from feedforward.losses import CLOSED, ENTRIES, Huber
from feedforward.network import Network

LOSSES = [
    *((loss, "tanh") for loss in ENTRIES),
    (Huber(0.1), "linear"),
    *((loss, unit) for loss in CLOSED for unit in CLOSED[loss]),
    *((loss, "softmax") for loss in ENTRIES),
]
OPTIONS = {
    "nothing": {},
    "penalty": {"l2": 0.1},
    "dropout": {"dropout": 0.3},
    "noise": {"noise": 0.5},
    "corruption": {"flip": 0.3, "mask": 0.3},
    "weights": {"weights": np.array([1.0, 0.0, 3.0, 0.5, 1.0])},
    "normalised": {"batch_norm": ("e",)},
}
OPTIONS["all"] = {name: value for option in OPTIONS.values() for name, value in option.items()}


def woven(unit, output):
    """Skips, three roads to every output, a projection whose weights run both ways."""
    return Topology(
        [
            Population("a", 3, "input", "linear", bias=False),
            Population("b", 2, unit=unit),
            Population("c", 3, unit=unit),
            Population("e", 3, unit=unit),
            Population("d", 3, "output", output),
        ],
        [
            Dense("a", "b"),
            Dense("b", "c", tied_to="a->b"),
            Dense("c", "e"),
            Dense("a", "e"),
            Dense("e", "d"),
            Dense("b", "d"),
            Dense("a", "d"),
        ],
    )


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("unit", [*ACTIVATIONS, "softmax", ReLU(at_zero=1.0)], ids=str)
def test_backprop_is_right_for_every_unit_loss_and_option(unit, option):
    for loss, output in LOSSES:
        error = check_gradient(woven(unit, output), loss=loss, directions=3, **OPTIONS[option])
        assert error < 1e-6, (loss, output)


def without_masks(monkeypatch):
    backward = Network.backward
    monkeypatch.setattr(Network, "backward", lambda *arguments: backward(*arguments[:6]))


def with_other_noise(monkeypatch):
    disturb, number = Backprop._disturb, count()
    monkeypatch.setattr(
        Backprop, "_disturb", lambda self, X, key, step: disturb(self, X, key.child(next(number)), step)
    )


# option -> what makes its gradient wrong
WRONG = {
    "penalty": lambda monkeypatch: monkeypatch.setattr(Backprop, "penalty", lambda self, params: 0.0),
    "dropout": without_masks,
    "noise": with_other_noise,
    "corruption": with_other_noise,
    "weights": lambda monkeypatch: monkeypatch.setattr(feedforward.backprop, "_total", lambda weights, rows: rows),
}


@pytest.mark.parametrize("option", WRONG)
def test_the_gradient_check_sees_what_is_wrong_with_an_option(option, monkeypatch):
    net = woven("tanh", "softmax")
    assert check_gradient(net, directions=3, **OPTIONS[option]) < 1e-6
    WRONG[option](monkeypatch)
    assert check_gradient(net, directions=3) < 1e-6
    assert check_gradient(net, directions=3, **OPTIONS[option]) > 1e-3


@pytest.mark.parametrize("options", [{}, {"flip": 0.3, "mask": 0.2}, {"directions": 20}], ids=str)
def test_rounding_in_sums_of_many_losses_does_not_look_like_an_error(options):
    net = Topology.mlp(64, 16, 64, unit="sigmoid", output="sigmoid")
    assert max(check_gradient(net, random_state=seed, **options) for seed in range(3)) < 2e-7
