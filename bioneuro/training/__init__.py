"""Training: the one loop over any gradient estimator, minibatches, and the shared softmax readout."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "Balanced": "bioneuro.training.emphasis",
    "Batch": "bioneuro.training.batches",
    "Emphasis": "bioneuro.training.emphasis",
    "Hard": "bioneuro.training.emphasis",
    "Key": "bioneuro._jit.keys",
    "LearningRates": "bioneuro.training.learning_rate",
    "LongerSteps": "bioneuro.training.emphasis",
    "Minimum": "bioneuro.training.full_batch",
    "Progress": "bioneuro.training.loop",
    "Readout": "bioneuro.training.readout",
    "Stratified": "bioneuro.training.emphasis",
    "TrainingInterrupted": "bioneuro.training.interrupt",
    "TrainingState": "bioneuro.training.checkpoint",
    "find_learning_rate": "bioneuro.training.learning_rate",
    "fit": "bioneuro.training.loop",
    "fit_together": "bioneuro.training.together",
    "fit_readout": "bioneuro.training.readout",
    "minimise": "bioneuro.training.full_batch",
    "readout_probabilities": "bioneuro.training.readout",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
