"""First weights: the laws they are drawn from, and what they do to signals in deep networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from bioneuro import Conv2D, Dense, OneToOne, Pool2D, Population, Sparse, Topology
from bioneuro._jit.keys import Key
from bioneuro.blas import one_blas_thread
from bioneuro.errors import InvalidInput, UnknownName
from bioneuro.initializers import ALIASES, INITIALIZERS, as_initializer, gaussian, initialise, orthogonal, output_bias
from bioneuro.topology import FixedInDegree
from bioneuro.topology.units import ELU, LeakyReLU

SQUARE = Topology([Population("a", 1000, bias=False), Population("b", 1000, bias=False)], [Dense("a", "b")])
FAN_IN, FAN_OUT = 1000, 500
SCHEMES = {  # name: (variance, family), at a fan-in of 1,000 and a fan-out of 500
    "he-normal": (2 / FAN_IN, "normal"),
    "he-uniform": (2 / FAN_IN, "uniform"),
    "sigmoid-normal": (12.8 / FAN_IN, "normal"),
    "sigmoid-uniform": (12.8 / FAN_IN, "uniform"),
    "lecun-normal": (1 / FAN_IN, "normal"),
    "lecun-uniform": (1 / FAN_IN, "uniform"),
    "glorot-normal": (2 / (FAN_IN + FAN_OUT), "normal"),
    "glorot-uniform": (2 / (FAN_IN + FAN_OUT), "uniform"),
    "small-gaussian": (0.01**2, "normal"),
    "unit-gaussian": (1.0, "normal"),
    "random-walk-linear": (math.exp(1 / FAN_IN) / FAN_IN, "normal"),
    "random-walk-relu": (2 * math.exp(2.4 / (FAN_IN - 2.4)) / FAN_IN, "normal"),
}


# -- laws --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMES)
def test_a_million_draws_have_the_variance_and_the_law_of_the_scheme(name):
    variance, family = SCHEMES[name]
    draws = INITIALIZERS[name](Key.from_seed(0).child(name).generator(), (1_000_000,), FAN_IN, FAN_OUT)
    assert draws.var() == pytest.approx(variance, rel=0.01)
    assert abs(draws.mean()) < 4 * math.sqrt(variance / 1e6)
    bound = math.sqrt(3 * variance)
    law = stats.norm(0, math.sqrt(variance)) if family == "normal" else stats.uniform(-bound, 2 * bound)
    assert stats.kstest(draws, law.cdf).pvalue > 1e-3
    if family == "uniform":
        assert np.abs(draws).max() <= bound


def test_every_scheme_is_tried():
    assert {*SCHEMES, "zeros", "orthogonal"} == set(INITIALIZERS)


def test_the_bound_of_uniform_weights_is_that_of_the_lectures():
    eta = 384
    for name, square in (("he-uniform", 6), ("sigmoid-uniform", 38.4), ("lecun-uniform", 3)):
        draws = INITIALIZERS[name](np.random.default_rng(0), (200_000,), eta, 1)
        assert np.abs(draws).max() == pytest.approx(math.sqrt(square / eta), rel=1e-4)


def test_the_sigmoid_scheme_is_kumars_formula():
    """1 / (eta g'(0)^2 (1 + g(0)^2)) with g(0) = 1/2, g'(0) = 1/4."""
    assert pytest.approx(1 / (0.25**2 * (1 + 0.5**2))) == 12.8


def test_names_of_the_field_lead_to_the_schemes():
    assert ALIASES["xavier"] == "lecun-normal"
    for alias, name in ALIASES.items():
        assert as_initializer(alias) is INITIALIZERS[name]
    with pytest.raises(UnknownName, match="unknown initializer 'he_normal'; did you mean 'he-normal'"):
        as_initializer("he_normal")
    with pytest.raises(InvalidInput, match=r"sigma must be a number in \[0, inf\), got -1"):
        gaussian(-1)


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (5, 1), (1, 5)])
def test_orthogonal_weights_are_orthogonal_times_their_gain(shape):
    W = orthogonal(1.5)(np.random.default_rng(0), shape, *shape)
    small = W.T @ W if shape[0] >= shape[1] else W @ W.T
    np.testing.assert_allclose(small, 1.5**2 * np.eye(min(shape)), atol=1e-13)


def test_orthogonal_masks_of_a_convolution_are_orthogonal_as_columns():
    W = orthogonal()(np.random.default_rng(0), (3, 3, 2, 8), 18, 72).reshape(18, 8)
    np.testing.assert_allclose(W.T @ W, np.eye(8), atol=1e-13)


def test_orthogonal_matrices_are_uniform_over_all_rotations():
    """Under Haar's measure on O(5): E tr Q = 0, E (tr Q)^2 = 1, E det Q = 0 (Diaconis and Shahshahani 1994)."""
    rng = np.random.default_rng(0)
    Q = np.stack([orthogonal()(rng, (5, 5), 5, 5) for _ in range(4000)])
    trace = np.trace(Q, axis1=1, axis2=2)
    assert abs(trace.mean()) < 4 / math.sqrt(4000)
    assert (trace**2).mean() == pytest.approx(1, abs=4 * math.sqrt(2 / 4000))
    assert abs(np.linalg.det(Q).mean()) < 4 / math.sqrt(4000)


class TellsTheDeviation:
    """Stands for a generator."""

    def normal(self, mean, deviation, shape):
        return np.full(shape, deviation)


@pytest.mark.parametrize("n", [3, 10, 500])
def test_random_walks_have_the_gains_of_the_paper(n):
    linear, relu = (INITIALIZERS[f"random-walk-{name}"](TellsTheDeviation(), (), n, 1) for name in ("linear", "relu"))
    assert linear * np.sqrt(n) == pytest.approx(np.exp(1 / (2 * n)), rel=1e-14)
    assert relu * np.sqrt(n) == pytest.approx(np.sqrt(2) * np.exp(1.2 / (max(n, 6) - 2.4)), rel=1e-14)


def test_a_random_walk_keeps_the_log_length_of_an_error_from_drifting():
    """Sussillo and Abbott 2014: E log(|W d|^2 / |d|^2) = 0, for linear units and for ReLUs with half of them silent."""
    rng, n = np.random.default_rng(0), 50
    for name, relu, bias in (("random-walk-linear", False, 1 / n**2), ("random-walk-relu", True, 0.02)):
        logs = []
        for _ in range(4000):
            error = rng.normal(size=n)
            back = INITIALIZERS[name](rng, (n, n), n, n) @ (error * (rng.random(n) < 0.5) if relu else error)
            logs.append(math.log((back @ back) / (error @ error)))
        assert abs(np.mean(logs)) < 4 * np.std(logs) / math.sqrt(4000) + bias


# -- deep networks -----------------------------------------------------------------------------------------------------


def act(unit):
    """The formulas of unit types, once more."""
    elu = lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))  # noqa: E731
    return {
        "linear": lambda x: x,
        "tanh": np.tanh,
        "sigmoid": special.expit,
        "softplus": lambda x: np.logaddexp(0, x),
        "relu": lambda x: np.maximum(x, 0),
        "frelu": lambda x: np.maximum(x, 0),  # b starts at 0
        "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
        "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
        "elu": elu,
        "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    }[unit]


def layers(unit, weights, n_seeds, n_rows=200):
    """(mean, std) of the activity in ten layers of 500 units over rows of N(0, 1), averaged over seeds."""
    net = Topology.mlp(*[500] * 11, unit=unit, output=unit)
    plain = act(unit.removeprefix("bipolar_"))
    turn = np.where(np.arange(500) % 2, -1.0, 1.0).astype("float32") if unit.startswith("bipolar") else np.float32(1)
    figures = np.zeros((10, 2))
    for seed in range(n_seeds):
        params = initialise(net, weights, random_state=seed)
        h = np.random.default_rng(seed).normal(size=(n_rows, 500)).astype("float32")
        with one_blas_thread():
            for k, projection in enumerate(net.projections):
                h = turn * plain(turn * (h @ params[projection.name]))
                figures[k] += h.mean(dtype=float) / n_seeds, h.std(dtype=float) / n_seeds
    return figures.T


def wide_limit(f, variance, n=10):
    """Standard deviations of endlessly wide layers: q <- variance E f(sqrt(q) z)^2, z ~ N(0, 1)."""
    z, w = np.polynomial.hermite_e.hermegauss(201)
    w, q, found = w / w.sum(), variance, []
    for _ in range(n):
        a = f(math.sqrt(q) * z)
        found.append(math.sqrt(w @ a**2 - (w @ a) ** 2))
        q = variance * (w @ a**2)
    return np.array(found)


def test_small_weights_let_the_signal_of_tanh_units_die():
    _, std = layers("tanh", "small-gaussian", 2)
    lecture = [0.047551, 0.010630, 0.002378, 0.000532, 0.000119, 0.000026, 0.000006, 0.000001, 0]
    np.testing.assert_allclose(std[1:], lecture, rtol=0.01, atol=6e-7)  # half of the last digit printed
    assert std[0] == pytest.approx(0.213757, rel=0.01)


def test_large_weights_saturate_tanh_units():
    _, std = layers("tanh", "unit-gaussian", 2)
    lecture = [0.981879, 0.981649, 0.981601, 0.981755, 0.981614, 0.981560, 0.981520, 0.981913, 0.981728, 0.981736]
    np.testing.assert_allclose(std, lecture, rtol=0.001)


def test_weights_of_one_over_the_root_of_the_fan_in_keep_tanh_units_alive():
    """The lecture's row is one draw of the weights, which scatters by 1 % in deep layers; here twenty are averaged."""
    mean, std = layers("tanh", "xavier", 20)
    lecture = [0.627953, 0.486051, 0.407723, 0.357108, 0.320917, 0.292116, 0.273387, 0.254935, 0.239266, 0.228008]
    np.testing.assert_allclose(std[:5], lecture[:5], rtol=0.01)
    np.testing.assert_allclose(std[5:], lecture[5:], rtol=0.02)
    np.testing.assert_allclose(std, wide_limit(np.tanh, 1.0), rtol=0.01)
    assert np.abs(mean).max() < 0.01


def test_the_scheme_of_tanh_units_lets_the_signal_of_relus_die():
    """E h^2 = 1/2^l exactly, so std = 2^(-l/2) sqrt(1 - 1/pi) for l layers. Of h1 the lecture prints .502273, which
    cannot be: .3986^2 + .5023^2 is not 1/2, and .3986^2 + .5823^2 is."""
    mean, std = layers("relu", "xavier", 20)
    exact = 2.0 ** (-np.arange(1, 11) / 2) * math.sqrt(1 - 1 / math.pi)
    lecture_std = [0.582273, 0.403795, 0.276912, 0.198685, 0.140299, 0.103280, 0.072748, 0.051572, 0.038583, 0.026076]
    lecture_mean = [0.398623, 0.272352, 0.186076, 0.136442, 0.099568, 0.072234, 0.049775, 0.035138, 0.025404, 0.018408]
    np.testing.assert_allclose(std, exact, rtol=0.05)
    np.testing.assert_allclose(std, lecture_std, rtol=0.1)  # one draw, which scatters by 5 % in the deepest layers
    np.testing.assert_allclose(mean, lecture_mean, rtol=0.15)
    assert std[0] == pytest.approx(exact[0], rel=0.005)
    assert mean[0] ** 2 + std[0] ** 2 == pytest.approx(0.5, rel=0.01)


def test_hes_scheme_keeps_the_signal_of_relus():
    mean, std = layers("relu", "auto", 20)
    lecture = [0.825232, 0.827835, 0.813855, 0.826902, 0.834092, 0.860035, 0.870610, 0.889348, 0.845357, 0.844523]
    np.testing.assert_allclose(std, math.sqrt(1 - 1 / math.pi), rtol=0.05)
    np.testing.assert_allclose(std, lecture, rtol=0.1)
    assert mean[0] == pytest.approx(0.562488, rel=0.01)


def test_the_scheme_of_sigmoid_units_keeps_their_activity():
    _, std = layers("sigmoid", "auto", 4)
    measured = [0.387, 0.331, 0.322, 0.325, 0.331, 0.334, 0.329, 0.318, 0.314, 0.310]  # of one draw
    np.testing.assert_allclose(std, measured, rtol=0.06)
    np.testing.assert_allclose(std, wide_limit(special.expit, 12.8), rtol=0.025)
    assert std[9] == pytest.approx(std[2], rel=0.03)


def test_the_schemes_of_other_units_keep_their_activity_in_deep_nets():
    for unit in ("selu", "elu", "leaky_relu", "bipolar_relu"):
        mean, std = layers(unit, "auto", 2)
        np.testing.assert_allclose(std, std[0], rtol=0.1)
        if unit == "selu":  # mean 0 and variance 1 are a fixed point
            np.testing.assert_allclose(std, 1, rtol=0.02)
            assert np.abs(mean).max() < 0.02
        if unit == "bipolar_relu":  # of unipolar ones the mean is .56
            assert np.abs(mean).max() < 0.05


def test_equal_weights_keep_hidden_units_equal_under_gradient_descent():
    """Two layers of tanh, squared error: a constant start never lets hidden units differ; a random one does."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 1))
    net = Topology.mlp(4, 5, 1, unit="tanh", output="linear")
    apart = {}
    for name, weights in (
        ("constant", lambda generator, shape, fan_in, fan_out: np.full(shape, 0.3)),
        ("random", "auto"),
    ):
        params = initialise(net, weights, dtype="float64")
        for _ in range(50):
            h = np.tanh(X @ params["input->hidden"])
            delta = (h @ params["hidden->output"] - y) / len(X)
            back = (delta @ params["hidden->output"].T) * (1 - h**2)
            params["hidden->output"] -= 0.1 * h.T @ delta
            params["input->hidden"] -= 0.1 * X.T @ back
        apart[name] = np.ptp(params["input->hidden"], axis=1).max()
    assert apart["constant"] < 1e-15
    assert apart["random"] > 0.1


# -- initialise --------------------------------------------------------------------------------------------------------


def second_moment(f):
    """E f(z)^2 for z ~ N(0, 1), on both sides of the kink."""
    return sum(integrate.quad(lambda z: f(z) ** 2 * stats.norm.pdf(z), *side)[0] for side in ((-12, 0), (0, 12)))


def test_auto_goes_by_the_units_that_receive():
    rectifying = ("relu", "frelu", "leaky_relu", "prelu", "elu", "selu")  # 1 / E f(z)^2
    gains = {unit: 1 / second_moment(act(unit)) for unit in rectifying}
    for unit in ("linear", "tanh", "sigmoid", "softplus"):  # Kumar 2017
        f, step = act(unit), 1e-5
        gains[unit] = 1 / (((f(step) - f(-step)) / (2 * step)) ** 2 * (1 + f(0) ** 2))
    assert gains["sigmoid"] == pytest.approx(12.8)
    assert gains["relu"] == pytest.approx(2)
    assert gains["selu"] == pytest.approx(1)
    gains |= {f"bipolar_{unit}": gains[unit] for unit in (*rectifying, "softplus")} | {"bernoulli": 1, "softmax": 1}
    seen = initialise(SQUARE.with_units(b="linear"), random_state=1)["a->b"]
    for unit, gain in gains.items():
        params = initialise(SQUARE.with_units(b=unit), random_state=1)
        np.testing.assert_allclose(params["a->b"], seen * math.sqrt(gain), rtol=1e-6)
    assert seen.var() == pytest.approx(1 / 1000, rel=0.01)


def test_constants_of_units_change_what_auto_draws():
    seen = initialise(SQUARE.with_units(b="linear"), random_state=1)["a->b"]
    slopes = tuple(np.linspace(0, 1, 1000))
    for unit, gain in (
        (LeakyReLU(0.5), 2 / 1.25),
        (LeakyReLU(slopes), 2 / (1 + np.mean(np.square(slopes)))),
        (ELU(0.5), 1 / second_moment(lambda z: z if z > 0 else 0.5 * math.expm1(z))),
    ):
        params = initialise(SQUARE.with_units(b=unit), random_state=1)
        np.testing.assert_allclose(params["a->b"], seen * math.sqrt(gain), rtol=1e-6)


def test_the_fan_in_is_that_of_each_kind_of_projection():
    images = [Population("i", (40, 40, 8)), Population("c", (38, 38, 500)), Population("p", (19, 19, 500))]
    net = Topology(
        [*images, Population("n", 20_000)],
        [Conv2D("i", "c"), Pool2D("c", "p"), Sparse("n", "n", FixedInDegree(20)), OneToOne("n", "n", name="one")],
    )
    params = initialise(net, "lecun")
    assert params["i->c"].var() == pytest.approx(1 / (9 * 8), rel=0.03)
    assert params["n->n"].var() == pytest.approx(1 / 21, rel=0.01)  # 20 synapses of one projection, 1 of the other
    assert params["one"].var() == pytest.approx(1 / 21, rel=0.04)
    assert "c->p" not in params


def test_symmetric_projections_come_out_symmetric_without_self_connections():
    params = initialise(Topology.hopfield(40), "lecun")
    W = params["spins->spins"]
    assert (W == W.T).all()
    assert (W.diagonal() == 0).all()
    assert W[np.triu_indices(40, 1)].var() == pytest.approx(1 / 39, rel=0.15)


def test_signed_projections_have_weights_of_their_sign():
    net = Topology([Population("a", 30), Population("b", 20)], [Dense("a", "b", sign=1), Dense("b", "a", sign=-1)])
    params = initialise(net)
    assert (params["a->b"] > 0).all()
    assert (params["b->a"] < 0).all()


def test_each_projection_has_a_stream_of_its_own():
    net = Topology.mlp(6, 5, 4, skip=[("input", "output")])
    a, b = initialise(Topology.mlp(6, 5, 4), random_state=3), initialise(net, random_state=3)
    assert (a["input->hidden"] == b["input->hidden"]).all()
    np.testing.assert_allclose(a["hidden->output"] * np.sqrt(5 / 11), b["hidden->output"], rtol=1e-6)  # more fan-in
    square = initialise(Topology.mlp(5, 5, 5, unit="relu", output="relu"), random_state=3)
    assert (square["input->hidden"] != square["hidden->output"]).all()


def test_the_same_seed_gives_the_same_bytes_in_both_precisions():
    net = Topology.mlp(6, 5, 4)
    assert initialise(net, random_state=2).theta.tobytes() == initialise(net, random_state=2).theta.tobytes()
    assert (initialise(net, random_state=2).theta != initialise(net, random_state=4).theta)[:50].all()
    single, double = (initialise(net, random_state=2, dtype=dtype) for dtype in ("float32", "float64"))
    assert (double.theta.astype("float32") == single.theta).all()
    key = Key.from_seed(2)
    assert (initialise(net, random_state=key).theta == single.theta).all()


def test_schemes_biases_and_functions_are_chosen_by_name():
    net = Topology.mlp(6, 5, 4)
    params = initialise(
        net,
        {"hidden->output": lambda generator, shape, fan_in, fan_out: np.full(shape, fan_in)},
        bias={"hidden": 0.1, "output": [1, 2, 3, 4]},
    )
    assert (params["hidden->output"] == 5).all()
    assert params["input->hidden"].std() > 0.1
    assert (params["hidden.bias"] == np.float32(0.1)).all()
    assert params["output.bias"].tolist() == [1, 2, 3, 4]
    assert (initialise(net, "zeros", bias=0.5).theta == [0] * 50 + [0.5] * 9).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda net: initialise(net, "hee"), "unknown initializer 'hee'; did you mean 'he'"),
        (lambda net: initialise(net, "lsu"), "unknown initializer 'lsu'; did you mean 'lsuv'"),
        (
            lambda net: initialise(net, "lsuv"),
            "'lsuv' looks at data, which only a network that runs can: give it",
        ),
        (
            lambda net: initialise(net, {"input->hiden": "he"}),
            "unknown projection to initialise 'input->hiden'; did you",
        ),
        (lambda net: initialise(net, bias={"hiden": 1}), "unknown parameter 'hiden.bias'; did you mean 'hidden.bias'"),
        (
            lambda net: initialise(net, bias={"hidden": [1, 2]}),
            r"'hidden.bias' has shape \(5,\), got values of",
        ),
        (lambda net: initialise(net, lambda *a: np.zeros(3)), r"'input->hidden' has shape \(6, 5\), got values of"),
        (lambda net: initialise(net, dtype="float16"), "parameters are float32 or float64"),
        (lambda net: initialise(net, random_state=-1), "random_state must be None, a whole number"),
    ],
)
def test_what_cannot_be_initialised_is_refused_in_words(make, message):
    with pytest.raises(InvalidInput, match=message):
        make(Topology.mlp(6, 5, 4))


def test_the_global_generator_is_neither_read_nor_moved():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    initialise(Topology.mlp(6, 5, 4), random_state=None)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


# -- output bias -------------------------------------------------------------------------------------------------------


def test_with_the_bias_of_softmax_units_the_first_loss_is_the_entropy_of_the_labels():
    labels = np.repeat([0, 1, 2], [10, 30, 60])
    targets = np.eye(3)[labels]
    z = special.softmax(output_bias("softmax", targets))
    entropy = -(np.array([0.1, 0.3, 0.6]) * np.log([0.1, 0.3, 0.6])).sum()
    assert -(targets * np.log(z)).sum(axis=1).mean() == pytest.approx(entropy, rel=1e-12)


def test_with_the_bias_of_sigmoid_units_the_first_loss_is_the_entropy_of_each_label():
    y = np.array([[1.0], [1], [1], [1], [1], [1], [1], [1], [1], [0]])
    bias = output_bias("sigmoid", y)
    assert bias == pytest.approx([math.log(9)])
    assert bias[0] == pytest.approx(2.197, abs=5e-4)
    z = special.expit(bias)
    loss = -(y * np.log(z) + (1 - y) * np.log(1 - z)).mean()
    assert loss == pytest.approx(stats.entropy([0.9, 0.1]), rel=1e-12)


def test_with_the_bias_of_linear_units_the_first_error_is_the_variance():
    y = np.random.default_rng(0).normal(3, 2, size=(50, 2))
    bias = output_bias("linear", y)
    assert ((y - bias) ** 2).mean(axis=0) == pytest.approx(y.var(axis=0))


def test_labels_all_alike_give_a_finite_bias():
    assert output_bias("sigmoid", np.ones((10, 1))) == pytest.approx([math.log(19)])
    assert np.isfinite(output_bias("softmax", np.eye(3)[[0, 0, 1]])).all()


@pytest.mark.parametrize("unit", ["softmax", "sigmoid"])
@pytest.mark.parametrize("total", [1e-300, 0.3, 1.0, 1e300])
def test_the_unit_that_weights_are_in_does_not_move_the_bias(unit, total):
    y, weights = np.eye(3)[[0, 0, 1, 2, 2, 2]], np.array([0.1, 0.2, 0.1, 0.2, 0.3, 0.1])
    expected = {"softmax": np.log, "sigmoid": special.logit}[unit]([0.3, 0.1, 0.6])
    np.testing.assert_allclose(output_bias(unit, y, weights * total), expected, rtol=1e-12)
    assert np.isfinite(output_bias(unit, np.eye(3)[[0, 0, 1]], weights[:3] * total)).all()  # one that never comes


def test_output_bias_refuses_in_words():
    with pytest.raises(InvalidInput, match=r"targets must be \(n, outputs\) with n >= 1, got shape \(3,\)"):
        output_bias("linear", np.zeros(3))
    with pytest.raises(InvalidInput, match="got shape"):
        output_bias("linear", np.zeros((0, 3)))
    with pytest.raises(
        UnknownName, match="unknown output unit with a bias from labels 'softmx'; did you mean 'softmax'"
    ):
        output_bias("softmx", np.zeros((2, 2)))


def test_the_two_synapses_of_a_symmetric_sparse_pair_start_alike():
    net = Topology.lattice(5, 4)
    weights = initialise(net, "unit-gaussian", random_state=1)["sites->sites"]
    assert np.array_equal(weights, weights[net.edges("sites->sites").reverse()])
    assert len(np.unique(weights)) == net.n_synapses // 2
    assert initialise(Topology.lattice(5, 4, shared=True))["sites->sites"].shape == ()
