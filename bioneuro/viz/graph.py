"""`draw_graph`: a computational graph with the numbers that go forward and come back."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput
from bioneuro.viz.style import BLACK, BLUE, GREY, INK, PALE, VERMILLION, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RADIUS, STUB, COLUMN = 0.3, 0.95, 2.0  # of a node, the line that carries its numbers, one column
ROW, LANE = 1.0, 0.7  # least distance between two nodes of a column, and of a node to a line that only passes
SWEEPS = 8  # of the rows towards their neighbours, to the left and to the right
SIGNS = str.maketrans({"-": "\N{MINUS SIGN}", "*": "\N{MULTIPLICATION SIGN}"})
Point = tuple[object, int]  # of a node's line: the node and a column; its own, or one that the line passes


@styled
def draw_graph(graph, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Draw a `feedforward.graph.Graph` from left to right.

    Above the line that leaves a node stands its value; below it, in italics, what the last `backward` brought: the
    derivative of f by that value. Plain numbers are written into the nodes that use them.

    Parameters
    ----------
    title : what the figure shows; by default f: the node that `backward` began at, else the last.

    Returns
    -------
    The axes.
    """
    nodes = [node for node in graph.nodes if node.varies]
    if not nodes:
        raise InvalidInput("the graph is empty; begin with x, y = graph.inputs(x=-2, y=5)")
    users = {node: [other for other in nodes if node in other.arguments] for node in nodes}
    columns = _columns(nodes, users)
    rows = _rows(nodes, users, columns)
    end = graph.output or nodes[-1]
    width = COLUMN * max(columns.values()) + RADIUS + STUB
    top, bottom = min(rows.values()), max(rows.values())
    ax = axes_or_new(ax, max(4.4, 0.62 * width + 0.6), max(1.9, 0.62 * (bottom - top + 1) + 1.0))
    for node in nodes:
        _draw_line(ax, node, users[node], columns, rows)
        _draw_node(ax, node, COLUMN * columns[node], rows[node, columns[node]], is_end=node is end)
    ax.set(xlim=(-RADIUS - 0.1, width + 0.1), ylim=(bottom + 0.6, top - 0.6))
    ax.set_aspect("equal")
    ax.set_axis_off()
    _name_the_numbers(ax, any(node.gradient is not None for node in nodes))
    ax.set_title(f"Computational graph, f = {_written(end.value)}" if title is None else title, color=INK)
    return ax


# -- places ------------------------------------------------------------------------------------------------------------


def _columns(nodes: list, users: dict) -> dict:
    """One behind the furthest argument; inputs one before their first user."""
    columns = {}
    for node in nodes:
        columns[node] = max((columns[argument] + 1 for argument in node.arguments if argument.varies), default=0)
    for node in nodes:
        if node.operation is None and users[node]:
            columns[node] = min(columns[user] for user in users[node]) - 1
    return columns


def _rows(nodes: list, users: dict, columns: dict) -> dict[Point, float]:
    """Heights of all points, near those of their neighbours and never too near to each other."""
    before: dict[Point, list[Point]] = {}
    for node in nodes:
        arguments = {argument: None for argument in node.arguments if argument.varies}
        before[node, columns[node]] = [(argument, columns[node] - 1) for argument in arguments]
        for column in range(columns[node] + 1, max((columns[user] for user in users[node]), default=0)):
            before[node, column] = [(node, column - 1)]
    after = {point: [other for other in before if point in before[other]] for point in before}
    numbers = _in_order_of_use(nodes)
    rows = {point: float(numbers[point[0]]) for point in before}
    forward = sorted({column for _, column in before})
    for k in range(2 * SWEEPS + 1):
        neighbours, way = (before, forward) if k % 2 == 0 else (after, forward[::-1])
        for column in way:
            points = [point for point in before if point[1] == column]
            wanted = [np.mean([rows[other] for other in neighbours[p]]) if neighbours[p] else rows[p] for p in points]
            order = np.lexsort(([rows[point] for point in points], wanted))
            points = [points[i] for i in order]
            rows.update(zip(points, _apart(np.sort(wanted), [_is_node(p, columns) for p in points]), strict=True))
    return rows


def _in_order_of_use(nodes: list) -> dict:
    """Numbers in the order in which the calculation of the last node reaches what it needs."""
    found: dict = {}

    def visit(node) -> None:
        for argument in node.arguments:
            if argument.varies and argument not in found:
                visit(argument)
        found.setdefault(node, len(found))

    for node in reversed(nodes):
        visit(node)
    return found


def _is_node(point: Point, columns: dict) -> bool:
    return point[1] == columns[point[0]]


def _apart(wanted: np.ndarray, are_nodes: list[bool]) -> np.ndarray:
    """Heights nearest to those wanted (ascending), in this order, at least ROW or LANE apart: isotonic regression."""
    gaps = [0.0, *(ROW if a and b else LANE for a, b in pairwise(are_nodes))]
    offsets = np.cumsum(gaps)
    blocks: list[list[float]] = []  # sum and number of what stands closely packed
    for value in wanted - offsets:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    return np.concatenate([np.full(int(count), total / count) for total, count in blocks]) + offsets


# -- marks -------------------------------------------------------------------------------------------------------------


def _draw_line(ax: Axes, node, users: list, columns: dict, rows: dict[Point, float]) -> None:
    """The line that leaves a node, past other columns to all that use it."""
    own, last = columns[node], max((columns[user] for user in users), default=columns[node] + 1)
    path = []
    for column in range(own, last):
        x, y = COLUMN * column, rows[node, column]
        path += [(x + (RADIUS if column == own else -RADIUS), y), (x + RADIUS + STUB, y)]
    ax.plot(*zip(*path, strict=True), color=INK, linewidth=1.0, zorder=2)
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    for user in users:
        column = columns[user] - 1
        start = (COLUMN * column + RADIUS + STUB, rows[node, column])
        tip = (COLUMN * columns[user] - RADIUS, rows[user, columns[user]])
        ax.annotate("", tip, xytext=start, arrowprops=arrow, zorder=2)


def _draw_node(ax: Axes, node, x: float, y: float, *, is_end: bool) -> None:
    from matplotlib.patches import Circle

    is_input = node.operation is None
    look = {"facecolor": "white" if is_input else PALE, "edgecolor": BLACK if is_end else GREY}
    ax.add_patch(Circle((x, y), RADIUS, linewidth=1.6 if is_end else 1.0, zorder=3, **look))
    label = {"sigmoid": "\N{GREEK SMALL LETTER SIGMA}"}.get(node.label, node.label).translate(SIGNS)
    size = 9 if len(label) <= 3 else 7
    ax.text(x, y, label, ha="center", va="center", fontsize=size, weight="bold" if is_input else "normal", zorder=4)
    numbers = [(node.value, -0.06, "bottom", {"color": BLUE})]
    if node.gradient is not None:
        numbers.append((node.gradient, 0.06, "top", {"color": VERMILLION, "style": "italic"}))
    for number, below, side, look in numbers:
        middle = x + RADIUS + STUB / 2
        ax.text(middle, y + below, _written(number), ha="center", va=side, fontsize=8.5, zorder=4, **look)


def _written(number: float) -> str:
    text = f"{number:.3g}"
    if "e" in text:  # as short as its column is wide
        digits, power = f"{number:.1e}".split("e")
        text = f"{digits}e{int(power)}"
    return text.translate(SIGNS)


def _name_the_numbers(ax: Axes, both: bool) -> None:
    ax.text(0, -0.02, "above: value", transform=ax.transAxes, ha="left", va="top", fontsize=8, color=BLUE)
    if both:
        ax.text(
            1, -0.02, "below: derivative of f", transform=ax.transAxes, ha="right", va="top", fontsize=8,
            color=VERMILLION, style="italic",
        )  # fmt: skip
