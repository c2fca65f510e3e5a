"""Paths of weights downhill."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bioneuro.errors import InvalidInput
from bioneuro.viz import descent_paths
from bioneuro.viz.style import BLUE, VERMILLION

pytestmark = pytest.mark.small
PATH = np.array([[-1.0, 2.0], [0.5, 1.0], [0.2, -0.5], [0.1, 0.1], [0.0, 0.0]])


def bowl(w):
    return w[:, 0] ** 2 + 4 * w[:, 1] ** 2


def test_paths_lie_over_the_lines_of_equal_loss_and_begin_in_a_circle():
    ax = descent_paths(bowl, {"plain": PATH, "other": PATH / 2}, minimum=[0, 0], xlabel="slope", title="Bowl")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), PATH)
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), PATH[:1])
    assert ax.lines[-1].get_marker() == "*"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["plain", "other"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("slope", "second weight", "Bowl")
    lines = ax.collections[0]
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        np.testing.assert_allclose(bowl(path.vertices), level, rtol=0.02)
    np.testing.assert_allclose(np.diff(np.sqrt(lines.levels)), np.diff(np.sqrt(lines.levels))[0], rtol=1e-2)


def test_the_map_is_light_where_the_loss_is_low_and_reaches_as_far_as_the_paths():
    ax = descent_paths(bowl, {"": PATH}, minimum=[3, 0], resolution=101)
    heights = np.asarray(ax.images[0].get_array())
    assert heights.min() == 0
    assert heights.max() == 1
    row, column = np.unravel_index(heights.argmin(), heights.shape)
    x, y = (np.linspace(*limits, 101) for limits in (ax.get_xlim(), ax.get_ylim()))
    assert (x[column], y[row]) == pytest.approx((0, 0), abs=0.05)
    assert ax.get_xlim() == pytest.approx((-1 - 0.12 * 4, 3 + 0.12 * 4))
    assert ax.get_legend() is None
    assert descent_paths(bowl, {"": PATH}, limits=((0, 1), (0, 2))).get_ylim() == (0, 2)


def test_epochs_alternate_in_colour_and_join():
    ax = descent_paths(bowl, {"": PATH}, epoch=2)
    assert [to_rgb(line.get_color()) for line in ax.lines[:2]] == [to_rgb(BLUE), to_rgb(VERMILLION)]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), PATH[:3])
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), PATH[2:])


def test_a_path_that_diverges_is_drawn_as_far_as_it_goes():
    wild = np.array([[1.0, 1.0], [-30.0, 5.0], [1e200, -1e300], [np.inf, np.nan]])
    ax = descent_paths(bowl, {"": wild}, limits=((-2, 2), (-2, 2)))
    ax.figure.canvas.draw()
    assert ax.get_xlim() == (-2, 2)


def test_a_flat_loss_has_no_lines():
    descent_paths(lambda w: np.zeros(len(w)), {"": PATH}).figure.canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: descent_paths(bowl, {}), "there are no paths to draw"),
        (lambda: descent_paths(bowl, {"a": PATH.T}), r"path 'a' must be weights \(steps \+ 1, 2\) .* shape \(2, 5\)"),
        (lambda: descent_paths(bowl, {"a": PATH * np.nan}), "finite beginning"),
        (lambda: descent_paths(bowl, {"a": PATH}, epoch=0), "epoch"),
    ],
)
def test_descent_refuses_in_words(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_it_uses_the_axes_given_and_leaves_no_global_trace():
    before = dict(mpl.rcParams)
    ax = Figure().add_subplot()
    assert descent_paths(bowl, {"a": PATH}, ax=ax) is ax
    assert dict(mpl.rcParams) == before
