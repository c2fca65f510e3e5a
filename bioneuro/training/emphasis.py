"""Emphasis: which rows an epoch shows, how often, and in which order.

Networks learn what is frequent first and what is rare last; emphasis turns this round. What is rare may come more often
(`Balanced`), have a larger loss (weights of rows), or take longer steps (weights, and `LongerSteps`). Balanced over k
classes, a row of a class of n_c rows is shown on average n / (k n_c) times an epoch, which is the weight that
"balanced" class weights give it: the expected gradient is the same. Which to take:

    more often      every minibatch holds every class: steps of one length, as many as ever.
    larger loss     a minibatch's loss is sum w L / sum w: rare rows have the greater say, where there are any, and
                    minibatches without them go for the frequent ones alone. Exact over a whole batch; without effect
                    in a batch of one row, which has w / w = 1 of its loss.
    longer steps    the same over b times the mean weight: minibatches with rare rows go further, those without less
                    far, down to batches of one row. Right in the mean over minibatches, and the more restless.

`Hard` shows rows of large loss more often, whatever their class. Both mislead where what is rare or hard is wrong: bad
labels and outliers are both.

Every order depends on (key, epoch) alone, that of `Hard` on the losses at the end of the epoch before as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro._jit.random import shuffled
from bioneuro.errors import check_field, choose


@dataclass(frozen=True)
class Emphasis:
    """Every row once an epoch, in random order: no emphasis. Base of all others, and of your own.

    needs : "classes" or "losses" of the rows, to be handed to `order`; "weights", that must be given; None: nothing.
    corrects : whether rows weigh more or less to make up for how often they come; see `factors`.
    lengthens : whether steps are as long as the rows of their minibatch are heavy; see `LongerSteps`.
    """

    needs: ClassVar[str | None] = None
    corrects: ClassVar[bool] = False
    lengthens: ClassVar[bool] = False

    def order(self, n_rows: int, key: Key, strata=None, losses=None) -> np.ndarray:
        """(n_rows,) row numbers for one epoch.

        key : of the epoch; `key.generator()` is NumPy's generator for what is drawn. strata : (n_rows,) class numbers
        0, 1, ... or None. losses : (n_rows,) >= 0; None in the first epoch.
        """
        return shuffled(key, n_rows)

    def factors(self, losses: np.ndarray | None) -> np.ndarray | None:
        """(n_rows,) by which the weights of rows are multiplied; None: they stay. Asked only where it corrects."""
        return None


@dataclass(frozen=True)
class Stratified(Emphasis):
    """Every row once, and any stretch of the order holds the classes in the data's proportions, to within one row.

    The j-th row of a class of n_c rows stands at (j + u_c) / n_c of the way, u_c uniform in [0, 1).
    """

    needs: ClassVar[str] = "classes"

    def order(self, n_rows, key, strata=None, losses=None):
        counts = np.bincount(strata)
        return _interleaved(strata, counts, counts, key)


@dataclass(frozen=True)
class Balanced(Emphasis):
    """Any stretch of the order, so any minibatch, holds all classes alike, to within one row of each.

    A class of n_c rows has n_c^(1 - strength) / sum over c of the same as its share: 1 / k at strength 1, the data's at
    0. In an epoch, its rows come equally often, to within one time; those that come once more are drawn anew.

    >>> Balanced().order(6, Key.from_seed(0), np.array([0, 0, 0, 0, 0, 1])).tolist().count(5)
    3
    """

    strength: float = 1.0

    needs: ClassVar[str] = "classes"

    def __post_init__(self):
        check_field(self, "strength", low=0, high=1)

    def order(self, n_rows, key, strata=None, losses=None):
        counts = np.bincount(strata)
        share = np.power(counts, 1 - self.strength, where=counts > 0, out=np.zeros(len(counts)))
        return _interleaved(strata, counts, _whole(n_rows * share / share.sum()), key)


@dataclass(frozen=True)
class LongerSteps(Emphasis):
    """Every row once, in random order; steps are as long as the rows of their minibatch are heavy.

    The gradient is that of sum w L / (b W) over the b rows of a minibatch, W the mean weight of all rows, in the place
    of sum w L / sum w: m / W times as long, m their mean weight. In batches of one row, a row of weight w has w / W
    times the rate. The loss that is told stays the weighted mean. Optimisers that divide by the size of gradients
    (Adam) go further with heavy rows too, but not in proportion.
    """

    needs: ClassVar[str] = "weights"
    lengthens: ClassVar[bool] = True


@dataclass(frozen=True)
class Hard(Emphasis):
    """Rows come in proportion to a power of their loss: p_i = (L_i + floor mean L)^power / sum of the same.

    L is taken of all rows, without dropout and noise, at the end of each epoch; in the first, every row comes once. Row
    i then comes n p_i times, rounded up or down at random so that this is the mean (systematic sampling).

    Parameters
    ----------
    power : >= 0; 0: all rows alike.
    floor : >= 0, in units of the mean loss; the larger, the more often easy rows come. 0: rows without loss never do.
    correction : in [0, 1]; rows weigh (n p_i)^-correction. 0: hard rows count for more, the loss of another
        distribution falls; 1: they only come more often, which is importance sampling: the expected gradient is that of
        the mean loss over the data, up to terms of order 1 / batch size from the weighted mean in a minibatch.

    Sources: Loshchilov and Hutter, Online batch selection (2015); for `correction` Schaul et al., Prioritized
    experience replay (2016), section 3.4.
    """

    power: float = 0.5
    floor: float = 0.1
    correction: float = 0.0

    needs: ClassVar[str] = "losses"

    def __post_init__(self):
        check_field(self, "power", low=0, open_high=True)
        check_field(self, "floor", low=0, open_high=True)
        check_field(self, "correction", low=0, high=1)

    def order(self, n_rows, key, strata=None, losses=None):
        if losses is None:
            return shuffled(key, n_rows)
        generator = key.generator()
        rows = generator.permutation(n_rows)
        ends = np.cumsum(self._times(losses)[rows])
        places = (np.arange(n_rows) + generator.random()) * (ends[-1] / n_rows)
        return generator.permutation(rows[np.searchsorted(ends, places, side="right").clip(max=n_rows - 1)])

    @property
    def corrects(self) -> bool:
        return self.correction > 0

    def factors(self, losses):
        if losses is None:
            return None
        times = self._times(losses)
        return np.power(times, -self.correction, where=times > 0, out=np.zeros(len(times)))

    def _times(self, losses: np.ndarray) -> np.ndarray:
        """n p: how often each row comes in the mean."""
        raised = np.maximum(losses, 0) + self.floor * losses.mean()
        raised = np.power(raised / (raised.max() or 1), self.power)
        return raised * (len(raised) / raised.sum()) if raised.any() else np.ones(len(raised))


EMPHASES: dict[str, Emphasis] = {
    "stratified": Stratified(),
    "balanced": Balanced(),
    "hard": Hard(),
    "longer-steps": LongerSteps(),
}


def as_emphasis(given: str | Emphasis | None) -> Emphasis:
    """An emphasis by name, or the one given; None: every row once."""
    if given is None or isinstance(given, Emphasis):
        return given or Emphasis()
    return EMPHASES[choose("emphasis", given, EMPHASES)]


def _whole(shares: np.ndarray) -> np.ndarray:
    """Whole numbers of the same sum, each next to its share; the largest remainders are rounded up."""
    whole = np.floor(shares).astype(np.int64)
    missing = round(shares.sum()) - whole.sum()
    whole[np.argsort(whole - shares, kind="stable")[:missing]] += 1
    return whole


def _interleaved(strata: np.ndarray, counts: np.ndarray, wanted: np.ndarray, key: Key) -> np.ndarray:
    """So many rows as `wanted` of each class, spread evenly over the way; `counts` is how many there are."""
    generator = key.generator()
    mixed = generator.permutation(len(strata))
    offsets = generator.random(counts.size)
    by_class = mixed[np.argsort(strata[mixed], kind="stable")]
    classes = np.repeat(np.arange(counts.size), wanted)
    rank = np.arange(wanted.sum()) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    rows = by_class[(np.cumsum(counts) - counts)[classes] + rank % counts[classes]]
    return rows[np.argsort((rank + offsets[classes]) / wanted[classes], kind="stable")]
