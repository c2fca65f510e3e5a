"""The examples in docstrings run, and give what they say."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "bioneuro.data.transforms",
        "bioneuro.optim.rules",
        "bioneuro.optim.transform",
        "bioneuro.topology.units",
        "bioneuro.training.emphasis",
        "feedforward.estimators.autoencoder",
        "feedforward.estimators.ensemble",
        "feedforward.estimators.classifier",
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
