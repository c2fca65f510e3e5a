"""What every estimator trained by backprop shares: from checked data to fitted parameters, and a pass through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError, check_number, choose
from bioneuro.initializers import output_bias
from bioneuro.optim import OPTIMIZERS, Schedule, Transform, as_optimizer, chain, dale, freeze, over_training
from bioneuro.parameters import Parameters
from bioneuro.recording import Recording
from bioneuro.shell import FLOATS, Shell
from bioneuro.sparse import SparseRows, as_rows
from bioneuro.topology import Lesion, Topology
from bioneuro.training.batches import check_batch_size, epoch_order, n_batches
from bioneuro.training.checkpoint import Before
from bioneuro.training.emphasis import Emphasis, as_emphasis
from bioneuro.training.full_batch import METHODS, minimise
from bioneuro.training.loop import fit as train
from feedforward.backprop import Backprop
from feedforward.calibration import first_parameters
from feedforward.network import Network, alive_masks
from feedforward.normalisation import fold, none_left_alone, with_batch_norm

_EACH_STEP = "needs the same loss at the same weights"
# what SciPy's methods cannot do -> why, and its value that asks for nothing
_NOT_WHOLE = {
    "dropout": (_EACH_STEP, 0),
    "noise": (_EACH_STEP, 0),
    "flip": (_EACH_STEP, 0),
    "mask": (_EACH_STEP, 0),
    "emphasis": ("takes all rows at once", None),
    "checkpoint": ("writes no checkpoints", None),
}
_LITTLE = 10_000  # numbers in X below which training in float64 takes no noticeable time


def _as_it_is(parameters: Parameters) -> Parameters:
    return parameters


class SparseInput:
    """Of estimators whose X may be a SciPy sparse matrix or array; of any format but CSR, it is brought into that."""

    def _check_X(self, X, *, reset: bool = False) -> np.ndarray | SparseRows:
        return as_rows(validate_data(self, X, reset=reset, dtype=FLOATS, order="C", accept_sparse="csr"))

    def _check_X_y(self, X, y, **options) -> tuple[np.ndarray | SparseRows, np.ndarray]:
        X, y = validate_data(self, X, y, dtype=FLOATS, order="C", accept_sparse="csr", **options)
        return as_rows(X), y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class BackpropShell(Shell):
    """Base of the estimators that learn by backprop; subclasses name the parameters in their `__init__`."""

    def _begin(
        self, topology: Topology, X: np.ndarray, targets: np.ndarray, key: Key, weights: np.ndarray | None = None
    ) -> None:
        """Set the fitted attributes of a network that has taken no step yet."""
        trained = with_batch_norm(topology, getattr(self, "batch_norm", False))
        self._learn(self._first_parameters(trained, X, targets, key, weights))
        self.topology_ = topology
        self.alive_ = np.ones(topology.n_units, dtype=bool)
        self.loss_curve_ = self.validation_curve_ = np.zeros(0)
        self.n_iter_, self.t_, self.optimizer_state_ = 0, 0, None

    def _learn(self, parameters: Parameters) -> None:
        """Keep the network that has been trained; where it normalises, also what it is at inference."""
        self.parameters_ = fold(parameters)
        self.training_parameters_ = None if self.parameters_.topology == parameters.topology else parameters

    def _with_lesion(self, lesion: Lesion):
        hurt = super()._with_lesion(lesion)
        if self.training_parameters_ is not None:
            hurt.training_parameters_ = lesion.apply(self.training_parameters_)
        return hurt

    @property
    def _trained(self) -> Parameters:
        """The parameters that training goes on from."""
        return self.parameters_ if self.training_parameters_ is None else self.training_parameters_

    def _train(
        self,
        backprop: Backprop,
        X: np.ndarray,
        targets: np.ndarray,
        key: Key,
        strata: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> None:
        """Train the network that has begun, on X (n, n_input) and targets (n, n_output)."""
        learnt, held = self._hold_out(key, X, targets, strata, weights)
        if self._whole_batch:
            self._minimise(backprop, learnt, held, key)
            return
        X, targets, strata, weights = learnt
        held_X, held_targets, _, held_weights = held
        self._run(
            train,
            backprop,
            X,
            targets,
            optimizer=self._optimizer(self._n_steps(len(X))),
            epochs=self.epochs,
            batch_size=self._rows_a_step(len(X)),
            key=key,
            strata=strata,
            emphasis=self._emphasis(strata),
            weights=weights,
            callbacks=self.callbacks or (),
            validation=None
            if held_X is None
            else lambda params: backprop.loss_of(params, held_X, held_targets, held_weights),
            patience=self.patience,
            checkpoint=self.checkpoint,
            progress=self.progress,
        )

    def _minimise(self, backprop: Backprop, learnt: tuple, held: tuple, key: Key) -> None:
        """The same by a method of SciPy, which takes all rows at once; an epoch is an iteration."""
        self._check_whole_batch()
        X, targets, _, weights = learnt
        held_X, held_targets, _, held_weights = held
        settle = partial(backprop.network.settle, X=X)  # minibatches, which move running statistics, there are none

        def validation(params: Parameters) -> float:
            return backprop.loss_of(settle(params), held_X, held_targets, held_weights)

        recording = self._run(
            minimise,
            backprop,
            X,
            targets,
            finish=settle,
            method=self.optimizer,
            iterations=check_number("epochs", self.epochs, low=0, integer=True),
            key=key,
            weights=weights,
            frozen=self._frozen_keys(self._trained.topology),
            callbacks=self.callbacks or (),
            validation=None if held_X is None else validation,
            patience=self.patience,
            progress=self.progress,
        )
        self.converged_ = recording.state.converged

    @property
    def _whole_batch(self) -> bool:
        """Whether the optimiser is one of SciPy's methods."""
        return isinstance(self.optimizer, str) and self.optimizer in METHODS

    def _check_whole_batch(self) -> None:
        """SciPy's methods need the same loss at the same weights, and keep nothing to go on from."""
        for name, (why, nothing) in _NOT_WHOLE.items():
            given = getattr(self, name, None)
            if any(given.values() if isinstance(given, Mapping) else [given]):
                raise InvalidInput(
                    f"optimizer={self.optimizer!r} {why}, got {name}={given!r}; use {name}={nothing}, or an "
                    "optimiser that takes minibatches, such as 'adam'"
                )

    def _check_parts(self) -> None:
        """Refuse parts of the data where the optimiser needs all of it."""
        if self._whole_batch:
            raise InvalidInput(
                f"partial_fit takes steps on minibatches, and optimizer={self.optimizer!r} all rows at once; use "
                "another optimiser, or fit with warm_start=True"
            )

    def _train_more(
        self,
        backprop: Backprop,
        X: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray | None,
        strata: np.ndarray | None = None,
    ) -> None:
        """Carry a fitted network on with one pass over other rows, at the rate `learning_rate`."""
        self._run(
            train,
            backprop,
            X,
            targets,
            optimizer=self._optimizer(0),
            epochs=1,
            batch_size=self._rows_a_step(len(X)),
            key=Key.from_seed(self.seed_).child("pass").child(self.t_),
            strata=strata,
            emphasis=self._emphasis(strata),
            weights=weights,
            before=Before(self.t_, self.optimizer_state_),
        )

    def _emphasis(self, strata: np.ndarray | None) -> Emphasis:
        """Which rows come how often; class numbers are at hand where there are classes."""
        emphasis = as_emphasis(getattr(self, "emphasis", None))
        if emphasis.needs == "classes" and strata is None:
            raise InvalidInput(
                f"{emphasis} goes by class, and rows of {type(self).__name__} have none here; use 'hard' or None"
            )
        return emphasis

    def _run(self, how: Callable[..., Recording], *data, finish=_as_it_is, **settings) -> Recording:
        """Train by `fit` or `minimise` and keep what it leaves, after an error the last good weights."""
        try:
            recording = how(self._trained, *data, **settings)
        except NotFiniteError as error:
            self._take(error.recording, finish)
            raise
        self._take(recording, finish)
        self._go_on_from(recording)
        return recording

    def _go_on_from(self, recording: Recording) -> None:
        """Keep what `partial_fit` and a warm start begin with."""
        steps = recording.state.iterations if self._whole_batch else recording.state.step
        self.t_, self.optimizer_state_ = self.t_ + steps, getattr(recording.state, "optimizer", None)

    def _take(self, recording: Recording, finish: Callable[[Parameters], Parameters] = _as_it_is) -> None:
        """Keep what a training has left; its curves go on from those of the trainings before."""
        self._learn(finish(recording.parameters))
        self.loss_curve_ = np.append(self.loss_curve_, recording["loss"])
        self.validation_curve_ = np.append(self.validation_curve_, recording["validation"])
        self.n_iter_ = len(self.loss_curve_)

    def _hold_out(
        self, key: Key, X: np.ndarray, targets: np.ndarray, strata: np.ndarray | None, weights: np.ndarray | None
    ):
        """(X, targets, strata, weights) of rows to learn from, and of rows kept aside for early stopping where
        `patience` asks for it; these hold the classes in the data's proportions."""
        given = (X, targets, strata, weights)
        if self.patience is None:
            return given, (None,) * len(given)
        share = check_number(
            "validation_fraction", self.validation_fraction, low=0, high=1, open_low=True, open_high=True
        )
        held = int(np.ceil(share * len(X)))
        if held >= len(X):
            raise InvalidInput(
                f"validation_fraction={share:g} of {len(X)} rows leaves none to learn from; use patience=None"
            )
        order = epoch_order(len(X), key.child("hold-out"), 0, strata)
        rest, aside = np.sort(order[held:]), order[:held]
        return tuple(tuple(None if array is None else array[rows] for array in given) for rows in (rest, aside))

    def _first_parameters(
        self, topology: Topology, X: np.ndarray, targets: np.ndarray, key: Key, weights: np.ndarray | None
    ) -> Parameters:
        """Where the training begins: drawn, or, with `warm_start`, where the last one ended."""
        if getattr(self, "warm_start", False) and hasattr(self, "parameters_"):
            if self._trained.topology != topology:
                raise InvalidInput(
                    f"warm_start goes on from {self._trained.topology!r}, and these data or settings ask "
                    f"for {topology!r}; keep both, or fit anew with warm_start=False"
                )
            return self._trained
        output, first_bias = topology.by_role("output")[0], check_number("hidden_bias", getattr(self, "hidden_bias", 0))
        biases = {hidden.name: first_bias for hidden in topology.by_role("hidden") if hidden.bias}
        if output.bias and output.unit.name in ("linear", "sigmoid", "softmax"):
            biases[output.name] = output_bias(output.unit.name, targets, weights)
        scheme, key = self._initializer(topology), key.child("initialise")
        return first_parameters(topology, scheme, X, bias=biases, random_state=key, dtype=targets.dtype)

    def _initializer(self, topology: Topology):
        """What first weights are drawn by."""
        return self.initializer

    def _towards_outputs(self, topology: Topology, scheme: str):
        """`initializer`, with this scheme for the projections onto the outputs where it is "auto"."""
        if self.initializer != "auto":
            return self.initializer
        output = topology.by_role("output")[0].name
        return {edge.name: scheme for edge in topology.incoming(output) if edge.name in topology.layout}

    def _n_steps(self, n_rows: int) -> int:
        """How many steps the training takes."""
        epochs = check_number("epochs", self.epochs, low=0, integer=True)
        return epochs * n_batches(n_rows, self._rows_a_step(n_rows))

    def _rows_a_step(self, n_rows: int) -> int:
        """`batch_size`, or the next larger one that leaves no single row over, of which there would be no variance."""
        batch_size = check_batch_size(self.batch_size, n_rows)
        if not getattr(self, "batch_norm", False) or min(batch_size, n_rows) < 2:
            return batch_size
        return none_left_alone(n_rows, batch_size)

    def _optimizer(self, steps: int) -> Transform:
        """The chain for a training of so many steps; 0: the rate stays where it starts."""
        rate = check_number("learning_rate", self.learning_rate, low=0, open_low=True, open_high=True)
        if callable(self.schedule):
            raise InvalidInput(
                f"schedule is a name, got {self.schedule!r}; an optimiser takes schedules as its rate: "
                "optimizer=optim.adam(schedule)"
            )
        return self._chain(over_training(self.schedule, rate, steps) if steps else rate)

    def _chain(self, rate: float | Schedule) -> Transform:
        """The optimiser at this rate, and what this network asks for besides."""
        if not (isinstance(self.optimizer, Transform) or callable(self.optimizer)):
            choose("optimizer", self.optimizer, [*OPTIMIZERS, *METHODS])
        frozen = freeze(self._frozen_keys(self._trained.topology))
        return chain(as_optimizer(self.optimizer, rate), frozen, dale())

    def _frozen_keys(self, topology: Topology) -> tuple[str, ...]:
        """The keys never updated; "representation" stands for all that does not feed the output directly."""
        if self.frozen != "representation":
            return (self.frozen,) if isinstance(self.frozen, str) else tuple(self.frozen)
        output = topology.by_role("output")[0].name
        readout = {projection.name for projection in topology.incoming(output)}
        return tuple(key for key in topology.layout if key not in readout and not key.startswith(f"{output}."))

    def _number_type(self, X: np.ndarray) -> np.dtype:
        """The type to compute in: "auto" takes float64 where there is little to compute, and speed no matter."""
        name = choose("dtype", getattr(self.dtype, "__name__", str(self.dtype)), ("auto", "float32", "float64"))
        return np.dtype(("float64" if math.prod(X.shape) < _LITTLE else "float32") if name == "auto" else name)

    def _layer_sizes(self) -> list[int]:
        """`hidden_layer_sizes` as a list; a number stands for one layer."""
        sizes = np.ravel(self.hidden_layer_sizes).tolist()
        return [check_number("a size in hidden_layer_sizes", size, low=1, integer=True) for size in sizes]

    def _pass(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """What every population emits, {name: (n, size)}; each row by itself, dead units silent."""
        check_is_fitted(self)
        masks = alive_masks(self.topology_, self.alive_, self.parameters_.dtype)
        return network_of(self.topology_).forward(self.parameters_, inputs, masks).emitted


@lru_cache(maxsize=16)
def network_of(topology: Topology) -> Network:
    """`Network(topology)`, kept: neither changes once it is there."""
    return Network(topology)


def as_numbers(name: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`values` in the type to compute in; numbers too large for it are refused."""
    try:
        with np.errstate(over="raise"):
            return values.astype(dtype, copy=False)
    except FloatingPointError:
        raise InvalidInput(
            f"{name} holds numbers up to {abs(values).max():.3g}, more than {dtype} can; scale the data, or compute "
            "with dtype='float64'"
        ) from None
