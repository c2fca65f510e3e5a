"""`decision_boundary`: what a classifier answers all over the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput, check_number
from bioneuro.viz.style import INK, MARKERS, PALETTE, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALEST, DEEPEST = 0.12, 0.45  # how much colour a region has, from undecided to sure


@styled
def decision_boundary(
    classifier,
    X: np.ndarray,
    y: np.ndarray,
    ax: Axes | None = None,
    *,
    resolution: int = 200,
    margin: float = 0.12,
    xlabel: str = "first feature",
    ylabel: str = "second feature",
    title: str | None = None,
) -> Axes:
    """Draw the regions of a fitted classifier's answers, the line between them, and the data.

    Parameters
    ----------
    classifier : fitted on two features; with `predict_proba` the colour deepens with its certainty.
    X, y : (n, 2) points and their labels, drawn with one marker and colour a class.
    resolution : points along each side at which the classifier is asked.
    margin : room around the data, as a share of its width.
    title : what the figure shows; by default the classifier's name and its accuracy on the points.

    Returns
    -------
    The axes.
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y)
    if X.ndim != 2 or X.shape[1] != 2 or not len(X) or y.shape != (len(X),):
        raise InvalidInput(f"decision_boundary needs X (n, 2) and y (n,), got {X.shape} and {y.shape}")
    resolution = check_number("resolution", resolution, low=2, integer=True)
    low, high = X.min(axis=0), X.max(axis=0)
    room = margin * np.where(high > low, high - low, 1)
    sides = [np.linspace(*ends, resolution) for ends in zip(low - room, high + room, strict=True)]
    points = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    classes = np.unique(y) if not hasattr(classifier, "classes_") else np.asarray(classifier.classes_)
    answers, certainty = _ask(classifier, classes, points)
    ax = axes_or_new(ax, 4.6, 4.2)
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    picture = _colours(answers, certainty).reshape(resolution, resolution, 3)
    ax.imshow(picture, extent=extent, origin="lower", aspect="auto", interpolation="bilinear", zorder=0)
    grid = answers.reshape(resolution, resolution)
    for k in range(len(classes) if len(classes) > 2 else 1):
        if 0 < np.mean(grid == k) < 1:
            ax.contour(*sides, (grid == k).astype(float), levels=[0.5], colors=[INK], linewidths=1.0)
    for k, label in enumerate(classes):
        ax.scatter(
            *X[y == label].T, s=26, color=PALETTE[k % len(PALETTE)], marker=MARKERS[k % len(MARKERS)],
            edgecolor="white", linewidth=0.6, label=f"class {label}", zorder=3,
        )  # fmt: skip
    if title is None:
        title = (
            f"{type(classifier).__name__}: {np.mean(np.asarray(classifier.predict(X)) == y):.0%} of the points right"
        )
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title, xlim=extent[:2], ylim=extent[2:])
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return ax


def _ask(classifier, classes: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the class answered at each point, and the certainty in [0, 1] where the classifier gives one."""
    answers = np.searchsorted(classes, classifier.predict(points))
    if not hasattr(classifier, "predict_proba"):
        return answers, np.ones(len(points))
    most = np.asarray(classifier.predict_proba(points)).max(axis=1)
    least = 1 / len(classes)
    return answers, np.clip((most - least) / (1 - least), 0, 1) if len(classes) > 1 else most


def _colours(answers: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    from matplotlib.colors import to_rgb

    palette = np.array([to_rgb(PALETTE[k % len(PALETTE)]) for k in range(answers.max() + 1)])
    share = (PALEST + (DEEPEST - PALEST) * certainty)[:, None]
    return 1 - share * (1 - palette[answers])
