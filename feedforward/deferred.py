"""Steps of one or two rows: what the weights from the inputs learn is added up and written once a block of rows.

A step of so few rows is little but reading and writing every weight and its moment. Where the optimiser is linear, a
step later than the beginning of a block has

    W = W_0 + c M_0 + sum over earlier rows i of the block of a_i x_i' delta_i,

and M alike with coefficients e and b_i, so that x W = x W_0 + c x M_0 + sum a_i (x . x_i) delta_i. The rows of a block
are known before it begins: x W_0 and x M_0 of all of them are two products of matrices, x . x_i is a third, and what is
learnt from a block a fourth and a fifth; arithmetic in the place of memory. The coefficients follow the optimiser's own
rule, as the weight of a synapse would whose gradient is 1 in the step of row i and 0 in all later ones. Nothing is
approximated: numbers differ from those of single steps by rounding. A worker does all this for its own units and waits
for nobody.

Blocks begin with an epoch and every so many steps, wherever the compiled calls are cut: the bits do not depend on it.
Only a training that goes on from within a block, where the plain loop has stopped, begins with what is left of it.
"""

from __future__ import annotations

from bioneuro._jit.dispatch import call
from bioneuro._jit.kernel import kernel, scalar
from bioneuro._jit.matrix import part, rows_of, stored, turned
from bioneuro._jit.simd import PANEL
from bioneuro._jit.team import share
from feedforward.tables import (
    BLOCK,
    DEFERRED,
    GRADIENTS,
    HELD,
    OWN,
    POST,
    SIZE,
    WIDTH,
    padded,
    panel,
)

_BY_WEIGHTS, _BY_MOMENTS, _ERRORS = range(3)  # held of the rows of a block: x W_0, x M_0, delta
_COEFFICIENTS = 2 * HELD  # room for those of the rows and, at place HELD, of W_0 or M_0


def room_of(n_inputs: int, n_projections: int) -> int:
    """Numbers that a worker needs: inputs, scalar products, factors, new rows, coefficients of each projection."""
    return HELD * (padded(n_inputs) + HELD + HELD) + (1 + 2 * n_projections) * _COEFFICIENTS


@scalar
def block_of(deferred, step, first, last):
    """Where the block that `step` belongs to begins and ends, as much of it as lies between `first` and `last`."""
    within = step % deferred.epoch
    start = step - within % deferred.every
    return max(start, first), min(start + deferred.every, step - within + deferred.epoch, last)


@scalar
def _inputs(plan, learning, worker):
    return stored(learning.deferred.room[worker], 0, plan.populations[0, WIDTH])


@scalar
def _products(plan, learning, worker):
    """x . x_i of all rows of the block; (HELD, HELD)."""
    return stored(learning.deferred.room[worker], HELD * plan.populations[0, WIDTH], HELD)


@scalar
def _factors(plan, learning, worker):
    """Room for the factors of earlier errors."""
    return part(_products(plan, learning, worker), HELD, 0)


@scalar
def _coefficients(plan, learning, q, worker):
    """Of a projection: which rows are new (1, else 0); a_i and, at place HELD, c; b_i and, at place HELD, e."""
    room, begin = learning.deferred.room[worker], HELD * (plan.populations[0, WIDTH] + HELD + HELD)
    own = begin + (1 + 2 * q) * _COEFFICIENTS
    return room[begin : begin + HELD + 1], room[own : own + HELD + 1], room[own + _COEFFICIENTS :][: HELD + 1]


@scalar
def _held(plan, edge, what, column):
    """One of these, (HELD, units from `column` on)."""
    width = plan.populations[edge[POST], WIDTH]
    return stored(plan.space, edge[DEFERRED] + what * HELD * width + column, width)


@kernel
def look_ahead(plan, data, learning, begin, rows, worker, workers):
    """Begin a block of so many rows: all that can be known before its steps."""
    n_inputs, moving = plan.populations[0, SIZE], learning.first.shape[0] > 0
    x, products = _inputs(plan, learning, worker), _products(plan, learning, worker)
    targets = rows_of(x, rows)
    for i in range(rows):
        source, target = data.X[data.order[begin + i]], targets[i]
        for j in range(n_inputs):
            target[j] = source[j]
    call(plan.calls.multiply_nt, (x, x, products, rows, rows, n_inputs, False, PANEL))
    for q in range(plan.projections.shape[0]):
        edge = plan.projections[q]
        if edge[DEFERRED] < 0:
            continue
        width = plan.populations[edge[POST], WIDTH]
        c0, c1 = share(width, worker, workers, PANEL)
        for c in range(c0, c1, PANEL):
            weights, to = panel(learning.theta, edge, n_inputs, width, c), _held(plan, edge, _BY_WEIGHTS, c)
            call(plan.calls.multiply, (x, weights, to, rows, weights.row, n_inputs, False))
            if moving:
                moments, to = panel(learning.first, edge, n_inputs, width, c), _held(plan, edge, _BY_MOMENTS, c)
                call(plan.calls.multiply, (x, moments, to, rows, weights.row, n_inputs, False))
        new, of_weights, of_moments = _coefficients(plan, learning, q, worker)
        for k in range(HELD + 1):
            new[k] = of_weights[k] = of_moments[k] = 0
        of_moments[HELD] = 1
    return 0


@kernel
def catch_up(plan, learning, q, z, done, rows, more, column, columns, worker):
    """z (+)= x W of the rows behind the first `done` of a block, for `columns` units from `column` on."""
    edge = plan.projections[q]
    _, of_weights, _ = _coefficients(plan, learning, q, worker)
    before, pushes = _held(plan, edge, _BY_WEIGHTS, column), _held(plan, edge, _BY_MOMENTS, column)
    targets, starts = rows_of(z, rows), rows_of(part(before, done, 0), rows)
    ways = rows_of(part(pushes, done, 0), rows)
    for i in range(rows):
        target, start, way, far = targets[i], starts[i], ways[i], of_weights[HELD]
        for j in range(columns):
            arrived = start[j] + far * way[j]
            target[j] = target[j] + arrived if more else arrived
    if done == 0:
        return 0
    factors, errors = _factors(plan, learning, worker), _held(plan, edge, _ERRORS, column)
    likeness = rows_of(part(_products(plan, learning, worker), done, 0), rows)
    of_rows = rows_of(factors, rows)
    for i in range(rows):
        for k in range(done):
            of_rows[i, k] = of_weights[k] * likeness[i, k]
    call(plan.calls.multiply, (factors, errors, z, rows, columns, done, True))
    return 0


@kernel
def hold(plan, learning, q, delta, done, rows, constants, column, columns, worker):
    """Learn from so many rows: keep their errors, and take the step with the coefficients."""
    edge = plan.projections[q]
    kept, errors = rows_of(part(_held(plan, edge, _ERRORS, column), done, 0), rows), rows_of(delta, rows)
    new, of_weights, of_moments = _coefficients(plan, learning, q, worker)
    for i in range(rows):
        target, source = kept[i], errors[i]
        for j in range(columns):
            target[j] = source[j]
        new[done + i] = 1
    moments = (of_moments, of_moments, of_moments)  # a linear rule reads no more than the first
    own = learning.own[edge[OWN]]
    call(learning.rule, (of_weights, *moments, 0, new, 0, HELD + 1, constants, own))
    for i in range(rows):
        new[done + i] = 0
    return 0


@kernel
def write_down(plan, learning, rows, worker, workers):
    """End a block of so many rows: W and M as they are after its steps."""
    n_inputs, moving = plan.populations[0, SIZE], learning.first.shape[0] > 0
    x, scratch = _inputs(plan, learning, worker), learning.scratch[worker]
    for q in range(plan.projections.shape[0]):
        edge = plan.projections[q]
        if edge[DEFERRED] < 0:
            continue
        width = plan.populations[edge[POST], WIDTH]
        c0, c1 = share(width, worker, workers, PANEL)
        _, of_weights, of_moments = _coefficients(plan, learning, q, worker)
        far, left = of_weights[HELD], of_moments[HELD]
        for c in range(c0, c1, PANEL):
            weights = panel(learning.theta, edge, n_inputs, width, c)
            moments = panel(learning.first, edge, n_inputs, width, c)
            columns = weights.row
            steps, pushes = stored(scratch, GRADIENTS, columns), stored(scratch, GRADIENTS + HELD * PANEL, columns)
            _scale_rows(_held(plan, edge, _ERRORS, c), of_weights, steps, rows, columns)
            if moving:
                _scale_rows(_held(plan, edge, _ERRORS, c), of_moments, pushes, rows, columns)
            for f in range(0, n_inputs, BLOCK):
                count, inputs = min(BLOCK, n_inputs - f), turned(part(x, 0, f))
                if moving:
                    _add_and_shrink(part(weights, f, 0), part(moments, f, 0), far, left, count * columns)
                    call(plan.calls.multiply, (inputs, pushes, part(moments, f, 0), count, columns, rows, True))
                call(plan.calls.multiply, (inputs, steps, part(weights, f, 0), count, columns, rows, True))
    return 0


@kernel
def _scale_rows(m, factors, out, rows, columns):
    """out_i = factor_i m_i."""
    sources, targets = rows_of(m, rows), rows_of(out, rows)
    for i in range(rows):
        source, target, factor = sources[i], targets[i], factors[i]
        for j in range(columns):
            target[j] = factor * source[j]


@kernel
def _add_and_shrink(weights, moments, far, left, count):
    """w += far m; m *= left; `count` numbers of a part of a panel, which lie together."""
    w, m = weights.values[weights.start : weights.start + count], moments.values[moments.start : moments.start + count]
    for j in range(count):
        w[j] += far * m[j]
        m[j] *= left
