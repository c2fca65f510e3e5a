"""`descent_paths`: paths of two weights downhill, over the lines of equal loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput, check_number
from bioneuro.viz.style import BLUE, INK, LINES, MARKERS, PALETTE, VERMILLION, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = 0.12  # room around the paths, as a share of their width
MARKED = 60  # steps of a path above which only its line is drawn
HEIGHT = ("#FFFFFF", "#D5D9DE")  # from the lowest to the highest loss


@styled
def descent_paths(
    loss: Callable[[np.ndarray], np.ndarray],
    paths: Mapping[str, np.ndarray],
    *,
    minimum: np.ndarray | None = None,
    epoch: int | None = None,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    lines: int = 14,
    resolution: int = 160,
    xlabel: str = "first weight",
    ylabel: str = "second weight",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw what gradient descent does to two weights, over a map of the loss: white where it is low.

    Parameters
    ----------
    loss : function of weights (n, 2) that gives their losses (n,).
    paths : {name: (steps + 1, 2)}, the weights before the first step and after each; they may leave the map.
    minimum : (2,), marked by a star.
    epoch : steps of an epoch; epochs are then drawn in two colours in turn (and there is no legend).
    limits : ((low, high), (low, high)) of the map; by default all that the paths reach, and the minimum.
    lines : of equal loss, >= 1; evenly spaced in the square root of the loss, so that a bowl looks evenly steep.
    resolution : points along each side at which the loss is asked.

    Returns
    -------
    The axes.
    """
    from matplotlib.colors import LinearSegmentedColormap

    found = {name: _path(name, values) for name, values in paths.items()}
    if not found:
        raise InvalidInput("there are no paths to draw; give {name: weights (steps + 1, 2)}")
    lines = check_number("lines", lines, low=1, integer=True)
    resolution = check_number("resolution", resolution, low=2, integer=True)
    if epoch is not None:
        epoch = check_number("epoch", epoch, low=1, integer=True)
    limits = _limits(list(found.values()), minimum) if limits is None else limits
    ax = axes_or_new(ax, 4.4, 4.0)
    sides = [np.linspace(low, high, resolution) for low, high in limits]
    points = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    heights = np.asarray(loss(points), dtype=float).reshape(resolution, resolution)
    low, high = heights.min(), heights.max()
    levels = low + (high - low) * np.linspace(0, 1, lines + 2)[1:-1] ** 2
    extent = (*limits[0], *limits[1])
    pale = LinearSegmentedColormap.from_list("low to high", HEIGHT)
    shade = np.sqrt((heights - low) / ((high - low) or 1))
    ax.imshow(shade, extent=extent, origin="lower", aspect="auto", cmap=pale, interpolation="bilinear", zorder=0)
    if high > low:
        ax.contour(*sides, heights, levels=levels, colors=["#8A939C"], linewidths=0.6, zorder=1)
    for k, (name, path) in enumerate(found.items()):
        if epoch is None:
            _draw(ax, path, k, name)
        else:
            for turn, first in enumerate(range(0, len(path) - 1, epoch)):
                _draw(ax, path[first : first + epoch + 1], 0, None, (BLUE, VERMILLION)[turn % 2])
        ax.plot(*path[0], "o", color="white", markeredgecolor=INK, markeredgewidth=1.2, markersize=7, zorder=5)
    if minimum is not None:
        ax.plot(*minimum, "*", color="white", markeredgecolor=INK, markeredgewidth=0.9, markersize=13, zorder=6)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title, xlim=limits[0], ylim=limits[1])
    if epoch is None and (len(found) > 1 or all(found)):
        ax.legend(loc="best", handlelength=3)
    return ax


def _draw(ax: Axes, path: np.ndarray, k: int, name: str | None, colour: str | None = None) -> None:
    """A path that stays readable where it leaves the map or numbers overflow."""
    few = len(path) <= MARKED
    ax.plot(
        *np.clip(path, -1e9, 1e9).T, color=colour or PALETTE[k % len(PALETTE)],
        linestyle="-" if colour else LINES[k % len(LINES)], linewidth=1.3 if few else 0.9, label=name or None,
        marker=MARKERS[k % len(MARKERS)] if few else None, markersize=3.5, markeredgewidth=0, zorder=3,
    )  # fmt: skip


def _path(name: str, values: np.ndarray) -> np.ndarray:
    path = np.asarray(values, dtype=float)
    if path.ndim != 2 or path.shape[1] != 2 or not len(path) or not np.all(np.isfinite(path[0])):
        raise InvalidInput(
            f"path {name!r} must be weights (steps + 1, 2) with a finite beginning, got shape {path.shape}"
        )
    return path


def _limits(paths: list[np.ndarray], minimum: np.ndarray | None) -> tuple[tuple[float, float], tuple[float, float]]:
    points = np.concatenate([*paths, *([] if minimum is None else [np.reshape(minimum, (1, 2))])])
    points = points[np.all(np.isfinite(points), axis=1)]
    low, high = points.min(axis=0), points.max(axis=0)
    room = MARGIN * np.where(high > low, high - low, 1)
    return tuple(zip((low - room).tolist(), (high + room).tolist(), strict=True))
