"""A competitive layer of spiking units: STDP, lateral inhibition, adaptive thresholds, in the manner of Diehl and Cook.

Shown a picture x for `duration`, input i sends Poisson spikes at the rate input_rate x_i / sum_k x_k (on the grid: a
spike in a step with probability rate dt, at most one). Hidden unit j integrates them exactly,

    V_j(t + dt) = v_rest + (V_j(t) - v_rest) exp(-dt / tau_m) + sum over spikes of w_ij,

and may spike at V_j >= v_threshold + theta_j. Lateral inhibition is so strong that at most one unit wins a step, the
one farthest above its threshold: all membranes start anew from v_reset, the winner's after its refractory period. Then

    w_ij <- w_ij + learning_rate (w_sum x̄_i / sum_k x̄_k - w_ij)     STDP; x̄: additive trace of input spikes, tau_trace
    theta_j <- theta_j + theta_step                                   homeostasis; no decay

The first rule is potentiation in proportion to the trace of what came before the spike and depression in proportion to
the weight, followed by rescaling to the sum w_sum, in one expression: weights stay >= 0 and keep their sum. A picture
that calls forth fewer than `min_spikes` spikes is shown again, brighter.

Source: P. U. Diehl and M. Cook, Unsupervised learning of digit recognition using spike-timing-dependent plasticity,
Frontiers in Computational Neuroscience 9 (2015) 99; here with current-like synapses and the limit of strong inhibition.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bioneuro import memory
from bioneuro._jit.keys import Key
from bioneuro._jit.random import hash_rows, permutation
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number
from bioneuro.parameters import Parameters
from bioneuro.recording import Recording
from bioneuro.spiking.competitive_kernels import Cell, Plasticity, Protocol, Workspace, show_rows
from bioneuro.topology import Dense, Population, Topology
from bioneuro.topology.units import LIF
from bioneuro.training.interrupt import Interruption, TrainingInterrupted
from bioneuro.training.loop import CHECKPOINT_SECONDS

STEPS_AT_ONCE = 2_000_000  # unit updates in one call of the kernel: some 10 to 50 ms
LONGEST_SHOWING = 10.0  # s


@dataclass(frozen=True)
class Competition:
    """How pictures are shown and what they change.

    Attributes
    ----------
    input_rate : Hz, > 0, spikes of all inputs together in the first showing of a picture.
    duration, dt : s, of a showing and of a step; dt < tau_m.
    channels : Poisson neurons that stand for each input, >= 1; they share its weight.
    min_spikes, max_shows, brighter : shown again, `brighter` times as bright (>= 1), until there are that many spikes.
    learning_rate : in [0, 1], at the start; falls in a line to 0.
    tau_trace : s, > 0.
    threshold_rise : V, >= 0. For each spike that a picture calls forth, the thresholds rise by so much over the whole
        training, on average: theta_step = 2 threshold_rise n_hidden / pictures, falling in a line to 0.
    weight_scale : V, > 0; the weights into a unit sum to weight_scale times the mean sum of a picture.
    """

    input_rate: float = 6000.0
    duration: float = 0.1
    dt: float = 1e-3
    channels: int = 1
    min_spikes: int = 3
    max_shows: int = 7
    brighter: float = 1.5
    learning_rate: float = 0.2
    tau_trace: float = 0.03
    threshold_rise: float = 10e-3
    weight_scale: float = 0.75e-3

    def __post_init__(self):
        seconds, volts = "times are in seconds", "voltages are in volts"
        allowed = {
            "input_rate": {"low": 0, "high": 1e6, "open_low": True, "hint": "in hertz, of all inputs"},
            "dt": {"low": 0, "high": 0.1, "open_low": True, "hint": f"{seconds}: 1e-3 is a millisecond"},
            "channels": {"low": 1, "high": 1e6, "integer": True},
            "min_spikes": {"low": 0, "integer": True},
            "max_shows": {"low": 1, "high": 1000, "integer": True},
            "brighter": {"low": 1, "high": 10},
            "learning_rate": {"low": 0, "high": 1},
            "tau_trace": {"low": 0, "high": 10, "open_low": True, "hint": f"{seconds}; near 0.03"},
            "threshold_rise": {"low": 0, "high": 1, "hint": f"{volts}; near 0.01"},
            "weight_scale": {"low": 0, "high": 1, "open_low": True, "hint": f"{volts}; near 0.001"},
        }
        for name, span in allowed.items():
            object.__setattr__(self, name, check_number(name, getattr(self, name), **span))
        hint = f"{seconds}: 0.35 is 350 ms; at least dt"
        duration = check_number("duration", self.duration, low=self.dt, high=LONGEST_SHOWING, hint=hint)
        object.__setattr__(self, "duration", duration)

    def protocol(self) -> Protocol:
        """As the kernel takes it."""
        steps = max(1, round(self.duration / self.dt))
        decay, strength = math.exp(-self.dt / self.tau_trace), self.input_rate * self.dt
        return Protocol(strength, self.channels, steps, self.min_spikes, self.max_shows, self.brighter, decay)


class CompetitiveState(NamedTuple):
    """Where a training stands.

    pictures : shown so far. weights : (n_inputs, n_hidden) V. theta : (n_hidden,) V, what thresholds have risen by.
    spikes, shows : mean number a picture, by finished epoch; open : the sums of the epoch under way.
    run : digest of what must not change between a training and its continuation.
    """

    pictures: int
    weights: np.ndarray
    theta: np.ndarray
    spikes: list[float]
    shows: list[float]
    open: tuple[int, int]
    run: str


def layer(n_inputs: int, n_hidden: int, unit: LIF) -> Topology:
    """The topology that is trained: "input" and "hidden", fully connected."""
    populations = [Population("input", n_inputs, "input", "linear", bias=False)]
    return Topology([*populations, Population("hidden", n_hidden, "hidden", unit)], [Dense("input", "hidden")])


def cells(unit: LIF, size: int, dt: float) -> Cell:
    """The constants of `size` LIF units for steps of `dt` (s), relative to rest."""
    constants = ("tau_m", "v_threshold", "v_reset", "v_rest", "refractory")
    tau, threshold, reset, rest, refractory = (np.broadcast_to(getattr(unit, name), (size,)) for name in constants)
    if dt >= tau.min():
        raise InvalidInput(f"dt must be below tau_m, got dt={dt:g} s and tau_m={tau.min():g} s; give a smaller dt")
    if np.any(np.asarray(unit.soft_reset) != 0):
        raise UnsupportedTopology(
            f"in a competitive layer every spike resets all membranes to v_reset; leave soft_reset at 0, "
            f"got {unit.soft_reset!r}"
        )
    if (threshold <= rest).any():
        raise UnsupportedTopology(
            "a competitive layer needs v_threshold above v_rest, or its units fire without input; "
            f"got {unit.v_threshold!r} and {unit.v_rest!r}"
        )
    single = (np.exp(-dt / tau), threshold - rest, reset - rest)
    return Cell(*(x.astype(np.float32) for x in single), np.rint(refractory / dt).astype(np.int64))


def workspace(n_inputs: int, n_hidden: int, channels: int) -> Workspace:
    """The arrays that a run of the kernel works in."""
    room = n_inputs * channels
    memory.require({"channels": 24 * room}, f"{channels:,} channels for each of {n_inputs:,} inputs")
    over_channels = (np.empty(room + 16, dtype) for dtype in (np.int64, np.uint32, np.float32, np.int64))
    over_units = (np.empty(n_hidden, dtype) for dtype in (np.float32, np.int64, np.float32))
    return Workspace(*over_channels, *over_units)


def train(
    topology: Topology,
    X: np.ndarray,
    competition: Competition,
    *,
    epochs: int,
    key: Key,
    state: CompetitiveState | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = False,
) -> Recording:
    """Let a layer learn from the rows of X, without labels; the inputs are never changed.

    Parameters
    ----------
    topology : of `layer`
    X : (n, n_inputs) float32 in [0, 1]
    epochs : passes over X, >= 0; each in an order of its own
    key : decides the first weights, the order of the rows and, with epoch and content of a row, the input spikes
    state : a `CompetitiveState` to go on from
    checkpoint : a file, read if it exists and written every few seconds, at the end and at Ctrl-C
    progress : show a bar

    Returns
    -------
    Recording with the learnt parameters, `.state`, and traces "spikes" and "shows", means of a picture by epoch. At
    Ctrl-C it stops between pictures with the warning `TrainingInterrupted`; going on from `.state` gives the bits of an
    unbroken run.
    """
    epochs = check_number("epochs", epochs, low=0, integer=True)
    run = _digest(topology, X, competition, epochs, key)
    if state is None and checkpoint is not None and os.path.exists(checkpoint):
        state = _read(checkpoint)
    if state is not None and state.run != run:
        raise InvalidInput(
            "the state to go on from belongs to another training: topology, seed, rows, epochs and settings must be "
            "the same; give another checkpoint file, or begin anew without state"
        )
    trainer = _Trainer(topology, X, competition, epochs, key, state, run)
    trainer.train(checkpoint, progress)
    return trainer.recording()


def respond(
    parameters: Parameters,
    theta: np.ndarray,
    X: np.ndarray,
    competition: Competition,
    *,
    key: Key,
    alive_inputs: np.ndarray | None = None,
    alive: np.ndarray | None = None,
) -> np.ndarray:
    """Spikes of each hidden unit for each row of X, (n, n_hidden) int32; nothing is learnt.

    The input spikes depend on the key and the content of a row, so that neither order nor split of the rows matters.
    alive_inputs, alive : (n_inputs,), (n_hidden,) bool, the living; a dead unit neither spikes nor inhibits.
    """
    weights, theta = np.array(parameters["input->hidden"]), np.array(theta)  # copies: stored weights may be read-only
    n_inputs, n_hidden = weights.shape
    alive_inputs = np.ones(n_inputs, dtype=bool) if alive_inputs is None else alive_inputs
    alive = np.ones(n_hidden, dtype=bool) if alive is None else alive
    counts, shows = np.empty((len(X), n_hidden), np.int32), np.empty(len(X), np.int32)
    cell, protocol = cells(parameters.topology["hidden"].unit, n_hidden, competition.dt), competition.protocol()
    hashes, order, frozen = hash_rows(X), np.arange(len(X)), Plasticity(0.0, 0.0, 0.0, 1)
    space = workspace(n_inputs, n_hidden, protocol.channels)
    for start, stop in _chunks(0, len(X), n_hidden, protocol.steps):
        show_rows(
            X, hashes, order, start, stop, 0, 0, key.words, weights, theta, alive_inputs, alive, cell, protocol, frozen,
            space, counts[start:stop], shows[start:stop],
        )  # fmt: skip
    return counts


def class_shares(counts: np.ndarray, numbers: np.ndarray, n_classes: int) -> np.ndarray:
    """How a unit's spikes are shared among the classes, (n_hidden, n_classes), rows sum to 1.

    share_jc = m_jc / sum_d m_jd, m_jc the mean number of spikes of unit j for a picture of class c; 0 for a unit that
    never spikes. counts : (n, n_hidden), of training rows; numbers : (n,) class numbers.
    """
    means = np.zeros((counts.shape[1], n_classes))
    for c in range(n_classes):
        means[:, c] = counts[numbers == c].mean(axis=0)
    sums = means.sum(axis=1, keepdims=True)
    return np.divide(means, sums, out=np.zeros_like(means), where=sums > 0)


class _Trainer:
    """The variables of one call of `train`, and the verbs that change them."""

    interrupted = False

    def __init__(self, topology, X, competition, epochs, key, state, run):
        self.topology, self.X, self.epochs, self.key, self.run = topology, X, epochs, key, run
        hidden = topology["hidden"]
        self.n, self.total = len(X), len(X) * epochs
        self.weight_sum = competition.weight_scale * float(X.sum(axis=1, dtype=np.float64).mean())
        if self.weight_sum <= 0:
            raise InvalidInput("every picture is black: there is nothing to learn from; check the range of X")
        growth = 2 * competition.threshold_rise * hidden.size / max(1, self.total)
        self.plasticity = Plasticity(competition.learning_rate, growth, self.weight_sum, max(1, self.total))
        self.cell, self.protocol = cells(hidden.unit, hidden.size, competition.dt), competition.protocol()
        if state is None:
            self.pictures, self.spikes, self.shows, self.open = 0, [], [], (0, 0)
            self.weights, self.theta = self._first_weights(), np.zeros(hidden.size, np.float32)
        else:
            self.pictures, self.spikes, self.shows = int(state.pictures), list(state.spikes), list(state.shows)
            self.weights, self.theta, self.open = state.weights.copy(), state.theta.copy(), tuple(state.open)

    def _first_weights(self) -> np.ndarray:
        shape = self.topology["input"].size, self.topology["hidden"].size
        weights = self.key.child("weights").generator().random(shape)
        return (weights * (self.weight_sum / weights.sum(axis=0))).astype(np.float32)

    def train(self, checkpoint, progress: bool) -> None:
        hashes, words = hash_rows(self.X), self.key.child("spikes").words
        living = tuple(np.ones(size, dtype=bool) for size in self.weights.shape)
        space = workspace(*self.weights.shape, self.protocol.channels)
        written = time.monotonic()
        with Interruption() as interruption, _bar(self.total, self.pictures, progress) as bar:
            while self.pictures < self.total and not interruption.requested:
                epoch, begin = divmod(self.pictures, self.n)
                order = permutation(self.key.child("order"), epoch, self.n)
                for start, stop in _chunks(begin, self.n, self.theta.size, self.protocol.steps):
                    counts = np.empty((stop - start, self.theta.size), np.int32)
                    shows = np.empty(stop - start, np.int32)
                    show_rows(
                        self.X, hashes, order, start, stop, epoch, self.pictures, words, self.weights, self.theta,
                        *living, self.cell, self.protocol, self.plasticity, space, counts, shows,
                    )  # fmt: skip
                    self._count(counts, shows)
                    bar.update(stop - start)
                    if checkpoint is not None and time.monotonic() - written > CHECKPOINT_SECONDS:
                        _write(checkpoint, self.state())
                        written = time.monotonic()
                    if interruption.requested:
                        break
            if checkpoint is not None:
                _write(checkpoint, self.state())
        self.interrupted = interruption.requested
        if self.interrupted:
            warnings.warn(
                f"training was interrupted after {self.pictures} of {self.total} pictures; what it learnt is kept",
                TrainingInterrupted,
                stacklevel=4,
            )

    def _count(self, counts, shows) -> None:
        self.pictures += len(shows)
        self.open = self.open[0] + int(counts.sum()), self.open[1] + int(shows.sum())
        if self.pictures % self.n == 0:
            self.spikes.append(self.open[0] / self.n)
            self.shows.append(self.open[1] / self.n)
            self.open = (0, 0)

    def state(self) -> CompetitiveState:
        arrays = self.weights.copy(), self.theta.copy()
        return CompetitiveState(self.pictures, *arrays, list(self.spikes), list(self.shows), self.open, self.run)

    def recording(self) -> Recording:
        parameters = Parameters.zeros(self.topology)
        parameters["input->hidden"] = self.weights
        traces = {"spikes": np.array(self.spikes), "shows": np.array(self.shows)}
        return Recording(parameters, self.state(), traces, self.interrupted)


def _chunks(start: int, stop: int, n_hidden: int, steps: int):
    """Ranges of rows that keep one call of the kernel short; where they end changes no bit."""
    rows = max(1, STEPS_AT_ONCE // (steps * n_hidden))
    return ((begin, min(begin + rows, stop)) for begin in range(start, stop, rows))


def _digest(topology: Topology, X: np.ndarray, competition: Competition, epochs: int, key: Key) -> str:
    parts = (topology.digest, X.shape, hash_rows(X).tobytes(), competition, epochs, tuple(key))
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def _bar(total: int, done: int, progress: bool):
    from tqdm import tqdm

    return tqdm(total=total, initial=done, desc="training", unit="picture", disable=not progress, leave=False)


def _read(path) -> CompetitiveState:
    from bioneuro import io

    state = io.load(path)
    if not isinstance(state, CompetitiveState):
        raise InvalidInput(f"{os.fspath(path)!r} is not a checkpoint of this kind but holds a {type(state).__name__}")
    return state


def _write(path, state: CompetitiveState) -> None:
    from bioneuro import io

    io.save(path, state)
