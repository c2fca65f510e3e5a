import csv
import math

import pytest

from bioneuro.compare.results import Row, notes, select, summarise, unique, write_csv

pytestmark = pytest.mark.small
ROWS = [
    Row("classify", "a", 0, "clean", 0, "accuracy", 0.9),
    Row("classify", "a", 1, "clean", 0, "accuracy", 0.8),
    Row("noise", "a", 0, "flip", 0.1, "accuracy", 0.7),
    Row("lesion", "b", 0, "dead units", 0, "accuracy", math.nan, "has no units to lose"),
    Row("lesion", "b", 1, "dead units", 0, "accuracy", math.nan, "has no units to lose"),
]


def test_rows_are_chosen_and_summed_up_over_seeds():
    assert summarise(select(ROWS, task="classify", model="a")) == (pytest.approx(0.85), 0.8, 0.9, 2)
    assert summarise(select(ROWS, model="b")) is None
    assert unique(ROWS, "task") == ["classify", "noise", "lesion"]


def test_a_reason_is_told_once():
    assert notes(ROWS) == "has no units to lose"


def test_a_table_is_a_csv_file_with_a_header(tmp_path):
    write_csv(tmp_path / "results.csv", ROWS)
    with open(tmp_path / "results.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["model"] for row in found] == ["a", "a", "a", "b", "b"]
    assert float(found[2]["value"]) == 0.7
    assert found[3]["note"] == "has no units to lose"
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]
