"""The driver of compiled training: it takes the steps of `epoch.train` in pieces.

A piece lasts a twentieth of a second, so that Ctrl-C is heard. The numbers are those of the plain loop, up to the order
in which a product is summed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numba
import numpy as np

from bioneuro._jit.cores import Crew, team_size
from bioneuro._jit.keys import Key
from bioneuro._jit.simd import PANEL
from bioneuro._jit.team import run_team
from bioneuro.optim import Transform
from bioneuro.optim.fused import Fused, Own, fuse
from bioneuro.optim.kernels import N_OWN, OWN
from bioneuro.parameters import Parameters, aligned_zeros
from bioneuro.topology import OneToOne
from bioneuro.training.batches import n_batches
from feedforward import tables
from feedforward.deferred import room_of
from feedforward.epoch import train
from feedforward.layout import Layout
from feedforward.network import Network
from feedforward.tables import BLOCK, CHUNK, GAP, HELD, Columns, Data, Deferred, Learning, Plan, Whole, padded

if TYPE_CHECKING:
    from bioneuro.sparse import SparseRows
    from feedforward.backprop import Backprop

PENALTIES = [OWN.index(name) for name in ("l2", "l1", "bound")]
PIECE = 0.05  # seconds in one compiled call
# roughly, of one core: products a second, seconds to update a parameter, and for whatever else there is in a step
_OPERATIONS, _UPDATE, _STEP = 8e10, 4e-10, 5e-6
MOST_ROWS = 2  # of a step that may be deferred; at four, products cost as much as what they save
LEAST = 1 << 13  # bytes of weights from the inputs; fewer are learnt as fast at once
_SPARSE, _NARROW = 0.45, 50  # see `_share_of_sparse`


def reason_against(network: Network, optimizer: Transform, parameters: Parameters) -> str | None:
    """Why a training must be run by the plain loop, step by step; None if it can be compiled.

    Which chains can be, `bioneuro.optim.fused` says. Dropout, disturbed inputs, normalisation, penalties, weights,
    emphasis, schedules, early stopping, callbacks after epochs never stand against it; callbacks after every step do.
    """
    if numba.config.DISABLE_JIT:
        return "the JIT is off"
    tied = [projection for projection in network.topology.projections if projection.tied_to]
    if any(isinstance(projection, OneToOne) for projection in tied):
        return "a one-to-one projection is tied to another"
    if any(layer.activation is None and layer.population is not network.output for layer in network.layers):
        return "hidden softmax units"
    if any(projection.pre == network.output.name for projection in network.topology.projections):
        return "a projection leaves the output population"
    fused = fuse(optimizer, parameters)
    if fused is None:
        return "the optimiser is a chain that cannot be fused"
    if tied and fused.limits:
        return "the weights that reach a unit are held to a length, and some are tied to others"
    return None


def deferrable(backprop: Backprop, parameters: Parameters, fused: Fused, batch_size: int) -> tuple[str, ...]:
    """The projections whose learning may be deferred (`feedforward.deferred`): all that leave the inputs, or none.

    All, because the inputs of single steps are then not put together.
    """
    network, dropped = backprop.network, backprop.network.input.name in backprop.dropout
    if any(edge.tied_to for edge in network.topology.projections):
        return ()
    leaving = [edge for edge in network.topology.projections if edge.pre == network.input.name]
    if batch_size > MOST_ROWS or sum(parameters[edge.name].nbytes for edge in leaving) < LEAST:
        return ()
    if not fused.optimizer.linear or fused.norm < np.inf or dropped or backprop.disturbs or backprop.l2:
        return ()
    for edge in leaving:
        narrow_output = edge.post == network.output.name and padded(network.output.size) <= PANEL
        own, bounded = fused.own[edge.name]._replace(rate=1.0), edge.post in fused.limits
        if isinstance(edge, OneToOne) or narrow_output or bounded or own != Own() or edge.name in fused.frozen:
            return ()
    return tuple(edge.name for edge in leaving)


def _share_of_sparse(network: Network) -> float:
    """The share of numbers other than 0 below which inputs are taken entry by entry, by how many units they reach.

    Measured: entries cost some 2 ns each, whatever they reach, and for each unit twice what it costs in a product.
    """
    leaving = [edge for edge in network.topology.projections if edge.pre == network.input.name]
    reached = sum(network.topology[edge.post].size for edge in leaving)
    return _SPARSE * reached / (reached + _NARROW)


class Program:
    """A training made ready to run.

    load, store : copy parameters and moments in and out. run : take steps.

    Parameters
    ----------
    backprop : what is computed. parameters : of the network; only their layout and type count here.
    X, y, weights : all rows, (n, n_input), (n, n_output) and (n,) or None; X an array or `SparseRows`, which no
        disturbance, no dropout and no one-to-one projection may fill. n_threads : None: as the work is worth.
    weight_of_row : by how much, for each of its rows, the gradient of a batch is divided; None: by their weights.
    n_rows : of an epoch; None: all.
    """

    def __init__(
        self,
        backprop: Backprop,
        parameters: Parameters,
        X: np.ndarray | SparseRows,
        y: np.ndarray,
        optimizer: Transform,
        batch_size: int,
        n_threads: int | None = None,
        weights: np.ndarray | None = None,
        weight_of_row: float | None = None,
        n_rows: int | None = None,
    ):
        self.weight_of_row = float(weight_of_row or 0)
        self.dtype, self.batch_size = parameters.dtype, batch_size
        self.fused: Fused = fuse(optimizer, parameters)
        self.deferred = deferrable(backprop, parameters, self.fused, batch_size) if isinstance(X, np.ndarray) else ()
        self.inputs = self._inputs(X, backprop)
        self.layout = Layout(backprop, parameters, batch_size, self.fused, self.deferred, sparse=not self.dense)
        step = self._seconds(parameters)
        self.n_threads = n_threads or self._team(step)
        self.steps_at_once = max(1, int(PIECE / 4 / step))  # until the first piece has shown how long they last
        self.few_steps, self.workers, self.crew = self.steps_at_once, self.n_threads, Crew(self.n_threads, step)
        self.y, self.weights = self._plain(y), self._plain([] if weights is None else weights)
        self.batch = self._room(0)
        self.learning = self._learning(parameters, backprop, n_batches(n_rows or len(X), batch_size))
        self.plan = self._plan(backprop)

    def _seconds(self, parameters: Parameters) -> float:
        """What one worker needs for a step, roughly."""
        products = 6 * self.batch_size * parameters.theta.size  # forward, backward and update, two operations each
        return products / _OPERATIONS + parameters.theta.size * _UPDATE + _STEP

    def _team(self, step: float) -> int:
        """How many workers the work between two barriers is worth."""
        barriers = 2 * len(self.layout.populations) * PIECE / step
        return team_size(outputs=-(-self.layout.widest // PANEL), nanoseconds=1e9 * PIECE, barriers=int(barriers))

    def _learning(self, parameters: Parameters, backprop: Backprop, steps_of_epoch: int) -> Learning:
        """Zeros in the place of parameters and moments, and what each array has of its own."""
        weights = {projection.name for projection in parameters.topology.projections}
        own = np.array([self.fused.own[key] for key in parameters.topology.layout], self.dtype).reshape(-1, N_OWN)
        own[:, 1] += [2 * backprop.l2 * (key in weights) for key in parameters.topology.layout]
        n_moments, rule = len(self.fused.optimizer.moments), self.layout.addresses.rule(self.fused.optimizer)
        learnt = [aligned_zeros(self.layout.theta_size * (k <= n_moments), self.dtype) for k in range(4)]
        size = BLOCK * PANEL + max(BLOCK * PANEL, self.layout.widest) + GAP
        scratch = aligned_zeros(self.n_threads * size, self.dtype).reshape(self.n_threads, size)
        every = HELD // self.batch_size if self.deferred else 0
        size = room_of(backprop.network.input.size, len(parameters.topology.projections)) if every else 0
        room = aligned_zeros(self.n_threads * size, self.dtype).reshape(self.n_threads, size)
        deferred = Deferred(every, steps_of_epoch, room)
        return Learning(*learnt, rule, np.zeros((0, 0), self.dtype), own, scratch, self._whole(own), deferred)

    def _whole(self, own: np.ndarray) -> Whole:
        """Room for the gradient where its length is bounded."""
        bounded, size = np.isfinite(self.fused.norm), self.layout.theta_size
        penalise = self.layout.addresses.penalise() if bounded else 0
        gradient, chunks = aligned_zeros(size * bounded, self.dtype), np.zeros(-(-size // CHUNK) * bounded)
        rest = own.copy()
        rest[:, PENALTIES] = Own().l2, Own().l1, Own().bound
        return Whole(penalise, float(self.fused.norm), gradient, chunks, self.layout.ends(), rest)

    def _plain(self, values) -> np.ndarray:
        """In C order, of the type of the parameters, and not read-only: one compiled signature serves all data."""
        return np.require(values, self.dtype, ("C", "W", "A"))

    def _inputs(self, X: np.ndarray | SparseRows, backprop: Backprop) -> tuple:
        """Dense inputs as they are, sparse ones by their entries: where rows begin and end, features, values."""
        if not isinstance(X, np.ndarray):
            starts, features, values = X.indptr, X.indices, X.data
        else:
            X = self._plain(X)
            sparse = np.count_nonzero(X) < _share_of_sparse(backprop.network) * X.size
            if backprop.needs_every_input or self.deferred or not sparse:
                return X, np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, self.dtype)
            rows, features = np.nonzero(X)
            starts, values = np.searchsorted(rows, np.arange(len(X) + 1)), X[rows, features]
        nothing = np.zeros((0, X.shape[1]), self.dtype)
        return nothing, starts.astype(np.int64), features.astype(np.int32), self._plain(values)

    @property
    def dense(self) -> bool:
        """Whether inputs are taken as they are, not entry by entry."""
        return len(self.inputs[0]) > 0

    def _room(self, most: int) -> Columns:
        """Room for so many entries of a batch by feature, for each worker."""
        places = np.zeros((self.n_threads, self.inputs[0].shape[1] + 2), np.int64)
        return Columns(places, *(np.zeros((self.n_threads, most), kind) for kind in (np.int32, self.dtype)))

    def columns(self, starts: np.ndarray, ends: np.ndarray, begins: np.ndarray) -> Columns:
        """Room for the fullest of the batches that begin at `begins`, whose rows have entries `starts` to `ends`."""
        if not self.dense:
            lengths = (ends - starts)[..., : begins[-1]]
            most = int(np.add.reduceat(lengths, begins[:-1], axis=-1).max(initial=0))
            if most > self.batch.values.shape[1]:
                self.batch = self._room(most)
        return self.batch

    def _plan(self, backprop: Backprop) -> Plan:
        plan = self.layout.plan(self.dtype)
        used = {"multiply", "multiply_nt", "transpose"}
        for these, names in (
            (self.dense and not self.deferred, {"gather"}),
            (not self.dense, {"sort_by_feature", "multiply_sparse"}),
            (backprop.disturbs, {"disturb"}),
            (backprop.dropout, {"drop", "multiply_entries"}),
            (any(population.bias for population in self.layout.populations), {"add_row", "sum_rows"}),
            (any(plan.projections[:, tables.ONE_TO_ONE]) or self.fused.limits, {"scale", "sum_products"}),
            (any(layer.normalised for layer in backprop.network.layers), {"normalise", "follow", "normalise_back"}),
            (np.isfinite(self.fused.norm), {"measure", "bounded_step"}),
            (self.fused.limits, {"shorten"}),
            (any(plan.projections[:, tables.TURNED]), {"forward_tied", "backward_tied"}),
            (any(plan.projections[:, tables.NEXT] >= 0), {"add_tied"}),
            (self.deferred, {"look_ahead", "catch_up", "hold", "write_down"}),
        ):
            used |= names if these else set()
        data = self.data(np.zeros(0), np.zeros(1))
        return plan._replace(calls=self.layout.addresses.calls(used, data, self.learning, plan, backprop.loss))

    # -- numbers in and out ------------------------------------------------------------------------------------------

    def load(self, parameters: Parameters, state) -> None:
        """Take over parameters and moments."""
        for outside, inside in self._pairs(parameters, state):
            inside[...] = outside
        self.layout.set_constants(self.learning.theta, parameters)

    def store(self, parameters: Parameters, state) -> None:
        """Give parameters and moments back."""
        for outside, inside in self._pairs(parameters, state):
            outside[...] = inside

    def _pairs(self, parameters: Parameters, state):
        """Yield (its place in flat vectors, its place here) of every array of parameters and of moments."""
        flat = (parameters.theta, *self.fused.moments(state))
        for key, block in parameters.topology.layout.items():
            for outside, inside in zip(flat, self.learning[: len(flat)], strict=True):
                matrix = outside[block.where].reshape((1, *block.shape)[-2:])
                for columns, panel in self.layout.panels(inside, key):
                    yield matrix[:, columns], panel

    # -- running -----------------------------------------------------------------------------------------------------

    def keys(self, key: Key) -> np.ndarray:
        """(n_populations, len(DRAWS), 2) words of the keys of all draws, in a training with this key."""
        if not (self.layout.backprop.dropout or self.layout.backprop.disturbs):
            return self.plan.keys  # which nobody reads
        names = [population.name for population in self.layout.populations]
        return np.array([[key.child(use).child(name).words for use in tables.DRAWS] for name in names])

    def run(self, order: np.ndarray, begins: np.ndarray, first: int, before: int, key: Key) -> tuple[int, np.ndarray]:
        """Take some steps, from number `first` on.

        Parameters
        ----------
        order : rows of the data, of one epoch or several. begins : (steps + 1,) where each batch begins in it.
        before : steps taken before those of `begins`. key : of the training.

        Returns how many steps were taken, and the loss of each row they saw.
        """
        workers = self.crew.workers()
        if workers != self.workers:
            self.workers, self.steps_at_once = workers, self.few_steps
        last = self.end_of_piece(first, self.steps_at_once, len(begins) - 1)
        plan, data = self.plan._replace(keys=self.keys(key)), self.data(order, begins)
        learning = self.learning._replace(constants=self.constants(before + first, before + last))
        started = time.perf_counter()
        run_team(train, workers, plan, data, learning, first, last, before)
        taken = time.perf_counter() - started
        self.steps_at_once = max(1, min(2 * self.steps_at_once, int(PIECE / taken * (last - first))))
        self.crew.note(last - first, taken)
        return last - first, data.losses[begins[first] : begins[last]]

    def end_of_piece(self, first: int, steps: int, total: int) -> int:
        """The step that about so many from `first` on lead to, of `total`; blocks of deferred steps are not cut."""
        every, epoch, _ = self.learning.deferred
        last = min(first + steps, total)
        if not every or last == total:
            return last
        end, within = last - last % epoch % every, first % epoch
        return end if end > first else min(first - within % every + every, first - within + epoch, total)

    def data(self, order: np.ndarray, begins: np.ndarray) -> Data:
        order, begins = (np.require(numbers, np.int64, ("C", "W", "A")) for numbers in (order, begins))
        X, _, *entries = self.inputs
        where = self.entries(order)
        batch, losses = self.columns(*where, begins), np.zeros(len(order))
        return Data(X, *where, *entries, batch, self.y, self.weights, self.weight_of_row, order, begins, losses)

    def entries(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the entries of these rows of sparse inputs begin and end; nothing where inputs are dense."""
        starts, rows = self.inputs[1], order[..., :0] if self.dense else order
        return starts[rows], starts[rows + 1]

    def constants(self, first: int, last: int) -> np.ndarray:
        """Those of the optimiser's steps `first` to `last`."""
        return self.fused.constants(first, last, self.dtype)
