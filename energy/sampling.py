"""Block Gibbs sampling of restricted Boltzmann machines, free and clamped.

One sweep draws all hidden units given the visible ones, then all visible units given the hidden ones:

    h ~ P(h | v),   v ~ P(v | h)

each at a temperature T (fields divided by T). Draws are functions of (key, row, unit, half-sweep), so that chains may
be run together or apart, whole or in pieces, with the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, check_number
from energy.kernels import rbm as kernels
from energy.rbm import Machine, hidden_fields, silence, visible_fields


class Chains(NamedTuple):
    """Where a set of chains stands.

    visible : (n, n_visible) of 0 and 1 (clamped units: as given); visible_means : P(v_i = 1 | h) that they were drawn
    from; hidden : (n, n_hidden) of 0 and 1, drawn before `visible`; sweep : how many sweeps lie behind them.
    """

    visible: np.ndarray
    visible_means: np.ndarray
    hidden: np.ndarray
    sweep: int


class Draws(NamedTuple):
    """The stream of random numbers of a set of chains: words (2,) uint64, and rows (n,) uint64, one for each chain."""

    words: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, key: Key, rows: int | np.ndarray) -> Draws:
        """`rows`: the number of chains, or uint64 (n,), a number or content hash for each."""
        return cls(key.words, np.arange(rows, dtype=np.uint64) if np.ndim(rows) == 0 else np.ascontiguousarray(rows))

    def sample(
        self, fields: np.ndarray, alive: np.ndarray, half_sweep: int, temperature: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """(means, states) of one layer, of the shape of its `fields`."""
        means, states = np.empty_like(fields), np.empty_like(fields)
        inverse = fields.dtype.type(1 / temperature)
        kernels.sample_units(fields, alive, inverse, self.words, self.rows, np.uint64(half_sweep), means, states)
        return means, states


def gibbs(
    machine: Machine,
    visible: np.ndarray,
    key: Key,
    *,
    sweeps: int = 1,
    first: int = 0,
    rows: np.ndarray | None = None,
    known: np.ndarray | None = None,
    temperature: float | np.ndarray = 1.0,
    evidence: np.ndarray | None = None,
) -> Chains:
    """Run one chain from each row of `visible`.

    Parameters
    ----------
    visible : (n, n_visible) in [0, 1], where the chains stand.
    sweeps : >= 0; first : the number of the first of them, `Chains.sweep` to go on.
    rows : (n,) uint64, the stream of each chain; None: 0, 1, 2, ...
    known : (n_visible,) or (n, n_visible) bool, units that are clamped: they keep the value of `visible`.
    temperature : T > 0, one number, or one for each sweep (annealing).
    evidence : (n, n_visible), outside fields that pull visible units up or down, chain by chain.
    """
    sweeps = check_number("sweeps", sweeps, low=0, integer=True)
    temperatures = check_temperatures(temperature, sweeps)
    draws = Draws.of(key, len(visible) if rows is None else rows)
    clamped = visible = silence(visible, machine.visible_alive)
    means, hidden = visible, np.zeros((len(visible), len(machine.hidden_bias)), visible.dtype)
    for sweep, heat in enumerate(temperatures, first):
        _, hidden = draws.sample(hidden_fields(machine, visible), machine.hidden_alive, 2 * sweep, heat)
        fields = visible_fields(machine, hidden)
        if evidence is not None:
            fields += evidence
        means, visible = draws.sample(fields, machine.visible_alive, 2 * sweep + 1, heat)
        if known is not None:
            np.copyto(visible, clamped, where=known)
            np.copyto(means, clamped, where=known)
    return Chains(visible, means, hidden, first + sweeps)


def first_states(machine: Machine, n: int, key: Key) -> np.ndarray:
    """(n, n_visible) of 0 and 1, where chains may begin: each unit at the odds of its own bias."""
    fields = np.repeat(machine.visible_bias[None], n, axis=0)
    return Draws.of(key, n).sample(fields, machine.visible_alive, 0)[1]


def check_temperatures(temperature, sweeps: int) -> np.ndarray:
    """(sweeps,) temperatures > 0 from one number or one for each sweep."""
    given = np.asarray(temperature, dtype=np.float64)
    if given.ndim > 1 or (given.ndim and len(given) != sweeps):
        raise InvalidInput(
            f"temperature must be one number or one for each of the {sweeps} sweeps, got shape {given.shape}"
        )
    if not np.all((given > 0) & np.isfinite(given)):
        raise InvalidInput(
            f"temperature must be finite and above 0 (1: the machine as it was learnt), got {temperature!r}"
        )
    return np.broadcast_to(given, (sweeps,))
