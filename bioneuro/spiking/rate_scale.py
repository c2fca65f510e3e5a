"""The scale in which a rate network is written in spikes: how many hertz stand for which activity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bioneuro.errors import InvalidInput
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, OneToOne, Projection

WINNERS_MARGIN = 1 / 8  # of the span of logits, that lies below the lowest winner: winners must not be silent


class RateScale(NamedTuple):
    """How activities are written as rates: rate = highest (activity - silent) / largest, in Hz, one scale a population.

    Attributes
    ----------
    highest : {population: Hz}, the rate of the activity silent + largest.
    largest : {population: span of activities}.
    silent : {population: the activity whose rate is 0}.
    """

    highest: Mapping[str, float]
    largest: Mapping[str, float]
    silent: Mapping[str, float]

    def gain(self, population: str) -> float:
        """Hz per unit of activity."""
        return self.highest[population] / self.largest[population]

    def activities(self, population: str, rates: np.ndarray) -> np.ndarray:
        """The activities that rates in Hz stand for."""
        return self.silent[population] + np.asarray(rates) / self.gain(population)

    def rates(self, population: str, activities: np.ndarray) -> np.ndarray:
        """The rates in Hz that stand for activities; below `silent` there are none."""
        return np.maximum(0.0, self.gain(population) * (np.asarray(activities) - self.silent[population]))


def scale_of(parameters: Parameters, X: np.ndarray, rates: dict, input_rate: float, percentile: float) -> RateScale:
    """The scale that the activities on rows X, with the mean taken off, ask for; equations in `convert`."""
    topology = parameters.topology
    activities = activities_of(parameters, X)
    highest, largest, silent = {}, {}, {}
    for population in topology.populations:
        name = population.name
        silent[name] = 0.0
        if population.role == "input":
            highest[name], largest[name] = input_rate, 1.0
            continue
        highest[name] = rates[name]
        values = activities[name]
        top = float(np.percentile(values, percentile))
        if population.role == "output" and population.bias:  # only differences of logits count
            silent[name] = float(values.max(axis=1).min() - WINNERS_MARGIN * (top - values.min()))
        largest[name] = top - silent[name]
        if not largest[name] > 0:
            raise InvalidInput(
                f"population {name!r} has no activity above {silent[name]:g} on these {len(X)} rows, so there is no "
                "scale for its rates; give rows like those the network was trained on, or percentile=100"
            )
    return RateScale(highest, largest, silent)


def activities_of(parameters: Parameters, X: np.ndarray) -> dict[str, np.ndarray]:
    """Activities of ReLU populations and logits of outputs, (n, size) each, of rows with the mean taken off."""
    topology = parameters.topology
    found = {topology.by_role("input")[0].name: X}
    for population in topology.order():
        if population.role == "input":
            continue
        h = np.zeros((len(X), population.size))
        for projection in topology.incoming(population.name):
            h += found[projection.pre] @ matrix(parameters, projection)
        if population.bias:
            h += parameters[f"{population.name}.bias"]
        found[population.name] = h if population.role == "output" else np.maximum(h, 0.0)
    return found


def matrix(parameters: Parameters, projection: Projection):
    """W, such that h = x @ W."""
    from scipy.sparse import csr_array, diags_array

    weights = parameters[projection.name].astype(np.float64)
    if isinstance(projection, Dense):
        return weights
    if isinstance(projection, OneToOne):
        return diags_array(weights)
    edges = parameters.topology.edges(projection.name)
    shape = tuple(end.size for end in parameters.topology.ends(projection))
    return csr_array((weights, edges.post, edges.indptr), shape)
