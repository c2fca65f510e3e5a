"""Minibatches: the rows of an epoch, in an order that depends on the key and the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, check_number
from bioneuro.training.emphasis import Emphasis, Stratified


class Batch(NamedTuple):
    """What a gradient estimator sees of the data in one step.

    X : (b, n_features); y : (b, ...) or None; rows : (b,) where they stand in the data; weights : (b,) or None: all 1.
    total : what the gradient of sum w L is divided by; None: sum w.
    """

    X: np.ndarray
    y: np.ndarray | None
    rows: np.ndarray
    weights: np.ndarray | None = None
    total: float | None = None


def n_batches(n_rows: int, batch_size: int) -> int:
    """ceil(n / b): the last batch may be short."""
    return -(-n_rows // batch_size)


def epoch_order(
    n_rows: int,
    key: Key,
    epoch: int,
    strata: np.ndarray | None = None,
    emphasis: Emphasis | None = None,
    losses: np.ndarray | None = None,
) -> np.ndarray:
    """(n_rows,) row numbers for one epoch; without an emphasis each once, in proportion where there are `strata`."""
    if emphasis is None:
        emphasis = Emphasis() if strata is None else Stratified()
    return emphasis.order(n_rows, key.child("epoch").child(epoch), strata, losses)


def batches(
    X: np.ndarray,
    y: np.ndarray | None,
    order: np.ndarray,
    batch_size: int,
    *,
    weights: np.ndarray | None = None,
    weight_of_row: float | None = None,
    start: int = 0,
) -> Iterator[Batch]:
    """The minibatches of one epoch, whose rows are `order`, from number `start` on; the last may be short.

    weight_of_row : by how much, for each of its rows, the gradient of a batch is divided; None: by their weights.
    """
    for first in range(start * batch_size, len(order), batch_size):
        rows = order[first : first + batch_size]
        total = None if weight_of_row is None else weight_of_row * len(rows)
        yield Batch(X[rows], None if y is None else y[rows], rows, None if weights is None else weights[rows], total)


def check_batch_size(batch_size: int, n_rows: int) -> int:
    """`batch_size` as an int >= 1; one larger than the data means a single batch of all rows."""
    hint = "one as large as the data, or larger, takes all rows at once"
    batch_size = check_number("batch_size", batch_size, low=1, integer=True, hint=hint)
    if n_rows < 1:
        raise InvalidInput("there is no data to learn from: X has 0 rows")
    return batch_size
