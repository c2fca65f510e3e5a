from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
import threading
import time
from _thread import _count, interrupt_main, start_new_thread
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bioneuro
from bioneuro._jit import team
from bioneuro._jit.kernel import kernel
from bioneuro._jit.processor import atomic_load, pause
from bioneuro._jit.team import barrier, enter, run_team, share
from bioneuro.errors import InvalidInput
from tests.jit.team_exercise import decay, keeps_subnormals, met, threads_end

small = pytest.mark.small
compiled_only = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python threads")
EXERCISE = Path(__file__).with_name("team_exercise.py")
SIZES = (1, 2, 3, 4)


@kernel
def _who(team, worker, seen):
    workers = enter(team)
    seen[worker] += 1
    return worker * 10 + workers


@kernel
def _leave(team, worker, leaver, round_of_leaving, rounds, reached):
    enter(team)
    for step in range(rounds):
        if worker == leaver and step == round_of_leaving:
            return False
        reached[worker] = step
        if not barrier(team):
            return False
    return True


@kernel
def _fail(team, worker, culprit, reached):
    enter(team)
    for step in range(5):
        if worker == culprit and step == 3:
            raise ValueError("worker failed")
        reached[worker] = step
        if not barrier(team):
            return


@kernel
def _until(team, worker, stop, phase):
    """Worker 0 leaves when stop[0] is set, the others when stop[1] is."""
    enter(team)
    phase[worker] = 1
    while atomic_load(stop, min(worker, 1)) == 0:
        pause()
    phase[worker] = 2


@kernel
def _relax(team, worker, weights, state, other):
    """Ten sweeps of state <- tanh(W state), each output summed by one worker."""
    begin, end = share(state.shape[0], worker, enter(team))
    for _ in range(5):
        for source, target in ((state, other), (other, state)):
            for i in range(begin, end):
                total = np.float32(0)
                for j in range(source.shape[0]):
                    total += weights[i, j] * source[j]
                target[i] = np.tanh(total)
            if not barrier(team):
                return


def scene(name, cache, **environment):
    """Run a scene of the exercise in a process that is stopped should it hang; return what it prints."""
    command = [sys.executable, "-W", "error", EXERCISE, name]
    paths = os.pathsep.join([str(Path(bioneuro.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": paths} | environment
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def stopped_when_it_hangs():
    """End the whole process with a traceback where a test would wait for ever."""
    faulthandler.dump_traceback_later(600, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@small
@pytest.mark.parametrize("size", SIZES)
def test_every_worker_is_called_once_and_its_answer_returned(size):
    seen = np.zeros(size, np.int64)
    assert run_team(_who, size, seen) == [worker * 10 + size for worker in range(size)]
    assert seen.tolist() == [1] * size


@small
@pytest.mark.parametrize("size", SIZES)
def test_workers_of_a_team_settle_beside_each_other_the_caller_first_and_one_alone_stays(size, monkeypatch):
    asked = []
    monkeypatch.setattr(team, "settle", lambda taken: asked.append((threading.get_ident(), taken)))
    run_team(_who, size, np.zeros(size, np.int64))
    callers = [thread == threading.get_ident() for thread, _ in asked]
    assert callers == ([True] + [False] * (size - 1) if size > 1 else [])
    assert all(taken is asked[0][1] for _, taken in asked)


@small
@pytest.mark.parametrize("size", SIZES)
def test_nobody_passes_a_barrier_before_all_are_there(size):
    assert met(size, 20)


@compiled_only
@pytest.mark.parametrize("size", [2, 3])
def test_thousands_of_barriers_hold_everybody_back(size):
    assert met(size, 2000)


@small
@pytest.mark.parametrize("size", [0, -1, 1.5, "two", None])
def test_a_team_has_at_least_one_worker(size):
    with pytest.raises(InvalidInput, match=r"size must be an integer in \[1, inf\)"):
        run_team(_who, size, np.zeros(1, np.int64))


@small
@pytest.mark.parametrize("leaver", range(3))
@pytest.mark.parametrize("round_of_leaving", [0, 4])
def test_a_worker_that_leaves_releases_all_others_at_the_same_barrier(leaver, round_of_leaving):
    reached = np.full(3, -1)
    assert run_team(_leave, 3, leaver, round_of_leaving, 9, reached) == [False] * 3
    assert reached.tolist() == [round_of_leaving - (worker == leaver) for worker in range(3)]


@small
def test_a_barrier_that_all_have_reached_holds_although_others_leave_right_after_it():
    for _ in range(20):
        assert run_team(_leave, 3, -1, 0, 1, np.full(3, -1)) == [True] * 3


@small
@pytest.mark.parametrize("last_one_came", [True, False])
def test_a_barrier_is_complete_if_the_last_worker_came_before_somebody_left(monkeypatch, last_one_came):
    """The moment between looking at the arrivals and at who has left, which no stress test would meet."""
    words = team._new_team(2)

    def load_while_the_other_passes(words, place):
        value = int(words[place])
        if place == team._ARRIVED:
            words[team._ARRIVED], words[team._LEFT] = 1 + last_one_came, 1
        return value

    monkeypatch.setattr(team, "atomic_load", load_while_the_other_passes)
    assert getattr(barrier, "py_func", barrier)(words) == last_one_came


@small
@pytest.mark.parametrize("culprit", range(3))
def test_an_exception_in_any_worker_is_raised_in_the_caller_and_ends_all(culprit):
    reached, before = np.full(3, -1), _count()
    with pytest.raises(ValueError, match="worker failed"):
        run_team(_fail, 3, culprit, reached)
    assert reached.tolist() == [3 - (worker == culprit) for worker in range(3)]
    assert threads_end(before)
    assert keeps_subnormals()


@small
@pytest.mark.parametrize("threads_that_start", [0, 1])
def test_threads_that_cannot_start_end_the_run(monkeypatch, threads_that_start):
    started, before = [], _count()

    def refuse(function, arguments):
        if len(started) == threads_that_start:
            raise RuntimeError("can't start new thread")
        started.append(start_new_thread(function, arguments))

    monkeypatch.setattr(team, "start_new_thread", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        run_team(_fail, 3, -1, np.zeros(3, np.int64))
    assert threads_end(before)
    assert keeps_subnormals()


@small
@pytest.mark.parametrize("presses", [1, 2])
def test_interrupting_the_caller_ends_all_workers_before_it_is_raised(presses):
    stop, phase, before = np.zeros(2, np.int64), np.zeros(3, np.int64), _count()

    def press():
        while not phase.all():
            time.sleep(0.001)
        for _ in range(presses):
            interrupt_main()
            stop[0] = 1
            time.sleep(0.05)  # the caller now waits for the others
        stop[1] = 1

    finger = threading.Thread(target=press)
    finger.start()
    with pytest.raises(KeyboardInterrupt):
        run_team(_until, 3, stop, phase)
    assert stop.all()
    assert phase[1:].tolist() == [2, 2]
    finger.join()
    assert threads_end(before)
    assert keeps_subnormals()


@compiled_only
@pytest.mark.parametrize("size", SIZES)
def test_subnormal_numbers_are_zero_in_every_worker_and_only_there(size):
    values = np.full(64, 2.0**-120, np.float32)
    run_team(decay, size, np.full(64, 0.5, np.float32), values)
    assert (values == 0).all()
    assert keeps_subnormals()
    assert np.full(64, 2.0**-140, np.float32).all(), "subnormal numbers are no zeros to a caller"


@small
@pytest.mark.parametrize("n", [1, 16, 33, 100])
def test_the_size_of_the_team_does_not_change_a_bit(n):
    generator = np.random.default_rng(1)
    weights = (generator.normal(size=(n, n)) / np.sqrt(n)).astype(np.float32)  # rounding errors do not grow
    first = generator.normal(size=n).astype(np.float32)

    def result(size):
        state = first.copy()
        run_team(_relax, size, weights, state, np.empty_like(state))
        return state

    one = result(1)
    np.testing.assert_allclose(one, naive_relaxation(weights, first), atol=10 * n * np.finfo(np.float32).eps)
    assert [result(size).tobytes() for size in SIZES] == [one.tobytes()] * len(SIZES)


def naive_relaxation(weights, state):
    for _ in range(10):
        state = np.tanh(weights.astype(np.float64) @ state)
    return state


@small
def test_two_teams_run_at_once_from_two_threads():
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(met(2, 30))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 3


@small
@given(total=st.integers(0, 5000), workers=st.integers(1, 70), multiple_of=st.sampled_from([1, 4, 16, 64]))
def test_shares_follow_one_another_cover_all_and_differ_by_one_block(total, workers, multiple_of):
    ranges = [share(total, worker, workers, multiple_of) for worker in range(workers)]
    assert [begin for begin, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    assert ranges[-1][1] == total
    assert all(begin % multiple_of == 0 or begin == total for begin, _ in ranges)
    blocks = [-(-(end - begin) // multiple_of) for begin, end in ranges]
    assert max(blocks) - min(blocks) <= 1


@compiled_only
def test_four_workers_meet_on_two_busy_cores(cache):
    scene("crowd", cache)


@compiled_only
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the operating system cannot fork")
def test_children_of_a_process_that_used_a_team_can_use_one(cache):
    scene("fork", cache)


@compiled_only
@pytest.mark.skipif(sys.platform == "win32", reason="no timer signals")
def test_an_interrupt_at_any_moment_leaves_nothing_behind(cache):
    scene("strikes", cache)


@compiled_only
def test_a_second_process_compiles_nothing_and_yields_all_the_same(cache):
    misses, bits = scene("statistics", cache / "own").split()
    assert int(misses) > 0
    assert scene("statistics", cache / "own").split() == ["0", bits]


@compiled_only
def test_the_oldest_processor_gives_the_same_bits(cache):
    bits = scene("statistics", cache).split()[1]
    assert scene("statistics", cache, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="").split()[1] == bits


@compiled_only
def test_scenes_pass_without_the_jit(cache):
    assert scene("statistics", cache, NUMBA_DISABLE_JIT="1")
