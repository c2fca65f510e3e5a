"""Transforms of an update on its way from gradient to step, and chains of them.

A `Transform` is a pair (init, update) on the flat vector `theta`, as a small frozen object: equal settings make equal
transforms, and they can be pickled. The update vector enters as the gradient and leaves as the step that is added to
`theta`; every transform changes it, and its own state, in place:

    state = optimizer.init(parameters)
    optimizer.update(update, state, parameters, step)      # update: (n_parameters,), gradient in, step out
    parameters.theta += update
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bioneuro.errors import check_number, choose
from bioneuro.optim import kernels
from bioneuro.optim.schedules import Schedule, as_schedule
from bioneuro.parameters import Parameters


@dataclass(frozen=True)
class Transform:
    """Base of all transforms; one without memory leaves `init` as it is."""

    def init(self, parameters: Parameters) -> Any:
        """The state before the first step: arrays by name."""
        return {}

    def update(self, update: np.ndarray, state: Any, parameters: Parameters, step: int) -> None:
        """Change `update` and `state` in place; `step` counts from 0."""
        raise NotImplementedError


@dataclass(frozen=True, init=False)
class chain(Transform):
    """Apply transforms one after the other: `chain(clip(1.0), adam(1e-3), weight_decay(1e-4), dale())`."""

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform):
        object.__setattr__(self, "transforms", transforms)

    def init(self, parameters):
        return [transform.init(parameters) for transform in self.transforms]

    def update(self, update, state, parameters, step):
        for transform, own in zip(self.transforms, state, strict=True):
            transform.update(update, own, parameters, step)


@dataclass(frozen=True)
class clip(Transform):
    """u <- u min(1, norm / |u|): bound the Euclidean length of the whole update (Pascanu et al. 2013)."""

    norm: float

    def __post_init__(self):
        check_number("norm", self.norm, low=0, open_low=True)

    def update(self, update, state, parameters, step):
        length = float(np.sqrt(np.dot(update, update)))
        if length > self.norm:
            update *= self.norm / length


@dataclass(frozen=True)
class weight_decay(Transform):
    """u <- u - rate theta, behind an optimiser: decay that its moments do not see (Loshchilov and Hutter 2019).

    Biases and arrays that units learn are spared. An L2 penalty lambda |w|^2 in the loss is another thing: its
    gradient 2 lambda w belongs before the optimiser, where the engines put it.
    """

    rate: float | Schedule

    def update(self, update, state, parameters, step):
        rate = update.dtype.type(as_schedule(self.rate)(step))
        for block in weights_of(parameters):
            kernels.decay(update[block], parameters.theta[block], rate)


@dataclass(frozen=True)
class freeze(Transform):
    """u <- 0 for the parameters named: they stay what they are, bit for bit."""

    keys: tuple[str, ...]

    def init(self, parameters):
        for key in self.keys:
            choose("parameter to freeze", key, parameters)
        return {}

    def update(self, update, state, parameters, step):
        for key in self.keys:
            update[parameters.topology.layout[key].where] = 0


@dataclass(frozen=True)
class dale(Transform):
    """Keep every projection's weights on the side of zero that its `sign` names: u <- max(0, sign (w + u)) sign - w.

    Dale's law: a neuron excites or inhibits at all its synapses. Place it last; projections of sign 0 are free.
    """

    def update(self, update, state, parameters, step):
        for projection in parameters.topology.projections:
            if projection.sign and projection.name in parameters:
                where = parameters.topology.layout[projection.name].where
                weights = parameters.theta[where]
                update[where] = projection.sign * np.maximum(0, projection.sign * (weights + update[where])) - weights


def weights_of(parameters: Parameters) -> list[slice]:
    """Slices of `theta` that hold weights of projections (not biases, not arrays of units)."""
    layout = parameters.topology.layout
    return [
        layout[projection.name].where for projection in parameters.topology.projections if projection.name in layout
    ]
