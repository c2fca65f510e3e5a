"""Chains of transforms that a compiled epoch can take along: one rule, and what may stand around it.

Recognised are an optimiser, then `weight_decay`, `freeze` and `dale`, in any order. Every other chain is run by the
training loop itself, transform by transform.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro.optim.kernels import N_CONSTANTS
from bioneuro.optim.rules import Optimizer
from bioneuro.optim.transform import Transform, chain, dale, freeze, weight_decay
from bioneuro.parameters import Parameters
from bioneuro.topology import Topology


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

    Keys of `frozen` are not touched.
    """

    optimizer: Optimizer
    path: tuple[int, ...]
    own: dict[str, Own]
    frozen: frozenset[str]

    def moments(self, state) -> list[np.ndarray]:
        """The moments of the optimiser within the state of the chain."""
        for index in self.path:
            state = state[index]
        return [state[name] for name in self.optimizer.moments]

    def constants(self, first: int, last: int, dtype) -> np.ndarray:
        """(last - first, N_CONSTANTS): what the rule needs to know of steps first, ..., last - 1."""
        table = np.zeros((last - first, N_CONSTANTS), dtype)
        try:
            given = self.optimizer.constants(np.arange(first, last))
            table[:, : len(given)] = np.stack(np.broadcast_arrays(*given, table[:, 0])[:-1], axis=1)
        except (TypeError, ValueError):  # a schedule that takes one step at a time
            for row, step in zip(table, range(first, last), strict=True):
                given = self.optimizer.constants(step)
                row[: len(given)] = given
        return table


def fuse(transform: Transform, parameters: Parameters) -> Fused | None:
    """`transform` as a `Fused`, None where it holds something that cannot be fused."""
    optimizer, path, decay, frozen, signs = None, (), 0.0, frozenset(), False
    for at, part in _flat(transform):
        if isinstance(part, Optimizer) and optimizer is None:
            optimizer, path = part, at
        elif isinstance(part, weight_decay) and optimizer is not None and not callable(part.rate):
            decay += part.rate
        elif isinstance(part, freeze) and optimizer is not None:
            frozen |= set(part.keys)
        elif isinstance(part, dale) and optimizer is not None:
            signs = True
        else:
            return None
    if optimizer is None:
        return None
    return Fused(optimizer, path, _own(parameters.topology, decay, signs), frozen)


def _flat(transform: Transform, at: tuple[int, ...] = ()):
    """Yield the transforms of nested chains in order, each with its place."""
    if isinstance(transform, chain):
        for index, part in enumerate(transform.transforms):
            yield from _flat(part, (*at, index))
    else:
        yield at, transform


def _own(topology: Topology, decay: float, signs: bool) -> dict[str, Own]:
    own = dict.fromkeys(topology.layout, Own())
    for projection in topology.projections:
        if projection.name in own:
            low = 0.0 if signs and projection.sign > 0 else -np.inf
            high = 0.0 if signs and projection.sign < 0 else np.inf
            own[projection.name] = Own(decay=decay, low=low, high=high)
    return own
