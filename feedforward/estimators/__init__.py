"""scikit-learn shells of the feedforward engine."""

from feedforward.estimators.autoencoder import Autoencoder
from feedforward.estimators.classifier import NetworkClassifier
from feedforward.estimators.ensemble import EnsembleClassifier, EnsembleRegressor
from feedforward.estimators.regressor import NetworkRegressor

__all__ = ["Autoencoder", "EnsembleClassifier", "EnsembleRegressor", "NetworkClassifier", "NetworkRegressor"]
