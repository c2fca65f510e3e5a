"""Steps of one or two rows that are learnt from later give the numbers of steps that are learnt from at once."""

import numpy as np
import pytest

from bioneuro import Population, Topology, optim
from bioneuro._jit.keys import Key
from bioneuro.initializers import initialise
from bioneuro.topology import Dense, OneToOne
from bioneuro.training import fit, fit_together
from feedforward.backprop import Backprop
from feedforward.network import Network
from feedforward.program import Program, deferrable
from feedforward.tables import HELD
from tests.feedforward.test_program import compiled, first_parameters, plain, problem

WIDE = Topology.mlp(100, 90, 33, 5, unit="tanh", skip=[("input", "hidden2"), ("hidden1", "output")])
LINEAR = {
    "sgd": optim.sgd(0.02),
    "momentum": optim.momentum(0.01, beta=0.8),
    "momentum, schedules": optim.momentum(optim.exponential(0.02, 0.98), beta=lambda step: 0.9 - 0.5 / (1 + step)),
    "nesterov": optim.nesterov(0.01),
    "ewma": optim.ewma(0.02),
    "per layer": optim.chain(optim.momentum(0.01), optim.per_layer({"input->hidden1": 0.3, "hidden2": 2.0})),
    "decay of others": optim.chain(optim.momentum(0.01), optim.max_norm(0.5, ("output",))),
}


class StopAt:
    """A callback that looks at every step, so that the plain loop runs, and stops it at one."""

    def __init__(self, step):
        self.step = step

    def __call__(self, progress):
        pass

    def after_step(self, progress):
        return progress.step == self.step


def deferred_by(backprop, optimizer, batch_size=1, dtype="float64"):
    parameters = first_parameters(backprop.network.topology, dtype)
    return deferrable(backprop, parameters, optim.fused.fuse(optimizer, parameters), batch_size)


@pytest.mark.parametrize("density", [1.0, 0.15])
@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("name", LINEAR)
def test_it_is_the_path_of_the_plain_loop(name, batch_size, density):
    backprop, optimizer = Backprop(Network(WIDE), dropout={"hidden1": 0.2}), LINEAR[name]
    assert set(deferred_by(backprop, optimizer, batch_size)) == {"input->hidden1", "input->hidden2"}
    data = problem(WIDE, "float64", density, n=3 * HELD + 5)
    ours, losses = compiled(backprop, optimizer, data, "float64", batch_size)
    theirs, sums = plain(backprop, optimizer, data, "float64", batch_size)
    assert np.abs(theirs - first_parameters(WIDE, "float64").theta).max() > 0.01
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert losses.sum() == pytest.approx(sums.sum(), rel=1e-12)


def test_weights_of_rows_count():
    weights = np.random.default_rng(1).uniform(0, 2, 2 * HELD + 3)
    data = problem(WIDE, "float64", n=len(weights))
    runs = [
        run(Backprop(Network(WIDE)), LINEAR["momentum"], data, "float64", 2, weights=weights)
        for run in (compiled, plain)
    ]
    np.testing.assert_allclose(runs[0][0], runs[1][0], rtol=0, atol=1e-12)


def test_where_inputs_reach_two_populations_one_after_the_other():
    populations = [Population("input", 100, role="input"), Population("a", 90, unit="tanh"), Population("b", 80)]
    projections = [Dense("input", "a"), Dense("input", "b"), Dense("a", "output"), Dense("b", "output")]
    topology = Topology([*populations, Population("output", 3, "output")], projections)
    data, backprop = problem(topology, "float64", n=2 * HELD + 3), Backprop(Network(topology))
    assert len(deferred_by(backprop, LINEAR["momentum"])) == 2
    runs = [run(backprop, LINEAR["momentum"], data, "float64", 1) for run in (compiled, plain)]
    np.testing.assert_allclose(runs[0][0], runs[1][0], rtol=0, atol=1e-12)


def test_where_inputs_reach_outputs_of_several_panels():
    topology = Topology.mlp(100, 90, 130, unit="relu", skip=[("input", "output")])
    data, backprop = problem(topology, "float64", n=2 * HELD + 3), Backprop(Network(topology))
    assert len(deferred_by(backprop, LINEAR["nesterov"])) == 2
    runs = [run(backprop, LINEAR["nesterov"], data, "float64", 1) for run in (compiled, plain)]
    np.testing.assert_allclose(runs[0][0], runs[1][0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("sizes", [(300, 200, 10), (300, 64, 10), (300, 130, 70)])
def test_any_number_of_threads_and_any_pieces_give_the_same_bytes(sizes, monkeypatch):
    topology = Topology.mlp(*sizes, unit="relu")
    data, backprop = problem(topology, "float32", 0.3, n=83), Backprop(Network(topology))
    expected = compiled(backprop, LINEAR["momentum"], data, "float32", 1)[0].tobytes()
    for n_threads in (2, 3):
        assert compiled(backprop, LINEAR["momentum"], data, "float32", 1, n_threads)[0].tobytes() == expected
    run, rng = Program.run, np.random.default_rng(0)

    def in_pieces(self, *arguments):
        self.steps_at_once = int(rng.integers(1, 40))
        return run(self, *arguments)

    monkeypatch.setattr(Program, "run", in_pieces)
    for _ in range(3):
        assert compiled(backprop, LINEAR["momentum"], data, "float32", 1)[0].tobytes() == expected


@pytest.mark.parametrize("epochs_before", [1, 2])
def test_a_training_that_is_resumed_has_the_bytes_of_one_that_was_not(epochs_before):
    X, y, _ = problem(WIDE, "float32", n=HELD + 7)
    first = initialise(WIDE, random_state=0, dtype="float32")
    options = {"optimizer": optim.momentum(0.01), "batch_size": 1, "key": Key.from_seed(0)}
    whole = fit(first, Backprop(Network(WIDE)), X, y, epochs=3, **options)
    part = fit(first, Backprop(Network(WIDE)), X, y, epochs=epochs_before, **options)
    rest = fit(first, Backprop(Network(WIDE)), X, y, epochs=3, state=part.state, **options)
    watched = fit(first, Backprop(Network(WIDE)), X, y, epochs=3, callbacks=[lambda progress: None], **options)
    assert rest.parameters.theta.tobytes() == whole.parameters.theta.tobytes() == watched.parameters.theta.tobytes()


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_training_goes_on_from_the_middle_of_a_block_where_the_plain_loop_has_stopped(batch_size, monkeypatch):
    X, y, _ = problem(WIDE, "float64", n=3 * HELD + 5)
    first = initialise(WIDE, random_state=0, dtype="float64")
    options = {"optimizer": optim.momentum(0.01), "batch_size": batch_size, "key": Key.from_seed(0), "epochs": 2}
    part = fit(first, Backprop(Network(WIDE)), X, y, callbacks=[StopAt(HELD // batch_size + 3)], **options)
    whole = fit(first, Backprop(Network(WIDE)), X, y, **options)
    run = Program.run

    def in_pieces(self, *arguments):
        self.steps_at_once = 1
        return run(self, *arguments)

    rest = fit(first, Backprop(Network(WIDE)), X, y, state=part.state, **options)
    np.testing.assert_allclose(rest.parameters.theta, whole.parameters.theta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rest.traces["loss"], whole.traces["loss"], rtol=1e-12)
    monkeypatch.setattr(Program, "run", in_pieces)
    again = fit(first, Backprop(Network(WIDE)), X, y, state=part.state, **options)
    assert again.parameters.theta.tobytes() == rest.parameters.theta.tobytes()


def test_members_trained_together_get_the_bytes_that_they_get_alone():
    X, y, _ = problem(WIDE, "float32", n=60)
    rows = [np.random.default_rng(member).integers(0, 60, HELD + 5) for member in range(3)]
    first = [initialise(WIDE, random_state=member, dtype="float32") for member in range(3)]
    keys = [Key.from_seed(member) for member in range(3)]
    options = {"optimizer": optim.momentum(0.01), "batch_size": 1, "epochs": 2}
    together = fit_together(first, Backprop(Network(WIDE)), X, y, keys=keys, rows=rows, **options)
    for parameters, key, own, member in zip(first, keys, rows, together, strict=True):
        alone = fit(parameters, Backprop(Network(WIDE)), X[own], y[own], key=key, **options)
        assert member.parameters.theta.tobytes() == alone.parameters.theta.tobytes()


def test_what_is_not_linear_or_looks_at_the_weights_is_learnt_at_once():
    plain = Backprop(Network(WIDE))
    one_to_one = Topology(
        [
            Population("input", 100, role="input"),
            Population("a", 100),
            Population("b", 90),
            Population("output", 3, "output"),
        ],
        [OneToOne("input", "a"), Dense("input", "b"), Dense("a", "output"), Dense("b", "output")],
    )
    for backprop, optimizer, batch_size in (
        (plain, optim.adam(0.01), 1),
        (plain, LINEAR["sgd"], 3),
        (plain, optim.chain(optim.clip(1.0), optim.sgd(0.1)), 1),
        (plain, optim.chain(optim.l2(0.1), optim.sgd(0.1)), 1),
        (plain, optim.chain(optim.clip_value(0.1), optim.sgd(0.1)), 1),
        (plain, optim.chain(optim.sgd(0.1), optim.weight_decay(0.1)), 1),
        (plain, optim.chain(optim.sgd(0.1), optim.max_norm(1.0)), 1),
        (plain, optim.chain(optim.sgd(0.1), optim.freeze(("input->hidden1",))), 1),
        (Backprop(Network(WIDE), l2=0.1), LINEAR["sgd"], 1),
        (Backprop(Network(WIDE), noise=0.1), LINEAR["sgd"], 1),
        (Backprop(Network(WIDE), dropout={"input": 0.1}), LINEAR["sgd"], 1),
        (Backprop(Network(one_to_one)), LINEAR["sgd"], 1),
        (Backprop(Network(Topology.mlp(1000, 10))), LINEAR["sgd"], 1),  # outputs that workers share by rows
        (Backprop(Network(Topology.mlp(25, 40, 5))), LINEAR["sgd"], 1),  # 8,000 bytes
    ):
        assert deferred_by(backprop, optimizer, batch_size) == ()
    assert deferred_by(Backprop(Network(Topology.mlp(26, 40, 5))), LINEAR["sgd"]) == ("input->hidden",)  # 8,320
