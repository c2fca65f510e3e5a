"""What Hebbian networks reach on the bundled digits, mean of three seeds, beside units that never learnt.

The settings are the defaults, chosen by cross-validation inside the training rows; every number is deterministic.
"""

import numpy as np
import pytest

from bioneuro import Topology, load_digits
from bioneuro.plasticity import Competitive, HebbianClassifier

DIGITS = load_digits()


def accuracies(n_units, **options):
    """One accuracy a seed."""
    found = []
    for seed in range(3):
        train, test = DIGITS.split(0.25, random_state=seed)
        model = HebbianClassifier(topology=Topology.mlp(64, n_units, 10), random_state=seed, **options)
        found.append(model.fit(train.X, train.y).score(test.X, test.y))
    return np.array(found)


@pytest.mark.parametrize(("n_units", "floor"), [(16, 0.94), (32, 0.97)])
def test_sangers_units_reach_their_figure_and_beat_random_ones_in_every_seed(n_units, floor):
    learnt = accuracies(n_units)
    assert learnt.mean() >= floor
    assert (learnt > accuracies(n_units, epochs=0)).all()  # random units with on and off cells as well


def test_sixteen_units_are_ten_points_above_sixteen_random_relus():
    learnt, relus, on_off = accuracies(16), accuracies(16, epochs=0, features="rectified"), accuracies(16, epochs=0)
    assert learnt.mean() >= relus.mean() + 0.10
    assert learnt.mean() >= on_off.mean() + 0.05  # twice the readout


def test_a_hundred_competing_units_reach_their_figure_and_beat_random_ones():
    rule, readout = Competitive(p=3, k=2, delta=0.4), {"readout_scale": "each", "readout_l2": 1e-3}
    settings = {"rule": rule, "learning_rate": 0.1, "sigma": 1.0, "batch_size": 20, **readout}
    learnt, random = accuracies(100, epochs=50, **settings), accuracies(100, epochs=0, **settings)
    assert learnt.mean() >= 0.975
    assert learnt.mean() >= random.mean() + 0.02
    assert learnt.mean() > accuracies(100, epochs=0, features="rectified", **settings).mean()


def test_a_hundred_units_gain_little_over_random_ones():
    """Where units are many, random ones do: an honest control."""
    learnt, random = accuracies(100), accuracies(100, epochs=0)
    assert learnt.mean() >= 0.975
    assert abs(learnt.mean() - random.mean()) < 0.02
