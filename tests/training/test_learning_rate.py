import numpy as np
import pytest

from bioneuro import Topology, load_digits, optim
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError, UnknownName
from bioneuro.initializers import initialise
from bioneuro.training import LearningRates, find_learning_rate
from bioneuro.training.readout import SoftmaxGradient

NET = Topology.mlp(4, 3, unit="linear", output="linear")
KEY = Key.from_seed(3)
X = np.random.default_rng(0).normal(size=(200, 4))
Y = X @ np.random.default_rng(1).normal(size=(4, 3))


def least_squares(params, batch, key, step, out):
    error = batch.X @ params["input->output"] - batch.y
    out["input->output"] += batch.X.T @ error / len(batch.X)
    return 0.5 * float(np.square(error).sum(axis=1).mean())


def find(**options):
    return find_learning_rate(initialise(NET, random_state=0, dtype="float64"), least_squares, X, Y, key=KEY, **options)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_tenth_of_the_digits_asks_for_the_rate_of_all_within_one_step_of_the_grid(optimizer):
    digits = load_digits()
    pixels = (digits.X / digits.X.max()).astype(np.float32)
    gradient = SoftmaxGradient(pixels.mean(axis=0), np.ones(64, np.float32), 0.0)
    first = initialise(Topology.mlp(64, 10), random_state=0)
    rates = np.geomspace(1e-3, 30, 9)  # a factor of about 3.6
    few, all_rows = (
        find_learning_rate(
            first, gradient, pixels, digits.y, optimizer=optimizer, rates=rates, share=share, steps=120, key=KEY
        )
        for share in (0.1, 1.0)
    )
    assert abs(np.searchsorted(rates, few.best) - np.searchsorted(rates, all_rows.best)) <= 1
    assert rates[0] < few.best < rates[-1]


def test_it_finds_the_rate_that_solves_a_quadratic_and_sees_those_that_diverge():
    found = find(optimizer="sgd", rates=[1e-3, 1e-2, 0.1, 1.0, 10.0, 1e9], share=0.5, steps=50)
    assert found.best == 0.1  # curvatures are near 1: rates above 2 diverge, small ones crawl
    assert np.isinf(found.losses[-1])
    np.testing.assert_array_equal(found.rates, [1e-3, 1e-2, 0.1, 1.0, 10.0, 1e9])


def test_the_best_rate_is_the_middle_of_those_that_are_about_as_good():
    rates = np.geomspace(1e-4, 1, 5)
    assert LearningRates(rates, np.array([2.0, 0.03, 0.02, 0.01, np.inf])).best == rates[2]
    assert LearningRates(rates, np.array([2.0, 1.0, 0.5, 0.01, 3.0])).best == rates[3]
    assert LearningRates(rates, np.array([2.0, 0.01, 0.5, 0.02, 3.0])).best == rates[1]  # not beyond a hill
    assert LearningRates(rates, np.array([0.5, 1.0, 2.0, 3.0, np.inf])).best == rates[0]
    assert LearningRates(rates, np.array([2.0, 0.01, 0.9, 1.7, 0.0])).best == rates[1]  # by heart, with large weights
    assert LearningRates(rates, np.array([2.0, 1.9999, 2.0001, 0.1, np.inf])).best == rates[3]  # no hill, but noise


def test_the_subsample_depends_on_the_key_alone_and_holds_classes_in_proportion():
    seen, strata = [], np.repeat([0, 1], [180, 20])
    number = {row.tobytes(): index for index, row in enumerate(X)}

    def look(params, batch, key, step, out):
        seen.extend(number[row.tobytes()] for row in batch.X)
        return least_squares(params, batch, key, step, out)

    first = initialise(NET, random_state=0, dtype="float64")
    used = []
    for _ in range(2):
        seen.clear()
        find_learning_rate(first, look, X, Y, rates=[0.1], share=0.2, steps=4, batch_size=10, key=KEY, strata=strata)
        used.append(np.unique(seen))
    np.testing.assert_array_equal(*used)
    assert np.bincount(strata[used[0]]).tolist() == [36, 4]


def test_an_optimiser_may_be_a_function_of_the_rate():
    named = find(optimizer="momentum", rates=[0.01, 0.1])
    made = find(optimizer=lambda rate: optim.momentum(rate), rates=[0.1, 0.01])
    np.testing.assert_array_equal(named.losses, made.losses)


def test_nothing_is_changed():
    first = initialise(NET, random_state=0, dtype="float64")
    before = first.theta.copy()
    find_learning_rate(first, least_squares, X, Y, rates=[0.1], key=KEY)
    np.testing.assert_array_equal(first.theta, before)


def test_the_figure_shows_every_rate_and_the_best():
    found = LearningRates(np.geomspace(1e-3, 1, 4), np.array([2.0, 1.0, 0.1, np.inf]))
    ax = found.plot()
    curve, best = ax.lines
    np.testing.assert_array_equal(curve.get_xdata(), found.rates)
    np.testing.assert_array_equal(curve.get_ydata(), [2.0, 1.0, 0.1, np.nan])
    assert best.get_xdata()[0] == found.best
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "learning rate"
    assert found.plot(ax=ax) is ax


def test_bad_settings_are_refused():
    with pytest.raises(InvalidInput, match=r"learning rate must be a number in \(0, inf\), got 0"):
        find(rates=[0.1, 0])
    with pytest.raises(InvalidInput, match="no learning rates to try"):
        find(rates=[])
    with pytest.raises(InvalidInput, match=r"share must be a number in \(0, 1\]"):
        find(share=0)
    with pytest.raises(UnknownName, match="did you mean 'adam'"):
        find(optimizer="adm")
    with pytest.raises(NotFiniteError, match="diverged at every rate from 1e\\+100"):
        find(optimizer="sgd", rates=[1e100, 1e101], steps=400)
