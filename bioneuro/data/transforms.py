"""What happens to rows before a model: standardise, whiten, make bipolar, make binary; as scikit-learn transformers.

Every number learnt comes from the rows given to `fit`; no output depends on how rows are split or ordered.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from bioneuro._jit.keys import Key, seed_from
from bioneuro.blas import one_blas_thread
from bioneuro.data.domain import check_range, median_threshold, value_range_of
from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.memory import require

_FLOATS = (np.float64, np.float32)  # the first is what integers become


class _Rows(TransformerMixin, BaseEstimator):
    """A transformer that keeps float32 and float64 as they are."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _rows(self, X, *, fitting: bool = False, least: int = 1) -> np.ndarray:
        if not fitting:
            check_is_fitted(self)
        return validate_data(self, X, dtype=_FLOATS, order="C", reset=fitting, ensure_min_samples=least)


class Standardise(StandardScaler):
    """z = (x - mean) / standard deviation, feature by feature; a constant feature becomes 0.

    scikit-learn's `StandardScaler`, under the name that this library uses.

    Parameters
    ----------
    with_std : divide by the standard deviation; False: centre only

    Examples
    --------
    >>> Standardise().fit_transform([[1.0], [3.0]]).ravel().tolist()
    [-1.0, 1.0]
    """

    def __init__(self, *, with_std: bool = True):
        super().__init__(with_mean=True, with_std=with_std)


class Whiten(ClassNamePrefixFeaturesOutMixin, _Rows):
    """z = (x - mean) V diag(1 / sqrt(variance + epsilon)) [V']: covariance (over n - 1) becomes the identity.

    V holds the directions of largest variance as columns; the last factor is there for ZCA only, which turns the result
    back so that it stays as near to x as a white vector can. Directions in which the rows do not vary become 0.

    Parameters
    ----------
    method : "pca" or "zca"
    n_components : directions kept: a number, a share of the variance in (0, 1), or None for all in which the rows vary
    epsilon : added to each variance, in units of the largest one, >= 0; damps directions that are mostly noise

    Attributes
    ----------
    mean_ : array (features,)
    components_ : array (n_components_, features), the rows are V'
    explained_variance_, deviation_ : arrays (n_components_,), the variance and sqrt(variance + epsilon)
    whitening_ : array (features, n_features_out), z = (x - mean_) @ whitening_

    Source: A. Bell, T. Sejnowski, Vision Research 37 (1997) 3327 (ZCA); Y. LeCun et al., Efficient BackProp (1998).

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 2)) @ [[2, 1], [0, 1]]
    >>> np.cov(Whiten().fit_transform(X).T).round(6).tolist() == [[1, 0], [0, 1]]
    True
    """

    def __init__(self, method: str = "pca", *, n_components: int | float | None = None, epsilon: float = 0.0):
        self.method = method
        self.n_components = n_components
        self.epsilon = epsilon

    def fit(self, X, y=None) -> Whiten:
        choose("method", self.method, ("pca", "zca"))
        epsilon = check_number("epsilon", self.epsilon, low=0, high=1e6)
        X = self._rows(X, fitting=True, least=2)
        require({"rows in float64": 8 * X.size, "directions": 24 * X.shape[1] * min(X.shape)}, "whitening")
        varies = np.ptp(X, axis=0) > 0
        if not varies.any():
            raise InvalidInput(f"the rows do not vary: all {len(X)} are equal, and there is nothing to whiten")
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        with one_blas_thread():
            pca = PCA(svd_solver="covariance_eigh" if len(X) > X.shape[1] else "full").fit(X - self.mean_)
        self.n_components_ = self._count(pca.explained_variance_, X)
        self.components_ = pca.components_[: self.n_components_] * varies  # a constant feature: no part, not 1e-12
        self.explained_variance_ = pca.explained_variance_[: self.n_components_]
        self.deviation_ = np.sqrt(self.explained_variance_ + epsilon * self.explained_variance_[0])
        self.whitening_ = self.components_.T / self.deviation_
        if self.method == "zca":
            self.whitening_ = self.whitening_ @ self.components_
        return self

    def transform(self, X) -> np.ndarray:
        X = self._rows(X)
        return _product(X - self.mean_.astype(X.dtype), self.whitening_)

    def inverse_transform(self, Z) -> np.ndarray:
        """Return rows whose whitened form is `Z`; what was not kept is the mean."""
        check_is_fitted(self)
        Z = np.asarray(Z)
        if Z.ndim != 2 or Z.shape[1] != self._n_features_out:
            raise InvalidInput(f"Z must have shape (n, {self._n_features_out}), as transform gives it; got {Z.shape}")
        back = self.deviation_[:, None] * self.components_
        if self.method == "zca":
            back = self.components_.T @ back
        Z = Z if Z.dtype in _FLOATS else Z.astype(np.float64)
        return _product(Z, back) + self.mean_.astype(Z.dtype)

    @property
    def _n_features_out(self) -> int:  # what scikit-learn's mixin counts names by
        return self.whitening_.shape[1]

    def get_feature_names_out(self, input_features=None):
        """Return the names given to `fit` for ZCA, whiten0, whiten1, ... for PCA."""
        if self.method == "zca":
            return OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        return super().get_feature_names_out(input_features)

    def _count(self, variance: np.ndarray, X: np.ndarray) -> int:
        """Return how many directions to keep, never more than those in which the rows vary."""
        resolution = max(np.finfo(np.float64).eps, np.finfo(X.dtype).eps ** 2) * max(X.shape)
        rank = int(np.count_nonzero(variance > resolution * variance[0]))
        if self.n_components is None:
            return rank
        if isinstance(self.n_components, float):
            share = check_number("n_components", self.n_components, low=0, high=1, open_low=True, open_high=True)
            reached = np.cumsum(variance[:rank]) / variance[:rank].sum()
            return min(rank, int(np.searchsorted(reached, share)) + 1)
        hint = f"the rows vary in {rank} directions; a share of their variance is a float in (0, 1)"
        return check_number("n_components", self.n_components, low=1, high=rank, integer=True, hint=hint)


class Bipolar(OneToOneFeatureMixin, _Rows):
    """z = 2 (x - low) / (high - low) - 1: the range [low, high] becomes [-1, 1].

    Parameters
    ----------
    input_range : (low, high), enforced with an error; None: learnt at `fit` as for a `Dataset` ([-1, 1] for -1/+1,
        [0, 1] for values in it, else smallest to largest), later rows are clipped to it

    Attributes
    ----------
    input_range_ : the range in use

    Examples
    --------
    >>> Bipolar().fit_transform([[0.0, 0.5], [1.0, 0.25]]).tolist()
    [[-1.0, 0.0], [1.0, -0.5]]
    """

    def __init__(self, *, input_range: tuple[float, float] | None = None):
        self.input_range = input_range

    def fit(self, X, y=None) -> Bipolar:
        self.input_range_ = _learn_range(self._rows(X, fitting=True), self.input_range)
        return self

    def transform(self, X) -> np.ndarray:
        unit = _to_unit(self._rows(X), self.input_range_, enforced=self.input_range is not None)
        return 2 * unit - 1

    def inverse_transform(self, Z) -> np.ndarray:
        """Return (Z + 1) / 2 (high - low) + low."""
        check_is_fitted(self)
        low, high = self.input_range_
        return (np.asarray(Z) + 1) * (0.5 * (high - low)) + low


class Binarise(OneToOneFeatureMixin, _Rows):
    """z = 1 where x > threshold, else 0; or z = 1 with probability (x - low) / (high - low).

    Parameters
    ----------
    method : "fixed": one `threshold`; "median": each feature's median at `fit` (half way between smallest and largest
        value where the median is the largest); "stochastic": a draw per entry
    threshold : for "fixed", in units of x
    random_state : for "stochastic": None, int, Generator or RandomState. Draws are keyed by the content of the row:
        equal rows give equal bits, in any order and any batch

    Attributes
    ----------
    threshold_ : the threshold in use, or one per feature ("fixed", "median")
    input_range_, seed_ : range ([0, 1] for values in it, else learnt at `fit`; later rows are clipped) and seed
        ("stochastic")

    Examples
    --------
    >>> Binarise().fit_transform([[0.2, 0.7]]).tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, method: str = "fixed", *, threshold: float = 0.5, random_state=None):
        self.method = method
        self.threshold = threshold
        self.random_state = random_state

    def fit(self, X, y=None) -> Binarise:
        choose("method", self.method, ("fixed", "median", "stochastic"))
        X = self._rows(X, fitting=True)
        if self.method == "stochastic":
            self.input_range_ = _learn_range(X, None)
            self.seed_ = seed_from(self.random_state)
        else:
            self.threshold_ = (
                median_threshold(X) if self.method == "median" else check_number("threshold", self.threshold)
            )
        return self

    def transform(self, X) -> np.ndarray:
        X = self._rows(X)
        if self.method == "stochastic":
            return self._draw(X)
        return np.greater(X, self.threshold_).astype(X.dtype)

    def _draw(self, X: np.ndarray) -> np.ndarray:
        """Return 1 with probability (x - low) / (high - low), else 0; keyed by the seed and the content of the row."""
        from bioneuro._jit.random import fill_bernoulli, hash_rows  # Numba: only where kernels run

        probability = _to_unit(X, self.input_range_, enforced=False)
        return fill_bernoulli(
            Key.from_seed(self.seed_).child("binarise"), 0, probability, np.empty_like(X), hash_rows(X)
        )


def _learn_range(X: np.ndarray, stated) -> tuple[float, float]:
    return value_range_of(X) if stated is None else check_range(stated, X, name="input_range")


def _to_unit(X: np.ndarray, value_range: tuple[float, float], *, enforced: bool) -> np.ndarray:
    """Return (x - low) / (high - low), clipped to [0, 1]; 1/2 where the range is one value."""
    low, high = check_range(value_range, X, name="input_range") if enforced else value_range
    if high == low:
        return np.full_like(X, 0.5)
    return np.clip((X - X.dtype.type(low)) / X.dtype.type(high - low), 0, 1)


def _product(X: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Return X @ W, the bits of each row its own."""
    from bioneuro._jit.gemm import matmul  # Numba: only where kernels run

    return matmul(X, W.astype(X.dtype))
