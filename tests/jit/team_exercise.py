"""Teams in fresh processes: `python team_exercise.py SCENE`, which ends without an error, or never.

Scripts rather than tests, so that a test can stop a process that hangs, and see one with a warm cache or no JIT.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from _thread import _count

import numpy as np

from bioneuro._jit.kernel import kernel, kernel_statistics
from bioneuro._jit.processor import atomic_load, pause
from bioneuro._jit.team import barrier, enter, run_team, share


@kernel
def meet(team, worker, rounds, marks, faults):
    """Every worker leaves a mark in each round and looks for those of all others."""
    workers = enter(team)
    for step in range(rounds):
        marks[worker] = step
        if not barrier(team):
            return False
        for other in range(workers):
            faults[worker] += marks[other] != step
        if not barrier(team):
            return False
    return True


@kernel
def decay(team, worker, rates, values):
    """values_i <- rates_i values_i until none is left, long past the smallest normal number."""
    begin, end = share(values.shape[0], worker, enter(team))
    for _ in range(20):
        for i in range(begin, end):
            values[i] *= rates[i]
        if not barrier(team):
            return


@kernel
def count(team, worker, rounds, counts):
    enter(team)
    for _ in range(rounds):
        counts[worker] += 1
        if not barrier(team):
            return


@kernel
def _spin(stop):
    while atomic_load(stop, 0) == 0:
        pause()


def met(size, rounds):
    """Return whether `size` workers met in every round, and nobody was early."""
    faults = np.zeros(size, np.int64)
    return all(run_team(meet, size, rounds, np.full(size, -1), faults)) and not faults.any()


def threads_end(number):
    """Return whether no more than `number` threads remain. One may need some microseconds after its last word."""
    patience = time.monotonic() + 60
    while _count() > number and time.monotonic() < patience:
        time.sleep(0)
    return _count() <= number


def keeps_subnormals():
    return bool(np.float32(1e-38) * np.float32(0.5) > 0)


def crowd():
    """Four workers on two cores, both of them busy with something else."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    stop = np.zeros(1, np.int64)
    others = [threading.Thread(target=_spin, args=(stop,)) for _ in range(2)]
    for thread in others:
        thread.start()
    assert met(4, 400)
    stop[0] = 1


def strikes():
    """Ctrl-C at many moments of a run: before, between and after the threads start, inside the kernel, at the end."""
    inside = run_team.__code__

    def strike(number, frame):
        while frame is not None:
            if frame.f_code is inside:
                raise KeyboardInterrupt
            frame = frame.f_back

    signal.signal(signal.SIGALRM, strike)
    run_team(count, 3, 20, np.zeros(3, np.int64))
    struck, before = 0, _count()
    for attempt in range(1500):
        counts = np.zeros(3, np.int64)
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + attempt % 500))
        try:
            run_team(count, 3, 20, counts)
        except KeyboardInterrupt:
            struck += 1
        assert keeps_subnormals()
        left = counts.copy()
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(0.0005)  # a thread that was about to begin begins
        assert threads_end(before)
        assert (counts == left).all()
    assert struck > 50, struck


def fork():
    """Children of a process that has used teams use them too."""
    assert met(3, 20)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    children = [context.Process(target=lambda: answers.put(met(3, 20))) for _ in range(2)]
    for child in children:
        child.start()
    assert met(3, 20)
    assert [answers.get(), answers.get()] == [True, True]
    for child in children:
        child.join()


def statistics():
    """Print how many kernels were compiled, and what a run gave."""
    values = np.geomspace(1e-38, 1, 100, dtype=np.float32)
    run_team(decay, 2, np.full(100, 0.5, np.float32), values)
    assert met(2, 20)
    print(sum(row.misses for row in kernel_statistics()), values.tobytes().hex())


if __name__ == "__main__":
    {scene.__name__: scene for scene in (crowd, strikes, fork, statistics)}[sys.argv[1]]()
