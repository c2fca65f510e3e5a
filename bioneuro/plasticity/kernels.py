"""Kernels of the rate rules: one pass over rows or weights.

x: (b, n_pre), y and drive: (b, n_post), weights: (n_pre, n_post).
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import kernel


@kernel
def rectify(y):
    """y <- max(0, y)."""
    for row in range(y.shape[0]):
        line = y[row]
        for j in range(line.shape[0]):
            line[j] = max(line[j], line.dtype.type(0))


@kernel
def raise_to(y, power):
    """y <- max(0, y)^power."""
    for row in range(y.shape[0]):
        line = y[row]
        for j in range(line.shape[0]):
            line[j] = line[j] ** power if line[j] > 0 else line.dtype.type(0)


@kernel
def split_signs(y, out):
    """out <- [max(0, y), max(0, -y)]; out: (b, 2 n_post)."""
    n = y.shape[1]
    for row in range(y.shape[0]):
        line, on, off = y[row], out[row, :n], out[row, n:]
        for j in range(n):
            on[j] = max(line[j], line.dtype.type(0))
            off[j] = max(-line[j], line.dtype.type(0))


@kernel
def decay_columns(weights, amount, out):
    """out_ij <- out_ij - amount_j W_ij."""
    for i in range(weights.shape[0]):
        line, target = weights[i], out[i]
        for j in range(line.shape[0]):
            target[j] -= amount[j] * line[j]


@kernel
def signed_power(weights, exponent, out):
    """out <- sign(W) |W|^exponent."""
    for i in range(weights.shape[0]):
        line, target = weights[i], out[i]
        for j in range(line.shape[0]):
            target[j] = np.sign(line[j]) * np.abs(line[j]) ** exponent


@kernel
def modify_about(y, threshold, out):
    """out <- y (y - threshold): below its threshold an active unit weakens its synapses, above it strengthens them."""
    for row in range(y.shape[0]):
        line, target = y[row], out[row]
        for j in range(line.shape[0]):
            target[j] = line[j] * (line[j] - threshold[j])


@kernel
def compete(drive, rank, delta, taken, out):
    """out <- 1 for the unit with the strongest drive of each row, -delta for that of rank `rank`, 0 for all others.

    Of equal drives the unit with the lowest number comes first. `taken`, (n_post,) bool, is work space.
    """
    n = drive.shape[1]
    for row in range(drive.shape[0]):
        line, target = drive[row], out[row]
        for j in range(n):
            target[j] = 0
            taken[j] = False
        for place in range(rank):
            best = -1
            for j in range(n):
                if not taken[j] and (best < 0 or line[j] > line[best]):
                    best = j
            taken[best] = True
            if place == 0:
                target[best] = 1
            elif place == rank - 1:
                target[best] = -delta
