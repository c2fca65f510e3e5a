"""What a newcomer waits for: the import, the very first comparison (compilation included), and every later one.

    python -m benchmarks.first_use [--quick] [--json FILE]

Each figure is the wall time of whole fresh processes; kernels are cached in a folder of their own, empty at the start.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORTS = 5  # fresh processes for each package
LATER = 3  # comparisons after the first
AIMS = {"import bioneuro": 0.5, "bioneuro compare, the very first time": 180.0, "bioneuro compare, afterwards": 60.0}


def seconds(command: list[str], environment: dict[str, str], folder: str) -> float:
    """Wall time of a fresh process."""
    begin = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begin


def measure(quick: bool) -> list[dict]:
    """One row a case: the best of its runs, with their range."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(Path(folder, "kernels")), "PYTHONPATH": os.getcwd()}
        for package in ("bioneuro", "energy", "feedforward"):
            runs = [seconds([sys.executable, "-c", f"import {package}"], environment, folder) for _ in range(IMPORTS)]
            rows.append(row(f"import {package}", runs))
        rows.append(
            row(
                "python with nothing imported",
                [seconds([sys.executable, "-c", ""], environment, folder) for _ in range(IMPORTS)],
            )
        )
        compare = [sys.executable, "-m", "bioneuro.cli", "compare", *(["--quick", "--seeds", "1"] if quick else [])]
        times = [seconds([*compare, "--out", f"report-{k}"], environment, folder) for k in range(1 + LATER)]
        rows.append(row("bioneuro compare, the very first time", times[:1]))
        rows.append(row("bioneuro compare, afterwards", times[1:]))
    return rows


def row(case: str, runs: list[float]) -> dict:
    """A row as all benchmarks write them."""
    return {
        "case": case,
        "metric": "wall time, best of " + str(len(runs)),
        "value": min(runs),
        "unit": "s",
        "low": min(runs),
        "median": statistics.median(runs),
        "high": max(runs),
        "aim": AIMS.get(case),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, fewer settings")
    parser.add_argument("--json", metavar="FILE", help="write the rows as JSON")
    parsed = parser.parse_args()
    rows = measure(parsed.quick)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| case | best (s) | median | max | aim |\n| --- | --- | --- | --- | --- |")
    for entry in rows:
        aim = "" if entry["aim"] is None else f"{entry['aim']:g}"
        print(f"| {entry['case']} | {entry['value']:.3f} | {entry['median']:.3f} | {entry['high']:.3f} | {aim} |")
    if parsed.json:
        Path(parsed.json).write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
