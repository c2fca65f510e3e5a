"""Elementary functions for kernels: branch-free, so that loops over arrays vectorise, in float64 and float32.

The result has the argument's type. Largest errors found (units in the last place of the result):

    float64: exp 1, log 1, sigmoid 2, tanh 2, softplus 2     float32: the same, computed in float32 alone

`rough_sigmoid` is within 2^-20 of sigmoid, for those who look closer where that matters.

NaN and infinities pass through, subnormal numbers are kept. The functions themselves are plain-Python twins on NumPy,
for scalars and arrays; compiled code replaces them. Ranges are reduced as in fdlibm (Sun Microsystems, 1993); the
polynomials are Taylor series, cut where the rest is far below the last place.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import register_jitable

from bioneuro._jit.bits import bits_of, float_of
from bioneuro._jit.kernel import twin_of
from bioneuro._jit.parts import PART


def exp(x):
    """e^x."""
    with np.errstate(all="ignore"):
        return np.exp(x)


def log(x):
    """Natural logarithm; -inf at 0, NaN below."""
    with np.errstate(all="ignore"):
        return np.log(x)


def sigmoid(x):
    """1 / (1 + e^-x)."""
    with np.errstate(all="ignore"):
        tail = np.exp(-np.abs(x))
        return np.where(x < 0, tail, tail.dtype.type(1)) / (1 + tail)


def rough_sigmoid(x):
    """1 / (1 + e^-x) to 2^-20 (absolute), in less than half the time."""
    return sigmoid(x)


def tanh(x):
    """(e^x - e^-x) / (e^x + e^-x)."""
    return np.tanh(x)


def softplus(x):
    """log(1 + e^x)."""
    with np.errstate(all="ignore"):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _compile(real, word, mantissa, ln2_high, ln2_low, root_half, exp_terms, log_terms, exp_range, tanh_range):
    """Build the six functions for one floating-point format.

    `mantissa` is the number of stored bits; `ln2_high` has so few bits that a product with any exponent is exact;
    `root_half` are the bits of sqrt(1/2); the ranges are where the result has reached its limits.
    """
    bits, bias = word(mantissa), word(2 ** (8 * word(0).itemsize - 2 - mantissa) - 1)
    one_bits = word(int(bias) << mantissa)
    mantissa_mask = word((1 << mantissa) - 1)
    sign_mask = word(1 << (8 * word(0).itemsize - 1))
    zero, half, one, two = real(0), real(0.5), real(1), real(2)
    ln2_high, ln2_low, per_ln2 = real(ln2_high), real(ln2_low), real(1 / math.log(2))
    rounder = real(1.5 * 2**mantissa)  # x + rounder holds round(x) in its low bits
    exponent_base = real(2**mantissa)
    exponent_shift = real(2**mantissa + int(bias))
    smallest = np.finfo(real).smallest_normal
    lift, lifted = real(2 ** (mantissa + 2)), real(mantissa + 2)
    exp_low, exp_high = map(real, exp_range)
    tanh_high, sigmoid_far = real(tanh_range), real(-1.5)
    ln2, rough_far = real(math.log(2)), real(17)  # e^-17 < 2^-24
    exp_series = tuple(real(1 / math.factorial(power)) for power in range(exp_terms, 1, -1))
    log_series = tuple(real(2 / power) for power in range(2 * log_terms + 1, 1, -2))

    @register_jitable(**PART)
    def reduce_exponent(x):
        """x = k ln 2 + r: return r, e^r - 1 - r, k, and the bits whose low end is k."""
        shifted = x * per_ln2 + rounder
        k = shifted - rounder
        high, low = x - k * ln2_high, k * ln2_low
        r = high - low
        lost = (high - r) - low
        series = exp_series[0]
        for coefficient in exp_series[1:]:
            series = series * r + coefficient
        return r, r * r * series + lost, k, bits_of(shifted)

    @register_jitable(**PART)
    def sum_exactly(large, middle, small):
        """large + middle + small with one rounding that matters (|large| >= |middle|, or large = 0)."""
        total = large + middle
        return total + ((large - total) + middle + small)

    @register_jitable(**PART)
    def log_near_one(f, k):
        """log(1 + f) + k ln 2 for 1 + f in [sqrt(1/2), sqrt(2)], by 2 artanh(f / (2 + f))."""
        s = f / (two + f)
        z = s * s
        series = log_series[0]
        for coefficient in log_series[1:]:
            series = series * z + coefficient
        half_square = half * f * f
        return s * (half_square + z * series) + k * ln2_low - half_square + f + k * ln2_high

    def exp_(x):
        x = exp_high if x > exp_high else x
        x = exp_low if x < exp_low else x
        r, rest, _, n = reduce_exponent(x)
        first = word(n >> word(1))  # 2^k in two factors: e^x may be subnormal or overflow, and 2^k then fits no number
        second = word(n - first)
        return (
            sum_exactly(one, r, rest)
            * float_of(word((first << bits) + one_bits))
            * float_of(word((second << bits) + one_bits))
        )

    def log_(x):
        tiny = x < smallest
        n = word(bits_of(x * lift if tiny else x) + word(one_bits - root_half))
        k = float_of(word((n >> bits) | bits_of(exponent_base))) - exponent_shift
        m = float_of(word((n & mantissa_mask) + root_half))
        value = log_near_one(m - one, k - lifted if tiny else k)
        value = x if x == real(np.inf) else value
        value = real(-np.inf) if x == zero else value
        return value if x >= zero else real(np.nan)

    def sigmoid_(x):
        tail = exp(-abs(x))
        value = (tail if x < zero else one) / (one + tail)
        far = x < sigmoid_far  # here the rounding of 1 + tail would show
        return tail - tail * value if far else value

    def rough_sigmoid_(x):
        x = rough_far if x > rough_far else x
        x = -rough_far if x < -rough_far else x
        shifted = rounder - x * per_ln2
        r = (rounder - shifted) * ln2 - x  # e^-x = 2^k e^r
        growth = exp_series[-4]
        for coefficient in (*exp_series[-3:], one, one):
            growth = growth * r + coefficient
        return one / (one + float_of(word(bits_of(growth) + (bits_of(shifted) << bits))))

    def tanh_(x):
        size = abs(x)
        size = tanh_high if size > tanh_high else size
        r, rest, k, n = reduce_exponent(size + size)
        scale = float_of(word((n << bits) + one_bits))
        growth = sum_exactly(scale - one, scale * r, scale * rest)
        small = k == zero  # then r = 2 size exactly, and the sum below keeps the last bit
        start = size if small else zero
        value = start + (rest - size * growth if small else growth) / (growth + two)
        return float_of(word(bits_of(value) | word(bits_of(x) & sign_mask)))

    def softplus_(x):
        tail = exp(-abs(x))
        near = tail < real(0.4)
        f = tail if near else half * (tail - one)
        k = zero if near else one
        positive = zero if x < zero else x
        return positive + log_near_one(f, k)

    return exp_, log_, sigmoid_, rough_sigmoid_, tanh_, softplus_


_FORMATS = {
    types.float64: _compile(
        np.float64,
        np.uint64,
        mantissa=52,
        ln2_high=6.93147180369123816490e-01,
        ln2_low=1.90821492927058770002e-10,
        root_half=np.uint64(0x3FE6A09E667F3BCD),
        exp_terms=13,
        log_terms=11,
        exp_range=(-746, 710),
        tanh_range=20,
    ),
    types.float32: _compile(
        np.float32,
        np.uint32,
        mantissa=23,
        ln2_high=0.693359375,
        ln2_low=-2.12194440e-4,
        root_half=np.uint32(0x3F3504F3),
        exp_terms=7,
        log_terms=5,
        exp_range=(-104, 89),
        tanh_range=10,
    ),
}


def _register(twin, position):
    @twin_of(twin)
    def choose_format(x):
        return _FORMATS[x][position] if x in _FORMATS else None


for _position, _twin in enumerate((exp, log, sigmoid, rough_sigmoid, tanh, softplus)):
    _register(_twin, _position)
