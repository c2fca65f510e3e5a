"""RBM and RBMClassifier: restricted Boltzmann machines in scikit-learn's shape."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.validation import validate_data

from bioneuro._jit.keys import Key, seed_from
from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.shell import FLOATS, as_classes, check_known
from bioneuro.topology import Topology
from bioneuro.training.readout import fit_readout, readout_probabilities
from energy import completion, rbm
from energy.contrastive import ContrastiveDivergence
from energy.discriminative import HybridGradient, Labels, class_probabilities, joint_topology, label_projection
from energy.estimators.boltzmann_shell import BoltzmannShell
from energy.partition import log_partition
from energy.rbm import Machine, boltzmann_projection
from energy.sampling import first_states, gibbs


class RBM(BoltzmannShell):
    """Restricted Boltzmann machine: learns what its data look like; finds features, fills in, dreams.

        P(v, h) = exp(a.v + b.h + v W h) / Z,   v_i, h_j in {0, 1}

    Trained by contrastive divergence. Each feature is one visible unit; values between the ends of the input range are
    read as the probability that it is on. A handful of patterns to be learnt by heart, for `recall`, takes as many
    steps as a large data set does: epochs=1000, and a batch_size of at least the number of patterns.

    Parameters
    ----------
    n_components : number of hidden units, >= 1; not used where a topology is given
    topology : `Topology.rbm(n_features, n_hidden)`, or any topology with one Dense projection from its input population
        to hidden units, such as `Topology.mlp`, which is then the one that learns. Its hidden units are run as
        Bernoulli units; the topology is checked, never altered. None: `Topology.rbm(n_features, n_components)`
    k : sweeps of Gibbs sampling for each minibatch, >= 1
    persistent : chains go on from minibatch to minibatch (PCD) instead of starting at the data (CD)
    n_chains : number of persistent chains; None: as many as rows in a minibatch
    learning_rate : > 0, at the start; falls in a straight line to 0
    momentum : in [0, 1); .5 at most in the first five epochs
    epochs : passes over the data, >= 0; 0 leaves the random weights, for a control
    batch_size : rows a step
    l2 : penalty on squared weights, >= 0
    sigma : standard deviation of the first weights, >= 0
    input_range : (low, high) of the data, enforced; None: learnt at `fit`, later rows are clipped to it
    dtype : "float32" or "float64", of the parameters
    progress, callbacks, checkpoint : as in `bioneuro.training.fit`
    random_state : None, int >= 0, Generator or RandomState

    Attributes
    ----------
    topology_, parameters_, alive_, seed_, n_features_in_ : as in every estimator
    visible_bias_ : (n_features,); held in `added_visible_bias_` where the input population has no bias of its own
    additions_ : {name: number} of what the machine adds to the topology
    loss_curve_ : squared reconstruction error of a row, by epoch; n_iter_ : epochs done
    input_range_ : the range in use; graded_ : whether the data held values between its ends

    Examples
    --------
    >>> import bioneuro, energy
    >>> X = bioneuro.load_digits().X
    >>> machine = energy.RBM(16, epochs=5, random_state=0).fit(X)
    >>> machine.transform(X).shape, machine.sample(3).shape
    ((1797, 16), (3, 64))

    Source: G. E. Hinton, A practical guide to training restricted Boltzmann machines (2012).
    """

    def __init__(
        self,
        n_components=100,
        *,
        topology=None,
        k=1,
        persistent=False,
        n_chains=None,
        learning_rate=0.1,
        momentum=0.9,
        epochs=60,
        batch_size=20,
        l2=0.0,
        sigma=0.05,
        input_range=None,
        dtype="float32",
        progress=False,
        callbacks=None,
        checkpoint=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.topology = topology
        self.k = k
        self.persistent = persistent
        self.n_chains = n_chains
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.epochs = epochs
        self.batch_size = batch_size
        self.l2 = l2
        self.sigma = sigma
        self.input_range = input_range
        self.dtype = dtype
        self.progress = progress
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn the distribution of the rows of X (n, n_features); y is not used. Returns self."""
        X = validate_data(self, X, dtype=FLOATS, order="C")
        topology = self._given_topology(X.shape[1])
        if topology is None:
            topology = Topology.rbm(X.shape[1], check_number("n_components", self.n_components, low=1, integer=True))
        n_hidden = topology[boltzmann_projection(topology).post].size
        key = self._start_fit()
        visible = self._read(X)
        gradient = ContrastiveDivergence(
            self.k, persistent=self.persistent, n_chains=self.n_chains, graded=self.graded_, l2=self.l2
        )
        self._keep(topology, self._learn(Topology.rbm(X.shape[1], n_hidden), gradient, visible, key))
        return self

    def free_energy(self, X) -> np.ndarray:
        """F(v) = -log sum_h exp(-E(v, h)) of each row; (n,) float64. Lower is likelier: P(v) = exp(-F(v)) / Z."""
        machine = self._machine()
        return rbm.free_energy(machine, self._inputs(self._check_X(X)))

    def energy(self, X) -> np.ndarray:
        """The energy of each row with the hidden units summed out: `free_energy`."""
        return self.free_energy(X)

    def log_partition(self) -> float:
        """log Z, exact, by summing over all states of the smaller layer; refused above 25 living units."""
        return log_partition(self._machine())

    def score_samples(self, X) -> np.ndarray:
        """Pseudo-log-likelihood sum_i log P(v_i | all other units) of each row, in nats; (n,) float64.

        What `sklearn.neural_network.BernoulliRBM.score_samples` estimates from one random unit is summed over all of
        them here, so that the answer is deterministic. See `energy.partition` for exact likelihoods of small machines.
        """
        machine = self._machine()
        return rbm.pseudo_log_likelihood(machine, self._inputs(self._check_X(X)))

    def score(self, X, y=None) -> float:
        """Mean of `score_samples`; y is not used."""
        return float(self.score_samples(X).mean())

    def recall(self, X, known=None, *, trust=4.0, sweeps=50, chains=4) -> np.ndarray:
        """The likeliest whole for each row, (n, n_features), in the range of the data.

        Parameters
        ----------
        X : (n, n_features), noisy or partial patterns
        known : (n_features,) or (n, n_features) bool. Known units are clamped to X and come back as they are; what X
            holds elsewhere does not matter, and may be NaN. None: every unit is free, but pulled towards X
        trust : log-odds that a unit of X is right, >= 0; used where `known` is None
        sweeps, chains : how long, and how often, to search; see `energy.completion`

        Data of two values come back in these two values, graded data as means.
        """
        machine = self._machine()
        X, held = self._check_partial(X, known)
        means = completion.recall(
            machine,
            self._inputs(X),
            Key.from_seed(self.seed_).child("recall"),
            known=None if known is None else held,
            trust=trust,
            sweeps=sweeps,
            chains=chains,
        )
        whole = self.input_range_.from_unit(means if self.graded_ else np.rint(means)).astype(X.dtype, copy=False)
        return np.where(held, X, whole)

    def sample(self, n=1, *, start=None, known=None, sweeps=1000, temperature=1.0, means=False, random_state=None):
        """Dream: the states of `n` Markov chains after `sweeps` sweeps of Gibbs sampling, (n, n_features).

        Parameters
        ----------
        n : number of chains, >= 1
        start : (n_features,) or (n, n_features), where they begin; None: each unit at the odds of its bias
        known : (n_features,) or (n, n_features) bool, units clamped to `start`; None: none
        temperature : > 0, one number or one for each sweep; 1 is the distribution learnt
        means : return P(v_i = 1 | h) instead of states drawn from it: smoother pictures
        random_state : None: the seed of `fit`, so that the same call gives the same dreams; else as at `fit`
        """
        machine = self._machine()
        n = check_number("n", n, low=1, integer=True)
        key = Key.from_seed(self.seed_ if random_state is None else seed_from(random_state)).child("sample")
        if start is None and known is not None:
            raise InvalidInput("known clamps units to the values of start; give start as well")
        visible = first_states(machine, n, key.child("start")) if start is None else self._starts(start, n)
        known = None if known is None else check_known(known, visible.shape)
        chains = gibbs(machine, visible, key.child("chains"), sweeps=sweeps, known=known, temperature=temperature)
        return self.input_range_.from_unit(chains.visible_means if means else chains.visible)

    def _starts(self, start, n: int) -> np.ndarray:
        visible = self._inputs(self._check_X(np.atleast_2d(start)))
        if len(visible) not in (1, n):
            raise InvalidInput(f"start must be one row, or one for each of the n={n} chains, got {len(visible)} rows")
        return np.repeat(visible, n // len(visible), axis=0)


def _hybrid_scores(machine: Machine, parameters: Parameters, visible: np.ndarray) -> np.ndarray:
    return class_probabilities(machine, Labels.of(parameters), visible)


def _readout_scores(machine: Machine, parameters: Parameters, visible: np.ndarray) -> np.ndarray:
    last = label_projection(parameters.topology)
    features = rbm.hidden_means(machine, visible)
    return readout_probabilities(features, parameters[last.name], parameters[f"{last.post}.bias"])


METHODS = {"hybrid": _hybrid_scores, "features": _readout_scores}


class RBMClassifier(ClassifierMixin, BoltzmannShell):
    """Classifier with one layer of Bernoulli units, on the topology of a network with one hidden layer.

    "hybrid": a class is one more group of visible units. With U the weights and d the biases of the output population,

        P(y | v) = exp(s_y) / sum_c exp(s_c),   s_y = d_y + sum_j log(1 + exp(b_j + (v W)_j + U_jy))

    learnt on the loss -log P(y | v) - generative * log P(v, y) (Larochelle and Bengio 2008).
    "features": an RBM learns input->hidden without labels; then softmax regression on P(h | v) learns hidden->output.

    Parameters
    ----------
    hidden_layer_sizes : (number of hidden units,); not used where a topology is given
    topology : `Topology.mlp(n_features, n_hidden, n_classes)`, checked, never altered; its hidden units are run as
        Bernoulli units. None: built from `hidden_layer_sizes`
    method : "hybrid" or "features"
    generative : share of the generative loss, >= 0; for "hybrid"
    readout_l2 : penalty on the squared weights of the readout, >= 0; for "features"
    k, learning_rate, momentum, epochs, batch_size, l2, sigma, input_range, dtype, progress, callbacks, checkpoint,
    random_state : as in `RBM`. With epochs=0, "features" is the control: a trained readout on random features

    Attributes
    ----------
    topology_, parameters_, alive_, seed_, n_features_in_, visible_bias_, additions_, n_iter_, input_range_, graded_ :
        as in `RBM`
    classes_ : the labels, in the order of the output units
    loss_curve_ : by epoch: -log P(y | v) plus the penalty ("hybrid"), squared reconstruction error ("features")

    Examples
    --------
    >>> import bioneuro, energy
    >>> train, test = bioneuro.load_digits().split(random_state=0)
    >>> energy.RBMClassifier((50,), epochs=20, random_state=0).fit(train.X, train.y).score(test.X, test.y) > 0.93
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
        topology=None,
        method="hybrid",
        generative=1.0,
        readout_l2=1e-4,
        k=1,
        learning_rate=0.1,
        momentum=0.9,
        epochs=60,
        batch_size=20,
        l2=0.0,
        sigma=0.05,
        input_range=None,
        dtype="float32",
        progress=False,
        callbacks=None,
        checkpoint=None,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.topology = topology
        self.method = method
        self.generative = generative
        self.readout_l2 = readout_l2
        self.k = k
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.epochs = epochs
        self.batch_size = batch_size
        self.l2 = l2
        self.sigma = sigma
        self.input_range = input_range
        self.dtype = dtype
        self.progress = progress
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state

    def fit(self, X, y):
        """Learn from X (n, n_features) and labels y (n,); returns self."""
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C")
        choose("method", self.method, METHODS)
        self.classes_, numbers = as_classes(y)
        n_classes = len(self.classes_)
        topology = self._one_hidden_layer(X.shape[1], n_classes, unit="bernoulli")
        label_projection(topology)
        key = self._start_fit()
        getattr(self, f"_fit_{self.method}")(topology, self._read(X), numbers, key)
        return self

    def _fit_hybrid(self, topology: Topology, visible: np.ndarray, numbers: np.ndarray, key: Key) -> None:
        n_hidden = topology[boltzmann_projection(topology).post].size
        own = joint_topology(visible.shape[1], n_hidden, len(self.classes_))
        gradient = HybridGradient(self.generative, k=self.k, graded=self.graded_, l2=self.l2)
        learnt = self._learn(own, gradient, visible, key, numbers)
        self._keep(topology, learnt)
        self._keep_output(learnt["hidden->output"], learnt["output.bias"])

    def _fit_features(self, topology: Topology, visible: np.ndarray, numbers: np.ndarray, key: Key) -> None:
        n_hidden = topology[boltzmann_projection(topology).post].size
        gradient = ContrastiveDivergence(self.k, graded=self.graded_, l2=self.l2)
        self._keep(topology, self._learn(Topology.rbm(visible.shape[1], n_hidden), gradient, visible, key))
        features = rbm.hidden_means(self._machine(), visible)
        self._keep_output(*fit_readout(features, numbers, len(self.classes_), l2=self.readout_l2))

    def _keep_output(self, weights: np.ndarray, bias: np.ndarray) -> None:
        last = label_projection(self.topology_)
        self.parameters_[last.name], self.parameters_[f"{last.post}.bias"] = weights, bias

    def untrained(self):
        """An unfitted copy whose hidden units keep their first weights, with a trained readout: the control."""
        return clone(self).set_params(method="features", epochs=0)

    def predict_proba(self, X) -> np.ndarray:
        """P(y | v), (n, n_classes) float64; each row sums to 1."""
        machine = self._machine()
        scores = METHODS[self.method](machine, self.parameters_, self._inputs(self._check_X(X))).astype(np.float64)
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X) -> np.ndarray:
        """(n,) the likeliest label."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]
