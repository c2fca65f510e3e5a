"""The examples in docstrings run, and give what they say."""

import doctest
import importlib

import pytest


@pytest.mark.filterwarnings("ignore::bioneuro._jit.kernel.UncachedKernel")  # functions of a docstring have no file
@pytest.mark.parametrize(
    "module",
    [
        "bioneuro.data.encoding",
        "bioneuro.data.transforms",
        "bioneuro.optim.rules",
        "bioneuro.optim.transform",
        "bioneuro.plasticity.estimators.classifier",
        "bioneuro.plasticity.estimators.features",
        "bioneuro.plasticity.learning",
        "bioneuro.plasticity.rate",
        "bioneuro.plasticity.spike",
        "bioneuro.spiking.answers",
        "bioneuro.spiking.convert",
        "bioneuro.spiking.engine",
        "bioneuro.spiking.estimators",
        "bioneuro.spiking.inputs",
        "bioneuro.spiking.theory",
        "bioneuro.topology.population",
        "bioneuro.topology.projections",
        "bioneuro.topology.units",
        "bioneuro.training.emphasis",
        "feedforward.estimators.autoencoder",
        "feedforward.estimators.classifier",
        "feedforward.estimators.ensemble",
        "feedforward.estimators.regressor",
        "feedforward.gradcheck",
        "feedforward.graph",
        "feedforward.instruments",
        "feedforward.losses",
        "feedforward.normalisation",
        "feedforward.targets",
    ],
)
def test_examples_give_what_they_say(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted
    assert not result.failed
