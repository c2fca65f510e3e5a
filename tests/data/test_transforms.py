"""Transformers: what they compute, and scikit-learn's own checks without excuses."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from bioneuro.data import Binarise, Bipolar, Standardise, Whiten, load_digits
from bioneuro.errors import InvalidInput, UnknownName

DIGITS = load_digits()
ALL = [
    Standardise(),
    Standardise(with_std=False),
    Whiten(),
    Whiten("zca"),
    Whiten("zca", n_components=0.9, epsilon=0.1),
    Bipolar(),
    Binarise(),
    Binarise("median"),
    Binarise("stochastic", random_state=0),
]


@pytest.mark.parametrize("transformer", ALL, ids=repr)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_finds_no_fault(transformer):
    results = check_estimator(transformer, on_fail=None)
    assert [result["check_name"] for result in results if result["status"] in ("failed", "xfail")] == []
    tags = get_tags(transformer)
    assert [tags.no_validation, tags.non_deterministic, tags._skip_test] == [False] * 3


@pytest.mark.parametrize("transformer", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_is_kept_and_rows_do_not_depend_on_their_neighbours(transformer, dtype):
    X = DIGITS.X[:300].astype(dtype)
    fitted = clone(transformer).fit(X)
    whole = fitted.transform(X)
    assert whole.dtype == dtype
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = np.concatenate([fitted.transform(part) for part in np.array_split(X[order], [1, 3, 50])])
    assert shuffled.tobytes() == whole[order].tobytes()
    assert fitted.transform(np.asfortranarray(X)).tobytes() == whole.tobytes()


@pytest.mark.parametrize("transformer", ALL, ids=repr)
def test_what_is_learnt_comes_from_the_training_rows_alone(transformer):
    train, test = DIGITS.split()
    fitted = clone(transformer).fit(train.X)
    before = pickle.dumps(vars(fitted))
    fitted.transform(test.X * 3)
    assert pickle.dumps(vars(fitted)) == before


@pytest.mark.parametrize("transformer", ALL, ids=repr)
def test_columns_have_names(transformer):
    pandas_out = clone(transformer).set_output(transform="pandas")
    frame = pandas_out.fit_transform(DIGITS.X)
    assert len(set(frame.columns)) == frame.shape[1]
    assert list(frame.columns) == list(pandas_out.get_feature_names_out())


def test_zca_keeps_the_names_and_pca_numbers_its_own():
    assert Whiten("zca").fit(DIGITS.X[:, 2:5]).get_feature_names_out().tolist() == ["x0", "x1", "x2"]
    assert Whiten().fit(DIGITS.X[:, 2:5]).get_feature_names_out().tolist() == ["whiten0", "whiten1", "whiten2"]


# standardise


def test_standardise_is_scikit_learns():
    assert np.array_equal(Standardise().fit_transform(DIGITS.X), StandardScaler().fit_transform(DIGITS.X))
    assert np.all(Standardise().fit_transform(DIGITS.X)[:, 0] == 0)


# whiten


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_pca_whitening_makes_the_covariance_the_identity(dtype, tolerance):
    white = Whiten().fit_transform(DIGITS.X.astype(dtype))
    assert white.shape[1] == np.linalg.matrix_rank(np.cov(DIGITS.X.T.astype(float))) == 61
    assert np.allclose(np.cov(white.astype(float).T), np.eye(61), atol=tolerance)


def test_zca_whitening_makes_the_covariance_the_identity_where_features_vary():
    white = Whiten("zca").fit_transform(DIGITS.X.astype(float))
    varies = np.diag((np.ptp(DIGITS.X, axis=0) > 0).astype(float))
    assert np.allclose(np.cov(white.T), varies, atol=1e-10)
    assert np.all(white[:, np.ptp(DIGITS.X, axis=0) == 0] == 0)


def test_pca_whitening_agrees_with_scikit_learn():
    X = DIGITS.X.astype(float)
    peer = PCA(n_components=20, whiten=True, svd_solver="full").fit_transform(X)
    ours = Whiten(n_components=20).fit_transform(X)
    assert np.allclose(np.abs(ours), np.abs(peer), atol=1e-8)  # the sign of a direction is free


def test_zca_is_the_symmetric_whitening():
    X = DIGITS.X[:, 18:30].astype(float)
    matrix = Whiten("zca").fit(X).whitening_
    values, vectors = np.linalg.eigh(np.cov(X.T))
    assert np.allclose(matrix, vectors @ np.diag(values**-0.5) @ vectors.T)


def test_fewer_rows_than_features_leave_fewer_directions():
    white = Whiten().fit_transform(DIGITS.X[:20].astype(float))
    assert white.shape == (20, 19)
    assert np.allclose(np.cov(white.T), np.eye(19))


def test_epsilon_damps_in_units_of_the_largest_variance():
    whiten = Whiten(epsilon=0.5).fit(DIGITS.X.astype(float))
    variance = np.var(whiten.transform(DIGITS.X.astype(float)), axis=0, ddof=1)
    own = whiten.explained_variance_
    assert np.allclose(variance, own / (own + 0.5 * own[0]))
    assert np.array_equal(Whiten(epsilon=0.5).fit(DIGITS.X * 16).n_components_, whiten.n_components_)


def test_a_share_of_the_variance_keeps_as_many_directions_as_it_takes():
    variance = Whiten().fit(DIGITS.X).explained_variance_
    kept = Whiten(n_components=0.9).fit(DIGITS.X).n_components_
    assert variance[: kept - 1].sum() < 0.9 * variance.sum() <= variance[:kept].sum()


@pytest.mark.parametrize("method", ["pca", "zca"])
def test_whitening_can_be_undone(method):
    whiten = Whiten(method).fit(DIGITS.X.astype(float))
    assert np.allclose(whiten.inverse_transform(whiten.transform(DIGITS.X.astype(float))), DIGITS.X, atol=1e-9)


def test_a_large_offset_does_not_spoil_the_covariance():
    X = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([1, 2, 3]) + 1e4
    assert np.allclose(np.cov(Whiten().fit_transform(X).T), np.eye(3), atol=1e-8)
    white = Whiten().fit_transform(X.astype(np.float32))
    assert np.allclose(np.cov(white.T), np.eye(3), atol=1e-3)


@pytest.mark.parametrize("method", ["pca", "zca"])
def test_equal_rows_leave_nothing_to_whiten(method):
    with pytest.raises(InvalidInput, match="the rows do not vary: all 5 are equal"):
        Whiten(method).fit(np.ones((5, 3)))


@pytest.mark.parametrize(
    ("whiten", "message"),
    [
        (Whiten("pcs"), "unknown method 'pcs'; did you mean 'pca'"),
        (Whiten(epsilon=-1), "epsilon must be"),
        (Whiten(n_components=62), r"n_components must be an integer in \[1, 61\], got 62; the rows vary in 61"),
        (Whiten(n_components=1.5), r"n_components must be a number in \(0, 1\)"),
    ],
)
def test_whitening_that_cannot_be_is_refused(whiten, message):
    with pytest.raises(InvalidInput, match=message):
        whiten.fit(DIGITS.X)


def test_undoing_rows_of_another_width_is_refused():
    with pytest.raises(InvalidInput, match=r"Z must have shape \(n, 5\), as transform gives it; got \(2, 4\)"):
        Whiten(n_components=5).fit(DIGITS.X).inverse_transform(np.zeros((2, 4)))


# bipolar


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        ([[0.0, 0.25], [0.5, 1.0]], [[-1, -0.5], [0, 1]]),
        ([[0.2, 0.4]], [[-0.6, -0.2]]),
        ([[-1.0, 1.0]], [[-1, 1]]),
        ([[0.0, 8.0], [16.0, 4.0]], [[-1, 0], [1, -0.5]]),
        ([[3.0, 3.0]], [[0, 0]]),
    ],
)
def test_bipolar_takes_the_range_of_the_data_to_minus_one_and_one(X, expected):
    assert np.allclose(Bipolar().fit_transform(np.array(X)), expected)


def test_bipolar_clips_later_rows_to_a_learnt_range_and_refuses_them_outside_a_stated_one():
    assert Bipolar().fit([[0.0], [10.0]]).transform([[20.0], [-5.0]]).ravel().tolist() == [1, -1]
    with pytest.raises(InvalidInput, match=r"run from 0 to 20, outside input_range=\(0, 10\); rescale"):
        Bipolar(input_range=(0, 10)).fit([[0.0]]).transform([[0.0], [20.0]])
    with pytest.raises(InvalidInput, match="low < high"):
        Bipolar(input_range=(1, 1)).fit([[0.0]])


def test_bipolar_can_be_undone():
    bipolar = Bipolar(input_range=(2, 6)).fit([[2.0]])
    assert bipolar.inverse_transform(bipolar.transform([[2.5], [6.0]])).ravel().tolist() == [2.5, 6]


# binarise


def test_fixed_and_median_thresholds():
    X = np.array([[0.1, 5.0], [0.5, 6.0], [0.9, 9.0]])
    assert Binarise().fit_transform(X).tolist() == [[0, 1], [0, 1], [1, 1]]
    assert Binarise(threshold=5.5).fit_transform(X).tolist() == [[0, 0], [0, 1], [0, 1]]
    assert Binarise("median").fit_transform(X).tolist() == [[0, 0], [0, 0], [1, 1]]
    assert Binarise("median").fit(X).transform([[0.6, 1.0]]).tolist() == [[1, 0]]


def test_median_then_bipolar_gives_the_patterns_of_the_data_set():
    patterns = make_pipeline(Binarise("median"), Bipolar(input_range=(0, 1))).fit_transform(DIGITS.X)
    assert {row.tobytes() for row in DIGITS.bipolar_patterns(40)} <= {row.tobytes() for row in patterns}


def test_stochastic_bits_have_their_probabilities():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.tile([0, 0.25, 0.5, 1], (40000, 1)), rng.random(40000)])  # the last tells the rows apart
    share = Binarise("stochastic", random_state=0).fit_transform(X).mean(axis=0)
    expected = np.array([0, 0.25, 0.5, 1, X[:, 4].mean()])
    assert np.all(np.abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / 40000))
    assert (share[0], share[3]) == (0, 1)


def test_stochastic_bits_belong_to_the_content_of_the_row_and_the_seed():
    X = np.full((3, 200), 0.5)
    X[2, 0] = 0.6
    bits = Binarise("stochastic", random_state=0).fit_transform(X)
    assert np.array_equal(bits[0], bits[1])
    assert not np.array_equal(bits[0, 1:], bits[2, 1:])
    assert np.array_equal(Binarise("stochastic", random_state=0).fit_transform(X), bits)
    assert not np.array_equal(Binarise("stochastic", random_state=1).fit_transform(X), bits)


def test_without_a_seed_the_fresh_one_is_kept():
    fitted = Binarise("stochastic").fit(DIGITS.X)
    again = Binarise("stochastic", random_state=fitted.seed_).fit(DIGITS.X)
    assert np.array_equal(fitted.transform(DIGITS.X), again.transform(DIGITS.X))
    assert fitted.seed_ != Binarise("stochastic").fit(DIGITS.X).seed_


def test_an_unknown_way_to_binarise_gets_the_nearest_name():
    with pytest.raises(UnknownName, match="unknown method 'meidan'; did you mean 'median'"):
        Binarise("meidan").fit(DIGITS.X)
    with pytest.raises(InvalidInput, match="threshold must be a number"):
        Binarise(threshold="half").fit(DIGITS.X)


@pytest.mark.parametrize("transformer", ALL[2:], ids=repr)
def test_rows_with_nan_or_of_another_width_are_refused(transformer):
    fitted = clone(transformer).fit(DIGITS.X)
    with pytest.raises(ValueError, match="contains NaN"):
        fitted.transform(DIGITS.X * np.nan)
    with pytest.raises(ValueError, match=r"has 63 features, but .* is expecting 64 features"):
        fitted.transform(DIGITS.X[:, 1:])
