"""Imports point downwards only; importing a package stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.small
ROOT = Path(__file__).parents[1]
PACKAGES = ("bioneuro", "energy", "feedforward")
UPPER = ("bioneuro.compare", "bioneuro.cli", "bioneuro.__main__")  # may import the base and viz, no engine
HEAVY = ("numpy", "sklearn", "matplotlib", "tqdm", "numba", "scipy", "pandas")


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def below(name: str, *tops: str) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


@pytest.mark.parametrize("module", FILES)
def test_imports_point_downwards(module):
    imported = imports_of(FILES[module])
    if below(module, "energy"):
        forbidden = ("feedforward", *UPPER)
    elif below(module, "feedforward"):
        forbidden = ("energy", *UPPER)
    elif below(module, "bioneuro._jit"):
        forbidden = (
            "energy",
            "feedforward",
            *(f"bioneuro.{room}" for room in ("topology", "data", "training", "optim")),
        )
    elif below(module, "bioneuro.data"):
        rooms = ("topology", "parameters", "optim", "training", "io")
        forbidden = ("energy", "feedforward", *UPPER, *(f"bioneuro.{room}" for room in rooms))
    elif below(module, *UPPER):
        forbidden = ("energy", "feedforward")
    else:
        forbidden = ("energy", "feedforward", *UPPER)
    found = sorted(name for name in imported if below(name, *forbidden))
    assert not found, f"{module} imports {found}"


@pytest.mark.parametrize("module", [name for name in FILES if ".kernels" in name or "._jit" in name])
def test_kernels_know_no_estimators_and_no_figures(module):
    assert not [name for name in imports_of(FILES[module]) if below(name, "sklearn", "matplotlib")]


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package):
    code = f"import sys, {package}; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"


def test_what_a_first_training_needs_loads_nothing_that_takes_long_and_is_not_used():
    needed = "from bioneuro import optim, training; from feedforward import Backprop, Network"
    unused = ("sklearn", "matplotlib", "tqdm", "pandas", "scipy.sparse", "scipy.optimize", "scipy.stats")
    code = f"import sys; {needed}; print(sorted(set(sys.modules) & set({unused!r})))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_resolves(package):
    module = __import__(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="did you mean"):
        getattr(module, module.__all__[0] + "x")
