"""Figures: topologies, patterns, curves and decision boundaries.

Every function takes `ax=None`, returns the axes it drew on (`.figure.savefig(...)` from there), changes no global
setting of matplotlib and never shows a window.
"""

from bioneuro.lazy import lazy_names

_NAMES = {
    "bands": "bioneuro.viz.curves",
    "decision_boundary": "bioneuro.viz.boundary",
    "descent_paths": "bioneuro.viz.descent",
    "draw": "bioneuro.viz.topology",
    "images": "bioneuro.viz.patterns",
    "confusion_matrix": "bioneuro.viz.confusion",
    "draw_graph": "bioneuro.viz.graph",
    "hidden_units": "bioneuro.viz.hidden",
    "layer_histograms": "bioneuro.viz.histograms",
    "layer_moments": "bioneuro.viz.histograms",
    "learning_curves": "bioneuro.viz.learning",
    "unit_conditions": "bioneuro.viz.histograms",
    "weights_over_time": "bioneuro.viz.learning",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
