"""Chains of transforms that a compiled epoch can take along: one rule, and what may stand around it.

Recognised are, in this order: the penalties `l1` and `l2`; `clip_value`; `clip`; an optimiser; `per_layer` and
`weight_decay`; `max_norm`, `freeze` and `dale`. Every other chain is run by the training loop itself, transform by
transform.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from bioneuro.optim.kernels import N_CONSTANTS, N_STEP
from bioneuro.optim.rules import Optimizer
from bioneuro.optim.schedules import Schedule, as_schedule
from bioneuro.optim.transform import (
    Transform,
    chain,
    clip,
    clip_value,
    dale,
    freeze,
    l1,
    l2,
    max_norm,
    per_layer,
    rates_by_key,
    weight_decay,
)
from bioneuro.parameters import Parameters


class Own(NamedTuple):
    """What one array of parameters has of its own; the order is that of `kernels.OWN`."""

    rate: float = 1.0
    l2: float = 0.0
    l1: float = 0.0
    decay: float = 0.0
    bound: float = np.inf
    low: float = -np.inf
    high: float = np.inf


class Fused(NamedTuple):
    """An optimiser, where its moments lie in the state of the chain, and what each array has of its own.

    Keys of `frozen` are not touched. `decay` is the factor of all decays that changes from step to step, `norm` the
    greatest length of the whole gradient, `limits` that of what reaches a unit, {population: limit}.
    """

    optimizer: Optimizer
    path: tuple[int, ...]
    own: dict[str, Own]
    frozen: frozenset[str]
    decay: float | Schedule = 1.0
    norm: float = np.inf
    limits: Mapping[str, float] = MappingProxyType({})

    def moments(self, state) -> list[np.ndarray]:
        """The moments of the optimiser within the state of the chain."""
        for index in self.path:
            state = state[index]
        return [state[name] for name in self.optimizer.moments]

    def constants(self, first: int, last: int, dtype) -> np.ndarray:
        """(last - first, N_STEP): of steps first, ..., last - 1, the rule's constants and the factor of decay."""
        table = np.zeros((last - first, N_STEP), dtype)
        _fill(table[:, :N_CONSTANTS], self.optimizer.constants, first)
        _fill(table[:, N_CONSTANTS:], lambda step: (as_schedule(self.decay)(step),), first)
        return table


def _fill(table: np.ndarray, constants, first: int) -> None:
    """Put constants(step) into each row, for step = first, first + 1, ..., in one call where that can be done.

    What is asked for together must not depend on how many steps that are, so that a training has the same bits in
    pieces of any length: always arrays of at least two, or always one step at a time.
    """
    steps = np.arange(first, first + max(2, len(table)))
    try:
        columns = [np.asarray(column) for column in constants(steps)]
        at_once = all(column.shape in ((), steps.shape) for column in columns)
    except (TypeError, ValueError):
        at_once = False
    if not at_once:  # a schedule that takes one step at a time
        columns = np.array([constants(int(step)) for step in steps]).T
    for index, column in enumerate(columns):
        table[:, index] = column[: len(table)] if column.ndim else column


_GRADIENT = {l1: 0, l2: 0, clip_value: 1, clip: 2}
_STEP = {per_layer: 4, weight_decay: 4, max_norm: 5, freeze: 5, dale: 5}
_ORDER = _GRADIENT | {Optimizer: 3} | _STEP


def fuse(transform: Transform, parameters: Parameters) -> Fused | None:
    """`transform` as a `Fused`, None where it holds something that cannot be fused."""
    own = dict.fromkeys(parameters.topology.layout, Own())
    signed = any(projection.sign for projection in parameters.topology.projections)
    optimizer, path, frozen, decays, norm, limits, reached = None, (), frozenset(), [], np.inf, {}, 0
    for at, part in flat(transform):
        place = _ORDER.get(Optimizer if isinstance(part, Optimizer) else type(part))
        if place is None or place < reached or (place == 3 and optimizer is not None):
            return None
        reached = place
        if isinstance(part, Optimizer):
            optimizer, path = part, at
        elif isinstance(part, freeze):
            frozen |= set(part.keys)
        elif isinstance(part, clip):
            norm = min(norm, part.norm)
        elif isinstance(part, max_norm):
            limits |= {name: min(part.limit, limits.get(name, np.inf)) for name in part.held(parameters.topology)}
        elif isinstance(part, dale) and signed and limits:  # lengths are taken in the end
            return None
        else:
            own = {key: array._replace(**change) for key, array, change in _changes(part, own, parameters)}
        if isinstance(part, weight_decay):
            decays.append(part.rate)
    if optimizer is None or (limits and frozen):  # a limit counts the steps that the frozen would take
        return None
    if norm < np.inf:  # and the whole gradient theirs
        own |= {key: own[key]._replace(rate=0.0, decay=0.0) for key in frozen}
        frozen = frozenset()
    if any(callable(rate) for rate in decays) and len(decays) > 1:  # one factor of the step serves one schedule
        return None
    decay = decays[0] if decays and callable(decays[0]) else 1.0
    return Fused(optimizer, path, own, frozen, decay, norm, limits)


def flat(transform: Transform, at: tuple[int, ...] = ()):
    """Yield the transforms of nested chains in order, each with its place."""
    if isinstance(transform, chain):
        for index, part in enumerate(transform.transforms):
            yield from flat(part, (*at, index))
    else:
        yield at, transform


def _changes(part: Transform, own: dict[str, Own], parameters: Parameters):
    """Yield (key, what it has of its own, what `part` changes of that)."""
    signs = {projection.name: projection.sign for projection in parameters.topology.projections}
    if isinstance(part, per_layer):
        rates = part.by_key(parameters)
    elif isinstance(part, l1 | l2 | weight_decay):
        rates = rates_by_key(parameters, 1.0 if callable(part.rate) else part.rate, part.biases)
    for key, array in own.items():
        match part:
            case l1():
                change = {"l1": array.l1 + rates.get(key, 0.0)}
            case l2():
                change = {"l2": array.l2 + 2 * rates.get(key, 0.0)}
            case clip_value():
                change = {"bound": min(array.bound, part.bound)}
            case per_layer():
                change = {"rate": array.rate * rates[key], "decay": array.decay * rates[key]}
            case weight_decay():
                change = {"decay": array.decay + rates.get(key, 0.0)}
            case dale():
                sign = signs.get(key, 0)
                change = {"low": 0.0 if sign > 0 else array.low, "high": 0.0 if sign < 0 else array.high}
        yield key, array, change
