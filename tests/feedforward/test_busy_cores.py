"""While a team of threads is slower than one, because other programs keep the cores busy, one goes on by itself."""

import time

import numpy as np
import pytest

from bioneuro import Topology, optim
from feedforward import program
from feedforward.network import Backprop, Network
from feedforward.program import ALONE, Program
from tests.feedforward.test_program import compiled, first_parameters, problem

WIDE = Topology.mlp(100, 200, 10, unit="relu")


@pytest.fixture
def trained_by_two():
    X, y, _ = problem(WIDE, "float32")
    return Program(Backprop(Network(WIDE)), first_parameters(WIDE, "float32"), X, y, optim.adam(0.01), 8, n_threads=2)


def test_one_goes_on_while_it_is_quicker_and_the_team_is_tried_again(trained_by_two):
    choose, expected = trained_by_two._choose_workers, trained_by_two.pace_of_one
    choose(2, 50 * expected)
    assert trained_by_two.alone == 0  # the first piece loads kernels
    choose(2, 1.9 * expected)
    assert trained_by_two.alone == 0
    trained_by_two.steps_at_once = 10**6
    choose(2, 50 * expected)
    assert trained_by_two.alone == ALONE
    assert trained_by_two.steps_at_once == trained_by_two.few_steps
    for left in reversed(range(ALONE)):
        trained_by_two.steps_at_once = 10**6
        choose(1, 2 * expected)
        assert trained_by_two.alone == left
    assert trained_by_two.steps_at_once == trained_by_two.few_steps
    choose(2, 3.9 * expected)  # the cores are free again
    assert trained_by_two.alone == 0


def test_where_one_is_hardly_quicker_the_team_goes_on_and_is_not_doubted_again(trained_by_two):
    choose, expected = trained_by_two._choose_workers, trained_by_two.pace_of_one
    choose(2, 3 * expected)
    choose(2, 3 * expected)  # a slow machine
    assert trained_by_two.alone == ALONE
    choose(1, 5 * expected)
    assert trained_by_two.alone == 0
    choose(2, 3 * expected)
    assert trained_by_two.alone == 0


def test_the_bytes_are_those_of_any_number_of_threads(monkeypatch):
    sizes, run_team = [], program.run_team

    def busy(function, size, *arguments):
        sizes.append(size)
        time.sleep(0.1 * (size > 1))
        return run_team(function, size, *arguments)

    data, backprop, optimizer = problem(WIDE, "float32", n=700), Backprop(Network(WIDE)), optim.adam(0.01)
    expected = compiled(backprop, optimizer, data, "float32", 1)
    monkeypatch.setattr(program, "run_team", busy)
    monkeypatch.setattr(program, "PIECE", 0.0005)
    theta, losses = compiled(backprop, optimizer, data, "float32", 1, 2)
    assert sizes[:3] == [2, 2, 1]
    assert theta.tobytes() == expected[0].tobytes()
    np.testing.assert_array_equal(losses, expected[1])
