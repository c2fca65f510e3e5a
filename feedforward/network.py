"""The feedforward engine: forward and backward through any acyclic topology.

Population by population in feedforward order: z = sum over projections of x_pre W (+ bias), a = f(z), and a dead unit
then emits 0. Errors run the other way: delta_pre += delta_post W^T, dL/dW += x_pre^T delta_post; where several
projections leave a population, as with skips and tied weights, their errors simply add up. In a topology made by
`normalisation.with_batch_norm`, z is normalised before the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bioneuro._jit.gemm import matmul
from bioneuro._jit.matrix import Matrix
from bioneuro._jit.rows import softmax_rows
from bioneuro.errors import InvalidInput, UnsupportedTopology
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, OneToOne, Population, Projection, Topology
from feedforward.activations import Activation, activation_of, backward_kernel, forward_kernel
from feedforward.batch_kernels import (
    BATCH_MEAN,
    BATCH_VARIANCE,
    GAIN_GRADIENT,
    N_BATCH,
    SHIFT_GRADIENT,
    follow,
    normalise,
    normalise_back,
)
from feedforward.kernels import linear
from feedforward.normalisation import Normalised, scale_and_shift

if TYPE_CHECKING:
    from bioneuro.sparse import SparseRows

Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Layer(NamedTuple):
    """A population that computes, what reaches it, and how."""

    population: Population
    incoming: tuple[Projection, ...]
    activation: Activation | None  # None: softmax

    @property
    def normalised(self) -> bool:
        """Whether what reaches it is normalised."""
        return isinstance(self.population.unit, Normalised)


class Layers(NamedTuple):
    """What went through a network: z, a and emitted, each {population: (b, n)}.

    `outputs` are a = f(z) before, `emitted` after dead units were silenced; `inputs` are the z that activations keep.
    `normal` are z_hat and what else the way back through a normalisation by the batch needs, (N_BATCH, n).
    """

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    emitted: dict[str, np.ndarray]
    normal: dict[str, tuple[np.ndarray, np.ndarray]]


class Network:
    """A topology made ready to compute: its layers in order, each with its activation.

    Raises `UnsupportedTopology` for cycles, for projections other than Dense and OneToOne, for units without an
    activation, and where there is not exactly one input and one output population.
    """

    def __init__(self, topology: Topology):
        if not isinstance(topology, Topology):
            raise InvalidInput(
                f"backprop runs a Topology, got {topology!r}; Parameters have one as topology, and an estimator as "
                "topology_ once fitted"
            )
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
        by_batch: bool = False,
    ) -> Layers:
        """Everything that X, (b, n_input), does to the network.

        Parameters
        ----------
        X : an array, or `SparseRows`, whose products with weights are SciPy's, each row by itself as well.
        masks : {population: (n,) or (b, n)} that multiply what its units emit: 0 for the dead, 1 / keep under dropout.
        product : how matrices are multiplied; `matmul`, the same bytes however a batch is split, for inference;
            `np.matmul`, which is faster, for training.
        by_batch : normalise by the mean and variance of these rows, as in training, not by the running ones.
        """
        masks = masks or {}
        inputs, outputs, emitted, normal = {}, {}, {}, {}
        emitted[self.input.name] = _masked(X, masks.get(self.input.name))
        for layer in self.layers:
            population, incoming, activation = layer
            z = None
            for projection in incoming:
                arriving = through(projection, emitted[projection.pre], params, product)
                z = arriving if z is None else np.add(z, arriving, out=z)
            if layer.normalised and by_batch:
                normal[population.name] = z_hat, batch = z, np.zeros((N_BATCH, population.size), z.dtype)
                z = np.empty_like(z)
                own = _own(params, population)
                normalise(_matrix(z_hat), _matrix(z), own, _matrix(batch), *z.shape, population.unit.epsilon)
            elif layer.normalised:
                factor, shift = scale_and_shift(params, population)
                z = z * factor.astype(z.dtype) + shift.astype(z.dtype)
            elif population.bias:
                z += params[f"{population.name}.bias"]
            a = z
            if population is self.output or activation is None or activation.keeps_input:
                inputs[population.name] = z
                a = np.empty_like(z)
            if activation is None:
                softmax_rows(z, a)
            elif activation.value is not linear or a is not z:
                constants = constants_of(population, activation, params)
                forward_kernel(activation)(_matrix(z), _matrix(a), *z.shape, constants, 0)
            outputs[population.name] = a
            emitted[population.name] = _masked(a, masks.get(population.name))
        return Layers(inputs, outputs, emitted, normal)

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
        for layer in reversed(self.layers):
            population, incoming, activation = layer
            name = population.name
            if name not in deltas:  # a dead end: no path to the output
                continue
            delta = deltas.pop(name)
            if name in masks:
                delta *= masks[name]
            if not (closed and population is self.output):
                _through_unit(population, activation, params, layers, delta, gradient)
            if layer.normalised:
                _through_normalisation(population, params, layers, delta, gradient)
            elif population.bias:
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

    def follow(self, params: Parameters, layers: Layers) -> None:
        """Move the running mean and variance of normalised populations towards those of the batch that went through."""
        for name, (_, batch) in layers.normal.items():
            population = self.topology[name]
            follow(_own(params, population), _matrix(batch), population.size, population.unit.momentum)

    def settle(self, params: Parameters, X: np.ndarray) -> Parameters:
        """A copy in which the mean and variance of normalised populations are those over all rows of X, (n, n_input).

        For trainings without minibatches, whose running statistics go nowhere.
        """
        settled = params.copy()
        for name, (_, batch) in self.forward(params, X, None, np.matmul, by_batch=True).normal.items():
            settled[f"{name}.mean"], settled[f"{name}.variance"] = batch[BATCH_MEAN], batch[BATCH_VARIANCE]
        return settled


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


def _through_normalisation(
    population: Population, params: Parameters, layers: Layers, delta: np.ndarray, gradient: Parameters
) -> None:
    """delta <- dL/dz of the z that arrived; add to the gradients of bias and gain."""
    z_hat, batch = layers.normal[population.name]
    normalise_back(_matrix(delta), _matrix(z_hat), _own(params, population), _matrix(batch), *delta.shape)
    gradient[f"{population.name}.bias"] += batch[SHIFT_GRADIENT]
    gradient[f"{population.name}.gain"] += batch[GAIN_GRADIENT]


def through(projection: Projection, x: np.ndarray | SparseRows, params: Parameters, product: Product) -> np.ndarray:
    weights = params[projection.name]
    if isinstance(x, np.ndarray):
        return x * weights if isinstance(projection, OneToOne) else product(x, weights)
    return (x * weights).toarray() if isinstance(projection, OneToOne) else x @ weights


def _back(projection: Projection, delta: np.ndarray, params: Parameters) -> np.ndarray:
    weights = params[projection.name]
    return delta * weights if isinstance(projection, OneToOne) else delta @ weights.T


def _masked(x: np.ndarray | SparseRows, mask: np.ndarray | None) -> np.ndarray | SparseRows:
    if mask is None:
        return x
    return x * mask if isinstance(x, np.ndarray) else (x * mask).tocsr()


def _matrix(array: np.ndarray) -> Matrix:
    return Matrix(array.reshape(-1), 0, array.shape[1], 1)


def _own(params: Parameters, population: Population) -> Matrix:
    """What a normalised population learns: bias, gain, mean and variance follow one another in theta."""
    return Matrix(params.theta, params.topology.layout[f"{population.name}.bias"].where.start, population.size, 1)


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
