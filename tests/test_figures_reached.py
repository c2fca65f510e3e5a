"""What the models reach on the bundled digits, mean of three seeds, beside controls that learn nothing.

The floors are those that the project sets itself; every number is deterministic. Settings are chosen by the study,
inside the training rows.
"""

import numpy as np
import pytest

import bioneuro
import energy
from bioneuro import Study, Topology, load_digits
from bioneuro.data import known_half

DIGITS = load_digits()


def means(report, model, **wanted):
    """One value a seed."""
    rows = [row for row in report.rows if row.model == model and all(getattr(row, k) == v for k, v in wanted.items())]
    return np.array([row.value for row in sorted(rows, key=lambda row: row.seed)])


@pytest.fixture(scope="module")
def report():
    return Study(["backprop", "backprop-dropout", "rbm"], DIGITS, ["classify", "lesion"]).run(n_jobs=1, progress=False)


def accuracy(report, model):
    return means(report, model, task="classify", metric="accuracy")


def test_backprop_reaches_97_5_percent_and_beats_raw_pixels(report):
    assert accuracy(report, "backprop").mean() >= 0.975
    assert accuracy(report, "backprop").mean() > accuracy(report, "softmax on pixels").mean()


def test_boltzmann_features_reach_97_5_percent_and_beat_the_untrained_machine_in_every_seed(report):
    assert accuracy(report, "rbm").mean() >= 0.975
    assert (accuracy(report, "rbm") > accuracy(report, "rbm, untrained")).all()


def test_dropout_keeps_95_percent_with_half_of_the_hidden_units_dead(report):
    hurt = {
        model: means(report, model, task="lesion", condition="dead units", level=0.5).mean()
        for model in ("backprop", "backprop-dropout")
    }
    assert hurt["backprop-dropout"] >= 0.95
    assert hurt["backprop-dropout"] > hurt["backprop"]


def test_sixteen_boltzmann_units_beat_sixteen_random_ones_by_ten_points():
    small = Study(["backprop", "rbm"], DIGITS, ["classify"], topology=Topology.mlp(64, 16, 10))
    report = small.run(n_jobs=1, progress=False)
    assert accuracy(report, "rbm").mean() >= accuracy(report, "backprop, untrained").mean() + 0.10  # random ReLUs
    assert accuracy(report, "rbm").mean() >= accuracy(report, "rbm, untrained").mean() + 0.05  # random sigmoids


def test_the_pseudo_inverse_memory_recalls_digits_from_noise_and_from_half():
    stored = DIGITS.prototypes()
    noise, halves = [], []
    for seed in range(100):
        memory = energy.HopfieldMemory(rule="pseudo-inverse", random_state=seed).fit(stored)
        recalled = memory.recall(bioneuro.corrupt(stored, flip=0.2, random_state=seed))
        noise.append(energy.exact_recall(recalled, stored) / len(stored))
        half = known_half((8, 8), ("upper", "lower", "left", "right")[seed % 4])
        halves.append(energy.exact_recall(memory.recall(stored, known=half), stored) / len(stored))
    assert np.mean(noise) >= 0.90
    assert np.mean(halves) >= 0.95


def test_hebb_fails_on_digits_and_succeeds_on_random_patterns():
    stored = DIGITS.prototypes()
    hebb = energy.HopfieldMemory(rule="hebb", random_state=0).fit(stored)
    noisy = bioneuro.corrupt(stored, flip=0.2, random_state=0)
    assert energy.exact_recall(hebb.recall(noisy), stored) <= 2
    random = bioneuro.data.random_patterns(50, 1000, random_state=0)  # P / N = .05, far below .138
    hebb.fit(random)
    assert hebb.score(bioneuro.corrupt(random, flip=0.2, random_state=0), random) > 0.99
