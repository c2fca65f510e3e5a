"""One shape for every data set."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, train_test_split

from bioneuro.data import Dataset, load_digits
from bioneuro.data.domain import median_threshold
from bioneuro.errors import InvalidInput


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def counting(n=12, classes=3):
    """Rows that carry their own number, so that a test sees where a row went."""
    return Dataset(np.arange(2 * n, dtype=np.float32).reshape(n, 2), np.arange(n) % classes)


def test_the_data_room_is_imported_without_heavy_packages():
    heavy = "{'sklearn', 'matplotlib', 'pandas', 'numba', 'PIL', 'scipy'}"
    code = f"import sys, bioneuro.data as d; d.Dataset; d.corrupt; d.load_digits; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# what it holds


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_of_floats_is_viewed_and_not_copied(dtype):
    X = np.ones((3, 2), dtype)
    assert np.shares_memory(Dataset(X).X, X)
    assert Dataset(X).X.dtype == dtype


def test_other_numbers_become_float32():
    assert Dataset([[1, 2], [3, 4]]).X.dtype == np.float32
    assert Dataset(np.ones((2, 2), bool)).X.dtype == np.float32


def test_rows_and_labels_cannot_be_written_while_the_callers_array_can():
    X, y = np.ones((2, 2), np.float32), np.array([0, 1])
    data = Dataset(X, y)
    with pytest.raises(ValueError, match="read-only"):
        data.X[0, 0] = 2
    with pytest.raises(ValueError, match="read-only"):
        data.y[0] = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.X = X
    X[0, 0] = 3
    assert data.X[0, 0] == 3


@pytest.mark.parametrize(
    ("values", "learnt"),
    [
        ([-1, 1, 1], (-1, 1)),
        ([-1, 0, 1], (-1, 1)),
        ([0, 0.25, 0.5], (0, 1)),
        ([0, 1, 1], (0, 1)),
        ([0, 16, 3], (0, 16)),
        ([-1, 0.5, 1], (-1, 1)),
        ([-0.5, 0.5, 0], (-0.5, 0.5)),
    ],
)
def test_the_range_is_learnt_from_the_values(values, learnt):
    assert Dataset([values]).value_range == learnt


def test_words_become_numbers_and_stay_as_names():
    data = Dataset([[0.0], [1.0], [2.0]], ["cat", "ant", "cat"])
    assert data.y.tolist() == [1, 0, 1]
    assert data.target_names == ("ant", "cat")
    assert data.classes.tolist() == [0, 1]


def test_whole_floats_are_labels_and_others_are_targets_to_regress():
    assert Dataset([[0.0], [1.0]], [1.0, 2.0]).classes.tolist() == [1, 2]
    regression = Dataset([[0.0], [1.0]], [1.5, 2.0])
    assert regression.classes is None
    assert "regress" in repr(regression)


def test_images_are_a_view_of_the_rows(digits):
    assert digits.images.shape == (1797, 8, 8)
    assert np.shares_memory(digits.images, digits.X)
    assert np.array_equal(digits.images[3].ravel(), digits.X[3])


def test_pictures_given_as_pictures_keep_their_shape():
    data = Dataset.from_arrays(np.zeros((5, 4, 3)))
    assert (data.X.shape, data.image_shape) == ((5, 12), (4, 3))
    assert Dataset.from_arrays(np.zeros((5, 4, 3, 2))).images.shape == (5, 4, 3, 2)


def test_the_representation_tells_size_range_pictures_and_classes(digits):
    text = "Dataset('digits': 1797 rows x 64 features in [0, 1], images (8, 8), 10 classes)"
    assert repr(digits) == text


# digest


def test_the_digest_of_the_digits_is_known(digits):
    assert digits.sha256 == "f4950cafc0d8bcad4960f423792510d873eac0e78ec36ebcdb4c56c7c37518e6"


def test_the_digest_sees_content_and_not_layout_or_name():
    data = counting()
    same = Dataset(np.asfortranarray(data.X), data.y.astype(np.int8), name="other")
    assert same.sha256 == data.sha256
    assert Dataset(data.X.astype(">f4"), data.y).sha256 == data.sha256
    assert Dataset(-np.zeros((1, 1))).sha256 == Dataset(np.zeros((1, 1))).sha256


@pytest.mark.parametrize(
    "change",
    [
        {"X": counting().X[::-1]},
        {"y": counting().y[::-1]},
        {"y": None},
        {"value_range": (-1, 99)},
        {"image_shape": (1, 2)},
        {"X": counting().X.astype(float)},
    ],
)
def test_the_digest_changes_with_the_content(change):
    assert dataclasses.replace(counting(), **change).sha256 != counting().sha256


# parts


def test_selection_takes_slices_indices_and_booleans():
    data = counting()
    for rows in (slice(2, 4), [2, 3], np.arange(12) // 2 == 1, [-10, -9]):
        assert data.select(rows).X[:, 0].tolist() == [4, 6]
        assert data.select(rows).y.tolist() == [2, 0]
    assert data.select(3).n_samples == 1


def test_parts_keep_the_range_and_the_names(digits):
    part = digits.select([0])
    assert (part.value_range, part.image_shape, part.target_names) == ((0, 1), (8, 8), digits.target_names)


def test_split_gives_the_rows_of_scikit_learn(digits):
    train, test = digits.split(0.25, random_state=3)
    X_train, X_test, y_train, y_test = train_test_split(
        digits.X, digits.y, test_size=0.25, random_state=3, stratify=digits.y
    )
    assert np.array_equal(train.X, X_train)
    assert np.array_equal(test.X, X_test)
    assert np.array_equal(train.y, y_train)
    assert np.array_equal(test.y, y_test)


def test_split_keeps_every_row_once_and_the_shares_of_the_classes():
    data = Dataset(np.arange(100.0).reshape(100, 1), np.repeat([0, 1], [80, 20]))
    train, test = data.split(test_size=0.2)
    assert sorted(np.concatenate([train.X, test.X]).ravel()) == list(range(100))
    assert np.bincount(test.y).tolist() == [16, 4]


def test_split_takes_a_number_of_rows_and_any_kind_of_random_state():
    data = counting()
    assert data.split(test_size=6)[1].n_samples == 6
    state = lambda: np.random.default_rng(4)  # noqa: E731
    assert np.array_equal(data.split(random_state=state())[0].X, data.split(random_state=state())[0].X)
    assert data.split(random_state=None)[0].n_samples == 9
    assert data.split(random_state=2**100)[0].n_samples == 9


def test_split_without_labels_or_with_targets_is_plain():
    assert Dataset(np.zeros((8, 1))).split()[1].n_samples == 2
    assert Dataset(np.zeros((8, 1)), np.linspace(0, 1, 8)).split()[1].n_samples == 2


def test_folds_are_those_of_scikit_learn_and_test_every_row_once(digits):
    small = digits.subsample(100)
    expected = StratifiedKFold(4, shuffle=True, random_state=1).split(small.X, small.y)
    tested = 0
    for (train, test), (train_rows, test_rows) in zip(small.folds(4, random_state=1), expected, strict=True):
        assert np.array_equal(train.X, small.X[train_rows])
        assert np.array_equal(test.X, small.X[test_rows])
        tested += test.n_samples
    assert tested == 100


def test_a_subsample_keeps_shares_order_and_what_was_drawn_before():
    data = Dataset(np.arange(100.0).reshape(100, 1), np.repeat([0, 1], [80, 20]))
    small, large = data.subsample(10), data.subsample(50)
    assert np.bincount(small.y).tolist() == [8, 2]
    assert np.bincount(large.y).tolist() == [40, 10]
    assert np.all(np.diff(large.X.ravel()) > 0)
    assert set(small.X.ravel()) < set(large.X.ravel())
    assert not np.array_equal(data.subsample(10, random_state=1).X, small.X)
    assert np.array_equal(data.subsample(100).X, data.X)


def test_the_global_generator_is_left_alone(digits):
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    digits.split(random_state=None)
    digits.subsample(10, random_state=None)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# patterns for a memory


def recalled(patterns, start, free, sweeps=20, seed=0):
    """Share of rows that a pseudo-inverse memory (zero diagonal, asynchronous, a zero field keeps) brings home."""
    weights = np.linalg.pinv(patterns) @ patterns
    np.fill_diagonal(weights, 0)
    target = np.tile(patterns, (len(start) // len(patterns), 1))
    state, order = start.astype(float), np.random.default_rng(seed)
    for _ in range(sweeps):
        for unit in order.permutation(np.flatnonzero(free)):
            field = state @ weights[:, unit]
            state[:, unit] = np.where(np.abs(field) < 1e-9, state[:, unit], np.sign(field))
    return np.mean(np.all(state == target, axis=1))


def flipped(patterns, share, draws=100):
    rng, out = np.random.default_rng(1), np.tile(patterns, (draws, 1))
    for row in out:
        row[rng.choice(row.size, int(share * row.size + 0.5), replace=False)] *= -1
    return out


def test_a_pseudo_inverse_memory_recalls_the_prototypes_from_a_fifth_flipped(digits):
    # about 97 % over 1000 draws, standard error 0.6 points; the library promises 90 %
    patterns = digits.prototypes()
    assert recalled(patterns, flipped(patterns, 0.2), np.ones(64, bool)) > 0.9


def test_a_fixed_threshold_recalls_far_fewer(digits):
    means = np.stack([digits.X[digits.y == c].mean(axis=0) for c in range(10)])
    fixed = np.where(means > 0.5, 1.0, -1.0)
    assert recalled(fixed, flipped(fixed, 0.2), np.ones(64, bool)) < 0.75


@pytest.mark.parametrize("first_half", [True, False])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_pseudo_inverse_memory_completes_prototypes_of_which_half_is_hidden(digits, axis, first_half):
    patterns = digits.prototypes()
    free = ((np.indices((8, 8))[axis] < 4) == first_half).ravel()
    start = np.where(free, 0, patterns)
    assert np.mean([recalled(patterns, start, free, seed=seed) for seed in range(20)]) >= 0.95


def test_prototypes_are_signs_of_class_means_above_the_median():
    X = np.array([[0.0, 0.2], [0.1, 0.2], [0.9, 0.2], [1.0, 0.2]])
    assert Dataset(X, [0, 0, 1, 1]).prototypes().tolist() == [[-1, -1], [1, -1]]


def test_prototypes_of_binary_data_are_majorities_even_where_most_values_are_one():
    X = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [0, 1]])
    assert {tuple(row) for row in Dataset(X).bipolar_patterns(3).tolist()} == {(1, -1), (1, 1), (-1, 1)}
    assert Dataset(X, [0, 0, 0, 1, 0]).prototypes().tolist() == [[1, -1], [1, 1]]


def test_several_prototypes_per_class_are_its_clusters():
    X = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], 5, axis=0)
    found = Dataset(X, np.repeat([0, 0, 1, 1], 5)).prototypes(per_class=2)
    assert sorted(map(tuple, found[:2])) == [(-1, -1), (-1, 1)]
    assert sorted(map(tuple, found[2:])) == [(1, -1), (1, 1)]


def test_single_pictures_as_patterns_are_different_nested_and_of_all_classes(digits):
    forty = digits.bipolar_patterns(40)
    assert forty.dtype == np.float32
    assert set(np.unique(forty)) == {-1, 1}
    assert len(np.unique(forty, axis=0)) == 40
    assert np.array_equal(digits.bipolar_patterns(10), forty[:10])
    all_patterns = np.where(median_threshold(digits.X) < digits.X, 1, -1)
    labels = [digits.y[np.flatnonzero((all_patterns == row).all(axis=1))[0]] for row in forty[:10]]
    assert sorted(labels) == list(range(10))


# bad input


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(3), r"two axes \(rows, features\), got shape \(3,\)"),
        (np.zeros((2, 2, 2)), r"X.reshape\(len\(X\), -1\) for pictures"),
        (np.zeros((0, 3)), r"empty, shape \(0, 3\)"),
        ([[0, 1], [np.nan, np.inf]], r"2 values that are NaN or infinite, the first at \[1, 0\]"),
        ([["a", "b"]], "must be numbers"),
        ([[1, 2], [3]], "must be numbers, one row per example"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(X, message):
    with pytest.raises(InvalidInput, match=message):
        Dataset(X)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"y": [0, 1]}, r"one label per row, shape \(3,\), got shape \(2,\)"),
        ({"y": [0, 1, np.nan]}, "y holds 1 NaN"),
        ({"image_shape": (2, 2)}, r"product of 4|features; got \(2, 2\)"),
        ({"image_shape": 5}, "height, width"),
        ({"value_range": (0, 0.5)}, r"run from 0 to 1, outside value_range=\(0, 0.5\)"),
        ({"value_range": (1, 0)}, "low < high"),
        ({"value_range": 3}, r"two numbers \(low, high\), got 3"),
        ({"feature_names": ["a"]}, "one name per column, 2, got 1"),
        ({"feature_names": ["a", "a"]}, "'a' comes twice"),
        ({"y": [0, 1, 2], "target_names": ["a"]}, "1 names, but labels run from 0 to 2"),
        ({"target_names": ["a"]}, "there are no class labels"),
    ],
)
def test_fields_that_do_not_fit_the_rows_are_refused(fields, message):
    with pytest.raises(InvalidInput, match=message):
        Dataset([[0, 1], [1, 0], [1, 1]], **fields)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda data: data.subsample(13), "13 rows asked of a data set that has 12"),
        (lambda data: data.bipolar_patterns(9), "9 patterns asked of 12 rows that give . different"),
        (lambda data: data.split(12), "test_size=12 asks for 12 of 12 rows"),
        (lambda data: data.split(1.5), r"test_size must be a number in \(0, 1\), got 1.5"),
        (lambda data: data.split(2), "leaves 2 rows in the smaller part for 3 classes"),
        (lambda data: data.folds(5), "class 0 has 4 rows, but 5 stratified folds"),
        (lambda data: data.folds(13), "number of folds must be"),
        (lambda data: data.prototypes(5), "class 0 has 4 rows, but per_class=5"),
        (lambda data: data.select([12]), "rows run from 12 to 12, but there are 12 rows"),
        (lambda data: data.select([True]), "1 booleans for 12 rows"),
        (lambda data: data.select([0.5]), "must be a slice, integers or booleans"),
        (lambda data: data.select([]), "empty|slice, integers"),
        (lambda data: data.images, "holds no pictures; give image_shape"),
        (lambda data: Dataset(data.X).prototypes(), "no class labels"),
        (lambda data: data.split(random_state="x"), "random_state must be"),
    ],
)
def test_parts_that_cannot_be_had_are_refused(ask, message):
    with pytest.raises(InvalidInput, match=message):
        ask(counting())


def test_a_class_with_one_row_cannot_be_split_by_class():
    data = Dataset(np.zeros((5, 1)), ["cat", "cat", "cat", "cat", "dog"])
    with pytest.raises(InvalidInput, match="class dog has 1 row, but a stratified split needs two"):
        data.split(0.5)
    assert data.split(0.5, stratify=False)[0].n_samples == 2
