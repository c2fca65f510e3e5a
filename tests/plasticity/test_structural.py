"""Synapses grow, go and move; what is left keeps its weight."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bioneuro import Conv2D, Dense, Parameters, Population, Sparse, Topology
from bioneuro.errors import InvalidInput, ResourceError, UnsupportedTopology
from bioneuro.initializers import initialise
from bioneuro.plasticity import grow, prune, rewire
from bioneuro.topology import Edges, FixedInDegree, FixedOutDegree

RANDOM = Topology(
    [Population("a", 30), Population("b", 20)],
    [
        Sparse("a", "b", FixedInDegree(6), sign=1, delay=1e-3, tau_synapse=5e-3),
        Dense("b", "a"),
        Sparse("a", "a", FixedOutDegree(4)),
    ],
)  # fmt: skip
LAYERS = Topology.mlp(6, 5, 3)
HOPFIELD = Topology.hopfield(12)
EMPTY = Topology([Population("a", 4), Population("b", 3)], [Sparse("a", "b", Edges([], []))])


def matrix(parameters, name, fill=0.0):
    """W with `fill` where there is no synapse; synapses of one pair are summed."""
    projection = parameters.topology.projection(name)
    if isinstance(projection, Dense):
        return parameters[name]
    found = parameters.topology.edges(name)
    pre, post = parameters.topology.ends(name)
    weights, there = np.zeros((pre.size, post.size)), np.zeros((pre.size, post.size), bool)
    np.add.at(weights, (found.pre, found.post), parameters[name])
    there[found.pre, found.post] = True
    return np.where(there, weights, fill)


# -- prune -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("net", "name"), [(RANDOM, "a->b"), (RANDOM, "b->a"), (LAYERS, "input->hidden")])
def test_pruning_by_a_threshold_is_setting_weak_weights_to_zero(net, name):
    before = initialise(net, "unit-gaussian", bias=0.3, random_state=1)
    after = prune(before, name, threshold=0.8)
    weak = np.abs(matrix(before, name)) < 0.8
    assert np.array_equal(matrix(after, name), np.where(weak, 0, matrix(before, name)))
    assert len(after[name]) == (~weak).sum()
    for key in before:
        if key != name:
            assert np.array_equal(after[key], before[key])


def test_pruning_a_share_takes_the_weakest():
    before = initialise(RANDOM, "unit-gaussian", random_state=1)
    after = prune(before, "a->b", share=0.3)
    assert np.array_equal(np.sort(np.abs(after["a->b"])), np.sort(np.abs(before["a->b"]))[36:])


def test_a_pruned_projection_stays_what_it_was_but_for_its_synapses():
    projection = prune(initialise(RANDOM), "a->b", share=0.5).topology.projection("a->b")
    assert (projection.sign, projection.delay, projection.tau_synapse) == (1, 1e-3, 5e-3)
    assert isinstance(projection.rule, Edges)


def test_nothing_and_everything_can_be_pruned():
    before = initialise(RANDOM, random_state=1)
    assert np.array_equal(prune(before, "a->b", share=0)["a->b"], before["a->b"])
    assert prune(before, "a->b", share=1)["a->b"].shape == (0,)
    assert prune(before, "a->b", threshold=0).topology.n_synapses == RANDOM.n_synapses


def test_a_dense_matrix_keeps_its_diagonal_when_it_becomes_sparse():
    net = Topology([Population("a", 5)], [Dense("a", "a")])
    before = initialise(net, "unit-gaussian", random_state=1)
    after = prune(before, "a->a", threshold=0.5)
    assert np.array_equal(matrix(after, "a->a"), np.where(np.abs(before["a->a"]) < 0.5, 0, before["a->a"]))
    assert np.diag(matrix(after, "a->a")).any()


def test_the_two_synapses_of_a_symmetric_pair_go_together():
    before = initialise(HOPFIELD, "unit-gaussian", random_state=2)
    after = prune(before, "spins->spins", share=0.5)
    found = matrix(after, "spins->spins")
    assert np.array_equal(found, found.T)
    assert (found != 0).sum() == 66
    grown = grow(after, "spins->spins", 10, weight=9.0, random_state=0)
    assert np.array_equal(matrix(grown, "spins->spins"), matrix(grown, "spins->spins").T)
    assert (matrix(grown, "spins->spins") == 9).sum() == 20
    assert not np.diag(matrix(grown, "spins->spins")).any()


# -- grow --------------------------------------------------------------------------------------------------------------


def test_growth_adds_synapses_where_there_were_none():
    before = initialise(RANDOM, "unit-gaussian", random_state=1)
    after = grow(before, "a->b", 50, weight=np.arange(1, 51), random_state=3)
    old, new = matrix(before, "a->b", np.nan), matrix(after, "a->b", np.nan)
    there = ~np.isnan(old)
    assert np.array_equal(new[there], old[there])
    assert sorted(new[~there & ~np.isnan(new)]) == list(range(1, 51))


def test_growth_without_autapses_or_multapses_makes_none():
    full = grow(initialise(RANDOM), "a->a", 30 * 29 - 120, random_state=0).topology
    found = matrix(Parameters(full, np.ones(full.n_parameters)), "a->a")
    assert np.array_equal(found, 1 - np.eye(30))


def test_unconnected_neurons_grow_connections_uniformly():
    """Each set of 2 of 12 pairs equally often: chi-square over 66 sets."""
    sets = []
    for seed in range(2000):
        found = grow(Parameters.zeros(EMPTY), "a->b", 2, random_state=seed).topology.edges("a->b")
        sets.append(tuple(found.pre * 3 + found.post))
    _, counts = np.unique(sets, axis=0, return_counts=True)
    assert len(counts) == 66
    assert stats.chisquare(counts).pvalue > 1e-6


def test_growth_between_free_pairs_of_a_crowd_is_uniform():
    crowded = Topology([Population("a", 5)], [Sparse("a", "a", Edges([0, 0, 2, 4], [1, 4, 3, 0]))])
    total = np.zeros((5, 5))
    for seed in range(1600):
        total += matrix(grow(Parameters.zeros(crowded), "a->a", 1, weight=1.0, random_state=seed), "a->a")
    free = ~np.eye(5, dtype=bool)
    free[[0, 0, 2, 4], [1, 4, 3, 0]] = False
    assert not total[~free].any()
    assert stats.chisquare(total[free]).pvalue > 1e-6


def test_edges_given_are_grown_with_their_weights():
    after = grow(Parameters.zeros(EMPTY), "a->b", edges=([3, 0, 1], [2, 1, 0]), weight=[3.0, 1.0, 2.0])
    assert after.topology.edges("a->b").pre.tolist() == [0, 1, 3]
    assert after["a->b"].tolist() == [1, 2, 3]


def test_multapses_grow_where_they_are_allowed():
    net = Topology([Population("a", 2), Population("b", 1)], [Sparse("a", "b", Edges([0], [0]), multapses=True)])
    before = Parameters(net, np.array([5.0, 0, 0, 0]))
    after = grow(before, "a->b", 40, weight=1.0, random_state=0)
    assert after["a->b"].shape == (41,)
    assert after["a->b"][0] == 5


def test_growth_is_repeatable():
    one, same, other = (grow(initialise(RANDOM), "a->b", 9, random_state=seed).topology.digest for seed in (1, 1, 2))
    assert one == same != other
    twins = Topology([Population("a", 9)], [Sparse("a", "a", Edges([], []), name=name) for name in ("x", "y")])
    x, y = (grow(Parameters.zeros(twins), name, 9, random_state=1).topology.edges(name) for name in ("x", "y"))
    assert not np.array_equal(x.post, y.post)  # one seed, two projections


# -- rewire ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["weakest", "random"])
def test_rewiring_moves_a_share_of_the_synapses_to_pairs_that_had_none(which):
    before = initialise(RANDOM, "unit-gaussian", random_state=1)
    after = rewire(before, "a->b", 0.25, which=which, weight=100.0, random_state=4)
    old, new = matrix(before, "a->b", np.nan), matrix(after, "a->b", np.nan)
    moved = new == 100
    assert moved.sum() == 30
    assert np.isnan(old[moved]).all()
    stayed = ~np.isnan(new) & ~moved
    assert np.array_equal(new[stayed], old[stayed])
    gone = np.abs(old[np.isnan(new) & ~np.isnan(old)])
    assert gone.size == 30
    assert (gone.max() <= np.abs(new[stayed]).min()) == (which == "weakest")


# -- values go by synapse ----------------------------------------------------------------------------------------------


def net_with(pre, post, **options):
    return Topology([Population("a", 3), Population("b", 3)], [Sparse("a", "b", Edges(pre, post), **options)])


def numbered(net, start=1):
    return Parameters(net, np.arange(start, start + net.n_parameters, dtype=float))


def test_transfer_between_sparse_projections_goes_by_synapse():
    other = numbered(net_with([0, 0, 1, 2], [1, 2, 0, 2]))
    mine = numbered(net_with([2, 0, 1, 1], [2, 2, 1, 0]), 100)
    assert mine.transfer_from(other)["a->b"].tolist() == [2, 3, 102, 4]


def test_transfer_between_synapses_of_one_pair_goes_in_their_order():
    other = numbered(net_with([0, 0, 0, 1], [1, 1, 1, 0], multapses=True))
    mine = numbered(net_with([0, 0, 1, 1], [1, 1, 0, 0], multapses=True), 100)
    assert mine.transfer_from(other)["a->b"].tolist() == [1, 2, 4, 103]
    assert numbered(net_with([0], [1])).transfer_from(other)["a->b"].tolist() == [1]


def test_transfer_between_draws_of_two_seeds_moves_what_both_have():
    def drawn(seed):
        return Topology([Population("a", 20)], [Sparse("a", "a", FixedInDegree(8), seed=seed)])

    other, mine = numbered(drawn(1)), numbered(drawn(2), 1000)
    moved = mine.transfer_from(other)
    theirs, ours, result = (matrix(parameters, "a->a", np.nan) for parameters in (other, mine, moved))
    assert np.array_equal(result, np.where(np.isnan(theirs) | np.isnan(ours), ours, theirs), equal_nan=True)
    assert not np.array_equal(result, ours, equal_nan=True)


def test_transfer_between_dense_and_sparse_goes_by_synapse():
    dense = Topology([Population("a", 3), Population("b", 3)], [Dense("a", "b")])
    full, sparse = numbered(dense), numbered(net_with([0, 1, 2], [2, 1, 0]), 100)
    assert sparse.transfer_from(full)["a->b"].tolist() == [3, 5, 7]
    assert full.transfer_from(sparse)["a->b"].tolist() == [[1, 2, 100], [4, 101, 6], [102, 8, 9]]


def test_transfer_with_no_synapse_in_common_keeps_the_values_here():
    mine = numbered(net_with([0], [0]))
    assert mine.transfer_from(numbered(net_with([1], [0]), 50))["a->b"].tolist() == [1]
    assert mine.transfer_from(numbered(net_with([], []), 50))["a->b"].tolist() == [1]


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_synapses_that_do_not_fit_into_memory_as_lists_are_refused(monkeypatch):
    before = initialise(RANDOM)
    monkeypatch.setattr("bioneuro.memory.available", lambda: 5000)
    with pytest.raises(ResourceError, match=r"changing the synapses of 'a->b' needs .* largest part is synapses as"):
        prune(before, "a->b", share=0.1)


CONVOLUTION = Topology(
    [Population("i", (6, 6, 1)), Population("o", (4, 4, 1))], [Conv2D("i", "o")]
)  # fmt: skip
TIED = Topology([Population("x", 4), Population("h", 2)], [Dense("x", "h"), Dense("h", "x", tied_to="x->h")])
SHARED = Topology([Population("x", 4), Population("h", 2)], [Dense("x", "h", shared=True)])
SIGNED = initialise(RANDOM)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: prune(SIGNED, "a->b"), "prune takes a threshold or a share, got threshold=None and share=None"),
        (lambda: prune(SIGNED, "a->b", share=0.1, threshold=1), "prune takes a threshold or a share"),
        (lambda: prune(SIGNED, "a->b", share=1.1), r"share of synapses to prune must be a number in \[0, 1\]"),
        (lambda: prune(SIGNED, "a->b", threshold=-1), r"threshold must be a number in \[0, inf\)"),
        (lambda: prune(SIGNED, "a->c", share=0.1), "unknown projection 'a->c'; did you mean"),
        (lambda: prune(Parameters.zeros(CONVOLUTION), "i->o", share=0.1), "synapses of Conv2D .i->o. cannot come"),
        (lambda: prune(Parameters.zeros(TIED), "x->h", share=0.1), "'h->x' is tied to 'x->h': its synapses have no"),
        (lambda: prune(Parameters.zeros(SHARED), "x->h", share=0.1), "'x->h' shares one weight: its synapses have no"),
        (lambda: grow(Parameters.zeros(EMPTY), "a->b", edges=([1, 1], [2, 2])), "an edge is given twice"),
        (lambda: prune(RANDOM, "a->b", share=0.1), r"give Parameters, got Topology; for a bare topology Par"),
        (lambda: grow(SIGNED, "a->b"), "grow takes a number n or edges"),
        (lambda: grow(SIGNED, "a->b", -1), "number of synapses to grow must be an integer"),
        (lambda: grow(SIGNED, "a->b", 481), "'a->b' has 480 free pairs of units and 481 synapses are to grow; grow"),
        (lambda: grow(SIGNED, "b->a", 1), "'b->a' is Dense: every pair has its synapse already; prune it first"),
        (lambda: grow(SIGNED, "a->b", 2, weight=[1, 2, 3]), r"weight must be one number or 2, got shape \(3,\)"),
        (lambda: grow(SIGNED, "a->b", 2, weight=-1), "weights of new synapses of 'a->b' must be finite and >= 0 .exc"),
        (lambda: grow(SIGNED, "a->a", 2, weight=np.nan), "weights of new synapses of 'a->a' must be finite, got nan"),
        (lambda: grow(SIGNED, "a->a", edges=([0], [0])), "a unit reaches itself; allow autapses"),
        (lambda: grow(SIGNED, "a->a", edges=([0], [30])), r"indices of 'a' must lie in \[0, 30\)"),
        (lambda: grow(SIGNED, "a->a", edges=3), "edges must be two lists of unit indices"),
        (
            lambda: grow(grow(Parameters.zeros(EMPTY), "a->b", edges=([1], [2])), "a->b", edges=([1], [2])),
            "'a->b' has a synapse from unit 1 to unit 2 already; leave it out, or allow multapses",
        ),
        (lambda: rewire(SIGNED, "a->b", 2), "share of synapses to rewire must be a number"),
        (lambda: rewire(SIGNED, "a->b", 0.1, which="strongest"), "unknown synapses to rewire 'strongest'"),
        (lambda: rewire(SIGNED, "b->a", 0.1), "'b->a' is Dense"),
    ],
)  # fmt: skip
def test_what_cannot_grow_or_go_is_refused_in_words(change, message):
    with pytest.raises(InvalidInput, match=message):
        change()


def test_kinds_that_cannot_change_their_structure_are_named_as_such():
    with pytest.raises(UnsupportedTopology):
        prune(Parameters.zeros(SHARED), "x->h", share=0.1)


@pytest.mark.parametrize(
    ("mine", "other", "message"),
    [
        (
            net_with([0], [0]),
            Topology([Population("a", 4), Population("b", 3)], [Sparse("a", "b", Edges([0], [0]))]),
            "cannot transfer 'a->b' from Sparse of 4 x 3 units into Sparse of 3 x 3 units",
        ),
        (
            net_with([0, 0], [0, 0], multapses=True),
            Topology([Population("a", 3), Population("b", 3)], [Dense("a", "b")]),
            "cannot transfer 'a->b' between Dense and several synapses a pair",
        ),
    ],
)
def test_values_without_a_place_are_refused_in_words(mine, other, message):
    with pytest.raises(InvalidInput, match=message):
        numbered(mine).transfer_from(numbered(other))
