"""Damaged, foreign and hostile files: a clear error or the thing itself, never more memory than the file declares."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import bioneuro
from bioneuro import Dataset, Parameters, Topology
from bioneuro.data import Whiten
from bioneuro.errors import FileFormatError
from bioneuro.initializers import initialise
from bioneuro.io import container
from bioneuro.io.decode import decode
from bioneuro.io.encode import encode


def written(thing) -> bytes:
    file = io.BytesIO()
    container.write(file, *encode(thing))
    return file.getvalue()


def read(data: bytes):
    return decode(*container.read(io.BytesIO(data)))


def fingerprint(thing) -> bytes:
    """Equal for equal things: the bytes that they are written as."""
    return written(thing)


NET = Topology.mlp(4, 3, 2)
X = np.random.default_rng(0).random((6, 4))
THINGS = {
    "parameters": initialise(NET, random_state=0),
    "nest": {
        "a": [1, 2.5, float("nan"), (None, True)],
        "b": np.arange(6, dtype="i2").reshape(2, 3).T,
        3: np.float32(1),
    },
    "lesion": Topology.hopfield(6).lesion(0.4, 0.3),
    "data": Dataset.from_arrays(X, ["a", "b"] * 3, image_shape=(2, 2)),
    "estimator": Whiten().fit(X),
    "long": [list(range(100)), np.array(["ab", "c"]), np.array(["x", "yy"], object), np.array([True, False])],
}
FILES = {name: written(thing) for name, thing in THINGS.items()}


def outcome(data: bytes) -> bytes | None:
    """What a damaged file gives: None where it is refused in words, else the fingerprint of what was read."""
    try:
        return fingerprint(read(data))
    except FileFormatError:
        return None


# -- accidents ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_flipped_bits_are_noticed_or_do_not_matter(name):
    data, rng = FILES[name], random.Random(name)
    for _ in range(250):
        hurt = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 8))):
            hurt[rng.randrange(len(hurt))] ^= 1 << rng.randrange(8)
        assert outcome(bytes(hurt)) in (None, data)


@pytest.mark.parametrize("name", FILES)
def test_truncated_files_are_refused(name):
    data = FILES[name]
    for length in sorted({*range(0, len(data), max(1, len(data) // 120)), *range(min(40, len(data)))}):
        assert outcome(data[:length]) is None


def splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    c, d = sorted(rng.randrange(len(other) + 1) for _ in range(2))
    return rng.choice(
        (
            lambda: data[:a] + data[b:],  # a piece lost
            lambda: data[:b] + data[a:],  # a piece twice
            lambda: data[:a] + other[c:],  # two files in one
            lambda: data[:a] + other[c:d] + data[b:],
            lambda: data[:a] + bytes(b - a) + data[b:],  # zeroed sectors
            lambda: data[:a] + rng.randbytes(min(b - a, 64)) + data[a:],
            lambda: data + other,
            lambda: rng.randbytes(len(data)),
        )
    )()


@pytest.mark.parametrize("name", FILES)
def test_spliced_files_are_refused_or_read_as_one_of_their_parts(name):
    rng = random.Random(name)
    for _ in range(120):
        other = rng.choice(list(FILES.values()))
        assert outcome(splice(rng, FILES[name], other)) in (None, FILES[name], other)


# -- hands -------------------------------------------------------------------------------------------------------------


def members_of(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def zipped(members: list[tuple[str, bytes]], method=zipfile.ZIP_STORED) -> bytes:
    """The members as a zip file with checksums that are right, so that only our own checks can refuse it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.NameToInfo.clear()  # names may come twice
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return file.getvalue()


def with_header(data: bytes, header) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return zipped([("header.json", text), *members_of(data)[1:]])


def places(node, path=()):
    """Paths to every node of a JSON tree."""
    yield path
    for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(child, (*path, key))


NASTY = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2**31,
    2**63,
    10**30,
    0.5,
    1e308,
    "",
    "x" * 500,
    "a->b",
    "|O",
    "<f8",
    "<f4",
    ">U3",
]
NASTY += [[], {}, [10**12], [10**6, 10**6], [-1], [0, 2**62], [[]], {"is": "array", "of": 0}, {"is": "again", "of": 0}]
NASTY += [{"is": "again", "of": 5}, {"is": []}, {"is": "dict", "of": [[[], 1]]}, {"is": "float", "of": "nan"}]
NASTY += [{"is": "named", "key": "Key", "of": {"low": 1, "high": 2}}, {"is": "estimator", "key": "Key"}, "Topology"]
NASTY += [{"is": "scalar", "dtype": "<f4", "of": "zz"}, {"is": "objects", "shape": [10**9], "of": ["a"]}, "hopfield"]


def edited(rng: random.Random, header: dict) -> dict:
    header = copy.deepcopy(header)
    for _ in range(rng.choice((1, 1, 2))):
        path = rng.choice([path for path in places(header) if path])
        parent = header
        for key in path[:-1]:
            parent = parent[key]
        match rng.randrange(4):
            case 0 if isinstance(parent, dict):
                del parent[path[-1]]
            case 1 if isinstance(parent, dict):
                parent[rng.choice(("extra", "is", "of", "readonly", "_secret_", "__class__"))] = rng.choice(NASTY)
            case 2 if isinstance(parent, list):
                parent.insert(path[-1], copy.deepcopy(rng.choice((parent[path[-1]], *NASTY))))
            case _:
                parent[path[-1]] = copy.deepcopy(rng.choice(NASTY))
    return header


@pytest.mark.parametrize("name", FILES)
def test_edited_headers_are_refused_or_describe_another_thing_within_the_size_of_the_file(name):
    rng, data = random.Random(name), FILES[name]
    header = json.loads(members_of(data)[0][1])
    for trial in range(150):
        hurt = with_header(data, edited(rng, header))
        if trial % 10:
            outcome(hurt)  # raises if anything but a FileFormatError comes out
            continue
        tracemalloc.start()
        outcome(hurt)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 50 * len(data) + 500_000


@pytest.mark.parametrize("name", FILES)
def test_shuffled_doubled_missing_and_renamed_members_are_refused(name):
    rng, data = random.Random(name), FILES[name]
    members = members_of(data)
    for _ in range(40):
        hurt = list(members)
        match rng.randrange(5):
            case 0:
                hurt.pop(rng.randrange(len(hurt)))
            case 1:
                name = f"{rng.randrange(9)}.npy"
                hurt[rng.randrange(len(hurt))] = (name, rng.choice(members)[1])
            case 2:
                hurt.insert(rng.randrange(len(hurt) + 1), (f"{len(hurt) - 1}.npy", rng.choice(members)[1]))
            case 3:
                hurt.append(("../../evil.npy", b"x"))
            case 4:
                k = rng.randrange(len(hurt))
                hurt[k] = (hurt[k][0], hurt[k][1] + b"\0")
        if hurt != members:
            assert outcome(zipped(hurt)) in (None, data)


PARAMETERS = FILES["parameters"]
HEADER = json.loads(members_of(PARAMETERS)[0][1])


def entry(**changes) -> bytes:
    """The parameters' file with another entry in its table of arrays."""
    header = copy.deepcopy(HEADER)
    header["arrays"][0] |= changes
    return with_header(PARAMETERS, header)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a whole file written by bioneuro.save: it is not a zip file at all"),
        (b"PK\3\4" + b"x" * 100, "its end is missing"),
        (b"\x89PNG\r\n\x1a\n" * 10, "it is not a zip file at all"),
        (pickle.dumps([1, 2]) * 10, "it is not a zip file at all"),
        (
            zipped([("a.npy", b"1"), ("b.npy", b"2")]),
            "not written by bioneuro.save: it holds a.npy, b.npy and no header",
        ),
        (zipped([]), "it holds nothing and no header.json"),
        (zipped(members_of(PARAMETERS), zipfile.ZIP_DEFLATED), "header.json is compressed or encrypted"),
        (zipped([members_of(PARAMETERS)[0], ("1.npy", b"")]), "its members are not header.json, 0.npy, 1.npy, ... but"),
        (PARAMETERS + b"\0", "its end is missing"),
        (with_header(PARAMETERS, b"{"), "its header cannot be read: Expecting property name"),
        (with_header(PARAMETERS, b'{"format": 1, "format": 1}'), "a name is given twice"),
        (with_header(PARAMETERS, b'{"format": NaN}'), "NaN is not JSON"),
        (with_header(PARAMETERS, b'{"format": 1' + b"0" * 5000 + b"}"), "its header cannot be read: Exceeds the limit"),
        (with_header(PARAMETERS, b"[" * 100_000), "its header cannot be read: maximum recursion depth"),
        (with_header(PARAMETERS, b"\xff\xfe"), "its header cannot be read"),
        (with_header(PARAMETERS, []), "does not have the fields format, library, what, arrays, tree"),
        (
            with_header(PARAMETERS, HEADER | {"format": 2, "library": "9.1"}),
            "of format 2, written by bioneuro 9.1; bion",
        ),
        (with_header(PARAMETERS, HEADER | {"arrays": []}), "its header declares 0 arrays, the file holds 1"),
        (with_header(PARAMETERS, HEADER | {"tree": 1}), "its header does not use array 0"),
        (
            with_header(PARAMETERS, HEADER | {"tree": {"is": "Brain", "of": 1}}),
            "holds a 'Brain', which this version does",
        ),
        (with_header(PARAMETERS, HEADER | {"tree": {"is": "array", "of": 1}}), "names array 1, which is not there"),
        (entry(dtype="|O"), r"'\|O' is not a type of numbers"),
        (entry(dtype="<V8"), "'<V8' is not a type of numbers"),
        (entry(dtype="<M8[s]"), "is not a type of numbers"),
        (entry(dtype="<U99999999999"), "is not a type of numbers"),
        (entry(shape=[10**12]), r"0\.npy has \d+ bytes, float32 of shape \(1000000000000,\) has 4,000,000,000,\d+"),
        (entry(shape=[-1]), r"array 0 cannot have shape \[-1\]"),
        (entry(shape=[0] * 65), "array 0 cannot have shape"),
        (entry(dtype="<f8"), r"0\.npy has \d+ bytes, float64 of shape \(23,\) has"),
        (entry(order="F"), r"0\.npy does not begin as an array of float32, shape \(23,\), does"),
        (entry(dtype="<i4"), r"0\.npy does not begin as an array of int32"),
        (entry(shape=[23, 1]), r"0\.npy does not begin|0\.npy has"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_refusal_says_what_is_wrong(tmp_path, data, message):
    path = tmp_path / "hurt.npz"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=message) as caught:
        bioneuro.load(path)
    assert str(caught.value).startswith(f"cannot load {path}: ")


def test_trees_nested_deeper_than_any_that_is_written_are_refused():
    tree = {"is": "array", "of": 0}
    for _ in range(200):
        tree = {"is": "tuple", "of": [tree]}
    with pytest.raises(FileFormatError, match="nested more than 64 deep"):
        read(with_header(PARAMETERS, HEADER | {"tree": tree}))


def test_the_deepest_thing_that_is_written_can_be_read():
    for wrap in (lambda x: (x,), lambda x: [x], lambda x: {"a": x}):
        thing = 1
        for _ in range(64):
            thing = wrap(thing)
        assert read(written(thing)) == thing


def test_values_that_a_type_cannot_have_are_refused():
    for good, number, evil in ((np.array([True]), b"\1", b"\2"), (np.array(["a"]), b"a\0\0\0", b"\0\0\x11\0")):
        members = members_of(written(good))
        assert members[1][1].endswith(number)
        members[1] = ("0.npy", members[1][1][: -len(number)] + evil)
        with pytest.raises(FileFormatError, match=r"neither true nor false|no letters"):
            read(zipped(members))


def test_parameters_that_do_not_fit_their_topology_are_refused():
    params = THINGS["parameters"]
    wrong = object.__new__(Parameters)
    wrong.topology, wrong.theta = Topology.mlp(9, 9), params.theta
    with pytest.raises(
        FileFormatError, match="its content is no Parameters: theta must be a float32 or float64 vector"
    ):
        read(written(wrong))


def peak_of(data: bytes) -> int:
    tracemalloc.start()
    with pytest.raises(FileFormatError):
        read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_bomb_is_refused_before_it_unfolds():
    bomb = zipped([("header.json", json.dumps(HEADER).encode()), ("0.npy", bytes(200_000_000))], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 250_000
    assert peak_of(bomb) < 1_000_000


def test_sizes_that_a_directory_only_claims_are_not_allocated():
    member = members_of(PARAMETERS)[1][1]
    at = PARAMETERS.rindex(b"PK\1\2")
    claimed = bytearray(PARAMETERS)
    claimed[at + 20 : at + 28] = struct.pack("<2L", 2**31, 2**31)  # compressed and true size in the directory
    assert len(member) < 1000
    assert peak_of(bytes(claimed)) < 200_000
    header = copy.deepcopy(HEADER)
    header["arrays"][0]["shape"] = [2**29]
    assert peak_of(with_header(bytes(PARAMETERS), header)) < 200_000


def test_members_that_share_bytes_are_refused():
    """Many entries of the directory on one member: a small file that claims to hold much."""
    data = zipped([("header.json", b"{}"), ("0.npy", bytes(5000))])
    start = data.index(b"PK\1\2", data.rindex(b"PK\3\4"))
    second = data.index(b"PK\1\2", start + 4)
    directory, end = data[start : data.rindex(b"PK\5\6")], data[data.rindex(b"PK\5\6") :]
    more = b"".join(data[second:][:46] + b"%d.npy" % k for k in range(1, 9))
    end = bytearray(end)
    end[8:16] = struct.pack("<2HL", 10, 10, len(directory) + len(more))
    with pytest.raises(FileFormatError, match=r"1\.npy declares 5,000 bytes"):
        read(data[:start] + directory + more + bytes(end))


def test_a_directory_too_large_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(container, "MAX_DIRECTORY", 50)
    with pytest.raises(FileFormatError, match="its end record declares a directory of"):
        read(PARAMETERS)


def test_an_extended_end_record_cannot_hide_a_large_directory():
    end = PARAMETERS.rindex(b"PK\5\6")
    extended = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    with pytest.raises(FileFormatError, match=r"declares a directory of 1,099,511,627,776 bytes"):
        read(PARAMETERS[:end] + extended + locator + PARAMETERS[end:])


def test_a_topology_of_more_units_than_memory_could_hold_is_refused():
    header = json.loads(members_of(written(NET))[0][1])
    header["tree"]["of"]["populations"][0]["of"][1][1] = [10**15]
    with pytest.raises(FileFormatError, match=r"no Topology: a topology of 1,000,000,000,000,005 units needs"):
        read(with_header(written(NET), header))
