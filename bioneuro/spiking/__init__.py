"""Spiking neurons: integrate-and-fire cells, synapses with delays, spikes from outside, and what comes of them."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "LIF": "bioneuro.topology",
    "simulate": "bioneuro.spiking.engine",
    "DoubtfulNumber": "bioneuro.spiking.doubts",
    "RunawayRate": "bioneuro.spiking.engine",
    "SpikingState": "bioneuro.spiking.neurons",
    "Poisson": "bioneuro.spiking.inputs",
    "SpikeTrain": "bioneuro.spiking.inputs",
    "StepCurrent": "bioneuro.spiking.inputs",
    "NoiseCurrent": "bioneuro.spiking.inputs",
    "spikes_of": "bioneuro.spiking.recording",
    "raster": "bioneuro.spiking.plots",
    "voltage": "bioneuro.spiking.plots",
    "rate": "bioneuro.spiking.plots",
    "lif_rate": "bioneuro.spiking.theory",
    "siegert_rate": "bioneuro.spiking.theory",
    "SpikingClassifier": "bioneuro.spiking.estimators",
    "RateScale": "bioneuro.spiking.rate_scale",
    "SpikingNetwork": "bioneuro.spiking.convert",
    "classify": "bioneuro.spiking.answers",
    "spike_counts": "bioneuro.spiking.answers",
    "to_rates": "bioneuro.spiking.convert",
    "to_spiking": "bioneuro.spiking.convert",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
