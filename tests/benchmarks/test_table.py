"""The helper of all benchmarks: rows, interleaving, peers in their own processes, the command line."""

import json
import os
import sys

import pytest

from benchmarks.table import (
    NotMeasured,
    Peer,
    PeerFailed,
    Row,
    Spread,
    compared,
    held_to,
    interleaved,
    main,
    row,
    table,
    timed,
    write_json,
)

FIELDS = ["case", "metric", "value", "unit", "low", "high", "peer", "peer_value", "ratio", "at_least", "aim"]
PEER = "tests.benchmarks.table_peer"


def script(name, numbers, order):
    numbers = iter(numbers)

    def measure():
        order.append(name)
        return next(numbers)

    return measure


def test_candidates_take_turns_and_the_warm_up_does_not_count():
    order = []
    spreads = interleaved({"a": script("a", [9, 1, 2, 3], order), "b": script("b", [8, 4, 6, 5], order)}, repeats=3)
    assert order == ["a", "b"] * 4
    assert spreads == {"a": Spread((1, 2, 3)), "b": Spread((4, 6, 5))}
    assert (spreads["b"].median, spreads["b"].low, spreads["b"].high) == (5, 4, 6)


def test_a_candidate_that_fails_drops_out_and_the_others_go_on():
    def broken():
        raise PeerFailed("not installed")

    spreads = interleaved({"ours": lambda: 2.0, "torch": broken}, repeats=2)
    assert spreads["ours"] == Spread((2.0, 2.0))
    assert spreads["torch"] == NotMeasured("not installed")
    entry = compared("case", spreads, unit="ms", at_least=3)
    assert (entry.value, entry.peer_value, entry.ratio, entry.reached()) == (2000, None, None, None)
    assert "torch: not installed" in table([entry])


def test_the_ratio_is_of_medians_and_above_one_where_we_are_faster():
    entry = compared("x", {"ours": Spread((1, 2, 30)), "peer": Spread((5, 6, 7))}, unit="s", at_least=2.5, aim=4)
    assert entry == Row("x", "time", 2, "s", 1, 30, "peer", 6, 3, 2.5, 4)
    assert entry.reached()


def test_what_is_asked_is_a_floor_but_for_times_a_ceiling():
    assert Row("a", "accuracy", 0.9, "", at_least=0.88).reached()
    assert Row("a", "accuracy", 0.9, "", at_least=0.92).reached() is False
    assert Row("a", "training", 9.0, "s", at_least=10).reached()
    assert Row("a", "training", 11.0, "s", at_least=10).reached() is False
    assert Row("a", "time", 11.0, "s", ratio=2.0, at_least=1.5).reached()
    assert Row("a", "accuracy", None, "%", at_least=1).reached() is None


def test_seconds_become_rates_run_by_run():
    assert Spread((1.0, 2.0, 4.0)).rate(8) == Spread((8.0, 4.0, 2.0))
    entry = row("gemm", "speed", Spread((1.0, 2.0, 4.0)).rate(8), "GF/s", at_least=4)
    assert (entry.value, entry.low, entry.high, entry.reached()) == (4, 2, 8, True)


def test_timed_divides_by_its_loops():
    calls = []
    assert timed(lambda: calls.append(1), loops=10)() >= 0
    assert len(calls) == 10


def test_the_table_leaves_empty_columns_out_and_keeps_its_cells_apart():
    text = table([Row("a|b", "time", 0.01234, "s"), Row("c", "time", None, "s")])
    assert text.splitlines() == [
        "| case | metric | value |",
        "| --- | --- | --- |",
        "| a/b | time | 0.01234 s |",
        "| c | time | not measured |",
    ]


def test_json_holds_every_field_and_refuses_what_is_not_finite(tmp_path):
    write_json([Row("a", "time", 1.0, "s")], tmp_path / "rows.json")
    (read,) = json.loads((tmp_path / "rows.json").read_text())
    assert list(read) == FIELDS
    assert read["peer"] is None
    with pytest.raises(ValueError, match="JSON"):
        write_json([Row("a", "time", float("nan"), "s")], tmp_path / "rows.json")


def test_a_peer_answers_from_its_own_process_whatever_it_prints():
    with Peer("twin", sys.executable, PEER) as peer:
        assert peer.version == "1.2"
        assert peer.run("add", a=1, b=2) == 3
        assert interleaved({"twin": peer.call("add", a=1, b=2)}, repeats=2)["twin"] == Spread((3, 3))
        with pytest.raises(PeerFailed, match="ValueError: no such kernel"):
            peer.run("fail")
        assert peer.run("add", a=2, b=2) == 4
        with pytest.raises(PeerFailed, match="status 3"):
            peer.run("die")
    assert peer.process.returncode == 3


@pytest.mark.parametrize(
    ("python", "module", "words"),
    [
        (None, PEER, "give --peers twin=PYTHON"),
        ("/nowhere/python", PEER, "absent, .*No such file"),
        (sys.executable, "tests.benchmarks.nothing_here", "absent, its process ended with status 1"),
    ],
)
def test_a_peer_that_is_missing_says_why(python, module, words):
    with Peer("twin", python, module) as peer, pytest.raises(PeerFailed, match=words):
        peer.run("add", a=1, b=2)


def test_a_process_is_held_to_its_cores_and_let_go_again():
    before = os.environ.get("OMP_NUM_THREADS")
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    with held_to(1):
        assert os.environ["OMP_NUM_THREADS"] == "1"
        if hasattr(os, "sched_getaffinity"):
            assert len(os.sched_getaffinity(0)) == 1
    assert os.environ.get("OMP_NUM_THREADS") == before
    if hasattr(os, "sched_getaffinity"):
        assert os.sched_getaffinity(0) == allowed


def cut_short(settings):
    yield Row("begun", "time", 1.0, "s")
    raise KeyboardInterrupt


CASES = {
    "gemm": lambda settings: [Row("gemm", "time", 3.0, "ms", at_least=2.0)],
    "barrier": lambda settings: [Row("barrier", "peers", float(len(settings.peers)), "")],
    "endless": cut_short,
}


def test_the_command_runs_the_cases_chosen_and_names_what_falls_short(tmp_path, capsys):
    rows = main("A benchmark.\n", CASES, argv=["--only", "g?mm", "--json", str(tmp_path / "rows.json")])
    assert [entry.case for entry in rows] == ["gemm"]
    printed = capsys.readouterr().out
    assert "| gemm | time | 3.000 ms | 2 | no |" in printed
    assert "Below what is asked: gemm (time)" in printed
    assert len(json.loads((tmp_path / "rows.json").read_text())) == 1


def test_a_run_that_is_cut_short_keeps_its_rows(capsys):
    rows = main("A benchmark.\n", CASES, argv=["--only", "endless"])
    assert [entry.case for entry in rows] == ["begun"]
    assert "cut short" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "count"), [([], 0), (["--peers", "torch,jax=/x/python"], 2), (["--quick", "--peers", "a"], 0)]
)
def test_peers_are_named_with_their_interpreters_and_left_out_of_quick_runs(flags, count):
    (entry,) = main("A benchmark.\n", CASES, argv=["--only", "barrier", *flags])
    assert entry.value == count


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--only", "nothing"], "no case is called so; there are gemm, barrier, endless"),
        (["--threads", "0"], "not a number of threads"),
        (["--peers", "=x"], "is not NAME=PYTHON"),
    ],
)
def test_flags_that_make_no_sense_are_told(flags, words, capsys):
    with pytest.raises(SystemExit):
        main("A benchmark.\n", CASES, argv=flags)
    assert words in capsys.readouterr().err
