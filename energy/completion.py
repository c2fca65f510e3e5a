"""Pattern completion: the most likely whole, given a part of it or a noisy copy.

    recall(x) = argmin_v  F(v) + trust * sum_i |v_i - x_i|      over what is not clamped

Clamped units are known for sure; without any, every unit of x counts with `trust`, the log-odds that it is right. The
search runs a few chains of clamped Gibbs sampling, each cooled slowly, lets them settle by mean-field steps v <- P(v |
P(h | v)) without the pull of x, and keeps the best.

Source: S. Kirkpatrick, C. D. Gelatt, M. P. Vecchi, Science 220 (1983) 671, for the cooling.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro._jit.random import hash_rows
from bioneuro.errors import check_number
from energy.rbm import Machine, free_energy, hidden_means, unit_means, visible_means
from energy.sampling import gibbs

HOT, COLD = 2.0, 0.3  # temperatures of the first and the last sweep
SETTLE = 20  # mean-field steps; fixed, so that a row does not depend on its neighbours


def recall(
    machine: Machine,
    visible: np.ndarray,
    key: Key,
    *,
    known: np.ndarray | None = None,
    trust: float = 4.0,
    sweeps: int = 50,
    chains: int = 4,
) -> np.ndarray:
    """Means of the visible units that each row brings back, (n, n_visible) in [0, 1].

    Parameters
    ----------
    visible : (n, n_visible) in [0, 1]; what unknown units hold does not matter.
    key : random numbers are keyed by the content of the row, so that its place in a batch does not matter.
    known : (n_visible,) or (n, n_visible) bool, the units that are clamped; None: all are free, and pulled by `trust`.
    trust : >= 0, in nats.
    sweeps, chains : >= 1, how long and how often to search.
    """
    trust = check_number("trust", trust, low=0)
    sweeps = check_number("sweeps", sweeps, low=1, integer=True)
    chains = check_number("chains", chains, low=1, integer=True)
    evidence = None
    if known is None:
        evidence = visible.dtype.type(trust) * (2 * visible - 1)
    else:
        alone = unit_means(machine.visible_bias[None], machine.visible_alive)
        visible = np.where(known, visible, alone)
    rows, cooling = hash_rows(visible), np.geomspace(HOT, COLD, sweeps)
    best, best_cost = visible, np.full(len(visible), np.inf)
    for chain in range(chains):
        found = gibbs(
            machine,
            visible,
            key.child(chain),
            sweeps=sweeps,
            rows=rows,
            known=known,
            temperature=cooling,
            evidence=evidence,
        ).visible
        found = settle(machine, found, known)
        cost = free_energy(machine, found)
        if known is None:
            cost += trust * np.abs(found - visible).sum(axis=1, dtype=np.float64)
        better = cost < best_cost
        best, best_cost = np.where(better[:, None], found, best), np.where(better, cost, best_cost)
    return best


def settle(machine: Machine, visible: np.ndarray, known: np.ndarray | None = None, steps: int = SETTLE) -> np.ndarray:
    """`steps` mean-field steps v_i <- P(v_i | P(h | v)), clamped units as they are."""
    start = visible
    for _ in range(steps):
        visible = visible_means(machine, hidden_means(machine, visible))
        if known is not None:
            visible = np.where(known, start, visible)
    return visible
