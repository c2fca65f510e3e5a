"""The partition function of small machines, exactly.

    Z = sum_v exp(-F(v)) = sum_h exp(-F'(h)),   log P(v) = -F(v) - log Z

where F' is the free energy of the machine turned round. The smaller layer is enumerated: 2^n states, in blocks that fit
the cache, so that memory stays small; time doubles with every unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bioneuro.errors import InvalidInput, choose
from energy.rbm import Machine, free_energy, log_hidden_sums, unit_means

MOST_UNITS = 25  # 2^25 states of a machine with 100 other units take minutes
_LOW_BITS = 10  # states of the last so many units are tabulated once


class Moments(NamedTuple):
    """Exact averages under the model: <v> (n_visible,), <h> (n_hidden,), <v h> (n_visible, n_hidden); float64."""

    visible: np.ndarray
    hidden: np.ndarray
    pairs: np.ndarray


def log_partition(machine: Machine, over: str = "smaller") -> float:
    """log Z, by summing over the states of the "visible" or the "hidden" units, or of the "smaller" layer.

    Raises `InvalidInput` above 25 living units: the sum would take 2^n terms.
    """
    machine = _oriented(machine, over)
    return float(np.logaddexp.reduce([_log_sum(-energies) for _, energies, _ in _blocks(machine)]))


def log_likelihood(machine: Machine, visible: np.ndarray, log_z: float | None = None) -> np.ndarray:
    """log P(v) of each row, in nats; (n,) float64. `log_z` saves the enumeration where it is known."""
    return -free_energy(machine, visible) - (log_partition(machine) if log_z is None else log_z)


def moments(machine: Machine) -> Moments:
    """<v>, <h> and <v h> over the whole model: what the negative phase of learning estimates. Dead units give 0."""
    full, machine = machine, machine.living()
    turned = machine.weights.shape[0] > machine.weights.shape[1]
    machine = _oriented(machine, "smaller")
    log_z = np.logaddexp.reduce([_log_sum(-energies) for _, energies, _ in _blocks(machine)])
    shape = machine.weights.shape
    first, second, pairs = np.zeros(shape[0]), np.zeros(shape[1]), np.zeros(shape)
    for states, energies, fields in _blocks(machine):
        share = np.exp(-energies - log_z)
        weighted = share[:, None] * unit_means(fields, machine.hidden_alive)
        first += share @ states
        second += weighted.sum(axis=0)
        pairs += states.T @ weighted
    result = (second, first, pairs.T) if turned else (first, second, pairs)
    v, h = full.visible_alive > 0, full.hidden_alive > 0
    spread = Moments(np.zeros(len(v)), np.zeros(len(h)), np.zeros((len(v), len(h))))
    spread.visible[v], spread.hidden[h], spread.pairs[np.ix_(v, h)] = result
    return spread


def _oriented(machine: Machine, over: str) -> Machine:
    """The living machine in float64, with the layer to be enumerated as its visible one."""
    choose("layer to sum over", over, ("smaller", "visible", "hidden"))
    machine = Machine(*(part.astype(np.float64) for part in machine.living()))
    n_visible, n_hidden = machine.weights.shape
    if over == "hidden" or (over == "smaller" and n_hidden < n_visible):
        machine, n_visible = machine.turned(), n_hidden
    if n_visible > MOST_UNITS:
        raise InvalidInput(
            f"the sum runs over 2^{n_visible} states; at most 2^{MOST_UNITS} are enumerated: "
            f"estimate with fewer units, or compare models by score_samples (pseudo-likelihood)"
        )
    return machine


def _blocks(machine: Machine) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (states, F, fields) of all states of the visible units, a block of at most 2^10 at a time.

    Fields of a block are one row, of the units that stay the same in it, plus a table made once.
    """
    n = machine.weights.shape[0]
    high, low = max(0, n - _LOW_BITS), min(n, _LOW_BITS)
    table_states = _bits(np.arange(2**low), low)
    table_fields = machine.hidden_bias + table_states @ machine.weights[high:]
    table_pull = table_states @ machine.visible_bias[high:]
    states = np.empty((2**low, n))
    states[:, high:] = table_states
    for number in range(2**high):
        states[:, :high] = prefix = _bits(np.array([number]), high)
        fields = table_fields + prefix @ machine.weights[:high]
        pull = table_pull + prefix @ machine.visible_bias[:high]
        yield states, -pull - log_hidden_sums(fields, machine.hidden_alive), fields


def _bits(numbers: np.ndarray, width: int) -> np.ndarray:
    """(n, width) of 0. and 1., most significant bit first."""
    return (numbers[:, None] >> np.arange(width - 1, -1, -1) & 1).astype(np.float64)


def _log_sum(values: np.ndarray) -> float:
    high = values.max()
    return float(high + np.log(np.exp(values - high).sum()))
