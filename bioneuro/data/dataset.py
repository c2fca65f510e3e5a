"""One shape for every data set: rows of units, perhaps labels, perhaps pictures, a range, names."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioneuro.data.domain import as_finite_floats, check_range, median_threshold, value_range_of
from bioneuro.data.draws import generator, sklearn_seed
from bioneuro.errors import InvalidInput, check_number

_HASH_ROWS = 4096


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows `X`, one per example, and what is known about them. Frozen; the arrays are read-only.

    Parameters
    ----------
    X : array (n, features), float32 (float64 is kept, everything else becomes float32); finite
    y : array (n,) or None. Integers are class labels, floats are targets to regress; words become the integers
        0, 1, ... in alphabetical order and `target_names` keeps the words
    image_shape : (height, width) or (height, width, channels) or None
    value_range : (low, high), the range the values live in; learnt from X by default: (-1, 1) for -1/+1,
        (0, 1) for values in [0, 1], else the smallest and the largest value
    feature_names : one name per column, or None
    target_names : `target_names[label]` is the name of a class; or None
    name, description : str

    Examples
    --------
    >>> data = Dataset.from_arrays([[0, 1], [1, 0], [1, 1], [0, 0]], [1, 1, 0, 0], name="xor")
    >>> data
    Dataset('xor': 4 rows x 2 features in [0, 1], 2 classes)
    >>> train, test = data.split(test_size=0.5)
    >>> train.n_samples, test.n_samples
    (2, 2)
    """

    X: np.ndarray
    y: np.ndarray | None = None
    image_shape: tuple[int, ...] | None = None
    value_range: tuple[float, float] | None = None
    feature_names: tuple[str, ...] | None = None
    target_names: tuple[str, ...] | None = None
    name: str = "data"
    description: str = ""

    def __post_init__(self):
        self._settle("X", _readonly(_check_rows(self.X)))
        if self.y is not None:
            y, words = _check_labels(self.y, self.n_samples)
            self._settle("y", _readonly(y))
            if words is not None and self.target_names is None:
                self._settle("target_names", words)
        if self.image_shape is not None:
            self._settle("image_shape", _check_image_shape(self.image_shape, self.n_features))
        given = self.value_range
        self._settle("value_range", value_range_of(self.X) if given is None else check_range(given, self.X))
        self._settle("feature_names", _check_names("feature_names", self.feature_names, self.n_features))
        self._settle("target_names", _check_names("target_names", self.target_names, None))
        if self.target_names is not None:
            _check_target_names(self.target_names, self.classes)

    def _settle(self, field: str, value) -> None:
        object.__setattr__(self, field, value)  # frozen for everyone but the constructor

    # where data come from

    @classmethod
    def from_arrays(cls, X, y=None, **about) -> Dataset:
        """Make a data set of an array (or list) of rows and its labels; `about` is any other field.

        Rows of pictures, (n, height, width) or (n, height, width, channels), are flattened and their shape kept.
        """
        X = np.asarray(X)
        if X.ndim in (3, 4) and about.get("image_shape") is None:
            about["image_shape"] = X.shape[1:]
            X = X.reshape(len(X), -1)
        return cls(X, y, **about)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        *,
        target: str | int | None = None,
        header: bool | None = None,
        delimiter: str = ",",
        encoding: str = "utf-8-sig",
        **about,
    ) -> Dataset:
        """Read a text table of numbers.

        Parameters
        ----------
        target : the column of labels, by name or index (-1: the last); None: all columns are features
        header : whether the first line holds names; None: it does if no cell of it is a number
        about : any other field of the data set
        """
        from bioneuro.data.readers import read_csv

        return cls(**{**read_csv(path, target, header, delimiter, encoding), **about})

    @classmethod
    def from_image_folder(
        cls, path: str | Path, *, size: tuple[int, int] | None = None, colour: bool = False, **about
    ) -> Dataset:
        """Read pictures from one folder per class (`path/cat/1.png`); values become 0 (black) to 1 (white).

        Parameters
        ----------
        size : (height, width) to which every picture is scaled; None: all pictures must have one size
        colour : three channels (red, green, blue) instead of grey
        about : any other field of the data set
        """
        from bioneuro.data.readers import read_image_folder

        return cls(**{**read_image_folder(path, size, colour), **about})

    @classmethod
    def from_frame(cls, frame, target: str | None = None, **about) -> Dataset:
        """Take the numeric columns of a pandas frame; `target` names the column of labels."""
        from bioneuro.data.readers import read_frame

        return cls(**{**read_frame(frame, target), **about})

    # what there is

    @property
    def n_samples(self) -> int:
        return self.X.shape[0]

    @property
    def n_features(self) -> int:
        return self.X.shape[1]

    @property
    def classes(self) -> np.ndarray | None:
        """The class labels in ascending order, or None where `y` is absent or not of integers."""
        return None if self.y is None or self.y.dtype.kind != "i" else np.unique(self.y)

    @property
    def images(self) -> np.ndarray:
        """The rows as pictures, (n, height, width) or (n, height, width, channels): a view."""
        if self.image_shape is None:
            raise InvalidInput(f"{self!r} holds no pictures; give image_shape=(height, width) to make it one of images")
        return self.X.reshape(self.n_samples, *self.image_shape)

    @property
    def sha256(self) -> str:
        """The digest of the content (values, labels, picture shape, range), the same on every platform."""
        about = f"{self.X.dtype.name} {self.X.shape} {self.image_shape} {self.value_range} "
        about += "none" if self.y is None else self.y.dtype.name
        digest = hashlib.sha256(about.encode())
        for array in (self.X, self.y):
            for start in range(0, 0 if array is None else len(array), _HASH_ROWS):
                block = array[start : start + _HASH_ROWS] + array.dtype.type(0)  # -0.0 and 0.0 are one value
                digest.update(np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<")).data)
        return digest.hexdigest()

    def __len__(self) -> int:
        return self.n_samples

    def __repr__(self) -> str:
        low, high = self.value_range
        text = f"Dataset({self.name!r}: {self.n_samples} rows x {self.n_features} features in [{low:g}, {high:g}]"
        if self.image_shape is not None:
            text += f", images {self.image_shape}"
        if self.y is not None:
            text += ", targets to regress" if self.classes is None else f", {len(self.classes)} classes"
        return text + ")"

    # parts of it

    def select(self, rows) -> Dataset:
        """Return the data set of these rows: a slice, indices, or one boolean per row."""
        rows = rows if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows))
        if isinstance(rows, np.ndarray):
            if rows.dtype.kind not in "iub" or rows.ndim != 1:
                raise InvalidInput(
                    f"rows must be a slice, integers or booleans, got {rows.dtype} of shape {rows.shape}"
                )
            if rows.dtype.kind == "b" and len(rows) != self.n_samples:
                raise InvalidInput(f"rows has {len(rows)} booleans for {self.n_samples} rows; give one for every row")
            if (
                rows.dtype.kind in "iu"
                and rows.size
                and not -self.n_samples <= rows.min() <= rows.max() < self.n_samples
            ):
                raise InvalidInput(f"rows run from {rows.min()} to {rows.max()}, but there are {self.n_samples} rows")
        y = None if self.y is None else self.y[rows]
        return dataclasses.replace(self, X=self.X[rows], y=y)

    def split(self, test_size: float | int = 0.25, random_state=0, stratify: bool = True) -> tuple[Dataset, Dataset]:
        """Return `(train, test)`, drawn as scikit-learn's `train_test_split` draws them.

        Parameters
        ----------
        test_size : share of the rows in (0, 1), or their number
        stratify : keep the shares of the classes, where there are classes
        """
        from sklearn.model_selection import train_test_split

        n, labels = self.n_samples, self._strata(stratify)
        if isinstance(test_size, float):
            check_number("test_size", test_size, low=0, high=1, open_low=True, open_high=True)
            n_test = int(np.ceil(test_size * n))
        else:
            n_test = check_number("test_size", test_size, low=1, integer=True)
        if not 1 <= n_test < n:
            raise InvalidInput(f"test_size={test_size} asks for {n_test} of {n} rows; each part needs at least one row")
        if labels is not None:
            least = min(n_test, n - n_test)
            self._check_class_sizes(labels, 2, "a stratified split needs two of each class, one for either part")
            if least < len(np.unique(labels)):
                raise InvalidInput(
                    f"test_size={test_size} leaves {least} rows in the smaller part "
                    f"for {len(np.unique(labels))} classes; take another test_size, or stratify=False"
                )
        train, test = train_test_split(
            np.arange(n), test_size=n_test, random_state=sklearn_seed(random_state), stratify=labels
        )
        return self.select(train), self.select(test)

    def folds(self, n: int = 5, random_state=0, stratify: bool = True) -> Iterator[tuple[Dataset, Dataset]]:
        """Yield `n` pairs `(train, test)`; each row is in exactly one test part."""
        from sklearn.model_selection import KFold, StratifiedKFold

        n = check_number("number of folds", n, low=2, high=self.n_samples, integer=True, hint="at most one per row")
        labels = self._strata(stratify)
        if labels is not None:
            self._check_class_sizes(labels, n, f"{n} stratified folds need {n} of each class")
        folds = (KFold if labels is None else StratifiedKFold)(n, shuffle=True, random_state=sklearn_seed(random_state))
        return ((self.select(train), self.select(test)) for train, test in folds.split(self.X, labels))

    def subsample(self, n: int, random_state=0, stratify: bool = True) -> Dataset:
        """Return `n` rows drawn without replacement, in their old order; nested as `n` grows for one seed."""
        n = check_number("n", n, low=1, integer=True)
        if n > self.n_samples:
            raise InvalidInput(f"{n} rows asked of a data set that has {self.n_samples}; ask for at most that many")
        return self.select(np.sort(self._drawing_order(random_state, stratify)[:n]))

    # patterns for a memory

    def prototypes(self, per_class: int = 1) -> np.ndarray:
        """Return one pattern per class: sign(mean of the class - median of the unit over all rows), as -1/+1.

        With `per_class` > 1 the means are those of a k-means clustering inside each class. A mean at the threshold
        is -1. Data of two values only are thresholded half way (see `median_threshold`).

        Returns
        -------
        array (n_classes * per_class, features), dtype of X; the classes in ascending order
        """
        per_class = check_number("per_class", per_class, low=1, integer=True)
        if self.classes is None:
            raise InvalidInput("prototypes are means of classes, and this data set has no class labels (y)")
        self._check_class_sizes(self.y, per_class, f"per_class={per_class} needs {per_class} rows of each class")
        centres = np.concatenate([_centres(self.X[self.y == label], per_class) for label in self.classes])
        return _sign(centres - median_threshold(self.X))

    def bipolar_patterns(self, n: int, random_state=0, stratify: bool = True) -> np.ndarray:
        """Return `n` single rows as -1/+1: sign(x - median of the unit over all rows).

        Rows are drawn without replacement, the classes in turn; rows that give the same pattern count once. The first
        patterns are the same for every `n`.

        Returns
        -------
        array (n, features), dtype of X
        """
        n = check_number("n", n, low=1, integer=True)
        threshold, found = median_threshold(self.X), {}
        for row in self._drawing_order(random_state, stratify):
            pattern = _sign(self.X[row] - threshold)
            found.setdefault(pattern.tobytes(), pattern)
            if len(found) == n:
                return np.stack(list(found.values()))
        raise InvalidInput(
            f"{n} patterns asked of {self.n_samples} rows that give {len(found)} different ones; ask for at most that"
        )

    def pictures(self, patterns: np.ndarray) -> np.ndarray:
        """Return -1/+1 patterns as people can see them: each unit at its mean on that side of its median.

        Half of all pixels of a pattern are on, which makes digits hard to read; this gives back their greys. A unit
        that is 0 (dead, or unknown) becomes NaN, which `viz.images` marks as missing.

        Parameters
        ----------
        patterns : array (n, features) of -1, 0, +1, as `prototypes` and `bipolar_patterns` give them

        Returns
        -------
        array (n, features), in the range of X
        """
        patterns = np.asarray(patterns)
        if patterns.ndim != 2 or patterns.shape[1] != self.n_features:
            raise InvalidInput(f"patterns must be (n, {self.n_features}), got shape {patterns.shape}")
        threshold = median_threshold(self.X)
        on = threshold < self.X
        above = np.where(on, self.X, 0).sum(axis=0) / np.maximum(on.sum(axis=0), 1)
        below = np.where(on, 0, self.X).sum(axis=0) / np.maximum((~on).sum(axis=0), 1)
        shown = np.where(patterns > 0, np.where(on.any(axis=0), above, threshold), below)
        return np.where(patterns == 0, np.nan, shown)

    def _strata(self, stratify: bool) -> np.ndarray | None:
        return self.y if stratify and self.classes is not None else None

    def _drawing_order(self, random_state, stratify: bool) -> np.ndarray:
        """Return all rows in random order; any first `n` of them hold the classes in proportion (Webster's method)."""
        order = generator(random_state, "rows").permutation(self.n_samples)
        labels = self._strata(stratify)
        if labels is None:
            return order
        turn = np.empty(self.n_samples)
        for label in self.classes:
            mine = labels[order] == label
            turn[mine] = (np.arange(mine.sum()) + 0.5) / mine.sum()
        return order[np.argsort(turn, kind="stable")]

    def _check_class_sizes(self, labels: np.ndarray, least: int, why: str) -> None:
        classes, counts = np.unique(labels, return_counts=True)
        smallest = np.argmin(counts)
        if counts[smallest] < least:
            label = classes[smallest] if self.target_names is None else self.target_names[classes[smallest]]
            raise InvalidInput(
                f"class {label} has {counts[smallest]} row{'s' * int(counts[smallest] > 1)}, but {why}; "
                f"add rows, leave the class out, or ask for less (stratify=False where it applies)"
            )


def _check_rows(X) -> np.ndarray:
    """Return `X` as a finite float array of rows, without a copy where it already is one."""
    X = as_finite_floats(X)
    if X.ndim != 2:
        raise InvalidInput(
            f"X must have two axes (rows, features), got shape {X.shape}; reshape it: "
            f"X.reshape(-1, 1) for one feature, X.reshape(len(X), -1) for pictures"
        )
    return np.ascontiguousarray(X)


def _check_labels(y, n: int) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Return labels as int64 or floats, and the words that they stand for (or None)."""
    y = np.asarray(y)
    if y.shape != (n,):
        raise InvalidInput(f"y must have one label per row, shape ({n},), got shape {y.shape}")
    if y.dtype.kind == "O" and all(isinstance(label, (int, np.integer)) for label in y):
        y = y.astype(np.int64)
    if y.dtype.kind in "bui":
        return y.astype(np.int64, copy=False), None
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise InvalidInput(f"y holds {np.count_nonzero(~np.isfinite(y))} NaN or infinite values; drop these rows")
        whole = y.size > 0 and np.all(y == np.floor(y)) and np.abs(y).max() < 2**53
        return y.astype(np.int64) if whole else y, None
    words, codes = np.unique(y.astype(str), return_inverse=True)
    return codes.astype(np.int64), tuple(map(str, words))


def _check_image_shape(shape: Sequence[int], n_features: int) -> tuple[int, ...]:
    try:
        shape = tuple(check_number("image_shape", side, low=1, integer=True) for side in shape)
    except TypeError:
        shape = ()
    if len(shape) not in (2, 3) or int(np.prod(shape)) != n_features:
        raise InvalidInput(
            f"image_shape must be (height, width) or (height, width, channels) with a product of {n_features}, "
            f"the number of features; got {shape}"
        )
    return shape


def _check_names(what: str, names, n: int | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    names = tuple(map(str, names))
    if n is not None and len(names) != n:
        raise InvalidInput(f"{what} must have one name per column, {n}, got {len(names)}")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"{what} must differ from each other, but {twice!r} comes twice")
    return names


def _check_target_names(names: tuple[str, ...], classes: np.ndarray | None) -> None:
    if classes is None or classes[0] < 0 or classes[-1] >= len(names):
        found = "there are no class labels" if classes is None else f"labels run from {classes[0]} to {classes[-1]}"
        raise InvalidInput(
            f"target_names has {len(names)} names, but {found}; target_names[label] must be the name of every label"
        )


def _centres(rows: np.ndarray, k: int) -> np.ndarray:
    """Return the mean of the rows, or the `k` centres of a k-means clustering."""
    if k == 1:
        return rows.mean(axis=0, dtype=np.float64, keepdims=True).astype(rows.dtype)
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=4, random_state=0).fit(rows).cluster_centers_


def _sign(x: np.ndarray) -> np.ndarray:
    """Return +1 where x > 0, else -1."""
    one = x.dtype.type(1)
    return np.where(x > 0, one, -one)


def _readonly(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
