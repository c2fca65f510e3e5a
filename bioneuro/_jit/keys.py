"""Keys: named 128-bit streams of randomness below one seed. Plain Python: drawing structure needs no Numba."""

from __future__ import annotations

import hashlib
import numbers
import secrets
from typing import NamedTuple

import numpy as np

from bioneuro.errors import InvalidInput

HOST_LANE = 1 << 63  # last counter word of draws made by NumPy; kernels stay below it


class Key(NamedTuple):
    """The key of one Philox stream; children of one key are as good as independent.

    child = blake2b(key, kind of name, name), so the name `"1"` and the number `1` lead to different children.

    >>> key = Key.from_seed(0)
    >>> key.child("weights") == key.child("weights"), key.child("1") == key.child(1)
    (True, False)
    """

    low: int
    high: int

    @classmethod
    def from_seed(cls, seed: int) -> Key:
        """Return the key of a whole number `seed` >= 0 of any size."""
        if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, numbers.Integral) or seed < 0:
            raise InvalidInput(f"seed must be a whole number >= 0, got {seed!r}")
        return cls._digest(b"seed", int(seed))

    def child(self, name: str | int) -> Key:
        """Return the key of the stream called `name` (text, or a whole number of either sign) below this one."""
        if isinstance(name, (bool, np.bool_)) or not isinstance(name, (str, numbers.Integral)):
            raise InvalidInput(f"a child key is named by text or a whole number, got {name!r}")
        return self._digest(self.low.to_bytes(8, "little") + self.high.to_bytes(8, "little"), name)

    @property
    def words(self) -> np.ndarray:
        """The key as kernels take it: uint64, (2,)."""
        return np.array(self, dtype=np.uint64)

    def generator(self) -> np.random.Generator:
        """Return NumPy's generator on this key, for draws outside kernels; it shares no counter with a kernel's."""
        return np.random.Generator(np.random.Philox(key=self.words, counter=[0, 0, 0, HOST_LANE]))

    @classmethod
    def _digest(cls, parent: bytes, name: str | int) -> Key:
        tagged = b"text" + name.encode() if isinstance(name, str) else b"number" + b"%d" % int(name)
        digest = hashlib.blake2b(parent + tagged, digest_size=16).digest()
        return cls(int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little"))


def seed_from(random_state=None) -> int:
    """Return a whole number >= 0 to be kept as the seed of a run.

    Parameters
    ----------
    random_state : None for fresh entropy (128 bits); an int >= 0, returned as it is; a `numpy.random.Generator` or
        `RandomState`, from which 128 bits are drawn, so that it moves on
    """
    match random_state:
        case None:
            return secrets.randbits(128)
        case np.random.Generator():
            words = random_state.integers(0, 2**64, size=2, dtype=np.uint64)
        case np.random.RandomState():
            words = random_state.randint(0, 2**64, size=2, dtype=np.uint64)
        case numbers.Integral() if not isinstance(random_state, bool) and random_state >= 0:
            return int(random_state)
        case _:
            raise InvalidInput(
                "random_state must be None, a whole number >= 0, a numpy.random.Generator or a RandomState, "
                f"got {random_state!r}"
            )
    return int(words[0]) | int(words[1]) << 64
