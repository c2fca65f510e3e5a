"""HebbianClassifier: Hebbian features and the shared softmax readout, on the topology of a network."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from bioneuro.plasticity.estimators.hebbian_shell import HebbianShell, hidden_projection
from bioneuro.shell import FLOATS, as_classes
from bioneuro.topology import Dense, Lesion, Topology
from bioneuro.training.readout import fit_readout, output_projection, readout_probabilities


class HebbianClassifier(ClassifierMixin, HebbianShell):
    """Classifier whose hidden units learn by a local rule, without labels; softmax regression reads them out.

    A local rule learns input->hidden of `mlp(n_features, n_hidden, n_classes)`, as in `HebbianFeatures`; then softmax
    regression on its features learns hidden->output. Where a unit has a second channel ("on-off"), the weights from
    the off cells are `off_weights_`, beyond the topology.

    Parameters
    ----------
    hidden_layer_sizes : (number of hidden units,); not used where a topology is given
    topology : `Topology.mlp(n_features, n_hidden, n_classes)`, checked, never altered
    readout_l2, readout_scale, readout_solver : `l2`, `scale` and `solver` of `bioneuro.training.fit_readout`
    rule, features, power, learning_rate, schedule, epochs, batch_size, sigma, dtype, progress, callbacks, checkpoint,
    random_state : as in `HebbianFeatures`; epochs=0 is the control: a trained readout on random features

    Attributes
    ----------
    topology_, parameters_, alive_, seed_, n_features_in_, mean_, features_, loss_curve_, n_iter_, learning_rate_,
    batch_size_, sigma_ : as in `HebbianFeatures`, and so is the warning `IdleUnits`
    classes_ : the labels, in the order of the output units
    off_weights_ : (n_hidden, n_classes) from the off cells, or None
    additions_ : {name: number} of what it adds to the topology

    Examples
    --------
    >>> import bioneuro
    >>> train, test = bioneuro.load_digits().split(random_state=0)
    >>> HebbianClassifier((32,), random_state=0).fit(train.X, train.y).score(test.X, test.y) > 0.95
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
        topology=None,
        rule="sanger",
        features="auto",
        power=3.0,
        learning_rate="auto",
        schedule="linear",
        epochs=30,
        batch_size="auto",
        sigma="auto",
        readout_l2=1e-3,
        readout_scale="common",
        readout_solver="auto",
        dtype="float32",
        progress=False,
        callbacks=None,
        checkpoint=None,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.topology = topology
        self.rule = rule
        self.features = features
        self.power = power
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.sigma = sigma
        self.readout_l2 = readout_l2
        self.readout_scale = readout_scale
        self.readout_solver = readout_solver
        self.dtype = dtype
        self.progress = progress
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state

    def fit(self, X, y):
        """Learn from X (n, n_features) and labels y (n,); returns self."""
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        self.classes_, numbers = as_classes(y)
        n_classes = len(self.classes_)
        topology = self._one_hidden_layer(X.shape[1], n_classes)
        last = label_projection(topology)
        key = self._start_fit()
        self._learn(topology, X, key)
        weights, bias = fit_readout(
            self._features_in_training(X),
            numbers,
            n_classes,
            l2=self.readout_l2,
            scale=self.readout_scale,
            solver=self.readout_solver,
            key=key.child("readout"),
        )
        n_hidden = topology[last.pre].size
        self.parameters_[last.name], self.parameters_[f"{last.post}.bias"] = weights[:n_hidden], bias
        self.off_weights_ = weights[n_hidden:].astype(self.dtype) if len(weights) > n_hidden else None
        self.additions_ = {} if self.off_weights_ is None else {"off weights": self.off_weights_.size}
        return self

    def _with_lesion(self, lesion: Lesion):
        hurt = super()._with_lesion(lesion)
        intact = lesion.intact.get(label_projection(self.topology_).name)
        if intact is not None and self.off_weights_ is not None:
            hurt.off_weights_ = self.off_weights_ * intact  # a synapse's two channels die together
        return hurt

    def untrained(self):
        """An unfitted copy whose hidden units keep their first weights, with a trained readout: the control."""
        return clone(self).set_params(epochs=0)

    def predict_proba(self, X) -> np.ndarray:
        """(n, n_classes) probabilities, float64; each row sums to 1."""
        check_is_fitted(self)
        features = self._features(self._check_X(X))
        last = label_projection(self.topology_)
        weights = self.parameters_[last.name]
        if self.off_weights_ is not None:
            weights = np.concatenate([weights, self.off_weights_])
        scores = readout_probabilities(features, weights, self.parameters_[f"{last.post}.bias"]).astype(np.float64)
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X) -> np.ndarray:
        """(n,) the likeliest label."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]


def label_projection(topology: Topology) -> Dense:
    """The projection from the hidden units to the classes; refuses whatever is not input -> hidden -> output."""
    return output_projection(topology, hidden_projection(topology))
