from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from benchmarks import openblas


def test_openblas_keeps_its_own_choice_unless_other_kernels_are_clearly_faster():
    assert openblas.fastest({"": 1.0, "Haswell": 0.97}) == ""
    assert openblas.fastest({"": 1.0, "Haswell": 0.6, "SkylakeX": 0.5}) == "SkylakeX"
    assert openblas.fastest({"Haswell": 2.0, "SkylakeX": 1.0}) == "SkylakeX"


def test_a_process_that_dies_of_its_kernels_is_no_candidate(monkeypatch):
    monkeypatch.setattr(openblas, "PROBE", "import os; os.abort()")
    assert openblas.probe(dict(os.environ)) is None


def test_the_command_starts_anew_once_without_the_settings_of_its_surroundings(monkeypatch):
    started = []
    monkeypatch.delenv(openblas.CHOSEN, raising=False)
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1")
    monkeypatch.setattr(openblas, "probe", lambda environment: 2.0 - ("OPENBLAS_CORETYPE" in environment))
    monkeypatch.setattr(os, "execve", lambda *arguments: started.append(arguments))
    openblas.start_with_best_kernels()
    [(program, command, environment)] = started
    assert program == sys.executable
    assert command[1:] == sys.orig_argv[1:]
    assert environment["OPENBLAS_CORETYPE"] == environment[openblas.CHOSEN] == "SkylakeX"
    assert "OPENBLAS_L2_SIZE" not in environment
    monkeypatch.setenv(openblas.CHOSEN, "")
    openblas.start_with_best_kernels()
    assert len(started) == 1


@pytest.mark.parametrize("turn_left", "NT")
@pytest.mark.parametrize("turn_right", "NT")
def test_sgemm_multiplies_matrices_in_c_order(turn_left, turn_right):
    draw = np.random.default_rng(0).integers
    a, b = draw(-9, 10, (3, 5)).astype(np.float32), draw(-9, 10, (5, 4)).astype(np.float32)
    left, right = (x.T.copy() if turn == "T" else x for x, turn in ((a, turn_left), (b, turn_right)))
    out = np.empty((3, 4), np.float32)
    openblas.sgemm(1, *openblas.sgemm_arguments(left, right, turn_left, turn_right), out)
    np.testing.assert_array_equal(out, a @ b)
