"""Networks trained by backpropagation on any acyclic topology."""

from bioneuro.lazy import lazy_names

_NAMES = {
    "NetworkClassifier": "feedforward.estimators",
    "NetworkRegressor": "feedforward.estimators",
    "Autoencoder": "feedforward.estimators",
    "Huber": "feedforward.losses",
    "check_gradient": "feedforward.gradcheck",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
