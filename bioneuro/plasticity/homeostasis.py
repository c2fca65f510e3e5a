"""Homeostasis: slow forces that keep cells in range while their synapses learn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bioneuro.errors import check_field


@dataclass(frozen=True)
class NormaliseWeights:
    """The weights that reach a cell compete for a fixed sum: sum_i |w_ij| = total, for every cell j.

    After each `period` of the run the weights of a projection are rescaled cell by cell; a cell without any weight
    keeps none.

    Parameters
    ----------
    total : V, > 0, over the synapses of this projection.
    period : s, > 0, a multiple of dt.

    Source: Diehl and Cook, Frontiers in Computational Neuroscience 9 (2015) 99; von der Malsburg, Kybernetik 14 (1973).
    """

    total: float
    period: float = 0.1

    def __post_init__(self):
        check_field(self, "total", low=0, high=1e6, open_low=True, hint="volts")
        check_field(self, "period", low=0, open_low=True, open_high=True, hint="seconds")

    def apply(self, weights: np.ndarray, post: np.ndarray | None = None, n_post: int = 0) -> None:
        """Rescale `weights` in place: (n_pre, n_post), or one per synapse that ends on unit `post` of `n_post`."""
        if post is None:
            sums = np.abs(weights).sum(axis=0, dtype=np.float64)
        else:
            sums = np.bincount(post, np.abs(weights), minlength=n_post)
        factors = np.divide(self.total, sums, out=np.ones_like(sums), where=sums > 0)
        weights *= (factors if post is None else factors[post]).astype(weights.dtype)


@dataclass(frozen=True)
class AdaptiveThreshold:
    """A cell that fires often becomes harder to fire: threshold = v_threshold + rise,

        rise += increment at each spike,    tau d(rise)/dt = -rise

    Parameters
    ----------
    increment : V, > 0.
    tau : s, > 0; inf: the rise stays.

    Source: Diehl and Cook, Frontiers in Computational Neuroscience 9 (2015) 99.
    """

    increment: float
    tau: float = math.inf

    def __post_init__(self):
        check_field(self, "increment", low=0, high=1, open_low=True, hint="volts; near 0.001")
        check_field(self, "tau", low=0, open_low=True, hint="seconds, or inf: the rise stays")
