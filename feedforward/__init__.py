"""Networks trained by backpropagation on any acyclic topology."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "EnsembleClassifier": "feedforward.estimators",
    "EnsembleRegressor": "feedforward.estimators",
    "NetworkClassifier": "feedforward.estimators",
    "NetworkRegressor": "feedforward.estimators",
    "Autoencoder": "feedforward.estimators",
    "Graph": "feedforward.graph",
    "Huber": "feedforward.losses",
    "WeightHistory": "feedforward.instruments",
    "data_dependent": "feedforward.calibration",
    "logistic_unit": "feedforward.graph",
    "lsuv": "feedforward.calibration",
    "check_gradient": "feedforward.gradcheck",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
