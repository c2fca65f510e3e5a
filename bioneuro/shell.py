"""What the scikit-learn shells of all engines share: seeds, topologies, input ranges, lesions."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from bioneuro._jit.keys import Key, seed_from
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number
from bioneuro.topology import Lesion, Topology

FLOATS = (np.float32, np.float64)


@contextmanager
def as_it_was_if_refused(estimator: BaseEstimator):
    """Where data or settings of a new fit are refused, the estimator goes on answering as the last fit has left it."""
    before = vars(estimator).copy()
    try:
        yield
    except ValueError:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class Shell(BaseEstimator):
    """Base of all estimators. A fitted one has `topology_`, `parameters_`, `seed_` and `alive_`.

    `alive_` is (n_units,) bool: all true after `fit`, with the dead of every `lesion` struck out.
    """

    def _check_X(self, X, *, reset: bool = False) -> np.ndarray:
        """X as a finite float matrix in C order, float32 or float64 as given; its width and names held to `fit`'s."""
        return validate_data(self, X, reset=reset, dtype=FLOATS, order="C")

    @available_if(lambda self: hasattr(self, "predict_proba"))
    def predict_log_proba(self, X) -> np.ndarray:
        """(n, n_classes) ln of `predict_proba`; -inf where a probability is 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _start_fit(self) -> Key:
        """Draw and keep the seed of this fit, whatever `random_state` is; return its key."""
        if self.random_state is None and getattr(self, "checkpoint", None) is not None:
            raise InvalidInput(
                "checkpoint asks for a fit that can be resumed, which random_state=None, fresh numbers every time, "
                "rules out; give random_state a whole number"
            )
        self.seed_ = seed_from(self.random_state)
        return Key.from_seed(self.seed_)

    def _given_topology(self, n_input: int, n_output: int | None = None) -> Topology | None:
        """The topology handed to the constructor, checked against the data; None where there is none."""
        if self.topology is None:
            return None
        if not isinstance(self.topology, Topology):
            raise InvalidInput(f"topology must be a Topology or None, got {self.topology!r}")
        for role, given, wanted in (("input", n_input, "features"), ("output", n_output, "outputs")):
            if given is None:
                continue
            found = self.topology.by_role(role)
            if len(found) != 1:
                raise UnsupportedTopology(
                    f"{type(self).__name__} needs exactly one {role} population, "
                    f"{self.topology!r} has {len(found)}: {[p.name for p in found]}"
                )
            if found[0].size != given:
                raise InvalidInput(
                    f"population {found[0].name!r} of the topology has {found[0].size} units and the data has "
                    f"{given} {wanted}; give a topology with {given}, or none to have one built"
                )
        return self.topology

    def _one_hidden_layer(self, n_input: int, n_output: int, **units: str) -> Topology:
        """The topology given, else `Topology.mlp` with the one size in `hidden_layer_sizes` and these `units`."""
        given = self._given_topology(n_input, n_output)
        if given is not None:
            return given
        sizes = np.atleast_1d(self.hidden_layer_sizes).tolist()
        if len(sizes) != 1 or isinstance(sizes[0], str):
            raise InvalidInput(
                f"hidden_layer_sizes must hold one size, as in (100,), got {self.hidden_layer_sizes!r}; "
                f"{type(self).__name__} has one hidden layer"
            )
        n_hidden = check_number("hidden_layer_sizes", sizes[0], low=1, integer=True)
        return Topology.mlp(n_input, n_hidden, n_output, **units)

    def lesion(
        self,
        units: float | Mapping[str, float] = 0.0,
        synapses: float | Mapping[str, float] = 0.0,
        random_state=0,
    ):
        """A fitted copy with dead units and synapses, nothing retrained; see `Topology.lesion`.

        The same `random_state` gives nested lesions as a share grows; lesions of a lesion add up.
        """
        check_is_fitted(self)
        return self._with_lesion(self.topology_.lesion(units, synapses, random_state))

    def _with_lesion(self, lesion: Lesion):
        hurt = copy.copy(self)
        hurt.parameters_ = lesion.apply(self.parameters_)
        hurt.alive_ = self.alive_ & lesion.alive
        return hurt

    def _check_partial(self, X, known) -> tuple[np.ndarray, np.ndarray]:
        """X, and which of its entries are known, both (n, n_features); what is not known may be NaN, and becomes 0.

        `known` is bool, (n_features,) or (n, n_features), or None: nothing is held fast, and every entry counts.
        """
        if known is None:
            X = self._check_X(X)
            return X, np.zeros(X.shape, dtype=bool)
        X = validate_data(self, X, reset=False, dtype=FLOATS, order="C", ensure_all_finite=False)
        known = check_known(known, X.shape)
        return self._check_X(np.where(known, X, 0).astype(X.dtype)), known


class InputRange(NamedTuple):
    """Where each feature lies, (n_features,) or scalar `low` and `high`, and the way from there to [0, 1]."""

    low: np.ndarray
    high: np.ndarray
    enforced: bool  # given by the user: values outside are an error; learnt: they are clipped

    @classmethod
    def learn(cls, X: np.ndarray, given: tuple[float, float] | None) -> InputRange:
        """The range `given`, else [0, 1] if X lies in it, else the least and greatest value of each feature."""
        if given is not None:
            try:
                low, high = (float(end) for end in given)
            except (TypeError, ValueError):
                raise InvalidInput(f"input_range must be (low, high) or None, got {given!r}") from None
            if not low < high:
                raise InvalidInput(f"input_range must be (low, high) with low < high, got {given!r}")
            return cls(np.asarray(low, X.dtype), np.asarray(high, X.dtype), True)
        if X.min() >= 0 and X.max() <= 1:
            return cls(np.asarray(0.0), np.asarray(1.0), False)
        return cls(X.min(axis=0), X.max(axis=0), False)

    def to_unit(self, X: np.ndarray) -> np.ndarray:
        """(X - low) / (high - low), clipped to [0, 1]; a constant feature becomes 0."""
        if self.enforced and (X.min() < self.low or X.max() > self.high):
            raise InvalidInput(
                f"input_range is ({self.low:g}, {self.high:g}) and the data lies in [{X.min():g}, {X.max():g}]; "
                "scale the data, or give input_range=None to learn the range"
            )
        if not self.low.ndim and self.low == 0 and self.high == 1:
            return np.clip(X, 0, 1)
        span = np.where(self.high > self.low, self.high - self.low, 1)
        return np.clip((X - self.low) / span, 0, 1).astype(X.dtype)

    def from_unit(self, X: np.ndarray) -> np.ndarray:
        """Back from [0, 1] to the range of the data."""
        return (self.low + X * (self.high - self.low)).astype(X.dtype)


def as_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(classes, numbers): the labels in y, sorted, and for each row which of them it has.

    Raises `ValueError` for targets that are no labels, and for a single class.
    """
    check_classification_targets(y)
    classes, numbers = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InvalidInput(f"y holds one class only, {classes.tolist()[0]!r}; a classifier needs two or more classes")
    return classes, numbers


def check_known(known, shape: tuple[int, int]) -> np.ndarray:
    """`known`, bool, (n_features,) or (n, n_features), spread to `shape` (n, n_features)."""
    known = np.asarray(known)
    if known.dtype != bool or known.shape not in (shape, shape[1:]):
        raise InvalidInput(
            f"known must be a bool mask of shape {shape[1:]} or {shape}, got {known.dtype} of shape {known.shape}"
        )
    return np.broadcast_to(known, shape)
