"""Training many networks of one topology side by side: ensembles, bagged or from different first weights."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError, check_number
from bioneuro.optim import Transform
from bioneuro.parameters import Parameters
from bioneuro.recording import Recording
from bioneuro.training.bar import show_bar
from bioneuro.training.batches import check_batch_size, epoch_order, n_batches
from bioneuro.training.checkpoint import TrainingState, digest_of_run
from bioneuro.training.checks import check_data, check_key, check_optimizer, check_weights
from bioneuro.training.emphasis import as_emphasis
from bioneuro.training.interrupt import Interruption, TrainingInterrupted
from bioneuro.training.loop import GradientEstimator, fit


def fit_together(
    members: Sequence[Parameters],
    gradient: GradientEstimator,
    X: np.ndarray,
    y: np.ndarray,
    *,
    optimizer: Transform,
    epochs: int,
    batch_size: int = 32,
    keys: Sequence[Key],
    rows: Sequence[np.ndarray] | None = None,
    weights: np.ndarray | None = None,
    states: Sequence[TrainingState] | None = None,
    progress: bool = False,
) -> list[Recording]:
    """Train networks of one topology, each by itself, in compiled runs that all share; return their recordings.

    Each gets the bits that `fit(member, gradient, X[rows], y[rows], key=key, ...)` would give it alone, whatever the
    number of threads; a thread trains one network at a time, so that small ones use all cores.

    Parameters
    ----------
    members : where each begins; all of one topology and type.
    X, y, weights : rows to learn from, shared; as in `fit`. optimizer, epochs, batch_size, progress : as in `fit`.
    keys : of each member's training.
    rows : the rows that each member learns from, whole numbers, as many for every member (a bootstrap sample, say);
        None: all of them.
    states : the `.state` of each of the recordings to go on from.

    Returns
    -------
    A `Recording` for each, with the trace "loss". At Ctrl-C training stops after a step, with the warning
    `TrainingInterrupted`; going on from the states gives the bits of an unbroken run. What cannot be compiled, and a
    schedule that goes by the losses, is trained by `fit`, one after the other.

    Raises `NotFiniteError` if a loss is not finite, `InvalidInput` for numbers that do not fit each other.
    """
    epochs = check_number("epochs", epochs, low=0, integer=True)
    check_data(X, y)
    check_optimizer(optimizer)
    weights = check_weights(weights, gradient, X)
    rows = _check(members, keys, rows, states, len(X))
    batch_size = check_batch_size(batch_size, rows.shape[1])
    offer = None if optimizer.watches else getattr(gradient, "program_of_many", None)
    program = offer and offer(members[0], X, y, optimizer, batch_size, len(members), rows.shape[1], weights)
    states = [None] * len(members) if states is None else states
    if program is None:
        options = {"optimizer": optimizer, "epochs": epochs, "batch_size": batch_size, "progress": progress}
        own = [None if weights is None else weights[taken] for taken in rows]
        return [
            fit(member, gradient, X[taken], y[taken], key=key, state=state, weights=weight, **options)
            for member, taken, key, state, weight in zip(members, rows, keys, states, own, strict=True)
        ]
    data = digest_of_run(
        0, members[0], gradient, optimizer, keys[0], batch_size, as_emphasis(None), X, y, weights
    ).encode()
    run = _Run(members, gradient, optimizer, batch_size, keys, rows, weights, states, np.frombuffer(data, np.uint8))
    run.train(program, epochs, progress)
    return run.recordings()


def _check(members, keys, rows, states, n_rows: int) -> np.ndarray:
    """The rows of each member, (n_members, n)."""
    if not members or any(member.topology != members[0].topology for member in members):
        raise InvalidInput("members must be parameters, at least one, and all of one topology")
    if any(member.dtype != members[0].dtype for member in members):
        raise InvalidInput(f"members must be of one type, got {sorted({str(member.dtype) for member in members})}")
    for name, given in (("keys", keys), ("rows", rows), ("states", states)):
        if given is not None and len(given) != len(members):
            raise InvalidInput(f"{name} must be one for each of the {len(members)} members, got {len(given)}")
    for key in keys:
        check_key(key)
    if rows is None:
        return np.tile(np.arange(n_rows), (len(members), 1))
    if len({np.shape(taken) for taken in rows}) > 1:
        raise InvalidInput(f"rows must be as many for every member, got {sorted({len(taken) for taken in rows})}")
    rows = np.asarray(rows)
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or rows.size == 0 or rows.min() < 0 or rows.max() >= n_rows:
        raise InvalidInput(f"rows must be whole numbers from 0 to {n_rows - 1}, (n_members, n); got shape {rows.shape}")
    return rows.astype(np.int64)


class _Run:
    """The variables of one call of `fit_together`."""

    def __init__(self, members, gradient, optimizer, batch_size, keys, rows, weights, states, data):
        runs = [
            digest_of_run(0, member, gradient, optimizer, key, batch_size, as_emphasis(None), data, taken)
            for member, key, taken in zip(members, keys, rows, strict=True)
        ]
        if any(state is not None and state.run != run for state, run in zip(states, runs, strict=True)):
            raise InvalidInput(
                "a state to go on from belongs to another training: first parameters, rows, loss, l2, dropout, "
                "noise, flip, mask, optimiser, data, weights, keys and batch_size must be the same; begin anew without "
                "states"
            )
        self.parameters = [member.copy() for member in members]
        self.keys, self.rows, self.runs, self.batch_size = keys, rows, runs, batch_size
        self.moments = [optimizer.init(member) for member in members]
        self.step, self.losses = 0, [[] for _ in members]
        self.open_loss = np.zeros(len(members))
        for m, state in enumerate(states):
            if state is not None:
                self.step, self.losses[m], self.open_loss[m] = int(state.step), list(state.loss), state.open_loss
                self.parameters[m].theta[...] = state.theta
                self.moments[m] = copy.deepcopy(state.optimizer)
        self.steps_per_epoch = n_batches(rows.shape[1], batch_size)
        self.counts = np.full(len(members), rows.shape[1]) if weights is None else weights[rows].sum(axis=1)
        self.interrupted = False

    def train(self, program, epochs: int, progress: bool) -> None:
        for m, (member, moments) in enumerate(zip(self.parameters, self.moments, strict=True)):
            program.load(m, member, moments)
        with Interruption() as interruption, show_bar(epochs, self.step // self.steps_per_epoch, progress) as bar:
            while self.step < epochs * self.steps_per_epoch and not interruption.requested:
                epoch = self.step // self.steps_per_epoch
                n = min(max(1, program.steps_at_once // self.steps_per_epoch), epochs - epoch)
                self._run_epochs(program, epoch, n, interruption)
                bar.update(self.step // self.steps_per_epoch - epoch)
        for m, (member, moments) in enumerate(zip(self.parameters, self.moments, strict=True)):
            program.store(m, member, moments)
        self.interrupted = interruption.requested
        if self.interrupted:
            warnings.warn(
                f"training was interrupted after {self.step} steps of each network; what they learnt is kept",
                TrainingInterrupted,
                stacklevel=4,
            )

    def _run_epochs(self, program, epoch: int, n: int, interruption: Interruption) -> None:
        """Finish the epoch under way, and n - 1 more, of all members."""
        n_rows = self.rows.shape[1]
        orders = np.stack(
            [
                np.concatenate([taken[epoch_order(n_rows, key, e)] for e in range(epoch, epoch + n)])
                for taken, key in zip(self.rows, self.keys, strict=True)
            ]
        )
        within = np.arange(0, n_rows, self.batch_size)
        begins = np.append(np.concatenate([k * n_rows + within for k in range(n)]), n * n_rows)
        start = epoch * self.steps_per_epoch
        while not interruption.requested and self.step - start < len(begins) - 1:
            done = self.step - start
            steps, losses = program.run(orders, begins, done, start, self.keys)
            finite = np.isfinite(losses).all(axis=1)
            if not finite.all():
                raise NotFiniteError(
                    f"the loss of member {int(np.argmin(finite))} is not finite in epoch {epoch + 1} or soon after; "
                    "lower the learning rate, clip the gradient (optim.clip) or scale the data"
                )
            for loss in np.add.reduceat(losses, begins[done : done + steps] - begins[done], axis=1).T:
                self._count(loss)

    def _count(self, loss: np.ndarray) -> None:
        """Take note of a step, and of the sums of the losses of its rows, one a member."""
        self.step += 1
        self.open_loss += loss
        if self.step % self.steps_per_epoch == 0:
            for own, value in zip(self.losses, (self.open_loss / self.counts).tolist(), strict=True):
                own.append(value)
            self.open_loss[:] = 0

    def recordings(self) -> list[Recording]:
        recordings = []
        for m, (member, moments) in enumerate(zip(self.parameters, self.moments, strict=True)):
            loss = list(self.losses[m])
            state = TrainingState(
                self.step,
                member.theta.copy(),
                moments,
                gradient=None,
                loss=loss,
                open_loss=float(self.open_loss[m]),
                validation=[],
                best_theta=None,
                row_losses=None,
                run=self.runs[m],
            )
            traces = {"loss": np.array(loss), "validation": np.zeros(0)}
            recordings.append(Recording(member, state, traces, self.interrupted))
        return recordings
