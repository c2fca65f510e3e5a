"""Targets: what a network is told to emit, and how much each row counts.

Pure functions of arrays. Targets that a unit can reach keep it out of saturation: a sigmoid gives 0 and 1 only for
infinite inputs, but .15 and .85 for -1.73 and 1.73.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from bioneuro.errors import InvalidInput, check_number, check_numbers, choose

REACH = {"sigmoid": (0, 1), "tanh": (-1, 1)}  # between which outputs lie, where they are bounded


def to_range(y, low: float = 0.15, high: float = 0.85) -> np.ndarray:
    """t = low + (high - low) y: targets in [0, 1] moved into [low, high], low < high.

    .15 and .85 or .1 and .9 for sigmoids, -.9 and .9 for tanh. Targets of a row then do not sum to one, and a softmax
    never reaches them all: it meets them in proportion.

    >>> to_range([0, 1, 0.5], 0.1, 0.9).tolist()
    [0.1, 0.9, 0.5]
    """
    low, high = _checked_range(low, high)
    return low + (high - low) * _floats(y)


def from_range(t, low: float = 0.15, high: float = 0.85) -> np.ndarray:
    """y = (t - low) / (high - low), the inverse of `to_range`; outputs beyond the range are beyond [0, 1]."""
    low, high = _checked_range(low, high)
    return (_floats(t) - low) / (high - low)


def smooth(y, share: float = 0.1) -> np.ndarray:
    """t = (1 - share) y + share / k: a share in [0, 1) of every label is spread over all k classes.

    y : (n, k) with k >= 2; rows keep their sum where it is 1. Source: Szegedy et al., Rethinking the Inception
    architecture for computer vision (2016), section 7.

    >>> smooth([[0, 1, 0, 0]], 0.2).tolist()
    [[0.05, 0.8500000000000001, 0.05, 0.05]]
    """
    y, share = _checked_rows(y), _checked_share(share)
    return (1 - share) * y + share / y.shape[1]


def unsmooth(t, share: float = 0.1) -> np.ndarray:
    """y = (t - share / k) / (1 - share), the inverse of `smooth`."""
    t, share = _checked_rows(t), _checked_share(share)
    return (t - share / t.shape[1]) / (1 - share)


def row_weights(
    labels, class_weight: Mapping | Literal["balanced"] | None = None, sample_weight=None, classes=None
) -> np.ndarray | None:
    """How much each row counts: w_i = sample_weight_i class_weight[labels_i], (n,); None where all count alike.

    Parameters
    ----------
    labels : (n,) class of each row.
    class_weight : {class: weight >= 0}, classes left out 1; "balanced": W / (k W_class), with W the weight of all rows,
        W_class that of the class and k the number of classes, so that all classes weigh the same.
    sample_weight : (n,) >= 0; a row of weight k counts like k copies of it.
    classes : all that `class_weight` may name; None: those of the labels.

    Raises `InvalidInput` for weights that are negative, not finite or all 0, and for unknown classes.

    >>> row_weights(["a", "a", "a", "b"], "balanced").round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    if class_weight is None and sample_weight is None:
        return None
    labels = np.asarray(labels)
    own = np.ones(len(labels)) if sample_weight is None else check_numbers("sample_weight", sample_weight, low=0)
    if labels.ndim != 1 or own.shape != labels.shape:
        raise InvalidInput(f"labels and sample_weight must be (n,), got shapes {labels.shape} and {own.shape}")
    if class_weight is not None:
        occurring, numbers = np.unique(labels, return_inverse=True)
        if isinstance(class_weight, Mapping):
            factors = _named_factors(class_weight, occurring.tolist(), occurring if classes is None else classes)
        else:
            choose("class_weight (a dict or a name)", class_weight, ["balanced"])
            mass = np.bincount(numbers, own, len(occurring))
            factors = np.divide(own.sum(), len(occurring) * mass, out=np.zeros(len(occurring)), where=mass > 0)
        own = own * factors[numbers]
    if len(own) and not own.any():
        raise InvalidInput("all weights are 0, which leaves no row to learn from; give some row a weight above 0")
    return own


def _named_factors(class_weight: Mapping, occurring: list, classes) -> np.ndarray:
    classes = np.asarray(classes).tolist()
    left_out = [name for name in classes if name not in class_weight]
    strangers = [name for name in class_weight if name not in classes]
    if left_out and strangers:  # without a class left out, others may be absent from these rows by chance
        raise InvalidInput(
            f"class_weight names {strangers}, which no label is, and leaves out {left_out}; classes are {classes}"
        )
    for name, weight in class_weight.items():
        check_number(f"class_weight[{name!r}]", weight, low=0, open_high=True)
    return np.array([float(class_weight.get(name, 1)) for name in occurring])


def _floats(values) -> np.ndarray:
    """As an array of floating-point numbers; those keep their type."""
    values = np.asarray(values)
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _checked_range(low: float, high: float) -> tuple[float, float]:
    low = check_number("low", low)
    return low, check_number("high", high, low=low, open_low=True)


def _checked_share(share: float) -> float:
    return check_number("share", share, low=0, high=1, open_high=True)


def _checked_rows(values) -> np.ndarray:
    values = _floats(values)
    if values.ndim != 2 or values.shape[1] < 2:
        raise InvalidInput(
            f"labels are smoothed over the classes of a row: give (n, k) with k >= 2, got shape {values.shape}; "
            "for a single output use to_range"
        )
    return values
