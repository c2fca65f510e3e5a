"""What the README and the examples promise, run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIALS = {  # page in docs: the figures that its steps draw
    "spiking.md": {"cell.png", "network.png"},
    "training.md": {"rates.png", "curves.png", "layers.png"},
}
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


SNIPPETS = blocks(README, "python")


def run(code_or_path: list[str], folder: Path) -> str:
    command = [sys.executable, "-W", "error", *code_or_path]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_memory_takes_eight_lines_and_recalls(tmp_path):
    code = SNIPPETS[0]
    assert len(code.strip().splitlines()) == 8
    whole, hurt = map(float, run(["-c", code], tmp_path).split())
    assert whole > 0.9
    assert 0.5 < hurt <= whole


def test_the_comparison_runs_as_printed(tmp_path):
    shown = run(["-c", SNIPPETS[1]], tmp_path)
    assert "boltzmann" in shown
    assert (tmp_path / "report-of-three" / "report.html").exists()


def test_the_network_in_balance_fires_slowly_and_irregularly(tmp_path):
    words = run(["-c", SNIPPETS[2]], tmp_path).split()
    assert 5 < float(words[0]) < 30
    assert 0.9 < float(words[-1]) < 1.1
    assert (tmp_path / "raster.png").exists()


@pytest.mark.parametrize("name", TUTORIALS)
def test_the_steps_of_a_tutorial_print_what_stands_below_them(name, tmp_path):
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    script = tmp_path / "steps.py"  # a file: rules of one's own are compiled from it
    script.write_text("\n".join(blocks(page, "python")), encoding="utf-8")
    shown, promised = run([str(script)], tmp_path), "".join(blocks(page, "text"))
    number = r"\d+\.?\d*"
    assert re.sub(number, "#", shown) == re.sub(number, "#", promised)
    found, stated = ([float(word) for word in re.findall(number, words)] for words in (shown, promised))
    assert found == pytest.approx(stated, rel=0.1, abs=0.25)  # other machines round otherwise
    assert {path.name for path in tmp_path.glob("*.png")} == TUTORIALS[name]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_ends_in_a_figure(path, tmp_path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    run([str(path)], tmp_path)
    figures = [*tmp_path.glob("*.png"), *tmp_path.glob("*/figures/*.png")]
    assert figures
    assert all(figure.stat().st_size > 10_000 for figure in figures)


@pytest.mark.parametrize("page", ["README.md", "docs/spiking.md", "docs/training.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_tutorial_on_training_lists_every_experiment():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\w+\.py)\]", page, flags=re.MULTILINE)
    assert sorted(listed) == [path.name for path in EXAMPLES if path.parent.name == "training"]


def test_the_test_command_is_the_one_that_continuous_integration_runs():
    runner = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in runner
    assert re.search(r"^python3 -m venv .* -m pytest.*$", README, flags=re.MULTILINE)
