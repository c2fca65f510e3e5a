"""The feedforward engine: forward and backward through any acyclic topology.

Population by population in feedforward order: z = sum over projections of x_pre W (+ bias), a = f(z), and a dead unit
then emits 0. Errors run the other way: delta_pre += delta_post W^T, dL/dW += x_pre^T delta_post; where several
projections leave a population, as with skips and tied weights, their errors simply add up. In a topology made by
`normalisation.with_batch_norm`, z is normalised before the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from bioneuro._jit.gemm import matmul
from bioneuro._jit.keys import Key
from bioneuro._jit.matrix import Matrix
from bioneuro._jit.random import fill_normal, fill_uniform
from bioneuro._jit.rows import softmax_rows
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.optim.transform import Transform, weights_of
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, OneToOne, Population, Projection, Topology
from bioneuro.training.batches import Batch
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
from feedforward.losses import loss_for
from feedforward.normalisation import Normalised, check_rows, scale_and_shift

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


def through(projection: Projection, x: np.ndarray, params: Parameters, product: Product) -> np.ndarray:
    weights = params[projection.name]
    if isinstance(x, np.ndarray):
        return x * weights if isinstance(projection, OneToOne) else product(x, weights)
    return (x * weights).toarray() if isinstance(projection, OneToOne) else x @ weights


def _back(projection: Projection, delta: np.ndarray, params: Parameters) -> np.ndarray:
    weights = params[projection.name]
    return delta * weights if isinstance(projection, OneToOne) else delta @ weights.T


def _masked(x: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
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


class Backprop:
    """Gradient estimator: of the mean loss over a batch plus l2 |W|^2 (biases are free), by backpropagation.

    It returns the loss without the penalty, which `penalty` gives. With weights w of the rows the loss is
    sum w L / sum w; where the batch has a total of its own, the gradient is that of sum w L / total.

    Parameters
    ----------
    network : `Network`.
    loss : name of a loss; "auto" goes by the output units.
    l2 : penalty on squared weights; its gradient is 2 l2 W.
    dropout : share in [0, 1) of the hidden units that are dead in a minibatch, or {population: share}. A lesion redrawn
        for each row; the living emit 1 / (1 - share) times their output, so that the mean stays (inverted dropout,
        Srivastava et al. 2014).
    noise : standard deviation, >= 0, of Gaussian noise on the inputs, redrawn for each row and step; in their units.

    Where populations are normalised, a call also moves their running mean and variance in the parameters it is given;
    their gradient is 0, so that optimisers leave them alone.
    """

    takes_weights = True

    def __init__(
        self,
        network: Network,
        loss: str = "auto",
        *,
        l2: float = 0.0,
        dropout: float | Mapping[str, float] = 0,
        noise: float = 0.0,
    ):
        if not isinstance(network, Network):
            raise InvalidInput(f"backprop runs a Network, got {network!r}; make one of a topology, Network(topology)")
        self.network = network
        self.loss_name = loss
        self.loss = loss_for(loss, network.output.unit.name)
        self.l2 = check_number("l2", l2, low=0)
        self.noise = check_number("noise", noise, low=0, open_high=True)
        if not isinstance(dropout, Mapping):
            dropout = {population.name: dropout for population in network.topology.by_role("hidden")}
        self.dropout = {}
        for name, given in dropout.items():
            choose("population to drop units of", name, network.topology.unit_layout)
            share = check_number(f"dropout of {name!r}", given, low=0, high=1, open_high=True)
            if share and name == network.output.name:
                raise InvalidInput(f"dropout of the output {name!r} would hide targets; drop inputs or hidden units")
            if share:
                self.dropout[name] = share

    def identity(self) -> str:
        """What a run and its continuation have in common."""
        dropout = sorted(self.dropout.items())
        return f"{type(self).__name__}({self.loss_name!r}, l2={self.l2!r}, dropout={dropout}, noise={self.noise!r})"

    def __call__(self, params: Parameters, batch: Batch, key: Key, step: int, out: Parameters) -> float:
        self._check_parameters(params)
        self._check_data(batch.X, batch.y)
        if self._normalised:
            check_rows(len(batch.X), len(batch.X))
        masks, layers = self._forward(params, batch, key, step)
        name = self.network.output.name
        z, a = layers.inputs[name], layers.outputs[name]
        delta = np.empty_like(z)
        losses = self.loss(z, a, batch.y, delta, batch.weights, batch.total)
        self.network.backward(params, layers, delta, self.loss.closed, out, masks)
        if self.l2:
            for where in weights_of(params):
                out.theta[where] += params.dtype.type(2 * self.l2) * params.theta[where]
        for population in self._normalised:
            of_batch = layers.normal[population.name][1]
            follow(_own(params, population), _matrix(of_batch), population.size, population.unit.momentum)
        return float(losses.sum() / _total(batch.weights, len(z)))

    def _forward(self, params: Parameters, batch: Batch, key: Key, step: int) -> tuple[dict[str, np.ndarray], Layers]:
        """Masks and layers of a step of training."""
        masks = self._drop(len(batch.X), key, step, params.dtype)
        return masks, self.network.forward(params, self._jitter(batch.X, key, step), masks, np.matmul, by_batch=True)

    def first_not_finite(self, params: Parameters, batch: Batch, key: Key, step: int) -> str | None:
        """The first population of which something comes out that is not finite; None: the loss alone is not."""
        outputs = self._forward(params, batch, key, step)[1].outputs
        return next((name for name, a in outputs.items() if not np.all(np.isfinite(a))), None)

    def _check_parameters(self, params: Parameters) -> None:
        """Kernels read and write where the parameters of this network lie, whatever is there."""
        given, own = params.topology, self.network.topology
        if given is not own and given.layout != own.layout:
            raise InvalidInput(
                f"parameters of {given!r} are not those of the network, {own!r}; make Backprop(Network(topology)) with "
                "the topology of the parameters"
            )

    def _check_data(self, X: np.ndarray, y: np.ndarray) -> None:
        """Kernels read as far as the network is wide, whatever is there."""
        for name, values, population in (("X", X, self.network.input), ("y", y, self.network.output)):
            if np.shape(values) != (len(X), population.size):
                raise InvalidInput(
                    f"{name} must have shape ({len(X)}, {population.size}), a number for each unit of "
                    f"{population.name!r}, got {np.shape(values)}"
                    + ("; class numbers become targets by np.eye(n_classes)[y]" if np.ndim(values) == 1 else "")
                )

    def penalty(self, params: Parameters) -> float:
        """l2 |W|^2."""
        return self.l2 * sum(float(np.dot(params.theta[where], params.theta[where])) for where in weights_of(params))

    def program(
        self, params: Parameters, X, y, optimizer: Transform, batch_size: int, weights=None, weight_of_row=None
    ):
        """The training as a `Program`, which takes many steps in a compiled call; None where it cannot."""
        from feedforward.program import Program, reason_against

        self._check_parameters(params)
        self._check_data(X, y)
        if self._normalised:
            check_rows(len(X), batch_size)
        if self._goes_by_itself(X) or reason_against(self.network, optimizer, params) is not None:
            return None
        options = {"weights": weights, "weight_of_row": weight_of_row}
        return Program(self, params, X, y, optimizer, min(batch_size, len(X)), **options)

    def program_of_many(
        self, params: Parameters, X, y, optimizer: Transform, batch_size: int, n_members: int, n_rows: int, weights=None
    ):
        """The same for networks that are trained together, each on `n_rows` of the rows."""
        from feedforward.program import reason_against
        from feedforward.together import Together

        self._check_parameters(params)
        self._check_data(X, y)
        if self._normalised:
            check_rows(n_rows, batch_size)
        if self._goes_by_itself(X) or reason_against(self.network, optimizer, params) is not None:
            return None
        return Together(self, params, X, y, optimizer, min(batch_size, n_rows), n_members, n_rows, weights=weights)

    def _goes_by_itself(self, X) -> bool:
        """Whether a subclass computes the gradient in a way of its own, or sparse rows do not go entry by entry."""
        by_entries = isinstance(X, np.ndarray) or not self.needs_every_input
        return not by_entries or type(self).__call__ is not Backprop.__call__

    @property
    def needs_every_input(self) -> bool:
        """Whether inputs of 0 count as others do: under noise and dropout of inputs, and where one-to-one projections
        leave them."""
        name = self.network.input.name
        one_to_one = [p for p in self.network.topology.projections if isinstance(p, OneToOne) and p.pre == name]
        return self.noise > 0 or name in self.dropout or bool(one_to_one)

    @property
    def _normalised(self) -> list[Population]:
        return [layer.population for layer in self.network.layers if layer.normalised]

    def _jitter(self, X: np.ndarray, key: Key, step: int) -> np.ndarray:
        if not self.noise:
            return X
        draws = np.empty(X.shape, X.dtype)
        fill_normal(key.child("noise").child(self.network.input.name), step, draws)
        return X + X.dtype.type(self.noise) * draws

    def _drop(self, n_rows: int, key: Key, step: int, dtype) -> dict[str, np.ndarray]:
        masks = {}
        for name, share in self.dropout.items():
            draws = np.empty((n_rows, self.network.topology[name].size), np.float32)
            lives = fill_uniform(key.child("dropout").child(name), step, draws) >= np.float32(share)
            masks[name] = lives * dtype.type(1 / (1 - share))
        return masks

    def loss_of(self, params: Parameters, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Mean loss over rows without dropout and penalty, as validation takes it."""
        return float(self.losses_of(params, X, y, weights).sum() / _total(weights, len(X)))

    def losses_of(self, params: Parameters, X: np.ndarray, y: np.ndarray, weights=None) -> np.ndarray:
        """(n,) the same of each row, times its weight."""
        self._check_parameters(params)
        layers = self.network.forward(params, X, None, np.matmul)
        name = self.network.output.name
        z, a = layers.inputs[name], layers.outputs[name]
        return self.loss(z, a, y, np.empty_like(z), weights)


def _total(weights: np.ndarray | None, rows: int) -> float:
    """What a weighted mean divides by; 1 where all weights are 0."""
    return rows if weights is None else float(weights.sum()) or 1.0
