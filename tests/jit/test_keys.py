from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from bioneuro._jit.keys import Key, seed_from
from bioneuro.errors import InvalidInput

pytestmark = pytest.mark.small

KNOWN = {
    "seed 0": (0xFA9FE05E66F08DB4, 0xBF815FCFDB9876E8),
    "weights": (0x3B64A3CA576C56FA, 0x4314C603831B7A78),
    "1": (0xF9CB1B306E895BE6, 0x9B7334E7765BCE4B),
}


def test_a_seed_gives_the_same_key_on_every_machine():
    assert Key.from_seed(0) == Key(*KNOWN["seed 0"])
    assert Key.from_seed(0).child("weights") == Key(*KNOWN["weights"])
    assert Key.from_seed(0).child(1) == Key(*KNOWN["1"])


def test_children_differ_by_parent_by_name_and_by_kind_of_name():
    parents = [Key.from_seed(0), Key.from_seed(1), Key.from_seed(0).child("a")]
    names = ["", "1", "a", "ab", "number1", 0, 1, -1, 2**80]
    keys = [parent.child(name) for parent, name in itertools.product(parents, names)]
    assert len({*keys, *parents[:2]}) == len(keys) + 2
    assert parents[0].child("a").child("b") != parents[0].child("ab")
    assert parents[0].child(np.int64(3)) == parents[0].child(3)


def test_words_hold_the_key_and_no_word_is_read_as_signed():
    key = Key(2**64 - 1, 5)
    assert key.words.dtype == np.uint64
    assert tuple(map(int, key.words)) == key


def test_the_generator_for_the_host_shares_no_words_with_kernels():
    key = Key.from_seed(3)
    host = key.generator().bit_generator
    kernel = np.random.Philox(key=key.words, counter=0)
    assert not set(host.random_raw(1000).tolist()) & set(kernel.random_raw(1000).tolist())
    assert key.generator().random() == key.generator().random()


def test_keys_and_seeds_need_no_numba():
    code = "import sys, bioneuro._jit.keys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_seeds_come_from_none_whole_numbers_and_numpy_generators():
    assert seed_from(7) == 7
    assert seed_from(np.uint8(7)) == 7
    fresh = seed_from(None), seed_from(None)
    assert fresh[0] != fresh[1]
    assert max(fresh) >= 2**100, "128 bits of entropy"
    for make in (np.random.default_rng, np.random.RandomState):
        source, twin = make(0), make(0)
        first, second = seed_from(source), seed_from(source)
        assert first != second, "the source moves on"
        assert (first, second) == (seed_from(twin), seed_from(twin))
        assert max(first, second) >= 2**64


@pytest.mark.parametrize("bad", [-1, 1.0, True, np.True_, "0", [1], np.random])
def test_what_cannot_be_a_seed_is_named_with_what_can(bad):
    with pytest.raises(InvalidInput, match="whole number >= 0, a numpy"):
        seed_from(bad)


@pytest.mark.parametrize("bad", [-1, 0.5, None, True])
def test_keys_refuse_seeds_that_are_not_whole_numbers(bad):
    with pytest.raises(InvalidInput, match=r"seed must be a whole number >= 0"):
        Key.from_seed(bad)


@pytest.mark.parametrize("bad", [1.0, None, False, b"a", ("a", 1)])
def test_keys_refuse_names_that_are_neither_text_nor_whole_numbers(bad):
    with pytest.raises(InvalidInput, match="text or a whole number"):
        Key.from_seed(0).child(bad)


def test_the_global_numpy_generator_is_neither_read_nor_changed():
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    seed_from(None)
    Key.from_seed(0).generator().random(10)
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
