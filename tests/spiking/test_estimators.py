"""SpikingClassifier as scikit-learn and a user meet it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import bioneuro
from bioneuro import Dense, Population, Topology, load_digits
from bioneuro.errors import InvalidInput, UnsupportedTopology
from bioneuro.models import as_model
from bioneuro.spiking import SpikingClassifier
from bioneuro.spiking.competitive import class_shares
from bioneuro.topology.units import LIF

DIGITS = load_digits()
TRAIN, TEST = DIGITS.split(0.25, random_state=0)
NET = Topology.mlp(64, 100, 10)


@parametrize_with_checks([SpikingClassifier()])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def model():
    return SpikingClassifier(topology=NET, random_state=0).fit(TRAIN.X, TRAIN.y)


@pytest.fixture(scope="module")
def small():
    return SpikingClassifier((20,), epochs=1, random_state=0).fit(TRAIN.X[:300], TRAIN.y[:300])


# -- what it learns ----------------------------------------------------------------------------------------------------


def mean_scores(n_hidden, **lesions):
    """Mean over three splits of the score, whole and after each lesion (itself the mean of three draws)."""
    scores = []
    for seed in range(3):
        train, test = DIGITS.split(0.25, random_state=seed)
        fitted = SpikingClassifier((n_hidden,), random_state=seed).fit(train.X, train.y)
        hurt = [
            np.mean([getattr(fitted, verb)(units=share, random_state=k).score(test.X, test.y) for k in range(3)])
            for verb, share in lesions.items()
        ]
        scores.append([fitted.score(test.X, test.y), *hurt])
    return np.mean(scores, axis=0)


def test_a_hundred_units_tell_92_percent_of_digits():
    assert mean_scores(100)[0] >= 0.92


def test_two_hundred_tell_93_5_percent_and_keep_88_with_half_of_them_dead_while_it_runs():
    whole, dead, unheard = mean_scores(200, lesion=0.5, silence=0.5)
    assert whole >= 0.935
    assert dead >= 0.88
    assert unheard < dead - 0.1  # nobody takes over from units that still win and are not heard


def test_learning_beats_first_weights_and_thresholds_alone(model):
    controls = [
        SpikingClassifier(random_state=0, **settings).fit(TRAIN.X, TRAIN.y).score(TEST.X, TEST.y)
        for settings in ({"epochs": 0}, {"learning_rate": 0.0})
    ]
    assert model.score(TEST.X, TEST.y) > max(controls) + 0.15


def test_labels_come_from_training_rows_alone_and_learning_sees_none(model):
    shuffled = np.random.default_rng(0).permutation(TRAIN.y)
    other = SpikingClassifier(topology=NET, random_state=0).fit(TRAIN.X, shuffled)
    assert other.parameters_["input->hidden"].tobytes() == model.parameters_["input->hidden"].tobytes()
    votes = class_shares(model.transform(TRAIN.X), TRAIN.y, 10)
    np.testing.assert_allclose(model.parameters_["hidden->output"], votes, rtol=1e-6)
    np.testing.assert_array_equal(model.labels_, votes.argmax(axis=1))


def test_rows_of_two_features_are_told_apart_by_off_channels():
    X, y = make_blobs(300, centers=3, cluster_std=0.3, random_state=0)
    scores = {
        off: SpikingClassifier((20,), off_channels=off, random_state=0).fit(X, y).score(X, y)
        for off in (None, True, False)
    }
    assert scores[None] == scores[True] > 0.9
    assert scores[False] < scores[True]


# -- topology ----------------------------------------------------------------------------------------------------------


def test_the_networks_structure_is_used_as_it_is_and_additions_are_declared(model):
    assert model.topology_ is NET
    assert model.parameters_.topology is NET
    assert model.additions_ == {"adaptive thresholds": 100, "lateral inhibition": 9900}
    built = SpikingClassifier((100,), epochs=0).fit(TRAIN.X, TRAIN.y)
    assert built.topology_.structure_digest == NET.structure_digest
    assert SpikingClassifier((5,), epochs=0, off_channels=True).fit(TRAIN.X, TRAIN.y).additions_ == {
        "adaptive thresholds": 5, "lateral inhibition": 20, "off-channel weights": 320,
    }  # fmt: skip


def test_the_constants_of_lif_units_are_obeyed(model):
    lif = NET.with_units(hidden="lif", output="lif")
    same = SpikingClassifier(topology=lif, random_state=0).fit(TRAIN.X, TRAIN.y)
    assert same.parameters_.theta.tobytes() == model.parameters_.theta.tobytes()
    slow = NET.with_units(hidden=LIF(tau_m=0.05, v_threshold=0.03))
    other = SpikingClassifier(topology=slow, epochs=1, random_state=0).fit(TRAIN.X, TRAIN.y)
    assert (other.thresholds_ >= 0.03).all()
    assert other.parameters_.theta.tobytes() != same.parameters_.theta.tobytes()


def test_thresholds_have_risen_and_weights_keep_their_sum(model):
    assert (model.thresholds_ > 0.02).all()
    weights = model.parameters_["input->hidden"]
    np.testing.assert_allclose(weights.sum(axis=0), 0.75e-3 * TRAIN.X.sum(axis=1).mean(), rtol=1e-5)
    assert weights.min() >= 0
    assert not model.parameters_["hidden.bias"].any()


@pytest.mark.parametrize(
    ("topology", "error", "message"),
    [
        (Topology.mlp(63, 5, 10), InvalidInput, "'input' of the topology has 63 units and the data has 64 features"),
        (Topology.mlp(64, 5, 9), InvalidInput, "'output' of the topology has 9 units and the data has 10 outputs"),
        (
            Topology.mlp(64, 5, 5, 10),
            UnsupportedTopology,
            r"one Dense projection from input to hidden .*hidden1->hidden2",
        ),
        (Topology.mlp(64, 5, 10, skip=[("input", "output")]), UnsupportedTopology, "input->output"),
        (Topology.hopfield(64), UnsupportedTopology, "needs exactly one output population"),
        (
            Topology(
                [Population("a", 64, "input", "linear"), Population("b", 5), Population("c", 10, "output")],
                [Dense("a", "b", delay=1e-3), Dense("b", "c")],
            ),
            UnsupportedTopology,
            "no delays",
        ),
        ("mlp", InvalidInput, "topology must be a Topology or None"),
    ],
)
def test_a_topology_that_does_not_fit_says_why(topology, error, message):
    with pytest.raises(error, match=message):
        SpikingClassifier(topology=topology).fit(TRAIN.X, TRAIN.y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_layer_sizes": (50, 20)}, "must hold one size, as in"),
        ({"hidden_layer_sizes": "100"}, r"must hold one size, as in \(100,\), got '100'"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be an integer"),
        ({"epochs": -1}, "epochs must be an integer"),
        ({"dt": 1}, "times are in seconds"),
        ({"dt": 0.05}, "dt must be below tau_m"),
        ({"input_range": (1, 0)}, "low < high"),
        ({"input_range": (0, 0.5)}, "the data lies in"),
        ({"channels": 0}, "channels must be an integer"),
    ],
)
def test_settings_out_of_range_say_what_is_allowed(settings, message):
    with pytest.raises(InvalidInput, match=message):
        SpikingClassifier(**settings).fit(TRAIN.X, TRAIN.y)


# -- the same answer ---------------------------------------------------------------------------------------------------


def test_answers_are_the_same_bytes_however_rows_are_split_and_ordered(model):
    whole = model.predict_proba(TEST.X)
    parts = [model.predict_proba(TEST.X[k : k + 11]) for k in range(0, len(TEST.X), 11)]
    assert whole.tobytes() == np.concatenate(parts).tobytes()
    assert model.predict_proba(TEST.X[::-1])[::-1].tobytes() == whole.tobytes()
    np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-12)
    assert model.predict(TEST.X.astype(np.float64)).tolist() == model.predict(TEST.X).tolist()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(small):
    again, other = (
        SpikingClassifier((20,), epochs=1, random_state=seed).fit(TRAIN.X[:300], TRAIN.y[:300]) for seed in (0, 1)
    )
    assert again.parameters_.theta.tobytes() == small.parameters_.theta.tobytes()
    assert again.transform(TEST.X).tobytes() == small.transform(TEST.X).tobytes()
    assert other.parameters_.theta.tobytes() != small.parameters_.theta.tobytes()


def test_fresh_entropy_is_kept_as_a_seed_and_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  the state that must not move
    first = SpikingClassifier((5,), epochs=1).fit(TRAIN.X[:50], TRAIN.y[:50])
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    again = SpikingClassifier((5,), epochs=1, random_state=first.seed_).fit(TRAIN.X[:50], TRAIN.y[:50])
    assert again.transform(TEST.X).tobytes() == first.transform(TEST.X).tobytes()


def test_a_saved_model_answers_with_the_same_bytes(tmp_path, small):
    X = np.random.default_rng(0).normal(size=(60, 3))
    narrow = SpikingClassifier((10,), epochs=1, random_state=0).fit(X, X[:, 0] > 0)
    for saved, rows in ((small, TEST.X), (small.silence(0.3), TEST.X), (narrow.lesion(synapses=0.3), X)):
        back = bioneuro.load(bioneuro.save(tmp_path / "model", saved))
        assert back.predict_proba(rows).tobytes() == saved.predict_proba(rows).tobytes()
        assert back.transform(rows).tobytes() == saved.transform(rows).tobytes()


def test_a_fit_goes_on_from_its_checkpoint(tmp_path):
    path, rows, labels = tmp_path / "training.npz", TRAIN.X[:100], TRAIN.y[:100]
    plain, first, again = (
        SpikingClassifier((10,), epochs=2, checkpoint=file, random_state=0).fit(rows, labels)
        for file in (None, path, path)
    )
    assert path.exists()
    for fitted in (first, again):
        assert fitted.n_iter_ == 2
        assert fitted.parameters_.theta.tobytes() == plain.parameters_.theta.tobytes()


def test_weights_that_cannot_be_written_are_read(small):
    frozen = small.lesion()
    frozen.parameters_.theta.flags.writeable = False
    frozen._theta = frozen._theta.copy()
    frozen._theta.flags.writeable = False
    assert frozen.transform(TEST.X).tobytes() == small.transform(TEST.X).tobytes()


def test_black_pictures_get_the_commonest_label(small):
    blank = small.predict_proba(np.zeros((2, 64)))
    np.testing.assert_allclose(blank[0], np.bincount(TRAIN.y[:300]) / 300, rtol=1e-6)
    assert not small.transform(np.zeros((2, 64))).any()


# -- damage ------------------------------------------------------------------------------------------------------------


def test_the_dead_never_spike_and_the_survivors_compete_again(model):
    hurt, whole = model.lesion(units=0.5, random_state=0), model.transform(TEST.X)
    spikes, alive = hurt.transform(TEST.X), hurt._living("hidden")
    assert alive.sum() == 50
    assert not spikes[:, ~alive].any()
    assert spikes[:, alive].sum() > 1.3 * whole[:, alive].sum()
    assert model.alive_.all()


def test_silenced_units_still_compete_and_only_the_readout_misses_them(model):
    deaf, whole = model.silence(units=0.5, random_state=0), model.transform(TEST.X)
    np.testing.assert_array_equal(deaf.heard_, model.lesion(units=0.5, random_state=0)._living("hidden"))
    np.testing.assert_array_equal(deaf.transform(TEST.X), whole * deaf.heard_)
    assert deaf.alive_.all()
    assert model.heard_.all()
    both = model.lesion(units=0.3, random_state=0).silence(0.5, random_state=0)
    assert not both.transform(TEST.X)[:, ~deaf.heard_].any()


def test_lesions_are_nested_and_spare_nothing_of_a_dead_input(model):
    few, many = (model.lesion(units=share, random_state=0).alive_ for share in (0.3, 0.5))
    assert (many <= few).all()
    blind = model.lesion(units={"input": 1.0})
    assert not blind.transform(TEST.X[:5]).any()
    cut = model.lesion(synapses={"input->hidden": 0.5}, random_state=0)
    assert (cut.parameters_["input->hidden"] == 0).mean() >= 0.5
    assert cut.score(TEST.X, TEST.y) < model.score(TEST.X, TEST.y)
    mute = model.lesion(units={"output": 0.5}, random_state=0)
    assert not mute.predict_proba(TEST.X)[:, ~mute._living("output")].any()


def test_a_synapse_dies_with_its_off_channel():
    X = np.random.default_rng(0).normal(size=(60, 3))
    fitted = SpikingClassifier((10,), epochs=1, random_state=0).fit(X, X[:, 0] > 0)
    cut = fitted.lesion(synapses={"input->hidden": 0.5}, random_state=0)
    gone = (cut.parameters_["input->hidden"] == 0) & (fitted.parameters_["input->hidden"] > 0)
    assert not cut.off_weights_[gone].any()
    assert fitted.off_weights_[gone].any()


# -- in company --------------------------------------------------------------------------------------------------------


def test_it_works_in_a_pipeline_and_a_grid_search():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SpikingClassifier((20,), epochs=1, random_state=0)),
        {"spikingclassifier__learning_rate": [0.1, 0.3]},
        cv=2,
    ).fit(TRAIN.X[:200], TRAIN.y[:200])
    assert search.best_score_ > 0.3
    assert clone(SpikingClassifier(threshold_rise=1e-3)).threshold_rise == 1e-3


def test_words_serve_as_labels():
    words = np.array(["even", "odd"])[TRAIN.y % 2]
    fitted = SpikingClassifier((30,), epochs=1, random_state=0).fit(TRAIN.X, words)
    assert set(fitted.predict(TEST.X)) == {"even", "odd"}
    assert fitted.score(TEST.X, np.array(["even", "odd"])[TEST.y % 2]) > 0.75


def test_it_joins_the_comparison_on_the_same_structure():
    entry = as_model("stdp")
    for build in (entry.classifier, entry.untrained):
        assert build(NET).topology.structure_digest == NET.structure_digest
    assert entry.untrained(NET).epochs == 0
    assert "nothing in it gives a picture back" in entry.why_not("memory")
