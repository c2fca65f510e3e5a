"""The disk cache in fresh processes: everything is found again, and nothing stale is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bioneuro
from tests.jit import exercise

EXERCISE = Path(__file__).with_name("exercise.py")
PACKAGE = Path(bioneuro.__file__).parent


def run(*arguments, cache, **options):
    """Run Python without compiled modules, so that only Numba's cache can be stale; return what it prints."""
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "NUMBA_CACHE_DIR": str(cache), **options.pop("environment", {})}
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def three_processes(tmp_path_factory):
    """Statistics and float32 results of a first process, a second one, and one without the JIT."""
    folder = tmp_path_factory.mktemp("processes")
    modes = {"first": {}, "second": {}, "plain": {"NUMBA_DISABLE_JIT": "1"}}
    statistics, results = {}, {}
    for name, environment in modes.items():
        file = folder / f"{name}.npz"
        output = run(EXERCISE, "float32", file, cache=folder / "cache", environment=environment)
        statistics[name], results[name] = json.loads(output), dict(np.load(file))
    return statistics, results


def test_the_exercise_reaches_every_kernel_and_caches_all_of_them(three_processes):
    first = three_processes[0]["first"]
    assert len(first) > 20
    assert [row["name"] for row in first if not row["cached"] or row["signatures"] == 0] == []
    assert sum(row["misses"] for row in first) > 20


def test_a_second_process_compiles_nothing(three_processes):
    second = three_processes[0]["second"]
    assert [row["name"] for row in second if row["misses"]] == []
    assert sum(row["hits"] for row in second) > 10


def test_loaded_kernels_give_the_same_bytes(three_processes):
    first, second, _ = three_processes[1].values()
    assert {name: value.tobytes() for name, value in first.items()} == {
        name: value.tobytes() for name, value in second.items()
    }


def assert_modes_agree(compiled, plain):
    """Names that start with "exact" share every rounding; the rest is within a few units in the last place."""
    assert compiled.keys() == plain.keys()
    for name, value in plain.items():
        assert value.dtype == compiled[name].dtype
        tolerance = 0 if name.startswith("exact") else 16 * np.finfo(value.dtype).eps
        np.testing.assert_allclose(compiled[name], value, rtol=tolerance, err_msg=name)


def test_plain_python_gives_equal_whole_numbers_and_close_float32(three_processes):
    first, _, plain = three_processes[1].values()
    assert_modes_agree(first, plain)


def test_plain_python_gives_equal_whole_numbers_and_close_float64(tmp_path):
    run(EXERCISE, "float64", tmp_path / "plain.npz", cache=tmp_path, environment={"NUMBA_DISABLE_JIT": "1"})
    assert_modes_agree(dict(exercise.results(np.float64)), dict(np.load(tmp_path / "plain.npz")))


def test_small_cases_pass_without_the_jit(tmp_path):
    command = ["-m", "pytest", "-m", "small", "-p", "no:cacheprovider", EXERCISE.parent]
    output = run(*command, cache=tmp_path, environment={"NUMBA_DISABLE_JIT": "1"})
    assert " passed" in output


PROBE = """
import numpy as np
from bioneuro import probe_units
from bioneuro._jit.kernel import Slot, kernel, kernel_statistics, specialise
from bioneuro._jit.math import exp

unit = Slot("unit(x)")

@kernel
def probe(x, out):
    for i in range(x.shape[0]):
        out[i] = exp(x[i])

def _template(x, out):
    for i in range(x.shape[0]):
        out[i] = unit(x[i])

def _main():
    x, out = np.zeros(2), np.zeros(2)
    bound = [specialise(_template, unit=unit) for unit in (probe_units.double, probe_units.plain)]
    for kernel in (probe, *bound):
        kernel(x, out)
        print(out[0], end=" ")
    print(sum(row.misses for row in kernel_statistics()))
"""
MORE = """
from bioneuro._jit.kernel import kernel, kernel_statistics
from bioneuro.probe_units import double

@kernel
def more(x):
    return double(x) + 1.0

print(more(0.0), sum(row.hits for row in kernel_statistics()), sum(row.misses for row in kernel_statistics()))
"""
CHAIN = """
from bioneuro._jit.kernel import kernel
from bioneuro.probe_units import HALF, double

@kernel
def outer(x):
    return inner(x)

@kernel
def inner(x):
    return double(x) + HALF

print(outer(0.0))
"""
UNITS = """
from bioneuro._jit.kernel import scalar

HALF = 0.5

@scalar
def double(x):
    return helper(x) + 2.0

@scalar
def helper(x):
    return 10.0

def plain(x):
    return 5.0
"""


@pytest.fixture
def copied_package(tmp_path):
    """A copy of the package with two more modules, and a function that runs them in a fresh process."""
    for name in ("__init__.py", "lazy.py", "errors.py", "_jit"):
        source, target = PACKAGE / name, tmp_path / "bioneuro" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (tmp_path / "bioneuro" / "probe.py").write_text(PROBE)
    (tmp_path / "bioneuro" / "probe_units.py").write_text(UNITS)

    def answers():
        output = run("-c", "from bioneuro import probe; probe._main()", cache=tmp_path / "cache", cwd=tmp_path)
        *values, misses = output.split()
        return [float(value) for value in values], int(misses)

    return tmp_path / "bioneuro", answers


def edit(path, old, new):
    """Replace `old` by `new` of the same length and restore the times: only the content tells the files apart."""
    text, status = path.read_text(), path.stat()
    assert text.count(old) == 1
    assert len(old) == len(new)
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_new_kernel_takes_the_functions_it_calls_from_the_disk(copied_package):
    package, answers = copied_package
    answers()
    (package / "probe_more.py").write_text(MORE)
    output = run("-c", "from bioneuro import probe_more", cache=package.parent / "cache", cwd=package.parent)
    assert output.split() == ["13.0", "1", "1"]


def test_kernels_on_disk_are_loaded_without_the_rules_of_the_compiler(copied_package):
    package, answers = copied_package
    answers()
    code = "import sys; from bioneuro import probe; probe._main(); print('numba.np.arraymath' in sys.modules)"
    assert run("-c", code, cache=package.parent / "cache", cwd=package.parent).split()[-1] == "False"


def test_editing_a_shared_scalar_changes_the_answer_of_its_callers(copied_package):
    package, answers = copied_package
    assert answers()[0] == [1.0, 12.0, 5.0]
    assert answers() == ([1.0, 12.0, 5.0], 0), "unchanged files compile nothing"
    edit(package / "_jit" / "math.py", "sum_exactly(one, r, rest)", "sum_exactly(two, r, rest)")
    assert answers()[0] == [2.0, 12.0, 5.0]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("helper(x) + 2.0", "helper(x) + 3.0", [1.0, 13.0, 5.0]),
        ("return 10.0", "return 20.0", [1.0, 22.0, 5.0]),
        ("return 5.0", "return 6.0", [1.0, 12.0, 6.0]),
    ],
    ids=["bound scalar", "helper beside it", "bound plain function"],
)
def test_editing_a_function_bound_into_a_template_changes_the_answer(copied_package, old, new, expected):
    package, answers = copied_package
    assert answers()[0] == [1.0, 12.0, 5.0]
    edit(package / "probe_units.py", old, new)
    assert answers()[0] == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("helper(x) + 2.0", "helper(x) + 3.0", "13.5"), ("HALF = 0.5", "HALF = 1.5", "13.5")],
    ids=["scalar", "constant"],
)
def test_editing_what_a_kernel_reaches_through_one_of_its_own_file_changes_the_answer(
    copied_package, old, new, expected
):
    package, _ = copied_package
    (package / "probe_chain.py").write_text(CHAIN)
    command, folders = ("-c", "from bioneuro import probe_chain"), {"cache": package.parent / "cache"}
    assert run(*command, cwd=package.parent, **folders).strip() == "12.5"
    edit(package / "probe_units.py", old, new)
    assert run(*command, cwd=package.parent, **folders).strip() == expected
