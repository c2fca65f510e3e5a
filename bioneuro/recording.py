"""Recording: what came out of a run, and what is needed to go on from there."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bioneuro.errors import choose
from bioneuro.parameters import Parameters


@dataclass(frozen=True, eq=False)
class Recording:
    """The outcome of one run of an engine; its inputs were not changed.

    Attributes
    ----------
    parameters : the learnt numbers at the end.
    state : what the run evolved (optimiser moments, chains, membranes), to be handed to the next run.
    traces : {name: array} of what was recorded, first axis time: "loss", "energy", "spikes", ...
    interrupted : whether Ctrl-C ended the run before its time.

    `recording["loss"]` is short for `recording.traces["loss"]`, `"loss" in recording` asks whether it is there, and
    `np.savez(path, **recording)` hands all traces on.
    """

    parameters: Parameters
    state: Any = None
    traces: Mapping[str, np.ndarray] = field(default_factory=dict)
    interrupted: bool = False

    def __getitem__(self, name: str) -> np.ndarray:
        return self.traces[choose("trace", name, self.traces)]

    def __contains__(self, name: str) -> bool:
        return name in self.traces

    def __iter__(self) -> Iterator[str]:
        return iter(self.traces)

    def keys(self) -> KeysView[str]:
        """Names of the traces."""
        return self.traces.keys()

    def __repr__(self) -> str:
        traces = ", ".join(f"{name} {np.shape(trace)}" for name, trace in self.traces.items())
        return f"Recording({traces}{', interrupted' * self.interrupted})"
