"""Figures: topologies, patterns, curves and decision boundaries.

Every function takes `ax=None`, returns the axes it drew on (`.figure.savefig(...)` from there), changes no global
setting of matplotlib and never shows a window.
"""

from bioneuro.lazy import lazy_names

_NAMES = {
    "bands": "bioneuro.viz.curves",
    "decision_boundary": "bioneuro.viz.boundary",
    "draw": "bioneuro.viz.topology",
    "images": "bioneuro.viz.patterns",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
