"""Many training steps in one compiled call, by a team of threads.

**Every worker owns units**: some columns of each population, in whole panels of 64. It computes what reaches them and
what they emit, the error of their inputs, and the learning of the weights that end on them, which therefore stay in its
own cache. Weights are stored panel by panel, each with contiguous rows: what one worker writes lies together, or the
processor, which fetches ahead, would pull at the other's cache at the end of every row. A step is

    forward, population by population:  z = sum a_pre W, normalised or not, + bias;  a = f(z), dropped units silent
    the loss, row by row:               dL/dz of the outputs
    backward:                           delta = (sum delta_post W') f'(z), back through the normalisation
    update:                             a_pre' delta, a block of rows at a time, straight into the optimiser

with a barrier after each population, and no sum is split between workers: the bits do not depend on their number.

Nothing here is compiled for one network, loss or optimiser: the tables of a `Plan` say what to do, and what is done to
numbers is done by kernels called by address (`_jit/dispatch.py`). Rows of all matrices are padded with zeros to whole
registers. `feedforward.tables` describes the tables, `feedforward.layout` makes them, `feedforward.program` runs the
steps.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.borrow import borrowed
from bioneuro._jit.dispatch import call
from bioneuro._jit.kernel import kernel, scalar
from bioneuro._jit.matrix import part, stored, turned
from bioneuro._jit.simd import PANEL
from bioneuro._jit.team import barrier, enter, share, team_of_one
from feedforward.deferred import block_of
from feedforward.products import multiply, multiply_turned
from feedforward.tables import (
    ARRAY_OWN,
    ARRIVED,
    BACKWARD,
    BATCH,
    BIAS,
    BIAS_GRADIENT,
    BLOCK,
    CONSTANT,
    CONSTANT_GRADIENT,
    DEFERRED,
    DROPOUT,
    EMITTED,
    EPSILON,
    ERROR,
    FIRST_ARRAY,
    FIRST_IN,
    FIRST_OUT,
    FLIPPED,
    FORWARD,
    GRADIENT,
    GRADIENTS,
    INPUT,
    LAST_ARRAY,
    LAST_IN,
    LAST_OUT,
    MASK,
    MASKED,
    MOMENTUM,
    NEXT,
    NOISE,
    ONE_TO_ONE,
    OUTPUT,
    OWN,
    PAD,
    PLACE,
    POST,
    PRE,
    ROW,
    SIZE,
    TURNED,
    WEIGHTS,
    WIDTH,
    ZEROS,
    Columns,
    Data,
    Deferred,
    Learning,
    Plan,
    Whole,
    panel,
)

_FIRST = np.int64(0)  # a literal would be compiled once more


@kernel
def train(team, worker, plan, data, learning, first, last, before):
    """Take steps first, ..., last - 1 of `data`, which begin `before` steps after the beginning of the training."""
    workers = enter(team)
    _steps(team, worker, workers, borrowed(plan), borrowed(data), borrowed(learning), first, last, before)


@kernel
def train_members(team, worker, plan, data, learning, members, first, last, before):
    """The same for many networks, each trained by one worker alone; what they do not share is in `members`."""
    workers, alone = enter(team), team_of_one()
    plan, data, learning, members = borrowed(plan), borrowed(data), borrowed(learning), borrowed(members)
    begin, end = share(members.theta.shape[0], worker, workers, 1)
    for m in range(begin, end):
        own_plan = Plan(
            plan.populations,
            plan.projections,
            plan.outgoing,
            plan.arrays,
            plan.numbers,
            members.keys[m],
            members.spaces[worker],
            plan.calls,
        )
        batch = Columns(members.batch.starts[worker], members.batch.rows[worker], members.batch.values[worker])
        own_data = Data(
            data.X,
            members.row_starts[m],
            members.row_ends[m],
            data.features,
            data.values,
            batch,
            data.y,
            data.weights,
            data.weight_of_row,
            members.orders[m],
            data.begins,
            members.losses[m],
        )
        moments = (members.first[m], members.second[m], members.third[m])
        scratch, whole = members.scratch[worker], learning.whole
        gradient = (members.gradients[worker], members.squares[worker])
        own_whole = Whole(whole.penalise, whole.limit, *gradient, whole.places, whole.own)
        deferred = Deferred(learning.deferred.every, learning.deferred.epoch, members.rooms[worker])
        rest = (learning.rule, learning.constants, learning.own, scratch, own_whole, deferred)
        own_learning = Learning(members.theta[m], *moments, *rest)
        _steps(alone, 0, 1, borrowed(own_plan), borrowed(own_data), borrowed(own_learning), first, last, before)


@kernel
def _steps(team, worker, workers, plan, data, learning, first, last, before):
    n_populations = plan.populations.shape[0]
    for step in range(first, last):
        begin = data.begins[step]
        rows, done = data.begins[step + 1] - begin, np.int64(0)
        if learning.deferred.every:
            start, end = block_of(learning.deferred, step, first, last)
            done, of_block = begin - data.begins[start], data.begins[end] - data.begins[start]
            if step == start:
                call(plan.calls.look_ahead, (plan, data, learning, begin, of_block, worker, workers))
        else:
            _gather(plan, data, begin, rows, before + step, worker, workers)
            # sparse entries are sorted by each worker for itself, for the update; forward, rows are read as they are
            if data.X.shape[0] > 0 and not barrier(team):
                return
        for p in range(0 if plan.populations[0, MASK] >= 0 else 1, n_populations):
            _forward(plan, data, learning, begin, p, rows, done, before + step, worker, workers)
            if not (_by_rows(plan, p) or barrier(team)):
                return
        _loss(plan, data, begin, rows, worker, workers)
        if not barrier(team):
            return
        for p in range(n_populations - 1, 0, -1):
            if _backward(plan, learning, p, rows, worker, workers) and not barrier(team):
                return
        constants = learning.constants[step - first]
        for p in range(1, n_populations):
            _update(plan, data, learning, constants, p, rows, done, worker, workers)
        if learning.deferred.every and step + 1 == end:
            call(plan.calls.write_down, (plan, learning, of_block, worker, workers))
        if not barrier(team):
            return
        if plan.calls.measure:
            call(plan.calls.measure, (learning, worker, workers))
            if not barrier(team):
                return
            call(plan.calls.bounded_step, (learning, constants, worker, workers))
            if not barrier(team):
                return
        if plan.calls.shorten:
            for p in range(1, n_populations):
                call(plan.calls.shorten, (plan, learning, p, worker, workers))
            if not barrier(team):
                return


@kernel
def _gather(plan, data, begin, rows, step, worker, workers):
    """Put the batch together: each worker some rows of dense inputs, or all entries of sparse ones for itself."""
    at = plan.populations[0]
    x = stored(plan.space, at[OUTPUT], at[ROW])
    call(plan.calls.gather, (data, x, begin, rows, worker, workers))
    if plan.calls.disturb:
        keys, numbers = plan.keys[0], plan.numbers[0]
        how = (keys[1], keys[2], numbers[NOISE], numbers[FLIPPED], numbers[MASKED])
        call(plan.calls.disturb, (x, *how, rows, at[SIZE], step, worker, workers))


@kernel
def _forward(plan, data, learning, begin, p, rows, done, step, worker, workers):
    """z, a, and what is emitted, of the worker's own units, or of all units in its own rows; nothing reaches inputs."""
    at = plan.populations[p]
    c0, c1 = share(at[WIDTH], worker, workers, PANEL)
    i0, i1 = np.int64(0), rows
    if _by_rows(plan, p):
        c0, c1 = np.int64(0), at[WIDTH]
        i0, i1 = share(rows, worker, workers, 1)
    columns, rows, begin = c1 - c0, i1 - i0, begin + i0
    if columns == 0 or rows == 0:
        return
    first = i0 * at[ROW] + c0
    z = stored(plan.space, at[ARRIVED] + first, at[ROW])
    more = False
    for q in range(at[FIRST_IN], at[LAST_IN]):
        edge = plan.projections[q]
        pre = plan.populations[edge[PRE]]
        if edge[DEFERRED] >= 0:
            call(plan.calls.catch_up, (plan, learning, q, z, done, rows, more, c0, columns, worker))
        elif edge[ONE_TO_ONE]:
            x = stored(plan.space, pre[EMITTED] + i0 * pre[ROW] + c0, pre[ROW])
            call(plan.calls.scale, (x, learning.theta[edge[WEIGHTS] + c0 :], z, rows, columns, more))
        elif edge[TURNED]:
            call(plan.calls.forward_tied, (plan, learning, q, z, i0, rows, more, c0, c1, worker))
        elif edge[PRE] == 0 and data.X.shape[0] == 0:
            entries = (data.row_starts[begin:], data.row_ends[begin:], data.features, data.values)
            for c in range(c0, c1, PANEL):
                weights, to = panel(learning.theta, edge, pre[SIZE], at[WIDTH], c), part(z, 0, c - c0)
                call(plan.calls.multiply_sparse, (*entries, weights, to, rows, weights.row, more))
        else:
            x = stored(plan.space, pre[EMITTED] + i0 * pre[ROW], pre[ROW])
            multiply(plan, learning, edge, x, pre, z, at, c0, c1, rows, more)
        more = True
    if at[BATCH] >= 0:
        arrived, z = z, stored(plan.space, at[INPUT] + c0, at[ROW])
        own, batch = stored(learning.theta, at[BIAS] + c0, at[WIDTH]), stored(plan.space, at[BATCH] + c0, at[WIDTH])
        call(plan.calls.normalise, (arrived, z, own, batch, rows, columns, plan.numbers[p, EPSILON]))
        call(plan.calls.follow, (own, batch, columns, plan.numbers[p, MOMENTUM]))
    elif at[BIAS] >= 0:
        call(plan.calls.add_row, (z, learning.theta[at[BIAS] + c0 :], rows, columns))
    if at[FORWARD]:
        a = stored(plan.space, at[OUTPUT] + first, at[ROW])
        call(at[FORWARD], (z, a, rows, columns, learning.theta, at[CONSTANT] + c0))
    if at[MASK] >= 0:
        a, mask = stored(plan.space, at[OUTPUT] + c0, at[ROW]), stored(plan.space, at[MASK] + c0, at[ROW])
        emitted = stored(plan.space, at[EMITTED] + c0, at[ROW])
        call(plan.calls.drop, (a, mask, emitted, plan.keys[p, 0], plan.numbers[p, DROPOUT], rows, columns, c0, step))


@scalar
def _by_rows(plan, p):
    """Whether workers share the rows of this population: outputs in one panel, as their losses go by rows too."""
    at = plan.populations[p]
    return p == plan.populations.shape[0] - 1 and at[WIDTH] <= PANEL and at[MASK] < 0 and at[BATCH] < 0


@kernel
def _loss(plan, data, begin, rows, worker, workers):
    """dL/dz (dL/da, where the loss does not know the unit) of the worker's share of the rows."""
    at = plan.populations[-1]
    i0, i1 = share(rows, worker, workers, 1)
    if i0 == i1:
        return
    z, a = stored(plan.space, at[INPUT], at[ROW]), stored(plan.space, at[OUTPUT], at[ROW])
    delta = stored(plan.space, at[ERROR], at[ROW])
    total = np.float64(rows)
    if data.weight_of_row > 0:
        total *= data.weight_of_row
    elif data.weights.shape[0]:
        total = np.float64(0)
        for i in range(rows):
            total += data.weights[data.order[begin + i]]
    where = data.order[begin : begin + rows]
    losses = data.losses[begin : begin + rows]
    call(plan.calls.loss, (z, a, delta, data.y, where, data.weights, total, i0, i1, losses))


@scalar
def _by_one(plan, p, rows):
    """Whether one worker does all for this population, which sends to the outputs alone: their weights, few, then stay
    in its cache, where more time would be lost by sending them to and fro than one row of errors takes."""
    at, n_last = plan.populations[p], plan.populations.shape[0] - 1
    if rows > 1 or p == 0 or p == n_last or not _by_rows(plan, n_last):
        return False
    alone = True
    for k in range(at[FIRST_OUT], at[LAST_OUT]):
        alone = alone and plan.projections[plan.outgoing[k], POST] == n_last
    return alone


@kernel
def _backward(plan, learning, p, rows, worker, workers):
    """delta of the worker's own units; whether there is anything to do for anybody: not where the loss gave it."""
    at = plan.populations[p]
    if p == plan.populations.shape[0] - 1 and at[MASK] < 0 and at[BATCH] < 0 and not at[BACKWARD]:
        return False
    c0, c1 = share(at[WIDTH], worker, workers, PANEL)
    if _by_one(plan, p, rows):
        c0, c1 = np.int64(0), at[WIDTH] if worker == workers - 1 else np.int64(0)
    columns = c1 - c0
    if columns == 0:
        return True
    delta = stored(plan.space, at[ERROR] + c0, at[ROW])
    more = p == plan.populations.shape[0] - 1
    for k in range(at[FIRST_OUT], at[LAST_OUT]):
        edge = plan.projections[plan.outgoing[k]]
        post = plan.populations[edge[POST]]
        if edge[ONE_TO_ONE]:
            error, weights = stored(plan.space, post[ERROR] + c0, post[ROW]), learning.theta[edge[WEIGHTS] + c0 :]
            call(plan.calls.scale, (error, weights, delta, rows, columns, more))
        elif edge[TURNED]:
            call(plan.calls.backward_tied, (plan, learning, plan.outgoing[k], delta, rows, more, c0, c1))
        else:
            error = stored(plan.space, post[ERROR], post[ROW])
            multiply_turned(plan, learning, edge, error, post, delta, at, c0, c1, rows, more, worker)
        more = True
    if at[MASK] >= 0:
        call(plan.calls.multiply_entries, (delta, stored(plan.space, at[MASK] + c0, at[ROW]), rows, columns))
    if at[BACKWARD]:
        z, a = stored(plan.space, at[INPUT] + c0, at[ROW]), stored(plan.space, at[OUTPUT] + c0, at[ROW])
        learnt = max(at[CONSTANT_GRADIENT], 0) + c0
        if at[CONSTANT_GRADIENT] >= 0:
            for j in range(learnt, learnt + columns):
                plan.space[j] = 0
        constant = at[CONSTANT] + c0
        call(at[BACKWARD], (delta, z, a, rows, columns, learning.theta, constant, plan.space, learnt))
    if at[BATCH] >= 0:
        z_hat, batch = stored(plan.space, at[ARRIVED] + c0, at[ROW]), stored(plan.space, at[BATCH] + c0, at[WIDTH])
        own = stored(learning.theta, at[BIAS] + c0, at[WIDTH])
        call(plan.calls.normalise_back, (delta, z_hat, own, batch, rows, columns))
    return True


@kernel
def _update(plan, data, learning, constants, p, rows, done, worker, workers):
    """One step of all that ends on the worker's own units; where there is only one panel, workers share its rows."""
    at = plan.populations[p]
    c0, c1 = share(at[WIDTH], worker, workers, PANEL)
    columns = c1 - c0
    scratch = learning.scratch[worker]
    delta = stored(plan.space, at[ERROR] + c0, at[ROW])
    for q in range(at[FIRST_IN], at[LAST_IN]):
        edge = plan.projections[q]
        pre = plan.populations[edge[PRE]]
        if edge[OWN] < 0:
            continue
        if edge[DEFERRED] >= 0:
            if columns > 0:
                call(plan.calls.hold, (plan, learning, q, delta, done, rows, constants, c0, columns, worker))
        elif edge[ONE_TO_ONE]:
            x = stored(plan.space, pre[EMITTED] + c0, pre[ROW])
            call(plan.calls.sum_products, (x, delta, scratch[GRADIENTS:], rows, columns))
            _step(learning, edge[WEIGHTS] + c0, columns, constants, edge[OWN], scratch, GRADIENTS)
        elif at[WIDTH] <= PANEL:
            u0, u1 = share(pre[SIZE], worker, workers, PAD)
            if _by_one(plan, edge[PRE], rows):
                u0, u1 = np.int64(0), pre[SIZE] if worker == workers - 1 else np.int64(0)
            _update_panel(plan, data, learning, constants, edge, _FIRST, u0, u1, rows, worker)
        else:
            for c in range(c0, c1, PANEL):
                _update_panel(plan, data, learning, constants, edge, c, _FIRST, pre[SIZE], rows, worker)
    if columns == 0:
        return
    if at[BIAS_GRADIENT] >= 0:
        call(plan.calls.sum_rows, (delta, plan.space[at[BIAS_GRADIENT] + c0 :], rows, columns))
    for k in range(at[FIRST_ARRAY], at[LAST_ARRAY]):
        array = plan.arrays[k]
        place, gradient = array[PLACE] + c0, array[GRADIENT] + c0
        _step(learning, place, columns, constants, array[ARRAY_OWN], plan.space, gradient)


@kernel
def _update_panel(plan, data, learning, constants, edge, column, first, last, rows, worker):
    """The rows `first` to `last` of the panel that begins at `column`: a block of gradients, then its step."""
    at, pre, scratch = plan.populations[edge[POST]], plan.populations[edge[PRE]], learning.scratch[worker]
    weights = panel(learning.theta, edge, pre[SIZE], at[WIDTH], column)
    width = weights.row
    error, block = stored(plan.space, at[ERROR] + column, at[ROW]), stored(scratch, GRADIENTS, width)
    starts = data.batch.starts[worker]
    while first < last:
        count, gradient = min(BLOCK, last - first), GRADIENTS
        if edge[PRE] == 0 and data.X.shape[0] == 0:
            if starts[first] == starts[first + count] and edge[NEXT] < 0:
                gradient = ZEROS
            else:
                entries = (starts[first:], starts[first + 1 :], data.batch.rows[worker], data.batch.values[worker])
                call(plan.calls.multiply_sparse, (*entries, error, block, count, width, False))
        else:
            x = turned(stored(plan.space, pre[EMITTED] + first, pre[ROW]))  # units by rows of the batch
            call(plan.calls.multiply, (x, error, block, count, width, rows, False))
        if edge[NEXT] >= 0:
            call(plan.calls.add_tied, (plan, data, edge[NEXT], column, first, block, count, width, rows, worker))
        place, numbers = weights.start + first * width, count * width
        _step(learning, place, numbers, constants, edge[OWN], scratch, gradient)
        first += count


@scalar
def _step(learning, place, count, constants, array, gradient, start):
    """Hand a block of gradients, `count` from `start` on, to the optimiser, or keep it until all are there."""
    whole = learning.whole
    if whole.gradient.shape[0]:
        call(whole.penalise, (learning.theta, place, gradient, start, count, learning.own[array], whole.gradient))
        return
    moments = (learning.first, learning.second, learning.third)
    call(learning.rule, (learning.theta, *moments, place, gradient, start, count, constants, learning.own[array]))
