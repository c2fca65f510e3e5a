"""Noise and damage on rows: entries flipped, masked, hidden by a half or a patch, or moved by Gaussian noise."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from bioneuro._jit.keys import seed_from
from bioneuro.data.dataset import Dataset
from bioneuro.data.domain import as_finite_floats, check_range, share_count, value_range_of
from bioneuro.data.draws import generator
from bioneuro.errors import InvalidInput, check_number, choose

_HALVES = {  # which -> the axis that is cut, and whether the half is the first one
    "upper": (0, True),
    "lower": (0, False),
    "left": (1, True),
    "right": (1, False),
}
_CHUNK = 4096  # rows drawn at a time; the numbers do not depend on it


def corrupt(
    X,
    *,
    flip: float = 0.0,
    mask: float = 0.0,
    occlude: str | float | None = None,
    gaussian: float = 0.0,
    fill: float | None = None,
    value_range: tuple[float, float] | None = None,
    image_shape: tuple[int, ...] | None = None,
    random_state=None,
):
    """Return a damaged copy of `X`; of a `Dataset`, a data set with damaged rows and the same labels.

    In this order, each with its own stream of random numbers:

        flip      exactly floor(flip n + 1/2) entries of each row become low + high - x (-x for -1/+1, 1 - x for [0, 1])
        gaussian  x + gaussian (high - low) N(0, 1), clipped to [low, high]
        mask      exactly floor(mask n + 1/2) entries of each row become `fill`
        occlude   half of the picture, or a square patch of this share at a random place in each row, becomes `fill`

    For one seed the entries hit are nested as a share grows, and the rows before row i do not depend on what follows.

    Parameters
    ----------
    X : array (n, features), one row (features,), or a Dataset
    flip, mask : share of the entries of each row, in [0, 1]
    occlude : "upper", "lower", "left", "right", or the share of a square patch in [0, 1]; needs `image_shape`
    gaussian : standard deviation in units of the range, >= 0
    fill : the value that says nothing; None: the middle of the range (0 for -1/+1, 0.5 for [0, 1])
    value_range : (low, high); None: that of the data set, (-1, 1) for -1/+1, (0, 1) for values in [0, 1];
        other values need it stated
    image_shape : (height, width) or (height, width, channels); None: that of the data set
    random_state : None, int, Generator or RandomState

    Returns
    -------
    array of the shape of X (float32 unless X is float64), or Dataset

    Examples
    --------
    >>> noisy = corrupt(np.ones((1, 5)), flip=0.4, value_range=(-1, 1), random_state=0)
    >>> int((noisy == -1).sum())
    2
    """
    if isinstance(X, Dataset):
        damaged = corrupt(
            X.X,
            flip=flip,
            mask=mask,
            occlude=occlude,
            gaussian=gaussian,
            fill=fill,
            value_range=X.value_range if value_range is None else value_range,
            image_shape=X.image_shape if image_shape is None else image_shape,
            random_state=random_state,
        )
        low, high = X.value_range if value_range is None else check_range(value_range)
        span = (min(low, float(damaged.min())), max(high, float(damaged.max())))
        return dataclasses.replace(X, X=damaged, value_range=span)
    flip = check_number("flip", flip, low=0, high=1, hint="a share of the entries of each row")
    mask = check_number("mask", mask, low=0, high=1, hint="a share of the entries of each row")
    gaussian = check_number("gaussian", gaussian, low=0, high=math.inf, open_high=True)
    given = as_finite_floats(X)
    if given.ndim not in (1, 2):
        raise InvalidInput(f"X must be one row (features,) or rows (n, features), got shape {given.shape}")
    out = np.array(np.atleast_2d(given))
    low, high = _range(out, value_range, needed=flip or gaussian or ((mask or occlude) and fill is None))
    fill = low + (high - low) / 2 if fill is None else check_number("fill", fill)
    seed = seed_from(random_state)  # once: a generator given moves on with every question
    _scatter(out, flip, generator(seed, "flip"), lambda values: low + high - values)
    if gaussian:
        _add_noise(out, gaussian * (high - low), generator(seed, "gaussian"), low, high)
    _scatter(out, mask, generator(seed, "mask"), lambda values: fill)
    if occlude is not None:
        _occlude(out, occlude, image_shape, fill, generator(seed, "occlude"))
    return out.reshape(given.shape)


def known_half(image_shape: tuple[int, ...], which: str) -> np.ndarray:
    """Return True for the features of half a picture, for recall with that half clamped.

    The upper half is the first height // 2 lines, the left half the first width // 2 columns; lower and right are the
    rest, so that two opposite halves are the whole.

    Parameters
    ----------
    image_shape : (height, width) or (height, width, channels)
    which : "upper", "lower", "left", "right"

    Returns
    -------
    array (features,) of bool

    Examples
    --------
    >>> known_half((2, 2), "upper").tolist()
    [True, True, False, False]
    """
    axis, first = _HALVES[choose("half", which, _HALVES)]
    if len(image_shape) not in (2, 3) or min(image_shape) < 1:
        raise InvalidInput(f"image_shape must be (height, width) or (height, width, channels), got {image_shape}")
    inside = np.indices(image_shape)[axis] < image_shape[axis] // 2
    return (inside if first else ~inside).ravel()


def _range(X: np.ndarray, value_range, *, needed: bool) -> tuple[float, float]:
    """Return the stated range, or the one that the values tell."""
    if value_range is not None:
        return check_range(value_range, X)
    if needed and X.min() == 1:
        raise InvalidInput("every value is 1, which -1/+1 and [0, 1] both allow; state value_range=(-1, 1) or (0, 1)")
    low, high = value_range_of(X)
    if needed and (low, high) not in ((0, 1), (-1, 1)):
        raise InvalidInput(
            f"values run from {low:g} to {high:g}: neither -1/+1 nor within [0, 1]; state value_range=(low, high)"
        )
    return low, high


def _scatter(X: np.ndarray, share: float, draws: np.random.Generator, change) -> None:
    """Replace `share` of the entries of each row by `change(entries)`, in place."""
    count = share_count(share, X.shape[1])
    if count == 0:
        return
    for start in range(0, len(X), _CHUNK):
        rows = X[start : start + _CHUNK]
        hit = np.argpartition(draws.random(rows.shape), count - 1, axis=1)[:, :count]
        np.put_along_axis(rows, hit, change(np.take_along_axis(rows, hit, axis=1)), axis=1)


def _add_noise(X: np.ndarray, deviation: float, draws: np.random.Generator, low: float, high: float) -> None:
    for start in range(0, len(X), _CHUNK):
        rows = X[start : start + _CHUNK]
        np.clip(rows + deviation * draws.standard_normal(rows.shape), low, high, out=rows, casting="same_kind")


def _occlude(X: np.ndarray, occlude, image_shape, fill: float, draws: np.random.Generator) -> None:
    if image_shape is None:
        raise InvalidInput("occlude hides part of a picture: give image_shape=(height, width), or a Dataset of images")
    if isinstance(occlude, str):
        hidden = known_half(image_shape, occlude)
        _check_picture(image_shape, X.shape[1])
        X[:, hidden] = fill
        return
    share = check_number("occlude", occlude, low=0, high=1, hint=f"or one of {', '.join(map(repr, _HALVES))}")
    _check_picture(image_shape, X.shape[1])
    height, width = image_shape[:2]
    side = int(math.sqrt(share * height * width) + 0.5)
    if side > min(height, width):
        raise InvalidInput(
            f"a square patch of {share:g} of a {height} x {width} picture has sides of {side}; "
            f"the largest that fits is {min(height, width) ** 2 / (height * width):g}"
        )
    # one draw per row whatever the side: as the patch grows it grows around the smaller one
    place = draws.random((len(X), 2))
    tops, lefts = (place * (height - side + 1, width - side + 1)).astype(int).T
    for row, top, left in zip(X.reshape(len(X), height, width, -1), tops, lefts, strict=True):
        row[top : top + side, left : left + side] = fill


def _check_picture(image_shape, n_features: int) -> None:
    if math.prod(image_shape) != n_features:
        raise InvalidInput(f"image_shape {tuple(image_shape)} has {math.prod(image_shape)} pixels, X has {n_features}")
