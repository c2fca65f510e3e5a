"""Networks that predict numbers."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin

from bioneuro.errors import InvalidInput
from feedforward.estimators.base import as_numbers
from feedforward.estimators.network import PARAMETERS, NetworkShell


class NetworkRegressor(RegressorMixin, NetworkShell):
    __doc__ = f"""Feedforward network trained by backprop to predict numbers.

    Linear outputs, L = 1/2 sum_k (a_k - y_k)^2. With a topology whose outputs are softmax or sigmoid units it learns
    soft targets, of any sum: shares, or another network's `predict_proba`.
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
        X, y = self._check_X_y(X, y, multi_output=True, y_numeric=True, reset=first)
        targets = y.reshape(len(y), -1).astype(np.float64, copy=False)
        if first:
            self._flat_targets = y.ndim == 1
        elif targets.shape[1] != self.n_outputs_:
            raise InvalidInput(f"y has {targets.shape[1]} columns, and {self.n_outputs_} in the calls before")
        return X, targets

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X) -> np.ndarray:
        """(n,) or (n, n_outputs), as y was at `fit`."""
        output = self._output(X).astype(np.float64)
        return output.ravel() if self._flat_targets else output
