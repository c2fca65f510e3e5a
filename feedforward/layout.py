"""Where everything stands in a compiled training: from a network to the tables of `tables.Plan`.

Rows of every matrix are padded with zeros to whole registers: the columns of weights, and what passes through. Weights
are cut into panels of 64 columns, stored one behind the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bioneuro._jit.simd import PANEL
from bioneuro.optim.fused import Fused
from bioneuro.parameters import Parameters, aligned_zeros
from bioneuro.topology import OneToOne, Population, Projection
from feedforward import tables
from feedforward.addresses import Addresses
from feedforward.batch_kernels import GAIN_GRADIENT, N_BATCH, SHIFT_GRADIENT
from feedforward.kernels import linear
from feedforward.network import Layer, constants_of
from feedforward.tables import GAP, HELD, Calls, Plan, padded, row_of

if TYPE_CHECKING:
    from feedforward.backprop import Backprop


class Place(NamedTuple):
    """An array in the padded theta, and which row of `Learning.own` is its."""

    own: int
    start: int
    rows: int
    columns: int


class Layout:
    """The places of one training.

    populations : in the order of the tables, the input first. theta_size, space_size : lengths of the flat arrays.
    sparse : inputs are taken entry by entry, and need no place.
    """

    def __init__(
        self,
        backprop: Backprop,
        parameters: Parameters,
        batch_size: int,
        fused: Fused,
        deferred: Collection[str] = (),
        sparse: bool = False,
    ):
        self.backprop, self.network, self.batch_size = backprop, backprop.network, batch_size
        self.populations = (self.network.input, *(layer.population for layer in self.network.layers))
        self.addresses = Addresses(parameters.dtype)
        self._frozen, self._limits, self._deferred = fused.frozen, fused.limits, deferred
        self._sparse = sparse
        self._number = {population.name: number for number, population in enumerate(self.populations)}
        self._places, self.theta_size, self._space_size = {}, 0, 0
        for own, (key, block) in enumerate(parameters.topology.layout.items()):
            rows, columns = (1, *block.shape)[-2:]
            self._places[key] = Place(own, self.theta_size, rows, columns)
            self.theta_size += rows * padded(columns)
        self._constants = {}
        for population in self.populations[1:]:
            self._constants[population.name] = self.theta_size
            self.theta_size += padded(population.size)

    @property
    def widest(self) -> int:
        """Numbers in the longest row of what passes through the network."""
        return max(padded(population.size) for population in self.populations)

    def ends(self) -> np.ndarray:
        """(n_arrays, 2) where each array of parameters begins and ends in theta."""
        return np.array(
            [(place.start, place.start + place.rows * padded(place.columns)) for place in self._places.values()]
        )

    # -- parameters --------------------------------------------------------------------------------------------------

    def panels(self, values: np.ndarray, key: str) -> Iterator[tuple[slice, np.ndarray]]:
        """One array of parameters within the padded theta or a moment of it: columns, and where they stand."""
        _, start, rows, columns = self._places[key]
        for column in range(0, columns, PANEL):
            width = min(PANEL, padded(columns) - column)
            panel = values[start + rows * column :][: rows * width].reshape(rows, width)
            yield slice(column, column + PANEL), panel[:, : columns - column]

    def set_constants(self, theta: np.ndarray, parameters: Parameters) -> None:
        """Write what units are that they do not learn."""
        for population, _, activation in self.network.layers:
            if activation is not None and activation.constant_slope is None:
                start = self._constants[population.name]
                theta[start : start + population.size] = constants_of(population, activation, parameters)

    # -- tables ------------------------------------------------------------------------------------------------------

    def plan(self, dtype: np.dtype) -> Plan:
        """The tables; keys and the addresses in `calls` are still to come."""
        self._space_size, arrays = 0, []
        projections = [projection for layer in self.network.layers for projection in layer.incoming]
        table = np.full((len(self.populations), tables.N_POPULATION), -1, np.int64)
        outgoing, incoming = [], 0
        for row, population in zip(table, self.populations, strict=True):
            leaving = [number for number, edge in enumerate(projections) if edge.pre == population.name]
            self._place(row, population)
            row[tables.FIRST_OUT], row[tables.LAST_OUT] = len(outgoing), len(outgoing) + len(leaving)
            outgoing += leaving
        for row, layer in zip(table[1:], self.network.layers, strict=True):
            row[tables.FIRST_IN], row[tables.LAST_IN] = incoming, incoming + len(layer.incoming)
            incoming += len(layer.incoming)
            learnt = self._place_units(row, layer)
            row[tables.FIRST_ARRAY], row[tables.LAST_ARRAY] = len(arrays), len(arrays) + len(learnt)
            arrays += learnt
        return Plan(
            table,
            _table([self._edge(projection, projections) for projection in projections], tables.N_PROJECTION),
            np.array(outgoing, np.int64),
            _table(arrays, tables.N_ARRAY),
            self._numbers(),
            np.zeros((len(self.populations), len(tables.DRAWS), 2), np.uint64),
            aligned_zeros(self._space_size + GAP, dtype),  # of networks that are trained together, it lies in a row
            Calls(),
        )

    def _place(self, row: np.ndarray, population: Population) -> None:
        """What every population has, inputs included."""
        row[tables.SIZE], row[tables.WIDTH] = population.size, padded(population.size)
        row[tables.ROW] = row_of(population.size)
        rows = 0 if self._sparse and population is self.network.input else self.batch_size
        row[tables.OUTPUT] = row[tables.INPUT] = row[tables.ARRIVED] = self._room(population, rows)
        row[tables.ERROR] = self._room(population, rows)
        row[tables.EMITTED] = row[tables.OUTPUT]
        if population.name in self.backprop.dropout:
            row[tables.EMITTED], row[tables.MASK] = self._room(population), self._room(population)
        row[tables.FORWARD] = row[tables.BACKWARD] = 0

    def _place_units(self, row: np.ndarray, layer: Layer) -> list[tuple[int, int, int]]:
        """What units compute; return the rows of `Plan.arrays` for what they learn."""
        population, activation = layer.population, layer.activation
        name, width, gradients = population.name, padded(population.size), {}
        closed = population is self.network.output and self.backprop.loss.closed
        if closed or activation is None or activation.keeps_input:
            row[tables.INPUT] = row[tables.ARRIVED] = self._room(population)
        if population.bias:
            row[tables.BIAS] = self._places[f"{name}.bias"].start
        if layer.normalised:
            row[tables.ARRIVED], row[tables.BATCH] = self._room(population), self._room(population, N_BATCH)
            for array, of_batch in (("bias", SHIFT_GRADIENT), ("gain", GAIN_GRADIENT)):
                gradients[f"{name}.{array}"] = row[tables.BATCH] + of_batch * width
        elif population.bias and f"{name}.bias" not in self._frozen:
            gradients[f"{name}.bias"] = row[tables.BIAS_GRADIENT] = self._room(population, 1)
        row[tables.CONSTANT] = self._constants[name]
        if activation is not None and activation.constant_slope is not None:
            key = f"{name}.{activation.constant}"
            row[tables.CONSTANT] = self._places[key].start
            gradients[key] = row[tables.CONSTANT_GRADIENT] = self._room(population, 1)
        if not closed and activation is not None and activation.value is not linear:
            row[tables.FORWARD] = self.addresses.forward(activation)
            row[tables.BACKWARD] = self.addresses.backward(activation)
        return [
            (self._places[key].start, gradient, self._places[key].own)
            for key, gradient in gradients.items()
            if key not in self._frozen
        ]

    def _room(self, population: Population, rows: int | None = None) -> int:
        """A place in the space for so many rows of the population, those of a batch unless said otherwise."""
        place = self._space_size
        self._space_size += (self.batch_size if rows is None else rows) * row_of(population.size)
        return place

    def _edge(self, projection: Projection, projections: list[Projection]) -> tuple[int, ...]:
        owner = projection.tied_to or projection.name
        own, start, _, _ = self._places[owner]
        ends = self._number[projection.pre], self._number[projection.post]
        learnt = -1 if projection.tied_to or owner in self._frozen else own
        post, deferred = self.populations[ends[1]], projection.name in self._deferred
        room = self._room(post, 3 * HELD) if deferred else -1
        turned = self.network.topology.turns(projection)
        sharing = [other for other in projections if other.name == owner]  # first, for the others to follow it
        sharing += [other for other in projections if other.tied_to == owner]
        behind = sharing[sharing.index(projection) + 1 :]
        following = projections.index(behind[0]) if behind else -1
        return (*ends, start, isinstance(projection, OneToOne), learnt, room, turned, following)

    def _numbers(self) -> np.ndarray:
        numbers = np.zeros((len(self.populations), tables.N_NUMBER))
        for name, share in self.backprop.dropout.items():
            numbers[self._number[name], tables.DROPOUT] = share
        numbers[0, tables.NOISE] = self.backprop.noise
        numbers[0, tables.FLIPPED], numbers[0, tables.MASKED] = self.backprop.flip, self.backprop.mask
        for row, layer in zip(numbers[1:], self.network.layers, strict=True):
            row[tables.LIMIT] = self._limits.get(layer.population.name, 0)
            if layer.normalised:
                unit = layer.population.unit
                row[tables.MOMENTUM], row[tables.EPSILON] = unit.momentum, unit.epsilon
        return numbers


def _table(rows: list[tuple[int, ...]], columns: int) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1, columns)
