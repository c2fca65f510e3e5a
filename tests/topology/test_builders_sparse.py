"""The builders of sparse networks: small worlds, lattices and balanced networks."""

from __future__ import annotations

import numpy as np
import pytest

from bioneuro import Topology
from bioneuro.errors import InvalidInput, ResourceError
from bioneuro.topology import LIF, FixedInDegree, FixedProbability

pytestmark = pytest.mark.small


def matrix(net, name):
    pre, post = net.ends(name)
    found = net.edges(name)
    joined = np.zeros((pre.size, post.size), int)
    np.add.at(joined, (found.pre, found.post), 1)
    return joined


# -- lattices ----------------------------------------------------------------------------------------------------------


def neighbours_by_distance(height, width, periodic, diagonal):
    """Two sites are neighbours where rows and columns differ by at most one: in sum, or each if diagonals count."""
    row, column = np.divmod(np.arange(height * width), width)
    down, right = np.abs(np.subtract.outer(row, row)), np.abs(np.subtract.outer(column, column))
    if periodic:
        down, right = np.minimum(down, height - down), np.minimum(right, width - right)
    return (np.maximum(down, right) == 1) if diagonal else (down + right == 1)


@pytest.mark.parametrize("neighbours", [4, 8])
@pytest.mark.parametrize(
    ("height", "width", "periodic"), [(3, 3, True), (4, 7, True), (5, 3, False), (1, 6, False), (1, 1, False)]
)
def test_a_lattice_joins_neighbours(height, width, periodic, neighbours):
    net = Topology.lattice(height, width, neighbours=neighbours, periodic=periodic)
    expected = neighbours_by_distance(height, width, periodic, neighbours == 8)
    assert np.array_equal(matrix(net, "sites->sites"), expected)
    assert net["sites"].shape == (height, width)
    if periodic:
        assert net.n_synapses == neighbours * height * width


def test_a_lattice_may_share_one_coupling():
    assert Topology.lattice(4, 5, shared=True).layout["sites->sites"].shape == ()


def test_a_small_world_is_one_population_of_symmetric_pairs():
    net = Topology.small_world(40, 6, 0.2, seed=3)
    joined = matrix(net, "units->units")
    assert np.array_equal(joined, joined.T)
    assert joined.sum() == 240
    assert net.projection("units->units").symmetric
    spiking = Topology.small_world(40, 6, 0.2, seed=3, unit="lif", symmetric=False)
    assert np.array_equal(matrix(spiking, "units->units"), joined)
    assert spiking.layout["units->units"].shape == (240,)


# -- balanced networks -------------------------------------------------------------------------------------------------


def test_a_balanced_network_is_brunels():
    net = Topology.balanced(10_000)
    assert [population.size for population in net.populations] == [10_000, 2_500]
    assert all(population.unit == LIF(20e-3, 20e-3, 10e-3, 0.0, 2e-3) for population in net.populations)
    for name, sign, k in (("E->E", 1, 1000), ("E->I", 1, 1000), ("I->E", -1, 250), ("I->I", -1, 250)):
        projection = net.projection(name)
        assert (projection.sign, projection.rule, projection.delay) == (sign, FixedInDegree(k), 1.5e-3)
        assert not projection.autapses
        assert not projection.multapses
    assert net.n_synapses == 12_500 * 1_250


def test_a_balanced_network_with_a_probability_has_synapses_of_two_speeds():
    net = Topology.balanced(3200, 800, p=0.02, fixed_in_degree=False, tau_synapse=(5e-3, 10e-3), unit=LIF(v_reset=0.0))
    assert net.projection("E->I").rule == FixedProbability(0.02)
    assert [p.tau_synapse for p in net.projections] == [5e-3, 5e-3, 10e-3, 10e-3]
    apart = Topology.balanced(80, 20, delay=(3e-3, 0.5e-3))
    assert [p.delay for p in apart.projections] == [3e-3, 3e-3, 0.5e-3, 0.5e-3]
    mean, spread = 0.02 * (4000**2 - 4000), np.sqrt(0.02 * 0.98) * 4000
    assert abs(net.n_synapses - mean) < 5 * spread


def test_fibres_from_outside_excite_both_populations():
    net = Topology.balanced(80, n_input=40, p=0.25)
    assert [population.name for population in net.by_role("input")] == ["input"]
    for name in ("input->E", "input->I"):
        assert net.projection(name).sign == 1
        assert np.all(matrix(net, name).sum(axis=0) == 10)
    assert not net.incoming("input")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Topology.lattice(2, 5), r"height must be an integer in \[3, inf\), got 2"),
        (lambda: Topology.lattice(2_000_000, 2_000_000), "a lattice of 2,000,000 x 2,000,000 sites needs"),
        (lambda: Topology.lattice(3, 5, neighbours=6), "neighbours of a lattice must be 4 or 8, got 6"),
        (lambda: Topology.balanced(0), r"n_excitatory must be an integer in \[1, inf\), got 0"),
        (lambda: Topology.balanced(10, 0), "n_inhibitory must be an integer"),
        (lambda: Topology.balanced(10, p=1.5), r"p must be a number in \[0, 1\], got 1.5"),
        (lambda: Topology.balanced(10, p=1), "more partners than the 9 there are"),
        (lambda: Topology.balanced(10, tau_synapse=(1e-3,)), "one number or .excitatory, inhibitory."),
        (lambda: Topology.balanced(10, delay=(1e-3,) * 3), "delay must be one number or .excitatory, inhibitory."),
        (lambda: Topology.balanced(10, tau_synapse=5), "seconds; a synapse's is near 0.005"),
        (lambda: Topology.balanced(10, delay=-1e-3), "delays are in seconds"),
        (lambda: Topology.balanced(10, n_input=-1), "n_input must be an integer"),
        (lambda: Topology.small_world(5, 6, 0.1), r"k must be an integer in \[2, 4\], got 6"),
    ],
)
def test_builders_refuse_in_words(build, message):
    with pytest.raises((InvalidInput, ResourceError), match=message):
        build()
