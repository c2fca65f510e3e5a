"""Plain NumPy twins of the feedforward kernels and of a whole pass, one row and one unit at a time."""

from __future__ import annotations

import math

import numpy as np

SCALE, DEPTH = 1.0507009873554805, 1.0507009873554805 * 1.6732632423543772  # of SELU


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else math.exp(x)


# unit type -> f(x, c) and f'(x, c), with c its constant
FUNCTIONS = {
    "linear": lambda x, c: x,
    "sigmoid": lambda x, c: sigmoid(x),
    "tanh": lambda x, c: math.tanh(x),
    "softplus": lambda x, c: max(x, 0) + math.log1p(math.exp(-abs(x))),
    "relu": lambda x, c: max(0.0, x),
    "leaky_relu": lambda x, c: x if x > 0 else c * x,
    "prelu": lambda x, c: x if x > 0 else c * x,
    "frelu": lambda x, c: max(0.0, x) + c,
    "elu": lambda x, c: x if x > 0 else c * math.expm1(x),
    "selu": lambda x, c: SCALE * x if x > 0 else DEPTH * math.expm1(x),
}
SLOPES = {
    "linear": lambda x, c: 1,
    "sigmoid": lambda x, c: sigmoid(x) * sigmoid(-x),
    "tanh": lambda x, c: 4 * sigmoid(2 * x) * sigmoid(-2 * x),
    "softplus": lambda x, c: sigmoid(x),
    "relu": lambda x, c: 1 if x > 0 else 0,
    "leaky_relu": lambda x, c: 1 if x > 0 else c,
    "prelu": lambda x, c: 1 if x > 0 else c,
    "frelu": lambda x, c: 1 if x > 0 else 0,
    "elu": lambda x, c: 1 if x > 0 else c * math.exp(x),
    "selu": lambda x, c: SCALE if x > 0 else DEPTH * math.exp(x),
}
CONSTANT_SLOPES = {"prelu": lambda x, c: min(0.0, x), "frelu": lambda x, c: 1.0}
CONSTANTS = {"leaky_relu": 0.01, "prelu": 0.25, "elu": 1.0}  # as the unit types begin; others 0

LOSSES = {
    "squared": lambda a, y: (a - y) ** 2 / 2,
    "absolute": lambda a, y: abs(a - y),
    "huber": lambda a, y: (a - y) ** 2 / 2 if abs(a - y) <= 1 else abs(a - y) - 1 / 2,
    "cross-entropy": lambda a, y: -y * math.log(a),
    "logistic": lambda a, y: -y * math.log(a) - (1 - y) * math.log(1 - a),
}


def _by_unit(table, name, z, c, turns_value):
    """Apply a function of one number to z, (b, n); of a bipolar type, odd units have that of -x (and its minus)."""
    kind = name.removeprefix("bipolar_")
    c = np.broadcast_to(CONSTANTS.get(kind, 0.0) if c is None else c, z.shape[-1])
    out = np.empty(z.shape)
    for at in np.ndindex(z.shape):
        sign = -1 if name != kind and at[-1] % 2 else 1
        out[at] = (sign if turns_value else 1) * table[kind](sign * float(z[at]), float(c[at[-1]]))
    return out


def activate(name, z, c=None):
    """What units emit for inputs z, (b, n) or (n,); c is a number or one for each unit."""
    return _by_unit(FUNCTIONS, name, z, c, turns_value=True)


def slope(name, z, c=None):
    return _by_unit(SLOPES, name, z, c, turns_value=False)


def constant_slope(name, z, c=None):
    return _by_unit(CONSTANT_SLOPES, name, z, c, turns_value=True)


def softmax(z):
    powers = [math.exp(value - max(z)) for value in z]
    return np.array(powers) / sum(powers)


def softmax_jacobian(a):
    """diag(a) - a a^T."""
    return np.diag(a) - np.outer(a, a)


def loss(name, a, y):
    """Sum over the outputs of one row."""
    return sum(LOSSES[name](float(output), float(target)) for output, target in zip(a, y, strict=True))


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
        unit = population.unit
        learnt = [params[f"{population.name}.{array}"] for array in unit.learns]
        emitted[population.name] = softmax(h) if unit.name == "softmax" else activate(unit.name, h, *learnt)
    return emitted
