"""Softmax regression on features: the readout that all feature learners of a comparison share.

p(k | h) = exp(h w_k + b_k) / sum_j exp(h w_j + b_j); the weights minimise the mean cross-entropy + l2 |W|^2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.optimize

from bioneuro._jit.gemm import matmul
from bioneuro._jit.rows import softmax_rows
from bioneuro.errors import InvalidInput, check_number
from bioneuro.training.threads import one_blas_thread


class Readout(NamedTuple):
    """weights (n_features, n_classes) and bias (n_classes,), as an engine's "hidden->output" and "output.bias"."""

    weights: np.ndarray
    bias: np.ndarray


def fit_readout(
    features: np.ndarray, classes: np.ndarray, n_classes: int, *, l2: float = 1e-4, max_iter: int = 1000
) -> Readout:
    """Fit by L-BFGS in float64 from zero: convex, so the same data gives the same readout.

    Parameters
    ----------
    features : (n, n_features); standardised inside (the scale is folded back into the weights), so that `l2` means
        the same for every feature learner.
    classes : (n,) class numbers in 0 .. n_classes - 1.
    l2 : penalty on squared weights of the standardised features, > 0 or 0; the bias is free.
    max_iter : most L-BFGS iterations.
    """
    check_number("l2", l2, low=0)
    if len(features) != len(classes) or not len(features):
        raise InvalidInput(
            f"features and classes must have the same length >= 1, got {len(features)} and {len(classes)}"
        )
    mean = features.mean(axis=0, dtype=np.float64)
    spread = features.std(axis=0, dtype=np.float64)
    spread[spread == 0] = 1
    H = (features - mean) / spread
    n, d = H.shape
    targets = np.zeros((n, n_classes))
    targets[np.arange(n), classes] = 1

    def loss_and_gradient(flat):
        W, b = flat[: d * n_classes].reshape(d, n_classes), flat[d * n_classes :]
        Z = H @ W + b
        Z -= Z.max(axis=1, keepdims=True)
        log_norm = np.log(np.exp(Z).sum(axis=1, keepdims=True))
        delta = (np.exp(Z - log_norm) - targets) / n
        loss = (log_norm.sum() - (Z * targets).sum()) / n + l2 * np.dot(flat[: d * n_classes], flat[: d * n_classes])
        return loss, np.concatenate([(H.T @ delta + 2 * l2 * W).ravel(), delta.sum(axis=0)])

    start = np.zeros(d * n_classes + n_classes)
    with one_blas_thread():
        flat = scipy.optimize.minimize(
            loss_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": max_iter, "gtol": 1e-6}
        ).x
    weights = flat[: d * n_classes].reshape(d, n_classes) / spread[:, None]
    return Readout(weights, flat[d * n_classes :] - mean @ weights)


def readout_probabilities(features: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(n, n_classes) class probabilities; each row by itself, so that any split of a batch gives the same bytes."""
    scores = matmul(features, weights, bias=bias)
    softmax_rows(scores, scores)
    return scores
