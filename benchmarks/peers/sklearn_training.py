"""Trainings by scikit-learn's MLPClassifier, which takes one pass a call of `partial_fit`."""

from __future__ import annotations

import time

import numpy as np
import sklearn
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from benchmarks.peers.task import Task, read
from benchmarks.table import serve


def network(task: Task, member, batch_size: int, optimizer: str, rate: float) -> MLPClassifier:
    """A network that has taken no step, with the first weights of the task."""
    solver = {"adam": "adam", "momentum": "sgd"}[optimizer]
    options = {"momentum": 0.9, "nesterovs_momentum": False, "alpha": 0.0, "shuffle": False}
    sizes = tuple(bias.shape[-1] for bias in task.biases[:-1])
    net = MLPClassifier(sizes, solver=solver, batch_size=batch_size, learning_rate_init=rate, **options)
    net.partial_fit(task.X[:batch_size], task.y[:batch_size], classes=range(task.biases[-1].shape[-1]))
    for own, first in zip([*net.coefs_, *net.intercepts_], [*task.weights, *task.biases], strict=True):
        own[...] = first[member]
    del net._optimizer  # made anew, its moments at zero
    return net


def train(folder: str, batch_size: int, optimizer: str, rate: float) -> dict:
    """One network; returns the seconds of all epochs, and the loss over all rows after them."""
    task = read(folder)
    net = network(task, ..., batch_size, optimizer, rate)
    begin = time.perf_counter()
    for order in task.orders:
        net.partial_fit(task.X[order], task.y[order])
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "loss": log_loss(task.y, net.predict_proba(task.X))}


def train_ensemble(folder: str, batch_size: int, rate: float) -> dict:
    """The members one after the other, which is faster here than joblib's processes, as BaggingClassifier starts."""
    task = read(folder)
    members = range(len(task.weights[0]))
    nets = [network(task, member, batch_size, "adam", rate) for member in members]
    begin = time.perf_counter()
    for member, net in enumerate(nets):
        for order in task.orders[:, member]:
            net.partial_fit(task.X[order], task.y[order])
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "loss": sum(log_loss(task.y, net.predict_proba(task.X)) for net in nets) / len(nets)}


def predict(folder: str, batch_size: int) -> dict:
    """Probabilities of all rows, so many a call; returns the seconds, and the loss."""
    task = read(folder)
    net = network(task, ..., 256, "adam", 1e-3)
    begin = time.perf_counter()
    found = np.concatenate([net.predict_proba(task.X[k : k + batch_size]) for k in range(0, len(task.X), batch_size)])
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "loss": log_loss(task.y, found)}


if __name__ == "__main__":
    serve({"train": train, "ensemble": train_ensemble, "predict": predict}, version=sklearn.__version__)
