"""Spikes from outside: Poisson numbers by tables are those that are summed up."""

import numpy as np
import pytest

from bioneuro import Dense, Parameters, Population, Topology
from bioneuro._jit.random import Key, fill_poisson
from bioneuro.spiking import LIF, Poisson, drive, simulate
from bioneuro.spiking.input_kernels import GUIDED, HIGHEST_TABULATED, LONGEST_TABLE, draw_tabulated, tabulate

MEANS = np.array([0.0, 1e-300, 1e-17, 1e-9, 1e-3, 0.1, 0.5, 1 - 2**-53, 1.0, 2.0, 5.0, np.nextafter(10.0, 0)])


def tables(means):
    cumulative, guides = np.empty((len(means), LONGEST_TABLE)), np.empty((len(means), GUIDED), np.uint8)
    tabulate(means, cumulative, guides)
    return cumulative, guides


@pytest.mark.small
def test_every_table_ends_before_its_room_does():
    cumulative, guides = tables(MEANS)
    assert np.all(np.isinf(cumulative[:, -1]))
    assert np.all(np.diff(np.where(np.isinf(cumulative), 2.0, cumulative)) >= 0)
    assert guides.max() < LONGEST_TABLE
    assert HIGHEST_TABULATED == 10.0


def test_numbers_by_table_are_those_that_are_summed_up_bit_for_bit():
    key, units = Key.from_seed(3), 12_001
    drawn, summed = np.empty(units), np.empty((1, units))
    for table, mean in enumerate(MEANS):
        for step in range(5):
            draw_tabulated(key.words, np.uint64(7), np.uint64(step), np.full(units, table), *tables(MEANS), drawn)
            fill_poisson(key, step, mean, summed, rows=7)
            np.testing.assert_array_equal(drawn, summed[0])
        assert abs(drawn.mean() - mean) <= 5 * np.sqrt(mean / units) + 1e-12


@pytest.mark.parametrize("most", [0, 3, 64])
def test_a_run_is_the_same_with_and_without_tables(monkeypatch, most):
    populations = [
        Population("in", 8, "input", "linear", bias=False),
        Population("cells", 5, "output", LIF(), bias=False),
    ]
    params = Parameters.zeros(Topology(populations, [Dense("in", "cells", delay=1e-3)]))
    params["in->cells"] = 1e-3
    inputs = {
        "in": [Poisson([0.0, 20.0, 20.0, 50.0, 900.0, 1e3, 2e4, 8e4]), Poisson(30.0, start=20e-3, stop=50e-3)],
        "cells": [Poisson(2e3, weight=1e-4), Poisson([2e5, 0, 0, 10.0, 10.0], weight=1e-6, tau_synapse=5e-3)],
    }
    lesion = params.topology.lesion(units={"in": 0.2, "cells": 0.2}, random_state=0)
    options = {"random_state": 1, "record": ["spikes", "voltage"], "max_rate": np.inf, "lesion": lesion}
    whole = simulate(params, inputs, 0.1, **options)
    monkeypatch.setattr(drive, "MOST_TABLES", most)
    again = simulate(params, inputs, 0.1, **options)
    for name, trace in whole.traces.items():
        assert again[name].tobytes() == trace.tobytes()
    assert len(whole["spikes.units"]) > 100
