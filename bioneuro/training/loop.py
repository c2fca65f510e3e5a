"""The one training loop: minibatches, optimiser, callbacks, early stopping, checkpoints, Ctrl-C.

It serves every *gradient estimator*, any `gradient(parameters, batch, key, step, out) -> loss` that adds the gradient
of the mean loss over the batch into `out` (`Parameters`, zero on entry): backprop, contrastive divergence, a local
rule. What else a gradient estimator may offer:

    state                                           a memory of its own (persistent chains), saved and resumed
    program(parameters, X, y, optimizer, batch_size, weights, weight_of_row)
                                                    many steps in a compiled call: an object with the verbs load, run
                                                    and store (see `feedforward.program`), whose `weights` may be
                                                    overwritten between runs; or None where it cannot
    losses_of(parameters, X, y)                     the loss of each row, without anything drawn, for `Hard`
    first_not_finite(parameters, batch, key, step)  the population where a training has diverged, for the message
    identity()                                      its settings as text; a run that goes on must have the same
    takes_weights                                   True: batches with weights, and their total, are understood
"""

from __future__ import annotations

import copy
import os
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bioneuro import memory
from bioneuro._jit.keys import Key
from bioneuro.blas import one_blas_thread
from bioneuro.errors import InvalidInput, NotFiniteError, check_number
from bioneuro.optim import Transform
from bioneuro.parameters import Parameters
from bioneuro.recording import Recording
from bioneuro.training.bar import show_bar
from bioneuro.training.batches import Batch, batches, check_batch_size, epoch_order, n_batches
from bioneuro.training.checkpoint import Before, TrainingState, digest_of_run, read, write
from bioneuro.training.checks import (
    carried_on,
    check_callbacks,
    check_data,
    check_effect,
    check_emphasis,
    check_key,
    check_loss,
    check_optimizer,
    check_parameters,
    check_strata,
    check_validation,
    check_weights,
)
from bioneuro.training.emphasis import Emphasis
from bioneuro.training.interrupt import Interruption, TrainingInterrupted

GradientEstimator = Callable[[Parameters, Batch, Key, int, Parameters], float]

CHECKPOINT_SECONDS = 5.0  # between two writings of the checkpoint file
_ROWS = 4096  # at a time, where the losses of all are asked for


class Progress(NamedTuple):
    """What a callback sees at the end of each epoch; returning True stops the training.

    After a step, `loss` is the mean over the rows that the epoch under way has shown, and `epoch` counts whole ones.
    """

    epoch: int
    step: int
    loss: float
    validation: float | None
    parameters: Parameters


def fit(
    parameters: Parameters,
    gradient: GradientEstimator,
    X: np.ndarray,
    y: np.ndarray | None = None,
    *,
    optimizer: Transform,
    epochs: int,
    batch_size: int = 32,
    key: Key,
    strata: np.ndarray | None = None,
    emphasis: str | Emphasis | None = None,
    weights: np.ndarray | None = None,
    callbacks: Iterable[Callable[[Progress], bool | None]] = (),
    validation: Callable[[Parameters], float] | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    state: TrainingState | None = None,
    before: Before | None = None,
    progress: bool = False,
) -> Recording:
    """Learn `parameters` from the rows of X (and y); the inputs are never changed.

    Parameters
    ----------
    X, y : (n, ...) arrays, one row for each example; X may be sparse (`bioneuro.sparse.as_rows`), which backprop takes.
    optimizer : a `Transform`; see `bioneuro.optim`.
    epochs : passes over the data in all, those of `state` included.
    batch_size : rows a step; the last batch of an epoch is as short as it must be.
    key : decides the order of the rows and is handed to the gradient estimator.
    strata : (n,) class numbers, for an emphasis that goes by class; without any, minibatches hold the classes in the
        data's proportions.
    emphasis : which rows come how often, or step how far: "stratified", "balanced", "longer-steps", "hard", or an
        `Emphasis`; None: each once an epoch.
    weights : (n,) >= 0, how much each row counts: losses are weighted means. Refused by gradient estimators that do not
        say `takes_weights`.
    callbacks : called with a `Progress` after each epoch; True stops. One with `begin` is first given the parameters.
        One with `after_step` is given a `Progress` after every step too; the training is then not compiled.
    validation : a loss to be watched, a function of the `Parameters` that is called after each epoch; lower is better,
        and the best parameters seen are returned.
    patience : stop after so many epochs without a lower validation loss.
    checkpoint : a file (".npz" is added to a name without it), read if it exists and written every few seconds, at the
        end and at Ctrl-C.
    state : a `TrainingState` to go on from (the `.state` of an earlier recording).
    before : steps and optimiser state of an earlier training, on other data, that this one carries on; schedules and
        moments then do not begin anew.
    progress : show a bar.

    Returns
    -------
    Recording with traces "loss" (mean over the rows shown) and "validation", one value an epoch. At Ctrl-C the training
    stops after the step under way with the warning `TrainingInterrupted`; going on from `.state` gives the bits of an
    unbroken run.

    Raises
    ------
    NotFiniteError if the loss is not finite; its `recording` holds the parameters at the end of the last good epoch,
    and no state.
    """
    epochs = check_number("epochs", epochs, low=0, integer=True)
    check_parameters(parameters)
    check_data(X, y)
    check_optimizer(optimizer)
    check_key(key)
    batch_size = check_batch_size(batch_size, len(X))
    check_validation(validation, patience)
    weights, strata = check_weights(weights, gradient, X), check_strata(strata, len(X))
    emphasis, callbacks = check_emphasis(emphasis, strata, weights, gradient), check_callbacks(callbacks)
    check_effect(weights, emphasis, batch_size)
    copies = {name: parameters.nbytes for name in ("parameters", "gradient", "first moment", "second moment", "copies")}
    memory.require(copies, f"training {parameters.topology!r}")
    before = before or Before(0, None)
    run = digest_of_run(before.steps, parameters, gradient, optimizer, key, batch_size, emphasis, X, y, strata, weights)
    if state is None and checkpoint is not None:
        state = read(checkpoint)
    if state is not None and state.run != run:
        raise InvalidInput(
            "the state to go on from belongs to another training: first parameters (and with them the topology), "
            "loss, l2, dropout, noise, flip, mask, optimiser, data, weights, emphasis, seed (random_state) and "
            "batch_size must be the same; give another checkpoint file, or begin anew without state"
        )
    trainer = _Trainer(
        parameters,
        gradient,
        X,
        y,
        optimizer,
        batch_size,
        key,
        strata,
        emphasis,
        weights,
        validation,
        patience,
        state,
        before,
        run,
        [callback.after_step for callback in callbacks if hasattr(callback, "after_step")],
    )
    for callback in callbacks:
        if hasattr(callback, "begin"):
            callback.begin(trainer.parameters)
    alone = trainer.program is not None and validation is None and not callbacks  # in compiled code, without BLAS
    with nullcontext() if alone else one_blas_thread():  # which takes milliseconds to look for all BLAS there are
        trainer.train(epochs, callbacks, checkpoint, progress)
    return trainer.recording()


class _Trainer:
    """The variables of one call of `fit`, and the verbs that change them."""

    interrupted = False

    def __init__(
        self,
        parameters,
        gradient,
        X,
        y,
        optimizer,
        batch_size,
        key,
        strata,
        emphasis,
        weights,
        validation,
        patience,
        state,
        before,
        run,
        after_step,
    ):
        self.after_step, self.stopped = after_step, False
        self.parameters = parameters.copy()
        self.gradient = copy.deepcopy(gradient) if hasattr(gradient, "state") else gradient  # its memory is the run's
        self.X, self.y = X, y
        self.optimizer, self.batch_size, self.key, self.strata = optimizer, batch_size, key, strata
        self.emphasis, self.before = emphasis, before.steps
        if emphasis.corrects and weights is None:
            weights = np.ones(len(X), parameters.dtype)
        self.given_weights = self.weights = weights
        self.weight_of_row = float(weights.mean()) if emphasis.lengthens else None
        self.validation, self.patience, self.run = validation, patience, run
        self.steps_per_epoch = n_batches(len(X), batch_size)
        self.program = self._compiled()
        self.out = Parameters.zeros(parameters.topology, parameters.dtype) if self.program is None else None
        if state is None:
            self.step, self.open_loss, self.loss, self.validation_loss, self.best_theta = 0, 0.0, [], [], None
            self.row_losses = None
            self.moments = optimizer.init(self.parameters)
            if before.optimizer is not None:
                self.moments = copy.deepcopy(carried_on(before.optimizer, self.moments))
        else:
            self.step, self.open_loss, self.best_theta = int(state.step), float(state.open_loss), state.best_theta
            self.row_losses = state.row_losses
            self.loss, self.validation_loss = list(state.loss), list(state.validation)
            self.parameters.theta[...] = state.theta
            self.moments = copy.deepcopy(state.optimizer)
            if hasattr(gradient, "state"):
                self.gradient.state = copy.deepcopy(state.gradient)
        optimizer.see(self.validation_loss or self.loss)

    def _compiled(self):
        """A new program, where there can be one; it may keep the weights, which it has overwritten."""
        offer = getattr(self.gradient, "program", None)
        if offer is None or self.after_step:
            return None
        weights = self.weights.copy() if self.emphasis.corrects else self.weights
        return offer(self.parameters, self.X, self.y, self.optimizer, self.batch_size, weights, self.weight_of_row)

    @property
    def epoch(self) -> int:
        return self.step // self.steps_per_epoch

    def train(self, epochs: int, callbacks: tuple, checkpoint, progress: bool) -> None:
        written = time.monotonic()
        with Interruption() as interruption, show_bar(epochs, self.epoch, progress) as bar:
            while self.epoch < epochs and not self._out_of_patience():
                before = self.epoch
                with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found here
                    self._run_epochs(min(self._epochs_at_once(callbacks), epochs - before), interruption)
                if self.step % self.steps_per_epoch or self.epoch == before:  # interrupted on the way
                    break
                stop = self._end_epoch(callbacks) or interruption.requested or self.stopped
                bar.update(self.epoch - before)
                bar.set_postfix(loss=f"{self.loss[-1]:.4g}")
                if checkpoint is not None and time.monotonic() - written > CHECKPOINT_SECONDS:
                    write(checkpoint, self.state())
                    written = time.monotonic()
                if stop:
                    break
            if checkpoint is not None:
                write(checkpoint, self.state())
        self.interrupted = interruption.requested
        if self.interrupted:
            warnings.warn(
                f"training was interrupted after {self.step} steps ({self.epoch} whole epochs); what it learnt is kept",
                TrainingInterrupted,
                stacklevel=4,
            )

    def _epochs_at_once(self, callbacks: tuple) -> int:
        """More than one where epochs are short and nobody looks at what comes between them."""
        watched = callbacks or self.validation is not None or self.optimizer.watches or self.emphasis.needs == "losses"
        if self.program is None or watched:
            return 1
        return max(1, self.program.steps_at_once // self.steps_per_epoch)

    def _run_epochs(self, n: int, interruption: Interruption) -> None:
        """Finish the epoch under way, and n - 1 more."""
        self.epoch_start = self.parameters.theta.copy()
        self._emphasise()
        first, of_rows = self.epoch, (self.strata, self.emphasis, self.row_losses)
        self.orders = {e: epoch_order(len(self.X), self.key, e, *of_rows) for e in range(first, first + n)}
        if self.program is None:
            self._step_by_step(interruption)
        else:
            self._in_pieces(interruption)
        if not np.all(np.isfinite(self.parameters.theta)):
            self._fail("the parameters are no longer finite")

    def _emphasise(self) -> None:
        """Look at the losses of all rows where the emphasis goes by them, before each epoch but the first."""
        if self.emphasis.needs != "losses":
            return
        if self.step and self.step % self.steps_per_epoch == 0:
            self.row_losses = np.concatenate([self._losses_of(k) for k in range(0, len(self.X), _ROWS)])
            if not np.all(np.isfinite(self.row_losses)):
                self._fail(f"the loss of row {int(np.argmin(np.isfinite(self.row_losses)))} is not finite")
        if self.emphasis.corrects:
            factors = self.emphasis.factors(self.row_losses)
            self.weights = self.given_weights if factors is None else self.given_weights * factors
            if self.program is not None:
                self.program.weights[...] = self.weights

    def _losses_of(self, first: int) -> np.ndarray:
        rows = slice(first, first + _ROWS)
        return self.gradient.losses_of(self.parameters, self.X[rows], None if self.y is None else self.y[rows])

    def _step_by_step(self, interruption: Interruption) -> None:
        start = self.step % self.steps_per_epoch
        options = {"weights": self.weights, "weight_of_row": self.weight_of_row, "start": start}
        for batch in self._watched(batches(self.X, self.y, self.orders[self.epoch], self.batch_size, **options)):
            self.out.theta[...] = 0
            loss = self.gradient(self.parameters, batch, self.key, self.before + self.step, self.out)
            check_loss(loss, self.gradient)
            if not np.isfinite(loss):
                self._fail(f"the loss became {loss}", batch)
            self.optimizer.update(self.out.theta, self.moments, self.parameters, self.before + self.step)
            self.parameters.theta += self.out.theta
            self._count(np.array([loss * self._weight(batch.rows)]))
            if interruption.requested:
                break

    def _watched(self, minibatches: Iterable[Batch]) -> Iterable[Batch]:
        """The minibatches of an epoch; when the next one is asked for, callbacks see the step that was taken."""
        epochs, rows = len(self.loss), self.orders[self.epoch]
        for batch in minibatches:
            yield batch
            shown = self._weight(rows[: (self.step - epochs * self.steps_per_epoch) * self.batch_size])
            loss = self.loss[-1] if len(self.loss) > epochs else self.open_loss / shown
            latest = self.validation_loss[-1] if self.validation_loss else None
            seen = Progress(self.epoch, self.step, loss, latest, self.parameters)
            if any([callback(seen) for callback in self.after_step]):
                self.stopped = True
                return

    def _in_pieces(self, interruption: Interruption) -> None:
        """The same in compiled pieces that may reach over the ends of epochs."""
        first, n = self.epoch, len(self.orders)
        within = np.arange(0, len(self.X), self.batch_size)
        begins = np.append(np.concatenate([k * len(self.X) + within for k in range(n)]), n * len(self.X))
        start, order = first * self.steps_per_epoch, np.concatenate(list(self.orders.values()))
        here = self.step, self.open_loss
        self.program.load(self.parameters, self.moments)
        while not interruption.requested and self.step - start < len(begins) - 1:
            done = self.step - start
            steps, losses = self.program.run(order, begins, done, self.before + start, self.key)
            if not np.all(np.isfinite(losses)):
                self.program = self._compiled()  # numbers that are not finite stay in the places of the old one
                if n > 1:  # look closer, epoch by epoch
                    self.step, self.open_loss = here
                    del self.loss[first:]
                    self.orders = {first: self.orders[first]}
                    return self._in_pieces(interruption)
                bad = begins[done] + int(np.argmin(np.isfinite(losses)))
                self._go_back_before(int(np.searchsorted(begins, bad, side="right")) - 1, order, begins, here)
                rows = order[begins[self.step - start] : begins[self.step - start + 1]]
                what = f"the loss became {losses[bad - begins[done]]}"
                self._fail(what, next(batches(self.X, self.y, rows, self.batch_size, weights=self.weights)))
            self._count(np.add.reduceat(losses, begins[done : done + steps] - begins[done]))
        self.program.store(self.parameters, self.moments)

    def _go_back_before(self, bad: int, order: np.ndarray, begins: np.ndarray, here: tuple[int, float]) -> None:
        """Take the steps of this call once more, up to number `bad`, for the parameters that it began with."""
        start = here[0] // self.steps_per_epoch * self.steps_per_epoch
        done = here[0] - start
        self.program.load(self.parameters, self.moments)
        while done < bad:
            done += self.program.run(order, begins[: bad + 1], done, self.before + start, self.key)[0]
        self.program.store(self.parameters, self.moments)
        self.step = start + bad

    def _count(self, losses: np.ndarray) -> None:
        """Take note of steps, given the sum of the losses of the rows of each; close the epochs that they end."""
        while len(losses):
            left = self.steps_per_epoch - self.step % self.steps_per_epoch
            these, losses = losses[:left], losses[left:]
            self.step += len(these)
            self.open_loss = float(np.cumsum(np.append(self.open_loss, these))[-1])  # one by one, as steps come
            if self.step % self.steps_per_epoch == 0:
                self.loss.append(self.open_loss / self._weight(self.orders[self.epoch - 1]))
                self.open_loss = 0.0

    def _weight(self, rows: np.ndarray) -> float:
        """How much these rows count; 1 for a whole that counts nothing, so that its loss is 0."""
        return float(len(rows) if self.weights is None else self.weights[rows].sum() or 1)

    def _end_epoch(self, callbacks: tuple) -> bool:
        if self.validation is not None:
            value = float(self.validation(self.parameters))
            if not np.isfinite(value):
                self._fail(f"the validation loss became {value}")
            if not self.validation_loss or value < min(self.validation_loss):
                self.best_theta = self.parameters.theta.copy()
            self.validation_loss.append(value)
        self.optimizer.see(self.validation_loss or self.loss)
        latest = self.validation_loss[-1] if self.validation_loss else None
        seen = Progress(self.epoch, self.step, self.loss[-1], latest, self.parameters)
        return any([callback(seen) for callback in callbacks])  # a list: every callback sees every epoch

    def _out_of_patience(self) -> bool:
        if self.patience is None or not self.validation_loss:
            return False
        return len(self.validation_loss) - 1 - int(np.argmin(self.validation_loss)) >= self.patience

    def _fail(self, what: str, batch: Batch | None = None) -> None:
        """Stop with the parameters of the last good epoch; `batch` is the one that led astray."""
        from bioneuro.sparse import all_finite  # and SciPy's sparse arrays, which take a tenth of a second to load

        bad = [key for key in self.parameters if not np.all(np.isfinite(self.parameters[key]))]
        look, where = getattr(self.gradient, "first_not_finite", None), ""
        given = [] if batch is None else [name for name in ("X", "y") if not all_finite(getattr(batch, name))]
        if given:
            where = f"; {' and '.join(given)} of the data hold numbers that are not finite"
        elif batch is not None and look is not None:
            name = look(self.parameters, batch, self.key, self.before + self.step)
            where = "; the first numbers that are not finite come out of population "
            where = f"{where}{name!r}" if name else "; what the network puts out is finite, and its loss too large"
        self.parameters.theta[...] = self.epoch_start
        error = NotFiniteError(
            f"{what} at step {self.step} (epoch {self.epoch + 1})"
            + where
            + (f"; not finite: {', '.join(bad)}" if bad else "")
            + ("" if given else "; lower the learning rate, clip the gradient (optim.clip) or scale the data")
        )
        error.recording = replace(self.recording(), state=None)
        raise error

    def state(self) -> TrainingState:
        """Where the training is; its arrays are those that go on changing."""
        return TrainingState(
            step=self.step,
            theta=self.parameters.theta,
            optimizer=self.moments,
            gradient=getattr(self.gradient, "state", None),
            loss=list(self.loss),
            open_loss=self.open_loss,
            validation=list(self.validation_loss),
            best_theta=self.best_theta,
            row_losses=self.row_losses,
            run=self.run,
        )

    def recording(self) -> Recording:
        """What the training leaves, at its end."""
        best = self.parameters if self.best_theta is None else self.parameters.like(self.best_theta)
        traces = {"loss": np.array(self.loss), "validation": np.array(self.validation_loss)}
        return Recording(best, self.state()._replace(theta=self.parameters.theta.copy()), traces, self.interrupted)
