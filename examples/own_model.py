"""Your own model in the comparison: anything with `fit` and `predict` takes part; what it lacks is said in the table.

python examples/own_model.py

To have it in `bioneuro compare` as well, list it in the pyproject.toml of your package:

    [project.entry-points."bioneuro.models"]
    prototypes = "my_package:NearestPrototype"
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

import bioneuro
import feedforward


class NearestPrototype(ClassifierMixin, BaseEstimator):
    """The class whose mean picture is nearest."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == label].mean(axis=0) for label in self.classes_])
        return self

    def predict(self, X):
        distances = ((X[:, None] - self.means_[None]) ** 2).sum(axis=2)
        return self.classes_[distances.argmin(axis=1)]


if __name__ == "__main__":  # worker processes import this file again
    net = bioneuro.Topology.mlp(64, 100, 10)
    models = {"mine": NearestPrototype(), "backprop": feedforward.NetworkClassifier(topology=net)}
    study = bioneuro.Study(models, bioneuro.load_digits(), tasks=["classify", "noise"], topology=net)
    report = study.run("own_model", n_jobs=1)
    print(report.table())
    print("\nfigures: own_model/report.html")
