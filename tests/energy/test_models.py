"""Energy-based models as the comparison builds them."""

from __future__ import annotations

import numpy as np
import pytest

from bioneuro import Topology, corrupt, load_digits
from energy.models import HOPFIELD, RBM_FEATURES

DIGITS = load_digits()


@pytest.mark.parametrize(("model", "least"), [(RBM_FEATURES, 0.97), (HOPFIELD, 0.85)])
def test_memories_bring_ten_digits_back_exactly_from_a_fifth_of_flipped_pixels(model, least):
    shares = []
    for seed in range(3):
        stored = DIGITS.bipolar_patterns(10, random_state=seed)
        wanted = np.tile(stored, (5, 1))
        memory = model.memory(64).set_params(random_state=seed).fit(stored)
        np.testing.assert_array_equal(memory.recall(stored), stored)
        recalled = memory.recall(corrupt(wanted, flip=0.2, random_state=seed))
        shares.append(np.mean((recalled == wanted).all(axis=1)))
    assert np.mean(shares) >= least


@pytest.mark.parametrize("model", [RBM_FEATURES, HOPFIELD])
def test_every_candidate_is_a_setting_that_the_classifier_has(model):
    classifier = model.classifier(Topology.mlp(64, 100, 10))
    for candidate in model.candidates:
        assert candidate.keys() <= classifier.get_params().keys()
