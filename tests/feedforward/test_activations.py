import numpy as np
import pytest

from bioneuro import Dense, Parameters, Population, Topology, optim
from bioneuro._jit.keys import Key
from bioneuro._jit.matrix import Matrix
from bioneuro.errors import InvalidInput, UnsupportedTopology
from bioneuro.initializers import initialise
from bioneuro.topology.units import ELU, UNITS, BipolarReLU, FReLU, LeakyReLU, PReLU, ReLU, Sigmoid, as_unit
from bioneuro.training import Batch
from bioneuro.training.loop import fit
from feedforward import check_gradient
from feedforward.activations import ACTIVATIONS, activation_of, backward_kernel, forward_kernel
from feedforward.backprop import Backprop
from feedforward.losses import CLOSED, ENTRIES
from feedforward.network import Network
from tests.naive import feedforward as naive

pytestmark = pytest.mark.small
KEY = Key.from_seed(0)
NAMES = list(ACTIVATIONS)


def population(unit, size=6):
    return Population("units", size, unit=unit)


def constants_of(unit, size, dtype):
    activation = activation_of(population(unit, size))
    value = unit.learns.get(activation.constant) if activation.constant in unit.learns else None
    value = getattr(unit, activation.constant or "", 0.0) if value is None else value
    return activation, np.full(size, value).astype(dtype) if np.ndim(value) == 0 else np.array(value, dtype)


def run(unit, z):
    """f(z), f'(z) and, for what is learnt, df/dc, all of the shape of z, (b, n), and of its type."""
    unit = as_unit(unit)
    activation, constants = constants_of(unit, z.shape[1], z.dtype)
    a, slope, learnt = np.empty_like(z), np.ones_like(z), np.zeros_like(z)
    for i in range(len(z)):  # row by row, so that nothing is summed
        inputs, outputs, delta = (Matrix(values[i].reshape(-1), 0, z.shape[1], 1) for values in (z, a, slope))
        forward_kernel(activation)(inputs, outputs, 1, z.shape[1], constants, 0)
        kept = inputs if activation.keeps_input else outputs
        backward_kernel(activation)(delta, kept, outputs, 1, z.shape[1], constants, 0, learnt[i], 0)
    return a, slope, learnt


# -- formulas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_and_its_slopes_are_their_formulas(name):
    z = np.random.default_rng(0).normal(scale=4, size=(9, 6))
    a, slope, learnt = run(name, z)
    np.testing.assert_allclose(a, naive.activate(name, z), rtol=2e-15)
    np.testing.assert_allclose(slope, naive.slope(name, z), rtol=2e-15, atol=4e-16)  # from a, which may cancel
    if as_unit(name).learns:
        np.testing.assert_array_equal(learnt, naive.constant_slope(name, z))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("bipolar")] + ["bipolar_elu"])
def test_float32_stays_float32(name):
    z = np.random.default_rng(0).normal(scale=4, size=(9, 6)).astype(np.float32)
    a, slope, _ = run(name, z)
    assert a.dtype == slope.dtype == np.float32
    np.testing.assert_allclose(a, naive.activate(name, z), rtol=8e-7)
    np.testing.assert_allclose(slope, naive.slope(name, z), rtol=8e-7, atol=2e-7)


@pytest.mark.parametrize("name", NAMES)
def test_far_inputs_reach_the_limits_and_nan_stays_nan(name):
    z = np.repeat([[1e4, -1e4, np.inf, -np.inf, np.nan]], 2, axis=1)  # for even and for odd units
    a, slope, _ = run(name, z)
    np.testing.assert_allclose(a[:, :8], naive.activate(name, z[:, :8]), rtol=1e-15)
    np.testing.assert_allclose(slope[:, :8], naive.slope(name, z[:, :8]), rtol=1e-15, atol=1e-300)
    assert np.isnan(a[:, 8:]).all()


def test_functions_at_small_arguments_do_not_cancel():
    z = -np.logspace(-300, -1, 6)[None, :]
    np.testing.assert_allclose(run("elu", z)[0], np.expm1(z), rtol=1e-15)
    np.testing.assert_allclose(run("selu", z)[0], naive.DEPTH * np.expm1(z), rtol=1e-15)


def test_tanh_is_a_sigmoid_of_twice_the_argument():
    z = np.linspace(-9, 9, 600).reshape(100, 6)
    np.testing.assert_allclose(run("tanh", z)[0], 2 * run("sigmoid", 2 * z)[0] - 1, rtol=0, atol=1e-15)


def test_a_sigmoid_bends_most_where_it_is_three_plus_or_minus_root_three_sixths():
    z = np.linspace(-4, 4, 8000)
    a, slope = (values.ravel() for values in run("sigmoid", z.reshape(-1, 8))[:2])
    bend = np.gradient(slope, z)
    extremes = a[[bend.argmax(), bend.argmin()]]
    np.testing.assert_allclose(extremes, [(3 - np.sqrt(3)) / 6, (3 + np.sqrt(3)) / 6], atol=2e-4)  # the grid's step


def test_frelu_is_a_relu_that_begins_at_b():
    z = np.random.default_rng(0).normal(size=(20, 6))
    np.testing.assert_array_equal(run("frelu", z)[0], run("relu", z)[0])  # b = 0 before it learns
    a = np.empty_like(z)
    b = np.linspace(-1, 1, 6)
    matrices = (Matrix(values.reshape(-1), 0, 6, 1) for values in (z, a))
    forward_kernel(ACTIVATIONS["frelu"])(*matrices, 20, 6, b, 0)
    np.testing.assert_array_equal(a.min(axis=0), b)
    np.testing.assert_array_equal(a, np.maximum(z, 0) + b)


def test_constants_may_differ_from_unit_to_unit():
    z = np.full((1, 3), -2.0)
    np.testing.assert_array_equal(run(LeakyReLU((0.5, 0.0, 1.0)), z)[0], [[-1, 0, -2]])
    np.testing.assert_allclose(run(ELU((0.0, 1.0, 2.0)), z)[0], np.expm1(-2) * np.array([[0, 1, 2]]), rtol=1e-15)
    with pytest.raises(InvalidInput, match=r"leaky_relu\.alpha has 3 values and population 'units' has 6 units"):
        population(LeakyReLU((0.5, 0.0, 1.0)))


@pytest.mark.parametrize(("name", "constant"), [("prelu", "alpha"), ("frelu", "b"), ("bipolar_prelu", "alpha")])
def test_what_a_unit_learns_is_found_from_a_teacher(name, constant):
    net = Topology.mlp(3, 2, 2, unit=name, output="linear")
    teacher = initialise(net, random_state=1, dtype="float64")
    teacher[f"hidden.{constant}"] = [0.7, -0.4]
    teacher["hidden->output"] = np.eye(2)
    X = np.random.default_rng(0).normal(size=(400, 3))
    Y = Network(net).forward(teacher, X).outputs["output"]
    first = teacher.copy()
    first[f"hidden.{constant}"] = as_unit(name).learns[constant]
    options = {"optimizer": optim.chain(optim.adam(0.02), optim.freeze(("hidden->output", "output.bias"))), "key": KEY}
    found = fit(first, Backprop(Network(net)), X, Y, epochs=60, batch_size=40, **options).parameters
    np.testing.assert_allclose(found[f"hidden.{constant}"], [0.7, -0.4], atol=1e-3)


# -- at the kink -------------------------------------------------------------------------------------------------------

KINK = np.array([[0.0, 0.0, -0.0, -0.0, 1e-300, 1e-300, -1e-300, -1e-300]])


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("cls", [ReLU, BipolarReLU])
def test_the_slope_of_relu_at_zero_is_the_one_stated(cls, at_zero):
    right_and_left = [1, 0] if cls is BipolarReLU else [1, 1]
    expected = [at_zero] * 4 + right_and_left + [1 - side for side in right_and_left]
    np.testing.assert_array_equal(run(cls(at_zero), KINK)[1], [expected])


@pytest.mark.parametrize(
    ("name", "left"), [("leaky_relu", 0.01), ("prelu", 0.25), ("frelu", 0), ("elu", 1), ("selu", naive.DEPTH)]
)
def test_other_kinks_have_the_slope_on_their_left(name, left):
    np.testing.assert_allclose(run(name, KINK)[1][0, :4], left, rtol=1e-15)


def test_a_slope_at_zero_that_is_none_is_refused():
    with pytest.raises(InvalidInput, match=r"ReLU.at_zero must be a number in \[0, 1\], got 2"):
        ReLU(2)


def test_a_switch_that_is_off_goes_unsaid():
    assert as_unit("relu").to_json() == {"type": "relu"}
    assert ReLU(1).to_json() == {"type": "relu", "at_zero": 1.0}
    assert as_unit({"type": "sigmoid", "flat_spot": 0.1}) == Sigmoid(flat_spot=0.1)


# -- Fahlman's flat spot -----------------------------------------------------------------------------------------------


def gradient_of(topology, params, X, y, loss):
    out = Parameters.zeros(topology, "float64")
    Backprop(Network(topology), loss)(params, Batch(X, y, np.arange(len(X))), KEY, 0, out)
    return out


def test_a_raised_slope_is_wrong_by_the_flat_spot_times_the_error_from_above():
    net = Topology.mlp(3, 4, output=Sigmoid(flat_spot=0.1))
    true = net.with_units(output="sigmoid")
    assert check_gradient(true, loss="squared") < 1e-6
    assert check_gradient(net, loss="squared") > 0.1
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(5, 3)), draw.random((5, 4))
    params = initialise(net, random_state=0, dtype="float64")
    error = (naive.activate("sigmoid", X @ params["input->output"]) - y) / 5  # dL/da of the mean over five rows
    raised, right = (gradient_of(topology, params, X, y, "squared") for topology in (net, true))
    difference = raised["output.bias"] - right["output.bias"]
    np.testing.assert_allclose(difference, 0.1 * error.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(raised["input->output"] - right["input->output"], 0.1 * X.T @ error, rtol=1e-12)


def test_a_raised_slope_unfreezes_saturated_units():
    z = np.array([[20.0, -20.0]])
    assert (run("sigmoid", z)[1] < 3e-9).all()
    np.testing.assert_allclose(run(Sigmoid(flat_spot=0.1), z)[1], 0.1, rtol=1e-7)


def test_the_logistic_loss_has_no_slope_to_raise():
    assert check_gradient(Topology.mlp(3, 4, output=Sigmoid(flat_spot=0.1)), loss="logistic") < 1e-6


# -- gradients ---------------------------------------------------------------------------------------------------------


def woven(unit, output="linear"):
    """Skips, two roads to every output, a projection whose weights run both ways; every unit type twice."""
    return Topology(
        [
            Population("a", 3, "input", "linear", bias=False),
            Population("b", 2, unit=unit),
            Population("c", 3, unit=unit),
            Population("d", 3, "output", output),
        ],
        [Dense("a", "b"), Dense("b", "c", tied_to="a->b"), Dense("c", "d"), Dense("b", "d"), Dense("a", "d")],
    )


WITH_OUTPUT = [*((loss, "tanh") for loss in ENTRIES), *((loss, unit) for loss in CLOSED for unit in CLOSED[loss])]


@pytest.mark.parametrize("name", [*NAMES, "softmax"])
@pytest.mark.parametrize(("loss", "output"), WITH_OUTPUT)
def test_backprop_equals_central_differences_through_every_unit_and_loss(name, loss, output):
    assert check_gradient(woven(name, output), loss=loss) < 1e-6


@pytest.mark.parametrize("name", [*NAMES, "softmax"])
@pytest.mark.parametrize("loss", list(ENTRIES))
def test_backprop_equals_central_differences_at_every_output_unit(name, loss):
    assert check_gradient(Topology.mlp(2, 3, output=name), loss=loss) < 1e-6


class StepByStep(Backprop):
    program = None


def test_a_compiled_epoch_equals_the_plain_loop_for_every_unit():
    units = [*ACTIVATIONS, ReLU(1.0), BipolarReLU(0.5), Sigmoid(flat_spot=0.1)]
    hidden = [Population(f"h{number}", 5, unit=unit) for number, unit in enumerate(units)]
    net = Topology(
        [Population("input", 4, "input"), *hidden, Population("output", 3, "output", "softmax")],
        [Dense(*ends) for layer in hidden for ends in (("input", layer.name), (layer.name, "output"))],
    )
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(20, 4)), np.eye(3)[draw.integers(0, 3, 20)]
    X[:3] = 0  # inputs of 0 in the first step, where biases are 0
    first = initialise(net, random_state=0, dtype="float64")
    theta = [
        fit(
            first, kind(Network(net)), X, y, optimizer=optim.momentum(0.05), epochs=1, batch_size=8, key=KEY
        ).parameters.theta
        for kind in (Backprop, StepByStep)
    ]
    np.testing.assert_allclose(*theta, rtol=0, atol=1e-13)
    for key in ("h6.alpha", "h7.b"):
        assert (Parameters(net, theta[0])[key] != first[key]).all()


# -- what they are for -------------------------------------------------------------------------------------------------


def test_selu_keeps_mean_and_deviation_through_ten_layers():
    draw = np.random.default_rng(0)
    a = draw.normal(size=(100, 500))
    for _ in range(10):
        a = run("selu", a @ draw.normal(scale=1 / np.sqrt(500), size=(500, 500)))[0]
        assert abs(a.std() - 1) < 0.02
        assert abs(a.mean()) < 0.02


def test_a_bipolar_layer_has_mean_zero():
    z = np.random.default_rng(0).normal(size=(300, 100))
    assert run("relu", z)[0].mean() == pytest.approx(1 / np.sqrt(2 * np.pi), abs=0.01)  # .399
    for name in NAMES:
        if name.startswith("bipolar"):
            assert abs(run(name, z)[0].mean()) < 0.02  # the mean of 30,000 numbers deviates by about .005


def test_two_relus_compute_exclusive_or_without_error():
    net = Topology.mlp(2, 2, 1, unit="relu", output="linear")
    params = Parameters.zeros(net, "float64")
    params["input->hidden"], params["hidden.bias"] = 1, [0, -1]
    params["hidden->output"] = [[1], [-2]]
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    np.testing.assert_array_equal(Network(net).forward(params, X).emitted["output"].ravel(), [0, 1, 1, 0])


@pytest.mark.parametrize(("unit", "zigzag"), [("sigmoid", True), ("tanh", False)])
def test_weights_behind_positive_units_all_move_the_same_way(unit, zigzag):
    net = Topology.mlp(4, 20, 3, unit=unit)
    params = initialise(net, random_state=0, dtype="float64")
    gradient = gradient_of(net, params, np.ones((1, 4)), np.eye(3)[:1], "auto")["hidden->output"]
    assert (np.abs(np.sign(gradient).sum(axis=0)) == 20).all() == zigzag


def test_every_unit_that_is_no_neuron_of_another_engine_is_run_by_backprop():
    assert set(ACTIVATIONS) == set(UNITS) - {"softmax", "spin", "bernoulli", "gaussian", "lif"}
    assert PReLU.learns == {"alpha": 0.25}
    assert FReLU.learns == {"b": 0.0}
    with pytest.raises(UnsupportedTopology, match="'units' has 'spin' units, which backprop does not run"):
        activation_of(population("spin"))
