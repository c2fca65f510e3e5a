"""The topologies of the field, by name; each becomes a classmethod of `Topology`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from bioneuro.errors import InvalidInput, choose
from bioneuro.topology.population import Population
from bioneuro.topology.projections import Conv2D, Dense, Pool2D
from bioneuro.topology.units import Unit

if TYPE_CHECKING:
    from bioneuro.topology.topology import Topology


def _layers(sizes: Iterable, least: int, what: str) -> list:
    sizes = list(sizes)
    if len(sizes) < least:
        raise InvalidInput(f"{what} needs at least {least} sizes, got {len(sizes)}: {sizes}")
    return sizes


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{k}" for k in range(1, count + 1)]


def mlp(
    cls: type[Topology],
    *sizes: int | tuple[int, ...],
    unit: Unit | str = "relu",
    output: Unit | str = "softmax",
    skip: Iterable[tuple[str, str]] = (),
) -> Topology:
    """Layers, each fully connected to the next: `mlp(64, 100, 10)` has "input", "hidden" and "output".

    With several hidden layers they are "hidden1", "hidden2", ... `unit` is the type of hidden units, `output` that of
    the last layer; `skip` adds projections between named layers: `skip=[("input", "output")]`.
    """
    sizes = _layers(sizes, 2, "mlp")
    names = ["input", *_numbered("hidden", len(sizes) - 2), "output"] if len(sizes) > 2 else ["input", "output"]
    populations = [
        Population(names[0], sizes[0], "input", "linear", bias=False),
        *(Population(name, size, "hidden", unit) for name, size in zip(names[1:-1], sizes[1:-1], strict=True)),
        Population(names[-1], sizes[-1], "output", output),
    ]
    pairs = list(pairwise(names))
    for pre, post in skip:
        for end in (pre, post):
            choose("population at an end of a skip", end, names)
        if (pre, post) in pairs:
            raise InvalidInput(f"skip {(pre, post)} is there already; layers that follow each other are connected")
        pairs.append((pre, post))
    return cls(populations, [Dense(pre, post) for pre, post in pairs])


def rbm(
    cls: type[Topology], n_visible: int | tuple[int, ...], n_hidden: int, *, visible: Unit | str = "bernoulli"
) -> Topology:
    """Restricted Boltzmann machine: "visible" and "hidden", joined both ways by one matrix."""
    return cls(
        [Population("visible", n_visible, "input", visible), Population("hidden", n_hidden, "hidden", "bernoulli")],
        [Dense("visible", "hidden", symmetric=True)],
    )


def dbm(cls: type[Topology], *sizes: int) -> Topology:
    """Deep Boltzmann machine: "visible", "hidden1", "hidden2", ...; only neighbouring layers connect, both ways."""
    sizes = _layers(sizes, 3, "dbm")
    names = ["visible", *_numbered("hidden", len(sizes) - 1)]
    roles = ["input", *["hidden"] * (len(sizes) - 1)]
    populations = [Population(n, s, r, "bernoulli") for n, s, r in zip(names, sizes, roles, strict=True)]
    return cls(populations, [Dense(a, b, symmetric=True) for a, b in pairwise(names)])


def hopfield(cls: type[Topology], n_units: int | tuple[int, ...]) -> Topology:
    """Hopfield network: one population of spins, "spins", each joined to every other by symmetric weights."""
    return cls([Population("spins", n_units, "input", "spin")], [Dense("spins", "spins", symmetric=True)])


def boltzmann(cls: type[Topology], n_visible: int, n_hidden: int = 0) -> Topology:
    """General Boltzmann machine: "visible" and "hidden" units, all joined with all by symmetric weights."""
    populations = [Population("visible", n_visible, "input", "bernoulli")]
    projections = [Dense("visible", "visible", symmetric=True)]
    if n_hidden:
        populations.append(Population("hidden", n_hidden, "hidden", "bernoulli"))
        projections += [Dense("visible", "hidden", symmetric=True), Dense("hidden", "hidden", symmetric=True)]
    return cls(populations, projections)


def recurrent(
    cls: type[Topology],
    n_input: int,
    n_hidden: int,
    n_output: int,
    *,
    unit: Unit | str = "tanh",
    output: Unit | str = "softmax",
) -> Topology:
    """Elman network: an mlp whose hidden layer also reaches itself one step later."""
    net = mlp(cls, n_input, n_hidden, n_output, unit=unit, output=output)
    return cls(net.populations, [*net.projections, Dense("hidden", "hidden")])


def lenet5(
    cls: type[Topology],
    image_shape: tuple[int, int, int] = (28, 28, 1),
    n_classes: int = 10,
    *,
    unit: Unit | str = "relu",
) -> Topology:
    """LeNet-5 in its modern form (max pooling, softmax): two convolutions with pooling, then 120 and 84 units.

    Source: LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86 (1998) 2278; the original pooled by trainable averages.
    """
    if len(image_shape) != 3 or min(image_shape[:2]) < 12:
        raise InvalidInput(f"lenet5 needs images (height, width, channels) of at least 12 x 12, got {image_shape}")
    height, width, _ = image_shape
    c2, w2 = (height // 2 - 4), (width // 2 - 4)
    populations = [
        Population("input", image_shape, "input", "linear", bias=False),
        Population("conv1", (height, width, 6), "hidden", unit),
        Population("pool1", (height // 2, width // 2, 6), "hidden", "linear", bias=False),
        Population("conv2", (c2, w2, 16), "hidden", unit),
        Population("pool2", (c2 // 2, w2 // 2, 16), "hidden", "linear", bias=False),
        Population("dense1", 120, "hidden", unit),
        Population("dense2", 84, "hidden", unit),
        Population("output", n_classes, "output", "softmax"),
    ]
    projections = [
        Conv2D("input", "conv1", kernel=5, padding="same"),
        Pool2D("conv1", "pool1"),
        Conv2D("pool1", "conv2", kernel=5),
        Pool2D("conv2", "pool2"),
        Dense("pool2", "dense1"),
        Dense("dense1", "dense2"),
        Dense("dense2", "output"),
    ]
    return cls(populations, projections)
