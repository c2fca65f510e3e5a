"""Channels: how hidden units tell others what they found.

    "linear"     y
    "on-off"     [max(0, y), max(0, -y)], two cells for each unit: rates cannot fall below zero
    "rectified"  max(0, y)
    "power"      max(0, y)^n, which lets strong answers stand out

Adding a channel is one function and one line of `CHANNELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bioneuro.plasticity import kernels


class Channel(NamedTuple):
    """`tell(y, power)` gives features of fresh y (n, n_hidden), which it may overwrite: all units by their first cell,
    then, where each has two, all by their second."""

    tell: Callable[[np.ndarray, float], np.ndarray]
    cells: int = 1


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


CHANNELS: dict[str, Channel] = {
    "linear": Channel(linear),
    "on-off": Channel(on_off, cells=2),
    "rectified": Channel(rectified),
    "power": Channel(powered),
}
