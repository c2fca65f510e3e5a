import signal

import numpy as np
import pytest

from bioneuro import Dense, Population, Topology
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError, UnknownName
from bioneuro.initializers import initialise
from bioneuro.training import TrainingInterrupted, minimise

pytestmark = pytest.mark.small
NET = Topology.mlp(4, 3, unit="linear", output="linear")
KEY = Key.from_seed(3)
X = np.random.default_rng(1).normal(size=(37, 4)) * [1, 10, 0.1, 3]  # ill-conditioned
Y = X @ np.random.default_rng(0).normal(size=(4, 3)) + np.random.default_rng(2).normal(size=(37, 3))
BOTH = pytest.mark.parametrize("method", ["lbfgs", "cg"])


def least_squares(params, batch, key, step, out):
    error = batch.X @ params["input->output"] + params["output.bias"] - batch.y
    out["input->output"] += batch.X.T @ error / len(batch.X)
    out["output.bias"] += error.mean(axis=0)
    return 0.5 * float(np.square(error).sum(axis=1).mean())


class Ridge:
    """Least squares with the penalty l2 |W|^2, which is in the gradient but not in the loss."""

    l2 = 0.3

    def __call__(self, params, batch, key, step, out):
        out["input->output"] += 2 * self.l2 * params["input->output"]
        return least_squares(params, batch, key, step, out)

    def penalty(self, params):
        return self.l2 * float(np.square(params["input->output"]).sum())


def start(dtype="float64", net=NET):
    return initialise(net, random_state=0, dtype=dtype)


def best_fit(X, Y, l2=0.0):
    """(W, b) that minimise |X W + b - Y|^2 / (2 n) + l2 |W|^2, in closed form."""
    ones = np.hstack([X, np.ones((len(X), 1))])
    ridge = 2 * l2 * len(X) * np.diag([1.0] * X.shape[1] + [0.0])
    solution = np.linalg.solve(ones.T @ ones + ridge, ones.T @ Y)
    return solution[:-1], solution[-1]


@BOTH
def test_it_finds_the_least_squares_solution(method):
    found = minimise(start(), least_squares, X, Y, method=method, tolerance=1e-7, key=KEY)
    W, b = best_fit(X, Y)
    np.testing.assert_allclose(found.parameters["input->output"], W, atol=1e-5)  # least curvature .01
    np.testing.assert_allclose(found.parameters["output.bias"], b, atol=1e-5)
    assert found.state.converged
    assert len(found["loss"]) == found.state.iterations < 60
    assert (np.diff(found["loss"]) < 1e-12).all()


@BOTH
def test_a_penalty_of_the_gradient_estimator_is_part_of_what_is_minimised_and_not_of_the_loss(method):
    found = minimise(start(), Ridge(), X, Y, method=method, tolerance=1e-9, key=KEY)
    W, b = best_fit(X, Y, Ridge.l2)
    np.testing.assert_allclose(found.parameters["input->output"], W, atol=1e-6)
    np.testing.assert_allclose(found.parameters["output.bias"], b, atol=1e-6)
    assert found["loss"][-1] == pytest.approx(least_squares_at(found.parameters), rel=1e-12)


def test_inputs_are_never_changed_and_the_type_is_kept():
    params = start("float32")
    before, rows = params.theta.copy(), X.astype(np.float32)
    found = minimise(params, least_squares, rows, Y.astype(np.float32), key=KEY)
    np.testing.assert_array_equal(params.theta, before)
    np.testing.assert_array_equal(rows, X.astype(np.float32))
    assert found.parameters.dtype == np.float32
    np.testing.assert_allclose(found.parameters["input->output"], best_fit(X, Y)[0], atol=1e-3)


@BOTH
def test_frozen_parameters_stay_bit_identical(method):
    found = minimise(start(), least_squares, X, Y - 1, method=method, frozen=["output.bias"], tolerance=1e-9, key=KEY)
    np.testing.assert_array_equal(found.parameters["output.bias"], start()["output.bias"])
    W = np.linalg.lstsq(X, Y - 1 - start()["output.bias"], rcond=None)[0]
    np.testing.assert_allclose(found.parameters["input->output"], W, atol=1e-6)


def test_lbfgs_keeps_dales_law_and_conjugate_gradients_refuse_it():
    import scipy.optimize

    signed = Topology(
        [Population("input", 4, "input"), Population("output", 1, "output", unit="linear")],
        [Dense("input", "output", sign=1)],
    )
    params = start(net=signed)
    params["input->output"] = np.abs(params["input->output"])
    target = Y[:, :1]
    found = minimise(params, least_squares, X, target, frozen=["output.bias"], tolerance=1e-9, key=KEY)
    theirs, _ = scipy.optimize.nnls(X, target[:, 0] - params["output.bias"][0])
    np.testing.assert_allclose(found.parameters["input->output"][:, 0], theirs, atol=1e-6)
    assert 0 < (theirs == 0).sum() < 4
    with pytest.raises(InvalidInput, match=r"'input->output' has sign \+1.*use 'lbfgs'"):
        minimise(params, least_squares, X, target, method="cg", key=KEY)


@BOTH
def test_ctrl_c_keeps_the_last_iterate(method):
    seen = []

    def interrupt(progress):
        seen.append(progress.parameters.theta.copy())
        if progress.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.warns(TrainingInterrupted, match="interrupted after 3 iterations"):
        found = minimise(start(), least_squares, X, Y, method=method, callbacks=[interrupt], key=KEY)
    assert found.interrupted
    assert len(seen) == len(found["loss"]) == 3
    np.testing.assert_array_equal(found.parameters.theta, seen[-1])
    assert least_squares_at(found.parameters) == pytest.approx(found["loss"][-1], rel=1e-12)
    assert signal.getsignal(signal.SIGINT) is before


def least_squares_at(params):
    from bioneuro.training import Batch

    return least_squares(params, Batch(X, Y, np.arange(len(X))), KEY, 0, params.copy())


def test_a_callback_that_returns_true_stops_it():
    found = minimise(start(), least_squares, X, Y, callbacks=[lambda progress: progress.epoch == 2], key=KEY)
    assert len(found["loss"]) == 2


def test_early_stopping_gives_back_the_best_weights():
    seen = []

    def validation(params):  # best after the second iteration, then worse for ever
        seen.append(params.theta.copy())
        return abs(len(seen) - 2) + 0.5

    found = minimise(start(), least_squares, X, Y, validation=validation, patience=3, key=KEY)
    assert len(found["loss"]) == len(found["validation"]) == 5
    np.testing.assert_array_equal(found.parameters.theta, seen[1])


def test_no_iterations_give_back_what_came_in():
    found = minimise(start(), least_squares, X, Y, iterations=0, key=KEY)
    np.testing.assert_array_equal(found.parameters.theta, start().theta)
    assert found["loss"].size == 0


def test_a_loss_that_is_not_finite_stops_with_the_last_good_weights():
    seen = []

    def explode(params, batch, key, step, out):
        return least_squares(params, batch, key, step, out) if len(seen) < 2 else float("nan")

    with pytest.raises(NotFiniteError, match="loss became nan in iteration 3") as caught:
        minimise(start(), explode, X, Y, callbacks=[lambda p: seen.append(p.parameters.theta.copy())], key=KEY)
    np.testing.assert_array_equal(caught.value.recording.parameters.theta, seen[-1])


def test_bad_settings_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'lbfgs'"):
        minimise(start(), least_squares, X, Y, method="l-bfgs", key=KEY)
    with pytest.raises(UnknownName, match=r"did you mean 'output.bias'"):
        minimise(start(), least_squares, X, Y, frozen=["output.bais"], key=KEY)
    with pytest.raises(InvalidInput, match="give validation as well"):
        minimise(start(), least_squares, X, Y, patience=2, key=KEY)
    with pytest.raises(InvalidInput, match=r"validation must be a function of the parameters .* got tuple"):
        minimise(start(), least_squares, X, Y, validation=(X, Y), key=KEY)
    with pytest.raises(InvalidInput, match="no data to learn from"):
        minimise(start(), least_squares, X[:0], Y[:0], key=KEY)
