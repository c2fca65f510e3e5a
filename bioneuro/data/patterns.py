"""Patterns of -1 and +1 to be stored in a memory: independent, biased, or alike."""

from __future__ import annotations

import numpy as np

from bioneuro.data.draws import generator
from bioneuro.errors import check_number
from bioneuro.memory import require


def random_patterns(n_patterns: int, n_units: int, *, random_state=None) -> np.ndarray:
    """P(xi = +1) = 1/2, independently.

    Parameters
    ----------
    n_patterns, n_units : int, >= 1
    random_state : None, int, Generator or RandomState; for one seed the first patterns are the same for every number

    Returns
    -------
    array (n_patterns, n_units), float32, -1/+1

    Source: J. J. Hopfield, PNAS 79 (1982) 2554.

    >>> random_patterns(2, 4, random_state=0).shape
    (2, 4)
    """
    return biased_patterns(n_patterns, n_units, activity=0.0, random_state=random_state)


def biased_patterns(n_patterns: int, n_units: int, *, activity: float, random_state=None) -> np.ndarray:
    """P(xi = +1) = (1 + a)/2, independently: the mean activity <xi> is a.

    Parameters
    ----------
    n_patterns, n_units : int, >= 1
    activity : a in [-1, 1]; a share f of active units is a = 2 f - 1
    random_state : as in `random_patterns`

    Returns
    -------
    array (n_patterns, n_units), float32, -1/+1

    Source: D. J. Amit, H. Gutfreund, H. Sompolinsky, Phys. Rev. A 35 (1987) 2293.
    """
    shape = _check_shape(n_patterns, n_units)
    activity = check_number("activity", activity, low=-1, high=1, hint="a share f of active units is 2 f - 1")
    return _spins(generator(random_state, "patterns"), shape, activity)


def correlated_patterns(
    n_patterns: int, n_units: int, *, overlap: float, n_ancestors: int = 1, random_state=None
) -> np.ndarray:
    """xi = eta zeta with an ancestor zeta, P(zeta = +1) = 1/2, and P(eta = +1) = (1 + b)/2, b = sqrt(overlap).

    Children of one ancestor have the mean overlap <xi_i xi'_i> = b^2 = `overlap` with each other and b with the
    ancestor; children of two ancestors have 0.

    Parameters
    ----------
    n_patterns, n_units : int, >= 1
    overlap : in [0, 1]
    n_ancestors : int in [1, n_patterns]; pattern i is a child of ancestor i mod n_ancestors
    random_state : as in `random_patterns`

    Returns
    -------
    array (n_patterns, n_units), float32, -1/+1

    Source: N. Parga, M. A. Virasoro, J. Physique 47 (1986) 1857, one level of the ultrametric tree.
    """
    shape = _check_shape(n_patterns, n_units)
    overlap = check_number("overlap", overlap, low=0, high=1)
    n_ancestors = check_number("n_ancestors", n_ancestors, low=1, high=n_patterns, integer=True)
    ancestors = _spins(generator(random_state, "ancestors"), (n_ancestors, n_units), 0.0)
    children = _spins(generator(random_state, "patterns"), shape, np.sqrt(overlap))
    return children * ancestors[np.arange(n_patterns) % n_ancestors]


def _check_shape(n_patterns: int, n_units: int) -> tuple[int, int]:
    n_patterns = check_number("n_patterns", n_patterns, low=1, integer=True)
    n_units = check_number("n_units", n_units, low=1, integer=True)
    require({"draws": 8 * n_patterns * n_units, "patterns": 4 * n_patterns * n_units}, f"{n_patterns} patterns")
    return n_patterns, n_units


def _spins(draws: np.random.Generator, shape: tuple[int, int], mean: float) -> np.ndarray:
    return np.where(draws.random(shape) < (1 + mean) / 2, np.float32(1), np.float32(-1))
