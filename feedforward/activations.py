"""Activations: what each unit type does on the way forward and to an error on the way back.

An `Activation` is two or three functions of one number, in `kernels`, and the name of the number that each unit of the
type has: one of its constants, or an array that it learns. Adding a unit type is its functions and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from bioneuro._jit.kernel import specialise
from bioneuro.errors import UnsupportedTopology
from bioneuro.topology import Population
from feedforward import kernels


class Activation(NamedTuple):
    """How a unit type computes.

    value : value(z, c) -> a. slope : slope(z, a, c) -> f'(z). constant : what c is, None where it is not used.
    constant_slope : constant_slope(z, c) -> df/dc, for a constant that is learnt.
    keeps_input : whether the slope needs z; otherwise a may take its place.
    """

    value: Callable
    slope: Callable
    constant: str | None = None
    constant_slope: Callable | None = None
    keeps_input: bool = False


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(kernels.linear, kernels.linear_slope),
    "sigmoid": Activation(kernels.sigmoid_of, kernels.sigmoid_slope),
    "tanh": Activation(kernels.tanh_of, kernels.tanh_slope),
    "relu": Activation(kernels.relu, kernels.relu_slope),
    "prelu": Activation(kernels.prelu, kernels.prelu_slope, "alpha", kernels.prelu_constant_slope, keeps_input=True),
}
SOFTMAX = "softmax"  # of a whole population, not of one number: it has rows of its own in `network` and the losses


def activation_of(population: Population) -> Activation | None:
    """The activation of a population's unit type, None for softmax; refuses by name those that have none here."""
    name = population.unit.name
    if name != SOFTMAX and name not in ACTIVATIONS:
        raise UnsupportedTopology(
            f"population {population.name!r} has {name!r} units, which backprop does not run; it runs "
            f"{', '.join([*ACTIVATIONS, SOFTMAX])}: topology.with_units({population.name}='relu')"
        )
    return ACTIVATIONS.get(name)


@cache
def forward_kernel(activation: Activation) -> Callable:
    """The kernel `kernels.forward` of an activation."""
    return specialise(kernels.forward, value=activation.value)


@cache
def backward_kernel(activation: Activation) -> Callable:
    """The kernel `kernels.backward` of an activation, or `backward_learning` where it learns its constant."""
    if activation.constant_slope is None:
        return specialise(kernels.backward, slope=activation.slope)
    return specialise(kernels.backward_learning, slope=activation.slope, constant_slope=activation.constant_slope)
