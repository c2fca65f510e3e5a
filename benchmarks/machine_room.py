"""The primitives of bioneuro._jit beside OpenBLAS, plain loops, the memory, and torch.

    python -m benchmarks.machine_room [--quick] [--only PATTERN] [--threads N] [--peers torch=PYTHON] [--json PATH]

Medians and ranges of at least seven runs that alternate. What one thread does is measured in processor time of that
thread, which other processes of a shared machine lengthen less than wall time; what a team does, and reading memory, in
wall time, after a run that wakes the cores. Matrices begin at cache lines, as the parameters of engines do. OpenBLAS is
SciPy's, called through `scipy.linalg.cython_blas` from a compiled loop, so that it pays for no Python, with the fastest
kernels that it has for this processor: the command starts itself anew with them (`benchmarks.openblas`), and rows name
them. What a call of NumPy's `matmul` costs beside it stands in rows of its own. --threads (2) is the size of the teams.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.openblas import kernels_in_use, sgemm, sgemm_arguments, start_with_best_kernels
from benchmarks.table import SETTLED, Row, Settings, Spread, compared, interleaved, main, row
from bioneuro._jit.emit import REGISTER_BYTES
from bioneuro._jit.gemm import matmul, matmul_nt, multiply, multiply_nt
from bioneuro._jit.kernel import kernel
from bioneuro._jit.keys import Key
from bioneuro._jit.matrix import Matrix, part, turned
from bioneuro._jit.random import (
    draw_bernoulli,
    draw_bernoulli_of_sigmoid,
    draw_normal,
    draw_poisson,
    draw_uniform,
    hash_rows,
    permutation,
)
from bioneuro._jit.rows import log_sum_exp_rows, softmax_rows
from bioneuro._jit.simd import PANEL, count_differences
from bioneuro._jit.sparse import add_pattern, multiply_binary, multiply_sparse_rows
from bioneuro._jit.team import barrier, enter, run_team, share
from bioneuro.parameters import aligned_zeros

SHAPES = [(16, 784, 256), (32, 64, 100), (128, 784, 512), (256, 512, 512)]  # rows, inner, columns
TEAM_SHAPE = (256, 784, 512)
OF_A_CORE = 95.0 if REGISTER_BYTES == 64 else None  # GF/s asked where the processor has AVX-512
RUN = 0.02  # seconds that one run should take
FLOAT = np.float32


def repeats(settings: Settings) -> int:
    return 3 if settings.quick else 9


def steadily(function: Callable[[int], object], once: float, clock=time.thread_time) -> Callable[[], float]:
    """The seconds of one of the `loops` that function(loops) runs, by the clock; `once` is about what one takes."""
    loops = max(1, round(RUN / once))

    def measure() -> float:
        begin = clock()
        function(loops)
        return (clock() - begin) / loops

    return measure


def awake(function: Callable[[int], object], once: float) -> Callable[[], float]:
    """`steadily` in wall time, five times as long, and twice, of which the second counts: cores that slept take some
    hundredth of a second to come to their full speed."""
    measure = steadily(function, once / 5, time.perf_counter)

    def twice() -> float:
        measure()
        return measure()

    return twice


def flat(array: np.ndarray) -> Matrix:
    return Matrix(array.reshape(-1), 0, array.shape[1], 1)


def aligned(array: np.ndarray) -> np.ndarray:
    """The same numbers in C order, from the beginning of a cache line on."""
    copy = aligned_zeros(array.size, array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


# --- matrix products --------------------------------------------------------------------------------------------------


@kernel
def _forward(loops, a, b, out, rows, columns, inner):
    for _ in range(loops):
        multiply(a, b, out, rows, columns, inner, False)


@kernel
def _backward(loops, a, b, out, rows, columns, inner):
    for _ in range(loops):
        multiply_nt(a, b, out, rows, columns, inner, False, PANEL)


def products(rows: int, inner: int, columns: int) -> Iterator[tuple]:
    """Name, ours, OpenBLAS' and NumPy's function of the number of loops, for A B, A'B and A B'."""
    draw = np.random.default_rng(0).standard_normal
    a, b = aligned(draw((rows, inner)).astype(FLOAT)), aligned(draw((inner, columns)).astype(FLOAT))
    for name, turn_a, turn_b in (("A B", "N", "N"), ("A'B", "T", "N"), ("A B'", "N", "T")):
        left = aligned(a.T) if turn_a == "T" else a
        right = aligned(b.T) if turn_b == "T" else b
        first, second = (x.T if turn == "T" else x for x, turn in ((left, turn_a), (right, turn_b)))
        outs = [aligned(np.zeros((rows, columns), FLOAT)) for _ in range(3)]
        blas = sgemm_arguments(left, right, turn_a, turn_b)
        run = _backward if turn_b == "T" else _forward
        views = (turned(flat(left)) if turn_a == "T" else flat(left), flat(right), flat(outs[0]))
        sizes = (rows, columns, inner)

        def ours(loops, run=run, views=views, sizes=sizes):
            run(loops, *views, *sizes)

        def openblas(loops, blas=blas, out=outs[1]):
            sgemm(loops, *blas, out)

        def numpy(loops, first=first, second=second, out=outs[2]):
            for _ in range(loops):
                np.matmul(first, second, out=out)

        for function in (ours, openblas, numpy):
            function(1)
        np.testing.assert_allclose(outs[0], outs[1], atol=1e-5 * inner, rtol=0)
        yield name, ours, openblas, numpy


def gemm(settings: Settings) -> Iterator[Row]:
    blas = f"OpenBLAS ({kernels_in_use()})"
    ratios = {blas: [], "NumPy's call": []}
    with threadpool_limits(1):
        for rows, inner, columns in SHAPES:
            work = 2e-9 * rows * inner * columns
            for name, ours, openblas, numpy in products(rows, inner, columns):
                case = f"gemm {rows} x {inner} x {columns}, {name}"
                candidates = {"ours": ours, blas: openblas, "NumPy": numpy}
                spreads = interleaved(
                    {who: steadily(function, work / 100) for who, function in candidates.items()}, repeats(settings)
                )
                entry = compared(case, spreads, unit="us", peer=blas, at_least=0.9)
                call = compared(case, {"ours": spreads["ours"], "NumPy's call": spreads["NumPy"]}, unit="us")
                ratios[blas].append(entry.ratio)
                ratios["NumPy's call"].append(call.ratio)
                yield entry
                yield row(case, "speed", spreads["ours"].rate(work), "GF/s", at_least=OF_A_CORE)
                yield call
    for peer, found in ratios.items():
        mean, asked = statistics.geometric_mean(found), 1.15 if peer == blas else None
        spread = (min(found), max(found))
        yield Row("gemm, geometric mean", "times as fast", mean, "x", *spread, peer, ratio=mean, at_least=asked)


@kernel
def _by_rows(team, worker, loops, a, b, out, rows, columns, inner):
    begin, end = share(rows, worker, enter(team))
    for _ in range(loops):
        multiply(part(a, begin, 0), b, part(out, begin, 0), end - begin, columns, inner, False)
        if not barrier(team):
            return


@kernel
def _by_columns(team, worker, loops, a, b, out, rows, columns, inner):
    begin, end = share(columns, worker, enter(team), PANEL)
    for _ in range(loops):
        multiply(a, part(b, 0, begin), part(out, 0, begin), rows, end - begin, inner, False)
        if not barrier(team):
            return


def gemm_team(settings: Settings) -> Iterator[Row]:
    """Workers own columns, as in all engines; beside it, rows."""
    rows, inner, columns = TEAM_SHAPE
    draw = np.random.default_rng(0).standard_normal
    a, b = aligned(draw((rows, inner)).astype(FLOAT)), aligned(draw((inner, columns)).astype(FLOAT))
    outs = [aligned(np.zeros((rows, columns), FLOAT)) for _ in range(4)]
    sizes, work = (rows, columns, inner), 2e-9 * rows * inner * columns
    team, blas = f"{settings.threads} threads", f"OpenBLAS ({kernels_in_use()}), {settings.threads} threads"

    def with_team(run, size, target):
        return lambda loops: run_team(run, size, loops, flat(a), flat(b), flat(target), *sizes)

    def openblas(loops):
        with threadpool_limits(settings.threads):
            sgemm(loops, *sgemm_arguments(a, b), outs[3])

    runs = {
        "by rows": with_team(_by_rows, settings.threads, outs[0]),
        "one thread": with_team(_by_rows, 1, outs[1]),
        "by columns": with_team(_by_columns, settings.threads, outs[2]),
        blas: openblas,
    }
    spreads = interleaved(
        {name: awake(run, work / 400) for name, run in runs.items()}, repeats(settings), pause=SETTLED
    )
    assert outs[0].tobytes() == outs[1].tobytes() == outs[2].tobytes(), "the bits must not depend on the team"
    case = f"gemm {rows} x {inner} x {columns}, {team}"
    yield compared(case, spreads, unit="us", ours="by columns", peer="one thread", at_least=0.9 * settings.threads)
    yield compared(case, spreads, unit="us", ours="by columns", peer=blas)
    yield row(case, "speed", spreads["by columns"].rate(work), "GF/s")
    yield compared(f"{case}, by rows", spreads, unit="us", ours="by rows", peer="one thread")


# --- sparse rows and packed patterns ----------------------------------------------------------------------------------


@kernel
def _listed(loops, lists, m, width, out):
    """All lists through one panel of columns after the other: m holds panels of `width` columns, each (rows, width)."""
    panels, rows = out.shape[1] // width, m.shape[0] // out.shape[1]
    for _ in range(loops // lists.shape[0]):
        for panel in range(panels):
            own = Matrix(m, panel * rows * width, width, 1)
            for i in range(lists.shape[0]):
                multiply_binary(lists[i], 0, lists.shape[1], own, width, out[i], panel * width, False)


@kernel
def _listed_plainly(loops, lists, weights, out):
    for step in range(loops):
        total = out[step % lists.shape[0]]
        total[:] = 0
        for chosen in lists[step % lists.shape[0]]:
            for j in range(total.shape[0]):
                total[j] += weights[chosen, j]


def row_sums(settings: Settings) -> Iterator[Row]:
    yield from _row_sums(settings, 784, 2.5)  # 1.6 MB
    yield from _row_sums(settings, 256, None)  # half a MB, which fits into most second-level caches


def _row_sums(settings: Settings, rows: int, asked: float | None) -> Iterator[Row]:
    """In rows, one sum after the other; and in panels, as engines keep weights. NumPy's array begins where it may."""
    draw, columns = np.random.default_rng(0), 512
    weights = draw.standard_normal((rows, columns)).astype(FLOAT)
    in_rows, in_panels = aligned(weights), aligned(weights.reshape(rows, -1, PANEL).swapaxes(0, 1))
    lists = np.stack([np.sort(draw.permutation(rows)[:100]) for _ in range(100)]).astype(np.int32)
    outs = [aligned(np.zeros((100, columns), FLOAT)) for _ in range(4)]
    runs = {
        "in panels": lambda loops: _listed(loops, lists, in_panels.reshape(-1), PANEL, outs[0]),
        "in rows": lambda loops: _listed(loops, lists, in_rows.reshape(-1), columns, outs[1]),
        "plain loop": lambda loops: _listed_plainly(loops, lists, in_rows, outs[2]),
        "plain loop, NumPy's array": lambda loops: _listed_plainly(loops, lists, weights, outs[3]),
    }
    spreads = interleaved({name: steadily(run, 2e-6) for name, run in runs.items()}, repeats(settings))
    assert outs[0].tobytes() == outs[1].tobytes() == outs[2].tobytes() == outs[3].tobytes()
    for ours in ("in panels", "in rows"):
        case = f"sum of 100 of {rows} rows of {columns}, {ours}"
        for peer in ("plain loop", "plain loop, NumPy's array"):
            yield compared(case, spreads, unit="us", ours=ours, peer=peer, at_least=asked)
        yield row(case, "speed", spreads[ours].rate(4e-7 * columns), "GB/s")


@kernel
def _overlaps(team, worker, loops, patterns, words, state, counts):
    begin, end = share(counts.shape[0], worker, enter(team))
    for _ in range(loops):
        for p in range(begin, end):
            counts[p] = count_differences(patterns, p * words, state, 0, words)


@kernel
def _read(team, worker, loops, patterns, words, state, counts):
    begin, end = share(counts.shape[0], worker, enter(team))
    for _ in range(loops):
        own, total = patterns[begin * words : end * words], np.uint64(0)
        for i in range(own.shape[0]):
            total += own[i]
        counts[begin] = np.int64(total)


def overlaps(settings: Settings) -> Iterator[Row]:
    draw, words = np.random.default_rng(0), 64  # patterns of 4096 units
    large = 2**14 if settings.quick else 2**19  # 8 or 256 MB
    for place, count in (("in cache", 512), ("from memory", large)):
        patterns, state = draw.integers(0, 2**64, count * words, np.uint64), draw.integers(0, 2**64, words, np.uint64)
        counts, size = np.empty(count, np.int64), 8e-9 * patterns.size
        arguments = (patterns, words, state, counts)
        spreads = interleaved(
            {
                name: steadily(
                    lambda loops, run=run, arguments=arguments: run_team(run, settings.threads, loops, *arguments),
                    size / (40 if place == "in cache" else 10),
                    time.perf_counter,
                )
                for name, run in (("ours", _overlaps), ("reading alone", _read))
            },
            repeats(settings),
        )
        case = f"overlap of packed patterns, {place}"
        in_cache = place == "in cache"
        yield row(case, "speed", spreads["ours"].rate(size), "GB/s", at_least=40 if in_cache else None)
        yield compared(case, spreads, unit="us", at_least=None if in_cache else 0.85)


# --- random numbers ---------------------------------------------------------------------------------------------------


def uniform(settings: Settings) -> Iterator[Row]:
    out, case = np.empty((256, 512), FLOAT), "uniform float32 by Philox, each"
    key, rows = Key.from_seed(0).words, np.arange(256, dtype=np.uint64)
    generator = np.random.Generator(np.random.Philox(0))
    yield from each(
        case,
        {
            "ours": lambda: draw_uniform(key, rows, np.uint64(1), out),
            "NumPy's Philox": lambda: generator.random(out=out, dtype=FLOAT),
        },
        out.size,
        settings,
    )


def bernoulli(settings: Settings) -> Iterator[Row]:
    fields = np.random.default_rng(0).standard_normal((256, 512)).astype(FLOAT)
    out, key, rows = np.empty_like(fields), Key.from_seed(0).words, np.arange(256, dtype=np.uint64)
    with settings.peer("torch", "benchmarks.peers.torch_bernoulli") as torch:
        yield from each(
            "sigmoid and Bernoulli draw, a unit",
            {"ours": lambda: draw_bernoulli_of_sigmoid(key, rows, np.uint64(1), fields, out)},
            out.size,
            settings,
            {f"torch.{name}": torch.call(name, rows=256, units=512) for name in ("bernoulli", "sigmoid_bernoulli")},
        )


def each(case: str, functions: dict, numbers: int, settings: Settings, peers: dict | None = None) -> Iterator[Row]:
    """The time of one of so many numbers, at most 1 ns, and beside each of the others."""
    runs = {
        name: steadily(lambda loops, f=function: [f() for _ in range(loops)], 2e-9 * numbers)
        for name, function in functions.items()
    }
    spreads = interleaved(runs | (peers or {}), repeats(settings))
    spreads = {name: s.scaled(1 / numbers) if isinstance(s, Spread) else s for name, s in spreads.items()}
    yield row(case, "time", spreads["ours"].scaled(1e9), "ns", at_least=1.0)
    for name in list(spreads)[1:]:
        yield compared(case, spreads, unit="ns", peer=name)


# --- teams and compilation --------------------------------------------------------------------------------------------


@kernel
def _meet(team, worker, loops):
    enter(team)
    for _ in range(loops):
        if not barrier(team):
            return


def barriers(settings: Settings) -> Iterator[Row]:
    measure = awake(lambda loops: run_team(_meet, settings.threads, loops), 2e-7)
    spread = interleaved({"ours": measure}, repeats(settings))["ours"]
    limit = 0.2 if settings.threads == 2 else None  # us
    yield row(f"barrier of {settings.threads} threads", "time", spread.scaled(1e6), "us", at_least=limit)


FIRST_USE = """
import time
import benchmarks.openblas, benchmarks.table, bioneuro.parameters
begin = time.process_time()
from benchmarks.machine_room import use_everything
use_everything()
print(time.process_time() - begin)
"""


def use_everything() -> None:
    """Run each kernel that engines call, in float32: what has to be compiled, or loaded."""
    a, key = np.ones((3, 40), FLOAT), Key.from_seed(0)
    matmul(a, a.T.copy()), matmul_nt(a, a)
    words, lists = np.ones(3, np.uint64), np.array([0, 2], np.int32)
    multiply_binary(lists, 0, 2, flat(a), 40, np.empty(40, FLOAT), 0, False)
    begins, ends = np.array([0]), np.array([2])
    multiply_sparse_rows(begins, ends, lists, a[0], flat(a), flat(np.empty((1, 40), FLOAT)), 1, 40, False)
    add_pattern(words, 0, a[0], 0, np.empty(40, FLOAT), 0, 40)
    softmax_rows(a, a.copy()), log_sum_exp_rows(a, np.empty(3, FLOAT))
    draw_uniform(key.words, words, np.uint64(0), a)
    draw_normal(key.words, words, np.uint64(0), a)
    draw_bernoulli(key.words, words, np.uint64(0), a, a, 0, a.shape[1])
    draw_bernoulli_of_sigmoid(key.words, words, np.uint64(0), a, a)
    draw_poisson(key.words, words, np.uint64(0), np.ones_like(a), a)
    permutation(key, 0, 5), hash_rows(a)
    run_team(_overlaps, 1, 1, words, 1, words, np.empty(3, np.int64))
    run_team(_meet, 1, 1)


def compilation(settings: Settings) -> Iterator[Row]:
    """Fresh processes: the first compiles into an empty folder, the following ones load."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}

        def first_use() -> float:
            command = [sys.executable, "-c", FIRST_USE]
            return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

        case = "machine room, float32"
        yield row(case, "compiled", Spread((first_use(),)), "s", at_least=12.0)
        loaded = interleaved({"ours": first_use}, repeats(settings), warm_up=0)["ours"]
        yield row(case, "loaded from disk", loaded, "s", at_least=0.3)


def beside_numpy(name: str) -> Callable[[Settings], Iterator[Row]]:
    """A case of `benchmarks.before_after`, loaded when it runs: its engines are no part of the machine room."""
    return lambda settings: getattr(import_module("benchmarks.before_after"), name)(settings)


CASES = {
    "gemm": gemm,
    "gemm-team": gemm_team,
    "row-sums": row_sums,
    "overlaps": overlaps,
    "uniform": uniform,
    "bernoulli": bernoulli,
    "barriers": barriers,
    "backprop": beside_numpy("backprop"),
    "contrastive-divergence": beside_numpy("contrastive_divergence"),
    "synapses": beside_numpy("synapses"),
    "compilation": compilation,
}

if __name__ == "__main__":
    start_with_best_kernels()
    main(__doc__, CASES, threads=2)
