"""What HebbianFeatures and HebbianClassifier share: one projection learnt by a rate rule, and what its units say."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from bioneuro import optim
from bioneuro._jit.gemm import matmul
from bioneuro._jit.keys import Key
from bioneuro.blas import one_blas_thread
from bioneuro.errors import UnsupportedTopology, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.plasticity.estimators.channels import CHANNELS
from bioneuro.plasticity.learning import LocalLearning
from bioneuro.plasticity.rate import RateRule, as_rate_rule
from bioneuro.shell import Shell
from bioneuro.topology import Dense, Population, Topology
from bioneuro.training.batches import check_batch_size, n_batches
from bioneuro.training.loop import fit as train

UNITS = ("linear", "relu", "sigmoid", "tanh", "bernoulli")  # a rate network, whoever trains it
ALIKE = 0.99  # |cos| of two units' weights, from which on they have found the same
ROWS_LOOKED_AT = 5000  # through all the data, to see who says anything


class IdleUnits(UserWarning):
    """Most hidden units learnt nothing of their own; the message says what to try."""


class HebbianShell(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Shell):
    """Base of the estimators that learn input->hidden by a rate rule; subclasses name the parameters."""

    def _learn(self, topology: Topology, X: np.ndarray, key: Key) -> None:
        """Learn the first projection of `topology` from the rows of X; set the fitted attributes."""
        rule = as_rate_rule(self.rule)
        projection = hidden_projection(topology)
        self.features_ = choose("features", self.features, ("auto", *CHANNELS))
        self.features_ = rule.features if self.features == "auto" else self.features
        check_number("power", self.power, low=0, open_low=True, open_high=True)
        choose("dtype", getattr(self.dtype, "__name__", str(self.dtype)), ("float32", "float64"))
        self.mean_ = X.mean(axis=0) if rule.centred else np.zeros(X.shape[1], X.dtype)
        self.mean_ = self.mean_.astype(self.dtype)
        seen = X.astype(self.dtype) - self.mean_
        scale = float(np.sqrt(np.square(seen, dtype=np.float64).sum(axis=1).mean())) or 1.0
        seen /= seen.dtype.type(scale)
        first, recording = self._train(own_topology(topology, rule), rule, seen, key)
        self.loss_curve_ = recording["loss"]
        self.n_iter_ = len(self.loss_curve_)
        self.topology_, self.alive_ = topology, np.ones(topology.n_units, dtype=bool)
        self.parameters_ = Parameters.zeros(topology, self.dtype)
        self.parameters_[projection.name] = recording.parameters["input->hidden"]
        self.parameters_[f"{projection.post}.bias"] = -self.mean_ @ self.parameters_[projection.name]
        if self.n_iter_:
            self._look_for_idle_units(rule, first, X)

    def _train(self, own: Topology, rule: RateRule, seen: np.ndarray, key: Key):
        """The first weights, and the recording of how they learnt."""
        epochs = check_number("epochs", self.epochs, low=0, integer=True)
        recipe = rule.recipe_for(own["hidden"].size)
        batch_size = recipe.batch_size if _is_auto(self.batch_size) else self.batch_size
        self.batch_size_ = check_batch_size(batch_size, len(seen))
        steps = epochs * n_batches(len(seen), self.batch_size_)
        rate = recipe.rate(steps) if _is_auto(self.learning_rate) else self.learning_rate
        sigma = recipe.sigma if _is_auto(self.sigma) else self.sigma
        positive = {"low": 0, "open_low": True, "open_high": True}
        self.learning_rate_ = check_number("learning_rate", rate, **positive, hint='"auto": what suits the rule')
        self.sigma_ = check_number("sigma", sigma, **positive, hint="the spread of the first weights")
        first, sign = Parameters.zeros(own, self.dtype), own.projections[0].sign
        weights = self.sigma_ * key.child("initialise").generator().normal(size=first["input->hidden"].shape)
        first["input->hidden"] = sign * np.abs(weights) if sign else weights
        schedule = optim.over_training(self.schedule, self.learning_rate_, steps)
        recording = train(
            first,
            LocalLearning(own, {"input->hidden": rule}),
            seen,
            optimizer=optim.chain(optim.sgd(schedule), optim.dale()),
            epochs=epochs,
            batch_size=self.batch_size_,
            key=key,
            callbacks=self.callbacks or (),
            checkpoint=self.checkpoint,
            progress=self.progress,
        )
        return first["input->hidden"], recording

    def _look_for_idle_units(self, rule: RateRule, first: np.ndarray, X: np.ndarray) -> None:
        """Warn where more than half of the units have nothing of their own to say, though the data have."""
        weights, n = self.parameters_[hidden_projection(self.topology_).name], first.shape[1]
        varying = np.ptp(X, axis=0) > 0
        if np.count_nonzero(varying) < 2:
            return
        some = X[:: math.ceil(len(X) / ROWS_LOOKED_AT)]
        told = np.ptp(self._features_in_training(some), axis=0).reshape(-1, n).max(axis=0)  # of all its channels
        lengths = np.linalg.norm(weights, axis=0)
        along = np.abs(weights[:, 0] @ weights)
        idle = {
            "say the same about every row": np.count_nonzero(told == 0),
            "have found the same direction": np.count_nonzero(along > ALIKE * lengths[0] * lengths) if n > 1 else 0,
            "were never changed": np.count_nonzero((weights == first)[varying].all(axis=0)),
        }
        for what, count in idle.items():
            if 2 * count > n:
                warnings.warn(
                    f"{count} of {n} hidden units {what} after {self.n_iter_} epochs of the rule {rule.name!r} "
                    f"(learning_rate={self.learning_rate_:.3g}, sigma={self.sigma_:g}, batch_size={self.batch_size_}); "
                    + rule.advice,
                    IdleUnits,
                    stacklevel=4,
                )
                return

    def _active(self, X: np.ndarray) -> np.ndarray:
        """y, (n, n_hidden), of rows of the data, in the type of the parameters; dead units say 0."""
        check_is_fitted(self)
        projection = hidden_projection(self.topology_)
        inputs, hidden = (self.topology_.unit_layout[name] for name in (projection.pre, projection.post))
        X = X.astype(self.dtype)  # a copy: the dead are silenced in it
        X[:, ~self.alive_[inputs]] = 0
        bias = self.parameters_[f"{projection.post}.bias"]
        y = matmul(X, self.parameters_[projection.name], bias=bias)
        y[:, ~self.alive_[hidden]] = 0
        return y

    def _features(self, X: np.ndarray) -> np.ndarray:
        return CHANNELS[self.features_].tell(self._active(X), self.power)

    def _features_in_training(self, X: np.ndarray) -> np.ndarray:
        """`_features` by the fastest product there is, whose last bits depend on the batch."""
        projection = hidden_projection(self.topology_)
        with one_blas_thread():
            y = X.astype(self.dtype, copy=False) @ self.parameters_[projection.name]
        y += self.parameters_[f"{projection.post}.bias"]
        return CHANNELS[self.features_].tell(y, self.power)

    def transform(self, X) -> np.ndarray:
        """What the hidden units say about each row, (n, n_features_out); each row by itself, dead units give 0."""
        check_is_fitted(self)
        X = self._check_X(X)
        return self._features(X).astype(X.dtype, copy=False)

    @property
    def _n_features_out(self) -> int:  # what scikit-learn counts feature names by
        n_hidden = self.topology_[hidden_projection(self.topology_).post].size
        return CHANNELS[self.features_].cells * n_hidden

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _is_auto(given) -> bool:
    return isinstance(given, str) and given == "auto"


def hidden_projection(topology: Topology) -> Dense:
    """The projection from the input population to hidden units that a rate rule can learn; refuses all else by name."""
    inputs = [population.name for population in topology.by_role("input")]
    found = [p for p in topology.projections if p.pre in inputs and topology[p.post].role == "hidden" and not p.autapse]
    if len(inputs) != 1 or len(found) != 1 or not isinstance(found[0], Dense):
        raise UnsupportedTopology(
            f"Hebbian features need one input population and one Dense projection from it to hidden units, "
            f"{topology!r} has inputs {inputs} and projections {[p.name for p in found]}; use Topology.mlp"
        )
    projection = found[0]
    if projection.shared or projection.tied_to is not None:
        raise UnsupportedTopology(f"{projection.name!r} must have a weight of its own for each synapse")
    hidden = topology[projection.post]
    if hidden.unit.name not in UNITS or not hidden.bias:
        raise UnsupportedTopology(
            f"population {hidden.name!r} has {hidden.unit.name!r} units"
            f"{'' if hidden.bias else ' without biases'}; Hebbian features take {', '.join(UNITS)} units with biases"
        )
    return projection


def own_topology(topology: Topology, rule: RateRule) -> Topology:
    """What the rule learns on: the projection alone, with units of the rule's own type. Centring stands for biases."""
    projection = hidden_projection(topology)
    pre, post = topology.ends(projection)
    return Topology(
        [
            Population("input", pre.shape, "input", "linear", bias=False),
            replace(post, name="hidden", unit=rule.unit, bias=False),
        ],
        [Dense("input", "hidden", sign=projection.sign)],
    )


def features_topology(n_features: int, n_hidden: int) -> Topology:
    """Inputs and hidden units, and nothing behind them."""
    inputs = Population("input", n_features, "input", "linear", bias=False)
    hidden = Population("hidden", check_number("n_components", n_hidden, low=1, integer=True), "hidden", "linear")
    return Topology([inputs, hidden], [Dense("input", "hidden")])
