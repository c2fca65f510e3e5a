"""Networks that tell classes apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_consistent_length, column_or_1d

from bioneuro.errors import InvalidInput, check_number
from bioneuro.shell import as_classes
from bioneuro.topology import Topology
from bioneuro.training.emphasis import Emphasis
from feedforward.estimators.network import PARAMETERS, NetworkShell
from feedforward.targets import REACH, from_range, row_weights, smooth, to_range


class NetworkClassifier(ClassifierMixin, NetworkShell):
    __doc__ = f"""Feedforward network trained by backprop to tell classes apart.

    One output unit a class (softmax, cross-entropy: L = -sum_k y_k ln a_k), or, for two classes, a topology with one
    sigmoid output (logistic loss: L = -sum_k [y_k ln a_k + (1 - y_k) ln(1 - a_k)]).

    Several labels a row: y (n, k) of 0 and 1, k >= 2, a sigmoid and a logistic loss for each. There are then no classes
    of rows: class_weight and an emphasis by class are refused. `score` is the share of rows with all labels right.
    {PARAMETERS}    classes_ : the labels, in the order of the output units; of several a row, 0, ..., k - 1.

    >>> import bioneuro, feedforward
    >>> train, test = bioneuro.load_digits().split(random_state=0)
    >>> net = feedforward.NetworkClassifier((100,), random_state=0).fit(train.X, train.y)
    >>> net.score(test.X, test.y) > 0.95
    True
    """

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
        noise: float = 0.0,
        batch_norm: bool | str | tuple[str, ...] = False,
        initializer="auto",
        hidden_bias: float = 0.0,
        centre: bool = True,
        class_weight=None,
        label_smoothing: float = 0.0,
        target_range: tuple[float, float] | None = None,
        emphasis: str | Emphasis | None = None,
        frozen: tuple[str, ...] | str = (),
        patience: int | None = None,
        validation_fraction: float = 0.1,
        dtype: str = "auto",
        warm_start: bool = False,
        progress: bool = False,
        callbacks=None,
        checkpoint=None,
        random_state=None,
    ):
        super().__init__(
            hidden_layer_sizes,
            topology=topology,
            unit=unit,
            loss=loss,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            epochs=epochs,
            batch_size=batch_size,
            l2=l2,
            dropout=dropout,
            noise=noise,
            batch_norm=batch_norm,
            initializer=initializer,
            hidden_bias=hidden_bias,
            centre=centre,
            emphasis=emphasis,
            frozen=frozen,
            patience=patience,
            validation_fraction=validation_fraction,
            dtype=dtype,
            warm_start=warm_start,
            progress=progress,
            callbacks=callbacks,
            checkpoint=checkpoint,
            random_state=random_state,
        )
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.target_range = target_range

    def _all_rows(self, X, y, sample_weight):
        X, y = self._check_X_y(X, y, multi_output=True)
        y = _as_labels(y)
        self._multi_label = y.ndim == 2
        self.classes_, numbers = (np.arange(y.shape[1]), y) if self._multi_label else as_classes(y)
        self._one_output, output = self._has_one_output(), self._output_unit()
        weights = self._class_weights(y, self._weights(sample_weight, X))
        return X, self._targets(numbers), output, weights, self._strata(numbers)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """One pass over more rows, at the rate `learning_rate`; the optimiser goes on where it was; returns self.

        classes : all the labels there will ever be, np.arange(k) for y (n, k); needed at the first call, unless `fit`
            came before.
        sample_weight : as in `fit`.

        Unless `fit` came before, the rows of the first call decide what inputs are centred by, the first biases of the
        outputs and dtype "auto": let there be a hundred or more. epochs, schedule, patience, callbacks, checkpoint and
        progress have no part in it, and `class_weight="balanced"` goes by the rows of each call.
        """
        self._check_parts()
        first = not hasattr(self, "parameters_")
        if first and classes is None:
            raise InvalidInput("the first call of partial_fit needs classes=, all the labels there will ever be")
        X, y = self._check_X(X, reset=first), _as_labels(y)
        check_consistent_length(X, y)  # what else labels must be, the classes say
        if classes is not None and not first and not np.array_equal(np.unique(classes), self.classes_):
            raise InvalidInput(f"classes={np.unique(classes)} are not those of the calls before, {self.classes_}")
        if first:
            self.classes_, _ = as_classes(np.asarray(classes))
            self._multi_label = y.ndim == 2
            if self._multi_label and not np.array_equal(self.classes_, columns := np.arange(y.shape[1])):
                raise InvalidInput(f"y has {len(columns)} columns, one for each of classes={columns}, got {classes}")
        numbers = self._numbers_of(y)
        weights = self._class_weights(y, self._weights(sample_weight, X))
        if first:
            self._one_output, output = self._has_one_output(), self._output_unit()
            self._start(X, self._targets(numbers), output, weights)
        targets, strata = self._targets(numbers).astype(self.parameters_.dtype), self._strata(numbers)
        self._train_more(self._backprop(self._trained.topology), self._inputs(X), targets, weights, strata)
        return self

    def _numbers_of(self, y) -> np.ndarray:
        """(n,) which class each row is of; where rows have several labels, y itself, (n, k)."""
        y, k = _as_labels(y), len(self.classes_)
        if y.shape[1:] != (k,) * self._multi_label:
            expected = f"(n, {k})" if self._multi_label else "(n,)"
            raise InvalidInput(f"y must have shape {expected}, as in the calls before, got {y.shape}")
        if self._multi_label:
            return y
        numbers = np.searchsorted(self.classes_, y).clip(max=k - 1)
        if np.any(strange := self.classes_[numbers] != y):
            found = np.unique(y[strange]).tolist()
            raise InvalidInput(f"y holds labels that are not among the classes {self.classes_.tolist()}: {found[:5]}")
        return numbers

    def _strata(self, numbers: np.ndarray) -> np.ndarray | None:
        """The class of each row, where it has one."""
        return None if self._multi_label else numbers

    def _targets(self, numbers: np.ndarray) -> np.ndarray:
        """What the outputs are taught: yes or no for sigmoids that are free of each other, shares otherwise."""
        share = check_number("label_smoothing", self.label_smoothing, low=0, high=1, open_high=True)
        if self._one_output or self._multi_label:
            targets = to_range(numbers.reshape(len(numbers), -1).astype(float), share / 2, 1 - share / 2)
        else:
            targets = smooth(np.eye(len(self.classes_))[numbers], share)
        return targets if self.target_range is None else to_range(targets, *self.target_range)

    def _output_unit(self) -> str:
        """The unit type of the outputs, which must reach the targets."""
        outputs = self.topology.by_role("output") if isinstance(self.topology, Topology) else ()
        if self._multi_label and self.loss == "cross-entropy":
            raise InvalidInput("the cross-entropy does not see labels that a row lacks; use loss='logistic' or 'auto'")
        if self.target_range is None:
            unit = outputs[0].unit.name if len(outputs) == 1 else "sigmoid" if self._multi_label else "softmax"
            if self._multi_label and unit == "softmax":
                raise InvalidInput(
                    f"softmax outputs sum to 1 and y of shape (n, {len(self.classes_)}) has several labels a row; use "
                    f"topology.with_units({outputs[0].name}='sigmoid')"
                )
            return unit
        try:
            low, high = map(float, self.target_range)
        except (TypeError, ValueError):
            raise InvalidInput(f"target_range must be (low, high) or None, got {self.target_range!r}") from None
        unit = outputs[0].unit.name if len(outputs) == 1 else ("tanh" if low < 0 else "sigmoid")
        if unit == "softmax":
            raise InvalidInput(
                "softmax outputs sum to 1 and cannot reach a target_range; use label_smoothing, or outputs that are "
                f"free of each other: topology.with_units({outputs[0].name}='sigmoid')"
            )
        least, most = REACH.get(unit, (-np.inf, np.inf))
        if not least <= low < high <= most:
            raise InvalidInput(
                f"target_range must be (low, high) with {least:g} <= low < high <= {most:g} for {unit} outputs, "
                f"got {self.target_range!r}"
            )
        return unit

    def _initializer(self, topology: Topology):
        """Of several labels a row, "auto" takes 1 / n for the outputs, as for a softmax: with the 12.8 / n of a hidden
        sigmoid a network begins with strong opinions, and unlearns them for many epochs."""
        return self._towards_outputs(topology, "lecun") if self._multi_label else self.initializer

    def _class_weights(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weights
        if self._multi_label:
            raise InvalidInput(
                f"class_weight={self.class_weight!r} goes by the class of a row, and rows of several labels have none; "
                "use class_weight=None, with sample_weight where some rows count more"
            )
        return row_weights(y, self.class_weight, weights, self.classes_)

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
        """(n, n_classes) probabilities. Of a target_range, low stands for 0 and high for 1.

        Each row sums to 1, unless rows have several labels: each column is then the probability of one.
        """
        return self._probabilities(self._output(X).astype(np.float64))

    def _probabilities(self, output: np.ndarray) -> np.ndarray:
        if self.target_range is not None:
            output = from_range(output, *self.target_range).clip(0, 1)
        if self._multi_label:
            return output.clip(0, 1)
        if self._one_output:
            output = np.hstack([1 - output, output])
        output = np.maximum(output, 0)
        total = output.sum(axis=1, keepdims=True)
        return np.where(total > 0, output / np.where(total > 0, total, 1), 1 / output.shape[1])

    def predict(self, X) -> np.ndarray:
        """(n,) the label whose output is largest; of several labels a row, (n, k), 1 where its probability is >= .5."""
        return self._labels_of(self.predict_proba(X))

    def _labels_of(self, probabilities: np.ndarray) -> np.ndarray:
        if self._multi_label:
            return (probabilities >= 0.5).astype(np.int64)
        return self.classes_[probabilities.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _as_labels(y) -> np.ndarray:
    """(n,) labels, or, of several a row, (n, k) of 0 and 1."""
    y = y.toarray() if issparse(y) else np.asarray(y)
    if y.ndim == 0:
        raise InvalidInput(f"y must be the labels of the rows, (n,) or (n, k), got {y}")
    if y.ndim == 1:
        return y
    if y.shape[1] == 1:
        return column_or_1d(y, warn=True)
    if y.dtype.kind not in "biuf" or not np.all((y == 0) | (y == 1)):
        raise InvalidInput(
            f"y of shape {y.shape} must hold 0 and 1, whether a row has each of {y.shape[1]} labels, got "
            f"{np.unique(y)[:5].tolist()}; for one class a row out of several, y has shape (n,)"
        )
    return y.astype(np.int64)
