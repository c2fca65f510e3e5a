"""Engines beside what they were without the machine room: cases of `benchmarks.machine_room`.

Backprop, contrastive divergence and the drawing of synapses do the work of their twins in `benchmarks.plain`, from the
same first weights; how far the losses agree stands beside the times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import plain
from benchmarks.feedforward import AGREEMENT, Answer, Candidate, Training, as_task, optimizer_of, training
from benchmarks.table import SETTLED, Row, Settings, compared, interleaved, timed
from bioneuro import Parameters, Population, Sparse, Topology
from bioneuro._jit.keys import Key
from bioneuro.topology import FixedOutDegree
from bioneuro.training.loop import fit
from energy.contrastive import ContrastiveDivergence
from energy.rbm import Machine, initial_parameters
from feedforward import Backprop, Network

REPEATS = 7
RATE = 0.01


def backprop(settings: Settings) -> Iterator[Row]:
    """Momentum through one epoch: compiled; with NumPy; and step by step, in the plain loop of the engine itself."""
    draw, rows, batch_size = np.random.default_rng(0), 640 if settings.quick else 12_800, 32
    X = draw.standard_normal((rows, 784), dtype=np.float32)
    ours = training(X, (X @ draw.standard_normal((784, 10))).argmax(axis=1), (784, 256, 10))
    task = as_task(ours)

    def with_numpy() -> Answer:
        begin = time.perf_counter()
        learnt = plain.backprop(task, RATE, batch_size)
        return {"seconds": time.perf_counter() - begin, "loss": ours.loss(_placed(ours, learnt))}

    def step_by_step() -> Answer:
        clock = _EveryStep()
        gradient = Backprop(Network(ours.parameters.topology), "cross-entropy")
        options = {"epochs": 1, "batch_size": batch_size, "key": ours.key, "callbacks": [clock]}
        learnt = fit(ours.parameters, gradient, X, ours.targets, optimizer=optimizer_of("momentum", RATE), **options)
        return {"seconds": time.perf_counter() - clock.began, "loss": ours.loss(learnt.parameters)}

    runs = {"ours": lambda: ours.answer(optimizer_of("momentum", RATE), batch_size)}
    runs |= {"the engine's plain loop": step_by_step} | _on_threads(settings, with_numpy)
    yield from _beside(f"backprop 784-256-10, batch {batch_size}, {rows:,} rows", runs)


def contrastive_divergence(settings: Settings) -> Iterator[Row]:
    """CD-1 through binary rows: a machine of 784 and 500 units, batch 100; ours on as many threads as are worth it."""
    draw, rows, batch_size = np.random.default_rng(0), 400 if settings.quick else 6_000, 100
    prototypes, which = draw.random((10, 784)) < 0.2, draw.integers(0, 10, rows)
    X = (prototypes[which] ^ (draw.random((rows, 784)) < 0.05)).astype(np.float32)
    key = Key.from_seed(0)
    first = initial_parameters(Topology.rbm(784, 500), X, sigma=0.01, key=key)
    machine = Machine.of(first)
    start = (machine.weights, machine.visible_bias, machine.hidden_bias)

    def ours() -> Answer:
        clock, options = _Clock(), {"epochs": 1, "batch_size": batch_size, "key": key}
        rule = optimizer_of("momentum", RATE)
        recording = fit(first, ContrastiveDivergence(), X, optimizer=rule, callbacks=[clock], **options)
        return {"seconds": time.perf_counter() - clock.began, "loss": recording["loss"][0]}

    def with_numpy() -> Answer:
        begin = time.perf_counter()
        loss = plain.contrastive_divergence(X, start, RATE, batch_size, np.random.default_rng(0))
        return {"seconds": time.perf_counter() - begin, "loss": loss}

    case = f"CD-1 784-500, batch {batch_size}, {rows:,} rows"
    yield from _beside(case, {"ours": ours} | _on_threads(settings, with_numpy))


def synapses(settings: Settings) -> Iterator[Row]:
    """So many synapses within a population, a tenth of all partners to each unit."""
    n = 1000 if settings.quick else 10_000
    topology = [Population("a", n)], [Sparse("a", "a", FixedOutDegree(n // 10))]
    runs = {
        "ours": timed(lambda: Topology(*topology).edges("a->a")),
        "NumPy": timed(lambda: plain.synapses(n, n // 10, np.random.default_rng(0))),
    }
    yield compared(f"{n * n // 10:,} synapses, fixed out-degree", interleaved(runs, REPEATS))


class _Clock:
    """A callback that notes when the first step begins: what comes before is preparation."""

    began = 0.0

    def begin(self, parameters: Parameters) -> None:
        self.began = time.perf_counter()

    def __call__(self, progress) -> None:
        return None


class _EveryStep(_Clock):
    """A callback that asks to see every step; such a training is not compiled."""

    after_step = _Clock.__call__


def _placed(ours: Training, learnt) -> Parameters:
    """Weights and biases, layer by layer, as `Parameters`."""
    placed = ours.parameters.copy()
    for projection, weights, bias in zip(placed.topology.projections, learnt[::2], learnt[1::2], strict=True):
        placed[projection.name][...], placed[f"{projection.post}.bias"][...] = weights, bias
    return placed


def _on_threads(settings: Settings, run: Callable[[], Answer]) -> dict[str, Callable[[], Answer]]:
    """`run` with its products on one thread, and on as many as there are for us."""

    def on(threads: int) -> Answer:
        with threadpool_limits(threads):
            return run()

    return {f"NumPy, products on {threads}": partial(on, threads) for threads in sorted({1, settings.threads})}


def _beside(case: str, runs: dict[str, Callable[[], Answer]]) -> Iterator[Row]:
    """Our time beside that of the others, and how far their losses agree with ours."""
    candidates = {name: Candidate(run) for name, run in runs.items()}
    spreads = interleaved(candidates, REPEATS, pause=SETTLED)
    for name in list(runs)[1:]:
        yield compared(case, spreads, peer=name)
        low, high = sorted((candidates["ours"].loss, candidates[name].loss))
        yield Row(case, "agreement of the losses", 100 * low / high, "%", peer=name, at_least=AGREEMENT)
