"""Channels: how hidden units tell others what they found.

    "linear"     y
    "on-off"     [max(0, y), max(0, -y)], two cells for each unit: rates cannot fall below zero
    "rectified"  max(0, y)
    "power"      max(0, y)^n, which lets strong answers stand out

A channel is a function `(y, power) -> features` of fresh y (n, n_hidden) that it may overwrite.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bioneuro.plasticity import kernels


def linear(y: np.ndarray, power: float) -> np.ndarray:
    """y."""
    return y


def on_off(y: np.ndarray, power: float) -> np.ndarray:
    """[max(0, y), max(0, -y)], (n, 2 n_hidden)."""
    features = np.empty((len(y), 2 * y.shape[1]), y.dtype)
    kernels.split_signs(y, features)
    return features


def rectified(y: np.ndarray, power: float) -> np.ndarray:
    """max(0, y)."""
    kernels.rectify(y)
    return y


def powered(y: np.ndarray, power: float) -> np.ndarray:
    """max(0, y)^power."""
    kernels.raise_to(y, y.dtype.type(power))
    return y


CHANNELS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "linear": linear,
    "on-off": on_off,
    "rectified": rectified,
    "power": powered,
}
