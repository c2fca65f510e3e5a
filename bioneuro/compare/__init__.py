"""Studies: models side by side on the same tasks, data, topology and seeds, with a report."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "Report": "bioneuro.compare.report",
    "Row": "bioneuro.compare.results",
    "Study": "bioneuro.compare.study",
    "TASKS": "bioneuro.compare.tasks",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
