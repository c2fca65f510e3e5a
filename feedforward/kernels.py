"""Feedforward kernels: activations, losses, and the loops that carry them over a batch.

Activations and losses are functions of one number, or of one row; `specialise` binds each into a loop. All loops have
one signature per job, so that the compiled epoch can call them by address:

    forward(z, a, rows, columns, theta, constant) -> 0              a = f(z)
    backward(delta, z, a, rows, columns, theta, constant, gradient, at) -> 0
        delta <- delta f'(z); gradient[at + j] += sum over rows of delta df/dconstant
    loss(z, a, delta, y, where, weights, total, begin, end, losses) -> 0
        for each row of the batch from `begin` to `end`, with target y[where[i]] and weight w = weights[where[i]] (1 if
        there are none): losses[i] = w L, delta = (w / total) dL

z, a and delta are `Matrix`; `constant` is where in theta the unit type's number for the first column stands.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import Slot, scalar
from bioneuro._jit.math import exp, log, sigmoid, tanh

value = Slot("value(z, c) -> a")
slope = Slot("slope(z, a, c) -> f'(z)")
constant_slope = Slot("constant_slope(z, c) -> df/dc")
row_loss = Slot("row_loss(z, a, y, delta) -> L; sets delta, and a where the loss knows the unit")
entry_loss = Slot("entry_loss(a, y) -> L")
entry_slope = Slot("entry_slope(a, y) -> dL/da")


@scalar
def linear(z, c):
    return z


@scalar
def linear_slope(z, a, c):
    return 1


@scalar
def sigmoid_of(z, c):
    """1 / (1 + e^-z)."""
    return sigmoid(z)


@scalar
def sigmoid_slope(z, a, c):
    """a (1 - a)."""
    return a * (1 - a)


@scalar
def tanh_of(z, c):
    return tanh(z)


@scalar
def tanh_slope(z, a, c):
    """1 - a^2."""
    return 1 - a * a


@scalar
def relu(z, c):
    """max(0, z); NaN stays NaN."""
    return 0 if z <= 0 else z


@scalar
def relu_slope(z, a, c):
    """1 where the output is positive, else 0: the subgradient at 0 is 0."""
    return 1 if a > 0 else 0


@scalar
def prelu(z, c):
    """z for z > 0, c z otherwise."""
    return c * z if z <= 0 else z


@scalar
def prelu_slope(z, a, c):
    return 1 if z > 0 else c


@scalar
def prelu_constant_slope(z, c):
    """min(0, z)."""
    return z if z <= 0 else 0


@scalar
def _positive(a):
    """Away from 0, where the logarithm ends, in float64."""
    return max(np.float64(a), 1e-38)


@scalar
def squared(a, y):
    """1/2 (a - y)^2."""
    return (a - y) * (a - y) / 2


@scalar
def squared_slope(a, y):
    return a - y


@scalar
def cross_entropy(a, y):
    """-y ln a."""
    return -y * log(_positive(a))


@scalar
def cross_entropy_slope(a, y):
    return -y / _positive(a)


@scalar
def logistic(a, y):
    """-y ln a - (1 - y) ln(1 - a)."""
    return -y * log(_positive(a)) - (1 - y) * log(_positive(1 - a))


@scalar
def logistic_slope(a, y):
    return (a - y) / (_positive(a) * _positive(1 - a))


def forward(z, a, rows, columns, theta, constant):
    """a = f(z), element by element."""
    constants = theta[constant : constant + columns]
    for i in range(rows):
        source, target = z.values[z.start + i * z.row :][:columns], a.values[a.start + i * a.row :][:columns]
        for j in range(target.shape[0]):
            target[j] = value(source[j], constants[j])
    return 0


def backward(delta, z, a, rows, columns, theta, constant, gradient, at):
    """delta <- delta f'(z)."""
    constants = theta[constant : constant + columns]
    for i in range(rows):
        errors = delta.values[delta.start + i * delta.row :][:columns]
        inputs, outputs = z.values[z.start + i * z.row :][:columns], a.values[a.start + i * a.row :][:columns]
        for j in range(errors.shape[0]):
            errors[j] *= slope(inputs[j], outputs[j], constants[j])
    return 0


def backward_learning(delta, z, a, rows, columns, theta, constant, gradient, at):
    """The same for a constant that is learnt, and its gradient."""
    constants, total = theta[constant : constant + columns], gradient[at : at + columns]
    for i in range(rows):
        errors = delta.values[delta.start + i * delta.row :][:columns]
        inputs, outputs = z.values[z.start + i * z.row :][:columns], a.values[a.start + i * a.row :][:columns]
        for j in range(errors.shape[0]):
            total[j] += errors[j] * constant_slope(inputs[j], constants[j])
            errors[j] *= slope(inputs[j], outputs[j], constants[j])
    return 0


def loss(z, a, delta, y, where, weights, total, begin, end, losses):
    """Row by row, rows in full width: what lies behind the outputs is padding."""
    for i in range(begin, end):
        inputs, outputs = z.values[z.start + i * z.row :][: z.row], a.values[a.start + i * a.row :][: a.row]
        errors = delta.values[delta.start + i * delta.row :][: delta.row]
        target = y[where[i]]
        result = row_loss(inputs, outputs, target, errors)
        weight = np.float64(weights[where[i]]) if weights.shape[0] else 1.0
        losses[i] = weight * result if weight != 0 else 0.0
        factor = z.values.dtype.type(weight / total if weight != 0 else 0.0)
        for j in range(target.shape[0]):
            errors[j] = factor * errors[j] if factor != 0 else factor
    return 0


def rows_by_entry(z, a, y, delta):
    """L = sum over j of l(a_j, y_j) and dL/da."""
    result = np.float64(0)
    for j in range(y.shape[0]):
        result += entry_loss(a[j], y[j])
        delta[j] = entry_slope(a[j], y[j])
    return result


def rows_of_softmax(z, a, y, delta):
    """The same behind a softmax, back to dL/dz through its Jacobian diag(a) - a a'."""
    _softmax(z, a, y.shape[0])
    result, mean = np.float64(0), np.float64(0)
    for j in range(y.shape[0]):
        result += entry_loss(a[j], y[j])
        delta[j] = entry_slope(a[j], y[j])
        mean += delta[j] * a[j]
    for j in range(y.shape[0]):
        delta[j] = a[j] * (delta[j] - mean)
    return result


@scalar
def squared_of_linear(z, a, y, delta):
    """L = 1/2 sum (z - y)^2, dL/dz = z - y."""
    result = np.float64(0)
    for j in range(y.shape[0]):
        a[j] = z[j]
        delta[j] = z[j] - y[j]
        result += delta[j] * delta[j]
    return result / 2


@scalar
def logistic_of_sigmoid(z, a, y, delta):
    """L = sum max(z, 0) - y z + ln(1 + e^-|z|), without a logarithm of 0; dL/dz = a - y."""
    result = np.float64(0)
    for j in range(y.shape[0]):
        a[j] = sigmoid(z[j])
        delta[j] = a[j] - y[j]
        tail = np.float64(exp(-abs(z[j])))
        result += max(z[j], 0) - y[j] * z[j] + log(1 + tail)
    return result


@scalar
def cross_entropy_of_softmax(z, a, y, delta):
    """L = sum y (ln sum_i e^z_i - z), without a logarithm of 0; dL/dz_j = a_j sum_i y_i - y_j."""
    log_norm = _softmax(z, a, y.shape[0])
    result, mass = np.float64(0), np.float64(0)
    for j in range(y.shape[0]):
        result += y[j] * (log_norm - z[j])
        mass += y[j]
    for j in range(y.shape[0]):
        delta[j] = a[j] * mass - y[j]
    return result


@scalar
def _softmax(z, a, n):
    """a = softmax of the first n numbers; return ln of the sum of their powers. Padding takes part without a say."""
    top = z[0]
    for j in range(1, n):
        top = z[j] if z[j] > top else top
    for j in range(a.shape[0]):
        a[j] = exp(min(z[j] - top, a.dtype.type(0)))
    total = np.float64(0)
    for j in range(n):
        total += a[j]
    for j in range(n):
        a[j] /= total
    return np.float64(top) + np.log(total)
