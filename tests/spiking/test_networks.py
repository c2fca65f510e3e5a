"""Networks: the same spikes as the plain twin, and Brunel's asynchronous irregular state."""

import numpy as np
import pytest

from bioneuro import Dense, OneToOne, Parameters, Population, Sparse, Topology
from bioneuro.spiking import LIF, Poisson, SpikeTrain, simulate, spikes_of
from bioneuro.topology import Edges, FixedInDegree, FixedProbability
from tests.naive import spiking as naive

DT = 1e-4
JUMP = 2.0**-11  # V; sums of its multiples are exact, so that no order of summation matters


def steps_of(run):
    return list(zip(run["spikes.units"].tolist(), np.rint(run["spikes.times"] / DT).astype(int).tolist(), strict=True))


def mixed(dtype="float64"):
    """Every kind of projection, jumps and two currents, several delays, sources that spike and neurons that inhibit."""
    cell = LIF(refractory=1e-3)
    populations = [
        Population("in", 5, "input", "linear", bias=False),
        Population("a", 7, "hidden", cell, bias=False),
        Population("b", 5, "output", LIF(tau_m=15e-3, v_reset=0.0, soft_reset=0.5), bias=False),
    ]
    edges = Edges([0, 0, 1, 3, 6, 6, 6], [1, 1, 4, 2, 0, 3, 4])
    projections = [
        Dense("in", "a", delay=1e-3),
        OneToOne("in", "b", tau_synapse=5e-3),
        Sparse("a", "b", edges, multapses=True, delay=0.5e-3),
        Sparse("a", "a", FixedProbability(0.5), shared=True, sign=-1, delay=2e-3),
        Dense("b", "a", name="back", tau_synapse=15e-3, delay=3e-4),
        Dense("b", "b", shared=True, sign=-1, tau_synapse=5e-3),
        OneToOne("in", "b", name="jump", shared=True, delay=1e-3),
    ]
    params = Parameters.zeros(Topology(populations, projections), dtype)
    draws = np.random.default_rng(0)
    for projection in projections:
        key, sign = projection.name, projection.sign or 1
        params[key] = sign * draws.integers(1, 12, params[key].shape) * JUMP * (8 if projection.tau_synapse else 1)
    return params


def test_a_network_of_every_kind_of_projection_spikes_as_its_plain_twin():
    params = mixed()
    train = SpikeTrain([4, 4, 2], [10e-3, 10e-3, 15e-3])
    run = simulate(params, {"in": [Poisson(300.0), train]}, 0.2, random_state=5, record=["spikes", "voltage"])
    events = {"in": [(4, 100), (4, 100), (2, 150)]}
    spikes, membranes = naive.simulate(params, 2000, DT, trains=events, poisson={"in": (300.0, None)}, seed=5)
    assert {unit for unit, _ in spikes} == set(range(17))
    assert steps_of(run) == spikes
    np.testing.assert_allclose(run["voltage.a"], membranes[:, 5:12], atol=1e-12)
    np.testing.assert_allclose(run["voltage.b"], membranes[:, 12:], atol=1e-12)


def brunel(n=2000, g=5, dtype="float64"):
    """Brunel's sparse network scaled down: a tenth of all connections, threshold rate crossed twofold from outside."""
    cell = LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=10e-3, refractory=2e-3)
    sizes = {"E": 4 * n // 5, "I": n // 5}
    populations = [Population(name, size, "hidden", cell, bias=False) for name, size in sizes.items()]
    projections = [
        Sparse(pre, post, FixedInDegree(sizes[pre] // 10), multapses=True, delay=1.5e-3, shared=True, sign=sign)
        for pre, sign in (("E", 1), ("I", -1))
        for post in sizes
    ]
    params = Parameters.zeros(Topology(populations, projections), dtype)
    for projection in projections:
        params[projection.name] = JUMP if projection.sign > 0 else -g * JUMP
    rate = 2 * 20e-3 / (JUMP * 20e-3)
    return params, rate


def rate_and_variation(units, times, stop):
    """Mean rate (Hz) of the excitatory neurons from 0.1 s on, and their mean CV, std / mean of intervals."""
    order = np.lexsort((times, units))
    units, times = units[order], times[order]
    seen = (units < 1600) & (times >= 0.1)
    intervals = [np.diff(part) for part in np.split(times[seen], np.flatnonzero(np.diff(units[seen])) + 1)]
    variation = [np.std(part) / np.mean(part) for part in intervals if len(part) > 3]
    return seen.sum() / 1600 / (stop - 0.1), np.mean(variation)


@pytest.fixture(scope="module")
def irregular():
    """Brunel's network in its asynchronous irregular state, half a second of the plain twin."""
    params, rate = brunel(g=6)
    inputs = {name: (rate, JUMP) for name in "EI"}
    spikes, _ = naive.simulate(params, 5000, DT, poisson=inputs, seed=2)
    return params, {name: Poisson(rate, weight=JUMP) for name in "EI"}, spikes


def test_brunels_network_spikes_as_its_plain_twin(irregular):
    params, inputs, spikes = irregular
    run = simulate(params, inputs, 0.5, random_state=2)
    assert len(spikes) > 30_000
    assert steps_of(run) == spikes


def test_brunels_network_is_asynchronous_and_irregular_at_the_rate_of_its_twin(irregular):
    """Single precision leads to other spikes of the same law; between seeds rates differ by 1.3 Hz and CVs by 0.03."""
    params, inputs, spikes = irregular
    units, steps = np.array(spikes).T
    rate, variation = rate_and_variation(units, steps * DT, 0.5)
    assert variation > 0.9  # irregular: a Poisson process has 1
    single = Parameters(params.topology, params.theta.astype("float32"))
    runs = [simulate(single, inputs, 0.5, random_state=seed) for seed in (3, 4)]
    found = np.mean([rate_and_variation(run["spikes.units"], run["spikes.times"], 0.5) for run in runs], axis=0)
    assert found[0] == pytest.approx(rate, abs=3)
    assert found[1] == pytest.approx(variation, abs=0.07)
    units, times = spikes_of(runs[0], "E")
    counts = np.histogram2d(units, times, bins=(np.arange(1601), np.linspace(0.1, 0.5, 81)))[0]
    alone = counts.var(axis=1)
    shared = (counts.sum(axis=0).var() - alone.sum()) / (1600 * 1599 * alone.mean())
    assert abs(shared) < 0.03  # asynchronous: mean correlation of two cells in windows of 5 ms


def test_more_inhibition_lowers_the_rate():
    rates = {}
    for g in (2, 4, 8):
        params, rate = brunel(500, g)
        inputs = {name: Poisson(rate, weight=JUMP) for name in "EI"}
        run = simulate(params, inputs, 0.3, random_state=1, record=["rate"], max_rate=np.inf)
        rates[g] = run["rate.E"][500:].mean()
    assert rates[2] > 1.5 * rates[4] > 3 * rates[8]


def test_the_network_of_the_cuba_benchmark_fires_as_its_simulators_agree():
    """Brette et al., J. Comput. Neurosci. 23 (2007) 349, 64 + 16 synapses a cell; 5.1 to 5.3 Hz elsewhere."""
    cell = LIF(tau_m=20e-3, v_threshold=-50e-3, v_reset=-60e-3, v_rest=-49e-3, refractory=5e-3)
    net = Topology.balanced(3200, 800, p=0.02, delay=1e-4, tau_synapse=(5e-3, 10e-3), unit=cell)
    rates = []
    for seed in range(2):
        params = Parameters.zeros(net)
        for post in "EI":
            params[f"E->{post}"], params[f"I->{post}"] = 1.62e-3, -9e-3
        draws = np.random.default_rng(seed)
        start = {name: draws.uniform(-60e-3, -50e-3, net[name].size) for name in "EI"}
        run = simulate(params, {}, 1.0, membrane=start)
        rates.append(np.sum(run["spikes.times"] > 0.2) / 4000 / 0.8)
    assert np.mean(rates) == pytest.approx(5.2, abs=0.25)  # seeds differ by 0.1 Hz


@pytest.mark.small
def test_a_small_network_runs_the_same_without_the_compiler():
    params = mixed()
    run = simulate(params, {"in": Poisson(2000.0)}, 0.02, random_state=5)
    spikes, _ = naive.simulate(params, 200, DT, poisson={"in": (2000.0, None)}, seed=5)
    assert steps_of(run) == spikes
    assert {unit for unit, _ in spikes if unit >= 5}
