"""Whatever is saved comes back equal to the last bit."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import bioneuro
from bioneuro import Conv2D, Dataset, Dense, Parameters, Pool2D, Population, Recording, Sparse, Topology, optim
from bioneuro.initializers import initialise
from bioneuro.topology import LIF, Edges, FixedInDegree, FixedProbability, Gaussian, SmallWorld
from bioneuro.training.emphasis import EMPHASES, Hard

STORED_DTYPES = [
    "?",
    "i1",
    "u1",
    "<i2",
    ">i2",
    "<u4",
    ">i8",
    "<u8",
    "<f2",
    ">f4",
    "<f8",
    ">f8",
    "<c8",
    "<c16",
    "<U3",
    "S5",
]


@pytest.fixture
def again(tmp_path):
    """Save and load."""
    return lambda thing: bioneuro.load(bioneuro.save(tmp_path / "thing", thing))


def assert_same(a, b):
    """Equal in type, structure and every bit."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert (a.dtype.str, a.shape) == (b.dtype.str, b.shape)
        for flag in ("c_contiguous", "f_contiguous", "writeable"):
            assert getattr(a.flags, flag) == getattr(b.flags, flag)
        assert (a.dtype == object and a.tolist() == b.tolist()) or a.tobytes("A") == b.tobytes("A")
    elif isinstance(a, np.generic):
        assert a.dtype.str == b.dtype.str
        assert a.tobytes() == b.tobytes()
    elif isinstance(a, float):
        assert struct.pack("d", a) == struct.pack("d", b)
    elif isinstance(a, dict):
        assert_same(list(a), list(b))
        assert_same(list(a.values()), list(b.values()))
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        assert a == b


@pytest.mark.parametrize(
    "thing",
    [
        None,
        True,
        0,
        -1,
        2**128 - 1,
        -(2**200),
        0.1,
        -0.0,
        5e-324,
        math.pi * 1e300,
        math.nan,
        math.inf,
        -math.inf,
        "",
        "Zürich 数 \ud800 \x00",
        [],
        (),
        {},
        [1, [2.5, (None, [True])], ()],
        {"a": {1: "one", None: 2, (1, "b"): [3], 2.5: 4, False: 5}},
        Path("runs") / "checkpoint.npz",
        np.float32(1 / 3),
        np.float64(math.nan),
        np.int8(-7),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.complex64(1 - 2j),
        np.str_("spin"),
        list(range(1000)),
        [0.1 * k for k in range(100)] + [math.nan, -math.inf],
        tuple(range(-500, 500)),
        [2**70, *range(100)],
        [True] * 100,
        [1, 2.5] * 100,
        np.array(["pixel", "pixel 10", None, 3, 2.5, True], dtype=object),
        np.array([["a", "bcd"], ["", "e"]], dtype=object),
    ],
    ids=lambda thing: f"{type(thing).__name__} {str(thing)[:20]!a}",
)
def test_plain_values_come_back(again, thing):
    assert_same(thing, again(thing))


@pytest.mark.parametrize(
    "setting",
    [
        *(make(0.5) for make in optim.OPTIMIZERS.values()),
        *(optim.over_training(name, 0.5, 100) for name in optim.SCHEDULES),
        optim.momentum(optim.piecewise((0.1, 0.01), (30,)), optim.growing_momentum(over=7)),
        optim.chain(
            optim.chain(optim.l1(1e-3), optim.l2(1e-3, 0.5), optim.clip_value(1.0), optim.clip(2.0)),
            optim.adamw(optim.warm_up(5, optim.cosine(0.1, 0, 9))),
            optim.per_layer({"input->hidden": 0.1, "hidden": 2.0}),
            optim.chain(optim.max_norm(3.0, "hidden"), optim.freeze(("hidden.bias",)), optim.dale()),
        ),
        *EMPHASES.values(),
        Hard(2.0, 0.5, 1.0),
    ],
    ids=lambda setting: str(setting)[:30],
)
def test_what_says_how_to_train_comes_back(again, setting):
    back = again([setting, {"optimizer": setting}])
    assert back[0] == back[1]["optimizer"] == setting
    assert type(back[0]) is type(setting)


@pytest.mark.parametrize("dtype", STORED_DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (4, 5), (2, 3, 4)])
def test_every_stored_type_of_array_comes_back_in_every_layout(again, dtype, shape):
    rng = np.random.default_rng(0)
    C = rng.integers(0, 2, shape).astype(dtype)
    for array in (C, np.asfortranarray(C), C.T, C[..., ::-1] if C.ndim else C):
        back = again(array)
        assert back.dtype.str == array.dtype.str
        assert back.shape == array.shape
        np.testing.assert_array_equal(back, array)
        assert back.flags.f_contiguous or not array.flags.f_contiguous
        assert back.flags.c_contiguous or not array.flags.c_contiguous


def test_the_bits_of_nans_survive(again):
    bits = np.array([0x7FF8000000000001, 0x7FF0000000000001, 0xFFF8DEADBEEF0000, 0x8000000000000000], dtype=np.uint64)
    assert again(bits.view(np.float64)).view(np.uint64).tolist() == bits.tolist()


def test_read_only_arrays_stay_read_only_and_others_can_be_written(again):
    fixed, free = np.arange(3.0), np.arange(3.0)
    fixed.flags.writeable = False
    back_fixed, back_free = again([fixed, free])
    assert not back_fixed.flags.writeable
    back_free[0] = 7


def test_memory_maps_and_strided_views_come_back_as_arrays(again, tmp_path):
    mapped = np.memmap(tmp_path / "numbers", dtype="f4", mode="w+", shape=(6, 4))
    mapped[...] = np.arange(24).reshape(6, 4)
    for array in (mapped, mapped[::2, 1::2], mapped[::-1].T):
        back = again(array)
        assert type(back) is np.ndarray
        np.testing.assert_array_equal(back, array)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
numbers = arrays_of.arrays(
    dtype=st.sampled_from(["?", "<i4", ">f4", "<f8", "<U2"]),
    shape=arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
anything = st.recursive(
    plain | numbers,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(anything)
def test_any_nest_of_plain_things_comes_back(again, thing):
    assert_same(thing, again(thing))


# -- the frozen things -------------------------------------------------------------------------------------------------

TOPOLOGIES = [
    Topology.mlp(6, 5, 4, 3, skip=[("input", "output")]),
    Topology.rbm((3, 3), 5, visible=Gaussian(sigma=0.5)),
    Topology.dbm(6, 5, 4),
    Topology.hopfield((4, 4)),
    Topology.boltzmann(5, 3),
    Topology.recurrent(4, 5, 2),
    Topology.lenet5((12, 12, 1), 4),
    Topology(
        [
            Population("E", 100, "hidden", LIF(tau_m=tuple(np.linspace(0.01, 0.03, 100)))),
            Population("I", 25, unit="lif"),
        ],
        [
            Sparse("E", "I", FixedProbability(0.1), sign=1, delay=1.5e-3, seed=2**70),
            Sparse("I", "E", FixedInDegree(5), sign=-1, multapses=True),
            Sparse("E", "E", SmallWorld(4, 0.1)),
            Sparse("I", "I", Edges(np.arange(25), np.arange(25)[::-1]), autapses=True),
            Sparse("E", "I", Edges(np.arange(100), np.arange(100) % 25), name="more"),
        ],
    ),
    Topology(
        [Population("retina", (8, 8, 1), "input"), Population("V1", (6, 6, 2)), Population("pooled", (3, 3, 2))],
        [Conv2D("retina", "V1"), Pool2D("V1", "pooled", kind="mean"), Dense("pooled", "retina", shared=True)],
    ),
]


@pytest.mark.parametrize("net", TOPOLOGIES, ids=repr)
def test_topologies_and_their_parameters_come_back(again, net):
    assert again(net) == net
    assert again(net).digest == net.digest
    for dtype in ("float32", "float64"):
        first = initialise(net, random_state=3, dtype=dtype)
        back = again(first)
        assert back.topology == net
        assert back.dtype == first.dtype
        assert back.theta.tobytes() == first.theta.tobytes()


def test_parameters_come_back_aligned_and_as_one_writable_vector(again):
    for n in range(1, 8):
        back = again(initialise(Topology.mlp(n, n + 1)))
        assert back.theta.ctypes.data % 64 == 0
        back["input->output"] = 1
        assert back.theta[: n * (n + 1)].tolist() == [1] * (n * (n + 1))


def test_a_long_list_in_a_topology_stands_beside_the_header_not_in_it(tmp_path):
    edges = np.random.default_rng(0).integers(0, 1000, (2, 20_000))
    pre, post = np.unique(edges, axis=1)
    net = Topology([Population("a", 1000)], [Sparse("a", "a", Edges(pre, post), autapses=True)])
    path = bioneuro.save(tmp_path / "edges", net)
    assert len(np.load(path)["header.json"]) < 2000
    assert bioneuro.load(path) == net


def test_lesions_come_back(again):
    for lesion in (Topology.hopfield(20).lesion(0.3, 0.2, 5), Topology.mlp(5, 8, 3).lesion({"hidden": 0.5}, 0.25)):
        back = again(lesion)
        assert back.topology == lesion.topology
        np.testing.assert_array_equal(back.alive, lesion.alive)
        assert set(back.intact) == set(lesion.intact)
        for name, mask in lesion.intact.items():
            np.testing.assert_array_equal(back.intact[name], mask)


def test_data_sets_come_back(again):
    rng = np.random.default_rng(0)
    for data in (
        Dataset.from_arrays(rng.random((6, 2, 3)), [0, 1, 2, 0, 1, 2], name="faces", description="six of them"),
        Dataset.from_arrays(rng.normal(size=(4, 2)), ["b", "a", "b", "a"], feature_names=["x", "y"]),
        Dataset.from_arrays(np.array([[-1.0, 1.0]]), [0.5]),
        Dataset.from_arrays(np.zeros((3, 1)), value_range=(0, 255)),
    ):
        back = again(data)
        assert back.sha256 == data.sha256
        for field in ("image_shape", "value_range", "feature_names", "target_names", "name", "description"):
            assert_same(getattr(data, field), getattr(back, field))
        assert not back.X.flags.writeable


def test_recordings_come_back_with_what_they_share_still_shared(again):
    first = initialise(Topology.mlp(4, 3, 2))
    run = Recording(first, {"best": first, "velocity": np.zeros(23, "f4")}, {"loss": np.array([2.0, 1.0])})
    back = again(run)
    assert back.state["best"] is back.parameters
    assert back["loss"].tolist() == [2.0, 1.0]
    assert back.parameters.theta.tobytes() == first.theta.tobytes()
    assert not back.interrupted
    assert again(Recording(first, interrupted=True)).interrupted


def test_units_come_back(again):
    for unit in (LIF(tau_m=0.01), Gaussian(sigma=(1.0, 2.0)), bioneuro.topology.ReLU()):
        assert again(unit) == unit


def test_parameters_of_nothing_come_back(again):
    net = Topology([Population("a", 3, bias=False)])
    assert again(Parameters.zeros(net)).theta.shape == (0,)


def test_numpy_opens_the_arrays_of_a_file(tmp_path):
    arrays = [np.arange(6.0).reshape(2, 3).T, np.array(2, dtype=">i4"), np.zeros((0, 3), bool), np.array(["ab", "c"])]
    with np.load(bioneuro.save(tmp_path / "a", arrays), allow_pickle=False) as opened:
        for number, array in enumerate(arrays):
            assert opened[str(number)].dtype.str == array.dtype.str
            np.testing.assert_array_equal(opened[str(number)], array)
