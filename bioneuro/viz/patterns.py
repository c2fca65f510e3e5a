"""`images`: rows of patterns, filters or dreams as pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.data.domain import is_bipolar
from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.viz.style import DEAD, GREY, IMAGE_MAP, INK, SIGNED_MAP, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.12  # between pictures, as a share of their width
PIXELS = 0.5  # the brightest of pixels in [0, 1] is at least so bright


@styled
def images(
    X: np.ndarray | Mapping[str, np.ndarray],
    image_shape: Sequence[int],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    value_range: tuple[float, float] | None = None,
    colours: str = "auto",
    dead: np.ndarray | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw rows of units as pictures in a grid.

    Parameters
    ----------
    X : (n, features) pictures, or {row name: (n, features)}: one row of pictures under each other per name, such as
        {"stored": ..., "noisy": ..., "recalled": ...}.
    image_shape : (height, width), or (height, width, channels) with 1 or 3 channels.
    titles : words above the pictures: one for each, or one for each column where `X` has named rows.
    columns : pictures in a row; by default about as many as rows.
    value_range : values that are drawn black and white (or, on the signed map, blue and red); by default -1 and 1 for
        patterns of -1/+1, 0 and 1 for values in between that fill at least half of it, as pixels do, else the extremes
        (synaptic weights in volts), on the signed map symmetric about 0.
    colours : "grey"; "signed" (blue below zero, white, red above: filters, weights); "auto": signed where there are
        values below zero other than -1/+1.
    dead : (features,) or the shape of X, true where a unit is missing; by default zeros of -1/+1 patterns, and NaN.
    title : what the figure shows.

    Returns
    -------
    The axes; missing pixels are purple, and named in a legend where there are any. Signed values, and those too small
    for pixels, have a scale beside them.
    """
    names, rows = _rows(X, columns)
    shape = _shape(image_shape, rows[0].shape[1])
    flat = np.concatenate(rows)
    missing = _missing(flat, dead)
    signed = _is_signed(flat[~missing], colours)
    low, high = _range(flat[~missing], value_range, signed)
    across = max(len(row) for row in rows)
    if titles is not None and len(titles) != (across if names else len(flat)):
        raise InvalidInput(f"titles has {len(titles)} entries for {across if names else len(flat)} pictures")
    height, width = shape[:2]
    step = (width * (1 + GAP), height * (1 + GAP) + (0.28 * height if titles is not None and not names else 0))
    ax = axes_or_new(
        ax, min(12, 0.9 * across + 1.2 * bool(names) + 0.3), min(14, 0.95 * len(rows) * height / width + 0.6)
    )
    shown = _draw(ax, rows, missing, shape, step, low, high, SIGNED_MAP if signed else IMAGE_MAP)
    if titles is not None:
        places = range(across) if names else range(len(flat))
        for k, words in zip(places, titles, strict=True):
            x, y = (k % across) * step[0] + width / 2, (k // across) * step[1] - 0.06 * height
            ax.text(x, y, str(words), ha="center", va="bottom", fontsize=8, color=INK)
    ax.set_xlim(-GAP * width, across * step[0])
    ax.set_ylim(len(rows) * step[1] - 0.1 * height, -(0.35 if titles is not None else GAP) * height)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([k * step[1] + height / 2 for k in range(len(names))], labels=names, fontsize=9)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    if signed or (value_range is None and high < PIXELS):
        ax.figure.colorbar(shown, ax=ax, shrink=0.8, label="value")
    if missing.any():
        _name_the_dead(ax)
    return ax


def _rows(X, columns: int | None) -> tuple[list[str], list[np.ndarray]]:
    """Names of rows (none where X is one array) and the pictures of each."""
    if isinstance(X, Mapping):
        rows = [_matrix(row, f"row {name!r}") for name, row in X.items()]
        if len({row.shape[1] for row in rows}) != 1:
            raise InvalidInput(f"rows must have the same number of features, got {[row.shape for row in rows]}")
        return [str(name) for name in X], rows
    X = _matrix(X, "X")
    most = math.ceil(math.sqrt(len(X))) if columns is None else check_number("columns", columns, low=1, integer=True)
    return [], [X[start : start + most] for start in range(0, len(X), most)]


def _matrix(X, what: str) -> np.ndarray:
    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or not X.size:
        raise InvalidInput(f"{what} must be pictures in rows, (n, features), got shape {X.shape}")
    return X


def _shape(given: Sequence[int], n_features: int) -> tuple[int, ...]:
    shape = tuple(int(side) for side in np.ravel(given))
    if len(shape) not in (2, 3) or math.prod(shape) != n_features or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise InvalidInput(
            f"image_shape must be (height, width), or with 1 or 3 channels, and have a product of {n_features}; "
            f"got {given!r}"
        )
    return shape[:2] if shape[2:] == (1,) else shape


def _missing(flat: np.ndarray, dead: np.ndarray | None) -> np.ndarray:
    if dead is None:
        known = np.nan_to_num(flat)
        return np.isnan(flat) | ((flat == 0) & (is_bipolar(known) and bool(np.any(known < 0))))
    try:
        return np.broadcast_to(np.asarray(dead, dtype=bool).reshape(-1, flat.shape[1]), flat.shape) | np.isnan(flat)
    except ValueError:
        raise InvalidInput(
            f"dead must have one entry a feature ({flat.shape[1]}) or the shape of X, got {np.shape(dead)}"
        ) from None


def _is_signed(values: np.ndarray, colours: str) -> bool:
    choose("colours", colours, ("auto", "grey", "signed"))
    return colours == "signed" or (colours == "auto" and bool(np.any(values < 0)) and not is_bipolar(values))


def _range(values: np.ndarray, given: tuple[float, float] | None, signed: bool) -> tuple[float, float]:
    if given is not None:
        return given
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if signed:
        most = max(abs(low), abs(high)) or 1.0
        return -most, most
    if low < 0:
        return (-1.0, 1.0) if low >= -1 and high <= 1 else (low, high)
    return (0.0, 1.0) if PIXELS <= high <= 1 or low == high else (low, high)


def _draw(ax, rows, missing, shape, step, low, high, colours):
    """Each picture as an image of its own with a thin frame; the last one drawn is returned, for its colours."""
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    coloured = colormaps[colours].with_extremes(bad=DEAD)
    height, width = shape[:2]
    frames, n = [], 0
    for k, row in enumerate(rows):
        for j, picture in enumerate(row):
            left, top = j * step[0], k * step[1]
            pixels = np.ma.masked_array(picture, missing[n]).reshape(shape)
            if pixels.ndim == 3:
                pixels = np.clip((pixels.filled(low) - low) / (high - low), 0, 1)
            extent = (left, left + width, top + height, top)
            shown = ax.imshow(
                pixels, cmap=coloured, vmin=low, vmax=high, extent=extent, interpolation="nearest", aspect="auto"
            )
            frames.append(
                [(left, top), (left + width, top), (left + width, top + height), (left, top + height), (left, top)]
            )
            n += 1
    ax.add_collection(LineCollection(frames, colors=[GREY], linewidths=0.5))
    return shown


def _name_the_dead(ax: Axes) -> None:
    from matplotlib.patches import Patch

    ax.legend(
        handles=[Patch(facecolor=DEAD, label="missing unit")],
        loc="upper right", bbox_to_anchor=(1, 0), borderaxespad=0.2, handlelength=1, handleheight=1,
    )  # fmt: skip
