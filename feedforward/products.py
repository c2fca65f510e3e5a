"""Products of what passes through a network with weights, and the gradients of weights that several projections share.

W, (units of the population where its projection begins, units where it ends), lies in panels (`tables.panel`). A tied
projection uses the W of another, as it is or turned over; what one direction of the one is, is the other of the other.
"""

from __future__ import annotations

from bioneuro._jit.dispatch import call
from bioneuro._jit.kernel import kernel, scalar
from bioneuro._jit.matrix import part, stored, turned
from bioneuro._jit.simd import PANEL
from feedforward.tables import (
    EMITTED,
    ERROR,
    GRADIENTS,
    MANY,
    NEXT,
    POST,
    PRE,
    ROW,
    SIZE,
    TURNED,
    WIDTH,
    panel,
)


@scalar
def multiply(plan, learning, edge, x, source, out, target, first, last, rows, more):
    """out (+)= x W, onto the units `first` to `last` of `target`; x: (rows, units of `source`)."""
    for c in range(first, last, PANEL):
        weights, to = panel(learning.theta, edge, source[SIZE], target[WIDTH], c), part(out, 0, c - first)
        call(plan.calls.multiply, (x, weights, to, rows, weights.row, source[SIZE], more))


@scalar
def multiply_turned(plan, learning, edge, x, source, out, target, first, last, rows, more, worker):
    """out (+)= x W', onto the units `first` to `last` of `target`; behind its last unit nothing is written."""
    whole, own = source[WIDTH] // PANEL * PANEL, min(last, target[SIZE]) - first
    if whole > 0:
        weights = part(panel(learning.theta, edge, target[SIZE], source[WIDTH], 0), first, 0)
        sizes = (rows, own, whole, more, PANEL * target[SIZE])
        call(plan.calls.multiply_nt, (x, weights, out, *sizes))
        more = True
    rest, left = part(x, 0, whole), source[SIZE] - whole
    weights = part(panel(learning.theta, edge, target[SIZE], source[WIDTH], whole), first, 0)
    if left > 0 and rows < MANY:
        call(plan.calls.multiply_nt, (rest, weights, out, rows, own, left, more, PANEL))
    elif left > 0:  # short sums: to add up their lanes costs more than to transpose the weights
        turned_over = stored(learning.scratch[worker], GRADIENTS, PANEL)
        for j in range(0, own, PANEL):
            count = min(PANEL, own - j)
            call(plan.calls.transpose, (part(weights, j, 0), turned_over, count, left))
            call(plan.calls.multiply, (rest, turned_over, part(out, 0, j), rows, count, left, more))


@kernel
def forward_tied(plan, learning, q, z, first_row, rows, more, first, last, worker):
    """z (+)= x W', what arrives through turned weights."""
    edge = plan.projections[q]
    pre, post = plan.populations[edge[PRE]], plan.populations[edge[POST]]
    x = stored(plan.space, pre[EMITTED] + first_row * pre[ROW], pre[ROW])
    multiply_turned(plan, learning, edge, x, pre, z, post, first, last, rows, more, worker)
    return 0


@kernel
def backward_tied(plan, learning, q, delta, rows, more, first, last):
    """delta (+)= delta_post W, the error that comes back through turned weights."""
    edge = plan.projections[q]
    pre, post = plan.populations[edge[PRE]], plan.populations[edge[POST]]
    error = stored(plan.space, post[ERROR], post[ROW])
    multiply(plan, learning, edge, error, post, delta, pre, first, last, rows, more)
    return 0


@kernel
def add_tied(plan, data, q, column, first, block, count, width, rows, worker):
    """Add what projection q, and all that follow it, contribute to rows `first` and following of a panel of the
    gradient of their common weights."""
    while q >= 0:
        edge = plan.projections[q]
        pre, post, q = plan.populations[edge[PRE]], plan.populations[edge[POST]], edge[NEXT]
        error = stored(plan.space, post[ERROR], post[ROW])
        if edge[TURNED]:
            x, columns = stored(plan.space, pre[EMITTED] + column, pre[ROW]), min(width, pre[SIZE] - column)
            call(plan.calls.multiply, (turned(part(error, 0, first)), x, block, count, columns, rows, True))
        elif edge[PRE] == 0 and data.X.shape[0] == 0:
            starts = data.batch.starts[worker][first:]
            entries = (starts, starts[1:], data.batch.rows[worker], data.batch.values[worker])
            call(plan.calls.multiply_sparse, (*entries, part(error, 0, column), block, count, width, True))
        else:
            x = turned(stored(plan.space, pre[EMITTED] + first, pre[ROW]))
            call(plan.calls.multiply, (x, part(error, 0, column), block, count, width, rows, True))
    return 0
