"""Learning rules of Hopfield networks: which symmetric weights hold a set of patterns.

A rule is a function `(patterns, out)`: patterns (P, N) of -1 and +1 in, weights (N, N) with a zero diagonal written to
`out`, in its type. Adding a rule is one function and one line of `LEARNING_RULES`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bioneuro import memory
from bioneuro.training.threads import one_blas_thread


def hebb(patterns: np.ndarray, out: np.ndarray) -> None:
    """w_ij = (1 / N) sum_p x_pi x_pj, w_ii = 0: whole multiples of 1 / N.

    Random patterns are recalled while P < .138 N; correlated ones blur into each other.
    Source: Hopfield (1982); Amit, Gutfreund, Sompolinsky, Ann. Phys. 173 (1987) 30.
    """
    patterns = patterns.astype(out.dtype)
    np.matmul(patterns.T, patterns, out=out)  # sums of -1 and +1: exact in any order
    out /= patterns.shape[1]
    np.fill_diagonal(out, 0)


def pseudo_inverse(patterns: np.ndarray, out: np.ndarray) -> None:
    """W = X^+ X, the projection onto the span of the patterns, with w_ii = 0: all are fixed points up to P < N.

    Dependent patterns span less; their common directions count once. Entries below rounding are 0, so that patterns
    that span everything (X^+ X = 1) leave no noise behind the diagonal.
    Source: Personnaz, Guyon, Dreyfus, J. Physique Lett. 46 (1985) L359.
    """
    n_patterns, n_units = patterns.shape
    memory.require({"float64 work space": 8 * n_units * (n_units + 4 * n_patterns)}, "the pseudo-inverse rule")
    with one_blas_thread():  # several threads would give other bits
        basis = _orthonormal_rows(patterns.astype(np.float64))
        projection = basis.T @ basis
    np.fill_diagonal(projection, 0)
    projection[np.abs(projection) < n_units * np.finfo(np.float64).eps] = 0
    out[...] = (projection + projection.T) / 2


def _orthonormal_rows(patterns: np.ndarray) -> np.ndarray:
    """(rank, N): an orthonormal basis of what the rows of `patterns` (P, N) span."""
    size = max(patterns.shape)
    if len(patterns) > patterns.shape[1]:
        patterns = np.linalg.qr(patterns, mode="r")  # spans the same, in N rows
    _, singular, basis = np.linalg.svd(patterns, full_matrices=False)
    return basis[singular > size * np.finfo(np.float64).eps * singular[0]]


LEARNING_RULES: dict[str, Callable[[np.ndarray, np.ndarray], None]] = {"hebb": hebb, "pseudo-inverse": pseudo_inverse}
