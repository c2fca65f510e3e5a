"""Parameters: one aligned vector, named views into it, nothing copied behind one's back."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from bioneuro import Dense, Parameters, Population, Sparse, Topology, memory
from bioneuro.errors import InvalidInput, ResourceError, UnknownName
from bioneuro.initializers import initialise
from bioneuro.optim import chain, dale, sgd
from bioneuro.parameters import aligned_zeros
from bioneuro.topology import Edges

NET = Topology.mlp(4, 3, 2)


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 3, 1000])
def test_vectors_begin_on_a_cache_line(dtype, n):
    for _ in range(20):
        vector = aligned_zeros(n, dtype)
        assert address(vector) % 64 == 0
        assert vector.shape == (n,)
        assert vector.dtype == dtype
        assert not vector.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_way_to_new_parameters_is_aligned(dtype):
    params = Parameters.zeros(NET, dtype)
    rng = np.random.default_rng(0)
    ways = [
        params,
        params.copy(),
        params.like(rng.random(params.theta.size)),
        params.transfer_from(params),
        initialise(NET),
    ]
    assert all(address(way.theta) % 64 == 0 for way in ways)


@pytest.mark.parametrize(
    "net",
    [
        NET,
        Topology.lenet5(),
        Topology.hopfield(5),
        Topology.boltzmann(3, 2),
        Topology.mlp(3, 2, unit="prelu", output="prelu"),
    ],
    ids=repr,
)
def test_blocks_are_views_that_fill_the_vector_without_gap_or_overlap(net):
    params = Parameters.zeros(net, "float64")
    for number, key in enumerate(params, start=1):
        assert np.shares_memory(params[key], params.theta)
        assert params[key].shape == net.layout[key].shape
        assert params[key].flags.c_contiguous
        params[key] = number
    counts = [int(np.prod(net.layout[key].shape)) for key in params]
    assert (params.theta == np.repeat(np.arange(1, len(counts) + 1), counts)).all()


def test_parameters_read_as_a_dictionary_of_their_views():
    params = Parameters.zeros(Topology.mlp(3, 2))
    named = dict(params)
    assert list(named) == params.keys() == ["input->output", "output.bias"]
    named["output.bias"][...] = 1
    assert params.theta.sum() == 2
    assert [(key, array.shape) for key, array in params.items()] == [("input->output", (3, 2)), ("output.bias", (2,))]
    assert [array.shape for array in params.values()] == [(3, 2), (2,)]


def test_writing_into_a_view_writes_into_the_vector_and_back():
    params = Parameters.zeros(NET)
    params["input->hidden"][2, 1] = 5
    assert params.theta[2 * 3 + 1] == 5
    params.theta[:] = 7
    assert (params["output.bias"] == 7).all()


def test_a_tied_projection_is_a_view_of_its_owner_transposed_where_it_runs_back():
    net = Topology(
        [Population("x", 4), Population("h", 3), Population("y", 4), Population("z", 4), Population("g", 3)],
        [
            Dense("x", "h"),
            Dense("h", "y", tied_to="x->h"),
            Dense("h", "x", tied_to="x->h"),
            Dense("z", "g", tied_to="x->h"),
        ],
    )
    params = initialise(net)
    own = params["x->h"]
    for name, expected in (("h->y", own.T), ("h->x", own.T), ("z->g", own)):
        assert np.shares_memory(params[name], params.theta)
        assert (params[name] == expected).all()
    params["h->y"][0, 1] = 9
    assert own[1, 0] == 9
    assert "h->y" not in params
    assert list(params) == ["x->h", "x.bias", "h.bias", "y.bias", "z.bias", "g.bias"]


def test_a_square_tied_projection_that_runs_back_is_transposed():
    net = Topology([Population("a", 3), Population("b", 3)], [Dense("a", "b"), Dense("b", "a", tied_to="a->b")])
    params = initialise(net)
    assert (params["b->a"] == params["a->b"].T).all()
    assert np.shares_memory(params["b->a"], params.theta)


def test_a_shared_projection_is_one_number():
    net = Topology([Population("a", 3), Population("b", 4)], [Dense("a", "b", shared=True)])
    params = Parameters.zeros(net)
    params["a->b"] = 2.5
    assert params["a->b"].shape == ()
    assert params.theta[0] == 2.5


def test_arrays_that_units_learn_start_where_their_type_says():
    params = Parameters.zeros(Topology.mlp(2, 3, 2, unit="prelu"))
    assert (params["hidden.alpha"] == 0.25).all()
    assert params.theta.sum() == 0.75


def test_copies_and_likes_own_their_memory():
    params = initialise(NET)
    for twin in (params.copy(), params.like(params.theta)):
        assert (twin.theta == params.theta).all()
        assert not np.shares_memory(twin.theta, params.theta)
        assert twin.topology is params.topology


def test_with_topology_shares_the_numbers_with_other_units():
    params = initialise(NET)
    other = params.with_topology(NET.with_units(hidden="tanh"))
    assert np.shares_memory(other.theta, params.theta)
    assert other.topology["hidden"].unit.name == "tanh"
    with pytest.raises(InvalidInput, match="lays its parameters out differently from"):
        params.with_topology(Topology.mlp(4, 3, 3))


def test_transfer_takes_what_both_have_and_leaves_the_rest():
    small, large = (
        initialise(NET, random_state=1),
        initialise(Topology.mlp(4, 3, 2, skip=[("input", "output")]), random_state=2),
    )
    moved = large.transfer_from(small)
    for key in small:
        assert (moved[key] == small[key]).all()
    assert (moved["input->output"] == large["input->output"]).all()
    assert not np.shares_memory(moved.theta, large.theta)


def test_transfer_from_a_pretrained_rbm_carries_the_weights_of_the_common_projection():
    rbm = Topology(
        [Population("input", 4, "input", "bernoulli"), Population("hidden", 3)],
        [Dense("input", "hidden", symmetric=True)],
    )
    trained = initialise(rbm, random_state=5)
    assert (initialise(NET).transfer_from(trained)["input->hidden"] == trained["input->hidden"]).all()


def test_transfer_keeps_the_type_of_the_receiver():
    moved = initialise(NET, dtype="float32").transfer_from(initialise(NET, dtype="float64"))
    assert moved.dtype == np.float32


def test_dales_law_keeps_signs_through_any_updates():
    net = Topology(
        [Population("E", 6), Population("I", 4), Population("out", 3)],
        [Dense("E", "out", sign=1), Dense("I", "out", sign=-1), Dense("E", "I")],
    )
    params = initialise(net, random_state=0, dtype="float64")
    optimiser = chain(sgd(0.5), dale())
    state = optimiser.init(params)
    rng = np.random.default_rng(0)
    for step in range(200):
        before = params.copy()
        update = rng.normal(size=params.theta.size)
        wanted = before.theta - 0.5 * update
        optimiser.update(update, state, params, step)
        params.theta += update
        assert (params["E->out"] >= 0).all()
        assert (params["I->out"] <= 0).all()
        free = np.ones(params.theta.size, bool)
        for name, sign in (("E->out", 1), ("I->out", -1)):
            where = net.layout[name].where
            np.testing.assert_allclose(params.theta[where], sign * np.maximum(0, sign * wanted[where]), atol=1e-15)
            free[where] = False
        np.testing.assert_allclose(params.theta[free], wanted[free], atol=1e-15)
    assert (params["E->I"] < 0).any()
    assert (params["E->I"] > 0).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parameters(NET, np.zeros(5)), r"float64 vector of length 23 .* got float64 of shape \(5,\)"),
        (lambda: Parameters(NET, np.zeros(23, int)), r"got int64 of shape \(23,\)"),
        (lambda: Parameters(NET, np.zeros(23, ">f4")), "got >f4"),
        (lambda: Parameters(NET, np.zeros(46)[::2]), "theta must be contiguous, so that its blocks are views"),
        (lambda: Parameters.zeros(NET, "float16"), "parameters are float32 or float64, got 'float16'"),
        (lambda: Parameters.zeros(NET)["input->hiden"], "unknown parameter 'input->hiden'; did you mean"),
        (lambda: Parameters.zeros(NET).__setitem__("hidden.bias", [1, 2]), r"'hidden.bias' has shape \(3,\), got"),
        (lambda: initialise(NET).transfer_from(initialise(Topology.hopfield(3))), "nothing to transfer"),
        (lambda: initialise(NET).transfer_from(initialise(Topology.mlp(4, 5, 2))), "cannot transfer 'input->hidden'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_a_matrix_for_a_sparse_projection_is_shown_the_way():
    net = Topology([Population("a", 3)], [Sparse("a", "a", Edges([0, 2], [1, 0]))])
    params, weights = Parameters.zeros(net), np.arange(9.0).reshape(3, 3)
    with pytest.raises(InvalidInput, match=r"takes matrix\[synapses.pre, synapses.post\] with synapses = topology.edg"):
        params["a->a"] = weights
    synapses = net.edges("a->a")
    params["a->a"] = weights[synapses.pre, synapses.post]
    assert params["a->a"].tolist() == [1, 6]


def test_unknown_names_are_unknown_names():
    with pytest.raises(UnknownName):
        Parameters.zeros(NET)["nothing"]


def test_more_than_the_memory_is_refused_before_it_is_allocated(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**30)
    with pytest.raises(
        ResourceError, match=r"needs 40\.0 GiB and 1\.0 GiB are free; the largest part is input->hidden"
    ):
        Parameters.zeros(Topology.mlp(100_000, 100_000, 7_374))


def test_repr_lists_the_blocks():
    assert repr(Parameters.zeros(NET)) == (
        "Parameters(23 float32: input->hidden (4, 3), hidden->output (3, 2), hidden.bias (3,), output.bias (2,))"
    )


def test_pickles_and_deep_copies_are_aligned_and_apart():
    params = initialise(NET, random_state=0)
    for other in (pickle.loads(pickle.dumps(params)), copy.deepcopy(params)):
        assert other.theta.ctypes.data % 64 == 0
        assert other.theta.tobytes() == params.theta.tobytes()
        other["hidden.bias"] = 7
        assert not (params["hidden.bias"] == 7).any()
