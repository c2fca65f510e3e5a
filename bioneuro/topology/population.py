"""Populations: groups of units of one type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.topology.units import Unit, as_unit

ROLES = ("input", "hidden", "output")


@dataclass(frozen=True)
class Population:
    """A group of units of one type.

    Parameters
    ----------
    name : unique in a topology.
    shape : number of units, or (height, width, channels) for images.
    role : "input", "hidden" or "output". Where spikes are simulated inputs are sources, all others neurons.
    unit : a `Unit`, or its name; None: "linear" for inputs, "relu" for all others. A constant of a unit is one number
        or a tuple of one per unit: `LIF(tau_m=(0.01, 0.02))` for a population of two.
    bias : whether each unit has a bias of its own; None: all but linear inputs, which say what they are told.

    >>> Population("cells", 100, unit="lif").unit.tau_m
    0.02
    """

    name: str
    shape: tuple[int, ...]
    role: Literal["input", "hidden", "output"] = "hidden"
    unit: Unit | str | None = None
    bias: bool | None = None

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name or any(mark in self.name for mark in (".", "->")):
            raise InvalidInput(f"a population's name is text without '.' and '->', got {self.name!r}")
        shape = (self.shape,) if np.ndim(self.shape) == 0 else tuple(self.shape)
        what = f"shape of population {self.name!r}"
        object.__setattr__(self, "shape", tuple(check_number(what, n, low=1, integer=True) for n in shape))
        choose(f"role of population {self.name!r}", self.role, ROLES)
        is_input = self.role == "input"
        unit = ("linear" if is_input else "relu") if self.unit is None else self.unit
        object.__setattr__(self, "unit", as_unit(unit))
        bias = not (is_input and self.unit.name == "linear") if self.bias is None else self.bias
        object.__setattr__(self, "bias", bool(bias))
        self.unit.check_size(self.name, self.size)

    @property
    def size(self) -> int:
        """Number of units."""
        return math.prod(self.shape)

    def to_json(self) -> dict:
        return {
            "name": self.name,
            "shape": list(self.shape),
            "role": self.role,
            "unit": self.unit.to_json(),
            "bias": self.bias,
        }


def as_population(given: Population | Mapping) -> Population:
    if isinstance(given, Population):
        return given
    if not isinstance(given, Mapping):
        raise InvalidInput(f"a population is a Population or its JSON description, got {given!r}")
    for key in given:
        choose("field of Population", key, [field.name for field in fields(Population)])
    return Population(**given)
