"""Lesions: which units and synapses are dead.

A lesion is dropout left on; dropout is a lesion redrawn every minibatch. A dead unit emits 0 *after* its activation
(a dead spin contributes 0, a dead neuron never spikes); a dead synapse has weight 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bioneuro._jit.keys import Key, seed_from
from bioneuro.data.domain import share_count
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose

if TYPE_CHECKING:
    from bioneuro.parameters import Parameters
    from bioneuro.topology.projections import Projection
    from bioneuro.topology.topology import Topology


@dataclass(frozen=True, eq=False)
class Lesion:
    """The dead of a topology.

    Attributes
    ----------
    topology : whose units and synapses they are.
    alive : (n_units,) bool, one per unit in the order of `topology.unit_layout`.
    intact : {projection: bool array of its weights' shape}, for projections that lost synapses.
    """

    topology: Topology
    alive: np.ndarray
    intact: Mapping[str, np.ndarray]

    def alive_in(self, population: str) -> np.ndarray:
        """(n,) bool: which units of one population live."""
        return self.alive[self.topology.unit_layout[choose("population", population, self.topology.unit_layout)]]

    def apply(self, parameters: Parameters) -> Parameters:
        """A copy of `parameters` in which the dead synapses are 0; dead units are the engine's to silence.

        Where units alone are dead, synapses may have come and gone since (`bioneuro.plasticity.grow`).
        """
        same_units = parameters.topology.unit_layout == self.topology.unit_layout
        same = parameters.topology.structure_digest == self.topology.structure_digest
        if not (same or (same_units and not self.intact)):
            raise InvalidInput(
                f"this lesion is of {self.topology!r}, the parameters are of {parameters.topology!r}"
                f"{', with other synapses' * same_units}; draw it from their topology: .lesion(...)"
            )
        hurt = parameters.copy()
        for name, mask in self.intact.items():
            hurt[name][...] *= mask
        return hurt

    def __repr__(self) -> str:
        dead = {name: int((~self.alive[where]).sum()) for name, where in self.topology.unit_layout.items()}
        cut = {name: int((~mask).sum()) for name, mask in self.intact.items()}
        return f"Lesion(dead units {dead}, dead synapses {cut})"


def draw_lesion(
    topology: Topology, units: float | Mapping[str, float], synapses: float | Mapping[str, float], random_state
) -> Lesion:
    """Draw a `Lesion`; see `Topology.lesion`."""
    key = Key.from_seed(seed_from(random_state)).child("lesion")
    alive = np.ones(topology.n_units, dtype=bool)
    for name, share in _unit_shares(topology, units).items():
        size = topology[name].size
        order = key.child("units").child(name).generator().permutation(size)  # one order: lesions nest as they grow
        alive[topology.unit_layout[name]][order[: share_count(share, size)]] = False
    intact = {
        name: _draw_intact(topology, topology.projection(name), share, key.child("synapses").child(name))
        for name, share in _synapse_shares(topology, synapses).items()
        if share > 0
    }
    return Lesion(topology, alive, intact)


def _unit_shares(topology: Topology, units) -> dict[str, float]:
    if not isinstance(units, Mapping):
        check_number("share of dead units", units, low=0, high=1)
        struck = topology.by_role("hidden") or (() if topology.by_role("output") else topology.populations)
        units = {population.name: units for population in struck}
    for name in units:
        choose("population to lesion", name, topology.unit_layout)
    return {name: check_number(f"share of dead units in {name!r}", s, low=0, high=1) for name, s in units.items()}


def _synapse_shares(topology: Topology, synapses) -> dict[str, float]:
    if not isinstance(synapses, Mapping):
        check_number("share of dead synapses", synapses, low=0, high=1)
        owners = [projection for projection in topology.projections if projection.name in topology.layout]
        synapses = {projection.name: synapses for projection in owners}
    for name in synapses:
        choose("projection to lesion", name, [projection.name for projection in topology.projections])
    return {name: check_number(f"share of dead synapses in {name!r}", s, low=0, high=1) for name, s in synapses.items()}


def _draw_intact(topology: Topology, projection: Projection, share: float, key: Key) -> np.ndarray:
    pre, post = topology.ends(projection)
    shape = projection.weight_shape(pre, post)
    pairs = projection.symmetric and projection.autapse  # both directions of a pair die together
    n_weights = 0 if shape is None else math.prod(shape)
    n_possible = projection.n_synapses(pre, post)
    if projection.tied_to is not None or (n_weights != n_possible and not (pairs and shape)):
        raise UnsupportedTopology(
            f"{projection.name!r} shares its weights, so its synapses cannot die one by one; "
            "lesion units, or name other projections: lesion(synapses={'input->hidden': 0.3})"
        )
    n = n_possible // 2 if pairs else n_possible
    dead = key.generator().permutation(n)[: share_count(share, n)]
    intact = np.ones(shape, dtype=bool)
    if pairs and len(shape) == 1:
        other = topology.edges(projection.name).reverse()
        first = np.flatnonzero(np.arange(n_possible) < other)[dead]
        intact[first] = intact[other[first]] = False
    elif pairs:
        rows, columns = np.triu_indices(pre.size, 1)
        intact[rows[dead], columns[dead]] = intact[columns[dead], rows[dead]] = False
    else:
        intact.reshape(-1)[dead] = False
    return intact
