"""What the scikit-learn shells of Boltzmann machines share: the range of the data, training, and where weights go."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from bioneuro import optim
from bioneuro._jit.keys import Key
from bioneuro.errors import check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.shell import InputRange, Shell
from bioneuro.topology import Topology
from bioneuro.training.batches import check_batch_size, n_batches
from bioneuro.training.loop import fit as train
from energy.rbm import Machine, boltzmann_projection, hidden_means, initial_parameters

SLOW_EPOCHS = 5  # with little momentum, while the first large steps settle (Hinton 2012, section 9)


class BoltzmannShell(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Shell):
    """Base of the estimators that learn one layer of Bernoulli units; subclasses name the parameters."""

    def _read(self, X: np.ndarray) -> np.ndarray:
        """Learn the range of X; return its rows in [0, 1], in the type of the parameters."""
        choose("dtype", getattr(self.dtype, "__name__", str(self.dtype)), ("float32", "float64"))
        self.input_range_ = InputRange.learn(X, self.input_range)
        visible = self._inputs(X)
        self.graded_ = not bool(np.isin(visible, (0, 1)).all())
        return visible

    def _inputs(self, X: np.ndarray) -> np.ndarray:
        return self.input_range_.to_unit(X).astype(self.dtype, copy=False)

    def _optimizer(self, n_rows: int) -> optim.Transform:
        """Momentum .5 for five epochs, then `momentum`; the rate falls in a straight line to 0."""
        rate = check_number("learning_rate", self.learning_rate, low=0, open_low=True)
        momentum = check_number("momentum", self.momentum, low=0, high=1, open_high=True)
        epochs = check_number("epochs", self.epochs, low=0, integer=True)
        steps = n_batches(n_rows, check_batch_size(self.batch_size, n_rows))
        beta = optim.piecewise([min(0.5, momentum), momentum], [SLOW_EPOCHS * steps])
        return optim.momentum(optim.over_training("linear", rate, epochs * steps), beta)

    def _learn(self, own: Topology, gradient, visible: np.ndarray, key: Key, y: np.ndarray | None = None) -> Parameters:
        """Train `own`, the machine behind the topology; keep its loss curve and return its parameters."""
        sigma = check_number("sigma", self.sigma, low=0, hint="the spread of the first weights")
        recording = train(
            initial_parameters(own, visible, sigma=sigma, key=key),
            gradient,
            visible,
            y,
            optimizer=self._optimizer(len(visible)),
            epochs=self.epochs,
            batch_size=self.batch_size,
            key=key,
            strata=y,
            callbacks=self.callbacks or (),
            checkpoint=self.checkpoint,
            progress=self.progress,
        )
        self.loss_curve_ = recording["loss"]
        self.n_iter_ = len(self.loss_curve_)
        return recording.parameters

    def _keep(self, topology: Topology, learnt: Parameters) -> None:
        """Put what was learnt in the places that `topology` has for it; what has no place there is an addition."""
        projection = boltzmann_projection(topology)
        self.topology_, self.alive_ = topology, np.ones(topology.n_units, dtype=bool)
        self.parameters_ = Parameters.zeros(topology, learnt.dtype)
        self.parameters_[projection.name] = learnt["visible->hidden"]
        self.parameters_[f"{projection.post}.bias"] = learnt["hidden.bias"]
        self.additions_, self.added_visible_bias_ = {}, None
        if f"{projection.pre}.bias" in self.parameters_:
            self.parameters_[f"{projection.pre}.bias"] = learnt["visible.bias"]
        else:
            self.added_visible_bias_ = learnt["visible.bias"].copy()
            self.additions_ = {"visible biases": len(self.added_visible_bias_)}

    @property
    def visible_bias_(self) -> np.ndarray:
        """(n_features,) biases of the visible units, wherever they are kept."""
        if self.added_visible_bias_ is not None:
            return self.added_visible_bias_
        return self.parameters_[f"{boltzmann_projection(self.topology_).pre}.bias"]

    def _machine(self) -> Machine:
        check_is_fitted(self)
        return Machine.of(self.parameters_, visible_bias=self.added_visible_bias_, alive=self.alive_)

    def transform(self, X) -> np.ndarray:
        """P(h_j = 1 | v) of each hidden unit, (n, n_hidden); dead units give 0."""
        machine = self._machine()
        X = self._check_X(X)
        return hidden_means(machine, self._inputs(X)).astype(X.dtype, copy=False)

    @property
    def _n_features_out(self) -> int:  # what scikit-learn counts feature names by
        return self.topology_[boltzmann_projection(self.topology_).post].size
