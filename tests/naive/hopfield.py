"""Hopfield networks in plain NumPy, one line of the textbook after the other; float64, no maintained fields."""

from __future__ import annotations

import numpy as np


def energy(weights, thresholds, spins):
    """E = -1/2 sum w s s + sum theta s of one state."""
    weights, spins = np.asarray(weights, float), np.asarray(spins, float)
    return -0.5 * spins @ weights @ spins + np.asarray(thresholds, float) @ spins


def sign_or_keep(drive, spin, slack=0.0):
    """+1, -1, or the old spin where the drive is zero."""
    return spin if abs(drive) <= slack else (1 if drive > 0 else -1)


def asynchronous_sweep(weights, thresholds, slack, order, free, spins):
    """The spins after one visit of every unit in `order`, and how many flipped."""
    weights, spins = np.asarray(weights, float), np.array(spins, float)
    flips = 0
    for unit in order:
        if free[unit]:
            new = sign_or_keep(weights[unit] @ spins - thresholds[unit], spins[unit], slack[unit])
            flips += new != spins[unit]
            spins[unit] = new
    return spins, flips


def synchronous_step(weights, thresholds, free, spins):
    """The spins after all units looked at the same old state."""
    drive = np.asarray(weights, float) @ np.asarray(spins, float) - thresholds
    return np.array([sign_or_keep(h, s) if f else s for h, s, f in zip(drive, spins, free, strict=True)])


def hebb(patterns):
    """w_ij = (1 / N) sum_p x_pi x_pj."""
    n_patterns, n_units = np.shape(patterns)
    weights = np.zeros((n_units, n_units))
    for i in range(n_units):
        for j in range(n_units):
            if i != j:
                weights[i, j] = sum(int(patterns[p][i]) * int(patterns[p][j]) for p in range(n_patterns)) / n_units
    return weights


def pseudo_inverse(patterns):
    """X^+ X without its diagonal."""
    patterns = np.asarray(patterns, float)
    weights = np.linalg.pinv(patterns) @ patterns
    np.fill_diagonal(weights, 0)
    return weights


def dreaming(patterns):
    """2 C (1 + C)^-1 without its diagonal, C = X^T X / N: (1 + t) C (1 + t C)^-1 at t = 1."""
    correlations = np.asarray(patterns, float).T @ np.asarray(patterns, float) / np.shape(patterns)[1]
    weights = 2 * correlations @ np.linalg.inv(np.eye(len(correlations)) + correlations)
    np.fill_diagonal(weights, 0)
    return weights
