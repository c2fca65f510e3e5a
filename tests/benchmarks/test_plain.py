"""The work of `benchmarks.plain` is that of the engines: a twin that did less would make them look slow."""

from __future__ import annotations

import numpy as np

from benchmarks import plain
from benchmarks.feedforward import as_task, optimizer_of, training


def test_numpy_learns_the_weights_that_compiled_backprop_learns():
    draw = np.random.default_rng(0)
    X, y = draw.standard_normal((96, 20), dtype=np.float32), draw.integers(0, 4, 96)
    ours = training(X, y, (20, 16, 4), epochs=2)
    w1, b1, w2, b2 = plain.backprop(as_task(ours), 0.05, 32)
    learnt = ours.run(optimizer_of("momentum", 0.05), 32).parameters
    first, second = learnt.topology.projections
    for projection, weights, bias in ((first, w1, b1), (second, w2, b2)):
        # six steps of sums in another order, each a few units in the last place of numbers of size 1
        np.testing.assert_allclose(weights, learnt[projection.name], atol=1e-5)
        np.testing.assert_allclose(bias, learnt[f"{projection.post}.bias"], atol=1e-5)


def test_contrastive_divergence_lowers_the_error_of_reconstruction():
    draw = np.random.default_rng(0)
    X = np.repeat((draw.random((4, 30)) < 0.3).astype(np.float32), 50, axis=0)
    first = 0.01 * draw.standard_normal((30, 12), dtype=np.float32), np.zeros(30, np.float32), np.zeros(12, np.float32)
    X = X[draw.permutation(len(X))]
    once = plain.contrastive_divergence(X, first, 0.1, 10, np.random.default_rng(1))
    often = plain.contrastive_divergence(np.tile(X, (10, 1)), first, 0.1, 10, np.random.default_rng(1))
    assert often < once / 2


def test_every_unit_is_joined_with_as_many_others_in_rising_order():
    rows = plain.synapses(40, 7, np.random.default_rng(0))
    assert rows.shape == (40, 7)
    assert (np.diff(rows) > 0).all()
    assert rows.min() >= 0
    assert rows.max() < 40
    assert not (rows == np.arange(40)[:, None]).any()
