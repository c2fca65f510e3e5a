"""Small problems that can be drawn: exclusive or, circles, spirals, bars and stripes, classes of unequal size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bioneuro.data.dataset import Dataset
from bioneuro.data.draws import generator, sklearn_seed
from bioneuro.errors import InvalidInput, check_number

_PLANE = ("x", "y")


def xor(per_corner: int = 1, *, noise: float = 0.0, random_state=0) -> Dataset:
    """y = x1 xor x2 on the corners of the unit square.

    Parameters
    ----------
    per_corner : points at each of the four corners
    noise : standard deviation of Gaussian noise on both coordinates
    random_state : None, int, Generator or RandomState

    >>> xor().X.tolist(), xor().y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    per_corner = check_number("per_corner", per_corner, low=1, integer=True)
    X = np.tile(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), (per_corner, 1))
    y = (X[:, 0] != X[:, 1]).astype(np.int64)
    return Dataset(
        _jitter(X, noise, random_state), y, feature_names=("x1", "x2"), target_names=("equal", "different"), name="xor"
    )


def concentric_circles(n_samples: int = 400, *, noise: float = 0.05, factor: float = 0.5, random_state=0) -> Dataset:
    """A circle of radius 1 (class 0) around one of radius `factor` (class 1), as scikit-learn's `make_circles`.

    Parameters
    ----------
    n_samples : points in all, >= 2
    noise : standard deviation of Gaussian noise on both coordinates
    factor : radius of the inner circle, in [0, 1)
    """
    from sklearn.datasets import make_circles

    n_samples = check_number("n_samples", n_samples, low=2, integer=True)
    factor = check_number("factor", factor, low=0, high=1, open_high=True)
    X, y = make_circles(n_samples, factor=factor, random_state=sklearn_seed(random_state))
    X = _jitter(X.astype(np.float32), noise, random_state)
    return Dataset(X, y, feature_names=_PLANE, target_names=("outer", "inner"), name="concentric circles")


def spirals(
    n_samples: int = 400, *, n_arms: int = 2, turns: float = 1.5, noise: float = 0.02, random_state=0
) -> Dataset:
    """x = t (cos, sin)(2 pi (turns t + arm/n_arms)), t uniform in [0, 1]: one class per arm.

    Parameters
    ----------
    n_samples : points in all, >= n_arms; the arms differ by at most one
    n_arms : >= 2
    turns : how often each arm winds round the origin, > 0
    noise : standard deviation of Gaussian noise on both coordinates
    """
    n_arms = check_number("n_arms", n_arms, low=2, integer=True)
    n_samples = check_number("n_samples", n_samples, low=n_arms, integer=True, hint="one point per arm at least")
    turns = check_number("turns", turns, low=0, high=100, open_low=True)
    t = generator(random_state, "spirals").random(n_samples)
    y = np.arange(n_samples) % n_arms
    angle = 2 * np.pi * (turns * t + y / n_arms)
    X = np.column_stack([t * np.cos(angle), t * np.sin(angle)]).astype(np.float32)
    return Dataset(_jitter(X, noise, random_state), y, feature_names=_PLANE, name="spirals")


def bars_and_stripes(size: int = 4) -> Dataset:
    """All pictures of size x size whose columns are constant (bars) or whose rows are (stripes): 2^(size+1) - 2.

    The empty and the full picture are both; they form a class of their own.

    Parameters
    ----------
    size : side of the picture in pixels, 2 to 12

    Source: G. E. Hinton, T. J. Sejnowski, in Parallel Distributed Processing, vol. 1 (1986), ch. 7; D. MacKay,
    Information Theory, Inference and Learning Algorithms (2003), section 43.

    >>> len(bars_and_stripes(3))
    14
    """
    size = check_number("size", size, low=2, high=12, integer=True, hint="12 gives 8,190 pictures")
    codes = np.arange(1, 2**size - 1)
    lines = (codes[:, None] >> np.arange(size) & 1).astype(np.float32)  # every line but the constant ones
    bars, stripes = np.repeat(lines, size, axis=0).reshape(-1, size, size), np.repeat(lines, size, axis=1)
    both = np.repeat([[0], [1]], size * size, axis=1).astype(np.float32)
    X = np.concatenate([bars.reshape(len(lines), -1), stripes, both])
    return Dataset(
        X,
        np.repeat([0, 1, 2], [len(lines), len(lines), 2]),
        image_shape=(size, size),
        value_range=(0, 1),
        target_names=("bars", "stripes", "both"),
        name="bars and stripes",
    )


def imbalanced(
    shares: Sequence[float] = (0.9, 0.1),
    n_samples: int = 1000,
    *,
    n_features: int = 2,
    separation: float = 4.0,
    random_state=0,
) -> Dataset:
    """Gaussian clouds N(centre, 1), one per class, with the given shares of the rows.

    Parameters
    ----------
    shares : one number > 0 per class; they are scaled to sum to 1, and each class gets its share of the rows rounded
        so that the total is exact (largest remainder)
    n_samples : rows in all; every class must come to at least one
    n_features : >= 1
    separation : distance of neighbouring centres in standard deviations; they lie on a circle in the first two
        features, or on a line where there is one feature
    """
    shares = np.array([check_number("share", share, low=0, high=1e12, open_low=True) for share in shares])
    if len(shares) < 2:
        raise InvalidInput(f"shares must hold at least two classes, got {len(shares)}")
    n_samples = check_number("n_samples", n_samples, low=2, integer=True)
    n_features = check_number("n_features", n_features, low=1, integer=True)
    separation = check_number("separation", separation, low=0, high=1e6)
    counts = _apportion(shares / shares.sum(), n_samples)
    if counts.min() < 1:
        raise InvalidInput(
            f"class {counts.argmin()} with a share of {shares[counts.argmin()] / shares.sum():.3g} of {n_samples} rows "
            f"has none; ask for more rows or a larger share"
        )
    draws, k = generator(random_state, "imbalanced"), np.arange(len(shares))
    centres = np.zeros((len(k), n_features))
    if n_features == 1:
        centres[:, 0] = separation * k
    else:
        angle, radius = 2 * np.pi * k / len(k), separation / (2 * np.sin(np.pi / len(k)))
        centres[:, :2] = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    y = draws.permutation(np.repeat(k, counts))
    X = centres[y] + draws.standard_normal((n_samples, n_features))
    return Dataset(X.astype(np.float32), y, name="imbalanced")


def _apportion(shares: np.ndarray, n: int) -> np.ndarray:
    """Return whole numbers near `shares * n` that sum to `n`: the largest remainders are rounded up."""
    counts = np.floor(shares * n).astype(int)
    counts[np.argsort(counts - shares * n, kind="stable")[: n - counts.sum()]] += 1
    return counts


def _jitter(X: np.ndarray, noise: float, random_state) -> np.ndarray:
    noise = check_number("noise", noise, low=0, high=1e6)
    return X + np.float32(noise) * generator(random_state, "jitter").standard_normal(X.shape, dtype=np.float32)
