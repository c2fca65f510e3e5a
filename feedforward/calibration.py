"""Calibration: first weights that look at data, run through the network layer by layer.

Both schemes take parameters that were drawn and return new ones. A layer is a population with all that reaches it;
weights that several projections share are set where they are first used, and stay as they are in later layers. Layers
that are normalised by the batch are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bioneuro._jit.keys import Key, seed_from
from bioneuro.blas import one_blas_thread
from bioneuro.errors import InvalidInput, check_number
from bioneuro.initializers import initialise
from bioneuro.parameters import Parameters
from bioneuro.sparse import as_rows
from bioneuro.topology import Topology
from feedforward.instruments import received
from feedforward.network import Layer, Network

ROWS = 1000  # as many are enough for means and variances
HOMOGENEOUS = ("linear", "relu", "leaky_relu", "prelu")  # f(c z) = c f(z) for c > 0; bipolar ones as well


def lsuv(parameters: Parameters, X: np.ndarray, *, tolerance: float = 0.1, most: int = 10) -> Parameters:
    """Layer by layer: W <- W / sd(x W), until the variance of what reaches the layer is 1 (layer-sequential unit
    variance).

    The variance is over all units and rows, without the biases, which stay as they are.

    Parameters
    ----------
    parameters : where to begin; orthogonal ones in the paper.
    X : (n, n_input), a batch as the network will see it; sparse matrices too.
    tolerance : how far from 1 a variance may stay. most : so many divisions a layer.

    Raises `InvalidInput` where nothing varies that reaches a layer.
    Source: Mishkin and Matas, All you need is a good init (2016), algorithm 1.
    """
    tolerance = check_number("tolerance", tolerance, low=0, open_low=True)
    most = check_number("most", most, low=1, integer=True)
    network, parameters, X = _start(parameters, X)
    for layer, own in _layers(network):
        for _ in range(most if own else 0):
            variance = _received(network, layer, parameters, X).var()
            if abs(variance - 1) < tolerance:
                break
            for name in own:
                parameters[name] /= _spread(layer, np.sqrt(variance))
    return parameters


def data_dependent(parameters: Parameters, X: np.ndarray, *, balance: bool = True) -> Parameters:
    """Unit by unit: w <- w / sd(x w), b <- b - mean(x w) / sd(x w); then all projections at one pace.

    What reaches a unit has, before they are brought to one pace, a standard deviation of 1, and as its mean the bias
    that the unit had.

    Parameters
    ----------
    parameters : where to begin; the scale does not matter.
    X : (n, n_input), rows as the network will see them; sparse matrices too.
    balance : rescale layers by factors that leave the output as it is, so that the root mean square of dL/dW over that
        of W becomes the same for all projections, where errors at the output are N(0, 1). Only where all hidden units
        are homogeneous, f(c z) = c f(z) for c > 0, and no weights are shared; with skips, as nearly as factors can.

    Units that nothing varying reaches keep their weights. Raises `InvalidInput` where that is a whole layer.
    Source: Krähenbühl, Doersch, Donahue and Darrell, Data-dependent initializations of convolutional neural networks
    (2016), algorithms 1 and 2.
    """
    network, parameters, X = _start(parameters, X)
    for layer, own in _layers(network):
        h = _received(network, layer, parameters, X)
        spread = h.std(axis=0, dtype=np.float64)
        _spread(layer, spread.max())
        spread = np.where((spread > 1e-6 * spread.max()) & bool(own), spread, 1)
        for name in own:
            parameters[name] /= spread
        if layer.population.bias:
            parameters[f"{layer.population.name}.bias"] -= h.mean(axis=0, dtype=np.float64) / spread
    if balance and _can_be_balanced(network):
        _balance(network, parameters, X)
    return parameters


# scheme -> (what it does to parameters, how those are drawn)
CALIBRATIONS: dict[str, tuple[Callable[[Parameters, np.ndarray], Parameters], str]] = {
    "lsuv": (lsuv, "orthogonal"),
    "data-dependent": (data_dependent, "auto"),
}


def first_parameters(
    topology: Topology, initializer, X: np.ndarray, *, bias=0.0, random_state=0, dtype="float32"
) -> Parameters:
    """First parameters by a scheme of `bioneuro.initializers.initialise`, or by "lsuv" or "data-dependent".

    Parameters
    ----------
    X : (n, n_input) as the network will see it; of more than 1,000 rows, so many are drawn.
    initializer, bias, random_state, dtype : as in `initialise`.
    """
    key = random_state if isinstance(random_state, Key) else Key.from_seed(seed_from(random_state))
    scheme = initializer if isinstance(initializer, str) else None
    calibrate, drawn = CALIBRATIONS.get(scheme, (None, initializer))
    parameters = initialise(topology, drawn, bias=bias, random_state=key, dtype=dtype)
    if calibrate is None:
        return parameters
    if len(X) > ROWS:
        X = X[np.sort(key.child("calibration").generator().choice(len(X), ROWS, replace=False))]
    return calibrate(parameters, X)


class _Own(NamedTuple):
    """A layer, and the projections whose weights are first used there."""

    layer: Layer
    projections: tuple[str, ...]


def _start(parameters: Parameters, X: np.ndarray) -> tuple[Network, Parameters, np.ndarray]:
    network = Network(parameters.topology)
    X = as_rows(X, parameters.dtype)
    if X.ndim != 2 or X.shape[1] != network.input.size or len(X) < 2:
        raise InvalidInput(
            f"weights are calibrated on rows (n, {network.input.size}), n >= 2, as the network sees them; "
            f"got shape {X.shape}"
        )
    return network, parameters.copy(), X


def _layers(network: Network) -> list[_Own]:
    seen, found = set(), []
    for layer in network.layers:
        if layer.normalised:
            continue
        users = {projection.tied_to or projection.name: projection.name for projection in layer.incoming}
        found.append(_Own(layer, tuple(user for weights, user in users.items() if weights not in seen)))
        seen |= users.keys()
    return found


def _received(network: Network, layer: Layer, parameters: Parameters, X: np.ndarray) -> np.ndarray:
    return received(layer, network.forward(parameters, X).emitted, parameters)


def _spread(layer: Layer, value: float) -> float:
    """`value`, refused where it is 0 or not finite."""
    if not 0 < value < np.inf:
        raise InvalidInput(
            f"what reaches population {layer.population.name!r} has a standard deviation of {value:g} over its units "
            "and rows; weights are calibrated from random ones, on data that vary"
        )
    return value


# -- between layers ----------------------------------------------------------------------------------------------------


def _can_be_balanced(network: Network) -> bool:
    hidden = (layer.population for layer in network.layers if layer.population is not network.output)
    units = {population.unit.name.removeprefix("bipolar_") for population in hidden}
    if any(layer.normalised for layer in network.layers):
        return False
    return units <= set(HOMOGENEOUS) and not any(projection.tied_to for projection in network.topology.projections)


def _balance(network: Network, parameters: Parameters, X: np.ndarray) -> None:
    """Let each hidden population h emit c_h times as much; c of input and output is 1.

    Projections a->b are scaled by s = c_b / c_a, their ratio of gradient to weights by 1 / s^2; the logarithms of c are
    those that bring the logarithms of the ratios nearest to each other (exactly together, where there is no skip).
    """
    gradient = _gradient_of_noise(network, parameters, X)
    projections = [projection for layer in network.layers for projection in layer.incoming]
    ratios = np.array([_size(gradient[p.name]) / max(_size(parameters[p.name]), 1e-300) for p in projections])
    used = ratios > 0  # dead ends have none
    hidden = [layer.population.name for layer in network.layers if layer.population is not network.output]
    columns = {name: k for k, name in enumerate(hidden)}
    matrix = np.zeros((len(projections), len(hidden) + 1))
    matrix[:, -1] = 1  # the logarithm of the ratio that all come near
    for row, projection in zip(matrix, projections, strict=True):
        for end, sign in ((projection.post, 2), (projection.pre, -2)):
            if end in columns:
                row[columns[end]] += sign
    logs = np.linalg.lstsq(matrix[used], np.log(ratios[used]), rcond=None)[0][:-1]
    scale = dict(zip(hidden, np.exp(logs), strict=True))
    for projection in projections:
        parameters[projection.name] *= scale.get(projection.post, 1.0) / scale.get(projection.pre, 1.0)
    for name in hidden:
        if network.topology[name].bias:
            parameters[f"{name}.bias"] *= scale[name]


def _gradient_of_noise(network: Network, parameters: Parameters, X: np.ndarray) -> Parameters:
    errors = Key.from_seed(0).child("errors at the output").generator()
    errors = errors.normal(size=(len(X), network.output.size)).astype(parameters.dtype)
    gradient = Parameters.zeros(parameters.topology, parameters.dtype)
    gradient.theta[...] = 0
    layers = network.forward(parameters, X)
    with one_blas_thread():
        network.backward(parameters, layers, errors, True, gradient)
    return gradient


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
