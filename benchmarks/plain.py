"""What engines do, as one writes it with NumPy and without the machine room.

Written for speed: products go through BLAS into arrays that exist, everything else runs in place, all in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.peers.task import Task

BETA = np.float32(0.9)


class Moving(NamedTuple):
    """A parameter under momentum: m <- .9 m - rate g, value <- value + m."""

    value: np.ndarray
    gradient: np.ndarray
    velocity: np.ndarray

    @classmethod
    def of(cls, value: np.ndarray) -> Moving:
        return cls(value.copy(), np.zeros_like(value), np.zeros_like(value))

    def step(self, rate: float) -> None:
        np.multiply(self.gradient, np.float32(rate), out=self.gradient)
        np.multiply(self.velocity, BETA, out=self.velocity)
        np.subtract(self.velocity, self.gradient, out=self.velocity)
        np.add(self.value, self.velocity, out=self.value)


def backprop(task: Task, rate: float, batch_size: int) -> Sequence[np.ndarray]:
    """Train a ReLU layer and softmax through all the orders of a task; return (W1, b1, W2, b2)."""
    moving = [Moving.of(x) for x in (task.weights[0], task.biases[0], task.weights[1], task.biases[1])]
    (w1, b1, w2, b2), gradients = ([m.value for m in moving], [m.gradient for m in moving])
    x, hidden, error = (np.empty((batch_size, n), np.float32) for n in (len(w1), *w1.shape[1:], len(b1)))
    out, targets = np.empty((batch_size, len(b2)), np.float32), np.eye(len(b2), dtype=np.float32)
    for rows in task.orders.reshape(-1, batch_size):
        task.X.take(rows, axis=0, out=x, mode="clip")  # "raise" would copy once more
        np.matmul(x, w1, out=hidden)
        hidden += b1
        np.maximum(hidden, 0, out=hidden)
        np.matmul(hidden, w2, out=out)
        out += b2
        out -= out.max(axis=1, keepdims=True)
        np.exp(out, out=out)
        out /= out.sum(axis=1, keepdims=True)
        out -= targets[task.y[rows]]
        out /= batch_size
        np.matmul(out, w2.T, out=error)
        error *= hidden > 0
        np.matmul(x.T, error, out=gradients[0])
        np.sum(error, axis=0, out=gradients[1])
        np.matmul(hidden.T, out, out=gradients[2])
        np.sum(out, axis=0, out=gradients[3])
        for parameter in moving:
            parameter.step(rate)
    return w1, b1, w2, b2


def contrastive_divergence(
    X: np.ndarray, first: Sequence[np.ndarray], rate: float, batch_size: int, generator: np.random.Generator
) -> float:
    """CD-1 through binary rows X in order, from (W, a, b); return the mean squared error of reconstruction, per row."""
    weights, visible_bias, hidden_bias = (Moving.of(x) for x in first)
    n_visible, n_hidden = weights.value.shape
    hidden, states, dreamt = (np.empty((batch_size, n_hidden), np.float32) for _ in range(3))
    back, dreams = (np.empty((batch_size, n_visible), np.float32) for _ in range(2))
    pairs, total = np.empty_like(weights.value), 0.0
    for start in range(0, len(X), batch_size):
        visible = X[start : start + batch_size]
        np.matmul(visible, weights.value, out=hidden)
        _sample(hidden, hidden_bias.value, states, generator)
        np.matmul(states, weights.value.T, out=back)
        _sample(back, visible_bias.value, dreams, generator)
        np.matmul(dreams, weights.value, out=dreamt)
        _squash(dreamt, hidden_bias.value)
        np.matmul(dreams.T, dreamt, out=weights.gradient)
        np.matmul(visible.T, hidden, out=pairs)
        weights.gradient[...] -= pairs
        np.subtract(dreams.sum(axis=0), visible.sum(axis=0), out=visible_bias.gradient)
        np.subtract(dreamt.sum(axis=0), hidden.sum(axis=0), out=hidden_bias.gradient)
        for parameter in (weights, visible_bias, hidden_bias):
            parameter.step(rate / batch_size)
        back -= visible
        total += float(np.vdot(back, back))
    return total / len(X)


def _squash(fields: np.ndarray, bias: np.ndarray) -> None:
    """fields <- 1 / (1 + exp(-(fields + bias)))."""
    fields += bias
    np.negative(fields, out=fields)
    np.exp(fields, out=fields)
    fields += 1
    np.reciprocal(fields, out=fields)


def _sample(fields: np.ndarray, bias: np.ndarray, states: np.ndarray, generator: np.random.Generator) -> None:
    """fields <- means; states <- 1 with that probability, else 0."""
    _squash(fields, bias)
    generator.random(out=states, dtype=np.float32)
    np.less(states, fields, out=states)


def synapses(n: int, k: int, generator: np.random.Generator) -> np.ndarray:
    """(n, k) int32: k of the other units for each of n, rising, every subset equally likely."""
    rows = np.empty((n, k), np.int32)
    for unit, row in enumerate(rows):
        row[...] = generator.choice(n - 1, k, replace=False, shuffle=False)
        row += row >= unit
    rows.sort(axis=1)
    return rows
