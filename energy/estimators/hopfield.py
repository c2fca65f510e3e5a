"""HopfieldMemory: an associative memory in scikit-learn's shape."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from bioneuro._jit.keys import Key
from bioneuro.data.domain import median_threshold
from bioneuro.errors import InvalidInput
from bioneuro.recording import Recording
from bioneuro.shell import FLOATS, Shell
from bioneuro.topology import Topology
from energy import hopfield


class HopfieldMemory(Shell):
    """Associative memory: a part of a stored pattern, or a noisy copy, brings back the whole.

        E(s) = -1/2 sum_ij w_ij s_i s_j + sum_i theta_i s_i,   s_i <- sign(sum_j w_ij s_j - theta_i)

    Each feature is one spin. Data of -1 and +1, or of 0 and 1, are taken as they are; any other column is cut at its
    median over the rows given to `fit` (above: +1, else -1). What is recalled comes back in the domain of the data:
    -1 and +1, 0 and 1, or the mean of a column's values on either side of the cut.

    Parameters
    ----------
    rule : "hebb" (random patterns up to .138 per unit), "pseudo-inverse" (any patterns that are linearly independent)
        or "dreaming" (half way between them); see `energy.hopfield_rules`
    topology : a Hopfield net with one unit for each feature; None: `Topology.hopfield(n_features)`
    dynamics : "asynchronous" (one unit at a time, in random order) or "synchronous" (all at once)
    thresholds : theta, one number or one for each feature
    max_sweeps : >= 1; recall that still moves then stops with a `ConvergenceWarning`
    random_state : None, int >= 0, Generator or RandomState: the order in which units are visited

    Attributes
    ----------
    topology_, parameters_, alive_, seed_, n_features_in_ : as in every estimator
    patterns_ : (P, n_features) int8, the stored spins
    labels_ : (P,) the labels of the stored patterns, or None

    Examples
    --------
    >>> import numpy as np
    >>> stored = np.array([[1, 1, 1, -1, -1, -1], [1, -1, 1, -1, 1, -1]])
    >>> HopfieldMemory(random_state=0).fit(stored).recall([[1, 1, 1, -1, -1, 1]]).astype(int).tolist()
    [[1, 1, 1, -1, -1, -1]]

    Source: J. J. Hopfield, PNAS 79 (1982) 2554; Personnaz, Guyon, Dreyfus, J. Physique Lett. 46 (1985) L359.
    """

    def __init__(
        self,
        rule="hebb",
        *,
        topology=None,
        dynamics="asynchronous",
        thresholds=0.0,
        max_sweeps=100,
        random_state=None,
    ):
        self.rule = rule
        self.topology = topology
        self.dynamics = dynamics
        self.thresholds = thresholds
        self.max_sweeps = max_sweeps
        self.random_state = random_state

    def fit(self, X, y=None):
        """Store the rows of X, (P, n_features), all at once; `y`, if given, is the label of each."""
        X = self._check_X(X, reset=True)
        labels = None if y is None else _check_labels(y, len(X))
        hopfield.check_dynamics(self.dynamics, self.max_sweeps)
        topology = self._given_topology(X.shape[1]) or Topology.hopfield(X.shape[1])
        code = SpinCode.learn(X)
        patterns = code.to_spins(X)
        parameters = hopfield.store(topology, patterns, rule=self.rule, thresholds=self.thresholds, dtype=X.dtype)
        if len(X) >= X.shape[1] > 1 and not parameters[topology.projections[0].name].any():
            warnings.warn(
                f"{len(X)} patterns of {X.shape[1]} units leave no weight but 0, so that every state recalls itself; "
                "store fewer patterns than units",
                UserWarning,
                stacklevel=2,
            )
        self._start_fit()
        self.topology_, self.parameters_ = topology, parameters
        self.patterns_, self.labels_, self._code = patterns, labels, code
        self.alive_ = np.ones(topology.n_units, bool)
        return self

    def recall(self, X, known=None):
        """The pattern that each row of X falls into, (n, n_features), in the domain of the data.

        Parameters
        ----------
        X : (n, n_features), a noisy or partial pattern in each row
        known : (n_features,) or (n, n_features) bool. Known units keep their spin; the others start without an opinion,
            at 0, whatever X holds there (NaN, too). None: every unit starts at X and is free to flip.

        Units that stay undecided, and dead ones, come back half way (0 for -1 and +1). Synchronous recall may end in a
        cycle of two states and gives one of them: see `recall_recording`.
        """
        spins = self.recall_recording(X, known).state.spins
        return self._code.from_spins(spins)

    def recall_recording(self, X, known=None) -> Recording:
        """As `recall`, with all that happened: the traces "energy" and "flips" by sweep, `state` a `SpinState`."""
        check_is_fitted(self)
        X, held = self._check_partial(X, known)
        spins = self._code.to_spins(X)
        if known is not None:
            known, spins = held, np.where(held, spins, np.int8(0))
        recording = hopfield.recall(
            self.parameters_,
            spins,
            Key.from_seed(self.seed_).child("recall"),
            dynamics=self.dynamics,
            known=known,
            alive=self.alive_,
            max_sweeps=self.max_sweeps,
        )
        moving = int((recording.state.period == 0).sum())
        if moving:
            warnings.warn(
                f"{moving} of {len(spins)} rows still moved after max_sweeps={self.max_sweeps}; raise max_sweeps",
                ConvergenceWarning,
                stacklevel=2,
            )
        return recording

    def energy(self, X) -> np.ndarray:
        """E of each row of X as it is, before any recall; (n,) float64."""
        return hopfield.energy(self.parameters_, self._spins(X), alive=self.alive_)

    def score(self, X, y=None) -> float:
        """How well X brings back y, over living units.

        Parameters
        ----------
        X : (n, n_features)
        y : (n, n_features) what should be recalled; None: X itself. The score is the mean overlap, in [-1, 1].
            (n,) labels: the score is the share of rows recalled nearest to a stored pattern with that label, in [0, 1].
        """
        recalled = self.recall_recording(X).state.spins
        if y is not None and np.ndim(y) == 1:
            return self._label_score(recalled, y)
        target = self._spins(X) if y is None else self._targets(y, recalled.shape)
        return float(hopfield.overlap(recalled, target, alive=self.alive_).mean())

    def _label_score(self, recalled: np.ndarray, y) -> float:
        if self.labels_ is None:
            raise InvalidInput("score(X, labels) needs the labels of the stored patterns; give them to fit(X, y)")
        labels = _check_labels(y, len(recalled))
        agreement = recalled.astype(np.float32) @ self.patterns_.T.astype(np.float32)  # whole numbers; the dead add 0
        return float(np.mean(self.labels_[agreement.argmax(axis=1)] == labels))

    def _targets(self, y, shape: tuple[int, int]) -> np.ndarray:
        y = check_array(y, dtype=FLOATS)
        if y.shape != shape:
            raise InvalidInput(
                f"y must hold one target pattern for each row, shape {shape}, or {shape[0]} labels; got shape {y.shape}"
            )
        return self._code.to_spins(y)

    def _spins(self, X) -> np.ndarray:
        check_is_fitted(self)
        return self._code.to_spins(self._check_X(X))


class SpinCode(NamedTuple):
    """Between the domain of the data and spins: the cut of each feature, and the values that stand for -1 and +1."""

    cut: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_cut: int  # the spin of a value right at the cut: 0 (no opinion) between two given values, -1 at a learnt median

    @classmethod
    def learn(cls, X: np.ndarray) -> SpinCode:
        """-1 and +1, or 0 and 1, as they are (a matrix of ones is read as 0 and 1); else the median of each column."""
        for low, high in ((0, 1), (-1, 1)):
            if np.isin(X, (low, high)).all():
                ends = np.full((2, X.shape[1]), [[low], [high]], X.dtype)
                return cls(ends.mean(axis=0), *ends, 0)
        cut = median_threshold(X)
        above = np.greater(X, cut)
        n_above = above.sum(axis=0)
        low = np.where(above, 0, X).sum(axis=0) / np.maximum(len(X) - n_above, 1)
        high = np.where(above, X, 0).sum(axis=0) / np.maximum(n_above, 1)
        high = np.where(n_above > 0, high, low)  # a constant column has one value for both
        return cls(cut, low.astype(X.dtype), high.astype(X.dtype), -1)

    def to_spins(self, X: np.ndarray) -> np.ndarray:
        return np.where(self.cut < X, 1, np.where(self.cut > X, -1, self.at_cut)).astype(np.int8)

    def from_spins(self, spins: np.ndarray) -> np.ndarray:
        middle = self.low + (self.high - self.low) / 2
        return np.where(spins > 0, self.high, np.where(spins < 0, self.low, middle))


def _check_labels(y, n_rows: int) -> np.ndarray:
    labels = column_or_1d(y)
    if len(labels) != n_rows:
        raise InvalidInput(f"y must hold one label for each of the {n_rows} rows of X, got {len(labels)}")
    return labels
