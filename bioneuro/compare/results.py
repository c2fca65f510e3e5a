"""Results as long tables: one row a measurement, written and read as CSV, summed up over seeds."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """One measurement.

    task, model, seed; condition : what was done to the data or the model ("flip", "dead units", "10 stored");
    level : how much of it; metric, value; note : why there is no value.
    """

    task: str
    model: str
    seed: int
    condition: str
    level: float
    metric: str
    value: float
    note: str = ""


class Summary(NamedTuple):
    """A measurement over seeds: mean, least and greatest value, number of seeds."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} ({self.low:.3g} to {self.high:.3g})"


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file that is whole or not there."""
    temporary = f"{os.fspath(path)}.part"
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def as_json(thing) -> str:
    """JSON text; NumPy numbers become numbers, and what JSON does not know its text."""
    return json.dumps(
        thing, indent=1, default=lambda value: value.item() if isinstance(value, np.generic) else str(value)
    )


def write_csv(path: str | os.PathLike, rows: Iterable[Row]) -> None:
    """Write rows with a header."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(Row._fields)
    writer.writerows(rows)
    write_text(path, lines.getvalue())


def select(rows: Iterable[Row], **wanted) -> list[Row]:
    """Rows whose fields equal those `wanted`."""
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


def summarise(rows: Iterable[Row]) -> Summary | None:
    """Mean and range over the rows that have a value; None where none has."""
    values = [row.value for row in rows if not math.isnan(row.value)]
    return Summary(float(np.mean(values)), min(values), max(values), len(values)) if values else None


def notes(rows: Iterable[Row]) -> str:
    """The reasons given in rows without a value, each once."""
    return "; ".join(dict.fromkeys(row.note for row in rows if row.note))


def unique(rows: Iterable[Row], field: str) -> list:
    """The values of one field, in the order in which they first appear."""
    return list(dict.fromkeys(getattr(row, field) for row in rows))
