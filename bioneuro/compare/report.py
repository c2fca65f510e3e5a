"""Reports: a table for the terminal, and a folder with a page, figures, numbers and a manifest."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from bioneuro.compare import figures, page
from bioneuro.compare.overview import COLUMNS, COSTS, Column
from bioneuro.compare.results import Row, Summary, as_json, notes, select, summarise, write_csv, write_text

if TYPE_CHECKING:
    from bioneuro.compare.study import Study
    from bioneuro.compare.trial import Outcome, Trial


class Report:
    """What a study found.

    Attributes
    ----------
    study : the `Study`. outcomes : {trial: outcome}. rows : every measurement, a list of `Row`.
    """

    def __init__(self, study: Study, outcomes: Mapping[Trial, Outcome]):
        self.study = study
        self.outcomes = dict(outcomes)

    @cached_property
    def rows(self) -> list[Row]:
        """One row a measurement; a task that a model cannot do, or that failed, is a row with its reason."""
        rows = [row for outcome in self.outcomes.values() for row in outcome.rows]
        for task in self.study.tasks:
            for name, model in self.study.models.items():
                for kind in self.study.kinds_of(task):
                    if model.builder(kind) is None:
                        reason = f"as a {kind}: {model.why_not(kind)}"
                        rows.append(Row(task, name, -1, "cannot", 0.0, "none", math.nan, reason))
        return rows

    def summary(self, model: str, column: Column) -> Summary | None:
        """Mean and range over seeds of one cell: of the first task that measured it."""
        rows = select(self.rows, model=model, **column.wanted)
        return summarise(select(rows, task=rows[0].task)) if rows else None

    def columns(self, among: Iterable[Column] = COLUMNS) -> list[Column]:
        """The columns for which there is any number."""
        return [column for column in among if any(self.summary(model, column) for model in self.study.models)]

    def _cell(self, model: str, column: Column) -> str:
        summary = self.summary(model, column)
        if summary is None:
            return "-"
        lacking = "" if summary.n == self.study.seeds else f" ({summary.n} of {self.study.seeds} seeds)"
        return column.format.format(summary.mean) + lacking

    def table(self) -> str:
        """The overview and the costs as text: means over seeds; below them why a cell is empty."""
        seeds = f"mean of {self.study.seeds} seeds" if self.study.seeds > 1 else "one seed"
        title = f"{self.study.data.name}: {self.study.data.n_samples} rows, {self.study.topology}; {seeds}"
        reasons = {name: notes(select(self.rows, model=name)) for name in self.study.models}
        told = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
        tables = [line for columns in (COLUMNS, COSTS) for line in ("", *self._lines(self.columns(columns)))]
        return "\n".join([title, *tables, "", *told])

    def _lines(self, columns: list[Column]) -> list[str]:
        """A table of some columns, with the models that have a number in any."""
        body = [[name, *(self._cell(name, column) for column in columns)] for name in self.study.models]
        body = [row for row in body if set(row[1:]) - {"-"}]
        if not body:
            return []
        head = list(zip_longest(*(textwrap.wrap(column.heading, 11) for column in columns), fillvalue=""))
        lines = _aligned([*(["", *part] for part in head), *body])
        lines.insert(len(head), "-" * len(lines[0]))
        return lines

    def manifest(self) -> dict:
        """Seeds, versions, digests, settings: what it takes to run this again."""
        return self.study.manifest(self.outcomes)

    def figures(self) -> dict[str, object]:
        """{file name: matplotlib Figure}."""
        return figures.draw_all(self)

    def write(self, folder: str | os.PathLike) -> Path:
        """Write report.html, results.csv, manifest.json and the figures into a folder; returns the page's path."""
        folder = Path(folder)
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        drawn = self.figures()
        for name in figures.NAMES - drawn.keys():  # of an earlier study in this folder
            for kind in ("png", "svg"):
                (folder / "figures" / f"{name}.{kind}").unlink(missing_ok=True)
        pictures = {name: figures.as_svg(figure) for name, figure in drawn.items()}
        for name, figure in drawn.items():
            figure.savefig(folder / "figures" / f"{name}.png", dpi=150)
            write_text(folder / "figures" / f"{name}.svg", pictures[name])
        write_csv(folder / "results.csv", self.rows)
        write_text(folder / "manifest.json", as_json(self.manifest()))
        write_text(folder / "report.html", page.render(self, pictures))
        return folder / "report.html"


def _aligned(rows: list[list[str]]) -> list[str]:
    """Lines of a table: the first column to the left, all others to the right."""
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))])
        for row in rows
    ]
