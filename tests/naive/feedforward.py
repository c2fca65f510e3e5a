"""Plain NumPy twins of the feedforward kernels and of a whole pass, one row and one unit at a time."""

from __future__ import annotations

import math

import numpy as np

FUNCTIONS = {
    "linear": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "relu": lambda z: max(0.0, z),
}
SLOPES = {
    "linear": lambda a: 1.0,
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a * a,
    "relu": lambda a: 1.0 if a > 0 else 0.0,
}


def activate(name, z):
    return np.vectorize(FUNCTIONS[name], otypes=[float])(z)


def scale_by_slope(name, delta, a):
    return delta * np.vectorize(SLOPES[name], otypes=[float])(a)


def softmax(z):
    powers = [math.exp(value - max(z)) for value in z]
    return np.array(powers) / sum(powers)


def softmax_jacobian(a):
    """diag(a) - a a^T."""
    return np.diag(a) - np.outer(a, a)


def forward(topology, params, x):
    """Outputs of all populations for one row, by the definition: a sum over synapses for each unit."""
    emitted = {topology.by_role("input")[0].name: x}
    for population in topology.order():
        if population.role == "input":
            continue
        h = np.zeros(population.size)
        for projection in topology.incoming(population.name):
            for j in range(population.size):
                for i in range(topology[projection.pre].size):
                    h[j] += emitted[projection.pre][i] * params[projection.name][i, j]
        if population.bias:
            h += params[f"{population.name}.bias"]
        name = population.unit.name
        emitted[population.name] = softmax(h) if name == "softmax" else activate(name, h)
    return emitted
