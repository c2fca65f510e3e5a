"""What a drawn topology says in words about populations, units and projections."""

from __future__ import annotations

import math

from bioneuro.topology import (
    Conv2D,
    Dense,
    Edges,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    OneToOne,
    Pool2D,
    Population,
    Projection,
    SmallWorld,
    Sparse,
    Topology,
    Unit,
)

_IN_THOUSANDTHS = {"tau_": "ms", "refractory": "ms", "v_": "mV"}  # how the name of a constant begins -> its unit


def _number(value: float) -> str:
    return f"{value:.3g}"


def _scale_of(constant: str) -> tuple[float, str]:
    """What a constant is multiplied with to be read, and the unit it then has."""
    found = [unit for start, unit in _IN_THOUSANDTHS.items() if constant.startswith(start)]
    return (1e3, f" {found[0]}") if found else (1.0, "")


def unit_lines(unit: Unit) -> list[str]:
    """Name of a unit type and its constants, one a line."""
    lines = [unit.name]
    for name, value in unit.constants.items():
        scale, of = _scale_of(name)
        if isinstance(value, tuple):
            lines.append(f"{name} {_number(scale * min(value))} … {_number(scale * max(value))}{of}")
        else:
            lines.append(f"{name} = {_number(scale * value)}{of}")
    return lines + [f"learns {array}" for array in unit.learns]


def population_lines(population: Population, shown: int | None = None) -> tuple[str, ...]:
    """What stands below a population: name, number of units, unit type with its constants."""
    image = [_times(population.shape)] if len(population.shape) > 1 else []
    count = f"{population.size:,} unit" + "s" * (population.size != 1)
    some = [] if shown is None else [f"{shown} of them drawn"]
    return (population.name, *image, count, *some, *unit_lines(population.unit))


def projection_lines(topology: Topology, projection: Projection) -> tuple[str, ...]:
    """What stands at a projection: its kind, its weights, and what else there is to say."""
    pre, post = topology.ends(projection)
    block = topology.layout.get(projection.name)
    if projection.symmetric and projection.autapse:
        weights = f"{projection.n_synapses(pre, post) // 2:,} symmetric pairs"
    elif projection.tied_to is not None:
        weights = f"weights of {arrowed(projection.tied_to)}"
    elif block is None:
        weights = "no weights"
    else:
        count = math.prod(block.shape)
        weights = f"{count:,} " + ("shared " if projection.shared else "") + "weight" + "s" * (count != 1)
    times = {"delay": projection.delay, "synapse": projection.tau_synapse}
    return (_kind(projection), weights, *(f"{1e3 * t:.3g} ms {name}" for name, t in times.items() if t))


_SPARSE = {
    FixedProbability: lambda rule: f"sparse, p = {rule.p:g}",
    FixedInDegree: lambda rule: f"sparse, {rule.k:,} in to each",
    FixedOutDegree: lambda rule: f"sparse, {rule.k:,} out of each",
    SmallWorld: lambda rule: f"small world, k = {rule.k}, p = {rule.p:g}",
    Edges: lambda rule: "sparse",
}


def _kind(projection: Projection) -> str:
    match projection:
        case Conv2D():
            return f"convolution {_times(projection.kernel)}"
        case Pool2D():
            return f"{projection.kind} pool {_times(projection.window)}"
        case OneToOne():
            return "one to one"
        case Sparse():
            return _SPARSE[type(projection.rule)](projection.rule)
        case Dense():
            return "dense"
    return type(projection).__name__


def arrowed(name: str) -> str:
    return name.replace("->", " \N{RIGHTWARDS ARROW} ")


def _times(sides: tuple[int, ...]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(map(str, sides))
