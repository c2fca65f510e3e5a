"""Kernels of Hopfield networks: one asynchronous sweep over many rows, and their energies."""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import kernel
from bioneuro._jit.random import draw_permutation


@kernel
def sweep_asynchronously(weights, thresholds, slack, key, streams, sweep, rows, free, spins, fields, order, flips):
    """Visit every free unit of every row once: s_i = sign(h_i - theta_i), where |h_i - theta_i| > slack_i.

    `fields` = spins @ weights is maintained: a row of W is added only when a spin flips.

    Parameters
    ----------
    weights, thresholds, slack : (n, n), (n,), (n,)
    key, streams : (2,) and (rows of spins,) uint64; the `sweep`-th permutation of a row's stream is its order of visits
    rows : (k,) which rows to sweep
    free : (rows of spins, n) bool, the units that may flip
    spins, fields : (rows of spins, n), changed in place
    order : (n,) int64, scratch
    flips : (k,) written: how many units flipped
    """
    for k in range(rows.shape[0]):
        row = rows[k]
        spin, field, may_flip = spins[row], fields[row], free[row]
        draw_permutation(key, streams[row], np.uint64(sweep), order)
        count = 0
        for unit in order:
            drive = field[unit] - thresholds[unit]
            if not may_flip[unit] or abs(drive) <= slack[unit]:
                continue
            step = (spin.dtype.type(1) if drive > 0 else spin.dtype.type(-1)) - spin[unit]
            if step == 0:
                continue
            spin[unit] += step
            count += 1
            synapses = weights[unit]
            for j in range(field.shape[0]):
                field[j] += step * synapses[j]
        flips[k] = count


@kernel
def energies(thresholds, rows, spins, fields, out):
    """E = -1/2 sum_i s_i h_i + sum_i theta_i s_i of each of `rows`, h = spins @ weights; summed in float64 in order."""
    for k in range(rows.shape[0]):
        spin, field = spins[rows[k]], fields[rows[k]]
        total = 0.0
        for i in range(spin.shape[0]):
            s = np.float64(spin[i])
            total += s * (np.float64(thresholds[i]) - 0.5 * np.float64(field[i]))
        out[k] = total
