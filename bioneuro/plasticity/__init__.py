"""Plasticity: synapses that change with the activity of the cells they join."""

from bioneuro.lazy import lazy_names

_NAMES = {
    # rate rules
    "AntiHebb": "bioneuro.plasticity.rate",
    "BCM": "bioneuro.plasticity.rate",
    "Competitive": "bioneuro.plasticity.rate",
    "Covariance": "bioneuro.plasticity.rate",
    "Hebb": "bioneuro.plasticity.rate",
    "HebbianClassifier": "bioneuro.plasticity.estimators",
    "HebbianFeatures": "bioneuro.plasticity.estimators",
    "LocalLearning": "bioneuro.plasticity.learning",
    "Oja": "bioneuro.plasticity.rate",
    "RATE_RULES": "bioneuro.plasticity.rate",
    "Sanger": "bioneuro.plasticity.rate",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
