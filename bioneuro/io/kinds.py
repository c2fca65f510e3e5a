"""The frozen things that files hold, each taken apart into named fields and put together from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np

from bioneuro import memory
from bioneuro.data.dataset import Dataset
from bioneuro.errors import InvalidInput, choose
from bioneuro.parameters import Parameters
from bioneuro.recording import Recording
from bioneuro.topology import Lesion, Topology, Unit, as_unit

SETTINGS = ("bioneuro.optim.", "bioneuro.training.emphasis")  # where the classes of `Setting` are
BYTES_PER_UNIT = 64  # room that a topology read from a file may count on, so that no declared size outgrows memory


class Kind(NamedTuple):
    """How one class is taken apart into named fields, and put together from them."""

    take_apart: Callable[[Any], dict]
    put_together: Callable[..., Any]


def _topology(populations: list, projections: list) -> Topology:
    units = sum(math.prod(population["shape"]) for population in populations)
    memory.require({"units": BYTES_PER_UNIT * units}, f"a topology of {units:,} units")
    return Topology(tuple(populations), tuple(projections))


def _lesion(topology: Topology, alive: np.ndarray, intact: dict) -> Lesion:
    shaped = [((topology.n_units,), alive), *((topology.layout[name].shape, mask) for name, mask in intact.items())]
    for shape, mask in shaped:
        if mask.dtype != bool or mask.shape != shape:
            raise InvalidInput(f"a lesion needs booleans of shape {shape}, got {mask.dtype} of shape {mask.shape}")
    return Lesion(topology, alive, intact)


def _recording(parameters: Parameters | None, state: Any, traces: dict, interrupted: bool = False) -> Recording:
    if not isinstance(parameters, Parameters | None) or not isinstance(traces, dict):
        raise InvalidInput("a recording needs parameters and traces by name")
    return Recording(parameters, state, traces, bool(interrupted))


class Setting:
    """Stands for what says how to train: optimisers and what stands around them, schedules, emphases."""


def _named(thing: Any) -> dict:
    return {"name": type(thing).__name__, "settings": _attributes(*(field.name for field in fields(thing)))(thing)}


def _setting(name: str, settings: dict) -> Any:
    from bioneuro import optim  # with Numba: only where there are any
    from bioneuro.training import emphasis

    named = vars(optim) | vars(emphasis)
    known = {name: cls for name, cls in named.items() if isinstance(cls, type) and is_dataclass(cls)}
    cls = known[choose("optimiser, schedule or emphasis", name, known)]
    return cls(*settings["transforms"]) if cls is optim.chain else cls(**settings)


def _attributes(*names: str) -> Callable[[Any], dict]:
    return lambda thing: {name: getattr(thing, name) for name in names}


KINDS: dict[type, Kind] = {
    Topology: Kind(
        lambda net: {
            "populations": [population.to_json() for population in net.populations],
            "projections": [projection.to_json() for projection in net.projections],
        },
        _topology,
    ),
    Parameters: Kind(_attributes("topology", "theta"), Parameters),
    Lesion: Kind(
        lambda lesion: {"topology": lesion.topology, "alive": lesion.alive, "intact": dict(lesion.intact)}, _lesion
    ),
    Recording: Kind(
        lambda run: _attributes("parameters", "state", "interrupted")(run) | {"traces": dict(run.traces)}, _recording
    ),
    Dataset: Kind(_attributes(*(field.name for field in fields(Dataset))), Dataset),
    Setting: Kind(_named, _setting),
    Unit: Kind(lambda unit: {"described": unit.to_json()}, lambda described: as_unit(described)),
}
KINDS_BY_NAME = {cls.__name__: kind for cls, kind in KINDS.items()}


def kind_of(thing: Any) -> type | None:
    if isinstance(thing, Unit):
        return Unit
    cls = type(thing)
    if is_dataclass(cls) and cls.__module__.startswith(SETTINGS):
        return Setting
    return cls if cls in KINDS else None
