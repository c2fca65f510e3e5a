"""Is the gradient right? Backprop beside central differences."""

from __future__ import annotations

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput
from bioneuro.initializers import initialise
from bioneuro.parameters import Parameters
from bioneuro.topology import Topology
from bioneuro.training.batches import Batch
from feedforward.network import Backprop, Network
from feedforward.normalisation import with_batch_norm


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


def check_gradient(
    topology: Topology,
    X=None,
    y=None,
    *,
    loss: str = "auto",
    l2: float = 0.0,
    dropout=0.0,
    batch_norm=(),
    parameters: Parameters | None = None,
    random_state=0,
) -> float:
    """Largest relative error of backprop on a network, in float64: max |g - n| / max(|g|, |n|, 1e-3 max |n|).

    Below 1e-6 the gradient is right (away from kinks: a ReLU within 1e-5 of zero has two slopes).

    Parameters
    ----------
    topology : any that backprop runs; keep it small, each parameter costs two passes.
    X, y : (b, n_input), (b, n_output); 5 random rows unless given.
    loss, l2, dropout : as in `Backprop`; dropout draws the same units in every pass.
    batch_norm : populations to be normalised, as in `with_batch_norm`; their gains are checked too.
    parameters : where to check; random unless given.

    >>> check_gradient(Topology.mlp(4, 5, 3, skip=[("input", "output")])) < 1e-6
    True
    """
    topology = with_batch_norm(topology, batch_norm)
    network = Network(topology)
    generator = Key.from_seed(0).child("gradient check").generator()
    X = generator.normal(size=(5, network.input.size)) if X is None else np.asarray(X, dtype=np.float64)
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
    estimator = Backprop(network, loss, l2=l2, dropout=dropout)
    batch, key = Batch(X, y, np.arange(len(X))), Key.from_seed(1)
    analytic = Parameters.zeros(topology, "float64")
    analytic.theta[...] = 0
    estimator(params, batch, key, 0, analytic)
    unused = Parameters.zeros(topology, "float64")
    numerical = numerical_gradient(
        lambda: estimator(params, batch, key, 0, unused) + estimator.penalty(params), params.theta
    )
    scale = np.maximum(np.abs(analytic.theta), np.abs(numerical))
    return float(np.max(np.abs(analytic.theta - numerical) / np.maximum(scale, max(1e-3 * scale.max(), 1e-12))))
