"""Numbers in millivolts and milliseconds that can be run are doubted once, and those that may be meant are not."""

import warnings

import pytest

from bioneuro import Dense, Parameters, Population, Topology
from bioneuro.spiking import LIF, DoubtfulNumber, NoiseCurrent, Poisson, SpikeTrain, StepCurrent, simulate


def network(weight=1e-3, **projection):
    populations = [Population("in", 2, "input"), Population("cells", 2, "output", LIF())]
    params = Parameters.zeros(Topology(populations, [Dense("in", "cells", **projection)]))
    params["in->cells"] = weight
    return params


@pytest.mark.parametrize(
    ("params", "inputs", "message"),
    [
        (network(1.0), {}, "weights of 'in->cells' reach 1 V, where 0.02 V make a cell of 'cells' fire; .* 0.0002 is"),
        (network(5.0, tau_synapse=5e-3), {}, "weights of 'in->cells' reach 5 V"),
        (network(), {"cells": Poisson(1.0, weight=1.0)}, "the weight of Poisson on 'cells' is 1 V"),
        (network(delay=1.0), {}, "in->cells: a delay of 1 s is as long as this run .0.01 s., .* 0.0015 is 1.5 ms"),
        (network(), {"in": SpikeTrain([0, 1], [25.0, 10.0])}, "SpikeTrain of 'in' begins at 10 s, .* ends at 0.01 s"),
        (network(), {"cells": StepCurrent(1e-3, start=20)}, "StepCurrent of 'cells' begins at 20 s, .* in seconds"),
    ],
)
def test_what_looks_like_millivolts_or_milliseconds_is_doubted_when_a_run_begins(params, inputs, message):
    with pytest.warns(DoubtfulNumber, match=message):
        run = simulate(params, inputs, 10e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(run.parameters, inputs, 10e-3, state=run.state)


@pytest.mark.parametrize(
    ("params", "inputs"),
    [
        (network(21e-3), {"cells": SpikeTrain([0], [5e-3], weight=1.0)}),  # cells are made to fire at each spike
        (network(1.0, tau_synapse=1e-3), {}),
        (network(-1.0), {"in": SpikeTrain([], [])}),
        (network(delay=50e-3), {"cells": [NoiseCurrent(1e-3, start=50e-3), Poisson(5.0, weight=1e-3, start=90e-3)]}),
    ],
)
def test_what_may_be_meant_is_run_without_a_word(params, inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(params, inputs, 10e-3, random_state=0)
