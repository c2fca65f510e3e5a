"""The competitive layer beside its plain twin, and what its rules must keep."""

from __future__ import annotations

import signal
import threading
import warnings

import numpy as np
import pytest

import bioneuro
from bioneuro._jit.keys import Key
from bioneuro._jit.random import hash_rows
from bioneuro.errors import InvalidInput, UnsupportedTopology
from bioneuro.parameters import Parameters
from bioneuro.spiking import competitive
from bioneuro.spiking.competitive import Competition, cells, class_shares, layer, respond, train, workspace
from bioneuro.spiking.competitive_kernels import Plasticity, show_rows
from bioneuro.topology.units import LIF
from bioneuro.training import TrainingInterrupted
from tests.naive import competitive as naive

KEY = Key.from_seed(7)
ROWS = np.random.default_rng(0).random((12, 9)).astype(np.float32) * (np.random.default_rng(1).random((12, 9)) < 0.7)
DIGITS = bioneuro.load_digits().subsample(150).X.astype(np.float32)
QUICK = Competition(duration=0.05)


def learn(X=ROWS, n_hidden=5, competition=QUICK, epochs=2, unit=None, key=KEY, **kwargs):
    return train(layer(X.shape[1], n_hidden, unit or LIF()), X, competition, epochs=epochs, key=key, **kwargs)


# -- the twin ----------------------------------------------------------------------------------------------------------


@pytest.mark.small
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("unit", [LIF(), LIF(0.05, -0.045, -0.06, -0.065, refractory=(0, 3e-3, 1e-2, 0, 0))])
def test_spikes_weights_and_thresholds_are_the_bits_of_the_plain_twin(channels, unit):
    competition = Competition(duration=0.03, channels=channels, input_rate=2500.0, max_shows=3, min_spikes=4)
    cell, protocol = cells(unit, 5, competition.dt), competition.protocol()
    plasticity = Plasticity(0.4, 1e-3, 7e-3, 30)
    weights = np.random.default_rng(2).random((9, 5)).astype(np.float32) * 1.6e-3
    theta = np.zeros(5, np.float32)
    inputs, alive = np.arange(9) != 4, np.arange(5) != 2
    rows = ROWS.copy()
    rows[3] = 0  # nothing to see
    hashes, order = hash_rows(rows), np.random.default_rng(3).permutation(12)
    slow_weights, slow_theta = weights.copy(), theta.copy()
    expected = naive.show_rows(
        rows, hashes, order, 1, 5, tuple(KEY), slow_weights, slow_theta, inputs, alive, cell, protocol, plasticity
    )
    counts, shows = np.empty((12, 5), np.int32), np.empty(12, np.int32)
    fast = weights, theta, inputs, alive, cell, protocol, plasticity, workspace(9, 5, channels), counts, shows
    show_rows(rows, hashes, order, 0, 12, 1, 5, KEY.words, *fast)
    np.testing.assert_array_equal(counts, expected[0][order])
    np.testing.assert_array_equal(shows, expected[1][order])
    assert weights.tobytes() == slow_weights.tobytes()
    assert theta.tobytes() == slow_theta.tobytes()
    assert counts.sum() > 10
    assert counts[:, 2].sum() == expected[0][3].sum() == 0
    assert set(shows) >= {0, 2}  # one black, others shown again, brighter


# -- known answers -----------------------------------------------------------------------------------------------------


def test_a_unit_alone_fires_at_the_rate_of_the_closed_form():
    """With every channel spiking in each step the input is constant: V_k = w (1 - a^k) / (1 - a) above rest."""
    unit, dt, weight = LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=5e-3, refractory=2e-3), 1e-3, 2e-3
    competition = Competition(input_rate=1e6, duration=1.0, dt=dt, min_spikes=0)
    parameters = Parameters.zeros(layer(1, 1, unit))
    parameters["input->hidden"] = weight
    count = respond(parameters, np.zeros(1, np.float32), np.ones((1, 1), np.float32), competition, key=KEY)[0, 0]
    decay = np.exp(-dt / unit.tau_m)
    top = weight / (1 - decay)  # where V goes in the end

    def steps_to_threshold(start):
        return int(np.ceil(np.log((top - unit.v_threshold) / (top - start)) / np.log(decay)))

    first, period = steps_to_threshold(0.0), 2 + steps_to_threshold(unit.v_reset)
    assert count == 1 + (1000 - first) // period


def test_inputs_spike_at_their_share_of_the_rate():
    """A hidden unit that fires at every input spike counts them: one step is enough to cross, no refractory period."""
    unit = LIF(v_threshold=1e-4, v_reset=0.0, refractory=0.0)
    competition = Competition(input_rate=300.0, duration=1.0, min_spikes=0)
    parameters = Parameters.zeros(layer(2, 2, unit))
    parameters["input->hidden"] = np.eye(2) * 1e-3  # unit j hears input j alone
    rows = np.linspace(0.2, 1, 200, dtype=np.float32)[:, None] * np.array([[0.25, 0.75]], np.float32)
    counts = respond(parameters, np.zeros(2, np.float32), rows, competition, key=KEY)
    first, second = 0.075, 0.225  # chance of a spike in each of 1000 steps; of equals, the first wins
    chances = np.array([first, second * (1 - first)])
    error = np.sqrt(1000 * chances * (1 - chances) / 200)  # of the mean of 200 binomial counts
    assert (np.abs(counts.mean(axis=0) - 1000 * chances) < 4 * error).all()


def test_the_nearest_prototype_wins():
    prototypes = np.eye(4, dtype=np.float32).repeat(4, axis=1)
    parameters = Parameters.zeros(layer(16, 4, LIF()))
    parameters["input->hidden"] = prototypes.T * 3e-3
    counts = respond(parameters, np.zeros(4, np.float32), prototypes * 0.9 + 0.05, Competition(), key=KEY)
    np.testing.assert_array_equal(counts.argmax(axis=1), np.arange(4))


def test_shares_of_spikes_are_a_units_labels():
    counts = np.array([[4, 0, 0], [2, 0, 0], [1, 1, 0]])
    shares = class_shares(counts, np.array([0, 0, 1]), 2)  # unit 0: means 3 and 1; unit 1: 0 and 1; unit 2: silent
    np.testing.assert_allclose(shares, [[0.75, 0.25], [0, 1], [0, 0]])


# -- what learning keeps -----------------------------------------------------------------------------------------------


def test_weights_keep_their_sum_and_their_sign_and_thresholds_only_rise():
    mass = DIGITS.sum(axis=1).mean()
    for epochs in (1, 3):
        learnt = learn(DIGITS, 20, Competition(duration=0.05), epochs)
        weights = learnt.parameters["input->hidden"]
        np.testing.assert_allclose(weights.sum(axis=0), 0.75e-3 * mass, rtol=1e-5)
        assert weights.min() >= 0
        assert weights.max() <= 0.75e-3 * mass * (1 + 1e-5)
        assert (learnt.state.theta >= 0).all()
        assert learnt.state.theta.max() > 0
    whole, part = learn(DIGITS, 20), _interrupted(DIGITS, 20, QUICK, 2)
    assert (whole.state.theta >= part.state.theta).all()


def test_thresholds_rise_by_what_was_asked_for_each_spike_of_a_picture():
    learnt = learn(DIGITS, 20, Competition(threshold_rise=4e-3), 6)
    fall = 2 * (1 - (np.arange(6) + 0.5) / 6)  # of the step, by epoch
    once_each = pytest.approx(4e-3 * (fall * learnt["spikes"]).mean(), rel=0.15)  # spikes of the last showing alone
    assert learnt.state.theta.mean() == once_each


def test_without_epochs_the_first_weights_stay():
    learnt, sums = learn(epochs=0), learn().parameters["input->hidden"].sum(axis=0)
    assert learnt.state.theta.tolist() == [0] * 5
    assert len(learnt["spikes"]) == 0
    np.testing.assert_allclose(learnt.parameters["input->hidden"].sum(axis=0), sums, rtol=1e-5)


# -- the same bytes ----------------------------------------------------------------------------------------------------


def test_chunks_of_any_size_give_the_same_bytes(monkeypatch):
    whole = learn(DIGITS, 20)
    for steps in (1, 7 * 50 * 20):
        monkeypatch.setattr(competitive, "STEPS_AT_ONCE", steps)
        cut = learn(DIGITS, 20)
        assert cut.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
        assert cut.state.theta.tobytes() == whole.state.theta.tobytes()
        assert cut["spikes"].tolist() == whole["spikes"].tolist()


def test_the_key_decides_weights_order_and_spikes():
    same, other = learn(DIGITS, 20), learn(DIGITS, 20, key=Key.from_seed(8))
    assert same.parameters.theta.tobytes() == learn(DIGITS, 20).parameters.theta.tobytes()
    assert same.parameters.theta.tobytes() != other.parameters.theta.tobytes()


def test_every_epoch_shows_all_rows_in_an_order_of_its_own(monkeypatch):
    orders = []
    original = competitive.show_rows
    monkeypatch.setattr(competitive, "show_rows", lambda *args: (orders.append(args[2]), original(*args)))
    learn(epochs=3)
    assert all(sorted(order) == list(range(12)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def _interrupted(X, n_hidden, competition, epochs, **kwargs):
    """Stop at the first signal, sent from inside the first call of the kernel's driver."""
    original, calls = competitive.show_rows, []

    def then_interrupt(*args):
        original(*args)
        calls.append(args)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)

    patch = pytest.MonkeyPatch()
    patch.setattr(competitive, "show_rows", then_interrupt)
    patch.setattr(competitive, "STEPS_AT_ONCE", 40 * 50 * n_hidden)
    with patch.context(), pytest.warns(TrainingInterrupted, match="after 80 of 300 pictures; what it learnt is kept"):
        part = learn(X, n_hidden, competition, epochs, **kwargs)
    patch.undo()
    assert part.interrupted
    return part


def test_ctrl_c_keeps_what_was_learnt_and_going_on_gives_the_bits_of_an_unbroken_run():
    assert threading.current_thread() is threading.main_thread()
    whole, part = learn(DIGITS, 20), _interrupted(DIGITS, 20, QUICK, 2)
    assert part.state.pictures == 80
    rest = learn(DIGITS, 20, state=part.state)
    assert rest.parameters.theta.tobytes() == whole.parameters.theta.tobytes()
    assert rest.state.theta.tobytes() == whole.state.theta.tobytes()
    assert rest["spikes"].tolist() == whole["spikes"].tolist()


def test_a_checkpoint_is_written_at_ctrl_c_and_read_again(tmp_path):
    path = tmp_path / "training.npz"
    _interrupted(DIGITS, 20, QUICK, 2, checkpoint=path)
    rest = learn(DIGITS, 20, checkpoint=path)
    assert rest.parameters.theta.tobytes() == learn(DIGITS, 20).parameters.theta.tobytes()
    slower, others = Competition(duration=0.05, learning_rate=0.1), DIGITS[::-1].copy()
    for other in ({"epochs": 3}, {"competition": slower}, {"X": others}, {"key": KEY.child(1)}, {"unit": LIF(0.05)}):
        with pytest.raises(InvalidInput, match="belongs to another training"):
            learn(**{"X": DIGITS, "n_hidden": 20, "checkpoint": path} | other)
    bioneuro.save(path, rest.parameters)
    with pytest.raises(InvalidInput, match="is not a checkpoint of this kind but holds a Parameters"):
        learn(DIGITS, 20, checkpoint=path)


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"duration": 1e-4}, "duration must be a number in .*at least dt"),
        ({"duration": 350}, r"duration must be a number in \[0.001, 10\], got 350; times are in seconds: 0.35"),
        ({"dt": 1.0}, "dt must be .*1e-3 is a millisecond"),
        ({"tau_trace": 30}, "tau_trace must be .*seconds; near 0.03"),
        ({"input_rate": -1}, "input_rate must be .*in hertz"),
        ({"weight_scale": 5}, "weight_scale must be .*volts"),
        ({"brighter": 0.5}, "brighter must be a number in \\[1, 10\\], got 0.5"),
        ({"channels": 0}, "channels must be an integer"),
        ({"learning_rate": 2}, "learning_rate must be a number in \\[0, 1\\], got 2"),
        ({"max_shows": 0}, "max_shows must be an integer"),
    ],
)
def test_settings_out_of_range_say_what_is_allowed(settings, message):
    with pytest.raises(InvalidInput, match=message):
        Competition(**settings)


def test_a_step_above_the_membranes_time_constant_is_refused():
    with pytest.raises(InvalidInput, match=r"dt must be below tau_m, got dt=0\.005 s and tau_m=0\.002 s"):
        cells(LIF(tau_m=2e-3), 3, 5e-3)


def test_units_that_fire_without_input_are_refused():
    with pytest.raises(UnsupportedTopology, match="v_threshold above v_rest"):
        cells(LIF(v_threshold=-0.05, v_reset=-0.06, v_rest=-0.04), 3, 1e-3)


def test_units_that_keep_what_passes_their_threshold_are_refused():
    with pytest.raises(UnsupportedTopology, match=r"resets all membranes to v_reset; leave soft_reset at 0, got 1\.0"):
        cells(LIF(soft_reset=1.0), 3, 1e-3)


def test_black_pictures_teach_nothing():
    with pytest.raises(InvalidInput, match="every picture is black"):
        learn(np.zeros((4, 9), np.float32))


def test_nothing_given_is_changed():
    rows = ROWS.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learnt = learn(rows)
        theta = learnt.parameters.theta.copy()
        respond(learnt.parameters, learnt.state.theta, rows, QUICK, key=KEY)
    np.testing.assert_array_equal(rows, ROWS)
    np.testing.assert_array_equal(learnt.parameters.theta, theta)
