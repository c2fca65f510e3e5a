"""What every estimator trained by backprop shares: from checked data to fitted parameters, and a pass through them."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.initializers import initialise, output_bias
from bioneuro.optim import OPTIMIZERS, Transform, as_optimizer, chain, dale, freeze, over_training
from bioneuro.parameters import Parameters
from bioneuro.shell import Shell
from bioneuro.topology import Topology
from bioneuro.training.batches import n_batches
from bioneuro.training.loop import fit as train
from feedforward.network import Backprop, Network, alive_masks


class BackpropShell(Shell):
    """Base of the estimators that learn by backprop; subclasses name the parameters in their `__init__`."""

    def _train(self, topology: Topology, backprop: Backprop, X, targets, key: Key, strata=None) -> None:
        """Learn `topology` from X (n, n_input) and targets (n, n_output); set the fitted attributes."""
        self.topology_ = topology
        self.alive_ = np.ones(topology.n_units, dtype=bool)
        X, targets, held_X, held_targets, strata = self._hold_out(X, targets, key, strata)
        epochs = check_number("epochs", self.epochs, low=0, integer=True)
        steps = epochs * n_batches(len(X), self.batch_size) if len(X) and self.batch_size else 0
        recording = train(
            self._first_parameters(topology, targets, key),
            backprop,
            X,
            targets,
            optimizer=self._optimizer(steps, topology),
            epochs=epochs,
            batch_size=self.batch_size,
            key=key,
            strata=strata,
            callbacks=self.callbacks or (),
            validation=None if held_X is None else lambda params: backprop.loss_of(params, held_X, held_targets),
            patience=self.patience,
            checkpoint=self.checkpoint,
            progress=self.progress,
        )
        self.parameters_ = recording.parameters
        self.loss_curve_ = recording["loss"]
        self.validation_curve_ = recording["validation"]
        self.n_iter_ = len(self.loss_curve_)

    def _hold_out(self, X, targets, key, strata):
        """Rows kept aside for early stopping, where `patience` asks for it."""
        if self.patience is None:
            return X, targets, None, None, strata
        share = check_number(
            "validation_fraction", self.validation_fraction, low=0, high=1, open_low=True, open_high=True
        )
        held = int(np.ceil(share * len(X)))
        if held >= len(X):
            raise InvalidInput(
                f"validation_fraction={share:g} of {len(X)} rows leaves none to learn from; use patience=None"
            )
        order = key.child("hold-out").generator().permutation(len(X))
        rest, aside = np.sort(order[held:]), order[:held]
        return X[rest], targets[rest], X[aside], targets[aside], None if strata is None else strata[rest]

    def _first_parameters(self, topology: Topology, targets: np.ndarray, key: Key) -> Parameters:
        output = topology.by_role("output")[0]
        biases = {}
        if output.bias and output.unit.name in ("linear", "sigmoid", "softmax"):
            biases[output.name] = output_bias(output.unit.name, targets)
        return initialise(
            topology, self.initializer, bias=biases, random_state=key.child("initialise"), dtype=self._number_type()
        )

    def _optimizer(self, steps: int, topology: Topology) -> Transform:
        if not isinstance(self.optimizer, Transform):
            choose("optimizer", self.optimizer, OPTIMIZERS)
            check_number("learning_rate", self.learning_rate, low=0, open_low=True)
        optimizer = as_optimizer(self.optimizer, over_training(self.schedule, self.learning_rate, steps))
        return chain(optimizer, freeze(self._frozen_keys(topology)), dale())

    def _frozen_keys(self, topology: Topology) -> tuple[str, ...]:
        """The keys never updated; "representation" stands for all that does not feed the output directly."""
        if self.frozen != "representation":
            return tuple(self.frozen)
        output = topology.by_role("output")[0].name
        readout = {projection.name for projection in topology.incoming(output)}
        return tuple(key for key in topology.layout if key not in readout and not key.startswith(f"{output}."))

    def _number_type(self) -> np.dtype:
        return np.dtype(choose("dtype", getattr(self.dtype, "__name__", str(self.dtype)), ("float32", "float64")))

    def _layer_sizes(self) -> list[int]:
        """`hidden_layer_sizes` as a list; a number stands for one layer."""
        return [int(size) for size in np.ravel(self.hidden_layer_sizes)]

    def _pass(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """What every population emits, {name: (n, size)}; each row by itself, dead units silent."""
        check_is_fitted(self)
        masks = alive_masks(self.topology_, self.alive_, self.parameters_.dtype)
        return Network(self.topology_).forward(self.parameters_, inputs, masks).emitted
