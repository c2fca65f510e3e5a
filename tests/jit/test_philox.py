from __future__ import annotations

import numpy as np
import pytest

from bioneuro._jit.kernel import kernel
from bioneuro._jit.philox import BLOCKS, open_uniform, philox, philox_blocks, uniform32, uniform64
from tests.naive import jit_random as naive

pytestmark = pytest.mark.small

ONES = 2**64 - 1
# Random123 1.14, tests/kat_vectors, "philox4x64 10": counter, key, result
KNOWN = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ),
    (
        (ONES, ONES, ONES, ONES),
        (ONES, ONES),
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


@kernel
def block(counter, key, out):
    out[0], out[1], out[2], out[3] = philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1])


@kernel
def blocks(counter, key, out, start):
    philox_blocks(counter[0], counter[1], counter[2], counter[3], key[0], key[1], out, start)


@kernel
def numbers(words, out):
    for i in range(words.shape[0]):
        out[i, 0] = uniform64(words[i])
        out[i, 1] = uniform32(words[i])
        out[i, 2] = open_uniform(words[i])


def compute(counter, key):
    out = np.empty(4, np.uint64)
    block(np.array(counter, np.uint64), np.array(key, np.uint64), out)
    return out.tolist()


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_published_answers_come_out(counter, key, expected):
    assert compute(counter, key) == list(expected)
    assert [int(word) for word in philox(*counter, *key)] == list(expected)
    assert naive.philox(counter, key) == list(expected)


def test_blocks_equal_numpys_philox_bit_for_bit():
    draw = np.random.default_rng(0)
    for _ in range(20):
        counter, key = draw.integers(0, 2**64, 4, np.uint64), draw.integers(0, 2**64, 2, np.uint64)
        reference = np.random.Philox(counter=counter, key=key)  # NumPy counts up before it draws
        following = counter.copy()
        following[0] += np.uint64(1)
        assert compute(following, key) == reference.random_raw(4).tolist()


def test_counters_side_by_side_equal_numpys_philox_bit_for_bit():
    draw = np.random.default_rng(1)
    for first in (1, 12345, 2**64 - 40):
        counter, key = draw.integers(0, 2**64, 4, np.uint64), draw.integers(0, 2**64, 2, np.uint64)
        counter[0] = first
        out = np.zeros(4 * BLOCKS + 5, np.uint64)
        blocks(counter, key, out, 3)
        before = counter.copy()
        before[0] -= np.uint64(1)
        reference = np.random.Philox(counter=before, key=key)  # NumPy counts up before it draws
        assert out[3:-2].tolist() == reference.random_raw(4 * BLOCKS).tolist()
        assert not out[:3].any()
        assert not out[-2:].any()


def test_uniform_numbers_take_the_upper_bits_and_stay_below_one():
    words = np.array([0, 1, 2**11, 2**40, 2**63, ONES], np.uint64)
    out = np.empty((len(words), 3))
    numbers(words, out)
    assert out[:, 0].tolist() == [(int(word) >> 11) / 2**53 for word in words]
    assert out[:, 1].tolist() == [(int(word) >> 40) / 2**24 for word in words]
    assert out[:, 2].tolist() == [((int(word) >> 12) + 0.5) / 2**52 for word in words]
    assert out.max() < 1
    assert out[:, 2].min() > 0
