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
    "IdleUnits": "bioneuro.plasticity.estimators.hebbian_shell",
    "LocalLearning": "bioneuro.plasticity.learning",
    "Oja": "bioneuro.plasticity.rate",
    "RATE_RULES": "bioneuro.plasticity.rate",
    "RateRule": "bioneuro.plasticity.rate",
    "Sanger": "bioneuro.plasticity.rate",
    # spike-timing rules
    "InhibitorySTDP": "bioneuro.plasticity.spike",
    "SPIKE_RULES": "bioneuro.plasticity.spike",
    "STDP": "bioneuro.plasticity.spike",
    "SpikeRule": "bioneuro.plasticity.spike",
    # homeostasis
    "AdaptiveThreshold": "bioneuro.plasticity.homeostasis",
    "NormaliseWeights": "bioneuro.plasticity.homeostasis",
    # synapses that come and go
    "grow": "bioneuro.plasticity.structural",
    "prune": "bioneuro.plasticity.structural",
    "rewire": "bioneuro.plasticity.structural",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
