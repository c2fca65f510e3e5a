"""Exact sums over the states of small machines."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from bioneuro.errors import InvalidInput, UnknownName
from energy import partition
from energy.rbm import Machine
from tests.energy.test_rbm import machine
from tests.naive import rbm as naive


@pytest.mark.small
@pytest.mark.parametrize("shape", [(3, 2), (2, 5), (1, 1), (12, 4), (4, 12), (11, 11)])
def test_the_sum_over_visible_states_equals_the_sum_over_hidden_states(shape):
    m = machine(*shape)
    over_visible, over_hidden = (partition.log_partition(m, over) for over in ("visible", "hidden"))
    assert over_visible == pytest.approx(over_hidden, rel=1e-12, abs=1e-12)
    assert partition.log_partition(m) in (over_visible, over_hidden)


@pytest.mark.small
def test_log_z_and_moments_are_those_of_the_sum_over_all_pairs():
    for shape in ((5, 3), (3, 5)):
        m = machine(*shape)
        exact = naive.Enumerated.of(m.weights, m.visible_bias, m.hidden_bias)
        assert partition.log_partition(m) == pytest.approx(exact.log_z, rel=1e-13)
        np.testing.assert_allclose(partition.log_likelihood(m, exact.visible), np.log(exact.marginal), rtol=1e-12)
        for found, expected in zip(partition.moments(m), exact.moments(exact.marginal), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.small
def test_moments_of_more_states_than_one_block_holds():
    m = machine(12, 13, scale=0.5)
    found, turned = partition.moments(m), partition.moments(m.turned())
    np.testing.assert_allclose(found.visible, turned.hidden, rtol=1e-12)
    np.testing.assert_allclose(found.pairs, turned.pairs.T, rtol=1e-12)


@pytest.mark.small
def test_without_weights_log_z_is_a_sum_of_softplus():
    m = machine(30, 11)._replace(weights=np.zeros((30, 11)))
    expected = np.logaddexp(0, m.visible_bias).sum() + np.logaddexp(0, m.hidden_bias).sum()
    assert partition.log_partition(m) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(partition.moments(m).visible, naive.sigmoid(m.visible_bias), rtol=1e-11)


@pytest.mark.small
def test_huge_energies_do_not_overflow():
    m = machine(4, 3, scale=5000)
    assert partition.log_partition(m, "visible") == pytest.approx(partition.log_partition(m, "hidden"), rel=1e-12)
    assert partition.log_partition(m) > 709  # e^709 is the largest float64


@pytest.mark.small
def test_the_dead_have_one_state_only():
    hurt = machine(6, 4, dead=[0, 6 + 1])
    small = hurt.living()
    assert partition.log_partition(hurt) == pytest.approx(partition.log_partition(small), rel=1e-14)
    moments = partition.moments(hurt)
    assert moments.visible[0] == moments.hidden[1] == 0
    np.testing.assert_array_equal(moments.pairs[1:][:, [0, 2, 3]], partition.moments(small).pairs)


@pytest.mark.small
def test_single_precision_machines_are_summed_in_double():
    m = machine(5, 4, dtype="float32")
    wide = Machine(*(part.astype(np.float64) for part in m))
    assert partition.log_partition(m) == partition.log_partition(wide)


def test_many_states_take_little_memory():
    m = machine(17, 20)
    partition.log_partition(m, "visible")  # compiled
    tracemalloc.start()
    partition.log_partition(m, "visible")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**17 * 17  # bytes: an eighth of one float64 for each unit of each state


@pytest.mark.small
def test_too_many_states_are_refused_before_they_are_counted():
    with pytest.raises(InvalidInput, match=r"2\^26 states; at most 2\^25"):
        partition.log_partition(machine(26, 30))
    with pytest.raises(InvalidInput, match=r"2\^30 states"):
        partition.log_partition(machine(3, 30), over="hidden")
    assert np.isfinite(partition.log_partition(machine(3, 30)))


@pytest.mark.small
def test_a_layer_misspelt_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'hidden'"):
        partition.log_partition(machine(), over="hiden")
