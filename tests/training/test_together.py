"""Networks trained side by side get what each would get alone."""

import signal
import threading

import numpy as np
import pytest

from bioneuro import optim, training
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError
from bioneuro.initializers import initialise
from bioneuro.optim.fused import fuse
from bioneuro.topology import Topology
from bioneuro.training import TrainingInterrupted, fit, fit_together
from feedforward import together
from feedforward.backprop import Backprop
from feedforward.network import Network

NET = Topology.mlp(9, 20, 3)
N, MEMBERS, EPOCHS = 50, 3, 4


def data(share_of_zeros=0.0):
    draw = np.random.default_rng(0)
    X = draw.standard_normal((N, 9)).astype(np.float32)
    X[draw.random((N, 9)) < share_of_zeros] = 0
    return X, np.eye(3, dtype=np.float32)[draw.integers(0, 3, N)]


def the_members():
    members = [initialise(NET, random_state=m, dtype=np.float32) for m in range(MEMBERS)]
    rows = [np.random.default_rng(m).integers(0, N, N) for m in range(MEMBERS)]
    return members, [Key.from_seed(m) for m in range(MEMBERS)], rows


def train(X, y, backprop=None, epochs=EPOCHS, **options):
    members, keys, rows = the_members()
    options = {"optimizer": optim.adam(0.01), "batch_size": 8, "rows": rows} | options
    return fit_together(members, backprop or Backprop(Network(NET)), X, y, epochs=epochs, keys=keys, **options)


@pytest.mark.parametrize("zeros", [0.0, 0.8], ids=["dense", "sparse"])
@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clipped", [False, True])
def test_each_member_gets_the_bits_of_a_training_of_its_own(zeros, threads, weighted, clipped, monkeypatch):
    monkeypatch.setenv("BIONEURO_NUM_THREADS", threads)
    X, y = data(zeros)
    weights = np.random.default_rng(1).uniform(0.5, 2, N) if weighted else None
    backprop = Backprop(Network(NET), l2=1e-3, dropout=0.3)
    optimizer = optim.chain(optim.clip(0.1), optim.momentum(0.1)) if clipped else optim.adam(0.01)
    found = train(X, y, backprop, weights=weights, optimizer=optimizer)
    for recording, member, key, rows in zip(found, *the_members(), strict=True):
        options = {"optimizer": optimizer, "epochs": EPOCHS, "batch_size": 8, "key": key}
        alone = fit(member, backprop, X[rows], y[rows], weights=weights[rows] if weighted else None, **options)
        assert recording.parameters.theta.tobytes() == alone.parameters.theta.tobytes()
        np.testing.assert_allclose(recording["loss"], alone["loss"], rtol=1e-12)
        moments = fuse(optimizer, member).moments
        for ours, theirs in zip(moments(recording.state.optimizer), moments(alone.state.optimizer), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_training_goes_on_from_its_states_as_if_it_had_never_stopped():
    X, y = data()
    half = train(X, y, epochs=2)
    whole, resumed = train(X, y), train(X, y, states=[recording.state for recording in half])
    for ours, theirs in zip(resumed, whole, strict=True):
        assert ours.parameters.theta.tobytes() == theirs.parameters.theta.tobytes()
        np.testing.assert_array_equal(ours["loss"], theirs["loss"])
    with pytest.raises(InvalidInput, match="belongs to another training"):
        train(X, y, states=[recording.state for recording in half], batch_size=16)


def test_ctrl_c_keeps_what_was_learnt(monkeypatch):
    X, y = data()
    run = together.Together.run

    def interrupted(self, *arguments):
        signal.raise_signal(signal.SIGINT)
        self.steps_at_once = 3
        return run(self, *arguments)

    assert threading.current_thread() is threading.main_thread()
    monkeypatch.setattr(together.Together, "run", interrupted)
    with pytest.warns(TrainingInterrupted, match="after 3 steps of each network"):
        part = train(X, y)
    monkeypatch.setattr(together.Together, "run", run)
    assert all(recording.interrupted and recording.state.step == 3 for recording in part)
    for ours, theirs in zip(train(X, y, states=[p.state for p in part]), train(X, y), strict=True):
        assert ours.parameters.theta.tobytes() == theirs.parameters.theta.tobytes()


@pytest.mark.parametrize("optimizer", [optim.chain(optim.max_norm(1.0), optim.adam(0.01)), optim.yellowfin()])
def test_what_cannot_be_compiled_is_trained_one_after_the_other(optimizer):
    X, y = data()
    found = train(X, y, optimizer=optimizer, epochs=1)
    member, key, rows = (part[1] for part in the_members())
    alone = fit(member, Backprop(Network(NET)), X[rows], y[rows], optimizer=optimizer, epochs=1, batch_size=8, key=key)
    assert found[1].parameters.theta.tobytes() == alone.parameters.theta.tobytes()


def test_all_rows_are_taken_where_none_are_named():
    X, y = data()
    member, key, _ = (part[0] for part in the_members())
    options = {"optimizer": optim.adam(0.01), "epochs": 2, "batch_size": 8}
    (found,) = fit_together([member], Backprop(Network(NET)), X, y, keys=[key], **options)
    alone = fit(member, Backprop(Network(NET)), X, y, key=key, **options)
    assert found.parameters.theta.tobytes() == alone.parameters.theta.tobytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows": [np.arange(5)] * 2}, "one for each of the 3 members, got 2"),
        ({"rows": [np.arange(5), np.arange(6), np.arange(5)]}, r"as many for every member, got \[5, 6\]"),
        ({"rows": [np.arange(N + 1)] * 3}, "from 0 to 49"),
        ({"rows": [np.array([0.5])] * 3}, "whole numbers"),
        ({"epochs": -1}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options, said):
    X, y = data()
    with pytest.raises(InvalidInput, match=said):
        train(X, y, **options)


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        (np.zeros((N, 8), np.float32), np.zeros((N, 3), np.float32), r"X must have shape \(50, 9\), .*, got \(50, 8\)"),
        (np.zeros((N, 9), np.float32), np.zeros((N, 4), np.float32), r"y must have shape \(50, 3\), .*, got \(50, 4\)"),
        (np.zeros((N, 9), np.float32), np.zeros((20, 3), np.float32), "same number of rows, got 50 and 20"),
        (np.zeros((N, 9), np.float32), [[0, 0, 1]] * N, "y must be an array"),
    ],
)
def test_data_that_do_not_fit_the_networks_are_refused(X, y, said):
    with pytest.raises(InvalidInput, match=said):
        train(X, y)


def test_an_optimiser_and_keys_are_asked_for():
    X, y = data()
    with pytest.raises(InvalidInput, match="optimizer must be a Transform"):
        train(X, y, optimizer="adam")
    members, keys, _ = the_members()
    with pytest.raises(InvalidInput, match="key must be a Key, got 7"):
        fit_together(members, Backprop(Network(NET)), X, y, optimizer=optim.sgd(0.1), epochs=1, keys=[*keys[:2], 7])


def test_members_of_two_topologies_are_refused():
    X, y = data()
    members = [initialise(NET, random_state=0), initialise(Topology.mlp(9, 21, 3), random_state=0)]
    keys = [Key.from_seed(m) for m in range(2)]
    with pytest.raises(InvalidInput, match="all of one topology"):
        training.fit_together(members, Backprop(Network(NET)), X, y, optimizer=optim.sgd(0.1), epochs=1, keys=keys)


def test_a_loss_that_is_not_finite_names_the_member():
    X, y = data()
    members, keys, rows = the_members()
    members[1].theta[0] = np.nan
    with pytest.raises(NotFiniteError, match="member 1"):
        fit_together(members, Backprop(Network(NET)), X, y, optimizer=optim.adam(0.01), epochs=1, keys=keys, rows=rows)
