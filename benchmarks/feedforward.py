"""Feedforward networks beside PyTorch, JAX and scikit-learn.

    python -m benchmarks.feedforward [--quick] [--only PATTERN] [--threads N] [--peers NAME=PYTHON,...] [--data FOLDER]

Everybody trains the same network from the same first weights on the same rows in the same order, for the same epochs,
in float32, on --threads cores (2); the seconds are of the epochs alone, without preparation or compilation. The loss
over all rows afterwards is a row of its own: it must agree, so that nobody wins by doing less. A peer is looked for in
this interpreter unless --peers names one (torch, jax, sklearn).

"Sparse" inputs are MNIST's pixels as they are, 19 % of them other than 0; "dense" ones have no zeros: the pixels
standardised by their common mean and deviation. Peers get both as dense arrays, which is their fastest form. MNIST is
read from --data, or from the folder "mnist" in $BIONEURO_DATA. --quick takes few rows and no peers.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from benchmarks.peers.task import Task, write
from benchmarks.table import NotMeasured, Peer, Row, Settings, Spread, compared, interleaved, main, row
from bioneuro import optim
from bioneuro._jit.keys import Key
from bioneuro.data import load_digits, load_mnist
from bioneuro.errors import DataNotFound
from bioneuro.initializers import initialise
from bioneuro.parameters import Parameters
from bioneuro.topology import Topology
from bioneuro.training import fit
from bioneuro.training.batches import epoch_order
from feedforward.network import Backprop, Network

REPEATS = 5
MODULES = {"torch": ("torch",), "jax": ("jax", "optax"), "sklearn": ("sklearn",)}  # what a peer's interpreter must have
NOT_HERE = "MNIST is not here: give --data FOLDER or set BIONEURO_DATA"
Asked = dict[str, tuple[float, float]]  # peer: how many times faster we must be at least, and are to be

# --- trainings --------------------------------------------------------------------------------------------------------


class Timed(Backprop):
    """Backprop that notes when its compiled program is ready: what comes before is preparation, not training."""

    ready = 0.0

    def program(self, *arguments, **options):
        made = super().program(*arguments, **options)
        self.ready = time.perf_counter()
        return made


class Ours(NamedTuple):
    """The task of a benchmark as this library takes it."""

    parameters: Parameters
    X: np.ndarray
    targets: np.ndarray
    key: Key
    epochs: int

    def train(self, optimizer: optim.Transform, batch_size: int, weights=None, **options) -> dict:
        """The seconds of all epochs, of the preparations before them, and the loss over all rows afterwards."""
        backprop = Timed(Network(self.parameters.topology), "cross-entropy", **options)
        settings = {"epochs": self.epochs, "batch_size": batch_size, "key": self.key, "weights": weights}
        begin = time.perf_counter()
        recording = fit(self.parameters, backprop, self.X, self.targets, optimizer=optimizer, **settings)
        end = time.perf_counter()
        loss = backprop.loss_of(recording.parameters, self.X, self.targets)
        return {"seconds": end - backprop.ready, "preparation": backprop.ready - begin, "loss": loss}


def ours_of(X: np.ndarray, y: np.ndarray, sizes: tuple[int, ...], epochs: int, seed: int = 0) -> Ours:
    key = Key.from_seed(seed)
    parameters = initialise(Topology.mlp(*sizes), random_state=key, dtype=np.float32)
    return Ours(parameters, X, np.eye(sizes[-1], dtype=np.float32)[y], key, epochs)


def task_of(ours: Ours, y: np.ndarray) -> Task:
    """The same for peers."""
    topology = ours.parameters.topology
    orders = np.array([epoch_order(len(y), ours.key, epoch) for epoch in range(ours.epochs)])
    weights = tuple(ours.parameters[projection.name] for projection in topology.projections)
    biases = tuple(ours.parameters[f"{projection.post}.bias"] for projection in topology.projections)
    return Task(ours.X, y, orders, weights, biases)


OPTIMIZERS = {"adam": optim.adam, "momentum": lambda rate: optim.momentum(rate, beta=0.9)}


# --- peers ------------------------------------------------------------------------------------------------------------


def peer(settings: Settings, name: str) -> Peer:
    """The peer, under its own interpreter, or under this one if it is installed here."""
    here = all(importlib.util.find_spec(module) for module in MODULES[name])
    python = settings.peers.get(name) or (sys.executable if here and not settings.quick else None)
    return Peer(name, python, f"benchmarks.peers.{name}_training")


class Watched:
    """A training as a candidate of `interleaved`: its seconds, with the loss of its last run kept aside."""

    def __init__(self, train: Callable[[], dict]) -> None:
        self.train, self.loss = train, None

    def __call__(self) -> float:
        answer = self.train()
        self.loss = answer["loss"]
        return answer["seconds"]


def beside(
    settings: Settings, case: str, ours: Callable[[], dict], task: Task, asked: Asked, peer_case="train", **arguments
) -> Iterator[Row]:
    """Our time a step beside that of every peer in `asked`, and how far the losses agree.

    arguments : of the peers' function; batch_size among them
    """
    steps = task.orders.shape[0] * task.orders.shape[-1] // arguments["batch_size"]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write(task, folder)
        candidates = {"ours": Watched(ours)}
        for name in asked:
            process = stack.enter_context(peer(settings, name))
            candidates[name] = Watched(partial(process.run, peer_case, folder=folder, **arguments))
        spreads = interleaved(candidates, repeats=REPEATS)
    step = {name: spread if isinstance(spread, NotMeasured) else spread.scaled(1 / steps) for name, spread in spreads.items()}
    for name, (at_least, aim) in asked.items():
        yield compared(f"{case}, a step", step, unit="us", peer=name, at_least=at_least, aim=aim)
        if isinstance(step[name], Spread):
            yield agreement(case, candidates["ours"].loss, name, candidates[name].loss)


def agreement(case: str, ours: float, name: str, theirs: float) -> Row:
    """How near the losses after the training are to each other."""
    near = 100 * min(ours, theirs) / max(ours, theirs)
    return Row(case, "agreement of the losses", near, "%", peer=f"{name}", at_least=95.0)
