"""Where the random numbers of the data room come from: one named stream per purpose, below one seed."""

from __future__ import annotations

import hashlib
import numbers

import numpy as np

from bioneuro.errors import InvalidInput

_SKLEARN_SEEDS = 2**32


def generator(random_state, name: str) -> np.random.Generator:
    """Return the generator of the stream `name` below `random_state` (None, int, Generator or RandomState).

    Two names give independent streams for the same seed, so that asking for one more kind of noise leaves the others
    where they were.
    """
    words = np.frombuffer(hashlib.sha256(f"{seed_from(random_state)} {name}".encode()).digest()[:16], "<u8")
    return np.random.Generator(np.random.Philox(key=words))


def seed_from(random_state) -> int:
    if random_state is None:
        return np.random.SeedSequence().entropy
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    raise InvalidInput(f"random_state must be None, an integer, a Generator or a RandomState, got {random_state!r}")


def sklearn_seed(random_state) -> int | None:
    """Return `random_state` as scikit-learn takes it; small integers pass, so its own splits are reproduced."""
    if random_state is None or (isinstance(random_state, numbers.Integral) and 0 <= random_state < _SKLEARN_SEEDS):
        return random_state
    return int(generator(random_state, "scikit-learn").integers(_SKLEARN_SEEDS))
