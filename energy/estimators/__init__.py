"""Energy-based models in scikit-learn's shape."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "HopfieldClassifier": "energy.estimators.hopfield_classifier",
    "HopfieldMemory": "energy.estimators.hopfield",
    "RBM": "energy.estimators.boltzmann",
    "RBMClassifier": "energy.estimators.boltzmann",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
