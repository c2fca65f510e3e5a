"""Training: the one loop over any gradient estimator, minibatches, and the shared softmax readout."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "Batch": "bioneuro.training.batches",
    "Progress": "bioneuro.training.loop",
    "Readout": "bioneuro.training.readout",
    "TrainingInterrupted": "bioneuro.training.interrupt",
    "TrainingState": "bioneuro.training.loop",
    "fit": "bioneuro.training.loop",
    "fit_readout": "bioneuro.training.readout",
    "readout_probabilities": "bioneuro.training.readout",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
