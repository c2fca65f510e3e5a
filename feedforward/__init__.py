"""Networks trained by backpropagation on any acyclic topology."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "EnsembleClassifier": "feedforward.estimators.ensemble",
    "EnsembleRegressor": "feedforward.estimators.ensemble",
    "NetworkClassifier": "feedforward.estimators.classifier",
    "NetworkRegressor": "feedforward.estimators.regressor",
    "Autoencoder": "feedforward.estimators.autoencoder",
    "Backprop": "feedforward.backprop",
    "Graph": "feedforward.graph",
    "Huber": "feedforward.losses",
    "Network": "feedforward.network",
    "WeightHistory": "feedforward.instruments",
    "data_dependent": "feedforward.calibration",
    "logistic_unit": "feedforward.graph",
    "lsuv": "feedforward.calibration",
    "check_gradient": "feedforward.gradcheck",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
