"""What changes while a network learns: its losses, and how far its weights go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput, choose
from bioneuro.viz.curves import bands
from bioneuro.viz.style import BLACK, GREY, LINES, PALETTE, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LENGTHS = {"distances": "distance from the first weights, |w − w₀|", "norms": "length of the weights, |w|"}  # noqa: RUF001
LENGTH_TITLES = {"distances": "How far the weights have gone", "norms": "How large the weights are"}


@styled
def learning_curves(
    curves, *, log: bool = False, ylabel: str = "mean loss", title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the loss of each epoch, and, where there is a validation loss, the epoch at which it is least.

    Parameters
    ----------
    curves : a fitted estimator with `loss_curve_` (and `validation_curve_`), a `Recording` with these traces, or
        {name: (epochs,)}, where a name that begins with "validation" is watched for its least value.
    log : a logarithmic axis of losses.
    title : what the figure shows; by default the last loss, or the best epoch.

    Returns
    -------
    The axes.
    """
    named = _named(curves)
    for name, values in named.items():
        if not np.ndim(values):
            raise InvalidInput(
                f"learning_curves draws {{name: losses}}, got {values!r} as {name!r}; of a fitted estimator give "
                "loss_curve_"
            )
    found = {name: np.asarray(values, dtype=float) for name, values in named.items() if len(values)}
    if not found or any(values.ndim != 1 for values in found.values()):
        raise InvalidInput("learning_curves draws losses (epochs,): give a fitted estimator or {name: losses}")
    ax = axes_or_new(ax, 5.2)
    words = ""
    for k, (name, values) in enumerate(found.items()):
        look = {"color": PALETTE[k % len(PALETTE)], "linestyle": LINES[k % len(LINES)]}
        ax.plot(np.arange(1, len(values) + 1), values, label=name, **look)
        words = words or f"{name} ends at {values[-1]:.3g}"
        if name.startswith("validation"):
            best = int(np.nanargmin(values))
            ax.axvline(best + 1, color=GREY, linewidth=0.8, linestyle=":")
            ax.plot(best + 1, values[best], "o", color=look["color"], markeredgecolor="white", zorder=4)
            words = f"{name} is least, {values[best]:.3g}, at epoch {best + 1}"
    if log:
        ax.set_yscale("log")
    ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    ax.set(xlabel="epoch", ylabel=ylabel, title=words[:1].upper() + words[1:] if title is None else title)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="best", handlelength=3)
    return ax


def _named(curves) -> Mapping[str, np.ndarray]:
    if isinstance(curves, Mapping):
        return curves
    traces = getattr(curves, "traces", None)
    if traces is None and hasattr(curves, "loss_curve_"):
        traces = {"loss": curves.loss_curve_, "validation": getattr(curves, "validation_curve_", ())}
    if not traces:
        raise InvalidInput(f"learning_curves draws a fitted estimator, a Recording or {{name: losses}}, got {curves!r}")
    return {f"{'training' if name == 'loss' else name} loss": values for name, values in traces.items()}


@styled
def weights_over_time(history, *, what: str = "distances", title: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how far each array of weights has gone from its first values, or how large it is, epoch by epoch.

    Parameters
    ----------
    history : with `epochs`, and `distances` and `norms`, {key: (epochs,)}: a `feedforward.instruments.WeightHistory`.
    what : "distances" or "norms".

    Returns
    -------
    The axes; the black line is all weights together.
    """
    choose("what to draw of the weights", what, LENGTHS)
    if not history.epochs:
        raise InvalidInput("the history is empty; give it to a training as a callback")
    return bands(
        {key.replace("->", " \N{RIGHTWARDS ARROW} "): values for key, values in getattr(history, what).items()},
        np.asarray(history.epochs),
        xlabel="epoch",
        ylabel=LENGTHS[what],
        title=LENGTH_TITLES[what] if title is None else title,
        looks={"all": {"color": BLACK, "linestyle": "-"}},
        ax=ax,
    )
