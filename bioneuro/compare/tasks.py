"""Tasks: what a fitted classifier or memory is asked to do. Adding one is one function and one line of `TASKS`.

A task of kind "classifier" gets the fitted estimator and the test rows; nothing is retrained. One of kind "memory" gets
a way to have a memory that stores P patterns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from bioneuro.compare import metrics
from bioneuro.data import Dataset, corrupt, known_half

NOISE = (0.0, 0.1, 0.2, 0.3, 0.5)
DEAD = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
STORED = (10, 20, 40)
LESIONS = 5  # drawn for every share of the dead; the mean of them is the value
FLIPS = 10  # noisy copies of each stored pattern
FLIPS_OF_THE_HURT = 3  # for each of many lesions
FLIPPED = 0.2


class Damage(NamedTuple):
    """A way to hurt a fitted model: the verb that gives a hurt copy, and the argument that says how much is lost."""

    verb: str
    lost: str


# condition -> damage; every model is asked for a `lesion`, other verbs are optional and measured where a model has them
DAMAGES = {
    "dead units": Damage("lesion", "units"),
    "silenced units": Damage("silence", "units"),  # they go on acting on each other, and only the readout misses them
    "dead synapses": Damage("lesion", "synapses"),
}


class Measurement(NamedTuple):
    """One number: `Row` without who and when."""

    condition: str
    level: float
    metric: str
    value: float
    note: str = ""


class Fitted(NamedTuple):
    """A classifier on the bench: the estimator, the test rows, how long it learnt (s), and the seed."""

    estimator: Any
    test: Dataset
    seconds: float
    seed: int


class Stored(NamedTuple):
    """Patterns (P, n) of -1/+1, the memory that was fitted to them, and how long it learnt (s)."""

    patterns: np.ndarray
    memory: Any
    seconds: float


class Storage(NamedTuple):
    """A memory on the bench: `stored(P)` gives one of P patterns, fitted when it is first asked for."""

    stored: Callable[[int], Stored]
    known: np.ndarray
    seed: int


def classify(fitted: Fitted) -> Iterator[Measurement]:
    """Accuracy on the test rows, and what it cost."""
    yield Measurement("clean", 0, "accuracy", metrics.accuracy(fitted.estimator, fitted.test.X, fitted.test.y))
    yield Measurement("clean", 0, "seconds", fitted.seconds)
    for name, value in metrics.cost(fitted.estimator).items():
        yield Measurement("clean", 0, name, value)


def noise(fitted: Fitted) -> Iterator[Measurement]:
    """Accuracy against the share of flipped pixels, and against Gaussian noise (deviation in units of the range)."""
    for kind in ("flip", "gaussian"):
        for level in NOISE:
            noisy = corrupt(fitted.test, **{kind: level}, random_state=fitted.seed)
            yield Measurement(kind, level, "accuracy", metrics.accuracy(fitted.estimator, noisy.X, fitted.test.y))


def lesion(fitted: Fitted) -> Iterator[Measurement]:
    """Accuracy against the share of each loss in `DAMAGES`; nested, nothing retrained."""
    for condition, damage in _damages(fitted.estimator):
        reason = _cannot_lose(fitted.estimator, damage.lost)
        if reason:
            yield Measurement(condition, 0, "accuracy", np.nan, reason)
            continue
        for level in DEAD:
            hurt = _hurt(fitted.estimator, damage, level)
            scores = [metrics.accuracy(copy, fitted.test.X, fitted.test.y) for copy in hurt]
            yield Measurement(condition, level, "accuracy", float(np.mean(scores)))


def complete(storage: Storage) -> Iterator[Measurement]:
    """Overlap and exact recall of P stored patterns, from 20 % flips and from the upper half alone."""
    for n in STORED:
        stored, memory, seconds = storage.stored(n)
        if n == STORED[0]:
            yield Measurement("clean", 0, "seconds", seconds)
            for name, value in metrics.cost(memory).items():
                yield Measurement("clean", 0, name, value)
        wanted, noisy = _noisy(stored, FLIPS, storage.seed)
        questions = (
            ("flips", wanted, memory.recall(noisy)),
            ("half", stored, memory.recall(np.where(storage.known, stored, 0), known=storage.known)),
        )
        for condition, target, recalled in questions:
            yield Measurement(f"from {condition}", n, "overlap", metrics.overlap(recalled, target))
            yield Measurement(f"from {condition}", n, "exact recall", metrics.exact(recalled, target))


def lesioned_recall(storage: Storage) -> Iterator[Measurement]:
    """Overlap and exact recall of ten patterns from 20 % flips against the share of the dead, over living units."""
    stored, memory, _ = storage.stored(STORED[0])
    wanted, noisy = _noisy(stored, FLIPS_OF_THE_HURT, storage.seed)
    for condition, damage in _damages(memory):
        reason = _cannot_lose(memory, damage.lost)
        if reason:
            yield Measurement(condition, 0, "overlap", np.nan, reason)
            continue
        for level in DEAD:
            results = []
            for hurt in _hurt(memory, damage, level):
                recalled, alive = hurt.recall(noisy), metrics.living(hurt)
                pair = recalled[:, alive], wanted[:, alive]
                results.append((metrics.overlap(*pair), metrics.exact(*pair)))
            for metric, value in zip(("overlap", "exact recall"), np.mean(results, axis=0), strict=True):
                yield Measurement(condition, level, metric, float(value))


class Task(NamedTuple):
    """A task: which kind of estimator it needs, and how it is run."""

    kind: str
    run: Callable[..., Iterator[Measurement]]


# task -> its parts; a model takes part with every kind of estimator that it has
TASKS: dict[str, tuple[Task, ...]] = {
    "classify": (Task("classifier", classify),),
    "noise": (Task("classifier", noise),),
    "lesion": (Task("classifier", lesion), Task("memory", lesioned_recall)),
    "complete": (Task("memory", complete),),
}


def example(storage: Storage) -> dict[str, np.ndarray]:
    """What a memory of ten patterns was shown and gave back, for the figure: -1/0/+1, (10, n) each."""
    stored, memory, _ = storage.stored(STORED[0])
    noisy = corrupt(stored, flip=FLIPPED, random_state=storage.seed)
    return {
        "stored": stored,
        "noisy": noisy,
        "from flips": np.sign(memory.recall(noisy)),
        "half": np.where(storage.known, stored, 0),
        "from half": np.sign(memory.recall(np.where(storage.known, stored, 0), known=storage.known)),
    }


def known_features(data: Dataset) -> np.ndarray:
    """(n_features,) bool: the upper half of a picture, or the first half of the features where there is none."""
    if data.image_shape is None:
        return np.arange(data.n_features) < data.n_features // 2
    return known_half(data.image_shape, "upper")


def _noisy(stored: np.ndarray, copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    wanted = np.tile(stored, (copies, 1))
    return wanted, corrupt(wanted, flip=FLIPPED, random_state=seed)


def _damages(estimator) -> list[tuple[str, Damage]]:
    """What an estimator is to suffer: lesions, and whatever else it has a verb for."""
    return [item for item in DAMAGES.items() if item[1].verb == "lesion" or hasattr(estimator, item[1].verb)]


def _hurt(estimator, damage: Damage, level: float) -> Iterator[Any]:
    """Hurt copies, one for each draw of who is struck."""
    strike = getattr(estimator, damage.verb)
    return (strike(**{damage.lost: level}, random_state=draw) for draw in range(LESIONS if level else 1))


def _cannot_lose(estimator, lost: str) -> str:
    """Why an estimator has no units, or no synapses, to lose; empty where it has."""
    if not hasattr(estimator, "lesion"):
        return f"has no {lost} to lose"
    topology = estimator.topology_
    if lost == "units" and not topology.by_role("hidden") and topology.by_role("output"):
        return "has no hidden units to lose"
    return ""
