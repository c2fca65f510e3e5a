"""Plain twin of batch normalisation, one unit and one row at a time."""

from __future__ import annotations

import math


def normalise(z, gain, bias, epsilon):
    """(z', mean, unbiased variance) of the values z of one unit over the rows of a batch."""
    mean = sum(z) / len(z)
    squares = sum((value - mean) ** 2 for value in z)
    spread = math.sqrt(squares / len(z) + epsilon)
    return [gain * (value - mean) / spread + bias for value in z], mean, squares / (len(z) - 1)
