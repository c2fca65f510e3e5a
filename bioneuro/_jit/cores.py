"""How many threads to use, by the work between two barriers and by the cores that are ours; and where they run."""

from __future__ import annotations

import ctypes
import functools
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bioneuro.errors import check_number

VARIABLE = "BIONEURO_NUM_THREADS"
# Two workers on one core, the other busy elsewhere, lose 4 us at each barrier; on two idle cores 0.04 us.
# Starting a thread and waiting for its end takes 45 us, on a busy machine 100.
_BARRIER, _START = 2000.0, 60_000.0  # nanoseconds a worker
SLOW = 2  # times as long as one worker may a team take
JUDGED, ALONE = 0.05, 1.0  # seconds that a pace is taken over, and that one worker then goes on by itself
_GROUPS, _OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def team_size(requested: int | None = None, *, outputs: int, nanoseconds: float, barriers: int = 0) -> int:
    """Return how many threads finish soonest: the T that minimises

        nanoseconds / T + 2000 T barriers + 60000 (T - 1)        (nanoseconds, T >= 2; T = 1 meets nobody)

    with T no larger than the number of outputs, and than `BIONEURO_NUM_THREADS` or else the usable cores. Workers of
    joblib and of multiprocessing run one thread each.

    Parameters
    ----------
    requested : the user's `n_threads`: as many, whatever the formula says; None: choose
    outputs : how many pieces the outputs can be cut into
    nanoseconds : what one thread needs for the whole run, roughly
    barriers : how often the workers meet in it

    Raises `InvalidInput` for `requested` or the variable where it is not a whole number >= 1.
    """
    if requested is not None:
        return max(1, min(check_number("n_threads", requested, low=1, integer=True), outputs))

    def duration(size):
        return nanoseconds / size + (size > 1) * (_BARRIER * size * barriers + _START * (size - 1))

    most = max(1, min(usable_threads(), outputs))
    return min(range(1, most + 1), key=duration)


class Crew:
    """How many workers take the next run: a team, or for a while one alone, where the team is far slower.

    While other programs keep the cores busy, a worker that has lost its core keeps all others waiting at every barrier,
    for milliseconds. One then goes on by itself, and after `ALONE` seconds the team is tried again. This is for kernels
    whose bits do not depend on the number of workers.

    size : of the team. pace : seconds that one worker needs for a unit of work, roughly; it is measured when one goes
    on alone. clock : the time in seconds.
    """

    def __init__(self, size: int, pace: float, clock: Callable[[], float] = time.perf_counter):
        self.size, self._pace_of_one, self._pace_of_team, self._clock = size, pace, None, clock
        self._together, self._work, self._seconds, self._until = True, 0.0, 0.0, 0.0

    def workers(self) -> int:
        """For the next run: `size`, or 1."""
        together = not 0 < self._until - self._clock() <= ALONE  # what lies further ahead, another process has said
        if together != self._together:
            self._together, self._work, self._seconds = together, 0.0, 0.0
        return self.size if together else 1

    def note(self, work: float, seconds: float) -> None:
        """What the run has done, and how long it took; runs are judged when they have lasted `JUDGED` together."""
        self._work, self._seconds = self._work + work, self._seconds + seconds
        if self.size == 1 or self._seconds < JUDGED:
            return
        pace, self._work, self._seconds = self._seconds / self._work, 0.0, 0.0
        if self._together:
            slow = self._pace_of_team is not None and pace > SLOW * self._pace_of_one  # the first loads kernels
            self._pace_of_team, self._until = pace, self._clock() + ALONE if slow else 0.0
        else:
            self._pace_of_one = pace
            if SLOW * pace >= self._pace_of_team:
                self._until = 0.0


def usable_threads() -> int:
    """Return how many threads may run here at the same time."""
    value = os.environ.get(VARIABLE)
    most = usable_cores() if not value else check_number(VARIABLE, value, low=1, integer=True, hint="or unset it")
    return 1 if _is_pool_worker() else most


def usable_cores() -> int:
    """Return the number of cores that the operating system lets this process use (affinity, control groups)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota())))


def settle(taken: set[int]) -> None:
    """Move the calling thread to a core that is not taken, if it stands on one that is, and add its core to them.

    A core of a virtual machine that has slept counts as busy with Linux, which then starts the threads of a team on
    one and the same core and leaves them there for some hundredth of a second. Which cores the thread may use, and
    with it where Linux moves it later, is the same afterwards. Where a system does not tell the core, nothing is done.
    """
    core = _current_core()
    if core is None:
        return
    allowed = os.sched_getaffinity(0)
    if core in taken and allowed - taken:
        try:
            os.sched_setaffinity(0, allowed - taken)
            os.sched_setaffinity(0, allowed)
        except OSError:  # cores were taken from us in between: it stays where it is
            return
    taken.add(_current_core())


def _current_core() -> int | None:
    ask = _sched_getcpu()
    return None if ask is None else ask()


@functools.cache
def _sched_getcpu() -> Callable[[], int] | None:
    return getattr(ctypes.PyDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


def _is_pool_worker() -> bool:
    parallel = sys.modules.get("joblib.parallel")  # loaded wherever joblib is at work
    nested = parallel is not None and (parallel.get_active_backend()[0].nesting_level or 0) > 0
    return nested or multiprocessing.parent_process() is not None


@functools.cache
def _quota(groups: Path = _GROUPS, own_group: Path = _OWN_GROUP) -> float:
    """Return the cores' worth of time that Linux grants to this control group (version 2) and to those around it."""
    try:
        lines = own_group.read_text().splitlines()
    except OSError:
        return math.inf
    own = [groups / line.removeprefix("0::").lstrip("/") for line in lines if line.startswith("0::")]
    files = [folder / "cpu.max" for group in own for folder in (group, *group.parents)]
    limits = [file.read_text().split() for file in files if file.is_file()]
    return min((int(time) / int(period) for time, period in limits if time != "max"), default=math.inf)
