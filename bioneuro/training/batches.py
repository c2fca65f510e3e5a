"""Minibatches: every row once an epoch, in an order that depends on the key and the epoch only."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import NamedTuple

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput


class Batch(NamedTuple):
    """What a gradient estimator sees of the data in one step.

    X : (b, n_features); y : (b, ...) or None; rows : (b,) where they stand in the data; weights : (b,) or None: all 1.
    """

    X: np.ndarray
    y: np.ndarray | None
    rows: np.ndarray
    weights: np.ndarray | None = None


def n_batches(n_rows: int, batch_size: int) -> int:
    """ceil(n / b): the last batch may be short."""
    return -(-n_rows // batch_size)


def epoch_order(n_rows: int, key: Key, epoch: int, strata: np.ndarray | None = None) -> np.ndarray:
    """(n_rows,) a permutation of the rows for one epoch.

    With `strata`, (n_rows,) class numbers 0, 1, ..., any stretch of the order holds each class in proportion, to
    within one row: the k-th row of a class of n_c rows stands at (k + u_c) / n_c of the way, u_c uniform in [0, 1).
    """
    generator = key.child("epoch").child(epoch).generator()
    order = generator.permutation(n_rows)
    if strata is None:
        return order
    counts = np.bincount(strata)
    offsets = generator.random(counts.size)
    by_class = order[np.argsort(strata[order], kind="stable")]
    classes = np.repeat(np.arange(counts.size), counts)
    rank = np.arange(n_rows) - np.repeat(np.cumsum(counts) - counts, counts)
    return by_class[np.argsort((rank + offsets[classes]) / counts[classes], kind="stable")]


def batches(
    X: np.ndarray,
    y: np.ndarray | None,
    batch_size: int,
    key: Key,
    epoch: int,
    *,
    strata: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    start: int = 0,
) -> Iterator[Batch]:
    """The minibatches of one epoch from number `start` on; the last one is as short as it must be."""
    order = epoch_order(len(X), key, epoch, strata)
    for first in range(start * batch_size, len(X), batch_size):
        rows = order[first : first + batch_size]
        yield Batch(X[rows], None if y is None else y[rows], rows, None if weights is None else weights[rows])


def check_batch_size(batch_size: int, n_rows: int) -> int:
    """`batch_size` as an int >= 1; one larger than the data means a single batch of all rows."""
    if not isinstance(batch_size, Real) or isinstance(batch_size, bool) or not batch_size >= 1 or batch_size % 1:
        raise InvalidInput(f"batch_size must be an integer of at least 1, got {batch_size!r}")
    if n_rows < 1:
        raise InvalidInput("there is no data to learn from: X has 0 rows")
    return int(batch_size)
