"""What goes on layer by layer: histograms of activity, weights or gradients, their moments, and how the units do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.viz.curves import bands
from bioneuro.viz.style import BLUE, GREY, INK, ORANGE, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOM = 0.86  # height of the tallest bin, as a share of a layer's strip
OUTSIDE = 0.1  # per cent of a layer's values, at each end, that stand in the outermost bin
WIDE = 20.0  # a ratio between layers above which the axis is logarithmic
MOMENTS = {"std": "standard deviation", "mean": "mean"}


@styled
def layer_histograms(
    layers: Mapping[str, np.ndarray],
    *,
    log: bool = False,
    bins: int = 80,
    xlabel: str = "activity of a unit",
    title: str = "Activity by layer",
    ax: Axes | None = None,
) -> Axes:
    """Draw the histogram of each layer in a strip of its own, the first on top, with mean and standard deviation.

    All layers share the axis and each has its own height. Numbers that are exactly 0 (silent ReLUs) are counted in
    words and left out of the bins.

    Parameters
    ----------
    layers : {layer: values of any shape}, such as `feedforward.instruments.activity(...)` or `gradients(...)`.
    log : bins of |value| on a logarithmic axis, for gradients, which differ by orders of magnitude.
    bins : number of bins, >= 2.
    xlabel : what the values are, with unit. title : what the figure shows.

    Returns
    -------
    The axes.
    """
    if not hasattr(layers, "__getitem__"):  # Mapping, or Parameters
        raise InvalidInput(f"layer_histograms draws {{layer: values}}, such as activity(network, X), got {layers!r}")
    values = {name: np.asarray(layers[name], dtype=float).ravel() for name in layers}
    if not values or any(not part.size or not np.all(np.isfinite(part)) for part in values.values()):
        raise InvalidInput("layer_histograms draws finite values, at least one a layer; give {layer: values}")
    bins = check_number("bins", bins, low=2, integer=True)
    shown = {name: part[part != 0] for name, part in values.items()}
    shown = {name: np.log10(np.abs(part)) if log else part for name, part in shown.items()}
    edges = _edges(list(shown.values()), bins)
    ax = axes_or_new(ax, 5.8, max(2.0, 0.45 * len(values) + 1.0))
    across = np.repeat(10**edges if log else edges, 2)[1:-1]
    for k, (name, part) in enumerate(values.items()):
        counts, _ = np.histogram(np.clip(shown[name], edges[0], edges[-1]), edges)
        height = np.repeat(ROOM * counts / max(counts.max(), 1), 2)
        floor = np.full(across.shape, k + 0.5)
        ax.fill_between(across, floor, floor - height, facecolor=BLUE, alpha=0.35, linewidth=0, gid=name)
        ax.plot(across, floor - height, color=BLUE, linewidth=0.9)
        words = f"mean {part.mean():.2g}, sd {part.std():.2g}"
        words += f"\n{np.mean(part == 0):.0%} at 0" if np.any(part == 0) else ""
        ax.text(1.01, k + 0.1, words, transform=ax.get_yaxis_transform(), va="center", fontsize=7.5, color=INK)
    if log:
        ax.set_xscale("log")
    ax.hlines(np.arange(len(values)) + 0.5, across[0], across[-1], color=GREY, linewidth=0.5)
    ax.set_yticks(range(len(values)), labels=list(values))
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set(xlabel=xlabel, title=title, xlim=(across[0], across[-1]), ylim=(len(values) - 0.45, -0.5))
    return ax


def _edges(parts: list[np.ndarray], bins: int) -> np.ndarray:
    ends = [np.percentile(part, [OUTSIDE, 100 - OUTSIDE]) for part in parts if part.size]
    low, high = (min(end[0] for end in ends), max(end[1] for end in ends)) if ends else (0.0, 0.0)
    room = 0.02 * (high - low) or 0.5
    return np.linspace(low - room, high + room, bins + 1)


@styled
def layer_moments(
    cases: Mapping[str, Mapping[str, object]],
    *,
    what: str = "std",
    ylabel: str | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the standard deviation (or the mean) of each layer, one line a case: signals that die, burst or go on.

    Parameters
    ----------
    cases : {case: {layer: values, or `Moments`}}; cases have the same number of layers, those of the first name them.
    what : "std" or "mean".

    Returns
    -------
    The axes; where the standard deviations differ by a factor above 20 they are on a logarithmic axis.
    """
    choose("moment", what, MOMENTS)
    if not all(isinstance(layers, Mapping) for layers in cases.values()):
        raise InvalidInput("cases are {case: {layer: ...}}; for a single case give {'a name': layers}")
    curves = {case: [_moment(layers[name], what) for name in layers] for case, layers in cases.items()}
    if not curves or len({len(curve) for curve in curves.values()}) != 1:
        raise InvalidInput(f"cases must have the same number of layers, got {[len(c) for c in curves.values()]}")
    names = list(next(iter(cases.values())))
    ax = bands(
        {case: np.array(curve) for case, curve in curves.items()},
        np.arange(len(names)),
        xlabel="layer",
        ylabel=MOMENTS[what] if ylabel is None else ylabel,
        title=f"{MOMENTS[what].capitalize()} by layer" if title is None else title,
        ax=ax,
    )
    positive = [value for curve in curves.values() for value in curve if value > 0]
    if what == "std" and positive and max(positive) > WIDE * min(positive):
        ax.set_yscale("log")
    ax.set_xticks(range(len(names)), labels=names, rotation=30 if len(names) > 5 else 0)
    return ax


def _moment(layer, what: str) -> float:
    if hasattr(layer, "std") and not callable(layer.std):
        return getattr(layer, what)
    return float(getattr(np.asarray(layer, dtype=float), what)())


@styled
def unit_conditions(conditions: Mapping[str, object], *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw for each population the share of its units that are dead, and how often its units are saturated.

    Parameters
    ----------
    conditions : {population: condition with `dead` and `saturated`}, as `feedforward.instruments.condition` gives.
    title : what the figure shows; by default how many units are dead.

    Returns
    -------
    The axes.
    """
    from matplotlib.ticker import PercentFormatter

    if not isinstance(conditions, Mapping):
        raise InvalidInput(
            f"unit_conditions draws {{population: condition}}, such as condition(network, X), got {conditions!r}"
        )
    if not conditions:
        raise InvalidInput("there are no units with a slope to draw; give {population: condition}")
    ax = axes_or_new(ax, max(4.0, 0.9 * len(conditions) + 1.4), 3.2)
    x = np.arange(len(conditions))
    dead = [np.mean(found.dead) for found in conditions.values()]
    saturated = [np.mean(found.saturated) for found in conditions.values()]
    ax.bar(x - 0.2, dead, 0.38, color=INK, label="dead: no gradient on any row")
    ax.bar(x + 0.2, saturated, 0.38, color=ORANGE, hatch="//", edgecolor="white", label="saturated: share of rows")
    for place, share in (*zip(x - 0.2, dead, strict=True), *zip(x + 0.2, saturated, strict=True)):
        ax.text(place, share + 0.01, f"{share:.0%}", ha="center", va="bottom", fontsize=7.5, color=INK)
    count, units = (sum(f(found.dead) for found in conditions.values()) for f in (np.sum, np.size))
    ax.set(ylabel="share", ylim=(0, 1.08), title=f"{count} of {units} units are dead" if title is None else title)
    ax.set_xticks(x, labels=list(conditions))
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=" %"))
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.1))
    return ax
