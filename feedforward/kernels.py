"""Feedforward kernels: activations and their slopes, element by element, in place.

`activation(name)` and `slope(name)` give the compiled kernel of a unit type; adding one is two functions and a line.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from bioneuro._jit.kernel import kernel, scalar, specialise
from bioneuro._jit.math import sigmoid, tanh


@scalar
def relu(z):
    """max(0, z); NaN stays NaN."""
    return 0.0 if z <= 0 else z


@scalar
def sigmoid_slope(a):
    """f' = a (1 - a), a the output."""
    return a * (1 - a)


@scalar
def tanh_slope(a):
    """f' = 1 - a^2, a the output."""
    return 1 - a * a


@scalar
def relu_slope(a):
    """f' = 1 where the output is positive, else 0: the subgradient at 0 is 0."""
    return 1 if a > 0 else 0


def _activate(a):
    """a <- f(a) for each element of (b, n)."""
    for i in range(a.shape[0]):
        row = a[i]
        for j in range(row.shape[0]):
            row[j] = unit(row[j])  # noqa: F821  bound by `specialise`


def _scale_by_slope(delta, a):
    """delta <- delta f'(a), with f' written as a function of the output a."""
    for i in range(a.shape[0]):
        errors, row = delta[i], a[i]
        for j in range(row.shape[0]):
            errors[j] *= unit_slope(row[j])  # noqa: F821  bound by `specialise`


@kernel
def prelu(a, alpha):
    """a <- a for a > 0, alpha a otherwise; alpha one per unit."""
    for i in range(a.shape[0]):
        row = a[i]
        for j in range(row.shape[0]):
            if row[j] <= 0:
                row[j] *= alpha[j]


@kernel
def prelu_backward(delta, z, alpha, alpha_gradient):
    """delta <- delta (1 for z > 0, alpha otherwise); alpha_gradient += sum over rows of delta min(0, z)."""
    for i in range(z.shape[0]):
        errors, row = delta[i], z[i]
        for j in range(row.shape[0]):
            if row[j] <= 0:
                alpha_gradient[j] += errors[j] * row[j]
                errors[j] *= alpha[j]


@kernel
def softmax_backward(delta, a):
    """delta <- (diag(a) - a a^T) delta for each row, the Jacobian of softmax."""
    for i in range(a.shape[0]):
        errors, row = delta[i], a[i]
        mean = errors[0] * 0
        for j in range(row.shape[0]):
            mean += errors[j] * row[j]
        for j in range(row.shape[0]):
            errors[j] = row[j] * (errors[j] - mean)


_UNITS: dict[str, tuple[Callable, Callable]] = {
    "sigmoid": (sigmoid, sigmoid_slope),
    "tanh": (tanh, tanh_slope),
    "relu": (relu, relu_slope),
}


@cache
def activation(name: str) -> Callable[[np.ndarray], None]:
    """The kernel a <- f(a) of an element-wise unit type."""
    return specialise(_activate, unit=_UNITS[name][0])


@cache
def slope(name: str) -> Callable[[np.ndarray, np.ndarray], None]:
    """The kernel delta <- delta f'(a) of an element-wise unit type."""
    return specialise(_scale_by_slope, unit_slope=_UNITS[name][1])
