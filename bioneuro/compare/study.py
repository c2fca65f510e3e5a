"""Studies: models x tasks x seeds on one data set, run in parallel, resumable, one row a measurement."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from bioneuro.compare.controls import CONTROLS
from bioneuro.compare.identity import identity
from bioneuro.compare.results import Row, as_json, write_text
from bioneuro.compare.tasks import TASKS
from bioneuro.compare.trial import Outcome, Trial, run_trial, warm
from bioneuro.data import Dataset
from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.models import KINDS, Model, as_model, installed
from bioneuro.topology import Topology

KIND_OF_FOLDER = "bioneuro report"  # in the manifest: a folder that a study may write to
QUICK_ROWS = 4000


class Study:
    """Compare models on the same tasks, data, topology and seeds.

    Parameters
    ----------
    models : {name: estimator or `bioneuro.models.Model`}, or names of installed models; None: all installed.
    data : a `Dataset` with class labels.
    tasks : names out of "classify", "noise", "lesion", "complete"; None: all.
    topology : what the models are built on where they leave it open; mlp(features, 100, classes) unless given.
    seeds : how many, >= 1; each splits the data anew (a quarter is the test, opened once).
    controls : add the rows that learn nothing or have no representation.
    quick : at most 4,000 rows, and the first of each model's candidate settings.

    >>> study = Study({"mine": my_classifier}, load_digits(), tasks=["classify"])  # doctest: +SKIP
    >>> report = study.run("report", n_jobs=2)  # doctest: +SKIP
    """

    def __init__(
        self,
        models: Mapping[str, object] | Iterable[str] | None,
        data: Dataset,
        tasks: Sequence[str] | None = None,
        *,
        topology: Topology | None = None,
        seeds: int = 3,
        controls: bool = True,
        quick: bool = False,
    ):
        if not isinstance(data, Dataset) or data.classes is None:
            raise InvalidInput(f"a study needs a Dataset with class labels, got {data!r}; see Dataset.from_arrays")
        if len(data.classes) < 2:
            raise InvalidInput(f"a study needs two classes or more, {data!r} has one")
        self.models: dict[str, Model] = _models(models)
        self.tasks = tuple(TASKS) if tasks is None else tuple(choose("task", task, TASKS) for task in _listed(tasks))
        if not self.tasks:
            raise InvalidInput(f"a study needs at least one task; allowed: {', '.join(TASKS)}")
        self.seeds = check_number("seeds", seeds, low=1, integer=True)
        self.quick = bool(quick)
        self.data = data.subsample(QUICK_ROWS) if quick and data.n_samples > QUICK_ROWS else data
        self.topology = topology or Topology.mlp(data.n_features, 100, len(data.classes))
        if controls:
            for name, model in list(self.models.items()):
                if model.untrained is not None:
                    self.models[f"{name}, untrained"] = Model(
                        f"{name} with its representation left random",
                        classifier=model.untrained,
                        candidates=model.candidates,  # a control has the same choice as what it is held against
                        control=True,
                    )
            self._add_controls()
        if quick:
            self.models = {name: replace(model, candidates=model.candidates[:1]) for name, model in self.models.items()}

    def _add_controls(self) -> None:
        """The controls of every kind of task that is asked, and that a model takes part in."""
        clash = self.models.keys() & CONTROLS.keys()
        if clash:
            raise InvalidInput(f"{min(clash)!r} is the name of a control; name your model otherwise, or controls=False")
        asked = {kind for task in self.tasks for kind in self.kinds_of(task)}
        asked = {kind for kind in asked if any(model.builder(kind) for model in self.models.values())}
        for name, control in CONTROLS.items():
            if any(control.builder(kind) for kind in asked):
                self.models[name] = replace(control, **{kind: None for kind in KINDS if kind not in asked})

    def kinds_of(self, task: str) -> tuple[str, ...]:
        """Kinds of estimator that a task asks for."""
        return tuple(part.kind for part in TASKS[task])

    def trials(self) -> list[Trial]:
        """What there is to run, longest kinds first."""
        found = []
        for kind in KINDS:
            asked = tuple(task for task in self.tasks if kind in self.kinds_of(task))
            for name, model in self.models.items():
                if asked and model.builder(kind) is not None:
                    found += [Trial(name, kind, asked, seed) for seed in range(self.seeds)]
        return found

    def run(self, folder: str | os.PathLike | None = None, *, n_jobs: int | None = None, progress: bool = True):
        """Run what is not yet there and write the report.

        Parameters
        ----------
        folder : where results go; trials found there from the same study are not run again. None: nothing is written.
        n_jobs : trials at a time, through joblib; None: one for each core.
        progress : show a bar.

        Returns
        -------
        `Report`
        """
        from bioneuro.compare.report import Report

        if n_jobs is not None and check_number("n_jobs", n_jobs, low=-64, integer=True) == 0:
            raise InvalidInput("n_jobs must be 1 or more, or -1 for all cores; got 0")
        folder = None if folder is None else _open_folder(Path(folder))
        outcomes: dict[Trial, Outcome] = {}
        if folder is not None:
            outcomes = {trial: found for trial in self.trials() if (found := self._read(folder, trial)) is not None}
        waiting = [trial for trial in self.trials() if trial not in outcomes]
        with _bar(len(self.trials()), len(outcomes), progress) as bar:
            for trial, outcome in self._outcomes(waiting, folder, n_jobs):
                outcomes[trial] = outcome
                if folder is not None:
                    self._write(folder, trial, outcome)
                bar.set_postfix_str(trial.slug)
                bar.update()
        report = Report(self, {trial: outcomes[trial] for trial in self.trials()})
        if folder is not None:
            report.write(folder)
        return report

    def _outcomes(
        self, waiting: list[Trial], folder: Path | None, n_jobs: int | None
    ) -> Iterator[tuple[Trial, Outcome]]:
        """Outcomes as they come in, from worker processes or from this one."""
        from joblib import Parallel, cpu_count, delayed

        n_jobs = min(n_jobs or cpu_count(), max(1, len(waiting)))
        if n_jobs == 1:
            yield from (self._run(trial, folder) for trial in waiting)
            return
        self.warm(waiting)  # fill the kernel cache once, not in every worker at the same time
        with Parallel(n_jobs=n_jobs, return_as="generator_unordered") as parallel:
            yield from parallel(delayed(self._run)(trial, folder) for trial in waiting)

    def warm(self, trials: Iterable[Trial] | None = None) -> None:
        """Compile, or load from the cache, what the trials will call."""
        for trial in _one_of_each(self.trials() if trials is None else trials):
            warm(self.models[trial.name], trial.kind, self.data, self.topology)

    def _run(self, trial: Trial, folder: Path | None) -> tuple[Trial, Outcome]:
        keep = None
        if folder is not None and trial.kind == "classifier" and trial.seed == 0:
            keep = str(folder / "models" / f"{trial.slug}.npz")
        return trial, run_trial(trial, self.models[trial.name], self.data, self.topology, keep)

    # -- trials on disk ----------------------------------------------------------------------------------------------

    def fingerprint(self, trial: Trial) -> str:
        """Digest of everything a trial's outcome depends on."""
        model = self.models[trial.name]
        estimator = model.builder(trial.kind)(self.topology if trial.kind == "classifier" else self.data.n_features)
        candidates = [sorted(candidate.items()) for candidate in model.candidates]
        parts = (version("bioneuro"), self.data.sha256, self.topology.digest, trial, identity(estimator), candidates)
        return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()

    def _read(self, folder: Path, trial: Trial) -> Outcome | None:
        path = folder / "trials" / f"{trial.slug}.json"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["fingerprint"] != self.fingerprint(trial):
                return None
            rows = [
                Row(*values)._replace(value=float("nan") if values[6] is None else values[6])
                for values in stored["rows"]
            ]
            return Outcome(rows, *(stored[name] for name in Outcome._fields[1:]))
        except (OSError, ValueError, KeyError, TypeError, IndexError):  # not there, cut short or foreign: run it
            return None

    def _write(self, folder: Path, trial: Trial, outcome: Outcome) -> None:
        if any(row.condition == "failed" for row in outcome.rows):
            return  # what failed is tried again next time
        rows = [row._replace(value=None if row.value != row.value else row.value) for row in outcome.rows]
        stored = {"fingerprint": self.fingerprint(trial), **outcome._replace(rows=rows)._asdict()}
        write_text(folder / "trials" / f"{trial.slug}.json", as_json(stored))

    def manifest(self, outcomes: Mapping[Trial, Outcome]) -> dict:
        """What was run, on what, with which versions."""
        packages = ("bioneuro", "numpy", "scipy", "numba", "scikit-learn", "matplotlib")
        return {
            "kind": KIND_OF_FOLDER,
            "data": {"name": self.data.name, "rows": self.data.n_samples, "sha256": self.data.sha256},
            "topology": {
                "text": repr(self.topology),
                "digest": self.topology.digest,
                "structure_digest": self.topology.structure_digest,
            },
            "models": {name: model.description for name, model in self.models.items()},
            "tasks": list(self.tasks),
            "seeds": list(range(self.seeds)),
            "quick": self.quick,
            "settings chosen": {trial.slug: outcome.chosen for trial, outcome in outcomes.items() if outcome.chosen},
            "notices": {trial.slug: outcome.notices for trial, outcome in outcomes.items() if outcome.notices},
            "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
            "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
        }


def _models(given: Mapping[str, object] | Iterable[str] | None) -> dict[str, Model]:
    """Models by name; the installed ones with the classifiers first."""
    names = installed() if given is None else [given] if isinstance(given, str) else given
    if not isinstance(names, Mapping) and not all(isinstance(name, str) for name in names):
        raise InvalidInput("models are {name: estimator}, or names of installed models; give your estimators names")
    models = {name: as_model(names[name] if isinstance(given, Mapping) else name) for name in names}
    if not models:
        raise InvalidInput("a study needs at least one model; name one or give {name: estimator}")
    return dict(sorted(models.items(), key=lambda item: item[1].classifier is None)) if given is None else models


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else names


def _open_folder(folder: Path) -> Path:
    """Make the folder, or take one that an earlier study made; refuse any other that holds something."""
    marker = folder / "manifest.json"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        found = None
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(marker.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("kind") != KIND_OF_FOLDER:
            raise InvalidInput(
                f"{os.fspath(folder)!r} is not empty and not a report of ours (no manifest.json of one); "
                "give a new folder, or empty it"
            )
    folder.mkdir(parents=True, exist_ok=True)
    if not marker.exists():  # from now on the folder is known as ours, even if the run is interrupted
        write_text(marker, as_json({"kind": KIND_OF_FOLDER, "unfinished": True}))
    for inside in ("trials", "figures", "models"):
        (folder / inside).mkdir(exist_ok=True)
    return folder


def _one_of_each(trials: Iterable[Trial]) -> list[Trial]:
    return list({(trial.name, trial.kind): trial for trial in trials}.values())


def _bar(total: int, done: int, progress: bool):
    from tqdm import tqdm

    return tqdm(total=total, initial=done, desc="comparing", unit="trial", disable=not progress)
