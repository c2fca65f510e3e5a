"""What all benchmarks share: rows, interleaved repeats, the table, `--json`, and peers under their own interpreters.

A benchmark is a table of cases; a case is a function from `Settings` to rows:

    def gemm(settings: Settings) -> Iterator[Row]:
        a, b = ...
        spreads = interleaved({"ours": timed(lambda: product(a, b)), "OpenBLAS": timed(lambda: a @ b)}, repeats=7)
        yield compared("gemm 16x784x256", spreads, unit="us", at_least=1.15)      # ratio of the medians of the times
        yield row("gemm 16x784x256", "speed", spreads["ours"].rate(2e-9 * 16 * 784 * 256), "GF/s", at_least=95)

    if __name__ == "__main__":
        main(__doc__, {"gemm": gemm})

`main` reads the flags that every benchmark has (--quick, --only, --threads, --peers, --json), holds the process to
`--threads` cores, runs the cases chosen and prints their rows, also those at hand when a run is cut short by Ctrl-C.

A peer is a module that serves named cases, run by an interpreter of its own (`--peers torch=PYTHON`), alive for the
whole benchmark, so that its runs alternate with ours and its warm-up counts once:

    # benchmarks/peers/torch_digits.py, needs nothing of this project but this file, which imports the standard library
    serve({"train": train}, version=torch.__version__)             # train(data=PATH, batch=32) returns seconds

    with settings.peer("torch", "benchmarks.peers.torch_digits") as torch:
        spreads = interleaved({"ours": timed(ours), "torch": torch.call("train", data=path, batch=32)})

A peer that is not installed, or that fails, becomes a row that says so.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}  # the units in which less is better
SETTLED = 0.3  # seconds after which no idle thread of a BLAS spins any more
BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
HELD_BACK = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # may hold OpenBLAS to old kernels; peers choose by themselves


class Row(NamedTuple):
    """One line of a table; its fields are the keys of `--json`, None where one does not apply.

    case, metric : what was measured, on what
    value, unit  : ours, the median of its runs unless `metric` says otherwise; None where it could not be measured
    low, high    : least and greatest run
    peer         : whom it is beside, or the control that learns nothing
    peer_value   : theirs, in the same unit
    ratio        : of the medians, > 1 meaning that we are better; None where a quotient says nothing (accuracies)
    at_least     : what is asked of `ratio` where there is one, of `value` otherwise; a ceiling for times and their unit
    aim          : what is hoped for, read in the same way
    """

    case: str
    metric: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    at_least: float | None = None
    aim: float | None = None

    def reached(self) -> bool | None:
        """Whether `at_least` holds; None where nothing was asked or measured."""
        measured = self.value if self.ratio is None else self.ratio
        if self.at_least is None or measured is None:
            return None
        ceiling = self.ratio is None and self.unit in PER_SECOND
        return measured <= self.at_least if ceiling else measured >= self.at_least


# --- measuring --------------------------------------------------------------------------------------------------------


class Spread(NamedTuple):
    """The runs of one candidate, in order."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.runs)

    @property
    def low(self) -> float:
        return min(self.runs)

    @property
    def high(self) -> float:
        return max(self.runs)

    def scaled(self, factor: float) -> Spread:
        return Spread(tuple(factor * run for run in self.runs))

    def rate(self, work: float) -> Spread:
        """`work` a second, for runs in seconds."""
        return Spread(tuple(work / run for run in self.runs))


class NotMeasured(NamedTuple):
    """Why a candidate has no runs."""

    reason: str


class PeerFailed(RuntimeError):
    """A peer is absent, died, or answered with an error."""


def timed(function: Callable[[], object], loops: int = 1) -> Callable[[], float]:
    """A callable that gives the seconds of one call of `function`, the mean over `loops` calls in a row."""

    def measure() -> float:
        begin = time.perf_counter()
        for _ in range(loops):
            function()
        return (time.perf_counter() - begin) / loops

    return measure


def interleaved(
    candidates: Mapping[str, Callable[[], float]], repeats: int = 7, warm_up: int = 1, pause: float = 0.0
) -> dict[str, Spread | NotMeasured]:
    """Numbers of every candidate in turn (ours, peer, ours, peer, ...), after `warm_up` rounds that do not count.

    A slow spell of the machine so falls on all. A candidate that raises `PeerFailed` drops out, the others go on.
    Where several threads are at work, sleep `pause` seconds (`SETTLED` will do) before each: the threads of OpenBLAS
    and OpenMP keep a core busy for a while after their last product, and would take it from the next candidate.
    """
    runs: dict[str, list[float]] = {name: [] for name in candidates}
    failed: dict[str, NotMeasured] = {}
    for turn in range(warm_up + repeats):
        for name, measure in candidates.items():
            if name in failed:
                continue
            time.sleep(pause)
            try:
                value = measure()
            except PeerFailed as error:
                failed[name] = NotMeasured(str(error))
                continue
            if turn >= warm_up:
                runs[name].append(value)
    return {name: failed.get(name) or Spread(tuple(values)) for name, values in runs.items()}


def row(case: str, metric: str, spread: Spread, unit: str, **more) -> Row:
    """Median and range of our own runs; `more` are other fields of `Row`."""
    return Row(case, metric, spread.median, unit, spread.low, spread.high, **more)


def compared(
    case: str,
    spreads: Mapping[str, Spread | NotMeasured],
    *,
    unit: str = "ms",
    ours: str | None = None,
    peer: str | None = None,
    at_least: float | None = None,
    aim: float | None = None,
) -> Row:
    """Our time beside a peer's, with the ratio of the medians.

    spreads : seconds by name, from `interleaved`; `ours` is the first name and `peer` the second unless said
    at_least, aim : of the ratio, not of the time
    """
    names = iter(spreads)
    ours = ours or next(names)
    peer = peer or next(name for name in spreads if name != ours)
    mine, theirs = spreads[ours], spreads[peer]
    if isinstance(mine, NotMeasured):
        raise PeerFailed(f"{case}: {ours} itself could not be measured: {mine.reason}")
    mine = mine.scaled(PER_SECOND[unit])
    if isinstance(theirs, NotMeasured):
        return row(case, "time", mine, unit, peer=f"{peer}: {theirs.reason}")
    theirs = theirs.scaled(PER_SECOND[unit])
    ratio = theirs.median / mine.median
    more = {"peer": peer, "peer_value": theirs.median, "ratio": ratio, "at_least": at_least, "aim": aim}
    return row(case, "time", mine, unit, **more)


# --- cores ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def held_to(threads: int) -> Iterator[None]:
    """Hold this process, its BLAS and the processes that it starts to `threads` cores.

    The affinity is set where the operating system has one (Linux); elsewhere only the threads are counted.
    """
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in (*BLAS_THREADS, "BIONEURO_NUM_THREADS")}
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    os.environ.update(dict.fromkeys(before, str(threads)))
    if allowed is not None:
        os.sched_setaffinity(0, sorted(allowed)[:threads])
    try:
        with threadpool_limits(threads):
            yield
    finally:
        if allowed is not None:
            os.sched_setaffinity(0, allowed)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# --- peers ------------------------------------------------------------------------------------------------------------


class Peer:
    """A module that calls `serve`, running in a process of its own under its own interpreter; absent ones say why."""

    def __init__(self, name: str, python: str | None, module: str) -> None:
        self.name, self.process, self.version = name, None, None
        self.missing = None if python else f"not measured, give --peers {name}=PYTHON"
        if python:
            self._start(python, module)

    def _start(self, python: str, module: str) -> None:
        try:
            self.process = subprocess.Popen(
                [python, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
                env={name: value for name, value in os.environ.items() if name not in HELD_BACK},
            )
            self.version = self._answer()["version"]
        except (OSError, PeerFailed) as error:
            self.missing = f"absent, {error}"

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise PeerFailed(f"its process ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerFailed(answer["error"])
        return answer

    def run(self, case: str, **arguments) -> object:
        """What the peer's function `case` returns; both ways travels JSON, so arrays go as the path of a file."""
        if self.missing:
            raise PeerFailed(self.missing)
        try:
            self.process.stdin.write(json.dumps({"case": case, "arguments": arguments}) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise PeerFailed(f"its process is gone ({error})") from error
        return self._answer()["result"]

    def call(self, case: str, **arguments) -> Callable[[], float]:
        """A candidate for `interleaved`: the seconds that the peer's function measured itself."""
        return lambda: self.run(case, **arguments)

    def close(self) -> None:
        if self.process:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def serve(cases: Mapping[str, Callable[..., object]], version: str = "") -> None:
    """The other end of `Peer`: answer requests from standard input until it is closed.

    What the cases print goes to standard error: standard output carries the answers alone.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**content) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    answer(version=version)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(result=cases[request["case"]](**request["arguments"]))
        except Exception as error:  # the benchmark goes on without this peer
            answer(error=f"{type(error).__name__}: {error}")


# --- the table --------------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Four digits that matter, without an exponent."""
    if value is None:
        return ""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, 3 - math.floor(math.log10(abs(value))))}f}"


def _cells(entry: Row) -> tuple[str, ...]:
    spread = "" if entry.low is None or entry.low == entry.high else f"{number(entry.low)} to {number(entry.high)}"
    reached = {None: "", True: "yes", False: "no"}[entry.reached()]
    value = "not measured" if entry.value is None else f"{number(entry.value)} {entry.unit}"
    asked, aim = ("" if limit is None else f"{limit:g}" for limit in (entry.at_least, entry.aim))
    beside = (entry.peer or "", number(entry.peer_value), number(entry.ratio))
    return entry.case, entry.metric, value, spread, *beside, asked, aim, reached


def table(rows: Iterable[Row]) -> str:
    """The rows in Markdown; columns that are empty throughout are left out."""
    heads = ("case", "metric", "value", "range", "beside", "its value", "ratio", "asked", "aim", "reached")
    lines = [_cells(entry) for entry in rows]
    shown = [k for k in range(len(heads)) if k < 3 or any(line[k] for line in lines)]
    picked = [[line[k] for k in shown] for line in [heads, ("---",) * len(heads), *lines]]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in picked)


def write_json(rows: Iterable[Row], path: str | Path) -> None:
    """A list of objects with the fields of `Row`; what is not finite is refused, for JSON cannot hold it."""
    text = json.dumps([entry._asdict() for entry in rows], indent=2, allow_nan=False, default=float)
    Path(path).write_text(text + "\n", encoding="utf-8")


def machine(packages: Iterable[str] = ("numpy", "numba", "scipy", "scikit-learn")) -> str:
    """Processor, cores and versions in one line."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {versions}"


# --- the command ------------------------------------------------------------------------------------------------------


class Settings(NamedTuple):
    """What a case may want to know."""

    quick: bool
    threads: int
    peers: Mapping[str, str]
    arguments: argparse.Namespace

    def peer(self, name: str, module: str) -> Peer:
        """The peer of that name, started for `with`, or one that says that it is missing."""
        return Peer(name, self.peers.get(name), module)


def _peers(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() for name, _, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PYTHON,NAME=PYTHON (NAME alone: this interpreter)")
    return {name.strip(): python.strip() or sys.executable for name, _, python in pairs}


def _threads(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of threads, 1 or more")
    return int(text)


def main(
    description: str,
    cases: Mapping[str, Callable[[Settings], Iterable[Row]]],
    *,
    threads: int = 1,
    arguments: Callable[[argparse.ArgumentParser], object] | None = None,
    argv: list[str] | None = None,
) -> list[Row]:
    """Run a benchmark from its command line and return its rows.

    description : the module's docstring; its first line becomes the help
    cases       : functions of `Settings` by name, in order
    threads     : default of --threads
    arguments   : adds flags of its own to the parser; they arrive in `settings.arguments`
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="under a minute: small cases, no peers")
    parser.add_argument("--only", metavar="PATTERN", default="", help="cases whose name holds this (* and ? allowed)")
    parser.add_argument("--threads", type=_threads, default=threads, metavar="N", help=f"cores to use ({threads})")
    parser.add_argument("--peers", type=_peers, default={}, metavar="NAME=PYTHON,...", help="interpreters of peers")
    parser.add_argument("--json", metavar="PATH", help="write the rows as JSON")
    if arguments:
        arguments(parser)
    parsed = parser.parse_args(argv)
    chosen = [name for name in cases if fnmatch.fnmatchcase(name.lower(), f"*{parsed.only.lower()}*")]
    if not chosen:
        parser.error(f"--only {parsed.only}: no case is called so; there are {', '.join(cases)}")
    settings = Settings(parsed.quick, parsed.threads, {} if parsed.quick else parsed.peers, parsed)
    rows: list[Row] = []
    try:
        with held_to(parsed.threads):
            for name in chosen:
                begin = time.perf_counter()
                for entry in cases[name](settings):
                    rows.append(entry)  # one by one: a run cut short keeps them
                print(f"{name}: {time.perf_counter() - begin:.1f} s", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("cut short; the rows so far:", file=sys.stderr)
    finally:
        print(f"{machine()}; {parsed.threads} thread(s)\n\n{table(rows)}")
        if parsed.json:
            write_json(rows, parsed.json)
    short = [f"{entry.case} ({entry.metric})" for entry in rows if entry.reached() is False]
    if short:
        print(f"\nBelow what is asked: {', '.join(short)}")
    return rows
