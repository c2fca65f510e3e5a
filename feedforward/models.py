"""Backprop networks as a comparison meets them."""

from __future__ import annotations

from bioneuro.models import Model
from bioneuro.topology import Topology
from feedforward.estimators.autoencoder import Autoencoder
from feedforward.estimators.classifier import NetworkClassifier

RATES = ({"learning_rate": 3e-3}, {"learning_rate": 1e-2})
NO_RECALL = {"memory": "maps pictures to labels; nothing in it gives a picture back"}


def network(topology: Topology) -> NetworkClassifier:
    """The network, trained as a whole."""
    return NetworkClassifier(topology=topology)


def network_with_dropout(topology: Topology) -> NetworkClassifier:
    """The network, half of whose hidden units are dead in each minibatch."""
    return NetworkClassifier(topology=topology, dropout=0.5, epochs=80)


def random_network(topology: Topology) -> NetworkClassifier:
    """Only the output layer learns: the hidden units keep their first weights."""
    return network(topology).untrained()


def autoencoder(n_units: int) -> Autoencoder:
    """A denoising autoencoder with as many epochs as a handful of patterns needs."""
    return Autoencoder((100,), epochs=500, batch_size=10)


BACKPROP = Model(
    "Feedforward network, every weight trained by backprop",
    classifier=network,
    candidates=RATES,
    untrained=random_network,
    cannot=NO_RECALL,
)
BACKPROP_DROPOUT = Model(
    "The same network, trained with half of the hidden units dead in each minibatch",
    classifier=network_with_dropout,
    candidates=RATES,
    cannot=NO_RECALL,
)
AUTOENCODER = Model(
    "Denoising autoencoder with 100 hidden units, trained by backprop",
    memory=autoencoder,
    cannot={"classifier": "learns codes of pictures, no labels"},
)
