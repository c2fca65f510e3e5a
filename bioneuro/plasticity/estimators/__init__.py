"""Rate plasticity in scikit-learn's shape."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "HebbianClassifier": "bioneuro.plasticity.estimators.classifier",
    "HebbianFeatures": "bioneuro.plasticity.estimators.features",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
