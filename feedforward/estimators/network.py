"""Networks for classification and regression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from bioneuro.errors import InvalidInput
from bioneuro.shell import FLOATS, as_classes
from bioneuro.topology import Topology
from feedforward.estimators.base import BackpropShell
from feedforward.network import Backprop, Network

_PARAMETERS = """
    Parameters
    ----------
    hidden_layer_sizes : sizes of the hidden layers, where no topology is given.
    topology : any acyclic `Topology` with one input and one output population; checked against the data, never altered.
    unit : unit type of the hidden layers, where no topology is given.
    loss : "auto" (by the output units), "cross-entropy", "logistic" or "squared".
    optimizer : "adam", "sgd", "momentum", "nesterov", "rmsprop", or a `bioneuro.optim.Transform`.
    learning_rate : > 0; where it starts. schedule : "linear" (falls to 0), "constant", "step" or "exponential".
    epochs : passes over the data, >= 0. batch_size : rows a step, >= 1.
    l2 : penalty l2 |W|^2 on the weights, >= 0 (torch's weight_decay is 2 l2); biases are free.
    dropout : share in [0, 1) of the hidden units that are dead in each minibatch, or {population: share}.
    initializer : see `bioneuro.initializers.initialise`; "auto" goes by the unit types.
    centre : subtract the mean of the training inputs from every input.
    stratify : fill minibatches with the classes in proportion (classifiers).
    frozen : keys of parameters that are never updated, such as ("input->hidden", "hidden.bias"); "representation":
        all but what feeds the output, which leaves random features and a trained readout.
    patience : stop after so many epochs without a lower loss on `validation_fraction` of the rows, which are then held
        out, and return the best weights; None: use all rows and all epochs.
    dtype : "float32" or "float64". progress : show a bar.
    callbacks : functions of a `bioneuro.training.Progress`, called after each epoch; True stops.
    checkpoint : a file from which an interrupted fit resumes, bit for bit.
    random_state : None, int, Generator or RandomState; `seed_` keeps what was drawn.

    Attributes
    ----------
    topology_, parameters_ : the network and what it learnt. alive_ : (n_units,) bool, see `lesion`.
    loss_curve_, validation_curve_ : mean loss of each epoch. n_iter_ : epochs run. seed_, n_features_in_.
"""


class _Network(BackpropShell):
    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (100,),
        *,
        topology: Topology | None = None,
        unit: str = "relu",
        loss: str = "auto",
        optimizer="adam",
        learning_rate: float = 3e-3,
        schedule: str = "linear",
        epochs: int = 60,
        batch_size: int = 32,
        l2: float = 1e-4,
        dropout: float | Mapping[str, float] = 0.0,
        initializer="auto",
        centre: bool = True,
        stratify: bool = False,
        frozen: tuple[str, ...] | str = (),
        patience: int | None = None,
        validation_fraction: float = 0.1,
        dtype: str = "float32",
        progress: bool = False,
        callbacks=None,
        checkpoint=None,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.topology = topology
        self.unit = unit
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.l2 = l2
        self.dropout = dropout
        self.initializer = initializer
        self.centre = centre
        self.stratify = stratify
        self.frozen = frozen
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.dtype = dtype
        self.progress = progress
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state

    def _fit(self, X: np.ndarray, targets: np.ndarray, output: str, strata: np.ndarray | None):
        key = self._start_fit()
        topology = self._given_topology(X.shape[1], targets.shape[1]) or Topology.mlp(
            X.shape[1], *self._layer_sizes(), targets.shape[1], unit=self.unit, output=output
        )
        backprop = Backprop(Network(topology), self.loss, l2=self.l2, dropout=self.dropout)
        number = self._number_type()
        self.input_mean_ = (
            X.mean(axis=0, dtype=np.float64).astype(number) if self.centre else np.zeros(X.shape[1], number)
        )
        self._train(topology, backprop, self._inputs(X), targets.astype(number), key, strata)
        return self

    def _inputs(self, X: np.ndarray) -> np.ndarray:
        return X.astype(self.input_mean_.dtype, copy=False) - self.input_mean_

    def untrained(self):
        """An unfitted copy whose hidden units keep their first weights: the control that learns no representation."""
        return clone(self).set_params(frozen="representation")

    def activations(self, X) -> dict[str, np.ndarray]:
        """What every population emits for the rows of X: {name: (n, size)}, dead units at 0."""
        check_is_fitted(self)
        return self._pass(self._inputs(self._check_X(X)))

    def _output(self, X) -> np.ndarray:
        return self.activations(X)[self.topology_.by_role("output")[0].name]


class NetworkClassifier(ClassifierMixin, _Network):
    __doc__ = f"""Feedforward network trained by backprop to tell classes apart.

    One output unit a class (softmax, cross-entropy: L = -sum_k y_k ln a_k), or, for two classes, a topology with one
    sigmoid output (logistic loss).
    {_PARAMETERS}    classes_ : the labels, in the order of the output units.

    >>> import bioneuro, feedforward
    >>> train, test = bioneuro.load_digits().split(random_state=0)
    >>> net = feedforward.NetworkClassifier((100,), random_state=0).fit(train.X, train.y)
    >>> net.score(test.X, test.y) > 0.95
    True
    """

    def fit(self, X, y):
        """Learn from X (n, n_features) and labels y (n,); returns self."""
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        self.classes_, numbers = as_classes(y)
        self._one_output = self._has_one_output()
        if self._one_output:
            targets = numbers[:, None].astype(X.dtype)
        else:
            targets = np.eye(len(self.classes_), dtype=X.dtype)[numbers]
        return self._fit(X, targets, "softmax", numbers if self.stratify else None)

    def _has_one_output(self) -> bool:
        """Two classes and a topology with a single output unit, which then is a sigmoid."""
        outputs = self.topology.by_role("output") if isinstance(self.topology, Topology) else ()
        if len(self.classes_) != 2 or len(outputs) != 1 or outputs[0].size != 1:
            return False
        if outputs[0].unit.name != "sigmoid":
            raise InvalidInput(
                f"one {outputs[0].unit.name!r} output cannot tell two classes apart; "
                f"use topology.with_units({outputs[0].name}='sigmoid'), or two softmax outputs"
            )
        return True

    def predict_proba(self, X) -> np.ndarray:
        """(n, n_classes) probabilities; each row sums to 1."""
        output = self._output(X).astype(np.float64)
        if self._one_output:
            output = np.hstack([1 - output, output])
        output = np.maximum(output, 0)
        total = output.sum(axis=1, keepdims=True)
        return np.where(total > 0, output / np.where(total > 0, total, 1), 1 / output.shape[1])

    def predict(self, X) -> np.ndarray:
        """(n,) the label whose output is largest."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


class NetworkRegressor(RegressorMixin, _Network):
    __doc__ = f"""Feedforward network trained by backprop to predict numbers.

    Linear outputs, L = 1/2 sum_k (a_k - y_k)^2.
    {_PARAMETERS}
    >>> import numpy as np, feedforward
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> net = feedforward.NetworkRegressor((50,), epochs=200, random_state=0).fit(x, np.sin(x).ravel())
    >>> net.score(x, np.sin(x).ravel()) > 0.98
    True
    """

    def fit(self, X, y):
        """Learn from X (n, n_features) and numbers y, (n,) or (n, n_outputs); returns self."""
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", multi_output=True, y_numeric=True)
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self._flat_targets = y.ndim == 1
        return self._fit(X, y.reshape(len(y), -1).astype(X.dtype), "linear", None)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X) -> np.ndarray:
        """(n,) or (n, n_outputs), as y was at `fit`."""
        output = self._output(X).astype(np.float64)
        return output.ravel() if self._flat_targets else output
