"""RBM and RBMClassifier as scikit-learn and a user meet them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import bioneuro
from bioneuro import Parameters, Topology, corrupt, load_digits
from bioneuro.data import known_half
from bioneuro.errors import InvalidInput, UnknownName, UnsupportedTopology
from bioneuro.training.readout import fit_readout
from energy import RBM, RBMClassifier, exact_recall, rbm
from energy.discriminative import HybridGradient
from energy.rbm import Machine
from feedforward.network import Network

DIGITS = load_digits()
TRAIN, TEST = DIGITS.split(0.25, random_state=0)
NET = Topology.mlp(64, 30, 10)
UPPER = known_half((8, 8), "upper")


@parametrize_with_checks([RBM(), RBMClassifier(), RBMClassifier(method="features")])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def machine():
    return RBM(30, epochs=15, random_state=0).fit(TRAIN.X)


@pytest.fixture(scope="module")
def classifiers():
    return {
        method: RBMClassifier(topology=NET, method=method, epochs=15, random_state=0).fit(TRAIN.X, TRAIN.y)
        for method in ("hybrid", "features")
    }


@pytest.fixture(scope="module")
def memory():
    stored = DIGITS.bipolar_patterns(10, random_state=0)
    return RBM(100, epochs=1000, batch_size=10, random_state=0).fit(stored), stored


# -- what they learn ---------------------------------------------------------------------------------------------------


def test_digits_are_told_apart_by_both_methods(classifiers):
    for method, model in classifiers.items():
        assert model.score(TEST.X, TEST.y) > 0.94, method
        assert model.n_iter_ == len(model.loss_curve_) == 15
        assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]


def test_learnt_features_beat_the_same_machine_untrained():
    scores = [
        RBMClassifier((16,), method="features", epochs=epochs, random_state=0)
        .fit(TRAIN.X, TRAIN.y)
        .score(TEST.X, TEST.y)
        for epochs in (0, 30)
    ]
    assert scores[1] > scores[0] + 0.02


def test_learning_makes_the_data_likelier_than_noise(machine):
    untrained = RBM(30, epochs=0, random_state=0).fit(TRAIN.X)
    noise = np.random.default_rng(0).permuted(TEST.X, axis=1)
    assert machine.free_energy(TEST.X).mean() < machine.free_energy(noise).mean() - 20
    assert machine.score(TEST.X) > untrained.score(TEST.X) + 1
    np.testing.assert_array_equal(machine.energy(TEST.X), machine.free_energy(TEST.X))


def test_persistent_chains_learn_too():
    X = (TRAIN.X > 0.5).astype(np.float32)
    scores = [
        RBM(30, persistent=True, epochs=epochs, learning_rate=0.02, random_state=0).fit(X).score(X)
        for epochs in (0, 15)
    ]
    assert scores[1] > scores[0] + 3


def test_the_rate_falls_in_a_line_and_momentum_rises_after_five_epochs():
    parameters = Parameters.zeros(Topology.rbm(2, 1), "float64")
    optimizer = RBM(learning_rate=0.2, momentum=0.8, epochs=10, batch_size=4)._optimizer(7)  # two steps an epoch
    state, velocity = optimizer.init(parameters), 0.0
    for step in range(20):
        update = np.ones(parameters.theta.size)
        optimizer.update(update, state, parameters, step)
        velocity = (0.5 if step < 10 else 0.8) * velocity - 0.2 * (1 - step / 20)
        np.testing.assert_allclose(update, velocity, rtol=1e-12)


def test_a_classifier_sees_its_classes_in_proportion(monkeypatch):
    counts = []

    class Watched(HybridGradient):
        def __call__(self, params, batch, *rest):
            counts.append(np.bincount(batch.y, minlength=10))
            return super().__call__(params, batch, *rest)

    monkeypatch.setattr("energy.estimators.boltzmann.HybridGradient", Watched)
    RBMClassifier((5,), epochs=2, batch_size=50, random_state=0).fit(TRAIN.X, TRAIN.y)
    whole = np.array([count for count in counts if count.sum() == 50])
    assert np.abs(whole - 50 * np.bincount(TRAIN.y) / len(TRAIN.y)).max() < 2


# -- topology ----------------------------------------------------------------------------------------------------------


def test_a_network_topology_is_used_as_it_is_and_additions_are_declared(classifiers):
    for model in (*classifiers.values(), RBM(topology=NET, epochs=1).fit(TRAIN.X)):
        assert model.topology_ is NET
        assert model.parameters_.topology is NET
        assert model.additions_ == {"visible biases": 64}
        assert model.visible_bias_.shape == (64,)
    plain = RBM(7, epochs=1).fit(TRAIN.X)
    assert plain.topology_ == Topology.rbm(64, 7)
    assert plain.additions_ == {}
    assert np.shares_memory(plain.visible_bias_, plain.parameters_.theta)


def test_the_same_seed_learns_the_same_projection_on_either_topology():
    on_rbm = RBM(30, epochs=2, random_state=0).fit(TRAIN.X)
    on_net = RBM(topology=NET, epochs=2, random_state=0).fit(TRAIN.X)
    np.testing.assert_array_equal(on_rbm.parameters_["visible->hidden"], on_net.parameters_["input->hidden"])
    assert on_rbm.transform(TEST.X).tobytes() == on_net.transform(TEST.X).tobytes()
    assert on_rbm.score_samples(TEST.X[:20]).tobytes() == on_net.score_samples(TEST.X[:20]).tobytes()


def test_the_features_classifier_is_a_feedforward_network_of_sigmoids(classifiers):
    model = classifiers["features"]
    sigmoids = NET.with_units(hidden="sigmoid")
    layers = Network(sigmoids).forward(model.parameters_.with_topology(sigmoids), TEST.X)
    np.testing.assert_allclose(model.transform(TEST.X), layers.outputs["hidden"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.predict_proba(TEST.X), layers.outputs["output"], rtol=1e-4, atol=1e-7)


def test_features_are_read_out_by_the_shared_readout(classifiers):
    model = classifiers["features"]
    readout = fit_readout(model.transform(TRAIN.X), TRAIN.y, 10, l2=1e-4)
    np.testing.assert_allclose(model.parameters_["hidden->output"], readout.weights, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("topology", "error", "message"),
    [
        (Topology.mlp(63, 5, 10), InvalidInput, "'input' of the topology has 63 units and the data has 64 features"),
        (Topology.mlp(64, 5, 9), InvalidInput, "'output' of the topology has 9 units and the data has 10 outputs"),
        (Topology.rbm(64, 5), UnsupportedTopology, "needs exactly one output population"),
        (Topology.mlp(64, 5, 10, skip=[("input", "output")]), UnsupportedTopology, "without skips"),
        ("mlp", InvalidInput, "topology must be a Topology or None"),
    ],
)
def test_a_topology_that_does_not_fit_says_why(topology, error, message):
    with pytest.raises(error, match=message):
        RBMClassifier(topology=topology).fit(TRAIN.X, TRAIN.y)


# -- repeatability -----------------------------------------------------------------------------------------------------


def test_answers_are_the_same_bytes_however_the_batch_is_split(machine, classifiers):
    verbs = [machine.transform, machine.free_energy, machine.score_samples, machine.recall]
    verbs += [model.predict_proba for model in classifiers.values()]
    X = TEST.X[:100]
    for verb in verbs:
        whole = verb(X)
        parts = np.concatenate([verb(X[k : k + 11]) for k in range(0, 100, 11)])
        assert whole.tobytes() == parts.tobytes()
        assert verb(X[::-1]).tobytes() == whole[::-1].tobytes()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(machine):
    again, other = (RBM(30, epochs=15, random_state=seed).fit(TRAIN.X) for seed in (0, 1))
    assert again.parameters_.theta.tobytes() == machine.parameters_.theta.tobytes()
    assert not np.array_equal(other.parameters_.theta, machine.parameters_.theta)


def test_the_global_generator_is_neither_read_nor_changed(machine):
    before = np.random.get_state()[1].copy()  # noqa: NPY002  the state that must not move
    RBM(5, epochs=1).fit(TRAIN.X).recall(TEST.X[:2])
    machine.sample(2, sweeps=2)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_saved_machine_comes_back_bit_for_bit(machine, classifiers, tmp_path):
    for number, model in enumerate((machine, *classifiers.values())):
        bioneuro.save(tmp_path / str(number), model)
        back = bioneuro.load(tmp_path / f"{number}.npz")
        assert back.transform(TEST.X).tobytes() == model.transform(TEST.X).tobytes()
    assert back.predict_proba(TEST.X).tobytes() == model.predict_proba(TEST.X).tobytes()


def test_they_work_in_pipelines_and_searches():
    pipeline = make_pipeline(StandardScaler(), RBMClassifier((10,), epochs=20, random_state=0))
    search = GridSearchCV(pipeline, {"rbmclassifier__learning_rate": [0.05, 0.1]}, cv=2).fit(
        TRAIN.X[:200], TRAIN.y[:200]
    )
    assert search.best_score_ > 0.5
    assert clone(search.best_estimator_).get_params()["rbmclassifier__epochs"] == 20
    names = RBM(3, epochs=1).fit(TRAIN.X).get_feature_names_out().tolist()
    assert names == ["rbm0", "rbm1", "rbm2"]


# -- lesions -----------------------------------------------------------------------------------------------------------


def test_dead_hidden_units_emit_nothing_and_the_original_is_untouched(machine):
    before = machine.transform(TEST.X)
    hurt = machine.lesion(units=0.3, random_state=0)
    dead = ~hurt.alive_[hurt.topology_.unit_layout["hidden"]]
    assert dead.sum() == 9
    features = hurt.transform(TEST.X)
    assert not features[:, dead].any()
    assert features[:, ~dead].tobytes() == before[:, ~dead].tobytes()
    assert machine.transform(TEST.X).tobytes() == before.tobytes()


def test_a_dead_unit_is_one_whose_synapses_and_bias_never_were(classifiers):
    model = classifiers["hybrid"]
    hurt = model.lesion(units=0.2, random_state=1)
    dead = ~hurt.alive_[hurt.topology_.unit_layout["hidden"]]
    smaller = clone(model).set_params(topology=Topology.mlp(64, 24, 10), epochs=1).fit(TRAIN.X, TRAIN.y)
    smaller.parameters_["input->hidden"] = model.parameters_["input->hidden"][:, ~dead]
    smaller.parameters_["hidden.bias"] = model.parameters_["hidden.bias"][~dead]
    smaller.parameters_["hidden->output"] = model.parameters_["hidden->output"][~dead]
    smaller.parameters_["output.bias"] = model.parameters_["output.bias"]
    np.testing.assert_allclose(hurt.predict_proba(TEST.X), smaller.predict_proba(TEST.X), rtol=1e-3, atol=1e-6)


def test_with_every_synapse_dead_the_classifier_knows_the_prior_only(classifiers):
    for model in classifiers.values():
        blind = model.lesion(synapses=1.0)
        assert np.ptp(blind.predict_proba(TEST.X), axis=0).max() == 0
    scores = [classifiers["hybrid"].lesion(units=share).score(TEST.X, TEST.y) for share in (0, 0.1, 0.9)]
    assert scores[0] == classifiers["hybrid"].score(TEST.X, TEST.y)
    assert scores[1] > 0.8 > scores[2]


# -- recall and dreams -------------------------------------------------------------------------------------------------


def test_stored_patterns_come_back_from_flips_and_from_their_upper_half(memory):
    model, stored = memory
    noisy = corrupt(np.tile(stored, (5, 1)), flip=0.2, random_state=0)
    assert exact_recall(model.recall(stored), stored) == 10
    assert exact_recall(model.recall(noisy), np.tile(stored, (5, 1))) >= 45
    assert exact_recall(model.recall(stored, known=UPPER), stored) >= 9


def test_recall_keeps_what_is_known_and_never_looks_at_the_rest(memory):
    model, stored = memory
    other = np.where(UPPER, stored, -stored)
    recalled = model.recall(stored, known=UPPER)
    assert model.recall(other, known=UPPER).tobytes() == recalled.tobytes()
    np.testing.assert_array_equal(recalled[:, UPPER], stored[:, UPPER])
    assert set(np.unique(recalled)) == {-1, 1}
    rows = np.tile(UPPER, (10, 1))
    assert model.recall(stored, known=rows).tobytes() == recalled.tobytes()
    rows[3] = True
    np.testing.assert_array_equal(model.recall(stored, known=rows)[3], stored[3])


def test_graded_data_are_filled_in_with_means_in_their_own_range():
    X = 10 + 6 * TRAIN.X
    model = RBM(30, epochs=15, random_state=0).fit(X)
    lower = 10 + 6 * TEST.X
    filled = model.recall(lower, known=UPPER)
    assert filled.min() >= 10
    assert filled.max() <= 16
    np.testing.assert_array_equal(filled[:, UPPER], lower[:, UPPER])
    guess = np.broadcast_to(X.mean(axis=0), lower.shape)
    error, naive_error = (np.square(lower - found)[:, ~UPPER].mean() for found in (filled, guess))
    assert error < naive_error * 1.2  # a sharp guess of one picture, against the mean of all


def test_dreams_are_binary_repeatable_and_in_the_range_of_the_data(memory, machine):
    model = memory[0]
    dreams = model.sample(50, sweeps=20)
    assert set(np.unique(dreams)) <= {-1, 1}
    assert dreams.tobytes() == model.sample(50, sweeps=20).tobytes()
    assert dreams.tobytes() != model.sample(50, sweeps=20, random_state=1).tobytes()
    grey = machine.sample(5, sweeps=20, means=True)
    assert 0 <= grey.min() < grey.max() <= 1
    assert not np.isin(grey, (0, 1)).all()


def test_dreams_keep_what_is_clamped(memory):
    model, stored = memory
    dreams = model.sample(20, start=stored[0], known=UPPER, sweeps=10)
    np.testing.assert_array_equal(dreams[:, UPPER], np.tile(stored[0, UPPER], (20, 1)))
    np.testing.assert_array_equal(model.sample(10, start=stored, sweeps=0), stored)
    with pytest.raises(InvalidInput, match="give start as well"):
        model.sample(2, known=UPPER)
    with pytest.raises(InvalidInput, match=r"one for each of the n=4 chains, got 3 rows"):
        model.sample(4, start=stored[:3])


def test_score_samples_is_the_pseudo_likelihood_of_the_machine(machine):
    own = Machine.of(machine.parameters_)
    np.testing.assert_array_equal(machine.score_samples(TEST.X[:5]), rbm.pseudo_log_likelihood(own, TEST.X[:5]))
    assert machine.score(TEST.X[:5]) == machine.score_samples(TEST.X[:5]).mean()


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.small
@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (RBM(0), InvalidInput, r"n_components must be an integer in \[1, inf\), got 0"),
        (RBM(k=0), InvalidInput, "k must be an integer"),
        (RBM(learning_rate=0), InvalidInput, r"learning_rate must be a number in \(0, inf\), got 0"),
        (RBM(momentum=1), InvalidInput, r"momentum must be a number in \[0, 1\), got 1"),
        (
            RBM(batch_size=0),
            InvalidInput,
            r"batch_size must be an integer in \[1, inf\), got .*; one as large as the data",
        ),
        (RBM(epochs=-1), InvalidInput, "epochs must be an integer"),
        (RBM(sigma=-1), InvalidInput, "sigma must be a number"),
        (RBM(dtype="float23"), UnknownName, "unknown dtype 'float23'; did you mean 'float32'"),
        (RBM(input_range=(0, 0.5)), InvalidInput, r"input_range is \(0, 0.5\) and the data lies in \[0, 1\]"),
        (RBM(input_range=(1, 0)), InvalidInput, r"input_range must be \(low, high\) with low < high"),
        (RBMClassifier(method="hybird"), UnknownName, "unknown method 'hybird'; did you mean 'hybrid'"),
        (RBMClassifier((10, 10)), InvalidInput, r"must hold one size, as in \(100,\), got \(10, 10\)"),
        (RBMClassifier("100"), InvalidInput, "must hold one size, .* got '100'; RBMClassifier has one hidden layer"),
        (RBMClassifier((0,)), InvalidInput, "hidden_layer_sizes must be an integer"),
    ],
)
def test_settings_out_of_range_are_refused_in_words(model, error, message):
    with pytest.raises(error, match=message):
        model.fit(TRAIN.X, TRAIN.y)


@pytest.mark.small
def test_rows_outside_an_explicit_range_are_refused_and_a_learnt_one_clips():
    held = RBM(3, epochs=1, input_range=(0, 1), random_state=0).fit(TRAIN.X)
    learnt = RBM(3, epochs=1, random_state=0).fit(TRAIN.X)
    with pytest.raises(InvalidInput, match=r"the data lies in \[0, 2\]; scale the data"):
        held.transform(2 * TEST.X)
    np.testing.assert_array_equal(learnt.transform(2 * TEST.X), learnt.transform(np.clip(2 * TEST.X, 0, 1)))


@pytest.mark.small
def test_rows_that_cannot_be_used_are_refused_in_words():
    model = RBM(3, epochs=1).fit(TRAIN.X)
    with pytest.raises(ValueError, match="NaN"):
        model.transform(np.full((1, 64), np.nan))
    with pytest.raises(ValueError, match="63 features"):
        model.recall(TEST.X[:, :63])
    with pytest.raises(InvalidInput, match="known must be a bool mask"):
        model.recall(TEST.X[:2], known=np.ones(63, bool))
    with pytest.raises(InvalidInput, match="chains must be an integer"):
        model.recall(TEST.X[:2], chains=0)
    with pytest.raises(InvalidInput, match="one class only"):
        RBMClassifier().fit(TRAIN.X, np.zeros(len(TRAIN.X)))


def test_the_partition_function_of_a_small_machine_is_exact():
    patterns = np.random.default_rng(0).integers(0, 2, (20, 6)).astype(float)
    rbm = RBM(4, epochs=5, random_state=0, dtype="float64").fit(patterns)
    states = np.array(list(itertools.product((0.0, 1.0), repeat=6)))
    assert rbm.log_partition() == pytest.approx(np.logaddexp.reduce(-rbm.free_energy(states)), rel=1e-10)
