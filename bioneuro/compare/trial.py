"""One trial: one model, one kind of estimator, one seed; everything that is asked of it."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from bioneuro import io
from bioneuro.blas import one_blas_thread
from bioneuro.compare import metrics, tasks
from bioneuro.compare.results import Row
from bioneuro.data import Dataset
from bioneuro.errors import InvalidInput
from bioneuro.models import Model
from bioneuro.topology import Topology
from bioneuro.training import TrainingInterrupted

TEST_SHARE = 0.25


class Trial(NamedTuple):
    """What is to be run: model `name`, its estimator of one `kind`, the tasks asked of it, and the seed."""

    name: str
    kind: str
    tasks: tuple[str, ...]
    seed: int

    @property
    def slug(self) -> str:
        """Name of the trial's file; names that differ only in odd characters get a digest to tell them apart."""
        plain = "".join(c if c.isalnum() or c == "-" else "-" for c in self.name)
        mark = "" if plain == self.name else f"-{hashlib.blake2b(self.name.encode(), digest_size=3).hexdigest()}"
        return f"{plain}{mark}-{self.kind}-seed{self.seed}"


class Outcome(NamedTuple):
    """What came out of a trial.

    rows : measurements, and reasons where there are none. chosen : settings chosen inside the training data.
    additions : parameters beyond the topology. topology : what it was built on. example : pictures for the figure.
    notices : warnings, and where things went wrong.
    """

    rows: list[Row]
    chosen: dict[str, Any]
    additions: dict[str, int]
    topology: dict[str, str]
    example: dict[str, list]
    notices: list[str]


def n_test(data: Dataset) -> int:
    """How many rows of a data set no model sees before it is tested."""
    return math.ceil(TEST_SHARE * data.n_samples)


def run_trial(trial: Trial, model: Model, data: Dataset, topology: Topology, keep: str | None) -> Outcome:
    """Run a trial; what fails becomes a row with its reason. `keep` is a file for the fitted classifier, or None."""
    parts = [(name, part) for name in trial.tasks for part in tasks.TASKS[name] if part.kind == trial.kind]
    outcome = Outcome([], {}, {}, {}, {}, [])
    with warnings.catch_warnings(record=True) as caught, one_blas_thread():
        warnings.simplefilter("always")
        warnings.simplefilter("error", TrainingInterrupted)  # half a training must not pass for a result
        with _failures_as_rows(trial, [name for name, _ in parts], outcome):
            train, test = data.split(n_test(data), random_state=trial.seed)
            prepare = _fit_classifier if trial.kind == "classifier" else _open_storage
            subject = prepare(trial, model, train, test, topology, keep, outcome)
            for name, part in parts:
                with _failures_as_rows(trial, [name], outcome):
                    for found in part.run(subject):
                        value = float(found.value)
                        row = Row(
                            name, trial.name, trial.seed, found.condition, float(found.level), found.metric, value
                        )
                        outcome.rows.append(row._replace(note=found.note))
    outcome.notices.extend(dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught))
    return outcome


@contextlib.contextmanager
def _failures_as_rows(trial: Trial, names: list[str], outcome: Outcome) -> Iterator[None]:
    """An error inside becomes one row for each task named, with its reason; Ctrl-C goes through."""
    try:
        yield
    except TrainingInterrupted:
        raise KeyboardInterrupt from None
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        outcome.rows.extend(Row(name, trial.name, trial.seed, "failed", 0.0, "none", np.nan, reason) for name in names)
        outcome.notices.append(traceback.format_exc())


def _fit_classifier(trial, model, train, test, topology, keep, outcome) -> tasks.Fitted:
    settings = choose_settings(model, topology, train, trial.seed)
    outcome.chosen.update(settings)
    warm(model, "classifier", train, topology)  # loading kernels is not learning
    estimator = configured(model.classifier(topology), trial.seed, settings)
    begin = time.perf_counter()
    estimator.fit(train.X, train.y)
    seconds = time.perf_counter() - begin
    outcome.additions.update(getattr(estimator, "additions_", {}))
    _describe_topology(estimator, outcome)
    if keep is not None and not model.control:
        try:
            io.save(keep, estimator)
        except InvalidInput as error:  # not one of ours, or not registered: the study goes on without the file
            outcome.notices.append(f"the fitted model was not kept: {error}")
    return tasks.Fitted(estimator, test, seconds, trial.seed)


def choose_settings(model: Model, topology: Topology, train: Dataset, seed: int) -> dict[str, Any]:
    """The candidate with the best accuracy on a quarter of the training rows, learnt from the other three."""
    if len(model.candidates) == 1:
        return dict(model.candidates[0])
    learn, judge = train.split(TEST_SHARE, random_state=seed)
    scores = []
    for candidate in model.candidates:
        estimator = configured(model.classifier(topology), seed, candidate)
        scores.append(metrics.accuracy(estimator.fit(learn.X, learn.y), judge.X, judge.y))
    return dict(model.candidates[int(np.argmax(scores))])


def _open_storage(trial, model, train, test, topology, keep, outcome) -> tasks.Storage:
    @cache
    def stored(n: int) -> tasks.Stored:
        patterns = train.bipolar_patterns(n, random_state=trial.seed)
        memory = configured(model.memory(train.n_features), trial.seed)
        begin = time.perf_counter()
        memory.fit(patterns)
        return tasks.Stored(patterns, memory, time.perf_counter() - begin)

    storage = tasks.Storage(stored, tasks.known_features(train), trial.seed)
    warm(model, "memory", train, topology)
    _describe_topology(stored(tasks.STORED[0]).memory, outcome)
    if trial.seed == 0 and "complete" in trial.tasks:
        outcome.example.update({name: picture.tolist() for name, picture in tasks.example(storage).items()})
    return storage


def warm(model: Model, kind: str, data: Dataset, topology: Topology) -> None:
    """Compile, or load, what a trial will call, by learning a few rows; other errors are the trial's own to report."""
    few = data.subsample(min(data.n_samples, max(3 * len(data.classes), 30)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", TrainingInterrupted)
        try:
            if kind == "classifier":
                estimator = configured(model.classifier(topology), 0, model.candidates[0])
                _hurried(estimator).fit(few.X, few.y).predict(few.X)
            else:
                patterns = few.bipolar_patterns(5)
                _hurried(model.memory(data.n_features)).fit(patterns).recall(patterns)
        except TrainingInterrupted:
            raise KeyboardInterrupt from None
        except Exception:
            return


def _hurried(estimator):
    """The estimator with a single epoch, where it counts epochs: it calls the same kernels."""
    epochs = estimator.get_params(deep=False).get("epochs") if hasattr(estimator, "get_params") else None
    return estimator.set_params(epochs=1) if epochs else estimator


def configured(estimator, seed: int, settings: Mapping[str, Any] | None = None):
    """The estimator with `random_state=seed`, where it has one, and its settings."""
    if not hasattr(estimator, "get_params"):
        return estimator
    seeds = {"random_state": seed} if "random_state" in estimator.get_params(deep=False) else {}
    return estimator.set_params(**seeds, **(settings or {}))


def _describe_topology(estimator, outcome: Outcome) -> None:
    topology = getattr(estimator, "topology_", None)
    if isinstance(topology, Topology):
        outcome.topology.update(text=repr(topology), structure_digest=topology.structure_digest)
