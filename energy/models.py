"""Energy-based models as a comparison meets them."""

from __future__ import annotations

from bioneuro.models import Model
from bioneuro.topology import Topology
from energy.estimators import RBM, HopfieldClassifier, HopfieldMemory, RBMClassifier

PROTOTYPES = ({"n_prototypes": 40}, {"n_prototypes": 80})
PENALTIES = ({"readout_l2": 3e-3}, {"readout_l2": 3e-4})  # many pixels and few rows want the first


def rbm_features(topology: Topology) -> RBMClassifier:
    """An RBM on the input->hidden projection, and the shared softmax readout on its hidden units."""
    return RBMClassifier(topology=topology, method="features")


def random_features(topology: Topology) -> RBMClassifier:
    """The same RBM before its first step, and the readout."""
    return rbm_features(topology).untrained()


def rbm_memory(n_units: int) -> RBM:
    """An RBM with as many epochs as it takes to learn a handful of patterns by heart.

    Small first weights leave no false memories of their own, and ten sweeps a step, rather than one, find those that
    learning makes: of ten MNIST digits 82 % come back exactly from 20 % flips (47 % with sigma=.05 and k=1).
    """
    return RBM(100, epochs=500, batch_size=64, sigma=1e-3, k=10)


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
    candidates=PENALTIES,
    untrained=random_features,
)
HOPFIELD = Model(
    "Hopfield network: as a memory, pixels by the pseudo-inverse rule; as a classifier, several spins a pixel (grey "
    "levels) and a label unit a class, which hold prototypes of each class by the dreaming rule",
    classifier=hopfield_classifier,
    memory=hopfield_memory,
    candidates=PROTOTYPES,
)
