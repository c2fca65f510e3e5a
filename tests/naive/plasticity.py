"""Plain NumPy twins of the rate rules: the mean change over a minibatch, one row and one synapse after the other."""

from __future__ import annotations

import numpy as np


def hebb(W, X, Y, decay=0.0):
    return np.mean([np.outer(x, y) for x, y in zip(X, Y, strict=True)], axis=0) - decay * W


def oja(W, X, Y):
    dW = np.zeros_like(W)
    for x, y in zip(X, Y, strict=True):
        for j in range(W.shape[1]):
            dW[:, j] += y[j] * (x - y[j] * W[:, j])
    return dW / len(X)


def sanger(W, X, Y):
    dW = np.zeros_like(W)
    for x, y in zip(X, Y, strict=True):
        for j in range(W.shape[1]):
            dW[:, j] += y[j] * (x - sum(y[k] * W[:, k] for k in range(j + 1)))
    return dW / len(X)


def bcm(W, X, Y, threshold):
    return np.mean([np.outer(x, y * (y - threshold)) for x, y in zip(X, Y, strict=True)], axis=0)


def covariance(W, X, Y, mean_x, mean_y):
    return np.mean([np.outer(x - mean_x, y - mean_y) for x, y in zip(X, Y, strict=True)], axis=0)


def anti_hebb(W, X, Y, target):
    return np.mean([target**2 - np.outer(x, y) for x, y in zip(X, Y, strict=True)], axis=0)


def competitive_drive(W, X, p):
    return X @ (np.sign(W) * np.abs(W) ** (p - 1))


def competitive(W, X, p, k, delta):
    """As the published code has it: g by rank, ds = g x - (g I) w, divided by its largest entry."""
    drive = competitive_drive(W, X, p)
    dW = np.zeros_like(W)
    for x, row in zip(X, drive, strict=True):
        ranks = np.argsort(-row, kind="stable")
        for unit, g in ((ranks[0], 1.0), (ranks[k - 1], -delta)):
            dW[:, unit] += g * (x - row[unit] * W[:, unit])
    return dW / np.abs(dW).max()


def split_signs(Y):
    return np.concatenate([np.where(Y > 0, Y, 0), np.where(Y < 0, -Y, 0)], axis=1)


def raise_to(Y, power):
    return np.where(Y > 0, np.abs(Y) ** power, 0)
