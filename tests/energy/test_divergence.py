"""The kernel of a step of contrastive divergence gives the bytes of the same step put together layer by layer."""

from functools import partial

import numpy as np
import pytest

from bioneuro import Parameters, Topology
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput
from bioneuro.training.batches import Batch
from energy import contrastive
from energy.contrastive import ContrastiveDivergence, add_gradient
from energy.rbm import Machine, hidden_fields, initial_parameters, silence, unit_means, visible_fields
from energy.sampling import Draws, first_states, gibbs

pytestmark = pytest.mark.small
KEY = Key.from_seed(2)
OPTIONS = [
    {},
    {"k": 2},
    {"k": 3},
    {"graded": True},
    {"persistent": True, "n_chains": 5},
    {"persistent": True, "k": 2, "graded": True},
]


def layer_by_layer(machine, visible, state, step, into, k=1, persistent=False, n_chains=None, graded=False):
    """Add the gradient of one step; return the error, and where the persistent chains stand."""
    first, stream = step * (k + 1), KEY.child("data")
    data = Draws.of(stream, len(visible))
    means, hidden = data.sample(hidden_fields(machine, visible), machine.hidden_alive, 2 * first)
    back, states = data.sample(visible_fields(machine, hidden), machine.visible_alive, 2 * first + 1)
    dreams, chances = states, back
    if persistent:
        if state is None:
            state = first_states(machine, n_chains or len(visible), KEY.child("chains").child("start"))
        dreams, chances, _, _ = gibbs(machine, state, KEY.child("chains"), sweeps=k, first=first)
        state = dreams
    elif k > 1:
        dreams, chances, _, _ = gibbs(machine, states, stream, sweeps=k - 1, first=first + 1)
    dreams = chances if graded else dreams
    observed = silence(visible, machine.visible_alive)
    add_gradient(into, (observed, means), (dreams, unit_means(hidden_fields(machine, dreams), machine.hidden_alive)))
    return np.square(visible - back).sum() / len(visible), state


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("sizes", "dtype", "living"), [((70, 130), "float32", 0.7), ((130, 5), "float64", 1.0)])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_a_step_is_what_its_layers_are(sizes, dtype, living, n_threads, options, monkeypatch):
    monkeypatch.setattr(contrastive, "team_size", lambda **work: n_threads)
    alive = np.random.default_rng(1).random(sum(sizes)) < living
    monkeypatch.setattr(Machine, "of", partial(Machine.of, alive=alive))
    X = (np.random.default_rng(0).random((9, sizes[0])) < 0.3).astype(dtype)
    params = initial_parameters(Topology.rbm(*sizes), X, sigma=0.3, key=KEY)
    estimator, state = ContrastiveDivergence(**options), None
    for step in range(2):
        ours, theirs = (Parameters.zeros(params.topology, dtype) for _ in range(2))
        error = estimator(params, Batch(X, None, np.arange(9)), KEY, step, ours)
        expected, state = layer_by_layer(Machine.of(params), X, state, step, Machine.of(theirs), **options)
        assert np.abs(theirs.theta).max() > 0.1
        assert ours.theta.tobytes() == theirs.theta.tobytes()
        assert error == expected
        assert estimator.state is None if state is None else estimator.state.tobytes() == state.tobytes()


@pytest.mark.parametrize(
    ("X", "got"),
    [
        (np.ones((3, 8), np.float32), r"float32 of shape \(3, 8\)"),
        (np.ones((3, 6), np.float32), r"float32 of shape \(3, 6\)"),
        (np.ones(7, np.float32), r"float32 of shape \(7,\)"),
        (np.ones((3, 7)), r"float64 of shape \(3, 7\)"),
        (np.ones((3, 7), bool), r"bool of shape \(3, 7\)"),
    ],
)
def test_rows_that_do_not_fit_the_machine_are_refused(X, got):
    params = Parameters.zeros(Topology.rbm(7, 4), "float32")
    with pytest.raises(InvalidInput, match=rf"X must be float32 of shape \(n, 7\), .*, got {got}"):
        ContrastiveDivergence()(params, Batch(X, None, np.arange(len(X))), KEY, 0, params.copy())


def test_the_work_of_a_step_chooses_the_threads(monkeypatch):
    asked = []
    monkeypatch.setattr(contrastive, "team_size", lambda **work: asked.append(work) or 1)
    for sizes, options in (((70, 130), {}), ((70, 130), {"k": 3}), ((700, 130), {}), ((70, 40), {})):
        X = np.zeros((9, sizes[0]), "float32")
        params = initial_parameters(Topology.rbm(*sizes), X, sigma=0.3, key=KEY)
        out = Parameters.zeros(params.topology, "float32")
        ContrastiveDivergence(**options)(params, Batch(X, None, np.arange(9)), KEY, 0, out)
    one, more_sweeps, more_units, narrow = asked
    # up, down and the gradient for the data; for the model two ways a sweep, up once more, and the gradient
    assert one["nanoseconds"] == pytest.approx(70 * 130 * 9 * (3 + 2) * contrastive._PRODUCT)
    assert more_sweeps["nanoseconds"] == pytest.approx(70 * 130 * 9 * (3 + 6) * contrastive._PRODUCT)
    assert more_units["nanoseconds"] == pytest.approx(10 * one["nanoseconds"])
    assert (one["barriers"], more_sweeps["barriers"]) == (2, 6)
    assert (one["outputs"], narrow["outputs"]) == (2, 1)
