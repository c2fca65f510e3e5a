"""Where the parts of a drawn topology lie: populations in columns from input to output, arcs above, text below.

All lengths are points (1/72 inch) of the figure at its natural size; nothing here draws.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bioneuro.topology import Conv2D, Dense, Pool2D, Population, Projection, SmallWorld, Sparse, Topology
from bioneuro.viz.words import arrowed, population_lines, projection_lines

TextWidth = Callable[[str, float], float]  # (line, font size) -> width

NAME_SIZE, TEXT_SIZE, LINE = 9.0, 7.5, 10.5  # font sizes; height of a line of text
RADIUS, PITCH, ELLIPSIS = 6.0, 16.0, 22.0  # of the circles in a column, and the room for the dots between them
PAD = 7.0  # from the units to the edge of their box
GAP = 30.0  # between columns, beside the text that stands there
ALL_SHOWN = 12  # columns of up to so many units show every one
PLANES, PLANE_SHIFT = 5, 5.0  # of a stack of channels
RING_SHOWN = 100  # a ring of up to so many units shows every one


class Rect(NamedTuple):
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y + self.height / 2

    @property
    def bottom(self) -> float:
        return self.y - self.height / 2

    def overlaps(self, other: Rect) -> bool:
        return (
            min(self.right, other.right) > max(self.left, other.left) + 1e-9
            and min(self.top, other.top) > max(self.bottom, other.bottom) + 1e-9
        )


@dataclass(frozen=True)
class Text:
    """Lines of text in a rectangle, the first bold where it is a name."""

    lines: tuple[str, ...]
    where: Rect
    named: bool = False


@dataclass(frozen=True)
class Box:
    """One drawn population: its outline, its units (centres), its text."""

    population: Population
    shape: str  # "column", "planes" or "ring"
    where: Rect
    units: np.ndarray  # (shown, 2) centres; of planes only the front one's outline is drawn
    text: Text

    @property
    def all_shown(self) -> bool:
        return self.shape == "planes" or len(self.units) == self.population.size


@dataclass(frozen=True)
class Arrow:
    """One drawn projection: the points of its way, and its text."""

    projection: Projection
    way: str  # "straight", "arc", "loop" or "chords"
    points: tuple[tuple[float, float], ...]
    text: Text | None


@dataclass(frozen=True)
class Layout:
    boxes: dict[str, Box]
    arrows: tuple[Arrow, ...]
    extent: Rect


# -- columns -----------------------------------------------------------------------------------------------------------


def layers(topology: Topology) -> list[list[str]]:
    """Populations by their longest way from an input; a projection that would close a cycle does not count."""
    forward: dict[str, list[str]] = {population.name: [] for population in topology.populations}

    def reaches(start: str, goal: str) -> bool:
        found, waiting = {start}, [start]
        while waiting:
            for name in forward[waiting.pop()]:
                if name not in found:
                    found.add(name)
                    waiting.append(name)
        return goal in found

    for projection in topology.projections:
        if not reaches(projection.post, projection.pre):
            forward[projection.pre].append(projection.post)
    depth = dict.fromkeys(forward, 0)
    for _ in forward:  # as many rounds as the longest way can have steps
        for pre, posts in forward.items():
            for post in posts:
                depth[post] = max(depth[post], depth[pre] + 1)
    return [[name for name in forward if depth[name] == k] for k in range(max(depth.values()) + 1)]


def is_complete(topology: Topology) -> bool:
    """Whether every unit is joined with every other both ways, as in Hopfield nets and general Boltzmann machines."""
    joined = {
        frozenset((projection.pre, projection.post))
        for projection in topology.projections
        if isinstance(projection, Dense) and projection.symmetric
    }
    names = [population.name for population in topology.populations]
    pairs = {frozenset((a, b)) for a in names for b in names}
    return joined == pairs and len(joined) == len(topology.projections)


def is_small_world(topology: Topology) -> bool:
    """Whether it is one ring of units with rewired pairs, few enough to draw every one."""
    rules = [projection.rule for projection in topology.projections if isinstance(projection, Sparse)]
    only = len(rules) == len(topology.projections) and all(isinstance(rule, SmallWorld) for rule in rules)
    return bool(rules) and only and len(topology.populations) == 1 and topology.n_units <= RING_SHOWN


def _column_units(size: int) -> tuple[np.ndarray, float]:
    """Heights of the circles of a column around 0, and the height of all; long columns have dots in the middle."""
    if size <= ALL_SHOWN:
        return PITCH * ((size - 1) / 2 - np.arange(size)), PITCH * (size - 1) + 2 * RADIUS
    half = 5 if size < 50 else 6
    upper = ELLIPSIS / 2 + PITCH * (half - 0.5 - np.arange(half))
    return np.concatenate([upper, -upper[::-1]]), 2 * upper[0] + 2 * RADIUS


def plane_side(population: Population) -> tuple[float, float]:
    """Width and height of one plane of an image population."""
    height, width = population.shape[:2]
    side = 70 + 6 * math.sqrt(max(height, width))
    return side * width / max(height, width), side * height / max(height, width)


def n_planes(population: Population) -> int:
    return min(PLANES, math.prod(population.shape[2:]))


def _outline(population: Population) -> tuple[str, float, float, np.ndarray]:
    """Shape, width, height and unit centres of a population around (0, 0)."""
    if len(population.shape) > 1:
        width, height = plane_side(population)
        shift = PLANE_SHIFT * (n_planes(population) - 1)
        return "planes", width + shift, height + shift, np.zeros((0, 2))
    y, height = _column_units(population.size)
    return "column", 2 * RADIUS + 2 * PAD, height + 2 * PAD, np.column_stack([np.zeros(len(y)), y])


def _text_box(lines: tuple[str, ...], text_width: TextWidth, named: bool = False) -> tuple[float, float]:
    sizes = [NAME_SIZE if named and k == 0 else TEXT_SIZE for k in range(len(lines))]
    return max(text_width(*entry) for entry in zip(lines, sizes, strict=True)) + 4, LINE * len(lines)


def lay_out(topology: Topology, text_width: TextWidth) -> Layout:
    """Place everything."""
    if is_complete(topology) or is_small_world(topology):
        return _lay_out_ring(topology, text_width)
    columns = layers(topology)
    words = _words(topology)
    column_of = {name: k for k, names in enumerate(columns) for name in names}
    boxes = _place_boxes(topology, columns, column_of, words, text_width)
    arrows = _place_arrows(topology, boxes, columns, column_of, words, text_width)
    return Layout(boxes, arrows, _extent(boxes, arrows))


def _words(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Lines of text of each projection, its name first where several join the same two populations."""
    together = Counter(frozenset((projection.pre, projection.post)) for projection in topology.projections)
    words = {}
    for projection in topology.projections:
        several = not projection.autapse and together[frozenset((projection.pre, projection.post))] > 1
        name = (arrowed(projection.name),) if several else ()
        words[projection.name] = (*name, *projection_lines(topology, projection))
    return words


def _place_boxes(topology, columns, column_of, words, text_width) -> dict[str, Box]:
    outlines = {p.name: _outline(p) for p in topology.populations}
    texts = {p.name: population_lines(p) for p in topology.populations}
    sizes = {name: _text_box(lines, text_width, named=True) for name, lines in texts.items()}
    single = all(len(names) == 1 for names in columns)
    room = GAP if single else 2 * GAP  # slanted arrows and arcs from below need more
    gaps = [room] * len(columns)
    for projection in topology.projections:
        a, b = sorted((column_of[projection.pre], column_of[projection.post]))
        if b == a + 1:
            gaps[a] = max(gaps[a], room + _text_box(words[projection.name], text_width)[0])
    floor = -max(outlines[names[0]][2] for names in columns) / 2 - 6  # where texts begin when each column has one box
    boxes, x = {}, 0.0
    for k, names in enumerate(columns):
        width = max(max(outlines[name][1], sizes[name][0]) for name in names)
        x += width / 2
        heights = [outlines[name][2] + 6 + sizes[name][1] for name in names]
        y = (sum(heights) + 34 * (len(names) - 1)) / 2
        for name, height in zip(names, heights, strict=True):
            shape, box_width, box_height, units = outlines[name]
            centre = 0.0 if single else y - box_height / 2
            where = Rect(x, centre, box_width, box_height)
            top = floor if single else where.bottom - 6
            text = Text(texts[name], Rect(x, top - sizes[name][1] / 2, *sizes[name]), named=True)
            boxes[name] = Box(topology[name], shape, where, units + np.array([x, centre]), text)
            y -= height + 34
        x += width / 2 + gaps[k]
    return boxes


# -- arrows ------------------------------------------------------------------------------------------------------------


def _place_arrows(topology, boxes, columns, column_of, words, text_width) -> tuple[Arrow, ...]:
    arrows: list[Arrow] = []
    near: dict[tuple[str, str], list[Projection]] = {}
    far: list[Projection] = []
    ceiling = [max(boxes[name].where.top for name in names) for names in columns]
    loops: dict[str, int] = {}
    for projection in topology.projections:
        a, b = column_of[projection.pre], column_of[projection.post]
        if projection.autapse:
            loop = _loop(projection, boxes[projection.pre].where, loops.get(projection.pre, 0), words, text_width)
            loops[projection.pre] = loops.get(projection.pre, 0) + 1
            arrows.append(loop)
            if boxes[projection.pre].where.top == ceiling[a] or loop.text.where.top > ceiling[a]:
                ceiling[a] = max(ceiling[a], loop.text.where.top)
        elif abs(a - b) == 1:
            near.setdefault(tuple(sorted((projection.pre, projection.post))), []).append(projection)
        else:
            far.append(projection)
    for together in near.values():
        arrows += _straight(together, boxes, words, text_width)
    return (*arrows, *_arcs(far, boxes, columns, column_of, ceiling, set(loops), words, text_width))


def _loop(projection: Projection, box: Rect, count: int, words, text_width) -> Arrow:
    """A loop on top of the box; a second one stands above the first."""
    width, height = _text_box(words[projection.name], text_width)
    half, rise = 9 + 7 * count, 30 + (12 + height) * count
    points = (
        (box.x - half, box.top),
        (box.x - 3 * half, box.top + rise * 1.25),
        (box.x + 3 * half, box.top + rise * 1.25),
        (box.x + half, box.top),
    )
    middle = Rect(box.x, box.top + rise + 1 + height / 2, width, height)
    return Arrow(projection, "loop", points, Text(words[projection.name], middle))


def _straight(together: list[Projection], boxes: dict[str, Box], words, text_width) -> list[Arrow]:
    """Arrows between neighbouring columns, one below the other where there are several."""
    sizes = [_text_box(words[projection.name], text_width) for projection in together]
    steps = [height + 16 for _, height in sizes]
    shift = (sum(steps) - steps[0]) / 2 if len(together) > 1 else 0.0
    arrows = []
    for projection, (width, height), step in zip(together, sizes, steps, strict=True):
        pre, post = boxes[projection.pre].where, boxes[projection.post].where
        way = 1 if post.x > pre.x else -1
        start = (pre.x + way * (pre.width / 2 + 2), pre.y + shift)
        end = (post.x - way * (post.width / 2 + 2), post.y + shift)
        text = Text(words[projection.name], _beside(start, end, width, height, isinstance(projection, Conv2D | Pool2D)))
        arrows.append(Arrow(projection, "straight", (start, end), text))
        shift -= step
    return arrows


def _beside(start, end, width: float, height: float, below: bool) -> Rect:
    """Where text stands at the middle of a line: above it, or below where a window looks through from above."""
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    angle -= math.pi * round(angle / math.pi)  # in [-90, 90] degrees, whichever way the arrow points
    away = 4 + height / 2 * math.cos(angle) + width / 2 * abs(math.sin(angle))
    away = -away if below else away
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    return Rect(x - away * math.sin(angle), y + away * math.cos(angle), width, height)


def _arcs(far, boxes, columns, column_of, ceiling, looped, words, text_width) -> list[Arrow]:
    """Arcs over what lies between: short ones below long ones, each with its text on top."""
    arrows: list[Arrow] = []
    used: dict[str, int] = {}

    def port(name: str, toward: float) -> list[tuple[float, float]]:
        """Points from the box up to where the arc may rise: its top, or its side where something stands above."""
        box = boxes[name].where
        count = used[name] = used.get(name, 0) + 1
        sideways = 1 if toward > box.x else -1
        if name in looped or name != columns[column_of[name]][0]:
            outside = max(box.width, boxes[name].text.where.width) / 2
            x = box.x + sideways * (outside + 6 + 5 * count)
            y = box.top - 8 * count
            return [(box.x + sideways * box.width / 2, y), (x, y)]
        return [(box.x - sideways * 5 * (count - 1), box.top)]  # long arcs outside short ones, so that they nest

    far = sorted(far, key=lambda projection: abs(column_of[projection.pre] - column_of[projection.post]))
    ends = [
        (port(p.pre, boxes[p.post].where.x), port(p.post, boxes[p.pre].where.x))
        for p in far
    ]  # fmt: skip
    risers = {end[-1][0] for pair in ends for end in pair}
    for projection, (start, end) in zip(far, ends, strict=True):
        a, b = sorted((column_of[projection.pre], column_of[projection.post]))
        width, height = _text_box(words[projection.name], text_width)
        y = max(ceiling[a : b + 1]) + 20
        points = (*start, (start[-1][0], y), (end[-1][0], y), *end[::-1])
        middle = (start[-1][0] + end[-1][0]) / 2
        gaps = sorted((_gap_centre(boxes, columns, k) for k in range(a, b)), key=lambda x: abs(x - middle))
        free = [x for x in (middle, *gaps) if all(abs(x - riser) > width / 2 + 3 for riser in risers)]
        text = Text(words[projection.name], Rect(next(iter(free), middle), y + 3 + height / 2, width, height))
        arrows.append(Arrow(projection, "arc", points, text))
        for k in range(a, b + 1):
            ceiling[k] = text.where.top
    return arrows


def _gap_centre(boxes, columns, k: int) -> float:
    return (boxes[columns[k][0]].where.x + boxes[columns[k + 1][0]].where.x) / 2


# -- rings -------------------------------------------------------------------------------------------------------------


def _lay_out_ring(topology: Topology, text_width: TextWidth) -> Layout:
    """All units on one circle, clockwise from the top, population after population."""
    sizes = [population.size for population in topology.populations]
    shown = sizes if sum(sizes) <= RING_SHOWN else [max(1, RING_SHOWN * n // sum(sizes)) for n in sizes]
    radius = max(70.0, 2.2 * RADIUS * sum(shown) / (2 * math.pi))
    angles = math.pi / 2 - 2 * math.pi * np.arange(sum(shown)) / sum(shown)
    units = radius * np.column_stack([np.cos(angles), np.sin(angles)])
    texts = [
        population_lines(population, None if n == population.size else n)
        for population, n in zip(topology.populations, shown, strict=True)
    ]
    boxes_of = [_text_box(lines, text_width, named=True) for lines in texts]
    side = 2 * (radius + RADIUS + PAD)
    x = -(sum(width for width, _ in boxes_of) + 30 * (len(texts) - 1)) / 2
    boxes, start = {}, 0
    for population, n, lines, (width, height) in zip(topology.populations, shown, texts, boxes_of, strict=True):
        text = Text(lines, Rect(x + width / 2, -side / 2 - 6 - height / 2, width, height), named=True)
        boxes[population.name] = Box(population, "ring", Rect(0, 0, side, side), units[start : start + n], text)
        start, x = start + n, x + width + 30
    floor = min(box.text.where.bottom for box in boxes.values()) - 4
    lines = tuple(
        f"{arrowed(projection.name)}: {', '.join(projection_lines(topology, projection))}"
        for projection in topology.projections
    )
    width, height = _text_box(lines, text_width)
    arrows = [Arrow(projection, "chords", (), None) for projection in topology.projections]
    arrows[0] = Arrow(arrows[0].projection, "chords", (), Text(lines, Rect(0, floor - height / 2, width, height)))
    return Layout(boxes, tuple(arrows), _extent(boxes, tuple(arrows)))


def _extent(boxes: dict[str, Box], arrows: tuple[Arrow, ...]) -> Rect:
    rects = [rect for box in boxes.values() for rect in (box.where, box.text.where)]
    rects += [arrow.text.where for arrow in arrows if arrow.text]
    rects += [Rect(x, y, 0, 0) for arrow in arrows for x, y in arrow.points]
    left, right = min(r.left for r in rects), max(r.right for r in rects)
    bottom, top = min(r.bottom for r in rects), max(r.top for r in rects)
    return Rect((left + right) / 2, (bottom + top) / 2, right - left, top - bottom)
