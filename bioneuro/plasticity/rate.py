"""Rate rules: how a synapse changes with the activity on either side of it.

x: (b, n_pre) and y: (b, n_post) are what units emit in a minibatch, W: (n_pre, n_post); <.> is the mean over its rows.
A rule is a frozen dataclass; adding one is one class with the `@register` line. `bioneuro.plasticity.LocalLearning`
makes rules a gradient estimator of `bioneuro.training.fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bioneuro.errors import InvalidInput, check_field, choose
from bioneuro.plasticity import kernels

RATE_RULES: dict[str, type[RateRule]] = {}


@dataclass(frozen=True)
class RateRule:
    """Base of all rate rules.

    `unit` is the type of unit, `centred` whether the inputs have mean 0, where a rule learns features; `features` says
    how these are told to others (see `bioneuro.plasticity.HebbianFeatures`). A rule that `keeps_symmetry` may act on
    symmetric weights.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = "linear"
    centred: ClassVar[bool] = True
    features: ClassVar[str] = "on-off"
    keeps_symmetry: ClassVar[bool] = False

    def drive(self, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        """What the synapses bring to the units behind them, (b, n_post)."""
        return x @ weights

    def start(self, n_pre: int, n_post: int, dtype) -> dict[str, np.ndarray]:
        """What the rule remembers between minibatches, before the first."""
        return {}

    def change(
        self, weights: np.ndarray, x: np.ndarray, y: np.ndarray, state: dict[str, np.ndarray], out: np.ndarray
    ) -> None:
        """Add dW, (n_pre, n_post), to `out`; move what `state` remembers."""
        raise NotImplementedError


def register(name: str) -> Callable[[type[RateRule]], type[RateRule]]:
    """Class decorator: make a rate rule known under `name`."""

    def add(cls: type[RateRule]) -> type[RateRule]:
        cls.name = name
        RATE_RULES[name] = cls
        return cls

    return add


def as_rate_rule(given: RateRule | str) -> RateRule:
    """A rule by name, with its constants as they are, or the rule given.

    >>> as_rate_rule("oja")
    Oja()
    """
    if isinstance(given, RateRule):
        return given
    if isinstance(given, str):
        return RATE_RULES[choose("rate rule", given, RATE_RULES)]()
    raise InvalidInput(f"a rate rule is one of {', '.join(RATE_RULES)} or a rule such as Sanger(), got {given!r}")


def _mean_product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x.T @ y) / x.dtype.type(len(x))


def _follow(mean: np.ndarray, value: np.ndarray, count: np.ndarray, tau: float) -> None:
    """mean <- mean + (value - mean) / min(count, tau): at first the plain mean of what came, later the last tau."""
    mean += (value - mean) / mean.dtype.type(min(count[0], tau))


@register("hebb")
@dataclass(frozen=True)
class Hebb(RateRule):
    """dW = <x y> - decay W: cells that fire together wire together (Hebb 1949).

    Without decay weights grow without bound; with it still, where it is below the largest eigenvalue of <x x>.

    Parameters
    ----------
    decay : forgetting, >= 0
    """

    decay: float = 0.0

    keeps_symmetry: ClassVar[bool] = True

    def __post_init__(self):
        check_field(self, "decay", low=0, open_high=True)

    def change(self, weights, x, y, state, out):
        out += _mean_product(x, y)
        if self.decay:
            kernels.decay_columns(weights, np.full(weights.shape[1], self.decay, weights.dtype), out)


@register("covariance")
@dataclass(frozen=True)
class Covariance(RateRule):
    """dW = <(x - <x>)(y - <y>)>: synapses also weaken, when one side is active without the other (Sejnowski 1977).

    The means run over the last `tau` minibatches. Weights grow without bound, as under Hebb's rule.

    Parameters
    ----------
    tau : minibatches, >= 1
    """

    tau: float = 100.0

    keeps_symmetry: ClassVar[bool] = True

    def __post_init__(self):
        check_field(self, "tau", low=1, hint="in minibatches")

    def start(self, n_pre, n_post, dtype):
        return {"pre": np.zeros(n_pre, dtype), "post": np.zeros(n_post, dtype), "count": np.zeros(1, np.int64)}

    def change(self, weights, x, y, state, out):
        state["count"] += 1
        _follow(state["pre"], x.mean(axis=0), state["count"], self.tau)
        _follow(state["post"], y.mean(axis=0), state["count"], self.tau)
        out += _mean_product(x - state["pre"], y - state["post"])


@register("oja")
@dataclass(frozen=True)
class Oja(RateRule):
    """dw_j = <y_j (x - y_j w_j)>: Hebb's rule, with just the decay that keeps |w_j| = 1.

    Each unit finds the first principal component of centred inputs, whatever the others do.
    Source: E. Oja, J. Math. Biol. 15 (1982) 267.
    """

    def change(self, weights, x, y, state, out):
        out += _mean_product(x, y)
        kernels.decay_columns(weights, np.square(y).mean(axis=0), out)


@register("sanger")
@dataclass(frozen=True)
class Sanger(RateRule):
    """dw_j = <y_j (x - sum_{k <= j} y_k w_k)>: each unit learns from what the units before it leave unexplained.

    The units find the principal components of centred inputs in order, the generalised Hebbian algorithm.
    Source: T. D. Sanger, Neural Networks 2 (1989) 459.
    """

    def change(self, weights, x, y, state, out):
        out += _mean_product(x, y)
        out -= weights @ np.triu(_mean_product(y, y))


@register("bcm")
@dataclass(frozen=True)
class BCM(RateRule):
    """dw_j = <x y_j (y_j - theta_j)>, theta_j = <y_j^2>: the threshold slides, so that units become selective.

    The threshold is a mean over the last `tau` minibatches; it must move faster than the weights. Of n linearly
    independent inputs, equally frequent, a unit comes to answer one, with y = n, and no other.

    Parameters
    ----------
    tau : minibatches, >= 1

    Source: Bienenstock, Cooper, Munro, J. Neurosci. 2 (1982) 32; Intrator, Cooper, Neural Networks 5 (1992) 3.
    """

    tau: float = 10.0

    unit: ClassVar[str] = "relu"
    centred: ClassVar[bool] = False
    features: ClassVar[str] = "rectified"

    def __post_init__(self):
        check_field(self, "tau", low=1, hint="in minibatches")

    def start(self, n_pre, n_post, dtype):
        return {"threshold": np.zeros(n_post, dtype), "count": np.zeros(1, np.int64)}

    def change(self, weights, x, y, state, out):
        state["count"] += 1
        _follow(state["threshold"], np.square(y).mean(axis=0), state["count"], self.tau)
        modification = np.empty_like(y)
        kernels.modify_about(y, state["threshold"], modification)
        out += _mean_product(x, modification)


@register("competitive")
@dataclass(frozen=True)
class Competitive(RateRule):
    """dw_j = <g_j (x - I_j w_j)> / m,   I_j = sum_i sign(w_ij) |w_ij|^(p - 1) x_i

    g is 1 for the unit with the strongest I, -delta for that of rank k, 0 for all others; m makes the largest change
    of a minibatch 1. Units share the inputs out among them, and end with sum_i |w_ij|^p = 1.

    Parameters
    ----------
    p : Lebesgue norm, >= 2
    k : rank of the unit that unlearns, >= 2 and at most the number of units
    delta : how strongly it unlearns, >= 0

    Source: D. Krotov, J. J. Hopfield, PNAS 116 (2019) 7723.
    """

    p: float = 2.0
    k: int = 2
    delta: float = 0.4

    centred: ClassVar[bool] = False
    features: ClassVar[str] = "power"

    def __post_init__(self):
        check_field(self, "p", low=2, open_high=True)
        check_field(self, "k", low=2, integer=True)
        check_field(self, "delta", low=0, open_high=True)

    def drive(self, weights, x):
        if self.p == 2:
            return x @ weights
        powers = np.empty_like(weights)
        kernels.signed_power(weights, weights.dtype.type(self.p - 1), powers)
        return x @ powers

    def start(self, n_pre, n_post, dtype):
        if self.k > n_post:
            raise InvalidInput(
                f"Competitive.k={self.k} is the rank of the unit that unlearns, of {n_post} units; take a lower k"
            )
        return {}

    def change(self, weights, x, y, state, out):
        share = np.empty_like(y)
        kernels.compete(y, self.k, y.dtype.type(self.delta), np.empty(y.shape[1], bool), share)
        step = x.T @ share
        kernels.decay_columns(weights, np.einsum("bj,bj->j", share, y), step)
        largest = max(step.max(), -step.min())
        if largest > 0:
            step /= largest
        out += step


@register("anti-hebb")
@dataclass(frozen=True)
class AntiHebb(RateRule):
    """dW = target^2 - <x y>: the reverse rule, for inhibitory synapses. Units that fire together come to keep each
    other silent, until they are together as often as chance has it (linear units: until they are uncorrelated).

    Parameters
    ----------
    target : mean activity that units should have, >= 0; 0 for activities of mean 0

    Source: P. Földiák, Biol. Cybern. 64 (1990) 165; for linear units: IJCNN 1 (1989) 401.
    """

    target: float = 0.0

    keeps_symmetry: ClassVar[bool] = True

    def __post_init__(self):
        check_field(self, "target", low=0, open_high=True)

    def change(self, weights, x, y, state, out):
        out += out.dtype.type(self.target**2) - _mean_product(x, y)


def check_rules(rules: Mapping[str, RateRule | str]) -> dict[str, RateRule]:
    """{projection: rule}, with the names of rules made rules."""
    if not isinstance(rules, Mapping) or not rules:
        raise InvalidInput(f"rules must be {{projection: rule}} with at least one entry, got {rules!r}")
    return {name: as_rate_rule(rule) for name, rule in rules.items()}
