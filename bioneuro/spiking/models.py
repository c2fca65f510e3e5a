"""Spiking models as a comparison meets them."""

from __future__ import annotations

from bioneuro.models import Model
from bioneuro.spiking.estimators import SpikingClassifier
from bioneuro.topology import Topology

RATES = ({"learning_rate": 0.2}, {"learning_rate": 0.1})


def stdp(topology: Topology) -> SpikingClassifier:
    """STDP with lateral inhibition on the input->hidden projection; labels are assigned to the units afterwards."""
    spiking = [population.name for role in ("hidden", "output") for population in topology.by_role(role)]
    return SpikingClassifier(topology=topology.with_units(**dict.fromkeys(spiking, "lif")))


def random_weights(topology: Topology) -> SpikingClassifier:
    """The same units with their first weights, which compete and have labels assigned all the same."""
    return stdp(topology).set_params(epochs=0)


STDP = Model(
    "Spiking neurons that learn by STDP with lateral inhibition, then vote for the classes that they fired for",
    classifier=stdp,
    candidates=RATES,
    untrained=random_weights,
    cannot={"memory": "tells by which unit fires what a picture is; nothing in it gives a picture back"},
)
