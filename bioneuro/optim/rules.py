"""Optimisers: each is a few lines over a kernel. g is the gradient, u the step added to theta, t = 1, 2, ...

`rate` and, where it says so, `beta` are numbers or schedules (functions of the step, counted from 0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.optim import kernels
from bioneuro.optim.schedules import Schedule, as_schedule, check_rate, times
from bioneuro.optim.transform import Transform, chain, weight_decay
from bioneuro.optim.yellowfin import yellowfin

_POSITIVE = {"low": 0, "open_low": True}
_BETA = {"low": 0, "high": 1, "open_high": True}
LIMITS = {
    "rate": _POSITIVE | {"open_high": True},
    "first_rate": _POSITIVE | {"open_high": True},
    "beta": _BETA,
    "beta1": _BETA,
    "beta2": _BETA,
    "epsilon": _POSITIVE,
    "initial": {"low": 0},
    "shrink": {"low": 0, "high": 1, "open_low": True, "open_high": True},
    "grow": {"low": 1, "open_low": True},
    "smallest": _POSITIVE,
    "largest": _POSITIVE,
    "growth": {"low": 1, "open_low": True},
}
"""Where the settings of optimisers may lie."""


@dataclass(frozen=True)
class Optimizer(Transform):
    """Base of the optimisers: named moments of the length of theta, 0 at the start, and a rule for one number.

    linear : whether the rule is linear in the gradient and the moments, of which there is one at most.
    """

    moments: ClassVar[tuple[str, ...]] = ()
    linear: ClassVar[bool] = False
    rule: ClassVar[Callable]

    def __post_init__(self):
        for field in fields(self):
            value, name = getattr(self, field.name), "learning rate" if field.name == "rate" else field.name
            if field.name not in LIMITS or (value is None and "None" in field.type):
                continue
            if callable(value) and "Schedule" in field.type:
                check_rate(name, value, **LIMITS[field.name])
            else:
                check_number(name, value, **LIMITS[field.name])

    def constants(self, step: int | np.ndarray) -> tuple[float | np.ndarray, ...]:
        """What the rule needs to know of step number `step`, counted from 0; at most `kernels.N_CONSTANTS` numbers.

        Of an array of steps: numbers, or arrays of that length.
        """
        raise NotImplementedError

    def init(self, parameters):
        return {name: np.zeros_like(parameters.theta) for name in self.moments}

    def update(self, update, state, parameters, step):
        moments = [state[name] for name in self.moments]
        unused = [update[:0]] * (3 - len(moments))
        constants = np.zeros(kernels.N_STEP, update.dtype)
        given = self.constants(step)
        constants[: len(given)] = given
        kernels.whole(type(self).rule, len(moments))(update, *moments, *unused, constants)


@dataclass(frozen=True)
class sgd(Optimizer):
    """u = -rate g (Robbins and Monro 1951)."""

    rate: float | Schedule = 0.1

    linear = True
    rule = staticmethod(kernels.sgd)

    def constants(self, step):
        return (as_schedule(self.rate)(step),)


@dataclass(frozen=True)
class momentum(Optimizer):
    """m <- beta m - rate g; u = m (Polyak 1964). `beta` may be a schedule.

    `first_rate`, if given, is the rate of the very first step: a large one gives the velocity a reasonable size at
    once where a large beta asks for a small rate. PyTorch keeps m without the rate, which differs when that changes.
    """

    rate: float | Schedule = 0.1
    beta: float | Schedule = 0.9
    first_rate: float | None = None

    moments = ("velocity",)
    linear = True
    rule = staticmethod(kernels.momentum)

    def constants(self, step):
        rate = as_schedule(self.rate)(step)
        if self.first_rate is not None:
            rate = np.where(np.equal(step, 0), self.first_rate, rate)
        return rate, as_schedule(self.beta)(step)


@dataclass(frozen=True)
class ewma(Optimizer):
    """V <- beta V + (1 - beta) g; u = -rate V / (1 - beta^t), or -rate V where not `corrected`.

    Momentum as an exponentially weighted moving average, over about 1 / (1 - beta) steps. V stays raw: the correction
    of its start at 0 enters the step only. Without it, the same as `momentum` at the rate (1 - beta) rate.
    """

    rate: float | Schedule = 0.1
    beta: float = 0.9
    corrected: bool = True

    moments = ("mean",)
    linear = True
    rule = staticmethod(kernels.ewma)

    def constants(self, step):
        share = 1 - self.beta ** (step + 1) if self.corrected else 1.0
        return as_schedule(self.rate)(step) / share, self.beta, 1 - self.beta


@dataclass(frozen=True)
class nesterov(Optimizer):
    """m <- beta m - rate g; u = beta m - rate g (Nesterov 1983; Sutskever et al. 2013). `beta` may be a schedule.

    In the textbook form m <- beta m - rate grad L(phi + beta m), phi <- phi + m; theta here (and in PyTorch) is the
    point phi + beta m that looks ahead, at which the gradient is taken.
    """

    rate: float | Schedule = 0.1
    beta: float | Schedule = 0.9

    moments = ("velocity",)
    linear = True
    rule = staticmethod(kernels.nesterov)

    def constants(self, step):
        return as_schedule(self.rate)(step), as_schedule(self.beta)(step)


@dataclass(frozen=True)
class adagrad(Optimizer):
    """S <- S + g^2, from `initial` on; u = -rate g / (sqrt(S) + epsilon) (Duchi et al. 2011).

    S never falls, so that steps shrink as 1 / sqrt(t): it may come to a halt too early. Optax begins at S = 0.1.
    """

    rate: float | Schedule = 1e-2
    epsilon: float = 1e-10
    initial: float = 0.0

    moments = ("square",)
    rule = staticmethod(kernels.adagrad)

    def init(self, parameters):
        return {"square": np.full_like(parameters.theta, self.initial)}

    def constants(self, step):
        return as_schedule(self.rate)(step), self.epsilon


@dataclass(frozen=True)
class rmsprop(Optimizer):
    """S <- beta S + (1 - beta) g^2; u = -rate g / (sqrt(S) + epsilon) (Tieleman and Hinton 2012).

    Parameters
    ----------
    beta : .99 as in PyTorch; Hinton's is .9.
    inside : epsilon stands under the root, sqrt(S + epsilon), as in Optax.
    corrected : S / (1 - beta^t) in the place of S; S itself stays raw.
    """

    rate: float | Schedule = 1e-3
    beta: float = 0.99
    epsilon: float = 1e-8
    inside: bool = False
    corrected: bool = False

    moments = ("square",)
    rule = staticmethod(kernels.rmsprop)

    def constants(self, step):
        correction = 1 / (1 - self.beta ** (step + 1)) if self.corrected else 1.0
        within, beside = (self.epsilon, 0.0) if self.inside else (0.0, self.epsilon)
        return as_schedule(self.rate)(step), self.beta, 1 - self.beta, correction, within, beside


@dataclass(frozen=True)
class centred_rmsprop(rmsprop):
    """As `rmsprop`, divided by the standard deviation of g: S - M^2 in the place of S, M <- beta M + (1 - beta) g
    (Graves 2013).

    S - M^2 is kept from falling below 0 by rounding, where PyTorch would give NaN.
    """

    moments = ("mean", "square")
    rule = staticmethod(kernels.centred_rmsprop)


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
        root = 1 / np.sqrt(1 - self.beta2 ** (step + 1))
        return size, root, self.epsilon, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2


@dataclass(frozen=True)
class amsgrad(adam):
    """As `adam`, divided by the largest S so far, so that no parameter's rate ever rises (Reddi et al. 2018).

    `largest_of` : "raw", H <- max(H, S), then H / (1 - beta2^t), as in PyTorch; or "corrected",
    H <- max(H, S / (1 - beta2^t)), as in Optax. They differ: the correction is largest at the start.
    """

    largest_of: str = "raw"

    moments = ("mean", "square", "largest")
    rule = staticmethod(kernels.amsgrad)

    def __post_init__(self):
        super().__post_init__()
        choose("largest_of", self.largest_of, ("raw", "corrected"))

    def constants(self, step):
        size, root, *rest = super().constants(step)
        return (size, root, *rest, 1.0) if self.largest_of == "raw" else (size, 1.0, *rest, root**2)


@dataclass(frozen=True)
class radam(adam):
    """As `adam`, with the rate times r_t, which makes up for how few gradients S has seen (Liu et al. 2020):

    r_t^2 = (n - 4) (n - 2) N / ((N - 4) (N - 2) n),  N = 2 / (1 - beta2) - 1,  n = N - 2 t beta2^t / (1 - beta2^t)

    and, while n <= 5, u = -rate V / (1 - beta1^t) without S. Epsilon stands beside sqrt(S) before the correction,
    and the bound is 5 (the paper: 4), as in PyTorch.
    """

    def constants(self, step):
        size, root, epsilon, *rest = super().constants(step)
        t, most = step + 1, 2 / (1 - self.beta2) - 1
        length = most - 2 * t * self.beta2**t / (1 - self.beta2**t)
        known, n, most = length > 5, np.maximum(length, 5), max(most, 5)
        rectified = np.sqrt((n - 4) * (n - 2) * most / ((most - 4) * (most - 2) * n)) / root
        return size * np.where(known, rectified, 1), np.where(known, 1, 0), np.where(known, epsilon, 1), *rest


def adamw(
    rate: float | Schedule = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    decay: float = 1e-2,
    biases: float = 0.0,
) -> chain:
    """theta <- (1 - rate decay) theta, beside the step of `adam` (Loshchilov and Hutter 2019), as PyTorch has it.

    The chain of `adam` and `weight_decay` at rate x decay, which follows the schedule of the rate. `biases` is their
    decay as a share of `decay`: 1 as in PyTorch, 0 here.
    """
    check_number("decay", decay, low=0)
    optimizer = adam(rate, beta1, beta2, epsilon)  # first, so that a bad rate is called that
    return chain(optimizer, weight_decay(times(rate, decay), biases))


@dataclass(frozen=True)
class rprop(Optimizer):
    """Each parameter has a step size of its own, and only the sign of g counts (Riedmiller and Braun 1993):

    size *= grow where g has the sign it had before, *= shrink where it changed (and g counts as 0 there, for this
    step and the next); u = -size sign(g).

    For whole batches: the signs of minibatches' gradients change by chance. `rate` is the first size; of a schedule,
    its value at the first step. Sizes stay within `smallest` and `largest`.
    """

    rate: float | Schedule = 1e-2
    shrink: float = 0.5
    grow: float = 1.2
    smallest: float = 1e-6
    largest: float = 50.0

    moments = ("gradient", "size")
    rule = staticmethod(kernels.rprop)

    def init(self, parameters):
        size = np.full_like(parameters.theta, as_schedule(self.rate)(0))
        return {"gradient": np.zeros_like(parameters.theta), "size": size}

    def constants(self, step):
        return self.shrink, self.grow, self.smallest, self.largest, 1.0, 0.0


@dataclass(frozen=True)
class quickprop(Optimizer):
    """Each parameter jumps to the minimum of the parabola through its last two slopes (Fahlman 1988):

    u <- u g / (p - g), p the gradient before, but at most growth u; and - rate g on top unless g turned against u.

    For whole batches. Adding 0.1 to the derivative of the sigmoid, which is often called by the same name, is a switch
    of the network, not of its optimiser.
    """

    rate: float | Schedule = 1e-2
    growth: float = 1.75

    moments = ("step", "gradient")
    rule = staticmethod(kernels.quickprop)

    def constants(self, step):
        return as_schedule(self.rate)(step), self.growth, self.growth / (1 + self.growth), 0.0


OPTIMIZERS: Mapping[str, Callable[..., Transform]] = {
    "sgd": sgd,
    "momentum": momentum,
    "ewma": ewma,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "centred-rmsprop": centred_rmsprop,
    "adam": adam,
    "amsgrad": amsgrad,
    "radam": radam,
    "adamw": adamw,
    "rprop": rprop,
    "quickprop": quickprop,
    "yellowfin": yellowfin,
}


def as_optimizer(given: str | Callable[[float | Schedule], Transform] | Transform, rate: float | Schedule) -> Transform:
    """An optimiser at the learning rate `rate`: by name, or what a function makes of the rate; a transform has its own.

    >>> as_optimizer(lambda rate: chain(sgd(rate), weight_decay(0.01)), 0.5).transforms[0]
    sgd(rate=0.5)
    """
    if isinstance(given, Transform):
        return given
    if not callable(given):
        return OPTIMIZERS[choose("optimizer", given, OPTIMIZERS)](rate)
    made = given(rate)
    if not isinstance(made, Transform):
        raise InvalidInput(
            f"optimizer must make a Transform of a learning rate, such as lambda rate: chain(adam(rate), max_norm(3)); "
            f"{getattr(given, '__name__', given)} made {made!r}"
        )
    return made
