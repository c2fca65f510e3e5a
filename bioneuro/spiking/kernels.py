"""Kernels of the spiking engine: many steps of a whole network in one call.

One step, at time n dt: spikes arrive, neurons fire, spikes are sent off (and plastic synapses learn), membranes and
currents move on to (n + 1) dt. Nothing here depends on how a run is cut into calls.

Units are numbered through all populations (`Topology.unit_layout`). A spike on its way waits in row
(n + delay) % n_rows of `arrivals`; column u < n_units moves the membrane of unit u at once, later columns feed
currents. `Group`, `Current`, `Route` and `Source` name the columns of the integer tables that a topology is compiled
into; they stand here because the disk cache of compiled code watches this file.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.kernel import Slot, kernel, specialise
from bioneuro._jit.random import draw_normal, draw_poisson

DENSE, ONE_TO_ONE, SPARSE = 0, 1, 2
DONE, RATE_TOO_HIGH, NOT_FINITE = 0, 1, 2
MAX_RULES = 3  # kinds of rule in one network

_TINY = 1e-30  # smaller numbers are 0, before they become slow denormals

on_pre = Slot("on_pre(weight, pre, post, constants) -> weight")
on_post = Slot("on_post(weight, pre, post, constants) -> weight")
learn_row = Slot("the kernel that learns at a presynaptic spike")
learn_column = Slot("the kernel that learns at a postsynaptic spike")
learn_first = Slot("the kernel that learns by the first kind of rule")
learn_second = Slot("the kernel that learns by the second kind of rule")
learn_third = Slot("the kernel that learns by the third kind of rule")


class Group(NamedTuple):
    """One population: units first .. last-1."""

    first: int
    last: int
    spiking: bool  # neurons; otherwise sources
    recorded: bool
    noisy: bool


class Current(NamedTuple):
    """The current of one (postsynaptic population, tau_synapse > 0): places first .. last-1 of `currents`."""

    first: int
    last: int
    unit: int  # of the first place


class Route(NamedTuple):
    """One projection."""

    kind: int
    shared: bool  # one weight for all synapses
    pre: int  # number of the population
    first_pre: int  # its first unit
    n_pre: int
    first_post: int
    n_post: int
    weight: int  # place of the first weight
    column: int  # of `arrivals`, of the first unit of post
    delay: int  # steps, >= 1
    pointer: int  # place of the first entry in `pointers`
    target: int  # place of the first entry in `targets`
    incoming_pointer: int  # place of the first entry in `incoming_pointers`
    incoming: int  # place of the first entry in `incoming`
    rule: int  # 0 .. MAX_RULES-1, or -1: not plastic
    plastic: int  # row of the table of rules
    pre_trace: int  # place of the first presynaptic trace
    post_trace: int


class Source(NamedTuple):
    """One Poisson input: rates first .. last-1."""

    first: int
    last: int
    column: int  # of `arrivals`, or -1: the units emit spikes
    unit: int


class Synapses(NamedTuple):
    """Sparse projections one after the other, by presynaptic unit; plastic ones by postsynaptic unit too."""

    pointers: np.ndarray  # within the projection, (n_pre + 1,) each
    targets: np.ndarray  # units of post, from 0
    incoming_pointers: np.ndarray  # within the projection, (n_post + 1,) each
    incoming: np.ndarray  # (n, 2): synapse within the projection, unit of pre


class Drive(NamedTuple):
    """What comes from outside during one call."""

    flow: np.ndarray  # V, added to each membrane in one step
    noise: np.ndarray  # V, standard deviation of what is added in one step
    sources: np.ndarray  # (n, Source)
    rows: np.ndarray  # uint64, of the draws of each source
    means: np.ndarray  # spikes a step
    source_weights: np.ndarray
    emitted: np.ndarray  # (n, 2): step, ascending, and unit
    arriving: np.ndarray  # (n, 2): step, ascending, and column
    arriving_weights: np.ndarray


class Neurons(NamedTuple):
    """One entry per unit; entries of sources are not used."""

    decay: np.ndarray  # exp(-dt / tau_m)
    reset: np.ndarray
    threshold: np.ndarray  # inf where the unit is dead
    refractory: np.ndarray  # steps


class Dynamics(NamedTuple):
    """What a run evolves; changed in place."""

    membrane: np.ndarray
    refractory: np.ndarray  # steps left
    threshold_rise: np.ndarray
    currents: np.ndarray
    arrivals: np.ndarray  # (rows, columns)
    history: np.ndarray  # (rows, 1 + units) how many neurons fired, and which, for plastic synapses
    pre_traces: np.ndarray
    post_traces: np.ndarray
    window_counts: np.ndarray  # spikes of each population in this window of the rate guard


class Output(NamedTuple):
    """What one call wrote down."""

    spikes: np.ndarray  # (room, 3): unit, step, number of spikes
    counts: np.ndarray  # (steps, populations)
    watched: np.ndarray  # units whose voltage is recorded
    voltage: np.ndarray  # (steps, watched)


class Scratch(NamedTuple):
    """Room for one step."""

    counts: np.ndarray  # (units,) spikes of each unit in this step; 0 between steps
    fired: np.ndarray  # (units,) who fired
    bounds: np.ndarray  # (populations + 1,) where a population's part of `fired` begins
    draws: np.ndarray  # (units,)
    flow: np.ndarray  # (units,)


FIRST, LAST, SPIKING, RECORDED, NOISY = range(len(Group._fields))
UNIT = Current._fields.index("unit")
SOURCE_COLUMN, SOURCE_UNIT = Source._fields.index("column"), Source._fields.index("unit")
(KIND, SHARED, PRE, FIRST_PRE, N_PRE, FIRST_POST, N_POST, WEIGHT, COLUMN, DELAY) = range(10)
(POINTER, TARGET, INCOMING_POINTER, INCOMING, RULE, PLASTIC, PRE_TRACE, POST_TRACE) = range(10, len(Route._fields))
RISE, RISE_DECAY, MOST_SPIKES = range(3)  # columns of `limits`, one row per population
SIGN, KEEP, PRE_DECAY, POST_DECAY, CONSTANTS = range(5)  # columns of the table of rules; constants from the last on
N_CONSTANTS = 4


def _run_steps(
    first_step,
    n_steps,
    window,
    key,
    groups,
    limits,
    neurons,
    currents,
    current_decays,
    current_gains,
    routes,
    rules,
    synapses,
    weights,
    drive,
    dynamics,
    output,
    scratch,
):
    """Run up to `n_steps`, fewer when the room for spikes runs short; returns (steps, recorded spikes, status).

    groups (populations, Group) and limits (populations, 3); currents (n, Current); routes (projections, Route); rules
    (plastic projections, 4 + N_CONSTANTS); key (2,) uint64; weights flat.
    """
    counts, fired, bounds, arrivals = scratch.counts, scratch.fired, scratch.bounds, dynamics.arrivals
    n_units = counts.shape[0]
    n_recorded = emitted = arriving = first_step - first_step  # a literal would be a type of its own
    for k in range(n_steps):
        if n_recorded + n_units > output.spikes.shape[0]:
            return k, n_recorded, DONE
        n = first_step + k
        row = arrivals[n % arrivals.shape[0]]
        emitted = _emit(n, emitted, drive.emitted, counts)
        arriving = _inject(n, arriving, drive.arriving, drive.arriving_weights, row)
        _poisson(n, key, drive.sources, drive.rows, drive.means, drive.source_weights, counts, row, scratch.draws)
        _receive(dynamics.currents, row[n_units:])
        for p in range(groups.shape[0]):
            if groups[p, SPIKING]:
                a, b = groups[p, FIRST], groups[p, LAST]
                membrane, refractory = dynamics.membrane[a:b], dynamics.refractory[a:b]
                _arrive(membrane, refractory, row[a:b])
                threshold, rise = neurons.threshold[a:b], dynamics.threshold_rise[a:b]
                _fire(membrane, refractory, threshold, rise, neurons.reset[a:b], neurons.refractory[a:b], counts[a:b])
        n_recorded = _collect(n, n_recorded, groups, counts, fired, bounds, output.counts[k], output.spikes)
        _remember(n, groups, fired, bounds, dynamics.history)
        for r in range(routes.shape[0]):
            route = routes[r]
            line = arrivals[(n + route[DELAY]) % arrivals.shape[0]]
            line = line[route[COLUMN] : route[COLUMN] + route[N_POST]]
            spikes = fired[bounds[route[PRE]] : bounds[route[PRE] + 1]]
            if route[RULE] < 0:
                _send(route, synapses.pointers, synapses.targets, weights, spikes, counts, line)
            elif route[RULE] == 0:
                learn_first(n, route, rules, synapses, weights, spikes, counts, dynamics, line)
            elif route[RULE] == 1:
                learn_second(n, route, rules, synapses, weights, spikes, counts, dynamics, line)
            else:
                learn_third(n, route, rules, synapses, weights, spikes, counts, dynamics, line)
        for i in range(output.watched.shape[0]):
            output.voltage[k, i] = dynamics.membrane[output.watched[i]]

        flow = scratch.flow
        for i in range(n_units):
            flow[i] = drive.flow[i]
        for c in range(currents.shape[0]):
            a, b, unit = currents[c, FIRST], currents[c, LAST], currents[c, UNIT]
            _flow_from(dynamics.currents[a:b], current_gains[a:b], current_decays[c], flow[unit : unit + b - a])
        for p in range(groups.shape[0]):
            a, b = groups[p, FIRST], groups[p, LAST]
            if groups[p, NOISY]:
                _add_noise(n, key, p, drive.noise[a:b], scratch.draws[: b - a], flow[a:b])
            if groups[p, SPIKING]:
                _leak(dynamics.membrane[a:b], dynamics.refractory[a:b], neurons.decay[a:b], flow[a:b])
            if limits[p, RISE] > 0:
                _adapt(dynamics.threshold_rise[a:b], counts[a:b], limits[p, RISE], limits[p, RISE_DECAY])
            for i in range(bounds[p], bounds[p + 1]):
                counts[fired[i]] = 0
            dynamics.window_counts[p] += output.counts[k, p]
        if (n + 1) % window == 0:
            status = _check(groups, limits, dynamics.window_counts, dynamics.membrane)
            if status != DONE:
                return k + 1, n_recorded, status
    return n_steps, n_recorded, DONE


@kernel
def _emit(n, place, events, counts):
    """Spikes given to sources for this step; returns the place of the next one."""
    while place < events.shape[0] and events[place, 0] == n:
        counts[events[place, 1]] += 1
        place += 1
    return place


@kernel
def _inject(n, place, events, weights, row):
    """Spikes given to neurons for this step; returns the place of the next one."""
    while place < events.shape[0] and events[place, 0] == n:
        row[events[place, 1]] += weights[place]
        place += 1
    return place


@kernel
def _poisson(n, key, sources, rows, means, weights, counts, row, draws):
    """Poisson spikes of this step, emitted by sources or arriving at neurons."""
    for p in range(sources.shape[0]):
        a, b = sources[p, FIRST], sources[p, LAST]
        line = draws[: b - a]
        draw_poisson(key, rows[p : p + 1], np.uint64(n), means[a:b].reshape((1, b - a)), line.reshape((1, b - a)))
        if sources[p, SOURCE_COLUMN] < 0:
            emitted = counts[sources[p, SOURCE_UNIT] : sources[p, SOURCE_UNIT] + b - a]
            for i in range(emitted.shape[0]):
                emitted[i] += np.int32(line[i])
        else:
            arriving = row[sources[p, SOURCE_COLUMN] : sources[p, SOURCE_COLUMN] + b - a]
            for i in range(arriving.shape[0]):
                arriving[i] += weights[p] * line[i]


@kernel
def _receive(currents, arriving):
    """I += what arrives."""
    for i in range(currents.shape[0]):
        currents[i] += arriving[i]
        arriving[i] = 0


@kernel
def _arrive(membrane, refractory, arriving):
    """V += what arrives, unless the neuron is refractory: then it is lost, and one step of the wait is over."""
    for i in range(membrane.shape[0]):
        waits = refractory[i] > 0
        membrane[i] += arriving.dtype.type(0) if waits else arriving[i]
        refractory[i] -= 1 if waits else 0
        arriving[i] = 0


@kernel
def _fire(membrane, refractory, threshold, rise, reset, wait, counts):
    """Where V >= threshold: a spike, V = reset, and the wait begins."""
    for i in range(membrane.shape[0]):
        spikes = membrane[i] >= threshold[i] + rise[i]
        counts[i] = 1 if spikes else 0
        membrane[i] = reset[i] if spikes else membrane[i]
        refractory[i] = wait[i] if spikes else refractory[i]


@kernel
def _collect(n, n_recorded, groups, counts, fired, bounds, totals, spikes):
    """List who fired, population by population; returns the number of entries recorded so far."""
    place = 0
    for p in range(groups.shape[0]):
        total = 0
        for unit in range(groups[p, FIRST], groups[p, LAST]):
            if counts[unit] > 0:
                fired[place] = unit
                place += 1
                total += counts[unit]
                if groups[p, RECORDED]:
                    spikes[n_recorded, 0] = unit
                    spikes[n_recorded, 1] = n
                    spikes[n_recorded, 2] = counts[unit]
                    n_recorded += 1
        bounds[p + 1] = place
        totals[p] = total
    return n_recorded


@kernel
def _remember(n, groups, fired, bounds, history):
    """Keep the list of neurons that fired until their spikes have reached the plastic synapses."""
    if history.shape[0] == 0:
        return
    slot, place = history[n % history.shape[0]], 0
    for p in range(groups.shape[0]):
        if groups[p, SPIKING]:
            for i in range(bounds[p], bounds[p + 1]):
                place += 1
                slot[place] = fired[i]
    slot[0] = place


@kernel
def _send(route, pointers, targets, weights, spikes, counts, line):
    """Put the spikes of this step on their way along one projection."""
    for unit in spikes:
        _send_row(unit - route[FIRST_PRE], route, pointers, targets, weights, weights.dtype.type(counts[unit]), line)


@kernel
def _send_row(i, route, pointers, targets, weights, count, line):
    """line_j += count w_ij for the synapses of the presynaptic unit `i`."""
    kind, first = route[KIND], route[WEIGHT]
    if kind == SPARSE:
        a, b = pointers[route[POINTER] + i], pointers[route[POINTER] + i + 1]
        reached = targets[route[TARGET] + a : route[TARGET] + b]
        if route[SHARED]:
            _scatter_shared(reached, count * weights[first], line)
        else:
            _scatter(reached, weights[first + a : first + b], count, line)
    elif kind == DENSE and not route[SHARED]:
        row = weights[first + i * route[N_POST] : first + (i + 1) * route[N_POST]]
        for j in range(line.shape[0]):
            line[j] += count * row[j]
    elif kind == DENSE:
        for j in range(line.shape[0]):
            line[j] += count * weights[first]
    else:
        line[i] += count * weights[first if route[SHARED] else first + i]


@kernel
def _scatter(targets, row, count, line):
    for s in range(targets.shape[0]):
        line[targets[s]] += count * row[s]


@kernel
def _scatter_shared(targets, step, line):
    for target in targets:
        line[target] += step


@kernel
def _flow_from(currents, gain, decay, flow):
    """flow += gain I, and I decays."""
    tiny = currents.dtype.type(_TINY)
    for i in range(currents.shape[0]):
        current = currents[i]
        flow[i] += gain[i] * current
        current *= decay
        currents[i] = current if abs(current) > tiny else currents.dtype.type(0)


@kernel
def _add_noise(n, key, p, noise, draws, flow):
    rows = np.empty(1, np.uint64)
    rows[0] = np.uint64(p)
    draw_normal(key, rows, np.uint64(n), draws.reshape((1, draws.shape[0])))
    for i in range(flow.shape[0]):
        flow[i] += noise[i] * draws[i]


@kernel
def _leak(membrane, refractory, decay, flow):
    """V = decay V + flow, unless the neuron is refractory."""
    tiny = membrane.dtype.type(_TINY)
    for i in range(membrane.shape[0]):
        v = decay[i] * membrane[i] + flow[i]
        v = v if abs(v) > tiny else membrane.dtype.type(0)
        membrane[i] = v if refractory[i] == 0 else membrane[i]


@kernel
def _adapt(rise, counts, step, decay):
    for i in range(rise.shape[0]):
        rise[i] = (rise[i] + step * counts[i]) * decay


@kernel
def _check(groups, limits, window_counts, membrane):
    """Close a window of the guard: is any population too fast, any number no longer finite?"""
    status = DONE
    for i in range(membrane.shape[0]):
        if not np.isfinite(membrane[i]):
            status = NOT_FINITE
    for p in range(groups.shape[0]):
        if groups[p, SPIKING] and window_counts[p] > limits[p, MOST_SPIKES]:
            status = RATE_TOO_HIGH
    if status == DONE:
        for p in range(groups.shape[0]):
            window_counts[p] = 0
    return status


def _learn(n, route, rules, synapses, weights, spikes, counts, dynamics, line):
    """One step of a plastic projection.

    Postsynaptic spikes that arrive now meet the presynaptic trace; then presynaptic spikes meet the postsynaptic trace
    and are sent with the weight just learnt; then both traces rise. So spikes that meet at the same instant do not
    see each other, as in NEST.
    """
    x = dynamics.pre_traces[route[PRE_TRACE] : route[PRE_TRACE] + route[N_PRE]]
    y = dynamics.post_traces[route[POST_TRACE] : route[POST_TRACE] + route[N_POST]]
    rule = rules[route[PLASTIC]]
    sign, keep = rule[SIGN], rule[KEEP]
    constants = (rule[CONSTANTS], rule[CONSTANTS + 1], rule[CONSTANTS + 2], rule[CONSTANTS + 3])  # stay in registers
    slot = dynamics.history[(n - route[DELAY]) % dynamics.history.shape[0]]
    arrived = slot[1 : 1 + slot[0]]

    for unit in arrived:
        j = unit - route[FIRST_POST]
        if 0 <= j < y.shape[0]:
            learn_column(j, route, synapses.incoming_pointers, synapses.incoming, weights, x, y[j], sign, constants)
    for unit in spikes:
        i = unit - route[FIRST_PRE]
        for _ in range(counts[unit]):
            learn_row(i, route, synapses.pointers, synapses.targets, weights, x[i], y, sign, constants)
            _send_row(i, route, synapses.pointers, synapses.targets, weights, weights.dtype.type(1), line)
    for unit in spikes:
        i = unit - route[FIRST_PRE]
        for _ in range(counts[unit]):
            x[i] = keep * x[i] + 1.0
    for unit in arrived:
        j = unit - route[FIRST_POST]
        if 0 <= j < y.shape[0]:
            y[j] = keep * y[j] + 1.0
    _fade(x, rule[PRE_DECAY])
    _fade(y, rule[POST_DECAY])


@kernel
def _fade(traces, decay):
    for i in range(traces.shape[0]):
        trace = traces[i] * decay
        traces[i] = trace if trace > _TINY else 0.0


def _learn_row(i, route, pointers, targets, weights, x, y, sign, constants):
    """w_ij = on_pre(w_ij, x_i, y_j) for all synapses of the presynaptic unit `i`."""
    kind, first = route[KIND], route[WEIGHT]
    if kind == SPARSE:
        a, b = pointers[route[POINTER] + i], pointers[route[POINTER] + i + 1]
        reached, row = targets[route[TARGET] + a : route[TARGET] + b], weights[first + a : first + b]
        for s in range(row.shape[0]):
            row[s] = sign * on_pre(sign * row[s], x, y[reached[s]], constants)
    elif kind == DENSE:
        row = weights[first + i * y.shape[0] : first + (i + 1) * y.shape[0]]
        for j in range(row.shape[0]):
            row[j] = sign * on_pre(sign * row[j], x, y[j], constants)
    else:
        weights[first + i] = sign * on_pre(sign * weights[first + i], x, y[i], constants)


def _learn_column(j, route, pointers, incoming, weights, x, y, sign, constants):
    """w_ij = on_post(w_ij, x_i, y_j) for all synapses of the postsynaptic unit `j`."""
    kind, first = route[KIND], route[WEIGHT]
    if kind == SPARSE:
        a, b = pointers[route[INCOMING_POINTER] + j], pointers[route[INCOMING_POINTER] + j + 1]
        for q in range(route[INCOMING] + a, route[INCOMING] + b):
            s, i = first + incoming[q, 0], incoming[q, 1]
            weights[s] = sign * on_post(sign * weights[s], x[i], y, constants)
    elif kind == DENSE:
        column = weights[first + j : first + x.shape[0] * route[N_POST] : route[N_POST]]
        for i in range(column.shape[0]):
            column[i] = sign * on_post(sign * column[i], x[i], y, constants)
    else:
        weights[first + j] = sign * on_post(sign * weights[first + j], x[j], y, constants)


@kernel
def _learn_nothing(n, route, rules, synapses, weights, spikes, counts, dynamics, line):
    """What an empty slot holds."""


def step_kernel(kinds):
    """The compiled `_run_steps` of a network with these kinds of rule: at most MAX_RULES pairs (on_pre, on_post)."""
    learn = [
        specialise(
            _learn,
            learn_row=specialise(_learn_row, on_pre=pre),
            learn_column=specialise(_learn_column, on_post=post),
        )
        for pre, post in kinds
    ]
    learn += [_learn_nothing] * (MAX_RULES - len(learn))
    return specialise(_run_steps, learn_first=learn[0], learn_second=learn[1], learn_third=learn[2])
