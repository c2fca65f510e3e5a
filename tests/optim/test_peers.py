"""Optimisers beside those of PyTorch and Optax, step by step; `record_peers.py` made the recorded paths."""

from pathlib import Path

import numpy as np
import pytest

from bioneuro import Parameters, Topology, optim

pytestmark = pytest.mark.small
NET = Topology.mlp(2, 2, unit="linear", output="linear")  # six numbers
RATE = 0.01
OURS = {
    "sgd": optim.sgd(RATE),
    "sgd-l2": optim.chain(optim.l2(0.05, biases=1), optim.sgd(RATE)),  # rate |w|^2: half of their weight_decay
    "momentum": optim.momentum(RATE),
    "nesterov": optim.nesterov(RATE),
    "adagrad": optim.adagrad(RATE),
    "rmsprop": optim.rmsprop(RATE),
    "rmsprop-centred": optim.centred_rmsprop(RATE),
    "adam": optim.adam(RATE),
    "adam-l2": optim.chain(optim.l2(0.05, biases=1), optim.adam(RATE)),
    "amsgrad": optim.amsgrad(RATE, beta2=0.9),
    "radam": optim.radam(RATE),
    "radam-short": optim.radam(RATE, beta2=0.9),  # n grows past 5 after 7 steps
    "adamw": optim.adamw(RATE, decay=0.1, biases=1),
    "rprop": optim.rprop(RATE),
    "optax-amsgrad": optim.amsgrad(RATE, beta2=0.9, largest_of="corrected"),
    "optax-adagrad": optim.adagrad(RATE, epsilon=1e-300, initial=0.1),
    "optax-rmsprop": optim.rmsprop(RATE, beta=0.9, inside=True),
}


@pytest.fixture(scope="module")
def recorded():
    with np.load(Path(__file__).parent / "recorded" / "peers.npz") as file:
        return dict(file)


def descend(optimizer, recorded):
    """theta after each step down the recorded noisy quadratic."""
    params = Parameters(NET, recorded["theta"].copy())
    state = optimizer.init(params)
    for step, noise in enumerate(recorded["noise"]):
        update = recorded["curvature"] * params.theta + noise
        optimizer.update(update, state, params, step)
        params.theta += update
        yield params.theta.copy()


@pytest.mark.parametrize("name", OURS)
def test_two_hundred_steps_are_those_of_the_peer(name, recorded):
    ours = np.array(list(descend(OURS[name], recorded)))
    assert np.abs(ours[-1] - recorded["theta"]).max() > 0.01  # it went somewhere
    np.testing.assert_allclose(ours, recorded[name], rtol=0, atol=1e-12)  # rounding of 200 steps at 1e-16


def test_every_recorded_path_is_compared(recorded):
    assert set(recorded) == {"versions", "theta", "curvature", "noise", *OURS}


@pytest.mark.parametrize(
    ("one", "other"),
    [("amsgrad", "optax-amsgrad"), ("adagrad", "optax-adagrad"), ("adam-l2", "adamw"), ("adam", "amsgrad")],
)
def test_variants_that_are_often_taken_for_each_other_differ(one, other, recorded):
    assert np.abs(recorded[one] - recorded[other]).max() > 1e-3


def test_the_two_places_of_epsilon_differ_where_gradients_are_small(recorded):
    small = recorded | {"noise": 1e-5 * recorded["noise"], "theta": 1e-5 * recorded["theta"]}
    inside, outside = (list(descend(optim.rmsprop(1e-6, inside=inside), small)) for inside in (True, False))
    assert np.abs(np.subtract(inside, outside)).max() > 1e-6


def test_storing_the_corrected_moments_back_leads_astray(recorded):
    """The form that some lecture notes print; the right one keeps V and S raw."""
    theta, v, s, path = recorded["theta"].copy(), 0.0, 0.0, []
    for t, noise in enumerate(recorded["noise"], start=1):
        g = recorded["curvature"] * theta + noise
        v = (0.9 * v + 0.1 * g) / (1 - 0.9**t)
        s = (0.999 * s + 0.001 * g**2) / (1 - 0.999**t)
        theta -= RATE * v / (np.sqrt(s) + 1e-8)
        path.append(theta.copy())
    assert np.abs(np.array(path) - recorded["adam"]).max() > 0.1
