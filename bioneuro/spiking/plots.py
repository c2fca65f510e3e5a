"""Figures of a run: who spiked when, membranes, rates of populations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.recording import Recording
from bioneuro.spiking.recording import check_recording, spikes_of
from bioneuro.viz.style import INK, LINES, PALETTE, axes_or_new, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELLED = 7  # curves in a legend
SHORTEST_MARK = 0.015  # of the axes' height, where units are many
BESIDE = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}  # a legend that covers no curve
STROKE = 10.0  # mV above the threshold, where a spike is drawn


@styled
def raster(
    recording: Recording, populations: str | Sequence[str] | None = None, *, most: int = 200, ax: Axes | None = None
) -> Axes:
    """Draw a mark per spike: time across, units up, populations stacked in their colours.

    Parameters
    ----------
    recording : of `simulate`, with spikes.
    populations : a name or names, from below; all by default, those whose spikes are not recorded stay empty.
    most : units of each population that are drawn, its first ones; the title says where that is not all.
    ax : axes to draw on; new ones by default.
    """
    check_recording("raster", recording)
    topology = recording.parameters.topology
    names = [population.name for population in topology.populations] if populations is None else _several(populations)
    check_number("most", most, low=1, integer=True)
    ax = axes_or_new(ax, 6.0, 3.5)
    sizes = [topology[name].size for name in names]
    shown = [min(size, most) for size in sizes]
    bases = np.cumsum([0, *shown])
    half = max(0.4, SHORTEST_MARK / 2 * bases[-1])
    for k, (name, base, n) in enumerate(zip(names, bases, shown, strict=False)):
        units, times = spikes_of(recording, name)
        units, times = units[units < n] + base, times[units < n]
        ax.vlines(times, units - half, units + half, color=PALETTE[k % len(PALETTE)], linewidth=1.1)
        if k:
            ax.axhline(base - 0.5, color=INK, linewidth=0.5)
    ax.set_yticks(bases[:-1] + (np.array(shown) - 1) / 2, names)
    some = [f"{n:,} of {size:,} {name}" for name, n, size in zip(names, shown, sizes, strict=True) if n < size]
    title = f"Spikes of units ({', '.join(some)} drawn)" if some else "Spikes of each unit"
    ax.set(xlabel="time (s)", ylabel="units", ylim=(-0.5, bases[-1] - 0.5), title=title)
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
    check_recording("voltage", recording)
    name = _the_one(recording, "voltage", population)
    times, traces, units = recording["times"], recording[f"voltage.{name}"], recording[f"voltage.{name}.units"]
    population = recording.parameters.topology[name]
    threshold = 1e3 * np.broadcast_to(population.unit.v_threshold, population.size)
    spikes = spikes_of(recording, name) if "spikes.units" in recording else (np.empty(0), np.empty(0))
    ax = axes_or_new(ax, 6.0, 3.0)
    for k, (unit, trace) in enumerate(zip(units, traces.T, strict=True)):
        label, colour = f"neuron {unit}" if len(units) <= MOST_LABELLED else None, PALETTE[k % len(PALETTE)]
        ax.plot(times, 1e3 * trace, color=colour, linewidth=1.0, label=label)
        ax.vlines(spikes[1][spikes[0] == unit], threshold[unit], threshold[unit] + STROKE, color=colour, linewidth=1.0)
    if len(set(threshold[units])) == 1:
        ax.axhline(threshold[units[0]], color=INK, linestyle="--", linewidth=0.8, label="threshold")
    ax.set(xlabel="time (s)", ylabel="membrane (mV)", title=f"Membranes of {name}")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(**BESIDE)
    return ax


@styled
def rate(
    recording: Recording,
    populations: str | Sequence[str] | None = None,
    *,
    width: float = 5e-3,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean rate of populations over time.

    Parameters
    ----------
    recording : of `simulate`, with `record={"rate": ...}`.
    populations : a name or names; all that are recorded by default.
    width : s, of the bins that spikes are counted in.
    ax : axes to draw on; new ones by default.
    """
    check_recording("rate", recording)
    names = _recorded(recording, "rate") if populations is None else _several(populations)
    if not names:
        raise InvalidInput('this recording holds no rates; simulate with record={"rate": True}')
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
    ax.legend(**BESIDE)
    return ax


def _several(populations: str | Sequence[str]) -> list[str]:
    return [populations] if isinstance(populations, str) else list(populations)


def _recorded(recording: Recording, what: str) -> list[str]:
    return [name.removeprefix(f"{what}.") for name in recording if name.startswith(f"{what}.") and name.count(".") == 1]


def _the_one(recording: Recording, what: str, population: str | None) -> str:
    names = _recorded(recording, what)
    if not names:
        raise InvalidInput(f'this recording holds no {what}; simulate with record={{"{what}": {{"E": [0, 1]}}}}')
    if population is not None:
        return choose(f"population whose {what} is recorded", population, names)
    if len(names) != 1:
        raise InvalidInput(f"say whose {what} to draw: {', '.join(map(repr, names))}")
    return names[0]
