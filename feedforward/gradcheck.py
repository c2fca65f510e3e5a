"""Is the gradient right? Backprop beside central differences."""

from __future__ import annotations

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, check_number
from bioneuro.initializers import initialise
from bioneuro.parameters import Parameters
from bioneuro.sparse import as_rows
from bioneuro.topology import Topology
from bioneuro.training.batches import Batch
from bioneuro.training.checks import check_weights
from feedforward.backprop import Backprop
from feedforward.losses import Huber
from feedforward.network import Network
from feedforward.normalisation import with_batch_norm

_ROUNDING = 1e-7  # relative errors that rounding alone may make of central differences


def numerical_gradient(loss, theta: np.ndarray, step: float = 6e-6) -> np.ndarray:
    """(f(theta + step e_i) - f(theta - step e_i)) / (2 step) for each i; theta is as before at the end.

    The truncation error step^2 f''' / 6 and the rounding error eps f / step meet near step = eps^(1/3).
    """
    slope = np.empty_like(theta)
    for i in range(theta.size):
        here = theta[i]
        theta[i] = here + step
        above = loss()
        theta[i] = here - step
        slope[i] = (above - loss()) / (2 * step)
        theta[i] = here
    return slope


def numerical_slopes(loss, theta: np.ndarray, directions: np.ndarray, step: float = 6e-6) -> np.ndarray:
    """The same along each direction d, (k, n_parameters): (f(theta + step d) - f(theta - step d)) / (2 step)."""
    slopes, here = np.empty(len(directions)), theta.copy()
    for k, direction in enumerate(directions):
        theta[...] = here + step * direction
        above = loss()
        theta[...] = here - step * direction
        slopes[k] = (above - loss()) / (2 * step)
    theta[...] = here
    return slopes


def sharper_slope(loss, theta: np.ndarray, direction: np.ndarray, step: float = 2e-4) -> float:
    """The slope along one direction by four values, [8 (f(h) - f(-h)) - (f(2 h) - f(-2 h))] / (12 h), h = step.

    The error is of the order h^4, so that h may be large and rounding small; but a kink is sooner met.
    """
    near, far = (numerical_slopes(loss, theta, direction[None], size)[0] for size in (step, 2 * step))
    return (4 * near - far) / 3


def check_gradient(
    topology: Topology,
    X=None,
    y=None,
    *,
    loss: str | Huber = "auto",
    l2: float = 0.0,
    dropout=0.0,
    noise: float = 0.0,
    flip: float = 0.0,
    mask: float = 0.0,
    weights=None,
    batch_norm=(),
    parameters: Parameters | None = None,
    directions: int | None = None,
    random_state=0,
) -> float:
    """Largest relative error of backprop on a network, in float64: max |g - n| / max(|g|, |n|, 1e-3 max |n|).

    n are central differences; where rounding may be what they differ by, of a higher order, if these are closer to g.
    Below 1e-6 the gradient is right (away from kinks: a ReLU within 1e-5 of zero has two slopes).

    Parameters
    ----------
    topology : any that backprop runs; each parameter costs two passes, unless there are `directions`.
    X, y : (b, n_input), X sparse or not, and (b, n_output); 5 random rows unless given.
    loss, l2, dropout, noise, flip, mask : as in `Backprop`; what is drawn is the same in every pass.
    weights : (b,) >= 0, how much each row counts; all the same unless given.
    batch_norm : populations to be normalised, as in `with_batch_norm`; their gains are checked too.
    parameters : where to check; random unless given.
    directions : compare slopes along so many random directions instead of along every parameter.

    >>> check_gradient(Topology.mlp(4, 5, 3, skip=[("input", "output")])) < 1e-6
    True
    """
    topology = with_batch_norm(topology, batch_norm)
    network = Network(topology)
    generator = Key.from_seed(0).child("gradient check").generator()
    draw = generator.random if flip or mask else generator.normal  # in [0, 1]
    X = draw(size=(5, network.input.size)) if X is None else as_rows(X, np.float64)
    y = generator.random((len(X), network.output.size)) if y is None else np.asarray(y, dtype=np.float64)
    for name, given, size in (("X", X, network.input.size), ("y", y, network.output.size)):
        if given.shape != (len(X), size):
            raise InvalidInput(f"{name} must have shape ({len(X)}, {size}), got {given.shape}")
    if parameters is None:
        parameters = initialise(topology, random_state=random_state, dtype="float64")
        parameters.theta[...] += 0.1 * generator.normal(size=parameters.theta.size)  # no bias at a kink
    if parameters.dtype != np.float64:
        raise InvalidInput(f"central differences need float64 parameters, got {parameters.dtype}")
    params = Parameters.zeros(topology, "float64").transfer_from(parameters)
    estimator = Backprop(network, loss, l2=l2, dropout=dropout, noise=noise, flip=flip, mask=mask)
    weights = None if weights is None else np.asarray(weights, dtype=np.float64)
    batch, key = Batch(X, y, np.arange(len(X)), check_weights(weights, estimator, X)), Key.from_seed(1)
    analytic = Parameters.zeros(topology, "float64")
    analytic.theta[...] = 0
    estimator(params, batch, key, 0, analytic)
    unused = Parameters.zeros(topology, "float64")

    def value() -> float:
        return estimator(params, batch, key, 0, unused) + estimator.penalty(params)

    size = params.theta.size
    if directions is None:
        found, numerical = analytic.theta, numerical_gradient(value, params.theta)
    else:
        check_number("directions", directions, low=1, integer=True)
        along = generator.normal(size=(directions, size)) / np.sqrt(size)
        found, numerical = along @ analytic.theta, numerical_slopes(value, params.theta, along)
    scale = np.maximum(np.abs(found), np.abs(numerical))
    scale = np.maximum(scale, max(1e-3 * scale.max(), 1e-12))
    errors = np.abs(found - numerical) / scale
    for k in np.flatnonzero(errors > _ROUNDING):
        direction = along[k] if directions is not None else (np.arange(size) == k).astype(float)
        closer = np.abs(found[k] - sharper_slope(value, params.theta, direction)) / scale[k]
        errors[k] = min(errors[k], closer)
    return float(errors.max())
