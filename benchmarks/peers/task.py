"""A training that is the same for everybody: rows, labels, the order of every epoch, and the first weights.

It travels between interpreters as a folder of NumPy files. Needs nothing but NumPy.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Task(NamedTuple):
    """Classify rows with a network of ReLU layers, softmax and cross-entropy.

    X : (n, n_features) float32; y : (n,) int64, the class of each row.
    orders : (epochs, n) int64, the rows of each epoch; (epochs, members, n) for an ensemble.
    weights : per layer (n_in, n_out) float32, biases (n_out,), from which the training begins; for an ensemble each
        with a first axis of members.
    """

    X: np.ndarray
    y: np.ndarray
    orders: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]


def write(task: Task, folder: str | Path) -> str:
    """Save the task; return the folder, made if need be."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"X": task.X, "y": task.y, "orders": task.orders}
    for layer, (weights, bias) in enumerate(zip(task.weights, task.biases, strict=True)):
        arrays |= {f"weights{layer}": weights, f"bias{layer}": bias}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return str(folder)


@cache
def read(folder: str) -> Task:
    """Load a task, once in a process; nobody may change its arrays."""
    layers = next(layer for layer in count() if not Path(folder, f"weights{layer}.npy").exists())
    load = lambda name: np.load(Path(folder, f"{name}.npy"))  # noqa: E731
    weights, biases = (tuple(load(f"{name}{layer}") for layer in range(layers)) for name in ("weights", "bias"))
    return Task(load("X"), load("y"), load("orders"), weights, biases)
