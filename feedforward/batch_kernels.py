"""What is done to a batch between two products: kernels that the compiled epoch calls by address.

Matrices are `Matrix`, (rows, columns) with contiguous rows; a worker gets the columns that are its own. All return 0.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import Slot, kernel, scalar, specialise
from bioneuro._jit.matrix import part, rows_of
from bioneuro._jit.philox import uniform32
from bioneuro._jit.processor import fetch
from bioneuro._jit.random import CHUNK, SPARE, UNIFORM, draw_normal, draw_words
from bioneuro._jit.simd import add_down, lanes, sum_down
from bioneuro._jit.team import share

SHIFT, GAIN, MEAN, VARIANCE = range(4)  # rows of `own`, what a normalised population learns; SHIFT is its bias
# rows of `batch`, what a batch tells of it
BATCH_MEAN, BATCH_VARIANCE, SPREAD, SHIFT_GRADIENT, GAIN_GRADIENT = range(5)
N_BATCH = 5
UNKNOWN = 0.5  # what an input in [0, 1] says that knows nothing, halfway between off and on
NEAR = 1 << 19  # bytes of data that stay in the cache by themselves
_ONE, _TWO = np.uint64(1), np.uint64(2)  # unsigned places are not looked at for being negative
_ONE_MORE = np.int64(1)


@scalar
def _clear(vector, columns):
    for j in range(columns):
        vector[j] = 0


# -- inputs ------------------------------------------------------------------------------------------------------------


@kernel
def gather(data, to, begin, rows, worker, workers):
    """Copy the rows of a batch together, each worker some rows of dense inputs."""
    i0, i1 = share(rows, worker, workers, 1)
    targets = rows_of(to, rows)
    for i in range(i0, i1):
        source, target = data.X[data.order[begin + i]], targets[i]
        for j in range(source.shape[0]):
            target[j] = source[j]
    if data.X.size * data.X.itemsize < NEAR:
        return 0
    for k in range(begin + rows + i0, min(begin + rows + i1, data.order.shape[0])):  # the next batch, from memory
        source, target = data.X[data.order[k]], data.y[data.order[k]]
        fetch(source, 0, source.shape[0])
        fetch(target, 0, target.shape[0])
    return 0


@kernel
def sort_by_feature(data, to, begin, rows, worker, workers):
    """The same of sparse inputs: the entries of the batch by feature and row, all of them for each worker by itself.

    To share this work would cost more: what one core has written arrives late at another. `to` stays as it is.
    """
    starts, its_rows, its_values = data.batch.starts[worker], data.batch.rows[worker], data.batch.values[worker]
    _clear(starts, starts.shape[0])
    for k in range(begin, begin + rows):
        features = data.features[data.row_starts[k] : data.row_ends[k]]
        for e in range(features.shape[0]):
            starts[np.uint64(features[e]) + _TWO] += _ONE_MORE
    for f in range(2, starts.shape[0]):
        starts[f] += starts[f - 1]
    for i in range(rows):  # starts[f + 1], where feature f begins, moves on to where it ends
        where = slice(data.row_starts[begin + i], data.row_ends[begin + i])
        features, values = data.features[where], data.values[where]
        for e in range(features.shape[0]):
            feature = np.uint64(features[e]) + _ONE
            place = np.uint64(starts[feature])
            its_rows[place], its_values[place] = i, values[e]
            starts[feature] += _ONE_MORE
    for k in range(begin + rows, min(begin + 2 * rows, data.row_starts.shape[0])):  # the next batch, from memory
        fetch(data.features, data.row_starts[k], data.row_ends[k])
        fetch(data.values, data.row_starts[k], data.row_ends[k])
        target = data.y[data.order[k]]
        fetch(target, 0, target.shape[0])
    return 0


@kernel
def disturb(x, of_noise, of_corruption, sigma, flip, mask, rows, columns, step, worker, workers):
    """Corrupt the batch, then add noise, by their keys; each worker the rows that it gathered."""
    if flip > 0 or mask > 0:
        corrupt(x, of_corruption, flip, mask, rows, columns, step, worker, workers)
    if sigma > 0:
        jitter(x, of_noise, sigma, rows, columns, step, worker, workers)
    return 0


@kernel
def corrupt(x, key, flip, mask, rows, columns, step, worker, workers):
    """x <- 1 - x where u < flip, and UNKNOWN where u >= 1 - mask, u uniform as `random.fill_uniform` draws it; each
    worker the rows that it gathered."""
    i0, i1 = share(rows, worker, workers, 1)
    one, nothing = x.values.dtype.type(1), x.values.dtype.type(UNKNOWN)
    low, high = np.float32(flip), np.float32(1 - mask)
    inputs, words = rows_of(x, rows), np.empty(CHUNK + SPARE, np.uint64)
    for i in range(i0, i1):
        for start in range(0, columns, CHUNK):
            count = min(CHUNK, columns - start)
            target = inputs[i, start : start + count]
            draw_words(key, np.uint64(i), np.uint64(step), UNIFORM, start, count, words)
            for j in range(count):
                drawn = uniform32(words[j])
                value = one - target[j] if drawn < low else target[j]
                target[j] = nothing if drawn >= high else value
    return 0


@kernel
def jitter(x, key, sigma, rows, columns, step, worker, workers):
    """x += sigma n, n standard normal as `random.fill_normal` draws it; each worker the rows that it gathered."""
    i0, i1 = share(rows, worker, workers, 1)
    number, draws, factor = np.empty(1, np.uint64), np.empty((1, columns), x.values.dtype), x.values.dtype.type(sigma)
    inputs = rows_of(x, rows)
    for i in range(i0, i1):
        number[0] = i
        draw_normal(key, number, np.uint64(step), draws)
        target, drawn = inputs[i], draws[0]
        for j in range(columns):
            target[j] += factor * drawn[j]
    return 0


# -- bias, dropout, one-to-one projections -----------------------------------------------------------------------------


strip = Slot("strip(vectors, m, rows, vector, first, columns), a block of `simd` for so many registers of a row")


def _in_strips(m, vector, rows, columns):
    """What `strip` does, to rows of any length: loops over short rows would take longer to begin than to run."""
    width, j = lanes(vector), 0
    while j + 4 * width <= columns:
        strip(4, part(m, 0, j), rows, vector, j, None)
        j += 4 * width
    if j + 2 * width <= columns:
        strip(2, part(m, 0, j), rows, vector, j, None)
        j += 2 * width
    if j + width <= columns:
        strip(1, part(m, 0, j), rows, vector, j, None)
        j += width
    if j < columns:
        strip(1, part(m, 0, j), rows, vector, j, columns - j)
    return 0


add_row = specialise(_in_strips, strip=add_down)
"""(m, row, rows, columns): m_i += row, for every i."""
sum_rows = specialise(_in_strips, strip=sum_down)
"""(m, out, rows, columns): out = sum over i of m_i."""


@kernel
def drop(a, mask, emitted, key, share_dead, rows, columns, first, step):
    """mask = 0 for the dead, 1 / (1 - share_dead) for the living, as `random.fill_uniform` draws; emitted = a mask.

    first : which unit of the population the first column is, a multiple of 4.
    """
    living, bound = a.values.dtype.type(1 / (1 - share_dead)), np.float32(share_dead)
    sources, masks, targets = rows_of(a, rows), rows_of(mask, rows), rows_of(emitted, rows)
    words = np.empty(CHUNK + SPARE, np.uint64)
    for i in range(rows):
        for start in range(0, columns, CHUNK):
            count = min(CHUNK, columns - start)
            source, factors = sources[i, start : start + count], masks[i, start : start + count]
            target = targets[i, start : start + count]
            draw_words(key, np.uint64(i), np.uint64(step), UNIFORM, first + start, count, words)
            for j in range(count):
                factors[j] = living if uniform32(words[j]) >= bound else 0
                target[j] = source[j] * factors[j]
    return 0


@kernel
def transpose(m, out, rows, columns):
    """out_ji = m_ij."""
    sources, targets = rows_of(m, rows), rows_of(out, columns)
    for i in range(rows):
        for j in range(columns):
            targets[j, i] = sources[i, j]
    return 0


@kernel
def multiply_entries(m, by, rows, columns):
    """m_ij *= by_ij."""
    targets, factors = rows_of(m, rows), rows_of(by, rows)
    for i in range(rows):
        target, factor = targets[i], factors[i]
        for j in range(columns):
            target[j] *= factor[j]
    return 0


@kernel
def scale(x, weights, out, rows, columns, more):
    """out (+)= x w, unit by unit."""
    sources, targets = rows_of(x, rows), rows_of(out, rows)
    for i in range(rows):
        source, target = sources[i], targets[i]
        if more:
            for j in range(columns):
                target[j] += source[j] * weights[j]
        else:
            for j in range(columns):
                target[j] = source[j] * weights[j]
    return 0


@kernel
def sum_products(x, m, out, rows, columns):
    """out[j] = sum over i of x_ij m_ij."""
    lefts, rights = rows_of(x, rows), rows_of(m, rows)
    _clear(out, columns)
    for i in range(rows):
        left, right = lefts[i], rights[i]
        for j in range(columns):
            out[j] += left[j] * right[j]
    return 0


# -- batch normalisation -----------------------------------------------------------------------------------------------


@kernel
def normalise(z, out, own, batch, rows, columns, epsilon):
    """z <- z_hat = (z - mean) / sqrt(variance + epsilon), out <- gain z_hat + shift.

    mean, variance : of the rows, column by column; the variance with 1 / rows here and unbiased in `batch`.
    """
    seen, learnt = rows_of(batch, N_BATCH), rows_of(own, VARIANCE + 1)
    mean, variance, spread = seen[BATCH_MEAN], seen[BATCH_VARIANCE], seen[SPREAD]
    shift, gain = learnt[SHIFT], learnt[GAIN]
    sources, targets = rows_of(z, rows), rows_of(out, rows)
    sum_rows(z, mean, rows, columns)
    for j in range(columns):
        mean[j] /= rows
    _clear(variance, columns)
    for i in range(rows):
        source = sources[i]
        for j in range(columns):
            source[j] -= mean[j]
            variance[j] += source[j] * source[j]
    for j in range(columns):
        spread[j] = 1 / np.sqrt(variance[j] / rows + epsilon)
        variance[j] /= rows - 1
    for i in range(rows):
        source, target = sources[i], targets[i]
        for j in range(columns):
            source[j] *= spread[j]
            target[j] = gain[j] * source[j] + shift[j]
    return 0


@kernel
def follow(own, batch, columns, momentum):
    """The running mean and variance move towards those of the batch: m <- m + momentum (m_batch - m)."""
    factor, learnt, seen = own.values.dtype.type(momentum), rows_of(own, VARIANCE + 1), rows_of(batch, N_BATCH)
    for i in range(2):
        running, found = learnt[MEAN + i], seen[BATCH_MEAN + i]
        for j in range(columns):
            running[j] += factor * (found[j] - running[j])
    return 0


@kernel
def normalise_back(delta, z_hat, own, batch, rows, columns):
    """delta <- dL/dz = gain spread (delta - mean of delta - z_hat times the mean of delta z_hat).

    delta : dL/d(gain z_hat + shift) before. The gradients of shift and gain, its sums, go to `batch`.
    """
    seen, gain = rows_of(batch, N_BATCH), rows_of(own, VARIANCE + 1)[GAIN]
    spread, of_shift, of_gain = seen[SPREAD], seen[SHIFT_GRADIENT], seen[GAIN_GRADIENT]
    errors, normals = rows_of(delta, rows), rows_of(z_hat, rows)
    sum_rows(delta, of_shift, rows, columns)
    sum_products(delta, z_hat, of_gain, rows, columns)
    share_of_row = delta.values.dtype.type(1 / rows)
    for i in range(rows):
        error, normal = errors[i], normals[i]
        for j in range(columns):
            common = share_of_row * (of_shift[j] + normal[j] * of_gain[j])
            error[j] = gain[j] * spread[j] * (error[j] - common)
    return 0
