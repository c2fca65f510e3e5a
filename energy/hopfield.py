"""Hopfield networks: what is stored, how it is recalled, and the energy that recall descends.

    E(s) = -1/2 sum_ij w_ij s_i s_j + sum_i theta_i s_i,   w_ij = w_ji,  w_ii = 0
    s_i <- sign(h_i),  h_i = sum_j w_ij s_j - theta_i;  h_i = 0 keeps the old spin

A unit is on (+1) when its weighted sum exceeds its threshold theta; the population's bias is -theta. A spin of 0 has no
opinion: it is unknown, or dead, and contributes nothing.

Source: J. J. Hopfield, PNAS 79 (1982) 2554.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import erfc

from bioneuro import memory
from bioneuro._jit.gemm import matmul
from bioneuro._jit.keys import Key
from bioneuro._jit.random import hash_rows
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.recording import Recording
from bioneuro.topology import Dense, Topology
from energy.hopfield_rules import LEARNING_RULES
from energy.kernels.hopfield import energies, sweep_asynchronously

_WORK_PER_CALL = 2**29  # multiply-adds between two chances to interrupt: less than a tenth of a second


# -- learning ----------------------------------------------------------------------------------------------------------


def store(
    topology: Topology,
    patterns: np.ndarray,
    *,
    rule: str = "hebb",
    thresholds: float | np.ndarray = 0.0,
    dtype="float32",
) -> Parameters:
    """Weights that hold `patterns`, and thresholds.

    Parameters
    ----------
    topology : a Hopfield net of N units, such as `Topology.hopfield(N)`
    patterns : (P, N) of -1 and +1
    rule : "hebb", "pseudo-inverse" or "dreaming"; see `energy.hopfield_rules`
    thresholds : theta, one number or (N,); stored as bias = -theta
    dtype : float32 or float64

    >>> net = store(Topology.hopfield(3), [[1, -1, 1]], dtype="float64")
    >>> net["spins->spins"].round(2).tolist()
    [[0.0, -0.33, 0.33], [-0.33, 0.0, -0.33], [0.33, -0.33, 0.0]]
    """
    learn = LEARNING_RULES[choose("learning rule", rule, LEARNING_RULES)]
    n_units = check_topology(topology).size
    patterns = _check_spins("patterns", patterns, n_units, (-1, 1))
    if not len(patterns):
        raise InvalidInput("there is no pattern to store; give at least one row")
    thresholds = check_thresholds(thresholds, n_units)
    if np.any(thresholds) and not topology.populations[0].bias:
        raise InvalidInput(
            f"population {topology.populations[0].name!r} has bias=False, so its units have no thresholds; "
            "give thresholds=0 or a population with bias=True"
        )
    parameters = Parameters.zeros(topology, dtype)
    learn(patterns, parameters[topology.projections[0].name])
    if topology.populations[0].bias:
        parameters[f"{topology.populations[0].name}.bias"] = -thresholds
    return parameters


# -- energy and recall -------------------------------------------------------------------------------------------------


class SpinState(NamedTuple):
    """Where recall ended.

    `spins` (n, N) int8; `sweeps` (n,) until nothing moved, the quiet sweep included; `period` (n,) int8: 1 for a fixed
    point, 2 for a cycle of two states (synchronous dynamics only), 0 where `max_sweeps` came first.
    """

    spins: np.ndarray
    sweeps: np.ndarray
    period: np.ndarray


def energy(parameters: Parameters, spins: np.ndarray, *, alive: np.ndarray | None = None) -> np.ndarray:
    """E(s) of each row of `spins` (n, N) of -1, 0, +1; (n,) float64. Dead units contribute nothing."""
    couplings = Couplings.of(parameters)
    spins = _check_spins("spins", spins, len(couplings.thresholds))
    spins = _silence(spins, check_units("alive", alive, spins.shape[1:], True)).astype(parameters.dtype)
    return couplings.energy(np.arange(len(spins)), spins, couplings.fields(spins))


def recall(
    parameters: Parameters,
    spins: np.ndarray,
    key: Key,
    *,
    dynamics: str = "asynchronous",
    known: np.ndarray | None = None,
    alive: np.ndarray | None = None,
    max_sweeps: int = 100,
) -> Recording:
    """Let every row of `spins` fall into a minimum of the energy: until no spin flips, or for `max_sweeps` sweeps.

    Asynchronous: one unit after the other, in an order drawn anew for every sweep from `key` and the row's own spins,
    so that a row is recalled alike in any company; the energy never rises. Synchronous: all units at once, which ends
    in a fixed point or a cycle of two states (Goles, Discrete Appl. Math. 18 (1985) 261).

    Parameters
    ----------
    parameters : what `store` made
    spins : (n, N) of -1, 0, +1, where to start; not changed
    key : of the random order
    dynamics : "asynchronous" or "synchronous"
    known : (N,) or (n, N) bool, units that keep their spin
    alive : (N,) bool; dead units are 0 from the start and stay so
    max_sweeps : >= 1

    Returns
    -------
    Recording with `state` a `SpinState` and the traces "energy" (T + 1, n), before and after every sweep, and "flips"
    (T, n), of the T sweeps that the slowest row took
    """
    advance, max_sweeps = check_dynamics(dynamics, max_sweeps)
    n_units = check_topology(parameters.topology).size
    spins = _check_spins("spins", spins, n_units)
    alive = check_units("alive", alive, (n_units,), True)
    width = parameters.dtype.itemsize
    parts = {"fields and spins": (3 * width + 2) * spins.size, "scaled weights": width * n_units**2}
    memory.require(parts, f"recall of {len(spins):,} rows")
    couplings = Couplings.of(parameters)
    start = _silence(spins, alive)
    run = _Run(
        couplings,
        key.words,
        hash_rows(start),
        np.ascontiguousarray(np.broadcast_to(alive & ~check_units("known", known, spins.shape, False), spins.shape)),
        start.astype(parameters.dtype),
    )
    return _record(parameters, run, advance, max_sweeps)


class Couplings(NamedTuple):
    """Weights and thresholds as kernels take them: `scale` times what they are; a field within `slack` of 0 *is* 0.

    Whole multiples of 1 / N (Hebb) become whole numbers, whose sums are exact: zero fields are exactly zero. Sums of
    other weights carry rounding errors; there `slack` is what rounding can do, so that ties stay ties.
    """

    weights: np.ndarray
    thresholds: np.ndarray
    slack: np.ndarray
    scale: float

    @classmethod
    def of(cls, parameters: Parameters) -> Couplings:
        topology, dtype = parameters.topology, parameters.dtype
        n_units = check_topology(topology).size
        weights, bias = parameters[topology.projections[0].name], f"{topology.populations[0].name}.bias"
        thresholds = -parameters[bias] if bias in parameters else np.zeros(n_units, dtype)
        eps = np.finfo(dtype).eps
        reach = np.array([np.abs(row).sum() for row in weights])  # the largest field that a unit can feel
        if reach.max() * n_units < 1 / eps and (whole := _whole_multiples(weights, n_units)) is not None:
            rounded = np.rint(thresholds * n_units)
            thresholds = np.where(rounded / n_units == thresholds, rounded, thresholds * n_units)
            return cls(whole, thresholds.astype(dtype), np.zeros(n_units, dtype), n_units)
        # errors of a long sum grow like a random walk: 4 eps sum |w| is many standard deviations of them
        return cls(weights, thresholds, (4 * eps * reach).astype(dtype), 1)

    def fields(self, spins: np.ndarray) -> np.ndarray:
        """spins @ weights, (n, N), without thresholds; each row depends on its own spins alone."""
        # whole numbers are exact in any order, so the fastest product will do; it does more work in the same time
        multiply, work = (matmul, _WORK_PER_CALL) if self.slack.any() else (np.matmul, 8 * _WORK_PER_CALL)
        fields = np.empty_like(spins)
        for rows in _chunks(np.arange(len(spins)), spins.shape[1], work):
            fields[rows] = multiply(spins[rows], self.weights)
        return fields

    def energy(self, rows: np.ndarray, spins: np.ndarray, fields: np.ndarray) -> np.ndarray:
        """(k,) float64: E of some `rows` of `spins`."""
        out = np.empty(len(rows))
        energies(self.thresholds, rows, spins, fields, out)
        return out / self.scale


class _Run:
    """What one recall evolves."""

    def __init__(self, couplings: Couplings, key: np.ndarray, streams: np.ndarray, free: np.ndarray, spins: np.ndarray):
        self.couplings = couplings
        self.key = key
        self.streams = streams  # the hash of a row's first spins: its order of visits, wherever the row stands
        self.free = free
        self.spins = spins
        self.fields = couplings.fields(spins)
        self.before = spins.copy()  # one step ago; only synchronous dynamics look back


def _asynchronous(run: _Run, sweep: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One sweep of `rows`; return how many spins flipped, and False: asynchronous recall does not cycle."""
    flips = np.empty(len(rows), np.int64)
    order = np.empty(run.spins.shape[1], np.int64)
    sweep_asynchronously(
        *run.couplings[:3], run.key, run.streams, sweep, rows, run.free, run.spins, run.fields, order, flips
    )
    return flips, np.zeros(len(rows), bool)


def _synchronous(run: _Run, sweep: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step of `rows`; return how many spins flipped, and which rows are where they were two steps ago."""
    now, drive = run.spins[rows], run.fields[rows] - run.couplings.thresholds
    keep = (np.abs(drive) <= run.couplings.slack) | ~run.free[rows]
    new = np.where(keep, now, np.sign(drive))
    flips = np.count_nonzero(new != now, axis=1)
    back = np.all(new == run.before[rows], axis=1) & (flips > 0)
    run.before[rows], run.spins[rows] = now, new
    run.fields[rows] = run.couplings.fields(new)
    return flips, back


DYNAMICS = {"asynchronous": _asynchronous, "synchronous": _synchronous}


def _record(parameters: Parameters, run: _Run, advance: Callable, max_sweeps: int) -> Recording:
    n_rows, n_units = run.spins.shape
    moving = np.arange(n_rows)
    sweeps, period = np.zeros(n_rows, np.int64), np.zeros(n_rows, np.int8)
    energy = [run.couplings.energy(moving, run.spins, run.fields)]
    flips = []
    while len(moving) and len(flips) < max_sweeps:
        energy.append(energy[-1].copy())
        flips.append(np.zeros(n_rows, np.int64))
        for rows in _chunks(moving, n_units, _WORK_PER_CALL):
            flips[-1][rows], back = advance(run, len(flips) - 1, rows)
            energy[-1][rows] = run.couplings.energy(rows, run.spins, run.fields)
            period[rows] = np.where(flips[-1][rows] == 0, 1, np.where(back, 2, 0))
        sweeps[moving] = len(flips)
        moving = moving[period[moving] == 0]
    state = SpinState(run.spins.astype(np.int8), sweeps, period)
    traces = {"energy": np.array(energy), "flips": np.array(flips, np.int64).reshape(len(flips), n_rows)}
    return Recording(parameters, state, traces)


def _chunks(rows: np.ndarray, n_units: int, work: int) -> Iterator[np.ndarray]:
    size = max(1, work // (n_units * (n_units + 256)))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _whole_multiples(weights: np.ndarray, n: int) -> np.ndarray | None:
    """n * weights as whole numbers, or None where `weights` are not whole multiples of 1 / n, to the last bit."""
    whole = np.empty_like(weights)
    for given, row in zip(weights, whole, strict=True):
        np.rint(given * n, out=row)
        if not np.array_equal(row / n, given):
            return None
    return whole


# -- measures ----------------------------------------------------------------------------------------------------------


def overlap(a: np.ndarray, b: np.ndarray, *, alive: np.ndarray | None = None) -> np.ndarray:
    """m = (1 / N) sum_i a_i b_i of each row, over living units only where `alive` (N,) is given; (n,), in [-1, 1].

    Where no unit lives the overlap is 0.
    """
    a, b = _same_shape(a, b)
    alive = check_units("alive", alive, a.shape[1:], True)
    return (a * b * alive).sum(axis=1, dtype=np.float64) / max(1, np.count_nonzero(alive))


def exact_recall(recalled: np.ndarray, stored: np.ndarray, *, alive: np.ndarray | None = None) -> int:
    """The number of rows of `recalled` (n, N) that equal those of `stored`, on living units where `alive` is given.

    >>> exact_recall([[1, -1], [1, 1]], [[1, -1], [1, -1]])
    1
    """
    recalled, stored = _same_shape(recalled, stored)
    alive = check_units("alive", alive, stored.shape[1:], True)
    return int(np.all((recalled == stored) | ~alive, axis=1).sum())


def one_step_error(load: float) -> float:
    """P(error) = 1/2 erfc(sqrt(1 / (2 alpha))): the share of spins of a stored random pattern that flip at once.

    For Hebb's rule at load alpha = P / N, N large: crosstalk of the other patterns is normal with variance alpha.
    Source: Hertz, Krogh, Palmer, Introduction to the Theory of Neural Computation (1991), section 2.2.

    >>> round(one_step_error(0.138), 4)
    0.0036
    """
    load = check_number("load", load, low=0, open_low=True)
    return float(0.5 * erfc(np.sqrt(0.5 / load)))


# -- checks ------------------------------------------------------------------------------------------------------------


def check_topology(topology: Topology):
    """The one population of a Hopfield net; raises `UnsupportedTopology` where `topology` is none."""
    complaint = _complaint(topology)
    if complaint:
        raise UnsupportedTopology(f"{topology!r} is no Hopfield net: {complaint}; use Topology.hopfield(n_units)")
    return topology.populations[0]


def _complaint(topology: Topology) -> str:
    if len(topology.populations) != 1:
        return f"it has {len(topology.populations)} populations, not one"
    if topology.populations[0].unit.name != "spin":
        return f"its units are {topology.populations[0].unit.name!r}, not 'spin'"
    if len(topology.projections) != 1:
        return f"it has {len(topology.projections)} projections, not one"
    projection = topology.projections[0]
    if not isinstance(projection, Dense) or not projection.symmetric or projection.shared:
        return f"{projection.name!r} is not a symmetric Dense projection with a weight for each synapse"
    if projection.sign or projection.delay:
        return f"{projection.name!r} has a sign or a delay, which would break the energy"
    return ""


def check_dynamics(dynamics: str, max_sweeps: int) -> tuple[Callable, int]:
    """What advances a run by one sweep, and how many sweeps at most."""
    advance = DYNAMICS[choose("dynamics", dynamics, DYNAMICS)]
    return advance, check_number("max_sweeps", max_sweeps, low=1, integer=True)


def check_thresholds(thresholds, n_units: int) -> np.ndarray:
    """`thresholds`, one number or (n_units,), as float64 (n_units,)."""
    given = np.asarray(thresholds)
    if given.dtype.kind not in "iuf" or given.shape not in ((), (n_units,)) or not np.isfinite(given).all():
        raise InvalidInput(
            f"thresholds must be one finite number or {n_units} of them, one per unit; "
            f"got {'shape ' + str(given.shape) if given.ndim else repr(thresholds)}"
        )
    return np.broadcast_to(given.astype(np.float64), n_units)


def _check_spins(name: str, spins, n_units: int, allowed: tuple = (-1, 0, 1)) -> np.ndarray:
    given = np.asarray(spins)
    if given.ndim != 2 or given.shape[1] != n_units:
        raise InvalidInput(f"{name} must have shape (rows, {n_units}), one column per unit; got {given.shape}")
    if not np.isin(given, allowed).all():
        raise InvalidInput(f"{name} must be {', '.join(map(str, allowed))}; HopfieldMemory takes other ranges")
    return given.astype(np.int8)


def check_units(name: str, mask, shape: tuple, default: bool) -> np.ndarray:
    """A bool mask of `shape`, or of its last axis; `default` everywhere where none is given."""
    if mask is None:
        return np.full(shape[-1:], default)
    given = np.asarray(mask)
    if given.dtype != bool or given.shape not in (shape, shape[-1:]):
        wanted = " or ".join(str(s) for s in dict.fromkeys((shape[-1:], shape)))
        raise InvalidInput(
            f"{name} must be a mask of True and False of shape {wanted}; got {given.dtype} of shape {given.shape}"
        )
    return given


def _silence(spins: np.ndarray, alive: np.ndarray) -> np.ndarray:
    return np.where(alive, spins, 0).astype(spins.dtype)


def _same_shape(a, b) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != 2 or a.shape != b.shape:
        raise InvalidInput(f"both must have the same shape (rows, units), got {a.shape} and {b.shape}")
    return a, b
