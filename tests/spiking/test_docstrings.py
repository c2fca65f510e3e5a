"""The examples in docstrings run."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    ["bioneuro.spiking.engine", "bioneuro.spiking.inputs", "bioneuro.spiking.theory", "bioneuro.plasticity.spike"],
)
def test_examples_give_what_they_say(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted
    assert not result.failed
