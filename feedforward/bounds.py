"""Bounds on lengths: of the whole gradient, and of the weights that reach a unit. Kernels called by address.

They need what all workers have done, and so a barrier of their own before and after.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.dispatch import call
from bioneuro._jit.kernel import kernel, scalar
from bioneuro._jit.matrix import stored
from bioneuro._jit.simd import PANEL, dot
from bioneuro._jit.team import share
from feedforward.tables import (
    CHUNK,
    FIRST_IN,
    GRADIENTS,
    LAST_IN,
    LIMIT,
    ONE_TO_ONE,
    POST,
    PRE,
    SIZE,
    WEIGHTS,
    WIDTH,
    panel,
)

_ONE_ROW = np.int64(1)  # a literal would be compiled once more


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
        factors, squares = learning.scratch[worker, GRADIENTS:], learning.scratch[worker, GRADIENTS + PANEL :]
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
    return panel(learning.theta, edge, rows, width, column), rows
