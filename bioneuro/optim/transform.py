"""Transforms of an update on its way from gradient to step, and chains of them.

A `Transform` is a pair (init, update) on the flat vector `theta`. The update vector enters as the gradient and leaves
as the step that is added to `theta`; every transform changes it, and its own state, in place:

    state = optimizer.init(parameters)
    optimizer.update(update, state, parameters, step)      # update: (n_parameters,), gradient in, step out
    parameters.theta += update
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from bioneuro.errors import choose
from bioneuro.optim import kernels
from bioneuro.optim.schedules import Schedule, as_schedule
from bioneuro.parameters import Parameters


class Transform(NamedTuple):
    """`init(parameters) -> state`, a dict of arrays; `update(update, state, parameters, step)`, all in place."""

    init: Callable[[Parameters], Any]
    update: Callable[[np.ndarray, Any, Parameters, int], None]


def stateless(update: Callable[[np.ndarray, Any, Parameters, int], None]) -> Transform:
    """A transform that remembers nothing between steps."""
    return Transform(lambda parameters: {}, update)


def chain(*transforms: Transform) -> Transform:
    """Apply `transforms` one after the other: `chain(clip(1.0), adam(1e-3), weight_decay(1e-4), dale())`."""

    def init(parameters):
        return [transform.init(parameters) for transform in transforms]

    def update(update, state, parameters, step):
        for transform, own in zip(transforms, state, strict=True):
            transform.update(update, own, parameters, step)

    return Transform(init, update)


def clip(norm: float) -> Transform:
    """u <- u min(1, norm / |u|): bound the Euclidean length of the whole update (Pascanu et al. 2013)."""

    def update(update, state, parameters, step):
        length = float(np.sqrt(np.dot(update, update)))
        if length > norm:
            update *= norm / length

    return stateless(update)


def weight_decay(rate: float | Schedule) -> Transform:
    """u <- u - rate theta, behind an optimiser: decay that its moments do not see (Loshchilov and Hutter 2019).

    Biases and arrays that units learn are spared. An L2 penalty lambda |w|^2 in the loss is another thing: its
    gradient 2 lambda w belongs before the optimiser, where the engines put it.
    """
    rate = as_schedule(rate)

    def update(update, state, parameters, step):
        for block in weights_of(parameters):
            kernels.decay(update[block], parameters.theta[block], update.dtype.type(rate(step)))

    return stateless(update)


def freeze(keys: Iterable[str]) -> Transform:
    """u <- 0 for the parameters named: they stay what they are, bit for bit."""
    keys = tuple(keys)

    def init(parameters):
        for key in keys:
            choose("parameter to freeze", key, parameters)
        return {}

    def update(update, state, parameters, step):
        for key in keys:
            update[parameters.topology.layout[key].where] = 0

    return Transform(init, update)


def dale() -> Transform:
    """Keep every projection's weights on the side of zero that its `sign` names: u <- max(0, sign (w + u)) sign - w.

    Dale's law: a neuron excites or inhibits at all its synapses. Place it last; projections of sign 0 are free.
    """

    def update(update, state, parameters, step):
        for projection in parameters.topology.projections:
            if projection.sign and projection.name in parameters:
                where = parameters.topology.layout[projection.name].where
                weights = parameters.theta[where]
                update[where] = projection.sign * np.maximum(0, projection.sign * (weights + update[where])) - weights

    return stateless(update)


def weights_of(parameters: Parameters) -> list[slice]:
    """Slices of `theta` that hold weights of projections (not biases, not arrays of units)."""
    layout = parameters.topology.layout
    return [
        layout[projection.name].where for projection in parameters.topology.projections if projection.name in layout
    ]
