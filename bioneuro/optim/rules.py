"""Optimisers: each is a few lines over a kernel. g is the gradient, u the step added to theta, t = 1, 2, ...

`rate` and `beta` are numbers or schedules (functions of the step, counted from 0).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bioneuro.errors import check_number, choose
from bioneuro.optim import kernels
from bioneuro.optim.schedules import Schedule, as_schedule
from bioneuro.optim.transform import Transform


@dataclass(frozen=True)
class Optimizer(Transform):
    """Base of the optimisers: named moments of the length of theta, all 0 at the start, and a rule for one number."""

    moments: ClassVar[tuple[str, ...]] = ()
    rule: ClassVar[Callable]

    def __post_init__(self):
        for name, value in vars(self).items():
            if callable(value):
                continue
            if name == "rate":
                check_number("learning rate", value, low=0)
            elif name.startswith("beta"):
                check_number(name, value, low=0, high=1, open_high=True)

    def constants(self, step: int) -> tuple[float, ...]:
        """What the rule needs to know of step number `step`, counted from 0; at most `kernels.N_CONSTANTS` numbers."""
        raise NotImplementedError

    def init(self, parameters):
        return {name: np.zeros_like(parameters.theta) for name in self.moments}

    def update(self, update, state, parameters, step):
        moments = [state[name] for name in self.moments]
        unused = [update[:0]] * (3 - len(moments))
        constants = np.zeros(kernels.N_CONSTANTS, update.dtype)
        given = self.constants(step)
        constants[: len(given)] = given
        kernels.whole(type(self).rule, len(moments))(update, *moments, *unused, constants)


@dataclass(frozen=True)
class sgd(Optimizer):
    """u = -rate g (Robbins and Monro 1951)."""

    rate: float | Schedule = 0.1

    rule = staticmethod(kernels.sgd)

    def constants(self, step):
        return (as_schedule(self.rate)(step),)


@dataclass(frozen=True)
class momentum(Optimizer):
    """m <- beta m - rate g; u = m (Polyak 1964)."""

    rate: float | Schedule = 0.1
    beta: float | Schedule = 0.9

    moments = ("velocity",)
    rule = staticmethod(kernels.momentum)

    def constants(self, step):
        return as_schedule(self.rate)(step), as_schedule(self.beta)(step)


@dataclass(frozen=True)
class nesterov(Optimizer):
    """m <- beta m - rate g; u = beta m - rate g, with theta the point that looks ahead (Sutskever et al. 2013)."""

    rate: float | Schedule = 0.1
    beta: float | Schedule = 0.9

    moments = ("velocity",)
    rule = staticmethod(kernels.nesterov)

    def constants(self, step):
        return as_schedule(self.rate)(step), as_schedule(self.beta)(step)


@dataclass(frozen=True)
class rmsprop(Optimizer):
    """S <- beta S + (1 - beta) g^2; u = -rate g / (sqrt(S) + epsilon) (Tieleman and Hinton 2012)."""

    rate: float | Schedule = 1e-3
    beta: float = 0.99
    epsilon: float = 1e-8

    moments = ("square",)
    rule = staticmethod(kernels.rmsprop)

    def constants(self, step):
        return as_schedule(self.rate)(step), self.beta, 1 - self.beta, self.epsilon


@dataclass(frozen=True)
class adam(Optimizer):
    """V <- beta1 V + (1 - beta1) g; S <- beta2 S + (1 - beta2) g^2;
    u = -rate V / (1 - beta1^t) / (sqrt(S / (1 - beta2^t)) + epsilon).

    V and S stay raw: the correction enters the step only (Kingma and Ba 2015).
    """

    rate: float | Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    moments = ("mean", "square")
    rule = staticmethod(kernels.adam)

    def constants(self, step):
        size = as_schedule(self.rate)(step) / (1 - self.beta1 ** (step + 1))
        root = 1 / math.sqrt(1 - self.beta2 ** (step + 1))
        return size, root, self.epsilon, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2


OPTIMIZERS: dict[str, type[Optimizer]] = {
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
