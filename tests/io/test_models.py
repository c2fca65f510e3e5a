"""Every estimator of the library answers with the same bytes after it was saved and loaded."""

from __future__ import annotations

import numpy as np
import pytest

import bioneuro
import energy
import feedforward
from bioneuro.io import storable

DIGITS = bioneuro.load_digits().subsample(100)
X, Y = DIGITS.X, DIGITS.y
PATTERNS = DIGITS.prototypes()
CASES = {
    "NetworkClassifier": (
        lambda: feedforward.NetworkClassifier((20,), epochs=2, random_state=0).fit(X, Y),
        X,
        ("predict", "predict_proba"),
    ),
    "words as labels": (
        lambda: feedforward.NetworkClassifier((20,), epochs=2, random_state=0).fit(X, np.array(["odd", "even"])[Y % 2]),
        X,
        ("predict_proba",),
    ),
    "NetworkRegressor": (
        lambda: feedforward.NetworkRegressor((20,), epochs=2, random_state=0).fit(X, Y + 0.5),
        X,
        ("predict",),
    ),
    "Autoencoder": (lambda: feedforward.Autoencoder(epochs=2, random_state=0).fit(X), X, ("transform", "recall")),
    "HopfieldMemory": (lambda: energy.HopfieldMemory().fit(PATTERNS), PATTERNS, ("recall", "energy")),
    "RBM": (lambda: energy.RBM(20, epochs=2, random_state=0).fit(X), X, ("transform", "score_samples")),
    "RBMClassifier": (
        lambda: energy.RBMClassifier((20,), epochs=2, random_state=0).fit(X, Y),
        X,
        ("predict", "predict_proba"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_loaded_model_answers_with_the_same_bytes(tmp_path, name):
    make, rows, verbs = CASES[name]
    model = make()
    for saved in (model, model.lesion(units=0.3, random_state=1)):
        back = bioneuro.load(bioneuro.save(tmp_path / "model", saved))
        assert type(back) is type(model)
        for verb in verbs:
            expected = getattr(saved, verb)(rows)
            assert np.asarray(getattr(back, verb)(rows)).tobytes() == np.asarray(expected).tobytes()
        if hasattr(model, "classes_"):
            assert back.predict(rows).tolist() == saved.predict(rows).tolist()


@pytest.mark.parametrize("key", ["Key", "TrainingState", "SpinCode", *list(CASES)[2:]])
def test_every_key_of_the_library_leads_to_its_class(key):
    assert storable.class_of(key).__name__ == key
