"""Kernels of a competitive layer: Poisson inputs, leaky integrate-and-fire units, one winner, plastic input weights.

Voltages are relative to rest. Everything is float32 but for sums, which are float64 and in order, so that a plain twin
gives the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.kernel import kernel
from bioneuro._jit.philox import philox

_QUARTER, _QUARTER_MASK, _STREAM = np.uint64(16), np.uint64(0xFFFF), np.uint64(0)
_RESOLUTION = 65536.0  # a draw is 16 bits


class Cell(NamedTuple):
    """The hidden units, one value each: decay in a step, threshold and reset above rest (V), refractory steps."""

    decay: np.ndarray
    threshold: np.ndarray
    reset: np.ndarray
    refractory: np.ndarray


class Protocol(NamedTuple):
    """How a picture is shown: `strength` is the spikes that all inputs together send in a step of the first showing."""

    strength: float
    channels: int
    steps: int
    min_spikes: int
    max_shows: int
    brighter: float
    trace_decay: float


class Plasticity(NamedTuple):
    """How weights and thresholds move: both rates fall in a line from picture 0 to picture `pictures`."""

    rate: float
    growth: float
    weight_sum: float
    pictures: int


class Workspace(NamedTuple):
    """What one showing needs, allocated once for many: arrays over input channels, then over hidden units."""

    sources: np.ndarray
    chances: np.ndarray
    trace: np.ndarray
    spikes: np.ndarray
    voltage: np.ndarray
    ready: np.ndarray
    limit: np.ndarray


@kernel
def show_rows(
    X, hashes, order, start, stop, epoch, first, key, weights, theta, alive_inputs, alive, cell, protocol, plasticity,
    space, counts, shows,
):  # fmt: skip
    """Show the rows order[start:stop] of X, one after the other; the layer learns where its rates are above 0.

    X : (n, n_inputs) in [0, 1]. hashes : (n,) uint64, the stream of each row. first : number of the picture at `start`
    since training began. weights : (n_inputs, n_hidden), theta : (n_hidden,), both changed in place. Out: counts
    (stop - start, n_hidden) int32, spikes in the last showing of each; shows (stop - start,) int32, how many showings.
    """
    for j in range(theta.shape[0]):
        space.limit[j] = cell.threshold[j] + theta[j] if alive[j] else np.float32(np.inf)
    for place in range(stop - start):
        i, seen = order[start + place], counts[place]
        left = 1.0 - (first + place) / plasticity.pictures
        rate, growth = plasticity.rate * left, np.float32(plasticity.growth * left)
        mass = np.float64(0)
        for value in X[i]:
            mass += value
        seen[:] = 0
        shows[place] = 0
        if mass <= 0.0:  # black: nothing to show
            continue
        brightness = protocol.strength / (mass * protocol.channels)
        while shows[place] < protocol.max_shows:
            n = _prepare(X[i], brightness, alive_inputs, protocol.channels, space)
            step = np.uint64((epoch * protocol.max_shows + shows[place]) * protocol.steps)
            found = _show(
                n, hashes[i], step, key, weights, theta, cell, protocol, rate, growth, plasticity.weight_sum, space,
                seen,
            )  # fmt: skip
            shows[place] += 1
            if found >= protocol.min_spikes:
                break
            brightness *= protocol.brighter


@kernel
def _prepare(x, brightness, alive_inputs, channels, space):
    """List the channels that can spike, with their chance in a step; return how many there are."""
    n = 0
    for source in range(x.shape[0]):
        if x[source] > 0 and alive_inputs[source]:
            chance = np.uint32(min(x[source] * brightness, 1.0) * _RESOLUTION + 0.5)
            for _ in range(channels):
                space.sources[n], space.chances[n], space.trace[n] = source, chance, np.float32(0)
                n += 1
    for k in range(n, n + 16):  # draws come sixteen at a time; those beyond the last channel never spike
        space.chances[k] = 0
    return n


@kernel
def _show(n, row, step, key, weights, theta, cell, protocol, rate, growth, weight_sum, space, counts):
    """One showing from rest: draw inputs, integrate, let one unit win, learn; return the number of hidden spikes."""
    space.voltage[:] = np.float32(0)
    space.ready[:] = 0
    counts[:] = 0
    found, held = 0, 0
    decay = np.float32(protocol.trace_decay)
    for t in range(protocol.steps):
        n_spikes = _draw_spikes(n, row, step + np.uint64(t), key, space)
        _integrate(n_spikes, t, held, weights, cell, space)
        if rate > 0.0:
            for k in range(n):
                space.trace[k] *= decay
            for s in range(n_spikes):
                space.trace[space.spikes[s]] += np.float32(1)
        winner = _winner(space.voltage, space.limit)
        if winner < 0:
            continue
        found += 1
        counts[winner] += 1
        for j in range(theta.shape[0]):
            space.voltage[j] = cell.reset[j]
        space.ready[winner] = t + 1 + cell.refractory[winner]
        held = max(held, space.ready[winner])
        if rate > 0.0:
            _pull(n, winner, rate, weight_sum, weights, space)
        theta[winner] += growth
        space.limit[winner] = cell.threshold[winner] + theta[winner]
    return found


@kernel
def _draw_spikes(n, row, step, key, space):
    """List the channels k with a 16-bit draw below chance_k in space.spikes; return their number."""
    found = 0
    for block in range((n + 15) // 16):
        words = philox(np.uint64(block), row, step, _STREAM, key[0], key[1])
        for place in range(4):
            word = words[place]
            for lane in range(4):
                k = 16 * block + 4 * place + lane
                space.spikes[found] = k  # kept if it spikes, else written over: no branch to mispredict
                found += np.int64(np.uint32(word & _QUARTER_MASK) < space.chances[k])
                word >>= _QUARTER
    return found


@kernel
def _integrate(n_spikes, t, held, weights, cell, space):
    """V_j <- V_j decay_j + sum over spikes of w_ij; V_j = reset_j in the refractory period, over for all at `held`."""
    voltage = space.voltage
    for j in range(voltage.shape[0]):
        voltage[j] *= cell.decay[j]
    for s in range(n_spikes):
        row = weights[space.sources[space.spikes[s]]]
        for j in range(voltage.shape[0]):
            voltage[j] += row[j]
    if t < held:
        for j in range(voltage.shape[0]):
            voltage[j] = cell.reset[j] if t < space.ready[j] else voltage[j]


@kernel
def _winner(voltage, limit):
    """The unit farthest above its threshold, the first of equals; -1 where none has reached it."""
    reached = 0
    for j in range(voltage.shape[0]):
        reached |= np.int64(voltage[j] >= limit[j])
    best, lead = -1, np.float32(-1)
    if reached:
        for j in range(voltage.shape[0]):
            if voltage[j] >= limit[j] and voltage[j] - limit[j] > lead:
                best, lead = j, voltage[j] - limit[j]
    return best


@kernel
def _pull(n, winner, rate, weight_sum, weights, space):
    """w_i <- (1 - rate) w_i + rate weight_sum x_i / sum_k x_k, for the weights into one unit."""
    total = np.float64(0)
    for k in range(n):
        total += space.trace[k]
    keep, gain = np.float32(1.0 - rate), np.float32(rate * weight_sum / total)
    for i in range(weights.shape[0]):
        weights[i, winner] *= keep
    for k in range(n):
        weights[space.sources[k], winner] += gain * space.trace[k]
