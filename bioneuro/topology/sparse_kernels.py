"""Kernels that draw the synapses of sparse projections; each row from its own counters, so any split gives the same."""

from __future__ import annotations

import numpy as np

from bioneuro._jit.bits import multiply_wide
from bioneuro._jit.distributions import UNIFORM, integer_below, uniform
from bioneuro._jit.kernel import kernel, scalar
from bioneuro._jit.random import CHUNK, SPARE, draw_words

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_SIX, _LOWEST = np.uint64(6), np.uint64(63)
_LARGEST = np.uint64(0xFFFFFFFFFFFFFFFF)


@kernel
def draw_subsets(key, first, indptr, n, skip_own, out):
    """Units joined with row first + i: a uniform subset of 0 .. n-1, unsorted, into out[indptr[i]:indptr[i + 1]].

    Floyd's algorithm: k draws for k units, whatever n. With `skip_own` a row is never joined with the unit of its own
    number, and n counts the others. key uint64 (2,), indptr int64 (rows + 1,), out int32.
    Source: Bentley and Floyd, A sample of brilliance, Communications of the ACM 30 (1987) 754.
    """
    k0, k1 = key[0], key[1]
    taken, words = np.zeros(n, np.bool_), np.empty(CHUNK + SPARE, np.uint64)
    for i in range(indptr.shape[0] - 1):
        row, chosen = np.uint64(first + i), out[indptr[i] : indptr[i + 1]]
        k = chosen.shape[0]
        for start in range(0, k, CHUNK):
            count = min(CHUNK, k - start)
            draw_words(key, row, _ZERO, UNIFORM, start, count, words)
            for draw in range(start, start + count):
                last = n - k + draw
                unit = np.int64(_below(words[draw - start], k0, k1, row, np.uint64(draw), np.uint64(last + 1)))
                unit = last if taken[unit] else unit
                taken[unit] = True
                chosen[draw] = unit
        for draw in range(k):
            unit = chosen[draw]
            taken[unit] = False
            chosen[draw] = unit + (skip_own and unit >= first + i)


@kernel
def draw_multisets(key, first, indptr, n, skip_own, out):
    """As `draw_subsets`, with replacement: each of the k units is uniform in 0 .. n-1, whatever the others are."""
    k0, k1 = key[0], key[1]
    words = np.empty(CHUNK + SPARE, np.uint64)
    for i in range(indptr.shape[0] - 1):
        row, chosen = np.uint64(first + i), out[indptr[i] : indptr[i + 1]]
        for start in range(0, chosen.shape[0], CHUNK):
            count = min(CHUNK, chosen.shape[0] - start)
            draw_words(key, row, _ZERO, UNIFORM, start, count, words)
            for draw in range(start, start + count):
                unit = np.int64(_below(words[draw - start], k0, k1, row, np.uint64(draw), np.uint64(n)))
                chosen[draw] = unit + (skip_own and unit >= first + i)


@scalar
def _below(word, k0, k1, row, unit, n):
    """A whole number in 0 .. n-1 from one word, exactly uniform; the rare word that would bias it is drawn anew."""
    high, low = multiply_wide(word, n)
    if low >= n or low >= (_LARGEST % n + _ONE) % n:
        return high
    return integer_below(k0, k1, row, unit, _ZERO, n)


@kernel
def draw_small_world(key, p, multapses, bits, far):
    """A ring of n units, pair (i, i + lap) for lap = 1 .. k/2; with probability p its far end moves to a random unit.

    Pairs are visited lap after lap, as Watts and Strogatz did. far int32 (n, k/2): the far ends of the pairs that start
    at each unit. Unless `multapses`, no pair comes twice, and a unit that is joined with all others keeps its pair.
    bits: zeros, uint64 (n n / 64 + 1,), to look pairs up in, or (0,): then rows of `far` are searched, which costs k.
    """
    k0, k1, n, laps = key[0], key[1], far.shape[0], far.shape[1]
    partners = np.full(n, 2 * laps, np.int64)
    for i in range(n):
        for lap in range(laps):
            far[i, lap] = (i + lap + 1) % n
            _flip(bits, i, np.int64(far[i, lap]), n)
    for lap in range(laps):
        for i in range(n):
            row, unit = np.uint64(i), np.uint64(lap)
            if uniform(k0, k1, row, unit, _ZERO) >= p or (not multapses and partners[i] >= n - 1):
                continue
            step = _ONE
            other = _another(k0, k1, row, unit, step, n)
            while not multapses and _joined(bits, far, i, other):
                step += _ONE
                other = _another(k0, k1, row, unit, step, n)
            before = np.int64(far[i, lap])
            partners[before] -= 1
            partners[other] += 1
            far[i, lap] = other
            _flip(bits, i, before, n)
            _flip(bits, i, other, n)


@scalar
def _joined(bits, far, i, j):
    if bits.shape[0] == 0:
        return _holds(far[i], j) or _holds(far[j], i)
    number = _number(i, j, far.shape[0])
    return (bits[np.int64(number >> _SIX)] >> (number & _LOWEST)) & _ONE == _ONE


@scalar
def _flip(bits, i, j, n):
    if bits.shape[0] > 0:
        number = _number(i, j, n)
        bits[np.int64(number >> _SIX)] ^= _ONE << (number & _LOWEST)


@scalar
def _number(i, j, n):
    return np.uint64(min(i, j) * n + max(i, j))


@scalar
def _another(k0, k1, row, unit, step, n):
    """A unit other than that of the row."""
    other = np.int64(integer_below(k0, k1, row, unit, step, np.uint64(n - 1)))
    return other + (other >= np.int64(row))


@scalar
def _holds(values, wanted):
    narrow, found = np.int32(wanted), np.int32(0)  # the width of the values, so that the loop vectorises
    for value in values:
        found += np.int32(value == narrow)
    return found > 0


@kernel
def transpose(indptr, indices, out_indptr, out_indices):
    """Rows of columns -> columns of rows, the rows of each column in rising order. Counting sort; types as above."""
    _place_groups(indices, out_indptr)
    place = out_indptr[:-1].copy()
    for row in range(indptr.shape[0] - 1):
        for column in indices[indptr[row] : indptr[row + 1]]:
            out_indices[place[column]] = row
            place[column] += 1


@kernel
def group(groups, values, out_indptr, out_values):
    """`values` by their group, in the order given within a group."""
    _place_groups(groups, out_indptr)
    place = out_indptr[:-1].copy()
    for i in range(groups.shape[0]):
        out_values[place[groups[i]]] = values[i]
        place[groups[i]] += 1


@kernel
def _place_groups(groups, out_indptr):
    for i in range(out_indptr.shape[0]):
        out_indptr[i] = 0
    for g in groups:
        out_indptr[g + 1] += 1
    for i in range(out_indptr.shape[0] - 1):
        out_indptr[i + 1] += out_indptr[i]
