"""The topologies of the field, by name; each becomes a classmethod of `Topology`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from bioneuro import memory
from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.topology.population import Population
from bioneuro.topology.projections import Conv2D, Dense, Pool2D, Sparse
from bioneuro.topology.sparse_rules import Edges, FixedInDegree, FixedProbability, SmallWorld
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


def small_world(
    cls: type[Topology],
    n_units: int,
    k: int,
    p: float,
    *,
    unit: Unit | str = "spin",
    symmetric: bool = True,
    seed: int = 0,
) -> Topology:
    """Watts-Strogatz network: `n_units` on a ring, each joined with its `k` nearest, each pair rewired with chance `p`.

    One population, "units"; between p = 0 (a ring: long ways, many triangles) and p = 1 (random: short ways, few
    triangles) a few long pairs make all ways short while neighbours stay together. Two units of a pair reach each
    other, with one weight where `symmetric`, else with one each.

    Source: Watts and Strogatz, Nature 393 (1998) 440.
    """
    rule = SmallWorld(k, p)
    return cls(
        [Population("units", n_units, "input", unit)],
        [Sparse("units", "units", rule, symmetric=symmetric, seed=seed)],
    )


_STEPS = {  # half of the neighbours of a site, (rows, columns) away; the other half are their opposites
    4: ((0, 1), (1, 0)),
    8: ((0, 1), (1, 0), (1, 1), (1, -1)),
}


def lattice(
    cls: type[Topology],
    height: int,
    width: int,
    *,
    neighbours: Literal[4, 8] = 4,
    periodic: bool = True,
    unit: Unit | str = "spin",
    shared: bool = False,
) -> Topology:
    """Units on a square grid, each joined both ways with its nearest: the Ising model where `unit` is "spin".

    Parameters
    ----------
    height, width : sites; at least 3 each where periodic, so that left and right neighbours differ.
    neighbours : 4 (von Neumann: up, down, left, right) or 8 (Moore: the diagonal ones too).
    periodic : whether the last row and column are neighbours of the first; else sites at the edge have fewer.
    shared : one coupling J for all pairs instead of one each.

    One population, "sites", of shape (height, width), site (r, c) being unit r width + c; one symmetric projection.
    Source: Onsager, Phys. Rev. 65 (1944) 117.
    """
    least = 3 if periodic else 1
    height = check_number("height", height, low=least, integer=True)
    width = check_number("width", width, low=least, integer=True)
    if neighbours not in _STEPS:
        raise InvalidInput(f"neighbours of a lattice must be 4 or 8, got {neighbours!r}")
    memory.require({"pairs": 40 * neighbours * height * width}, f"a lattice of {height:,} x {width:,} sites")
    rows, columns = np.indices((height, width))
    pre, post = [], []
    for down, right in _STEPS[neighbours]:
        r, c = rows + down, columns + right
        there = np.ones(r.shape, bool) if periodic else (r < height) & (c >= 0) & (c < width)
        pre.append((rows * width + columns)[there])
        post.append((r % height * width + c % width)[there])
    pre, post = np.concatenate(pre), np.concatenate(post)
    rule = Edges(np.concatenate([pre, post]), np.concatenate([post, pre]))
    return cls(
        [Population("sites", (height, width), "input", unit)],
        [Sparse("sites", "sites", rule, symmetric=True, shared=shared)],
    )


def _two(what: str, value) -> tuple[float, float]:
    """One number for both kinds of synapse, or (excitatory, inhibitory)."""
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(pair) != 2:
        raise InvalidInput(f"{what} must be one number or (excitatory, inhibitory), got {value!r}")
    return pair


def balanced(
    cls: type[Topology],
    n_excitatory: int,
    n_inhibitory: int | None = None,
    *,
    p: float = 0.1,
    fixed_in_degree: bool = True,
    delay: float | tuple[float, float] = 1.5e-3,
    tau_synapse: float | tuple[float, float] = 0.0,
    unit: Unit | str = "lif",
    n_input: int = 0,
    seed: int = 0,
) -> Topology:
    """Excitatory and inhibitory neurons at random: "E" and "I", joined by "E->E", "E->I" (+), "I->E", "I->I" (-).

    Parameters
    ----------
    n_excitatory : neurons of "E".
    n_inhibitory : neurons of "I"; None: a quarter of `n_excitatory`, as in cortex.
    p : share of its possible partners from which a neuron receives.
    fixed_in_degree : each neuron receives exactly floor(p n + 1/2) synapses from each population (Brunel); else each
        pair is joined with probability p (Vogels and Abbott).
    delay : seconds, one number or (excitatory, inhibitory). Where inhibition comes as late as excitation, the network
        swings; with (3e-3, 0.5e-3) its neurons hardly fire together.
    tau_synapse : seconds, one number or (excitatory, inhibitory); 0: a spike moves the membrane at once.
    unit : of both populations.
    n_input : units of an "input" population whose excitatory synapses, one way and with the same p, drive "E" and "I"
        (fibres from outside that neurons have in common); 0: none, the drive is given to `simulate` as each neuron's
        own.

    Brunel's network of 12,500: `balanced(10_000)`, with weights J on "E->..." and -g J on "I->...". The CUBA benchmark:
    `balanced(3200, 800, p=0.02, fixed_in_degree=False, delay=..., tau_synapse=(5e-3, 10e-3), unit=LIF(...))`.

    Sources: Brunel, J. Comput. Neurosci. 8 (2000) 183; Vogels and Abbott, J. Neurosci. 25 (2005) 10786; Brette et al.,
    J. Comput. Neurosci. 23 (2007) 349.
    """
    n_excitatory = check_number("n_excitatory", n_excitatory, low=1, integer=True)
    quarter = max(1, n_excitatory // 4)
    n_inhibitory = check_number("n_inhibitory", quarter if n_inhibitory is None else n_inhibitory, low=1, integer=True)
    n_input = check_number("n_input", n_input, low=0, integer=True)
    p = check_number("p", p, low=0, high=1)
    delays, taus = _two("delay", delay), _two("tau_synapse", tau_synapse)
    populations = [Population("E", n_excitatory, unit=unit), Population("I", n_inhibitory, unit=unit)]
    if n_input:
        populations.insert(0, Population("input", n_input, "input", "linear", bias=False))
    projections = []
    for pre in populations:
        rule = FixedInDegree(int(p * pre.size + 0.5)) if fixed_in_degree else FixedProbability(p)
        inhibitory = pre.name == "I"
        kind = {"sign": -1 if inhibitory else 1, "delay": delays[inhibitory], "tau_synapse": taus[inhibitory]}
        projections += [Sparse(pre.name, post, rule, **kind, seed=seed) for post in ("E", "I")]
    return cls(populations, projections)
