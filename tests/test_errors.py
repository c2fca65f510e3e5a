import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bioneuro import memory
from bioneuro.errors import (
    InvalidInput,
    ResourceError,
    UnknownName,
    check_field,
    check_number,
    check_numbers,
    choose,
)

pytestmark = pytest.mark.small


def test_a_name_that_is_almost_right_is_guessed():
    assert choose("rule", "hebb", ["hebb", "storkey"]) == "hebb"
    with pytest.raises(UnknownName, match=r"^unknown rule 'heb'; did you mean 'hebb'\? allowed: 'hebb', 'storkey'$"):
        choose("rule", "heb", ["hebb", "storkey"])
    with pytest.raises(UnknownName, match=r"^unknown rule 'xyz'; allowed: 'hebb', 'storkey'$"):
        choose("rule", "xyz", ["hebb", "storkey"])
    with pytest.raises(UnknownName, match="did you mean 'lif'"):
        choose("unit", "LIF", ["relu", "lif"])
    with pytest.raises(UnknownName, match=r"^unknown rule None; allowed"):
        choose("rule", None, ["none"])
    with pytest.raises(UnknownName, match=r"it is a class, of which an object may be meant, Path\(...\); allowed"):
        choose("rule", Path, ["path"])


@pytest.mark.parametrize(
    ("given", "meant"),
    [("logistic", "sigmoid"), ("identity", "linear"), ("MSE", "squared"), ("log_loss", "cross-entropy")],
)
def test_names_of_other_libraries_lead_to_those_here(given, meant):
    with pytest.raises(UnknownName, match=f"^unknown thing '{given}'; did you mean '{meant}'"):
        choose("thing", given, ["linear", "sigmoid", "squared", "cross-entropy", "logistics"])
    with pytest.raises(UnknownName, match="did you mean 'logistics'"):  # where there is no such thing, the nearest
        choose("thing", "logistic", ["logistics"])


@pytest.mark.parametrize("good", [0, 0.5, 1, np.float32(0.25), "0.5"])
def test_numbers_in_range_come_back_as_floats(good):
    assert check_number("share", good, low=0, high=1) == float(good)


def test_integers_come_back_exactly():
    assert check_number("seed", 2**53 + 1, integer=True) == 2**53 + 1
    assert check_number("count", 3.0, integer=True) == 3
    assert check_number("rate", math.inf, low=0) == math.inf


@pytest.mark.parametrize(
    ("bad", "options", "span"),
    [
        (-1, {"low": 0}, r"a number in \[0, inf\), got -1"),
        (0, {"low": 0, "open_low": True, "high": 1}, r"a number in \(0, 1\], got 0"),
        (1, {"high": 1, "open_high": True}, r"a number in \(-inf, 1\), got 1"),
        (2.5, {"integer": True}, r"an integer in \(-inf, inf\), got 2.5"),
        (math.nan, {}, "got nan"),
        (math.inf, {"integer": True}, "got inf"),
        ("many", {}, "got 'many'"),
        (None, {}, "got None"),
        (True, {}, "got True"),
    ],
)
def test_numbers_out_of_range_are_told_the_range(bad, options, span):
    with pytest.raises(InvalidInput, match=f"share must be .*{span}; a hint"):
        check_number("share", bad, hint="a hint", **options)


def test_arrays_in_range_come_back_as_floats_and_the_first_number_out_of_it_is_named():
    np.testing.assert_array_equal(check_numbers("rates", [[1, 2], [3, 4]], low=1, high=4), [[1.0, 2.0], [3.0, 4.0]])
    assert check_numbers("rates", 3, low=0).shape == ()
    for bad, message in (
        ([1, -2, -3], r"rates must be a number in \[0, inf\), got -2.0; hertz"),
        ([1, math.nan], "got nan; hertz"),
        ([1, math.inf], "got inf; hertz"),
        ([1, "fast"], r"rates must be numbers, got \[1, 'fast'\]; hertz"),
        ([[1], [1, 2]], "rates must be numbers"),
    ):
        with pytest.raises(InvalidInput, match=message):
            check_numbers("rates", bad, low=0, hint="hertz")


def test_a_field_is_kept_as_a_plain_number_or_refused_by_its_full_name():
    @dataclass(frozen=True)
    class Cell:
        tau: float
        size: int = 3

    cell = Cell(np.float32(0.5), 4.0)
    check_field(cell, "tau", low=0)
    check_field(cell, "size", integer=True)
    assert repr(cell.tau) == "0.5"
    assert repr(cell.size) == "4"
    with pytest.raises(InvalidInput, match=r"Cell.tau must be a number in \[1, inf\), got 0.5"):
        check_field(cell, "tau", low=1)


def test_memory_is_predicted_before_it_is_taken():
    assert memory.available() > 2**20
    memory.require({"weights": 1000}, "a small thing")
    with pytest.raises(ResourceError, match=r"a brain needs .* GiB .* the largest part is synapses") as caught:
        memory.require({"units": 10, "synapses": 10**18}, "a brain")
    assert isinstance(caught.value, MemoryError)
