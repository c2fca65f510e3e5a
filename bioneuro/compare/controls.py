"""Controls: rows without learning or representation, so that an easy data set is not taken for a good model."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted, validate_data

from bioneuro.models import Model
from bioneuro.parameters import Parameters
from bioneuro.shell import FLOATS, Shell, as_classes, check_known
from bioneuro.topology import Topology
from bioneuro.training.readout import fit_readout, readout_probabilities


class SoftmaxRegression(ClassifierMixin, Shell):
    """Softmax regression on raw inputs: no hidden units, no representation.

    Parameters
    ----------
    l2 : penalty on the squared weights of the standardised inputs. random_state : not used; the problem is convex.
    """

    def __init__(self, l2: float = 1e-3, *, random_state=None):
        self.l2 = l2
        self.random_state = random_state

    def fit(self, X, y):
        """Learn from X (n, n_features) and labels y (n,); returns self."""
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        self.classes_, numbers = as_classes(y)
        self.topology_ = Topology.mlp(X.shape[1], len(self.classes_))
        self.alive_ = np.ones(self.topology_.n_units, dtype=bool)
        readout = fit_readout(X, numbers, len(self.classes_), l2=self.l2)
        self.parameters_ = Parameters.zeros(self.topology_, X.dtype)
        self.parameters_["input->output"] = readout.weights
        self.parameters_["output.bias"] = readout.bias
        return self

    def predict_proba(self, X) -> np.ndarray:
        """(n, n_classes) probabilities."""
        check_is_fitted(self)
        X = self._check_X(X).astype(self.parameters_.dtype, copy=False)
        weights, bias = self.parameters_["input->output"], self.parameters_["output.bias"]
        return readout_probabilities(X, weights, bias).astype(np.float64)

    def predict(self, X) -> np.ndarray:
        """(n,) the most probable label."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


class NearestNeighbour(KNeighborsClassifier):
    """The label of the nearest training row: all memory, no learning."""

    def __init__(self):
        super().__init__(n_neighbors=1)

    @property
    def cost_(self) -> dict[str, int]:
        """Every training row is stored, and subtracted from every image."""
        return {"units": 0, "weights": self._fit_X.size, "additions": self._fit_X.size}


class AsGiven(BaseEstimator):
    """Recalls what it is shown; the unknown stays 0."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def recall(self, X, known=None) -> np.ndarray:
        """X, with 0 where it is not known."""
        return X if known is None else np.where(check_known(known, X.shape), X, 0)


class NearestStored(BaseEstimator):
    """Recalls the stored pattern that agrees with most of what is known: a list, not a network."""

    def fit(self, X, y=None):
        self.patterns_ = np.array(X)
        return self

    @property
    def cost_(self) -> dict[str, int]:
        """Every pattern is stored, and compared with every picture."""
        return {"units": 0, "weights": self.patterns_.size, "additions": self.patterns_.size}

    def recall(self, X, known=None) -> np.ndarray:
        """The nearest stored pattern of each row."""
        shown = AsGiven().recall(X, known)
        return self.patterns_[(shown @ self.patterns_.T).argmax(axis=1)]


CONTROLS = {
    "softmax on pixels": Model(
        "Softmax regression on raw pixels: no hidden units, no representation",
        classifier=lambda topology: SoftmaxRegression(),
        candidates=({"l2": 1e-2}, {"l2": 1e-3}, {"l2": 1e-4}),
        control=True,
    ),
    "nearest neighbour": Model(
        "The label of the nearest training row; as a memory, the nearest stored pattern",
        classifier=lambda topology: NearestNeighbour(),
        memory=lambda n_units: NearestStored(),
        control=True,
    ),
    "as given": Model(
        "What was shown, unchanged",
        memory=lambda n_units: AsGiven(),
        cannot={"classifier": "shows its input again"},
        control=True,
    ),
}
