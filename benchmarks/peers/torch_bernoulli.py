"""Peer: draws of torch on one thread, in processor time of that thread."""

from __future__ import annotations

import time

import torch

from benchmarks.table import serve


def seconds(draw, rows: int, units: int) -> float:
    """Seconds of one draw, the mean over so many that they take some 20 ms."""
    torch.set_num_threads(1)
    fields = torch.randn(rows, units)
    chances, loops = torch.sigmoid(fields), 50
    begin = time.thread_time()
    for _ in range(loops):
        draw(fields, chances)
    return (time.thread_time() - begin) / loops


def bernoulli(rows: int, units: int) -> float:
    return seconds(lambda fields, chances: torch.bernoulli(chances), rows, units)


def sigmoid_bernoulli(rows: int, units: int) -> float:
    return seconds(lambda fields, chances: torch.bernoulli(torch.sigmoid(fields)), rows, units)


if __name__ == "__main__":
    serve({"bernoulli": bernoulli, "sigmoid_bernoulli": sigmoid_bernoulli}, version=torch.__version__)
