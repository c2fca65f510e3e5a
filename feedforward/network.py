"""The feedforward engine: forward and backward through any acyclic topology.

Population by population in feedforward order: h = sum over projections of x_pre W (+ bias), a = f(h), and a dead unit
then emits 0. Errors run the other way: delta_pre += delta_post W^T, dL/dW += x_pre^T delta_post; where several
projections leave a population, as with skips and tied weights, their errors simply add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from bioneuro._jit.gemm import matmul
from bioneuro._jit.keys import Key
from bioneuro._jit.random import fill_uniform
from bioneuro._jit.rows import softmax_rows
from bioneuro._jit.simd import Matrix
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.optim.transform import Transform, weights_of
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, OneToOne, Population, Projection, Topology
from bioneuro.training.batches import Batch
from feedforward.activations import Activation, activation_of, backward_kernel, forward_kernel
from feedforward.kernels import linear
from feedforward.losses import loss_for

Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Layer(NamedTuple):
    """A population that computes, what reaches it, and how."""

    population: Population
    incoming: tuple[Projection, ...]
    activation: Activation | None  # None: softmax


class Layers(NamedTuple):
    """What went through a network: h, a and emitted, each {population: (b, n)}.

    `outputs` are a = f(h) before, `emitted` after dead units were silenced; `inputs` are the h that activations keep.
    """

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    emitted: dict[str, np.ndarray]


class Network:
    """A topology made ready to compute: its layers in order, each with its activation.

    Raises `UnsupportedTopology` for cycles, for projections other than Dense and OneToOne, for units without an
    activation, and where there is not exactly one input and one output population.
    """

    def __init__(self, topology: Topology):
        self.topology = topology
        for role in ("input", "output"):
            found = [population.name for population in topology.by_role(role)]
            if len(found) != 1:
                raise UnsupportedTopology(
                    f"backprop needs one {role} population, {topology!r} has {len(found)}: {found}"
                )
        self.input, self.output = topology.by_role("input")[0], topology.by_role("output")[0]
        for projection in topology.projections:
            if not isinstance(projection, Dense | OneToOne) or projection.shared:
                raise UnsupportedTopology(
                    f"backprop runs Dense and OneToOne projections with a weight per synapse, not "
                    f"{type(projection).__name__} {projection.name!r}{' with one shared number' * projection.shared}"
                )
        self.layers = tuple(
            Layer(population, topology.incoming(population.name), activation_of(population))
            for population in topology.order()
            if population.role != "input"
        )
        for layer in self.layers:
            if not layer.incoming:
                raise UnsupportedTopology(
                    f"nothing reaches population {layer.population.name!r}; add a projection to it"
                )
        if topology.incoming(self.input.name):
            raise UnsupportedTopology(
                f"a projection ends on the input population {self.input.name!r}; inputs are given"
            )

    def forward(
        self,
        params: Parameters,
        X: np.ndarray,
        masks: Mapping[str, np.ndarray] | None = None,
        product: Product = matmul,
    ) -> Layers:
        """Everything that X, (b, n_input), does to the network.

        Parameters
        ----------
        masks : {population: (n,) or (b, n)} that multiply what its units emit: 0 for the dead, 1 / keep under dropout.
        product : how matrices are multiplied; `matmul`, the same bytes however a batch is split, for inference;
            `np.matmul`, which is faster, for training.
        """
        masks = masks or {}
        inputs, outputs, emitted = {}, {}, {}
        emitted[self.input.name] = _masked(X, masks.get(self.input.name))
        for population, incoming, activation in self.layers:
            h = None
            for projection in incoming:
                arriving = _through(projection, emitted[projection.pre], params, product)
                h = arriving if h is None else np.add(h, arriving, out=h)
            if population.bias:
                h += params[f"{population.name}.bias"]
            a = h
            if population is self.output or activation is None or activation.keeps_input:
                inputs[population.name] = h
                a = np.empty_like(h)
            if activation is None:
                softmax_rows(h, a)
            elif activation.value is not linear or a is not h:
                constants = constants_of(population, activation, params)
                forward_kernel(activation)(_matrix(h), _matrix(a), *h.shape, constants, 0)
            outputs[population.name] = a
            emitted[population.name] = _masked(a, masks.get(population.name))
        return Layers(inputs, outputs, emitted)

    def backward(
        self,
        params: Parameters,
        layers: Layers,
        delta: np.ndarray,
        closed: bool,
        gradient: Parameters,
        masks: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Add dL/dtheta to `gradient`; `delta`, (b, n_output), is dL/dz of the outputs where `closed`, else dL/da."""
        masks = masks or {}
        deltas = {self.output.name: delta}
        for population, incoming, activation in reversed(self.layers):
            name = population.name
            if name not in deltas:  # a dead end: no path to the output
                continue
            delta = deltas.pop(name)
            if name in masks:
                delta *= masks[name]
            if not (closed and population is self.output):
                _through_unit(population, activation, params, layers, delta, gradient)
            if population.bias:
                gradient[f"{name}.bias"] += delta.sum(axis=0)
            for projection in incoming:
                x = layers.emitted[projection.pre]
                if isinstance(projection, OneToOne):
                    gradient[projection.name] += (x * delta).sum(axis=0)
                else:
                    gradient[projection.name] += x.T @ delta
                if projection.pre != self.input.name:
                    back = _back(projection, delta, params)
                    known = deltas.get(projection.pre)
                    deltas[projection.pre] = back if known is None else np.add(known, back, out=known)


def _through_unit(
    population: Population,
    activation: Activation | None,
    params: Parameters,
    layers: Layers,
    delta: np.ndarray,
    gradient: Parameters,
) -> None:
    """delta <- dL/dz from dL/da; add to the gradient of what the units learn."""
    a = layers.outputs[population.name]
    if activation is None:  # the Jacobian of softmax, diag(a) - a a'
        delta -= (delta * a).sum(axis=1, keepdims=True)
        delta *= a
        return
    z = layers.inputs.get(population.name, a)
    learnt = gradient[f"{population.name}.{activation.constant}"] if activation.constant_slope else a[:0, 0]
    constants = constants_of(population, activation, params)
    backward_kernel(activation)(_matrix(delta), _matrix(z), _matrix(a), *a.shape, constants, 0, learnt, 0)


def _through(projection: Projection, x: np.ndarray, params: Parameters, product: Product) -> np.ndarray:
    weights = params[projection.name]
    return x * weights if isinstance(projection, OneToOne) else product(x, weights)


def _back(projection: Projection, delta: np.ndarray, params: Parameters) -> np.ndarray:
    weights = params[projection.name]
    return delta * weights if isinstance(projection, OneToOne) else delta @ weights.T


def _masked(x: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return x if mask is None else x * mask


def _matrix(array: np.ndarray) -> Matrix:
    return Matrix(array.reshape(-1), 0, array.shape[1], 1)


def constants_of(population: Population, activation: Activation, params: Parameters) -> np.ndarray:
    """What `activation` calls c, one number a unit: learnt, a constant of the unit type, or 0 where there is none."""
    name = activation.constant
    if name is None:
        return np.zeros(population.size, params.dtype)
    if name in population.unit.learns:
        return params[f"{population.name}.{name}"]
    return np.broadcast_to(getattr(population.unit, name), population.size).astype(params.dtype)


def alive_masks(topology: Topology, alive: np.ndarray, dtype) -> dict[str, np.ndarray]:
    """Masks of the populations that have dead units, {population: (n,) of 0 and 1}."""
    parts = {name: alive[where] for name, where in topology.unit_layout.items()}
    return {name: part.astype(dtype) for name, part in parts.items() if not part.all()}


class Backprop:
    """Gradient estimator: of the mean loss over a batch plus l2 |W|^2 (biases are free), by backpropagation.

    It returns the loss without the penalty, which `penalty` gives. With weights w of the rows the loss is
    sum w L / sum w.

    Parameters
    ----------
    network : `Network`.
    loss : name of a loss; "auto" goes by the output units.
    l2 : penalty on squared weights; its gradient is 2 l2 W.
    dropout : share in [0, 1) of the hidden units that are dead in a minibatch, or {population: share}. A lesion redrawn
        for each row; the living emit 1 / (1 - share) times their output, so that the mean stays (inverted dropout,
        Srivastava et al. 2014).
    """

    takes_weights = True

    def __init__(
        self, network: Network, loss: str = "auto", *, l2: float = 0.0, dropout: float | Mapping[str, float] = 0
    ):
        self.network = network
        self.loss = loss_for(loss, network.output.unit.name)
        self.l2 = check_number("l2", l2, low=0)
        if not isinstance(dropout, Mapping):
            dropout = {population.name: dropout for population in network.topology.by_role("hidden")}
        for name, share in dropout.items():
            choose("population to drop units of", name, network.topology.unit_layout)
            check_number(f"dropout of {name!r}", share, low=0, high=1, open_high=True)
            if share and name == network.output.name:
                raise InvalidInput(f"dropout of the output {name!r} would hide targets; drop inputs or hidden units")
        self.dropout = {name: share for name, share in dropout.items() if share > 0}

    def __call__(self, params: Parameters, batch: Batch, key: Key, step: int, out: Parameters) -> float:
        masks = self._drop(len(batch.X), key, step, params.dtype)
        layers = self.network.forward(params, batch.X, masks, np.matmul)
        name = self.network.output.name
        z, a = layers.inputs[name], layers.outputs[name]
        delta = np.empty_like(z)
        value = self.loss(z, a, batch.y, delta, batch.weights).sum() / _total(batch.weights, len(z))
        self.network.backward(params, layers, delta, self.loss.closed, out, masks)
        if self.l2:
            for where in weights_of(params):
                out.theta[where] += params.dtype.type(2 * self.l2) * params.theta[where]
        return float(value)

    def penalty(self, params: Parameters) -> float:
        """l2 |W|^2."""
        return self.l2 * sum(float(np.dot(params.theta[where], params.theta[where])) for where in weights_of(params))

    def program(self, params: Parameters, X, y, optimizer: Transform, batch_size: int, weights=None):
        """The training as a `Program`, which takes many steps in a compiled call; None where it cannot."""
        from feedforward.program import Program, reason_against

        plain = type(self).__call__ is Backprop.__call__
        if not plain or reason_against(self.network, optimizer, params) is not None:
            return None
        return Program(self, params, X, y, optimizer, min(batch_size, len(X)), weights=weights)

    def _drop(self, n_rows: int, key: Key, step: int, dtype) -> dict[str, np.ndarray]:
        masks = {}
        for name, share in self.dropout.items():
            draws = np.empty((n_rows, self.network.topology[name].size), np.float32)
            lives = fill_uniform(key.child("dropout").child(name), step, draws) >= np.float32(share)
            masks[name] = lives * dtype.type(1 / (1 - share))
        return masks

    def loss_of(self, params: Parameters, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Mean loss over rows without dropout and penalty, as validation takes it."""
        layers = self.network.forward(params, X, None, np.matmul)
        name = self.network.output.name
        z, a = layers.inputs[name], layers.outputs[name]
        return float(self.loss(z, a, y, np.empty_like(z), weights).sum() / _total(weights, len(z)))


def _total(weights: np.ndarray | None, rows: int) -> float:
    """What a weighted mean divides by; 1 where all weights are 0."""
    return rows if weights is None else float(weights.sum()) or 1.0
