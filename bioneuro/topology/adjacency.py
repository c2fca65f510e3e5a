"""Adjacency: the synapses of a sparse projection as compressed rows, and how they are brought into order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bioneuro._jit.keys import Key

if TYPE_CHECKING:
    from bioneuro.topology.projections import Sparse


BITS_PER_SYNAPSE = 64  # that a table of all pairs may take; sparser small worlds are searched row by row


class Adjacency(NamedTuple):
    """Who reaches whom, in (pre, post) order: the order of the projection's weights.

    Unit i of the pre population reaches the units `post[indptr[i]:indptr[i + 1]]`, whose weights are
    `params["a->b"][indptr[i]:indptr[i + 1]]`. `scipy.sparse.csr_array((weights, post, indptr), shape)` is the matrix W.

    Attributes
    ----------
    indptr : (n_pre + 1,) int64, from 0 to the number of synapses.
    post : (n_synapses,) int32, rising within a row; equal neighbours are multapses.

    Both arrays are read-only: every user of the topology shares them.
    """

    indptr: np.ndarray
    post: np.ndarray

    @property
    def pre(self) -> np.ndarray:
        """(n_synapses,) int32: the sending unit of each synapse; made at each call."""
        return np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int32), np.diff(self.indptr))

    def reverse(self) -> np.ndarray:
        """(n_synapses,) int64: the synapse that runs the other way, where each has one (a symmetric projection)."""
        return np.lexsort((self.pre, self.post))

    @property
    def has_multapses(self) -> bool:
        """Whether some pair of units has several synapses."""
        same = self.post[1:] == self.post[:-1]
        starts = self.indptr[1:-1]
        same[starts[(starts > 0) & (starts < len(self.post))] - 1] = False
        return bool(same.any())

    def matches(self, other: Adjacency) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the synapses that both have, here and there; of several for one pair the first with the first."""
        n_post = 1 + max(int(found.post.max(initial=0)) for found in (self, other))
        pairs = [found.pre.astype(np.int64) * n_post + found.post for found in (self, other)]
        ranks = [np.arange(len(codes)) - np.searchsorted(codes, codes) for codes in pairs]
        most = 1 + max(int(rank.max(initial=0)) for rank in ranks)
        ours, theirs = (codes * most + rank for codes, rank in zip(pairs, ranks, strict=True))
        place = np.searchsorted(theirs, ours)
        here = np.flatnonzero(theirs[np.minimum(place, len(theirs) - 1)] == ours) if len(theirs) else place[:0]
        return here, place[here]

    def frozen(self) -> Adjacency:
        """The same arrays, read-only."""
        for array in self:
            array.flags.writeable = False
        return self


def draw_rows(key: Key, degrees: np.ndarray, n: int, projection: Sparse) -> Adjacency:
    """Draw `degrees[i]` of `n` candidates for each row i; unsorted."""
    from bioneuro.topology.sparse_kernels import draw_multisets, draw_subsets

    indptr = np.concatenate([[0], np.cumsum(degrees, dtype=np.int64)])
    drawn = Adjacency(indptr, np.empty(indptr[-1], np.int32))
    draw = draw_multisets if projection.multapses else draw_subsets
    draw(key.words, 0, indptr, n, projection.autapse and not projection.autapses, drawn.post)
    return drawn


def ring_pairs(key: Key, n: int, k: int, p: float, multapses: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw the pairs of a small world, each in both directions: pre and post, unsorted."""
    from bioneuro.topology.sparse_kernels import draw_small_world

    far = np.empty((n, k // 2), np.int32)
    looked_up = not multapses and n <= BITS_PER_SYNAPSE * k
    draw_small_world(key.words, p, multapses, np.zeros(n * n // 64 + 1 if looked_up else 0, np.uint64), far)
    near = np.repeat(np.arange(n, dtype=np.int32), k // 2)
    return np.concatenate([near, far.ravel()]), np.concatenate([far.ravel(), near])


def transposed(rows: Adjacency, n_columns: int) -> Adjacency:
    """The same synapses seen from the other end, sorted within each row."""
    from bioneuro.topology.sparse_kernels import transpose

    columns = Adjacency(np.empty(n_columns + 1, np.int64), np.empty_like(rows.post))
    transpose(*rows, *columns)
    return columns


def sort_rows(rows: Adjacency, n_columns: int) -> Adjacency:
    """Sort each row, by turning the whole twice: linear in the number of synapses."""
    return transposed(transposed(rows, n_columns), len(rows.indptr) - 1)


def from_pairs(pre: np.ndarray, post: np.ndarray, n_pre: int, n_post: int) -> Adjacency:
    """Bring pairs in any order into (pre, post) order."""
    from bioneuro.topology.sparse_kernels import group

    columns = Adjacency(np.empty(n_post + 1, np.int64), np.empty(len(pre), np.int32))
    group(post, pre, *columns)
    return transposed(columns, n_pre)
