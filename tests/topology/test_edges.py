"""Synapses of sparse projections: the laws of each rule, order, identity and what is refused."""

from __future__ import annotations

import hashlib
import itertools
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from scipy import stats

from bioneuro import Dense, Population, Sparse, Topology, memory
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, ResourceError, UnknownName, UnsupportedTopology
from bioneuro.topology import Edges, FixedInDegree, FixedOutDegree, FixedProbability, SmallWorld
from bioneuro.topology.sparse_kernels import draw_multisets, draw_small_world, draw_subsets
from tests.naive import topology as naive

SHARE_OF_CHANCE = 1e-6  # a statistical test may fail by chance in one seed of a million; seeds are fixed


def between(rule, n_pre, n_post, **options):
    return Topology([Population("a", n_pre), Population("b", n_post)], [Sparse("a", "b", rule, **options)])


def within(rule, n, **options):
    return Topology([Population("a", n)], [Sparse("a", "a", rule, name="a->b", **options)])


def matrix(net):
    """How many synapses each pair has, (n_pre, n_post)."""
    found = net.edges("a->b")
    pre, post = net.ends("a->b")
    counts = np.zeros((pre.size, post.size), int)
    np.add.at(counts, (found.pre, found.post), 1)
    return counts


SMALL = {
    "probability": between(FixedProbability(0.3), 9, 7),
    "probability 0": between(FixedProbability(0), 3, 4),
    "probability 1": within(FixedProbability(1), 6),
    "probability, autapses": within(FixedProbability(0.5), 8, autapses=True, seed=2**70),
    "in-degree": between(FixedInDegree(4), 9, 7),
    "in-degree, recurrent": within(FixedInDegree(5), 6),
    "in-degree, multapses": within(FixedInDegree(9), 5, multapses=True),
    "out-degree": between(FixedOutDegree(3), 5, 11, seed=3),
    "out-degree, multapses": between(FixedOutDegree(6), 5, 4, multapses=True),
    "out-degree 0": between(FixedOutDegree(0), 5, 4),
    "edges": between(Edges([2, 0, 2, 1], [3, 1, 0, 3]), 3, 4),
    "edges, multapses": between(Edges([2, 0, 2, 2], [3, 1, 0, 3]), 3, 4, multapses=True),
    "small world": within(SmallWorld(4, 0.5), 12),
    "small world, all joined": within(SmallWorld(4, 1.0), 5),
    "small world, nearly all joined": within(SmallWorld(4, 1.0), 6, seed=5),
    "small world, multapses": within(SmallWorld(4, 0.7), 9, multapses=True),
}


@pytest.mark.small
@pytest.mark.parametrize("net", SMALL.values(), ids=SMALL)
def test_synapses_are_those_of_the_plain_twin_in_order(net):
    found = net.edges("a->b")
    pre, post = net.ends("a->b")
    assert list(zip(found.pre.tolist(), found.post.tolist(), strict=True)) == naive.edges(
        net.projection("a->b"), pre.size, post.size
    )


@pytest.mark.small
@pytest.mark.parametrize("net", SMALL.values(), ids=SMALL)
def test_adjacency_fits_the_weights(net):
    found = net.edges("a->b")
    assert found.indptr.dtype == np.int64
    assert found.post.dtype == np.int32
    assert found.indptr.shape == (net.ends("a->b")[0].size + 1,)
    assert (len(found.post),) == net.layout["a->b"].shape == (net.n_synapses,) == (found.indptr[-1],)
    with pytest.raises(ValueError, match="read-only"):
        found.post[...] = 0


# -- degrees and laws --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"autapses": True}, {"multapses": True}])
def test_degrees_are_exact(options):
    assert np.all(matrix(within(FixedInDegree(20), 60, **options)).sum(axis=0) == 20)
    assert np.all(matrix(within(FixedOutDegree(20), 60, **options)).sum(axis=1) == 20)
    assert within(SmallWorld(20, 0.5), 60).n_synapses == matrix(within(SmallWorld(20, 0.5), 60)).sum() == 1200


@pytest.mark.parametrize("rule", [FixedProbability(0.5), FixedInDegree(30), FixedOutDegree(30)])
def test_autapses_and_multapses_come_only_where_allowed(rule):
    plain = matrix(within(rule, 60))
    assert plain.max() == 1
    assert np.trace(plain) == 0
    own = matrix(within(rule, 60, autapses=True))
    assert own.max() == 1
    assert np.trace(own) > 0
    if not isinstance(rule, FixedProbability):
        several = matrix(within(rule, 60, multapses=True))
        assert several.max() > 1
        assert np.trace(several) == 0


@pytest.mark.parametrize(
    ("rule", "multapses"),
    [
        (FixedProbability(0.2), False),
        *(
            (rule(k), several)
            for rule in (FixedInDegree, FixedOutDegree)
            for k in (10, 40)
            for several in (False, True)
        ),
    ],
)
def test_every_pair_is_joined_equally_often(rule, multapses):
    """The counts c of a pair over D seeds have mean D q and variance D q (1 - q), or D q (1 - 1/m) with replacement.

    So the sum over N pairs of (c - D q)^2 / variance has mean N, and a variance near 2 N.
    """
    n, draws = 51, 400
    total = sum(matrix(within(rule, n, multapses=multapses, seed=seed)) for seed in range(draws))
    counts = total[~np.eye(n, dtype=bool)]
    q = rule.p if isinstance(rule, FixedProbability) else rule.k / (n - 1)
    statistic = ((counts - draws * q) ** 2).sum() / (draws * q * (1 - (1 / (n - 1) if multapses else q)))
    assert abs(statistic - counts.size) < stats.norm.isf(SHARE_OF_CHANCE) * np.sqrt(2 * counts.size)


def test_subsets_are_uniform_over_all_subsets():
    """Floyd's draws of 3 of 6: twenty subsets, each equally likely; chi-square with 19 degrees of freedom."""
    n_rows = 20_000
    indptr, out = 3 * np.arange(n_rows + 1), np.empty(3 * n_rows, np.int32)
    draw_subsets(Key.from_seed(0).words, 0, indptr, 6, False, out)
    codes = (1 << out.reshape(-1, 3)).sum(axis=1)
    _, counts = np.unique(codes, return_counts=True)
    assert len(counts) == 20
    assert stats.chisquare(counts).pvalue > SHARE_OF_CHANCE


def test_multisets_are_uniform_over_all_sequences():
    n_rows = 20_000
    indptr, out = 2 * np.arange(n_rows + 1), np.empty(2 * n_rows, np.int32)
    draw_multisets(Key.from_seed(0).words, 0, indptr, 5, False, out)
    _, counts = np.unique(out.reshape(-1, 2) @ [5, 1], return_counts=True)
    assert len(counts) == 25
    assert stats.chisquare(counts).pvalue > SHARE_OF_CHANCE


def test_in_degrees_of_a_random_graph_are_binomial():
    n, p = 2000, 0.02
    degrees = matrix(within(FixedProbability(p), n)).sum(axis=0)
    edges = stats.binom.ppf(np.linspace(0, 1, 21), n - 1, p)
    observed, _ = np.histogram(degrees, np.unique(edges) + 0.5)
    expected = n * np.diff(stats.binom.cdf(np.unique(edges), n - 1, p))
    kept = expected > 5
    chance = stats.chi2.sf(((observed - expected)[kept] ** 2 / expected[kept]).sum(), kept.sum())
    assert chance > SHARE_OF_CHANCE


# -- small worlds ------------------------------------------------------------------------------------------------------


def clustering(joined):
    """Mean share of the pairs of a unit's neighbours that are joined themselves."""
    degrees = joined.sum(axis=0)
    triangles = np.diag(joined @ joined @ joined)
    return np.mean(triangles / (degrees * (degrees - 1)))


def test_a_small_world_without_rewiring_is_the_ring():
    n, k = 50, 6
    ring = matrix(within(SmallWorld(k, 0.0), n))
    gap = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    assert np.array_equal(ring, (np.minimum(gap, n - gap) <= k // 2) & (gap > 0))
    assert clustering(ring) == pytest.approx(3 * (k - 2) / (4 * (k - 1)))  # Watts and Strogatz 1998


@pytest.mark.parametrize("p", [0.05, 0.3, 1.0])
def test_a_small_world_is_symmetric_simple_and_rewired_as_often_as_said(p):
    n, k = 1000, 10
    world, ring = matrix(within(SmallWorld(k, p), n)), matrix(within(SmallWorld(k, 0.0), n))
    assert np.array_equal(world, world.T)
    assert world.max() == 1
    assert np.trace(world) == 0
    assert world.sum() == n * k
    assert world.sum(axis=0).min() >= k // 2
    moved = (ring > world).sum() // 2
    pairs = n * k // 2  # a pair may move onto a place that another left: a share of about k / n of those moved
    spread = stats.norm.isf(SHARE_OF_CHANCE) * np.sqrt(pairs * p * (1 - p)) + 3 * p * pairs * k / n
    assert abs(moved - p * pairs) <= spread


def test_units_joined_with_all_others_keep_their_pairs():
    for seed in range(100):  # with 6 units of 4 neighbours many become full on the way
        net = within(SmallWorld(4, 1.0), 6, seed=seed)
        found = net.edges("a->b")
        assert list(zip(found.pre, found.post, strict=True)) == naive.edges(net.projection("a->b"), 6, 6)


@pytest.mark.parametrize(("k", "p"), [(4, 0.3), (10, 1.0)])
def test_pairs_looked_up_in_a_table_are_those_found_by_searching(k, p):
    words, drawn = Key.from_seed(5).words, [np.empty((50, k // 2), np.int32) for _ in range(2)]
    draw_small_world(words, p, False, np.zeros(0, np.uint64), drawn[0])
    draw_small_world(words, p, False, np.zeros(50 * 50 // 64 + 1, np.uint64), drawn[1])
    assert np.array_equal(*drawn)


def test_clustering_of_a_small_world_falls_as_the_third_power():
    """C(p) = C(0) (1 - p)^3 up to terms of order 1/n (Barrat and Weigt, Eur. Phys. J. B 13 (2000) 547)."""
    n, k = 1500, 20
    start = 3 * (k - 2) / (4 * (k - 1))
    for p in (0.1, 0.4):
        found = clustering(matrix(within(SmallWorld(k, p), n)).astype(float))
        assert found == pytest.approx(start * (1 - p) ** 3, abs=2 * k / n)


# -- identity ----------------------------------------------------------------------------------------------------------

DIGESTS = {
    "probability": (FixedProbability(0.1), {}),
    "in-degree": (FixedInDegree(100), {}),
    "out-degree": (FixedOutDegree(100), {"multapses": True}),
    "small world": (SmallWorld(20, 0.2), {}),
}
KNOWN = {
    "probability": "ba7eb3cd3b229ea0",
    "in-degree": "bc99f74ebddbb20e",
    "out-degree": "8e0cf9bb7e693e0a",
    "small world": "e154fa82955ff9a9",
}


def digest(found):
    return hashlib.blake2b(found.indptr.tobytes() + found.post.tobytes(), digest_size=8).hexdigest()


@pytest.mark.parametrize("case", DIGESTS)
def test_the_same_seed_draws_the_same_synapses_for_ever(case):
    rule, options = DIGESTS[case]
    assert digest(within(rule, 1000, seed=1, **options).edges("a->b")) == KNOWN[case]


@pytest.mark.parametrize("draw", [draw_subsets, draw_multisets])
def test_rows_drawn_apart_or_by_several_threads_are_those_drawn_at_once(draw):
    key, k, n_rows, n = Key.from_seed(3).words, 13, 200, 90
    indptr, whole = k * np.arange(n_rows + 1), np.empty(k * n_rows, np.int32)
    draw(key, 0, indptr, n, True, whole)
    for cuts in ([0, 1, 200], [0, 67, 134, 200]):
        parts = np.empty_like(whole)

        def one(start, stop, parts=parts):
            draw(key, start, indptr[start : stop + 1] - indptr[start], n, True, parts[k * start : k * stop])

        threads = [threading.Thread(target=one, args=pair) for pair in itertools.pairwise(cuts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert np.array_equal(parts, whole)


def test_projections_of_one_seed_differ_by_name_and_of_one_name_by_seed():
    net = Topology(
        [Population("a", 100)],
        [Sparse("a", "a", FixedInDegree(10)), Sparse("a", "a", FixedInDegree(10), name="other")],
    )
    assert not np.array_equal(net.edges("a->a").post, net.edges("other").post)
    assert not np.array_equal(
        within(FixedInDegree(10), 100, seed=1).edges("a->b").post, within(FixedInDegree(10), 100).edges("a->b").post
    )


def test_synapses_do_not_depend_on_what_else_the_topology_holds():
    alone = between(FixedInDegree(10), 100, 50)
    crowded = Topology(
        [Population("z", 9), *alone.populations],
        [Sparse("z", "z", FixedInDegree(2)), *alone.projections, Dense("b", "a")],
    )
    assert np.array_equal(alone.edges("a->b").post, crowded.edges("a->b").post)


def test_synapses_are_drawn_once_and_shared_with_other_units():
    net = within(FixedInDegree(10), 100)
    spiking = net.with_units(hidden="lif")
    assert spiking.edges("a->b") is net.edges("a->b") is net.edges("a->b")


def test_copies_in_other_processes_carry_the_rule_and_not_the_synapses():
    net = within(FixedInDegree(1000), 2000)
    net.edges("a->b")
    sent = pickle.dumps(net)
    assert len(sent) < 2000
    assert np.array_equal(pickle.loads(sent).edges("a->b").post, net.edges("a->b").post)


def test_the_reverse_of_each_synapse_is_found():
    found = within(SmallWorld(6, 0.5), 40, symmetric=True).edges("a->b")
    back = found.reverse()
    assert np.array_equal(found.pre[back], found.post)
    assert np.array_equal(found.post[back], found.pre)
    assert np.array_equal(back[back], np.arange(len(back)))


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.small
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: within(FixedInDegree(3), 10, symmetric=True),
            "FixedInDegree draws each direction by itself, so it cannot be symmetric; use SmallWorld, or Edges",
        ),
        (
            lambda: within(Edges([0, 1], [1, 2]), 3, symmetric=True),
            "a symmetric projection needs each edge in both directions",
        ),
        (lambda: within(SmallWorld(2, 0), 5, symmetric=True, multapses=True), "neither autapses nor multapses"),
        (lambda: within(SmallWorld(2, 0.1), 2), "SmallWorld needs at least 3 units, 'a' has 2"),
        (lambda: within(FixedInDegree(1), 1, multapses=True), "than the 0 there are; lower k or allow autapses"),
    ],
)
def test_rules_that_cannot_be_met_are_refused_in_words(build, message):
    with pytest.raises(InvalidInput, match=message):
        build()


@pytest.mark.small
def test_structure_needs_no_compiler_until_synapses_are_drawn():
    code = (
        "import sys; from bioneuro.topology import Topology; net = Topology.balanced(400, fixed_in_degree=False); "
        "net.layout, net.digest, net.nbytes(); print('numba' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "False"


@pytest.mark.small
def test_only_sparse_projections_have_drawn_edges():
    net = Topology.mlp(3, 2)
    with pytest.raises(UnsupportedTopology, match="'input->output' is Dense, which joins units by its shape"):
        net.edges("input->output")
    with pytest.raises(UnknownName, match="unknown projection 'input->otput'; did you mean 'input->output'"):
        net.edges("input->otput")


@pytest.mark.small
def test_more_synapses_than_memory_are_refused_before_they_are_drawn(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**30)
    net = within(FixedInDegree(10_000), 100_000)
    with pytest.raises(ResourceError, match=r"drawing the synapses of 'a->b' needs 18\.6 GiB and 1\.0 GiB are free"):
        net.edges("a->b")


@pytest.mark.small
def test_symmetric_sparse_synapses_die_in_pairs():
    net = within(SmallWorld(4, 0.3), 30, symmetric=True)
    mask = net.lesion(synapses=0.5, random_state=1).intact["a->b"]
    assert mask.sum() == 60
    assert np.array_equal(mask, mask[net.edges("a->b").reverse()])
