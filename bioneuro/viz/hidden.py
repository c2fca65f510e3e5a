"""`hidden_units`: what each hidden unit answers all over the plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput, check_number
from bioneuro.viz.style import BLUE, GREY, INK, MARKERS, PALETTE, SIGNED_MAP, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP, HEAD = 0.08, 0.16  # between pictures and for the name above each, as shares of their side
LINES_OF_HEIGHT = 5
PALER = 0.5  # the activity, so that points of the same colour stand out from it


@styled
def hidden_units(
    network,
    X: np.ndarray,
    y: np.ndarray,
    *,
    populations: tuple[str, ...] | None = None,
    most: int = 40,
    resolution: int = 80,
    margin: float = 0.12,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the activity of every hidden unit of a network with two inputs over the plane, with the data.

    Parameters
    ----------
    network : fitted, with `activations(points) -> {population: (n, units)}`, from input to output.
    X, y : (n, 2) points and their labels, drawn with one marker and colour a class.
    populations : which to draw; by default all but the first and the last.
    most : draw at most so many units. resolution : points along each side. margin : room around the data.
    title : what the figure shows.

    Returns
    -------
    The axes; one picture a unit, all on one scale: white at 0, blue below and red above where there are both, with
    lines of equal activity.
    """
    from matplotlib.colors import LinearSegmentedColormap

    X, y = np.asarray(X, dtype=float), np.asarray(y)
    if X.ndim != 2 or X.shape[1] != 2 or not len(X) or y.shape != (len(X),):
        raise InvalidInput(f"hidden_units needs X (n, 2) and y (n,), got {X.shape} and {y.shape}")
    resolution = check_number("resolution", resolution, low=2, integer=True)
    most = check_number("most", most, low=1, integer=True)
    low, high = X.min(axis=0), X.max(axis=0)
    room = margin * np.where(high > low, high - low, 1)
    low, high = low - room, high + room
    sides = np.linspace(low, high, resolution).T
    points = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    units = _units(network.activations(points), populations)
    shown = dict(list(units.items())[:most])
    largest = max(float(np.abs(values).max()) for values in shown.values()) or 1.0
    signed = any(values.min() < 0 for values in shown.values())
    colours = SIGNED_MAP if signed else LinearSegmentedColormap.from_list("white to blue", ["white", BLUE])
    columns = math.ceil(math.sqrt(1.6 * len(shown))) if len(shown) > 5 else len(shown)
    rows = math.ceil(len(shown) / columns)
    ax = axes_or_new(ax, min(11.0, 1.7 * columns + 1.2), min(11.0, 1.9 * rows + 0.5))
    marks = (X - low) / (high - low)
    look = {"cmap": colours, "vmin": -largest if signed else 0, "vmax": largest}
    for k, (name, values) in enumerate(shown.items()):
        corner = ((k % columns) * (1 + GAP), -(k // columns) * (1 + GAP + HEAD))
        picture = _draw_unit(ax, name, values.reshape(resolution, resolution), corner, look)
        for c, label in enumerate(np.unique(y)):
            ax.scatter(
                *(marks[y == label] + corner).T, s=9, color=PALETTE[c % len(PALETTE)],
                marker=MARKERS[c % len(MARKERS)], edgecolor="white", linewidth=0.3, zorder=3,
                label=f"class {label}" if k == 0 else None,
            )  # fmt: skip
    ax.set(xlim=(-GAP, columns * (1 + GAP)), ylim=(-(rows - 1) * (1 + GAP + HEAD) - GAP, 1 + GAP + HEAD))
    ax.set_aspect("equal")
    ax.set_axis_off()
    some = f"{len(shown)} of {len(units)}" if len(shown) < len(units) else f"{len(units)}"
    ax.set_title(f"What {some} hidden units answer over the plane of the inputs" if title is None else title)
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=4, borderaxespad=0.2)
    ax.figure.colorbar(picture, ax=ax, shrink=0.8, label="activity of the unit")
    return ax


def _draw_unit(ax: Axes, name: str, grid: np.ndarray, corner: tuple[float, float], look: dict):
    """A picture of side 1 with lines of equal activity; returned for its colours."""
    left, bottom = corner
    extent = (left, left + 1, bottom, bottom + 1)
    picture = ax.imshow(
        grid, extent=extent, origin="lower", interpolation="bilinear", aspect="auto", alpha=PALER, zorder=0, **look
    )
    if np.ptp(grid) > 1e-9 * look["vmax"]:
        across = [np.linspace(start, start + 1, len(grid)) for start in corner]
        ax.contour(*across, grid, levels=LINES_OF_HEIGHT, colors=[GREY], linewidths=0.5, linestyles="solid")
    ax.text(left + 0.5, bottom + 1.02, name, ha="center", va="bottom", fontsize=8, color=INK)
    return picture


def _units(activity: dict[str, np.ndarray], populations: tuple[str, ...] | None) -> dict[str, np.ndarray]:
    """{name of a unit: its activity at each point}."""
    names = list(activity)[1:-1] if populations is None else list(populations)
    missing = [name for name in names if name not in activity]
    if not names or missing:
        raise InvalidInput(
            f"no population {missing[0]!r} in the network; there are {', '.join(activity)}"
            if missing
            else "the network has no hidden population; give populations=('output',)"
        )
    return {f"{name} {k}": column for name in names for k, column in enumerate(activity[name].T)}
