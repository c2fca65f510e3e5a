"""Optimisers as chains of transforms on the flat parameter vector, and schedules."""

from bioneuro.optim.rules import OPTIMIZERS, adam, as_optimizer, momentum, nesterov, rmsprop, sgd
from bioneuro.optim.schedules import Schedule, constant, exponential, linear, over_training, piecewise, step
from bioneuro.optim.transform import Transform, chain, clip, dale, freeze, weight_decay

__all__ = [
    "OPTIMIZERS",
    "Schedule",
    "Transform",
    "adam",
    "as_optimizer",
    "chain",
    "clip",
    "constant",
    "dale",
    "exponential",
    "freeze",
    "linear",
    "momentum",
    "nesterov",
    "over_training",
    "piecewise",
    "rmsprop",
    "sgd",
    "step",
    "weight_decay",
]
