"""The columns of a report's overview: which rows each sums up, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Column(NamedTuple):
    """A column of the overview: its heading, which rows it sums up, and how a number is written."""

    heading: str
    wanted: Mapping[str, object]
    format: str


def _percent(task: str, condition: str, level: float, metric: str, heading: str) -> Column:
    return Column(heading, {"task": task, "condition": condition, "level": level, "metric": metric}, "{:.1%}")


COLUMNS = (
    _percent("classify", "clean", 0, "accuracy", "accuracy"),
    _percent("noise", "flip", 0.2, "accuracy", "20 % flipped"),
    _percent("noise", "gaussian", 0.3, "accuracy", "noise 0.3"),
    _percent("lesion", "dead units", 0.5, "accuracy", "half the units dead"),
    _percent("lesion", "dead synapses", 0.5, "accuracy", "half the synapses dead"),
    _percent("complete", "from flips", 10, "exact recall", "10 stored: from flips"),
    _percent("complete", "from half", 10, "exact recall", "10 stored: from half"),
    _percent("lesion", "dead units", 0.3, "overlap", "overlap, 30 % dead"),
)
COSTS = (
    Column("seconds to learn", {"metric": "seconds"}, "{:.2f}"),
    Column("units", {"metric": "units"}, "{:,.0f}"),
    Column("weights", {"metric": "weights"}, "{:,.0f}"),
    Column("additions an image", {"metric": "additions"}, "{:,.0f}"),
)
