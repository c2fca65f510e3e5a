"""Structural plasticity: synapses that are pruned, and synapses that grow where there were none.

Structure is frozen, so each function returns new `Parameters` on a new topology, in which the projection is `Sparse`
with the rule `Edges`; all that is left keeps its value. Two units of a symmetric projection gain and lose their
synapses together. A simulation goes on over the change: `simulate(grow(run.parameters, ...), ..., state=run.state)`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from bioneuro import memory
from bioneuro._jit.keys import Key, seed_from
from bioneuro.data.domain import share_count
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, Edges, Projection, Sparse, Topology


class Synapses(NamedTuple):
    """Synapses of one projection with their weights; of a symmetric one each pair once, the lower number first."""

    pre: np.ndarray
    post: np.ndarray
    weights: np.ndarray

    def take(self, kept: np.ndarray) -> Synapses:
        """Those that a mask or indices name."""
        return Synapses(*(array[kept] for array in self))


def prune(
    parameters: Parameters, projection: str, *, threshold: float | None = None, share: float | None = None
) -> Parameters:
    """Remove weak synapses: those with |w| < `threshold`, or the `share` of them with the smallest |w|.

    Parameters
    ----------
    projection : name of a `Dense` or `Sparse` projection; a dense one becomes sparse, for good: engines and estimators
        that run dense projections alone (rate rules, for one) refuse it from then on.
    threshold : >= 0, in the unit of the weights (volts in spiking networks).
    share : in [0, 1]; floor(share n + 1/2) of n synapses go, of equals those that come first in (pre, post) order.

    Returns
    -------
    Parameters on the new topology. The network computes what it computed with the pruned weights set to 0.

    Raises
    ------
    InvalidInput : neither or both of threshold and share, or out of range.
    UnsupportedTopology : the projection is of another kind, shared or tied.

    Source: LeCun, Denker and Solla, Optimal brain damage, NIPS 2 (1990); magnitude as saliency: Han et al., NIPS 2015.
    """
    if (threshold is None) == (share is None):
        raise InvalidInput(f"prune takes a threshold or a share, got threshold={threshold!r} and share={share!r}")
    there = _synapses(parameters, projection)
    strength = np.abs(there.weights)
    if share is None:
        kept = strength >= check_number("threshold", threshold, low=0)
    else:
        share = check_number("share of synapses to prune", share, low=0, high=1)
        kept = np.ones(len(strength), bool)
        kept[np.argsort(strength, kind="stable")[: share_count(share, len(strength))]] = False
    return _rebuilt(parameters, projection, there.take(kept))


def grow(
    parameters: Parameters,
    projection: str,
    n: int | None = None,
    *,
    edges: tuple[np.ndarray, np.ndarray] | None = None,
    weight: float | np.ndarray = 0.0,
    random_state=None,
) -> Parameters:
    """Add synapses: `n` between pairs drawn uniformly from those without one, or the `edges` given.

    Parameters
    ----------
    projection : name of a `Sparse` projection, which may be empty: `Sparse("a", "b", Edges([], []))`.
    n : number of new synapses (of new pairs where the projection is symmetric); autapses and multapses come only where
        the projection allows them.
    edges : (pre, post), two lists of unit indices.
    weight : of the new synapses, one number or one each in the order drawn or given; of the projection's sign.
    random_state : None, int, Generator or RandomState.

    Returns
    -------
    Parameters on the new topology.

    Raises
    ------
    InvalidInput : neither or both of n and edges, fewer free pairs than n, an edge that exists, a weight of wrong sign.
    UnsupportedTopology : the projection is not sparse, or shared or tied.

    Source: Butz, Worgotter and van Ooyen, Activity-dependent structural plasticity, Brain Res. Rev. 60 (2009) 287.
    """
    if (n is None) == (edges is None):
        raise InvalidInput(f"grow takes a number n or edges=(pre, post), got n={n!r} and edges={edges!r}")
    there = _synapses(parameters, projection)
    if edges is None:
        n = check_number("number of synapses to grow", n, low=0, integer=True)
        new = _draw_free(parameters.topology, projection, there, n, random_state)
    else:
        rule = Edges(*_two(edges))
        new = rule.pre, rule.post
        _check_absent(parameters.topology, projection, there, *new)
    return _rebuilt(parameters, projection, there, *new, weight)


def rewire(
    parameters: Parameters,
    projection: str,
    share: float,
    *,
    which: Literal["weakest", "random"] = "weakest",
    weight: float | np.ndarray = 0.0,
    random_state=None,
) -> Parameters:
    """Move a share of the synapses: prune floor(share n + 1/2), grow as many between pairs that had none before.

    Parameters
    ----------
    projection : name of a `Sparse` projection.
    share : in [0, 1].
    which : the "weakest" (smallest |w|) or "random" synapses move.
    weight, random_state : as in `grow`.

    Returns
    -------
    Parameters on the new topology, with as many synapses as before.

    Source: Mocanu et al., Scalable training of artificial neural networks with adaptive sparse connectivity inspired by
    network science, Nature Communications 9 (2018) 2383.
    """
    share = check_number("share of synapses to rewire", share, low=0, high=1)
    choose("synapses to rewire", which, ("weakest", "random"))
    there = _synapses(parameters, projection)
    seed, count = seed_from(random_state), share_count(share, len(there.weights))
    if which == "weakest":
        order = np.argsort(np.abs(there.weights), kind="stable")
    else:
        order = _generator(seed, projection, "prune").permutation(len(there.weights))
    new = _draw_free(parameters.topology, projection, there, count, seed)
    kept = np.ones(len(order), bool)
    kept[order[:count]] = False
    return _rebuilt(parameters, projection, there.take(kept), *new, weight)


# -- what the three share ----------------------------------------------------------------------------------------------


def _generator(random_state, projection: str, what: str) -> np.random.Generator:
    return Key.from_seed(seed_from(random_state)).child(what).child(projection).generator()


def _in_pairs(projection: Projection) -> bool:
    return projection.symmetric and projection.autapse


def _synapses(parameters: Parameters, name: str) -> Synapses:
    """The synapses that a projection has now."""
    if not isinstance(parameters, Parameters):
        raise InvalidInput(
            f"synapses come and go with their weights: give Parameters, got {type(parameters).__name__}; "
            "for a bare topology Parameters.zeros(topology)"
        )
    topology = parameters.topology
    projection = topology.projection(name)
    if not isinstance(projection, Dense | Sparse):
        raise UnsupportedTopology(
            f"synapses of {type(projection).__name__} {name!r} cannot come or go one by one; Dense and Sparse ones can"
        )
    tied = [other.name for other in topology.projections if name in (other.name, other.tied_to) and other.tied_to]
    if projection.shared or tied:
        why = (
            f"{tied[0]!r} is tied to {topology.projection(tied[0]).tied_to!r}"
            if tied
            else f"{name!r} shares one weight"
        )
        raise UnsupportedTopology(f"{why}: its synapses have no weights of their own and cannot come or go one by one")
    weights = parameters[name]
    memory.require({"synapses as lists": 64 * weights.size}, f"changing the synapses of {name!r}")
    if isinstance(projection, Dense):
        pre, post = (axis.ravel() for axis in np.indices(weights.shape, dtype=np.int32))
        found = Synapses(pre, post, weights.ravel())
    else:
        edges = topology.edges(name)
        found = Synapses(edges.pre, edges.post, weights)
    return found.take(found.pre < found.post) if _in_pairs(projection) else found


def _draw_free(topology: Topology, name: str, there: Synapses, n: int, random_state) -> tuple[np.ndarray, np.ndarray]:
    """`n` pairs of units without a synapse, uniform over all such sets: (pre, post).

    Pairs are numbered row by row; a rank among the free ones becomes a number by stepping over those that are taken.
    """
    projection = topology.projection(name)
    if isinstance(projection, Dense):
        raise UnsupportedTopology(f"{name!r} is Dense: every pair has its synapse already; prune it first")
    n_pre, n_post = (end.size for end in topology.ends(name))
    first = np.arange(n_pre) + 1 if _in_pairs(projection) else np.zeros(n_pre, np.int64)  # partner of each row
    starts = np.concatenate([[0], np.cumsum(n_post - first)])
    excluded = [] if projection.multapses else [(there.pre, there.post)]
    if projection.autapse and not projection.autapses and not _in_pairs(projection):
        excluded.append((np.arange(n_pre), np.arange(n_pre)))
    taken = [starts[pre] + post - first[pre] for pre, post in excluded]
    taken = np.unique(np.concatenate([np.zeros(0, np.int64), *taken]))
    free = int(starts[-1]) - len(taken)
    if n > free and not (projection.multapses and free):
        raise InvalidInput(f"{name!r} has {free:,} free pairs of units and {n:,} synapses are to grow; grow fewer")
    generator = _generator(random_state, name, "grow")
    ranks = generator.choice(free, n, replace=projection.multapses, shuffle=False) if n else np.zeros(0, np.int64)
    numbers = ranks + np.searchsorted(taken - np.arange(len(taken)), ranks, side="right")
    pre = np.searchsorted(starts, numbers, side="right") - 1
    return pre, numbers - starts[pre] + first[pre]


def _check_absent(topology: Topology, name: str, there: Synapses, pre: np.ndarray, post: np.ndarray) -> None:
    """Raise `InvalidInput` for a pair that has its synapse, where one is all it may have."""
    projection, wide = topology.projection(name), 1 << 32  # indices out of range are another matter
    old, new = (a.astype(np.int64) * wide + b for a, b in ((there.pre, there.post), (pre, post)))
    again = np.flatnonzero(np.isin(new, old))
    if again.size and not getattr(projection, "multapses", False):
        k = again[0]
        raise InvalidInput(
            f"{name!r} has a synapse from unit {pre[k]} to unit {post[k]} already; leave it out, or allow multapses"
        )


def _two(edges) -> tuple:
    try:
        pre, post = edges
    except (TypeError, ValueError):
        raise InvalidInput(f"edges must be two lists of unit indices (pre, post), got {edges!r}") from None
    return pre, post


def _rebuilt(parameters: Parameters, name: str, old: Synapses, pre=(), post=(), weight=0.0) -> Parameters:
    """Parameters in which the projection has the synapses `old` and, with `weight`, (pre, post)."""
    projection, dtype = parameters.topology.projection(name), parameters.dtype
    try:
        fresh = np.broadcast_to(np.asarray(weight, dtype), (len(pre),))
    except (TypeError, ValueError):
        raise InvalidInput(f"weight must be one number or {len(pre)}, got shape {np.shape(weight)}") from None
    if not np.isfinite(fresh).all() or (projection.sign and np.any(projection.sign * fresh < 0)):
        kind = {1: "finite and >= 0 (excitatory)", -1: "finite and <= 0 (inhibitory)", 0: "finite"}[projection.sign]
        raise InvalidInput(f"weights of new synapses of {name!r} must be {kind}, got {weight!r}")
    new = Synapses(np.asarray(pre, np.int32), np.asarray(post, np.int32), fresh)
    parts = [old, new]
    if _in_pairs(projection):
        parts += [Synapses(part.post, part.pre, part.weights) for part in parts]
    every = Synapses(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    every = every.take(np.lexsort((every.post, every.pre)))
    allowed = {flag: getattr(projection, flag, False) for flag in ("autapses", "multapses")}
    if isinstance(projection, Dense) and not projection.symmetric:
        allowed["autapses"] = projection.autapse  # a dense matrix has its diagonal
    sparse = Sparse(
        projection.pre,
        projection.post,
        Edges(every.pre, every.post),
        name=name,
        symmetric=projection.symmetric,
        sign=projection.sign,
        delay=projection.delay,
        tau_synapse=projection.tau_synapse,
        **allowed,
    )
    projections = [sparse if entry.name == name else entry for entry in parameters.topology.projections]
    rebuilt = Parameters.zeros(replace(parameters.topology, projections=projections), dtype).transfer_from(parameters)
    rebuilt[name] = every.weights
    return rebuilt
