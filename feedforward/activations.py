"""Activations: what each unit type does on the way forward and to an error on the way back.

An `Activation` works in place on (b, n) matrices. `forward(z, learnt)` turns inputs into outputs; `backward(delta, z,
a, learnt, gradient)` turns dL/da into dL/dz and adds to the gradients of the arrays that the unit learns. `keeps_input`
says whether the way back needs z; otherwise z is overwritten by a.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from bioneuro._jit.rows import softmax_rows
from bioneuro.errors import UnsupportedTopology
from bioneuro.topology import Population
from feedforward import kernels

Arrays = Mapping[str, np.ndarray]


class Activation(NamedTuple):
    """How a unit type computes; see the module."""

    forward: Callable[[np.ndarray, Arrays], None]
    backward: Callable[[np.ndarray, np.ndarray, np.ndarray, Arrays, Arrays], None]
    keeps_input: bool = False


def _elementwise(name: str) -> Activation:
    return Activation(
        lambda z, learnt: kernels.activation(name)(z),
        lambda delta, z, a, learnt, gradient: kernels.slope(name)(delta, a),
    )


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(lambda z, learnt: None, lambda delta, z, a, learnt, gradient: None),
    "sigmoid": _elementwise("sigmoid"),
    "tanh": _elementwise("tanh"),
    "relu": _elementwise("relu"),
    "prelu": Activation(
        lambda z, learnt: kernels.prelu(z, learnt["alpha"]),
        lambda delta, z, a, learnt, gradient: kernels.prelu_backward(delta, z, learnt["alpha"], gradient["alpha"]),
        keeps_input=True,
    ),
    "softmax": Activation(
        lambda z, learnt: softmax_rows(z, z),
        lambda delta, z, a, learnt, gradient: kernels.softmax_backward(delta, a),
    ),
}


def activation_of(population: Population) -> Activation:
    """The activation of a population's unit type; refuses by name those that have none here."""
    name = population.unit.name
    if name not in ACTIVATIONS:
        raise UnsupportedTopology(
            f"population {population.name!r} has {name!r} units, which backprop does not run; it runs "
            f"{', '.join(ACTIVATIONS)}: topology.with_units({population.name}='relu')"
        )
    return ACTIVATIONS[name]
