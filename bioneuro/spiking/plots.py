"""Figures of a run: who spiked when, membranes, rates of populations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput, check_number
from bioneuro.recording import Recording
from bioneuro.spiking.recording import spikes_of
from bioneuro.viz.style import INK, LINES, PALETTE, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELLED = 7  # curves in a legend
STROKE = 10.0  # mV above the threshold, where a spike is drawn


@styled
def raster(
    recording: Recording, populations: Sequence[str] | None = None, *, most: int = 200, ax: Axes | None = None
) -> Axes:
    """Draw a mark per spike: time across, units up, populations stacked in their colours.

    Parameters
    ----------
    recording : of `simulate`, with spikes.
    populations : names, from below; all by default, those whose spikes are not recorded stay empty.
    most : units of each population that are drawn, its first ones.
    ax : axes to draw on; new ones by default.
    """
    topology = recording.parameters.topology
    names = [population.name for population in topology.populations] if populations is None else list(populations)
    check_number("most", most, low=1, integer=True)
    ax = axes_or_new(ax, 6.0, 3.5)
    base, middles = 0, []
    for k, name in enumerate(names):
        units, times = spikes_of(recording, name)
        shown = min(topology[name].size, most)
        drawn = units < shown
        ax.scatter(times[drawn], base + units[drawn], s=4, marker="|", linewidths=0.8, color=PALETTE[k % len(PALETTE)])
        middles.append(base + shown / 2)
        base += shown
        if k < len(names) - 1:
            ax.axhline(base - 0.5, color=INK, linewidth=0.5)
    ax.set_yticks(middles, names)
    ax.set(xlabel="time (s)", ylabel="units", ylim=(-0.5, base - 0.5), title="Spikes of each unit")
    return ax


@styled
def voltage(recording: Recording, population: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the recorded membranes of a population, their threshold, and strokes where they spike, if that is recorded.

    Parameters
    ----------
    recording : of `simulate`, with `record={"voltage": {population: units}}`.
    population : whose membranes; the only one recorded by default.
    ax : axes to draw on; new ones by default.
    """
    name = _the_one(recording, "voltage", population)
    times, traces, units = recording["times"], recording[f"voltage.{name}"], recording[f"voltage.{name}.units"]
    population = recording.parameters.topology[name]
    threshold = 1e3 * np.broadcast_to(population.unit.v_threshold, population.size)
    spikes = spikes_of(recording, name) if "spikes.units" in recording.traces else (np.empty(0), np.empty(0))
    ax = axes_or_new(ax, 6.0, 3.0)
    for k, (unit, trace) in enumerate(zip(units, traces.T, strict=True)):
        label, colour = f"neuron {unit}" if len(units) <= MOST_LABELLED else None, PALETTE[k % len(PALETTE)]
        ax.plot(times, 1e3 * trace, color=colour, linewidth=1.0, label=label)
        ax.vlines(spikes[1][spikes[0] == unit], threshold[unit], threshold[unit] + STROKE, color=colour, linewidth=1.0)
    if len(set(threshold[units])) == 1:
        ax.axhline(threshold[units[0]], color=INK, linestyle="--", linewidth=0.8, label="threshold")
    ax.set(xlabel="time (s)", ylabel="membrane (mV)", title=f"Membranes of {name}")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best")
    return ax


@styled
def rate(
    recording: Recording,
    populations: Sequence[str] | None = None,
    *,
    width: float = 5e-3,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean rate of populations over time.

    Parameters
    ----------
    recording : of `simulate`, with `record={"rate": ...}`.
    populations : names; all that are recorded by default.
    width : s, of the bins that spikes are counted in.
    ax : axes to draw on; new ones by default.
    """
    names = _recorded(recording, "rate") if populations is None else list(populations)
    if not names:
        raise InvalidInput('this recording has no rates; simulate with record={"rate": True}')
    times = recording["times"]
    dt = recording.state.dt
    n = max(1, round(check_number("width", width, low=0, open_low=True, hint="seconds") / dt))
    ax = axes_or_new(ax, 6.0, 3.0)
    for k, name in enumerate(names):
        values = recording[f"rate.{name}"]
        if len(values) < n:
            raise InvalidInput(f"width={width:g} s is longer than the recording ({len(values) * dt:g} s)")
        bins = len(values) // n
        means = values[: bins * n].reshape(bins, n).mean(axis=1)
        middles = times[: bins * n].reshape(bins, n).mean(axis=1)
        ax.plot(middles, means, color=PALETTE[k % len(PALETTE)], linestyle=LINES[k % len(LINES)], label=name)
    ax.set(xlabel="time (s)", ylabel="rate (Hz)", title="Mean rate of each population", ylim=(0, None))
    ax.legend(loc="best")
    return ax


def _recorded(recording: Recording, what: str) -> list[str]:
    return [
        name.removeprefix(f"{what}.")
        for name in recording.traces
        if name.startswith(f"{what}.") and name.count(".") == 1
    ]


def _the_one(recording: Recording, what: str, population: str | None) -> str:
    names = _recorded(recording, what)
    if population is not None:
        recording[f"{what}.{population}"]  # an unknown name is an error that lists the known
        return population
    if len(names) != 1:
        raise InvalidInput(f"say whose {what} to draw: {', '.join(names) or 'none is recorded'}")
    return names[0]
