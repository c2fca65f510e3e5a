"""Small problems that can be drawn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from bioneuro.data import bars_and_stripes, concentric_circles, imbalanced, spirals, xor
from bioneuro.errors import InvalidInput


def test_xor_is_its_truth_table():
    assert {tuple(row): label for row, label in zip(xor().X.tolist(), xor().y, strict=True)} == {
        (0, 0): 0,
        (0, 1): 1,
        (1, 0): 1,
        (1, 1): 0,
    }


def test_noisy_xor_lies_around_the_corners():
    data = xor(50, noise=0.1, random_state=0)
    assert data.n_samples == 200
    away = data.X - np.round(np.clip(data.X, 0, 1))
    assert away.std() == pytest.approx(0.1, rel=0.2)


def test_circles_have_their_radii():
    data = concentric_circles(100, noise=0, factor=0.3)
    radius = np.linalg.norm(data.X, axis=1)
    assert np.allclose(radius[data.y == 0], 1)
    assert np.allclose(radius[data.y == 1], 0.3)


def test_spirals_are_arms_turned_into_each_other():
    data = spirals(300, n_arms=3, turns=2, noise=0)
    assert np.bincount(data.y).tolist() == [100, 100, 100]
    radius, angle = np.linalg.norm(data.X, axis=1), np.arctan2(data.X[:, 1], data.X[:, 0])
    away = angle / (2 * np.pi) - (2 * radius + data.y / 3)
    assert np.allclose(away, np.round(away), atol=1e-4)


@pytest.mark.parametrize("data", [xor(50, noise=0.1), concentric_circles(), spirals()], ids=lambda data: data.name)
def test_no_line_separates_the_classes_but_neighbours_do(data):
    assert LogisticRegression().fit(data.X, data.y).score(data.X, data.y) < 0.75
    train, test = data.split()
    assert KNeighborsClassifier(5).fit(train.X, train.y).score(test.X, test.y) > 0.95


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_bars_and_stripes_are_all_different_of_the_published_number(size):
    data = bars_and_stripes(size)
    assert data.n_samples == len(np.unique(data.X, axis=0)) == 2 ** (size + 1) - 2
    assert data.image_shape == (size, size)
    constant_columns = np.all(data.images == data.images[:, :1], axis=(1, 2))
    constant_rows = np.all(data.images == data.images[:, :, :1], axis=(1, 2))
    assert np.all(constant_columns | constant_rows)
    assert np.array_equal(data.y, np.where(constant_rows, np.where(constant_columns, 2, 1), 0))


def test_imbalanced_classes_have_exactly_their_shares():
    data = imbalanced((0.9, 0.07, 0.03), 1000)
    assert np.bincount(data.y).tolist() == [900, 70, 30]
    thirds = imbalanced((1, 1, 1), 100)
    assert np.bincount(thirds.y).sum() == 100
    assert np.ptp(np.bincount(thirds.y)) == 1


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_imbalanced_clouds_are_as_far_apart_as_asked(n_features):
    data = imbalanced((0.5, 0.3, 0.2), 30000, n_features=n_features, separation=6)
    centres = np.stack([data.X[data.y == label].mean(axis=0) for label in range(3)])
    # a centre of 6000 points is known to 0.013; five times the error of a difference
    assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(6, abs=0.1)
    assert np.linalg.norm(centres[2] - centres[1]) == pytest.approx(6, abs=0.1)
    assert data.X[data.y == 0].std(axis=0) == pytest.approx(np.ones(n_features), rel=0.03)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: xor(5, noise=0.1, random_state=seed),
        lambda seed: concentric_circles(20, random_state=seed),
        lambda seed: spirals(20, random_state=seed),
        lambda seed: imbalanced(n_samples=20, random_state=seed),
    ],
)
def test_a_seed_decides_the_points(make):
    assert make(0).sha256 == make(0).sha256 != make(1).sha256


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: xor(0), "per_corner must be"),
        (lambda: xor(noise=-1), "noise must be"),
        (lambda: concentric_circles(factor=1), r"factor must be a number in \[0, 1\)"),
        (lambda: spirals(2, n_arms=3), "n_samples must be .* one point per arm"),
        (lambda: bars_and_stripes(13), r"size must be an integer in \[2, 12\], got 13; 12 gives 8,190 pictures"),
        (lambda: imbalanced((1.0,)), "at least two classes, got 1"),
        (lambda: imbalanced((0.999, 0.001), 100), "class 1 with a share of 0.001 of 100 rows has none; ask for more"),
        (lambda: imbalanced((1, -1)), "share must be a number"),
    ],
)
def test_problems_that_cannot_be_are_refused(ask, message):
    with pytest.raises(InvalidInput, match=message):
        ask()
