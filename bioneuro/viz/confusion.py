"""`confusion_matrix`: which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput
from bioneuro.viz.style import BLUE, GREY, INK, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY = 25  # classes, above which the cells are too small for numbers


@styled
def confusion_matrix(
    y_true: np.ndarray, y_pred: np.ndarray, *, labels=None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many rows of each class (down) were given each label (across).

    Parameters
    ----------
    y_true, y_pred : (n,) true and predicted labels. labels : their order; by default sorted.
    title : what the figure shows; by default the share that is right.

    Returns
    -------
    The axes. Numbers are counts, as `sklearn.metrics.confusion_matrix` gives them; the colour is their share of the
    class.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import PercentFormatter
    from sklearn import metrics

    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim != 1 or y_true.shape != y_pred.shape or not y_true.size:
        raise InvalidInput(f"confusion_matrix compares labels (n,), n >= 1, got {y_true.shape} and {y_pred.shape}")
    labels = np.unique(np.concatenate([y_true, y_pred])) if labels is None else np.asarray(labels)
    counts = metrics.confusion_matrix(y_true, y_pred, labels=labels)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(totals > 0, totals, 1)
    side = min(9.0, 0.38 * len(labels) + 1.6)
    ax = axes_or_new(ax, side + 0.9, side)
    colours = LinearSegmentedColormap.from_list("white to blue", ["white", BLUE])
    shown = ax.imshow(shares, cmap=colours, vmin=0, vmax=1)
    if len(labels) <= MANY:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.55 else INK
                ax.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=colour)
    slanted = 45 if max(len(str(label)) for label in labels) > 3 else 0
    ax.set_xticks(range(len(labels)), labels=labels, rotation=slanted, ha="right" if slanted else "center")
    ax.set_yticks(range(len(labels)), labels=labels)
    ax.tick_params(length=0)
    ax.spines[:].set(visible=True, color=GREY, linewidth=0.6)
    right = f"{np.trace(counts) / max(counts.sum(), 1):.1%} of {counts.sum()} rows right"
    ax.set(xlabel="predicted class", ylabel="true class", title=right if title is None else title)
    scale = PercentFormatter(xmax=1, symbol=" %")
    ax.figure.colorbar(shown, ax=ax, shrink=0.8, label="share of the true class", format=scale)
    return ax
