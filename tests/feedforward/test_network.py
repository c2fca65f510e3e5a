import numpy as np
import pytest
from scipy.sparse import csr_array

from bioneuro import Conv2D, Dense, OneToOne, Parameters, Population, Topology
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, UnsupportedTopology
from bioneuro.initializers import initialise
from bioneuro.sparse import as_rows
from bioneuro.training import Batch
from feedforward import NetworkClassifier, check_gradient
from feedforward.backprop import Backprop
from feedforward.network import Network, alive_masks
from tests.naive import feedforward as naive

pytestmark = pytest.mark.small
SKIPS = [("input", "output"), ("hidden1", "output"), ("input", "hidden2")]
WEAVE = Topology(  # shared weights that run both ways, one-to-one projections, two roads to every output, a dead end
    [
        Population("a", 4, "input", "linear", bias=False),
        Population("b", 3, unit="tanh"),
        Population("c", 4, unit="sigmoid"),
        Population("d", 4, unit="prelu"),
        Population("end", 2, unit="relu"),
        Population("e", 4, "output", "softmax"),
    ],
    [
        Dense("a", "b"),
        Dense("b", "c", tied_to="a->b"),
        OneToOne("a", "d"),
        OneToOne("c", "d"),
        Dense("b", "end"),
        OneToOne("d", "e"),
        Dense("b", "e"),
    ],
)


@pytest.mark.parametrize("unit", ["linear", "sigmoid", "tanh", "relu", "prelu", "softmax"])
@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("linear", "squared"),
        ("sigmoid", "squared"),
        ("sigmoid", "logistic"),
        ("sigmoid", "cross-entropy"),
        ("softmax", "squared"),
        ("softmax", "logistic"),
        ("softmax", "cross-entropy"),
    ],
)
def test_backprop_equals_central_differences_with_skips_penalty_and_dropout(unit, output, loss):
    net = Topology.mlp(4, 5, 6, 3, unit=unit, output=output, skip=SKIPS)
    y = np.random.default_rng(1).random((5, 3))  # rows that do not sum to one
    assert check_gradient(net, loss=loss, l2=0.01, dropout=0.3, y=y) < 1e-6


def test_backprop_equals_central_differences_where_weights_are_shared():
    assert check_gradient(WEAVE, l2=0.1) < 1e-6


def test_the_gradient_check_fails_when_the_gradient_is_wrong(monkeypatch):
    right = Backprop.__call__

    def wrong(self, params, batch, key, step, out):
        loss = right(self, params, batch, key, step, out)
        out.theta[0] *= 1.001
        return loss

    monkeypatch.setattr(Backprop, "__call__", wrong)
    assert check_gradient(Topology.mlp(4, 5, 3)) > 1e-4
    assert check_gradient(Topology.mlp(4, 5, 3), directions=3) > 1e-5


def test_a_pass_is_the_sum_over_synapses():
    net = Topology.mlp(4, 5, 6, 3, unit="tanh", skip=SKIPS)
    params = initialise(net, random_state=0, dtype="float64", bias=0.1)
    X = np.random.default_rng(0).normal(size=(3, 4))
    emitted = Network(net).forward(params, X).emitted
    for row, x in enumerate(X):
        for name, expected in naive.forward(net, params, x).items():
            np.testing.assert_allclose(emitted[name][row], expected, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_pass_gives_the_same_bytes_however_the_batch_is_split(dtype):
    net = Topology.mlp(30, 40, 10, skip=[("input", "output")])
    params = initialise(net, random_state=0, dtype=dtype)
    X = np.random.default_rng(0).normal(size=(50, 30)).astype(dtype)
    network = Network(net)
    whole = network.forward(params, X).emitted["output"]
    parts = [network.forward(params, X[k : k + size]).emitted["output"] for k, size in ((0, 1), (1, 6), (7, 43))]
    assert whole.tobytes() == np.concatenate(parts).tobytes()


def test_layers_without_activation_are_one_matrix():
    deep = Topology.mlp(5, 6, 7, 3, unit="linear", output="linear")
    params = initialise(deep, random_state=0, dtype="float64")
    product = params["input->hidden1"] @ params["hidden1->hidden2"] @ params["hidden2->output"]
    X = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_allclose(Network(deep).forward(params, X).emitted["output"], X @ product, atol=1e-13)


def test_a_dead_unit_emits_zero_after_its_activation():
    net = Topology.mlp(4, 6, 3, unit="sigmoid")
    params = initialise(net, random_state=0, bias=1.0)
    lesion = net.lesion(units=0.5, random_state=1)
    masks = alive_masks(net, lesion.alive, params.dtype)
    hidden = Network(net).forward(params, np.ones((2, 4), np.float32), masks).emitted["hidden"]
    np.testing.assert_array_equal(hidden[:, ~lesion.alive_in("hidden")], 0)
    assert (hidden[:, lesion.alive_in("hidden")] > 0).all()


def test_dropout_keeps_the_expectation_and_draws_anew_for_every_step():
    net = Topology.mlp(3, 4000, 2, unit="linear", output="linear")
    backprop = Backprop(Network(net), dropout=0.4)
    masks = [backprop._drop(5, Key.from_seed(0), step, np.dtype("float32"))["hidden"] for step in (0, 1)]
    assert set(np.unique(masks[0])) == {0, np.float32(1 / 0.6)}
    spread = np.sqrt(0.4 / 0.6 / masks[0].size)  # of the mean of 20,000 masks with variance p / (1 - p)
    assert abs(masks[0].mean() - 1) < 4 * spread
    assert not np.array_equal(*masks)


def test_noise_is_normal_around_the_inputs_and_drawn_anew_for_every_step():
    net = Topology.mlp(500, 2)
    backprop, X = Backprop(Network(net), noise=0.3), np.full((40, 500), 2.0)
    noisy = [backprop._disturb(X, Key.from_seed(0), step) for step in (0, 1)]
    assert abs(noisy[0].mean() - 2) < 4 * 0.3 / np.sqrt(X.size)
    assert abs(noisy[0].var() - 0.09) < 4 * 0.09 * np.sqrt(2 / X.size)
    assert not np.array_equal(*noisy)
    np.testing.assert_array_equal(X, 2)
    with pytest.raises(InvalidInput, match=r"noise must be a number in \[0, inf\)"):
        Backprop(Network(net), noise=-1)


def test_inputs_are_flipped_and_unknown_in_their_shares_and_anew_for_every_step():
    backprop, X = Backprop(Network(Topology.mlp(500, 2)), flip=0.2, mask=0.1), np.full((40, 500), 0.75)
    seen = [backprop._disturb(X, Key.from_seed(0), step) for step in (0, 1)]
    for value, share in ((0.25, 0.2), (0.5, 0.1), (0.75, 0.7)):
        assert abs((seen[0] == value).mean() - share) < 4 * np.sqrt(share * (1 - share) / X.size)
    assert not np.array_equal(*seen)
    np.testing.assert_array_equal(X, 0.75)
    np.testing.assert_array_equal(backprop._disturb(as_rows(csr_array(X)), Key.from_seed(0), 1), seen[1])
    for flip, mask in ((0.7, 0.4), ("0.7", "0.4")):
        with pytest.raises(InvalidInput, match=r"flip \+ mask must not exceed 1, got 0.7 \+ 0.4"):
            Backprop(backprop.network, flip=flip, mask=mask)
    parameters = initialise(backprop.network.topology, random_state=0)
    with pytest.raises(InvalidInput, match=r"for inputs in \[0, 1\], got numbers from 3 to 3; scale X"):
        backprop(parameters, Batch(4 * X, X[:, :2], None), Key.from_seed(0), 0, parameters.copy())


def test_zero_in_every_input_learns_the_bias_alone():
    net = Topology.mlp(4, 3, unit="linear")
    params = initialise(net, random_state=0, dtype="float64")
    out = Parameters.zeros(net, "float64")
    batch = Batch(np.zeros((6, 4)), np.eye(3)[[0, 0, 1, 1, 2, 2]], np.arange(6))
    loss = Backprop(Network(net))(params, batch, Key.from_seed(0), 0, out)
    assert loss == pytest.approx(np.log(3))
    np.testing.assert_array_equal(out["input->output"], 0)


@pytest.mark.parametrize(
    ("topology", "message"),
    [
        (Topology.recurrent(3, 4, 2), "form a cycle or hang on one; drop a projection of the cycle"),
        (Topology.rbm(4, 3), "backprop needs one output population"),
        (Topology.mlp(3, 4, 2, unit="lif"), r"'lif' units, which backprop does not run.*with_units\(hidden='relu'\)"),
        (Topology.lenet5(), "not Conv2D 'input->conv1'"),
        (Topology([Population("a", 2, "input"), Population("b", 2, "output")]), "nothing reaches population 'b'"),
    ],
)
def test_a_topology_that_backprop_does_not_run_is_refused_with_a_way_out(topology, message):
    with pytest.raises(UnsupportedTopology, match=message):
        Network(topology)


@pytest.mark.parametrize(
    "given", [(4, 3, 2), initialise(Topology.mlp(4, 3, 2)), NetworkClassifier()], ids=lambda given: type(given).__name__
)
def test_what_is_no_topology_is_refused_with_where_there_is_one(given):
    with pytest.raises(InvalidInput, match=r"backprop runs a Topology, got .* an estimator as topology_ once fitted"):
        check_gradient(given)


def test_convolutions_are_refused_by_name():
    net = Topology(
        [Population("a", (6, 6, 1), "input"), Population("b", (4, 4, 2), "output")], [Conv2D("a", "b", kernel=3)]
    )
    with pytest.raises(UnsupportedTopology, match="Conv2D 'a->b'"):
        Network(net)


def test_the_gradient_check_refuses_rows_that_do_not_fit():
    with pytest.raises(InvalidInput, match=r"X must have shape \(5, 4\), got \(5, 3\)"):
        check_gradient(Topology.mlp(4, 2), X=np.zeros((5, 3)))
