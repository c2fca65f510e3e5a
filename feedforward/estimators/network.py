"""What networks for classes and for numbers share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from bioneuro import memory
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput
from bioneuro.optim import Transform
from bioneuro.shell import as_it_was_if_refused
from bioneuro.sparse import SparseRows
from bioneuro.topology import Topology
from bioneuro.training.emphasis import Emphasis
from bioneuro.training.learning_rate import RATES, LearningRates, find_learning_rate
from feedforward.backprop import Backprop
from feedforward.estimators.base import BackpropShell, SparseInput, as_numbers, network_of

_AT_ONCE = 1 << 22  # numbers of X that predictions make a centred copy of at a time
PARAMETERS = """
    X may be a SciPy sparse matrix or array, of text for instance: memory then grows with its entries, never with
    rows times features. It is not centred, and taken entry by entry. Noise, dropout of inputs and one-to-one
    projections from the inputs, which go by all numbers of a minibatch, are then trained step by step.

    Parameters
    ----------
    hidden_layer_sizes : sizes of the hidden layers, where no topology is given.
    topology : any acyclic `Topology` with one input and one output population; checked against the data, never altered.
    unit : unit type of the hidden layers, where no topology is given: a name, or an object such as `Sigmoid(0.1)`.
    loss : "auto" (by the output units), "cross-entropy", "logistic", "squared", "absolute", "huber" or `Huber(delta)`.
    optimizer : a name of `bioneuro.optim.OPTIMIZERS` ("adam", "momentum", "nesterov", ...); a function that makes a
        `Transform` of the rate, such as lambda rate: optim.chain(optim.adam(rate), optim.max_norm(3)); or a
        `Transform`, which has a rate of its own: learning_rate and schedule are then not used.
        "lbfgs" or "cg": all rows at once, in float64, by a method of SciPy (`bioneuro.training.minimise`), for small
        problems. `epochs` are then its iterations, and learning_rate, schedule and batch_size are not used; dropout,
        noise, emphasis, checkpoint and `partial_fit` are refused.
    learning_rate : > 0; where it starts. schedule : "linear" (falls to 0), "constant", or another name of
        `bioneuro.optim.SCHEDULES`.
    epochs : passes over the data, >= 0. batch_size : rows a step, >= 1; more than there are: all at once.
    l2 : penalty l2 |W|^2 on the weights, >= 0 (torch's weight_decay is 2 l2); biases are free.
    dropout : share in [0, 1) of the hidden units that are dead in each minibatch, or {population: share}.
    noise : standard deviation, >= 0, of Gaussian noise on the inputs, redrawn in each step; in their units.
    batch_norm : True: normalise the inputs of all hidden units over each minibatch (Ioffe and Szegedy 2015); names of
        populations; False. The fitted network has it folded into weights and biases; see `feedforward.normalisation`.
        One row has no variance: where `batch_size` would leave one over, batches are larger by the rows it takes.
    initializer : see `bioneuro.initializers.initialise`; "auto" goes by the unit types; "lsuv" and
        "data-dependent" look at the data too (`feedforward.calibration`).
    hidden_bias : first bias of the hidden units; a little above 0, such as .01, wakes ReLUs. Output units begin at the
        mean of the targets.
    centre : subtract the mean of the training inputs from every input; counts as False where `fit`, or the first
        `partial_fit`, is given a sparse X, which it would fill. A network that does centre takes sparse X too: it makes
        it dense, to predict a few rows at a time.
    class_weight : {label: weight}, "balanced" (all classes weigh the same) or None: how much rows of a class count in
        the loss (classifiers); a minibatch's loss is the weighted mean, so that batch_size must be 2 or more, or
        emphasis "longer-steps".
    emphasis : which rows come how often. None: each once an epoch; "stratified": minibatches hold the classes in the
        data's proportions; "balanced": in equal ones (both for classifiers); "hard": rows of large loss come more
        often; "longer-steps": steps are as long as the rows of a minibatch are heavy, so that weights count in
        batches of one row too; or an object of `bioneuro.training.emphasis`, which tells how each compares with
        class_weight.
    frozen : keys of parameters that are never updated, such as ("input->hidden", "hidden.bias"); "representation":
        all but what feeds the output, which leaves random features and a trained readout.
    label_smoothing : share in [0, 1) of every label that is spread over all classes (classifiers).
    target_range : (low, high), what the output of a class is taught where a row is not of it, and where it is, such as
        (.15, .85), which keeps it out of saturation; None: 0 and 1. For outputs other than softmax; where no topology
        is given, they are then sigmoids, or tanh for a low below 0 (classifiers).
    patience : stop after so many epochs without a lower loss on `validation_fraction` of the rows, which are then held
        out, of each class its share, and return the best weights; None: use all rows and all epochs.
    dtype : "float32", "float64" or "auto": float64 for fewer than 10,000 numbers in X, where speed is no matter, and
        float32 beyond.
    warm_start : begin `fit` where the last one ended. progress : show a bar.
    callbacks : functions of a `bioneuro.training.Progress`, called after each epoch; True stops. One with `after_step`
        is given a `Progress` after every step too, which costs the compiled epochs, and their last bits. For `fit`.
    checkpoint : a file from which an interrupted fit resumes, bit for bit.
    random_state : None, int, Generator or RandomState; `seed_` keeps what was drawn.

    Attributes
    ----------
    topology_, parameters_ : the network and what it learnt. alive_ : (n_units,) bool, see `lesion`.
    training_parameters_ : with batch_norm, what is trained, gains and running statistics included; else None.
    loss_curve_, validation_curve_ : mean loss of each epoch. n_iter_ : epochs run. t_ : steps taken.
    optimizer_state_ : moments of the optimiser, which `partial_fit` goes on from. seed_, n_features_in_, n_outputs_.
    converged_ : whether "lbfgs" or "cg" ended at a minimum; there with these only.
"""


class NetworkShell(SparseInput, BackpropShell):
    """Base of the networks that learn targets: their settings, and the way from data to a training."""

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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.topology = topology
        self.unit = unit
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.l2 = l2
        self.dropout = dropout
        self.noise = noise
        self.batch_norm = batch_norm
        self.initializer = initializer
        self.hidden_bias = hidden_bias
        self.centre = centre
        self.emphasis = emphasis
        self.frozen = frozen
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.dtype = dtype
        self.warm_start = warm_start
        self.progress = progress
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state

    def _start(self, X: np.ndarray, targets: np.ndarray, output: str, weights: np.ndarray | None) -> Key:
        """Make the network for these data, with its first parameters; return the key of its training."""
        key = self._start_fit()
        topology = self._given_topology(X.shape[1], targets.shape[1]) or Topology.mlp(
            X.shape[1], *self._layer_sizes(), targets.shape[1], unit=self.unit, output=output
        )
        self.n_outputs_ = targets.shape[1]
        number = self._number_type(X)
        self.input_mean_ = as_numbers("X", self._mean(X, weights), number)
        self._begin(topology, self._inputs(X), as_numbers("y", targets, number), key, weights)
        return key

    def _mean(self, X: np.ndarray | SparseRows, weights: np.ndarray | None) -> np.ndarray:
        """What is subtracted from inputs; float64, without a copy of X."""
        if not (self.centre and isinstance(X, np.ndarray)):
            return np.zeros(X.shape[1])
        if weights is None:
            return X.mean(axis=0, dtype=np.float64)
        return np.einsum("i,ij->j", weights, X, dtype=np.float64) / weights.sum()

    def fit(self, X, y, sample_weight=None):
        """Learn from X (n, n_features) and y; returns self.

        y : (n,) labels, or (n, k) of 0 and 1 where rows have several (classifiers); (n,) or (n, n_outputs) numbers.

        sample_weight : (n,) >= 0, how much each row counts in the loss, or None: all the same. Rows of weight 0 are
            left out.
        """
        with as_it_was_if_refused(self):
            X, targets, output, weights, strata = self._task(X, y, sample_weight)
            key = self._start(X, targets, output, weights)
            backprop = self._backprop(self._trained.topology)
        self._train(backprop, self._inputs(X), as_numbers("y", targets, self.parameters_.dtype), key, strata, weights)
        return self

    def _task(self, X, y, sample_weight) -> tuple[np.ndarray, np.ndarray, str, np.ndarray | None, np.ndarray | None]:
        """What is to be learnt, checked: rows that count, their targets, the unit of the outputs, weights, classes."""
        X, targets, output, weights, strata = self._all_rows(X, y, sample_weight)
        if weights is None:
            return X, targets, output, None, strata
        counted = weights > 0
        return X[counted], targets[counted], output, weights[counted], None if strata is None else strata[counted]

    def find_learning_rate(
        self,
        X,
        y,
        sample_weight=None,
        *,
        rates: Sequence[float] = RATES,
        share: float = 0.1,
        steps: int = 200,
        progress: bool = False,
    ) -> LearningRates:
        """Short trainings of this network at many rates, on a random share of the rows; it stays as it is.

        rates, share, steps, progress, and what is returned : as in `bioneuro.training.find_learning_rate`. The
        optimiser must be a name or a function of the rate; emphasis, patience and callbacks have no part in it.

        >>> found = net.find_learning_rate(X, y)  # doctest: +SKIP
        >>> found.plot()  # doctest: +SKIP
        >>> net.set_params(learning_rate=found.best).fit(X, y)  # doctest: +SKIP
        """
        if self._whole_batch:
            raise InvalidInput(f"optimizer={self.optimizer!r} finds the length of its steps by itself, without a rate")
        twin = clone(self).set_params(warm_start=False)
        X, targets, output, weights, strata = twin._task(X, y, sample_weight)
        key = twin._start(X, targets, output, weights)
        first = twin._trained
        return find_learning_rate(
            first,
            twin._backprop(first.topology),
            twin._inputs(X),
            as_numbers("y", targets, first.dtype),
            optimizer=self.optimizer if isinstance(self.optimizer, Transform) else twin._chain,
            rates=rates,
            share=share,
            steps=steps,
            batch_size=self.batch_size,
            key=key,
            strata=strata,
            weights=weights,
            progress=progress,
        )

    def _backprop(self, topology: Topology) -> Backprop:
        return Backprop(network_of(topology), self.loss, l2=self.l2, dropout=self.dropout, noise=self.noise)

    def _weights(self, sample_weight, X: np.ndarray) -> np.ndarray | None:
        """Weights of the rows as a float vector; None where all count alike."""
        if sample_weight is None:
            return None
        return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)

    def _inputs(self, X: np.ndarray | SparseRows) -> np.ndarray | SparseRows:
        """What the network sees of X: centred, which fills sparse rows where the mean is not 0."""
        X = as_numbers("X", X, self.input_mean_.dtype)
        if self._fills(X):
            size = X.dtype.itemsize * math.prod(X.shape)
            memory.require({"X made dense": size}, "to subtract the mean that was learnt (centre=True) from sparse X")
            X = X.toarray()
        return X - self.input_mean_ if isinstance(X, np.ndarray) and self.input_mean_.any() else X

    def _fills(self, X: np.ndarray | SparseRows) -> bool:
        """Whether X is sparse, and centred would not be."""
        return not isinstance(X, np.ndarray) and bool(self.input_mean_.any())

    def untrained(self):
        """An unfitted copy whose hidden units keep their first weights: the control that learns no representation."""
        return clone(self).set_params(frozen="representation")

    def activations(self, X) -> dict[str, np.ndarray]:
        """What every population emits for the rows of X: {name: (n, size)}, dead units at 0.

        Where X is sparse and the network does not centre its inputs, what the input population emits is CSR too.
        """
        check_is_fitted(self)
        X = self._check_X(X)
        inputs = self._inputs(X)
        return self._pass(inputs.copy() if inputs is X else inputs)  # what is given away is not the caller's X

    def _output(self, X) -> np.ndarray:
        check_is_fitted(self)
        X, name = self._check_X(X), self.topology_.by_role("output")[0].name
        dense = isinstance(X, np.ndarray) or self._fills(X)
        rows = max(1, _AT_ONCE // X.shape[1] if dense else len(X))
        parts = [self._pass(self._inputs(X[k : k + rows]))[name] for k in range(0, len(X), rows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
