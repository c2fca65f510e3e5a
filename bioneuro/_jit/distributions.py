"""Draws as pure functions of (key, row, unit, step), for use inside kernels.

All arguments but p and rate are uint64; `k0, k1 = key[0], key[1]`. Each kind of draw has its own value in the last
counter word, so that kinds share no random words, but for Bernoulli, which is the uniform draw compared with p.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from bioneuro._jit.bits import multiply_wide
from bioneuro._jit.kernel import kernel, scalar, twin_of
from bioneuro._jit.math import exp, log
from bioneuro._jit.philox import open_uniform, philox, uniform32, uniform64

UNIFORM, NORMAL, POISSON, BELOW = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
NEXT_ATTEMPT = np.uint64(256)  # added to the kind when a rejection asks for more words

# |p - 1/2|, and its square, and sqrt(-ln p) where the formulas for normal numbers meet
_NEAR, _NEAR_SQUARE, _FAR = 0.425, 0.180625, 5.0
_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)
_ZERO = np.uint64(0)
_SMALL_RATE = 10.0  # below it the sum of probabilities is short, above it rejection is fast
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

# Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37 (1988), PPND16
# fmt: off
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)
_SHOULDER = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)
# fmt: on


@scalar
def uniforms_from(words, out):
    """out_j = word j as a number in [0, 1): 24 bits in float32, 53 in float64."""
    like = out.dtype.type(0)
    for j in range(out.shape[0]):
        out[j] = _uniform_like(words[j], like)


def _uniform_like(word, like):
    return uniform32(word) if isinstance(like, np.float32) else uniform64(word)


@twin_of(_uniform_like)
def _(word, like):
    if like == types.float32:
        return lambda word, like: uniform32(word)
    return lambda word, like: uniform64(word)


@scalar
def word_of(k0, k1, row, unit, step, kind):
    """The one of four words of a counter that belongs to `unit`."""
    w0, w1, w2, w3 = philox(unit >> _TWO, row, step, kind, k0, k1)
    place = unit & _THREE
    low = w0 if place == _ZERO else w1
    high = w2 if place == _TWO else w3
    return low if place < _TWO else high


@scalar
def uniform(k0, k1, row, unit, step):
    """Uniform float64 in [0, 1)."""
    return uniform64(word_of(k0, k1, row, unit, step, UNIFORM))


@scalar
def bernoulli(k0, k1, row, unit, step, p):
    """True with probability p (resolution 2^-53): p <= 0 gives never, p >= 1 always, NaN never."""
    return uniform(k0, k1, row, unit, step) < p


@scalar
def normal(k0, k1, row, unit, step):
    """Standard normal float64; |value| <= 8.3."""
    return normal_quantile(open_uniform(word_of(k0, k1, row, unit, step, NORMAL)))


@scalar
def normal_quantile(p):
    """x with P(Z <= x) = p for 0 < p < 1, to 1e-15 relative (AS 241)."""
    q = p - 0.5
    if abs(q) <= _NEAR:
        return q * _ratio(_NEAR_SQUARE - q * q, _CENTRE)
    r = _depth(p)
    x = _ratio(r - 1.6, _SHOULDER) if r <= _FAR else _ratio(r - 5.0, _TAIL)
    return -x if q < 0.0 else x


@scalar
def normals_from(words, out):
    """out_j = word j as a standard normal number: the same numbers, without a branch; float32 takes them rounded."""
    tails = 0
    for j in range(out.shape[0]):
        p = open_uniform(words[j])
        q, r = p - 0.5, _depth(p)
        near, far = q * _ratio(_NEAR_SQUARE - q * q, _CENTRE), _ratio(r - 1.6, _SHOULDER)
        out[j] = near if abs(q) <= _NEAR else (-far if q < 0.0 else far)
        tails += r > _FAR
    if tails:
        for j in range(out.shape[0]):
            out[j] = normal_quantile(open_uniform(words[j]))


@scalar
def _depth(p):
    """sqrt(-ln p) for the smaller of p and 1 - p."""
    return math.sqrt(-log(min(p, 1.0 - p)))


@scalar
def poisson(k0, k1, row, unit, step, rate):
    """A Poisson count (int64) of mean rate in [0, 1e15]; NaN and negative rates give 0.

    Below 10 by summing probabilities up to one uniform number, above by transformed rejection (PTRS: Hörmann, The
    transformed rejection method for generating Poisson random variables, Insurance: Math. and Economics 12, 1993).
    """
    return poisson_from(word_of(k0, k1, row, unit, step, POISSON), k0, k1, row, unit, step, rate)


@scalar
def poisson_from(word, k0, k1, row, unit, step, rate):
    """The same, its first word given: four units share the work of one block."""
    rate, u = np.float64(rate), uniform64(word)
    if u < 1.0 - rate or not rate > 0.0:  # e^-rate is no smaller than 1 - rate
        return np.int64(0)
    if rate < _SMALL_RATE:
        return _poisson_small(u, rate)
    return _poisson_large(k0, k1, row, unit, step, rate)


@scalar
def integer_below(k0, k1, row, unit, step, n):
    """A whole number in 0 .. n-1 (uint64), every one exactly as likely (Lemire, ACM TOMACS 29, 2019); n >= 1."""
    kind = BELOW
    while True:
        w0, w1, w2, w3 = philox(unit, row, step, kind, k0, k1)
        for word in (w0, w1, w2, w3):
            high, low = multiply_wide(word, n)
            if low >= n or low >= _remainder(n):
                return high
        kind += NEXT_ATTEMPT


@scalar
def _remainder(n):
    """2^64 mod n."""
    return np.uint64(np.uint64(0xFFFFFFFFFFFFFFFF) % n + _ONE) % n


@scalar
def _ratio(x, coefficients):
    """P(x) / Q(x), highest power first."""
    above, below = 0.0, 0.0
    for numerator, denominator in zip(coefficients[0], coefficients[1]):  # noqa: B905 - Numba knows no strict=
        above = above * x + numerator
        below = below * x + denominator
    return above / below


@scalar
def _poisson_small(u, rate):
    count = np.int64(0)
    probability = exp(-rate)
    cumulative = probability
    while u >= cumulative and probability > 1e-18:  # a rounded sum may stay below the largest u
        count += 1
        probability *= rate / count
        cumulative += probability
    return count


@kernel
def _poisson_large(k0, k1, row, unit, step, rate):
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    sure = 0.9277 - 3.6224 / (b - 2.0)
    kind = POISSON + NEXT_ATTEMPT
    while True:
        w0, w1, w2, w3 = philox(unit, row, step, kind, k0, k1)
        for first, second in ((w0, w1), (w2, w3)):
            u, v = open_uniform(first) - 0.5, open_uniform(second)
            distance = 0.5 - abs(u)
            count = math.floor((2.0 * a / distance + b) * u + rate + 0.43)
            if distance >= 0.07 and v <= sure:
                return np.int64(count)
            if count < 0.0 or (distance < 0.013 and v > distance):
                continue
            bound = log(v) + log(inverse_alpha) - log(a / (distance * distance) + b)
            if bound <= _poisson_log_probability(np.float64(count), rate):
                return np.int64(count)
        kind += NEXT_ATTEMPT


@scalar
def _poisson_log_probability(count, rate):
    """log(rate^k e^-rate / k!); Stirling's series for large k, where the three terms alone would cancel."""
    if count < 16.0:
        return count * log(rate) - rate - math.lgamma(count + 1.0)
    excess = (rate - count) / count
    inverse = 1.0 / (count * count)
    series = (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / count
    return -count * (excess - math.log1p(excess)) - 0.5 * log(count) - _HALF_LOG_TWO_PI - series
