"""The learning rate by short trainings on a random subsample: how much data there is hardly moves the best one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError, check_number
from bioneuro.optim import Transform, as_optimizer
from bioneuro.parameters import Parameters
from bioneuro.training.batches import check_batch_size, epoch_order, n_batches
from bioneuro.training.loop import GradientEstimator, fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATES = tuple(float(f"{rate:.3g}") for rate in 1e-5 * 3.0 ** np.arange(13))  # to 5.3
"""From far too small to far too large, each three times the one before."""

VALLEY = 0.02  # of the gain in loss: rates that differ by less are equally good


class LearningRates(NamedTuple):
    """rates (k,), ascending; losses (k,), of each at the end of its short training, inf where it diverged."""

    rates: np.ndarray
    losses: np.ndarray

    @property
    def best(self) -> float:
        """The middle of the rates about as good as the best one: whose loss is above the least by 2 % or less of
        what was gained over the smallest rate.

        A small sample is soon known by heart, and large rates are first to do so; the middle hardly depends on that.
        Rates beyond the first at which half of the gain is lost again do not count: there, enormous weights may know
        the sample by heart, and little else.
        """
        with np.errstate(invalid="ignore"):  # inf - inf
            back = self.losses - np.minimum.accumulate(self.losses)
            lost = back > 0.5 * (self.losses[0] - self.losses.min())
        least = int(np.argmin(self.losses[: int(np.argmax(lost)) if lost.any() else None]))
        good = self.losses <= self.losses[least] + VALLEY * (self.losses[0] - self.losses[least])
        low = high = least
        while low > 0 and good[low - 1]:
            low -= 1
        while high + 1 < len(good) and good[high + 1]:
            high += 1
        return float(self.rates[(low + high) // 2])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Loss against learning rate, the best one marked; rates that diverged are missing."""
        from bioneuro.viz import bands
        from bioneuro.viz.style import VERMILLION

        finite = np.where(np.isfinite(self.losses), self.losses, np.nan)
        ax = bands(
            {"after a short training": finite},
            self.rates,
            xlabel="learning rate",
            ylabel="loss",
            title=f"Best learning rate: {self.best:.3g}",
            ax=ax,
        )
        ax.axvline(self.best, color=VERMILLION, linestyle="--", linewidth=1, label="best")
        ax.set(xscale="log", yscale="log" if np.nanmin(finite) > 0 else "linear")
        ax.legend()
        return ax


def find_learning_rate(
    parameters: Parameters,
    gradient: GradientEstimator,
    X: np.ndarray,
    y: np.ndarray | None = None,
    *,
    optimizer: str | Callable[[float], Transform] = "adam",
    rates: Sequence[float] = RATES,
    share: float = 0.1,
    steps: int = 200,
    batch_size: int = 32,
    key: Key,
    strata: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    progress: bool = False,
) -> LearningRates:
    """Train from `parameters` on a random share of the rows at every rate, and compare the losses at the end.

    All begin with the same weights and see the same minibatches. The loss is the mean over the last epoch of at least
    `steps` steps.

    Parameters
    ----------
    optimizer : a name, or a function from a rate to a `Transform`, which itself would have one rate of its own.
    rates : > 0, in any order.
    share : of the rows, in (0, 1]; never less than a minibatch.
    steps : >= 1, that each training takes, rounded up to whole epochs: the same for any share.
    key : decides the subsample and the minibatches.
    strata : (n,) class numbers; the subsample and its minibatches then hold the classes in proportion.
    weights : (n,) >= 0, how much each row counts.
    progress : show a bar.

    Returns
    -------
    LearningRates, with `.best`, `.rates`, `.losses` and `.plot(ax=None)`. A best rate at either end of `rates` asks for
    a wider range.

    Raises
    ------
    NotFiniteError if every rate diverges.
    """
    if isinstance(optimizer, Transform):
        raise InvalidInput(
            f"optimizer={optimizer!r} has a learning rate of its own; give a name, or a function of the rate such as "
            "lambda rate: optim.chain(optim.adam(rate), optim.max_norm(3))"
        )
    rates = np.sort([check_number("learning rate", rate, low=0, open_low=True) for rate in rates])
    if not len(rates):
        raise InvalidInput("there are no learning rates to try; give rates such as [1e-3, 3e-3, 1e-2]")
    check_number("share", share, low=0, high=1, open_low=True)
    check_number("steps", steps, low=1, integer=True)
    batch_size = min(check_batch_size(batch_size, len(X)), len(X))
    rows = _subsample(len(X), max(batch_size, round(share * len(X))), key.child("subsample"), strata)
    epochs = -(-steps // n_batches(len(rows), batch_size))
    losses = []
    for rate in _watched(rates, progress):
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # large rates are meant to diverge
                recording = fit(
                    parameters,
                    gradient,
                    X[rows],
                    _of(y, rows),
                    optimizer=as_optimizer(optimizer, rate),
                    epochs=epochs,
                    batch_size=batch_size,
                    key=key,
                    strata=_of(strata, rows),
                    weights=_of(weights, rows),
                )
            losses.append(recording["loss"][-1])
        except NotFiniteError:
            losses.append(np.inf)
    if not np.isfinite(losses).any():
        raise NotFiniteError(f"training diverged at every rate from {rates[0]:g} to {rates[-1]:g}; try smaller ones")
    return LearningRates(rates, np.array(losses))


def _subsample(n_rows: int, wanted: int, key: Key, strata: np.ndarray | None) -> np.ndarray:
    """(wanted,) ascending row numbers: the beginning of an order, which holds the classes in proportion."""
    return np.sort(epoch_order(n_rows, key, 0, strata)[:wanted])


def _of(values: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[rows]


def _watched(rates: np.ndarray, progress: bool):
    from tqdm import tqdm

    return tqdm(rates, desc="learning rates", unit="rate", disable=not progress, leave=False)
