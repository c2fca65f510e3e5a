"""From a network to the tables that `epoch.train` runs by, and the driver that runs it.

`Program` lays the network out (every row padded to whole registers), looks up the addresses of its activations, loss
and optimiser, and takes training steps in pieces of a twentieth of a second, so that Ctrl-C is heard. It gives the
numbers of the plain loop, up to the order in which a product is summed.
"""

from __future__ import annotations

import time

import numba
import numpy as np
from numba import types

from bioneuro._jit.cores import team_size
from bioneuro._jit.dispatch import address
from bioneuro._jit.gemm import multiply, multiply_nt
from bioneuro._jit.simd import Matrix
from bioneuro._jit.sparse import multiply_sparse
from bioneuro._jit.team import run_team
from bioneuro.optim import Transform
from bioneuro.optim.fused import Fused, fuse
from bioneuro.optim.kernels import N_OWN, block
from bioneuro.parameters import Parameters, aligned_zeros
from bioneuro.topology import OneToOne, Population, Projection
from feedforward import epoch
from feedforward.activations import Activation, backward_kernel, forward_kernel
from feedforward.epoch import BLOCK, PAD, Calls, Columns, Data, Learning, Plan, train
from feedforward.kernels import linear
from feedforward.network import Network, constants_of

_PIECE = 0.05  # seconds in one compiled call
_OPERATIONS, _UPDATE = 8e10, 5e-10  # products a second, and seconds to update a parameter: roughly, of one core
_SPARSE = 0.4  # share of numbers other than 0 below which inputs are taken entry by entry


def reason_against(network: Network, optimizer: Transform, parameters: Parameters) -> str | None:
    """Why a training must be run by the plain loop; None if it can be compiled."""
    if numba.config.DISABLE_JIT:
        return "the JIT is off"
    if any(projection.tied_to for projection in network.topology.projections):
        return "a projection is tied to another"
    if any(layer.activation is None and layer.population is not network.output for layer in network.layers):
        return "hidden softmax units"
    if any(projection.pre == network.output.name for projection in network.topology.projections):
        return "a projection leaves the output population"
    if fuse(optimizer, parameters) is None:
        return "the optimiser is a chain that cannot be fused"
    return None


class Program:
    """A training made ready to run; `network`, `loss` and `dropout` as `Backprop` has them.

    load, store : copy parameters and moments in and out. run : take steps.
    """

    def __init__(
        self,
        backprop,
        parameters: Parameters,
        X: np.ndarray,
        y: np.ndarray,
        optimizer: Transform,
        batch_size: int,
        n_threads: int | None = None,
        weights: np.ndarray | None = None,
    ):
        self.network, self.batch_size = backprop.network, batch_size
        self.dtype = parameters.dtype
        self.fused: Fused = fuse(optimizer, parameters)
        self.populations = (self.network.input, *(layer.population for layer in self.network.layers))
        self.n_threads = n_threads or self._team(parameters)
        self.number = {population.name: number for number, population in enumerate(self.populations)}
        self._place_parameters(parameters, backprop.l2)
        self.plan = self._plan(backprop)
        self.y = np.ascontiguousarray(y, self.dtype)
        self.weights = np.ascontiguousarray([] if weights is None else weights, self.dtype)
        self._place_data(np.ascontiguousarray(X, self.dtype), backprop)
        self.plan = self.plan._replace(calls=self._calls(backprop))
        self.steps_at_once = 1

    def _team(self, parameters: Parameters) -> int:
        """How many workers the work between two barriers is worth."""
        products = 6 * self.batch_size * parameters.theta.size  # forward, backward and update, two operations each
        step = products / _OPERATIONS + parameters.theta.size * _UPDATE
        barriers = 2 * len(self.populations) * _PIECE / step
        widest = max(_padded(population.size) for population in self.populations)
        return team_size(outputs=widest // PAD, nanoseconds=1e9 * _PIECE, barriers=int(barriers))

    # -- layout ------------------------------------------------------------------------------------------------------

    def _place_parameters(self, parameters: Parameters, l2: float) -> None:
        """Where each array stands in the padded theta, and what it has of its own."""
        layout = parameters.topology.layout
        weights = {projection.name for projection in parameters.topology.projections}
        self.places, own, end = {}, np.zeros((len(layout), N_OWN), self.dtype), 0
        for row, (key, blocked) in enumerate(layout.items()):
            rows, columns = (1, *blocked.shape)[-2:]
            self.places[key] = (row, end, rows, columns)
            end += rows * _padded(columns)
            own[row] = self.fused.own[key]
            own[row, 1] += 2 * l2 * (key in weights)
        self.constants_at = end
        end += sum(_padded(population.size) for population in self.populations)
        moments = [aligned_zeros(end, self.dtype) for _ in self.fused.optimizer.moments]
        unused = [np.zeros(0, self.dtype)] * (3 - len(moments))
        widest = max(_padded(population.size) for population in self.populations)
        theta, scratch = aligned_zeros(end, self.dtype), np.zeros((self.n_threads, BLOCK * widest), self.dtype)
        self.learning = Learning(theta, *moments, *unused, self._rule(), np.zeros((0, 0), self.dtype), own, scratch)

    def _view(self, values: np.ndarray, key: str) -> np.ndarray:
        _, start, rows, columns = self.places[key]
        width = _padded(columns)
        return values[start : start + rows * width].reshape(rows, width)[:, :columns]

    def load(self, parameters: Parameters, state) -> None:
        """Take over parameters and moments."""
        moments = self.fused.moments(state)
        for key, placed in parameters.topology.layout.items():
            for source, target in self._pairs(parameters.theta, moments):
                view = self._view(target, key)
                view[...] = source[placed.where].reshape(view.shape)
        at = self.constants_at
        for layer in self.network.layers:
            size = layer.population.size
            if layer.activation is not None and layer.activation.constant_slope is None:
                self.learning.theta[at : at + size] = constants_of(layer.population, layer.activation, parameters)
            at += _padded(size)

    def store(self, parameters: Parameters, state) -> None:
        """Give parameters and moments back."""
        moments = self.fused.moments(state)
        for key, placed in parameters.topology.layout.items():
            for target, source in self._pairs(parameters.theta, moments):
                target[placed.where] = self._view(source, key).ravel()

    def _pairs(self, theta: np.ndarray, moments: list[np.ndarray]):
        return zip((theta, *moments), self.learning[: 1 + len(moments)], strict=True)

    # -- tables ------------------------------------------------------------------------------------------------------

    def _plan(self, backprop) -> Plan:
        projections = [projection for layer in self.network.layers for projection in layer.incoming]
        table = np.zeros((len(self.populations), epoch.N_POPULATION), np.int64)
        outgoing, incoming, space, constant = [], 0, 0, self.constants_at

        def room(population: Population) -> int:
            nonlocal space
            space += self.batch_size * _padded(population.size)
            return space - self.batch_size * _padded(population.size)

        for row, population in zip(table, self.populations, strict=True):
            leaving = [number for number, edge in enumerate(projections) if edge.pre == population.name]
            row[epoch.SIZE], row[epoch.WIDTH] = population.size, _padded(population.size)
            row[epoch.OUTPUT] = row[epoch.INPUT] = room(population)
            row[epoch.ERROR] = room(population)
            row[epoch.EMITTED], row[epoch.MASK] = row[epoch.OUTPUT], -1
            if population.name in backprop.dropout:
                row[epoch.EMITTED], row[epoch.MASK] = room(population), room(population)
            row[epoch.FIRST_OUT], row[epoch.LAST_OUT] = len(outgoing), len(outgoing) + len(leaving)
            outgoing += leaving
            row[epoch.BIAS] = row[epoch.LEARNT] = -1
        for row, layer in zip(table[1:], self.network.layers, strict=True):
            population, activation = layer.population, layer.activation
            row[epoch.FIRST_IN], row[epoch.LAST_IN] = incoming, incoming + len(layer.incoming)
            incoming += len(layer.incoming)
            if population.bias:
                row[epoch.BIAS_ARRAY], row[epoch.BIAS] = self._array(f"{population.name}.bias")
            row[epoch.CONSTANT] = constant
            constant += _padded(population.size)
            closed = population is self.network.output and backprop.loss.closed
            if closed or activation is None or activation.keeps_input:
                row[epoch.INPUT] = room(population)
            if activation is not None and activation.constant_slope is not None:
                row[epoch.CONSTANT_ARRAY], row[epoch.CONSTANT] = self._array(f"{population.name}.{activation.constant}")
                row[epoch.LEARNT] = room(population)
            if not closed and activation is not None and activation.value is not linear:
                row[epoch.FORWARD], row[epoch.BACKWARD] = self._forward(activation), self._backward(activation)
        dropout = np.zeros((len(self.populations), 3), np.uint64)
        for name, share in backprop.dropout.items():
            dropout[self.number[name], 2] = np.float64(share).view(np.uint64)
        return Plan(
            table,
            np.array([self._edge(projection) for projection in projections], np.int64).reshape(-1, epoch.N_PROJECTION),
            np.array(outgoing, np.int64),
            dropout,
            aligned_zeros(space, self.dtype),
            Calls(),
        )

    def _array(self, key: str) -> tuple[int, int]:
        """Row of `own` (-1: frozen) and place in theta."""
        row, start, _, _ = self.places[key]
        return (-1 if key in self.fused.frozen else row), start

    def _edge(self, projection: Projection) -> tuple[int, ...]:
        array, start = self._array(projection.name)
        ends = self.number[projection.pre], self.number[projection.post]
        return (*ends, start, isinstance(projection, OneToOne), array)

    def _place_data(self, X: np.ndarray, backprop) -> None:
        """Dense inputs as they are, sparse ones by their entries."""
        name = self.network.input.name
        direct = name in backprop.dropout or any(
            isinstance(projection, OneToOne) and projection.pre == name
            for projection in backprop.network.topology.projections
        )
        batch, few = self.batch_size, not direct and np.count_nonzero(X) < _SPARSE * X.size
        if not few:
            X, entries = X, np.zeros((0, X.shape[1]), self.dtype)
        else:
            X, entries = np.zeros((0, X.shape[1]), self.dtype), X
        rows, features = np.nonzero(entries)
        starts = np.searchsorted(rows, np.arange(len(entries) + 1))
        most = int(np.sort(np.diff(starts))[-batch:].sum()) * self.n_threads if few else 0
        whole = lambda n: np.zeros(n, np.int64)  # noqa: E731
        columns = Columns(
            whole(batch),
            whole(batch),
            whole(X.shape[1]),
            whole(X.shape[1]),
            np.zeros(most, np.int32),
            np.zeros(most, self.dtype),
        )
        self.inputs = X, starts.astype(np.int64), features.astype(np.int32), entries[rows, features], columns

    # -- addresses ---------------------------------------------------------------------------------------------------

    @property
    def _vector(self) -> types.Array:
        return types.Array(numba.from_dtype(self.dtype), 1, "C")

    @property
    def _matrix(self) -> types.NamedTuple:
        return types.NamedTuple([self._vector, types.int64, types.int64, types.int64], Matrix)

    def _forward(self, activation: Activation) -> int:
        sizes = [types.int64] * 2
        return address(forward_kernel(activation), *[self._matrix] * 2, *sizes, self._vector, types.int64)

    def _backward(self, activation: Activation) -> int:
        sizes, place = [types.int64] * 2, [self._vector, types.int64]
        return address(backward_kernel(activation), *[self._matrix] * 3, *sizes, *place, *place)

    def _calls(self, backprop) -> Calls:
        """The addresses of what this network uses; nothing else is compiled."""
        whole, yes = types.int64, types.boolean
        wholes, few = types.Array(whole, 1, "C"), types.Array(types.int32, 1, "C")
        two, three = [self._matrix] * 2, [self._matrix] * 3
        calls = {
            "multiply": address(multiply, *three, whole, whole, whole, yes),
            "multiply_nt": address(multiply_nt, *three, whole, whole, whole, yes),
            "loss": self._loss(backprop.loss),
        }
        if len(self.inputs[0]) == 0:
            data = numba.typeof(self._data(np.zeros(0, np.int64), 0))
            calls["sort"] = address(epoch.sort_by_feature, data, whole, whole, whole, whole)
            entries = wholes, wholes, few, self._vector
            calls["multiply_sparse"] = address(multiply_sparse, *entries, *two, whole, whole, yes)
        if backprop.dropout:
            how = types.Array(types.uint64, 1, "C")
            calls["drop"] = address(epoch.drop, wholes, self._vector, how, whole, whole, whole, whole)
        if any(self.plan.projections[:, epoch.ONE_TO_ONE]):
            calls["scale"] = address(epoch.scale, self._matrix, self._vector, self._matrix, whole, whole, yes)
            calls["sum_products"] = address(epoch.sum_products, *two, whole, whole, self._vector)
        return Calls(**calls)

    def _loss(self, loss) -> int:
        number, whole = numba.from_dtype(self.dtype), types.int64
        rows = [types.Array(number, 2, "C"), types.Array(whole, 1, "C"), self._vector, types.float64]
        return address(loss.kernel, *[self._matrix] * 3, *rows, whole, whole, types.Array(types.float64, 1, "C"))

    def _rule(self) -> int:
        optimizer, whole = self.fused.optimizer, types.int64
        kernel = block(type(optimizer).rule, len(optimizer.moments))
        sizes = [whole, whole, self._vector, *[whole] * 4]
        return address(kernel, *[self._vector] * 4, *sizes, self._vector, self._vector)

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, order: np.ndarray, first: int, epoch_start: int, key) -> tuple[int, np.ndarray]:
        """Take some steps of an epoch, from its step `first` on.

        Parameters
        ----------
        order : the rows of the epoch. epoch_start : steps taken before it. key : of the training, for dropout.

        Returns how many steps were taken, and the loss of each row they saw.
        """
        steps = -(-len(order) // self.batch_size)
        last = min(first + self.steps_at_once, steps)
        for number, population in enumerate(self.populations):
            if self.plan.populations[number, epoch.MASK] >= 0:
                self.plan.dropout[number, :2] = key.child("dropout").child(population.name).words
        begin, end = first * self.batch_size, min(last * self.batch_size, len(order))
        data = self._data(order, end)
        learning = self.learning._replace(
            constants=self.fused.constants(epoch_start + first, epoch_start + last, self.dtype)
        )
        started = time.perf_counter()
        run_team(train, self.n_threads, self.plan, data, learning, first, last, epoch_start)
        taken = time.perf_counter() - started
        self.steps_at_once = max(1, min(2 * self.steps_at_once, int(_PIECE / taken * (last - first))))
        return last - first, data.losses[begin:]

    def _data(self, order: np.ndarray, end: int) -> Data:
        return Data(*self.inputs, self.y, self.weights, order, self.batch_size, np.zeros(end))


def _padded(size: int) -> int:
    return -(-size // PAD) * PAD
