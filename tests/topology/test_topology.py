"""Structure: populations, projections, where parameters lie, in which order activity runs."""

from __future__ import annotations

import dataclasses
import inspect
import re

import numpy as np
import pytest

from bioneuro import Conv2D, Dense, OneToOne, Parameters, Pool2D, Population, Sparse, Topology
from bioneuro.errors import InvalidInput, UnknownName, UnsupportedTopology
from bioneuro.topology import (
    LIF,
    UNITS,
    Edges,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    Gaussian,
    PReLU,
    ReLU,
    SmallWorld,
    as_unit,
)

A, B, C = Population("a", 3), Population("b", 3), Population("c", 4)


# -- builders ----------------------------------------------------------------------------------------------------------


def shapes(net):
    return {key: block.shape for key, block in net.layout.items()}


@pytest.mark.parametrize(
    ("net", "layout", "n_parameters", "n_synapses"),
    [
        (
            Topology.mlp(4, 3, 2),
            {"input->hidden": (4, 3), "hidden->output": (3, 2), "hidden.bias": (3,), "output.bias": (2,)},
            4 * 3 + 3 * 2 + 3 + 2,
            18,
        ),
        (Topology.mlp(64, 100, 10), None, 64 * 100 + 100 * 10 + 110, 7400),
        (Topology.mlp(64, 100, 10, skip=[("input", "output")]), None, 7510 + 640, 8040),
        (Topology.rbm((2, 2), 3), {"visible->hidden": (4, 3), "visible.bias": (4,), "hidden.bias": (3,)}, 19, 12),
        (
            Topology.dbm(4, 3, 2),
            {
                "visible->hidden1": (4, 3),
                "hidden1->hidden2": (3, 2),
                "visible.bias": (4,),
                "hidden1.bias": (3,),
                "hidden2.bias": (2,),
            },
            27,
            18,
        ),
        (Topology.hopfield(5), {"spins->spins": (5, 5), "spins.bias": (5,)}, 30, 5 * 4),
        (Topology.boltzmann(4), {"visible->visible": (4, 4), "visible.bias": (4,)}, 20, 12),
        (
            Topology.boltzmann(3, 2),
            {
                "visible->visible": (3, 3),
                "visible->hidden": (3, 2),
                "hidden->hidden": (2, 2),
                "visible.bias": (3,),
                "hidden.bias": (2,),
            },
            24,
            6 + 6 + 2,
        ),
        (
            Topology.recurrent(3, 4, 2),
            {
                "input->hidden": (3, 4),
                "hidden->output": (4, 2),
                "hidden->hidden": (4, 4),
                "hidden.bias": (4,),
                "output.bias": (2,),
            },
            42,
            36,
        ),
    ],
    ids=repr,
)
def test_builders_lay_their_parameters_out(net, layout, n_parameters, n_synapses):
    if layout is not None:
        assert shapes(net) == layout
    assert net.n_parameters == n_parameters
    assert net.n_synapses == n_synapses


def test_lenet_has_the_61706_parameters_of_1998_with_full_maps():
    """LeCun et al. 1998 have 60,000 with a sparse third layer; every map on every map gives 61,706."""
    net = Topology.lenet5()
    assert net.n_parameters == 61_706
    biases = [net.layout[f"{p.name}.bias"].shape for p in net.populations if p.bias]
    assert biases == [(6,), (16,), (120,), (84,), (10,)]
    counts = [np.prod(net.layout[p.name].shape) for p in net.projections if p.name in net.layout]
    assert counts == [150, 2400, 48_000, 10_080, 840]
    assert [p.shape for p in net.populations][:5] == [(28, 28, 1), (28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16)]


def test_lenet_takes_other_images():
    net = Topology.lenet5((32, 32, 3), 100, unit="tanh")
    assert net["pool2"].shape == (6, 6, 16)
    assert net["conv1"].unit.name == "tanh"
    assert net["output"].size == 100


def test_mlp_numbers_its_hidden_layers_where_there_are_several():
    assert [p.name for p in Topology.mlp(2, 2).populations] == ["input", "output"]
    assert [p.name for p in Topology.mlp(2, 3, 2).populations] == ["input", "hidden", "output"]
    assert [p.name for p in Topology.mlp(2, 3, 4, 2).populations] == ["input", "hidden1", "hidden2", "output"]


def test_twelve_weights_lead_from_four_inputs_to_three_hidden_units_and_three_to_one_output():
    net = Topology.mlp(4, 3, 1)
    assert [np.prod(net.layout[name].shape) for name in ("input->hidden", "hidden->output")] == [12, 3]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Topology.mlp(3), r"mlp needs at least 2 sizes, got 1: \[3\]"),
        (lambda: Topology.dbm(3, 2), "dbm needs at least 3 sizes"),
        (lambda: Topology.mlp(3, -2), r"shape of population 'output' must be an integer in \[1, inf\), got -2"),
        (lambda: Topology.mlp(3, 2.5), "an integer"),
        (lambda: Topology.mlp(3, 2, skip=[("input", "output")]), "is there already; layers that follow each other"),
        (lambda: Topology.mlp(3, 2, 2, skip=[("inptu", "output")]), "end of a skip 'inptu'; did you mean 'input'?"),
        (lambda: Topology.mlp(3, 2, 2, unit="rleu"), "unknown unit 'rleu'; did you mean 'relu'?"),
        (
            lambda: Topology.lenet5((8, 8, 1)),
            r"images \(height, width, channels\) of at least 12 x 12, got",
        ),
        (lambda: Topology.lenet5((28, 28)), "lenet5 needs images"),
    ],
)
def test_builders_refuse_in_words(build, message):
    with pytest.raises(InvalidInput, match=message):
        build()


# -- checks of a topology ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Topology([]), "a topology needs at least one population"),
        (lambda: Topology(5), "Topology.populations must be a list of Population, got 5"),
        (lambda: Topology(A), r"must be a list of Population, got Population\(name='a'"),
        (lambda: Topology([A], Dense("a", "a")), "Topology.projections must be a list of Projection"),
        (lambda: Topology([3]), "a population is a Population or its JSON description, got 3"),
        (lambda: Topology([A], ["a->a"]), "a projection is one of Dense, OneToOne, Sparse, Conv2D, Pool2D or its JSON"),
        (lambda: Topology([A, A]), r"population 'a' is there twice; names must be unique: \['a', 'a'\]"),
        (lambda: Topology([A, B], [Dense("a", "b")] * 2), "projection 'a->b' is there twice"),
        (lambda: Topology([A, B], [Dense("a", "bb")]), r"end of projection 'a->bb': 'bb'; did you mean 'b'\?"),
        (lambda: Topology([A, B], [Dense("a", "b", tied_to="b->a")]), "projection that 'a->b' is tied to: 'b->a'"),
        (lambda: Topology([A, B], [Dense("a", "b", tied_to="a->b")]), "'a->b' is tied to itself"),
        (
            lambda: Topology(
                [A, B],
                [Dense("a", "b"), Dense("b", "a", tied_to="a->b"), Dense("b", "a", name="x", tied_to="b->a")],
            ),
            "'x' is tied to 'b->a', itself tied; tie both to 'a->b'",
        ),
        (
            lambda: Topology([A, B, C], [Dense("a", "b"), Dense("b", "c", tied_to="a->b")]),
            r"'b->c' with weights \(3, 4\) cannot use those of 'a->b' \(3, 3\): tied projections have",
        ),
        (
            lambda: Topology([A, C], [OneToOne("a", "c")]),
            r"joins 'a' \(3 units\) and 'c' \(4\); give both",
        ),
        (lambda: Topology([A], [Dense("a", "a", symmetric=True, shared=True)]), "cannot be shared"),
        (
            lambda: Topology([A, B], [Conv2D("a", "b")]),
            r"needs \(height, width, channels\) at both ends; 'a' has",
        ),
    ],
)
def test_a_topology_that_cannot_be_is_refused_in_words(build, message):
    with pytest.raises(InvalidInput, match=message):
        build()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Population("", 3), "a population's name is text without '.' and '->', got ''"),
        (lambda: Population("a.b", 3), "without '.'"),
        (lambda: Population("a->b", 3), "without '.' and '->'"),
        (lambda: Population(3, 3), "got 3"),
        (lambda: Population("a", 0), r"shape of population 'a' must be an integer in \[1, inf\), got 0"),
        (lambda: Population("a", (2, "x")), "must be an integer"),
        (lambda: Population("a", True), "got True"),
        (lambda: Population("a", 3, "hiden"), "unknown role of population 'a' 'hiden'; did you mean 'hidden'"),
        (lambda: Population("a", 3, unit=5), r"a unit is a Unit, a name \(linear, sigmoid"),
        (
            lambda: Population("a", 3, unit=Gaussian(sigma=(1, 2))),
            "has 2 values and population 'a' has 3 units",
        ),
        (
            lambda: Population("a", 3, unit={"type": "lif", "tau": 1}),
            "unknown constant of unit 'lif' 'tau'; did you",
        ),
        (
            lambda: LIF(tau_m=20),
            r"LIF.tau_m must be a number in \(0, 1\], got 20.*tau_m=20 is 20 s; a neuron's is",
        ),
        (lambda: LIF(refractory=-0.1), "LIF.refractory"),
        (lambda: LIF(v_threshold=20), "voltages are in volts: v_threshold=20 is 20 V"),
        (lambda: LIF(v_reset=0.03), "must lie below v_threshold, got v_reset=0.03.*never stops firing"),
        (lambda: LIF(tau_m="fast"), "LIF.tau_m must be a number"),
        (lambda: LIF(tau_m=None), "LIF.tau_m must be a number"),
        (lambda: LIF(tau_m=[0.01, 2]), "tau_m=2 is 2 s"),
        (lambda: Gaussian(sigma=0), r"Gaussian.sigma must be a number in \(0, inf\), got 0"),
        (lambda: Gaussian(sigma=float("nan")), "Gaussian.sigma must be a number"),
        (lambda: Dense("a", None), "Dense.post must name a population, got None"),
        (lambda: Dense("a", "b", sign=2), r"a->b: sign must be \+1 \(excitatory\), -1 \(inhibitory\) or 0, got 2"),
        (
            lambda: Dense("a", "b", delay=-1),
            r"a->b: delay must be a number in \[0, inf\), got -1; delays are in",
        ),
        (lambda: Dense("a", "b", name=5), "a projection's name is text without '.', got 5"),
        (lambda: Dense("a", "b", name="b.bias"), "a projection's name is text without '.'"),
        (
            lambda: Conv2D("a", "b", kernel=(1, 2, 3)),
            r"kernel must be one integer or two \(height, width\), got",
        ),
        (lambda: Conv2D("a", "b", kernel=0), "a->b: kernel must be an integer"),
        (lambda: Pool2D("a", "b", kind="avg"), "unknown kind of a->b 'avg'"),
        (lambda: FixedProbability(1.5), r"FixedProbability.p must be a number in \[0, 1\], got 1.5"),
        (lambda: FixedInDegree(-1), "FixedInDegree.k must be an integer"),
        (lambda: FixedOutDegree(2.5), "FixedOutDegree.k must be an integer"),
        (lambda: SmallWorld(4, 2), "SmallWorld.p"),
        (lambda: Edges([0.5], [1]), r"Edges.pre must be a list of unit indices, got float64 of shape \(1,\)"),
        (lambda: Edges([[0], [1, 2]], [1]), "Edges.pre must be a list of unit indices, got lists of lists"),
        (lambda: Edges([0], [2**40]), "Edges.post must hold indices below"),
        (lambda: Edges([0, 1], [1]), "Edges needs as many pre as post indices, got 2 and 1"),
        (lambda: Sparse("a", "b", "half"), r"a sparse projection needs a rule, FixedProbability, FixedInDegree, "),
        (lambda: Sparse("a", "b", np.eye(99)), r"got array\(\[\[1.*\): Edges\(\*np.nonzero\(matrix\)\) joins where"),
        (lambda: Sparse("a", "b", 0.1), r"got 0.1: FixedProbability\(0.1\)"),
        (
            lambda: Sparse("a", "b", {"type": "FixedDegree"}),
            "unknown sparse rule 'FixedDegree'; did you mean",
        ),
        (lambda: Sparse("a", "b", {"type": "FixedInDegree", "n": 3}), "unknown field of FixedInDegree 'n'"),
        (lambda: Sparse("a", "b", FixedInDegree(1), seed=-1), "a->b: seed must be an integer"),
    ],
)
def test_parts_refuse_in_words(build, message):
    with pytest.raises(InvalidInput, match=message):
        build()


def sparse(rule, pre=A, post=C, **options):
    populations = [pre] if pre is post else [pre, post]
    return Topology(populations, [Sparse(pre.name, post.name, rule, **options)])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: sparse(FixedInDegree(4)),
            r"FixedInDegree\(k=4\) wants more partners than the 3 there are; lower",
        ),
        (lambda: sparse(FixedInDegree(3), A, A), "more partners than the 2"),
        (lambda: sparse(FixedOutDegree(5)), "more partners than the 4"),
        (lambda: sparse(FixedProbability(0.5), multapses=True), "at most one synapse a pair; drop multapses"),
        (lambda: sparse(Edges([0], [4])), r"indices of 'c' must lie in \[0, 4\), got 4 .. 4"),
        (lambda: sparse(Edges([-1], [0])), "indices of 'a'"),
        (lambda: sparse(Edges([1], [1]), A, A), "a unit reaches itself; allow autapses"),
        (lambda: sparse(Edges([0, 0], [1, 1])), "an edge is given twice; allow multapses"),
        (lambda: sparse(SmallWorld(3, 0.1), C, C), "SmallWorld needs an even k"),
        (lambda: sparse(SmallWorld(4, 0.1), A, A), "must be an integer in"),
        (lambda: sparse(SmallWorld(2, 0.1)), "joins a population with itself; pre must be post"),
    ],
)
def test_sparse_rules_that_cannot_be_met_are_refused_in_words(build, message):
    with pytest.raises(InvalidInput, match=message):
        build()


def test_sparse_rules_count_their_synapses_exactly():
    assert sparse(FixedInDegree(2)).n_synapses == 2 * 4
    assert sparse(FixedOutDegree(2)).n_synapses == 2 * 3
    assert sparse(FixedInDegree(9), multapses=True).n_synapses == 36
    assert sparse(FixedInDegree(3), A, A, autapses=True).n_synapses == 9
    assert sparse(Edges([0, 2], [3, 1])).n_synapses == 2
    assert sparse(SmallWorld(2, 0.1), C, C).n_synapses == 8
    assert sparse(FixedProbability(1)).n_synapses == 12
    assert sparse(FixedProbability(1), A, A).n_synapses == 6
    assert sparse(FixedProbability(0)).n_synapses == 0


def test_the_number_of_random_synapses_is_that_of_one_coin_a_pair():
    big = Population("n", 1000)
    counts = [sparse(FixedProbability(0.1), big, big, seed=seed).n_synapses for seed in range(50)]
    mean, sd = 0.1 * 1000 * 999, np.sqrt(0.1 * 0.9 * 1000 * 999)
    assert abs(np.mean(counts) - mean) < 4 * sd / np.sqrt(50)
    assert 0.7 < np.std(counts) / sd < 1.3
    assert len(set(counts)) > 40  # the seed counts


def test_two_projections_of_one_seed_differ():
    net = Topology(
        [Population("n", 1000)],
        [Sparse("n", "n", FixedProbability(0.1)), Sparse("n", "n", FixedProbability(0.1), name="other")],
    )
    first, second = (block.shape for block in list(net.layout.values())[:2])
    assert first != second


IMAGE = Population("image", (7, 6, 2))


@pytest.mark.parametrize(
    ("projection", "shape", "synapses"),
    [
        (Conv2D("image", "maps", kernel=3), (5, 4, 8), 5 * 4 * 8 * 9 * 2),
        (Conv2D("image", "maps", kernel=(3, 2), stride=2), (3, 3, 1), 9 * 6 * 2),
        (Conv2D("image", "maps", kernel=3, stride=2, padding="same"), (4, 3, 1), 12 * 9 * 2),
        (Pool2D("image", "maps"), (3, 3, 2), 18 * 4),
        (Pool2D("image", "maps", window=3, stride=2), (3, 2, 2), 12 * 9),
        (Pool2D("image", "maps", window=2, padding="same", kind="mean"), (4, 3, 2), 24 * 4),
    ],
    ids=repr,
)
def test_windows_slide_as_valid_and_same_padding_say(projection, shape, synapses):
    net = Topology([IMAGE, Population("maps", shape)], [projection])
    assert net.n_synapses == synapses
    wrong = (shape[0] + 1, *shape[1:])
    with pytest.raises(InvalidInput, match=rf"gives \({shape[0]}, .*, but 'maps' has shape \({wrong[0]}"):
        Topology([IMAGE, Population("maps", wrong)], [projection])


def test_channels_share_one_bias_behind_a_convolution():
    net = Topology([IMAGE, Population("maps", (5, 4, 8), unit="prelu")], [Conv2D("image", "maps")])
    assert shapes(net) == {
        "image->maps": (3, 3, 2, 8),
        "image.bias": (84,),
        "maps.bias": (8,),
        "maps.alpha": (8,),
    }


# -- looking things up -------------------------------------------------------------------------------------------------


def test_parts_are_found_by_name_and_role():
    net = Topology.mlp(4, 3, 2, skip=[("input", "output")])
    assert net["hidden"].size == 3
    assert net.projection("input->output").post == "output"
    assert [p.name for p in net.incoming("output")] == ["hidden->output", "input->output"]
    assert [p.name for p in net.by_role("hidden")] == ["hidden"]
    assert [p.name for p in net.ends("input->output")] == ["input", "output"]
    for find in (lambda: net["hiden"], lambda: net.projection("input->outpt"), lambda: net.by_role("inputs")):
        with pytest.raises(UnknownName, match="did you mean"):
            find()


def test_unit_layout_gives_each_population_its_slice():
    net = Topology.mlp((2, 2), 3, 2)
    assert net.unit_layout == {"input": slice(0, 4), "hidden": slice(4, 7), "output": slice(7, 9)}
    assert net.n_units == 9


def test_nbytes_is_what_parameters_take():
    for net in (Topology.mlp(4, 3, 2), Topology.lenet5()):
        for dtype in ("float32", "float64"):
            assert sum(net.nbytes(dtype).values()) == Parameters.zeros(net, dtype).nbytes


def test_fan_in_is_the_number_of_synapses_that_end_on_a_unit():
    net = Topology.lenet5()
    fan_in = {p.name: p.fan_in(*net.ends(p)) for p in net.projections}
    assert fan_in["input->conv1"] == 25
    assert fan_in["pool1->conv2"] == 150
    assert fan_in["pool2->dense1"] == 400
    hopfield = Topology.hopfield(10)
    assert hopfield.projections[0].fan_in(hopfield["spins"], hopfield["spins"]) == 9


def test_a_topology_is_frozen_hashable_and_equal_by_content():
    net = Topology.mlp(4, 3, 2)
    assert net == Topology.mlp(4, 3, 2)
    assert hash(net) == hash(Topology.mlp(4, 3, 2))
    assert net != Topology.mlp(4, 3, 2, unit="tanh")
    with pytest.raises(AttributeError):
        net.populations = ()
    assert len({Gaussian(sigma=[1, 2]), Gaussian(sigma=(1.0, 2.0)), Gaussian(sigma=np.array([1, 2]))}) == 1


def test_repr_says_what_it_is():
    assert repr(Topology.mlp((8, 8), 100, 10)) == (
        "Topology(input 8x8 -> hidden 100 relu -> output 10 softmax; 7,510 parameters)"
    )


# -- order -------------------------------------------------------------------------------------------------------------


def names(populations):
    return [population.name for population in populations]


def test_order_puts_each_population_after_all_that_reach_it():
    assert names(Topology.mlp(4, 3, 2, skip=[("input", "output")]).order()) == ["input", "hidden", "output"]
    shuffled = [Population(name, 2) for name in ("d", "b", "a", "c")]
    net = Topology(shuffled, [Dense("a", "b"), Dense("b", "c"), Dense("a", "d"), Dense("c", "d")])
    assert names(net.order()) == ["a", "b", "c", "d"]


def test_order_holds_for_random_acyclic_graphs():
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = int(rng.integers(2, 9))
        rank = rng.permutation(n)
        edges = [(i, j) for i in range(n) for j in range(n) if rank[i] < rank[j] and rng.random() < 0.4]
        net = Topology([Population(f"p{k}", 1) for k in range(n)], [Dense(f"p{i}", f"p{j}") for i, j in edges])
        place = {name: k for k, name in enumerate(names(net.order()))}
        assert all(place[f"p{i}"] < place[f"p{j}"] for i, j in edges)


def test_order_names_the_way_out_of_a_cycle():
    net = Topology([A, B, C], [Dense("a", "b"), Dense("b", "c"), Dense("c", "b")])
    with pytest.raises(UnsupportedTopology, match="'b', 'c' form a cycle or hang on one; drop a projection"):
        net.order()
    with pytest.raises(UnsupportedTopology, match="'hidden', 'output' form a cycle"):
        Topology.recurrent(3, 2, 2).order()
    with pytest.raises(UnsupportedTopology, match="'visible->hidden' is symmetric and runs both ways; use an energy"):
        Topology.rbm(3, 2).order()


# -- variations --------------------------------------------------------------------------------------------------------


def test_with_units_changes_units_alone_by_name_before_role():
    net = Topology.mlp(4, 3, 5, 2)
    other = net.with_units(hidden="tanh", hidden2=LIF(tau_m=0.01), output="linear")
    assert [p.unit.name for p in other.populations] == ["linear", "tanh", "lif", "linear"]
    assert other.layout == net.layout
    assert other.projections == net.projections
    with pytest.raises(UnknownName, match="unknown population or role 'hiden'; did you mean 'hidden'"):
        net.with_units(hiden="relu")


def test_units_are_known_by_name_with_their_constants():
    assert as_unit("relu") == ReLU()
    for name, unit in UNITS.items():
        assert as_unit(name) == unit()
        assert as_unit(unit().to_json()) == unit()
    assert as_unit({"type": "lif", "tau_m": 0.01}) == LIF(tau_m=0.01)
    assert PReLU.learns == {"alpha": 0.25}


@pytest.mark.parametrize("cls", [Dense, OneToOne, Sparse, Conv2D, Pool2D])
def test_help_on_a_projection_tells_of_every_field(cls):
    for field in dataclasses.fields(cls):
        assert re.search(rf"^(\w+, )*{field.name}(, \w+)* : ", inspect.getdoc(cls), flags=re.MULTILINE), field.name
