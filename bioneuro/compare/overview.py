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
    _percent("noise", "flip", 0.2, "accuracy", "20 % of pixels flipped"),
    _percent("noise", "gaussian", 0.3, "accuracy", "noise of 0.3"),
    _percent("lesion", "dead units", 0.5, "accuracy", "half the units dead"),
    _percent("lesion", "silenced units", 0.5, "accuracy", "half the units silenced"),
    _percent("lesion", "dead synapses", 0.5, "accuracy", "half the synapses dead"),
    _percent("complete", "from flips", 10, "exact recall", "10 pictures exact from flips"),
    _percent("complete", "from half", 10, "exact recall", "10 pictures exact from half"),
)
COSTS = (  # of the classifier; of a memory of ten pictures where a model does not classify
    Column("seconds to learn", {"metric": "seconds"}, "{:.2f}"),
    Column("units", {"metric": "units"}, "{:,.0f}"),
    Column("weights", {"metric": "weights"}, "{:,.0f}"),
    Column("additions for one picture", {"metric": "additions"}, "{:,.0f}"),
)
