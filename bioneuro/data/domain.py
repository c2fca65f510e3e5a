"""What the numbers of a data set mean: the range they live in, and the threshold that makes them binary."""

from __future__ import annotations

import numpy as np

from bioneuro.errors import InvalidInput, check_number


def as_finite_floats(X) -> np.ndarray:
    """Return `X` as a float32 array (float64 is kept) without a copy where it is one; refuse empty and NaN."""
    try:
        X = np.asarray(X)
        X = X if X.dtype in (np.float32, np.float64) else X.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"X must be numbers, one row per example: {error}") from None
    if X.size == 0:
        raise InvalidInput(f"X is empty, shape {X.shape}; at least one row and one feature are needed")
    if not (np.isfinite(X.min()) and np.isfinite(X.max())):  # NaN passes through min; no array of booleans is made
        bad = ~np.isfinite(X)
        where = ", ".join(map(str, np.argwhere(bad)[0]))
        raise InvalidInput(
            f"X holds {bad.sum()} values that are NaN or infinite, the first at [{where}]; "
            f"drop these rows or fill them in (sklearn.impute)"
        )
    return X


def value_range_of(X: np.ndarray) -> tuple[float, float]:
    """Return the range `(low, high)` that `X` lives in.

    (-1, 1) where every value is -1 or +1 (0 is allowed: unknown), (0, 1) where every value lies in [0, 1], else the
    smallest and the largest value. Values that are all 1 are read as (0, 1).
    """
    low, high = float(X.min()), float(X.max())
    if low == -1 and high <= 1 and is_bipolar(X):
        return -1.0, 1.0
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high


def is_bipolar(X: np.ndarray) -> bool:
    """Tell whether every value is -1, +1 or 0 (unknown)."""
    return bool(np.all((X == -1) | (X == 1) | (X == 0)))


def check_range(value_range, X: np.ndarray | None = None, name: str = "value_range") -> tuple[float, float]:
    """Return `value_range` as two floats; with `X`, also refuse values outside it."""
    try:
        low, high = value_range
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} must be two numbers (low, high), got {value_range!r}") from None
    low, high = (check_number(name, end, low=-np.finfo(float).max, high=np.finfo(float).max) for end in (low, high))
    if not low < high and not (X is not None and X.size and X.min() == X.max() == low == high):
        raise InvalidInput(f"{name} must have low < high, got ({low:g}, {high:g})")
    if X is not None and X.size and (X.min() < low or X.max() > high):
        raise InvalidInput(
            f"values run from {X.min():g} to {X.max():g}, outside {name}=({low:g}, {high:g}); "
            f"rescale the values or state the range they have"
        )
    return low, high


def median_threshold(X: np.ndarray) -> np.ndarray:
    """Return one threshold per unit: its median over the rows, so that `x > threshold` is a balanced bit.

    A median at an end of the unit's range tells nothing (a pixel at the edge of a picture is mostly 0): the unit's mean
    takes its place. The median of data of two values only is one of the two: there the threshold is half way between
    them, so that binary data come back as they are.

    Parameters
    ----------
    X : array (n, features)

    Returns
    -------
    array (features,), dtype of `X`
    """
    threshold = np.median(X, axis=0)
    low, high = X.min(axis=0), X.max(axis=0)
    if np.all((X.min() == X) | (X.max() == X)):
        threshold = np.where(low < high, low + (high - low) / 2, threshold)
    else:
        at_an_end = ((threshold == low) | (threshold == high)) & (low < high)
        threshold = np.where(at_an_end, X.mean(axis=0, dtype=np.float64), threshold)
    return threshold.astype(X.dtype, copy=False)


def share_count(share: float, n: int) -> int:
    """Return floor(share n + 1/2): how many of `n` entries a share means, everywhere in this library."""
    return int(np.floor(share * n + 0.5))
