"""Figures of runs show what was recorded, on axes with units."""

import numpy as np
import pytest

from bioneuro import Dense, Parameters, Population, Topology
from bioneuro.errors import InvalidInput
from bioneuro.spiking import LIF, Poisson, StepCurrent, raster, rate, simulate, spikes_of, voltage


@pytest.fixture(scope="module")
def run():
    populations = [
        Population("in", 30, "input", "linear", bias=False),
        Population("E", 10, "output", LIF(), bias=False),
    ]
    params = Parameters.zeros(Topology(populations, [Dense("in", "E")]))
    params["in->E"] = 1e-3
    inputs = {"in": Poisson(20.0), "E": StepCurrent(18e-3)}
    return simulate(
        params, inputs, 0.3, random_state=0, record={"spikes": True, "voltage": {"E": [0, 4]}, "rate": True}
    )


def test_a_raster_marks_every_spike_in_the_colour_of_its_population(run):
    ax = raster(run)
    drawn = [np.asarray(marks.get_offsets()) for marks in ax.collections]
    for marks, name, base in zip(drawn, ("in", "E"), (0, 30), strict=True):
        units, times = spikes_of(run, name)
        np.testing.assert_allclose(marks, np.column_stack([times, base + units]))
    assert ax.get_xlabel() == "time (s)"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["in", "E"]
    few = raster(run, ["in"], most=5)
    assert np.asarray(few.collections[0].get_offsets())[:, 1].max() <= 4


def test_membranes_are_drawn_in_millivolts_beside_their_threshold(run):
    ax = voltage(run)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 1e3 * run["voltage.E"][:, 1])
    assert ax.lines[2].get_ydata()[0] == pytest.approx(20.0)
    assert ax.get_ylabel() == "membrane (mV)"
    assert [line.get_label() for line in ax.lines] == ["neuron 0", "neuron 4", "threshold"]
    units, times = spikes_of(run, "E")
    strokes = [path[0, 0] for path in ax.collections[1].get_segments()]
    np.testing.assert_allclose(strokes, times[units == 4])
    assert voltage(run, "E", ax=ax) is ax


def test_neurons_with_thresholds_of_their_own_share_no_line():
    cells = Population("E", 3, "output", LIF(v_threshold=(15e-3, 20e-3, 25e-3)), bias=False)
    record = {"voltage": {"E": [0, 1]}}
    run = simulate(Parameters.zeros(Topology([cells])), {"E": StepCurrent(30e-3)}, 0.05, record=record)
    assert [line.get_label() for line in voltage(run).lines] == ["neuron 0", "neuron 1"]


def test_many_neurons_with_thresholds_of_their_own_have_no_legend():
    cells = Population("E", 9, "output", LIF(v_threshold=tuple(np.linspace(15e-3, 20e-3, 9))), bias=False)
    run = simulate(Parameters.zeros(Topology([cells])), {"E": StepCurrent(30e-3)}, 0.01, record=["voltage"])
    assert voltage(run).get_legend() is None


def test_rates_are_means_over_bins(run):
    ax = rate(run, ["E"], width=0.1)
    _, times = spikes_of(run, "E")
    expected = np.histogram(times, [-1e-5, 0.1 - 1e-5, 0.2 - 1e-5, 0.3])[0] / (10 * 0.1)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)
    assert ax.get_ylabel() == "rate (Hz)"
    assert len(rate(run).lines) == 2


def test_what_was_not_recorded_cannot_be_drawn(run):
    bare = simulate(run.parameters, {}, 1e-3)
    with pytest.raises(InvalidInput, match="this recording has no rates"):
        rate(bare)
    with pytest.raises(InvalidInput, match="none is recorded"):
        voltage(bare)
    with pytest.raises(InvalidInput, match=r"unknown trace 'voltage\.in'"):
        voltage(run, "in")
    with pytest.raises(InvalidInput, match="longer than the recording"):
        rate(run, width=1.0)
