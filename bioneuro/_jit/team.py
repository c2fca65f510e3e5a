"""A team of threads runs one kernel: every worker owns a range of the outputs, and all meet at barriers.

    @kernel
    def _epoch(team, worker, x, weights):
        begin, end = share(weights.shape[0], worker, enter(team))
        for step in range(x.shape[0]):
            ...                                     # writes weights[begin:end], reads anything
            if not barrier(team):
                return                              # somebody has left: let go

    run_team(_epoch, team_size(outputs=..., nanoseconds=..., barriers=...), x, weights)

Between two barriers no worker reads what another one writes, and no sum is split between workers; so the result has the
same bits for every size of the team. Workers take subnormal numbers as zero; the thread that calls gets its own
floating-point mode back. With the JIT off the same kernel runs in plain Python threads, which keep subnormal numbers.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from collections.abc import Callable

import numba
import numpy as np

from bioneuro._jit.cores import settle
from bioneuro._jit.kernel import kernel, scalar
from bioneuro._jit.processor import (
    atomic_add,
    atomic_load,
    claim,
    float_state,
    flush_subnormals,
    pause,
    set_float_state,
    yield_to_others,
)
from bioneuro.errors import check_number

_LINE = 16  # words (128 bytes) between two words of a team, so that writing one does not slow reading another
_ARRIVED, _LEFT, _SIZE = 0, _LINE, 2 * _LINE  # arrivals at all barriers so far; whether a worker has gone; workers
_SPINS = 50  # a microsecond or two; spinning longer gains nothing on idle cores and a lot is lost on busy ones


@scalar
def enter(team):
    """Begin a worker's part: subnormal numbers are zero from here on; return the number of workers (int64)."""
    flush_subnormals()
    return team[_SIZE]


@scalar
def team_of_one():
    """The words of a team whose only worker is number 0: for a part of a kernel that each worker runs by itself."""
    team = np.zeros(3 * _LINE, np.int64)
    team[_SIZE] = 1
    return team


@scalar
def share(total, worker, workers, multiple_of=16):
    """Return (begin, end): which of `total` outputs are the worker's own.

    The ranges of all workers follow one another; their lengths differ by at most one block. Each begins at a multiple
    of `multiple_of`, so that an output stands in the same lane of the same block for every number of workers; 16
    float32 also fill a cache line. Some are empty where there are fewer blocks than workers.
    """
    blocks = (total + multiple_of - 1) // multiple_of
    begin, end = blocks * worker // workers, blocks * (worker + 1) // workers
    return min(begin * multiple_of, total), min(end * multiple_of, total)


@kernel
def barrier(team):
    """Wait until every worker is here, and see what all have written; True.

    False if one never will be, because its kernel has returned or raised: then return at once. All workers get the same
    answer at the same barrier. About 40 ns where both workers are running and neither is late.
    """
    size = team[_SIZE]
    complete = (atomic_add(team, _ARRIVED, 1) // size + 1) * size
    spins = 0
    while atomic_load(team, _ARRIVED) < complete:
        if atomic_load(team, _LEFT) != 0:
            return atomic_load(team, _ARRIVED) >= complete  # it may have left after this barrier
        spins += 1
        if spins < _SPINS:
            pause()
        else:
            yield_to_others()
        claim(team, _ARRIVED)  # read and kept: the addition at the next barrier then waits for no other core
    return True


def run_team(function: Callable, size: int, *arguments) -> list:
    """Call function(team, worker, *arguments) for worker = 0 .. size - 1 at the same time, 0 in the calling thread.

    Parameters
    ----------
    function : a kernel that begins with `enter(team)`; or a Python function that calls kernels, which keep subnormal
        numbers and have no barriers, one after the other (`gemm.matmul`)
    size : number of workers, >= 1; more than there are cores is slow but ends
    arguments : the same for all workers: arrays and numbers

    Returns what each worker returned. An exception in any worker is raised here. However the call ends, Ctrl-C
    included, no worker touches the arrays any more, its threads are gone and the floating-point mode is what it was.
    Ctrl-C is noticed when worker 0 returns, or is between two kernels: run in pieces of a tenth of a second or less.
    """
    size = check_number("size", size, low=1, integer=True)
    team, answers, errors = _new_team(size), [None] * size, []
    if not getattr(function, "signatures", True):  # compile it here, where Ctrl-C is heard
        function.compile(tuple(numba.typeof(argument) for argument in (team, 0, *arguments)))

    failure, taken = None, set()

    def work(worker):
        if failure is None:
            try:
                settle(taken)
                answers[worker] = function(team, worker, *arguments)
            except BaseException as error:  # raised again in the calling thread
                errors.append(error)
            team[_LEFT] = 1

    helpers = [_Helper(work, worker) for worker in range(1, size)]
    floats = _read_float_state()
    _restore_float_state(floats)  # compiled before the mode changes
    if size > 1:
        settle(taken)
    settled = False
    while not settled:  # once more after an exception: Ctrl-C strikes anywhere, here too
        try:
            if failure is None:
                for helper in helpers:
                    helper.start()
                answers[0] = function(team, 0, *arguments)
            _restore_float_state(floats)
            team[_LEFT] = 1
            for helper in helpers:
                if failure is None or helper.begun:  # one that begins later sees the failure
                    helper.join()
            settled = True
        except BaseException as error:
            failure = error
    for error in (failure, *errors):
        if error is not None:
            raise error
    return answers


class _Helper:
    """A thread that makes one call. `threading.Thread` would hang or lose its lock if Ctrl-C struck in `start`."""

    def __init__(self, call, *arguments):
        self.begun = self.ended = False
        self._call, self._arguments, self._busy = call, arguments, allocate_lock()
        self._busy.acquire()

    def start(self):
        start_new_thread(self._run, ())

    def join(self):
        while not self.ended:
            self._busy.acquire()

    def _run(self):
        self.begun = True
        self._call(*self._arguments)
        self.ended = True
        self._busy.release()


def _new_team(size):
    words = np.zeros(4 * _LINE, np.int64)
    start = -(words.__array_interface__["data"][0] // words.itemsize) % _LINE
    team = words[start : start + 3 * _LINE]
    team[_SIZE] = size
    return team


@kernel
def _read_float_state():
    return float_state()


@kernel
def _restore_float_state(state):
    set_float_state(state)
