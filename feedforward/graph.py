"""A computational graph of numbers that shows what goes forward and what comes back. For learning, not for training.

>>> graph = Graph()
>>> x, y, z = graph.inputs(x=-2, y=5, z=-4)
>>> f = (x + y) * z
>>> f.value, f.backward()
(-12.0, {'x': -4.0, 'y': -4.0, 'z': 3.0})
>>> f.nudged(x=1)
-16.0
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from bioneuro.errors import InvalidInput, check_number, choose

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Operation(NamedTuple):
    """f(x, ...), its partial derivatives, one for each argument, and what its node wears.

    symbol : where all arguments vary. with_second, with_first : where that argument, c, is a plain number.
    """

    value: Callable[..., float]
    slopes: Callable[..., tuple[float, ...]]
    symbol: str
    with_second: str = ""
    with_first: str = ""


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _power_slopes(x: float, y: float) -> tuple[float, float]:
    """y x^(y - 1), and x^y ln x where it exists."""
    return (y * x ** (y - 1) if y else 0.0), (x**y * math.log(x) if x > 0 else math.nan)


OPERATIONS: dict[str, Operation] = {
    "add": Operation(lambda x, y: x + y, lambda x, y: (1.0, 1.0), "+", "+ c", "+ c"),
    "subtract": Operation(lambda x, y: x - y, lambda x, y: (1.0, -1.0), "-", "- c", "c - x"),
    "multiply": Operation(lambda x, y: x * y, lambda x, y: (y, x), "*", "* c", "* c"),
    "divide": Operation(lambda x, y: x / y, lambda x, y: (1 / y, -x / y**2), "/", "/ c", "c / x"),
    "power": Operation(lambda x, y: x**y, _power_slopes, "x^y", "x^c", "c^x"),
    "exp": Operation(math.exp, lambda x: (math.exp(x),), "exp"),
    "log": Operation(math.log, lambda x: (1 / x,), "ln"),
    "sigmoid": Operation(_logistic, lambda x: (_logistic(x) * _logistic(-x),), "sigmoid"),
    # where both are equal the gradient goes to the second, so that x.max(0) is a ReLU with slope 0 at 0
    "max": Operation(max, lambda x, y: (1.0, 0.0) if x > y else (0.0, 1.0), "max", "max c", "max c"),
}


class Node:
    """A number in a graph: an input, a constant, or the result of an operation (+ - * / ** and the methods).

    value : what came forward. gradient : df/dnode of the last `backward`, None before. name : of an input, else None.
    arguments : nodes that it is made from. slopes : partial derivative of the value by each of them.
    varies : whether an input leads here.
    """

    __array_ufunc__ = None  # so that NumPy's numbers leave the arithmetic to the node

    def __init__(self, graph: Graph, value: float, name: str | None = None, operation: str | None = None, arguments=()):
        self.graph, self.value, self.name = graph, value, name
        self.operation, self.arguments = operation, tuple(arguments)
        self.gradient: float | None = None
        self.varies = name is not None or any(node.varies for node in arguments)
        graph.nodes.append(self)

    @property
    def slopes(self) -> tuple[float, ...]:
        if self.operation is None:
            return ()
        return _computed(OPERATIONS[self.operation].slopes, self.operation, [node.value for node in self.arguments])

    @property
    def label(self) -> str:
        """What a drawing calls it: its name, or its operation with the plain numbers in it."""
        if self.operation is None:
            return self.name or f"{self.value:g}"
        operation, constants = OPERATIONS[self.operation], [node for node in self.arguments if not node.varies]
        if len(constants) != 1:
            return operation.symbol
        words = operation.with_first if constants[0] is self.arguments[0] else operation.with_second
        return words.replace("c", f"{constants[0].value:g}") if words else operation.symbol

    def backward(self) -> dict[str, float]:
        """Send 1 back from here: gradient of a node = sum over what it goes into of their gradient times the slope.

        Sets `gradient` of every node, 0 where nothing leads here, and returns those of the inputs.
        """
        for node in self.graph.nodes:
            node.gradient = 0.0
        self.gradient, self.graph.output = 1.0, self
        for node in reversed(self.graph.nodes):  # a node is younger than its arguments
            if node.gradient and node.varies:
                for argument, slope in zip(node.arguments, node.slopes, strict=True):
                    if argument.varies:
                        argument.gradient += node.gradient * slope
        return {node.name: node.gradient for node in self.graph.nodes if node.name is not None}

    def nudged(self, **changes: float) -> float:
        """The value here if inputs were larger by `changes`; the graph stays as it is."""
        for name in changes:
            choose("input of the graph", name, [node.name for node in self.graph.nodes if node.name is not None])
        values: dict[Node, float] = {}
        for node in self.graph.nodes:
            if node.operation is None:
                values[node] = node.value + check_number(str(node.name), changes.get(node.name, 0.0))
            else:
                arguments = [values[argument] for argument in node.arguments]
                values[node] = _computed(OPERATIONS[node.operation].value, node.operation, arguments)
            if node is self:
                break
        return values[self]

    def exp(self) -> Node:
        return self._apply("exp")

    def log(self) -> Node:
        """The natural logarithm."""
        return self._apply("log")

    def sigmoid(self) -> Node:
        """1 / (1 + e^-x)."""
        return self._apply("sigmoid")

    def max(self, other: Node | float) -> Node:
        """The larger of two; `x.max(0)` is a ReLU."""
        return self._apply("max", other)

    def __add__(self, other):
        return self._apply("add", other)

    def __radd__(self, other):
        return self._apply("add", other, turned=True)

    def __sub__(self, other):
        return self._apply("subtract", other)

    def __rsub__(self, other):
        return self._apply("subtract", other, turned=True)

    def __mul__(self, other):
        return self._apply("multiply", other)

    def __rmul__(self, other):
        return self._apply("multiply", other, turned=True)

    def __truediv__(self, other):
        return self._apply("divide", other)

    def __rtruediv__(self, other):
        return self._apply("divide", other, turned=True)

    def __pow__(self, other):
        return self._apply("power", other)

    def __rpow__(self, other):
        return self._apply("power", other, turned=True)

    def __neg__(self):
        return self._apply("multiply", -1.0, turned=True)

    def __repr__(self) -> str:
        gradient = "" if self.gradient is None else f", gradient {self.gradient:.4g}"
        return f"Node({self.name or self.operation or 'constant'} = {self.value:.4g}{gradient})"

    def _apply(self, operation: str, *others, turned: bool = False) -> Node:
        arguments = [self, *(self.graph.constant(other) for other in others)]
        arguments = arguments[::-1] if turned else arguments
        if operation == "power" and arguments[1].varies and arguments[0].value <= 0:
            raise InvalidInput(f"x ** y needs x > 0 where y is not a plain number, got x = {arguments[0].value:g}")
        value = _computed(OPERATIONS[operation].value, operation, [node.value for node in arguments])
        return Node(self.graph, value, operation=operation, arguments=arguments)


class Graph:
    """Nodes in the order in which they were made; `output` is where the last `backward` began."""

    def __init__(self):
        self.nodes: list[Node] = []
        self.output: Node | None = None

    def inputs(self, **values: float) -> tuple[Node, ...]:
        """Named numbers that the graph begins with; gradients are with respect to these."""
        known = {node.name for node in self.nodes}
        twice = sorted(known & values.keys())
        if twice or not values:
            raise InvalidInput(f"the graph has an input {twice[0]!r} already" if twice else "give inputs: x=-2, y=5")
        return tuple(Node(self, check_number(name, value), name) for name, value in values.items())

    def constant(self, value: Node | float) -> Node:
        """A number as a node that does not vary; nodes of this graph are given back."""
        if not isinstance(value, Node):
            return Node(self, check_number("a constant", value))
        if value.graph is not self:
            raise InvalidInput(f"{value!r} belongs to another graph; make all inputs with one graph.inputs(...)")
        return value

    def draw(self, ax: Axes | None = None, *, title: str | None = None) -> Axes:
        """Draw nodes from left to right, above each line what goes forward, below it what comes back."""
        from bioneuro.viz.graph import draw_graph

        return draw_graph(self, ax, title=title)


def logistic_unit(weights=(2.0, -3.0, -3.0), inputs=(-1.0, -2.0), *, in_one: bool = False) -> tuple[Graph, Node]:
    """A graph of f(w, x) = 1 / (1 + e^-(w0 x0 + w1 x1 + ... + w_n)), the last weight being the bias, and its node f.

    in_one : the sigmoid as one node; otherwise times -1, exp, plus 1 and 1/x.

    >>> graph, f = logistic_unit()
    >>> round(f.value, 2), {name: round(slope, 2) for name, slope in f.backward().items()}
    (0.73, {'w0': -0.2, 'x0': 0.39, 'w1': -0.39, 'x1': -0.59, 'w2': 0.2})
    """
    if len(weights) != len(inputs) + 1 or not len(inputs):
        raise InvalidInput(f"a unit has a weight for each input and one more, its bias; got {weights} and {inputs}")
    graph = Graph()
    total = None
    for k, (weight, x) in enumerate(zip(weights, inputs, strict=False)):
        w, x = graph.inputs(**{f"w{k}": weight, f"x{k}": x})
        total = w * x if total is None else total + w * x
    (bias,) = graph.inputs(**{f"w{len(inputs)}": weights[-1]})
    total = total + bias
    return graph, total.sigmoid() if in_one else 1 / (1 + (-total).exp())


def _computed(function: Callable, operation: str, arguments: list[float]):
    """What a function of numbers gives, refused in words where there is no finite number."""
    try:
        result = function(*arguments)
    except (ValueError, ZeroDivisionError, OverflowError):
        result = math.nan
    numbers = result if isinstance(result, tuple) else (result,)
    if all(isinstance(number, complex) or math.isnan(number) or math.isinf(number) for number in numbers):
        given = ", ".join(f"{argument:g}" for argument in arguments)
        raise InvalidInput(f"{operation}({given}) or its slope is not a finite real number")
    return result
