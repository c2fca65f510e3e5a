"""The bundled digits, and MNIST from files."""

import os
import struct

import numpy as np
import pytest

from bioneuro.data import load_digits, load_mnist
from bioneuro.errors import DataNotFound, FileFormatError, UnknownName

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def small_mnist(tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n, pictures, labels in ((30, *NAMES[:2]), (20, *NAMES[2:])):
        write_idx(folder / pictures, rng.integers(0, 256, (n, 4, 3)))
        write_idx(folder / labels, np.arange(n) % 10)
    return folder


def test_the_digits_are_sixteenths_and_every_class_is_there():
    digits = load_digits()
    assert digits.X.dtype == np.float32
    assert np.array_equal(digits.X * 16, np.round(digits.X * 16))
    assert (digits.X.min(), digits.X.max(), digits.value_range) == (0, 1, (0, 1))
    # counts published with the data (UCI, optdigits.names, test part)
    assert np.bincount(digits.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.parametrize(("subset", "n"), [("train", 30), ("test", 20), ("all", 50)])
def test_each_subset_of_mnist_is_read_and_scaled(small_mnist, subset, n):
    data = load_mnist(small_mnist, subset)
    assert data.X.shape == (n, 12)
    assert data.image_shape == (4, 3)
    assert data.value_range == (0, 1)
    assert data.y.tolist() == ([*range(10)] * 5)[:n]


def test_a_white_pixel_of_mnist_is_exactly_one(small_mnist):
    write_idx(small_mnist / NAMES[2], np.full((20, 4, 3), 255))
    assert np.all(load_mnist(small_mnist, "test").X == 1)


def test_the_other_spelling_of_file_names_is_found(small_mnist):
    for name in NAMES:
        (small_mnist / name).rename(small_mnist / name.replace("-idx", ".idx"))
    assert load_mnist(small_mnist).n_samples == 50


def test_the_environment_says_where_mnist_is(small_mnist, monkeypatch):
    monkeypatch.setenv("BIONEURO_DATA", str(small_mnist.parent))
    assert load_mnist().n_samples == 50


def test_absent_files_are_named_with_both_ways_to_point_at_them(small_mnist, monkeypatch):
    monkeypatch.delenv("BIONEURO_DATA", raising=False)
    with pytest.raises(DataNotFound) as error:
        load_mnist()
    for part in (*NAMES, "load_mnist(path=", "BIONEURO_DATA", "neither path= nor"):
        assert part in str(error.value)
    (small_mnist / NAMES[3]).unlink()
    with pytest.raises(DataNotFound, match=rf"{NAMES[3]}\[.gz\] is not in"):
        load_mnist(small_mnist)
    assert load_mnist(small_mnist, "train").n_samples == 30


def test_an_unknown_subset_gets_the_nearest_name(small_mnist):
    with pytest.raises(UnknownName, match="unknown subset 'tests'; did you mean 'test'"):
        load_mnist(small_mnist, "tests")


def test_pictures_and_labels_must_belong_together(small_mnist):
    write_idx(small_mnist / NAMES[3], np.zeros(19))
    with pytest.raises(FileFormatError, match=r"20 pictures in .* need as many labels"):
        load_mnist(small_mnist, "test")
    write_idx(small_mnist / NAMES[3], np.full(20, 11))
    with pytest.raises(FileFormatError, match="labels must be digits 0 to 9, this file holds 11"):
        load_mnist(small_mnist, "test")
    write_idx(small_mnist / NAMES[2], np.zeros(20))
    with pytest.raises(FileFormatError, match=r"must be bytes of shape \(n, height, width\)"):
        load_mnist(small_mnist, "test")


@pytest.fixture(scope="module")
def mnist():
    if not os.environ.get("BIONEURO_DATA"):
        pytest.skip("BIONEURO_DATA does not point at the MNIST files")
    return load_mnist


def test_the_real_test_set_has_its_published_statistics(mnist):
    data = mnist(subset="test")
    assert data.images.shape == (10000, 28, 28)
    assert np.bincount(data.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.X.mean(dtype=float) == pytest.approx(0.13251, abs=1e-5)


def test_the_real_training_set_has_its_published_statistics(mnist):
    data = mnist(subset="train")
    assert np.bincount(data.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.X.mean(dtype=float) == pytest.approx(0.1307, abs=1e-4)
    assert data.X.std(dtype=float) == pytest.approx(0.3081, abs=1e-4)
