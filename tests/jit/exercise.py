"""Run every kernel of bioneuro._jit on small inputs: `python exercise.py float32 OUT.npz`; prints statistics.

A script rather than a test, so that tests can run it in fresh processes: with a cold cache, a warm one, and no JIT.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from bioneuro._jit import distributions, gemm, math, random, rows, simd, sparse
from bioneuro._jit.kernel import Slot, kernel, kernel_statistics, scalar, specialise
from bioneuro._jit.matrix import Matrix, at, stored, turned
from bioneuro._jit.team import barrier, enter, run_team, share, team_of_one

function = Slot("function(x)")


def _apply(x, out):
    for i in range(x.shape[0]):
        out[i] = function(x[i])


@scalar
def _square(block, first, rows, columns, power):
    for i in range(rows):
        for j in range(columns):
            block.values[at(block, i, j)] **= power


@kernel
def _overlap(words):
    return simd.count_differences(words, 0, words, 1, 1)


@kernel
def _transposed_product(a, b, out):
    gemm.multiply(turned(a), stored(b.values, b.start, b.row), out, 9, 40, 9, False)


@kernel
def _single_draws(key, out):
    row, step = np.uint64(3), np.uint64(4)
    for j in range(out.shape[1]):
        out[0, j] = distributions.uniform(key[0], key[1], row, np.uint64(j), step)
        out[1, j] = distributions.normal(key[0], key[1], row, np.uint64(j), step)
        out[2, j] = distributions.bernoulli(key[0], key[1], row, np.uint64(j), step, 0.4)
        out[3, j] = distributions.poisson(key[0], key[1], row, np.uint64(j), step, 4.0 * (j + 1))


@kernel
def _count(team, worker, out):
    begin, end = share(out.shape[0], worker, enter(team), 1)
    for i in range(begin, end):
        out[i] = i
    if barrier(team) and barrier(team_of_one()) and worker == 0:
        out[0] = out[-1]


def results(dtype):
    """Yield (name, array); names that start with "exact" are of whole numbers or single rounded operations."""
    key = random.Key.from_seed(0).child("exercise")
    x = np.linspace(-9, 9, 41).astype(dtype)
    for name in ("exp", "log", "sigmoid", "tanh", "softplus"):
        out = np.empty_like(x)
        specialise(_apply, function=getattr(math, name))(np.abs(x) if name == "log" else x, out)
        yield name, out

    z = np.sin(np.arange(60, dtype=dtype) * 7).reshape(3, 20)
    out, sums = np.empty_like(z), np.empty(3, dtype)
    rows.softmax_rows(z, out)
    rows.log_sum_exp_rows(z, sums)
    yield "softmax", out
    yield "log_sum_exp", np.append(sums, dtype(rows.log_sum_exp(z[0])))

    whole = np.arange(9 * 40, dtype=dtype).reshape(9, 40) % 7 - 3  # products of whole numbers have no rounding
    for n, m in ((1, 3), (6, 40)):
        a, b = np.resize(whole, (n, 9)), np.resize(whole[::-1], (9, m))
        yield f"exact product {n} x {m}", gemm.matmul(a, b)
        yield f"exact product_nt {n} x {m}", gemm.matmul_nt(a, b.T)
    yield "product", gemm.matmul(z, np.ascontiguousarray(z.T))
    squares = np.empty((9, 40), dtype)
    matrices = tuple(
        Matrix(x.reshape(-1), 0, width, 1) for x, width in ((whole[:, :9].copy(), 9), (whole, 40), (squares, 40))
    )
    specialise(gemm.in_blocks, finished=_square)(*matrices, 9, 40, 9, True, 2)
    yield "exact product with an epilogue", squares.copy()
    _transposed_product(*matrices)
    yield "exact product of a transpose", squares

    lists, factors, words = np.array([3, 0, 8], np.int32), whole[0, :3].copy(), np.array([2**63 + 5, 6], np.uint64)
    sums, matrix = np.zeros((2, 77), dtype), Matrix(whole.reshape(-1), 0, 40, 1)
    sparse.multiply_binary(lists, 0, 3, matrix, 37, sums[0], 0, False)
    begins, ends = np.array([0, 1]), np.array([2, 3])
    two_rows = Matrix(np.zeros(2 * 40, dtype), 0, 40, 1)
    sparse.multiply_sparse_rows(begins, ends, lists, factors, matrix, two_rows, 2, 37, False)
    yield "exact products of sparse rows", two_rows.values.copy()
    sparse.add_pattern(words, 0, matrix.values, 0, sums[1], 0, 77)
    yield "exact sums of rows", sums
    yield "exact overlap", np.array([_overlap(words)])

    counted = np.zeros(5, dtype)
    run_team(_count, 2, counted)
    yield "exact numbers by a team", counted

    yield "exact uniform", random.fill_uniform(key, 1, np.empty((3, 6), dtype))
    yield "exact bernoulli", random.fill_bernoulli(key, 1, dtype(0.3), np.empty((3, 6), dtype))
    chances = np.linspace(-3, 3, 600, dtype=dtype).reshape(2, 300)
    drawn = np.empty((2, 300), dtype)
    random.draw_bernoulli_of_sigmoid(key.words, np.array([3, 4], np.uint64), np.uint64(2), chances, drawn)
    yield "bernoulli of sigmoid", drawn
    yield "normal", random.fill_normal(key, 1, np.empty((3, 6), dtype))
    yield "exact poisson", random.fill_poisson(key, 1, dtype(2.0), np.empty((3, 6), dtype))
    yield (
        "exact poisson, large rates",
        random.fill_poisson(key, 1, np.logspace(1, 9, 9, dtype=dtype), np.empty(9, dtype)),
    )
    yield "exact permutation", random.permutation(key, 1, 20)
    yield "exact shuffle", random.shuffled(key, 2000)
    yield "exact hashes", random.hash_rows(z)
    single = np.empty((4, 6))
    _single_draws(key.words, single)
    yield "exact single draws", single[[0, 2, 3]]
    yield "single normals", single[1]


if __name__ == "__main__":
    np.savez(sys.argv[2], **dict(results(np.dtype(sys.argv[1]).type)))
    print(json.dumps([row._asdict() for row in kernel_statistics()]))
