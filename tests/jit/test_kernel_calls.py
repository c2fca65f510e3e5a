"""Kernels call their own file, bioneuro._jit, decorated functions, NumPy and Python: what the disk cache can see."""

from __future__ import annotations

import ast
import builtins
from importlib import import_module
from pathlib import Path

import pytest

import bioneuro
from bioneuro._jit import kernel

ROOT = Path(bioneuro.__file__).parents[1]
FILES = sorted(path for package in ("bioneuro", "energy", "feedforward") for path in (ROOT / package).rglob("*.py"))
DECORATORS = {"kernel", "scalar"}
OURS = ("bioneuro.", "energy.", "feedforward.")
LIBRARIES = ("numpy", "math", "numba", "bioneuro._jit")


def imported(tree):
    """Return name -> the module it comes from."""
    origin = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            origin |= {(alias.asname or alias.name.partition(".")[0]): alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin |= {(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names}
    return origin


def kernels(tree):
    """Yield the functions that are compiled: decorated, or handed to `specialise` by name."""
    templates = {
        node.args[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "specialise"
        and node.args
        and isinstance(node.args[0], ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            decorated = any(isinstance(item, ast.Name) and item.id in DECORATORS for item in node.decorator_list)
            if decorated or node.name in templates:
                yield node


def root_of(node):
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def watched(origin):
    """Return the full names of decorated functions among those imported, and of named tuples of the same files."""
    found = {}
    for full in origin.values():
        module, _, name = full.rpartition(".")
        if module.startswith(OURS):
            try:
                found[full] = getattr(import_module(module), name, None)
            except ImportError:
                continue
    decorated = {full for full, value in found.items() if kernel._record(value) is not None}
    files = {full.rpartition(".")[0] for full in decorated}
    tuples = {full for full, value in found.items() if hasattr(value, "_fields") and full.rpartition(".")[0] in files}
    return decorated | tuples


def strangers(source):
    """Return "kernel: name" for every call that leaves the file for anywhere but what the disk cache watches."""
    tree = ast.parse(source)
    origin = imported(tree)
    visible = watched(origin)
    found = []
    for function in kernels(tree):
        arguments = {argument.arg for argument in function.args.args}
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            name = root_of(call.func)
            source_module = origin.get(name)
            foreign = source_module is not None and not (
                source_module in visible
                or any(source_module == library or source_module.startswith(f"{library}.") for library in LIBRARIES)
            )
            passed_in = isinstance(call.func, ast.Name) and name in arguments
            unknown = isinstance(call.func, ast.Name) and source_module is None and not defined(tree, function, name)
            if foreign or passed_in or unknown:
                found.append(f"{function.name}: {ast.unparse(call.func)}")
    return found


def unseen(source):
    """Return "kernel: name" for what a kernel names of files of ours of which nothing decorated is imported."""
    tree = ast.parse(source)
    origin = imported(tree)
    seen = {full.rpartition(".")[0] for full in watched(origin)}
    found = set()
    for function in kernels(tree):
        for node in ast.walk(ast.Module(function.body, [])):  # annotations and decorators are not compiled
            module = origin.get(node.id, "").rpartition(".")[0] if isinstance(node, ast.Name) else ""
            ours = module.startswith(("bioneuro.", "energy.", "feedforward.")) and not module.startswith(
                "bioneuro._jit"
            )
            if ours and module not in seen:
                found.add(f"{function.name}: {node.id}")
    return sorted(found)


def defined(tree, function, name):
    if hasattr(builtins, name):
        return True
    here = [*tree.body, *ast.walk(function)]
    functions = {node.name for node in here if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    targets = (target for node in here if isinstance(node, ast.Assign) for target in node.targets)
    typed = {
        node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return name in functions | typed | slots(tree) | {target.id for target in targets if isinstance(target, ast.Name)}


def slots(tree):
    """Return the names that the file's calls of `specialise` bind: their sources are watched."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and root_of(node.func) == "specialise")
    return {keyword.arg for call in calls for keyword in call.keywords}


def test_no_kernel_calls_what_the_disk_cache_cannot_see():
    found = {str(path.relative_to(ROOT)): strangers(path.read_text(encoding="utf-8")) for path in FILES}
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_no_kernel_names_a_constant_that_the_disk_cache_cannot_see():
    assert {str(path.relative_to(ROOT)): found for path in FILES if (found := unseen(path.read_text("utf-8")))} == {}
    names = "from feedforward.program import PIECE\nfrom feedforward.tables import BLOCK{}\n"
    body = "from bioneuro._jit.simd import PANEL\n@kernel\ndef caught(x):\n    return PANEL + BLOCK + PIECE\n"
    assert unseen(names.format(", panel") + body) == ["caught: PIECE"]
    assert unseen(names.format("") + body) == ["caught: BLOCK", "caught: PIECE"]


def test_the_walk_sees_the_kernels_of_this_library():
    names = {node.name for path in FILES for node in kernels(ast.parse(path.read_text(encoding="utf-8")))}
    assert {"multiply", "softmax_rows", "draw_poisson", "uniform64", "_fill"} <= names


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("return np.exp(x) + math.sqrt(x) + min(x, own(x)) + shared(x)", []),
        ("return x.sum() + np.random.rand()", []),
        ("return panel(x) + Plan(x)", []),
        ("return foreign(x)", ["caught: foreign"]),
        ("return barred(x)", ["caught: barred"]),
        ("return module.function(x)", ["caught: module.function"]),
        ("return x(1.0)", ["caught: x"]),
        ("return nowhere(x)", ["caught: nowhere"]),
    ],
)
@pytest.mark.parametrize("marked", ["@kernel", "@scalar", "template"])
def test_the_walk_finds_what_it_should(body, found, marked):
    head = "import math\nimport numpy as np\nfrom energy import module\nfrom energy.units import foreign\n"
    head += "from feedforward.tables import Plan, padded as barred, panel\n"
    head += "from bioneuro._jit.math import exp as shared\ndef own(x):\n    return x\n"
    function = f"def caught(x):\n    {body}\n"
    source = (
        f"{head}{function}made = specialise(caught, own=1)\n" if marked == "template" else f"{head}{marked}\n{function}"
    )
    assert strangers(source) == found
