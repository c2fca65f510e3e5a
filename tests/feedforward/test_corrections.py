"""Where lecture notes on feedforward networks slip or disagree, the correct form is built; here is what proves it."""

import ast
from pathlib import Path

import numpy as np
import pytest

from bioneuro import Parameters, Topology, optim
from bioneuro._jit.keys import Key
from bioneuro.initializers import initialise
from bioneuro.training import Batch
from feedforward.backprop import Backprop
from feedforward.network import Network

pytestmark = pytest.mark.small
TESTS = Path(__file__).parents[1]
KEY = Key.from_seed(0)

# what is often printed -> what is right -> the tests of it
CORRECTIONS = {
    "dz_j/dt_j of softmax is z_j (1 - z_j), without a sum, and dL/dz_j is -y_j / z_j": [
        "feedforward/test_losses.py::test_errors_run_back_through_the_jacobian_of_softmax",
        "feedforward/test_losses.py::test_an_error_is_the_slope_of_the_mean_loss",
    ],
    "gradients of weights and hidden units sum over dz_j/dt_i, with respect to the inputs of the softmax": [
        "feedforward/test_network.py::test_backprop_equals_central_differences_with_skips_penalty_and_dropout",
        "feedforward/test_gradients.py::test_backprop_is_right_for_every_unit_loss_and_option",
    ],
    "delta = z sum y - y; z - y only where targets sum to one": [
        "feedforward/test_losses.py::test_the_error_behind_a_softmax_counts_targets_that_do_not_sum_to_one",
    ],
    "targets .15 and .85 or .1 and .9: both can be had": [
        "feedforward/test_targets.py::test_targets_move_into_a_range_and_back",
        "feedforward/test_more_options.py::test_targets_in_a_range_are_reached_and_give_probabilities",
    ],
    "first weights of sigmoid units have the variance 12.8 / n, not 1 / n": [
        "test_initializers.py::test_the_sigmoid_scheme_is_kumars_formula",
        "test_initializers.py::test_the_scheme_of_sigmoid_units_keeps_their_activity",
    ],
    "moments are corrected in the step, and stay raw where they are kept": [
        "optim/test_peers.py::test_storing_the_corrected_moments_back_leads_astray",
        "optim/test_peers.py::test_two_hundred_steps_are_those_of_the_peer",
    ],
    "sqrt(S + epsilon) and sqrt(S) + epsilon are two methods; both can be had": [
        "optim/test_peers.py::test_the_two_places_of_epsilon_differ_where_gradients_are_small",
    ],
    "it is AdaGrad that comes to a halt, not RMSProp": [
        "feedforward/test_corrections.py::test_adagrad_comes_to_a_halt_and_rmsprop_does_not",
    ],
    "momentum with and without the correction of the first steps are two methods": [
        "optim/test_rules.py::test_the_corrected_moving_average_starts_at_the_full_rate",
        "optim/test_rules.py::test_a_moving_average_is_momentum_at_a_smaller_rate",
    ],
    "dropout divides what units emit by the share that lives, not the weights": [
        "feedforward/test_corrections.py::test_dropout_divides_what_living_units_emit_and_neither_weights_nor_biases",
        "feedforward/test_network.py::test_dropout_keeps_the_expectation_and_draws_anew_for_every_step",
    ],
    "f = q z has df/dz = q; q does not depend on z": [
        "feedforward/test_graph.py::test_the_graph_of_the_lecture_gives_its_numbers",
    ],
    "a minibatch of b divides the variance of a step by b, and its deviation by sqrt(b)": [
        "feedforward/test_corrections.py::test_the_variance_of_a_step_falls_as_one_over_the_size_of_its_minibatch",
    ],
    "the loss of a minibatch is the mean over its rows; of the sum, rates would be smaller by b": [
        "feedforward/test_corrections.py::test_the_gradient_of_a_minibatch_is_the_mean_over_its_rows",
    ],
    "the subgradient of ReLU at 0 is a choice: 0, or what is stated": [
        "feedforward/test_activations.py::test_the_slope_of_relu_at_zero_is_the_one_stated",
    ],
    "normalisation has an epsilon, and is undone by gain sqrt(variance + epsilon)": [
        "feedforward/test_normalisation.py::test_each_unit_is_normalised_over_the_rows_before_its_activation",
        "feedforward/test_normalisation.py::test_a_gain_and_bias_that_undo_it_give_the_identity",
    ],
    "the first ReLU layer has a deviation of .582273": [
        "test_initializers.py::test_the_scheme_of_tanh_units_lets_the_signal_of_relus_die",
        "feedforward/test_instruments.py::test_moments_reproduce_the_tables_of_the_lecture",
    ],
    "lambda |w|^2 shrinks by 1 - 2 rate lambda, which a weight_decay of 2 lambda does": [
        "optim/test_transform.py::test_the_l2_penalty_shrinks_weights_by_1_minus_2_rate_lambda_and_spares_biases",
        "optim/test_peers.py::test_two_hundred_steps_are_those_of_the_peer",
    ],
    "under Adam a penalty is not the decay of AdamW": [
        "optim/test_transform.py::test_under_adam_a_penalty_moves_small_and_large_weights_alike_and_decay_does_not",
    ],
}


def functions_of(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("test", sorted({test for tests in CORRECTIONS.values() for test in tests}))
def test_every_correction_has_the_test_that_is_named(test):
    file, name = test.split("::")
    assert name in functions_of(file)


def lengths_of_steps(optimizer, steps):
    """Of one parameter whose slope is always 1."""
    params = Parameters(Topology.mlp(1, 1, output="linear"), np.zeros(2))
    state, lengths = optimizer.init(params), []
    for step in range(steps):
        update = np.ones(2)
        optimizer.update(update, state, params, step)
        lengths.append(abs(update[0]))
    return np.array(lengths)


def test_adagrad_comes_to_a_halt_and_rmsprop_does_not():
    t = np.arange(1, 2001)
    np.testing.assert_allclose(lengths_of_steps(optim.adagrad(0.1), 2000), 0.1 / np.sqrt(t), rtol=1e-6)
    rmsprop = lengths_of_steps(optim.rmsprop(0.1, beta=0.9), 2000)
    np.testing.assert_allclose(rmsprop, 0.1 / np.sqrt(1 - 0.9**t), rtol=1e-6)
    assert rmsprop[-1] == pytest.approx(0.1, rel=1e-6)


def test_dropout_divides_what_living_units_emit_and_neither_weights_nor_biases():
    net = Topology.mlp(3, 8, 2, output="linear")
    params = initialise(net, random_state=0, dtype="float64", bias=0.5)
    backprop, X = Backprop(Network(net), dropout=0.25), np.ones((4, 3))
    mask = backprop._drop(4, KEY, 0, np.dtype("float64"))["hidden"]
    assert set(np.unique(mask)) == {0, 1 / 0.75}
    layers = backprop.network.forward(params, X, {"hidden": mask})
    hidden = np.maximum(X @ params["input->hidden"] + 0.5, 0)
    expected = np.where(mask > 0, hidden / 0.75, 0) @ params["hidden->output"] + 0.5
    np.testing.assert_allclose(layers.outputs["output"], expected, atol=1e-14)


# -- minibatches -------------------------------------------------------------------------------------------------------

NET = Topology.mlp(4, 5, 3, unit="tanh")
X = np.random.default_rng(0).normal(size=(200, 4))
Y = np.eye(3)[np.random.default_rng(1).integers(0, 3, 200)]
PARAMS = initialise(NET, random_state=0, dtype="float64")


def gradient_of(rows):
    out = Parameters.zeros(NET, "float64")
    Backprop(Network(NET))(PARAMS, Batch(X[rows], Y[rows], rows), KEY, 0, out)
    return out.theta


def test_the_gradient_of_a_minibatch_is_the_mean_over_its_rows():
    rows = np.array([3, 17, 42, 99, 180])
    each = np.array([gradient_of(rows[k : k + 1]) for k in range(5)])
    np.testing.assert_allclose(gradient_of(rows), each.mean(axis=0), rtol=0, atol=1e-15)


def test_the_variance_of_a_step_falls_as_one_over_the_size_of_its_minibatch():
    of_rows = np.array([gradient_of(np.array([row])) for row in range(200)]).var(axis=0).sum()
    draw = np.random.default_rng(2)
    for size in (4, 16, 64):
        steps = np.array([gradient_of(draw.integers(0, 200, size)) for _ in range(500)])
        variance = steps.var(axis=0).sum()
        assert variance == pytest.approx(of_rows / size, rel=0.2)  # 500 draws of a dozen directions that count
        assert np.sqrt(variance) > 1.4 * np.sqrt(of_rows) / size
