"""Settings shared by all tests."""

from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib is imported: no windows

import math

import pytest
from hypothesis import settings

from bioneuro.training.interrupt import Interruption

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def nobody_pressed_ctrl_c_before(monkeypatch):
    """Two tests that each press it once are no impatient user."""
    monkeypatch.setattr(Interruption, "last", -math.inf)


def pytest_configure(config):
    config.addinivalue_line("markers", "small: also passes with NUMBA_DISABLE_JIT=1, in seconds")
