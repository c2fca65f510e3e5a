"""Instruments: what goes on inside a network, trained or in training.

They take a fitted estimator, with X and y as its `fit` takes them, or `Parameters` (which know their topology), with
inputs (n, n_input) and targets (n, n_output) as the network itself sees them: as a callback of a training does. Dropout
is off; the dead units of a lesion stay dead. The figures that show what these functions return are in `bioneuro.viz`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bioneuro import memory
from bioneuro._jit.gemm import matmul
from bioneuro._jit.matrix import Matrix
from bioneuro.blas import one_blas_thread
from bioneuro.errors import InvalidInput, check_number
from bioneuro.parameters import Parameters
from bioneuro.sparse import all_finite, as_rows
from bioneuro.topology import Topology
from bioneuro.training.loop import Progress
from feedforward.activations import ACTIVATIONS, Activation, backward_kernel, forward_kernel
from feedforward.backprop import Backprop
from feedforward.network import Layer, Network, alive_masks, constants_of, through
from feedforward.normalisation import Normalised, scale_and_shift

_WIDE = np.linspace(-30.0, 30.0, 601)  # where the steepest place of a unit type is looked for


# -- layer by layer ----------------------------------------------------------------------------------------------------


def activity(model, X) -> dict[str, np.ndarray]:
    """What every population emits for the rows of X, {population: (n, units)}, from input to output."""
    opened = _open(model, X)
    emitted = opened.network.forward(opened.parameters, opened.inputs, opened.masks).emitted
    names = [opened.network.input.name, *(layer.population.name for layer in opened.network.layers)]
    return {name: emitted[name] for name in names}


def net_inputs(model, X) -> dict[str, np.ndarray]:
    """h = x W + b (normalised, where it is) of every population that computes, {population: (n, units)}: what its
    activation is given."""
    opened = _open(model, X)
    emitted = opened.network.forward(opened.parameters, opened.inputs, opened.masks).emitted
    found = {}
    for layer in opened.network.layers:
        name = layer.population.name
        found[name] = received(layer, emitted, opened.parameters)
        if layer.normalised:
            factor, shift = scale_and_shift(opened.parameters, layer.population)
            found[name] = found[name] * factor.astype(found[name].dtype) + shift.astype(found[name].dtype)
        elif layer.population.bias:
            found[name] += opened.parameters[f"{name}.bias"]
    return found


def received(layer: Layer, emitted: Mapping[str, np.ndarray], parameters: Parameters) -> np.ndarray:
    """The sum of x W over all that reaches a layer, (n, units), without its bias."""
    arriving = [through(p, emitted[p.pre], parameters, matmul) for p in layer.incoming]
    return np.sum(arriving, axis=0)


def gradients(model, X, y, *, loss: str = "auto") -> Parameters:
    """dL/dtheta of the mean loss over the rows, without penalties, as `Parameters`: `gradients(...)["input->hidden"]`.

    loss : for `Parameters`; an estimator has its own. Normalised populations are so by these rows, as in training.
    """
    opened = _open(model, X)
    return _gradient(opened, _targets(model, opened, y), _loss_of(model, loss))


def hessian(model, X, y, *, loss: str = "auto", step: float = 1e-5) -> np.ndarray:
    """d^2 L / dtheta^2 of the same loss, (n_parameters, n_parameters), symmetric, in float64.

    Column i is (g(theta + step e_i) - g(theta - step e_i)) / (2 step), g the gradient by backprop. The eigenvalues are
    curvatures: the largest over the smallest is the condition number, and where the gradient is 0, the number of
    negative ones is the index of the critical point, 0 at a minimum and more at a saddle (Dauphin et al. 2014).

    loss : as in `gradients`. step : > 0, in units of the weights; across a kink, curvatures are not what they seem.

    >>> net = Topology.mlp(1, 1, output="linear")
    >>> hessian(Parameters(net, np.zeros(2)), [[1.0], [3.0]], [[0.0], [0.0]]).round(6).tolist()
    [[5.0, 2.0], [2.0, 1.0]]
    """
    check_number("step", step, low=0, open_low=True)
    opened = _open(model, X)
    params = Parameters(opened.parameters.topology, opened.parameters.theta.astype(np.float64))
    masks = {name: mask.astype(np.float64) for name, mask in opened.masks.items()}
    opened = opened._replace(parameters=params, inputs=opened.inputs.astype(np.float64), masks=masks)
    targets, loss, n = _targets(model, opened, y), _loss_of(model, loss), params.theta.size
    memory.require({"the Hessian, twice": 16 * n**2}, f"the curvature of {n:,} parameters")
    columns = np.empty((n, n))
    with one_blas_thread():  # once: to look for the BLAS there is takes longer than a small gradient
        for i, column in enumerate(columns):
            here = params.theta[i]
            params.theta[i] = here + step
            column[:] = _gradient(opened, targets, loss).theta
            params.theta[i] = here - step
            column -= _gradient(opened, targets, loss).theta
            params.theta[i] = here
    return (columns + columns.T) / (4 * step)


def _loss_of(model, given: str):
    return given if isinstance(model, Parameters) else getattr(model, "loss", "auto")


def _gradient(opened: _Opened, targets: np.ndarray, loss) -> Parameters:
    targets = np.ascontiguousarray(targets, dtype=opened.parameters.dtype)
    if targets.shape != (len(opened.inputs), opened.network.output.size):
        raise InvalidInput(
            f"y must be {len(opened.inputs)} rows of {opened.network.output.size} targets, got shape {targets.shape}; "
            "class numbers become targets by np.eye(n_classes)[y]"
        )
    result = Parameters.zeros(opened.parameters.topology, opened.parameters.dtype)
    result.theta[...] = 0
    backprop = Backprop(opened.network, loss)
    layers = opened.network.forward(opened.parameters, opened.inputs, opened.masks, by_batch=True)
    name = opened.network.output.name
    delta = np.empty_like(layers.inputs[name])
    backprop.loss(layers.inputs[name], layers.outputs[name], targets, delta)
    with one_blas_thread():
        opened.network.backward(opened.parameters, layers, delta, backprop.loss.closed, result, opened.masks)
    return result


class Moments(NamedTuple):
    """Mean, standard deviation, and share of numbers that are exactly 0."""

    mean: float
    std: float
    zeros: float


def moments(layers: Mapping[str, np.ndarray]) -> dict[str, Moments]:
    """`Moments` of every layer, over its units and the rows; of `Parameters`, of every array they hold."""
    found = {}
    for name in layers:
        values = np.asarray(layers[name])
        mean, std = values.mean(dtype=np.float64), values.std(dtype=np.float64)
        found[name] = Moments(float(mean), float(std), float(np.mean(values == 0)))
    return found


# -- units -------------------------------------------------------------------------------------------------------------


class Condition(NamedTuple):
    """How the units of a population do.

    dead : (units,) bool, those that pass no error back on any row: f' = 0 everywhere on the data, or lesioned.
    saturated : (units,) share of the rows on which f' is near 0: both ends of a sigmoid, the silent side of a ReLU.
    """

    dead: np.ndarray
    saturated: np.ndarray


def condition(model, X, *, below: float = 0.05) -> dict[str, Condition]:
    """Dead and saturated units of every population whose units have a slope (a softmax has none of its own).

    below : f' below this share of the steepest slope of the unit type counts as near 0; .05 is |a| > .975 of a tanh.
    """
    below = check_number("below", below, low=0, high=1, open_low=True, open_high=True)
    parameters = getattr(model, "parameters_", model)
    found = {}
    for name, h in net_inputs(model, X).items():
        population = parameters.topology[name]
        activation = ACTIVATIONS.get(population.unit.name)  # without switches, which change the slope on purpose
        if activation is None:
            continue
        constants = constants_of(population, activation, parameters)
        slopes = _slopes(activation, h, constants)
        wide = np.repeat(_WIDE[:, None].astype(h.dtype), population.size, axis=1)
        steepest = _slopes(activation, wide, constants).max(axis=0)
        dead = ~slopes.any(axis=0)
        if not isinstance(model, Parameters):
            dead |= ~model.alive_[model.topology_.unit_layout[name]]
        found[name] = Condition(dead, np.mean(slopes < below * steepest, axis=0))
    return found


def _slopes(activation: Activation, h: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """|f'(h)|, by the kernel that carries errors back, given errors of 1."""
    kernel = backward_kernel(activation._replace(constant_slope=None))
    a, slopes = np.empty_like(h), np.ones_like(h)
    z, outputs, errors = (Matrix(values.reshape(-1), 0, values.shape[1], 1) for values in (h, a, slopes))
    forward_kernel(activation)(z, outputs, *h.shape, constants, 0)
    kernel(errors, z, outputs, *h.shape, constants, 0, a[:0, 0], 0)
    return np.abs(slopes)


# -- over time ---------------------------------------------------------------------------------------------------------


def distances(first: Parameters, parameters: Parameters) -> dict[str, float]:
    """|w - w_first| of every array that is learnt, and under "all" of all of them: how far learning has gone."""
    if first.topology.layout != parameters.topology.layout:
        raise InvalidInput(f"{parameters.topology!r} and {first.topology!r} lay their parameters out differently")
    return _lengths(parameters.topology, {key: parameters[key] - first[key] for key in parameters})


class WeightHistory:
    """A callback that keeps, after each epoch, the length of every array of weights and its distance from the first.

    A training that begins anew (its epochs start again) makes it forget the one before.

    Parameters
    ----------
    snapshots : keep theta itself too. most_bytes : memory for them, for two at least; when it is full, every second one
        is given up and from then on half as many are taken, so that they span the whole training evenly.

    Attributes
    ----------
    epochs : [0, 1, ...]; epoch 0 is what `begin` was given.
    norms, distances : {key: [number of each epoch]}, with "all" for all of them; distances are from the first
        parameters seen: those of `begin`, else those after the first epoch.
    snapshots : {epoch: theta}.

    >>> history = WeightHistory()
    >>> net = feedforward.NetworkClassifier((20,), epochs=3, callbacks=[history]).fit(X, y)  # doctest: +SKIP
    >>> history.norms["input->hidden"]  # doctest: +SKIP
    """

    def __init__(self, *, snapshots: bool = False, most_bytes: float = 100e6):
        self.keeps = bool(snapshots)
        self.most_bytes = check_number("most_bytes", most_bytes, low=0, open_low=True)
        self._clear()

    def _clear(self) -> None:
        self.epochs: list[int] = []
        self.norms: dict[str, list[float]] = {}
        self.distances: dict[str, list[float]] = {}
        self.snapshots: dict[int, np.ndarray] = {}
        self.first: Parameters | None = None
        self._stride = 1

    def begin(self, parameters: Parameters) -> None:
        """Forget everything, and take these as the first parameters."""
        self._clear()
        self._take(0, parameters)

    def __call__(self, progress: Progress) -> None:
        if self.epochs and progress.epoch <= self.epochs[-1]:  # another training has begun
            self._clear()
        self._take(progress.epoch, progress.parameters)

    def _take(self, epoch: int, parameters: Parameters) -> None:
        self.first = parameters.copy() if self.first is None else self.first
        self.epochs.append(epoch)
        lengths = _lengths(parameters.topology, parameters)
        for kept, found in ((self.norms, lengths), (self.distances, distances(self.first, parameters))):
            for key, value in found.items():
                kept.setdefault(key, []).append(value)
        if self.keeps and epoch % self._stride == 0:
            self._keep(epoch, parameters)

    def _keep(self, epoch: int, parameters: Parameters) -> None:
        most = max(2, int(self.most_bytes // parameters.nbytes))
        while len(self.snapshots) >= most and epoch % self._stride == 0:
            self._stride *= 2
            self.snapshots = {k: theta for k, theta in self.snapshots.items() if k % self._stride == 0}
        if epoch % self._stride == 0:
            self.snapshots[epoch] = parameters.theta.copy()


def _lengths(topology: Topology, arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Of each array and of all; running means and variances of normalised populations are no weights."""
    normalised = [population.name for population in topology.populations if isinstance(population.unit, Normalised)]
    running = {f"{name}.{statistic}" for name in normalised for statistic in ("mean", "variance")}
    parts = {key: float(np.linalg.norm(arrays[key].astype(np.float64))) for key in arrays if key not in running}
    return parts | {"all": math.hypot(*parts.values())}


# -- what is looked at -------------------------------------------------------------------------------------------------


class _Opened(NamedTuple):
    network: Network
    parameters: Parameters
    inputs: np.ndarray
    masks: dict[str, np.ndarray]


def _open(model, X) -> _Opened:
    """A network, its parameters, X as it sees them, and its dead units."""
    if isinstance(model, Parameters):
        network = Network(model.topology)
        X = as_rows(X, model.dtype)
        if X.ndim != 2 or X.shape[1] != network.input.size or not len(X) or not all_finite(X):
            raise InvalidInput(f"X must be finite rows (n, {network.input.size}), n >= 1, got shape {X.shape}")
        return _Opened(network, model, X, {})
    if not hasattr(model, "_inputs"):
        raise InvalidInput(f"instruments look into a fitted network or at Parameters, got {model!r}")
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model)
    masks = alive_masks(model.topology_, model.alive_, model.parameters_.dtype)
    return _Opened(Network(model.topology_), model.parameters_, model._inputs(model._check_X(X)), masks)


def _targets(model, opened: _Opened, y) -> np.ndarray:
    """Targets (n, n_output) from y as the estimator's `fit` takes it."""
    if isinstance(model, Parameters):
        return np.asarray(y)
    if not hasattr(model, "classes_"):
        return np.reshape(y, (len(opened.inputs), -1))
    return model._targets(model._numbers_of(y))
