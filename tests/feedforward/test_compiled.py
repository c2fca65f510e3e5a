"""Whatever option of a network is on, its training stays compiled; what does not is named."""

import numba
import numpy as np
import pytest

from bioneuro import Dense, OneToOne, Population, Topology, optim
from bioneuro.topology.units import ReLU, Sigmoid
from bioneuro.training import Hard
from bioneuro.training.loop import _Trainer
from feedforward import Autoencoder, EnsembleClassifier, NetworkClassifier, NetworkRegressor
from feedforward.activations import ACTIVATIONS

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(40, 4))
y = np.arange(40) % 3
WEIGHTS = DRAW.uniform(0.5, 2, 40)
SETTINGS = {"hidden_layer_sizes": (6, 5), "epochs": 2, "batch_size": 8, "random_state": 0}
WOVEN = Topology(
    [
        Population("input", 4, "input"),
        Population("a", 4, unit="tanh"),
        Population("b", 5, bias=False),
        Population("output", 3, "output", "softmax"),
    ],
    [OneToOne("input", "a"), Dense("a", "b", sign=1), Dense("input", "b"), Dense("b", "output"), Dense("a", "output")],
)


TIED = Topology(
    [Population("input", 4, "input"), Population("hidden", 3), Population("output", 4, "output")],
    [Dense("input", "hidden"), Dense("hidden", "output", tied_to="input->hidden")],
)


def around(*before, behind=()):
    return lambda rate: optim.chain(*before, optim.adam(rate), *behind)


COMPILED = {
    "nothing": {},
    **{f"optimizer {name}": {"optimizer": name} for name in optim.OPTIMIZERS if name != "yellowfin"},
    **{f"schedule {name}": {"schedule": name} for name in optim.SCHEDULES},
    **{f"unit {unit}": {"unit": unit} for unit in (*ACTIVATIONS, Sigmoid(flat_spot=0.1), ReLU(at_zero=1.0))},
    **{f"loss {loss}": {"loss": loss} for loss in ("cross-entropy", "logistic", "squared", "absolute", "huber")},
    **{f"emphasis {name}": {"emphasis": name} for name in ("stratified", "balanced", "hard")},
    "corrected hard rows": {"emphasis": Hard(1.0, correction=1.0)},
    "class weights": {"class_weight": "balanced"},
    "longer steps": {"class_weight": {0: 2.0}, "emphasis": "longer-steps", "batch_size": 1},
    "smoothed labels": {"label_smoothing": 0.1},
    "target range": {"target_range": (0.15, 0.85)},
    "dropout": {"dropout": 0.5},
    "dropout by population": {"dropout": {"input": 0.1, "hidden2": 0.3}},
    "noise": {"noise": 0.1},
    "normalisation": {"batch_norm": True},
    "l2": {"l2": 0.1},
    "l1 and l2, with biases": {"optimizer": around(optim.l1(1e-3, 0.5), optim.l2(1e-3, 0.1))},
    "value clipping": {"optimizer": around(optim.clip_value(0.1))},
    "clipping": {"optimizer": around(optim.clip(0.1))},
    "clipping, some frozen": {"optimizer": around(optim.clip(0.1)), "frozen": "representation"},
    "rates by layer": {"optimizer": around(behind=[optim.per_layer({"hidden1": 0.1})])},
    "decay": {"optimizer": around(behind=[optim.weight_decay(0.01)])},
    "max-norm": {"optimizer": around(behind=[optim.max_norm(1.0)])},
    "growing momentum": {"optimizer": lambda rate: optim.momentum(rate, optim.growing_momentum())},
    "frozen": {"frozen": ("input->hidden1",)},
    "early stopping": {"patience": 1},
    "callbacks": {"callbacks": [lambda progress: False]},
    "woven": {"topology": WOVEN, "dropout": 0.2, "batch_norm": ("a",), "noise": 0.1},
    "woven with lengths": {"topology": WOVEN.with_units(a="relu"), "optimizer": around(optim.clip(1.0))},
}


@pytest.fixture
def steps(monkeypatch):
    """How many epochs went step by step."""
    seen, step_by_step = [], _Trainer._step_by_step
    monkeypatch.setattr(_Trainer, "_step_by_step", lambda *arguments: (seen.append(1), step_by_step(*arguments))[1])
    return seen


@pytest.mark.parametrize("option", COMPILED)
def test_training_stays_compiled_with(option, steps, tmp_path):
    net = NetworkClassifier(**SETTINGS | {"checkpoint": tmp_path / "fit.npz"} | COMPILED[option])
    net.fit(X, y, WEIGHTS if net.batch_size > 1 else None)
    if option != "early stopping":
        net.partial_fit(X, y, sample_weight=WEIGHTS if net.batch_size > 1 else None)
    assert np.isfinite(net.loss_curve_).all()
    assert not steps


def test_regressors_ensembles_and_autoencoders_stay_compiled(steps):
    NetworkRegressor(**SETTINGS, loss="absolute", unit="prelu").fit(X, X[:, :2]).partial_fit(X, X[:, :2], WEIGHTS)
    network = NetworkClassifier(**SETTINGS | {"optimizer": around(behind=[optim.max_norm(1.0)]), "dropout": 0.2})
    EnsembleClassifier(network, n_members=2, bootstrap=True).fit(X, y, WEIGHTS)
    Autoencoder((3,), epochs=2).fit(X)
    Autoencoder((3, 2, 3), epochs=2, tied=True).fit(X)
    NetworkRegressor(**SETTINGS, topology=TIED).fit(X, X)
    assert not steps


class SeesSteps:
    def __call__(self, progress):
        return False

    def after_step(self, progress):
        return False


@pytest.mark.parametrize(
    "net",
    [
        NetworkClassifier(**SETTINGS, optimizer="yellowfin"),
        NetworkClassifier(**SETTINGS, unit="softmax"),
        NetworkClassifier(**SETTINGS, optimizer=around(behind=[optim.clip(1.0)])),
        NetworkRegressor(**SETTINGS, topology=TIED, optimizer=around(behind=[optim.max_norm(1.0)])),
        NetworkClassifier(**SETTINGS, callbacks=[SeesSteps()]),
    ],
    ids=[
        "YellowFin",
        "hidden softmax units",
        "a chain in another order",
        "tied weights held to a length",
        "a callback after every step",
    ],
)
def test_what_goes_step_by_step_is_what_the_docs_name(net, steps):
    net.fit(X, X if isinstance(net, NetworkRegressor) else y)
    assert steps
