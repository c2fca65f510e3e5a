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
registers. `feedforward.layout` makes the tables, `feedforward.program` runs the steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.borrow import borrowed
from bioneuro._jit.dispatch import call
from bioneuro._jit.kernel import kernel, scalar
from bioneuro._jit.simd import PANEL, dot, part, stored, turned
from bioneuro._jit.team import barrier, enter, share, team_of_one

PAD = 16  # numbers that rows are padded to: a register, and a cache line of float32
MANY = 8  # rows for which it pays to transpose a narrow panel
CHUNK = 1024  # numbers of a gradient whose squares are added before those of others: the same for every team
BLOCK = 64  # rows of a panel of the gradient that are made and used at a time
_ZEROS, _BLOCK = np.int64(0), np.int64(BLOCK * PANEL)  # places in scratch; literals would be compiled once more
_FIRST, _ONE_ROW = np.int64(0), np.int64(1)

# columns of `Plan.populations`, one row a population in feedforward order, the input first; places are in `Plan.space`
(
    SIZE,  # units
    WIDTH,  # the same, padded
    ARRIVED,  # where products add up: z, or, where that is normalised, z before it and then z_hat
    INPUT,  # z
    OUTPUT,  # a; the same place where the way back needs no z
    ERROR,  # dL/dz
    EMITTED,  # what other populations see: a, or, in a place of its own, a times the mask
    MASK,  # what dropout multiplies with; -1: no dropout
    BATCH,  # what the normalisation knows of a batch; -1: not normalised
    BIAS,  # in theta, and where normalised what else it learns behind; -1: none
    BIAS_GRADIENT,  # -1: none, or left to the normalisation
    CONSTANT,  # in theta: the number that each unit of the type has, learnt or not
    CONSTANT_GRADIENT,  # -1: it is not learnt
    FORWARD,  # address of a = f(z); 0: a is z, or the loss computes it
    BACKWARD,  # address of delta <- delta f'(z); 0: nothing to do
    FIRST_IN,  # projections that end here: rows FIRST_IN to LAST_IN of `Plan.projections`
    LAST_IN,
    FIRST_OUT,  # projections that begin here: entries FIRST_OUT to LAST_OUT of `Plan.outgoing`
    LAST_OUT,
    FIRST_ARRAY,  # what its units learn: rows FIRST_ARRAY to LAST_ARRAY of `Plan.arrays`
    LAST_ARRAY,
) = range(21)
N_POPULATION = 21
PRE, POST, WEIGHTS, ONE_TO_ONE, OWN = range(
    5
)  # columns of `Plan.projections`; WEIGHTS in theta, see `_panel`; OWN -1: frozen
N_PROJECTION = 5
PLACE, GRADIENT, ARRAY_OWN = range(3)  # columns of `Plan.arrays`: in theta, in space, row of `Learning.own`
N_ARRAY = 3
DROPOUT, NOISE, MOMENTUM, EPSILON, LIMIT = range(
    5
)  # columns of `Plan.numbers`: share of the dead, sigma, of normalisation, of the length of incoming weights; 0: none
N_NUMBER = 5


class Calls(NamedTuple):
    """Addresses of kernels; 0 for what a network has no use for."""

    multiply: int = 0
    multiply_nt: int = 0
    multiply_sparse: int = 0
    loss: int = 0
    gather: int = 0  # or `sort_by_feature`
    jitter: int = 0
    drop: int = 0
    multiply_entries: int = 0
    add_row: int = 0
    sum_rows: int = 0
    scale: int = 0
    transpose: int = 0
    sum_products: int = 0
    normalise: int = 0
    follow: int = 0
    normalise_back: int = 0
    measure: int = 0
    bounded_step: int = 0
    shorten: int = 0


class Plan(NamedTuple):
    """What a network computes and where; see the names of the columns above."""

    populations: np.ndarray
    projections: np.ndarray
    outgoing: np.ndarray
    arrays: np.ndarray
    numbers: np.ndarray  # (n_populations, N_NUMBER) float64
    keys: np.ndarray  # (n_populations, 2, 2) uint64: words of the keys of dropout and of noise
    space: np.ndarray  # flat: everything that passes through the network
    calls: Calls


class Columns(NamedTuple):
    """Sparse inputs of one batch by feature, for every worker; feature f has entries starts[f] to starts[f + 1]."""

    starts: np.ndarray
    rows: np.ndarray
    values: np.ndarray


class Data(NamedTuple):
    """The rows to learn from, in `order`; step s takes entries begins[s] to begins[s + 1] of it.

    Inputs are dense, in X, or, where X is empty, sparse: the row at place k of `order` has entries row_starts[k] to
    row_ends[k] of `features`, ascending, and `values`.
    """

    X: np.ndarray
    row_starts: np.ndarray
    row_ends: np.ndarray
    features: np.ndarray
    values: np.ndarray
    batch: Columns
    y: np.ndarray
    weights: np.ndarray  # of the rows; empty: all 1
    weight_of_row: float  # each row's part in what errors are divided by; 0: its weight
    order: np.ndarray
    begins: np.ndarray
    losses: np.ndarray  # out: of each row, in order


class Whole(NamedTuple):
    """What it takes to bound the length of the whole gradient; arrays of length 0 where nobody asks for it."""

    penalise: int  # address
    limit: float
    gradient: np.ndarray  # as theta
    squares: np.ndarray  # of its chunks
    places: np.ndarray  # (arrays, 2): where each array begins and ends
    own: np.ndarray  # as `Learning.own`, without what `penalise` has done


class Learning(NamedTuple):
    """What changes, and how: padded theta and moments, the rule's address, constants of steps and of arrays."""

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    rule: int
    constants: np.ndarray  # (steps, ...)
    own: np.ndarray  # (arrays, ...)
    scratch: np.ndarray  # (workers, ...): BLOCK rows of zeros, and a block of gradients
    whole: Whole


class Members(NamedTuple):
    """What each of many networks has of its own, (members, ...), and each worker, (workers, ...)."""

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    keys: np.ndarray
    orders: np.ndarray
    row_starts: np.ndarray
    row_ends: np.ndarray
    losses: np.ndarray
    spaces: np.ndarray
    scratch: np.ndarray  # (workers, 1, ...), and so the columns
    gradients: np.ndarray
    squares: np.ndarray
    batch: Columns


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
    for m in range(worker, members.theta.shape[0], workers):
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
        rest = (learning.rule, learning.constants, learning.own, scratch, own_whole)
        own_learning = Learning(members.theta[m], *moments, *rest)
        _steps(alone, 0, 1, borrowed(own_plan), borrowed(own_data), borrowed(own_learning), first, last, before)


@kernel
def _steps(team, worker, workers, plan, data, learning, first, last, before):
    n_populations = plan.populations.shape[0]
    for step in range(first, last):
        begin = data.begins[step]
        rows = data.begins[step + 1] - begin
        _gather(plan, data, begin, rows, before + step, worker, workers)
        dense = data.X.shape[0] > 0
        if dense and not barrier(team):  # sorted entries are for the update; going forward, rows lie where they are
            return
        for p in range(0 if plan.populations[0, MASK] >= 0 else 1, n_populations):
            _forward(plan, data, learning, begin, p, rows, before + step, worker, workers)
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
            _update(plan, data, learning, constants, p, rows, worker, workers)
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


@scalar
def _panel(theta, edge, rows, width, column):
    """The weights onto the units `column` to `column` + PANEL, as many as there are of `width`."""
    return stored(theta, edge[WEIGHTS] + column * rows, min(PANEL, width - column))


@kernel
def _gather(plan, data, begin, rows, step, worker, workers):
    """Put the batch together: each worker some rows of dense inputs, or some features of sparse ones."""
    at = plan.populations[0]
    x = stored(plan.space, at[OUTPUT], at[WIDTH])
    call(plan.calls.gather, (data, x, begin, rows, worker, workers))
    sigma = plan.numbers[0, NOISE]
    if sigma > 0:
        call(plan.calls.jitter, (x, plan.keys[0, 1], sigma, rows, at[SIZE], step, worker, workers))


@kernel
def _forward(plan, data, learning, begin, p, rows, step, worker, workers):
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
    first = i0 * at[WIDTH] + c0
    z = stored(plan.space, at[ARRIVED] + first, at[WIDTH])
    more = False
    for q in range(at[FIRST_IN], at[LAST_IN]):
        edge = plan.projections[q]
        pre = plan.populations[edge[PRE]]
        if edge[ONE_TO_ONE]:
            x = stored(plan.space, pre[EMITTED] + i0 * pre[WIDTH] + c0, pre[WIDTH])
            call(plan.calls.scale, (x, learning.theta[edge[WEIGHTS] + c0 :], z, rows, columns, more))
        else:
            for c in range(c0, c1, PANEL):
                weights, to = _panel(learning.theta, edge, pre[SIZE], at[WIDTH], c), part(z, 0, c - c0)
                if edge[PRE] == 0 and data.X.shape[0] == 0:
                    entries = (data.row_starts[begin:], data.row_ends[begin:], data.features, data.values)
                    call(plan.calls.multiply_sparse, (*entries, weights, to, rows, weights.row, more))
                else:
                    x = stored(plan.space, pre[EMITTED] + i0 * pre[WIDTH], pre[WIDTH])
                    call(plan.calls.multiply, (x, weights, to, rows, weights.row, pre[SIZE], more))
        more = True
    if at[BATCH] >= 0:
        arrived, z = z, stored(plan.space, at[INPUT] + c0, at[WIDTH])
        own, batch = stored(learning.theta, at[BIAS] + c0, at[WIDTH]), stored(plan.space, at[BATCH] + c0, at[WIDTH])
        call(plan.calls.normalise, (arrived, z, own, batch, rows, columns, plan.numbers[p, EPSILON]))
        call(plan.calls.follow, (own, batch, columns, plan.numbers[p, MOMENTUM]))
    elif at[BIAS] >= 0:
        call(plan.calls.add_row, (z, learning.theta[at[BIAS] + c0 :], rows, columns))
    if at[FORWARD]:
        a = stored(plan.space, at[OUTPUT] + first, at[WIDTH])
        call(at[FORWARD], (z, a, rows, columns, learning.theta, at[CONSTANT] + c0))
    if at[MASK] >= 0:
        a, mask = stored(plan.space, at[OUTPUT] + c0, at[WIDTH]), stored(plan.space, at[MASK] + c0, at[WIDTH])
        emitted = stored(plan.space, at[EMITTED] + c0, at[WIDTH])
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
    z, a = stored(plan.space, at[INPUT], at[WIDTH]), stored(plan.space, at[OUTPUT], at[WIDTH])
    delta = stored(plan.space, at[ERROR], at[WIDTH])
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


@kernel
def _backward(plan, learning, p, rows, worker, workers):
    """delta of the worker's own units; whether there is anything to do for anybody: not where the loss gave it."""
    at = plan.populations[p]
    if p == plan.populations.shape[0] - 1 and at[MASK] < 0 and at[BATCH] < 0 and not at[BACKWARD]:
        return False
    c0, c1 = share(at[WIDTH], worker, workers, PANEL)
    columns = c1 - c0
    if columns == 0:
        return True
    delta = stored(plan.space, at[ERROR] + c0, at[WIDTH])
    more = p == plan.populations.shape[0] - 1
    for k in range(at[FIRST_OUT], at[LAST_OUT]):
        edge = plan.projections[plan.outgoing[k]]
        post = plan.populations[edge[POST]]
        if edge[ONE_TO_ONE]:
            error, weights = stored(plan.space, post[ERROR] + c0, post[WIDTH]), learning.theta[edge[WEIGHTS] + c0 :]
            call(plan.calls.scale, (error, weights, delta, rows, columns, more))
        else:
            whole, own = post[WIDTH] // PANEL * PANEL, min(c1, at[SIZE]) - c0
            if whole > 0:
                error = stored(plan.space, post[ERROR], post[WIDTH])
                weights = part(_panel(learning.theta, edge, at[SIZE], post[WIDTH], 0), c0, 0)
                sizes = (rows, own, whole, more, PANEL * at[SIZE])
                call(plan.calls.multiply_nt, (error, weights, delta, *sizes))
                more = True
            error, left = stored(plan.space, post[ERROR] + whole, post[WIDTH]), post[SIZE] - whole
            weights = part(_panel(learning.theta, edge, at[SIZE], post[WIDTH], whole), c0, 0)
            if left > 0 and rows < MANY:
                call(plan.calls.multiply_nt, (error, weights, delta, rows, own, left, more, PANEL))
            elif left > 0:  # short sums: to add up their lanes costs more than to transpose the weights
                turned_over = stored(learning.scratch[worker], _BLOCK, PANEL)
                for j in range(0, own, PANEL):
                    count = min(PANEL, own - j)
                    call(plan.calls.transpose, (part(weights, j, 0), turned_over, count, left))
                    call(plan.calls.multiply, (error, turned_over, part(delta, 0, j), rows, count, left, more))
        more = True
    if at[MASK] >= 0:
        call(plan.calls.multiply_entries, (delta, stored(plan.space, at[MASK] + c0, at[WIDTH]), rows, columns))
    if at[BACKWARD]:
        z, a = stored(plan.space, at[INPUT] + c0, at[WIDTH]), stored(plan.space, at[OUTPUT] + c0, at[WIDTH])
        learnt = max(at[CONSTANT_GRADIENT], 0) + c0
        if at[CONSTANT_GRADIENT] >= 0:
            for j in range(learnt, learnt + columns):
                plan.space[j] = 0
        constant = at[CONSTANT] + c0
        call(at[BACKWARD], (delta, z, a, rows, columns, learning.theta, constant, plan.space, learnt))
    if at[BATCH] >= 0:
        z_hat, batch = stored(plan.space, at[ARRIVED] + c0, at[WIDTH]), stored(plan.space, at[BATCH] + c0, at[WIDTH])
        own = stored(learning.theta, at[BIAS] + c0, at[WIDTH])
        call(plan.calls.normalise_back, (delta, z_hat, own, batch, rows, columns))
    return True


@kernel
def _update(plan, data, learning, constants, p, rows, worker, workers):
    """One step of all that ends on the worker's own units; where there is only one panel, workers share its rows."""
    at = plan.populations[p]
    c0, c1 = share(at[WIDTH], worker, workers, PANEL)
    columns = c1 - c0
    scratch = learning.scratch[worker]
    delta = stored(plan.space, at[ERROR] + c0, at[WIDTH])
    for q in range(at[FIRST_IN], at[LAST_IN]):
        edge = plan.projections[q]
        pre = plan.populations[edge[PRE]]
        if edge[OWN] < 0:
            continue
        if edge[ONE_TO_ONE]:
            x = stored(plan.space, pre[EMITTED] + c0, pre[WIDTH])
            call(plan.calls.sum_products, (x, delta, scratch[_BLOCK:], rows, columns))
            _step(learning, edge[WEIGHTS] + c0, columns, constants, edge[OWN], scratch, _BLOCK)
        elif at[WIDTH] <= PANEL:
            u0, u1 = share(pre[SIZE], worker, workers, PAD)
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
    weights = _panel(learning.theta, edge, pre[SIZE], at[WIDTH], column)
    width = weights.row
    error, block = stored(plan.space, at[ERROR] + column, at[WIDTH]), stored(scratch, _BLOCK, width)
    starts = data.batch.starts[worker]
    while first < last:
        count, gradient = min(BLOCK, last - first), _BLOCK
        if edge[PRE] == 0 and data.X.shape[0] == 0:
            if starts[first] == starts[first + count]:
                gradient = _ZEROS
            else:
                entries = (starts[first:], starts[first + 1 :], data.batch.rows[worker], data.batch.values[worker])
                call(plan.calls.multiply_sparse, (*entries, error, block, count, width, False))
        else:
            x = turned(stored(plan.space, pre[EMITTED] + first, pre[WIDTH]))  # units by rows of the batch
            call(plan.calls.multiply, (x, error, block, count, width, rows, False))
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


@kernel
def measure(learning, worker, workers):
    """The squares of the gradient, chunk by chunk."""
    whole = learning.whole
    begin, end = share(whole.gradient.shape[0], worker, workers, CHUNK)
    for first in range(begin, end, CHUNK):
        count = min(CHUNK, end - first)
        whole.squares[first // CHUNK] = dot(whole.gradient, first, whole.gradient, first, count)
    return 0


@kernel
def bounded_step(learning, constants, worker, workers):
    """One step by the whole gradient, made shorter where it is longer than the limit; each worker a range of theta."""
    whole, total = learning.whole, np.float64(0)
    for k in range(whole.squares.shape[0]):
        total += whole.squares[k]
    length = np.sqrt(total)
    begin, end = share(whole.gradient.shape[0], worker, workers, CHUNK)
    if length > whole.limit:
        factor, own = whole.gradient.dtype.type(whole.limit / length), whole.gradient[begin:end]
        for k in range(own.shape[0]):
            own[k] *= factor
    moments = (learning.first, learning.second, learning.third)
    for array in range(whole.places.shape[0]):
        first, last = max(begin, whole.places[array, 0]), min(end, whole.places[array, 1])
        if first < last:
            step = (first, whole.gradient, first, last - first, constants, whole.own[array])
            call(learning.rule, (learning.theta, *moments, *step))
    return 0


@kernel
def shorten(plan, learning, p, worker, workers):
    """Bring the weights that reach each of the worker's own units to the length allowed, where they are longer."""
    at, limit = plan.populations[p], plan.numbers[p, LIMIT]
    c0, c1 = share(at[WIDTH], worker, workers, PANEL)
    if limit == 0 or c0 == c1:
        return 0
    for c in range(c0, c1, PANEL):
        width = min(PANEL, c1 - c)
        factors, squares = learning.scratch[worker, _BLOCK:], learning.scratch[worker, _BLOCK + PANEL :]
        factors[:width] = 0
        for q in range(at[FIRST_IN], at[LAST_IN]):
            weights, rows = _reaching(plan, learning, q, c)
            call(plan.calls.sum_products, (weights, weights, squares, rows, width))
            for j in range(width):
                factors[j] += squares[j]
        longest = np.float64(0)
        for j in range(width):
            length = np.sqrt(np.float64(factors[j]))
            factors[j] = limit / length if length > limit else 1
            longest = max(longest, length)
        for q in range(at[FIRST_IN], at[LAST_IN]):
            if longest > limit:
                weights, rows = _reaching(plan, learning, q, c)
                call(plan.calls.scale, (weights, factors, weights, rows, width, False))
    return 0


@scalar
def _reaching(plan, learning, q, column):
    """The weights of a projection onto the panel of units that begins at `column`, and how many rows they are."""
    edge = plan.projections[q]
    width = plan.populations[edge[POST], WIDTH]
    if edge[ONE_TO_ONE]:
        return stored(learning.theta, edge[WEIGHTS] + column, width), _ONE_ROW
    rows = plan.populations[edge[PRE], SIZE]
    return _panel(learning.theta, edge, rows, width, column), rows
