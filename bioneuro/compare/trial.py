"""One trial: one model, one kind of estimator, one seed; everything that is asked of it."""

from __future__ import annotations

import time
import traceback
import warnings
from typing import Any, NamedTuple

import numpy as np

from bioneuro import io
from bioneuro.compare import metrics, tasks
from bioneuro.compare.results import Row
from bioneuro.data import Dataset
from bioneuro.errors import InvalidInput
from bioneuro.models import Model
from bioneuro.topology import Topology
from bioneuro.training import TrainingInterrupted
from bioneuro.training.threads import one_blas_thread

TEST_SHARE = 0.25


class Trial(NamedTuple):
    """What is to be run: model `name`, its estimator of one `kind`, the tasks asked of it, and the seed."""

    name: str
    kind: str
    tasks: tuple[str, ...]
    seed: int

    @property
    def slug(self) -> str:
        """Name of the trial's file."""
        return f"{''.join(c if c.isalnum() or c == '-' else '-' for c in self.name)}-{self.kind}-seed{self.seed}"


class Outcome(NamedTuple):
    """What came out: rows, the settings chosen inside the training data, what the model adds, pictures, warnings."""

    rows: list[Row]
    chosen: dict[str, Any]
    additions: dict[str, int]
    example: dict[str, list]
    notices: list[str]


def run_trial(trial: Trial, model: Model, data: Dataset, topology: Topology, keep: str | None) -> Outcome:
    """Run a trial; an error becomes rows with its reason. `keep` is a file for the fitted classifier, or None."""
    parts = [(name, part) for name in trial.tasks for part in tasks.TASKS[name] if part.kind == trial.kind]
    outcome = Outcome([], {}, {}, {}, [])

    def measure(name, part, subject):
        outcome.rows.extend(
            Row(name, trial.name, trial.seed, m.condition, float(m.level), m.metric, float(m.value), m.note)
            for m in part.run(subject)
        )

    with warnings.catch_warnings(record=True) as caught, one_blas_thread():
        warnings.simplefilter("always")
        warnings.simplefilter("error", TrainingInterrupted)  # half a training must not pass for a result
        try:
            train, test = data.split(TEST_SHARE, random_state=trial.seed)
            subject = (
                _fit_classifier(trial, model, train, test, topology, keep, outcome)
                if trial.kind == "classifier"
                else _open_storage(trial, model, train, outcome)
            )
            for name, part in parts:
                measure(name, part, subject)
        except TrainingInterrupted:
            raise KeyboardInterrupt from None
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            outcome.rows.extend(Row(n, trial.name, trial.seed, "failed", 0.0, "none", np.nan, reason) for n, _ in parts)
            outcome.notices.append(traceback.format_exc())
    outcome.notices.extend(dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught))
    return outcome


def _fit_classifier(trial, model, train, test, topology, keep, outcome) -> tasks.Fitted:
    settings = choose_settings(model, topology, train, trial.seed)
    outcome.chosen.update(settings)
    estimator = seeded(model.classifier(topology), trial.seed).set_params(**settings)
    begin = time.perf_counter()
    estimator.fit(train.X, train.y)
    seconds = time.perf_counter() - begin
    outcome.additions.update(getattr(estimator, "additions_", {}))
    if keep is not None:
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
        estimator = seeded(model.classifier(topology), seed).set_params(**candidate)
        scores.append(metrics.accuracy(estimator.fit(learn.X, learn.y), judge.X, judge.y))
    return dict(model.candidates[int(np.argmax(scores))])


def _open_storage(trial, model, train, outcome) -> tasks.Storage:
    storage = tasks.Storage(
        store=lambda patterns: seeded(model.memory(train.n_features), trial.seed).fit(patterns),
        patterns=lambda n: train.bipolar_patterns(n, random_state=trial.seed),
        known=tasks.known_features(train),
        seed=trial.seed,
    )
    if trial.seed == 0 and "complete" in trial.tasks:
        outcome.example.update({name: picture.tolist() for name, picture in tasks.example(storage).items()})
    return storage


def seeded(estimator, seed: int):
    """The estimator with `random_state=seed`, where it has one."""
    return estimator.set_params(random_state=seed) if "random_state" in estimator.get_params(deep=False) else estimator
