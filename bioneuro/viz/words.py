"""What a drawn topology says in words about populations, units and projections."""

from __future__ import annotations

import math
from dataclasses import fields

from bioneuro.topology import Conv2D, Dense, OneToOne, Pool2D, Population, Projection, Sparse, Topology, Unit


def _number(value: float) -> str:
    return f"{value:.3g}"


def unit_lines(unit: Unit) -> list[str]:
    """Name of a unit type and its constants, one a line."""
    lines = [unit.name]
    for field in fields(unit):
        value = getattr(unit, field.name)
        if isinstance(value, tuple):
            lines.append(f"{field.name} {_number(min(value))} … {_number(max(value))}")
        else:
            lines.append(f"{field.name} = {_number(value)}")
    return lines + [f"learns {name}" for name in unit.learns]


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
    delay = [f"{1e3 * projection.delay:.3g} ms delay"] if projection.delay else []
    return (_kind(projection), weights, *delay)


def _kind(projection: Projection) -> str:
    match projection:
        case Conv2D():
            return f"convolution {_times(projection.kernel)}"
        case Pool2D():
            return f"{projection.kind} pool {_times(projection.window)}"
        case OneToOne():
            return "one to one"
        case Sparse():
            constants = [f"{f.name} = {getattr(projection.rule, f.name):g}" for f in fields(projection.rule)
                         if isinstance(getattr(projection.rule, f.name), int | float)]  # fmt: skip
            return " ".join(["sparse", *constants])
        case Dense():
            return "dense"
    return type(projection).__name__


def arrowed(name: str) -> str:
    return name.replace("->", " \N{RIGHTWARDS ARROW} ")


def _times(sides: tuple[int, ...]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(map(str, sides))
