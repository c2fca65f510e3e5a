"""Random numbers for kernels: each draw is a pure function of (key, row, unit, step).

    word = philox(counter = (unit // 4, row, step, kind of draw), key)[unit % 4]

so the same draw comes out for any batch split, chunk size or number of threads. `row` is an index, or the `hash_rows`
of the row's content, which makes a stochastic prediction independent of where in a batch a row stands.

`fill_*` are for Python. `draw_*` are the kernels below them, for use inside other kernels: (key, rows, step, ..., out)
with key uint64 (2,) as `Key.words` gives it, rows uint64 (n,), step uint64, out (n, m). Single draws for kernels are in
`distributions`.
"""

from __future__ import annotations

import numba
import numpy as np

from bioneuro._jit.bits import multiply_wide
from bioneuro._jit.borrow import borrowed
from bioneuro._jit.distributions import (
    NORMAL,
    POISSON,
    UNIFORM,
    bernoulli,
    integer_below,
    normal,
    normals_from,
    poisson,
    poisson_from,
    uniform,
    uniforms_from,
)
from bioneuro._jit.kernel import Slot, kernel, scalar, specialise
from bioneuro._jit.keys import HOST_LANE, Key, seed_from
from bioneuro._jit.math import rough_sigmoid, sigmoid
from bioneuro._jit.philox import BLOCKS, philox, philox_blocks, uniform32, uniform64
from bioneuro.errors import InvalidInput, check_number

__all__ = [
    "Key",
    "bernoulli",
    "draw_bernoulli",
    "draw_bernoulli_of_sigmoid",
    "draw_normal",
    "draw_permutation",
    "draw_poisson",
    "draw_uniform",
    "draw_words",
    "fill_bernoulli",
    "fill_normal",
    "fill_poisson",
    "fill_uniform",
    "fill_uniform_rows",
    "hash_rows",
    "integer_below",
    "normal",
    "permutation",
    "philox",
    "poisson",
    "seed_from",
    "shuffled",
    "uniform",
    "uniform32",
    "uniform64",
]

_LARGEST_RATE = 1e15
CHUNK = 640  # words drawn before they are used, in loops that vectorise
SPARE = 4 * BLOCKS  # words that `draw_words` may write beyond those asked for
_HASHED_AT_ONCE = 1 << 17  # numbers converted to float64 at a time
_MIX_0, _MIX_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF_WORD, _LOW_HALF, _ZERO, _ONE = np.uint64(32), np.uint64(2**32 - 1), np.uint64(0), np.uint64(1)
_CLOSE = np.float32(2**-18)

convert = Slot("convert(words, out), which fills out: its numbers, one for each word")
kind = Slot("kind, the last counter word")


def fill_uniform(key: Key, step: int, out: np.ndarray, rows=0) -> np.ndarray:
    """Fill `out` with uniform numbers in [0, 1).

    Parameters
    ----------
    key : the stream
    step : whole number >= 0, for example the sweep or the time step
    out : (m,) units of one row, or (n, m); float32 (24 bits) or float64 (53 bits), C order
    rows : the number of the first row, or uint64 (n,): one number, or content hash, per row

    Returns `out`.
    """
    lines, rows = _layout(out, rows, "f")
    draw_uniform(key.words, rows, _step(step), lines)
    return out


def fill_uniform_rows(key: Key, row_hashes: np.ndarray, step: int, out: np.ndarray) -> np.ndarray:
    """Fill `out` (n, m) as `fill_uniform` does, each row from the stream of its own content: `hash_rows(X)`."""
    return fill_uniform(key, step, out, row_hashes)


def fill_bernoulli(key: Key, step: int, p, out: np.ndarray, rows=0) -> np.ndarray:
    """Fill `out` with 1 where the uniform draw of the same (key, row, unit, step) is below `p`, else with 0.

    p : probability, one number or an array that broadcasts to `out`; out: any real or Boolean type. The rest as in
    `fill_uniform`.
    """
    lines, rows = _layout(out, rows, "iufb")
    draw_bernoulli(key.words, rows, _step(step), _broadcast(p, lines), lines, 0, lines.shape[1])
    return out


def fill_normal(key: Key, step: int, out: np.ndarray, rows=0) -> np.ndarray:
    """Fill `out` (float32 or float64) with standard normal numbers; parameters as in `fill_uniform`."""
    lines, rows = _layout(out, rows, "f")
    draw_normal(key.words, rows, _step(step), lines)
    return out


def fill_poisson(key: Key, step: int, rate, out: np.ndarray, rows=0) -> np.ndarray:
    """Fill `out` (integers or floats) with Poisson counts of mean `rate` in [0, 1e15].

    rate : one number or an array that broadcasts to `out`. The rest as in `fill_uniform`. Raises `InvalidInput` for a
    rate out of range or NaN.
    """
    lines, rows = _layout(out, rows, "iuf")
    rates = _broadcast(rate, lines)
    if rates.size:
        low, high = float(rates.min()), float(rates.max())
        check_number("rate", high if low >= 0 else low, low=0.0, high=_LARGEST_RATE)
    draw_poisson(key.words, rows, _step(step), rates, lines)
    return out


def permutation(key: Key, step: int, n: int, row: int = 0) -> np.ndarray:
    """Return the numbers 0 .. n-1 in random order (int64), every order equally likely."""
    out = np.empty(check_number("n", n, low=0, integer=True), np.int64)
    draw_permutation(key.words, _step(row), _step(step), out)
    return out


def shuffled(key: Key, n: int) -> np.ndarray:
    """Return `key.generator().permutation(n)`, for n < 2^32, in a fifth of the time."""
    if numba.config.DISABLE_JIT:
        return key.generator().permutation(n)
    out = np.empty(check_number("n", n, low=0, high=2**32 - 1, integer=True), np.int64)
    draw_shuffled(key.words, np.uint64(HOST_LANE), out)
    return out


def hash_rows(X: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of each row's values, uint64 (n,).

    It depends on the values alone, not on their type (every number is taken as float64), the row's place or the batch;
    -0.0 and 0.0 are equal. X: (n, m), real or Boolean.
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.dtype.kind not in "iufb":
        raise InvalidInput(f"hash_rows takes a matrix of real numbers, got {X.dtype}, shape {X.shape}")
    hashes = np.empty(X.shape[0], np.uint64)
    batch = max(1, _HASHED_AT_ONCE // max(1, X.shape[1]))
    for start in range(0, X.shape[0], batch):
        values = np.add(X[start : start + batch], 0.0, dtype=np.float64, order="C")  # -0.0 + 0.0 = 0.0
        hash_words(values.view(np.uint64), hashes[start : start + batch])
    return hashes


def _fill(key, rows, step, out):
    words = np.empty(CHUNK + SPARE, np.uint64)
    out = borrowed(out)
    for i in range(out.shape[0]):
        for start in range(0, out.shape[1], CHUNK):
            piece = out[i, start : start + CHUNK]
            draw_words(key, rows[i], step, kind, start, piece.shape[0], words)
            convert(words, piece)


@kernel
def draw_words(key, row, step, kind, start, count, words):
    """The random words of `count` units from `start`, a multiple of 4, into words: (count + SPARE,) or longer."""
    k0, k1, block, whole = key[0], key[1], 0, (count + 3) // 4
    while whole - block > BLOCKS // 3:  # one by one they take three times as long
        philox_blocks(np.uint64(start // 4 + block), row, step, kind, k0, k1, words, 4 * block)
        block += BLOCKS
    while block < whole:
        four = words[4 * block : 4 * block + 4]
        four[0], four[1], four[2], four[3] = philox(np.uint64(start // 4 + block), row, step, kind, k0, k1)
        block += 1


draw_uniform = specialise(_fill, convert=uniforms_from, kind=UNIFORM)
draw_normal = specialise(_fill, convert=normals_from, kind=NORMAL)


@kernel
def draw_bernoulli(key, rows, step, p, out, begin, end):
    """out_ij = 1 if the uniform draw of (row i, unit j) is below p_ij, else 0; p, out: (n, m).

    For the units from `begin`, a multiple of 4, to `end`: they may be drawn together or apart.
    """
    words = np.empty(CHUNK + SPARE, np.uint64)
    p, out = borrowed((p, out))
    for i in range(out.shape[0]):
        for start in range(begin, end, CHUNK):
            last = min(start + CHUNK, end)
            piece, means = out[i, start:last], p[i, start:last]
            draw_words(key, rows[i], step, UNIFORM, start, last - start, words)
            for unit in range(piece.shape[0]):
                piece[unit] = uniform64(words[unit]) < means[unit]


@kernel
def draw_bernoulli_of_sigmoid(key, rows, step, x, out):
    """out_ij = 1 if the uniform draw of (row i, unit j) is below sigmoid(x_ij), else 0; x, out: (n, m)."""
    words, means = np.empty(CHUNK + SPARE, np.uint64), np.empty(CHUNK, np.float32)
    x, out = borrowed((x, out))
    for i in range(out.shape[0]):
        for start in range(0, out.shape[1], CHUNK):
            piece, fields = out[i, start : start + CHUNK], x[i, start : start + CHUNK]
            draw_words(key, rows[i], step, UNIFORM, start, piece.shape[0], words)
            if not _settled_roughly(words, fields, means, piece):
                for unit in range(piece.shape[0]):
                    piece[unit] = uniform64(words[unit]) < sigmoid(fields[unit])


@scalar
def _settled_roughly(words, fields, means, out):
    """out_j = 1 if the draw is below sigmoid(fields_j), else 0, in rough numbers; False if a draw is too close to it.

    Means are wrong by 2^-20 at most and draws by 2^-24, so that what lies _CLOSE apart lies on the same side.
    """
    close = 0
    for unit in range(out.shape[0]):  # by itself: float32 fills twice the lanes that the words do
        means[unit] = rough_sigmoid(np.float32(fields[unit]))
    for unit in range(out.shape[0]):
        draw = uniform32(words[unit])
        out[unit] = draw < means[unit]
        close += abs(draw - means[unit]) < _CLOSE
    return close == 0


@kernel
def draw_poisson(key, rows, step, rate, out):
    """out_ij = a Poisson count of mean rate_ij; rate, out: (n, m)."""
    k0, k1 = key[0], key[1]
    for i in range(out.shape[0]):
        line, rates = out[i], rate[i]
        for start in range(0, line.shape[0], 4):
            words = philox(np.uint64(start // 4), rows[i], step, POISSON, k0, k1)
            for unit in range(start, min(start + 4, line.shape[0])):
                word = words[unit - start]
                line[unit] = poisson_from(word, k0, k1, rows[i], np.uint64(unit), step, rates[unit])


@kernel
def draw_permutation(key, row, step, out):
    """out = 0 .. n-1 in random order (Fisher and Yates)."""
    for place in range(out.shape[0]):
        other = np.int64(integer_below(key[0], key[1], row, np.uint64(place), step, np.uint64(place + 1)))
        out[place] = out[other]
        out[other] = place


@kernel
def draw_shuffled(key, lane, out):
    """out = 0 .. n-1 in random order, as NumPy shuffles: from the end on, each place with one below it or itself.

    Which one say the next 32 random bits, cut to as many as the place has, and the next again while they say more. A
    word gives its lower half first; the first word is that of block 1.
    """
    words, half, start = np.empty(CHUNK + SPARE, np.uint64), 2 * CHUNK, 4
    for place in range(out.shape[0]):
        out[place] = place
    mask = _LOW_HALF
    for place in range(out.shape[0] - 1, 0, -1):
        while mask >> _ONE >= np.uint64(place):
            mask >>= _ONE
        other = mask + _ONE
        while other > np.uint64(place):
            if half == 2 * CHUNK:
                draw_words(key, _ZERO, _ZERO, lane, start, CHUNK, words)
                half, start = 0, start + CHUNK
            word = words[half // 2]
            other = (word >> _HALF_WORD if half & 1 else word) & mask
            half += 1
        out[place], out[other] = out[other], out[place]


@kernel
def hash_words(words, out):
    """out_i = a hash of the uint64 words of row i; each step is one-to-one, so only chance makes two rows collide."""
    for i in range(words.shape[0]):
        state = np.uint64(words.shape[1]) ^ _MIX_0
        for word in words[i]:
            state = _mix(state ^ word, _MIX_0)
        out[i] = _mix(_mix(state, _MIX_1), _MIX_1)


@kernel
def _mix(state, multiplier):
    _, low = multiply_wide(state, multiplier)
    return low ^ (low >> _HALF_WORD)


def _step(step) -> np.uint64:
    return np.uint64(check_number("step", step, low=0, high=2**63, integer=True))


def _layout(out, rows, kinds):
    """Return `out` as a matrix and one uint64 per row."""
    if out.ndim not in (1, 2) or out.dtype.kind not in kinds or out.dtype == np.float16 or not out.flags.c_contiguous:
        raise InvalidInput(f"out must be a vector or matrix in C order of a fitting type, got {out.dtype}, {out.shape}")
    lines = out.reshape(-1, out.shape[-1])
    if np.ndim(rows) == 0:
        first = check_number("rows", rows, low=0, high=2**62, integer=True)
        return lines, np.arange(first, first + lines.shape[0], dtype=np.uint64)
    rows = np.ascontiguousarray(rows)
    if rows.dtype != np.uint64 or rows.shape != lines.shape[:1]:
        raise InvalidInput(f"rows must be one uint64 per row of out ({lines.shape[0]}), got {rows.dtype}, {rows.shape}")
    return lines, rows


def _broadcast(values, lines):
    """Return `values` in the shape of `lines`, floating, in C order: one compiled signature serves every caller."""
    values = np.asarray(values)
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    try:
        return np.ascontiguousarray(np.broadcast_to(values, lines.shape))
    except ValueError:
        raise InvalidInput(f"an array of shape {values.shape} does not broadcast to {lines.shape}") from None
