"""YellowFin: momentum that sets its rate and its beta by what it measures (Zhang and Mitliagkas 2017).

On a quadratic of curvatures h_min .. h_max, momentum of rate alpha contracts by sqrt(beta) a step in every direction
if (1 - sqrt(beta))^2 / h_min <= alpha <= (1 + sqrt(beta))^2 / h_max. Among all such pairs YellowFin takes the one that
leaves the least expected squared distance D^2 from the minimum after one more step with gradient noise of variance C:

    minimise  beta D^2 + alpha^2 C   with   alpha = (1 - sqrt(beta))^2 / h_min,
                                            beta >= ((sqrt(h_max / h_min) - 1) / (sqrt(h_max / h_min) + 1))^2
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bioneuro.errors import check_number
from bioneuro.optim.schedules import Schedule, as_schedule, check_rate
from bioneuro.optim.transform import Transform

TINY = 1e-6  # beside a measured curvature or variance


@dataclass(frozen=True)
class yellowfin(Transform):
    """m <- beta m - alpha g; u = m, with alpha and beta from `tuned`, anew in every step.

    h = |g|^2 stands for curvature (as that of a log likelihood), its least and largest value of the last `window` steps
    for h_min and h_max; these (on a log scale), C = E|g|^2 - |E g|^2 and D = E(E|g| / E h) are moving averages that
    remember 1 / (1 - memory) steps. In the first 10 `window` steps alpha grows in a straight line from 0.

    It measures the whole gradient before it takes a step, so a network is trained step by step, not in compiled epochs.

    Parameters
    ----------
    rate : alpha of the very first step; of a schedule, its value there.
    memory : of the averages, in [0, 1).
    window : steps, >= 1.
    factor : by which alpha is multiplied, for a schedule on top.
    """

    rate: float | Schedule = 0.1
    memory: float = 0.999
    window: int = 20
    factor: float | Schedule = 1.0

    def __post_init__(self):
        check_rate("learning rate", self.rate)
        check_rate("factor", self.factor)
        check_number("memory", self.memory, low=0, high=1, open_high=True)
        check_number("window", self.window, low=1, integer=True)

    def init(self, parameters):
        n = parameters.theta.size
        return {
            "velocity": np.zeros_like(parameters.theta),
            "mean": np.zeros(n),
            "curvatures": np.zeros(self.window),
            "averages": np.zeros(5),  # log h_min, log h_max, h, |g|, D
        }

    def update(self, update, state, parameters, step):
        alpha, beta = as_schedule(self.rate)(0), 0.0
        measured = self._measure(update, state, step)
        if step > 0:
            alpha, beta = tuned(*measured)
            alpha *= min(1, (step + 1) / (10 * self.window))
        velocity = state["velocity"]
        velocity *= update.dtype.type(beta)
        update *= update.dtype.type(-alpha * as_schedule(self.factor)(step))
        velocity += update
        update[...] = velocity

    def _measure(self, gradient: np.ndarray, state, step: int) -> tuple[float, float, float, float]:
        """Take the gradient into the averages; return D, C, h_min and h_max."""
        keep, curvatures, averages = self.memory, state["curvatures"], state["averages"]
        h = float(np.dot(gradient, gradient))
        curvatures[step % self.window] = h
        seen = curvatures[: step + 1] + TINY
        state["mean"] += (1 - keep) * (gradient - state["mean"])
        now = np.array([np.log(seen.min()), np.log(seen.max()), h, math.sqrt(h)])
        averages[:4] += (1 - keep) * (now - averages[:4])
        averages[4] += (1 - keep) * (averages[3] / (averages[2] + TINY) - averages[4])
        share = 1 - keep ** (step + 1)  # of the averages' weight that is on something measured
        low, high, square, _, distance = averages / share
        mean = state["mean"] / share
        return distance, max(square - float(np.dot(mean, mean)), TINY), math.exp(low), math.exp(high)


def tuned(distance: float, variance: float, low: float, high: float) -> tuple[float, float]:
    """alpha and beta for D, C, h_min and h_max: the problem above in closed form.

    Without the bound on beta, x = sqrt(beta) is the root in (0, 1) of (1 - x)^3 = p x, p = D^2 h_min^2 / (2 C); with
    y = 1 - x this is y^3 + p y - p = 0, which has one real root, y = 2 sqrt(p/3) sinh(asinh(3/2 sqrt(3/p)) / 3).
    """
    p = (distance * low) ** 2 / (2 * variance)
    x = 1 - 2 * math.sqrt(p / 3) * math.sinh(math.asinh(1.5 * math.sqrt(3 / p)) / 3) if p > 0 else 1.0
    ratio = math.sqrt(high / low)
    x = max(x, (ratio - 1) / (ratio + 1))
    return (1 - x) ** 2 / low, x * x
