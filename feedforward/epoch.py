"""Many training steps in one compiled call, by a team of threads.

**Every worker owns units**: a range of the columns of each population, in whole registers. It computes what reaches
them and what they emit, the error of their inputs, and the learning of the weights that end on them, which therefore
stay in its own cache. A step is

    forward, population by population:  z = sum a_pre W (+ bias),  a = f(z), dropped units silent
    the loss, row by row:               dL/dz of the outputs
    backward:                           delta = (sum delta_post W') f'(z)
    update:                             a_pre' delta, a block of rows at a time, straight into the optimiser

with a barrier after each population, and no sum is split between workers: the bits do not depend on their number.

Nothing here is compiled for one network, loss or optimiser: the tables of a `Plan` say what to do, and activations,
losses, optimiser rules and matrix products are called by address (`_jit/dispatch.py`). Rows of all matrices are padded
with zeros to whole registers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.bits import float_of
from bioneuro._jit.dispatch import call
from bioneuro._jit.kernel import kernel
from bioneuro._jit.philox import philox, uniform32
from bioneuro._jit.simd import stored, turned
from bioneuro._jit.team import barrier, enter, share

PAD = 16  # numbers that rows are padded to: a register, and a cache line of float32
BLOCK = 24  # rows of a gradient that are made and used at a time

# columns of `Plan.populations`, one row a population in feedforward order, the input first
(
    SIZE,  # units
    WIDTH,  # the same, padded
    INPUT,  # z in `Plan.space`
    OUTPUT,  # a; the same place where the way back needs no z
    ERROR,  # dL/dz
    EMITTED,  # what other populations see: a, or, in a place of its own, a times the mask
    MASK,  # what dropout multiplies with; -1: no dropout
    BIAS,  # in theta; -1: none
    CONSTANT,  # in theta: the number that each unit of the type has, learnt or not
    LEARNT,  # where its gradient goes in `Plan.space`; -1: it is not learnt
    FORWARD,  # address of a = f(z); 0: a is z, or the loss computes it
    BACKWARD,  # address of delta <- delta f'(z); 0: nothing to do
    FIRST_IN,  # projections that end here: rows FIRST_IN to LAST_IN of `Plan.projections`
    LAST_IN,
    FIRST_OUT,  # projections that begin here: entries FIRST_OUT to LAST_OUT of `Plan.outgoing`
    LAST_OUT,
    BIAS_ARRAY,  # row of `Learning.own`; -1: frozen
    CONSTANT_ARRAY,
) = range(18)
N_POPULATION = 18
PRE, POST, WEIGHTS, ONE_TO_ONE, ARRAY = range(5)  # columns of `Plan.projections`; WEIGHTS in theta, ARRAY as below
N_PROJECTION = 5


class Calls(NamedTuple):
    """Addresses; 0 for what the network has no use for."""

    multiply: int = 0
    multiply_nt: int = 0
    loss: int = 0
    sort: int = 0  # `sort_by_feature`
    multiply_sparse: int = 0
    drop: int = 0
    scale: int = 0
    sum_products: int = 0


class Plan(NamedTuple):
    """What a network computes and where; see the names of the columns above. Made by `feedforward.program`."""

    populations: np.ndarray
    projections: np.ndarray
    outgoing: np.ndarray
    dropout: np.ndarray  # (n_populations, 3) uint64: the two words of the key, and the bits of the share, a float64
    space: np.ndarray  # flat: everything that passes through the network
    calls: Calls


class Columns(NamedTuple):
    """Sparse inputs of one batch: where its rows lie in the data, and its entries by feature, with their rows."""

    row_starts: np.ndarray
    row_ends: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    rows: np.ndarray
    values: np.ndarray


class Data(NamedTuple):
    """The rows to learn from, in `order`; step s takes entries s batch_size to (s + 1) batch_size of it.

    Inputs are dense, in X, or, where X is empty, sparse: row i has entries row_starts[i] to row_starts[i + 1].
    """

    X: np.ndarray
    row_starts: np.ndarray
    features: np.ndarray
    values: np.ndarray
    batch: Columns
    y: np.ndarray
    weights: np.ndarray  # of the rows; empty: all 1
    order: np.ndarray
    batch_size: int
    losses: np.ndarray  # out: of each row, in order


class Learning(NamedTuple):
    """What changes, and how: padded theta and moments, the rule's address, constants of steps and of arrays."""

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    rule: int
    constants: np.ndarray  # (steps, N_CONSTANTS)
    own: np.ndarray  # (arrays, N_OWN)
    scratch: np.ndarray  # (workers, ...) for a block of gradients


@kernel
def train(team, worker, plan, data, learning, first, last, before):
    """Take steps first, ..., last - 1 of the epoch, `before` steps after the beginning of the training."""
    workers = enter(team)
    n_populations = plan.populations.shape[0]
    for step in range(first, last):
        begin = step * data.batch_size
        rows = min(data.batch_size, data.order.shape[0] - begin)
        _gather(plan, data, begin, rows, worker, workers)
        if not barrier(team):
            return
        if plan.populations[0, MASK] >= 0:
            c0, c1 = share(plan.populations[0, WIDTH], worker, workers, PAD)
            call(plan.calls.drop, (plan.populations[0], plan.space, plan.dropout[0], rows, before + step, c0, c1))
            if not barrier(team):
                return
        for p in range(1, n_populations):
            _forward(plan, data, learning, p, rows, before + step, worker, workers)
            if not barrier(team):
                return
        _loss(plan, data, begin, rows, worker, workers)
        if not barrier(team):
            return
        for p in range(n_populations - 1, 0, -1):
            _backward(plan, learning, p, rows, worker, workers)
            if not barrier(team):
                return
        constants = learning.constants[step - first]
        for p in range(1, n_populations):
            _update(plan, data, learning, constants, p, rows, worker, workers)
        if not barrier(team):
            return


@kernel
def _gather(plan, data, begin, rows, worker, workers):
    """Put the batch together: each worker some rows of dense inputs, or some features of sparse ones."""
    if data.X.shape[0] == 0:
        call(plan.calls.sort, (data, begin, rows, worker, workers))
        return
    to = plan.populations[0]
    i0, i1 = share(rows, worker, workers, 1)
    for i in range(i0, i1):
        source = data.X[data.order[begin + i]]
        target = plan.space[to[OUTPUT] + i * to[WIDTH] :][: source.shape[0]]
        for j in range(source.shape[0]):
            target[j] = source[j]


@kernel
def sort_by_feature(data, begin, rows, worker, workers):
    """The entries of the worker's own features, by feature and row; features ascend within a row of the data."""
    batch, room = data.batch, data.batch.rows.shape[0] // workers
    f0, f1 = share(batch.starts.shape[0], worker, workers, 1)
    for f in range(f0, f1):
        batch.ends[f] = 0
    for i in range(rows):
        start, end = data.row_starts[data.order[begin + i]], data.row_starts[data.order[begin + i] + 1]
        if worker == 0:
            batch.row_starts[i], batch.row_ends[i] = start, end
        e = _first_from(data.features, start, end, f0)
        while e < end and data.features[e] < f1:
            batch.ends[data.features[e]] += 1
            e += 1
    place = worker * room
    for f in range(f0, f1):
        count = batch.ends[f]
        batch.starts[f] = batch.ends[f] = place
        place += count
    for i in range(rows):
        start, end = data.row_starts[data.order[begin + i]], data.row_starts[data.order[begin + i] + 1]
        e = _first_from(data.features, start, end, f0)
        while e < end and data.features[e] < f1:
            place = batch.ends[data.features[e]]
            batch.rows[place], batch.values[place] = i, data.values[e]
            batch.ends[data.features[e]] = place + 1
            e += 1
    return 0


@kernel
def _first_from(features, start, end, wanted):
    """Where in the ascending features[start:end] the first that is not below `wanted` stands."""
    while start < end:
        middle = (start + end) // 2
        if features[middle] < wanted:
            start = middle + 1
        else:
            end = middle
    return start


@kernel
def _forward(plan, data, learning, p, rows, step, worker, workers):
    """z and a of the worker's own units."""
    at = plan.populations[p]
    c0, c1 = share(at[WIDTH], worker, workers, PAD)
    if c0 == c1:
        return
    z = stored(plan.space, at[INPUT] + c0, at[WIDTH])
    more = False
    for q in range(at[FIRST_IN], at[LAST_IN]):
        edge = plan.projections[q]
        pre = plan.populations[edge[PRE]]
        if edge[ONE_TO_ONE]:
            x, weights = stored(plan.space, pre[EMITTED] + c0, pre[WIDTH]), learning.theta[edge[WEIGHTS] + c0 :]
            call(plan.calls.scale, (x, weights, z, rows, c1 - c0, more))
        else:
            weights = stored(learning.theta, edge[WEIGHTS] + c0, at[WIDTH])
            if edge[PRE] == 0 and data.X.shape[0] == 0:
                batch = data.batch
                entries = (batch.row_starts, batch.row_ends, data.features, data.values)
                call(plan.calls.multiply_sparse, (*entries, weights, z, rows, c1 - c0, more))
            else:
                x = stored(plan.space, pre[EMITTED], pre[WIDTH])
                call(plan.calls.multiply, (x, weights, z, rows, c1 - c0, pre[SIZE], more))
        more = True
    if at[BIAS] >= 0:
        _add_row(z, learning.theta[at[BIAS] + c0 :], rows, c1 - c0)
    if at[FORWARD]:
        a = stored(plan.space, at[OUTPUT] + c0, at[WIDTH])
        call(at[FORWARD], (z, a, rows, c1 - c0, learning.theta, at[CONSTANT] + c0))
    if at[MASK] >= 0:
        call(plan.calls.drop, (at, plan.space, plan.dropout[p], rows, step, c0, c1))


@kernel
def drop(at, space, how, rows, step, c0, c1):
    """Draw who is silent, as `Backprop` does: the mask is 0 or 1 / (1 - share)."""
    dropped = float_of(how[2])
    living = space.dtype.type(1 / (1 - dropped))
    for i in range(rows):
        mask = space[at[MASK] + i * at[WIDTH] + c0 :][: c1 - c0]
        a = space[at[OUTPUT] + i * at[WIDTH] + c0 :][: c1 - c0]
        emitted = space[at[EMITTED] + i * at[WIDTH] + c0 :][: c1 - c0]
        for j in range(0, mask.shape[0], 4):
            words = philox(np.uint64((c0 + j) // 4), np.uint64(i), np.uint64(step), np.uint64(0), how[0], how[1])
            for lane in range(4):
                mask[j + lane] = living if uniform32(words[lane]) >= np.float32(dropped) else 0
        for j in range(mask.shape[0]):
            emitted[j] = a[j] * mask[j]
    return 0


@kernel
def _loss(plan, data, begin, rows, worker, workers):
    """dL/dz (dL/da, where the loss does not know the unit) of the worker's share of the rows."""
    at = plan.populations[-1]
    i0, i1 = share(rows, worker, workers, 1)
    z, a = stored(plan.space, at[INPUT], at[WIDTH]), stored(plan.space, at[OUTPUT], at[WIDTH])
    delta = stored(plan.space, at[ERROR], at[WIDTH])
    total = np.float64(rows)
    if data.weights.shape[0]:
        total = np.float64(0)
        for i in range(rows):
            total += data.weights[data.order[begin + i]]
    where = data.order[begin : begin + rows]
    losses = data.losses[begin : begin + rows]
    call(plan.calls.loss, (z, a, delta, data.y, where, data.weights, total, i0, i1, losses))


@kernel
def _backward(plan, learning, p, rows, worker, workers):
    """delta of the worker's own units."""
    at = plan.populations[p]
    c0, c1 = share(at[WIDTH], worker, workers, PAD)
    if c0 == c1:
        return
    delta = stored(plan.space, at[ERROR] + c0, at[WIDTH])
    more = p == plan.populations.shape[0] - 1
    for k in range(at[FIRST_OUT], at[LAST_OUT]):
        edge = plan.projections[plan.outgoing[k]]
        post = plan.populations[edge[POST]]
        if edge[ONE_TO_ONE]:
            error, weights = stored(plan.space, post[ERROR] + c0, post[WIDTH]), learning.theta[edge[WEIGHTS] + c0 :]
            call(plan.calls.scale, (error, weights, delta, rows, c1 - c0, more))
        else:
            error = stored(plan.space, post[ERROR], post[WIDTH])
            weights = stored(learning.theta, edge[WEIGHTS] + c0 * post[WIDTH], post[WIDTH])
            call(plan.calls.multiply_nt, (error, weights, delta, rows, min(c1, at[SIZE]) - c0, post[WIDTH], more))
        more = True
    if at[MASK] >= 0:
        for i in range(rows):
            d = plan.space[at[ERROR] + i * at[WIDTH] + c0 :][: c1 - c0]
            mask = plan.space[at[MASK] + i * at[WIDTH] + c0 :][: c1 - c0]
            for j in range(d.shape[0]):
                d[j] *= mask[j]
    if at[BACKWARD]:
        z, a = stored(plan.space, at[INPUT] + c0, at[WIDTH]), stored(plan.space, at[OUTPUT] + c0, at[WIDTH])
        learnt = max(at[LEARNT], 0) + c0
        if at[LEARNT] >= 0:
            for j in range(learnt, learnt + c1 - c0):
                plan.space[j] = 0
        constant = at[CONSTANT] + c0
        call(at[BACKWARD], (delta, z, a, rows, c1 - c0, learning.theta, constant, plan.space, learnt))


@kernel
def _update(plan, data, learning, constants, p, rows, worker, workers):
    """One step of all that ends on the worker's own units."""
    at = plan.populations[p]
    c0, c1 = share(at[WIDTH], worker, workers, PAD)
    columns = c1 - c0
    if columns == 0:
        return
    scratch = learning.scratch[worker]
    delta = stored(plan.space, at[ERROR] + c0, at[WIDTH])
    block = stored(scratch, 0, columns)
    for q in range(at[FIRST_IN], at[LAST_IN]):
        edge = plan.projections[q]
        pre = plan.populations[edge[PRE]]
        if edge[ARRAY] < 0:
            continue
        if edge[ONE_TO_ONE]:
            x = stored(plan.space, pre[EMITTED] + c0, pre[WIDTH])
            call(plan.calls.sum_products, (x, delta, rows, columns, scratch))
            _step(learning, edge[WEIGHTS] + c0, at[WIDTH], 1, columns, constants, edge[ARRAY], scratch, 0)
            continue
        for first in range(0, pre[SIZE], BLOCK):
            count = min(BLOCK, pre[SIZE] - first)
            if edge[PRE] == 0 and data.X.shape[0] == 0:
                batch = data.batch
                entries = (batch.starts[first:], batch.ends[first:], batch.rows, batch.values)
                call(plan.calls.multiply_sparse, (*entries, delta, block, count, columns, False))
            else:
                x = turned(stored(plan.space, pre[EMITTED] + first, pre[WIDTH]))  # units by rows of the batch
                call(plan.calls.multiply, (x, delta, block, count, columns, rows, False))
            place = edge[WEIGHTS] + first * at[WIDTH] + c0
            _step(learning, place, at[WIDTH], count, columns, constants, edge[ARRAY], scratch, 0)
    if at[BIAS] >= 0 and at[BIAS_ARRAY] >= 0:
        _sum_rows(delta, rows, columns, scratch)
        _step(learning, at[BIAS] + c0, at[WIDTH], 1, columns, constants, at[BIAS_ARRAY], scratch, 0)
    if at[LEARNT] >= 0 and at[CONSTANT_ARRAY] >= 0:
        place = at[CONSTANT] + c0
        _step(learning, place, at[WIDTH], 1, columns, constants, at[CONSTANT_ARRAY], plan.space, at[LEARNT] + c0)


@kernel
def _step(learning, place, row, rows, columns, constants, array, gradient, start):
    """Hand a block of gradients, (rows, columns) from `start` on, to the optimiser."""
    moments = (learning.first, learning.second, learning.third)
    block = (place, row, gradient, start, columns, rows, columns)
    call(learning.rule, (learning.theta, *moments, *block, constants, learning.own[array]))


@kernel
def _add_row(z, row, rows, columns):
    for i in range(rows):
        target, source = z.values[z.start + i * z.row :][:columns], row[:columns]
        for j in range(target.shape[0]):
            target[j] += source[j]


@kernel
def scale(x, weights, out, rows, columns, more):
    """out (+)= x w, unit by unit."""
    w = weights[:columns]
    for i in range(rows):
        source, target = x.values[x.start + i * x.row :][:columns], out.values[out.start + i * out.row :][:columns]
        if more:
            for j in range(target.shape[0]):
                target[j] += source[j] * w[j]
        else:
            for j in range(target.shape[0]):
                target[j] = source[j] * w[j]
    return 0


@kernel
def _sum_rows(m, rows, columns, out):
    """out[j] = sum over i of m[i, j]."""
    total = out[:columns]
    for j in range(total.shape[0]):
        total[j] = 0
    for i in range(rows):
        row = m.values[m.start + i * m.row :][:columns]
        for j in range(total.shape[0]):
            total[j] += row[j]


@kernel
def sum_products(x, m, rows, columns, out):
    """out[j] = sum over i of x[i, j] m[i, j]."""
    total = out[:columns]
    for j in range(total.shape[0]):
        total[j] = 0
    for i in range(rows):
        row, source = m.values[m.start + i * m.row :][:columns], x.values[x.start + i * x.row :][:columns]
        for j in range(total.shape[0]):
            total[j] += row[j] * source[j]
    return 0
