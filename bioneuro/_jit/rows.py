"""Sums of exponentials along rows: log-sum-exp and softmax, stable and the same for every split of the rows."""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import kernel
from bioneuro._jit.math import exp, log

_LANES = 16  # partial sums of one row: a fixed number, so that the bits depend on the row alone


@kernel
def log_sum_exp(z):
    """log sum_j e^(z_j) of a vector (n >= 1), in its own type."""
    return _log_sum_exp(z, np.empty_like(z), np.empty(_LANES, z.dtype))


@kernel
def log_sum_exp_rows(z, out):
    """out_i = log sum_j e^(z_ij); z: (n, m), m >= 1, out: (n,)."""
    powers, lanes = np.empty_like(z[0]), np.empty(_LANES, z.dtype)
    for i in range(z.shape[0]):
        out[i] = _log_sum_exp(z[i], powers, lanes)


@kernel
def softmax_rows(z, out):
    """out_ij = e^(z_ij) / sum_k e^(z_ik); z, out: (n, m), m >= 1, may be one array.

    A row with a NaN, with +inf, or of nothing but -inf gives NaN.
    """
    lanes = np.empty(_LANES, z.dtype)
    for i in range(z.shape[0]):
        row, powers = z[i], out[i]
        high = _highest(row, lanes)
        if not np.isfinite(high):
            powers[:] = np.nan
            continue
        total = _sum_of_powers(row, high, powers, lanes)
        for j in range(powers.shape[0]):
            powers[j] /= total


@kernel
def _log_sum_exp(z, powers, lanes):
    high = _highest(z, lanes)
    if not np.isfinite(high):
        return high
    return high + log(_sum_of_powers(z, high, powers, lanes))


@kernel
def _highest(z, lanes):
    """max_j z_j; NaN if there is one."""
    lanes[:] = z[0]
    whole = z.shape[0] - z.shape[0] % _LANES
    for start in range(0, whole, _LANES):
        block = z[start : start + _LANES]
        for lane in range(_LANES):
            value, best = block[lane], lanes[lane]
            lanes[lane] = best if value <= best or best != best else value
    high = z[0]
    for value in lanes:
        high = high if value <= high or high != high else value
    for value in z[whole:]:
        high = high if value <= high or high != high else value
    return high


@kernel
def _sum_of_powers(z, high, powers, lanes):
    """powers_j = e^(z_j - high); return their sum."""
    for j in range(z.shape[0]):
        powers[j] = exp(z[j] - high)
    lanes[:] = 0
    whole = z.shape[0] - z.shape[0] % _LANES
    for start in range(0, whole, _LANES):
        block = powers[start : start + _LANES]
        for lane in range(_LANES):
            lanes[lane] += block[lane]
    total = lanes[0]
    for value in lanes[1:]:
        total += value
    for value in powers[whole:]:
        total += value
    return total
