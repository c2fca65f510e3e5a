"""Energy-based models as a comparison meets them."""

from __future__ import annotations

from bioneuro.models import Model
from bioneuro.topology import Topology
from energy.estimators import RBM, HopfieldClassifier, HopfieldMemory, RBMClassifier

PROTOTYPES = ({"n_prototypes": 10}, {"n_prototypes": 5}, {"n_prototypes": 20})
RATES = ({"learning_rate": 0.1}, {"learning_rate": 0.2})


def rbm_features(topology: Topology) -> RBMClassifier:
    """An RBM on the input->hidden projection, and the shared softmax readout on its hidden units."""
    return RBMClassifier(topology=topology, method="features")


def random_features(topology: Topology) -> RBMClassifier:
    """The same RBM before its first step, and the readout."""
    return rbm_features(topology).untrained()


def rbm_memory(n_units: int) -> RBM:
    """An RBM with as many epochs as it takes to learn a handful of patterns by heart."""
    return RBM(100, epochs=1000, batch_size=64)


def hopfield_memory(n_units: int) -> HopfieldMemory:
    """All pixels joined with all by the pseudo-inverse rule, which stores correlated patterns too."""
    return HopfieldMemory(rule="pseudo-inverse")


def hopfield_classifier(topology: Topology) -> HopfieldClassifier:
    """The complete graph over pixels and label units, whatever lies between input and output of `topology`."""
    return HopfieldClassifier()


RBM_FEATURES = Model(
    "Restricted Boltzmann machine (contrastive divergence) with a softmax readout on its hidden units",
    classifier=rbm_features,
    memory=rbm_memory,
    candidates=RATES,
    untrained=random_features,
)
HOPFIELD = Model(
    "Hopfield network: pixels by the pseudo-inverse rule; as a classifier, prototypes with label units by Hebb's rule",
    classifier=hopfield_classifier,
    memory=hopfield_memory,
    candidates=PROTOTYPES,
)
