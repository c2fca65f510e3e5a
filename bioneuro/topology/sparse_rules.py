"""Rules of sparse projections: which of all possible synapses exist, and how many there are.

A unit has `partners` candidates: all units of the other population, without itself unless autapses are allowed.
The draw of each unit is keyed by (seed, projection name, unit), so it does not depend on what else is drawn.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, check_field, check_number, choose
from bioneuro.topology.adjacency import Adjacency, draw_rows, from_pairs, ring_pairs, sort_rows, transposed

if TYPE_CHECKING:
    from bioneuro.topology.population import Population
    from bioneuro.topology.projections import Sparse

RULES: dict[str, type[Rule]] = {}


def partners(projection: Sparse, others: Population) -> int:
    """How many units of `others` one unit may be joined to."""
    return others.size - (1 if projection.autapse and not projection.autapses else 0)


@dataclass(frozen=True)
class Rule:
    """Base of all rules; `count` is exact, so that a layout is known before an edge is drawn."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        RULES[cls.__name__] = cls

    def check(self, projection: Sparse, pre: Population, post: Population) -> None:
        """Raise `InvalidInput` if the rule cannot be met between these populations."""
        raise NotImplementedError

    def count(self, projection: Sparse, pre: Population, post: Population) -> int:
        """Number of synapses."""
        raise NotImplementedError

    def edges(self, projection: Sparse, pre: Population, post: Population) -> Adjacency:
        """Draw the synapses."""
        raise NotImplementedError

    def to_json(self) -> dict:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            "type": type(self).__name__,
            **{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()},
        }


@dataclass(frozen=True)
class FixedProbability(Rule):
    """Each possible synapse exists with probability `p` in [0, 1], independently of the others."""

    p: float

    def __post_init__(self):
        check_field(self, "p", low=0, high=1)

    def check(self, projection, pre, post):
        if projection.multapses:
            raise InvalidInput(f"{projection.name}: FixedProbability makes at most one synapse a pair; drop multapses")

    def count(self, projection, pre, post):
        return int(self.out_degrees(projection, pre, post).sum())

    def out_degrees(self, projection: Sparse, pre: Population, post: Population) -> np.ndarray:
        """Synapses sent by each unit of `pre`, (n_pre,): n ~ Binomial(partners, p).

        A binomial number and then a uniform subset of that size is the same law as one coin a pair.
        """
        key = Key.from_seed(projection.seed).child(projection.name).child("out-degrees")
        return key.generator().binomial(partners(projection, post), self.p, size=pre.size)

    def edges(self, projection, pre, post):
        degrees = self.out_degrees(projection, pre, post)
        return sort_rows(draw_rows(_key(projection), degrees, partners(projection, post), projection), post.size)


@dataclass(frozen=True)
class _FixedDegree(Rule):
    k: int

    def __post_init__(self):
        check_field(self, "k", low=0, integer=True)

    def _check_partners(self, projection: Sparse, most: int) -> None:
        if self.k > most and not (projection.multapses and most):
            raise InvalidInput(
                f"{projection.name}: {type(self).__name__}(k={self.k}) wants more partners than the {most} there are; "
                f"lower k or allow {'multapses' if most else 'autapses'}"
            )


@dataclass(frozen=True)
class FixedInDegree(_FixedDegree):
    """Each unit of `post` receives exactly `k` synapses, from units of `pre` drawn uniformly."""

    def check(self, projection, pre, post):
        self._check_partners(projection, partners(projection, pre))

    def count(self, projection, pre, post):
        return self.k * post.size

    def edges(self, projection, pre, post):
        degrees = np.full(post.size, self.k)
        return transposed(draw_rows(_key(projection), degrees, partners(projection, pre), projection), pre.size)


@dataclass(frozen=True)
class FixedOutDegree(_FixedDegree):
    """Each unit of `pre` sends exactly `k` synapses, to units of `post` drawn uniformly."""

    def check(self, projection, pre, post):
        self._check_partners(projection, partners(projection, post))

    def count(self, projection, pre, post):
        return self.k * pre.size

    def edges(self, projection, pre, post):
        degrees = np.full(pre.size, self.k)
        return sort_rows(draw_rows(_key(projection), degrees, partners(projection, post), projection), post.size)


@dataclass(frozen=True, eq=False)
class Edges(Rule):
    """The synapses given: unit `pre[i]` reaches unit `post[i]`; two index lists of equal length."""

    pre: np.ndarray
    post: np.ndarray

    def __post_init__(self):
        for end in ("pre", "post"):
            try:
                given = np.asarray(getattr(self, end))
            except ValueError:
                raise InvalidInput(f"Edges.{end} must be a list of unit indices, got lists of lists") from None
            if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
                raise InvalidInput(
                    f"Edges.{end} must be a list of unit indices, got {given.dtype} of shape {given.shape}"
                )
            if given.size and max(-int(given.min()), int(given.max())) >= 2**31:
                raise InvalidInput(f"Edges.{end} must hold indices below 2**31, got {given.min()} .. {given.max()}")
            indices = given.astype(np.int32)
            indices.flags.writeable = False
            object.__setattr__(self, end, indices)
        if self.pre.size != self.post.size:
            raise InvalidInput(f"Edges needs as many pre as post indices, got {self.pre.size} and {self.post.size}")

    def __eq__(self, other):
        return isinstance(other, Edges) and self._bytes() == other._bytes()

    def __hash__(self):
        return hash(self._bytes())

    def _bytes(self) -> tuple[bytes, bytes]:
        return self.pre.tobytes(), self.post.tobytes()

    def check(self, projection, pre, post):
        for end, indices in ((pre, self.pre), (post, self.post)):
            if indices.size and not (indices.min() >= 0 and indices.max() < end.size):
                raise InvalidInput(
                    f"{projection.name}: indices of {end.name!r} must lie in [0, {end.size}), "
                    f"got {indices.min()} .. {indices.max()}"
                )
        if projection.autapse and not projection.autapses and np.any(self.pre == self.post):
            raise InvalidInput(f"{projection.name}: a unit reaches itself; allow autapses or leave the edge out")
        pairs = np.sort(self.pre.astype(np.int64) * post.size + self.post)
        if not projection.multapses and np.any(pairs[1:] == pairs[:-1]):
            raise InvalidInput(f"{projection.name}: an edge is given twice; allow multapses or leave one out")
        both_ways = projection.symmetric and projection.autapse
        if both_ways and not np.array_equal(pairs, np.sort(self.post.astype(np.int64) * pre.size + self.pre)):
            raise InvalidInput(f"{projection.name}: a symmetric projection needs each edge in both directions")

    def count(self, projection, pre, post):
        return self.pre.size

    def edges(self, projection, pre, post):
        return from_pairs(self.pre, self.post, pre.size, post.size)


@dataclass(frozen=True)
class SmallWorld(Rule):
    """A ring where each unit is joined with its `k` nearest (k even), each pair rewired with probability `p`.

    A pair is two synapses, one each way. A rewired pair keeps one end and moves the other to a unit drawn uniformly
    from those not yet joined with it (from all others where multapses are allowed). Never a unit with itself.
    Source: Watts and Strogatz, Nature 393 (1998) 440.
    """

    k: int
    p: float

    def __post_init__(self):
        check_field(self, "k", low=2, integer=True)
        check_field(self, "p", low=0, high=1)

    def check(self, projection, pre, post):
        check_number(f"{projection.name}: k", self.k, low=2, high=max(2, pre.size - 1), integer=True)
        if pre.size < 3:
            raise InvalidInput(f"{projection.name}: SmallWorld needs at least 3 units, {pre.name!r} has {pre.size}")
        if self.k % 2:
            raise InvalidInput(f"{projection.name}: SmallWorld needs an even k (half on each side), got {self.k}")
        if not projection.autapse:
            raise InvalidInput(f"{projection.name}: SmallWorld joins a population with itself; pre must be post")

    def count(self, projection, pre, post):
        return self.k * pre.size

    def edges(self, projection, pre, post):
        ends = ring_pairs(_key(projection), pre.size, self.k, self.p, projection.multapses)
        return from_pairs(*ends, pre.size, post.size)


def _key(projection: Sparse) -> Key:
    return Key.from_seed(projection.seed).child(projection.name).child("edges")


def as_rule(given: Rule | Mapping, projection: str) -> Rule:
    """Turn a JSON description or a `Rule` into a `Rule`."""
    if isinstance(given, Rule):
        return given
    known = [name for name in RULES if not name.startswith("_")]
    if not isinstance(given, Mapping) or "type" not in given:
        raise InvalidInput(
            f"{projection}: a sparse projection needs a rule, {', '.join(known)}; got {reprlib.repr(given)}"
            f"{_way_out(given)}"
        )
    cls = RULES[choose("sparse rule", given["type"], known)]
    values = {key: value for key, value in given.items() if key != "type"}
    for key in values:
        choose(f"field of {cls.__name__}", key, [field.name for field in fields(cls)])
    return cls(**values)


def _way_out(given) -> str:
    """What to do with something that is almost a rule."""
    if isinstance(given, float) and 0 <= given <= 1:
        return f": FixedProbability({given!r})"
    if np.ndim(given) == 2:
        return ": Edges(*np.nonzero(matrix)) joins where a matrix (n_pre, n_post) is not 0"
    return ""
