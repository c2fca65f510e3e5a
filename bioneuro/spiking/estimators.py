"""SpikingClassifier: a layer of spiking units that learns by STDP, in scikit-learn's shape."""

from __future__ import annotations

import copy
import math

import numpy as np
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from bioneuro._jit.gemm import matmul
from bioneuro._jit.keys import Key
from bioneuro.errors import UnsupportedTopology
from bioneuro.parameters import Parameters
from bioneuro.shell import FLOATS, InputRange, Shell, as_classes
from bioneuro.spiking.competitive import Competition, class_shares, layer, respond, train
from bioneuro.topology import Dense, Lesion, Projection, Topology
from bioneuro.topology.units import LIF

FEW_FEATURES = 32  # below it, off channels are on unless said otherwise
ENOUGH_CHANNELS = 64  # Poisson neurons that a picture is shown on, at least
PRIOR = 0.01  # spikes' worth of what the classes' shares say, so that silence has an answer


class SpikingClassifier(ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, Shell):
    """Classifier of spiking units that learn without labels, by STDP; labels are assigned to them afterwards.

    Pictures become Poisson spikes; leaky integrate-and-fire units compete for them by lateral inhibition, the winner
    moves its weights towards what it saw and raises its threshold; equations and source in
    `bioneuro.spiking.competitive`. Then the training rows are shown once more with learning off, and each unit votes
    for the classes in proportion to the spikes that they had from it:

        P(class c | picture) = (sum_j n_j share_jc + .01 prior_c) / (sum_jd n_j share_jd + .01)

    with n_j the spikes of unit j. The shares are the weights hidden->output, the prior is the output's bias.

    Parameters
    ----------
    hidden_layer_sizes : (number of hidden units,); not used where a topology is given
    topology : one Dense projection from input to hidden and one from hidden to output, such as
        `Topology.mlp(n_features, n_hidden, n_classes).with_units(hidden="lif", output="lif")`; checked, never altered.
        Hidden units that are LIF run with their constants, others as `LIF()`. None: built from `hidden_layer_sizes`
    epochs : passes over the data, >= 0; with 0 the first weights stay, for a control
    learning_rate : in [0, 1], share of the way to the trace that a weight goes at a spike; falls in a line to 0
    threshold_rise : V, by which thresholds rise in training for each spike that a picture calls forth
    weight_scale : V, weights into a unit sum to this times the mean sum of a picture
    input_rate : Hz, of all inputs together, the same for every picture
    duration, dt : s, of a showing and of a step
    tau_trace : s, of the trace of input spikes
    min_spikes, max_shows, brighter : a picture that calls forth fewer spikes is shown again, so much brighter
    off_channels : for each feature a second one that is bright where it is dark, with weights of its own
        (`off_weights_`), which tell rows apart that differ in size alone. None: for fewer than 32 features
    channels : Poisson neurons for each feature, sharing its weight; None: as many as make 64 in all
    input_range : (low, high) of the data, enforced; None: learnt at `fit`, later rows are clipped to it
    progress : show a bar
    checkpoint : a file, read if it exists, written during training
    random_state : None, int >= 0, Generator or RandomState

    Attributes
    ----------
    topology_, parameters_, alive_, seed_, n_features_in_, input_range_ : as in every estimator
    classes_ : the labels, in the order of the output units
    labels_ : (n_hidden,) the label that each unit votes for most
    thresholds_ : (n_hidden,) V, v_threshold + theta, where learning has brought them
    off_weights_ : (n_features, n_hidden) V, or None
    heard_ : (n_hidden,) bool, false where `silence` has cut a unit off from the readout
    additions_ : {name: number} of what the model adds to the topology
    n_iter_ : epochs done; spikes_curve_, shows_curve_ : mean spikes and showings of a picture, by epoch

    Examples
    --------
    >>> import bioneuro
    >>> from bioneuro.spiking import SpikingClassifier
    >>> train, test = bioneuro.load_digits().split(random_state=0)
    >>> model = SpikingClassifier((100,), random_state=0).fit(train.X, train.y)
    >>> model.score(test.X, test.y) > 0.9, model.lesion(units=0.3).score(test.X, test.y) > 0.8
    (True, True)
    """

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
        topology=None,
        epochs=5,
        learning_rate=0.2,
        threshold_rise=10e-3,
        weight_scale=0.75e-3,
        input_rate=6000.0,
        duration=0.1,
        dt=1e-3,
        tau_trace=0.03,
        min_spikes=3,
        max_shows=7,
        brighter=1.5,
        off_channels=None,
        channels=None,
        input_range=None,
        progress=False,
        checkpoint=None,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.topology = topology
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.threshold_rise = threshold_rise
        self.weight_scale = weight_scale
        self.input_rate = input_rate
        self.duration = duration
        self.dt = dt
        self.tau_trace = tau_trace
        self.min_spikes = min_spikes
        self.max_shows = max_shows
        self.brighter = brighter
        self.off_channels = off_channels
        self.channels = channels
        self.input_range = input_range
        self.progress = progress
        self.checkpoint = checkpoint
        self.random_state = random_state

    # -- learning ----------------------------------------------------------------------------------------------------

    def fit(self, X, y):
        """Learn from X (n, n_features) without looking at y (n,), then assign the labels y to units; returns self."""
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        self.classes_, numbers = as_classes(y)
        n_features, n_classes = X.shape[1], len(self.classes_)
        topology = self._one_hidden_layer(n_features, n_classes, unit="lif", output="lif")
        first, last = _projections(topology)
        key = self._start_fit()
        self.input_range_ = InputRange.learn(X, self.input_range)
        self._off = n_features < FEW_FEATURES if self.off_channels is None else bool(self.off_channels)
        shown, unit = self._pictures(X), topology[first.post].unit
        own = layer(shown.shape[1], topology[first.post].size, unit if isinstance(unit, LIF) else LIF())
        learnt = train(
            own,
            shown,
            self._competition(),
            epochs=self.epochs,
            key=key.child("training"),
            checkpoint=self.checkpoint,
            progress=self.progress,
        )
        self.spikes_curve_, self.shows_curve_ = learnt["spikes"], learnt["shows"]
        self.n_iter_ = len(self.spikes_curve_)
        self._keep(topology, own, learnt.parameters["input->hidden"], learnt.state.theta)
        votes = class_shares(self._counts(shown), numbers, n_classes)
        self.parameters_[last.name] = votes
        self.parameters_[f"{last.post}.bias"] = PRIOR * np.bincount(numbers) / len(numbers)
        self.labels_ = self.classes_[votes.argmax(axis=1)]
        return self

    def _competition(self) -> Competition:
        n_inputs = self.n_features_in_ * (2 if self._off else 1)
        return Competition(
            input_rate=self.input_rate,
            duration=self.duration,
            dt=self.dt,
            channels=math.ceil(ENOUGH_CHANNELS / n_inputs) if self.channels is None else self.channels,
            min_spikes=self.min_spikes,
            max_shows=self.max_shows,
            brighter=self.brighter,
            learning_rate=self.learning_rate,
            tau_trace=self.tau_trace,
            threshold_rise=self.threshold_rise,
            weight_scale=self.weight_scale,
        )

    def _keep(self, topology: Topology, own: Topology, weights: np.ndarray, theta: np.ndarray) -> None:
        """Put what was learnt in the places that `topology` has for it; what has no place there is an addition."""
        first, _ = _projections(topology)
        n_features, n_hidden = self.n_features_in_, theta.size
        self.topology_, self.alive_ = topology, np.ones(topology.n_units, dtype=bool)
        self.parameters_ = Parameters.zeros(topology)
        self.parameters_[first.name] = weights[:n_features]
        self.off_weights_ = weights[n_features:].copy() if self._off else None
        self.heard_ = np.ones(n_hidden, dtype=bool)
        self._layer, self._theta = own, theta
        self.thresholds_ = np.asarray(own["hidden"].unit.v_threshold + theta, dtype=np.float64)
        self.additions_ = {"adaptive thresholds": n_hidden, "lateral inhibition": n_hidden * (n_hidden - 1)}
        if self._off:
            self.additions_["off-channel weights"] = self.off_weights_.size

    # -- answers -----------------------------------------------------------------------------------------------------

    def transform(self, X) -> np.ndarray:
        """Spikes of each hidden unit for each row, (n, n_hidden); 0 for the dead and the unheard."""
        check_is_fitted(self)
        X = self._check_X(X)
        return self._counts(self._pictures(X)).astype(X.dtype) * self.heard_.astype(X.dtype)

    def predict_proba(self, X) -> np.ndarray:
        """(n, n_classes) float64: the shares of the votes; each row sums to 1."""
        counts = self.transform(X).astype(np.float32)
        _, last = _projections(self.topology_)
        votes = matmul(counts, self.parameters_[last.name], bias=self.parameters_[f"{last.post}.bias"])
        votes = votes.astype(np.float64) * self._living(last.post)
        sums = votes.sum(axis=1, keepdims=True)
        return np.divide(votes, sums, out=np.full_like(votes, 1 / votes.shape[1]), where=sums > 0)

    def predict(self, X) -> np.ndarray:
        """(n,) the label with most votes."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]

    def _pictures(self, X: np.ndarray) -> np.ndarray:
        """Rows in [0, 1] as the layer sees them, float32, with off channels where they are used."""
        shown = self.input_range_.to_unit(X).astype(np.float32, copy=False)
        return np.concatenate([shown, 1 - shown], axis=1) if self._off else np.ascontiguousarray(shown)

    def _counts(self, shown: np.ndarray) -> np.ndarray:
        first, _ = _projections(self.topology_)
        copies = 2 if self._off else 1
        running = Parameters.zeros(self._layer)
        on = self.parameters_[first.name]
        running["input->hidden"] = np.concatenate([on, self.off_weights_]) if self._off else on
        return respond(
            running,
            self._theta,
            shown,
            self._competition(),
            key=Key.from_seed(self.seed_).child("answers"),
            alive_inputs=np.tile(self._living(first.pre), copies),
            alive=self._living(first.post),
        )

    # -- damage ------------------------------------------------------------------------------------------------------

    def silence(self, units: float = 0.0, random_state=0):
        """A fitted copy of which the readout no longer hears some hidden units; they go on firing and inhibiting.

        units : share of them; with the same `random_state` the ones that `lesion` kills, so that the two can be
        compared. After `lesion` the survivors compete again and take over; here nobody takes over.
        """
        check_is_fitted(self)
        first, _ = _projections(self.topology_)
        deaf = copy.copy(self)
        deaf.heard_ = self.heard_ & self.topology_.lesion({first.post: units}, 0.0, random_state).alive_in(first.post)
        return deaf

    def _with_lesion(self, lesion: Lesion):
        first, _ = _projections(self.topology_)
        hurt = super()._with_lesion(lesion)
        if self._off and first.name in lesion.intact:  # a synapse dies with both of its channels
            hurt.off_weights_ = self.off_weights_ * lesion.intact[first.name]
        return hurt

    def _living(self, population: str) -> np.ndarray:
        """(n,) bool: which units of a population are alive."""
        return self.alive_[self.topology_.unit_layout[population]]

    @property
    def _n_features_out(self) -> int:  # what scikit-learn counts feature names by
        return self.heard_.size


def _projections(topology: Topology) -> tuple[Projection, Projection]:
    """The Dense projections input->hidden and hidden->output of a topology that has these and no others."""
    found = topology.projections
    roles = [(topology[p.pre].role, topology[p.post].role) for p in found]
    if sorted(roles) != [("hidden", "output"), ("input", "hidden")] or any(type(p) is not Dense for p in found):
        raise UnsupportedTopology(
            "a SpikingClassifier runs one Dense projection from input to hidden and one from hidden to output, "
            f"{topology!r} has {[p.name for p in found]}; give Topology.mlp(n_features, n_hidden, n_classes)"
        )
    for projection in found:
        if projection.shared or projection.sign < 0 or projection.delay or projection.tau_synapse:
            raise UnsupportedTopology(
                f"a SpikingClassifier has one excitatory weight for each synapse and no delays; {projection!r} asks "
                "for something else: leave shared, sign, delay and tau_synapse at their defaults"
            )
    first, last = found if roles[0][0] == "input" else found[::-1]
    return first, last
