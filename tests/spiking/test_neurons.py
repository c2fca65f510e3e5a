"""One neuron, or several apart: rates, saturation, synapses, delays, against closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from bioneuro import Dense, OneToOne, Parameters, Population, Topology
from bioneuro.spiking import LIF, NoiseCurrent, Poisson, SpikeTrain, StepCurrent, lif_rate, siegert_rate, simulate
from bioneuro.spiking.recording import spikes_of
from bioneuro.spiking.synapses import membrane_gain
from tests.naive.spiking import response

CELL = LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=10e-3, refractory=2e-3)
FI = {20.5e-3: 15.9007, 21e-3: 20.0169, 25e-3: 41.7149, 30e-3: 63.0400, 40e-3: 98.9188}  # V: Hz
SIEGERT = {(15e-3, 5e-3): 9.461, (18e-3, 3e-3): 12.512, (20e-3, 5e-3): 27.341, (25e-3, 5e-3): 47.217}
INERT = LIF(tau_m=20e-3, v_threshold=1.0, v_reset=0.0, refractory=0.0)  # a membrane that never fires


def neurons(n, unit=CELL, dtype="float64"):
    return Parameters.zeros(Topology([Population("cell", n, "output", unit, bias=False)]), dtype)


def wired(unit=INERT, weight=1e-3, dtype="float64", n=1, **projection):
    """n sources, each onto one neuron."""
    populations = [
        Population("in", n, "input", "linear", bias=False),
        Population("cell", n, "output", unit, bias=False),
    ]
    params = Parameters.zeros(Topology(populations, [OneToOne("in", "cell", **projection)]), dtype)
    params["in->cell"] = weight
    return params


def test_the_closed_form_of_the_rate_equals_published_values():
    np.testing.assert_allclose(lif_rate(np.array(list(FI)), CELL), list(FI.values()), atol=5e-5)
    np.testing.assert_array_equal(lif_rate([0.0, 19e-3, 20e-3], CELL), 0)


def test_siegerts_rate_equals_published_values_and_the_closed_form_without_noise():
    np.testing.assert_allclose([siegert_rate(*given, CELL) for given in SIEGERT], list(SIEGERT.values()), atol=1e-3)
    assert siegert_rate(25e-3, 0.0, CELL) == pytest.approx(41.7149, abs=1e-4)
    assert siegert_rate(25e-3, 1e-4, CELL) == pytest.approx(41.7149, rel=1e-3)
    assert siegert_rate(0.0, 1e-4, CELL) == 0.0
    assert siegert_rate(20e-3, 5e-3, CELL, dt=1e-4) < siegert_rate(20e-3, 5e-3, CELL)


def test_siegerts_rate_is_right_where_its_integrand_is_a_narrow_peak():
    """As sigma falls the rate goes to the closed form above threshold, and to 0 below as exp(-x^2) x / (tau sqrt(pi)),
    x = (v_threshold - mean) / sigma (Kramers)."""
    for sigma in (1e-5, 1e-6, 1e-8):
        assert siegert_rate(21e-3, sigma, CELL) == pytest.approx(20.0169, rel=1e-5)
        x = 5.0
        kramers = np.exp(-(x**2)) * x / (20e-3 * np.sqrt(np.pi))
        assert siegert_rate(20e-3 - x * sigma, sigma, CELL) == pytest.approx(kramers, rel=0.03)  # 1 / (2 x^2)


def test_a_neuron_without_refractory_period_has_a_rate_of_zero_below_threshold():
    np.testing.assert_array_equal(lif_rate([-1.0, 0.0, 20e-3], LIF(refractory=0.0)), 0)
    assert lif_rate(25e-3, LIF(refractory=0.0)) == pytest.approx(1 / (1 / 41.7149 - 2e-3), abs=1e-3)


@pytest.mark.parametrize("dt", [1e-4, 5e-5])
def test_intervals_under_constant_drive_equal_the_closed_form_to_one_step(dt):
    run = simulate(neurons(5), {"cell": StepCurrent(list(FI))}, 0.5, dt=dt)
    units, times = spikes_of(run, "cell")
    for unit, rate in enumerate(FI.values()):
        intervals = np.diff(times[units == unit])
        assert len(intervals) > 5
        assert np.all(np.abs(intervals - 1 / rate) <= dt)


def test_every_neuron_may_have_constants_of_its_own():
    units = [LIF(tau, threshold, refractory=wait) for tau, threshold, wait in ((1e-2, 15e-3, 0.0), (3e-2, 20e-3, 5e-3))]
    unit = LIF(
        *(tuple(getattr(u, name) for u in units) for name in ("tau_m", "v_threshold", "v_reset")),
        refractory=(0.0, 5e-3),
    )
    units_fired, times = spikes_of(simulate(neurons(2, unit), {"cell": StepCurrent(25e-3)}, 0.4), "cell")
    for k, one in enumerate(units):
        intervals = np.diff(times[units_fired == k])
        assert len(intervals) > 5
        assert np.all(np.abs(intervals - 1 / lif_rate(25e-3, one)) <= 1e-4)


def test_rates_under_noise_equal_siegerts_within_one_per_cent():
    soft = replace(CELL, soft_reset=1.0)
    points = [*((point, CELL) for point in [*SIEGERT, (22e-3, 2e-3)]), ((20e-3, 5e-3), soft), ((25e-3, 5e-3), soft)]
    populations = [Population(f"p{k}", 300, "hidden", unit, bias=False) for k, (_, unit) in enumerate(points)]
    params = Parameters.zeros(Topology(populations), "float32")
    run = simulate(
        params,
        {f"p{k}": NoiseCurrent(sigma, mean) for k, ((mean, sigma), _) in enumerate(points)},
        10.0,
        random_state=3,
        record=["spikes"],
    )
    for k, ((mean, sigma), unit) in enumerate(points):
        _, times = spikes_of(run, f"p{k}")
        rate = np.sum(times > 0.2) / 300 / 9.8
        assert rate == pytest.approx(siegert_rate(mean, sigma, unit, dt=1e-4), rel=0.01), (mean, sigma, unit)


def test_the_same_twenty_spikes_fire_a_neuron_when_fast_and_never_when_slow():
    for spacing, fires in ((0.5e-3, True), (50e-3, False)):
        train = SpikeTrain(np.zeros(20, int), spacing * np.arange(20))
        run = simulate(wired(CELL, 2e-3), {"in": train}, 1.2, record={"spikes": ["cell"]})
        assert (run["spikes.times"].size > 0) == fires


def test_the_rate_rises_with_the_drive_and_stays_below_a_thousand_a_second():
    drives = np.geomspace(20e-3, 10.0, 30)
    unit = LIF(refractory=1e-3)
    run = simulate(neurons(30, unit), {"cell": StepCurrent(drives)}, 0.5, dt=5e-5, max_rate=np.inf)
    rates = np.bincount(run["spikes.units"], minlength=30) / 0.5
    assert rates[0] == 0
    assert np.all(np.diff(rates) >= 0)
    assert 900 < rates[-1] < 1000


def test_a_neuron_fires_at_its_threshold_and_not_a_bit_below():
    threshold = 20e-3
    for weight, fires in ((threshold, True), (np.nextafter(threshold, 0), False)):
        jump = SpikeTrain([0], [1e-3], weight=weight)
        run = simulate(neurons(1, LIF(v_threshold=threshold)), {"cell": jump}, 5e-3)
        assert run["spikes.times"].tolist() == ([1e-3] if fires else [])


def test_a_soft_reset_forgets_no_input_and_a_hard_one_what_passes_the_threshold():
    """A thousand jumps of 7 mV in 0.1 s: 7 V / 20 mV = 350 spikes, and 333 where each third jump loses a millivolt."""
    counts = []
    for soft in (1.0, 0.0):
        unit = LIF(tau_m=1.0, v_threshold=20e-3, v_reset=0.0, refractory=0.0, soft_reset=soft)
        jumps = SpikeTrain(np.zeros(1000, int), 1e-4 * np.arange(1000), weight=7e-3)
        counts.append(simulate(neurons(1, unit), {"cell": jumps}, 0.1, max_rate=np.inf)["spikes.units"].size)
    assert counts == [349, 333]  # the leak of 0.1 s takes one millivolt


def test_a_refractory_neuron_waits_where_a_soft_reset_put_it():
    unit = LIF(v_reset=5e-3, refractory=1e-3, soft_reset=0.5)
    spike = {"cell": SpikeTrain([0], [10e-3], weight=24e-3)}
    run = simulate(neurons(1, unit), spike, 20e-3, record={"voltage": {"cell": [0]}})
    np.testing.assert_allclose(run["voltage.cell"][100:111, 0], 5e-3 + 0.5 * 4e-3)


def test_a_refractory_neuron_does_not_fire_even_where_a_soft_reset_leaves_it_above_its_threshold():
    unit = LIF(v_reset=0.0, refractory=2e-3, soft_reset=1.0)
    spike = SpikeTrain([0], [1e-3], weight=90e-3)  # four thresholds and a half; a spike takes one
    run = simulate(neurons(1, unit), {"cell": spike}, 20e-3, max_rate=np.inf)
    np.testing.assert_allclose(run["spikes.times"], [1e-3, 3e-3, 5e-3, 7e-3])


def test_a_refractory_neuron_stays_at_reset_and_loses_what_arrives():
    unit = LIF(v_reset=5e-3, refractory=1e-3)
    times = [10e-3, 10.5e-3, 11e-3, 11.1e-3]  # fires; within, and at the last step of, the refractory period; after it
    weights = SpikeTrain([0, 0, 0, 0], times, weight=21e-3)
    run = simulate(neurons(1, unit), {"cell": weights}, 20e-3, record={"spikes": True, "voltage": {"cell": [0]}})
    np.testing.assert_allclose(run["spikes.times"], [10e-3, 11.1e-3])
    np.testing.assert_array_equal(run["voltage.cell"][100:111, 0], 5e-3)


@pytest.mark.parametrize("tau", [0.0, 1e-3, 5e-3, 19.99999e-3, 20e-3, 20.00001e-3, 50e-3])
def test_a_synapse_moves_the_membrane_as_its_closed_form_says(tau):
    params = wired(tau_synapse=tau, delay=1.5e-3)
    run = simulate(params, {"in": SpikeTrain([0], [2e-3])}, 60e-3, record={"voltage": {"cell": [0]}})
    since = run["times"] - 3.5e-3
    expected = np.exp(-since / 20e-3) if tau == 0 else response(since, 20e-3, tau)
    if abs(tau - 20e-3) == pytest.approx(1e-8):  # the two-exponential form cancels here; the neighbours agree
        expected = response(since, 20e-3, 20e-3)
    on_grid = -1e-9 if tau == 0 else 1e-9  # a jump shows at once, a current one step later
    expected = np.where(since > on_grid, 1e-3 * expected, 0.0)
    np.testing.assert_allclose(run["voltage.cell"][:, 0], expected, rtol=2e-6, atol=1e-16)


def test_the_gain_of_a_current_is_smooth_where_the_time_constants_meet():
    taus = 20e-3 * (1 + np.array([-1e-3, -1e-6, -1e-9, 0, 1e-9, 1e-6, 1e-3]))
    gains = [membrane_gain(1e-4, 20e-3, tau) for tau in taus]
    assert np.all(np.diff(gains) > 0)
    assert gains[3] == pytest.approx(1e-4 / 20e-3 * np.exp(-1e-4 / 20e-3), rel=1e-14)


@pytest.mark.parametrize(("delay", "steps"), [(0.0, 1), (1e-4, 1), (1e-3, 10), (1.5e-3, 15), (5e-3, 50), (0.1, 1000)])
def test_a_spike_arrives_one_delay_later(delay, steps):
    unit = LIF(v_threshold=20e-3, refractory=0.0)
    run = simulate(wired(unit, 21e-3, delay=delay), {"in": SpikeTrain([0, 0], [0.0, 3e-3])}, 0.12)
    _, sent = spikes_of(run, "in")
    _, times = spikes_of(run, "cell")
    np.testing.assert_allclose(times - sent, steps * 1e-4)


def test_membranes_do_not_depend_on_the_step_where_nothing_fires():
    params = wired(tau_synapse=3e-3, delay=1e-3)
    inputs = {"in": SpikeTrain([0, 0, 0], [1e-3, 2e-3, 7e-3]), "cell": StepCurrent(2e-3, start=4e-3, stop=30e-3)}
    runs = [simulate(params, inputs, 0.05, dt=dt, record={"voltage": True}) for dt in (1e-3, 1e-4)]
    coarse, fine = (run["voltage.cell"][:, 0] for run in runs)
    np.testing.assert_allclose(coarse, fine[::10], rtol=1e-10, atol=1e-17)


def test_excitation_raises_and_inhibition_lowers_a_membrane():
    populations = [
        Population("in", 2, "input", "linear", bias=False),
        Population("cell", 1, "output", INERT, bias=False),
    ]
    params = Parameters.zeros(Topology(populations, [Dense("in", "cell")]), "float64")
    params["in->cell"] = [[1e-3], [-1e-3]]
    run = simulate(params, {"in": SpikeTrain([0, 1, 1], [1e-3, 5e-3, 5e-3])}, 10e-3, record={"voltage": True})
    membrane = run["voltage.cell"][:, 0]
    assert membrane[11] > 0
    assert membrane[51] < 0


def test_poisson_sources_have_the_rate_given_and_the_count_of_a_step_may_exceed_one():
    params = wired(n=3)
    run = simulate(params, {"in": Poisson([0.0, 50.0, 20e3])}, 2.0, random_state=1, record={"spikes": ["in"]})
    counts = np.bincount(run["spikes.units"], minlength=3)
    assert counts[0] == 0
    assert abs(counts[1] - 100) < 4 * 10
    assert abs(counts[2] - 40_000) < 4 * 200
    assert np.any(np.diff(run["spikes.times"][run["spikes.units"] == 2]) == 0)


def test_every_neuron_receives_poisson_spikes_of_its_own():
    run = simulate(
        neurons(400, INERT), {"cell": Poisson(1000.0, weight=1e-3)}, 0.3, record={"voltage": True}, random_state=2
    )
    settled = run["voltage.cell"][1500:]
    assert settled.mean() == pytest.approx(1e-3 * 1000 * 20e-3, rel=0.02)  # Campbell: w rate tau
    assert settled.var(axis=1).mean() == pytest.approx(1e-6 * 1000 * 20e-3 / 2, rel=0.1)


def test_biases_and_resting_potentials_are_constant_drive():
    unit = LIF(v_rest=2e-3, v_threshold=50e-3)
    params = Parameters.zeros(Topology([Population("cell", 2, "output", unit)]), "float64")
    params["cell.bias"] = [0.0, 5e-3]
    run = simulate(params, {}, 0.4, record={"voltage": True})
    np.testing.assert_allclose(run["voltage.cell"][-1], [2e-3, 7e-3], rtol=1e-6)
    np.testing.assert_allclose(run["voltage.cell"][0], 2e-3)


def test_a_neuron_that_rests_above_its_threshold_begins_at_its_reset():
    """So that a population of them does not fire as one in the first step."""
    unit = LIF(v_rest=25e-3, v_threshold=20e-3, v_reset=5e-3)
    run = simulate(neurons(1, unit), {}, 0.1, record=["spikes", "voltage"])
    assert run["voltage.cell"][0, 0] == 5e-3
    assert abs(run["spikes.times"][0] - 20e-3 * np.log(20 / 5)) <= 1e-4


def test_only_differences_of_voltages_count():
    """One neuron told from rest, and as an electrode sees it."""
    from_rest = LIF(v_threshold=20e-3, v_reset=10e-3)
    absolute = LIF(v_threshold=-45e-3, v_reset=-55e-3, v_rest=-65e-3)
    spikes = []
    for unit in (from_rest, absolute):
        cell = Parameters.zeros(Topology([Population("cell", 1, "output", unit)]), "float64")
        spikes.append(simulate(cell, {"cell": StepCurrent(25e-3)}, 0.5)["spikes.times"])
    assert len(spikes[0]) > 10
    np.testing.assert_array_equal(*spikes)
