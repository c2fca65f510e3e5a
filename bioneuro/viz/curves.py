"""`bands`: mean or median curves with the band of their seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput, choose
from bioneuro.viz.style import LINES, MARKERS, PALETTE, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY = 5  # curves, above which the legend stands beside the axes
SPREADS = {
    "range": lambda runs, middle: (runs.min(axis=0), runs.max(axis=0)),
    "sd": lambda runs, middle: (middle - runs.std(axis=0), middle + runs.std(axis=0)),
}
CENTRES = {"mean": np.mean, "median": np.median}


@styled
def bands(
    curves: Mapping[str, np.ndarray],
    x: np.ndarray,
    *,
    band: str = "range",
    centre: str = "mean",
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    percent: bool = False,
    markers: bool | None = None,
    looks: Mapping[str, Mapping[str, object]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean (or median) of each curve over its seeds, with a band around it.

    Curves differ in colour, marker and line style, so that they can be told apart in grey too.

    Parameters
    ----------
    curves : {name: (seeds, len(x)) or (len(x),)}; NaN leaves a gap.
    x : (points,) what the values belong to: noise level, share of dead units, epoch.
    band : "range" from the least to the greatest seed, or "sd" one standard deviation to both sides of the line.
    centre : what the line shows, "mean" or "median".
    xlabel, ylabel : what the axes show, with unit.
    title : what the figure shows.
    percent : write shares in [0, 1] as per cent, on both axes where x is a share too.
    markers : a marker at every point; by default up to 25 points.
    looks : {name: {"color": ..., "marker": ..., "linestyle": ...}}, for curves that look the same in several figures.

    Returns
    -------
    The axes.
    """
    if not curves:
        raise InvalidInput("there are no curves to draw; give {name: values}")
    choose("band", band, SPREADS)
    choose("centre", centre, CENTRES)
    x = np.asarray(x, dtype=float)
    runs = {name: _runs(name, values, x) for name, values in curves.items()}
    markers = len(x) <= 25 if markers is None else markers
    ax = axes_or_new(ax, 5.2 if len(runs) <= MANY else 6.6)
    for k, (name, values) in enumerate(runs.items()):
        lap, place = divmod(k, len(PALETTE))
        colour, line = PALETTE[place], LINES[(place + lap) % len(LINES)]
        middle = CENTRES[centre](values, axis=0)
        marker = MARKERS[(place + 2 * lap) % len(MARKERS)] if markers else None
        look = {"color": colour, "linestyle": line, "marker": marker} | dict((looks or {}).get(name, {}))
        ax.plot(x, middle, **look, markeredgecolor="white", label=str(name), zorder=3)
        if len(values) > 1:
            ax.fill_between(x, *SPREADS[band](values, middle), color=look["color"], alpha=0.15, linewidth=0, zorder=2)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    if percent:
        _write_percent(ax, bool(np.all((x >= 0) & (x <= 1))))
    if len(runs) > MANY:
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=3)
    else:
        ax.legend(loc="best", handlelength=3)
    return ax


def _runs(name: str, values: np.ndarray, x: np.ndarray) -> np.ndarray:
    runs = np.atleast_2d(np.asarray(values, dtype=float))
    if x.ndim != 1 or runs.ndim != 2 or not runs.size or runs.shape[1] != len(x):
        raise InvalidInput(
            f"curve {name!r} must be (seeds, points) with as many points as x, got {np.shape(values)} for {x.shape}"
        )
    return runs


def _write_percent(ax: Axes, x_too: bool) -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in (ax.yaxis, ax.xaxis) if x_too else (ax.yaxis,):
        axis.set_major_formatter(PercentFormatter(xmax=1, symbol=" %"))
