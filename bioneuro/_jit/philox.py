"""Philox-4x64-10: four random words from a 256-bit counter and a 128-bit key, as in `numpy.random.Philox`.

Being a pure function of (key, counter) it gives the same draw to a unit whatever thread, chunk or batch it falls in.
Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
"""

from __future__ import annotations

import numpy as np
from numba import types

from bioneuro._jit.bits import multiply_wide
from bioneuro._jit.kernel import scalar, twin_of

_ROUNDS = 10
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_WORD = 0xFFFFFFFFFFFFFFFF

_ELEVEN, _TWELVE, _FORTY = np.uint64(11), np.uint64(12), np.uint64(40)
_TWO_M24, _TWO_M52, _TWO_M53 = np.float32(2**-24), 2.0**-52, 2.0**-53


def philox(c0, c1, c2, c3, k0, k1):
    """Return four uint64 for the counter (c0, c1, c2, c3) and the key (k0, k1), all uint64."""
    c0, c1, c2, c3, k0, k1 = map(int, (c0, c1, c2, c3, k0, k1))
    for _ in range(_ROUNDS):
        high_0, low_0 = divmod(int(_MULTIPLIER_0) * c0, _WORD + 1)
        high_1, low_1 = divmod(int(_MULTIPLIER_1) * c2, _WORD + 1)
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
        k0, k1 = (k0 + int(_WEYL_0)) & _WORD, (k1 + int(_WEYL_1)) & _WORD
    return np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)


@twin_of(philox)
def _(c0, c1, c2, c3, k0, k1):
    if any(word != types.uint64 for word in (c0, c1, c2, c3, k0, k1)):
        return None  # a signed word would turn the arithmetic into float64 without a sound

    def rounds(c0, c1, c2, c3, k0, k1):
        for _ in range(_ROUNDS):
            high_0, low_0 = multiply_wide(_MULTIPLIER_0, c0)
            high_1, low_1 = multiply_wide(_MULTIPLIER_1, c2)
            c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
            k0, k1 = k0 + _WEYL_0, k1 + _WEYL_1
        return c0, c1, c2, c3

    return rounds


@scalar
def uniform64(word):
    """The upper 53 bits of a uint64 as a float64 in [0, 1)."""
    return np.float64(np.int64(word >> _ELEVEN)) * _TWO_M53


@scalar
def uniform32(word):
    """The upper 24 bits of a uint64 as a float32 in [0, 1)."""
    return np.float32(np.int32(word >> _FORTY)) * _TWO_M24


@scalar
def open_uniform(word):
    """The upper 52 bits of a uint64 as a float64 in (0, 1), symmetric about 1/2."""
    return (np.float64(np.int64(word >> _TWELVE)) + 0.5) * _TWO_M52
