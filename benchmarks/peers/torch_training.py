"""Trainings by PyTorch, as fast as it goes on a processor: fused optimisers, subnormal numbers flushed, rows gathered
once an epoch by index (no DataLoader), weights as bare tensors (no modules)."""

from __future__ import annotations

import time

import torch
from torch.nn.functional import cross_entropy, linear, relu

from benchmarks.peers.task import read
from benchmarks.table import serve


def optimizer_of(name: str, parameters: list[torch.Tensor], rate: float) -> torch.optim.Optimizer:
    if name == "momentum":
        return torch.optim.SGD(parameters, rate, momentum=0.9, fused=True)
    return torch.optim.Adam(parameters, rate, fused=True)


def leaves(arrays, turned: bool) -> list[torch.Tensor]:
    tensors = [torch.from_numpy(array.copy()) for array in arrays]
    return [(t.T.contiguous() if turned else t).requires_grad_() for t in tensors]


def train(folder: str, batch_size: int, optimizer: str, rate: float) -> dict:
    """One network; returns the seconds of all epochs, and the loss over all rows after them."""
    task = read(folder)
    X, y, orders = (torch.from_numpy(array) for array in (task.X, task.y, task.orders))
    weights, biases = leaves(task.weights, turned=True), leaves(task.biases, turned=False)
    rule = optimizer_of(optimizer, weights + biases, rate)

    def logits(x):
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = relu(linear(x, weight, bias))
        return linear(x, weights[-1], biases[-1])

    begin = time.perf_counter()
    for order in orders:
        rows, labels = X.index_select(0, order), y.index_select(0, order)
        for x, label in zip(rows.split(batch_size), labels.split(batch_size), strict=True):
            rule.zero_grad(set_to_none=True)
            cross_entropy(logits(x), label).backward()
            rule.step()
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        return {"seconds": seconds, "loss": cross_entropy(logits(X), y).item()}


def train_ensemble(folder: str, batch_size: int, rate: float) -> dict:
    """All members in one batched product a layer, with one Adam; the loss is the mean of the members'."""
    task = read(folder)
    X, y, orders = (torch.from_numpy(array) for array in (task.X, task.y, task.orders))
    weights, biases = leaves(task.weights, turned=False), leaves([b[:, None] for b in task.biases], turned=False)
    members, n_classes = len(weights[0]), weights[-1].shape[-1]
    rule = optimizer_of("adam", weights + biases, rate)

    def logits(x):
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = relu(torch.baddbmm(bias, x, weight))
        return torch.baddbmm(biases[-1], x, weights[-1])

    begin = time.perf_counter()
    for order in orders:
        rows, labels = X[order], y[order]
        for x, label in zip(rows.split(batch_size, dim=1), labels.split(batch_size, dim=1), strict=True):
            rule.zero_grad(set_to_none=True)
            loss = cross_entropy(logits(x).reshape(-1, n_classes), label.reshape(-1))
            (members * loss).backward()  # each member the mean over its own batch
            rule.step()
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        found = logits(X.expand(members, *X.shape)).reshape(-1, n_classes)
        return {"seconds": seconds, "loss": cross_entropy(found, y.repeat(members)).item()}


def predict(folder: str, batch_size: int) -> dict:
    """Probabilities of all rows, so many a call; returns the seconds, and the loss."""
    task = read(folder)
    X, y = torch.from_numpy(task.X), torch.from_numpy(task.y)
    weights = [torch.from_numpy(array.T.copy()) for array in task.weights]
    biases = [torch.from_numpy(array) for array in task.biases]

    def chances(x):
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = relu(linear(x, weight, bias))
        return linear(x, weights[-1], biases[-1]).softmax(1)

    with torch.inference_mode():
        begin = time.perf_counter()
        found = torch.cat([chances(x) for x in X.split(batch_size)])
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "loss": -found[torch.arange(len(y)), y].log().mean().item()}


if __name__ == "__main__":
    torch.set_flush_denormal(True)
    serve({"train": train, "ensemble": train_ensemble, "predict": predict}, version=torch.__version__)
