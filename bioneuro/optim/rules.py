"""Optimisers: each is a few lines over a kernel. g is the gradient, u the step added to theta, t = 1, 2, ...

`rate` and `beta` are numbers or schedules (functions of the step, counted from 0).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bioneuro.errors import check_number, choose
from bioneuro.optim import kernels
from bioneuro.optim.schedules import Schedule, as_schedule
from bioneuro.optim.transform import Transform, stateless
from bioneuro.parameters import Parameters


def _rate(rate: float | Schedule) -> Schedule:
    return rate if callable(rate) else as_schedule(check_number("learning rate", rate, low=0))


def _beta(name: str, beta: float | Schedule) -> Schedule:
    return beta if callable(beta) else as_schedule(check_number(name, beta, low=0, high=1, open_high=True))


def _zeros(*names: str) -> Callable[[Parameters], dict[str, np.ndarray]]:
    return lambda parameters: {name: np.zeros_like(parameters.theta) for name in names}


def sgd(rate: float | Schedule = 0.1) -> Transform:
    """u = -rate g (Robbins and Monro 1951)."""
    rate = _rate(rate)

    def update(update, state, parameters, step):
        update *= -update.dtype.type(rate(step))

    return stateless(update)


def momentum(rate: float | Schedule = 0.1, beta: float | Schedule = 0.9) -> Transform:
    """m <- beta m - rate g; u = m (Polyak 1964)."""
    rate, beta = _rate(rate), _beta("beta", beta)

    def update(update, state, parameters, step):
        number = update.dtype.type
        kernels.momentum(update, state["velocity"], number(rate(step)), number(beta(step)))

    return Transform(_zeros("velocity"), update)


def nesterov(rate: float | Schedule = 0.1, beta: float | Schedule = 0.9) -> Transform:
    """m <- beta m - rate g; u = beta m - rate g, with theta the point that looks ahead (Sutskever et al. 2013)."""
    rate, beta = _rate(rate), _beta("beta", beta)

    def update(update, state, parameters, step):
        number = update.dtype.type
        kernels.nesterov(update, state["velocity"], number(rate(step)), number(beta(step)))

    return Transform(_zeros("velocity"), update)


def rmsprop(rate: float | Schedule = 1e-3, beta: float = 0.99, epsilon: float = 1e-8) -> Transform:
    """S <- beta S + (1 - beta) g^2; u = -rate g / (sqrt(S) + epsilon) (Tieleman and Hinton 2012)."""
    rate, beta = _rate(rate), check_number("beta", beta, low=0, high=1, open_high=True)

    def update(update, state, parameters, step):
        number = update.dtype.type
        kernels.rmsprop(update, state["square"], number(rate(step)), number(beta), number(epsilon))

    return Transform(_zeros("square"), update)


def adam(rate: float | Schedule = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Transform:
    """V <- beta1 V + (1 - beta1) g; S <- beta2 S + (1 - beta2) g^2;
    u = -rate V / (1 - beta1^t) / (sqrt(S / (1 - beta2^t)) + epsilon).

    V and S stay raw: the correction enters the step only (Kingma and Ba 2015).
    """
    rate = _rate(rate)
    beta1 = check_number("beta1", beta1, low=0, high=1, open_high=True)
    beta2 = check_number("beta2", beta2, low=0, high=1, open_high=True)

    def update(update, state, parameters, step):
        number = update.dtype.type
        size = rate(step) / (1 - beta1 ** (step + 1))
        root = 1 / np.sqrt(1 - beta2 ** (step + 1))
        kernels.adam(
            update,
            state["mean"],
            state["square"],
            number(size),
            number(root),
            number(beta1),
            number(beta2),
            number(epsilon),
        )

    return Transform(_zeros("mean", "square"), update)


OPTIMIZERS: dict[str, Callable[..., Transform]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "adam": adam,
}


def as_optimizer(given: str | Transform, rate: float | Schedule) -> Transform:
    """An optimiser by name at the learning rate `rate`, or the transform given (which has a rate of its own)."""
    if isinstance(given, Transform):
        return given
    return OPTIMIZERS[choose("optimizer", given, OPTIMIZERS)](rate)
