"""Batch normalisation: populations whose inputs have mean 0 and variance 1 over each minibatch while they learn.

    z_hat = (z - mu) / sqrt(var + epsilon),   z' = gain z_hat + bias,   a = f(z')

with the mean mu and the biased variance var (1 / m) of each unit over the m rows of the minibatch; z is the sum of what
arrives, without a bias. Running means of mu and of the unbiased variance (1 / (m - 1)) take their place at inference.

It exists while a network is trained. `with_batch_norm` gives the topology to train: the same, but normalised units
learn a gain, a mean and a variance besides, so that optimisers, checkpoints and early stopping know of them. `fold`
writes what they learnt into the weights and biases of the network without: the same function of every input.

Source: Ioffe and Szegedy, Batch normalization (2015); rows of any weight count alike in mu and var.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from bioneuro.errors import InvalidInput, UnsupportedTopology, choose
from bioneuro.parameters import Parameters
from bioneuro.topology import Population, Topology
from bioneuro.topology.units import Normalised, Unit


def with_batch_norm(
    topology: Topology, populations: bool | str | Iterable[str] = True, *, momentum: float = 0.1, epsilon: float = 1e-5
) -> Topology:
    """The topology to train where the inputs of some populations are normalised.

    Parameters
    ----------
    populations : names; True: all hidden populations; False or none: the topology as it is.
    momentum, epsilon : as in `Normalised`.

    Raises
    ------
    UnsupportedTopology where `fold` could not give the network back: populations without bias, incoming projections
    that are tied or hold to a sign.

    >>> net = with_batch_norm(Topology.mlp(4, 3, 2))
    >>> [key for key in net.layout if key.startswith("hidden.")]
    ['hidden.bias', 'hidden.gain', 'hidden.mean', 'hidden.variance']
    """
    if isinstance(populations, bool):
        populations = [population.name for population in topology.by_role("hidden")] if populations else []
    if not isinstance(populations, Iterable):
        raise InvalidInput(f"batch normalisation is for True, False or names of populations, got {populations!r}")
    names = [populations] if isinstance(populations, str) else list(populations)
    if not names:
        return topology
    for name in names:
        choose("population to normalise", name, topology.unit_layout)
        _check(topology, topology[name])
    return _with_units(topology, {name: Normalised(topology[name].unit, momentum, epsilon) for name in names})


def _check(topology: Topology, population: Population) -> None:
    name = population.name
    if population.role == "input":
        raise UnsupportedTopology(
            f"{name!r} is an input, where nothing arrives to be normalised; standardise the data instead"
        )
    if isinstance(population.unit, Normalised):
        raise UnsupportedTopology(f"{name!r} is normalised already; start from the topology without")
    if not population.bias:
        raise UnsupportedTopology(
            f"{name!r} has no bias, which normalisation needs to shift by; use Population({name!r}, ..., bias=True)"
        )
    owners = {projection.tied_to for projection in topology.projections}
    for projection in topology.incoming(name):
        if projection.tied_to is not None or projection.name in owners:
            raise UnsupportedTopology(
                f"{projection.name!r}, which ends on {name!r}, shares its weights with another projection; the gain of "
                f"{name!r} would change both. Normalise other populations, or untie the projection"
            )
        if projection.sign:
            raise UnsupportedTopology(
                f"{projection.name!r}, which ends on {name!r}, must keep its sign, and a gain may be of either sign; "
                "normalise other populations, or use sign=0"
            )


def fold(parameters: Parameters) -> Parameters:
    """The network without normalisation that computes what this one does at inference.

    For each normalised population: W <- W gain / sqrt(variance + epsilon) for all that ends on it, and
    bias <- bias - mean gain / sqrt(variance + epsilon). The parameters given stay as they are, and are what is returned
    where nothing is normalised.
    """
    topology = parameters.topology
    units = {p.name: p.unit.unit for p in topology.populations if isinstance(p.unit, Normalised)}
    if not units:
        return parameters
    folded = Parameters.zeros(_with_units(topology, units), parameters.dtype).transfer_from(parameters)
    for name in units:
        factor, shift = scale_and_shift(parameters, topology[name])
        for projection in topology.incoming(name):
            folded[projection.name] = parameters[projection.name] * factor
        folded[f"{name}.bias"] = shift
    return folded


def scale_and_shift(parameters: Parameters, population: Population) -> tuple[np.ndarray, np.ndarray]:
    """float64 (n,) each: what inference multiplies z with, and what it adds then."""
    bias, gain, mean, variance = (
        parameters[f"{population.name}.{array}"].astype(np.float64) for array in ("bias", "gain", "mean", "variance")
    )
    factor = gain / np.sqrt(variance + population.unit.epsilon)
    return factor, bias - mean * factor


def check_rows(n_rows: int, batch_size: int) -> None:
    """Refuse batches of one row, which have no variance; the last batch of an epoch may be one."""
    batch_size = min(batch_size, n_rows)
    if batch_size > 1 and n_rows % batch_size != 1:
        return
    if n_rows < 2:
        raise InvalidInput(f"batch normalisation needs at least 2 rows, got {n_rows}")
    if batch_size == 1:
        raise InvalidInput(
            "batch normalisation needs batches of at least 2 rows, 16 or more to be good; got batch_size=1"
        )
    raise InvalidInput(
        f"{n_rows} rows in batches of {batch_size} leave one row for the last batch, and batch normalisation needs 2; "
        f"use batch_size={none_left_alone(n_rows, batch_size)}, or leave a row out"
    )


def none_left_alone(n_rows: int, batch_size: int) -> int:
    """The smallest size from `batch_size` (>= 2) on of batches of which the last does not hold one row; n_rows >= 2."""
    return next(size for size in range(batch_size, max(batch_size, n_rows) + 1) if n_rows % size != 1)


def _with_units(topology: Topology, units: dict[str, Unit]) -> Topology:
    changed = [replace(p, unit=units[p.name]) if p.name in units else p for p in topology.populations]
    return replace(topology, populations=changed)
