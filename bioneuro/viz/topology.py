"""`draw`: a topology as a picture one can read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput
from bioneuro.topology import Conv2D, OneToOne, Pool2D, Sparse, Topology
from bioneuro.viz import layout
from bioneuro.viz.layout import Arrow, Box, Text
from bioneuro.viz.style import GREY, INK, PALE, ROLE_COLOURS, VERMILLION, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN, LEGEND, TITLE = 14.0, 26.0, 26.0  # points around the drawing, below it and above it
LEAST_WIDTH = 300.0  # points, so that title and legend fit
CORNER = 16.0  # radius of the bends of an arc
FAN_LINES = 900  # at most so many thin lines between two columns


@styled
def draw(topology: Topology, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Draw populations and projections.

    Populations stand in columns from input to output: as columns of circles (long ones with dots in the middle), as
    planes where their shape is an image, or on one ring where every unit is joined with every other, or in a small
    world of up to 100 units. Colours tell the role. Projections are arrows with their kind and number of weights; two
    heads: used both ways; a bar instead of a head: inhibitory; dashed: tied weights; arcs above: projections that skip
    a column or lead back.

    Parameters
    ----------
    topology : what to draw.
    ax : axes to draw on, or None for a figure of its own, as large as the drawing needs.
    title : text above; without one, the numbers of units and parameters.

    Returns
    -------
    The axes; `draw(net).figure.savefig("net.png")` writes the picture.
    """
    if not isinstance(topology, Topology):
        raise InvalidInput(f"draw takes a Topology, got {topology!r}; an estimator has one as topology_ once fitted")
    plan = layout.lay_out(topology, _text_width)
    ax, scale = _prepare(ax, plan.extent)
    for arrow in plan.arrows:
        _draw_bundle(ax, arrow, plan.boxes, topology, scale)
    for box in plan.boxes.values():
        _draw_box(ax, box, scale)
    for arrow in plan.arrows:
        _draw_arrow(ax, arrow, scale)
    _add_legend(ax, topology, scale)
    words = f"Topology: {topology.n_units:,} units, {topology.n_parameters:,} parameters"
    ax.set_title(words if title is None else title, fontsize=11 * scale, color=INK)
    return ax


def _text_width(line: str, size: float) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    weight = "bold" if size == layout.NAME_SIZE else "normal"
    return float(TextPath((0, 0), line or " ", size=size, prop=FontProperties(weight=weight)).get_extents().width)


def _prepare(ax: Axes | None, extent: layout.Rect) -> tuple[Axes, float]:
    """Axes whose data unit is a point of the drawing, and the points of the figure to a point of the drawing."""
    width = max(extent.width + 2 * MARGIN, LEAST_WIDTH)
    height = extent.height + 2 * MARGIN + LEGEND
    if ax is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width / 72, (height + TITLE) / 72))
        ax = figure.add_axes((0, 0, 1, height / (height + TITLE)))
    corners = ax.get_window_extent()
    scale = min(corners.width / width, corners.height / height) * 72 / ax.figure.dpi
    ax.set_xlim(extent.x - width / 2, extent.x + width / 2)
    ax.set_ylim(extent.bottom - MARGIN - LEGEND, extent.top + MARGIN)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax, scale


# -- populations -------------------------------------------------------------------------------------------------------


def _draw_box(ax: Axes, box: Box, scale: float) -> None:
    colour = ROLE_COLOURS[box.population.role]
    if box.shape == "planes":
        _draw_planes(ax, box, colour, scale)
    else:
        if box.shape == "column":
            _draw_frame(ax, box, colour, scale)
        _draw_circles(ax, box, colour, scale)
    _write(ax, box.text, scale)


def _draw_frame(ax: Axes, box: Box, colour: str, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    where = box.where
    style = f"round,pad=0,rounding_size={min(9, where.width / 2)}"
    ax.add_patch(
        FancyBboxPatch(
            (where.left, where.bottom), where.width, where.height, boxstyle=style,
            facecolor=(*_rgb(colour), 0.12), edgecolor=colour, linewidth=0.8 * scale, zorder=3, gid=box.population.name,
        )
    )  # fmt: skip


def _draw_circles(ax: Axes, box: Box, colour: str, scale: float) -> None:
    from matplotlib.collections import EllipseCollection

    def circles(centres: np.ndarray, radius: float, zorder: float, **look) -> None:
        sizes = np.full(len(centres), 2 * radius)
        ax.add_collection(
            EllipseCollection(sizes, sizes, np.zeros(len(centres)), units="xy", offsets=centres,
                              offset_transform=ax.transData, zorder=zorder, **look)
        )  # fmt: skip

    circles(
        box.units, layout.RADIUS * (0.8 if box.shape == "ring" else 1), 4,
        facecolor=colour, edgecolor="white", linewidth=0.6 * scale,
    )  # fmt: skip
    if not box.all_shown and box.shape == "column":
        dots = np.column_stack([np.full(3, box.where.x), box.where.y + np.array([-6.0, 0, 6.0])])
        circles(dots, 1.5, 4, facecolor=INK, edgecolor="none")


def _draw_planes(ax: Axes, box: Box, colour: str, scale: float) -> None:
    """A stack of channels, the last one in front with its units as squares."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    population, planes = box.population, layout.n_planes(box.population)
    width, height = layout.plane_side(population)
    for k in reversed(range(planes)):
        corner = (box.where.left + k * layout.PLANE_SHIFT, box.where.bottom + k * layout.PLANE_SHIFT)
        ax.add_patch(
            Rectangle(corner, width, height, facecolor=_mix(colour, 0.22 if k == 0 else 0.4), edgecolor=colour,
                      linewidth=0.8 * scale, zorder=4 - 0.1 * k, gid=population.name if k == 0 else None)
        )  # fmt: skip
    rows, columns = population.shape[:2]
    x = np.linspace(box.where.left, box.where.left + width, columns + 1)[1:-1]
    y = np.linspace(box.where.bottom, box.where.bottom + height, rows + 1)[1:-1]
    lines = [[(a, box.where.bottom), (a, box.where.bottom + height)] for a in x]
    lines += [[(box.where.left, b), (box.where.left + width, b)] for b in y]
    ax.add_collection(LineCollection(lines, colors=[_mix(colour, 0.75)], linewidths=0.4 * scale, zorder=4.01))


def _write(ax: Axes, text: Text, scale: float, **look) -> None:
    """One artist for all lines, so that it can be found; the first is bold where it is a name."""
    top = text.where.top
    for k, line in enumerate(text.lines):
        name = text.named and k == 0
        ax.text(
            text.where.x, top - layout.LINE * (k + 0.5), line, ha="center", va="center", zorder=8,
            fontsize=(layout.NAME_SIZE if name else layout.TEXT_SIZE) * scale, weight="bold" if name else "normal",
            color=INK if name or not text.named else GREY, **look,
        )  # fmt: skip


# -- projections -------------------------------------------------------------------------------------------------------


def _draw_bundle(ax: Axes, arrow: Arrow, boxes: dict[str, Box], topology: Topology, scale: float) -> None:
    """The faint lines behind an arrow that say who reaches whom."""
    from matplotlib.collections import LineCollection, PolyCollection

    pre, post = boxes[arrow.projection.pre], boxes[arrow.projection.post]
    if arrow.way == "chords":
        if isinstance(arrow.projection, Sparse):
            found = topology.edges(arrow.projection.name)
            lines = np.stack([pre.units[found.pre], post.units[found.post]], axis=1)
        else:
            lines = _chords(pre.units, post.units)
        look = {"colors": [INK], "linewidths": 0.3 * scale, "alpha": max(0.09, min(0.5, 250 / (1 + len(lines))))}
        ax.add_collection(LineCollection(lines, zorder=2, **look))
    elif arrow.way == "straight":
        if isinstance(arrow.projection, Conv2D | Pool2D):
            _draw_window(ax, arrow.projection, pre, post, scale)
        elif "planes" in (pre.shape, post.shape):
            left, right = sorted((pre.where, post.where), key=lambda where: where.x)
            funnel = [
                (left.right, left.bottom),
                (left.right, left.top),
                (right.left, right.top),
                (right.left, right.bottom),
            ]
            ax.add_collection(PolyCollection([funnel], facecolor=PALE, edgecolor="none", alpha=0.6, zorder=1))
        else:
            lines = _fan(arrow.projection, pre, post)
            ax.add_collection(LineCollection(lines, colors=["#B8B8B8"], linewidths=0.45 * scale, zorder=1))


def _chords(one: np.ndarray, other: np.ndarray) -> list:
    if one is other:
        first, second = np.triu_indices(len(one), 1)
        return np.stack([one[first], one[second]], axis=1)
    return np.stack([np.repeat(one, len(other), axis=0), np.tile(other, (len(one), 1))], axis=1)


def _fan(projection, pre: Box, post: Box) -> np.ndarray:
    """Lines between the circles that are drawn: all pairs, equals, or a few of all."""
    reach = layout.RADIUS if post.where.x > pre.where.x else -layout.RADIUS
    starts, ends = pre.units + np.array([reach, 0]), post.units - np.array([reach, 0])
    if isinstance(projection, OneToOne):
        n = min(len(starts), len(ends))
        return np.stack([starts[:n], ends[:n]], axis=1)
    lines = _chords(starts, ends)
    if isinstance(projection, Sparse):
        kept = np.random.default_rng(0).random(len(lines)) < 0.25
        lines = lines[kept]
    return lines[:: math.ceil(len(lines) / FAN_LINES)] if len(lines) else lines


def _draw_window(ax: Axes, projection: Conv2D | Pool2D, pre: Box, post: Box, scale: float) -> None:
    """A window on the front plane of `pre` and its lines to the one unit of `post` that looks through it."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    window = projection.kernel if isinstance(projection, Conv2D) else projection.window
    seen, unit = _window(pre, window, 0.75), _window(post, (1, 1), 0.25)
    for where, alpha in ((seen, 0.35), (unit, 0.9)):
        corner = (where.left, where.bottom)
        ax.add_patch(Rectangle(corner, where.width, where.height, color=INK, linewidth=0, alpha=alpha, zorder=4.5))
    lines = [[(seen.right, y), (unit.left, unit.y)] for y in (seen.bottom, seen.top)]
    ax.add_collection(LineCollection(lines, colors=[INK], linewidths=0.6 * scale, zorder=4.6, alpha=0.7))


def _window(box: Box, size: tuple[int, int], across: float) -> layout.Rect:
    """A window of `size` (rows, columns) on the front plane, above its middle."""
    rows, columns = box.population.shape[:2]
    width, height = layout.plane_side(box.population)
    cell = (width / columns, height / rows)
    x = box.where.left + cell[0] * (round(across * (columns - size[1])) + size[1] / 2)
    y = box.where.bottom + cell[1] * (round(0.85 * (rows - size[0])) + size[0] / 2)
    return layout.Rect(x, y, size[1] * cell[0], size[0] * cell[1])


def _draw_arrow(ax: Axes, arrow: Arrow, scale: float) -> None:
    from matplotlib.patches import FancyArrowPatch, Rectangle

    if arrow.points:
        sign, both = arrow.projection.sign, arrow.projection.symmetric
        head = "|-|" if sign < 0 else "<|-|>" if both else "-|>"
        look = {"color": VERMILLION if sign < 0 else INK, "linewidth": 1.2 * scale, "zorder": 6}
        look["linestyle"] = "--" if arrow.projection.tied_to else "-"
        if sign < 0:
            head = "|-|,widthA=0,widthB=0.4"
        ax.add_patch(
            FancyArrowPatch(path=_path(arrow), arrowstyle=head, mutation_scale=10 * scale, gid=arrow.projection.name,
                            shrinkA=0, shrinkB=0, joinstyle="round", capstyle="butt", **look)
        )  # fmt: skip
    if arrow.text is not None:
        where = arrow.text.where
        if arrow.way == "straight":
            corner = (where.left, where.bottom)
            ax.add_patch(Rectangle(corner, where.width, where.height, color="white", alpha=0.85, linewidth=0, zorder=5))
        _write(ax, arrow.text, scale)


def _path(arrow: Arrow):
    """A straight line, a loop, or an arc with round corners."""
    from matplotlib.path import Path

    points = np.asarray(arrow.points, dtype=float)
    if arrow.way == "loop":
        return Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        lengths = [float(np.hypot(*(end - corner))) for end in (before, after)]
        bend = min(CORNER, min(lengths) / 2)
        ends = [
            corner + (end - corner) * (bend / length if length else 0.0)
            for end, length in zip((before, after), lengths, strict=True)
        ]
        vertices += [ends[0], corner, ends[1]]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _add_legend(ax: Axes, topology: Topology, scale: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    roles = {population.role for population in topology.populations}
    handles = [Patch(facecolor=colour, label=f"{role} units") for role, colour in ROLE_COLOURS.items() if role in roles]
    projections = topology.projections
    marks = [
        ("used both ways", any(p.symmetric for p in projections), {"color": INK, "marker": r"$\leftrightarrow$"}),
        ("inhibitory", any(p.sign < 0 for p in projections), {"color": VERMILLION, "marker": r"$\dashv$"}),
        ("tied weights", any(p.tied_to for p in projections), {"color": INK, "linestyle": "--"}),
    ]
    common = {"linestyle": "", "markersize": 13 * scale, "markeredgewidth": 0.2, "linewidth": 1.2 * scale}
    handles += [Line2D([], [], label=label, **{**common, **look}) for label, there, look in marks if there]
    bottom, top = ax.get_ylim()
    ax.legend(
        handles=handles, loc="center", bbox_to_anchor=(0.5, (0.5 * LEGEND) / (top - bottom)), ncols=len(handles),
        fontsize=layout.TEXT_SIZE * scale, frameon=False, borderaxespad=0, handlelength=1.6, columnspacing=1.6,
    )  # fmt: skip


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def _mix(colour: str, share: float) -> tuple[float, ...]:
    """`colour` over white."""
    return tuple(1 - share * (1 - channel) for channel in _rgb(colour))
