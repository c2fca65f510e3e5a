import csv
import json
import math
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

import bioneuro
from bioneuro import Dataset, Study, Topology, load_digits
from bioneuro.compare import tasks
from bioneuro.compare import trial as trial_module
from bioneuro.compare.overview import COSTS
from bioneuro.compare.results import select
from bioneuro.compare.trial import choose_settings
from bioneuro.errors import InvalidInput, UnknownName
from bioneuro.models import Model, as_model, installed
from bioneuro.training import TrainingInterrupted
from energy import HopfieldMemory
from feedforward import Autoencoder, NetworkClassifier

DATA = load_digits().subsample(300)
NET = Topology.mlp(64, 20, 10)


class Majority(ClassifierMixin, BaseEstimator):
    """The most frequent label, whatever the picture."""

    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.most_ = self.classes_[counts.argmax()]
        return self

    def predict(self, X):
        return np.full(len(X), self.most_)


class Broken(Majority):
    """Fails when it learns."""

    def fit(self, X, y):
        raise RuntimeError("out of ideas")


def network(**settings):
    return NetworkClassifier(topology=NET, epochs=10, **settings)


def study(models, tasks=("classify",), **options):
    return Study(models, DATA, tasks, **{"seeds": 1, "controls": False} | options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "report"
    models = {"net": network(), "memory": HopfieldMemory(rule="pseudo-inverse"), "majority": Majority()}
    report = Study(models, DATA, seeds=2, topology=NET).run(folder, n_jobs=1, progress=False)
    return folder, report


def test_a_report_is_a_page_numbers_figures_models_and_a_manifest(finished):
    folder, report = finished
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")  # nothing is fetched
    for name in ("net", "memory", "majority", "softmax on pixels", "nearest neighbour"):
        assert name in page
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(report.rows)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["data"]["sha256"] == DATA.sha256
    assert manifest["topology"]["digest"] == NET.digest
    assert manifest["seeds"] == [0, 1]
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert {"lesion-units.png", "lesion-units.svg", "complete-examples.png", "classify-accuracy.svg"} <= figures
    kept = bioneuro.load(folder / "models" / "net-classifier-seed0.npz")
    assert kept.score(DATA.X, DATA.y) > 0.5


def test_every_cell_of_the_plan_has_a_row_or_a_reason(finished):
    _, report = finished
    for task in report.study.tasks:
        for model in report.study.models:
            rows = [row for row in report.rows if row.task == task and row.model == model]
            assert rows, f"{model} says nothing about {task}"
            assert all(
                not math.isnan(row.value) or row.note
                for row in rows
                if row.metric not in ("units", "weights", "additions")
            )


def test_the_table_tells_why_a_cell_is_empty(finished):
    table = finished[1].table()
    assert "memory: as a classifier: has no `predict`" in table
    assert "majority: has no units to lose" in table
    assert "net: as a memory: has no `recall`" in table


def test_what_is_finished_is_not_run_again(finished, monkeypatch):
    folder, report = finished
    monkeypatch.setattr(trial_module, "run_trial", None)
    monkeypatch.setattr("bioneuro.compare.study.run_trial", None)
    models = {"net": network(), "memory": HopfieldMemory(rule="pseudo-inverse"), "majority": Majority()}
    again = Study(models, DATA, seeds=2, topology=NET).run(folder, n_jobs=1, progress=False)
    assert [row._replace(value=str(row.value)) for row in again.rows] == [
        row._replace(value=str(row.value)) for row in report.rows
    ]


def test_an_interrupted_study_goes_on_where_it_stopped(tmp_path, monkeypatch):
    from bioneuro.compare import study as study_module

    real, done = study_module.run_trial, []

    def interrupted(trial, *rest):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(trial)
        return real(trial, *rest)

    models = {"net": network(), "majority": Majority()}
    monkeypatch.setattr(study_module, "run_trial", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study(models).run(tmp_path / "report", n_jobs=1, progress=False)
    later = []
    monkeypatch.setattr(study_module, "run_trial", lambda trial, *rest: later.append(trial) or real(trial, *rest))
    report = study(models).run(tmp_path / "report", n_jobs=1, progress=False)
    assert [trial.name for trial in done + later] == ["net", "majority"]
    assert {row.model for row in report.rows} == {"net", "majority"}


class Stopped(Majority):
    """Learns until Ctrl-C, and keeps what it has."""

    def fit(self, X, y):
        warnings.warn("stopped half way", TrainingInterrupted, stacklevel=2)
        return super().fit(X, y)


@pytest.mark.parametrize("warmed", [True, False])
def test_half_a_training_never_passes_for_a_result(tmp_path, monkeypatch, warmed):
    if warmed:
        monkeypatch.setattr(trial_module, "warm", lambda *arguments: None)
    with pytest.raises(KeyboardInterrupt):
        study({"stopped": Stopped()}).run(tmp_path / "r", n_jobs=1, progress=False)
    assert not list((tmp_path / "r" / "trials").iterdir())


def test_other_settings_are_run_anew(tmp_path):
    first = study({"net": network()}).run(tmp_path / "r", n_jobs=1, progress=False)
    other = NetworkClassifier(topology=NET, epochs=1)
    second = study({"net": other}).run(tmp_path / "r", n_jobs=1, progress=False)
    assert first.rows[0].value != second.rows[0].value


def test_a_failing_trial_is_a_row_with_its_reason_and_is_tried_again(tmp_path):
    report = study({"broken": Broken(), "majority": Majority()}).run(tmp_path / "r", n_jobs=1, progress=False)
    [row] = [row for row in report.rows if row.model == "broken"]
    assert row.condition == "failed"
    assert row.note == "RuntimeError: out of ideas"
    assert "out of ideas" in report.table()
    assert not list((tmp_path / "r" / "trials").glob("broken*"))


def test_the_same_rows_come_from_one_process_and_from_two():
    models = {"net": network(), "coder": Autoencoder((20,), epochs=20)}
    tasks = ["classify", "lesion", "complete"]
    timeless = [
        [row for row in study(models, tasks).run(n_jobs=jobs, progress=False).rows if row.metric != "seconds"]
        for jobs in (1, 2)
    ]
    assert timeless[0] == timeless[1]


def test_settings_are_chosen_without_the_test_rows():
    train, _ = DATA.split(0.25, random_state=0)
    model = Model("", classifier=lambda net: network(), candidates=({"epochs": 0}, {"epochs": 15}, {"epochs": 1}))
    assert choose_settings(model, NET, train, 0) == {"epochs": 15}


def test_lesions_spare_what_they_should_and_curves_start_at_the_intact_model():
    report = study({"net": network()}, ["classify", "lesion"]).run(n_jobs=1, progress=False)
    accuracy = {(row.condition, row.level): row.value for row in report.rows if row.metric == "accuracy"}
    assert accuracy["dead units", 0.0] == accuracy["dead synapses", 0.0] == accuracy["clean", 0.0]
    assert accuracy["dead units", 0.7] < accuracy["clean", 0.0]


def test_what_is_tested_is_the_model_with_the_settings_chosen_and_the_seed_of_its_split():
    def classifier(net):
        return NetworkClassifier(topology=net, epochs=0)

    model = Model("", classifier=classifier, candidates=({"epochs": 0}, {"epochs": 15}))
    report = study({"net": model}, topology=NET, seeds=2).run(n_jobs=1, progress=False)
    assert [outcome.chosen for outcome in report.outcomes.values()] == [{"epochs": 15}] * 2
    for seed in range(2):
        train, test = DATA.split(0.25, random_state=seed)
        by_hand = classifier(NET).set_params(epochs=15, random_state=seed).fit(train.X, train.y)
        [row] = select(report.rows, metric="accuracy", seed=seed)
        assert row.value == by_hand.score(test.X, test.y) > 0.5


def test_accuracy_after_a_lesion_is_a_mean_over_draws_of_who_dies():
    drawn = []

    class Watched(NetworkClassifier):
        def lesion(self, units=0.0, synapses=0.0, random_state=0):
            hurt = super().lesion(units, synapses, random_state)
            drawn.append((units, random_state, hurt))
            return hurt

    report = study({"net": Watched(topology=NET, epochs=10)}, ["lesion"]).run(n_jobs=1, progress=False)
    half = {random_state: hurt for units, random_state, hurt in drawn if units == 0.5}
    assert len(half) == len({hurt.alive_.tobytes() for hurt in half.values()}) == tasks.LESIONS
    _, test = DATA.split(0.25, random_state=0)
    [row] = select(report.rows, condition="dead units", level=0.5)
    assert row.value == pytest.approx(np.mean([hurt.score(test.X, test.y) for hurt in half.values()]))


def test_what_a_model_costs_is_told_of_its_classifier_where_it_is_a_memory_too():
    model = Model("", classifier=lambda net: network(), memory=lambda n_units: HopfieldMemory(rule="pseudo-inverse"))
    report = study({"both": model, "memory": HopfieldMemory()}, ["classify", "complete"]).run(n_jobs=1, progress=False)
    [units] = [column for column in COSTS if column.heading == "units"]
    assert report.summary("both", units).mean == NET.n_units
    assert report.summary("memory", units).mean == 64


def test_installed_models_are_found_by_name():
    assert {"backprop", "backprop-dropout", "rbm", "hopfield", "autoencoder"} <= set(installed())
    assert as_model("hopfield").memory is not None
    assert as_model("autoencoder").why_not("classifier") == "learns codes of pictures, no labels"
    with pytest.raises(UnknownName, match="unknown model 'hopfeld'; did you mean 'hopfield'"):
        as_model("hopfeld")


def test_quick_takes_fewer_rows_and_no_choice():
    quick = Study(["backprop"], load_digits(), quick=True)
    assert all(len(model.candidates) == 1 for model in quick.models.values())


def test_controls_that_no_task_asks_for_stay_away():
    assert "as given" not in Study(["backprop"], DATA, ["classify"]).models
    assert "as given" in Study(["hopfield"], DATA, ["complete"]).models


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["backprop"], DATA, ["clasify"]), UnknownName, "did you mean 'classify'"),
        ((["backprop"], DATA.X, None), InvalidInput, "needs a Dataset with class labels"),
        (({}, DATA, None), InvalidInput, "at least one model"),
        (({"x": object()}, DATA, None), InvalidInput, "an estimator with `fit` and `predict` or `recall`"),
        (
            (["backprop"], Dataset.from_arrays(DATA.X, np.zeros(len(DATA.X), int)), None),
            InvalidInput,
            "two classes or more",
        ),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Study(*arguments)


def test_a_folder_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("the only copy")
    with pytest.raises(InvalidInput, match="not empty and not a report of ours"):
        study({"majority": Majority()}).run(tmp_path, n_jobs=1, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_trial_file_is_run_again(tmp_path):
    study({"majority": Majority()}).run(tmp_path / "r", n_jobs=1, progress=False)
    [path] = (tmp_path / "r" / "trials").iterdir()
    path.write_text(path.read_text()[:50])
    report = study({"majority": Majority()}).run(tmp_path / "r", n_jobs=1, progress=False)
    assert any(row.metric == "accuracy" for row in report.rows)


class Changing(Majority):
    """Its answer is decided by the test, as by a user who edits the file."""

    answer = 0

    def predict(self, X):
        return np.full(len(X), self.answer)


def test_an_edited_model_is_run_again(tmp_path, monkeypatch):
    from bioneuro.compare import identity

    first = study({"mine": Changing()}).run(tmp_path / "r", n_jobs=1, progress=False)
    monkeypatch.setattr(Changing, "answer", 99)
    monkeypatch.setattr(identity.inspect, "getsource", lambda thing: "another text")
    second = study({"mine": Changing()}).run(tmp_path / "r", n_jobs=1, progress=False)
    assert first.rows[0].value > 0
    assert second.rows[0].value == 0


def test_models_of_equal_parameters_and_other_classes_are_told_apart(tmp_path):
    study({"mine": Majority()}).run(tmp_path / "r", n_jobs=1, progress=False)
    again = study({"mine": Changing()})
    assert again._read(tmp_path / "r", again.trials()[0]) is None


def test_other_data_topologies_and_candidates_are_run_anew(tmp_path):
    def of(data=DATA, topology=NET, candidates=({},)):
        model = Model("", classifier=lambda net: Majority(), candidates=candidates)
        return Study({"mine": model}, data, ["classify"], topology=topology, seeds=1, controls=False)

    of().run(tmp_path / "r", n_jobs=1, progress=False)
    [trial] = of().trials()
    assert of()._read(tmp_path / "r", trial) is not None
    for other in (of(load_digits().subsample(200)), of(topology=Topology.mlp(64, 21, 10)), of(candidates=({}, {}))):
        assert other._read(tmp_path / "r", trial) is None


def test_one_failing_task_leaves_the_others_their_results(monkeypatch):
    def no_noise(fitted):
        raise RuntimeError("the noise is gone")
        yield

    monkeypatch.setitem(tasks.TASKS, "noise", (tasks.Task("classifier", no_noise),))
    report = study({"majority": Majority()}, ["noise", "classify"]).run(n_jobs=1, progress=False)
    assert [row.note for row in report.rows if row.task == "noise"] == ["RuntimeError: the noise is gone"]
    assert any(row.metric == "accuracy" for row in report.rows if row.task == "classify")


def test_a_memory_is_not_shown_what_it_is_asked_for():
    class Cheat(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def recall(self, X, known=None):
            return X

    report = study({"cheat": Cheat()}, ["complete"]).run(n_jobs=1, progress=False)
    exact = [row.value for row in report.rows if row.condition == "from half" and row.metric == "exact recall"]
    assert exact == [0, 0, 0]


def test_the_name_of_a_control_is_taken():
    with pytest.raises(InvalidInput, match="'nearest neighbour' is the name of a control"):
        Study({"nearest neighbour": Majority()}, DATA, ["classify"])


def test_estimators_without_a_name_are_refused():
    with pytest.raises(InvalidInput, match="give your estimators names"):
        Study([Majority()], DATA)


def test_plain_estimators_get_their_untrained_control():
    models = Study({"net": network(), "mine": Majority()}, DATA, ["classify"]).models
    assert "net, untrained" in models
    assert "mine, untrained" not in models
    assert "as given" not in models  # no memory takes part


def test_numbers_of_numpy_survive_the_files(tmp_path):
    class Declares(Majority):
        additions_ = {"votes": np.int64(5)}  # noqa: RUF012  as an estimator might carry it

    for _ in range(2):
        report = study({"mine": Declares()}).run(tmp_path / "r", n_jobs=1, progress=False)
    assert report.outcomes[report.study.trials()[0]].additions == {"votes": 5}


def test_figures_of_an_earlier_study_do_not_stay_and_those_of_others_do(tmp_path):
    study({"net": network()}, ["classify", "noise"]).run(tmp_path / "r", n_jobs=1, progress=False)
    figures = tmp_path / "r" / "figures"
    assert (figures / "noise-flip.png").exists()
    (figures / "mine.png").write_text("drawn by hand")
    study({"net": network()}, ["classify"]).run(tmp_path / "r", n_jobs=1, progress=False)
    assert {path.name for path in figures.iterdir()} == {"classify-accuracy.png", "classify-accuracy.svg", "mine.png"}


class Bystander(NetworkClassifier):
    """A network that can also be silenced: half of what it is asked to lose it merely pretends to lose."""

    def silence(self, units=0.0, random_state=0):
        return self.lesion(units=units / 2, random_state=random_state)


def test_a_model_that_can_be_silenced_is_measured_and_drawn_under_both_losses(tmp_path):
    models = {"plain": network(), "both": Bystander(topology=NET, epochs=10)}
    report = study(models, ["lesion"], seeds=2).run(tmp_path / "r", n_jobs=1, progress=False)
    silenced = [row for row in report.rows if row.condition == "silenced units"]
    assert {row.model for row in silenced} == {"both"}
    assert sorted(row.level for row in silenced if row.seed == 0) == list(tasks.DEAD)
    with open(tmp_path / "r" / "results.csv", newline="", encoding="utf-8") as file:
        assert sum(row["condition"] == "silenced units" for row in csv.DictReader(file)) == len(silenced)
    accuracy = {(row.condition, row.level): row.value for row in report.rows if (row.model, row.seed) == ("both", 0)}
    assert accuracy["silenced units", 0.0] == accuracy["dead units", 0.0]
    assert accuracy["silenced units", 0.7] > accuracy["dead units", 0.7]
    [plain, both] = [line for line in report.table().splitlines() if line.startswith(("plain ", "both "))][:2]
    assert plain.split()[2] == "-"
    assert both.split()[2] == f"{np.mean([row.value for row in silenced if row.level == 0.5]):.1%}"
    assert "silenced" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


def test_the_lesion_figure_shows_both_losses_the_band_of_the_seeds_and_the_controls():
    models = {"both": Bystander(topology=NET, epochs=10)}
    report = study(models, ["lesion"], seeds=2, controls=True).run(n_jobs=1, progress=False)
    ax = report.figures()["lesion-units"].axes[0]
    lines = {line.get_label(): line for line in ax.lines}
    assert set(lines) == {"both", "both, silenced", "both, untrained", "both, untrained, silenced"}
    assert lines["both"].get_color() == lines["both, silenced"].get_color() != lines["both, untrained"].get_color()
    assert lines["both"].get_linestyle() == "-" != lines["both, silenced"].get_linestyle()
    assert len(ax.collections) == len(lines)  # a band for each
    silenced = select(report.rows, model="both", condition="silenced units", level=0.5)
    at_half = [row.value for row in silenced]
    assert lines["both, silenced"].get_ydata()[tasks.DEAD.index(0.5)] == pytest.approx(np.mean(at_half))


def test_spiking_networks_are_silenced_in_a_report_because_they_can_be():
    from bioneuro.spiking import SpikingClassifier

    spiking = SpikingClassifier((20,), epochs=1)
    report = study({"stdp": spiking}, ["lesion"]).run(n_jobs=1, progress=False)
    measured = {row.condition for row in report.rows if row.metric == "accuracy"}
    assert measured == {"dead units", "silenced units", "dead synapses"}


def test_a_control_has_the_same_choice_of_settings_as_its_model():
    candidates = ({"epochs": 0}, {"epochs": 15})
    model = Model("", classifier=lambda net: network(), untrained=lambda net: network(), candidates=candidates)
    models = Study({"mine": model}, DATA, ["classify"]).models
    assert models["mine, untrained"].candidates == candidates
    assert Study({"mine": model}, DATA, ["classify"], quick=True).models["mine, untrained"].candidates == candidates[:1]


def test_a_memory_of_as_many_pictures_is_stored_once_for_all_tasks(monkeypatch):
    stored = []

    class Counting(HopfieldMemory):
        def fit(self, X, y=None):
            stored.append(len(X))
            return super().fit(X, y)

    monkeypatch.setattr(trial_module, "warm", lambda *arguments: None)
    study({"memory": Counting(rule="pseudo-inverse")}, ["lesion", "complete"]).run(n_jobs=1, progress=False)
    assert sorted(stored) == list(tasks.STORED)
