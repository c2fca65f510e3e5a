"""Figures of a report: one look for each model in all of them, controls in grey."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.colors import to_rgb

from bioneuro.compare.results import Row, select, summarise, unique
from bioneuro.viz import bands, images
from bioneuro.viz.style import GREY, LINES, MARKERS, PALETTE, SKY, VERMILLION, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bioneuro.compare.report import Report

RETURNED = ("recalls", "completes")  # rows of the gallery that a memory gave back
DOTTED = (0, (1, 1.2))
SIZE = (5.4, 3.7)  # inches; two side by side on a desktop, one below the other on a phone


class Look(NamedTuple):
    """How one model is drawn everywhere."""

    color: str
    marker: str
    linestyle: object


class Curves(NamedTuple):
    """A figure of a quantity against a level: which rows, and what its words are.

    also : {another condition: word}, drawn dotted beside the wanted one, for the models that were measured under it.
    """

    wanted: Mapping[str, str]
    title: str
    x: str
    y: str
    also: Mapping[str, str] = MappingProxyType({})

    def select(self, rows: Iterable[Row]) -> list[Row]:
        """The rows to draw; those without a value have nothing to show."""
        wanted = {field: value for field, value in self.wanted.items() if field != "condition"}
        found = [row for row in select(rows, **wanted) if not math.isnan(row.value)]
        return [row for row in found if row.condition in self.conditions]

    @property
    def conditions(self) -> dict[str, str]:
        """{condition: word}, the wanted one first."""
        return {self.wanted["condition"]: "", **self.also}


CURVES: dict[str, Curves] = {
    "noise-flip": Curves(
        {"task": "noise", "condition": "flip", "metric": "accuracy"},
        "Accuracy when pixels flip",
        "share of flipped pixels",
        "accuracy",
    ),
    "noise-gaussian": Curves(
        {"task": "noise", "condition": "gaussian", "metric": "accuracy"},
        "Accuracy under Gaussian noise",
        "standard deviation (range of a pixel = 1)",
        "accuracy",
    ),
    "lesion-units": Curves(
        {"task": "lesion", "condition": "dead units", "metric": "accuracy"},
        "Accuracy when hidden units die",
        "share of hidden units lost",
        "accuracy",
        {"silenced units": "silenced"},
    ),
    "lesion-synapses": Curves(
        {"task": "lesion", "condition": "dead synapses", "metric": "accuracy"},
        "Accuracy when synapses die",
        "share of dead synapses",
        "accuracy",
    ),
    "lesion-memory-units": Curves(
        {"task": "lesion", "condition": "dead units", "metric": "overlap"},
        "Recall of ten pictures when units die",
        "share of units lost",
        "overlap with the stored picture",
        {"silenced units": "silenced"},
    ),
    "lesion-memory-synapses": Curves(
        {"task": "lesion", "condition": "dead synapses", "metric": "overlap"},
        "Recall of ten pictures when synapses die",
        "share of dead synapses",
        "overlap with the stored picture",
    ),
    "complete-flips": Curves(
        {"task": "complete", "condition": "from flips", "metric": "exact recall"},
        "Recalled exactly, from 20 % flipped pixels",
        "stored pictures",
        "share recalled exactly",
    ),
    "complete-half": Curves(
        {"task": "complete", "condition": "from half", "metric": "exact recall"},
        "Recalled exactly, from the upper half",
        "stored pictures",
        "share recalled exactly",
    ),
}


ACCURACIES, EXAMPLES = "classify-accuracy", "complete-examples"
NAMES = {ACCURACIES, *CURVES, EXAMPLES}  # of all figures that a report may have


def draw_all(report: Report) -> dict[str, Figure]:
    """Every figure that the rows of a report allow, by name."""
    looks = _looks(report)
    drawn = {}
    if select(report.rows, task="classify", metric="accuracy"):
        drawn[ACCURACIES] = _accuracies(report, looks)
    for name, curves in CURVES.items():
        if rows := curves.select(report.rows):
            drawn[name] = _curves(rows, curves, looks)
    if pictures := _examples(report):
        drawn[EXAMPLES] = _gallery(report, pictures)
    return drawn


def as_svg(figure: Figure) -> str:
    """The figure as SVG text."""
    text = io.StringIO()
    figure.savefig(text, format="svg")
    return text.getvalue()


def _looks(report: Report) -> dict[str, Look]:
    """Colours for models; controls share a grey and are told apart by marker and line."""
    looks, counts = {}, {True: 0, False: 0}
    for name, model in report.study.models.items():
        k = counts[model.control]
        counts[model.control] += 1
        color = GREY if model.control else PALETTE[k % len(PALETTE)]
        line = LINES[1:][k % (len(LINES) - 1)] if model.control else "-"
        looks[name] = Look(color, MARKERS[(k + 3 * model.control) % len(MARKERS)], line)
    return looks


def _new_axes(size=SIZE) -> Axes:
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").add_subplot()


@styled
def _curves(rows: list[Row], curves: Curves, looks: Mapping[str, Look]) -> Figure:
    levels = sorted(unique(rows, "level"))
    runs, drawn = {}, {}
    for name in unique(rows, "model"):
        for condition, word in curves.conditions.items():
            if found := select(rows, model=name, condition=condition):
                label = f"{name}, {word}" if word else name
                runs[label] = _runs(found, levels)
                drawn[label] = looks[name]._asdict() | ({"linestyle": DOTTED} if word else {})
    ax = bands(
        runs,
        levels,
        title=curves.title,
        xlabel=curves.x,
        ylabel=curves.y,
        looks=drawn,
        ax=_new_axes(),
    )
    for line in ax.lines:
        if line.get_color() == GREY:
            line.set_zorder(2.5)  # where a control does as well as a model, the model is seen
    least = min(float(np.nanmin(values)) for values in runs.values())
    ax.set_ylim(min(0.0, least) - 0.02, 1.02)  # an overlap may be negative
    ax.get_legend().remove()  # below the axes there is room for all names, on a phone too
    ax.figure.legend(loc="outside lower center", ncols=3, handlelength=3)
    return ax.figure


def _runs(rows: list[Row], levels: list[float]) -> np.ndarray:
    """(seeds, levels) values of one model; NaN where a seed has none."""
    found = {(row.seed, row.level): row.value for row in rows}
    return np.array([[found.get((seed, level), np.nan) for level in levels] for seed in unique(rows, "seed")])


@styled
def _accuracies(report: Report, looks: Mapping[str, Look]) -> Figure:
    rows = select(report.rows, task="classify", metric="accuracy")
    names = [name for name in reversed(report.study.models) if select(rows, model=name)]
    ax = _new_axes((6.2, 0.9 + 0.3 * len(names)))
    for height, name in enumerate(names):
        summary, look = summarise(select(rows, model=name)), looks[name]
        ax.plot([summary.low, summary.high], [height, height], color=look.color, linewidth=5, alpha=0.25)
        ax.plot(summary.mean, height, color=look.color, marker=look.marker, markersize=7, linestyle="none")
        ax.annotate(f"{summary.mean:.1%}", (summary.high, height), (8, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(names)), names)
    grey = " (grey: controls)" if any(report.study.models[name].control for name in names) else ""
    begin = math.floor(10 * min(row.value for row in rows)) / 10
    cut = f" (the axis begins at {begin:.0%}, to tell the best apart)" if begin > 0 else ""
    ax.set(title=f"Accuracy on unseen rows{grey}", xlabel=f"accuracy{cut}")
    ax.set_xlim(begin - 0.02 * (1 - begin), 1 + 0.12 * (1 - begin))  # room for a number beside a perfect score
    ax.margins(y=0.08)
    ax.grid(axis="x", color="#e6e9ec")
    ax.set_axisbelow(True)
    return ax.figure


def _examples(report: Report) -> dict[str, dict[str, list]]:
    """What each memory was shown and gave back, of the first seed; controls are not worth a picture."""
    found = {trial.name: outcome.example for trial, outcome in report.outcomes.items() if outcome.example}
    return {name: example for name, example in found.items() if not report.study.models[name].control}


def _gallery_rows(pictures: Mapping[str, Mapping[str, list]]) -> Iterator[tuple[str, list]]:
    first = next(iter(pictures.values()))
    yield "stored", first["stored"]
    yield "20 % flipped", first["noisy"]
    for name, example in pictures.items():
        yield f"{name} {RETURNED[0]}", example["from flips"]
    yield "upper half", first["half"]
    for name, example in pictures.items():
        yield f"{name} {RETURNED[1]}", example["from half"]


def _gallery(report: Report, pictures: Mapping[str, Mapping[str, list]]) -> Figure:
    data = report.study.data
    rows = list(_gallery_rows(pictures))
    stored = np.asarray(rows[0][1])
    shape = (*(data.image_shape or (1, data.n_features))[:2], 3)
    coloured = {
        label: _coloured(data.pictures(np.asarray(shown)), label.endswith(RETURNED) & (np.asarray(shown) != stored))
        for label, shown in rows
    }
    ax = images(coloured, shape, value_range=(0, 1), title="Ten stored pictures and their recall (wrong pixels marked)")
    return ax.figure


def _coloured(greys: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(n, features * 3): greys of pictures scaled to [0, 1], the unknown pale blue, the wrong vermillion."""
    low, high = np.nanmin(greys), np.nanmax(greys)
    colours = np.repeat(((greys - low) / (high - low))[..., None], 3, axis=2)
    colours[np.isnan(greys)] = to_rgb(SKY)
    colours[wrong] = to_rgb(VERMILLION)
    return colours.reshape(len(greys), -1)
