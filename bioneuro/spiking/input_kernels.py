"""Kernels of what reaches a network from outside: spikes given one by one, and Poisson spikes.

A Poisson number is the smallest k with u < P(N <= k), u the uniform number of (key, row, unit, step). Where inputs have
few different means the P are tabulated beforehand; the numbers are the same, bit for bit, as `_jit` sums them up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.distributions import POISSON
from bioneuro._jit.kernel import kernel
from bioneuro._jit.math import exp
from bioneuro._jit.philox import philox, uniform64
from bioneuro._jit.random import draw_poisson

HIGHEST_TABULATED = 10.0  # mean; larger ones are drawn by rejection
LONGEST_TABLE = 64  # a count beyond it has a probability below 1e-18 at the highest mean
GUIDED = 256  # equal parts of [0, 1), for each of which a table tells where to begin

_SHIFT = np.uint64(56)  # the upper 8 bits of a word number its part
_NEVER = 1e-18  # probabilities below it are 0


class Source(NamedTuple):
    """One Poisson input: entries first .. last-1 of `means` and `tables`."""

    first: int
    last: int
    column: int  # of `arrivals`, or -1: the units emit spikes
    unit: int  # the first that emits
    tabulated: bool


class InputSpikes(NamedTuple):
    """Spikes from outside during one call."""

    given: np.ndarray  # (2,) how many of the two lists below are done; 0 at first, moved on by the kernels
    emitted: np.ndarray  # (n, 2): step, ascending, and unit
    arriving: np.ndarray  # (n, 2): step, ascending, and column
    arriving_weights: np.ndarray
    sources: np.ndarray  # (n, Source)
    rows: np.ndarray  # uint64, of the draws of each source
    source_weights: np.ndarray
    means: np.ndarray  # spikes a step
    tables: np.ndarray  # which table each entry is drawn by
    cumulative: np.ndarray  # (tables, LONGEST_TABLE) P(N <= k)
    guides: np.ndarray  # (tables, GUIDED) the smallest k that a part may have


FIRST, LAST, COLUMN, UNIT, TABULATED = range(len(Source._fields))


@kernel
def take_inputs(n, key, inputs, counts, row, draws):
    """Spikes from outside in step `n`: emitted by sources into `counts`, or arriving at neurons in `row` (V).

    draws : (units,) work space.
    """
    place, emitted = inputs.given[0], inputs.emitted
    while place < emitted.shape[0] and emitted[place, 0] == n:
        counts[emitted[place, 1]] += 1
        place += 1
    inputs.given[0] = place

    place, arriving = inputs.given[1], inputs.arriving
    while place < arriving.shape[0] and arriving[place, 0] == n:
        row[arriving[place, 1]] += inputs.arriving_weights[place]
        place += 1
    inputs.given[1] = place

    for p in range(inputs.sources.shape[0]):
        source = inputs.sources[p]
        a, b = source[FIRST], source[LAST]
        line = draws[: b - a]
        if source[TABULATED]:
            draw_tabulated(
                key, inputs.rows[p], np.uint64(n), inputs.tables[a:b], inputs.cumulative, inputs.guides, line
            )
        else:
            means = inputs.means[a:b].reshape((1, b - a))
            draw_poisson(key, inputs.rows[p : p + 1], np.uint64(n), means, line.reshape((1, b - a)))
        if source[COLUMN] < 0:
            emitting = counts[source[UNIT] : source[UNIT] + b - a]
            for i in range(emitting.shape[0]):
                emitting[i] += np.int32(line[i])
        else:
            reached = row[source[COLUMN] : source[COLUMN] + b - a]
            for i in range(reached.shape[0]):
                reached[i] += inputs.source_weights[p] * line[i]


@kernel
def draw_tabulated(key, row, step, tables, cumulative, guides, out):
    """out_i = a Poisson count by table `tables[i]`: the smallest k with u < P(N <= k)."""
    k0, k1 = key[0], key[1]
    for start in range(0, out.shape[0], 4):
        words = philox(np.uint64(start // 4), row, step, POISSON, k0, k1)
        for i in range(start, min(start + 4, out.shape[0])):
            word, table = words[i - start], tables[i]
            u, count = uniform64(word), np.int64(guides[table, np.int64(word >> _SHIFT)])
            while u >= cumulative[table, count]:
                count += 1
            out[i] = count


@kernel
def tabulate(means, cumulative, guides):
    """Fill the tables of Poisson numbers of `means`, each in [0, HIGHEST_TABULATED)."""
    for m in range(means.shape[0]):
        mean, line = means[m], cumulative[m]
        probability = exp(-mean)
        total = probability
        line[0] = max(total, 1.0 - mean) if mean > 0.0 else np.inf  # e^-mean is no smaller than 1 - mean
        for k in range(1, line.shape[0]):
            probability *= mean / k
            total += probability
            line[k] = total if probability > _NEVER else np.inf
        count = 0
        for part in range(guides.shape[1]):
            while part / guides.shape[1] >= line[count]:
                count += 1
            guides[m, part] = count
