"""A plain twin of the competitive layer: one step after the other, straight from the equations, in float32."""

from __future__ import annotations

import numpy as np

from tests.naive.jit_random import philox

F = np.float32


def input_spikes(row, step, key, chances):
    """Which channels spike: draw k of 16 bits, four to a word, four words to a block, is below 65536 chance_k."""
    spikes = []
    for k, chance in enumerate(chances):
        word = philox((k // 16, row, step, 0), key)[k % 16 // 4]
        if (word >> 16 * (k % 4)) % 65536 < chance:
            spikes.append(k)
    return spikes


def show(x, row, first_step, key, weights, theta, inputs, alive, cell, protocol, rate, growth, weight_sum, brightness):
    """One showing; returns the spikes of each hidden unit. `weights` and `theta` change in place."""
    n_inputs, n_hidden = weights.shape
    sources = [i for i in range(n_inputs) if x[i] > 0 and inputs[i] for _ in range(protocol.channels)]
    chances = [int(min(float(x[i]) * brightness, 1.0) * 65536 + 0.5) for i in sources]
    trace = np.zeros(len(sources), F)
    voltage, counts = np.zeros(n_hidden, F), np.zeros(n_hidden, int)
    held_until = np.zeros(n_hidden, int)
    for t in range(protocol.steps):
        arrived = input_spikes(row, first_step + t, key, chances)
        voltage = voltage * cell.decay
        for k in arrived:
            voltage = voltage + weights[sources[k]]
        voltage = np.where(t < held_until, cell.reset, voltage)
        trace = trace * F(protocol.trace_decay)
        for k in arrived:
            trace[k] += F(1)
        excess = np.where(alive, voltage - (cell.threshold + theta), -np.inf)
        if excess.max() < 0:
            continue
        winner = int(excess.argmax())
        counts[winner] += 1
        voltage = cell.reset.copy()
        held_until[winner] = t + 1 + cell.refractory[winner]
        if rate > 0:
            total = sum(map(float, trace))
            weights[:, winner] *= F(1 - rate)
            for k, source in enumerate(sources):
                weights[source, winner] += F(rate * weight_sum / total) * trace[k]
        theta[winner] += growth
    return counts


def show_rows(X, hashes, order, epoch, first, key, weights, theta, inputs, alive, cell, protocol, plasticity):
    """Pictures in order, each until it calls forth spikes enough; returns the counts of the last showings and shows."""
    counts, shows = np.zeros((len(X), len(theta)), int), np.zeros(len(X), int)
    for position, i in enumerate(order):
        left = 1 - (first + position) / plasticity.pictures
        mass = sum(map(float, X[i]))
        if mass == 0:
            continue
        brightness = protocol.strength / (mass * protocol.channels)
        while shows[i] < protocol.max_shows:
            step = (epoch * protocol.max_shows + int(shows[i])) * protocol.steps
            counts[i] = show(
                X[i], int(hashes[i]), step, key, weights, theta, inputs, alive, cell, protocol,
                plasticity.rate * left, F(plasticity.growth * left), plasticity.weight_sum, brightness,
            )  # fmt: skip
            shows[i] += 1
            if counts[i].sum() >= protocol.min_spikes:
                break
            brightness *= protocol.brighter
    return counts, shows
