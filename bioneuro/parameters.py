"""Parameters: what learning changes, as one flat vector with named views into it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bioneuro import memory
from bioneuro.errors import InvalidInput, choose
from bioneuro.topology import Dense, Sparse, Topology

ALIGNMENT = 64  # bytes: one cache line, one AVX-512 register


def aligned_zeros(n: int, dtype) -> np.ndarray:
    """A zero vector whose first element lies on a 64-byte boundary."""
    dtype = np.dtype(dtype)
    raw = np.zeros(n * dtype.itemsize + ALIGNMENT, dtype=np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + n * dtype.itemsize].view(dtype)


class Parameters:
    """The learnable numbers of a topology.

    `theta` is flat, (topology.n_parameters,), 64-byte aligned, float32 or float64; `params["input->hidden"]` is a
    *view* of shape (n_pre, n_post), never a copy, and `params["hidden.bias"]` one of shape (n,). A `Sparse` projection
    has one weight per synapse, in the order of `topology.edges(name)`, which tells who reaches whom. A tied projection
    gives its owner's array, transposed where it runs the other way.

    >>> params = Parameters.zeros(Topology.mlp(4, 3, 2))
    >>> params["hidden.bias"] = 0.5
    >>> float(params.theta.sum())
    1.5
    """

    __slots__ = ("theta", "topology")

    def __init__(self, topology: Topology, theta: np.ndarray):
        theta = np.asarray(theta)
        if theta.shape != (topology.n_parameters,) or theta.dtype not in (np.float32, np.float64):
            raise InvalidInput(
                f"theta must be a float32 or float64 vector of length {topology.n_parameters} for {topology!r}, "
                f"got {theta.dtype} of shape {theta.shape}"
            )
        if not theta.flags.c_contiguous:
            raise InvalidInput(
                "theta must be contiguous, so that its blocks are views; give np.ascontiguousarray(theta)"
            )
        self.topology = topology
        self.theta = theta

    @classmethod
    def zeros(cls, topology: Topology, dtype="float32") -> Parameters:
        """All zero, but for the arrays that units learn, which start where their unit type says."""
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise InvalidInput(f"parameters are float32 or float64, got {dtype!r}")
        memory.require(topology.nbytes(dtype), repr(topology))
        params = cls(topology, aligned_zeros(topology.n_parameters, dtype))
        for population in topology.populations:
            for array, start in population.unit.learns.items():
                params[f"{population.name}.{array}"] = start
        return params

    def __getitem__(self, key: str) -> np.ndarray:
        block = self.topology.layout.get(key)
        if block is not None:
            return self.theta[block.where].reshape(block.shape)
        tied = {projection.name: projection for projection in self.topology.projections if projection.tied_to}
        projection = tied[choose("parameter", key, [*self.topology.layout, *tied])]
        owner = self[projection.tied_to]
        return owner.T if self.topology.turns(projection) else owner

    def __setitem__(self, key: str, values) -> None:
        view, values = self[key], np.asarray(values)
        try:
            view[...] = values
        except ValueError:
            raise InvalidInput(
                f"{key!r} has shape {view.shape}, got values of shape {values.shape}{self._by_synapse(key, values)}"
            ) from None

    def _by_synapse(self, key: str, values: np.ndarray) -> str:
        """What to do with a matrix of weights for a sparse projection."""
        sparse = {way.name: way for way in self.topology.projections if isinstance(way, Sparse)}
        if key not in sparse or values.shape != tuple(end.size for end in self.topology.ends(sparse[key])):
            return ""
        return f", of which it takes matrix[synapses.pre, synapses.post] with synapses = topology.edges({key!r})"

    def __contains__(self, key: str) -> bool:
        return key in self.topology.layout

    def __iter__(self) -> Iterator[str]:
        return iter(self.topology.layout)

    def keys(self) -> list[str]:
        """The names of the arrays, in their order in theta."""
        return list(self)

    def values(self) -> list[np.ndarray]:
        """The arrays, views as by name."""
        return [self[key] for key in self]

    def items(self) -> list[tuple[str, np.ndarray]]:
        """(name, array) of each."""
        return [(key, self[key]) for key in self]

    @property
    def dtype(self) -> np.dtype:
        return self.theta.dtype

    def copy(self) -> Parameters:
        """The same numbers in memory of their own."""
        return self.like(self.theta)

    def like(self, theta: np.ndarray) -> Parameters:
        """Parameters of the same topology and type that hold a copy of `theta`."""
        copy = aligned_zeros(self.theta.size, self.dtype)
        copy[...] = theta
        return Parameters(self.topology, copy)

    def with_topology(self, topology: Topology) -> Parameters:
        """The same numbers under a topology with the same layout (other units, other constants)."""
        if topology.layout != self.topology.layout:
            raise InvalidInput(
                f"{topology!r} lays its parameters out differently from {self.topology!r}; transfer_from"
            )
        return Parameters(topology, self.theta)

    def transfer_from(self, other: Parameters) -> Parameters:
        """A copy in which every key that `other` has too takes its values; shapes must agree.

        Where a projection is `Sparse` here or there, with other synapses, values go by synapse (pre, post): synapses
        that `other` lacks keep the value they have here, and those that are lacking here are left behind.
        Raises `InvalidInput` where nothing or not everything of any other common key can be carried over.
        """
        common = [key for key in self if key in other]
        if not common:
            raise InvalidInput(f"nothing to transfer: {other.topology!r} and {self.topology!r} share no parameter")
        result = self.copy()
        for key in common:
            if _goes_by_synapse(self.topology, other.topology, key):
                _transfer_synapses(result, other, key)
                continue
            if other[key].shape != self[key].shape:
                raise InvalidInput(f"cannot transfer {key!r} of shape {other[key].shape} into shape {self[key].shape}")
            result[key] = other[key]
        return result

    def __reduce__(self):  # pickles and deep copies are aligned like any other
        return _rebuild, (self.topology, self.theta)

    @property
    def nbytes(self) -> int:
        return self.theta.nbytes

    def __repr__(self) -> str:
        blocks = ", ".join(f"{key} {block.shape}" for key, block in self.topology.layout.items())
        return f"Parameters({math.prod(self.theta.shape):,} {self.dtype}: {blocks})"


def _goes_by_synapse(mine: Topology, theirs: Topology, key: str) -> bool:
    """Whether weights of `key` lie in another order there than here."""
    if "." in key:  # an array of units; names of projections have no dot
        return False
    both = [topology.projection(key) for topology in (mine, theirs)]
    sizes = [[end.size for end in topology.ends(key)] for topology in (mine, theirs)]
    if not any(isinstance(projection, Sparse) for projection in both) or any(p.shared for p in both):
        return False
    if not all(isinstance(projection, Sparse | Dense) for projection in both) or sizes[0] != sizes[1]:
        kinds = [f"{type(p).__name__} of {a} x {b} units" for p, (a, b) in zip(both, sizes, strict=True)]
        raise InvalidInput(f"cannot transfer {key!r} from {kinds[1]} into {kinds[0]}")
    draws = [(type(p), getattr(p, "rule", None), p.name, getattr(p, "seed", 0)) for p in both]
    flags = [[getattr(p, flag, None) for flag in ("autapses", "multapses")] for p in both]
    return (draws[0], flags[0]) != (draws[1], flags[1])


def _transfer_synapses(result: Parameters, other: Parameters, key: str) -> None:
    mine, theirs = (
        p.topology.edges(key) if isinstance(p.topology.projection(key), Sparse) else None for p in (result, other)
    )
    if mine is not None and theirs is not None:
        here, there = mine.matches(theirs)
        result[key][here] = other[key][there]
        return
    found = theirs if mine is None else mine
    if found.has_multapses:
        raise InvalidInput(f"cannot transfer {key!r} between Dense and several synapses a pair: one weight is not many")
    places = found.pre, found.post
    if mine is None:
        result[key][places] = other[key]
    else:
        result[key] = other[key][places]


def _rebuild(topology: Topology, theta: np.ndarray) -> Parameters:
    copy = aligned_zeros(theta.size, theta.dtype)
    copy[...] = theta
    return Parameters(topology, copy)
