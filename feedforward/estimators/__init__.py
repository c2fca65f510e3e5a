"""scikit-learn shells of the feedforward engine."""

from feedforward.estimators.autoencoder import Autoencoder
from feedforward.estimators.network import NetworkClassifier, NetworkRegressor

__all__ = ["Autoencoder", "NetworkClassifier", "NetworkRegressor"]
