"""Noise and damage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioneuro.data import Dataset, corrupt, known_half, load_digits, random_patterns
from bioneuro.errors import InvalidInput, UnknownName

SPINS = random_patterns(50, 64, random_state=0)
GREYS = np.random.default_rng(0).uniform(0.01, 0.49, (50, 64)).astype(np.float32)
SHAPE = (8, 8)

shares = st.floats(0, 1)


# flips


@given(share=shares)
def test_exactly_the_share_of_each_row_is_flipped(share):
    count = np.floor(share * 64 + 0.5)
    assert np.all((corrupt(SPINS, flip=share, random_state=0) != SPINS).sum(axis=1) == count)
    assert np.all((corrupt(GREYS, flip=share, random_state=0) != GREYS).sum(axis=1) == count)


def test_a_flip_negates_spins_and_reflects_greys():
    hit = corrupt(SPINS, flip=0.2, random_state=0) != SPINS
    assert np.array_equal(corrupt(SPINS, flip=0.2, random_state=0), np.where(hit, -SPINS, SPINS))
    assert np.array_equal(corrupt(GREYS, flip=0.2, random_state=0), np.where(hit, 1 - GREYS, GREYS))


def test_a_stated_range_decides_what_a_flip_is():
    ones = np.ones((2, 4))
    assert np.all(corrupt(ones, flip=1, value_range=(-1, 1)) == -1)
    assert np.all(corrupt(ones, flip=1, value_range=(0, 1)) == 0)
    assert np.all(corrupt(ones * 3, flip=1, value_range=(0, 16)) == 13)


def test_every_entry_is_hit_equally_often():
    # 20000 rows, p = 13/64: standard deviation of a share 0.0028; five of them
    hits = corrupt(np.zeros((20000, 64)), flip=0.2, random_state=0).mean(axis=0)
    assert np.all(np.abs(hits - 13 / 64) < 5 * np.sqrt(13 / 64 * 51 / 64 / 20000))


@pytest.mark.parametrize("how", ["flip", "mask"])
@given(pair=st.tuples(shares, shares).map(sorted), seed=st.integers(0, 9))
def test_what_is_hit_is_nested_as_the_share_grows(how, pair, seed):
    wide = np.ones((5, 600))  # wide enough that a partial sort is not a full one
    less, more = (corrupt(wide, **{how: share}, value_range=(-1, 1), random_state=seed) != wide for share in pair)
    assert np.all(more[less])


@given(pair=st.tuples(shares, shares).map(sorted), shape=st.sampled_from([(8, 8), (8, 8, 1), (4, 8, 2)]))
def test_patches_are_nested_as_they_grow(pair, shape):
    pair = [share * min(shape[:2]) / max(shape[:2]) for share in pair]
    less, more = (corrupt(SPINS, occlude=share, image_shape=shape, random_state=0) == 0 for share in pair)
    assert np.all(more[less])


# what else can happen to a row


def test_masked_entries_say_nothing():
    masked = corrupt(SPINS, mask=0.25, random_state=0)
    assert np.all((masked == 0).sum(axis=1) == 16)
    assert np.all((corrupt(GREYS, mask=0.25, random_state=0) == 0.5).sum(axis=1) == 16)
    assert np.all((corrupt(GREYS, mask=0.25, fill=0, random_state=0) == 0).sum(axis=1) == 16)


@pytest.mark.parametrize(("hidden", "known"), [("upper", "lower"), ("lower", "upper"), ("left", "right")])
def test_hiding_one_half_leaves_the_opposite_half_known(hidden, known):
    damaged = corrupt(SPINS, occlude=hidden, image_shape=SHAPE)
    left = known_half(SHAPE, known)
    assert np.array_equal(damaged[:, left], SPINS[:, left])
    assert np.all(damaged[:, ~left] == 0)


def test_halves_are_where_their_names_say():
    picture = np.arange(6).reshape(2, 3)
    assert picture.ravel()[known_half((2, 3), "upper")].tolist() == [0, 1, 2]
    assert picture.ravel()[known_half((2, 3), "lower")].tolist() == [3, 4, 5]
    assert picture.ravel()[known_half((2, 3), "left")].tolist() == [0, 3]
    assert picture.ravel()[known_half((2, 3), "right")].tolist() == [1, 2, 4, 5]
    assert known_half((2, 3, 4), "upper").reshape(2, 3, 4)[0].all()


@given(share=shares)
def test_a_patch_is_a_square_of_the_share_inside_the_picture(share):
    side = int(np.sqrt(share * 64) + 0.5)
    for row in corrupt(SPINS, occlude=share, image_shape=SHAPE, random_state=0).reshape(-1, *SHAPE):
        lines, columns = (np.flatnonzero((row == 0).any(axis=axis)) for axis in (1, 0))
        assert (row == 0).sum() == side * side
        assert len(lines) == len(columns) == side
        assert side == 0 or np.ptp(lines) == np.ptp(columns) == side - 1


def test_patches_reach_every_pixel_and_cover_all_channels():
    damaged = corrupt(np.ones((500, 48)), occlude=1 / 16, image_shape=(4, 4, 3), fill=0, random_state=0)
    hidden = damaged.reshape(500, 16, 3) == 0
    assert np.all(hidden.any(axis=0))
    assert np.all(hidden.all(axis=2) == hidden.any(axis=2))


def test_gaussian_noise_has_the_stated_deviation_and_stays_in_the_range():
    middle = np.full((2000, 50), 0.5)
    noise = corrupt(middle, gaussian=0.1, random_state=0) - 0.5
    # 100,000 draws: relative standard error of the deviation 1/sqrt(2 n) = 0.22 %
    assert noise.std() == pytest.approx(0.1, rel=0.01)
    assert abs(noise.mean()) < 5 * 0.1 / np.sqrt(noise.size)
    wide = corrupt(middle, gaussian=0.1, value_range=(-1, 1), random_state=0) - 0.5
    assert wide.std() == pytest.approx(0.2, rel=0.02)
    strong = corrupt(SPINS, gaussian=2, random_state=0)
    assert (strong.min(), strong.max()) == (-1, 1)


# repeatability


@pytest.mark.parametrize("how", [{"flip": 0.3}, {"mask": 0.3}, {"gaussian": 0.3}, {"occlude": 0.3}])
def test_the_same_seed_gives_the_same_damage_and_another_seed_another(how):
    one, same, other = (corrupt(SPINS, **how, image_shape=SHAPE, random_state=seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(*(corrupt(SPINS, **how, image_shape=SHAPE) for _ in range(2)))


@pytest.mark.parametrize("how", [{"flip": 0.3}, {"mask": 0.3}, {"gaussian": 0.3}, {"occlude": 0.3}])
def test_the_first_rows_do_not_depend_on_how_many_follow(how, monkeypatch):
    whole = corrupt(SPINS, **how, image_shape=SHAPE, random_state=0)
    assert np.array_equal(corrupt(SPINS[:7], **how, image_shape=SHAPE, random_state=0), whole[:7])
    monkeypatch.setattr("bioneuro.data.corruption._CHUNK", 3)
    assert np.array_equal(corrupt(SPINS, **how, image_shape=SHAPE, random_state=0), whole)


def test_one_kind_of_damage_does_not_move_another():
    both = corrupt(SPINS, flip=0.2, mask=0.2, random_state=0)
    masked = corrupt(SPINS, mask=0.2, random_state=0) == 0
    flipped = corrupt(SPINS, flip=0.2, random_state=0)
    assert np.array_equal(both, np.where(masked, 0, flipped))


def test_a_generator_moves_on():
    rng = np.random.default_rng(0)
    assert not np.array_equal(corrupt(SPINS, flip=0.2, random_state=rng), corrupt(SPINS, flip=0.2, random_state=rng))


# shapes and types


def test_the_input_is_never_changed_and_the_type_is_kept():
    before = SPINS.copy()
    out = corrupt(SPINS, flip=0.5, mask=0.5, gaussian=1, occlude="left", image_shape=SHAPE, random_state=0)
    assert np.array_equal(SPINS, before)
    assert out.dtype == np.float32
    assert corrupt(SPINS.astype(np.float64), flip=0.1).dtype == np.float64
    assert corrupt(SPINS.astype(np.int8), mask=0.1).dtype == np.float32


def test_one_row_comes_back_as_one_row():
    assert (
        corrupt(SPINS[0], flip=0.2, random_state=0).tolist() == corrupt(SPINS[:1], flip=0.2, random_state=0)[0].tolist()
    )


def test_nothing_asked_is_an_equal_copy():
    out = corrupt(SPINS)
    assert np.array_equal(out, SPINS)
    assert not np.shares_memory(out, SPINS)


def test_a_data_set_comes_back_as_a_data_set():
    digits = load_digits()
    damaged = corrupt(digits, flip=0.1, occlude="upper", random_state=0)
    assert isinstance(damaged, Dataset)
    assert np.array_equal(damaged.y, digits.y)
    assert (damaged.name, damaged.value_range, damaged.image_shape) == ("digits", (0, 1), (8, 8))
    by_hand = corrupt(digits.X, flip=0.1, occlude="upper", image_shape=(8, 8), random_state=0)
    assert np.array_equal(damaged.X, by_hand)
    assert corrupt(digits, mask=0.5, fill=-1).value_range == (-1, 1)


# bad input


@pytest.mark.parametrize(
    ("X", "how", "message"),
    [
        (SPINS, {"flip": 1.1}, r"flip must be a number in \[0, 1\], got 1.1; a share of the entries"),
        (SPINS, {"mask": -0.1}, r"mask must be a number in \[0, 1\], got -0.1"),
        (SPINS, {"gaussian": -1}, r"gaussian must be a number in \[0, inf\), got -1"),
        (SPINS, {"flip": "much"}, "flip must be a number"),
        (SPINS, {"fill": np.nan, "mask": 0.1}, "fill must be a number"),
        (SPINS, {"occlude": "upper"}, r"give image_shape=\(height, width\), or a Dataset of images"),
        (SPINS, {"occlude": 0.1, "image_shape": (4, 4)}, "has 16 pixels, X has 64"),
        (SPINS, {"occlude": "left", "image_shape": (4, 4)}, "has 16 pixels, X has 64"),
        (SPINS, {"occlude": 0.5, "image_shape": (2, 32)}, "the largest that fits is 0.0625"),
        (
            SPINS,
            {"occlude": 2, "image_shape": SHAPE},
            r"occlude must be a number in \[0, 1\], got 2; or one of 'upper'",
        ),
        (np.ones((2, 2)), {"flip": 0.5}, r"every value is 1.* state value_range=\(-1, 1\) or \(0, 1\)"),
        (SPINS * 3, {"flip": 0.5}, r"run from -3 to 3: neither -1/\+1 nor within \[0, 1\]; state value_range"),
        (SPINS, {"flip": 0.5, "value_range": (0, 1)}, r"outside value_range=\(0, 1\)"),
        (SPINS * np.nan, {"flip": 0.5}, "NaN or infinite"),
        (np.zeros((0, 3)), {}, "X is empty"),
        (np.zeros((2, 8, 8)), {}, "one row .* or rows"),
        (SPINS, {"flip": 0.1, "random_state": "seed"}, "random_state must be"),
    ],
)
def test_damage_that_makes_no_sense_is_refused(X, how, message):
    with pytest.raises(InvalidInput, match=message):
        corrupt(X, **how)


def test_an_unknown_half_gets_the_nearest_name():
    with pytest.raises(UnknownName, match="unknown half 'uper'; did you mean 'upper'"):
        corrupt(SPINS, occlude="uper", image_shape=SHAPE)
    with pytest.raises(InvalidInput, match="image_shape must be"):
        known_half((4,), "upper")
