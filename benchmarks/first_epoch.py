"""From the start of a process to the end of its first training, in seconds: a case of `benchmarks.feedforward`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.table import PeerFailed, Row, Settings, interleaved, row

REPEATS = 5
FIRST_EPOCH = {
    "NetworkClassifier": """
import bioneuro, feedforward
data = bioneuro.load_digits()
feedforward.NetworkClassifier((32,), epochs=1, dtype="float32", random_state=0).fit(data.X, data.y)
print("done", flush=True)
""",
    "training.fit": """
import numpy as np
import bioneuro
from bioneuro import optim, training
from bioneuro._jit.keys import Key
from bioneuro.initializers import initialise
from feedforward import Backprop, Network
from feedforward.normalisation import with_batch_norm
data = bioneuro.load_digits()
network = bioneuro.Topology.mlp(64, 32, 10)
first, targets = initialise(network, random_state=0), np.eye(10, dtype=np.float32)[data.y]
training.fit(
    first, Backprop(Network(network)), data.X, targets, optimizer=optim.adam(1e-3), epochs=1, key=Key.from_seed(0)
)
print("done", flush=True)
""",
}
WARM, EMPTY = (0.6, 0.4), (8.0, 4.0)


def first_epoch(settings: Settings) -> Iterator[Row]:
    """From the start of a process to the end of its first epoch, whether or not kernels are on disk already."""
    for way, script in FIRST_EPOCH.items():
        with tempfile.TemporaryDirectory() as folder:
            seconds_of_process(script, folder)
            warm = interleaved({"warm": partial(seconds_of_process, script, folder)}, repeats=REPEATS)["warm"]
        case = f"process start to the end of the first epoch on digits, by {way}"
        yield row(f"{case}, kernels on disk", "time", warm, "s", at_least=WARM[0], aim=WARM[1])
        if not settings.quick:
            empty = interleaved({"empty": partial(seconds_of_process, script)}, repeats=REPEATS, warm_up=0)["empty"]
            yield row(f"{case}, nothing on disk", "time", empty, "s", at_least=EMPTY[0], aim=EMPTY[1])


def seconds_of_process(script: str, kernels: str | None = None) -> float:
    """Until a script in a new process says that it is done; `kernels`: folder of compiled ones, None: an empty one."""
    with ExitStack() as stack:
        kernels = kernels or stack.enter_context(tempfile.TemporaryDirectory())
        environment, root = os.environ | {"NUMBA_CACHE_DIR": kernels}, Path(__file__).parents[1]
        begin = time.perf_counter()
        command = [sys.executable, "-c", script]
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment)
        )
        word = process.stdout.readline()
        seconds = time.perf_counter() - begin
        if word.strip() != "done":
            raise PeerFailed(f"the process ended with status {process.wait()}")
    return seconds
