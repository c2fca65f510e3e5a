"""Hebbian networks as a comparison meets them."""

from __future__ import annotations

from bioneuro.models import Model
from bioneuro.plasticity.estimators import HebbianClassifier, HebbianFeatures
from bioneuro.topology import Topology

PENALTIES = ({"readout_l2": 1e-3}, {"readout_l2": 3e-4}, {"readout_l2": 3e-3})


def hebbian_features(topology: Topology) -> HebbianClassifier:
    """Sanger's rule on the input->hidden projection, and the shared softmax readout on its features."""
    return HebbianClassifier(topology=topology)


def random_features(topology: Topology) -> HebbianClassifier:
    """The same units before their first step, and the readout."""
    return hebbian_features(topology).untrained()


def hebbian_memory(n_units: int) -> HebbianFeatures:
    """Sanger's rule, with as many epochs as a handful of patterns needs, and its tied decoder."""
    return HebbianFeatures(32, epochs=500, learning_rate=0.5)


HEBBIAN = Model(
    "Hebbian features (Sanger's rule, on and off cells) with a softmax readout; as a memory, their tied decoder",
    classifier=hebbian_features,
    memory=hebbian_memory,
    candidates=PENALTIES,
    untrained=random_features,
)
