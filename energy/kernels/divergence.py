"""One step of contrastive divergence, by a team: every worker owns units of both layers.

It computes the fields, means and states of its units for all rows, and the gradient of the weights that end on its
hidden units. A layer is complete at a barrier. No sum is split, and a draw depends on its row and unit alone: the bits
are those of one worker.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.gemm import BLOCK_ROWS, in_blocks, multiply, multiply_nt
from bioneuro._jit.kernel import kernel, scalar, specialise
from bioneuro._jit.matrix import Matrix, part, rows_of, turned
from bioneuro._jit.random import draw_bernoulli
from bioneuro._jit.simd import PANEL
from bioneuro._jit.team import barrier, enter, share
from energy.kernels.rbm import squash_units


class Phase(NamedTuple):
    """A set of chains: words (2,) and rows (n,) of their draws, uint64, and where they stand, (n, units) each."""

    words: np.ndarray
    rows: np.ndarray
    hidden_means: np.ndarray
    hidden: np.ndarray
    visible_means: np.ndarray
    visible: np.ndarray


@kernel
def contrast(team, worker, machine, gradient, observed, data, model, first, sweeps, follows, graded):
    """Add <v h>_model - <v h>_data to `gradient`, and the same of v and of h.

    machine, gradient : `Machine`. observed : (n, n_visible), the data. data : one sweep from there, number `first`.
    model : so many sweeps more, from where it stands, or, where it `follows`, from the end of that one; `hidden_means`
    are in the end those of its last visible states (their means, where `graded`), and need an array of their own. With
    no sweeps, model may share all the others with data.
    """
    workers, n_visible, n_hidden = enter(team), observed.shape[1], data.hidden.shape[1]
    v0, v1 = share(n_visible, worker, workers, PANEL)
    h0, h1 = share(n_hidden, worker, workers, PANEL)
    _up(machine, observed, data.hidden_means, h0, h1)
    draw_bernoulli(data.words, data.rows, np.uint64(2 * first), data.hidden_means, data.hidden, h0, h1)
    if not barrier(team):
        return
    _down(machine, data, 2 * first + 1, v0, v1)
    if follows and sweeps > 0:
        model.visible[:, v0:v1] = data.visible[:, v0:v1]
    if not barrier(team):
        return
    begin = first + 1 if follows else first
    for sweep in range(begin, begin + sweeps):
        _up(machine, model.visible, model.hidden_means, h0, h1)
        draw_bernoulli(model.words, model.rows, np.uint64(2 * sweep), model.hidden_means, model.hidden, h0, h1)
        if not barrier(team):
            return
        _down(machine, model, 2 * sweep + 1, v0, v1)
        if not barrier(team):
            return
    dreams = model.visible_means if graded else model.visible
    _up(machine, dreams, model.hidden_means, h0, h1)
    _add_products(gradient, observed, data.hidden_means, -1.0, v0, v1, h0, h1)
    _add_products(gradient, dreams, model.hidden_means, 1.0, v0, v1, h0, h1)


@kernel
def _up(machine, visible, means, begin, end):
    """The means of hidden units `begin` to `end`."""
    means[:, begin:end] = machine.hidden_bias[begin:end]
    if begin < end:
        weights, to = part(_matrix(machine.weights), 0, begin), part(_matrix(means), 0, begin)
        multiply(_matrix(visible), weights, to, visible.shape[0], end - begin, visible.shape[1], True)
    squash_units(machine.hidden_alive, means, begin, end)


@kernel
def _down(machine, chains, half_sweep, begin, end):
    """The means and states of visible units `begin` to `end`."""
    hidden, means = chains.hidden, chains.visible_means
    means[:, begin:end] = machine.visible_bias[begin:end]
    if begin < end:
        weights, to = part(_matrix(machine.weights), begin, 0), part(_matrix(means), 0, begin)
        multiply_nt(_matrix(hidden), weights, to, hidden.shape[0], end - begin, hidden.shape[1], True, PANEL)
    squash_units(machine.visible_alive, means, begin, end)
    draw_bernoulli(chains.words, chains.rows, np.uint64(half_sweep), means, chains.visible, begin, end)


@kernel
def _add_products(gradient, visible, hidden, sign, v0, v1, h0, h1):
    """Add sign times the means over rows of v h, of v and of h to the gradient of the worker's units."""
    rows, columns = visible.shape[0], h1 - h0
    weight = visible.dtype.type(sign / rows)
    if columns > 0:
        block = Matrix(np.empty(BLOCK_ROWS * columns, visible.dtype), np.int64(0), columns, np.int64(1))
        left, right = turned(_matrix(visible)), part(_matrix(hidden), 0, h0)
        own = (part(_matrix(gradient.weights), 0, h0), weight)
        _product_in_blocks(left, right, block, visible.shape[1], columns, rows, False, own)
    _add_sums(gradient.visible_bias, visible, weight, v0, v1)
    _add_sums(gradient.hidden_bias, hidden, weight, h0, h1)


@scalar
def _add_block(block, first, rows, columns, own):
    target, weight = own
    sources, targets = rows_of(block, rows), rows_of(part(target, first, 0), rows)
    for i in range(rows):
        for j in range(columns):
            targets[i, j] += weight * sources[i, j]


_product_in_blocks = specialise(in_blocks, finished=_add_block)


@kernel
def _add_sums(to, states, weight, begin, end):
    sums = np.zeros(end - begin, states.dtype)
    for i in range(states.shape[0]):
        row = states[i, begin:end]
        for j in range(sums.shape[0]):
            sums[j] += row[j]
    for j in range(sums.shape[0]):
        to[begin + j] += weight * sums[j]


@scalar
def _matrix(array):
    return Matrix(array.reshape(-1), np.int64(0), np.int64(array.shape[1]), np.int64(1))
