"""Feedforward networks beside PyTorch, JAX and scikit-learn.

    python -m benchmarks.feedforward [--quick] [--only PATTERN] [--threads N] [--peers NAME=PYTHON,...] [--data FOLDER]

Everybody trains the same network from the same first weights on the same rows in the same order, for as many epochs,
in float32, on --threads cores (2). Seconds are of the epochs alone, without preparations or compilation. The loss over
all rows afterwards is a row of its own: it must agree, so that nobody wins by doing less. Peers are torch, jax and
sklearn, each under the interpreter that --peers names, or under this one where it is installed.

"Sparse" inputs are the pixels of MNIST as they are, 19 % of them other than 0; "dense" ones are the same pixels
standardised by their common mean and deviation, which leaves no zero. Peers take both as dense arrays, their fastest
form. MNIST is read from --data, or from the folder "mnist" in $BIONEURO_DATA. --quick: few rows, no peers.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from benchmarks.first_epoch import first_epoch
from benchmarks.peers.task import Task, write
from benchmarks.table import (
    PER_SECOND,
    SETTLED,
    NotMeasured,
    Peer,
    Row,
    Settings,
    Spread,
    compared,
    interleaved,
    main,
    row,
)
from bioneuro import optim
from bioneuro._jit.keys import Key
from bioneuro.data import load_digits, load_mnist
from bioneuro.errors import DataNotFound
from bioneuro.initializers import initialise
from bioneuro.parameters import Parameters
from bioneuro.topology import Topology
from bioneuro.training import fit, fit_together
from bioneuro.training.batches import epoch_order
from feedforward import Backprop, Network, NetworkClassifier
from feedforward.normalisation import with_batch_norm

REPEATS = 5
MEMBERS = 20
SEEDS = range(3)
NEEDED = {"torch": ("torch",), "jax": ("jax", "optax"), "sklearn": ("sklearn",)}  # modules in a peer's interpreter
AGREEMENT = 95.0  # %, of the losses
Asked = Mapping[str, tuple[float | None, float | None]]  # peer: how many times faster we are asked, and hope, to be
NOTHING = (None, None)
Answer = dict[str, float]  # "seconds" of all epochs, and the "loss" over all rows after them


# --- trainings --------------------------------------------------------------------------------------------------------


class Training(NamedTuple):
    """A task as this library takes it: targets are one-hot; the key decides the order of the rows."""

    parameters: Parameters
    X: np.ndarray
    targets: np.ndarray
    key: Key
    epochs: int

    def run(self, optimizer: optim.Transform, batch_size: int, weights: np.ndarray | None = None, **options) -> Learnt:
        """Train; `options` are those of `Backprop`."""
        backprop = Watched(Network(self.parameters.topology), "cross-entropy", **options)
        settings = {"epochs": self.epochs, "batch_size": batch_size, "key": self.key, "weights": weights}
        recording = fit(self.parameters, backprop, self.X, self.targets, optimizer=optimizer, **settings)
        return Learnt(time.perf_counter() - backprop.ready, recording.parameters)

    def answer(self, optimizer: optim.Transform, batch_size: int) -> Answer:
        """Train, and say what peers say."""
        learnt = self.run(optimizer, batch_size)
        return {"seconds": learnt.seconds, "loss": self.loss(learnt.parameters)}

    def loss(self, parameters: Parameters) -> float:
        """Mean cross-entropy over all rows."""
        return Backprop(Network(parameters.topology), "cross-entropy").loss_of(parameters, self.X, self.targets)


class Learnt(NamedTuple):
    """The seconds of all epochs, and what they led to."""

    seconds: float
    parameters: Parameters


class Watched(Backprop):
    """Backprop that notes when its program is ready: what comes before is preparation."""

    ready = 0.0

    def program(self, *arguments, **options):
        program = super().program(*arguments, **options)
        self.ready = time.perf_counter()
        return program

    def program_of_many(self, *arguments, **options):
        program = super().program_of_many(*arguments, **options)
        self.ready = time.perf_counter()
        return program


def training(X: np.ndarray, y: np.ndarray, sizes: tuple[int, ...], epochs: int = 1, seed: int = 0) -> Training:
    """ReLU layers of these sizes, then softmax, with He's first weights."""
    key = Key.from_seed(seed)
    parameters = initialise(Topology.mlp(*sizes), random_state=seed, dtype=np.float32)
    return Training(parameters, X, np.eye(sizes[-1], dtype=np.float32)[y], key, epochs)


def as_task(ours: Training) -> Task:
    """The same for peers."""
    projections = ours.parameters.topology.projections
    return Task(
        ours.X,
        ours.targets.argmax(axis=1),
        np.array([epoch_order(len(ours.X), ours.key, epoch) for epoch in range(ours.epochs)]),
        tuple(ours.parameters[projection.name] for projection in projections),
        tuple(ours.parameters[f"{projection.post}.bias"] for projection in projections),
    )


def optimizer_of(name: str, rate: float) -> optim.Transform:
    return {"adam": optim.adam(rate), "momentum": optim.momentum(rate, beta=0.9)}[name]


# --- peers ------------------------------------------------------------------------------------------------------------


def peer(settings: Settings, name: str) -> Peer:
    """The peer under the interpreter that was named for it, or under this one where it is installed."""
    here = sys.executable if all(importlib.util.find_spec(module) for module in NEEDED[name]) else None
    return Peer(name, settings.peers.get(name, here), f"benchmarks.peers.{name}_training")


class Candidate:
    """A training for `interleaved`: its seconds; the loss of its last run is kept aside."""

    def __init__(self, run: Callable[[], Answer]) -> None:
        self.run, self.loss = run, None

    def __call__(self) -> float:
        answer = self.run()
        self.loss = answer["loss"]
        return answer["seconds"]


def beside(
    settings: Settings,
    case: str,
    ours: Callable[[], Answer],
    task: Task,
    asked: Asked,
    peers_case: str,
    step: str = "a step",
    **arguments,
) -> Iterator[Row]:
    """Our time of a step beside that of the peers, and how far the losses agree.

    peers_case, arguments : what the peers are to run, with `batch_size` among its arguments. step : what it is called.
    """
    asked = {} if settings.quick else asked
    steps = task.orders.shape[0] * task.orders.shape[-1] // arguments["batch_size"]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write(task, folder)
        candidates = {"ours": Candidate(ours)}
        for name in asked:
            process = stack.enter_context(peer(settings, name))
            candidates[name] = Candidate(partial(process.run, peers_case, folder=folder, **arguments))
        runs = interleaved(candidates, repeats=REPEATS, pause=SETTLED)
    missing = [f"{name}: {found.reason}" for name, found in runs.items() if isinstance(found, NotMeasured)]
    of_a_step = {name: found.scaled(1 / steps) for name, found in runs.items() if isinstance(found, Spread)}
    if missing or not asked:
        ours_alone = of_a_step["ours"].scaled(PER_SECOND["us"])
        yield row(f"{case}, {step}", "time", ours_alone, "us", peer="; ".join(missing) or None)
    for name in list(of_a_step)[1:]:
        at_least, aim = asked[name]
        yield compared(f"{case}, {step}", of_a_step, unit="us", peer=name, at_least=at_least, aim=aim)
        losses = sorted((candidates["ours"].loss, candidates[name].loss))
        yield Row(case, "agreement of the losses", 100 * losses[0] / losses[1], "%", peer=name, at_least=AGREEMENT)


def network_beside(
    settings: Settings, case: str, ours: Training, asked: Asked, batch_size: int, optimizer: str, rate: float
) -> Iterator[Row]:
    """One network, as `Training.run` and the peers' "train" have it."""
    run = partial(ours.answer, optimizer_of(optimizer, rate), batch_size)
    arguments = {"batch_size": batch_size, "optimizer": optimizer, "rate": rate}
    yield from beside(settings, case, run, as_task(ours), asked, "train", **arguments)


# --- data -------------------------------------------------------------------------------------------------------------


def digits(rows: int = 1792) -> tuple[np.ndarray, np.ndarray]:
    """(X, y); 56 batches of 32."""
    data = load_digits()
    return data.X[:rows], data.y[:rows]


@cache
def _mnist(folder: str | None, subset: str) -> tuple[np.ndarray, np.ndarray]:
    data = load_mnist(folder, subset)
    return data.X, data.y


def mnist(settings: Settings, rows: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{"sparse": (X, y), "dense": (X, y)}: the first rows of the training part; a tenth of them in a quick run."""
    X, y = _mnist(settings.arguments.data, "train")
    rows = rows // 10 if settings.quick else rows
    X, y = X[:rows], y[:rows]
    return {"sparse": (X, y), "dense": (((X - X.mean()) / X.std()).astype(np.float32), y)}


def with_mnist(cases: Callable[[Settings], Iterator[Row]]) -> Callable[[Settings], Iterator[Row]]:
    """Cases that need MNIST; where it is missing, a row that says so."""

    def run(settings: Settings) -> Iterator[Row]:
        try:
            _mnist(settings.arguments.data, "train")
        except DataNotFound:
            why = "MNIST is not here: give --data FOLDER or set BIONEURO_DATA"
            yield Row(cases.__name__.replace("_", " "), "time", None, "us", peer=why)
            return
        yield from cases(settings)

    return run


# --- cases: one network -----------------------------------------------------------------------------------------------


def digits_batch_32(settings: Settings) -> Iterator[Row]:
    ours = training(*digits(), (64, 32, 10), epochs=5 if settings.quick else 50)
    asked = {"torch": (22, 40), "jax": (4, 6), "sklearn": (14, 30)}
    yield from network_beside(settings, "digits 64-32-10, Adam, batch 32", ours, asked, 32, "adam", 1e-3)


@with_mnist
def mnist_batch_1(settings: Settings) -> Iterator[Row]:
    for kind, data in mnist(settings, 3000).items():
        for optimizer, name, rate, limits in (
            ("momentum", "SGD + momentum", 1e-3, (14, 20)),
            ("adam", "Adam", 1e-4, (7, 10)),
        ):
            case, asked = f"MNIST 784-256-10, {name}, batch 1, {kind}", {"torch": limits, "jax": NOTHING}
            yield from network_beside(settings, case, training(*data, (784, 256, 10)), asked, 1, optimizer, rate)


def _adam_on_mnist(
    settings: Settings, sizes: tuple[int, ...], batch_size: int, rows: int, torch: dict, jax: dict
) -> Iterator[Row]:
    """Sparse and dense, beside torch and jax; what is asked of each by kind."""
    for kind, data in mnist(settings, rows).items():
        case = f"MNIST {'-'.join(map(str, sizes))}, Adam, batch {batch_size}, {kind}"
        asked = {"torch": torch[kind], "jax": jax[kind]}
        yield from network_beside(settings, case, training(*data, sizes), asked, batch_size, "adam", 1e-3)


JAX = {"dense": (1, 1.3), "sparse": (1.5, 2.5)}


@with_mnist
def mnist_batch_32(settings: Settings) -> Iterator[Row]:
    yield from _adam_on_mnist(settings, (784, 256, 10), 32, 60_000, {"dense": (3, 5), "sparse": (5, 8)}, JAX)


@with_mnist
def mnist_batch_256(settings: Settings) -> Iterator[Row]:
    yield from _adam_on_mnist(settings, (784, 256, 10), 256, 59_904, {"dense": (1.7, 2.2), "sparse": (2.7, 4)}, JAX)


@with_mnist
def mnist_deep(settings: Settings) -> Iterator[Row]:
    unasked = dict.fromkeys(JAX, NOTHING)
    torch = {"dense": (1.7, 2), "sparse": (2.1, 2.6)}
    yield from _adam_on_mnist(settings, (784, 512, 512, 10), 256, 59_904, torch, unasked)


# inputs, layers, optimiser, rows of a batch, rows, epochs: from networks of textbooks to those that no cache holds
SHAPES = (
    ("sparse", (784, 30, 10), "momentum", 10, 20_000, 1),
    ("sparse", (784, 100, 10), "adam", 10, 20_000, 1),
    ("dense", (784, 128, 64, 10), "adam", 64, 38_400, 1),
    ("dense", (784, 256, 10), "adam", 8192, 57_344, 1),
    ("sparse", (784, 1000, 1000, 10), "adam", 128, 6_400, 3),
    ("dense", (784, 1024, 1024, 10), "adam", 512, 15_360, 2),
    ("dense", (784, 2048, 2048, 10), "adam", 64, 2_560, 3),
    ("dense", (784, 2048, 2048, 10), "adam", 256, 5_120, 3),
)

RATES = {"adam": 1e-4, "momentum": 1e-2}  # small: wide networks would part by rounding alone


@with_mnist
def shapes(settings: Settings) -> Iterator[Row]:
    """Networks of other shapes, of which nothing is asked but to be seen."""
    for kind, sizes, optimizer, batch_size, rows, epochs in SHAPES[: 1 if settings.quick else None]:
        ours = training(*mnist(settings, rows)[kind], sizes, epochs)
        case = f"MNIST {'-'.join(map(str, sizes))}, {optimizer}, batch {batch_size}, {kind}"
        asked = {"torch": NOTHING, "jax": NOTHING}
        yield from network_beside(settings, case, ours, asked, batch_size, optimizer, RATES[optimizer])


@with_mnist
def predictions(settings: Settings) -> Iterator[Row]:
    """Probabilities of the classes for all rows, so many a call, by networks of the same weights."""
    X, y = mnist(settings, 60_000)["sparse"]
    network = NetworkClassifier((256,), epochs=1, batch_size=256, centre=False, random_state=0).fit(X, y)
    learnt = training(X, y, (784, 256, 10))._replace(parameters=network.parameters_)
    for rows in (len(X), 1000):

        def run(rows: int = rows) -> Answer:
            begin = time.perf_counter()
            chances = np.concatenate(
                [network.predict_proba(X[first : first + rows]) for first in range(0, len(X), rows)]
            )
            seconds = time.perf_counter() - begin
            return {"seconds": seconds, "loss": float(-np.log(chances[np.arange(len(X)), y]).mean())}

        case, asked = f"probabilities by 784-256-10, {rows:,} rows", {"torch": NOTHING, "sklearn": NOTHING}
        yield from beside(settings, case, run, as_task(learnt), asked, "predict", "a call", batch_size=rows)


# --- cases: ensembles -------------------------------------------------------------------------------------------------


def ensemble(settings: Settings) -> Iterator[Row]:
    """Small networks, each on a bootstrap sample of the digits and from first weights of its own."""
    X, y = digits()
    members, epochs = (4, 3) if settings.quick else (MEMBERS, 30)
    draws = [np.random.default_rng(member).integers(0, len(X), len(X)) for member in range(members)]
    trainings = [training(X[rows], y[rows], (64, 32, 10), epochs, member) for member, rows in enumerate(draws)]
    first, keys = [member.parameters for member in trainings], [member.key for member in trainings]
    tasks = [as_task(member) for member in trainings]
    orders = np.stack([rows[task.orders] for rows, task in zip(draws, tasks, strict=True)], axis=1)
    weights = tuple(np.stack(layer) for layer in zip(*(task.weights for task in tasks), strict=True))
    biases = tuple(np.stack(layer) for layer in zip(*(task.biases for task in tasks), strict=True))
    everything = training(X, y, (64, 32, 10))

    def ours() -> Answer:
        backprop, options = (
            Watched(Network(everything.parameters.topology), "cross-entropy"),
            {"epochs": epochs, "batch_size": 32},
        )
        options |= {"optimizer": optim.adam(1e-3), "keys": keys, "rows": draws}
        learnt = fit_together(first, backprop, X, everything.targets, **options)
        seconds = time.perf_counter() - backprop.ready
        return {"seconds": seconds, "loss": float(np.mean([everything.loss(member.parameters) for member in learnt]))}

    case = f"ensemble of {members} 64-32-10 on digits, Adam, batch 32"
    asked, task = {"torch": (5, 8), "sklearn": (15, 30)}, Task(X, y, orders, weights, biases)
    yield from beside(settings, case, ours, task, asked, "ensemble", batch_size=32, rate=1e-3)


# --- cases: options ---------------------------------------------------------------------------------------------------


@with_mnist
def options(settings: Settings) -> Iterator[Row]:
    """A step with one more option on, beside a plain one; asked is the inverse of how many times it may take."""
    X, y = mnist(settings, 60_000)["sparse"]
    ours = training(X, y, (784, 256, 10))
    trained = with_batch_norm(ours.parameters.topology)
    normalised = ours._replace(parameters=initialise(trained, random_state=0, dtype=np.float32))
    adam, rates = optim.adam(1e-3), {"input->hidden": 0.5, "hidden": 0.5}
    weights = np.where(y == 8, 2.0, 1.0) * np.random.default_rng(0).uniform(0.5, 1.5, len(y))
    runs = {
        "plain step": partial(ours.run, adam, 32),
        "dropout of .5": partial(ours.run, adam, 32, dropout=0.5),
        "class and sample weights": partial(ours.run, adam, 32, weights=weights),
        "per-layer rates": partial(ours.run, optim.chain(adam, optim.per_layer(rates)), 32),
        "value clipping": partial(ours.run, optim.chain(optim.clip_value(0.01), adam), 32),
        "global-norm clipping": partial(ours.run, optim.chain(optim.clip(1.0), adam), 32),
        "batch normalisation": partial(normalised.run, adam, 32),
    }
    timings = {name: lambda run=run: run().seconds for name, run in runs.items()}
    found = interleaved(timings, repeats=REPEATS, pause=SETTLED)
    of_a_step = {name: run.scaled(32 / len(X)) for name, run in found.items()}
    for name in list(runs)[1:]:
        dearest = 2 if name == "global-norm clipping" else 1.6
        case = f"MNIST 784-256-10, Adam, batch 32, sparse: {name}, a step"
        yield compared(case, of_a_step, unit="us", ours=name, peer="plain step", at_least=round(1 / dearest, 3))


# --- cases: to the end ------------------------------------------------------------------------------------------------

# the recipes were chosen by the last 10,000 training rows, learning from the others
COMMON = {"learning_rate": 1e-3, "batch_size": 32, "l2": 0.0, "centre": False}
RECIPES = {
    "plain": ({"epochs": 15, **COMMON}, (98.3, None)),
    "dropout": ({"epochs": 15, "dropout": 0.3, **COMMON}, (98.5, None)),
}
SECONDS = 15.0


@with_mnist
def mnist_accuracy(settings: Settings) -> Iterator[Row]:
    """Correct on the 10,000 test rows, after learning from all 60,000 training rows; mean of three seeds."""
    if settings.quick:
        yield Row("MNIST, accuracy on the test rows", "accuracy", None, "%", peer="left out by --quick")
        return
    (X, y), test = (_mnist(settings.arguments.data, subset) for subset in ("train", "test"))
    for name, (recipe, (at_least, aim)) in RECIPES.items():
        network, case = NetworkClassifier((512,), **recipe), f"MNIST, {name}"
        clone(network).set_params(epochs=1).fit(X[:1000], y[:1000])
        accuracies, seconds = [], []
        for seed in SEEDS:
            begin = time.perf_counter()
            network.set_params(random_state=seed).fit(X, y)
            seconds.append(time.perf_counter() - begin)
            accuracies.append(100 * network.score(*test))
        found = Spread(tuple(accuracies))
        yield Row(case, "accuracy", found.mean, "%", found.low, found.high, at_least=at_least, aim=aim)
        yield row(case, "training", Spread(tuple(seconds)), "s", at_least=SECONDS)


CASES = {
    "digits": digits_batch_32,
    "mnist-batch-1": mnist_batch_1,
    "mnist-batch-32": mnist_batch_32,
    "mnist-batch-256": mnist_batch_256,
    "mnist-deep": mnist_deep,
    "shapes": shapes,
    "predictions": predictions,
    "ensemble": ensemble,
    "options": options,
    "first-epoch": first_epoch,
    "mnist-accuracy": mnist_accuracy,
}


def run(argv: list[str] | None = None) -> list[Row]:
    """The benchmark; argv as on the command line."""
    data = {"metavar": "FOLDER", "help": "the folder with the four MNIST files"}
    return main(__doc__, CASES, threads=2, arguments=lambda parser: parser.add_argument("--data", **data), argv=argv)


if __name__ == "__main__":
    run()
