import copy
import pickle

import numpy as np
import pytest

from bioneuro import optim
from bioneuro.errors import InvalidInput, UnknownName

pytestmark = pytest.mark.small


def test_schedules_have_their_closed_forms():
    assert optim.constant(0.3)(10**6) == 0.3
    assert [optim.step(1.0, 0.5, 10)(t) for t in (0, 9, 10, 25)] == [1, 1, 0.5, 0.25]
    assert optim.exponential(2.0, 0.9)(3) == pytest.approx(2 * 0.9**3, rel=1e-15)
    assert optim.exponential(2.0, 0.95, every=100)(50) == pytest.approx(2 * 0.95**0.5, rel=1e-15)
    assert [optim.linear(1.0, 0.0, 4)(t) for t in (0, 1, 4, 9)] == [1, 0.75, 0, 0]
    assert [optim.piecewise([0.5, 0.9], [5])(t) for t in (0, 4, 5, 99)] == [0.5, 0.5, 0.9, 0.9]


T = 100
AT_0_HALF_T_AND_LATER = {  # t = 0, T / 2, T, T + 1 or another telling step
    "cosine": (optim.cosine(1.0, 0.2, T), {0: 1.0, 50: 0.6, 100: 0.2, 101: 0.2, 500: 0.2}),
    "a quarter of a cosine": (optim.cosine(1.0, 0.0, T), {25: (1 + 0.5**0.5) / 2}),
    "warm restarts": (
        optim.warm_restarts(1.0, 0.0, T),
        {0: 1.0, 50: 0.5, 99: (1 + np.cos(0.99 * np.pi)) / 2, 100: 1.0, 101: (1 + np.cos(0.01 * np.pi)) / 2, 150: 0.5},
    ),
    "warm restarts, each twice as long": (
        optim.warm_restarts(1.0, 0.0, T, growth=2.0),
        {0: 1.0, 50: 0.5, 100: 1.0, 200: 0.5, 300: 1.0, 500: 0.5, 700: 1.0, 699: (1 + np.cos(np.pi * 399 / 400)) / 2},
    ),
    "cyclic": (optim.cyclic(0.1, 1.1, T), {0: 0.1, 50: 0.6, 100: 1.1, 101: 1.09, 150: 0.6, 200: 0.1, 300: 1.1}),
    "cyclic, each half as high": (optim.cyclic(0.0, 1.0, T, shrink=0.5), {100: 1.0, 200: 0.0, 300: 0.5, 500: 0.25}),
    "warm-up": (optim.warm_up(T, optim.step(0.8, 0.5, 10)), {0: 0.0, 50: 0.4, 100: 0.8, 109: 0.8, 110: 0.4}),
    "warm-up from a tenth": (optim.warm_up(T, 1.0, start=0.1), {0: 0.1, 50: 0.55, 100: 1.0, 999: 1.0}),
    "growing momentum": (
        optim.growing_momentum(0.5, 0.9, T),
        {0: 0.5, 50: 1 - 1 / np.sqrt(2 * 10), 100: 0.9, 101: 0.9},  # it remembers 2, sqrt(20), 10 steps
    ),
    "scaled": (optim.scaled(optim.linear(1.0, 0.0, T), 0.1), {0: 0.1, 50: 0.05, 100: 0.0}),
}


@pytest.mark.parametrize("name", AT_0_HALF_T_AND_LATER)
def test_a_schedule_has_its_values_at_the_ends_and_in_the_middle(name):
    schedule, values = AT_0_HALF_T_AND_LATER[name]
    assert [float(schedule(t)) for t in values] == pytest.approx(list(values.values()), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", optim.SCHEDULES)
@pytest.mark.parametrize("steps", [1, 7, 100])
def test_many_steps_at_once_are_those_of_each_step(name, steps):
    schedule = optim.over_training(name, 0.1, steps)
    together = np.broadcast_to(schedule(np.arange(2 * steps)), 2 * steps)
    np.testing.assert_allclose(together, [schedule(t) for t in range(2 * steps)], rtol=1e-13, atol=1e-17)
    assert (together >= 0).all()
    assert together.max() == pytest.approx(0.1, rel=1e-12)


def test_restarts_come_where_they_should_for_any_growth():
    for growth in (1.1, 1.5, 2.0, 3.0):
        schedule = optim.warm_restarts(1.0, 0.0, 10, growth)
        begins = np.cumsum(10 * growth ** np.arange(12))
        first = np.ceil(begins - 1e-9).astype(int)  # the first whole step of each cycle
        assert (schedule(first) > 0.9).all()
        assert (schedule(first - 1) < 0.1).all()


def test_schedules_by_name_cover_the_training():
    assert optim.over_training("linear", 0.1, 50)(50) == 0
    assert optim.over_training("cosine", 0.1, 50)(50) == pytest.approx(0, abs=1e-17)
    assert optim.over_training("exponential", 0.1, 50)(50) == pytest.approx(0.001)
    assert optim.over_training("step", 0.1, 30)(29) == pytest.approx(0.001)
    assert optim.over_training("constant", 0.1, 30)(29) == 0.1
    restarts = optim.over_training("warm-restarts", 0.1, 70)
    assert [float(restarts(t)) for t in (0, 10, 30, 70)] == pytest.approx([0.1] * 4)
    warm = optim.over_training("warm-up", 0.1, 100)
    assert (warm(0), warm(5), warm(100)) == (0, 0.1, pytest.approx(0, abs=1e-17))


def test_the_rate_falls_when_the_loss_has_not_for_so_many_epochs():
    schedule = optim.on_plateau(1.0, 0.5, patience=2)
    losses, rates = [3, 2, 2, 1.9, 2, 2, 2, 2, 1.8, 1.9, 1.9], []
    for epoch in range(len(losses)):
        schedule.see(losses[: epoch + 1])
        rates.append(schedule(10 * epoch))
    assert rates == [1, 1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_a_loss_that_falls_by_next_to_nothing_stands_still():
    schedule = optim.on_plateau(1.0, 0.1, patience=3, tolerance=0.01, lowest=0.05)
    schedule.see([1.0, 0.999, 0.998, 0.997])
    assert schedule(0) == pytest.approx(0.1)
    schedule.see([1.0] * 50)
    assert schedule(0) == 0.05
    schedule.see([])  # a new training begins
    assert schedule(0) == 1.0


def test_a_plateau_is_a_matter_of_the_losses_alone_and_survives_copies():
    schedule = optim.on_plateau(1.0, patience=1)
    schedule.see([1.0, 2.0])
    assert pickle.loads(pickle.dumps(schedule))(0) == copy.deepcopy(schedule)(0) == schedule(0) == pytest.approx(0.1)
    assert schedule == optim.on_plateau(1.0, patience=1)  # the same settings
    assert repr(schedule) == repr(optim.on_plateau(1.0, patience=1))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: optim.piecewise([1, 2], [3, 4]), "rising boundaries"),
        (lambda: optim.step(1, 0.5, 0), "schedule step: every must be an integer in"),
        (lambda: optim.constant(-1), r"schedule constant: value must be a number in \[0, inf\), got -1"),
        (lambda: optim.linear(0.1, -0.1, 10), "schedule linear: last must be a number"),
        (lambda: optim.warm_restarts(1, 0, 10, growth=0.5), "schedule warm_restarts: growth must be"),
        (lambda: optim.on_plateau(1, factor=2), r"schedule on_plateau: factor must be a number in \(0, 1\)"),
        (lambda: optim.growing_momentum(last=1.0), r"schedule growing_momentum: last must be a number in \[0, 1\)"),
        (lambda: optim.over_training("cosine", 0, 10), r"learning rate must be a number in \(0, inf\)"),
    ],
)
def test_bad_schedules_say_what_is_wrong(bad, message):
    with pytest.raises(InvalidInput, match=message):
        bad()


def test_an_unknown_schedule_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'linear'"):
        optim.over_training("liner", 0.1, 10)
