"""Figures of networks: histograms by layer, losses, weights over time, confusion, hidden units."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn import metrics

from bioneuro import Parameters, Topology
from bioneuro.errors import InvalidInput
from bioneuro.recording import Recording
from bioneuro.viz.confusion import confusion_matrix
from bioneuro.viz.hidden import hidden_units
from bioneuro.viz.histograms import layer_histograms, layer_moments, unit_conditions
from bioneuro.viz.learning import learning_curves, weights_over_time

pytestmark = pytest.mark.small
RNG = np.random.default_rng(0)
LAYERS = {"hidden1": RNG.normal(size=(50, 30)), "hidden2": np.maximum(RNG.normal(size=(50, 20)), 0)}
CONDITIONS = {
    "hidden1": SimpleNamespace(dead=np.array([True, False, False, False]), saturated=np.array([1, 0.5, 0, 0])),
    "hidden2": SimpleNamespace(dead=np.array([False, False]), saturated=np.array([0.25, 0.75])),
}
HISTORY = SimpleNamespace(
    epochs=[0, 1, 2],
    distances={"a->b": [0, 1, 2], "b.bias": [0, 0.5, 0.6], "all": [0, 1.1, 2.1]},
    norms={"a->b": [3, 3, 4], "b.bias": [0, 0.5, 0.6], "all": [3, 3.1, 4.1]},
)
X = RNG.normal(size=(40, 2))
Y = (X[:, 0] > 0).astype(int)
LABELS = np.array(["cat", "dog", "cat", "cow", "dog", "dog", "cow"])
GIVEN = np.array(["cat", "dog", "cow", "cow", "dog", "cat", "cow"])


class Planes:
    """Two hidden populations of planes over the inputs."""

    def activations(self, points):
        h = points @ np.array([[1.0, 0, 1], [0, 1, -1]])
        return {"input": points, "hidden1": h, "hidden2": np.maximum(h[:, :2], 0), "output": h[:, :1]}


def texts(ax):
    return [text.get_text() for text in ax.texts]


# -- histograms --------------------------------------------------------------------------------------------------------


def test_each_layer_has_a_strip_the_first_on_top_with_its_moments():
    ax = layer_histograms(LAYERS, bins=40)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["hidden1", "hidden2"]
    assert ax.yaxis_inverted()
    values = LAYERS["hidden1"]
    assert texts(ax)[0] == f"mean {values.mean():.2g}, sd {values.std():.2g}"
    assert texts(ax)[1].endswith(f"\n{np.mean(LAYERS['hidden2'] == 0):.0%} at 0")
    for k, line in enumerate(ax.lines):
        heights = k + 0.5 - line.get_ydata()[::2]
        assert heights.min() == 0
        assert heights.max() == pytest.approx(0.86)
        low, high = ax.get_xlim()
        shown = list(LAYERS.values())[k].ravel()
        shown = np.clip(shown[shown != 0], low, high)  # zeros are told in words
        counts, _ = np.histogram(shown, np.linspace(low, high, 41))
        np.testing.assert_allclose(heights / heights.max(), counts / counts.max(), atol=1e-9)


def test_gradients_are_binned_by_their_size():
    gradients = Parameters.zeros(Topology.mlp(50, 40, 30))
    gradients["input->hidden"] = 1e-6 * RNG.normal(size=(50, 40))
    gradients["hidden->output"] = RNG.normal(size=(40, 30))
    ax = layer_histograms(gradients, log=True, xlabel="|dL/dw|", title="Gradients")
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_title()) == ("|dL/dw|", "Gradients")
    peaks = {}
    for label, line in zip(ax.get_yticklabels(), ax.lines, strict=True):
        peaks[label.get_text()] = line.get_xdata()[line.get_ydata().argmin()]
    assert 1e-7 < peaks["input->hidden"] < 1e-5
    assert 1e-1 < peaks["hidden->output"] < 10
    assert texts(ax)[list(peaks).index("hidden.bias")].endswith("100% at 0")


def test_layers_that_are_constant_or_silent_are_drawn():
    layer_histograms({"a": np.zeros(5)}).figure.canvas.draw()
    layer_histograms({"a": np.ones(5), "b": np.zeros(5)}, log=True).figure.canvas.draw()


def test_moments_of_several_cases_are_lines_over_the_layers():
    dying = {"h1": 1e-3 * RNG.normal(size=500), "h2": 1e-6 * RNG.normal(size=500)}
    living = {"h1": SimpleNamespace(mean=0.5, std=1.0), "h2": SimpleNamespace(mean=0.4, std=0.9)}
    ax = layer_moments({"dying": dying, "living": living})
    assert ax.get_yscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["h1", "h2"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [part.std() for part in dying.values()])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [1.0, 0.9])
    ax = layer_moments({"living": living}, what="mean")
    assert (ax.get_yscale(), ax.get_ylabel(), ax.get_title()) == ("linear", "mean", "Mean by layer")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.5, 0.4])


def test_bars_tell_dead_and_saturated_units():
    ax = unit_conditions(CONDITIONS)
    assert [bar.get_height() for bar in ax.patches] == [0.25, 0, 0.375, 0.5]
    assert ax.get_title() == "1 of 6 units are dead"
    assert len({bar.get_hatch() for bar in ax.patches}) == 2  # told apart in grey


# -- learning ----------------------------------------------------------------------------------------------------------


def test_the_least_validation_loss_is_marked():
    loss, validation = np.array([3, 2, 1, 0.5]), np.array([3, 1, 2, 2.5])
    estimator = SimpleNamespace(loss_curve_=loss, validation_curve_=validation)
    recording = Recording(None, None, {"loss": loss, "validation": validation})
    for curves in (estimator, recording, {"training loss": loss, "validation loss": validation}):
        ax = learning_curves(curves)
        assert ax.get_title() == "Validation loss is least, 1, at epoch 2"
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training loss", "validation loss"]
        np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.column_stack([[1, 2, 3, 4], loss]))
        assert ax.lines[-1].get_xydata().tolist() == [[2, 1]]
        assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()


def test_a_training_without_validation_says_where_it_ended():
    estimator = SimpleNamespace(loss_curve_=np.array([3.0, 0.25]), validation_curve_=np.zeros(0))
    ax = learning_curves(estimator, log=True)
    assert ax.get_title() == "Training loss ends at 0.25"
    assert ax.get_yscale() == "log"
    assert len(ax.lines) == 1


def test_weights_are_drawn_over_the_epochs():
    for what in ("distances", "norms"):
        ax = weights_over_time(HISTORY, what=what)
        for line, values in zip(ax.lines, getattr(HISTORY, what).values(), strict=True):
            np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2])
            np.testing.assert_array_equal(line.get_ydata(), values)
        assert ax.get_xlabel() == "epoch"
        assert ax.lines[-1].get_color() == "#000000"
        assert ax.lines[0].get_label() == "a \N{RIGHTWARDS ARROW} b"


# -- confusion ---------------------------------------------------------------------------------------------------------


def test_the_numbers_of_a_confusion_matrix_are_those_of_scikit_learn():
    ax = confusion_matrix(LABELS, GIVEN)
    counts = metrics.confusion_matrix(LABELS, GIVEN)
    found = np.zeros((3, 3), int)
    for text in ax.texts:
        column, row = text.get_position()
        found[row, column] = int(text.get_text())
    np.testing.assert_array_equal(found, counts)
    np.testing.assert_allclose(ax.images[0].get_array(), counts / counts.sum(axis=1, keepdims=True))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "cow", "dog"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert ax.get_title() == "71.4% of 7 rows right"


def test_labels_may_be_ordered_and_absent():
    ax = confusion_matrix(LABELS, GIVEN, labels=["dog", "cat", "cow", "eel"])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["dog", "cat", "cow", "eel"]
    np.testing.assert_allclose(ax.images[0].get_array()[3], 0)


# -- hidden units ------------------------------------------------------------------------------------------------------


def test_every_hidden_unit_is_a_picture_of_its_activity():
    ax = hidden_units(Planes(), X, Y, resolution=21)
    assert texts(ax) == ["hidden1 0", "hidden1 1", "hidden1 2", "hidden2 0", "hidden2 1"]
    pictures = [np.asarray(image.get_array()) for image in ax.images]
    assert len(pictures) == 5
    assert (np.diff(pictures[0], axis=1) > 0).all()  # the first follows x, and is the same along y
    np.testing.assert_allclose(np.diff(pictures[0], axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(pictures[3], np.maximum(pictures[0], 0), atol=1e-12)
    assert len({image.get_clim() for image in ax.images}) == 1
    assert ax.images[0].get_clim()[0] == -ax.images[0].get_clim()[1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["class 0", "class 1"]
    few = hidden_units(Planes(), X, Y, populations=("hidden2",), most=1, resolution=5)
    assert texts(few) == ["hidden2 0"]
    assert few.get_title().startswith("What 1 of 2 hidden units")
    assert few.images[0].get_clim()[0] == 0


# -- all of them -------------------------------------------------------------------------------------------------------

CALLS = {
    "layer_histograms": lambda ax: layer_histograms(LAYERS, ax=ax),
    "layer_moments": lambda ax: layer_moments({"case": LAYERS}, ax=ax),
    "unit_conditions": lambda ax: unit_conditions(CONDITIONS, ax=ax),
    "learning_curves": lambda ax: learning_curves({"training loss": [2, 1]}, ax=ax),
    "weights_over_time": lambda ax: weights_over_time(HISTORY, ax=ax),
    "confusion_matrix": lambda ax: confusion_matrix(LABELS, GIVEN, ax=ax),
    "hidden_units": lambda ax: hidden_units(Planes(), X, Y, resolution=10, ax=ax),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_figures_use_the_axes_given_and_leave_no_global_trace(call):
    before = dict(mpl.rcParams)
    ax = Figure().add_subplot()
    assert call(ax) is ax
    own = call(None)
    assert own.figure is not ax.figure
    assert own.get_title()
    own.figure.canvas.draw()
    assert dict(mpl.rcParams) == before
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layer_histograms({}), "draws finite values, at least one a layer"),
        (lambda: layer_histograms({"a": [np.nan]}), "draws finite values"),
        (lambda: layer_histograms(3), r"draws \{layer: values\}, such as activity\(network, X\), got 3"),
        (lambda: layer_histograms(LAYERS, bins=1), r"bins must be an integer in \[2, inf\), got 1"),
        (lambda: layer_moments({"a": LAYERS, "b": {}}), r"the same number of layers, got \[2, 0\]"),
        (lambda: layer_moments(LAYERS), r"cases are \{case: \{layer: ...\}\}; for a single case give"),
        (lambda: layer_moments({"a": LAYERS}, what="sd"), "unknown moment 'sd'; did you mean 'std'"),
        (lambda: unit_conditions({}), "no units with a slope"),
        (lambda: unit_conditions(3), r"draws \{population: condition\}, such as condition\(network, X\), got 3"),
        (lambda: learning_curves({}), "give a fitted estimator or {name: losses}"),
        (lambda: learning_curves(3), "a fitted estimator, a Recording or {name: losses}, got 3"),
        (lambda: learning_curves({"adam": 3}), r"got 3 as 'adam'; of a fitted estimator give loss_curve_"),
        (lambda: weights_over_time(SimpleNamespace(epochs=[])), "the history is empty"),
        (lambda: weights_over_time(HISTORY, what="norm"), "unknown what to draw of the weights 'norm'"),
        (lambda: confusion_matrix(LABELS, GIVEN[:3]), r"compares labels \(n,\), n >= 1, got \(7,\) and \(3,\)"),
        (lambda: hidden_units(Planes(), X[:, :1], Y), r"needs X \(n, 2\) and y \(n,\), got \(40, 1\) and \(40,\)"),
        (lambda: hidden_units(Planes(), X, Y, populations=("hiden",)), "no population 'hiden' in the network"),
        (lambda: hidden_units(Planes(), X, Y, populations=()), "the network has no hidden population"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
