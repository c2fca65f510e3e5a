"""Activations: what each unit type does on the way forward and to an error on the way back.

An `Activation` is two or three functions of one number and the name of the number c that each unit of the type has: one
of its constants, or an array that it learns. The formulas are those of `topology/units.py`. Adding a unit type is its
functions and a line of `ACTIVATIONS`.

The functions are selects without branches, so that loops vectorise, and keep the type of their argument: a Python
number beside a float32 would make a float64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from bioneuro._jit.kernel import scalar, specialise
from bioneuro._jit.math import sigmoid, softplus, tanh
from bioneuro.errors import UnsupportedTopology
from bioneuro.topology import Population
from bioneuro.topology.units import SELU
from feedforward import kernels
from feedforward.kernels import linear

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)  # exact in both formats
_SCALE, _DEPTH = SELU.scale, SELU.scale * SELU.alpha


@scalar
def linear_slope(z, a, c):
    return ONE


@scalar
def sigmoid_of(z, c):
    return sigmoid(z)


@scalar
def sigmoid_slope(z, a, c):
    """a (1 - a)."""
    return a * (ONE - a)


@scalar
def sigmoid_slope_raised(z, a, c):
    """a (1 - a) + c."""
    return a * (ONE - a) + c


@scalar
def tanh_of(z, c):
    return tanh(z)


@scalar
def tanh_slope(z, a, c):
    """1 - a^2, without cancelling near its ends."""
    return (ONE - a) * (ONE + a)


@scalar
def softplus_of(z, c):
    return softplus(z)


@scalar
def softplus_slope(z, a, c):
    """sigmoid(z) = 1 - e^-a."""
    return -grown(-a)


@scalar
def relu(z, c):
    """max(0, z); NaN stays NaN."""
    return ZERO if z <= ZERO else z


@scalar
def relu_slope(z, a, c):
    """1 where the output is positive, else 0: the subgradient at 0 is 0."""
    return ONE if a > ZERO else ZERO


@scalar
def relu_slope_stated(z, a, c):
    """The same, c at 0."""
    return ONE if z > ZERO else (c if z == ZERO else ZERO)


@scalar
def leaky_relu(z, c):
    """z for z > 0, c z otherwise."""
    return c * z if z <= ZERO else z


@scalar
def leaky_relu_slope(z, a, c):
    """For c >= 0, which lets a tell the side."""
    return ONE if a > ZERO else c


@scalar
def prelu_slope(z, a, c):
    return ONE if z > ZERO else c


@scalar
def prelu_constant_slope(z, c):
    """min(0, z)."""
    return z if z <= ZERO else ZERO


@scalar
def frelu(z, c):
    """max(0, z) + c."""
    return relu(z, c) + c


@scalar
def frelu_slope(z, a, c):
    return ONE if z > ZERO else ZERO


@scalar
def frelu_constant_slope(z, c):
    return ONE


@scalar
def elu(z, c):
    """z for z > 0, c (e^z - 1) otherwise."""
    return c * grown(z) if z <= ZERO else z


@scalar
def elu_slope(z, a, c):
    """1 for z > 0, c e^z = a + c otherwise."""
    return ONE if a > ZERO else a + c


@scalar
def selu(z, c):
    real = type(z)
    return real(_DEPTH) * grown(z) if z <= ZERO else real(_SCALE) * z


@scalar
def selu_slope(z, a, c):
    real = type(a)
    return real(_SCALE) if a > ZERO else a + real(_DEPTH)


@scalar
def grown(z):
    """e^z - 1 for z <= 0, as 2 t / (1 - t) with t = tanh(z / 2), which does not cancel; 0 above."""
    t = tanh(HALF * (ZERO if z > ZERO else z))
    return (t + t) / (ONE - t)


class Activation(NamedTuple):
    """How a unit type computes.

    value : value(z, c) -> a. slope : slope(z, a, c) -> f'(z). constant : what c is, None where it is not used.
    constant_slope : constant_slope(z, c) -> df/dc, for a constant that is learnt.
    keeps_input : whether the slope needs z; otherwise a may take its place.
    bipolar : whether odd units are -f(-z).
    """

    value: Callable
    slope: Callable
    constant: str | None = None
    constant_slope: Callable | None = None
    keeps_input: bool = False
    bipolar: bool = False


_UNIPOLAR: dict[str, Activation] = {
    "linear": Activation(linear, linear_slope),
    "sigmoid": Activation(sigmoid_of, sigmoid_slope),
    "tanh": Activation(tanh_of, tanh_slope),
    "softplus": Activation(softplus_of, softplus_slope),
    "relu": Activation(relu, relu_slope),
    "leaky_relu": Activation(leaky_relu, leaky_relu_slope, "alpha"),
    "prelu": Activation(leaky_relu, prelu_slope, "alpha", prelu_constant_slope, keeps_input=True),
    "frelu": Activation(frelu, frelu_slope, "b", frelu_constant_slope, keeps_input=True),
    "elu": Activation(elu, elu_slope, "alpha"),
    "selu": Activation(selu, selu_slope),
}
_BIPOLAR = ("softplus", "relu", "leaky_relu", "prelu", "frelu", "elu", "selu")
ACTIVATIONS = _UNIPOLAR | {f"bipolar_{name}": _UNIPOLAR[name]._replace(bipolar=True) for name in _BIPOLAR}
# the activation of units with a switch that is on, by its name
_SWITCHED: dict[str, Activation] = {
    "flat_spot": Activation(sigmoid_of, sigmoid_slope_raised, "flat_spot"),
    "at_zero": Activation(relu, relu_slope_stated, "at_zero", keeps_input=True),
}
SOFTMAX = "softmax"  # of a whole population, not of one number: it has rows of its own in `network` and the losses


def activation_of(population: Population) -> Activation | None:
    """The activation of a population's units, None for softmax; refuses by name those that have none here."""
    unit = population.unit
    if unit.name != SOFTMAX and unit.name not in ACTIVATIONS:
        raise UnsupportedTopology(
            f"population {population.name!r} has {unit.name!r} units, which backprop does not run; it runs "
            f"{', '.join([*ACTIVATIONS, SOFTMAX])}: topology.with_units({population.name}='relu')"
        )
    activation = ACTIVATIONS.get(unit.name)
    for switch in _SWITCHED.keys() & unit.constants.keys():
        activation = _SWITCHED[switch]._replace(bipolar=activation.bipolar)
    return activation


@cache
def forward_kernel(activation: Activation) -> Callable:
    """The kernel `kernels.forward` of an activation."""
    return specialise(kernels.forward, value=activation.value, turn=_turn(activation))


@cache
def backward_kernel(activation: Activation) -> Callable:
    """The kernel `kernels.backward` of an activation, or `backward_learning` where it learns its constant."""
    bound = {"slope": activation.slope, "turn": _turn(activation)}
    if activation.constant_slope is None:
        return specialise(kernels.backward, **bound)
    return specialise(kernels.backward_learning, constant_slope=activation.constant_slope, **bound)


def _turn(activation: Activation) -> Callable:
    return kernels.turned_if_odd if activation.bipolar else kernels.unturned
