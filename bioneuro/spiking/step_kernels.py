"""Kernels of the spiking engine: many steps of a whole network in one call.

One step, at time n dt: spikes arrive, neurons fire, spikes are sent off (and plastic synapses learn), membranes and
currents move on to (n + 1) dt. Nothing here depends on how a run is cut into calls.

Units are numbered through all populations (`Topology.unit_layout`). What comes from outside is in `input_kernels`, what
synapses do in `synapse_kernels`; both are bound in. `Group`, `Current` and the columns of `adaptation` stand here
because the disk cache of compiled code watches this file.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.kernel import Slot, kernel, specialise
from bioneuro._jit.random import draw_normal
from bioneuro.spiking import input_kernels, synapse_kernels
from bioneuro.spiking.input_kernels import InputSpikes

DONE, RATE_TOO_HIGH, NOT_FINITE = 0, 1, 2

_TINY = 1e-30  # smaller numbers are 0, before they become slow denormals

take_inputs = Slot("the kernel that takes spikes from outside")
deliver = Slot("the kernel that sends spikes along projections")
remember = Slot("the kernel that keeps who fired for plastic synapses")


class Group(NamedTuple):
    """One population: units first .. last-1."""

    first: int
    last: int
    spiking: bool  # neurons; otherwise sources
    recorded: bool
    noisy: bool


class Current(NamedTuple):
    """The current of one (postsynaptic population, tau_synapse > 0): places first .. last-1 of `currents`."""

    first: int
    last: int
    unit: int  # of the first place


class Currents(NamedTuple):
    """All currents of a network."""

    table: np.ndarray  # (n, Current)
    decay: np.ndarray  # (n,) exp(-dt / tau_synapse)
    gain: np.ndarray  # (places,) what a current of 1 adds to its membrane in one step


class Neurons(NamedTuple):
    """One entry per unit; entries of sources are not used."""

    decay: np.ndarray  # exp(-dt / tau_m)
    reset: np.ndarray
    soft_reset: np.ndarray  # share of what V is above its threshold that stays
    threshold: np.ndarray  # inf where the unit is dead
    refractory: np.ndarray  # steps


class Drive(NamedTuple):
    """What comes from outside during one call."""

    flow: np.ndarray  # V, added to each membrane in one step
    noise: np.ndarray  # V, standard deviation of what is added in one step
    spikes: InputSpikes


class Dynamics(NamedTuple):
    """What a run evolves; changed in place."""

    membrane: np.ndarray
    refractory: np.ndarray  # steps left
    threshold_rise: np.ndarray
    currents: np.ndarray
    arrivals: np.ndarray  # (rows, columns) V, a ring
    history: np.ndarray  # (rows, populations + 1 + units), a ring: who fired lately, for plastic synapses
    pre_traces: np.ndarray
    post_traces: np.ndarray
    window_counts: np.ndarray  # spikes of each population in this window of the rate guard


class Output(NamedTuple):
    """What one call wrote down."""

    spikes: np.ndarray  # (room, 3): unit, step, number of spikes
    counts: np.ndarray  # (steps, populations)
    watched: np.ndarray  # units whose voltage is recorded
    voltage: np.ndarray  # (steps, watched)


class Scratch(NamedTuple):
    """Room for one step."""

    counts: np.ndarray  # (units,) spikes of each unit in this step; 0 between steps
    fired: np.ndarray  # (units,) who fired
    bounds: np.ndarray  # (populations + 1,) where a population's part of `fired` begins
    draws: np.ndarray  # (units,)
    flow: np.ndarray  # (units,)


FIRST, LAST, SPIKING, RECORDED, NOISY = range(len(Group._fields))
UNIT = Current._fields.index("unit")
RISE, RISE_DECAY = range(2)  # columns of `adaptation`


def _run_steps(
    first_step,
    n_steps,
    window,
    key,
    groups,
    adaptation,
    most_spikes,
    neurons,
    currents,
    routes,
    rules,
    synapses,
    weights,
    drive,
    dynamics,
    output,
    scratch,
):
    """Run up to `n_steps`, fewer when the room for spikes runs short; returns (steps, recorded spikes, status).

    groups (populations, Group); adaptation (populations, 2), of thresholds: V at a spike, share kept in a step;
    most_spikes (populations,) that the rate guard allows in its window of so many steps; key (2,) uint64; routes,
    rules, synapses and weights as in `synapse_kernels`.
    """
    counts, fired, bounds, arrivals = scratch.counts, scratch.fired, scratch.bounds, dynamics.arrivals
    n_recorded = first_step - first_step  # a literal would be a type of its own
    for k in range(n_steps):
        if n_recorded + counts.shape[0] > output.spikes.shape[0]:
            return k, n_recorded, DONE
        n = first_step + k
        row = arrivals[n % arrivals.shape[0]]
        take_inputs(n, key, drive.spikes, counts, row, scratch.draws)
        _integrate(groups, neurons, dynamics, row, counts)
        n_recorded = _collect(n, n_recorded, groups, counts, fired, bounds, output.counts[k], output.spikes)
        remember(n, fired, bounds, dynamics.history)
        deliver(
            n,
            routes,
            rules,
            synapses,
            weights,
            counts,
            fired,
            bounds,
            arrivals,
            dynamics.history,
            dynamics.pre_traces,
            dynamics.post_traces,
        )
        for i in range(output.watched.shape[0]):
            output.voltage[k, i] = dynamics.membrane[output.watched[i]]
        _advance(n, key, groups, adaptation, neurons, currents, drive, dynamics, scratch)
        for p in range(groups.shape[0]):
            dynamics.window_counts[p] += output.counts[k, p]
        if (n + 1) % window == 0:
            status = _check(groups, most_spikes, dynamics.window_counts, dynamics.membrane)
            if status != DONE:
                return k + 1, n_recorded, status
    return n_steps, n_recorded, DONE


@kernel
def _integrate(groups, neurons, dynamics, row, counts):
    """What arrives in this step moves currents and membranes; neurons at their threshold fire."""
    _receive(dynamics.currents, row[counts.shape[0] :])
    for p in range(groups.shape[0]):
        if groups[p, SPIKING]:
            a, b = groups[p, FIRST], groups[p, LAST]
            membrane, refractory, rise = dynamics.membrane[a:b], dynamics.refractory[a:b], dynamics.threshold_rise[a:b]
            _arrive(membrane, refractory, row[a:b])
            constants = neurons.threshold[a:b], neurons.reset[a:b], neurons.soft_reset[a:b], neurons.refractory[a:b]
            _fire(membrane, refractory, rise, *constants, counts[a:b])


@kernel
def _advance(n, key, groups, adaptation, neurons, currents, drive, dynamics, scratch):
    """Membranes, currents and thresholds move on to the next step; `counts` is 0 again."""
    flow, counts = scratch.flow, scratch.counts
    for i in range(flow.shape[0]):
        flow[i] = drive.flow[i]
    for c in range(currents.table.shape[0]):
        a, b, unit = currents.table[c, FIRST], currents.table[c, LAST], currents.table[c, UNIT]
        _flow_from(dynamics.currents[a:b], currents.gain[a:b], currents.decay[c], flow[unit : unit + b - a])
    for p in range(groups.shape[0]):
        a, b = groups[p, FIRST], groups[p, LAST]
        if groups[p, NOISY]:
            _add_noise(n, key, p, drive.noise[a:b], scratch.draws[: b - a], flow[a:b])
        if groups[p, SPIKING]:
            _leak(dynamics.membrane[a:b], dynamics.refractory[a:b], neurons.decay[a:b], flow[a:b])
        if adaptation[p, RISE] > 0:
            _adapt(dynamics.threshold_rise[a:b], counts[a:b], adaptation[p, RISE], adaptation[p, RISE_DECAY])
        for i in range(scratch.bounds[p], scratch.bounds[p + 1]):
            counts[scratch.fired[i]] = 0


@kernel
def _receive(currents, arriving):
    """I += what arrives."""
    for i in range(currents.shape[0]):
        currents[i] += arriving[i]
        arriving[i] = 0


@kernel
def _arrive(membrane, refractory, arriving):
    """V += what arrives, unless the neuron is refractory: then it is lost, and one step of the wait is over."""
    for i in range(membrane.shape[0]):
        waits = refractory[i] > 0
        membrane[i] += arriving.dtype.type(0) if waits else arriving[i]
        refractory[i] -= 1 if waits else 0
        arriving[i] = 0


@kernel
def _fire(membrane, refractory, rise, threshold, reset, soft_reset, wait, counts):
    """Where V >= threshold and no wait is on: a spike, V = reset + soft_reset (V - threshold), and the wait begins."""
    for i in range(membrane.shape[0]):
        excess = membrane[i] - (threshold[i] + rise[i])
        spikes = (excess >= 0) & (refractory[i] == 0)  # a soft reset may leave V above the threshold
        counts[i] = 1 if spikes else 0
        membrane[i] = reset[i] + soft_reset[i] * excess if spikes else membrane[i]
        refractory[i] = wait[i] if spikes else refractory[i]


@kernel
def _flow_from(currents, gain, decay, flow):
    """flow += gain I, and I decays."""
    tiny = currents.dtype.type(_TINY)
    for i in range(currents.shape[0]):
        current = currents[i]
        flow[i] += gain[i] * current
        current *= decay
        currents[i] = current if abs(current) > tiny else currents.dtype.type(0)


@kernel
def _add_noise(n, key, p, noise, draws, flow):
    """flow += noise z, z standard normal, drawn for population `p` in step `n`."""
    rows = np.empty(1, np.uint64)
    rows[0] = np.uint64(p)
    draw_normal(key, rows, np.uint64(n), draws.reshape((1, draws.shape[0])))
    for i in range(flow.shape[0]):
        flow[i] += noise[i] * draws[i]


@kernel
def _leak(membrane, refractory, decay, flow):
    """V = decay V + flow, unless the neuron is refractory."""
    tiny = membrane.dtype.type(_TINY)
    for i in range(membrane.shape[0]):
        v = decay[i] * membrane[i] + flow[i]
        v = v if abs(v) > tiny else membrane.dtype.type(0)
        membrane[i] = v if refractory[i] == 0 else membrane[i]


@kernel
def _adapt(rise, counts, step, decay):
    """Thresholds rise at spikes and fall back."""
    for i in range(rise.shape[0]):
        rise[i] = (rise[i] + step * counts[i]) * decay


@kernel
def _collect(n, n_recorded, groups, counts, fired, bounds, totals, spikes):
    """List who fired, population by population; returns the number of entries recorded so far."""
    place = 0
    for p in range(groups.shape[0]):
        total = 0
        for unit in range(groups[p, FIRST], groups[p, LAST]):
            if counts[unit] > 0:
                fired[place] = unit
                place += 1
                total += counts[unit]
                if groups[p, RECORDED]:
                    spikes[n_recorded, 0] = unit
                    spikes[n_recorded, 1] = n
                    spikes[n_recorded, 2] = counts[unit]
                    n_recorded += 1
        bounds[p + 1] = place
        totals[p] = total
    return n_recorded


@kernel
def _check(groups, most_spikes, window_counts, membrane):
    """Close a window of the guard: is any population too fast, any number no longer finite?"""
    status = DONE
    for i in range(membrane.shape[0]):
        if not np.isfinite(membrane[i]):
            status = NOT_FINITE
    for p in range(groups.shape[0]):
        if groups[p, SPIKING] and window_counts[p] > most_spikes[p]:
            status = RATE_TOO_HIGH
    if status == DONE:
        for p in range(groups.shape[0]):
            window_counts[p] = 0
    return status


def step_kernel(kinds):
    """The compiled `_run_steps` of a network with these kinds of rule: at most MAX_RULES pairs (on_pre, on_post)."""
    return specialise(
        _run_steps,
        take_inputs=input_kernels.take_inputs,
        deliver=synapse_kernels.delivery(kinds),
        remember=synapse_kernels.remember,
    )
