import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from bioneuro import Topology, optim
from bioneuro.errors import InvalidInput, NotFiniteError
from bioneuro.initializers import initialise
from bioneuro.training import Key, TrainingInterrupted, fit
from bioneuro.training.batches import epoch_order

pytestmark = pytest.mark.small
NET = Topology.mlp(4, 3, unit="linear", output="linear")
KEY = Key.from_seed(3)
TRUE = np.random.default_rng(0).normal(size=(4, 3))
X = np.random.default_rng(1).normal(size=(37, 4))
Y = X @ TRUE


def least_squares(params, batch, key, step, out):
    """Mean squared error of x W, the simplest gradient estimator there is."""
    error = batch.X @ params["input->output"] - batch.y
    out["input->output"] += batch.X.T @ error / len(batch.X)
    return 0.5 * float(np.square(error).sum(axis=1).mean())


def start():
    return initialise(NET, random_state=0, dtype="float64")


def train(epochs=20, **options):
    options = {"optimizer": optim.momentum(0.05), "batch_size": 8, "key": KEY} | options
    return fit(start(), least_squares, X, Y, epochs=epochs, **options)


def test_it_finds_the_least_squares_solution():
    recording = train(epochs=200)
    np.testing.assert_allclose(recording.parameters["input->output"], TRUE, atol=1e-6)  # linear convergence
    assert len(recording["loss"]) == 200
    assert recording["loss"][-1] < 1e-10


def test_inputs_are_never_changed():
    params = start()
    before = params.theta.copy()
    fit(params, least_squares, X, Y, optimizer=optim.sgd(0.1), epochs=2, key=KEY)
    np.testing.assert_array_equal(params.theta, before)


@pytest.mark.parametrize("answer", [None, "0.5", np.ones(3)], ids=["nothing", "text", "many"])
def test_a_gradient_estimator_returns_a_number(answer):
    def forgetful(parameters, batch, key, step, out):
        return answer

    with pytest.raises(InvalidInput, match="returns the loss, a number; forgetful returned"):
        fit(start(), forgetful, X, Y, epochs=1, optimizer=optim.sgd(0.1), key=KEY)


def test_no_epochs_give_back_what_came_in():
    recording = train(epochs=0)
    np.testing.assert_array_equal(recording.parameters.theta, start().theta)
    assert recording["loss"].size == 0


def test_going_on_from_a_state_gives_the_bits_of_an_unbroken_run():
    whole = train(epochs=9)
    half = train(epochs=4)
    rest = train(epochs=9, state=half.state)
    np.testing.assert_array_equal(rest.parameters.theta, whole.parameters.theta)
    np.testing.assert_array_equal(rest["loss"], whole["loss"])


def test_a_state_of_another_training_is_refused():
    state = train(epochs=2).state
    with pytest.raises(InvalidInput, match="belongs to another training"):
        train(epochs=4, state=state, key=Key.from_seed(4))


def test_a_checkpoint_resumes_bit_identically_in_another_process(tmp_path):
    path = tmp_path / "checkpoint.npz"
    train(epochs=3, checkpoint=path)
    script = f"""
        import sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_loop import train
        print(train(epochs=8, checkpoint={str(path)!r}).parameters.theta.tobytes().hex())
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.strip() == train(epochs=8).parameters.theta.tobytes().hex()


def test_a_checkpoint_that_cannot_be_written_is_refused_before_training(tmp_path):
    seen = []
    for path, message in ((tmp_path / "nowhere" / "c.npz", "there is no folder"), (7, "the name of a file, got int")):
        with pytest.raises(InvalidInput, match=message):
            train(checkpoint=path, callbacks=[seen.append])
    assert not seen


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    import bioneuro

    path = bioneuro.save(tmp_path / "net.npz", NET)
    with pytest.raises(InvalidInput, match="not a training checkpoint but holds a Topology"):
        train(checkpoint=path)


def test_ctrl_c_keeps_what_is_learnt_and_the_rest_can_be_made_up():
    def interrupt_in_the_middle_of_an_epoch(params, batch, key, step, out):
        if step == 12:  # the third batch of the third epoch
            signal.raise_signal(signal.SIGINT)
        return least_squares(params, batch, key, step, out)

    options = {"optimizer": optim.momentum(0.05), "batch_size": 8, "key": KEY}
    with pytest.warns(TrainingInterrupted, match=r"interrupted after 13 steps \(2 whole epochs\)"):
        broken = fit(start(), interrupt_in_the_middle_of_an_epoch, X, Y, epochs=6, **options)
    assert broken.state.step == 13
    assert broken.interrupted
    assert len(broken["loss"]) == 2
    resumed = train(epochs=6, state=broken.state)
    unbroken = train(epochs=6)
    assert not resumed.interrupted
    np.testing.assert_array_equal(resumed.parameters.theta, unbroken.parameters.theta)
    np.testing.assert_array_equal(resumed["loss"], unbroken["loss"])


def test_ctrl_c_restores_the_handler_that_was_there():
    before = signal.getsignal(signal.SIGINT)
    train(epochs=1)
    assert signal.getsignal(signal.SIGINT) is before


def test_early_stopping_gives_back_the_best_weights():
    seen = []

    def validation(params):  # best after the third epoch, then worse for ever
        seen.append(params.theta.copy())
        return abs(len(seen) - 3) + 0.5

    recording = train(epochs=50, validation=validation, patience=4)
    assert len(recording["loss"]) == 3 + 4
    np.testing.assert_array_equal(recording.parameters.theta, seen[2])
    assert recording["validation"].min() == 0.5


def test_patience_without_validation_is_refused():
    with pytest.raises(InvalidInput, match="give validation as well"):
        train(patience=3)


def test_every_callback_sees_every_epoch_and_any_of_them_stops():
    seen, also = [], []
    recording = train(
        epochs=10,
        callbacks=[
            lambda progress: seen.append(progress.epoch) or progress.epoch == 4,
            lambda progress: also.append(1),
        ],
    )
    assert seen == [1, 2, 3, 4]
    assert len(also) == 4
    assert len(recording["loss"]) == 4


class SeesSteps:
    """A callback that keeps what it sees after every step, and may stop the training."""

    def __init__(self, stop_at=None):
        self.stop_at, self.steps, self.epochs, self.weights = stop_at, [], [], []

    def __call__(self, progress):
        self.epochs.append(progress)

    def after_step(self, progress):
        self.steps.append(progress)
        self.weights.append(progress.parameters.theta.copy())
        return progress.step == self.stop_at


def test_a_callback_may_see_every_step():
    seen, plain = SeesSteps(), train(epochs=3)
    recording = train(epochs=3, callbacks=[seen])
    assert recording.parameters.theta.tobytes() == plain.parameters.theta.tobytes()
    assert [progress.step for progress in seen.steps] == list(range(1, 16))  # 5 in an epoch
    assert [progress.epoch for progress in seen.steps] == [k // 5 for k in range(1, 16)]
    assert [progress.loss for progress in seen.steps[4::5]] == recording["loss"].tolist()
    first = seen.weights[0] - start().theta
    rows = epoch_order(37, KEY, 0)[:8]
    gradient = X[rows].T @ (X[rows] @ start()["input->output"] - Y[rows]) / 8
    np.testing.assert_allclose(first[:12], -0.05 * gradient.ravel(), rtol=1e-12)
    assert len(seen.epochs) == 3


@pytest.mark.parametrize("step", [7, 10])
def test_a_callback_may_stop_after_any_step_and_the_rest_be_made_up(step):
    recording = train(epochs=4, callbacks=[SeesSteps(stop_at=step)])
    assert recording.state.step == step
    assert not recording.interrupted
    rest = train(epochs=4, state=recording.state)
    assert rest.parameters.theta.tobytes() == train(epochs=4).parameters.theta.tobytes()


def test_a_loss_that_is_not_finite_stops_with_the_weights_of_the_last_good_epoch():
    good = train(epochs=2)

    def explode(params, batch, key, step, out):
        return least_squares(params, batch, key, step, out) if step < 12 else float("nan")

    options = {"optimizer": optim.momentum(0.05), "batch_size": 8, "key": KEY}
    with pytest.raises(
        NotFiniteError, match=r"loss became nan at step 12 \(epoch 3\).*lower the learning rate"
    ) as caught:
        fit(start(), explode, X, Y, epochs=6, **options)
    np.testing.assert_array_equal(caught.value.recording.parameters.theta, good.parameters.theta)


def test_stratified_training_sees_classes_in_proportion():
    strata = np.repeat([0, 1], [30, 7])
    shares = []

    def look(params, batch, key, step, out):
        shares.append(strata[batch.rows].mean())
        return 0.0

    fit(start(), look, X, Y, optimizer=optim.sgd(0.1), epochs=3, batch_size=16, key=KEY, strata=strata)
    assert max(shares[0::3] + shares[1::3]) <= 5 / 16
    assert min(shares[0::3] + shares[1::3]) >= 1 / 16


def test_a_checkpoint_of_other_data_or_another_optimiser_is_refused(tmp_path):
    path = tmp_path / "run"  # ".npz" is added, and found again
    train(epochs=2, checkpoint=path)
    assert train(epochs=2, checkpoint=path).state.step == 10
    with pytest.raises(InvalidInput, match="belongs to another training"):
        train(epochs=2, checkpoint=path, optimizer=optim.adam(0.05))
    with pytest.raises(InvalidInput, match="belongs to another training"):
        fit(
            start(),
            least_squares,
            X,
            -Y,
            optimizer=optim.momentum(0.05),
            epochs=2,
            batch_size=8,
            key=KEY,
            checkpoint=path,
        )


def test_ctrl_c_in_the_last_step_of_an_epoch_loses_nothing_of_it():
    def interrupt_at_the_end_of_an_epoch(params, batch, key, step, out):
        if step == 9:  # the last batch of the second epoch
            signal.raise_signal(signal.SIGINT)
        return least_squares(params, batch, key, step, out)

    options = {"optimizer": optim.momentum(0.05), "batch_size": 8, "key": KEY, "validation": lambda params: 1.0}
    with pytest.warns(TrainingInterrupted, match="2 whole epochs"):
        broken = fit(start(), interrupt_at_the_end_of_an_epoch, X, Y, epochs=6, **options)
    assert len(broken["loss"]) == len(broken["validation"]) == 2
    resumed = fit(start(), least_squares, X, Y, epochs=6, state=broken.state, **options)
    assert len(resumed["validation"]) == 6


def test_a_gradient_that_is_not_finite_never_reaches_the_user():
    def poison(params, batch, key, step, out):
        loss = least_squares(params, batch, key, step, out)
        if step == 4:
            out.theta[0] = np.nan
        return loss

    with pytest.raises(NotFiniteError, match="parameters are no longer finite at step 5") as caught:
        fit(start(), poison, X, Y, optimizer=optim.sgd(0.05), epochs=1, batch_size=8, key=KEY)
    assert np.isfinite(caught.value.recording.parameters.theta).all()


def test_data_that_are_not_finite_are_named_as_the_cause():
    spoilt = X.copy()
    spoilt[9, 1] = np.nan
    with pytest.raises(NotFiniteError, match=r"X of the data hold numbers that are not finite$"):
        fit(start(), least_squares, spoilt, Y, optimizer=optim.sgd(0.05), epochs=1, batch_size=8, key=KEY)


def test_overlapping_limits_on_blas_leave_the_process_as_it_was():
    from threadpoolctl import threadpool_info

    from bioneuro.blas import one_blas_thread

    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(threads()) <= {1}
    second.__exit__(None, None, None)
    assert threads() == before
