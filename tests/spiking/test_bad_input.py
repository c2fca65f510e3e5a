"""What cannot be simulated is refused in words: what was given, what is allowed, what to do."""

import numpy as np
import pytest

from bioneuro import Conv2D, Dense, Parameters, Population, Topology
from bioneuro.data import encode_poisson
from bioneuro.errors import InvalidInput, ResourceError, UnknownName, UnsupportedTopology
from bioneuro.plasticity import STDP, Oja
from bioneuro.spiking import (
    LIF,
    NoiseCurrent,
    Poisson,
    RunawayRate,
    SpikeTrain,
    StepCurrent,
    lif_rate,
    raster,
    rate,
    siegert_rate,
    simulate,
    spikes_of,
    voltage,
)

SOURCE = Population("in", 3, "input", "linear", bias=False)
CELLS = Population("cells", 2, "output", LIF(), bias=False)


def network(*projections, populations=(SOURCE, CELLS)):
    return Parameters.zeros(Topology(populations, projections or (Dense("in", "cells"),)))


@pytest.mark.parametrize(
    ("projection", "dt", "message"),
    [
        ({"delay": 5e-5}, 1e-4, r"in->cells: delay of 5e-05 s is shorter than dt=0.0001 s; take 0.0001 s"),
        ({"delay": 1.25e-3}, 1e-3, r"in->cells: delay of 0.00125 s is not a multiple of dt=0.001 s; take 0.001 s"),
        ({"delay": 1.5}, 1e-4, r"in->cells: delay must be a number in \[0, 1\], got 1.5; delays are in seconds; a syn"),
        ({}, 0.05, r"dt=0.05 s is longer than tau_m=0.02 s of population 'cells'; take dt <= 0.002"),
        ({"tau_synapse": 1e-3}, 5e-3, r"dt=0.005 s is longer than tau_synapse=0.001 s of 'in->cells'"),
    ],
)
def test_a_grid_too_coarse_is_refused(projection, dt, message):
    with pytest.raises(InvalidInput, match=message):
        simulate(network(Dense("in", "cells", **projection)), {}, 1.0, dt=dt)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": 0.0}, r"dt must be a number in \(0, 0.1\], got 0.0"),
        ({"n_threads": 0}, r"n_threads must be an integer in \[1, inf\), got 0"),
        ({"dt": -1e-4}, r"dt must be a number in \(0, 0.1\]"),
        ({"duration": 1.5e-4}, r"duration of 0.00015 s is not a multiple of dt=0.0001 s"),
        ({"duration": -1.0}, r"duration must be a number in \[0, inf\)"),
        ({"duration": 0.0}, r"duration of 0 s is no step at all; take 0.0001 s \(dt=0.0001 s\) or more"),
        ({"max_rate": 0}, r"max_rate must be a number in \(0, inf\).*inf turns it off"),
        ({"membrane": {"cell": 0.0}}, "unknown population whose membrane to set 'cell'; did you mean 'cells'"),
        ({"duration": np.inf}, r"duration must be a number in \[0, inf\), got inf; seconds"),
        ({"duration": 50.00005}, r"duration of 50.00005 s is not a multiple of dt=0.0001 s; take 50 s"),
        ({"membrane": {"cells": [0.0] * 3}}, r"membrane of 'cells' must be one number or 2, got shape \(3,\)"),
        ({"membrane": {"cells": np.nan}}, r"membrane of 'cells' must be a number in \[-10, 10\], got nan; volts"),
        ({"membrane": {"cells": -65}}, r"membrane of 'cells' must be .* got -65.0; volts: -0.065 is -65 mV"),
        ({"membrane": 0.0}, r"membrane is \{population: V\}, got 0.0; for example"),
        ({"record_limit": -1}, r"record_limit must be a number in \[0, inf\), got -1; bytes"),
        ({"record": 3}, "record is a list of spikes, voltage, rate, or .* got 3"),
        ({"lesion": 0.3}, r"lesion must be a Lesion \(topology.lesion"),
        ({"record": ["spike"]}, "unknown thing to record 'spike'; did you mean 'spikes'"),
        ({"record": {"spikes": ["cell"]}}, "unknown population whose spikes to record 'cell'; did you mean 'cells'"),
        ({"record": {"spikes": 3}}, "record 'spikes' is True or a list of populations, got 3"),
        ({"record": {"voltage": {"in": [0]}}}, "unknown population whose voltage to record 'in'"),
        ({"record": {"voltage": {"cells": [2]}}}, r"voltage of 'cells': units are numbers in 0 .. 1, .* got \[2\]"),
        ({"record": {"voltage": {"cells": [0.7]}}}, r"voltage of 'cells': units are numbers .* got \[0.7\]"),
        ({"record": {"voltage": {"cells": [False, True]}}}, r"voltage of 'cells': units are numbers in 0 .. 1"),
        ({"record": {"voltage": [0]}}, r'record "voltage" is \{population: units\}'),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    options = {"duration": 1e-3} | options
    with pytest.raises(InvalidInput, match=message):
        simulate(network(), {}, **options)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"inn": Poisson(1.0)}, "unknown population that inputs go to 'inn'; did you mean 'in'"),
        (Poisson(1.0), r"inputs is \{population: input or list of inputs\}, got Poisson"),
        ({"in": 20.0}, "an input of 'in' is one of Poisson, SpikeTrain, StepCurrent, NoiseCurrent, got 20.0"),
        ({"in": [20.0]}, "an input of 'in' is one of"),
        (
            {"in": encode_poisson(np.full((2, 3), 0.5), 0.1)},
            r"'in' is given Spikes of 2 rows; a run shows one: \{'in': SpikeTrain\(\*spikes.row\(i\)\)\}",
        ),
        (
            {"in": Poisson([1.0, 2.0])},
            r"Poisson.rates has 2 values and population 'in' has 3 units; give one number or",
        ),
        ({"in": Poisson(1.0, weight=1e-3)}, "'in' is a source of spikes .* drop the weight of Poisson"),
        ({"in": SpikeTrain([0], [0.0], tau_synapse=5e-3)}, "drop the weight of SpikeTrain and its tau_synapse, proj"),
        ({"cells": Poisson(1.0)}, "Poisson on neurons 'cells' arrives through synapses; give weight=, in volts"),
        (
            {"cells": Poisson(1.0, weight=1e-3, tau_synapse=5e-5)},
            r"dt=0.0001 s is longer than tau_synapse=5e-05 s of Poisson on 'cells'; take dt <= 5e-06, or tau_synapse=0",
        ),
        ({"in": StepCurrent(1e-3)}, "StepCurrent needs a population of neurons"),
        ({"in": NoiseCurrent(1e-3)}, "NoiseCurrent needs a population of neurons"),
        ({"in": SpikeTrain([3], [0.0])}, "SpikeTrain names unit 3 of population 'in', which has 3"),
        ({"in": SpikeTrain([-1], [0.0])}, "SpikeTrain names unit -1"),
    ],
)
def test_inputs_that_do_not_fit_the_network_are_refused(inputs, message):
    with pytest.raises(InvalidInput, match=message):
        simulate(network(), inputs, 1e-3)


@pytest.mark.small
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Poisson(-1.0), r"Poisson.rates must be a number in \[0, 1e\+06\], got -1.0; rates are in hertz"),
        (lambda: Poisson([1.0, np.nan]), "Poisson.rates must be a number"),
        (lambda: Poisson("fast"), "Poisson.rates must be numbers, got 'fast'; rates are in hertz"),
        (lambda: Poisson(1.0, start=np.inf), r"Poisson.start must be a number in \[0, inf\), got inf"),
        (lambda: SpikeTrain([0], ["late"]), r"SpikeTrain.times must be numbers, got \['late'\]"),
        (lambda: Poisson([[1.0]]), r"Poisson.rates must be one number or one per unit, got shape \(1, 1\)"),
        (lambda: Poisson(1.0, weight=1e-3, tau_synapse=5.0), r"Poisson.tau_synapse must be .* near 0.005"),
        (lambda: Poisson(1.0, weight=1e-3, tau_synapse=-1e-3), r"Poisson.tau_synapse must be a number in \[0, 1\]"),
        (lambda: Poisson(1.0, start=2.0, stop=1.0), r"Poisson.stop must be a number in \[2, inf\)"),
        (lambda: SpikeTrain([0, 1], [0.1]), "as many units as times, got 2 and 1"),
        (lambda: SpikeTrain([0.5], [0.1]), "SpikeTrain.units must be a list of unit indices"),
        (lambda: SpikeTrain([0], [-0.1]), "SpikeTrain.times must be a number in"),
        (lambda: StepCurrent(np.inf), "StepCurrent.amplitude must be"),
        (lambda: StepCurrent(25), r"StepCurrent.amplitude must be .* got 25.0; volts: 0.02, which is 20 mV, brings a"),
        (lambda: NoiseCurrent(-1e-3), r"NoiseCurrent.sigma must be a number in \[0, 1\], got -0.001; volts, never"),
        (lambda: NoiseCurrent(5, mean=15), r"NoiseCurrent.sigma must be .* got 5.0; volts, never negative: 0.005 is 5"),
        (lambda: NoiseCurrent(5e-3, mean=15), r"NoiseCurrent.mean must be .* got 15.0; volts: 0.02"),
        (lambda: LIF(tau_m=20), "tau_m=20 is 20 s; a neuron's is near 0.02"),
        (lambda: LIF(tau_m=-0.02), "LIF.tau_m must be"),
        (lambda: LIF(tau_m="20 ms"), "LIF.tau_m must be .* got .20 ms.; plain numbers in seconds and volts: 20e-3"),
        (lambda: LIF(soft_reset=2.0), r"LIF.soft_reset must be a number in \[0, 1\], got 2.0; 0: to v_reset, 1: by"),
        (lambda: Dense("a", "b", tau_synapse=-1e-3), "tau_synapse must be"),
        (lambda: siegert_rate(20e-3, -1.0), "sigma must be"),
        (lambda: lif_rate([25e-3, np.nan]), "drive must be a number in .* got nan; volts"),
        (lambda: lif_rate(25), r"drive must be a number in \[-10, 10\], got 25.0; volts: 0.025 is 25 mV"),
        (lambda: siegert_rate(20, 5), r"mean must be a number in \[-10, 10\], got 20; volts: 0.025 is 25 mV"),
        (lambda: siegert_rate(20e-3, 5), r"sigma must be a number in \[0, 1\], got 5; volts: 0.005 is 5 mV"),
        (lambda: Population("cells", 2, "output", LIF), r"got <class .*LIF'>; make one: LIF\(\)"),
        (lambda: lif_rate(20e-3, LIF(tau_m=[0.02, 0.03])), "theory is for one LIF neuron"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            lambda: Parameters.zeros(Topology.mlp(4, 3, 2)),
            r"runs LIF units; population 'hidden' has 'relu': topology.with_units\(hidden='lif'\)",
        ),
        (lambda: network(populations=(SOURCE, Population("cells", 3, "input"))), "ends on 'cells', a source of spikes"),
        (lambda: Parameters.zeros(Topology([SOURCE])), r"has sources of spikes \(role='input'\) only"),
        (
            lambda: Parameters.zeros(Topology([CELLS], [Dense("cells", "cells", symmetric=True)])),
            "'cells->cells' is symmetric: write two projections",
        ),
        (
            lambda: network(Dense("in", "cells"), Dense("in", "cells", name="b", tied_to="in->cells")),
            "'b' is tied: write two projections",
        ),
        (
            lambda: Parameters.zeros(
                Topology(
                    [Population("in", (4, 4, 1), "input"), Population("cells", (2, 2, 1), "output", LIF())],
                    [Conv2D("in", "cells")],
                )
            ),
            "the spiking engine does not run Conv2D 'in->cells'; it runs Dense, OneToOne, Sparse",
        ),
    ],
)
def test_topologies_that_the_engine_does_not_run_are_refused_by_name(params, message):
    with pytest.raises(UnsupportedTopology, match=message):
        simulate(params(), {}, 1e-3)


@pytest.mark.parametrize(("sign", "kind"), [(1, "excitatory"), (-1, "inhibitory")])
def test_weights_on_the_wrong_side_of_zero_break_dales_law_and_are_refused(sign, kind):
    for projection in (Dense("in", "cells", sign=sign), Dense("in", "cells", sign=sign, shared=True)):
        params = network(projection)
        simulate(params, {}, 1e-3)  # zero is on both sides
        params["in->cells"] = -sign * 1e-4
        with pytest.raises(InvalidInput, match=rf"'in->cells' is {kind} \(sign=\{sign:+d}\), so its weights are"):
            simulate(params, {}, 1e-3)


def test_delays_that_would_fill_the_memory_are_refused_before_it_is_taken(monkeypatch):
    params = network(Dense("in", "cells", delay=1.0))
    monkeypatch.setattr("bioneuro.memory.available", lambda: 10**5)
    with pytest.raises(ResourceError, match=r"the largest part is spikes on their way \(delays / dt\)"):
        simulate(params, {}, 1e-3)


def test_what_is_refused_leaves_everything_as_it_was():
    params = network()
    params["in->cells"] = 1e-3
    before = params.theta.copy()
    for options in ({"duration": 1.5e-4}, {"record": 3}, {"rules": {"in->cells": STDP(w_max=1e-4)}}):
        with pytest.raises(InvalidInput):
            simulate(params, {"in": Poisson(5.0)}, **{"duration": 1e-3} | options)
    with pytest.raises(RunawayRate):
        simulate(params, {"cells": StepCurrent(1.0)}, 0.2, rules={"in->cells": STDP(w_max=2e-3)})
    np.testing.assert_array_equal(params.theta, before)


def test_parameters_are_needed():
    with pytest.raises(InvalidInput, match=r"simulate needs Parameters, .* got Topology; Parameters.zeros\(topology\)"):
        simulate(Topology([CELLS]), {}, 1e-3)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (STDP, r"'in->cells' is one of STDP, .* make one: STDP\(\.\.\.\)"),
        (Oja(), r"got Oja\(\); rate rules learn from activities, without spikes: HebbianFeatures, LocalLearning"),
        ("stdp", "is one of STDP, InhibitorySTDP, NormaliseWeights, AdaptiveThreshold, .*got 'stdp'$"),
    ],
)
def test_what_is_almost_a_rule_is_shown_the_way(rule, message):
    with pytest.raises(InvalidInput, match=message):
        simulate(network(), {}, 1e-3, rules={"in->cells": rule})


@pytest.mark.parametrize("look", [raster, voltage, rate, lambda given: spikes_of(given, "cells")])
def test_figures_and_spikes_are_taken_from_a_recording_only(look):
    with pytest.raises(InvalidInput, match="takes a Recording, as simulate returns it, got Parameters"):
        look(network())


def test_unknown_names_are_unknown_names():
    with pytest.raises(UnknownName):
        simulate(network(), {"x": Poisson(1.0)}, 1e-3)
