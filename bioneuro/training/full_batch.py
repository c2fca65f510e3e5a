"""Minimising the loss over all rows at once, by SciPy's quasi-Newton and conjugate gradient methods.

These look along a line in each iteration and need the same loss at the same weights, so they take no minibatches and
are not compiled. They suit small problems that are to be solved to the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bioneuro import memory
from bioneuro._jit.keys import Key
from bioneuro.blas import one_blas_thread
from bioneuro.errors import InvalidInput, NotFiniteError, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.recording import Recording
from bioneuro.topology import Topology
from bioneuro.training.bar import show_bar
from bioneuro.training.batches import Batch
from bioneuro.training.checks import (
    check_callbacks,
    check_data,
    check_key,
    check_parameters,
    check_validation,
    check_weights,
)
from bioneuro.training.interrupt import Interruption, TrainingInterrupted
from bioneuro.training.loop import GradientEstimator, Progress

METHODS = {"lbfgs": ("L-BFGS-B", {"ftol": 1e-14}), "cg": ("CG", {})}


class Minimum(NamedTuple):
    """How a minimisation ended: whether at a minimum, after how many iterations and evaluations, in SciPy's words."""

    converged: bool
    iterations: int
    evaluations: int
    message: str


def minimise(
    parameters: Parameters,
    gradient: GradientEstimator,
    X: np.ndarray,
    y: np.ndarray | None = None,
    *,
    method: str = "lbfgs",
    iterations: int = 200,
    tolerance: float = 1e-5,
    key: Key,
    weights: np.ndarray | None = None,
    frozen: Sequence[str] = (),
    callbacks: Iterable[Callable[[Progress], bool | None]] = (),
    validation: Callable[[Parameters], float] | None = None,
    patience: int | None = None,
    progress: bool = False,
) -> Recording:
    """Learn `parameters` from all rows of X (and y) at once; the inputs are never changed.

    What is minimised is the loss that `gradient` returns, plus its `penalty(parameters)` where it has one. It is called
    with the same key and step every time, so that a dropout it draws stays the same. Numbers are float64 inside.

    Parameters
    ----------
    method : "lbfgs" (Liu and Nocedal 1989; with bounds Byrd et al. 1995), which keeps Dale's law where projections
        have signs; or "cg", conjugate gradients (Polak and Ribiere 1969).
    iterations : at most.
    tolerance : it ends where no number of the gradient is larger, or where rounding hides what is left to gain.
    weights : (n,) >= 0, how much each row counts.
    frozen : keys of parameters that stay what they are.
    callbacks, validation, patience, progress : as in `fit`, with iterations in the place of epochs.

    Returns
    -------
    Recording with traces "loss" (without the penalty) and "validation", one value an iteration, and a `Minimum` as its
    state. At Ctrl-C it ends after the iteration under way with the warning `TrainingInterrupted`. To go on, begin with
    the parameters it returned; what the method had learnt of the curvature is learnt anew.

    Raises
    ------
    NotFiniteError if the loss is not finite; its `recording` holds the parameters after the last good iteration.
    """
    choose("method", method, METHODS)
    check_parameters(parameters)
    check_data(X, y)
    check_key(key)
    callbacks = check_callbacks(callbacks)
    check_number("iterations", iterations, low=0, integer=True)
    check_number("tolerance", tolerance, low=0)
    if not len(X):
        raise InvalidInput("there is no data to learn from: X has 0 rows")
    check_validation(validation, patience)
    for name in frozen:
        choose("parameter to freeze", name, parameters)
    weights = check_weights(weights, gradient, X)
    size = 8 * parameters.theta.size
    copies = {"the data in float64": 8 * (np.size(X) + (0 if y is None else np.size(y))), "corrections": 24 * size}
    memory.require(copies, f"minimising over all rows of {parameters.topology!r}")
    search = _Search(parameters, gradient, X, y, weights, key, frozen, callbacks, validation, patience)
    with one_blas_thread(), Interruption() as interruption, show_bar(iterations, 0, progress) as bar:
        state = search.run(method, iterations, tolerance, interruption, bar)
    if interruption.requested:
        warnings.warn(
            f"training was interrupted after {state.iterations} iterations; what it learnt is kept",
            TrainingInterrupted,
            stacklevel=2,
        )
    return replace(search.recording(state), interrupted=interruption.requested)


class _Search:
    """The variables of one call of `minimise`, and the verbs that change them."""

    def __init__(self, parameters, gradient, X, y, weights, key, frozen, callbacks, validation, patience):
        self.given, self.gradient, self.key = parameters, gradient, key
        self.batch = Batch(_double(X), _double(y), np.arange(len(X)), _double(weights))
        self.now = Parameters(parameters.topology, parameters.theta.astype(np.float64))
        self.out = Parameters.zeros(parameters.topology, "float64")
        self.free = np.ones(self.now.theta.size, dtype=bool)
        for name in frozen:
            self.free[parameters.topology.layout[name].where] = False
        self.callbacks, self.validation, self.patience = callbacks, validation, patience
        self.reached, self.best = self.now.theta.copy(), None  # after the last iteration, and with the best validation
        self.loss, self.validation_loss = [], []

    def run(self, method: str, iterations: int, tolerance: float, interruption: Interruption, bar) -> Minimum:
        import scipy.optimize

        def after_iteration(intermediate_result):
            self._reach(intermediate_result)
            bar.update()
            bar.set_postfix(loss=f"{self.loss[-1]:.4g}")
            latest = self.validation_loss[-1] if self.validation_loss else None
            seen = Progress(len(self.loss), len(self.loss), self.loss[-1], latest, self._learnt())
            stop = any([callback(seen) for callback in self.callbacks])  # a list: every callback sees every iteration
            if stop or interruption.requested or self._out_of_patience():
                raise StopIteration

        bounds = _bounds(self.given.topology, method)
        if bounds is not None:
            self.now.theta[...] = np.clip(self.now.theta, *bounds)
            bounds = scipy.optimize.Bounds(*(bound[self.free] for bound in bounds))
        if iterations == 0 or not self.free.any():
            return Minimum(False, 0, 0, "nothing to do")
        name, options = METHODS[method]
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found here
            found = scipy.optimize.minimize(
                self._value_and_slope,
                self.now.theta[self.free],
                jac=True,
                method=name,
                bounds=bounds,
                callback=after_iteration,
                options={"maxiter": iterations, "gtol": tolerance} | options,
            )
        return Minimum(bool(found.success), int(found.nit), int(found.nfev), str(found.message))

    def recording(self, state: Minimum | None) -> Recording:
        traces = {"loss": np.array(self.loss), "validation": np.array(self.validation_loss)}
        return Recording(self._learnt(self.best), state, traces)

    def _value_and_slope(self, free: np.ndarray) -> tuple[float, np.ndarray]:
        self.now.theta[self.free] = free
        self.out.theta[...] = 0
        value = float(self.gradient(self.now, self.batch, self.key, 0, self.out)) + self._penalty()
        if not (np.isfinite(value) and np.isfinite(self.out.theta).all()):
            error = NotFiniteError(
                f"the loss became {value} in iteration {len(self.loss) + 1}; scale the data or make the weights smaller"
            )
            error.recording = self.recording(None)
            raise error
        return value, self.out.theta[self.free].copy()

    def _penalty(self) -> float:
        penalty = getattr(self.gradient, "penalty", None)
        return 0.0 if penalty is None else penalty(self.now)

    def _reach(self, result) -> None:
        self.reached[self.free] = self.now.theta[self.free] = result.x
        self.loss.append(float(result.fun) - self._penalty())
        if self.validation is None:
            return
        value = float(self.validation(self._learnt()))
        if not self.validation_loss or value < min(self.validation_loss):
            self.best = self.reached.copy()
        self.validation_loss.append(value)

    def _learnt(self, theta: np.ndarray | None = None) -> Parameters:
        return self.given.like(self.reached if theta is None else theta)

    def _out_of_patience(self) -> bool:
        if self.patience is None:
            return False
        return len(self.validation_loss) - 1 - int(np.argmin(self.validation_loss)) >= self.patience


def _double(array: np.ndarray | None) -> np.ndarray | None:
    """Floating numbers in float64; class numbers as they are."""
    return array if array is None or array.dtype.kind != "f" else array.astype(np.float64)


def _bounds(topology: Topology, method: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Least and largest value of each number where projections have signs; None where none has."""
    signed = [p for p in topology.projections if p.sign and p.name in topology.layout]
    if not signed:
        return None
    if method != "lbfgs":
        raise InvalidInput(
            f"{signed[0].name!r} has sign {signed[0].sign:+d}, which conjugate gradients do not keep; use 'lbfgs'"
        )
    low, high = np.full(topology.n_parameters, -np.inf), np.full(topology.n_parameters, np.inf)
    for projection in signed:
        (low if projection.sign > 0 else high)[topology.layout[projection.name].where] = 0
    return low, high
