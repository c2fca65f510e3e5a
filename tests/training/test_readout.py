import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bioneuro import Parameters, Topology
from bioneuro._jit.keys import Key
from bioneuro.data import load_digits
from bioneuro.errors import InvalidInput, UnknownName
from bioneuro.training import Batch, fit_readout, readout_probabilities
from bioneuro.training.readout import SoftmaxGradient

pytestmark = pytest.mark.small


@pytest.fixture(scope="module")
def features():
    data = load_digits().subsample(400)
    return data.X[:, data.X.std(axis=0) > 0].astype(np.float64), data.y


def test_it_is_the_softmax_regression_of_scikit_learn(features):
    X, y = features
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    l2 = 1e-2
    peer = LogisticRegression(C=1 / (2 * l2 * len(X)), tol=1e-8, max_iter=2000).fit(Z, y)  # C: sum of losses, |W|^2 / 2
    ours = readout_probabilities(X, *fit_readout(X, y, 10, l2=l2))
    np.testing.assert_allclose(ours, peer.predict_proba(Z), atol=2e-4)  # both stop at a small gradient


def test_probabilities_are_the_same_bytes_however_the_batch_is_split(features):
    X, y = features
    X = X.astype(np.float32)
    weights, bias = (array.astype(np.float32) for array in fit_readout(X, y, 10))
    whole = readout_probabilities(X, weights, bias)
    parts = [readout_probabilities(X[k : k + 7], weights, bias) for k in range(0, len(X), 7)]
    assert whole.tobytes() == np.concatenate(parts).tobytes()


def test_constant_features_do_no_harm(features):
    X, y = features
    padded = np.hstack([X, np.full((len(X), 1), 3.0)])
    np.testing.assert_allclose(
        readout_probabilities(padded, *fit_readout(padded, y, 10)),
        readout_probabilities(X, *fit_readout(X, y, 10)),
        atol=1e-3,
    )


def test_lengths_must_agree():
    with pytest.raises(InvalidInput, match="same length"):
        fit_readout(np.zeros((3, 2)), np.zeros(4, dtype=int), 2)


@pytest.mark.parametrize("classes", [[0, 1, 3], [0, -1, 2], [0.0, 1.0, 2.0]])
def test_classes_out_of_range_are_refused(classes):
    with pytest.raises(InvalidInput, match=r"classes must be whole numbers from 0 to n_classes - 1 = 2, got"):
        fit_readout(np.eye(3), np.array(classes), 3)


@pytest.mark.parametrize("scale", ["each", "common"])
def test_minibatches_come_near_the_minimum_that_lbfgs_finds(features, scale):
    X, y = (array[:200] for array in features)
    exact, near = (
        readout_probabilities(X, *fit_readout(X, y, 10, l2=0.1, scale=scale, solver=solver, epochs=500))
        for solver in ("lbfgs", "minibatch")
    )
    np.testing.assert_allclose(near, exact, atol=0.01)
    assert not np.array_equal(near, exact)


def test_the_gradient_of_a_minibatch_is_the_slope_of_its_loss(features):
    X, y = features
    net = Topology.mlp(X.shape[1], 10)
    gradient = SoftmaxGradient(X.mean(axis=0), 1 / X.std(axis=0), 0.1)
    point, batch = Parameters.zeros(net, "float64"), Batch(X[:20], y[:20], np.arange(20))
    draw = np.random.default_rng(0)
    point.theta[...] = draw.normal(scale=0.1, size=point.theta.size)
    out = Parameters.zeros(net, "float64")
    gradient(point, batch, Key.from_seed(0), 0, out)
    for _ in range(5):
        direction = draw.normal(size=point.theta.size)
        ends = [
            gradient(point.like(point.theta + h * direction), batch, Key.from_seed(0), 0, out.like(out.theta))
            for h in (1e-5, -1e-5)
        ]
        assert np.dot(out.theta, direction) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_the_solver_goes_by_size(features, monkeypatch):
    X, y = features
    exact = fit_readout(X, y, 10)
    monkeypatch.setattr("bioneuro.training.readout.LARGE", X.size - 1)
    assert not np.array_equal(fit_readout(X, y, 10).weights, exact.weights)
    np.testing.assert_array_equal(fit_readout(X, y, 10, solver="lbfgs").weights, exact.weights)


def test_minibatches_repeat_with_their_key(features):
    X, y = features
    first, again, other = (
        fit_readout(X, y, 10, solver="minibatch", epochs=1, key=None if seed is None else Key.from_seed(seed)).weights
        for seed in (None, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_on_a_common_scale_the_penalty_spares_strong_features():
    strong, weak = np.random.default_rng(0).normal(size=(2, 400, 1)) * [[[10.0]], [[0.1]]]
    y = (strong[:, 0] / 10 + weak[:, 0] * 10 > 0).astype(int)
    X = np.hstack([strong, weak])
    shares = {}
    for scale in ("each", "common"):
        weights = np.abs(fit_readout(X, y, 2, l2=1e-2, scale=scale).weights[:, 0]) * X.std(axis=0)
        shares[scale] = weights[1] / weights[0]
    assert shares["each"] == pytest.approx(1, abs=0.2)
    assert shares["common"] < 0.1


def test_unknown_solvers_and_scales_are_answered_with_the_nearest():
    X, y = np.eye(4), np.array([0, 1, 0, 1])
    with pytest.raises(UnknownName, match="did you mean 'lbfgs'"):
        fit_readout(X, y, 2, solver="bfgs")
    with pytest.raises(UnknownName, match="did you mean 'common'"):
        fit_readout(X, y, 2, scale="comon")
