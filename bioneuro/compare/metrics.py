"""What is measured: accuracy, overlap, exact recall, and what an answer costs."""

from __future__ import annotations

import numpy as np


def accuracy(estimator, X: np.ndarray, y: np.ndarray) -> float:
    """Share of rows with the right label."""
    return float(np.mean(estimator.predict(X) == y))


def overlap(recalled: np.ndarray, stored: np.ndarray) -> float:
    """Mean of s s' over rows and units, s and s' in {-1, +1}: 1 perfect, 0 chance."""
    return float(np.mean(np.sign(recalled) * stored))


def exact(recalled: np.ndarray, stored: np.ndarray) -> float:
    """Share of rows recalled without a single wrong unit."""
    return float(np.mean(np.all(np.sign(recalled) == stored, axis=1)))


def living(estimator) -> np.ndarray | slice:
    """Which visible units of an estimator live: the input population, or all where nothing is known of a lesion."""
    if not hasattr(estimator, "alive_"):
        return slice(None)
    topology = estimator.topology_
    return estimator.alive_[topology.unit_layout[topology.by_role("input")[0].name]]


def cost(estimator) -> dict[str, float]:
    """Units, weights, and additions for one image; NaN where the estimator does not tell.

    From `topology_` (every synapse is one addition) and what it declares beyond it in `additions_`, {name: number of
    further parameters}; or from a `cost_` of its own.
    """
    if hasattr(estimator, "cost_"):
        return dict(estimator.cost_)
    if not hasattr(estimator, "topology_"):
        return dict.fromkeys(("units", "weights", "additions"), np.nan)
    topology = estimator.topology_
    beyond = sum(getattr(estimator, "additions_", {}).values())
    return {"units": topology.n_units, "weights": topology.n_parameters + beyond, "additions": topology.n_synapses}
