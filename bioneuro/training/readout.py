"""Softmax regression on features: the readout that all feature learners of a comparison share.

p(k | h) = exp(h w_k + b_k) / sum_j exp(h w_j + b_j); the weights minimise the mean cross-entropy + l2 |W|^2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.optimize

from bioneuro._jit.gemm import matmul
from bioneuro._jit.keys import Key
from bioneuro._jit.rows import softmax_rows
from bioneuro.blas import one_blas_thread
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.optim import adam, linear
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, Projection, Topology
from bioneuro.training.batches import Batch, n_batches
from bioneuro.training.loop import fit

SOLVERS = ("lbfgs", "minibatch")
LARGE = 2**24  # numbers: above, a minibatch learns more in a second than L-BFGS does
_BATCH, _RATE = 256, 3e-3  # of the minibatch solver
_ROWS = 4096  # at a time, where all at once would be a copy of the features


class Readout(NamedTuple):
    """weights (n_features, n_classes) and bias (n_classes,), as an engine's "hidden->output" and "output.bias"."""

    weights: np.ndarray
    bias: np.ndarray


def fit_readout(
    features: np.ndarray,
    classes: np.ndarray,
    n_classes: int,
    *,
    l2: float = 1e-4,
    scale: str = "each",
    max_iter: int = 1000,
    solver: str = "auto",
    epochs: int = 10,
    key: Key | None = None,
) -> Readout:
    """Learn the readout from zero, on features of variance 1, so that `l2` means the same for every feature learner.

    Parameters
    ----------
    features : (n, n_features); the scale is folded back into the weights.
    classes : (n,) class numbers in 0 .. n_classes - 1.
    l2 : penalty on squared weights of the scaled features, > 0 or 0; the bias is free.
    scale : "each" feature is given variance 1, or all together by one factor ("common"): weak features then stay weak,
        and the penalty keeps them so, which suits principal components.
    max_iter : most iterations of "lbfgs".
    solver : "lbfgs", in float64 to the minimum, which is unique; "minibatch", Adam in the type of the features, where
        a copy in float64 would be too large or an iteration too slow; "auto" takes it above 2^24 numbers.
    epochs : passes over the data of "minibatch".
    key : decides the order of the rows for "minibatch"; None: that of seed 0.
    """
    check_number("l2", l2, low=0)
    if len(features) != len(classes) or not len(features):
        raise InvalidInput(
            f"features and classes must have the same length >= 1, got {len(features)} and {len(classes)}"
        )
    if np.asarray(classes).dtype.kind not in "iub" or np.min(classes) < 0 or np.max(classes) >= n_classes:
        raise InvalidInput(
            f"classes must be whole numbers from 0 to n_classes - 1 = {n_classes - 1}, "
            f"got {np.asarray(classes).dtype} from {np.min(classes)} to {np.max(classes)}"
        )
    if choose("solver", solver, ("auto", *SOLVERS)) == "auto":
        solver = "minibatch" if features.size > LARGE else "lbfgs"
    mean = features.mean(axis=0, dtype=np.float64)
    spread = SCALES[choose("scale", scale, SCALES)](_variance(features, mean))
    if solver == "lbfgs":
        weights, bias = _by_lbfgs((features - mean) / spread, classes, n_classes, l2, max_iter)
    else:
        weights, bias = _by_minibatches(features, mean, spread, classes, n_classes, l2, epochs, key or Key.from_seed(0))
    weights = weights / spread[:, None]
    return Readout(weights, bias - mean @ weights)


def _each(variance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.where(variance > 0, variance, 1))


def _common(variance: np.ndarray) -> np.ndarray:
    return np.full(len(variance), np.sqrt(variance.mean() or 1))


SCALES = {"each": _each, "common": _common}


def _variance(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(n_features,) in float64, without a copy of all features."""
    total = np.zeros(features.shape[1])
    for first in range(0, len(features), _ROWS):
        total += np.square(features[first : first + _ROWS] - mean).sum(axis=0)
    return total / len(features)


def _by_lbfgs(H: np.ndarray, classes: np.ndarray, n_classes: int, l2: float, max_iter: int):
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

    with one_blas_thread():
        flat = scipy.optimize.minimize(
            loss_and_gradient,
            np.zeros(d * n_classes + n_classes),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "gtol": 1e-6},
        ).x
    return flat[: d * n_classes].reshape(d, n_classes), flat[d * n_classes :]


def _by_minibatches(features, mean, spread, classes, n_classes, l2, epochs, key):
    steps = epochs * n_batches(len(features), _BATCH)
    gradient = SoftmaxGradient(mean.astype(features.dtype), (1 / spread).astype(features.dtype), l2)
    learnt = fit(
        Parameters.zeros(Topology.mlp(features.shape[1], n_classes), features.dtype),
        gradient,
        features,
        classes,
        optimizer=adam(linear(_RATE, 0.0, max(1, steps))),
        epochs=epochs,
        batch_size=_BATCH,
        key=key,
    ).parameters
    return learnt["input->output"].astype(np.float64), learnt["output.bias"].astype(np.float64)


class SoftmaxGradient:
    """Gradient estimator of softmax regression on (x - mean) inverse_spread: mean cross-entropy + l2 |W|^2."""

    def __init__(self, mean: np.ndarray, inverse_spread: np.ndarray, l2: float):
        self.mean, self.inverse_spread, self.l2 = mean, inverse_spread, l2

    def __call__(self, params: Parameters, batch: Batch, key: Key, step: int, out: Parameters) -> float:
        weights, rows = params["input->output"], np.arange(len(batch.y))
        H = (batch.X - self.mean) * self.inverse_spread
        scores = H @ weights + params["output.bias"]
        softmax_rows(scores, scores)
        loss = -float(np.log(np.maximum(scores[rows, batch.y], np.finfo(scores.dtype).tiny)).mean())
        scores[rows, batch.y] -= 1
        scores /= scores.dtype.type(len(rows))
        out["input->output"] += H.T @ scores + weights.dtype.type(2 * self.l2) * weights
        out["output.bias"] += scores.sum(axis=0)
        return loss + self.l2 * float(np.vdot(weights, weights))


def output_projection(topology: Topology, first: Projection) -> Dense:
    """The projection behind `first`, from hidden units to classes, where a readout is kept.

    Raises `UnsupportedTopology` unless the topology is input -> hidden -> output with free weights and biases behind.
    """
    outputs = topology.by_role("output")
    rest = [projection for projection in topology.projections if projection is not first]
    fits = len(outputs) == 1 and len(topology.populations) == 3 and len(rest) == 1
    if not fits or (rest[0].pre, rest[0].post) != (first.post, outputs[0].name):
        raise UnsupportedTopology(
            f"classes are read out behind one hidden layer between input and output, which {topology!r} does not have; "
            "use Topology.mlp(n_input, n_hidden, n_classes) without skips"
        )
    last = rest[0]
    if not isinstance(last, Dense) or last.shared or last.tied_to or last.sign or not outputs[0].bias:
        raise UnsupportedTopology(
            f"{last.name!r} must be a Dense projection with a free weight for each synapse, "
            "onto output units with biases"
        )
    return last


def readout_probabilities(features: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(n, n_classes) class probabilities; each row by itself, so that any split of a batch gives the same bytes."""
    scores = matmul(features, weights, bias=bias)
    softmax_rows(scores, scores)
    return scores
