"""`simulate`: spiking neurons on a topology, step by step of dt.

The run is cut into calls of the compiled kernel of about `CALL_SECONDS` each, so that Ctrl-C and the progress bar
are served between them; nothing that comes out depends on the cuts.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping

import numpy as np
from numba.core.errors import NumbaError

from bioneuro import memory
from bioneuro._jit.keys import Key, seed_from
from bioneuro.errors import BioneuroError, InvalidInput, NotFiniteError, ResourceError, check_number
from bioneuro.parameters import Parameters
from bioneuro.recording import Recording
from bioneuro.spiking.doubts import DoubtfulNumber, doubts
from bioneuro.spiking.drive import Inputs
from bioneuro.spiking.neurons import (
    SpikingState,
    check_step,
    constants,
    first_membranes,
    network_digest,
    spiking_populations,
)
from bioneuro.spiking.recording import Recorder
from bioneuro.spiking.rules import Rules
from bioneuro.spiking.step_kernels import (
    FIRST,
    LAST,
    NOT_FINITE,
    RATE_TOO_HIGH,
    SPIKING,
    Dynamics,
    Group,
    Scratch,
    step_kernel,
)
from bioneuro.spiking.synapses import check_projections, check_signs, delay_steps, in_columns_of, whole_steps, wire
from bioneuro.topology import Lesion
from bioneuro.training.interrupt import Interruption, TrainingInterrupted

CALL_SECONDS = 0.05
LONGEST_CALL = 1 << 13  # steps
GUARD_WINDOW = 0.1  # s, over which the rate guard counts


class RunawayRate(BioneuroError):
    """A population fires faster than `max_rate`; `.recording` holds the run up to there."""


def simulate(
    parameters: Parameters,
    inputs: Mapping,
    duration: float,
    *,
    dt: float = 1e-4,
    rules: Mapping | None = None,
    record=("spikes",),
    state: SpikingState | None = None,
    random_state=None,
    n_threads: int | None = None,
    progress: bool = False,
    membrane: Mapping | None = None,
    lesion: Lesion | None = None,
    max_rate: float = 400.0,
    record_limit: float = 2**30,
) -> Recording:
    """Run a network of spiking neurons for `duration` seconds:

        tau_m dV/dt = -(V - v_rest) + bias + drive + sum_k I_k + sigma sqrt(tau_m) xi(t),    tau_k dI_k/dt = -I_k

    for each neuron, with all of these in volts. A spike along a projection adds its weight, one delay later, to V
    (tau_synapse = 0) or to the current I_k of its tau_synapse; a neuron at its threshold spikes and is reset (`LIF`).

    Populations of role "input" are sources of spikes, all others must be LIF. At time n dt spikes arrive, neurons at
    or above threshold fire, spikes set off along the projections; then membranes move on to (n + 1) dt, exactly.
    A spike is recorded with the time n dt at which V was found at or above threshold. While a neuron is refractory it
    does not spike, its membrane stays where the reset put it and spikes that move membranes at once are lost; currents
    go on. Refractory periods, and times of inputs, are rounded to whole steps.

    Parameters
    ----------
    parameters : weights in volts (current projections: volts of R I), on the side of zero that the sign of their
        projection says (Dale's law); biases as constant drive in volts. Not changed.
    inputs : {population: input or list of inputs}; see `Poisson`, `SpikeTrain`, `StepCurrent`, `NoiseCurrent`.
    duration : s, a multiple of dt.
    dt : s; delays are multiples of it, 0 meaning one step.
    rules : {projection: rule}, and {population: `AdaptiveThreshold`}; a list where there are several. See
        `bioneuro.plasticity`.
    record : {"spikes": True or [populations], "voltage": {population: [units] or True}, "rate": True or [populations]},
        or a list of these names; see `bioneuro.spiking.recording` for the traces.
    state : go on from `recording.state` of an earlier run; with `random_state=None` as if it had never stopped. Under
        other rules than that run's, traces start anew. Weights and inputs may be others, and synapses may have grown
        or gone (`bioneuro.plasticity.grow`); spikes on their way still arrive. To see weights change, run in parts:
        `run = simulate(run.parameters, ..., state=run.state)`.
    random_state : None (fresh entropy), int, Generator or RandomState, of Poisson spikes and noise.
    n_threads : at most so many; a run takes one so far, and its spikes do not depend on the number.
    progress : show a progress bar.
    membrane : {population: V, one number or one per unit} at the start of a run without `state`; v_rest by default, or
        v_reset where a neuron would fire at once.
    lesion : dead units never spike, dead synapses weigh 0.
    max_rate : Hz; a population whose mean over a tenth of a second is above it ends the run. inf: no guard.
    record_limit : bytes that the traces may take.

    Returns
    -------
    Recording : traces; `.parameters` with the weights learnt; `.state`. Ctrl-C ends this run alone: the recording holds
        what there is so far, `.interrupted` is true and a warning says so. In a loop of runs look at `.interrupted`;
        two Ctrl-C within a second raise `KeyboardInterrupt`, whichever runs they fall into.

    Raises
    ------
    InvalidInput, UnsupportedTopology, UnknownName : what cannot be run, before anything is built.
    ResourceError : more memory, or more spikes, than allowed; `.recording` where the run had begun.
    RunawayRate, NotFiniteError : with `.recording` up to there.

    Warns
    -----
    DoubtfulNumber : a weight, a delay or a time that may have been meant in millivolts or milliseconds.

    Examples
    --------
    >>> from bioneuro import Parameters, Population, Topology
    >>> from bioneuro.spiking import LIF, StepCurrent, simulate
    >>> cell = Parameters.zeros(Topology([Population("cell", 1, "output", LIF())]))
    >>> run = simulate(cell, {"cell": StepCurrent(25e-3)}, 0.1)
    >>> run["spikes.times"].round(4).tolist()
    [0.0322, 0.0562, 0.0802]
    """
    if not isinstance(parameters, Parameters):
        raise InvalidInput(
            f"simulate needs Parameters, weights on a topology, got {type(parameters).__name__}; "
            "Parameters.zeros(topology) has all weights 0"
        )
    if n_threads is not None:
        check_number("n_threads", n_threads, low=1, integer=True, hint="None leaves the choice to the engine")
    run = _Run(parameters, inputs, duration, dt, rules, record, state, lesion, max_rate, record_limit)
    run.begin(membrane, random_state)
    run.go(progress)
    return run.recording()


class _Run:
    """One run: checked and compiled by the constructor, then advanced call by call."""

    def __init__(self, parameters, inputs, duration, dt, rules, record, state, lesion, max_rate, record_limit):
        topology = parameters.topology
        self.dt = check_number("dt", dt, low=0, high=0.1, open_low=True, hint="seconds; 1e-4 is usual")
        check_projections(topology)
        check_step(topology, self.dt)
        self.n_steps = whole_steps("duration", duration, self.dt, 1)
        self.max_rate = check_number("max_rate", max_rate, low=0, open_low=True, hint="hertz; inf turns it off")
        if lesion is not None and not isinstance(lesion, Lesion):
            raise InvalidInput(f"lesion must be a Lesion (topology.lesion(...)), got {type(lesion).__name__}")
        self.topology = topology
        self.alive = np.ones(topology.n_units, bool) if lesion is None else lesion.alive
        self.rules = Rules(topology, rules, self.dt)
        self._require(parameters)
        self.parameters = parameters.copy() if lesion is None else lesion.apply(parameters)
        if not np.all(np.isfinite(self.parameters.theta)):
            raise InvalidInput("parameters hold numbers that are not finite; a weight or bias is NaN or infinite")
        check_signs(self.parameters)
        self.rules.check_weights(self.parameters, {} if lesion is None else lesion.intact)
        self.inputs = Inputs(topology, inputs, self.alive, self.dt, parameters.dtype)
        for population in spiking_populations(topology):
            if population.bias:
                self.inputs.add_bias(population.name, self.parameters[f"{population.name}.bias"])
        self.recorder = Recorder(topology, record, self.n_steps, self.dt, parameters.dtype, record_limit)
        self.network = network_digest(topology, self.dt, parameters.dtype)
        self.state = state
        self._check_state()
        self._compile()

    def _check_state(self) -> None:
        if not isinstance(self.state, SpikingState | None):
            raise InvalidInput(f"state must be the .state of a recording of simulate, got {type(self.state).__name__}")
        if self.state is not None and self.state.network != self.network:
            raise InvalidInput(
                "this state belongs to another network: populations, delays, dt, number type (float32 or float64) and "
                "the tau_synapse of projections must be those of the run that it comes from; synapses, inputs and "
                "rules may have come or gone"
            )

    def _require(self, parameters: Parameters) -> None:
        topology, parts = self.topology, {"weights": parameters.nbytes}
        for projection in topology.projections:
            width = 4 if projection.name not in self.rules.learning else 20  # and while it is sorted by target
            parts[f"synapses of {projection.name!r}"] = width * projection.n_synapses(*topology.ends(projection))
        currents = {(projection.post, projection.tau_synapse) for projection in topology.projections}
        columns = topology.n_units + sum(topology[post].size for post, tau in currents if tau)
        longest = max((delay_steps(projection, self.dt) for projection in topology.projections), default=1)
        parts["spikes on their way (delays / dt)"] = parameters.theta.itemsize * columns * (longest + 1)
        parts["memory of who fired"] = 4 * topology.n_units * (self.rules.longest_delay + 1)
        memory.require(parts, f"simulating {topology!r}")

    def _compile(self) -> None:
        topology, dtype = self.topology, self.parameters.dtype
        decaying = [] if self.state is None else self.state.taus  # currents of inputs that may have gone
        self.wiring = wire(topology, self.dt, dtype, self.rules.places, [*self.inputs.taus, *decaying])
        self.inputs.bind(self.wiring.columns)
        self.neurons = constants(topology, self.alive, self.dt, dtype)
        self.window = max(1, round(GUARD_WINDOW / self.dt))
        noisy, recorded = self.inputs.noisy, self.recorder.spikes
        groups = [
            Group(where.start, where.stop, topology[name].role != "input", name in recorded, name in noisy)
            for name, where in topology.unit_layout.items()
        ]
        self.groups = np.array(groups, np.int64)
        sizes = self.groups[:, LAST] - self.groups[:, FIRST]
        self.most_spikes = self.max_rate * sizes * self.window * self.dt
        self.adaptation = self.rules.adaptation()
        self.rule_table = self.rules.table()
        n = topology.n_units
        bounds = np.zeros(len(groups) + 1, np.int64)
        self.scratch = Scratch(
            np.zeros(n, np.int32), np.zeros(n, np.int32), bounds, np.zeros(n, dtype), np.zeros(n, dtype)
        )
        self.kernel = step_kernel(self.rules.kinds)

    def begin(self, membrane: Mapping | None, random_state) -> None:
        """Set membranes, everything on its way, the clock and the key."""
        state = self.state
        if state is not None and membrane is not None:
            raise InvalidInput("a state holds the membranes; give state= or membrane=, or state._replace(membrane=...)")
        self.dynamics = self._fresh({} if membrane is None else membrane) if state is None else self._taken_up()
        if state is None:
            for words in doubts(self.parameters, self.inputs, self.n_steps, self.dt):
                warnings.warn(words, DoubtfulNumber, stacklevel=3)
        self.step = 0 if state is None else state.step
        self.first_step, self.stop = self.step, self.step + self.n_steps
        self.interrupted = False
        if state is None or random_state is not None:
            self.key = Key.from_seed(seed_from(random_state)).child("spiking")
        else:
            self.key = state.key

    def _fresh(self, given: Mapping) -> Dynamics:
        n, dtype = self.topology.n_units, self.parameters.dtype
        membrane = first_membranes(self.topology, given)
        n_pre, n_post = self.rules.n_traces
        n_history = self.rules.longest_delay + 1 if self.rules.learning else 0
        return Dynamics(
            membrane=membrane.astype(dtype),
            refractory=np.zeros(n, np.int32),
            threshold_rise=np.zeros(n),
            currents=np.zeros(self.wiring.n_columns - n, dtype),
            arrivals=np.zeros((self.wiring.longest_delay + 1, self.wiring.n_columns), dtype),
            history=np.zeros((n_history, len(self.topology.populations) + 1 + n), np.int32),
            pre_traces=np.zeros(n_pre),
            post_traces=np.zeros(n_post),
            window_counts=np.zeros(len(self.topology.populations), np.int64),
        )

    def _taken_up(self) -> Dynamics:
        dynamics, fresh = in_columns_of(self.wiring, self.topology, self.state), self._fresh({})
        if self.state.rules != self.rules.digest:
            names = ("history", "pre_traces", "post_traces")
            dynamics = dynamics._replace(**{name: getattr(fresh, name) for name in names})
        for name, got, want in zip(Dynamics._fields, dynamics, fresh, strict=True):
            if got.shape != want.shape or got.dtype != want.dtype:
                raise InvalidInput(
                    f"state.{name} must be {want.dtype} {want.shape}, got {got.dtype} {got.shape}; "
                    "take a state from a recording of this network"
                )
        return dynamics

    def go(self, progress: bool) -> None:
        """Advance to the end, or to Ctrl-C."""
        from tqdm import tqdm

        n_steps = 1
        with (
            Interruption() as interruption,
            tqdm(total=self.stop - self.step, desc="simulating", unit="step", disable=not progress, leave=False) as bar,
        ):
            while self.step < self.stop:
                start = time.perf_counter()
                done = self._call(min(n_steps, self._boundary() - self.step))
                n_steps = next_call(n_steps, done, time.perf_counter() - start)
                bar.update(done)
                if interruption.requested and self.step < self.stop:
                    warnings.warn(
                        f"stopped at {self.step * self.dt:.4g} s of {self.stop * self.dt:.4g} s; "
                        "the recording holds what there is, its state goes on from there; "
                        "Ctrl-C again within a second stops the program",
                        TrainingInterrupted,
                        stacklevel=3,
                    )
                    self.interrupted = True
                    break
        if not np.all(np.isfinite(self.dynamics.membrane)):
            self._fail(NOT_FINITE)
        for name, rule in self.rules.learning.items():
            if not np.all(np.isfinite(self.parameters[name])):
                self._raise(
                    NotFiniteError(
                        f"{type(rule).__name__} made weights of {name!r} that are not finite; its functions find "
                        f"{len(rule.constants)} numbers in `constants`, whose others are NaN"
                    )
                )

    def _boundary(self) -> int:
        """The next step at which inputs change, weights are normalised, or the run ends."""
        ahead = [step for step in self.inputs.boundaries if step > self.step]
        return min([self.stop, *ahead[:1], self.rules.next_normalisation(self.step) or self.stop])

    def _call(self, n_steps: int) -> int:
        output = self.recorder.room(n_steps)
        drive = self.inputs.drive(self.step, self.step + n_steps)
        try:
            done, n_recorded, status = self.kernel(
                self.step,
                n_steps,
                self.window,
                self.key.words,
                self.groups,
                self.adaptation,
                self.most_spikes,
                self.neurons,
                self.wiring.currents,
                self.wiring.routes,
                self.rule_table,
                self.wiring.synapses,
                self.parameters.theta,
                drive,
                self.dynamics,
                output,
                self.scratch,
            )
        except NumbaError as error:  # compiled at the first call
            self.rules.explain(error)
            raise
        self.recorder.keep(output, done, n_recorded)
        self.step += done
        self.rules.normalise(self.step, self.parameters)
        if status:
            self._fail(status)
        if self.recorder.full:
            self._raise(
                ResourceError(
                    f"{self.recorder.n_spikes:,} spikes by {self.step * self.dt:.4g} s fill the recording "
                    "(record_limit); record fewer populations, run in parts, or raise it"
                )
            )
        return done

    def _fail(self, status: int) -> None:
        at = f"at {self.step * self.dt:.4g} s"
        if status == RATE_TOO_HIGH:
            population, rate = self._fastest()
            self.dynamics.window_counts[:] = 0  # the state begins the next window
            self._raise(
                RunawayRate(
                    f"population {population!r} fires at {rate:.0f} Hz on average over {self.window * self.dt:g} s, "
                    f"above max_rate={self.max_rate:g} Hz, {at}; weaken excitation or the input, strengthen "
                    f"inhibition, or raise max_rate (np.inf: no guard){self._in_millivolts(population)}"
                )
            )
        self._raise(NotFiniteError(f"a membrane is no longer a finite number {at}; weights or inputs are too large"))

    def _in_millivolts(self, population: str) -> str:
        """A hint where one spike alone would make the population fire: such a weight was meant in millivolts."""
        unit = self.topology[population].unit
        way = float(np.min(np.subtract(unit.v_threshold, unit.v_rest)))
        largest = [(f"of its {kind} input", weight) for kind, weight in self.inputs.weights(population)]
        for projection in self.topology.incoming(population):
            if (weights := self.parameters[projection.name]).size:
                largest.append((f"of {projection.name!r}", float(weights.max())))
        what, weight = max(largest, key=lambda entry: entry[1], default=("", 0.0))
        if not 0 < way <= weight:
            return ""
        return f". One spike {what} moves a membrane by {weight:g} V, and {way:g} V make it fire: 0.0002 is 0.2 mV"

    def _fastest(self) -> tuple[str, float]:
        excess = np.where(self.groups[:, SPIKING], self.dynamics.window_counts / self.most_spikes, 0)
        p = int(np.argmax(excess))
        return self.topology.populations[p].name, float(excess[p] * self.max_rate)

    def _raise(self, error: BioneuroError) -> None:
        error.recording = self.recording()
        raise error

    def recording(self) -> Recording:
        names = self.network, self.rules.digest, self.wiring.taus
        state = SpikingState(*names, self.dt, self.step, self.key, *self.dynamics)
        traces = self.recorder.traces(self.first_step, self.step - self.first_step)
        return Recording(self.parameters, state, traces, interrupted=self.interrupted)


def next_call(n_steps: int, done: int, seconds: float) -> int:
    """How many steps the next call takes, from what the last one took."""
    aimed = CALL_SECONDS * max(done, 1) / max(seconds, 1e-6)
    return int(min(max(1, aimed), 4 * n_steps, LONGEST_CALL))
