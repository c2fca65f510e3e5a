"""The IDX reader: what it reads, and what it refuses before it allocates."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioneuro.data import read_idx
from bioneuro.errors import BioneuroError, DataNotFound, FileFormatError

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def header(code, *shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


def encode(array):
    return header(CODES[array.dtype.str[1:]], *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", CODES)
def test_every_type_is_read_plain_and_zipped(tmp_path, kind, pack):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    path = tmp_path / "a.idx"
    path.write_bytes(pack(encode(array)))
    found = read_idx(path)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_an_array_without_rows_is_read(tmp_path):
    (tmp_path / "a").write_bytes(header(8, 0, 28, 28))
    assert read_idx(tmp_path / "a").shape == (0, 28, 28)


GOOD = encode(np.arange(100, dtype=np.uint8).reshape(10, 10))
PACKED = gzip.compress(GOOD, mtime=0)  # no time inside: test names are the same in every worker


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: it begins with nothing"),
        (b"PK\x03\x04 and so on", "not an IDX file: it begins with 50 4b 03 04, expected 00 00"),
        (header(7, 3) + b"abc", "not an IDX file"),
        (b"\0\0\x08\0", "not an IDX file"),
        (b"\0\0\x08\x09" + bytes(36), "not an IDX file"),
        (GOOD[:9], "ends inside the header"),
        (GOOD[:-1], "only 99 follow: it is truncated"),
        (GOOD + b"x", "more follow: it is damaged"),
        (header(8, 2**32 - 1, 2**32 - 1) + b"x", "more than max_bytes=2,147,483,648; raise it if"),
        (header(8, *[2**32 - 1] * 8), "more than max_bytes"),
        (header(8, 2**30) + b"x", "more than a file of this size can hold"),
        (PACKED[:-12], "gzip data are damaged or cut off"),
        (PACKED[:-8] + bytes(8), "gzip data are damaged"),
        (
            gzip.compress(GOOD, mtime=0)[:15] + b"\xff\xff\xff" + gzip.compress(GOOD, mtime=0)[18:],
            "gzip data are damaged",
        ),
        (gzip.compress(GOOD + bytes(10**6), mtime=0), "more follow: it is damaged"),
        (gzip.compress(header(8, 2**30), mtime=0), "more than a file of this size can hold"),
        (b"\x1f\x8b", "gzip data are damaged"),
    ],
)
def test_damaged_foreign_and_boasting_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "bad.idx"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as error:
        read_idx(path)
    assert "bad.idx" in str(error.value)


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header(8, 100) + bytes(64 * 2**20), compresslevel=9, mtime=0))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="more follow"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_limit_stated_by_the_caller_holds(tmp_path):
    (tmp_path / "a").write_bytes(GOOD)
    assert read_idx(tmp_path / "a", max_bytes=100).size == 100
    with pytest.raises(FileFormatError, match="max_bytes=99"):
        read_idx(tmp_path / "a", max_bytes=99)


def test_an_absent_file_is_not_found(tmp_path):
    with pytest.raises(DataNotFound, match="is not a file"):
        read_idx(tmp_path / "nothing")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mutation_gives_anything_but_an_array_or_our_own_error(tmp_path, data):
    content = bytearray(data.draw(st.sampled_from([GOOD, gzip.compress(GOOD, mtime=0)])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "mutated"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        array = read_idx(path)
    except BioneuroError:
        return
    assert array.nbytes <= 100
