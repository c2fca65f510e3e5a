"""While a team of threads is slower than one, because other programs keep the cores busy, one goes on by itself."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from bioneuro import Topology, optim
from bioneuro._jit import cores
from bioneuro._jit.keys import Key
from bioneuro.training.batches import Batch
from energy import contrastive
from energy.contrastive import ContrastiveDivergence
from energy.rbm import initial_parameters
from feedforward import program
from feedforward.backprop import Backprop
from feedforward.network import Network
from tests.feedforward.test_program import compiled, first_parameters, problem

WIDE = Topology.mlp(100, 200, 10, unit="relu")


@pytest.fixture
def sizes(monkeypatch):
    """Of the teams that have run; more than one worker takes a tenth of a second longer, as on busy cores."""
    found = []

    def busy(run_team):
        def run(function, size, *arguments):
            found.append(size)
            time.sleep(0.1 if size > 1 else 0.004)
            return run_team(function, size, *arguments)

        return run

    for module in (program, contrastive):
        monkeypatch.setattr(module, "run_team", busy(module.run_team))
    return found


def test_a_training_goes_on_with_one_and_the_bytes_are_those_of_any_number(sizes, monkeypatch):
    data, backprop, optimizer = problem(WIDE, "float32", n=700), Backprop(Network(WIDE)), optim.adam(0.01)
    expected = compiled(backprop, optimizer, data, "float32", 1)
    monkeypatch.setattr(program, "PIECE", 0.0005)
    sizes.clear()
    theta, losses = compiled(backprop, optimizer, data, "float32", 1, 2)
    assert sizes[:3] == [2, 2, 1]
    assert theta.tobytes() == expected[0].tobytes()
    np.testing.assert_array_equal(losses, expected[1])


def test_contrastive_divergence_goes_on_with_one_and_the_bytes_are_those_of_any_number(sizes, monkeypatch):
    X, key = np.random.default_rng(0).random((50, 128), np.float32), Key.from_seed(1)
    params = initial_parameters(Topology.rbm(128, 130), X, sigma=0.1, key=key)
    gradients = []
    for size in (1, 2):
        monkeypatch.setattr(contrastive, "team_size", lambda size=size, **_: size)
        divergence, out = ContrastiveDivergence(), params.like(np.zeros_like(params.theta))
        for step in range(4):
            divergence(params, Batch(X, None, np.arange(50)), key, step, out)
        gradients.append(out.theta.tobytes())
    assert sizes == [1, 1, 1, 1, 2, 2, 1, 1]
    assert gradients[0] == gradients[1]


def test_a_short_batch_in_between_does_not_make_a_slow_team_forgotten(sizes, monkeypatch):
    X, key = np.random.default_rng(0).random((50, 128), np.float32), Key.from_seed(1)
    params = initial_parameters(Topology.rbm(128, 130), X, sigma=0.1, key=key)
    worth = iter([2, 1] * 3)
    monkeypatch.setattr(contrastive, "team_size", lambda **_: next(worth))
    divergence, out = ContrastiveDivergence(), params.like(np.zeros_like(params.theta))
    for step, rows in enumerate([50, 5] * 3):
        divergence(params, Batch(X[:rows], None, np.arange(rows)), key, step, out)
    assert sizes == [2, 1, 2, 1, 1, 1]


def test_steps_of_contrastive_divergence_are_judged_by_their_products(monkeypatch):
    X, notes = np.random.default_rng(0).random((50, 128), np.float32), []
    params = initial_parameters(Topology.rbm(128, 130), X, sigma=0.1, key=Key.from_seed(1))
    monkeypatch.setattr(contrastive.Crew, "note", lambda crew, work, seconds: notes.append(work))
    for step, rows in enumerate((50, 5)):
        batch = Batch(X[:rows], None, np.arange(rows))
        ContrastiveDivergence()(params, batch, Key.from_seed(1), step, params.copy())
    assert notes == [128 * 130 * 5 * 50, 128 * 130 * 5 * 5]  # twice up, once down, and two gradients


def test_whoever_takes_over_begins_with_few_steps():
    (X, y, order), optimizer = problem(WIDE, "float32"), optim.adam(0.01)
    parameters = first_parameters(WIDE, "float32")
    training = program.Program(Backprop(Network(WIDE)), parameters, X, y, optimizer, 1, 2)
    training.load(parameters, optimizer.init(parameters))
    training.few_steps, training.steps_at_once = 3, 50  # how long one needs for 50 that the team took, nobody knows
    training.crew = SimpleNamespace(workers=lambda: 1, note=lambda work, seconds: None)
    begins = np.arange(len(order) + 1)
    assert training.run(order, begins, 0, 0, Key.from_seed(0))[0] == 3
    training.steps_at_once = 50
    assert training.run(order, begins, 3, 0, Key.from_seed(0))[0] == 50


def test_the_team_is_tried_again(sizes, monkeypatch):
    data, backprop = problem(WIDE, "float32", n=700), Backprop(Network(WIDE))
    monkeypatch.setattr(program, "PIECE", 0.0005)
    monkeypatch.setattr(cores, "ALONE", 0.01)
    compiled(backprop, optim.adam(0.01), data, "float32", 1, 2)
    assert sizes[:2] == [2, 2]
    assert 1 in sizes
    assert 2 in sizes[sizes.index(1) :]
