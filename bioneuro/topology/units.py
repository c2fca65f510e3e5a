"""Unit types: what a unit *is*. How it is computed belongs to the engines, which map these to their kernels.

A unit type is a frozen dataclass whose fields are its constants (a number, or one value per unit) and whose
`learns` names the arrays that learning may change, one value per unit, with their first values.
Adding a unit type is one dataclass with the `@register` line.

f'(0) of a unit with a kink at 0 is the slope on its left, but for `ReLU`, whose `at_zero` states another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np

from bioneuro.errors import InvalidInput, check_field, check_number, choose

UNITS: dict[str, type[Unit]] = {}


@dataclass(frozen=True)
class Unit:
    """Base of all unit types; compare and hash by type and constants."""

    name: ClassVar[str]
    learns: ClassVar[Mapping[str, float]] = {}
    hint: ClassVar[str] = ""  # to whoever gives what is no number

    def __post_init__(self):
        for constant in fields(self):
            value, what = getattr(self, constant.name), f"{type(self).__name__}.{constant.name}"
            if np.ndim(value):  # one value per unit: a tuple, so that units stay hashable
                value = tuple(check_number(what, entry, hint=self.hint) for entry in np.ravel(value).tolist())
            else:
                value = check_number(what, value, hint=self.hint)
            object.__setattr__(self, constant.name, value)
        self.check()

    def check(self) -> None:
        """Raise `InvalidInput` if a constant is out of its range."""

    def check_size(self, population: str, size: int) -> None:
        """Raise `InvalidInput` if a constant given per unit does not have one value for each of `size` units."""
        for name, value in self.constants.items():
            if isinstance(value, tuple) and len(value) != size:
                raise InvalidInput(
                    f"{self.name}.{name} has {len(value)} values and population {population!r} has {size} units; "
                    f"give one number or {size}"
                )

    @property
    def constants(self) -> dict[str, float | tuple[float, ...]]:
        """Name -> value; a `switch` that is off goes unsaid."""
        values = {constant: getattr(self, constant.name) for constant in fields(self)}
        return {
            constant.name: value
            for constant, value in values.items()
            if np.any(value) or not constant.metadata.get("switch")
        }

    def to_json(self) -> dict:
        """Name and constants, as JSON can hold them."""
        return {"type": self.name, **self.constants}


def register(name: str) -> Callable[[type[Unit]], type[Unit]]:
    """Class decorator: make a unit type known under `name`."""

    def add(cls: type[Unit]) -> type[Unit]:
        cls.name = name
        UNITS[name] = cls
        return cls

    return add


def switch() -> float:
    """A constant that changes nothing at 0, where it begins; `Unit.constants` and digests then know nothing of it."""
    return field(default=0.0, metadata={"switch": True})


def as_unit(given: Unit | str | Mapping) -> Unit:
    """Turn a name, a JSON description or a `Unit` into a `Unit`.

    >>> as_unit("tanh")
    Tanh()
    """
    if isinstance(given, Unit):
        return given
    if isinstance(given, str):
        return UNITS[choose("unit", given, UNITS)]()
    if isinstance(given, Mapping) and "type" in given:
        if "normalised" in given:
            plain = as_unit({key: value for key, value in given.items() if key != "normalised"})
            return Normalised(plain, **given["normalised"])
        cls = UNITS[choose("unit", given["type"], UNITS)]
        constants = {key: value for key, value in given.items() if key != "type"}
        for key in constants:
            choose(f"constant of unit {cls.name!r}", key, [field.name for field in fields(cls)])
        return cls(**constants)
    hint = f"; make one: {given.__name__}()" if isinstance(given, type) and issubclass(given, Unit) else ""
    raise InvalidInput(f"a unit is a Unit, a name ({', '.join(UNITS)}) or its JSON description, got {given!r}{hint}")


@dataclass(frozen=True)
class Normalised(Unit):
    """f(gain (z - mean) / sqrt(variance + epsilon) + bias), where f is what `unit` computes.

    unit : the unit type without normalisation, whose name and constants this one shares.
    momentum : in (0, 1], share of the newest minibatch in the running mean and variance. epsilon : > 0.
    """

    unit: Unit
    momentum: float = 0.1
    epsilon: float = 1e-5

    def __post_init__(self):
        check_field(self, "momentum", low=0, high=1, open_low=True)
        check_field(self, "epsilon", low=0, open_low=True)

    @property
    def name(self) -> str:
        return self.unit.name

    @property
    def learns(self) -> dict[str, float]:
        """Directly behind the bias, as the kernels want it: gain, mean, variance; the last two without a gradient."""
        return {"gain": 1.0, "mean": 0.0, "variance": 1.0, **self.unit.learns}

    @property
    def constants(self) -> dict:
        return self.unit.constants

    def check_size(self, population: str, size: int) -> None:
        self.unit.check_size(population, size)

    def to_json(self) -> dict:
        return {**self.unit.to_json(), "normalised": {"momentum": self.momentum, "epsilon": self.epsilon}}

    def __getattr__(self, constant: str):
        if constant == "unit" or constant.startswith("__"):  # not yet there, while it is being copied
            raise AttributeError(constant)
        return getattr(self.unit, constant)


def _check_each(unit: Unit, constant: str, **allowed) -> None:
    """Check one constant of a unit, one value or many, as `check_number` does."""
    for value in np.atleast_1d(getattr(unit, constant)).tolist():
        check_number(f"{type(unit).__name__}.{constant}", value, **allowed)


@register("linear")
@dataclass(frozen=True)
class Linear(Unit):
    """f(x) = x, any real number: outputs of a regression."""


@register("sigmoid")
@dataclass(frozen=True)
class Sigmoid(Unit):
    """f(x) = 1 / (1 + exp(-x)), range (0, 1); f' = f (1 - f), at most 1/4.

    `flat_spot` >= 0 is added to f' on the way back, so that a saturated unit goes on learning; .1 is usual. The
    gradient is then wrong on purpose. Under the logistic loss the error of sigmoid outputs has no factor f' to add to.
    Source: Fahlman, An empirical study of learning speed in back-propagation networks (1988), "sigmoid-prime".
    """

    flat_spot: float | tuple[float, ...] = switch()

    def check(self) -> None:
        _check_each(self, "flat_spot", low=0)


@register("tanh")
@dataclass(frozen=True)
class Tanh(Unit):
    """f(x) = (e^x - e^-x) / (e^x + e^-x) = 2 sigmoid(2 x) - 1, range (-1, 1); f' = 1 - f^2."""


@register("softplus")
@dataclass(frozen=True)
class Softplus(Unit):
    """f(x) = ln(1 + e^x), range (0, inf); f' = sigmoid(x). A ReLU without a kink (Dugas et al. 2001)."""


@register("relu")
@dataclass(frozen=True)
class ReLU(Unit):
    """f(x) = max(0, x), range [0, inf); f'(0) = `at_zero`, any slope in [0, 1] (Nair and Hinton 2010)."""

    at_zero: float | tuple[float, ...] = switch()

    def check(self) -> None:
        _check_each(self, "at_zero", low=0, high=1, hint="the slope is 0 on the left of 0 and 1 on its right")


@register("leaky_relu")
@dataclass(frozen=True)
class LeakyReLU(Unit):
    """f(x) = x for x > 0, alpha x otherwise, alpha >= 0; any real number (Maas, Hannun and Ng 2013)."""

    alpha: float | tuple[float, ...] = 0.01

    def check(self) -> None:
        _check_each(self, "alpha", low=0, hint="a slope below 0 can only be learnt: unit='prelu'")


@register("prelu")
@dataclass(frozen=True)
class PReLU(Unit):
    """f(x) = x for x > 0, alpha x otherwise; alpha is learnt, one per unit (He et al. 2015)."""

    learns: ClassVar[Mapping[str, float]] = {"alpha": 0.25}


@register("frelu")
@dataclass(frozen=True)
class FReLU(Unit):
    """f(x) = max(0, x) + b, range [b, inf); b is learnt, one per unit, from 0 on (Qiu, Xu and Cai 2017)."""

    learns: ClassVar[Mapping[str, float]] = {"b": 0.0}


@register("elu")
@dataclass(frozen=True)
class ELU(Unit):
    """f(x) = x for x > 0, alpha (e^x - 1) otherwise, alpha >= 0; range (-alpha, inf).

    Source: Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by ELUs (2016).
    """

    alpha: float | tuple[float, ...] = 1.0

    def check(self) -> None:
        _check_each(self, "alpha", low=0)


@register("selu")
@dataclass(frozen=True)
class SELU(Unit):
    """f(x) = scale (x for x > 0, alpha (e^x - 1) otherwise), range (-scale alpha, inf).

    With `scale` = 1.0507, `alpha` = 1.6733 and weights of variance 1 / fan-in ("lecun-normal"), mean 0 and variance 1
    are a stable fixed point: deep layers keep them.
    Source: Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks (2017).
    """

    scale: ClassVar[float] = 1.0507009873554804934193349852946
    alpha: ClassVar[float] = 1.6732632423543772848170429916717


# Of a bipolar type, even units are f(x) and odd units -f(-x), so that the mean over a layer is near 0: Eidnes and
# Nokland, Shifting mean activation towards zero with bipolar activation functions (2017).


@register("bipolar_relu")
@dataclass(frozen=True)
class BipolarReLU(ReLU):
    """Even units max(0, x), odd units min(0, x); f'(0) = `at_zero` (Eidnes and Nokland 2017)."""


@register("bipolar_leaky_relu")
@dataclass(frozen=True)
class BipolarLeakyReLU(LeakyReLU):
    """Even units as `LeakyReLU`, odd units x for x < 0, alpha x otherwise (Eidnes and Nokland 2017)."""


@register("bipolar_prelu")
@dataclass(frozen=True)
class BipolarPReLU(PReLU):
    """Even units as `PReLU`, odd units x for x < 0, alpha x otherwise (Eidnes and Nokland 2017)."""


@register("bipolar_frelu")
@dataclass(frozen=True)
class BipolarFReLU(FReLU):
    """Even units max(0, x) + b, odd units min(0, x) - b (Eidnes and Nokland 2017)."""


@register("bipolar_elu")
@dataclass(frozen=True)
class BipolarELU(ELU):
    """Even units as `ELU`, odd units x for x < 0, alpha (1 - e^-x) otherwise (Eidnes and Nokland 2017)."""


@register("bipolar_selu")
@dataclass(frozen=True)
class BipolarSELU(SELU):
    """Even units as `SELU`, odd units scale (x for x < 0, alpha (1 - e^-x) otherwise) (Eidnes and Nokland 2017)."""


@register("bipolar_softplus")
@dataclass(frozen=True)
class BipolarSoftplus(Softplus):
    """Even units ln(1 + e^x), odd units -ln(1 + e^-x) (Eidnes and Nokland 2017)."""


@register("softmax")
@dataclass(frozen=True)
class Softmax(Unit):
    """f(x)_j = exp(x_j) / sum_i exp(x_i) over the whole population, range (0, 1); df_j/dx_i = f_j (1{i = j} - f_i)."""


@register("spin")
@dataclass(frozen=True)
class Spin(Unit):
    """s = sign(h), -1 or +1; a zero field keeps the old spin (Hopfield 1982)."""


@register("bernoulli")
@dataclass(frozen=True)
class Bernoulli(Unit):
    """P(s = 1) = 1 / (1 + exp(-h / T)), s in {0, 1}; T belongs to the run, not to the unit."""


@register("gaussian")
@dataclass(frozen=True)
class Gaussian(Unit):
    """s ~ N(sigma h, sigma^2), any real number; `sigma` > 0 in the units of the data."""

    sigma: float | tuple[float, ...] = 1.0

    def check(self) -> None:
        _check_each(self, "sigma", low=0, open_low=True)


@register("lif")
@dataclass(frozen=True)
class LIF(Unit):
    """Leaky integrate-and-fire: tau_m dV/dt = -(V - v_rest) + R I; at V >= v_threshold a spike, and V becomes

        v_reset + soft_reset (V - v_threshold).

    Each constant is one number, or one per unit of its population.

    Parameters
    ----------
    tau_m : s, in (0, 1], of the membrane.
    v_threshold, v_reset, v_rest : V, in [-1, 1], v_reset < v_threshold. Only differences count: by default voltages are
        told from rest (v_rest 0), and -45e-3, -55e-3, -65e-3 make the same neuron as 20e-3, 10e-3, 0.
    refractory : s, in [0, 1], for which V stays where the reset put it and no spike is fired.
    soft_reset : in [0, 1]; 0 is the textbook's reset to a value, 1 subtracts v_threshold - v_reset, so that no input is
        forgotten where a jump or a step of time carries V past its threshold.

    Sources: Gerstner, Kistler, Naud, Paninski, Neuronal Dynamics (2014), section 1.3; reset by subtraction: Rueckauer,
    Lungu, Hu, Pfeiffer, Liu, Front. Neurosci. 11 (2017) 682.

    >>> LIF(tau_m=(10e-3, 20e-3)).tau_m  # a population of two
    (0.01, 0.02)
    """

    hint: ClassVar[str] = "plain numbers in seconds and volts: 20e-3 is 20 ms, or 20 mV"

    tau_m: float | tuple[float, ...] = 20e-3
    v_threshold: float | tuple[float, ...] = 20e-3
    v_reset: float | tuple[float, ...] = 10e-3
    v_rest: float | tuple[float, ...] = 0.0
    refractory: float | tuple[float, ...] = 2e-3
    soft_reset: float | tuple[float, ...] = 0.0

    def check(self) -> None:
        for name, top, typical in (("tau_m", 1.0, 0.02), ("refractory", 1.0, 0.002)):
            for value in np.atleast_1d(getattr(self, name)):
                check_number(
                    f"LIF.{name}",
                    float(value),
                    low=0,
                    high=top,
                    open_low=name == "tau_m",
                    hint=f"times are in seconds: {name}={value:g} is {value:g} s; a neuron's is near {typical:g}",
                )
        for name in ("v_threshold", "v_reset", "v_rest"):
            for value in np.atleast_1d(getattr(self, name)):
                check_number(
                    f"LIF.{name}",
                    float(value),
                    low=-1,
                    high=1,
                    hint=f"voltages are in volts: {name}={value:g} is {value:g} V; a neuron's is near 0.02 above rest",
                )
        for value in np.atleast_1d(self.soft_reset):
            check_number("LIF.soft_reset", float(value), low=0, high=1, hint="0: to v_reset, 1: by subtraction")
        if np.any(np.asarray(self.v_reset) >= np.asarray(self.v_threshold)):
            raise InvalidInput(
                f"LIF.v_reset must lie below v_threshold, got v_reset={self.v_reset}, v_threshold={self.v_threshold}; "
                "a neuron that resets above its threshold never stops firing"
            )
