"""Lesions: exact numbers, nested as they grow, sparing what they should."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import bioneuro
from bioneuro import Dense, OneToOne, Parameters, Population, Sparse, Topology
from bioneuro.errors import InvalidInput, UnknownName, UnsupportedTopology
from bioneuro.initializers import initialise
from bioneuro.plasticity import grow
from bioneuro.topology import FixedInDegree

NET = Topology.mlp(20, 31, 17, 10)
SHARES = (0, 0.01, 0.1, 0.3, 0.5, 0.7, 1)


def dead(lesion, population):
    return int((~lesion.alive_in(population)).sum())


def cut(lesion, projection):
    return int((~lesion.intact[projection]).sum()) if projection in lesion.intact else 0


@pytest.mark.parametrize("share", SHARES)
def test_exactly_the_rounded_share_dies(share):
    lesion = NET.lesion(units=share, synapses=share)
    for population in NET.by_role("hidden"):
        assert dead(lesion, population.name) == math.floor(share * population.size + 0.5)
    for projection in NET.projections:
        assert cut(lesion, projection.name) == math.floor(share * projection.n_synapses(*NET.ends(projection)) + 0.5)


def test_input_and_output_are_spared_unless_named():
    lesion = NET.lesion(units=1)
    assert dead(lesion, "input") == dead(lesion, "output") == 0
    named = NET.lesion(units={"input": 0.5, "hidden1": 1})
    assert (dead(named, "input"), dead(named, "hidden1"), dead(named, "hidden2")) == (10, 31, 0)


def test_a_network_without_hidden_units_keeps_its_units_and_a_hopfield_net_may_lose_any():
    assert Topology.mlp(5, 3).lesion(units=1).alive.all()
    assert dead(Topology.hopfield(64).lesion(units=0.3), "spins") == 19


def test_synapses_may_be_named_too():
    lesion = NET.lesion(synapses={"input->hidden1": 0.25})
    assert cut(lesion, "input->hidden1") == 155
    assert set(lesion.intact) == {"input->hidden1"}


@pytest.mark.parametrize("net", [NET, Topology.hopfield(15), Topology.rbm(9, 8)], ids=repr)
def test_a_larger_lesion_of_one_seed_holds_the_smaller_one(net):
    lesions = [net.lesion(units=share, synapses=share, random_state=3) for share in SHARES]
    for small, large in itertools.pairwise(lesions):
        assert not (large.alive & ~small.alive).any()
        for name, mask in small.intact.items():
            assert not (large.intact[name] & ~mask).any()


def test_the_same_seed_gives_the_same_lesion_and_another_another():
    for seed in (0, 2**100):
        a, b = NET.lesion(0.4, 0.4, seed), NET.lesion(0.4, 0.4, seed)
        assert (a.alive == b.alive).all()
        assert all((a.intact[name] == b.intact[name]).all() for name in a.intact)
    assert (NET.lesion(0.5, random_state=0).alive != NET.lesion(0.5, random_state=1).alive).any()


def test_a_known_lesion_does_not_move():
    lesion = Topology.mlp(6, 12, 2).lesion(0.5, random_state=7)
    assert lesion.alive_in("hidden").astype(int).tolist() == [
        0,
        0,
        1,
        1,
        1,
        0,
        1,
        1,
        0,
        0,
        0,
        1,
    ]


def test_units_and_synapses_die_independently_of_what_else_does():
    alone, together = NET.lesion(units=0.3), NET.lesion(units=0.3, synapses=0.5)
    assert (alone.alive == together.alive).all()
    named = NET.lesion(units={"hidden2": 0.3})
    assert (named.alive_in("hidden2") == alone.alive_in("hidden2")).all()


def test_every_unit_is_equally_likely_to_die():
    net = Topology.mlp(2, 10, 2)
    deaths = sum(~net.lesion(0.3, random_state=seed).alive_in("hidden") for seed in range(1000))
    assert np.abs(deaths - 300).max() < 4.5 * math.sqrt(1000 * 0.3 * 0.7)


def test_both_directions_of_a_symmetric_pair_die_together_and_the_diagonal_does_not_count():
    net = Topology.hopfield(12)
    mask = net.lesion(synapses=0.25).intact["spins->spins"]
    assert (mask == mask.T).all()
    assert mask.diagonal().all()
    assert (~np.triu(mask, 1)[np.triu_indices(12, 1)]).sum() == math.floor(0.25 * 66 + 0.5)


def test_a_lesioned_copy_has_zeros_for_dead_synapses_and_the_original_is_untouched():
    params = initialise(NET, random_state=0)
    before = params.theta.copy()
    lesion = NET.lesion(units=0.3, synapses=0.4)
    hurt = lesion.apply(params)
    for name, mask in lesion.intact.items():
        assert (hurt[name][~mask] == 0).all()
        assert (hurt[name][mask] == params[name][mask]).all()
    assert (hurt["hidden1.bias"] == params["hidden1.bias"]).all()
    assert (params.theta == before).all()
    assert not np.shares_memory(hurt.theta, params.theta)


def test_a_lesion_serves_every_topology_of_its_structure_and_refuses_others():
    lesion = NET.lesion(synapses=0.5)
    spiking = initialise(NET.with_units(hidden="lif"))
    assert (lesion.apply(spiking)["input->hidden1"] == 0).sum() == 310
    with pytest.raises(InvalidInput, match=r"this lesion is of Topology\(input 20 .*, the parameters are of Topo"):
        lesion.apply(Parameters.zeros(Topology.mlp(3, 2)))


def test_dead_units_stay_dead_while_synapses_come_and_go_and_dead_synapses_do_not():
    net = Topology([Population("a", 10)], [Sparse("a", "a", FixedInDegree(3))])
    grown = grow(Parameters.zeros(net), "a->a", 7, weight=1.0, random_state=0)
    assert net.lesion(units=0.5).apply(grown)["a->a"].sum() == 7
    with pytest.raises(InvalidInput, match=r"with other synapses; draw it from their topology: .lesion\(...\)"):
        net.lesion(synapses=0.5).apply(grown)


def test_synapses_of_sparse_and_one_to_one_projections_die_one_by_one():
    net = Topology(
        [Population("a", 10), Population("b", 10)],
        [Sparse("a", "b", FixedInDegree(3)), OneToOne("b", "a"), Dense("a", "b", name="d", symmetric=True)],
    )
    lesion = net.lesion(synapses=0.5)
    assert {name: cut(lesion, name) for name in lesion.intact} == {"a->b": 15, "b->a": 5, "d": 50}


def test_shared_weights_cannot_lose_single_synapses():
    with pytest.raises(UnsupportedTopology, match=r"'input->conv1' shares its weights, so its synapses cannot die"):
        Topology.lenet5().lesion(synapses=0.3)
    tied = Topology([Population("a", 3), Population("b", 3)], [Dense("a", "b"), Dense("b", "a", tied_to="a->b")])
    with pytest.raises(UnsupportedTopology, match="'b->a' shares its weights"):
        tied.lesion(synapses={"b->a": 0.5})
    one = Topology([Population("a", 3), Population("b", 3)], [Dense("a", "b", shared=True)])
    with pytest.raises(UnsupportedTopology, match="shares its weights"):
        one.lesion(synapses=0.5)
    assert Topology.lenet5().lesion(units=0.5, synapses={"dense1->dense2": 0.5}).intact.keys() == {"dense1->dense2"}


def test_bad_shares_names_and_seeds_are_refused_in_words():
    for net in (NET, Topology.mlp(3, 2)):
        with pytest.raises(InvalidInput, match=r"share of dead units.* must be a number in \[0, 1\], got 1.5"):
            net.lesion(units=1.5)
        with pytest.raises(InvalidInput, match=r"share of dead synapses.* must be a number in \[0, 1\], got -0.1"):
            net.lesion(synapses=-0.1)
    with pytest.raises(InvalidInput, match=r"share of dead units in 'hidden1' must be a number in \[0, 1\], got nan"):
        NET.lesion(units={"hidden1": float("nan")})
    with pytest.raises(UnknownName, match="unknown population to lesion 'hiden1'; did you mean 'hidden1'"):
        NET.lesion(units={"hiden1": 0.5})
    with pytest.raises(UnknownName, match="unknown projection to lesion 'input->output'"):
        NET.lesion(synapses={"input->output": 0.5})
    with pytest.raises(InvalidInput, match="random_state must be None, a whole number"):
        NET.lesion(0.5, random_state="seven")


def test_repr_counts_the_dead():
    lesion = Topology.mlp(6, 5, 2).lesion(0.5, 0.2, 7)
    assert repr(lesion) == (
        "Lesion(dead units {'input': 0, 'hidden': 3, 'output': 0}, "
        "dead synapses {'input->hidden': 6, 'hidden->output': 2})"
    )


def test_lesions_leave_the_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    bioneuro.Topology.hopfield(9).lesion(0.5, 0.5, None)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
