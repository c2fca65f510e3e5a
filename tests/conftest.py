"""Settings shared by all tests."""

from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib is imported: no windows

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_configure(config):
    config.addinivalue_line("markers", "small: also passes with NUMBA_DISABLE_JIT=1, in seconds")
