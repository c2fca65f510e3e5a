"""Closed forms for the rate of an integrate-and-fire neuron, to hold simulations against."""

from __future__ import annotations

import itertools
import math

import numpy as np

from bioneuro.errors import InvalidInput, check_number, check_numbers
from bioneuro.spiking.inputs import HIGHEST_DRIVE, HIGHEST_NOISE
from bioneuro.topology import LIF

GRID_SHIFT = 0.5825971579  # -zeta(1/2) / sqrt(2 pi): how far a walk on a grid overshoots, in its own steps
_UNREACHABLE = 26.0  # standard deviations; the rate would be below exp(-676)


def lif_rate(drive, unit: LIF | None = None) -> np.ndarray:
    """Rate of a neuron under constant drive, in Hz:

        rate = 1 / (refractory + tau_m log((drive - v_reset) / (drive - v_threshold))),    drive > v_threshold

    and 0 below: a drive that leaks away as fast as it comes never makes the neuron fire.

    Parameters
    ----------
    drive : V, in [-10, 10], v_rest + R I: where the membrane would settle; any shape.
    unit : `LIF` with one number per constant; default `LIF()`.

    Returns
    -------
    Hz, in the shape of `drive`.

    Raises
    ------
    InvalidInput : a drive that is not finite, a unit that is not one neuron.

    Source: Gerstner et al., Neuronal Dynamics (2014), section 1.3.

    >>> float(lif_rate(25e-3).round(4))
    41.7149
    """
    unit = _one_neuron(unit)
    drive = check_numbers("drive", drive, low=-HIGHEST_DRIVE, high=HIGHEST_DRIVE, hint="volts: 0.025 is 25 mV")
    fires = drive > unit.v_threshold
    above = np.where(fires, drive, np.inf)
    wait = unit.refractory - unit.tau_m * np.log1p((unit.v_reset - unit.v_threshold) / (above - unit.v_reset))
    return np.divide(1.0, wait, out=np.zeros_like(wait), where=fires)


def siegert_rate(mean: float, sigma: float, unit: LIF | None = None, dt: float = 0.0) -> float:
    """Rate of a neuron under white noise, tau_m dV/dt = -V + mean + sigma sqrt(tau_m) xi(t), in Hz:

        1 / rate = refractory + tau_m sqrt(pi) integral from (v_reset - mean) / sigma to (v_threshold - mean) / sigma
                   of exp(u^2) (1 + erf(u)) du

    Parameters
    ----------
    mean : V, in [-10, 10], v_rest included; sigma : V, in [0, 1].
    unit : `LIF` with one number per constant; default `LIF()`.
    dt : s; a neuron that looks at its threshold only every dt overlooks crossings in between, as if the threshold, and
        a soft reset, lay GRID_SHIFT sigma sqrt(dt / tau_m) higher. 0: continuous time.

    Returns
    -------
    Hz.

    Raises
    ------
    InvalidInput : a number out of range, a unit that is not one neuron.

    Source: Siegert, Physical Review 81 (1951) 617; Brunel, Journal of Computational Neuroscience 8 (2000) 183, eq. 21.

    >>> round(siegert_rate(20e-3, 5e-3), 3)
    27.341
    """
    from scipy.integrate import quad
    from scipy.special import erfcx

    unit = _one_neuron(unit)
    mean = check_number("mean", mean, low=-HIGHEST_DRIVE, high=HIGHEST_DRIVE, hint="volts: 0.025 is 25 mV")
    sigma = check_number("sigma", sigma, low=0, high=HIGHEST_NOISE, hint="volts: 0.005 is 5 mV")
    dt = check_number("dt", dt, low=0, high=0.1, hint="seconds")
    if sigma == 0:
        return float(lif_rate(mean, unit))
    shift = GRID_SHIFT * math.sqrt(dt / unit.tau_m)  # in units of sigma: how far V passes its threshold on average
    low = (unit.v_reset - mean) / sigma + unit.soft_reset * shift
    high = (unit.v_threshold - mean) / sigma + shift
    if high > _UNREACHABLE:
        return 0.0
    ends = [low, 0.0, high] if low < 0 < high else [low, high]  # all may lie within one unit on the right of 0
    integral = sum(quad(lambda u: erfcx(-u), *pair, limit=200)[0] for pair in itertools.pairwise(ends))
    return 1 / (unit.refractory + unit.tau_m * math.sqrt(math.pi) * integral)


def _one_neuron(unit: LIF | None) -> LIF:
    unit = LIF() if unit is None else unit
    if not isinstance(unit, LIF) or any(isinstance(value, tuple) for value in vars(unit).values()):
        raise InvalidInput(f"theory is for one LIF neuron, with one number per constant, got {unit!r}")
    return unit
