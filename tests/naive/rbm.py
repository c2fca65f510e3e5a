"""Plain twins of the Boltzmann kernels, and small machines enumerated state by state."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from tests.naive.jit_random import uniform


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unit_means(fields, alive, temperature=1.0):
    return sigmoid(fields / temperature) * alive


def sample_units(fields, alive, temperature, key, rows, step):
    means = unit_means(fields, alive, temperature)
    draws = [[uniform(key, int(row), unit, step) for unit in range(fields.shape[1])] for row in rows]
    return means, (np.array(draws) < means).astype(float)


def log_hidden_sums(fields, alive):
    return (alive * np.logaddexp(0, fields)).sum(axis=1)


def class_scores(fields, alive, label_weights, label_bias):
    return label_bias + (alive * np.logaddexp(0, fields[:, None] + label_weights)).sum(axis=2)


def class_score_gradients(fields, alive, label_weights, coefficients):
    flow = coefficients[:, :, None] * alive * sigmoid(fields[:, None] + label_weights)
    return flow.sum(axis=1), flow.sum(axis=0)


def states(n):
    return np.array(list(itertools.product((0.0, 1.0), repeat=n)))


class Enumerated(NamedTuple):
    """Every visible and every hidden state, and P of each pair, from E(v, h) alone."""

    visible: np.ndarray
    hidden: np.ndarray
    joint: np.ndarray
    log_z: float

    @classmethod
    def of(cls, W, a, b):
        v, h = states(len(a)), states(len(b))
        weight = np.array([[np.exp(a @ x + b @ y + x @ W @ y) for y in h] for x in v])
        return cls(v, h, weight / weight.sum(), float(np.log(weight.sum())))

    @property
    def marginal(self):
        return self.joint.sum(axis=1)

    @property
    def given_visible(self):
        return self.joint / self.joint.sum(axis=1, keepdims=True)

    @property
    def given_hidden(self):
        return self.joint / self.joint.sum(axis=0, keepdims=True)

    def sweep(self):
        """T[v, v'], the probability that one sweep of Gibbs sampling leads from v to v'."""
        return self.given_visible @ self.given_hidden.T

    def moments(self, share):
        """<v>, <h> and <v h> where `share` is the probability of each visible state and h follows P(h | v)."""
        pairs = share[:, None] * self.given_visible
        return pairs.sum(axis=1) @ self.visible, pairs.sum(axis=0) @ self.hidden, self.visible.T @ pairs @ self.hidden
