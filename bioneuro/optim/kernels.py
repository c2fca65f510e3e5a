"""Optimiser kernels: one pass over flat vectors, in place. `update` enters as gradient and leaves as step."""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import kernel


@kernel
def momentum(update, velocity, rate, beta):
    """m <- beta m - rate g; u = m."""
    for i in range(update.shape[0]):
        velocity[i] = beta * velocity[i] - rate * update[i]
        update[i] = velocity[i]


@kernel
def nesterov(update, velocity, rate, beta):
    """m <- beta m - rate g; u = beta m - rate g."""
    for i in range(update.shape[0]):
        push = rate * update[i]
        velocity[i] = beta * velocity[i] - push
        update[i] = beta * velocity[i] - push


@kernel
def rmsprop(update, square, rate, beta, epsilon):
    """S <- beta S + (1 - beta) g^2; u = -rate g / (sqrt(S) + epsilon)."""
    rest = update.dtype.type(1) - beta
    for i in range(update.shape[0]):
        square[i] = beta * square[i] + rest * update[i] * update[i]
        update[i] = -rate * update[i] / (np.sqrt(square[i]) + epsilon)


@kernel
def adam(update, mean, square, size, root, beta1, beta2, epsilon):
    """V, S as in `rules.adam`; u = -size V / (sqrt(S) root + epsilon), where size and root carry the corrections."""
    rest1 = update.dtype.type(1) - beta1
    rest2 = update.dtype.type(1) - beta2
    for i in range(update.shape[0]):
        mean[i] = beta1 * mean[i] + rest1 * update[i]
        square[i] = beta2 * square[i] + rest2 * update[i] * update[i]
        update[i] = -size * mean[i] / (np.sqrt(square[i]) * root + epsilon)


@kernel
def decay(update, weights, rate):
    """u <- u - rate w."""
    for i in range(update.shape[0]):
        update[i] -= rate * weights[i]
