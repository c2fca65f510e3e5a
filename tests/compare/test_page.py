"""What a report says of itself is true of the study that it reports on."""

import re
from html import unescape

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from bioneuro import Study, Topology, load_digits
from bioneuro.compare import page
from bioneuro.compare.sections import SECTIONS
from energy import HopfieldMemory
from feedforward import NetworkClassifier

NET = Topology.mlp(64, 20, 10)


class Witness(ClassifierMixin, BaseEstimator):
    """Says the same of everything, and counts what it is shown."""

    shown: list[int] = []  # noqa: RUF012  of all instances: a study clones

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        self.shown.append(len(X))
        return np.full(len(X), self.classes_[0])


class Wrong(Witness):
    """Never right."""

    def predict(self, X):
        return np.full(len(X), -1)


def network():
    return NetworkClassifier(topology=NET, epochs=5)


def report_of(models, tasks, rows=300, **options):
    study = Study(models, load_digits().subsample(rows), tasks, **{"seeds": 1, "controls": False} | options)
    return study.run(n_jobs=1, progress=False)


def words(report) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.render(report, {}))).split())


def test_the_number_of_test_rows_is_that_of_the_rows_shown():
    Witness.shown.clear()
    report = report_of({"witness": Witness()}, ["classify"], rows=298)  # a quarter is 74.5
    assert Witness.shown[-1] == 75
    assert "With 75 test rows a seed" in words(report)


def test_chance_reaches_as_far_as_two_standard_deviations_of_the_best_model():
    report = report_of({"witness": Witness()}, ["classify"], rows=400)
    p = (100 * report.rows[0].value + 1) / 102
    assert f"differ by less than {1.96 * np.sqrt(2 * p * (1 - p) / 100):.1%} in one seed" in words(report)
    assert "by chance" not in words(report_of({"memory": HopfieldMemory()}, ["complete"]))


def test_worst_and_best_seeds_are_spoken_of_where_there_are_several():
    one, two = (words(report_of({"net": network()}, ["noise"], seeds=seeds)) for seeds in (1, 2))
    assert "worst" not in one
    assert "best seed" not in one
    assert "the worst and the best seed below" in two
    assert "bands run from the worst to the best seed" in two


def test_controls_and_a_best_model_are_spoken_of_where_there_are_any():
    alone = words(report_of({"net": network()}, ["classify"]))
    assert "controls" not in alone
    assert "Grey" not in alone
    assert "Blue" not in alone
    beside = words(report_of({"net": network(), "other": network()}, ["classify"], controls=True))
    assert "Grey: controls" in beside
    assert "Grey rows learn nothing" in beside
    assert "Blue: the best model" in beside


def test_the_best_models_of_a_column_are_marked_and_no_control_is():
    models = {"one": Witness(), "wrong": Wrong(), "other": Witness()}
    report = report_of(models, ["classify"], controls=True)
    rows = re.findall(r"<tr class=.*?</tr>", page.render(report, {}).split("</table>")[0])
    best = {re.search(r"<td>(.*?)</td>", row).group(1) for row in rows if "<td class=best>" in row}
    assert len(rows) == 5
    assert best == {"one", "other"}  # softmax on pixels and the nearest neighbour are better


@pytest.mark.parametrize("task", SECTIONS)
def test_no_section_names_a_model_that_may_not_take_part(task):
    said = " ".join(sentence.text for sentence in SECTIONS[task].sentences).lower()
    for name in ("hopfield", "boltzmann", "sigmoid", "spik", "hebb", "backprop", "autoencoder", "dropout"):
        assert name not in said


def test_lesions_are_told_for_what_was_struck():
    alone = words(report_of({"net": network()}, ["lesion"]))
    assert "nothing is retrained" in alone
    assert "silenced" not in alone
    assert "Memories" not in alone
    assert "Memories of ten pictures" in words(report_of({"memory": HopfieldMemory()}, ["lesion"]))


def test_curves_of_accuracy_and_recall_begin_at_zero():
    figures = report_of({"net": network(), "memory": HopfieldMemory(rule="hebb")}, None).figures()
    drawn = [figure for name, figure in figures.items() if name.startswith(("noise", "lesion", "complete-f"))]
    assert len(drawn) == 7
    for figure in drawn:
        [ax] = figure.axes
        bottom, top = ax.get_ylim()
        least = min(line.get_ydata().min() for line in ax.lines)
        assert -0.03 < bottom - min(0.0, least) < 0
        assert 1 < top < 1.05


def test_a_control_never_covers_a_model():
    ax = report_of({"net": network()}, ["noise"], controls=True).figures()["noise-flip"].axes[0]
    heights = {line.get_label(): line.get_zorder() for line in ax.lines}
    assert heights.pop("net") > max(heights.values())


def test_an_axis_of_accuracies_that_is_cut_says_so():
    cut = report_of({"net": network()}, ["classify"]).figures()["classify-accuracy"].axes[0]
    begin = float(re.search(r"begins at (\d+)%", cut.get_xlabel()).group(1)) / 100
    assert begin - 0.05 < cut.get_xlim()[0] <= begin
    whole = report_of({"wrong": Wrong()}, ["classify"]).figures()["classify-accuracy"].axes[0]
    assert whole.get_xlabel() == "accuracy"
    assert -0.05 < whole.get_xlim()[0] <= 0
