"""The primitives of bioneuro._jit beside OpenBLAS, plain loops, the memory, and torch.

    python -m benchmarks.machine_room [--quick] [--only PATTERN] [--threads N] [--peers torch=PYTHON] [--json PATH]

Medians and ranges of at least seven runs that alternate. What one thread does is measured in processor time of that
thread, which other processes of a shared machine lengthen less than wall time; what a team does, and reading memory, in
wall time. OpenBLAS is SciPy's, called through `scipy.linalg.cython_blas` from a compiled loop, so that it pays for no
Python; what a call of NumPy's `matmul` costs beside it stands in rows of its own. --threads (2) is the size of the
teams.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numba
import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - its address is taken below
from numba.extending import get_cython_function_address
from threadpoolctl import threadpool_limits

from benchmarks.table import Row, Settings, Spread, compared, interleaved, main, row
from bioneuro._jit.emit import REGISTER_BYTES
from bioneuro._jit.gemm import matmul, matmul_nt, multiply, multiply_nt
from bioneuro._jit.kernel import kernel
from bioneuro._jit.keys import Key
from bioneuro._jit.random import draw_bernoulli_of_sigmoid, draw_uniform
from bioneuro._jit.simd import Matrix, count_differences, part, turned
from bioneuro._jit.sparse import multiply_binary
from bioneuro._jit.team import barrier, enter, run_team, share

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


def flat(array: np.ndarray) -> Matrix:
    return Matrix(array.reshape(-1), 0, array.shape[1], 1)


# --- matrix products --------------------------------------------------------------------------------------------------

SGEMM = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(
    get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
)
LETTERS = {letter: np.frombuffer(letter.encode(), np.uint8).copy() for letter in "NT"}


@numba.njit(nogil=True)
def _openblas(loops, turn_a, turn_b, sizes, scales, a, b, out):
    """out = a b, row-major: for BLAS, which counts columns first, out' = b' a'."""
    m, n, k, row_b, row_a, row_out = (sizes[place:].ctypes for place in range(6))
    for _ in range(loops):
        SGEMM(
            turn_b.ctypes, turn_a.ctypes, m, n, k, scales.ctypes, b.ctypes, row_b, a.ctypes, row_a, scales[1:].ctypes,
            out.ctypes, row_out,
        )  # fmt: skip


@kernel
def _forward(loops, a, b, out, rows, columns, inner):
    for _ in range(loops):
        multiply(a, b, out, rows, columns, inner, False)


@kernel
def _backward(loops, a, b, out, rows, columns, inner):
    for _ in range(loops):
        multiply_nt(a, b, out, rows, columns, inner, False)


def products(rows: int, inner: int, columns: int) -> Iterator[tuple]:
    """Name, ours, OpenBLAS' and NumPy's function of the number of loops, for A B, A'B and A B'."""
    draw = np.random.default_rng(0).standard_normal
    a, b = draw((rows, inner)).astype(FLOAT), draw((inner, columns)).astype(FLOAT)
    for name, turn_a, turn_b in (("A B", "N", "N"), ("A'B", "T", "N"), ("A B'", "N", "T")):
        left = np.ascontiguousarray(a.T) if turn_a == "T" else a
        right = np.ascontiguousarray(b.T) if turn_b == "T" else b
        first, second = (x.T if turn == "T" else x for x, turn in ((left, turn_a), (right, turn_b)))
        outs = [np.empty((rows, columns), FLOAT) for _ in range(3)]
        lines = [columns, rows, inner, right.shape[1], left.shape[1], columns]
        blas = (LETTERS[turn_a], LETTERS[turn_b], np.array(lines, np.int32), np.array([1, 0], FLOAT), left, right)
        run = _backward if turn_b == "T" else _forward
        views = (turned(flat(left)) if turn_a == "T" else flat(left), flat(right), flat(outs[0]))
        sizes = (rows, columns, inner)

        def ours(loops, run=run, views=views, sizes=sizes):
            run(loops, *views, *sizes)

        def openblas(loops, blas=blas, out=outs[1]):
            _openblas(loops, *blas, out)

        def numpy(loops, first=first, second=second, out=outs[2]):
            for _ in range(loops):
                np.matmul(first, second, out=out)

        for function in (ours, openblas, numpy):
            function(1)
        np.testing.assert_allclose(outs[0], outs[1], atol=1e-5 * inner, rtol=0)
        yield name, ours, openblas, numpy


def gemm(settings: Settings) -> Iterator[Row]:
    ratios = []
    with threadpool_limits(1):
        for rows, inner, columns in SHAPES:
            work = 2e-9 * rows * inner * columns
            for name, ours, openblas, numpy in products(rows, inner, columns):
                case = f"gemm {rows} x {inner} x {columns}, {name}"
                candidates = {"ours": ours, "OpenBLAS": openblas, "NumPy": numpy}
                spreads = interleaved(
                    {who: steadily(function, work / 100) for who, function in candidates.items()}, repeats(settings)
                )
                entry = compared(case, spreads, unit="us", peer="OpenBLAS", at_least=0.9)
                ratios.append(entry.ratio)
                yield entry
                yield row(case, "speed", spreads["ours"].rate(work), "GF/s", at_least=OF_A_CORE)
                yield compared(case, {"ours": spreads["ours"], "NumPy's call": spreads["NumPy"]}, unit="us")
    mean = statistics.geometric_mean(ratios)
    yield Row(
        "gemm, all of these", "geometric mean", mean, "x", min(ratios), max(ratios), "OpenBLAS", ratio=mean, at_least=1.15
    )


@kernel
def _shared_product(team, worker, loops, a, b, out, rows, columns, inner):
    begin, end = share(rows, worker, enter(team))
    for _ in range(loops):
        multiply(part(a, begin, 0), b, part(out, begin, 0), end - begin, columns, inner, False)
        if not barrier(team):
            return


def gemm_team(settings: Settings) -> Iterator[Row]:
    rows, inner, columns = TEAM_SHAPE
    draw = np.random.default_rng(0).standard_normal
    a, b = draw((rows, inner)).astype(FLOAT), draw((inner, columns)).astype(FLOAT)
    out, other = np.empty((rows, columns), FLOAT), np.empty((rows, columns), FLOAT)
    sizes, work = (rows, columns, inner), 2e-9 * rows * inner * columns
    lines = np.array([columns, rows, inner, columns, inner, columns], np.int32)
    scales, letters = np.array([1, 0], FLOAT), (LETTERS["N"], LETTERS["N"])
    team = f"{settings.threads} threads"

    def with_team(size, target):
        return lambda loops: run_team(_shared_product, size, 4 * loops, flat(a), flat(b), flat(target), *sizes)

    def openblas(loops):
        with threadpool_limits(settings.threads):
            _openblas(4 * loops, *letters, lines, scales, a, b, other)

    names = {team: with_team(settings.threads, out), "one thread": with_team(1, other), f"OpenBLAS, {team}": openblas}
    spreads = interleaved(
        {name: steadily(run, work / 100, time.perf_counter) for name, run in names.items()}, repeats(settings)
    )
    spreads = {name: spread.scaled(0.25) for name, spread in spreads.items()}
    run_team(_shared_product, settings.threads, 1, flat(a), flat(b), flat(out), *sizes)
    run_team(_shared_product, 1, 1, flat(a), flat(b), flat(other), *sizes)
    assert out.tobytes() == other.tobytes(), "the bits must not depend on the size of the team"
    case = f"gemm {rows} x {inner} x {columns}, {team}"
    yield compared(case, spreads, unit="us", at_least=0.9 * settings.threads)
    yield compared(case, spreads, unit="us", peer=f"OpenBLAS, {team}")
    yield row(case, "speed", spreads[team].rate(work), "GF/s")


# --- sparse rows and packed patterns ----------------------------------------------------------------------------------


@kernel
def _listed(loops, lists, m, columns, out):
    for step in range(loops):
        rows = lists[step % lists.shape[0]]
        multiply_binary(rows, 0, rows.shape[0], m, columns, out, 0, False)


@kernel
def _listed_plainly(loops, lists, weights, out):
    for step in range(loops):
        out[:] = 0
        for row in lists[step % lists.shape[0]]:
            for j in range(out.shape[0]):
                out[j] += weights[row, j]


def row_sums(settings: Settings) -> Iterator[Row]:
    draw = np.random.default_rng(0)
    weights, out = draw.standard_normal((784, 512)).astype(FLOAT), np.empty(512, FLOAT)
    lists = np.stack([np.sort(draw.permutation(784)[:100]) for _ in range(100)]).astype(np.int32)
    spreads = interleaved(
        {
            "ours": steadily(lambda loops: _listed(loops, lists, flat(weights), 512, out), 3e-6),
            "plain loop": steadily(lambda loops: _listed_plainly(loops, lists, weights, out), 8e-6),
        },
        repeats(settings),
    )
    yield compared("sum of 100 of 784 rows of 512", spreads, unit="us", at_least=2.5)


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
        for p in range(begin, end):
            total = np.uint64(0)
            for word in patterns[p * words : (p + 1) * words]:
                total += word
            counts[p] = np.int64(total)


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


def draws(settings: Settings) -> Iterator[Row]:
    n, m = 256, 512
    key, rows, step = Key.from_seed(0).words, np.arange(n, dtype=np.uint64), np.uint64(1)
    fields, out = np.random.default_rng(0).standard_normal((n, m)).astype(FLOAT), np.empty((n, m), FLOAT)
    generator = np.random.Generator(np.random.Philox(0))

    def repeatedly(function):
        return steadily(lambda loops: [function() for _ in range(loops)], 2e-9 * n * m)

    spreads = interleaved(
        {
            "ours": repeatedly(lambda: draw_uniform(key, rows, step, out)),
            "NumPy's Philox": repeatedly(lambda: generator.random(out=out, dtype=FLOAT)),
        },
        repeats(settings),
    )
    spreads = {name: spread.scaled(1 / (n * m)) for name, spread in spreads.items()}
    yield row("uniform numbers by Philox, each", "time", spreads["ours"], "ns-", at_least=None)._replace(
        value=1e9 * spreads["ours"].median
    )
    del fields
