from __future__ import annotations

import math
import multiprocessing
import os
from types import SimpleNamespace

import joblib
import pytest

from bioneuro._jit import cores
from bioneuro._jit.cores import ALONE, JUDGED, VARIABLE, Crew, settle, team_size, usable_cores, usable_threads
from bioneuro.errors import InvalidInput

pytestmark = pytest.mark.small
MUCH = {"outputs": 10**6, "nanoseconds": 1e12}


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(cores, "usable_cores", lambda: 8)


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ({"nanoseconds": 0}, 1),
        ({"nanoseconds": 1e5}, 1),
        ({"nanoseconds": 1e6}, 4),  # 1000 / T + 60 T (us) is least at 4.08
        ({"nanoseconds": 1e9}, 8),
        ({"nanoseconds": 1e9, "barriers": 1e9 / 5e3}, 1),  # 5 us apart
        ({"nanoseconds": 1e9, "barriers": 1e9 / 2e4}, 3),  # 20 us apart: 20 / T + 2 T is least at 3.2
        ({"nanoseconds": 1e9, "barriers": 1e9 / 1e6}, 8),
        ({"nanoseconds": 1e9, "outputs": 5}, 5),
        ({"nanoseconds": 1e9, "outputs": 0}, 1),
    ],
)
def test_the_work_chooses_the_threads(work, expected):
    assert team_size(**{"outputs": 1000} | work) == expected


def test_the_threads_that_the_user_asks_for_are_used_but_no_more_than_outputs(monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")
    assert team_size(3, outputs=100, nanoseconds=1.0) == 3
    assert team_size(20, outputs=100, nanoseconds=1.0) == 20
    assert team_size(20, outputs=10, nanoseconds=1.0) == 10
    assert team_size(20, outputs=0, nanoseconds=1.0) == 1


@pytest.mark.parametrize("value", [0, -1, 1.5, "many", math.nan, True])
def test_a_bad_request_is_named(value):
    with pytest.raises(InvalidInput, match=r"n_threads must be an integer in \[1, inf\), got"):
        team_size(value, **MUCH)


@pytest.mark.parametrize(("value", "threads"), [("1", 1), ("3", 3), (" 12 ", 12), ("", 8)])
def test_the_variable_replaces_the_number_of_cores(monkeypatch, value, threads):
    monkeypatch.setenv(VARIABLE, value)
    assert usable_threads() == threads
    assert team_size(**MUCH) == threads


@pytest.mark.parametrize("value", ["0", "-2", "2.5", "two", "inf", "nan"])
def test_a_bad_variable_is_named(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(InvalidInput, match=f"{VARIABLE} must be an integer in .* got {value!r}; or unset it"):
        team_size(**MUCH)


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.undo()
    cores._quota.cache_clear()
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert 1 <= usable_cores() <= allowed
    monkeypatch.setattr(cores, "_quota", lambda: math.inf)
    assert usable_cores() == allowed


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the operating system does not pin processes")
def test_a_process_that_is_pinned_to_one_core_uses_one(monkeypatch):
    monkeypatch.undo()
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == usable_threads() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, math.inf),
        ({"a/b": "max 100000"}, math.inf),
        ({"a/b": "150000 100000"}, 1.5),
        ({"": "300000 100000", "a": "50000 100000", "a/b": "max 100000"}, 0.5),
    ],
)
def test_the_smallest_quota_of_all_control_groups_around_counts(tmp_path, limits, expected):
    (tmp_path / "groups" / "a" / "b").mkdir(parents=True)
    (tmp_path / "own").write_text("4:memory:/elsewhere\n0::/a/b\n")
    for group, limit in limits.items():
        (tmp_path / "groups" / group / "cpu.max").write_text(limit + "\n")
    assert cores._quota(tmp_path / "groups", tmp_path / "own") == expected


def test_a_system_without_control_groups_has_no_quota(tmp_path):
    assert cores._quota(tmp_path, tmp_path / "absent") == math.inf


@pytest.mark.parametrize(("quota", "expected"), [(0.5, 1), (1.2, 2)])
def test_a_part_of_a_core_counts_as_one(monkeypatch, quota, expected):
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "_quota", lambda: quota)
    assert usable_cores() == expected


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_of_joblib_run_one_thread(monkeypatch, backend):
    monkeypatch.setenv(VARIABLE, "5")
    calls = [joblib.delayed(usable_threads)() for _ in range(2)]
    assert joblib.Parallel(n_jobs=2, backend=backend)(calls) == [1, 1]
    assert joblib.Parallel(n_jobs=1, backend=backend)(calls) == [5, 5], "nothing runs beside it"
    assert usable_threads() == 5


def test_children_of_multiprocessing_run_one_thread(monkeypatch):
    monkeypatch.setenv(VARIABLE, "5")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(usable_threads) == 1


@pytest.fixture
def system(monkeypatch):
    """Four cores, of which the thread stands on number 1; it moves to the lowest that it may use."""
    system = SimpleNamespace(core=1, allowed={0, 1, 2, 3}, asked=[])

    def move(thread, allowed):
        system.asked.append((thread, allowed))
        system.core = system.core if system.core in allowed else min(allowed)

    monkeypatch.setattr(cores, "_current_core", lambda: system.core)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: system.allowed, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", move, raising=False)
    return system


@pytest.mark.parametrize(
    ("taken", "to"), [(set(), 1), ({0, 2}, 1), ({1}, 0), ({0, 1}, 2), ({0, 1, 2}, 3), ({0, 1, 2, 3}, 1)]
)
def test_a_thread_leaves_a_core_that_is_taken_and_may_use_the_same_ones_afterwards(system, taken, to):
    before = set(taken)
    settle(taken)
    assert system.core == to
    assert taken == before | {to}
    assert system.asked in ([], [(0, system.allowed - before), (0, system.allowed)])
    assert bool(system.asked) == (to != 1)


def test_a_thread_stays_where_cores_are_not_told_or_are_taken_away(system, monkeypatch):
    def refuse(thread, allowed):
        raise OSError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    settle({1})
    monkeypatch.setattr(cores, "_current_core", lambda: None)
    settle(taken := {1})
    assert taken == {1}


def test_the_core_of_this_thread_is_one_that_it_may_use():
    settle(taken := set())
    assert taken <= (os.sched_getaffinity(0) if taken else set())


class Clock:
    """A time that passes when told."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def crew():
    """Two workers for whom one would need a millisecond a step, and the first run of theirs, which loads kernels."""
    crew = Crew(2, 1e-3, Clock())
    crew.note(1, 5.0)
    assert crew.workers() == 2
    return crew


def test_one_goes_on_for_a_while_where_the_team_is_far_slower(crew):
    crew.note(10, 19e-3)
    crew.note(30, 57e-3)  # less than twice as long
    assert crew.workers() == 2
    crew.note(1, 2.1 * JUDGED)
    assert crew.workers() == 1
    crew.note(100, 0.1)
    crew._clock.now += 0.99 * ALONE
    assert crew.workers() == 1
    crew._clock.now += 0.02 * ALONE
    assert crew.workers() == 2
    crew.note(40, 0.06)  # the cores are free again
    assert crew.workers() == 2


def test_where_one_is_hardly_quicker_the_team_goes_on_and_is_not_doubted_again(crew):
    crew.note(20, 60e-3)  # a slow machine
    assert crew.workers() == 1
    crew.note(20, 100e-3)
    assert crew.workers() == 2
    crew.note(20, 60e-3)
    assert crew.workers() == 2


def test_short_runs_are_judged_together(crew):
    for _ in range(4):
        crew.note(1, 0.22 * JUDGED)
        assert crew.workers() == 2
    crew.note(1, 0.22 * JUDGED)
    assert crew.workers() == 1
    crew.note(1, 0.9 * JUDGED)
    crew._clock.now += 2 * ALONE
    assert crew.workers() == 2
    crew.note(1, 0.9 * JUDGED)  # what one did before counts no more
    assert crew.workers() == 2


def test_a_team_of_one_is_never_judged():
    crew = Crew(1, 1e-3, Clock())
    for _ in range(3):
        crew.note(1, 10.0)
        assert crew.workers() == 1
