"""Energy-based models: Hopfield memories and Boltzmann machines."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "HopfieldClassifier": "energy.estimators",
    "HopfieldMemory": "energy.estimators",
    "RBM": "energy.estimators",
    "RBMClassifier": "energy.estimators",
    "exact_recall": "energy.hopfield",
    "hopfield": "energy.hopfield",
    "overlap": "energy.hopfield",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
