"""A checkpoint is not handed back as the result of a training with other settings of what is learnt by."""

import pytest

from bioneuro import load_digits
from bioneuro.errors import InvalidInput
from bioneuro.plasticity import HebbianFeatures
from bioneuro.spiking import SpikingClassifier
from energy import RBM, RBMClassifier
from feedforward import NetworkClassifier

DIGITS = load_digits()
X, y = DIGITS.X[:100], DIGITS.y[:100]


@pytest.mark.parametrize(
    ("model", "other"),
    [
        (RBM, {"k": 2}),
        (RBM, {"l2": 0.01}),
        (RBM, {"persistent": True}),
        (RBMClassifier, {"generative": 0.1}),
        (RBMClassifier, {"l2": 0.01}),
        (HebbianFeatures, {"rule": "oja"}),
    ],
)
def test_a_checkpoint_does_not_answer_for_other_settings(model, other, tmp_path):
    settings = {"epochs": 2, "random_state": 0, "checkpoint": tmp_path / "fit.npz"}
    settings = settings | {name: model().get_params()[name] for name in other}
    whole = model(**settings).fit(X, y)
    with pytest.raises(InvalidInput, match="belongs to another training"):
        model(**settings | other).fit(X, y)
    again = model(**settings).fit(X, y)
    assert again.parameters_.theta.tobytes() == whole.parameters_.theta.tobytes()


@pytest.mark.parametrize("model", [RBM, HebbianFeatures, NetworkClassifier, SpikingClassifier])
def test_a_checkpoint_without_a_seed_is_refused_before_the_work_is_done(model, tmp_path):
    path = tmp_path / "fit.npz"
    with pytest.raises(InvalidInput, match="give random_state a whole number"):
        model(epochs=1, checkpoint=path).fit(X, y)
    assert not path.exists()
