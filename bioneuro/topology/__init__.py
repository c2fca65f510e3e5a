"""The one topology that every engine shares: populations, projections, units, lesions."""

from bioneuro.topology.adjacency import Adjacency
from bioneuro.topology.lesion import Lesion
from bioneuro.topology.population import Population
from bioneuro.topology.projections import Conv2D, Dense, OneToOne, Pool2D, Projection, Sparse
from bioneuro.topology.sparse_rules import Edges, FixedInDegree, FixedOutDegree, FixedProbability, Rule, SmallWorld
from bioneuro.topology.topology import Block, Topology
from bioneuro.topology.units import (
    LIF,
    UNITS,
    Bernoulli,
    Gaussian,
    Linear,
    PReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Spin,
    Tanh,
    Unit,
    as_unit,
)

__all__ = [
    "LIF",
    "UNITS",
    "Adjacency",
    "Bernoulli",
    "Block",
    "Conv2D",
    "Dense",
    "Edges",
    "FixedInDegree",
    "FixedOutDegree",
    "FixedProbability",
    "Gaussian",
    "Lesion",
    "Linear",
    "OneToOne",
    "PReLU",
    "Pool2D",
    "Population",
    "Projection",
    "ReLU",
    "Rule",
    "Sigmoid",
    "SmallWorld",
    "Softmax",
    "Sparse",
    "Spin",
    "Tanh",
    "Topology",
    "Unit",
    "as_unit",
]
