"""HebbianFeatures: what units find in data when their synapses follow a local rule."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from bioneuro._jit.gemm import matmul_nt
from bioneuro.errors import InvalidInput, check_number
from bioneuro.plasticity.estimators.channels import CHANNELS
from bioneuro.plasticity.estimators.hebbian_shell import HebbianShell, features_topology, hidden_projection
from bioneuro.shell import FLOATS


class HebbianFeatures(HebbianShell):
    """Features learnt without labels or errors: y = (x - mean) W, W by a local rule; says y through its channels.

    While it learns, the data are centred where the rule wants it, and scaled to a mean square length of 1, so that a
    learning rate means the same for all data. `recall` runs the features backwards:

        x' = mean + gain y W^T,   clipped to the range of each feature,

    the tied decoder; `gain` is the one number that fits the training rows best (1 for principal components).

    Parameters
    ----------
    n_components : number of hidden units, >= 1; not used where a topology is given
    rule : a rate rule (`bioneuro.plasticity.Sanger()`, ...) or its name: "sanger", "competitive", "oja", "bcm",
        "hebb", "covariance", "anti-hebb"; each with settings of its own, which "auto" stands for below
    topology : any with one Dense projection from its input population to hidden units, such as `Topology.mlp`; that
        one learns. Checked, never altered. None: input and hidden units alone
    features : "linear", "on-off", "rectified" or "power" (see `channels`); "auto" goes by the rule
    power : the exponent of "power", > 0
    learning_rate : > 0, at the start of `schedule`; "auto": the rule's, .2 for "sanger", .02 for "bcm", .1 for
        "competitive"; 20 / steps for "hebb", "covariance" and "anti-hebb", whose weights grow without bound, and for
        "oja", which in the end leads all units to the first principal component (.2 where there is one unit alone)
    schedule : "linear" (falls to 0), "constant", "step" or "exponential"
    epochs : passes over the data, >= 0; 0 leaves the random weights, for a control
    batch_size : rows a step; "auto": 20 for "competitive", else 10
    sigma : standard deviation of the first weights, > 0; "auto": .05 for rules that grow towards a length of 1, .5 for
        "bcm", 2 for "competitive", where units that never won must stay longer than those that did, or never will
    dtype : "float32" or "float64", of the parameters
    progress, callbacks, checkpoint : as in `bioneuro.training.fit`
    random_state : None, int >= 0, Generator or RandomState

    Attributes
    ----------
    topology_, parameters_, alive_, seed_, n_features_in_ : as in every estimator; the mean is in the hidden biases
    mean_ : (n_features,) what is taken from each feature; features_ : the channels in use
    learning_rate_, batch_size_, sigma_ : the settings in use
    additions_ : {name: number} of what the decoder keeps beyond the topology
    loss_curve_ : root mean square of the change that the rule asks for, by epoch; n_iter_ : epochs done

    Warns
    -----
    IdleUnits : more than half of the units were never changed, say the same about every row, or are all alike.

    Examples
    --------
    >>> import bioneuro
    >>> X = bioneuro.load_digits().X
    >>> features = HebbianFeatures(16, epochs=5, random_state=0).fit(X)
    >>> features.transform(X).shape, features.recall(X).shape
    ((1797, 32), (1797, 64))

    Source: D. O. Hebb, The organization of behavior (1949); see the rules for theirs.
    """

    def __init__(
        self,
        n_components=32,
        *,
        rule="sanger",
        topology=None,
        features="auto",
        power=3.0,
        learning_rate="auto",
        schedule="linear",
        epochs=30,
        batch_size="auto",
        sigma="auto",
        dtype="float32",
        progress=False,
        callbacks=None,
        checkpoint=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.rule = rule
        self.topology = topology
        self.features = features
        self.power = power
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.sigma = sigma
        self.dtype = dtype
        self.progress = progress
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn features of the rows of X (n, n_features); y is not used. Returns self."""
        X = validate_data(self, X, dtype=FLOATS, order="C")
        topology = self._given_topology(X.shape[1]) or features_topology(X.shape[1], self.n_components)
        self._learn(topology, X, self._start_fit())
        self.low_, self.middle_, self.high_ = (f(X, axis=0).astype(self.dtype) for f in (np.min, np.mean, np.max))
        self.gain_ = self._best_gain(X)
        self.additions_ = {"decoder": 3 * X.shape[1] + 1}  # mean and range of each feature, and the gain
        return self

    def _best_gain(self, X: np.ndarray) -> float:
        """The gain that brings gain y W^T nearest to x - mean over the rows of X, by least squares."""
        back = self._back(self._code(self._features_in_training(X))).astype(np.float64)
        power = float(np.vdot(back, back))
        return float(np.vdot(back, X - self.mean_)) / power if power else 1.0

    def _code(self, features: np.ndarray) -> np.ndarray:
        """One number for each hidden unit, (n, n_hidden): "on" less "off" where it speaks through two channels."""
        if CHANNELS[self.features_].cells == 1:
            return features
        on, off = np.split(features, 2, axis=1)
        return on - off

    def _back(self, code: np.ndarray) -> np.ndarray:
        """y W^T, (n, n_features)."""
        return matmul_nt(np.ascontiguousarray(code), self.parameters_[hidden_projection(self.topology_).name])

    def _decoded(self, features: np.ndarray, amplify: float = 1.0) -> np.ndarray:
        whole = self.mean_ + self._back(self._code(features)) * self.mean_.dtype.type(amplify * self.gain_)
        return np.clip(whole, self.low_, self.high_)

    def inverse_transform(self, X) -> np.ndarray:
        """What the tied decoder makes of features (n, n_features_out): (n, n_features), in the range of the data."""
        check_is_fitted(self)
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != self._n_features_out:
            raise InvalidInput(f"features must be (n, {self._n_features_out}), as transform gives them, got {X.shape}")
        return self._decoded(X.astype(self.dtype, copy=False)).astype(X.dtype, copy=False)

    def recall(self, X, known=None, *, trust: float = 0.5, amplify: float = 2.0, steps: int = 30) -> np.ndarray:
        """Repair or complete patterns: x <- clip(mean + amplify gain y(x') W^T), x' = trust X + (1 - trust) x.

        A brain state in a box: what features see of x is amplified until it reaches the walls, the range of each unit.

        Parameters
        ----------
        X : (n, n_features) in the range of the data
        known : bool, (n_features,) or (n, n_features); known entries stay what they are; all others start at the mean,
            whatever X holds there (NaN too), and x' = x. None: nothing is held fast
        trust : how far X pulls on x where `known` is None, in [0, 1]
        amplify : >= 1; 1 gives averages of what fits, more decides for one
        steps : most rounds, >= 1; ends earlier where nothing moves

        Returns
        -------
        (n, n_features), in the range of the data

        Source: J. A. Anderson, J. W. Silverstein, S. A. Ritz, R. S. Jones, Psychol. Rev. 84 (1977) 413.
        """
        check_is_fitted(self)
        steps = check_number("steps", steps, low=1, integer=True)
        trust, amplify = check_number("trust", trust, low=0, high=1), check_number("amplify", amplify, low=1)
        X, held = self._check_partial(X, known)
        given = X.astype(self.dtype, copy=False)
        x, pull = (given, trust) if known is None else (np.where(held, given, self.middle_), 0)
        pull = given.dtype.type(pull)
        for _ in range(steps):
            before, seen = x, x + pull * (given - x)
            x = np.where(held, given, self._decoded(self._features(seen), amplify))
            if np.array_equal(before, x):
                break
        return np.where(held, X, x.astype(X.dtype, copy=False))
