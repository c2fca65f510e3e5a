"""Spike-timing rules: the window, event-driven sums on frozen trains, bounds, Dale's law, balance."""

import numpy as np
import pytest

from bioneuro import Dense, OneToOne, Parameters, Population, Sparse, Topology
from bioneuro.errors import InvalidInput, NotFiniteError
from bioneuro.plasticity import SPIKE_RULES, STDP, AdaptiveThreshold, InhibitorySTDP, NormaliseWeights
from bioneuro.plasticity.spike import MOST_CONSTANTS, SpikeRule
from bioneuro.spiking import LIF, NoiseCurrent, Poisson, SpikeTrain, simulate, spikes_of
from bioneuro.spiking.synapse_kernels import N_CONSTANTS
from bioneuro.topology import Edges, FixedProbability
from tests.naive import spiking as naive

DT = 1e-4
W_MAX = 1e-3
RELAY = LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=0.0, refractory=0.0)  # spikes when, and only when, it is told to
PUSH = 1.0  # V, that makes it


def pairs(n_pre, n_post, projection=None, dtype="float64", weight=W_MAX / 2):
    populations = [
        Population("pre", n_pre, "input", "linear", bias=False),
        Population("post", n_post, "output", RELAY, bias=False),
    ]
    projection = Dense("pre", "post", delay=1e-3) if projection is None else projection
    params = Parameters.zeros(Topology(populations, [projection]), dtype)
    params["pre->post"] = weight
    return params


def told(pre, post):
    """Inputs that make units spike at given steps: {unit: steps} of both populations."""

    def train(given, **options):
        events = [(unit, step) for unit, steps in given.items() for step in steps]
        return SpikeTrain([unit for unit, _ in events], [step * DT for _, step in events], **options)

    return {"pre": train(pre), "post": train(post, weight=PUSH)}


@pytest.mark.parametrize("dependence", ["additive", "multiplicative"])
def test_one_pair_changes_the_weight_by_the_window(dependence):
    lags = np.arange(-600, 601, 25)  # steps from the presynaptic spike to the arrival of the postsynaptic one
    delay, middle = 10, 1000
    rule = STDP(w_max=W_MAX, a_plus=0.02, a_minus=0.03, tau_plus=15e-3, tau_minus=25e-3, dependence=dependence)
    params = pairs(len(lags), len(lags), OneToOne("pre", "post", delay=delay * DT))
    inputs = told({k: [middle] for k in range(len(lags))}, {k: [middle + lag - delay] for k, lag in enumerate(lags)})
    run = simulate(params, inputs, 0.2, rules={"pre->post": rule})
    window = (run.parameters["pre->post"] - W_MAX / 2) / W_MAX
    share = 1.0 if dependence == "additive" else 0.5
    expected = share * np.where(
        lags > 0, 0.02 * np.exp(-lags * DT / 15e-3), -0.03 * np.exp(np.minimum(lags, 0) * DT / 25e-3)
    )
    expected[lags == 0] = 0  # spikes that meet do not see each other
    np.testing.assert_allclose(window, expected, atol=1e-12)


RULES = {
    "additive": (STDP(w_max=W_MAX, a_plus=0.06, a_minus=0.07), naive.additive(W_MAX, 0.06, 0.07), (20e-3, 20e-3)),
    "multiplicative": (
        STDP(w_max=W_MAX, a_plus=0.1, a_minus=0.1, tau_plus=10e-3, tau_minus=30e-3, dependence="multiplicative"),
        naive.multiplicative(W_MAX, 0.1, 0.1),
        (10e-3, 30e-3),
    ),
    "nearest": (
        STDP(w_max=W_MAX, a_plus=0.1, a_minus=0.12, pairing="nearest"),
        naive.additive(W_MAX, 0.1, 0.12),
        (20e-3, 20e-3),
    ),
    "inhibitory": (
        InhibitorySTDP(w_max=W_MAX, rate=30.0, eta=0.05),
        naive.inhibitory(W_MAX, 0.05, 30.0, 20e-3),
        (20e-3, 20e-3),
    ),
}
KINDS = {
    "dense": lambda sign, delay: Dense("pre", "post", sign=sign, delay=delay),
    "sparse": lambda sign, delay: Sparse(
        "pre", "post", Edges([0, 0, 1, 2, 2, 3], [2, 0, 1, 0, 0, 2]), multapses=True, sign=sign, delay=delay
    ),
    "one to one": lambda sign, delay: OneToOne("pre", "post", sign=sign, delay=delay),
}


def frozen_trains(n, seed, steps=4000):
    """Spikes with bursts, two on one step apart, and coincidences at every delay in use."""
    draws = np.random.default_rng(seed)
    trains = {}
    for unit in range(n):
        spikes = set(draws.integers(0, steps, 12).tolist())
        burst = int(draws.integers(0, steps - 30))
        spikes |= {burst, burst + 1, burst + 3, burst + 8}
        trains[unit] = sorted(spikes)
    return trains


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("delay", [0.0, 1e-3, 2.5e-3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RULES)
def test_weights_on_frozen_trains_equal_an_event_driven_sum(name, kind, delay, dtype):
    rule, (at_pre, at_post), taus = RULES[name]
    sign = -1 if name == "inhibitory" else 1
    n_pre, n_post = (3, 3) if kind == "one to one" else (4, 3)
    params = pairs(n_pre, n_post, KINDS[kind](sign, delay), dtype, sign * W_MAX / 2)
    pre, post = frozen_trains(n_pre, 1), frozen_trains(n_post, 2)
    steps = max(1, round(delay / DT))
    post[0] = sorted({*post[0], *(step - steps for step in pre[0][::2] if step >= steps)})  # meet exactly
    pre[1] = sorted([*pre[1], *pre[1][:4]])  # a source that spikes twice at once
    run = simulate(params, told(pre, post), 0.45, dt=DT, rules={"pre->post": rule}, max_rate=np.inf)
    units, times = spikes_of(run, "post")
    assert {unit: np.rint(times[units == unit] / DT).astype(int).tolist() for unit in post} == post

    edges = {
        "dense": [(i, j) for i in range(n_pre) for j in range(n_post)],
        "one to one": [(i, i) for i in range(n_pre)],
        "sparse": [(0, 0), (0, 2), (1, 1), (2, 0), (2, 0), (3, 2)],
    }[kind]
    nearest, taus = name == "nearest", [tau / DT for tau in taus]
    expected = [naive.synapse(pre[i], post[j], steps, W_MAX / 2, at_pre, at_post, *taus, nearest)[0] for i, j in edges]
    learnt = sign * run.parameters["pre->post"].ravel()
    assert np.ptp(learnt) > 0.1 * W_MAX
    np.testing.assert_allclose(learnt / W_MAX, np.array(expected) / W_MAX, atol=1e-5 if dtype == "float32" else 1e-9)


def test_weights_of_a_recurrent_network_equal_the_sums_over_its_own_spikes():
    cell = LIF()
    populations = [
        Population("pre", 12, "input", "linear", bias=False),
        Population("E", 15, "output", cell, bias=False),
    ]
    projections = [
        Dense("pre", "E", delay=1.5e-3, sign=1),
        Sparse("E", "E", FixedProbability(0.4), delay=2e-3, tau_synapse=5e-3, sign=1),
    ]
    params = Parameters.zeros(Topology(populations, projections), "float64")
    params["pre->E"], params["E->E"] = 2.5e-3, 1e-3
    rules = {"pre->E": STDP(w_max=4e-3, a_plus=0.01), "E->E": STDP(w_max=2e-3, a_plus=0.03)}
    run = simulate(params, {"pre": Poisson(60.0)}, 1.0, rules=rules, random_state=4)
    spikes = {}
    for name in ("pre", "E"):
        units, times = spikes_of(run, name)
        spikes[name] = [np.rint(times[units == u] / DT).astype(int).tolist() for u in range(params.topology[name].size)]
    assert sum(map(len, spikes["E"])) > 500
    edges = params.topology.edges("E->E")
    tau = 20e-3 / DT
    for i, j in ((0, 0), (5, 3), (11, 14)):
        rule = naive.additive(4e-3, 0.01, 0.0105)
        expected, _ = naive.synapse(spikes["pre"][i], spikes["E"][j], 15, 2.5e-3, *rule, tau, tau)
        assert run.parameters["pre->E"][i, j] == pytest.approx(expected, abs=1e-12)
    for s in (0, 20, 50):
        rule = naive.additive(2e-3, 0.03, 0.0105)
        expected, _ = naive.synapse(spikes["E"][edges.pre[s]], spikes["E"][edges.post[s]], 20, 1e-3, *rule, tau, tau)
        assert run.parameters["E->E"][s] == pytest.approx(expected, abs=1e-12)


def test_a_spike_is_sent_with_the_weight_that_it_has_just_changed():
    params = pairs(1, 1, Dense("pre", "post", delay=1e-3))
    rule = STDP(w_max=W_MAX, a_plus=0.2, a_minus=0.3)
    pre, post = {0: [20, 60, 100]}, {0: [45, 75]}
    run = simulate(params, told(pre, post), 20e-3, rules={"pre->post": rule}, record=["voltage"])
    _, sent = naive.synapse([20, 60, 100], [45, 75], 10, W_MAX / 2, *naive.additive(W_MAX, 0.2, 0.3), 200, 200)
    membrane = run["voltage.post"][:, 0]
    for step, weight in zip((30, 70, 110), sent, strict=True):
        assert membrane[step] - membrane[step - 1] * np.exp(-DT / 20e-3) == pytest.approx(weight, rel=1e-9)
    assert len(set(sent)) == 3


@pytest.mark.parametrize(
    ("sign", "rule", "end"),
    [
        *((sign, STDP(w_max=W_MAX, a_plus=0.5, a_minus=0.0), [W_MAX]) for sign in (1, -1)),
        *((sign, STDP(w_max=W_MAX, a_plus=0.0, a_minus=0.5), [0.0]) for sign in (1, -1)),
        (1, STDP(w_max=W_MAX, a_plus=1.0, a_minus=0.0, dependence="multiplicative"), [W_MAX]),
        (1, STDP(w_max=W_MAX, a_plus=0.0, a_minus=1.0, dependence="multiplicative"), [0.0]),
        (-1, InhibitorySTDP(w_max=W_MAX, rate=0.0, eta=1.0), [W_MAX]),
        (-1, InhibitorySTDP(w_max=W_MAX, rate=1000.0, eta=1.0), [0.0, W_MAX]),  # one or other, by who spikes last
    ],
)
def test_weights_stay_within_their_bounds_and_on_their_side_of_zero(sign, rule, end):
    params = pairs(5, 5, Dense("pre", "post", sign=sign), "float32", sign * W_MAX / 2)
    trains = {unit: list(range(3 * unit, 2000, 40)) for unit in range(5)}
    for stop in (0.05, 0.2):
        run = simulate(params, told(trains, trains), stop, rules={"pre->post": rule}, max_rate=np.inf)
        size = sign * run.parameters["pre->post"]
        assert size.min() >= 0
        assert size.max() <= np.float32(W_MAX)
    np.testing.assert_allclose(np.unique(np.round(size / W_MAX, 6)) * W_MAX, end)


def test_inhibitory_plasticity_leads_cells_to_the_rate_asked_for():
    cell = LIF()
    populations = [
        Population("in", 100, "input", "linear", bias=False),
        Population("cells", 20, "output", cell, bias=False),
    ]
    params = Parameters.zeros(Topology(populations, [Dense("in", "cells", sign=-1, tau_synapse=5e-3)]), "float32")
    params["in->cells"] = -1e-4
    rule = InhibitorySTDP(w_max=10e-3, rate=8.0, eta=0.01)
    inputs = {"in": Poisson(20.0), "cells": NoiseCurrent(4e-3, mean=25e-3)}
    run = simulate(params, inputs, 10.0, rules={"in->cells": rule}, random_state=0, record={"rate": ["cells"]})
    rate = run["rate.cells"]
    assert rate[:5000].mean() > 20
    assert rate[60_000:].mean() == pytest.approx(8.0, rel=0.1)


def test_normalised_weights_reach_every_cell_with_the_sum_asked_for():
    edges = Edges([0, 0, 1, 2, 2], [0, 1, 0, 0, 1])
    for projection in (Dense("pre", "post"), OneToOne("pre", "post"), Sparse("pre", "post", edges, sign=-1)):
        sign = projection.sign or 1
        params = pairs(3, 3, projection)
        params["pre->post"] = sign * np.random.default_rng(0).uniform(0.1, 1, params["pre->post"].shape) * W_MAX
        rule = NormaliseWeights(2e-3, period=1e-3)
        early = simulate(params, {}, 0.9e-3, rules={"pre->post": rule})
        np.testing.assert_array_equal(early.parameters.theta, params.theta)
        late = simulate(params, {}, 1e-3, rules={"pre->post": rule})
        sums = naive.matrix(late.parameters, projection).sum(axis=0)
        np.testing.assert_allclose(sums, sign * np.array([2e-3, 2e-3, 2e-3 if projection.sign == 0 else 0]))


def test_bounds_come_before_sums():
    params = pairs(2, 1)
    rules = {"pre->post": [STDP(w_max=W_MAX), NormaliseWeights(10 * W_MAX, period=1e-3)]}
    run = simulate(params, {}, 1e-3, rules=rules)
    np.testing.assert_array_equal(run.parameters["pre->post"], W_MAX)


def test_a_threshold_rises_with_every_spike_and_falls_back():
    rule = AdaptiveThreshold(2e-3, tau=50e-3)
    params = pairs(1, 1)
    run = simulate(params, told({0: []}, {0: [100, 300]}), 0.05, rules={"post": rule})
    expected = 2e-3 * (np.exp(-(500 - 100) * DT / 50e-3) + np.exp(-(500 - 300) * DT / 50e-3))
    assert run.state.threshold_rise[1] == pytest.approx(expected, rel=1e-12)
    blocked = simulate(
        params,
        {"post": SpikeTrain([0] * 3, [1e-3, 2e-3, 3e-3], weight=21e-3)},
        5e-3,
        rules={"post": AdaptiveThreshold(5e-3)},
    )
    np.testing.assert_allclose(blocked["spikes.times"], [1e-3, 3e-3])  # 21 mV, then 21 < 25, then 21 + 21 > 25


def test_three_kinds_of_rule_learn_at_once_and_a_fourth_is_refused():
    names = ["a", "b", "c", "d"]
    populations = [Population(name, 3, "input", "linear", bias=False) for name in names]
    populations.append(Population("post", 3, "output", RELAY, bias=False))
    signs = dict(zip(names, (1, 1, -1, 1), strict=True))
    params = Parameters.zeros(Topology(populations, [Dense(n, "post", sign=signs[n]) for n in names]), "float64")
    for name in names:
        params[f"{name}->post"] = signs[name] * W_MAX / 2
    rules = {
        "a->post": STDP(w_max=W_MAX, a_plus=0.1),
        "b->post": STDP(w_max=W_MAX, a_plus=0.1, dependence="multiplicative"),
        "c->post": InhibitorySTDP(w_max=W_MAX),
        "d->post": STDP(w_max=W_MAX, a_plus=0.2),
    }
    spikes = {0: [10, 50], 1: [30], 2: [40, 90]}
    inputs = told(spikes, {0: [30], 1: [33, 60], 2: [10, 95]})
    inputs = {name: inputs["pre"] for name in names} | {"post": inputs["post"]}
    run = simulate(params, inputs, 0.02, rules=rules)
    alone = {name: simulate(params, inputs, 0.02, rules={name: rule}) for name, rule in rules.items()}
    for name in rules:
        assert np.ptp(run.parameters[name]) > 0
        np.testing.assert_array_equal(run.parameters[name], alone[name].parameters[name])
    with pytest.raises(InvalidInput, match="at most 3 different kinds of spike-timing rule, got 4"):
        simulate(params, inputs, 0.02, rules=rules | {"d->post": Decay(w_max=W_MAX)})


class Decay(SpikeRule):
    """A rule of a user: every presynaptic spike halves the weight."""

    functions = property(lambda self: (halve, leave))
    constants = ()
    traces = (1e-2, 1e-2)


def halve(weight, pre, post, constants):
    return weight / 2


def leave(weight, pre, post, constants):
    return weight


def rise(weight, pre, post, constants):
    return weight + constants[0]


def fall(weight, pre, post, constants):
    return weight - 1.0


def forget(weight, pre, post, constants):
    weight / 2


def misspelt(weight, pre, post, constants):
    return wieght / 2  # noqa: F821


def lost(weight, pre, post, constants):
    return weight + np.nan


def short(weight, pre, post):
    return weight


def rule_of(on_pre=leave, on_post=leave, constants=(), traces=(1e-2, 1e-2), **more):
    members = {"functions": (on_pre, on_post), "constants": constants, "traces": traces, **more}
    return type("Own", (SpikeRule,), members)(w_max=W_MAX)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_no_rule_leads_a_weight_out_of_its_bounds(kind, sign):
    params = pairs(
        3, 3, KINDS[kind](sign, 0.0) if kind != "sparse" else Sparse("pre", "post", Edges([0], [0]), sign=sign)
    )
    params["pre->post"] = sign * W_MAX / 2
    inputs = told({0: [5, 9], 1: [7], 2: [8]}, {0: [12], 1: [3], 2: [30]})
    for functions, end in (({"on_pre": rise}, W_MAX), ({"on_post": rise}, W_MAX), ({"on_post": fall}, 0.0)):
        rule = rule_of(**functions, constants=(1.0,))
        run = simulate(params, inputs, 5e-3, rules={"pre->post": rule}, max_rate=np.inf)
        np.testing.assert_array_equal(np.abs(run.parameters["pre->post"]), end)


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        (
            {"on_post": forget},
            "on_post of Own, the rule of 'pre->post', cannot be compiled: it returns none, not",
        ),
        ({"on_pre": misspelt}, "on_pre of Own, .* cannot be compiled: .*'wieght' is not defined"),
    ],
)
def test_a_function_that_numba_cannot_compile_is_named(functions, message):
    with pytest.raises(InvalidInput, match=message):
        simulate(pairs(1, 1), told({0: [5]}, {0: [9]}), 5e-3, rules={"pre->post": rule_of(**functions)})


def test_a_rule_that_loses_its_numbers_ends_in_an_error():
    params = pairs(1, 1, Dense("pre", "post", delay=4e-3))  # not yet arrived at a membrane
    with pytest.raises(NotFiniteError, match="Own made weights of 'pre->post' that are not finite"):
        simulate(params, told({0: [5]}, {}), 3e-3, rules={"pre->post": rule_of(on_pre=lost)})


def test_a_rule_that_reads_a_constant_that_it_has_not_ends_in_an_error():
    with pytest.raises(NotFiniteError, match="its functions find 0 numbers in `constants`, whose others are NaN"):
        simulate(pairs(1, 1), told({0: [5]}, {0: [9]}), 3e-3, rules={"pre->post": rule_of(on_post=rise)})


@pytest.mark.small
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: type("Bare", (SpikeRule,), {})(w_max=W_MAX),
            r"Bare lacks its functions = \(on_pre, on_post\); help",
        ),
        (
            lambda: rule_of(on_pre=short),
            r"on_pre of Own takes \(weight, pre, post, constants\), got a function of \(weight,",
        ),
        (lambda: rule_of(constants=(1, 2, 3, 4, 5)), "Own.constants holds at most 4 numbers, got 5"),
        (lambda: rule_of(constants=("a",)), "Own.constants must be numbers"),
        (lambda: rule_of(constants=0.1), "Own.constants must be a tuple, got 0.1"),
        (lambda: rule_of(traces=(1e-2,)), r"Own.traces holds two time constants \(s\), .* got 1"),
        (lambda: rule_of(traces=(20, 20)), r"Own.traces must be a number in \(0, 10\], got 20; seconds"),
        (lambda: rule_of(functions=(leave,)), r"Own.functions must be \(on_pre, on_post\), two functions"),
        (
            lambda: rule_of(functions=property(lambda self: (lambda w, x, y, c: w,) * 2)),
            "must be the same two every time",
        ),
        (lambda: rule_of(keep=2.0), r"Own.keep must be a number in \[0, 1\]"),
    ],
)
def test_a_rule_of_ones_own_is_checked_before_anything_is_compiled(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_the_engine_has_room_for_as_many_constants_as_a_rule_may_have():
    assert N_CONSTANTS == MOST_CONSTANTS


def test_a_rule_of_ones_own_is_a_class_with_two_functions():
    run = simulate(pairs(2, 2), told({0: [5, 9]}, {}), 5e-3, rules={"pre->post": Decay(w_max=W_MAX)})
    np.testing.assert_allclose(run.parameters["pre->post"], [[W_MAX / 8] * 2, [W_MAX / 2] * 2])
    assert set(SPIKE_RULES) == {"STDP", "InhibitorySTDP"}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"pre->pots": STDP(w_max=W_MAX)}, r"unknown projection to learn 'pre->pots'; did you mean 'pre->post'\?"),
        ({"pots": AdaptiveThreshold(1e-3)}, "did you mean 'post'"),
        ({"pre": AdaptiveThreshold(1e-3)}, "unknown population with an adaptive threshold 'pre'"),
        ({"pre->post": "stdp"}, "a rule of 'pre->post' is one of STDP, InhibitorySTDP, NormaliseWeights, Adaptive"),
        ([STDP(w_max=W_MAX)], r"rules is \{projection: rule\}, got list"),
        ({"pre->post": [STDP(w_max=W_MAX)] * 2}, "'pre->post' has two rules of the same kind"),
        ({"pre->post": STDP(w_max=W_MAX / 4)}, r"within \[0, 0.00025\] V .*, got 0.0005 .. 0.0005; scale or clip"),
        ({"pre->post": STDP(w_max=0.4)}, r"STDP.w_max=0.4 V on 'pre->post' is 20 times the 0.02 V .*: 0.0004 is 0.4"),
        ({"pre->post": InhibitorySTDP(w_max=W_MAX)}, "learns inhibitory synapses; 'pre->post' has sign=0"),
        ({"pre->post": NormaliseWeights(1.0, period=1.5e-4)}, "NormaliseWeights.period of 0.00015 s is not a multiple"),
    ],
)
def test_rules_that_cannot_be_run_are_refused(rules, message):
    with pytest.raises(InvalidInput, match=message):
        simulate(pairs(2, 2), {}, 1e-3, rules=rules)


def test_a_shared_weight_cannot_learn():
    with pytest.raises(InvalidInput, match="shares one weight between all synapses"):
        simulate(pairs(2, 2, Dense("pre", "post", shared=True)), {}, 1e-3, rules={"pre->post": STDP(w_max=W_MAX)})


@pytest.mark.small
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: STDP(w_max=0.0), r"STDP.w_max must be a number in \(0, 10\], got 0.0; volts"),
        (lambda: STDP(w_max=1e-3, tau_plus=20), r"tau_plus=20 is 20 s; a trace lasts near 0.02"),
        (lambda: STDP(w_max=1e-3, tau_minus=-0.02), r"STDP.tau_minus must be a number in \(0, 10\], got -0.02"),
        (lambda: STDP(w_max=1e-3, a_plus=-1), r"STDP.a_plus must be a number in \[0, 1\], got -1"),
        (lambda: STDP(w_max=1e-3, dependence="add"), "unknown dependence of STDP 'add'; did you mean 'additive'"),
        (lambda: STDP(w_max=1e-3, pairing="near"), "unknown pairing of STDP 'near'; did you mean 'nearest'"),
        (lambda: InhibitorySTDP(w_max=1e-3, rate=-1), "InhibitorySTDP.rate must be"),
        (lambda: NormaliseWeights(-1.0), "NormaliseWeights.total must be"),
        (lambda: NormaliseWeights(0.01, period=100), r"NormaliseWeights.period must be .* got 100; seconds: 0.1"),
        (lambda: AdaptiveThreshold(1.0, tau=100), r"AdaptiveThreshold.increment must be .* got 1.0; volts; near 0.001"),
        (lambda: AdaptiveThreshold(1e-3, tau=0.0), r"AdaptiveThreshold.tau must be a number in \(0, inf\)"),
        (lambda: AdaptiveThreshold(1e-3, tau="long"), "AdaptiveThreshold.tau must be .* or inf: the rise stays"),
        (lambda: STDP(w_max=1e-3, tau_plus="short"), "STDP.tau_plus must be a number in .* got 'short'"),
    ],
)
def test_constants_out_of_range_are_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.small
def test_constants_are_kept_as_plain_numbers_so_that_equal_rules_have_equal_names():
    assert repr(STDP(w_max=np.float64(1e-3), a_plus=0)) == repr(STDP(w_max=1e-3, a_plus=0.0))
    assert repr(InhibitorySTDP(w_max="0.001", rate=np.int64(5))) == repr(InhibitorySTDP(w_max=1e-3))
    assert type(NormaliseWeights(np.float32(2), period=1).period) is float


@pytest.mark.small
def test_a_small_network_learns_the_same_without_the_compiler():
    params = pairs(2, 2, Dense("pre", "post", delay=5e-4))
    rule = STDP(w_max=W_MAX, a_plus=0.1, a_minus=0.1)
    run = simulate(params, told({0: [3, 20], 1: [8]}, {0: [9], 1: [3]}), 4e-3, rules={"pre->post": rule})
    functions = naive.additive(W_MAX, 0.1, 0.1)
    pre, post = [[3, 20], [8]], [[9], [3]]
    expected = [[naive.synapse(a, b, 5, W_MAX / 2, *functions, 200, 200)[0] for b in post] for a in pre]
    np.testing.assert_allclose(run.parameters["pre->post"], expected, rtol=1e-12)
