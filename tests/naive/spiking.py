"""Plain twins of the spiking engine: a network step by step in NumPy, and a synapse event by event from sums."""

from __future__ import annotations

import numpy as np

from bioneuro._jit.random import Key, fill_normal, fill_poisson
from bioneuro.topology import Dense, OneToOne

INPUTS_PER_POPULATION = 1024  # rows of random draws set aside for each


def matrix(parameters, projection):
    """The weights of a projection as a full matrix; several synapses of one pair add up."""
    topology = parameters.topology
    pre, post = topology.ends(projection)
    weights = parameters[projection.name].astype(float)
    if isinstance(projection, Dense):
        return np.broadcast_to(weights, (pre.size, post.size))
    full = np.zeros((pre.size, post.size))
    if isinstance(projection, OneToOne):
        full[np.arange(pre.size), np.arange(pre.size)] = weights
    else:
        edges = topology.edges(projection.name)
        np.add.at(full, (edges.pre, edges.post), weights)
    return full


def simulate(parameters, n_steps, dt, *, drive=None, sigma=None, trains=None, poisson=None, seed=0):
    """Spikes (unit, step) and membranes (n_steps, n_units) of a network, float64.

    drive, sigma : {population: V}; trains : {source: [(unit, step)]}; poisson : {population: (rate, weight)}.
    """
    topology, key = parameters.topology, Key.from_seed(seed).child("spiking")
    names = list(topology.unit_layout)
    neurons = {p.name: p for p in topology.populations if p.role != "input"}
    v = {name: np.full(p.size, np.broadcast_to(p.unit.v_rest, p.size), float) for name, p in neurons.items()}
    wait = {name: np.zeros(p.size, int) for name, p in neurons.items()}
    current = {(q.post, q.tau_synapse): np.zeros(topology[q.post].size) for q in topology.projections if q.tau_synapse}
    full = {q.name: matrix(parameters, q) for q in topology.projections}
    fired, spikes, membranes = [], [], []
    for n in range(n_steps):
        now = {name: np.zeros(topology[name].size) for name in names}
        for name, events in (trains or {}).items():
            for unit, step in events:
                now[name][unit] += step == n
        arriving = {name: np.zeros(p.size) for name, p in neurons.items()}
        for name, (rate, weight) in (poisson or {}).items():
            counts = np.zeros(topology[name].size)
            fill_poisson(key, n, rate * dt, counts, rows=names.index(name) * INPUTS_PER_POPULATION)
            if name in neurons:
                arriving[name] += weight * counts
            else:
                now[name] += counts
        for q in topology.projections:
            delay = max(1, round(q.delay / dt))
            if n >= delay:
                sent = fired[n - delay][q.pre]
                who = np.flatnonzero(sent)
                landed = (sent[who, None] * full[q.name][who]).sum(axis=0)
                if q.tau_synapse:
                    current[q.post, q.tau_synapse] += landed
                else:
                    arriving[q.post] += landed
        for name, p in neurons.items():
            v[name] = np.where(wait[name] > 0, v[name], v[name] + arriving[name])
            wait[name] = np.maximum(wait[name] - 1, 0)
            now[name] = ((v[name] >= p.unit.v_threshold) & (wait[name] == 0)).astype(float)
            kept = p.unit.soft_reset * (v[name] - p.unit.v_threshold)
            v[name] = np.where(now[name] > 0, p.unit.v_reset + kept, v[name])
            wait[name] = np.where(now[name] > 0, round(p.unit.refractory / dt), wait[name])
        fired.append(now)
        for name in names:
            start = topology.unit_layout[name].start
            for unit in np.flatnonzero(now[name]):
                spikes += [(start + unit, n)] * int(now[name][unit])
        membranes.append(np.concatenate([v.get(name, np.zeros(topology[name].size)) for name in names]))
        for p_index, name in enumerate(names):
            if name not in neurons:
                continue
            unit = neurons[name].unit
            rest = unit.v_rest + (drive or {}).get(name, 0.0)
            if neurons[name].bias:
                rest = rest + parameters[f"{name}.bias"]
            target = rest + (v[name] - rest) * np.exp(-dt / unit.tau_m)
            for (post, tau), value in current.items():
                if post == name:
                    target = target + value * np.array([response(dt, unit.tau_m, tau)])
            if name in (sigma or {}):
                draws = np.zeros(topology[name].size)
                fill_normal(key, n, draws, rows=p_index)
                target = target + sigma[name] * np.sqrt((1 - np.exp(-2 * dt / unit.tau_m)) / 2) * draws
            v[name] = np.where(wait[name] > 0, v[name], target)
        for where in current:
            current[where] *= np.exp(-dt / where[1])
    return spikes, np.array(membranes)


def response(t, tau_m, tau_synapse):
    """Membrane at t after a current of 1 V that decays with tau_synapse set in at 0: the textbook's two cases."""
    if tau_m == tau_synapse:
        return t / tau_m * np.exp(-t / tau_m)
    return tau_synapse / (tau_synapse - tau_m) * (np.exp(-t / tau_synapse) - np.exp(-t / tau_m))


def trace(spikes, t, tau, nearest):
    """Trace at t of the spikes strictly before t."""
    before = [s for s in spikes if s < t]
    if nearest:
        before = sorted(before)[-1:]
    return sum(np.exp(-(t - s) / tau) for s in before)


def synapse(pre, post, delay, weight, at_pre, at_post, tau_pre, tau_post, nearest=False):
    """Weight of one plastic synapse after all spikes, and the weights with which presynaptic spikes were sent.

    pre, post : spike times; at_pre(w, x, y), at_post(w, x, y) : weight after an event; x and y the traces there.
    """
    arrivals = [t + delay for t in post]
    events = sorted([(t, 0) for t in arrivals] + [(t, 1) for t in pre])  # postsynaptic arrivals first
    sent = []
    for t, kind in events:
        x, y = trace(pre, t, tau_pre, nearest), trace(arrivals, t, tau_post, nearest)
        weight = at_pre(weight, x, y) if kind else at_post(weight, x, y)
        if kind:
            sent.append(weight)
    return weight, sent


def additive(w_max, a_plus, a_minus):
    return (lambda w, x, y: max(w - a_minus * w_max * y, 0)), (lambda w, x, y: min(w + a_plus * w_max * x, w_max))


def multiplicative(w_max, a_plus, a_minus):
    return (lambda w, x, y: w - a_minus * w * y), (lambda w, x, y: w + a_plus * (w_max - w) * x)


def inhibitory(w_max, eta, rate, tau):
    def at_pre(w, x, y):
        return min(max(w + eta * w_max * (y - 2 * rate * tau), 0), w_max)

    return at_pre, (lambda w, x, y: min(w + eta * w_max * x, w_max))
