import math

import numpy as np
import pytest

from bioneuro import memory
from bioneuro.errors import InvalidInput, ResourceError, UnknownName, check_number, choose

pytestmark = pytest.mark.small


def test_a_name_that_is_almost_right_is_guessed():
    assert choose("rule", "hebb", ["hebb", "storkey"]) == "hebb"
    with pytest.raises(UnknownName, match=r"^unknown rule 'heb'; did you mean 'hebb'\? allowed: 'hebb', 'storkey'$"):
        choose("rule", "heb", ["hebb", "storkey"])
    with pytest.raises(UnknownName, match=r"^unknown rule 'xyz'; allowed: 'hebb', 'storkey'$"):
        choose("rule", "xyz", ["hebb", "storkey"])


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


def test_memory_is_predicted_before_it_is_taken():
    assert memory.available() > 2**20
    memory.require({"weights": 1000}, "a small thing")
    with pytest.raises(ResourceError, match=r"a brain needs .* GiB .* the largest part is synapses") as caught:
        memory.require({"units": 10, "synapses": 10**18}, "a brain")
    assert isinstance(caught.value, MemoryError)
