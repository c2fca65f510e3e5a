"""Pictures of patterns, curves with bands, decision boundaries."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from bioneuro.errors import InvalidInput, UnknownName
from bioneuro.viz import bands, decision_boundary, images
from bioneuro.viz.style import BLACK, DEAD, LINES, MARKERS, PALETTE, ROLE_COLOURS

BITS = np.where(np.random.default_rng(0).random((10, 12)) < 0.5, -1.0, 1.0)


# -- images ------------------------------------------------------------------------------------------------------------


def test_each_pattern_is_one_picture_in_its_place():
    ax = images(BITS[:6], (3, 4), columns=4, title="Six patterns")
    assert len(ax.images) == 6
    assert ax.get_title() == "Six patterns"
    for k, picture in enumerate(ax.images):
        np.testing.assert_array_equal(np.asarray(picture.get_array()), BITS[k].reshape(3, 4))
        left, _, _, top = picture.get_extent()
        assert (round(left / 4 // 1.12), round(top / 3 // 1.12)) == (k % 4, k // 4)
    assert ax.get_xlim()[1] > 4 * 4
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row on top


def test_named_rows_stand_under_each_other_with_their_names():
    ax = images({"stored": BITS[:3], "noisy": -BITS[:3]}, (3, 4), titles=["a", "b", "c"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["stored", "noisy"]
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]
    tops = [picture.get_extent()[3] for picture in ax.images]
    assert tops[:3] == [0, 0, 0]
    assert min(tops[3:]) > 3


@pytest.mark.parametrize(
    ("X", "limits", "colours"),
    [
        (BITS, (-1, 1), "gray"),
        (np.array([[0, 0.25, 0.5, 0.75]]), (0, 1), "gray"),
        (np.array([[0, 100, 200, 255]]), (0, 255), "gray"),
        (np.array([[-0.5, 1, 2, 0.1]]), (-2, 2), "RdBu_r"),
        (np.array([[0.0, 0, 0, 0]]), (0, 1), "gray"),
        (np.array([[0.0, 0.01, 0.03, 0.02]]), (0, 0.03), "gray"),
        (np.array([[1e-4, 1e-4, 4e-4, 2e-4]]), (1e-4, 4e-4), "gray"),
    ],
)
def test_the_range_of_the_values_chooses_limits_and_colours(X, limits, colours):
    ax = images(X, (X.shape[1] // 4, 4))
    assert ax.images[0].get_clim() == limits
    assert ax.images[0].get_cmap().name == colours


def test_signed_pictures_are_white_at_zero_and_have_a_scale():
    ax = images(np.array([[-3.0, 0, 1, 0]]), (2, 2), colours="signed")
    red, green, blue, _ = ax.images[0].get_cmap()(ax.images[0].norm(0.0))
    assert min(red, green, blue) > 0.95
    assert len(ax.figure.axes) == 2  # the colour bar


def test_weights_too_small_for_pixels_have_a_scale_and_pixels_none():
    weights = images(np.array([[0.0, 0.01, 0.03, 0.02]]), (2, 2))
    assert len(weights.figure.axes) == 2
    assert weights.figure.axes[1].get_ylim() == (0, 0.03)
    assert len(images(np.array([[0.0, 0.5, 0.25, 0.5]]), (2, 2)).figure.axes) == 1


def test_missing_units_are_marked_and_named():
    hurt = BITS.copy()
    hurt[:, 3] = 0
    for ax in (images(hurt, (3, 4)), images(BITS, (3, 4), dead=np.arange(12) == 3)):
        assert np.ma.getmaskarray(ax.images[0].get_array()).ravel().tolist() == [k == 3 for k in range(12)]
        assert tuple(ax.images[0].get_cmap().get_bad()) == to_rgba(DEAD)
        assert ax.get_legend().get_texts()[0].get_text() == "missing unit"
    assert images(BITS, (3, 4)).get_legend() is None
    unknown = np.array([[0.5, np.nan, 0, 1]])
    assert np.ma.getmaskarray(images(unknown, (2, 2)).images[0].get_array()).sum() == 1


def test_zeros_among_zeros_and_ones_are_not_missing():
    assert images(np.array([[0.0, 1, 0, 1]]), (2, 2)).get_legend() is None


def test_colour_pictures_keep_their_channels():
    X = np.random.default_rng(0).random((2, 12))
    assert images(X, (2, 2, 3)).images[0].get_array().shape == (2, 2, 3)
    assert images(X, (3, 4, 1)).images[0].get_array().shape == (3, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: images(BITS[0], (3, 4)), r"must be pictures in rows, \(n, features\), got shape \(12,\)"),
        (lambda: images(BITS, (5, 4)), r"have a product of 12; got \(5, 4\)"),
        (lambda: images(BITS, (3, 2, 2)), "with 1 or 3 channels"),
        (lambda: images(BITS, (3, 4), titles=["a"]), "titles has 1 entries for 10 pictures"),
        (lambda: images(BITS, (3, 4), dead=np.zeros(5)), "dead must have one entry a feature"),
        (lambda: images({"a": BITS, "b": BITS[:, :6]}, (3, 4)), "rows must have the same number of features"),
        (lambda: images(BITS, (3, 4), colours="gray"), "unknown colours 'gray'; did you mean 'grey'"),
    ],
)
def test_images_refuses_in_words(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


# -- curves ------------------------------------------------------------------------------------------------------------

X = np.array([0.0, 0.1, 0.5])
RUNS = np.array([[1.0, 0.9, 0.5], [0.8, 0.7, 0.3], [0.9, 0.8, 0.1]])


def band_of(ax, k=0):
    return ax.collections[k].get_paths()[0].get_extents()


def test_a_curve_is_the_mean_and_its_band_holds_the_seeds():
    ax = bands({"a": RUNS}, X, xlabel="noise", ylabel="accuracy", title="Noise")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), RUNS.mean(axis=0))
    assert (band_of(ax).y0, band_of(ax).y1) == (0.1, 1.0)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("noise", "accuracy", "Noise")


def test_a_curve_may_be_the_median():
    ax = bands({"a": RUNS}, X, centre="median")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.9, 0.8, 0.3])


def test_a_band_of_standard_deviations_is_one_of_them_to_each_side():
    flat = np.array([[1.0, 1.0], [3.0, 3.0]])
    ax = bands({"a": flat}, [0, 1], band="sd")
    assert (band_of(ax).y0, band_of(ax).y1) == (1.0, 3.0)


def test_a_single_run_has_no_band():
    assert not bands({"a": RUNS[0]}, X).collections


def test_curves_differ_in_colour_marker_and_line_together():
    ax = bands({f"m{k}": RUNS - k / 10 for k in range(20)}, X)
    looks = [(line.get_color(), line.get_marker(), str(line._unscaled_dash_pattern)) for line in ax.lines]
    assert len(set(looks)) == 20
    first = looks[: len(PALETTE)]
    for part in zip(*first, strict=True):
        assert len(set(part)) == len(PALETTE)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"m{k}" for k in range(20)]


def test_shares_are_written_as_per_cent_where_asked():
    ax = bands({"a": RUNS}, X, percent=True)
    assert ax.yaxis.get_major_formatter()(0.5) == "50 %"
    assert ax.xaxis.get_major_formatter()(0.1) == "10 %"
    assert bands({"a": RUNS}, X * 10, percent=True).xaxis.get_major_formatter()(5) != "500 %"


def test_bands_refuses_in_words():
    with pytest.raises(
        InvalidInput, match=r"curve 'a' must be \(seeds, points\) with as many points as x, got \(3, 3\)"
    ):
        bands({"a": RUNS}, X[:2])
    with pytest.raises(InvalidInput, match="there are no curves"):
        bands({}, X)
    with pytest.raises(UnknownName, match="unknown band 'std'; did you mean 'sd'"):
        bands({"a": RUNS}, X, band="std")
    with pytest.raises(UnknownName, match="unknown centre 'middle'"):
        bands({"a": RUNS}, X, centre="middle")


# -- boundaries --------------------------------------------------------------------------------------------------------


class Sides:
    """Class "right" where x > 0, surer with the distance."""

    classes_ = np.array(["left", "right"])

    def predict(self, X):
        return self.classes_[(X[:, 0] > 0).astype(int)]

    def predict_proba(self, X):
        p = 1 / (1 + np.exp(-X[:, 0]))
        return np.column_stack([1 - p, p])


POINTS = np.array([[-2.0, 0], [-1, 1], [1, 0], [2, 1]])
LABELS = np.array(["left", "left", "right", "left"])


def test_the_line_runs_where_the_answer_changes_and_the_title_gives_the_accuracy():
    ax = decision_boundary(Sides(), POINTS, LABELS, resolution=101)
    line = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert np.abs(line[:, 0]).max() < 4.96 / 100
    assert ax.get_title() == "Sides: 75% of the points right"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["class left", "class right"]
    assert sum(len(found.get_offsets()) for found in ax.collections[1:]) == 4


def test_colour_tells_the_class_and_deepens_with_certainty():
    picture = np.asarray(decision_boundary(Sides(), POINTS, LABELS, resolution=50).images[0].get_array())
    row = picture[25]
    assert row[0].argmax() == 2  # blue on the left
    assert row[-1].argmax() == 0  # vermilion on the right
    assert row[0].sum() < row[24].sum()
    assert row[-1].sum() < row[25].sum()


def test_a_classifier_without_probabilities_and_with_three_classes_is_drawn():
    class Thirds:
        def predict(self, X):
            return np.digitize(X[:, 0], [-1.0, 1.0])

    ax = decision_boundary(Thirds(), POINTS, np.array([0, 1, 1, 2]))
    assert len(ax.get_legend().get_texts()) == 3


def test_a_boundary_needs_two_features():
    with pytest.raises(InvalidInput, match=r"needs X \(n, 2\) and y \(n,\), got \(4, 3\) and \(4,\)"):
        decision_boundary(Sides(), np.zeros((4, 3)), LABELS)


# -- all of them -------------------------------------------------------------------------------------------------------

CALLS = {
    "images": lambda ax: images(BITS, (3, 4), ax=ax),
    "bands": lambda ax: bands({"a": RUNS}, X, ax=ax),
    "boundary": lambda ax: decision_boundary(Sides(), POINTS, LABELS, ax=ax),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_figures_use_the_axes_given_and_leave_no_global_trace(call):
    before = dict(mpl.rcParams)
    ax = Figure().add_subplot()
    assert call(ax) is ax
    own = call(None)
    assert own.figure is not ax.figure
    own.figure.canvas.draw()
    assert dict(mpl.rcParams) == before
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def test_settings_of_the_user_do_not_change_a_figure():
    with mpl.rc_context({"font.size": 30, "axes.labelsize": 30, "lines.linewidth": 9}):
        ax = bands({"a": RUNS}, X, xlabel="noise")
    assert ax.xaxis.label.get_fontsize() == 9
    assert ax.lines[0].get_linewidth() == 1.6


def test_the_palette_stays_told_apart_under_the_common_colour_blindnesses():
    """Distances in linear RGB after Machado, Oliveira and Fernandes 2009, severity 1."""
    matrices = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }
    for colours in (PALETTE, (*ROLE_COLOURS.values(), BLACK)):
        rgb = np.array([to_rgba(colour)[:3] for colour in colours]) ** 2.2
        for matrix in matrices.values():
            seen = np.clip(rgb @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
            apart = np.linalg.norm(seen[:, None] - seen, axis=2) + np.eye(len(seen))
            assert apart.min() > 0.1  # of at most 1.7, black to white
    assert len(set(MARKERS)) == len(set(map(str, LINES))) == len(PALETTE)


def test_importing_viz_loads_no_matplotlib():
    code = "import sys, bioneuro.viz; print([m for m in ('matplotlib', 'sklearn', 'numba') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
