"""Where the random numbers of the data room come from: one named stream per purpose, below one seed."""

from __future__ import annotations

import numpy as np

from bioneuro._jit.keys import Key, seed_from

_SKLEARN_SEEDS = 2**32


def generator(random_state, name: str) -> np.random.Generator:
    """Return the generator of the stream `name` below `random_state` (None, int, Generator or RandomState).

    Two names give independent streams for the same seed, so that asking for one more kind of noise leaves the others
    where they were.
    """
    return Key.from_seed(seed_from(random_state)).child(name).generator()


def sklearn_seed(random_state) -> int | None:
    """Return `random_state` as scikit-learn takes it; small integers pass, so its own splits are reproduced."""
    seed = seed_from(random_state)
    return seed if seed < _SKLEARN_SEEDS else int(generator(seed, "scikit-learn").integers(_SKLEARN_SEEDS))
