"""What comes from outside acts when it should, adds up, and is drawn as the law says."""

import numpy as np
import pytest

from bioneuro import Dense, Parameters, Population, Topology
from bioneuro._jit.random import Key, fill_poisson
from bioneuro.spiking import LIF, NoiseCurrent, Poisson, SpikeTrain, StepCurrent, drive, simulate, spikes_of
from bioneuro.spiking.input_kernels import GUIDED, HIGHEST_TABULATED, LONGEST_TABLE, draw_tabulated, tabulate

INERT = LIF(tau_m=20e-3, v_threshold=1.0, v_reset=0.0, refractory=0.0)  # a membrane that never fires
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
    assert np.nextafter(HIGHEST_TABULATED, 0) == MEANS[-1]


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


def membrane_under(*inputs, n=1, duration=50e-3, **options):
    params = Parameters.zeros(Topology([Population("cells", n, "output", INERT, bias=False)]), "float64")
    return simulate(params, {"cells": list(inputs)}, duration, record=["voltage"], **options)["voltage.cells"]


def test_a_step_of_current_acts_from_start_to_stop():
    found = membrane_under(StepCurrent(10e-3, start=10e-3, stop=20e-3), StepCurrent(2e-3, start=30e-3))[:, 0]
    since = [np.maximum(1e-4 * np.arange(500) - start, 0) for start in (10e-3, 20e-3, 30e-3)]
    answers = [-np.expm1(-t / 20e-3) for t in since]
    np.testing.assert_allclose(found, 10e-3 * (answers[0] - answers[1]) + 2e-3 * answers[2], atol=1e-15)


def test_noise_acts_from_start_to_stop_and_adds_up_as_variances():
    inputs = NoiseCurrent(3e-3, start=10e-3), NoiseCurrent(4e-3, mean=1e-3, start=10e-3)
    several = membrane_under(*inputs, random_state=1)
    one = membrane_under(NoiseCurrent(5e-3, mean=1e-3, start=10e-3), random_state=1)
    np.testing.assert_allclose(several, one, atol=1e-15)
    assert not one[:101].any()
    assert one[101:].all()
    short = membrane_under(NoiseCurrent(5e-3, stop=10e-3), random_state=1)
    np.testing.assert_allclose(short[101:], short[100:-1] * np.exp(-1e-4 / 20e-3), rtol=1e-12)


def test_the_spread_of_the_membrane_under_noise_is_sigma_over_the_root_of_two():
    settled = membrane_under(NoiseCurrent(4e-3, mean=1e-3), n=4000, duration=0.2, random_state=0)[-1]
    assert settled.std() == pytest.approx(4e-3 / np.sqrt(2), rel=4 / np.sqrt(2 * 4000))
    assert abs(settled.mean() - 1e-3) < 4 * 4e-3 / np.sqrt(2 * 4000)


def test_noise_of_every_neuron_and_population_is_its_own():
    populations = [Population(name, 200, "hidden", INERT, bias=False) for name in ("a", "b")]
    params = Parameters.zeros(Topology(populations), "float64")
    noise = NoiseCurrent(4e-3)
    run = simulate(params, {"a": noise, "b": noise}, 1e-4 * 3, record=["voltage"], random_state=0)
    first, second = (run[f"voltage.{name}"][-1] for name in ("a", "b"))
    assert len(np.unique(first)) == 200
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(200)


def test_poisson_spikes_come_from_start_to_stop():
    source = Population("in", 50, "input", "linear", bias=False)
    cells = Population("cells", 2, "output", INERT, bias=False)
    params = Parameters.zeros(Topology([source, cells]))
    run = simulate(params, {"in": Poisson(1000.0, start=10e-3, stop=20e-3)}, 50e-3, random_state=0)
    _, times = spikes_of(run, "in")
    assert times.min() == pytest.approx(10e-3)
    assert times.max() == pytest.approx(20e-3 - 1e-4)
    assert abs(len(times) - 500) < 5 * np.sqrt(500)


def test_given_spikes_reach_a_neuron_through_a_synapse_of_their_own():
    tau = 5e-3
    found = membrane_under(SpikeTrain([0], [10e-3], weight=3e-3, tau_synapse=tau))[:, 0]
    t = np.maximum(1e-4 * np.arange(500) - 10e-3, 0)
    expected = 3e-3 * tau / (tau - 20e-3) * (np.exp(-t / tau) - np.exp(-t / 20e-3))
    np.testing.assert_allclose(found, expected, atol=1e-15)
