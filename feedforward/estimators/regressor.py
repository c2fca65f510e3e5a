"""Networks that predict numbers."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse
from sklearn.base import RegressorMixin

from bioneuro.errors import InvalidInput
from bioneuro.topology import Topology
from feedforward.estimators.base import as_numbers
from feedforward.estimators.network import PARAMETERS, NetworkShell
from feedforward.targets import REACH

_ROUNDING = 1e-6  # by which shares computed in float32 may go beyond 0 and 1


class NetworkRegressor(RegressorMixin, NetworkShell):
    __doc__ = f"""Feedforward network trained by backprop to predict numbers.

    Linear outputs, L = 1/2 sum_k (a_k - y_k)^2. With a topology whose outputs are softmax or sigmoid units it learns
    soft targets, of any sum: shares, or another network's `predict_proba`. Targets that the outputs never come near are
    refused: below 0 for both, above 1 for sigmoids, beyond -1 and 1 for tanh, and any for a single softmax unit.
    {PARAMETERS}
    >>> import numpy as np, feedforward
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> net = feedforward.NetworkRegressor((50,), epochs=200, random_state=0).fit(x, np.sin(x).ravel())
    >>> net.score(x, np.sin(x).ravel()) > 0.98
    True
    """

    def _all_rows(self, X, y, sample_weight):
        X, targets = self._numbers(X, y, first=True)
        return X, targets, "linear", self._weights(sample_weight, X), None

    def partial_fit(self, X, y, sample_weight=None):
        """One pass over more rows, at the rate `learning_rate`; the optimiser goes on where it was; returns self.

        sample_weight : as in `fit`.

        Unless `fit` came before, the rows of the first call decide what inputs are centred by, the first biases of the
        outputs and dtype "auto": let there be a hundred or more. epochs, schedule, patience, callbacks, checkpoint and
        progress have no part in it.
        """
        self._check_parts()
        first = not hasattr(self, "parameters_")
        X, targets = self._numbers(X, y, first)
        weights = self._weights(sample_weight, X)
        if first:
            self._start(X, targets, "linear", weights)
        targets = as_numbers("y", targets, self.parameters_.dtype)
        self._train_more(self._backprop(self._trained.topology), self._inputs(X), targets, weights)
        return self

    def _numbers(self, X, y, first: bool) -> tuple[np.ndarray, np.ndarray]:
        """X and targets (n, n_outputs), checked; of later parts held to the shape of the first."""
        if issparse(y):
            raise InvalidInput("y is a sparse matrix, and targets are learnt whole; use y.toarray()")
        X, y = self._check_X_y(X, y, multi_output=True, y_numeric=True, reset=first)
        targets = y.reshape(len(y), -1).astype(np.float64, copy=False)
        if first:
            self._flat_targets = y.ndim == 1
        elif targets.shape[1] != self.n_outputs_:
            raise InvalidInput(f"y has {targets.shape[1]} columns, and {self.n_outputs_} in the calls before")
        self._check_reach(targets)
        return X, targets

    def _check_reach(self, targets: np.ndarray) -> None:
        """Refuse targets that the outputs of a given topology never come near, whatever they learn."""
        outputs = self.topology.by_role("output") if isinstance(self.topology, Topology) else ()
        if len(outputs) != 1:
            return
        unit, use = outputs[0].unit.name, f"use topology.with_units({outputs[0].name}='linear')"
        if unit == "softmax" and outputs[0].size == 1:
            raise InvalidInput(f"one softmax output is 1 whatever the inputs are; {use}")
        low, high = (0, np.inf) if unit == "softmax" else REACH.get(unit, (-np.inf, np.inf))
        if targets.min() < low - _ROUNDING or targets.max() > high + _ROUNDING:
            raise InvalidInput(
                f"{unit} outputs learn targets in [{low}, {high}], and y lies in [{targets.min():.3g}, "
                f"{targets.max():.3g}]; {use}, or scale y"
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X) -> np.ndarray:
        """(n,) or (n, n_outputs), as y was at `fit`."""
        output = self._output(X).astype(np.float64)
        return output.ravel() if self._flat_targets else output
