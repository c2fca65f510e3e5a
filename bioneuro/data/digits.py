"""Handwritten digits: the 1,797 small ones that come with scikit-learn, and MNIST from files on this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bioneuro.data.dataset import Dataset
from bioneuro.data.idx import read_idx
from bioneuro.errors import DataNotFound, FileFormatError, choose
from bioneuro.memory import require

_MNIST_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_SUBSETS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}
_DIGITS = tuple("0123456789")


def load_digits() -> Dataset:
    """Return 1,797 handwritten digits of 8 x 8 pixels in [0, 1]; bundled with scikit-learn, no network.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (test part), UCI repository, 1998.

    >>> load_digits().images.shape
    (1797, 8, 8)
    """
    pixels, labels = _bundled_digits()
    return Dataset(
        (pixels / 16).astype(np.float32),  # sixteenths: exact
        labels,
        image_shape=(8, 8),
        value_range=(0, 1),
        feature_names=[f"pixel_{row}_{column}" for row in range(8) for column in range(8)],
        target_names=_DIGITS,
        name="digits",
        description="Optical Recognition of Handwritten Digits, UCI (1998), 8 x 8 pixels, ink = 1",
    )


def _bundled_digits() -> tuple[np.ndarray, np.ndarray]:
    """(X, y) from scikit-learn's file, read without importing scikit-learn, which takes longer than all else here."""
    file = Path(*find_spec("sklearn").submodule_search_locations, "datasets", "data", "digits.csv.gz")
    if file.is_file():
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)  # unpacks .gz
        return table[:, :-1], table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def load_mnist(path: str | Path | None = None, subset: str = "all") -> Dataset:
    """Return the MNIST digits, 28 x 28 pixels in [0, 1], read from its four IDX files (plain or .gz).

    Parameters
    ----------
    path : the folder that holds the files; None: `$BIONEURO_DATA/mnist`
    subset : "train" (60,000 rows), "test" (10,000 rows) or "all" (train, then test)

    Raises
    ------
    DataNotFound : which files to put where
    FileFormatError : a damaged, truncated or foreign file

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, 1998.
    """
    parts = _SUBSETS[choose("subset", subset, _SUBSETS)]
    folder = _mnist_folder(path)
    files = {part: [_find(folder, name) for name in _MNIST_FILES[part]] for part in parts}
    pictures, labels = zip(*(_read_pair(*files[part]) for part in parts), strict=True)
    n, (height, width) = sum(map(len, pictures)), pictures[0].shape[1:]
    require({"float32 pictures": 4 * n * height * width}, f"MNIST ({subset})")
    X = np.empty((n, height * width), np.float32)
    np.divide(np.concatenate(pictures).reshape(n, -1), np.float32(255), out=X)
    return Dataset(
        X,
        np.concatenate(labels).astype(np.int64),
        image_shape=(height, width),
        value_range=(0, 1),
        target_names=_DIGITS,
        name="mnist" if subset == "all" else f"mnist-{subset}",
        description="The MNIST database of handwritten digits, LeCun, Cortes, Burges (1998), 28 x 28 pixels, ink = 1",
    )


def _mnist_folder(path: str | Path | None) -> Path:
    if path is not None:
        return Path(path).expanduser()
    root = os.environ.get("BIONEURO_DATA")
    if not root:
        raise DataNotFound(f"MNIST needs a folder, and neither path= nor BIONEURO_DATA is given; {_how_to('FOLDER')}")
    return Path(root).expanduser() / "mnist"


def _find(folder: Path, name: str) -> Path:
    """Return the file `name` in `folder`, with or without .gz, with either spelling that circulates."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            if (folder / (spelling + suffix)).is_file():
                return folder / (spelling + suffix)
    raise DataNotFound(f"MNIST file {name}[.gz] is not in {folder}; {_how_to(folder)}")


def _how_to(folder) -> str:
    names = ", ".join(name for pair in _MNIST_FILES.values() for name in pair)
    return (
        f"put these four files (each plain or as .gz) into {folder}: {names}; "
        f"then call load_mnist(path={str(folder)!r}), or set the environment variable BIONEURO_DATA to the "
        f"folder above one named 'mnist' that holds them"
    )


def _read_pair(picture_file: Path, label_file: Path) -> tuple[np.ndarray, np.ndarray]:
    pictures, labels = read_idx(picture_file), read_idx(label_file)
    if pictures.ndim != 3 or pictures.dtype != np.uint8 or 0 in pictures.shape:
        raise FileFormatError(
            f"{picture_file}: pictures must be bytes of shape (n, height, width), "
            f"this file holds {pictures.dtype} of shape {pictures.shape}"
        )
    if labels.shape != pictures.shape[:1] or labels.dtype != np.uint8:
        raise FileFormatError(
            f"{label_file}: {len(pictures)} pictures in {picture_file.name} need as many labels of one byte, "
            f"this file holds {labels.dtype} of shape {labels.shape}"
        )
    if labels.max() > 9:
        raise FileFormatError(f"{label_file}: labels must be digits 0 to 9, this file holds {labels.max()}")
    return pictures, labels
