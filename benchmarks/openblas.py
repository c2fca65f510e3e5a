"""OpenBLAS as a peer: SciPy's, called without Python, with the kernels that are fastest on this processor.

OpenBLAS chooses its kernels by the processor's name when it is loaded, and where it does not know the name, or where
OPENBLAS_CORETYPE or OPENBLAS_L2_SIZE ask for others, they may be half as fast as they could be. A benchmark that calls
`start_with_best_kernels` first is started anew with the fastest of those that run here.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import numba
import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - its address is taken below
from numba.extending import get_cython_function_address
from threadpoolctl import threadpool_info

from benchmarks.table import HELD_BACK

KERNELS = ("", "SkylakeX", "Haswell", "NeoverseN1")  # "": what OpenBLAS takes by itself
CHOSEN = "BIONEURO_BENCHMARK_KERNELS"  # set once a process has been started with the best
CLEARLY = 1.05  # times as fast, or OpenBLAS keeps its own choice
PROBE = """
import time
import numpy as np
from scipy.linalg.blas import sgemm
a, times = np.ones((384, 384), np.float32, order="F"), []
for _ in range(20):
    begin = time.perf_counter()
    sgemm(1.0, a, a)
    times.append(time.perf_counter() - begin)
print(min(times))
"""


def start_with_best_kernels() -> None:
    """Put this process's command in its own place, with the fastest kernels; return if that has been done."""
    if CHOSEN in os.environ:
        return
    free = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
    best = fastest({name: seconds for name in KERNELS if (seconds := probe(free | asking_for(name))) is not None})
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], free | asking_for(best) | {CHOSEN: best})


def asking_for(kernels: str) -> dict[str, str]:
    """The environment that makes OpenBLAS take these kernels."""
    return {"OPENBLAS_CORETYPE": kernels} if kernels else {}


def probe(environment: dict[str, str]) -> float | None:
    """Seconds of a product on one thread of a process in this environment; None where it dies of its kernels."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=environment | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return float(done.stdout) if done.returncode == 0 else None


def fastest(seconds: dict[str, float]) -> str:
    """The kernels that took least; OpenBLAS' own choice ("") unless others are clearly faster."""
    best = min(seconds, key=seconds.get)
    return "" if seconds.get("", np.inf) <= CLEARLY * seconds[best] else best


def kernels_in_use() -> str:
    """The name of the kernels that SciPy's OpenBLAS runs."""
    found = [library for library in threadpool_info() if "scipy.libs" in library["filepath"]]
    return next((library["architecture"] for library in found if "architecture" in library), "unknown kernels")


SGEMM = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(
    get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
)
LETTERS = {letter: np.frombuffer(letter.encode(), np.uint8).copy() for letter in "NT"}


def sgemm_arguments(left: np.ndarray, right: np.ndarray, turn_left: str = "N", turn_right: str = "N") -> tuple:
    """What `sgemm` needs, but for the number of loops and `out`, to multiply two float32 matrices in C order.

    turn_left, turn_right : "T" where the transpose is meant
    """
    rows, inner = left.shape if turn_left == "N" else left.shape[::-1]
    columns = right.shape[1] if turn_right == "N" else right.shape[0]
    lines = np.array([columns, rows, inner, right.shape[1], left.shape[1], columns], np.int32)
    return LETTERS[turn_left], LETTERS[turn_right], lines, np.array([1, 0], np.float32), left, right


@numba.njit(nogil=True)
def sgemm(loops, turn_a, turn_b, sizes, scales, a, b, out):
    """out = a b, row-major: for BLAS, which counts columns first, out' = b' a'."""
    for _ in range(loops):
        SGEMM(
            turn_b.ctypes,
            turn_a.ctypes,
            sizes[0:].ctypes,  # columns, rows, inner
            sizes[1:].ctypes,
            sizes[2:].ctypes,
            scales[0:].ctypes,
            b.ctypes,
            sizes[3:].ctypes,  # how far apart the rows of b, a and out are
            a.ctypes,
            sizes[4:].ctypes,
            scales[1:].ctypes,
            out.ctypes,
            sizes[5:].ctypes,
        )
