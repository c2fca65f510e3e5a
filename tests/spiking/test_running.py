"""Runs: cut anywhere, continued anywhere, recorded, lesioned, guarded, interrupted."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

import bioneuro
from bioneuro import Parameters, Population, Topology
from bioneuro.errors import NotFiniteError, ResourceError
from bioneuro.plasticity import STDP, AdaptiveThreshold, InhibitorySTDP, NormaliseWeights, grow, prune
from bioneuro.spiking import (
    LIF,
    DoubtfulNumber,
    NoiseCurrent,
    Poisson,
    RunawayRate,
    SpikeTrain,
    StepCurrent,
    engine,
    simulate,
    spikes_of,
)
from bioneuro.topology import Dense, FixedProbability, Sparse
from bioneuro.training.interrupt import AGAIN, Interruption, TrainingInterrupted

W = 4e-3


def plastic_network(dtype="float32"):
    """Sources, excitation and inhibition with currents and delays; three projections that learn, one adapts."""
    cell = LIF(refractory=1.5e-3)
    populations = [
        Population("in", 20, "input", "linear", bias=False),
        Population("E", 30, "hidden", cell, bias=False),
        Population("I", 8, "hidden", cell, bias=False),
    ]
    projections = [
        Dense("in", "E", sign=1, delay=1e-3),
        Sparse("E", "E", FixedProbability(0.3), sign=1, delay=2.5e-3),
        Dense("E", "I", sign=1, delay=1.8e-3, tau_synapse=4e-3),
        Dense("I", "E", sign=-1, delay=1.2e-3),
    ]
    params = Parameters.zeros(Topology(populations, projections), dtype)
    draws = np.random.default_rng(1)
    for projection in projections:
        params[projection.name] = (projection.sign or 1) * draws.uniform(0, 1, params[projection.name].shape) * W
    return params


RULES = {
    "in->E": [STDP(w_max=W), NormaliseWeights(20 * W / 2, period=13e-3)],
    "E->E": STDP(w_max=W, dependence="multiplicative", pairing="nearest"),
    "I->E": InhibitorySTDP(w_max=W, eta=0.05),
    "E": AdaptiveThreshold(1e-4, tau=0.5),
}
INPUTS = {
    "in": [Poisson(80.0), SpikeTrain([3, 3, 5], [0.01, 0.01, 0.055])],
    "E": [NoiseCurrent(2e-3, mean=14e-3), StepCurrent(5e-3, start=20.05e-3, stop=40e-3)],
    "I": Poisson(900.0, weight=1e-3, start=10e-3, tau_synapse=2e-3),
}


def bytes_of(run):
    return {
        "weights": run.parameters.theta.tobytes(),
        **{name: trace.tobytes() for name, trace in run.traces.items()},
        **{name: np.asarray(value).tobytes() for name, value in run.state._asdict().items() if name != "network"},
    }


def go(duration=0.1, **options):
    options = {"rules": RULES, "random_state": 7, "record": ["spikes", "voltage", "rate"]} | options
    return simulate(plastic_network(), INPUTS, duration, **options)


@pytest.mark.parametrize("length", [1, 7, 100])
def test_spikes_weights_and_state_are_the_same_bytes_however_the_run_is_cut(monkeypatch, length):
    whole = bytes_of(go())
    monkeypatch.setattr(engine, "next_call", lambda *_: length)
    assert bytes_of(go()) == whole


def test_a_short_buffer_for_spikes_changes_nothing(monkeypatch):
    whole = bytes_of(go())
    monkeypatch.setattr("bioneuro.spiking.recording.ROOM", 0)  # room for two steps' worth at most
    assert bytes_of(go()) == whole


def test_two_halves_equal_the_whole_in_the_middle_of_delays_and_refractory_periods():
    whole = go(0.08)
    first = go(0.0437)
    assert np.any(first.state.refractory > 0)
    assert np.any(first.state.arrivals != 0)
    assert np.any(first.state.window_counts > 0)
    second = simulate(
        first.parameters, INPUTS, 0.0363, rules=RULES, state=first.state, record=["spikes", "voltage", "rate"]
    )
    assert second.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
    for name in set(whole.traces) - {"voltage.E.units", "voltage.I.units"}:
        np.testing.assert_array_equal(np.concatenate([first[name], second[name]]), whole[name])
    for name in set(second.state._fields) - {"network"}:
        assert bytes_of(second)[name] == bytes_of(whole)[name], name
    assert second.state.time == pytest.approx(0.08)
    assert repr(second.state) == "SpikingState(58 units at 0.08 s, dt=0.0001 s)"


def test_a_run_continues_bit_for_bit_in_another_process(tmp_path):
    first = go(0.0437)
    bioneuro.save(tmp_path / "first.npz", first)
    code = (
        "import sys, bioneuro\n"
        "from bioneuro.spiking import simulate\n"
        "from tests.spiking.test_running import INPUTS, RULES\n"
        "first = bioneuro.load(sys.argv[1])\n"
        "run = simulate(first.parameters, INPUTS, 0.0563, rules=RULES, state=first.state, record=['spikes'])\n"
        "bioneuro.save(sys.argv[2], run)\n"
    )
    files = [str(tmp_path / name) for name in ("first.npz", "second.npz")]
    subprocess.run([sys.executable, "-c", code, *files], check=True, timeout=120, cwd=os.getcwd())
    second, whole = bioneuro.load(files[1]), go()
    assert second.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
    np.testing.assert_array_equal(
        np.concatenate([first["spikes.units"], second["spikes.units"]]), whole["spikes.units"]
    )
    np.testing.assert_array_equal(second.state.membrane, whole.state.membrane)


def test_a_run_goes_on_whatever_the_order_that_its_rules_are_named_in():
    whole, first = go(), go(0.0437)
    second = simulate(first.parameters, INPUTS, 0.0563, rules=dict(reversed(RULES.items())), state=first.state)
    assert second.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
    assert second.state.pre_traces.tobytes() == whole.state.pre_traces.tobytes()


def test_inputs_are_never_changed_and_the_global_generator_is_left_alone():
    params = plastic_network()
    before, generator = params.theta.copy(), np.random.get_state()[1].copy()  # noqa: NPY002 - watched, not used
    run = simulate(params, INPUTS, 0.05, rules=RULES, random_state=0)
    np.testing.assert_array_equal(params.theta, before)
    assert np.any(run.parameters.theta != before)
    np.testing.assert_array_equal(np.random.get_state()[1], generator)  # noqa: NPY002
    state = run.state.membrane.copy()
    simulate(run.parameters, INPUTS, 0.01, rules=RULES, state=run.state)
    np.testing.assert_array_equal(run.state.membrane, state)


def test_a_run_goes_on_over_synapses_that_come_and_go():
    """Nothing but the changed synapses differs: adding one of weight 0, or dropping all of weight 0, changes no bit."""
    populations = [Population("in", 20, "input"), Population("E", 10, "output", LIF())]
    sparse = Sparse("in", "E", FixedProbability(0.5), delay=2e-3, tau_synapse=5e-3, sign=1)
    params = Parameters.zeros(Topology(populations, [sparse]))
    params["in->E"] = np.where(np.arange(params["in->E"].size) % 3, 9e-3, 0.0)
    inputs = {"in": Poisson(60.0)}
    whole = simulate(params, inputs, 0.4, random_state=0)
    first = simulate(params, inputs, 0.2, random_state=0)
    assert np.any(first.state.arrivals)
    for changed in (prune(params, "in->E", threshold=1e-3), grow(params, "in->E", 20, random_state=0)):
        rest = simulate(changed, inputs, 0.2, state=first.state)
        assert len(rest["spikes.times"]) > 100
        np.testing.assert_array_equal(rest["spikes.times"], whole["spikes.times"][len(first["spikes.times"]) :])
        np.testing.assert_allclose(rest.state.membrane, whole.state.membrane, rtol=1e-5, atol=1e-9)
    strong = grow(params, "in->E", 50, weight=9e-3, random_state=0)
    assert len(simulate(strong, inputs, 0.2, state=first.state)["spikes.times"]) > len(rest["spikes.times"])


@pytest.mark.parametrize("tau", [0.0, 2e-3, 4e-3])
def test_a_run_goes_on_over_inputs_that_come_and_go(tau):
    """As if they had begun, or ended, in one run: the last currents of an input decay though it is no longer given."""
    weight = 20e-3 / (5e3 * (tau or 20e-3))  # V; a mean drive of 20 mV
    extra = Poisson(5e3, weight=weight, tau_synapse=tau)

    def inputs(*more):
        noise, volley = NoiseCurrent(3e-3, mean=20e-3), SpikeTrain(np.arange(9), [49e-3] * 9, weight=1.0)
        return {"in": Poisson(80.0), "E": [noise, volley, *more], "I": [noise, *more]}

    options = {"rules": RULES, "record": ["spikes", "voltage"]}
    for limit, before, after in (({"stop": 0.05}, [extra], []), ({"start": 0.05}, [], [extra])):
        whole = simulate(plastic_network(), inputs(replace(extra, **limit)), 0.1, random_state=3, **options)
        first = simulate(plastic_network(), inputs(*before), 0.05, random_state=3, **options)
        assert np.any(first.state.currents)
        assert np.any(first.state.arrivals[:, 58:])  # of currents
        second = simulate(first.parameters, inputs(*after), 0.05, state=first.state, **options)
        assert bytes_of(second)["weights"] == bytes_of(whole)["weights"]
        for name in ("spikes.units", "voltage.E", "voltage.I"):
            np.testing.assert_array_equal(np.concatenate([first[name], second[name]]), whole[name])


def test_a_lesioned_network_grows_new_synapses_and_goes_on_without_the_dead():
    populations = [Population("in", 20, "input"), Population("E", 10, "output", LIF())]
    net = Topology(populations, [Sparse("in", "E", FixedProbability(0.3), sign=1)])
    params, inputs = Parameters.zeros(net), {"in": Poisson(60.0)}
    params["in->E"] = 9e-3
    lesion = net.lesion(units={"E": 0.5}, random_state=0)
    first = simulate(params, inputs, 0.2, lesion=lesion, random_state=0)
    grown = grow(first.parameters, "in->E", 40, weight=9e-3, random_state=0)
    second = simulate(grown, inputs, 0.2, lesion=lesion, state=first.state)
    assert len(second["spikes.times"]) > len(first["spikes.times"]) > 0
    assert set(second["spikes.units"]) <= set(np.flatnonzero(lesion.alive))


def test_what_a_run_was_given_is_kept_beside_it(tmp_path):
    first = go(0.0437)
    kept = bioneuro.load(bioneuro.save(tmp_path / "run", {"run": first, "rules": RULES, "inputs": INPUTS}))
    second = simulate(
        kept["run"].parameters, kept["inputs"], 0.0563, rules=kept["rules"], state=kept["run"].state, record=["spikes"]
    )
    assert second.parameters.theta.tobytes() == go().parameters.theta.tobytes()


def test_a_seed_given_with_a_state_draws_anew_from_there():
    first = go(0.0437)
    rests = [
        simulate(first.parameters, INPUTS, 0.05, rules=RULES, state=first.state, random_state=seed)
        for seed in (None, 1, 1, 2)
    ]
    on, one, same, other = (run["spikes.times"].tobytes() for run in rests)
    assert one == same
    assert len({on, one, other}) == 3


def test_another_seed_gives_other_spikes_and_no_seed_fresh_ones():
    assert bytes_of(go())["spikes.times"] != bytes_of(go(random_state=8))["spikes.times"]
    assert bytes_of(go(random_state=None))["spikes.times"] != bytes_of(go(random_state=None))["spikes.times"]


def test_traces_start_anew_under_other_rules_and_a_state_of_another_network_is_refused():
    first = go(0.05)
    assert np.any(first.state.pre_traces > 0)
    slower = RULES | {"I->E": InhibitorySTDP(w_max=W, eta=0.05, tau=30e-3)}
    kept, anew = (
        simulate(first.parameters, INPUTS, 1e-4, rules=rules, state=first.state).state for rules in (RULES, slower)
    )
    assert np.count_nonzero(anew.pre_traces) < 5 < np.count_nonzero(kept.pre_traces)  # the spikes of one step
    frozen = simulate(first.parameters, INPUTS, 0.01, state=first.state)
    assert frozen.state.pre_traces.size == 0
    np.testing.assert_array_equal(frozen.parameters.theta, first.parameters.theta)
    with pytest.raises(bioneuro.errors.InvalidInput, match="belongs to another network"):
        simulate(plastic_network("float64"), INPUTS, 0.01, state=first.state)
    with pytest.raises(bioneuro.errors.InvalidInput, match="a state holds the membranes"):
        simulate(first.parameters, INPUTS, 0.01, state=first.state, membrane={"E": 0.0})
    with pytest.raises(bioneuro.errors.InvalidInput, match=r"state must be the \.state"):
        simulate(first.parameters, INPUTS, 0.01, state=first)
    with pytest.raises(bioneuro.errors.InvalidInput, match=r"state.membrane must be float32 \(58,\)"):
        simulate(first.parameters, INPUTS, 0.01, state=first.state._replace(membrane=np.zeros(3)))


CHANGES = {
    "grid": {"dt": 5e-5},
    "delay": {"I->E": {"delay": 1.1e-3}},
    "current": {"E->I": {"tau_synapse": 5e-3}},
    "constants": {"E": {"unit": LIF(refractory=2e-3)}},
    "role": {"E": {"role": "output"}},
}


@pytest.mark.parametrize("other", CHANGES.values(), ids=CHANGES)
def test_a_state_is_refused_by_a_network_that_differs_in_more_than_synapses_and_inputs(other):
    params = plastic_network()
    first = simulate(params, INPUTS, 10e-3)
    parts = params.topology.populations, params.topology.projections
    changed = Topology(*([replace(entry, **other.get(entry.name, {})) for entry in part] for part in parts))
    options = {"dt": other.get("dt", 1e-4), "state": first.state}
    with pytest.raises(bioneuro.errors.InvalidInput, match="belongs to another network"):
        simulate(Parameters(changed, params.theta), INPUTS, 10e-3, **options)


def test_only_what_is_asked_for_is_recorded():
    run = go(record={"spikes": ["I"], "voltage": {"E": [3, 5]}, "rate": ["E"]})
    full = go()
    assert set(run.traces) == {"spikes.units", "spikes.times", "times", "voltage.E", "voltage.E.units", "rate.E"}
    np.testing.assert_array_equal(spikes_of(run, "I")[1], spikes_of(full, "I")[1])
    assert spikes_of(run, "E")[0].size == 0
    np.testing.assert_array_equal(run["voltage.E"], full["voltage.E"][:, [3, 5]])
    counts = np.bincount(np.rint(spikes_of(full, "E")[1] / 1e-4).astype(int), minlength=1000)
    np.testing.assert_allclose(run["rate.E"], counts / (30 * 1e-4))
    assert set(go(record=None).traces) == set()


def test_the_dead_never_spike_and_their_silence_reaches_others():
    params = plastic_network()
    lesion = params.topology.lesion(units={"in": 0.3, "E": 0.5}, synapses={"E->I": 0.4}, random_state=0)
    rules = {name: rule for name, rule in RULES.items() if name != "E->I"}
    run = simulate(params, INPUTS, 0.3, rules=rules, lesion=lesion, random_state=7)
    whole = simulate(params, INPUTS, 0.3, rules=rules, random_state=7)
    assert set(run["spikes.units"]) <= set(np.flatnonzero(lesion.alive))
    assert len(set(whole["spikes.units"])) == 58
    assert np.all(run.parameters["E->I"][~lesion.intact["E->I"]] == 0)
    lesion = params.topology.lesion(synapses={"in->E": 0.1})
    with pytest.raises(bioneuro.errors.InvalidInput, match="'in->E' are dead and would grow again"):
        simulate(params, INPUTS, 0.1, rules=RULES, lesion=lesion)


def test_a_runaway_network_ends_with_an_error_that_holds_the_recording():
    params = plastic_network()
    params["E->E"] = W
    inputs = {"E": StepCurrent(1.0, start=0.1)}
    with pytest.raises(RunawayRate, match=r"population 'E' fires at \d+ Hz .* above max_rate=400 Hz") as caught:
        simulate(params, inputs, 1.0)
    assert caught.value.recording.state.time == pytest.approx(0.2)
    assert caught.value.recording["spikes.times"].max() < 0.2
    assert not np.any(caught.value.recording.state.window_counts)
    assert simulate(params, inputs, 0.3, max_rate=np.inf).state.time == pytest.approx(0.3)


def test_a_runaway_by_a_weight_in_millivolts_says_so():
    cells = Parameters.zeros(Topology([Population("cells", 3, "output", LIF())]))
    with pytest.raises(RunawayRate, match=r"One spike of its Poisson input moves a membrane by 0.2 V, and 0.02 V make"):
        simulate(cells, {"cells": Poisson(16e3, weight=0.2)}, 0.2, random_state=0)
    params = plastic_network()
    params["in->E"] = 0.5
    with (
        pytest.warns(DoubtfulNumber, match="weights of 'in->E' reach 0.5 V"),
        pytest.raises(RunawayRate, match=r"One spike of 'in->E' moves a membrane by 0.5 V"),
    ):
        simulate(params, INPUTS | {"E": StepCurrent(1.0)}, 1.0)
    with pytest.raises(RunawayRate) as caught:
        simulate(cells, {"cells": StepCurrent(1.0)}, 1.0)
    assert "One spike" not in str(caught.value)


def test_numbers_that_overflow_end_the_run_with_the_time():
    populations = [Population("in", 1, "input"), Population("cell", 1, "output", LIF(v_threshold=1.0))]
    params = Parameters.zeros(Topology(populations, [Dense("in", "cell")]), "float32")
    params["in->cell"] = params["cell.bias"] = -np.finfo(np.float32).max
    inputs = {"in": SpikeTrain([0] * 4, [0.5] * 4)}
    with np.errstate(over="ignore"), pytest.raises(NotFiniteError, match="no longer a finite number at") as caught:
        simulate(params, inputs, 3.0, dt=0.02)
    assert caught.value.recording.state is not None


def test_parameters_that_are_not_finite_are_refused():
    params = plastic_network()
    params["in->E"][0, 0] = np.nan
    with pytest.raises(bioneuro.errors.InvalidInput, match="not finite"):
        simulate(params, INPUTS, 0.01)


def test_a_recording_beyond_its_limit_is_refused_or_ends_with_what_there_is():
    with pytest.raises(ResourceError, match="mostly voltage, and record_limit allows 100,000 bytes"):
        go(record_limit=1e5)
    with pytest.raises(ResourceError, match=r"spikes by .* fill the recording") as caught:
        go(record=["spikes"], record_limit=500)
    assert caught.value.recording["spikes.units"].size > 500 / 12


def test_more_synapses_than_memory_are_refused_before_anything_is_built(monkeypatch):
    params = plastic_network()
    monkeypatch.setattr("bioneuro.memory.available", lambda: 1000)
    with pytest.raises(ResourceError, match=r"the largest part is .*make it smaller"):
        simulate(params, INPUTS, 0.01)


def test_ctrl_c_keeps_the_recording_so_far():
    go(0.1, record=["spikes"])  # compiled: Ctrl-C is to come while steps are taken
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.warns(TrainingInterrupted, match=r"stopped at .* of 1e\+04 s"):
        run = go(10_000.0, record=["spikes"])
    assert run.interrupted
    assert "interrupted" in repr(run)
    assert not go(run.state.time).interrupted
    assert 0 < run.state.time < 10_000
    assert run["spikes.times"].max() < run.state.time
    assert bytes_of(go(run.state.time, record=["spikes"]))["weights"] == bytes_of(run)["weights"]


def test_a_run_ends_with_the_call_of_the_kernel_in_which_ctrl_c_comes(monkeypatch):
    original, calls = engine._Run._call, []

    def press_in_the_third(run, n_steps):
        calls.append(original(run, n_steps))
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return calls[-1]

    monkeypatch.setattr(engine._Run, "_call", press_in_the_third)
    with pytest.warns(TrainingInterrupted):
        run = go(1.0)
    assert len(calls) == 3
    assert run.state.step == sum(calls) == len(run["times"])


def test_two_ctrl_c_within_a_second_end_a_loop_of_runs_and_slow_ones_only_the_runs():
    def press():
        os.kill(os.getpid(), signal.SIGINT)

    go(0.1)  # compiled
    threading.Timer(0.1, press).start()
    with pytest.warns(TrainingInterrupted, match="Ctrl-C again within a second stops the program"):
        assert go(10_000.0, record=["spikes"]).interrupted
    threading.Timer(0.1, press).start()
    with pytest.raises(KeyboardInterrupt):
        go(10_000.0, record=["spikes"])
    Interruption.last -= AGAIN  # as if it had been pressed a second earlier
    threading.Timer(0.1, press).start()
    with pytest.warns(TrainingInterrupted):
        assert go(10_000.0, record=["spikes"]).interrupted


@pytest.mark.small
def test_calls_of_the_kernel_last_a_twentieth_of_a_second_however_long_the_last_one_took():
    """What bounds the wait after Ctrl-C: steps of a call follow from the time of a step, and at most double twice."""
    assert engine.CALL_SECONDS <= 0.1
    assert engine.next_call(1000, 1000, 0.5) == pytest.approx(1000 * engine.CALL_SECONDS / 0.5)
    assert engine.next_call(1000, 10, 10.0) == 1  # the room for spikes ended that call
    assert engine.next_call(100, 100, 1e-6) == 400
    assert engine.next_call(8000, 8000, 1e-9) == engine.LONGEST_CALL


def test_progress_is_shown_where_asked_for(capsys):
    go(0.02, progress=True)
    assert "simulating" in capsys.readouterr().err
    go(0.02)
    assert capsys.readouterr().err == ""
