"""Kernels of synapses: spikes are put on their way along projections, and plastic synapses learn.

A spike on its way waits in row (n + delay) % n_rows of `arrivals`, a ring; column u < n_units moves the membrane of
unit u at once, later columns feed currents. `Route` and the columns of the table of rules stand here because the disk
cache of compiled code watches this file.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.kernel import Slot, kernel, specialise

DENSE, ONE_TO_ONE, SPARSE = 0, 1, 2
MAX_RULES = 3  # kinds of rule in one network

_TINY = 1e-30  # smaller traces are 0, before they become slow denormals

on_pre = Slot("on_pre(weight, pre, post, constants) -> weight")
on_post = Slot("on_post(weight, pre, post, constants) -> weight")
learn_row = Slot("the kernel that learns at a presynaptic spike")
learn_column = Slot("the kernel that learns at a postsynaptic spike")
learn_first = Slot("the kernel that learns by the first kind of rule")
learn_second = Slot("the kernel that learns by the second kind of rule")
learn_third = Slot("the kernel that learns by the third kind of rule")


class Route(NamedTuple):
    """One projection."""

    kind: int
    shared: bool  # one weight for all synapses
    pre: int  # number of the population
    first_pre: int  # its first unit
    n_pre: int
    post: int
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


class Synapses(NamedTuple):
    """Sparse projections one after the other, by presynaptic unit; plastic ones by postsynaptic unit too."""

    pointers: np.ndarray  # within the projection, (n_pre + 1,) each
    targets: np.ndarray  # units of post, from 0
    incoming_pointers: np.ndarray  # within the projection, (n_post + 1,) each
    incoming: np.ndarray  # (n, 2): synapse within the projection, unit of pre


(KIND, SHARED, PRE, FIRST_PRE, N_PRE, POST, FIRST_POST, N_POST, WEIGHT, COLUMN, DELAY) = range(11)
(POINTER, TARGET, INCOMING_POINTER, INCOMING, RULE, PLASTIC, PRE_TRACE, POST_TRACE) = range(11, len(Route._fields))
SIGN, KEEP, PRE_DECAY, POST_DECAY, W_MAX, CONSTANTS = range(6)  # columns of the table of rules; constants from the last
N_CONSTANTS = 4


def _deliver(n, routes, rules, synapses, weights, counts, fired, bounds, arrivals, history, pre_traces, post_traces):
    """Send the spikes of step `n` along all projections; plastic ones learn.

    routes (projections, Route); rules (plastic projections, CONSTANTS + N_CONSTANTS); weights flat; population p fired
    `fired[bounds[p]:bounds[p + 1]]`, unit u `counts[u]` times; history as `remember` writes it.
    """
    for r in range(routes.shape[0]):
        route = routes[r]
        line = arrivals[(n + route[DELAY]) % arrivals.shape[0]]
        line = line[route[COLUMN] : route[COLUMN] + route[N_POST]]
        spikes = fired[bounds[route[PRE]] : bounds[route[PRE] + 1]]
        if route[RULE] < 0:
            _send(route, synapses.pointers, synapses.targets, weights, spikes, counts, line)
            continue
        slot, post = history[(n - route[DELAY]) % history.shape[0]], bounds.shape[0]
        arrived = slot[post + slot[route[POST]] : post + slot[route[POST] + 1]]
        rule = rules[route[PLASTIC]]
        x = pre_traces[route[PRE_TRACE] : route[PRE_TRACE] + route[N_PRE]]
        y = post_traces[route[POST_TRACE] : route[POST_TRACE] + route[N_POST]]
        if route[RULE] == 0:
            learn_first(route, rule, synapses, weights, spikes, counts, arrived, x, y, line)
        elif route[RULE] == 1:
            learn_second(route, rule, synapses, weights, spikes, counts, arrived, x, y, line)
        else:
            learn_third(route, rule, synapses, weights, spikes, counts, arrived, x, y, line)


@kernel
def remember(n, fired, bounds, history):
    """Keep who fired in step `n`, until the last of these spikes has reached its plastic synapses.

    history : (rows, populations + 1 + units), a ring of `bounds` and `fired`; no rows where nothing learns.
    """
    if history.shape[0] == 0:
        return
    slot, first = history[n % history.shape[0]], bounds.shape[0]
    for p in range(first):
        slot[p] = bounds[p]
    for i in range(bounds[first - 1]):
        slot[first + i] = fired[i]


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


def _learn(route, rule, synapses, weights, spikes, counts, arrived, x, y, line):
    """One step of a plastic projection; x, y : the traces of its two ends.

    Postsynaptic spikes that arrive now meet the presynaptic trace; then presynaptic spikes meet the postsynaptic trace
    and are sent with the weight just learnt; then both traces rise. So spikes that meet at the same instant do not
    see each other, as in NEST.
    """
    sign, keep, w_max = rule[SIGN], rule[KEEP], rule[W_MAX]
    constants = (rule[CONSTANTS], rule[CONSTANTS + 1], rule[CONSTANTS + 2], rule[CONSTANTS + 3])  # stay in registers
    for unit in arrived:
        j = unit - route[FIRST_POST]
        learn_column(j, route, synapses.incoming_pointers, synapses.incoming, weights, x, y[j], sign, w_max, constants)
    for unit in spikes:
        i = unit - route[FIRST_PRE]
        for _ in range(counts[unit]):
            learn_row(i, route, synapses.pointers, synapses.targets, weights, x[i], y, sign, w_max, constants)
            _send_row(i, route, synapses.pointers, synapses.targets, weights, weights.dtype.type(1), line)
    for unit in spikes:
        i = unit - route[FIRST_PRE]
        for _ in range(counts[unit]):
            x[i] = keep * x[i] + 1.0
    for unit in arrived:
        j = unit - route[FIRST_POST]
        y[j] = keep * y[j] + 1.0
    _fade(x, rule[PRE_DECAY])
    _fade(y, rule[POST_DECAY])


@kernel
def _fade(traces, decay):
    """What is left of traces one step later."""
    for i in range(traces.shape[0]):
        trace = traces[i] * decay
        traces[i] = trace if trace > _TINY else 0.0


def _learn_row(i, route, pointers, targets, weights, x, y, sign, w_max, constants):
    """w_ij = on_pre(w_ij, x_i, y_j), held in [0, w_max], for all synapses of the presynaptic unit `i`."""
    kind, first = route[KIND], route[WEIGHT]
    if kind == SPARSE:
        a, b = pointers[route[POINTER] + i], pointers[route[POINTER] + i + 1]
        reached, row = targets[route[TARGET] + a : route[TARGET] + b], weights[first + a : first + b]
        for s in range(row.shape[0]):
            row[s] = sign * min(max(on_pre(sign * row[s], x, y[reached[s]], constants), 0.0), w_max)
    elif kind == DENSE:
        row = weights[first + i * y.shape[0] : first + (i + 1) * y.shape[0]]
        for j in range(row.shape[0]):
            row[j] = sign * min(max(on_pre(sign * row[j], x, y[j], constants), 0.0), w_max)
    else:
        weights[first + i] = sign * min(max(on_pre(sign * weights[first + i], x, y[i], constants), 0.0), w_max)


def _learn_column(j, route, pointers, incoming, weights, x, y, sign, w_max, constants):
    """w_ij = on_post(w_ij, x_i, y_j), held in [0, w_max], for all synapses of the postsynaptic unit `j`."""
    kind, first = route[KIND], route[WEIGHT]
    if kind == SPARSE:
        a, b = pointers[route[INCOMING_POINTER] + j], pointers[route[INCOMING_POINTER] + j + 1]
        for q in range(route[INCOMING] + a, route[INCOMING] + b):
            s, i = first + incoming[q, 0], incoming[q, 1]
            weights[s] = sign * min(max(on_post(sign * weights[s], x[i], y, constants), 0.0), w_max)
    elif kind == DENSE:
        column = weights[first + j : first + x.shape[0] * route[N_POST] : route[N_POST]]
        for i in range(column.shape[0]):
            column[i] = sign * min(max(on_post(sign * column[i], x[i], y, constants), 0.0), w_max)
    else:
        weights[first + j] = sign * min(max(on_post(sign * weights[first + j], x[j], y, constants), 0.0), w_max)


@kernel
def _learn_nothing(route, rule, synapses, weights, spikes, counts, arrived, x, y, line):
    """What an empty slot holds."""


def delivery(kinds):
    """The compiled `_deliver` of a network with these kinds of rule: at most MAX_RULES pairs (on_pre, on_post)."""
    learn = [
        specialise(
            _learn,
            learn_row=specialise(_learn_row, on_pre=pre),
            learn_column=specialise(_learn_column, on_post=post),
        )
        for pre, post in kinds
    ]
    learn += [_learn_nothing] * (MAX_RULES - len(learn))
    return specialise(_deliver, learn_first=learn[0], learn_second=learn[1], learn_third=learn[2])
