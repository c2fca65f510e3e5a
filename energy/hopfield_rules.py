"""Learning rules of Hopfield networks: which symmetric weights hold a set of patterns.

A rule is a function `(patterns, out)`: patterns (P, N) of -1 and +1 in, weights (N, N) with a zero diagonal written to
`out`, in its type. Adding a rule is one function and one line of `LEARNING_RULES`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bioneuro import memory
from bioneuro.blas import one_blas_thread


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
    _write(patterns, np.ones_like, out)


# t of `dreaming`: digits are told apart alike from .3 to 3, longer sleeps stand noise and lesions less well
SLEEP = 1.0


def dreaming(patterns: np.ndarray, out: np.ndarray) -> None:
    """W = (1 + t) / N X^T (1 + t X X^T / N)^-1 X, with w_ii = 0 and t = 1: Hebb's weights after a sleep.

    Asleep, spurious memories are unlearned and real ones reinforced, dW/dt = (W - W^2) / (1 + t), from Hebb's rule at
    t = 0 to the pseudo-inverse at t = infinity (diagonals included). In between, what many patterns share no longer
    drowns what tells them apart, and unlike under the pseudo-inverse more patterns than units leave weights that differ
    from 1: these weights are a regularised regression of each unit on all others.
    Source: Fachechi, Agliari, Barra, Neural Networks 112 (2019) 24.
    """
    _write(patterns, lambda strengths: (1 + SLEEP) * strengths / (1 + SLEEP * strengths), out)


def _write(patterns: np.ndarray, gain: Callable[[np.ndarray], np.ndarray], out: np.ndarray) -> None:
    """W = sum_k gain(g_k) e_k e_k^T, w_ii = 0, over the eigenvectors e_k of Hebb's weights, of strength g_k > 0."""
    n_patterns, n_units = patterns.shape
    memory.require({"float64 work space": 8 * n_units * (n_units + 4 * n_patterns)}, "storing the patterns")
    with one_blas_thread():  # several threads would give other bits
        strengths, directions = _principal_directions(patterns.astype(np.float64))
        weights = (directions.T * gain(strengths)) @ directions
    np.fill_diagonal(weights, 0)
    weights[np.abs(weights) < n_units * np.finfo(np.float64).eps] = 0
    out[...] = (weights + weights.T) / 2


def _principal_directions(patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rank,) eigenvalues > 0 of X^T X / N and (rank, N) orthonormal eigenvectors: a basis of what the rows span."""
    size = max(patterns.shape)
    n_units = patterns.shape[1]
    if len(patterns) > n_units:
        patterns = np.linalg.qr(patterns, mode="r")  # spans the same, in N rows
    _, singular, basis = np.linalg.svd(patterns, full_matrices=False)
    real = singular > size * np.finfo(np.float64).eps * singular[0]
    return np.square(singular[real]) / n_units, basis[real]


LEARNING_RULES: dict[str, Callable[[np.ndarray, np.ndarray], None]] = {
    "hebb": hebb,
    "pseudo-inverse": pseudo_inverse,
    "dreaming": dreaming,
}
