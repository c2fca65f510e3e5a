"""Writing a file: whole or not at all, named by one rule, refused in words."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bioneuro
from bioneuro import Topology
from bioneuro.errors import DataNotFound, FileFormatError, InvalidInput, ResourceError
from bioneuro.io import container
from feedforward.instruments import Moments

NET = Topology.mlp(4, 3, 2)


def test_the_suffix_is_added_once_and_may_be_left_out(tmp_path):
    assert bioneuro.save(tmp_path / "net", NET) == tmp_path / "net.npz"
    assert bioneuro.save(tmp_path / "net.npz", NET) == tmp_path / "net.npz"
    assert bioneuro.save(str(tmp_path / "net.v1"), NET) == tmp_path / "net.v1.npz"
    assert sorted(os.listdir(tmp_path)) == ["net.npz", "net.v1.npz"]
    for name in ("net", "net.npz", "net.v1"):
        assert bioneuro.load(tmp_path / name) == NET


def test_a_file_renamed_to_another_suffix_still_loads(tmp_path):
    os.rename(bioneuro.save(tmp_path / "net", NET), tmp_path / "net.bin")
    assert bioneuro.load(tmp_path / "net.bin") == NET


def test_the_same_thing_gives_the_same_bytes(tmp_path):
    one = bioneuro.save(tmp_path / "one", [NET, np.arange(5)])
    other = bioneuro.save(tmp_path / "other", [NET, np.arange(5)])
    assert one.read_bytes() == other.read_bytes()


def test_what_cannot_be_stored_leaves_the_old_file_and_nothing_else(tmp_path):
    path = bioneuro.save(tmp_path / "net", NET)
    before = path.read_bytes()
    with pytest.raises(InvalidInput):
        bioneuro.save(path, [np.zeros(5), lambda x: x])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.npz"]


def test_a_path_in_the_wrong_place_is_told_where_it_belongs(tmp_path):
    with pytest.raises(InvalidInput, match=r"got Topology; the path comes first: save\(path, thing\)"):
        bioneuro.save(NET, tmp_path / "net.npz")
    with pytest.raises(InvalidInput, match="path must be the name of a file, got int"):
        bioneuro.save(3, NET)


@pytest.mark.parametrize("failure", [OSError("no space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failure):
    path = bioneuro.save(tmp_path / "net", NET)
    before = path.read_bytes()

    def half(file, header, arrays):
        file.write(before[:50])
        raise failure

    monkeypatch.setattr(container, "write", half)
    with pytest.raises(type(failure)):
        bioneuro.save(path, Topology.mlp(5, 5))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.npz"]


def test_the_new_file_is_on_the_disk_before_it_takes_the_place_of_the_old(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    bioneuro.save(tmp_path / "net", NET)
    assert calls[:2] == ["sync", "replace"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_files_get_the_permissions_of_other_new_files(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    assert bioneuro.save(tmp_path / "net", NET).stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_stays_a_link_to_the_new_content(tmp_path):
    (tmp_path / "far").mkdir()
    bioneuro.save(tmp_path / "far" / "net", NET)
    (tmp_path / "link.npz").symlink_to(tmp_path / "far" / "net.npz")
    bioneuro.save(tmp_path / "link", Topology.mlp(9, 9))
    assert (tmp_path / "link.npz").is_symlink()
    assert bioneuro.load(tmp_path / "far" / "net") == Topology.mlp(9, 9)


def test_folders_and_missing_files_are_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"there is no folder .*nowhere; make it first"):
        bioneuro.save(tmp_path / "nowhere" / "net", NET)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InvalidInput, match="it is a folder; give the name of a file"):
        bioneuro.save(tmp_path / "folder", NET)
    with pytest.raises(DataNotFound, match=r"there is no file .*absent and no .*absent\.npz"):
        bioneuro.load(tmp_path / "absent")
    with pytest.raises(FileFormatError, match="it is a folder or a device, not a file"):
        bioneuro.load(tmp_path / "folder.npz")


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ({"activation": np.tanh}, r"cannot store dict\['activation'\]: it is a ufunc, and functions are not stored"),
        (
            [1, len],
            r"list\[1\]: it is a builtin_function_or_method, and functions are not stored \(give it by its name, "
            r"or an object that does the same, or None\)",
        ),
        (Moments(0.0, 1.0, 0.0), "is a Moments, a class without a key"),
        (make_pipeline(StandardScaler()), "joblib.dump keeps what is not yours, such as a pipeline of scikit-learn"),
        (bioneuro.optim.adam(np.sqrt), "adam.settings\\['rate'\\]: it is a ufunc, and functions are not stored"),
        ((1, {2, 3}), r"cannot store tuple\[1\]: it is a set; what can be stored are numbers, text"),
        (b"bytes", "it is a bytes"),
        (1 + 2j, "it is a complex"),
        ([np.random.default_rng(0)], r"list\[0\]: it is a Generator"),
        (np.array(["2020-01-01"], "datetime64[D]"), r"it is an array of datetime64\[D\]"),
        (np.zeros(2, [("a", "f4")]), r"it is an array of \[\('a', '<f4'\)\]"),
        (np.array([1, [2]], dtype=object), "an array of objects, among them a list"),
        (np.ma.masked_array([1, 2], [True, False]), "it is a MaskedArray"),
        (1 << 5000, "a whole number of 5001 bits, at most 4096"),
        (np.datetime64("2020"), "datetime64"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_stored_is_named_with_its_place(tmp_path, thing, message):
    with pytest.raises(InvalidInput, match=message):
        bioneuro.save(tmp_path / "thing", thing)
    assert not os.listdir(tmp_path)


def test_a_list_that_holds_itself_is_refused(tmp_path):
    endless = []
    endless.append(endless)
    with pytest.raises(InvalidInput, match="nested more than 64 deep, or it holds itself"):
        bioneuro.save(tmp_path / "endless", endless)


def test_more_text_than_a_header_may_have_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "MAX_HEADER", 1000)
    with pytest.raises(InvalidInput, match="at most 1,000 fit into one file; keep numbers in NumPy arrays"):
        bioneuro.save(tmp_path / "text", ["word"] * 1000)
    monkeypatch.setattr(container, "MAX_ARRAYS", 3)
    with pytest.raises(InvalidInput, match="4 arrays in one file, at most 3 fit; stack them"):
        bioneuro.save(tmp_path / "arrays", [np.zeros(1)] * 4)


def test_a_file_larger_than_memory_says_so(tmp_path, monkeypatch):
    path = bioneuro.save(tmp_path / "large", np.zeros(100_000))
    monkeypatch.setattr("bioneuro.memory.available", lambda: 500_000)
    with pytest.raises(ResourceError, match="the content of the file needs"):
        bioneuro.load(path)


def test_importing_io_loads_neither_scikit_learn_nor_numba_nor_matplotlib():
    code = (
        "import sys, bioneuro.io; print([m for m in ('sklearn', 'numba', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
