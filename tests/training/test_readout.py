import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bioneuro.data import load_digits
from bioneuro.errors import InvalidInput
from bioneuro.training import fit_readout, readout_probabilities

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
