"""Codes and back: the decoder alone, and how much comes back."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bioneuro import Dense, Population, Topology, load, load_digits, save
from bioneuro.errors import InvalidInput, UnsupportedTopology
from feedforward import Autoencoder

TRAIN, TEST = load_digits().split(0.25, random_state=0)
DEEP = {"hidden_layer_sizes": (30, 8, 30), "epochs": 3, "random_state": 0}
WHOLE = (Population("input", 64, "input"), Population("code", 9), Population("output", 64, "output", "sigmoid"))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tied": True},
        {"hidden_layer_sizes": (16,), "tied": True, "unit": "relu"},
        {"unit": "prelu"},
        {"topology": Topology.mlp(64, 20, 10, 20, 64, output="sigmoid", skip=[("hidden2", "output")])},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_codes_come_back_as_the_inputs_that_they_were_made_of(settings, dtype):
    X = (100 * TRAIN.X - 30).astype(dtype)  # of another range, too
    model = Autoencoder(**DEEP | settings, dtype=dtype).fit(X)
    back = model.inverse_transform(model.transform(X))
    assert back.tobytes() == model.reconstruct(X).tobytes()
    assert back.dtype == dtype
    assert back.min() >= -30
    assert back.max() > 10


def test_the_decoder_is_its_formula():
    model = Autoencoder((5,), epochs=2, dtype="float64", random_state=0).fit(TRAIN.X)
    codes = np.random.default_rng(0).random((7, 5))
    weights, bias = model.parameters_["hidden->output"], model.parameters_["output.bias"]
    np.testing.assert_allclose(model.inverse_transform(codes), 1 / (1 + np.exp(-(codes @ weights + bias))), rtol=1e-12)


def test_a_lesion_is_in_the_decoder_too():
    model = Autoencoder(**DEEP).fit(TRAIN.X)
    hurt = model.lesion(units=0.5, synapses=0.2, random_state=0)
    back = hurt.inverse_transform(hurt.transform(TEST.X))
    assert back.tobytes() == hurt.reconstruct(TEST.X).tobytes()
    assert back.tobytes() != model.reconstruct(TEST.X).tobytes()


def test_codes_of_another_width_are_refused():
    model = Autoencoder((5,), epochs=1).fit(TRAIN.X)
    with pytest.raises(
        InvalidInput, match=r"have 5 numbers, those of the population 'hidden', got H of shape \(3, 4\)"
    ):
        model.inverse_transform(np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("extra", "edges", "said"),
    [
        ([], [Dense("input", "output")], r"\['input->output'\] reaches 'output' past the code 'code'"),
        (
            [Population("aside", 4)],
            [Dense("input", "aside"), Dense("aside", "output")],
            r"\['aside->output'\] reaches 'output' past the code 'code'",
        ),
    ],
)
def test_where_inputs_get_past_the_code_codes_alone_say_nothing(extra, edges, said):
    net = Topology([*WHOLE[:2], *extra, WHOLE[2]], [Dense("input", "code"), Dense("code", "output"), *edges])
    model = Autoencoder(topology=net, epochs=1, random_state=0).fit(TRAIN.X)
    model.code_ = "code"
    with pytest.raises(UnsupportedTopology, match=said):
        model.inverse_transform(np.zeros((2, 9)))


def test_a_linear_network_learns_the_subspace_of_the_principal_components():
    """Baldi and Hornik 1989: there are no other minima."""
    net = Topology.mlp(64, 5, 64, unit="linear", output="linear")
    linear = Autoencoder(topology=net, flip=0, mask=0, epochs=80, random_state=0).fit(TRAIN.X)
    explained = PCA(5).fit(TRAIN.X).explained_variance_ratio_.sum()
    assert explained - 0.01 < linear.score(TRAIN.X) < explained + 1e-6


def test_the_score_is_the_share_of_the_variance_that_comes_back():
    model = Autoencoder((30,), epochs=30, random_state=0).fit(TRAIN.X)
    error = ((model.reconstruct(TEST.X) - TEST.X) ** 2).sum()
    assert model.score(TEST.X) == pytest.approx(1 - error / ((TEST.X - TEST.X.mean(axis=0)) ** 2).sum(), rel=1e-6)
    scaled = Autoencoder((30,), epochs=30, random_state=0, input_range=(-3, 5)).fit(8 * TRAIN.X - 3)
    assert scaled.score(8 * TEST.X - 3) == pytest.approx(model.score(TEST.X), abs=1e-3)  # the unit does not matter
    assert 0.6 < model.score(TEST.X) < 1
    mean = Autoencoder((1,), epochs=0, initializer="zeros").fit(TRAIN.X)
    assert mean.score(TRAIN.X) == pytest.approx(0, abs=1e-3)


def test_a_grid_search_takes_the_code_that_gives_more_back():
    model = Autoencoder(epochs=10, random_state=0)
    grid = GridSearchCV(model, {"hidden_layer_sizes": [(2,), (30,)]}, cv=2)
    assert grid.fit(TRAIN.X).best_params_ == {"hidden_layer_sizes": (30,)}
    assert grid.cv_results_["mean_test_score"].max() > 0.3


def test_a_pipeline_goes_there_and_back_and_names_its_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TRAIN.X[:200, :10], columns=[f"pixel{k}" for k in range(10)])
    pipeline = make_pipeline(StandardScaler(), Autoencoder((3,), epochs=3, random_state=0))
    codes = pipeline.set_output(transform="pandas").fit_transform(frame)
    assert list(codes.columns) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    assert list(pipeline.get_feature_names_out()) == list(codes.columns)
    np.testing.assert_array_equal(codes.index, frame.index)
    assert pipeline.inverse_transform(codes).shape == frame.shape
    assert pipeline.score(frame) < 1


def test_a_saved_autoencoder_still_decodes(tmp_path):
    model = Autoencoder(**DEEP).fit(TRAIN.X)
    save(tmp_path / "model.npz", model)
    codes = model.transform(TEST.X)
    assert load(tmp_path / "model.npz").inverse_transform(codes).tobytes() == model.inverse_transform(codes).tobytes()


def test_outputs_that_sum_to_one_give_no_inputs_back():
    with pytest.raises(InvalidInput, match="softmax outputs sum to 1 and cannot give inputs back"):
        Autoencoder(topology=Topology.mlp(64, 5, 64)).fit(TRAIN.X)


def test_the_score_of_large_float32_numbers_is_finite():
    model, X = Autoencoder((5,), epochs=3, random_state=0), TRAIN.X.astype(np.float32)
    assert model.fit(1e30 * X).score(1e30 * X) == pytest.approx(model.fit(16 * X).score(16 * X), abs=1e-5)


def test_first_weights_suit_hundreds_of_outputs():
    """With the 12.8 / n of a hidden sigmoid nothing at all comes back."""
    many, rest = (np.repeat(data.X, 12, axis=1) for data in (TRAIN, TEST))
    assert Autoencoder((16,), epochs=20, random_state=0).fit(many).score(rest) > 0.5
