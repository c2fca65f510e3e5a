"""A topology as text and as a digest: the same everywhere, different where it differs."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioneuro import Conv2D, Dense, OneToOne, Pool2D, Population, Sparse, Topology
from bioneuro.errors import InvalidInput
from bioneuro.topology import LIF, UNITS, Edges, FixedInDegree, FixedOutDegree, FixedProbability, Gaussian, SmallWorld

KNOWN = {  # (digest, structure digest)
    "mlp": (Topology.mlp(64, 100, 10), "fd2dd54c79d7ae5e", "5811f1183a55dc86"),
    "rbm": (Topology.rbm((8, 8), 100), "fa42a50ad7e8072b", "bf752b67d9691888"),
    "dbm": (Topology.dbm(64, 100, 50), "703ef4c452e26ba5", "81025dbf238393b7"),
    "hopfield": (Topology.hopfield(64), "427522df8348d96d", "b07d044d77484013"),
    "boltzmann": (Topology.boltzmann(5, 3), "e651f25018979e9f", "a49c88c6c9920ead"),
    "recurrent": (Topology.recurrent(8, 20, 4), "5b93962a24f3de5c", "444a65e6331943c0"),
    "lenet5": (Topology.lenet5(), "d45249cd3f932ce2", "59d92d753e23959f"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_digests_of_known_topologies_do_not_move(name):
    net, digest, structure = KNOWN[name]
    assert net.digest == digest
    assert net.structure_digest == structure


def test_digests_are_equal_in_another_process():
    code = "from bioneuro import Topology; print(Topology.mlp(64, 100, 10).digest)"
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        assert run.stdout.strip() == KNOWN["mlp"][1]


def test_the_structure_digest_leaves_units_out_and_nothing_else():
    net = Topology.mlp(6, 5, 4)
    assert net.with_units(hidden="lif", output=LIF(tau_m=0.01)).structure_digest == net.structure_digest
    assert net.with_units(hidden="lif").digest != net.digest
    others = [
        Topology.mlp(6, 5, 3),
        Topology.mlp((2, 3), 5, 4),
        Topology.mlp(6, 5, 4, skip=[("input", "output")]),
        Topology([*net.populations[:2], Population("output", 4, "output", "softmax", bias=False)], net.projections),
        Topology(net.populations, [net.projections[0], Dense("hidden", "output", sign=1)]),
        Topology(net.populations, [net.projections[0], Dense("hidden", "output", delay=1e-3)]),
        Topology(net.populations, net.projections[::-1]),
    ]
    digests = [other.structure_digest for other in (net, *others)]
    assert len(set(digests)) == len(digests)


def test_numbers_of_any_kind_describe_the_same_topology():
    def build(integer, number, switch):
        return Topology(
            [Population("a", integer(6), bias=switch(True), unit=LIF(tau_m=number(0.5), refractory=number(0)))],
            [
                Dense("a", "a", sign=integer(1), delay=number(2), symmetric=switch(False)),
                Sparse("a", "a", FixedInDegree(integer(2)), name="in", seed=integer(3), autapses=switch(True)),
                Sparse("a", "a", FixedProbability(number(0.5)), name="p"),
                Sparse("a", "a", SmallWorld(integer(2), number(0.5)), name="ring"),
            ],
        )

    plain = build(int, float, bool)
    for other in (build(np.int64, np.float32, np.bool_), build(np.uint8, np.float64, int), build(float, float, bool)):
        assert other == plain
        assert other.to_json() == plain.to_json()
    image = [Population("i", (6, 6, 1)), Population("o", (4, 4, 1))]
    assert Topology(image, [Conv2D("i", "o", kernel=np.int64(3))]).digest == Topology(image, [Conv2D("i", "o")]).digest


# -- JSON --------------------------------------------------------------------------------------------------------------

sizes = st.integers(1, 6)
units = st.sampled_from(sorted(UNITS)) | st.floats(1e-3, 1, exclude_min=True).map(lambda tau: LIF(tau_m=tau))
rules = st.one_of(
    st.floats(0, 1).map(FixedProbability),
    st.integers(0, 3).map(FixedInDegree),
    st.integers(0, 3).map(FixedOutDegree),
    st.lists(st.integers(0, 3), unique=True, max_size=4).map(
        lambda ends: Edges(np.array(ends, int), np.array(ends, int))
    ),
)


@st.composite
def topologies(draw):
    """Any of the builders, or populations with random projections between them."""
    builders = [
        lambda: Topology.mlp(*draw(st.lists(sizes, min_size=2, max_size=5)), unit=draw(units), output=draw(units)),
        lambda: Topology.rbm((draw(sizes), draw(sizes)), draw(sizes), visible=Gaussian(sigma=draw(st.floats(0.1, 9)))),
        lambda: Topology.dbm(*draw(st.lists(sizes, min_size=3, max_size=5))),
        lambda: Topology.hopfield(draw(sizes)),
        lambda: Topology.boltzmann(draw(sizes), draw(st.integers(0, 4))),
        lambda: Topology.recurrent(draw(sizes), draw(sizes), draw(sizes)),
        lambda: Topology.lenet5((draw(st.integers(12, 20)), draw(st.integers(12, 20)), draw(st.integers(1, 3)))),
        lambda: random_net(draw),
    ]
    return draw(st.sampled_from(builders))()


def random_net(draw):
    populations = [
        Population(name, 4, draw(st.sampled_from(["input", "hidden", "output"])), draw(units), draw(st.booleans()))
        for name in ("a", "b", "größe", "d e")
    ]
    names = [population.name for population in populations]
    projections = []
    for k in range(draw(st.integers(0, 5))):
        common = {
            "pre": draw(st.sampled_from(names)),
            "post": draw(st.sampled_from(names)),
            "name": f"p{k}",
            "sign": draw(st.sampled_from([-1, 0, 1])),
            "delay": draw(st.floats(0, 1)),
        }
        kinds = [
            lambda common: Dense(**common, shared=draw(st.booleans())),
            lambda common: OneToOne(**common),
            lambda common: Sparse(**common, rule=draw(rules), autapses=True, seed=draw(st.integers(0, 2**70))),
        ]
        projections.append(draw(st.sampled_from(kinds))(common))
    return Topology(populations, projections)


@settings(max_examples=150)
@given(topologies())
def test_json_gives_the_topology_back(net):
    text = net.to_json()
    again = Topology.from_json(text)
    assert again == net
    assert again.to_json() == text
    assert (again.digest, again.layout) == (net.digest, net.layout)
    assert json.loads(text)["format"] == 1


def test_projections_onto_images_come_back_from_json():
    net = Topology(
        [Population("i", (9, 8, 2)), Population("c", (5, 4, 3)), Population("p", (3, 2, 3))],
        [Conv2D("i", "c", kernel=(3, 2), stride=2, padding="same"), Pool2D("c", "p", padding="same", kind="mean")],
    )
    assert Topology.from_json(net.to_json()) == net


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not the JSON of a topology: Expecting property name"),
        ("[]", r"not the JSON of a topology of format 1; write it with Topology.to_json\(\)"),
        ('{"format": 2}', "of format 1"),
        ('{"format": 1}', "lacks or misnames a field: 'populations'"),
        ("[" * 100_000, "maximum recursion depth"),
        (5, "not the JSON of a topology"),
        (Topology.mlp(2, 2).to_json().replace('"shape":[2]', '"size":[2]'), "unknown field of Population 'size'"),
        (
            Topology.mlp(2, 2).to_json().replace('"type":"Dense"', '"type":"Dens"'),
            "unknown projection 'Dens'; did you",
        ),
        (Topology.mlp(2, 2).to_json().replace('"pre"', '"por"'), "unknown field of Dense 'por'"),
        (Topology.mlp(2, 2).to_json().replace('"type":"softmax"', '"type":"max"'), "unknown unit 'max'; did you mean"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_text_that_is_no_topology_is_refused_in_words(text, message):
    with pytest.raises(InvalidInput, match=message):
        Topology.from_json(text)


def test_edited_json_gives_a_topology_or_words():
    rng = random.Random(0)
    nets = [net for net, *_ in KNOWN.values()]
    nets.append(
        Topology(
            [Population("a", 6)],
            [Sparse("a", "a", Edges([0, 1], [1, 2])), Sparse("a", "a", SmallWorld(2, 0.1), name="b")],
        )
    )
    nasty = [None, True, -1, 0, 1, 2.5, 2**70, "", "a", "relu", "->", [], {}, [1, 2], [[]], {"type": "lif"}]

    def places(node, path=()):
        yield path
        for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            yield from places(child, (*path, key))

    for _ in range(600):
        described = json.loads(rng.choice(nets).to_json())
        path = rng.choice([path for path in places(described) if path])
        parent = described
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = rng.choice(nasty)
        try:
            assert Topology.from_json(json.dumps(described)).digest
        except InvalidInput as error:
            assert len(str(error)) > 20  # noqa: PT017
