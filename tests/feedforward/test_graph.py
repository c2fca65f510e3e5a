"""The teaching graph: the lectures' numbers, central differences, and a drawing without collisions."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bioneuro.errors import InvalidInput, UnknownName
from feedforward.graph import Graph, Node, logistic_unit

pytestmark = pytest.mark.small


def test_the_graph_of_the_lecture_gives_its_numbers():
    graph = Graph()
    x, y, z = graph.inputs(x=-2, y=5, z=-4)
    q = x + y
    f = q * z
    assert (q.value, f.value) == (3, -12)
    assert f.backward() == {"x": -4, "y": -4, "z": 3}
    assert q.gradient == z.value  # df/dq = z: the way through q has no factor of its own
    assert (f.nudged(x=1), f.nudged(y=1), f.nudged(z=1)) == (-16, -16, -9)
    assert f.nudged(x=1, z=1) == -12
    assert (f.value, x.value) == (-12, -2)  # nudges leave the graph as it is


@pytest.mark.parametrize("in_one", [False, True])
def test_the_logistic_unit_of_the_lecture_gives_its_numbers(in_one):
    graph, f = logistic_unit(weights=(2, -3, -3), inputs=(-1, -2), in_one=in_one)
    assert f.value == pytest.approx(0.73, abs=0.005)
    gradients = f.backward()
    printed = {"w0": -0.20, "x0": 0.39, "w1": -0.39, "x1": -0.59, "w2": 0.20}
    assert gradients == pytest.approx(printed, abs=0.005)
    assert gradients["x0"] == pytest.approx(2 * f.value * (1 - f.value), rel=1e-12)
    if not in_one:  # node by node
        steps = [node for node in graph.nodes if node.varies and node.operation]
        assert [node.value for node in steps] == pytest.approx([-2, 6, 4, 1, -1, 0.37, 1.37, 0.73], abs=0.005)
        slopes = [0.20, 0.20, 0.20, 0.20, -0.20, -0.53, -0.53, 1.00]
        assert [node.gradient for node in steps] == pytest.approx(slopes, abs=0.005)


def call(name):
    """A function of floats or nodes."""
    plain = {"exp": math.exp, "log": math.log, "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "max": max}[name]
    return lambda x, *more: getattr(x, name)(*more) if isinstance(x, Node) else plain(x, *more)


exp, log, sigmoid, larger = (call(name) for name in ("exp", "log", "sigmoid", "max"))
EXPRESSIONS = {
    "sums": lambda a, b, c: 2 + a - b + (1 - c) - 3,
    "products": lambda a, b, c: 3 * a * b / c + 2 / a - b / 4,
    "powers": lambda a, b, c: a**2 + a**b + 2**c - a**-1.5 + (b - 10) ** 3,
    "minus": lambda a, b, c: -(a * b) + -c,
    "exp": lambda a, b, c: exp(a - b) * c,
    "log": lambda a, b, c: log(a * b + c) * a,
    "sigmoid": lambda a, b, c: sigmoid(a - b * c) * a,
    "max": lambda a, b, c: larger(a, b) * c + larger(a - 5, 0) + larger(c * a, 1),
    "one number many times": lambda a, b, c: (a * a + a) * (a - b) / (a + b * b),
    "softplus of a sum": lambda a, b, c: log(1 + exp(a * b + c)) ** 0.5,
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gradients_equal_central_differences(name):
    expression = EXPRESSIONS[name]
    for seed in range(10):
        values = dict(zip("abc", np.random.default_rng(seed).uniform(0.3, 2.0, 3).tolist(), strict=True))
        f = expression(*Graph().inputs(**values))
        assert f.value == pytest.approx(expression(**values), rel=1e-14)
        gradients = f.backward()
        for key in values:
            step = 1e-5
            above, below = (expression(**(values | {key: values[key] + by})) for by in (step, -step))
            assert gradients[key] == pytest.approx((above - below) / (2 * step), rel=1e-7, abs=1e-7)
            assert f.nudged(**{key: step}) == pytest.approx(above, rel=1e-14)


def test_backward_begins_anew_at_any_node():
    graph = Graph()
    x, y = graph.inputs(x=2, y=3)
    q = x * y
    f = q * q
    assert f.backward() == {"x": 36, "y": 24}
    assert f.backward() == {"x": 36, "y": 24}
    assert q.backward() == {"x": 3, "y": 2}
    assert f.gradient == 0
    assert graph.output is q


def test_at_a_tie_the_slope_of_a_relu_is_zero():
    (x,) = Graph().inputs(x=0)
    assert x.max(0).backward() == {"x": 0}


def test_numbers_of_numpy_and_logarithms_of_saturated_units_are_handled():
    (x,) = Graph().inputs(x=np.float32(3))
    assert isinstance(np.float64(2) * x, Node)
    assert (np.float64(2) * x).value == 6
    (z,) = Graph().inputs(z=-800)
    f = z.sigmoid()
    assert (f.value, f.backward()["z"]) == (0, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: x / (y - 5), r"divide\(-2, 0\) or its slope is not a finite real number"),
        (lambda x, y: x.log(), r"log\(-2\) or its slope"),
        (lambda x, y: (x * x * 1000).exp(), r"exp\(4000\) or its slope"),
        (lambda x, y: x**0.5, r"power\(-2, 0.5\) or its slope"),
        (lambda x, y: ((x + 2) ** 0.5).backward(), r"power\(0, 0.5\) or its slope"),
        (lambda x, y: x**y, "needs x > 0 where y is not a plain number, got x = -2"),
        (lambda x, y: x + "a", "a constant must be a number in"),
        (lambda x, y: x + Graph().inputs(x=1)[0], "belongs to another graph"),
        (lambda x, y: x.graph.inputs(x=1), "the graph has an input 'x' already"),
        (lambda x, y: x.graph.inputs(), "give inputs: x=-2, y=5"),
        (lambda x, y: logistic_unit((1, 2), (1, 2)), "a weight for each input and one more"),
        (lambda x, y: Graph().draw(), "the graph is empty"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_words(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(*Graph().inputs(x=-2, y=5))


def test_nudges_name_inputs():
    (x,) = Graph().inputs(x=1)
    with pytest.raises(UnknownName, match="unknown input of the graph 'z'"):
        (x + 1).nudged(z=1)


# -- the drawing -------------------------------------------------------------------------------------------------------


def tangled():
    graph = Graph()
    a, b = graph.inputs(a=2, b=-0.5)
    c = a * b + b
    f = ((c.max(0) - a**2) / (1 + c.exp()).log() + 2**a).sigmoid() * a
    return graph, f


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_a_drawing_shows_each_value_above_its_gradient_and_constants_in_their_nodes():
    graph, f = logistic_unit()
    before = words(graph.draw())
    assert "below: derivative of f" not in before
    f.backward()
    ax = graph.draw()
    assert ax.get_title() == "Computational graph, f = 0.731"
    for label in ("w0", "x1", "exp", "+ 1", "1 / x", "\N{MULTIPLICATION SIGN} \N{MINUS SIGN}1"):
        assert words(ax).count(label) == 1
    assert "below: derivative of f" in words(ax)
    value, gradient = (next(t for t in ax.texts if t.get_text() == w) for w in ("0.368", "\N{MINUS SIGN}0.534"))
    assert value.get_position()[0] == gradient.get_position()[0]
    assert value.get_position()[1] < gradient.get_position()[1]  # the axis runs down
    assert ax.yaxis_inverted()


@pytest.mark.parametrize("make", [tangled, logistic_unit])
def test_nothing_in_a_drawing_covers_anything_else(make):
    graph, f = make()
    f.backward()
    ax = graph.draw()
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    numbers = [text.get_window_extent(canvas.get_renderer()) for text in ax.texts if text.get_zorder() == 4]
    assert not any(one.shrunk(0.9, 0.9).overlaps(two) for one, two in combinations(numbers, 2))
    centres = np.array([patch.center for patch in ax.patches])
    gaps = np.linalg.norm(centres[:, None] - centres, axis=2) + 9 * np.eye(len(centres))
    assert gaps.min() >= 1
    for line in ax.lines:  # none passes through a node
        x, y = line.get_data()
        along = np.linspace(0, len(x) - 1, 1000)
        path = np.column_stack([np.interp(along, np.arange(len(x)), side) for side in (x, y)])
        assert np.linalg.norm(path[:, None] - centres, axis=2).min() > 0.29


def test_a_drawing_takes_axes_and_a_title():
    graph, _ = tangled()
    ax = Figure().add_subplot()
    assert graph.draw(ax, title="Tangled") is ax
    assert ax.get_title() == "Tangled"
    assert graph.draw() is not ax
