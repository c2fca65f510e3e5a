"""Which rows an epoch shows, how often, and what that does to learning."""

import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioneuro import Topology, optim
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError, UnknownName
from bioneuro.initializers import initialise
from bioneuro.training import Balanced, Emphasis, Hard, Stratified, TrainingInterrupted, fit
from bioneuro.training.batches import epoch_order
from bioneuro.training.emphasis import as_emphasis

pytestmark = pytest.mark.small
KEY = Key.from_seed(7)
COUNTS = st.lists(st.integers(1, 40), min_size=2, max_size=5)


def drawn(emphasis, n, epoch=0, strata=None, losses=None):
    return epoch_order(n, KEY, epoch, strata, emphasis, losses)


# -- classes -----------------------------------------------------------------------------------------------------------


@given(COUNTS, st.integers(0, 20))
def test_any_stretch_of_a_balanced_epoch_holds_all_classes_alike(counts, epoch):
    strata = np.repeat(np.arange(len(counts)), counts)
    order = drawn(Balanced(), len(strata), epoch, strata)
    assert len(order) == len(strata)
    for first in range(0, len(strata), 10):
        chunk = strata[order[first : first + 10]]
        excess = np.bincount(chunk, minlength=len(counts)) - len(chunk) / len(counts)
        assert np.abs(excess).max() <= 2  # off by less than one at either end


@given(COUNTS, st.integers(0, 20))
def test_rows_of_one_class_come_equally_often_to_within_one_time(counts, epoch):
    strata = np.repeat(np.arange(len(counts)), counts)
    times = np.bincount(drawn(Balanced(), len(strata), epoch, strata), minlength=len(strata))
    for name in range(len(counts)):
        assert np.ptp(times[strata == name]) <= 1


def test_over_many_epochs_a_row_comes_as_often_as_its_balanced_class_weight_says():
    strata = np.repeat([0, 1, 2], [60, 25, 5])
    epochs = 400
    times = sum(np.bincount(drawn(Balanced(), 90, epoch, strata), minlength=90) for epoch in range(epochs)) / epochs
    expected = 90 / (3 * np.array([60, 25, 5]))[strata]
    spread = 0.5 / np.sqrt(epochs)  # a row comes m or m + 1 times
    np.testing.assert_allclose(times, expected, rtol=0, atol=4.5 * spread)


@pytest.mark.parametrize(("strength", "expected"), [(0.0, [64, 16, 4]), (0.5, [48, 24, 12]), (1.0, [28, 28, 28])])
def test_the_strength_leads_from_the_shares_of_the_data_to_equal_ones(strength, expected):
    strata = np.repeat([0, 1, 2], [64, 16, 4])
    np.testing.assert_array_equal(np.bincount(strata[drawn(Balanced(strength), 84, 0, strata)]), expected)


def test_a_class_without_rows_does_no_harm():
    strata = np.array([0, 0, 2, 2, 2, 2])
    np.testing.assert_array_equal(np.bincount(strata[drawn(Balanced(), 6, 0, strata)]), [3, 0, 3])
    assert sorted(drawn(Stratified(), 6, 0, strata)) == list(range(6))


# -- losses ------------------------------------------------------------------------------------------------------------

LOSSES = np.random.default_rng(0).exponential(size=50) ** 3


def expected_times(losses, power, floor):
    raised = (losses + floor * losses.mean()) ** power
    return len(losses) * raised / raised.sum()


@pytest.mark.parametrize(("power", "floor"), [(0.5, 0.1), (1.0, 0.0), (2.0, 0.5), (0.0, 0.1)])
def test_a_row_comes_in_proportion_to_the_power_of_its_loss(power, floor):
    expected, epochs = expected_times(LOSSES, power, floor), 300
    found = [np.bincount(drawn(Hard(power, floor), 50, e, losses=LOSSES), minlength=50) for e in range(epochs)]
    for times in found:
        assert np.all(np.abs(times - expected) < 1 + 1e-9)
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=0, atol=4.5 * 0.5 / np.sqrt(epochs))


def test_even_the_easier_of_two_rows_comes_in_proportion():
    losses, epochs = np.array([0.9, 0.1]), 400
    times = [(drawn(Hard(1.0, 0.0), 2, epoch, losses=losses) == 1).sum() for epoch in range(epochs)]
    assert np.mean(times) == pytest.approx(0.2, abs=4.5 * 0.4 / np.sqrt(epochs))  # 0 or 1 times, 0.2 in the mean


def test_full_correction_gives_each_row_the_same_say_in_the_mean():
    hard = Hard(correction=1.0)
    np.testing.assert_allclose(hard.factors(LOSSES) * expected_times(LOSSES, 0.5, 0.1), 1, rtol=1e-12)
    np.testing.assert_allclose(Hard(correction=0.5).factors(LOSSES) ** 2, hard.factors(LOSSES), rtol=1e-12)


@pytest.mark.parametrize("losses", [None, np.zeros(50)], ids=["no losses yet", "nothing left to learn"])
def test_without_losses_every_row_comes_once(losses):
    assert sorted(drawn(Hard(), 50, losses=losses)) == list(range(50))


def test_rows_without_loss_never_come_where_there_is_no_floor():
    losses = np.where(np.arange(50) < 10, 1.0, 0.0)
    assert set(drawn(Hard(floor=0.0), 50, losses=losses)) == set(range(10))
    assert np.all(Hard(floor=0.0, correction=1.0).factors(losses)[10:] == 0)


# -- in training -------------------------------------------------------------------------------------------------------

NET = Topology.mlp(4, 3, unit="linear", output="linear")
X = np.random.default_rng(1).normal(size=(37, 4))
Y = X @ np.random.default_rng(0).normal(size=(4, 3))
STRATA = np.repeat([0, 1], [30, 7])


class LeastSquares:
    """Mean squared error of x W; remembers the rows it was shown."""

    takes_weights = True

    def __init__(self):
        self.shown = []

    def __call__(self, params, batch, key, step, out):
        self.shown.append(batch.rows)
        weights = np.ones(len(batch.X)) if batch.weights is None else batch.weights
        error = batch.X @ params["input->output"] - batch.y
        out["input->output"] += (batch.X * (weights / weights.sum())[:, None]).T @ error
        return float(weights @ np.square(error).sum(axis=1) / 2 / weights.sum())

    def losses_of(self, params, X, y):
        return np.square(X @ params["input->output"] - y).sum(axis=1) / 2


def train(gradient=None, epochs=6, **options):
    options = {"optimizer": optim.momentum(0.05), "batch_size": 8, "key": KEY, "strata": STRATA} | options
    first = initialise(NET, random_state=0, dtype="float64")
    return fit(first, gradient or LeastSquares(), X, Y, epochs=epochs, **options)


def test_hard_rows_are_those_of_the_losses_after_the_epoch_before():
    gradient = LeastSquares()
    train(gradient, epochs=3, emphasis="hard")
    second = train(epochs=2, emphasis="hard").parameters
    losses = gradient.losses_of(second, X, Y)
    np.testing.assert_array_equal(np.concatenate(gradient.shown[10:]), drawn(Hard(), 37, 2, losses=losses))


@pytest.mark.parametrize("emphasis", ["balanced", "hard", Hard(power=1.0, correction=0.5)], ids=str)
def test_a_training_cut_in_the_middle_of_an_epoch_goes_on_bit_for_bit(emphasis):
    class Interrupts(LeastSquares):
        def __call__(self, params, batch, key, step, out):
            if step == 12:
                signal.raise_signal(signal.SIGINT)
            return super().__call__(params, batch, key, step, out)

    whole = train(emphasis=emphasis)
    with pytest.warns(TrainingInterrupted):
        broken = train(Interrupts(), emphasis=emphasis)
    assert broken.state.step == 13
    rest = train(emphasis=emphasis, state=broken.state)
    assert rest.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
    assert rest["loss"].tobytes() == whole["loss"].tobytes()


def test_the_state_of_another_emphasis_is_refused():
    state = train(epochs=2, emphasis="balanced").state
    with pytest.raises(InvalidInput, match="belongs to another training"):
        train(emphasis=Balanced(0.5), state=state)


def test_the_loss_of_an_epoch_is_the_mean_over_the_rows_it_shows():
    gradient = LeastSquares()
    recording = train(gradient, epochs=1, optimizer=optim.sgd(1e-300), emphasis="balanced")
    losses = gradient.losses_of(initialise(NET, random_state=0, dtype="float64"), X, Y)
    assert recording["loss"][0] == pytest.approx(losses[np.concatenate(gradient.shown)].mean(), rel=1e-12)


def test_strata_alone_stand_for_stratified_batches():
    np.testing.assert_array_equal(train().parameters.theta, train(emphasis="stratified").parameters.theta)
    assert np.any(train(emphasis=Emphasis()).parameters.theta != train().parameters.theta)


def test_an_emphasis_of_your_own_is_a_class_with_an_order():
    class Backwards(Emphasis):
        def order(self, n_rows, key, strata=None, losses=None):
            return np.arange(n_rows)[::-1]

    gradient = LeastSquares()
    train(gradient, epochs=1, emphasis=Backwards())
    np.testing.assert_array_equal(np.concatenate(gradient.shown), np.arange(37)[::-1])


def test_losses_that_are_not_finite_stop_the_training_with_the_last_good_weights():
    class Blind(LeastSquares):
        def losses_of(self, params, X, y):
            return np.where(np.arange(len(X)) == 5, np.nan, 1.0)

    with pytest.raises(NotFiniteError, match="the loss of row 5 is not finite") as caught:
        train(Blind(), emphasis="hard")
    np.testing.assert_array_equal(caught.value.recording.parameters.theta, train(epochs=1, emphasis="hard").state.theta)


def least_squares(params, batch, key, step, out):
    return 0.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"emphasis": "balance"}, UnknownName, "did you mean 'balanced'"),
        ({"emphasis": 3}, UnknownName, "unknown emphasis 3; allowed: 'stratified', 'balanced', 'hard'"),
        ({"emphasis": "balanced", "strata": None}, InvalidInput, "goes by class; give strata"),
        ({"emphasis": "hard", "gradient": least_squares}, InvalidInput, "which least_squares does not tell"),
        ({"strata": STRATA[:5]}, InvalidInput, r"strata must be 37 class numbers .* got int64 of shape \(5,\)"),
        ({"strata": STRATA - 1}, InvalidInput, "strata must be 37 class numbers 0, 1, ..., one a row"),
        ({"strata": STRATA / 2}, InvalidInput, "got float64"),
    ],
)
def test_what_cannot_be_emphasised_is_refused_in_words(options, error, message):
    with pytest.raises(error, match=message):
        train(**options)


def test_rows_are_not_weighed_for_estimators_that_cannot():
    gradient = LeastSquares()
    gradient.takes_weights = False
    with pytest.raises(InvalidInput, match="weighs rows, which LeastSquares does not; use correction=0"):
        train(gradient, emphasis=Hard(correction=0.5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Balanced(1.5), r"Balanced.strength must be a number in \[0, 1\], got 1.5"),
        (lambda: Hard(power=-1), r"Hard.power must be a number in \[0, inf\), got -1"),
        (lambda: Hard(floor=float("nan")), r"Hard.floor must be a number in \[0, inf\), got nan"),
        (lambda: Hard(correction=2), r"Hard.correction must be a number in \[0, 1\], got 2"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_an_emphasis_is_had_by_its_name():
    assert as_emphasis("hard") == Hard()
    assert as_emphasis(None) == Emphasis()
    assert as_emphasis(Balanced(0.5)) == Balanced(0.5)
