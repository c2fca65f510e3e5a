"""A drawn topology shows what there is, and nothing covers anything else."""

from __future__ import annotations

import io
import itertools
import sys
from importlib import import_module

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from bioneuro import Conv2D, Dense, OneToOne, Pool2D, Population, Sparse, Topology
from bioneuro.errors import InvalidInput
from bioneuro.topology import LIF, FixedProbability, Gaussian
from bioneuro.viz import draw, layout
from bioneuro.viz.style import ROLE_COLOURS
from bioneuro.viz.words import arrowed

EI = Topology(
    [Population("E", 80, unit=LIF(tau_m=tuple(np.linspace(0.01, 0.03, 80)))), Population("I", 20, unit="lif")],
    [
        Sparse("E", "I", FixedProbability(0.1), sign=1, delay=1.5e-3),
        Sparse("I", "E", FixedProbability(0.1), sign=-1),
        Sparse("E", "E", FixedProbability(0.1), sign=1),
        Sparse("I", "I", FixedProbability(0.1), sign=-1),
    ],
)
BRANCHED = Topology(
    [
        Population("left", 5, "input"),
        Population("right", (5, 5), "input"),
        Population("a", 8),
        Population("b", 4),
        Population("out", 3, "output", "softmax"),
    ],
    [
        Dense(*ends)
        for ends in (("left", "a"), ("right", "b"), ("a", "out"), ("b", "out"), ("right", "out"), ("left", "out"))
    ],
)
LOOPED = Topology(
    [Population("a", 6, "input"), Population("b", 6), Population("c", 6, "output")],
    [
        Dense("a", "b"),
        Dense("b", "c"),
        Dense("c", "a", sign=-1),
        Dense("b", "b"),
        Dense("a", "c"),
        OneToOne("b", "c", name="2"),
    ],
)
NETS = {
    "mlp with a skip": Topology.mlp(64, 100, 10, skip=[("input", "output")]),
    "deep": Topology.mlp(64, 100, 50, 30, 10, skip=[("input", "output"), ("input", "hidden2"), ("hidden1", "output")]),
    "rbm": Topology.rbm((8, 8), 100, visible=Gaussian(sigma=0.5)),
    "hopfield": Topology.hopfield(64),
    "large hopfield": Topology.hopfield(1000),
    "lenet": Topology.lenet5(),
    "dbm": Topology.dbm(64, 100, 50),
    "boltzmann": Topology.boltzmann(12, 8),
    "elman": Topology.recurrent(8, 20, 4),
    "spiking": EI,
    "balanced": Topology.balanced(8000, tau_synapse=(5e-3, 10e-3)),
    "balanced with input": Topology.balanced(80, n_input=20, fixed_in_degree=False),
    "small world": Topology.small_world(40, 4, 0.2),
    "lattice": Topology.lattice(8, 10),
    "branched": BRANCHED,
    "loops": LOOPED,
    "autoencoder": Topology(
        [Population("x", 64, "input"), Population("h", 10), Population("y", 64, "output")],
        [Dense("x", "h"), Dense("h", "y", tied_to="x->h")],
    ),
    "lone unit": Topology([Population("a", 1)]),
}
ALL = pytest.mark.parametrize("net", NETS.values(), ids=NETS)


def words(ax) -> list[str]:
    return [text.get_text().replace("\N{MULTIPLICATION SIGN}", "x") for text in ax.texts]


def circles(ax) -> int:
    return sum(len(found.get_offsets()) for found in ax.collections if isinstance(found, EllipseCollection))


def box_of(ax, name):
    return next(patch for patch in ax.patches if patch.get_gid() == name)


def arrow_of(ax, name) -> FancyArrowPatch:
    return next(patch for patch in ax.patches if isinstance(patch, FancyArrowPatch) and patch.get_gid() == name)


@ALL
def test_no_text_covers_another_or_leaves_the_figure(net):
    ax = draw(net)
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [*ax.texts, ax.title, *ax.get_legend().get_texts()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not (min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5), (one, other)
    for name, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= ax.figure.bbox.x1 and box.y1 <= ax.figure.bbox.y1, name  # noqa: PT018


@ALL
def test_boxes_of_populations_stand_apart_from_each_other_and_from_all_text(net):
    plan = layout.lay_out(net, lambda line, size: 0.62 * size * len(line))
    texts = [box.text.where for box in plan.boxes.values()] + [arrow.text.where for arrow in plan.arrows if arrow.text]
    columns = [box.where for box in plan.boxes.values() if box.shape != "ring"]
    for one, other in itertools.combinations([*columns, *texts], 2):
        assert not one.overlaps(other)
    if not columns:
        ring = next(iter(plan.boxes.values())).where
        assert not any(ring.overlaps(text) for text in texts)


@pytest.mark.parametrize("name", ["mlp with a skip", "deep", "loops", "elman"])
def test_arcs_and_loops_cross_no_text(name):
    plan = layout.lay_out(NETS[name], lambda line, size: 0.62 * size * len(line))
    texts = [box.text.where for box in plan.boxes.values()] + [arrow.text.where for arrow in plan.arrows if arrow.text]
    for arrow in plan.arrows:
        if arrow.way == "arc":
            for (x0, y0), (x1, y1) in itertools.pairwise(arrow.points):
                line = layout.Rect((x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) + 0.1, abs(y1 - y0) + 0.1)
                assert not any(line.overlaps(text) for text in texts)


def test_arcs_from_one_population_nest_without_crossing():
    net = Topology.mlp(4, 4, 4, 4, 4, skip=[("input", "hidden2"), ("input", "hidden3"), ("input", "output")])
    arcs = [
        arrow.points
        for arrow in layout.lay_out(net, lambda line, size: 0.62 * size * len(line)).arrows
        if arrow.way == "arc"
    ]
    assert len(arcs) == 3
    for inner, outer in itertools.pairwise(arcs):
        assert outer[0][0] < inner[0][0] < inner[-1][0] < outer[-1][0]
        assert outer[1][1] > inner[1][1]


@ALL
def test_every_population_is_named_with_its_number_of_units_and_unit_type(net):
    shown = words(draw(net))
    for population in net.populations:
        assert population.name in shown
        assert f"{population.size:,} unit" + "s" * (population.size > 1) in shown
        assert population.unit.name in shown


@ALL
def test_every_projection_is_drawn_once(net):
    ax = draw(net)
    if layout.is_complete(net) or layout.is_small_world(net):
        assert not any(isinstance(patch, FancyArrowPatch) for patch in ax.patches)
        assert all(any(arrowed(p.name) in line for line in words(ax)) for p in net.projections)
    else:
        drawn = [patch.get_gid() for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
        assert sorted(drawn) == sorted(projection.name for projection in net.projections)


def test_small_columns_show_each_unit_and_large_ones_a_sample_with_dots():
    dots = 3
    assert circles(draw(Topology.mlp(3, 4, 2))) == 9
    assert circles(draw(Topology.mlp(12, 2))) == 14
    assert circles(draw(Topology.mlp(100, 2))) == 12 + dots + 2
    assert circles(draw(Topology.hopfield(64))) == 64
    assert circles(draw(Topology.hopfield(1000))) == 100


def test_a_sample_of_a_ring_says_how_much_it_shows():
    assert "100 of them drawn" in words(draw(Topology.hopfield(1000)))


def test_a_hopfield_net_of_64_units_shows_all_its_2016_pairs():
    ax = draw(Topology.hopfield(64))
    chords = next(found for found in ax.collections if isinstance(found, LineCollection))
    assert len(chords.get_segments()) == 2016
    assert "spins → spins: dense, 2,016 symmetric pairs" in words(ax)


def test_images_are_grids_with_as_many_squares_as_units_and_a_plane_for_each_of_few_channels():
    ax = draw(Topology.rbm((8, 6), 5))
    grid = next(found for found in ax.collections if isinstance(found, LineCollection))
    assert len(grid.get_segments()) == 7 + 5
    assert "8 x 6" in words(ax)
    ax = draw(Topology.lenet5())
    planes = [p for p in ax.patches if type(p) is Rectangle and p.get_facecolor()[3] == 1 and p.get_linewidth() > 0]
    assert len(planes) == 1 + 4 * layout.PLANES


def test_symmetric_projections_have_two_heads_inhibitory_ones_a_bar_and_tied_ones_are_dashed():
    def style(ax, name):
        return type(arrow_of(ax, name).get_arrowstyle()).__name__

    assert style(draw(Topology.rbm(4, 3)), "visible->hidden") == "CurveFilledAB"
    assert style(draw(Topology.mlp(4, 3)), "input->output") == "CurveFilledB"
    assert style(draw(EI), "I->E") == "BarAB"
    assert arrow_of(draw(NETS["autoencoder"]), "h->y").get_linestyle() == "--"


def test_a_skip_runs_above_all_that_it_skips():
    ax = draw(NETS["mlp with a skip"])
    arc = arrow_of(ax, "input->output").get_path().get_extents()
    assert arc.y1 > box_of(ax, "hidden").get_extents().transformed(ax.transData.inverted()).y1
    hidden = box_of(ax, "hidden")
    assert isinstance(hidden, FancyBboxPatch)
    assert arc.x0 < hidden.get_x() < arc.x1


def test_a_projection_onto_itself_is_a_loop_above_its_population():
    ax = draw(NETS["elman"])
    loop = arrow_of(ax, "hidden->hidden").get_path().get_extents()
    box = box_of(ax, "hidden")
    assert loop.y0 >= box.get_y() + box.get_height() - 1e-6
    assert box.get_x() - 20 < loop.x0 < loop.x1 < box.get_x() + box.get_width() + 20


def test_columns_go_from_input_to_output_along_the_longest_way():
    assert layout.layers(NETS["deep"]) == [["input"], ["hidden1"], ["hidden2"], ["hidden3"], ["output"]]
    assert layout.layers(BRANCHED) == [["left", "right"], ["a", "b"], ["out"]]
    assert layout.layers(LOOPED) == [["a"], ["b"], ["c"]]
    assert layout.layers(EI) == [["E"], ["I"]]


def test_colours_tell_the_role_and_the_legend_names_those_there():
    ax = draw(Topology.mlp(3, 4, 2))
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["input units", "hidden units", "output units"]
    for name, role in (("input", "input"), ("hidden", "hidden"), ("output", "output")):
        assert mpl.colors.to_hex(box_of(ax, name).get_edgecolor()).upper() == ROLE_COLOURS[role]
    shown = [text.get_text() for text in draw(EI).get_legend().get_texts()]
    assert shown == ["hidden units", "inhibitory"]
    assert "used both ways" in [text.get_text() for text in draw(Topology.rbm(3, 2)).get_legend().get_texts()]


def test_sparse_projections_say_their_rule_and_opposite_ones_their_name():
    shown = words(draw(Topology.balanced(8000, tau_synapse=(5e-3, 10e-3))))
    for line in ("E → I", "I → E", "sparse, 800 in to each", "sparse, 200 in to each", "1.5 ms delay", "5 ms synapse"):
        assert line in shown
    assert "E → E" not in shown
    assert any("small world, k = 4, p = 0.2" in line for line in words(draw(Topology.small_world(40, 4, 0.2))))


def test_a_small_world_is_drawn_with_its_own_pairs():
    net = Topology.small_world(40, 4, 0.2)
    ax = draw(net)
    lines = next(found for found in ax.collections if isinstance(found, LineCollection)).get_segments()
    units = next(found for found in ax.collections if isinstance(found, EllipseCollection)).get_offsets()
    found = net.edges("units->units")
    assert np.allclose(lines, np.stack([units[found.pre], units[found.post]], axis=1))


def test_constants_delays_windows_and_shared_weights_are_written_out():
    shown = words(draw(EI))
    assert "tau_m 10 … 30 ms" in shown
    assert "v_reset = 10 mV" in shown
    assert "v_threshold = 20 mV" in shown
    assert "sparse, p = 0.1" in shown
    assert "1.5 ms delay" in shown
    shown = words(draw(Topology.lenet5()))
    assert {"convolution 5 x 5", "max pool 2 x 2", "no weights", "150 weights", "48,000 weights"} <= set(shown)
    net = Topology([Population("a", 3), Population("b", 3, unit="prelu")], [Dense("a", "b", shared=True)])
    assert {"1 shared weight", "learns alpha"} <= set(words(draw(net)))


def test_the_title_gives_the_numbers_unless_another_is_given():
    assert draw(Topology.mlp(64, 100, 10)).get_title() == "Topology: 174 units, 7,510 parameters"
    assert draw(Topology.mlp(2, 2), title="mine").get_title() == "mine"


def test_given_axes_are_drawn_on_and_text_shrinks_with_them():
    figure = Figure(figsize=(4, 3))
    small, large = figure.add_axes((0, 0, 0.4, 0.4)), figure.add_axes((0.4, 0.4, 0.6, 0.6))
    net = NETS["mlp with a skip"]
    assert draw(net, small) is small
    assert draw(net, large) is large
    ratio = large.texts[0].get_fontsize() / small.texts[0].get_fontsize()
    assert ratio == pytest.approx(1.5, rel=0.01)


def test_what_is_no_topology_is_refused():
    with pytest.raises(InvalidInput, match="draw takes a Topology, got 'mlp'; an estimator has one as topology_"):
        draw("mlp")


def test_windows_lie_within_their_planes():
    net = Topology(
        [Population("a", (9, 7, 2), "input"), Population("b", (7, 5, 3)), Population("c", (3, 2, 3))],
        [Conv2D("a", "b"), Pool2D("b", "c")],
    )
    ax = draw(net)
    dark = [p for p in ax.patches if type(p) is Rectangle and p.get_alpha() in (0.35, 0.9)]
    assert len(dark) == 4
    for window, name in zip(dark, ("a", "b", "b", "c"), strict=True):
        plane = box_of(ax, name)
        assert plane.get_x() - 1e-6 <= window.get_x()
        assert window.get_x() + window.get_width() <= plane.get_x() + plane.get_width() + 1e-6
        assert plane.get_y() - 1e-6 <= window.get_y()
        assert window.get_y() + window.get_height() <= plane.get_y() + plane.get_height() + 1e-6


def test_the_same_topology_gives_the_same_picture():
    def picture():
        file = io.BytesIO()
        draw(EI).figure.savefig(file, format="png", dpi=50)
        return file.getvalue()

    assert picture() == picture()


def test_no_figure_and_no_setting_of_matplotlib_is_left_behind():
    before = dict(mpl.rcParams)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    draw(EI)
    assert dict(mpl.rcParams) == before
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    if "matplotlib.pyplot" in sys.modules:
        assert import_module("matplotlib.pyplot").get_fignums() == []
