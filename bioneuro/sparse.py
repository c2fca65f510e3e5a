"""Sparse data: rows of which only what is not 0 is kept."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from bioneuro.errors import InvalidInput


class SparseRows(csr_array):
    """SciPy's CSR array with a length, its rows, as every other array has: what goes row by row takes both.

    Made by `as_rows`: the features of a row ascend, each comes at most once, and no entry is 0.
    """

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, *_, **__):
        raise InvalidInput(f"sparse rows, {self.shape}, are not filled unless toarray() asks for it")


def as_rows(X, dtype=None) -> np.ndarray | SparseRows:
    """X as rows to compute with: an array in C order, or `SparseRows` where it is a SciPy sparse matrix or array.

    dtype : of the result; None: that of X. What is given is never changed, and shared where nothing has to be.
    """
    if not hasattr(X, "tocsr"):
        return np.ascontiguousarray(X, dtype=dtype)
    rows = SparseRows(X)
    if not (rows.has_canonical_format and rows.data.all()):
        rows = rows.copy()
        rows.sum_duplicates()
        rows.eliminate_zeros()
    return rows.astype(rows.dtype if dtype is None else dtype, copy=False)


def all_finite(values: np.ndarray | SparseRows | None) -> bool:
    """Whether there is no NaN and no infinity among them."""
    if values is None:
        return True
    return bool(np.isfinite(values if isinstance(values, np.ndarray) else values.data).all())
