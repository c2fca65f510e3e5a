"""Kernels of the rate rules against their twins in plain NumPy."""

import numpy as np
import pytest

from bioneuro.plasticity import kernels
from tests.naive import plasticity as naive

pytestmark = pytest.mark.small
DRAW = np.random.default_rng(0)
Y = DRAW.normal(size=(5, 7))
Y[0, 0], Y[1, 1] = 0.0, -0.0
W = DRAW.normal(size=(4, 7))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_channels_are_their_formulas_and_keep_the_type(dtype):
    y = Y.astype(dtype)
    split, rectified, powered = np.empty((5, 14), dtype), y.copy(), y.copy()
    kernels.split_signs(y, split)
    kernels.rectify(rectified)
    kernels.raise_to(powered, y.dtype.type(2.5))
    np.testing.assert_array_equal(split, naive.split_signs(y))
    np.testing.assert_array_equal(rectified, naive.split_signs(y)[:, :7])
    np.testing.assert_allclose(powered, naive.raise_to(y, 2.5), rtol=1e-6 if dtype == "float32" else 1e-14)


def test_columns_decay_each_by_its_own_amount():
    amount, out = DRAW.normal(size=7), np.ones_like(W)
    kernels.decay_columns(W, amount, out)
    np.testing.assert_allclose(out, 1 - W * amount, rtol=1e-14)


def test_a_signed_power_keeps_the_sign():
    out = np.empty_like(W)
    kernels.signed_power(W, 1.5, out)
    np.testing.assert_allclose(out, np.sign(W) * np.abs(W) ** 1.5, rtol=1e-14)


def test_units_are_modified_about_their_threshold():
    threshold, out = np.square(Y).mean(axis=0), np.empty_like(Y)
    kernels.modify_about(Y, threshold, out)
    np.testing.assert_allclose(out, Y * (Y - threshold), rtol=1e-14)


@pytest.mark.parametrize("rank", [2, 3, 7])
def test_the_winner_learns_and_the_unit_of_rank_k_unlearns(rank):
    out = np.full_like(Y, np.nan)
    kernels.compete(Y, rank, 0.4, np.empty(7, bool), out)
    for row, share in zip(Y, out, strict=True):
        order = np.argsort(-row, kind="stable")
        assert share[order[0]] == 1
        assert share[order[rank - 1]] == -0.4
        assert np.count_nonzero(share) == 2


def test_of_equal_drives_the_first_unit_wins():
    out = np.empty((1, 3))
    kernels.compete(np.ones((1, 3)), 2, 0.5, np.empty(3, bool), out)
    assert out.tolist() == [[1, -0.5, 0]]
