"""What a report's numbers mean."""

import numpy as np
import pytest

from bioneuro import Topology
from bioneuro.compare import metrics
from energy import RBM, HopfieldMemory

STORED = np.array([[1.0, 1, -1, -1], [1, -1, 1, -1]])


@pytest.mark.small
def test_overlap_and_exact_recall_go_by_signs_and_nothing_undecided_is_right():
    recalled = np.array([[0.3, 2, -1, -0.1], [1, -1, 0, 1]])
    assert metrics.overlap(recalled, STORED) == (4 + 1 + 1 + 0 - 1) / 8
    assert metrics.exact(recalled, STORED) == 0.5


def test_visible_units_that_are_dead_are_not_asked_for_and_hidden_ones_take_none_away():
    memory = HopfieldMemory(random_state=0).fit(STORED).lesion(units=0.5)
    np.testing.assert_array_equal(metrics.living(memory), memory.alive_)
    assert not memory.alive_.all()
    machine = RBM(5, epochs=1, random_state=0).fit(STORED).lesion(units=0.6)
    assert not machine.alive_.all()
    assert metrics.living(machine).tolist() == [True] * 4
    assert STORED[:, metrics.living(object())].shape == (2, 4)


@pytest.mark.small
def test_the_cost_is_that_of_the_topology_and_of_what_is_declared_beyond_it():
    class Told:
        topology_ = Topology.mlp(4, 3, 2)
        additions_ = {"off weights": 6}  # noqa: RUF012  as an estimator carries it

    assert metrics.cost(Told()) == {"units": 9, "weights": 12 + 3 + 6 + 2 + 6, "additions": 18}
    assert all(np.isnan(value) for value in metrics.cost(object()).values())
