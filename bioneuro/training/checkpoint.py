"""The state of a training, and its file: what is needed to go on as if nothing had happened."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import DataNotFound, InvalidInput
from bioneuro.optim import Transform
from bioneuro.parameters import Parameters
from bioneuro.training.emphasis import Emphasis


class TrainingState(NamedTuple):
    """Everything needed to go on as if nothing had happened.

    step : steps taken. theta : the numbers now (not the best). optimizer, gradient : their states.
    loss : mean loss of each finished epoch; open_loss : summed over rows of the epoch under way.
    validation : validation loss of each finished epoch; best_theta : theta at its least, None without validation.
    row_losses : (n,) that the emphasis of the epoch under way goes by; None where it needs none.
    run : digest of what must not change between a run and its continuation.
    """

    step: int
    theta: np.ndarray
    optimizer: Any
    gradient: Any
    loss: list[float]
    open_loss: float
    validation: list[float]
    best_theta: np.ndarray | None
    row_losses: np.ndarray | None
    run: str


class Before(NamedTuple):
    """What a training leaves to one that carries it on with other data: steps taken, and the optimiser's state."""

    steps: int
    optimizer: Any


def digest_of_run(
    steps: int,
    parameters: Parameters,
    gradient: Callable,
    optimizer: Transform,
    key: Key,
    batch_size: int,
    emphasis: Emphasis,
    *arrays: np.ndarray | None,
) -> str:
    """What a run and its continuation must have in common; the schedules of a longer run may reach further."""
    learnt_by = gradient.identity() if hasattr(gradient, "identity") else ""
    said = (steps, parameters.topology.digest, learnt_by, optimizer.identity(), tuple(key), batch_size, emphasis)
    digest = hashlib.blake2b(repr(said).encode(), digest_size=8)
    for array in (parameters.theta, *arrays):
        if array is not None:
            digest.update(repr((array.shape, str(array.dtype))).encode())
            for numbers in (array,) if isinstance(array, np.ndarray) else (array.indptr, array.indices, array.data):
                digest.update(
                    zlib.crc32(np.ascontiguousarray(numbers).data).to_bytes(4)
                )  # all the data, as fast as read
    return digest.hexdigest()


def read(path) -> TrainingState | None:
    """The state in a checkpoint file; None where there is no file; refused where one could not be written."""
    from bioneuro import io
    from bioneuro.io.files import place_for

    place_for(path)
    try:
        state = io.load(path)
    except DataNotFound:
        return None
    if not isinstance(state, TrainingState):
        raise InvalidInput(f"{os.fspath(path)!r} is not a training checkpoint but holds a {type(state).__name__}")
    return state


def write(path, state: TrainingState) -> None:
    from bioneuro import io

    io.save(path, state)
