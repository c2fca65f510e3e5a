"""Topology: populations of units and the projections between them. Frozen; nothing here changes by learning."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bioneuro import memory
from bioneuro.errors import InvalidInput, UnsupportedTopology, choose
from bioneuro.topology import builders
from bioneuro.topology.adjacency import Adjacency
from bioneuro.topology.lesion import Lesion, draw_lesion
from bioneuro.topology.population import ROLES, Population, as_population
from bioneuro.topology.projections import Conv2D, Projection, Sparse, as_projection
from bioneuro.topology.units import Unit

FORMAT = 1  # of the JSON form


class Block(NamedTuple):
    """Where an array of parameters lies in the flat vector `theta`, and its shape."""

    where: slice
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Topology:
    """Populations and projections: the structure that every engine shares.

    >>> net = Topology.mlp(64, 100, 10)
    >>> net
    Topology(input 64 -> hidden 100 relu -> output 10 softmax; 7,510 parameters)
    >>> net.layout["input->hidden"].shape
    (64, 100)
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...] = ()

    def __post_init__(self):
        for field, kind, make in (
            ("populations", Population, as_population),
            ("projections", Projection, as_projection),
        ):
            given = getattr(self, field)
            if isinstance(given, kind) or not isinstance(given, Iterable):
                raise InvalidInput(f"Topology.{field} must be a list of {kind.__name__}, got {given!r}")
            object.__setattr__(self, field, tuple(make(entry) for entry in given))
        if not self.populations:
            raise InvalidInput("a topology needs at least one population")
        for what, entries in (("population", self.populations), ("projection", self.projections)):
            names = [entry.name for entry in entries]
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            if twice:
                raise InvalidInput(f"{what} {twice[0]!r} is there twice; names must be unique: {names}")
        for projection in self.projections:
            self._check_projection(projection)

    def _check_projection(self, projection: Projection) -> None:
        for end in (projection.pre, projection.post):
            choose(f"population at an end of projection {projection.name!r}:", end, self._populations)
        pre, post = self.ends(projection)
        projection.check(pre, post)
        if projection.tied_to is None:
            return
        choose(f"projection that {projection.name!r} is tied to:", projection.tied_to, self._projections)
        owner = self.projection(projection.tied_to)
        if owner is projection:
            raise InvalidInput(f"{projection.name!r} is tied to itself; name the projection whose weights it uses")
        if owner.tied_to is not None:
            raise InvalidInput(
                f"{projection.name!r} is tied to {owner.name!r}, itself tied; tie both to {owner.tied_to!r}"
            )
        own, theirs = projection.weight_shape(pre, post), owner.weight_shape(*self.ends(owner))
        if own is None or own not in (theirs, theirs[::-1]):
            raise InvalidInput(
                f"{projection.name!r} with weights {own} cannot use those of {owner.name!r} {theirs}: "
                "tied projections have the same shape, or the transposed one"
            )

    # -- looking things up -------------------------------------------------------------------------------------------

    @cached_property
    def _populations(self) -> dict[str, Population]:
        return {population.name: population for population in self.populations}

    @cached_property
    def _projections(self) -> dict[str, Projection]:
        return {projection.name: projection for projection in self.projections}

    def __getitem__(self, name: str) -> Population:
        """The population called `name`."""
        return self._populations[choose("population", name, self._populations)]

    def projection(self, name: str) -> Projection:
        """The projection called `name`."""
        return self._projections[choose("projection", name, self._projections)]

    def ends(self, projection: Projection | str) -> tuple[Population, Population]:
        """The two populations that a projection joins, (pre, post)."""
        projection = self.projection(projection) if isinstance(projection, str) else projection
        return self[projection.pre], self[projection.post]

    def turns(self, projection: Projection) -> bool:
        """Whether a projection uses the weights that it is tied to transposed: where the shapes ask for it, and where
        it starts at the end of the other."""
        if projection.tied_to is None:
            return False
        owner = self.projection(projection.tied_to)
        shapes = [way.weight_shape(*self.ends(way)) for way in (projection, owner)]
        return projection.pre == owner.post or shapes[0] != shapes[1]

    def incoming(self, population: str) -> tuple[Projection, ...]:
        """Projections that end on `population`, in the order of the topology."""
        return tuple(projection for projection in self.projections if projection.post == population)

    def by_role(self, role: str) -> tuple[Population, ...]:
        """Populations of one role, in the order of the topology."""
        return tuple(population for population in self.populations if population.role == choose("role", role, ROLES))

    def edges(self, name: str) -> Adjacency:
        """The synapses of a sparse projection, in the order of its weights; drawn at the first call and kept.

        The draw depends on (seed, projection name, unit) alone: it is the same on every machine, for any number of
        threads, and in every topology that holds the projection. Files hold the rule, not the synapses.

        Returns
        -------
        Adjacency: `indptr` (n_pre + 1,) int64 and `post` (n_synapses,) int32.

        Raises
        ------
        UnsupportedTopology : the projection is not `Sparse`.
        ResourceError : the synapses would not fit into memory.

        >>> from bioneuro.topology import Edges, Population, Sparse
        >>> net = Topology([Population("a", 3)], [Sparse("a", "a", Edges([2, 0, 0], [1, 2, 1]))])
        >>> net.edges("a->a").indptr.tolist(), net.edges("a->a").post.tolist()
        ([0, 2, 2, 3], [1, 2, 1])
        """
        projection = self.projection(name)
        if not isinstance(projection, Sparse):
            raise UnsupportedTopology(
                f"{name!r} is {type(projection).__name__}, which joins units by its shape; only Sparse has drawn edges"
            )
        if name not in self._edges:
            pre, post = self.ends(projection)
            memory.require(projection.nbytes_drawing(pre, post), f"drawing the synapses of {name!r}")
            self._edges[name] = projection.rule.edges(projection, pre, post).frozen()
        return self._edges[name]

    @cached_property
    def _edges(self) -> dict[str, Adjacency]:
        return {}

    def __getstate__(self) -> dict:
        """What a copy in another process needs; it draws its synapses itself."""
        return {"populations": self.populations, "projections": self.projections}

    # -- sizes and places --------------------------------------------------------------------------------------------

    @cached_property
    def layout(self) -> dict[str, Block]:
        """Key -> place in `theta`: "a->b" weights, "h.bias", "h.alpha". Tied projections own nothing.

        Units have a bias (and whatever else they learn) each; behind a convolution, one for each channel.
        """
        blocks: dict[str, Block] = {}
        start = 0

        def place(key: str, shape: tuple[int, ...]) -> None:
            nonlocal start
            blocks[key] = Block(slice(start, start + math.prod(shape)), shape)
            start += math.prod(shape)

        for projection in self.projections:
            shape = projection.weight_shape(*self.ends(projection))
            if shape is not None and projection.tied_to is None:
                place(projection.name, shape)
        for population in self.populations:
            masks = any(isinstance(projection, Conv2D) for projection in self.incoming(population.name))
            for array in ("bias",) * population.bias + tuple(population.unit.learns):
                place(f"{population.name}.{array}", (population.shape[-1] if masks else population.size,))
        return blocks

    @cached_property
    def unit_layout(self) -> dict[str, slice]:
        """Population -> its slice of any vector with one value per unit (alive, membrane, field)."""
        stops = np.cumsum([population.size for population in self.populations]).tolist()
        starts = [0, *stops[:-1]]
        return {p.name: slice(a, b) for p, a, b in zip(self.populations, starts, stops, strict=True)}

    @property
    def n_units(self) -> int:
        """Number of units in all populations."""
        return sum(population.size for population in self.populations)

    @property
    def n_synapses(self) -> int:
        """Number of synapses in all projections; a shared weight counts at each of its uses."""
        return sum(projection.n_synapses(*self.ends(projection)) for projection in self.projections)

    @property
    def n_parameters(self) -> int:
        """Length of `theta`."""
        return max((block.where.stop for block in self.layout.values()), default=0)

    def nbytes(self, dtype="float32") -> dict[str, int]:
        """Bytes that the parameters take, by key; their sum is what `Parameters` allocates."""
        width = np.dtype(dtype).itemsize
        return {key: width * math.prod(block.shape) for key, block in self.layout.items()}

    # -- order -------------------------------------------------------------------------------------------------------

    def order(self) -> tuple[Population, ...]:
        """Populations in feedforward order: inputs first, each after everything that reaches it.

        Raises `UnsupportedTopology` where there is a cycle (symmetric projections run both ways, so they are one).
        """
        both_ways = [projection.name for projection in self.projections if projection.symmetric]
        if both_ways:
            raise UnsupportedTopology(
                f"no feedforward order: {both_ways[0]!r} is symmetric and runs both ways; "
                "use an energy engine, or a topology such as Topology.mlp"
            )
        ordered: list[str] = []
        waiting = list(self._populations)
        while waiting:
            ready = [name for name in waiting if all(source.pre in ordered for source in self.incoming(name))]
            if not ready:
                raise UnsupportedTopology(
                    f"no feedforward order: {', '.join(map(repr, waiting))} form a cycle or hang on one; "
                    "drop a projection of the cycle, or use a recurrent or energy engine"
                )
            ordered += ready
            waiting = [name for name in waiting if name not in ready]
        return tuple(self[name] for name in ordered)

    # -- variations --------------------------------------------------------------------------------------------------

    def with_units(self, **units: Unit | str) -> Topology:
        """The same structure with other units, by population or by role: `with_units(hidden="lif")`.

        A name counts before a role: in `mlp` with one hidden layer both are "hidden".
        """
        for key in units:
            choose("population or role", key, [*self._populations, *ROLES])
        chosen = {p.name: units.get(p.name, units.get(p.role, p.unit)) for p in self.populations}
        other = replace(self, populations=[replace(p, unit=chosen[p.name]) for p in self.populations])
        other.__dict__["_edges"] = self._edges  # the same synapses, drawn once
        return other

    def lesion(
        self, units: float | Mapping[str, float] = 0.0, synapses: float | Mapping[str, float] = 0.0, random_state=0
    ) -> Lesion:
        """Draw which units and synapses die; see `Lesion`.

        Parameters
        ----------
        units : share in [0, 1] of the units of every hidden population, or {population: share}; where there are
            neither hidden nor output populations, as in a Hopfield net, any unit may die.
        synapses : share in [0, 1] of the synapses of every projection, or {projection: share}.
        random_state : the same seed gives nested lesions as a share grows.
        """
        return draw_lesion(self, units, synapses, random_state)

    # -- identity and files ------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """The topology as canonical JSON text; `from_json` gives it back."""
        return _canonical(self._description())

    @classmethod
    def from_json(cls, text: str) -> Topology:
        """Read what `to_json` wrote; raises `InvalidInput` where it is not a topology."""
        try:
            described = json.loads(text)
        except (json.JSONDecodeError, RecursionError, TypeError) as error:
            raise InvalidInput(f"not the JSON of a topology: {error}") from None
        if not isinstance(described, dict) or described.get("format") != FORMAT:
            raise InvalidInput(f"not the JSON of a topology of format {FORMAT}; write it with Topology.to_json()")
        try:
            return cls(tuple(described["populations"]), tuple(described["projections"]))
        except InvalidInput:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"the JSON of a topology lacks or misnames a field: {error}") from None

    def _description(self) -> dict:
        return {
            "format": FORMAT,
            "populations": [population.to_json() for population in self.populations],
            "projections": [projection.to_json() for projection in self.projections],
        }

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that name this topology, the same on every machine."""
        return _digest(self._description())

    @cached_property
    def structure_digest(self) -> str:
        """As `digest`, with the unit types left out: equal for a network of ReLUs and one of spiking neurons."""
        description = self._description()
        for population in description["populations"]:
            del population["unit"]
        return _digest(description)

    def __repr__(self) -> str:
        def one(population: Population) -> str:
            shape = "x".join(map(str, population.shape))
            unit = "" if population.role == "input" and population.unit.name == "linear" else f" {population.unit.name}"
            return f"{population.name} {shape}{unit}"

        return f"Topology({' -> '.join(map(one, self.populations))}; {self.n_parameters:,} parameters)"

    # -- builders ----------------------------------------------------------------------------------------------------

    mlp = classmethod(builders.mlp)
    rbm = classmethod(builders.rbm)
    dbm = classmethod(builders.dbm)
    hopfield = classmethod(builders.hopfield)
    boltzmann = classmethod(builders.boltzmann)
    recurrent = classmethod(builders.recurrent)
    lenet5 = classmethod(builders.lenet5)
    small_world = classmethod(builders.small_world)
    lattice = classmethod(builders.lattice)
    balanced = classmethod(builders.balanced)


def _canonical(description: dict) -> str:
    return json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(description: dict) -> str:
    return hashlib.blake2b(_canonical(description).encode(), digest_size=8).hexdigest()
