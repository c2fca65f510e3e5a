"""Estimators and states are files by key: what the key means is decided by what is installed."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

import bioneuro
from bioneuro import Topology
from bioneuro._jit.keys import Key
from bioneuro.data import Binarise, Bipolar, Standardise, Whiten
from bioneuro.errors import FileFormatError, InvalidInput
from bioneuro.initializers import initialise
from bioneuro.io import storable
from bioneuro.shell import InputRange


class Walk(NamedTuple):
    position: np.ndarray
    steps: int = 0
    key: Key | None = None


class Scaler(TransformerMixin, BaseEstimator):
    def __init__(self, factor=2.0, inner=None, random_state=None):
        self.factor = factor
        self.inner = inner
        self.random_state = random_state

    def fit(self, X, y=None):
        self.topology_ = Topology.mlp(X.shape[1], 2)
        self.parameters_ = initialise(self.topology_, random_state=0, dtype="float64")
        self.seed_ = 2**127 + 1
        self.classes_ = np.array(["no", "yes"], dtype=object)
        self._flat = np.float32(0.5)  # private, and yet learnt
        self.scratch = open  # not part of what is fitted
        if self.inner is not None:
            self.inner_ = Scaler(self.factor).fit(X)
        return self

    def transform(self, X):
        return X @ self.parameters_["input->output"] * self.factor * self._flat


class Stranger(BaseEstimator):
    pass


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The classes of this file, as a package that registers them would have them."""
    known = {
        **storable.installed(),
        "Walk": EntryPoint("Walk", f"{__name__}:Walk", storable.GROUP),
        "my scaler": EntryPoint("my scaler", f"{__name__}:Scaler", storable.GROUP),
        "Gone": EntryPoint("Gone", "no_such_module:Gone", storable.GROUP),
    }
    monkeypatch.setattr(storable, "installed", lambda: known)
    return known


def test_states_come_back_as_what_they_were(tmp_path):
    state = Walk(np.arange(3.0), 2**80, Key.from_seed(7).child("chains"))
    back = bioneuro.load(bioneuro.save(tmp_path / "state", {"chain": [state]}))["chain"][0]
    assert type(back) is Walk
    assert back[1:] == state[1:]
    assert type(back.key) is Key
    np.testing.assert_array_equal(back.position, state.position)


def test_the_state_of_an_optimiser_goes_on_where_it_stopped(tmp_path):
    params = initialise(Topology.mlp(4, 3, 2))
    optimiser = bioneuro.optim.chain(bioneuro.optim.clip(1.0), bioneuro.optim.adam(1e-2))
    state = optimiser.init(params)
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(6, params.theta.size)).astype("f4")
    for step, gradient in enumerate(gradients[:3]):
        optimiser.update(gradient, state, params, step)
    back, twin = bioneuro.load(bioneuro.save(tmp_path / "run", (state, params)))
    for step, gradient in enumerate(gradients[3:], 3):
        again = gradient.copy()
        optimiser.update(gradient, state, params, step)
        optimiser.update(again, back, twin, step)
        assert gradient.tobytes() == again.tobytes()


def test_an_estimator_comes_back_with_parameters_and_fitted_attributes(tmp_path):
    X = np.random.default_rng(0).normal(size=(5, 3))
    model = Scaler(factor=np.float32(0.1), inner=Scaler(3), random_state=1).fit(X)
    back = bioneuro.load(bioneuro.save(tmp_path / "model", model))
    assert back.transform(X).tobytes() == model.transform(X).tobytes()
    assert back.inner_.transform(X).tobytes() == model.inner_.transform(X).tobytes()
    assert back.inner.factor == 3
    assert type(back.factor) is np.float32
    assert back.seed_ == 2**127 + 1
    assert back.classes_.tolist() == ["no", "yes"]
    assert back.parameters_.topology is back.topology_
    assert back._flat == model._flat
    assert not hasattr(back, "scratch")


def test_a_file_cannot_put_a_number_in_the_place_of_a_method(tmp_path):
    model = Scaler().fit(np.ones((2, 3)))
    vars(model)["_repr_html_inner"] = 5
    vars(model)["__doc__"] = "not this"
    with pytest.raises(FileFormatError, match="'_repr_html_inner' is no fitted attribute of my scaler"):
        bioneuro.load(bioneuro.save(tmp_path / "model", model))


def test_an_unfitted_estimator_comes_back_unfitted(tmp_path):
    back = bioneuro.load(bioneuro.save(tmp_path / "model", Scaler(5)))
    assert vars(back) == vars(Scaler(5))


@pytest.mark.parametrize("make", [Standardise, Whiten, Bipolar, Binarise], ids=lambda make: make.__name__)
def test_the_transformers_of_the_library_are_registered_and_transform_as_before(tmp_path, make):
    X = np.random.default_rng(0).random((20, 4))
    model = make().fit(X)
    back = bioneuro.load(bioneuro.save(tmp_path / "model", model))
    assert np.asarray(back.transform(X)).tobytes() == np.asarray(model.transform(X)).tobytes()


def test_input_ranges_are_registered(tmp_path):
    given = InputRange.learn(np.array([[0.0, 5.0], [3.0, 2.0]]), None)
    back = bioneuro.load(bioneuro.save(tmp_path / "range", given))
    assert type(back) is InputRange
    np.testing.assert_array_equal(back.high, [3, 5])


def test_a_class_without_a_key_is_told_how_to_get_one(tmp_path):
    with pytest.raises(InvalidInput, match=r"Scaler\.inner is a Stranger, a class without a key") as caught:
        bioneuro.save(tmp_path / "model", Scaler(inner=Stranger()))
    assert '[project.entry-points."bioneuro.storable"]' in str(caught.value)
    assert f'Stranger = "{__name__}:Stranger"' in str(caught.value)
    with pytest.raises(InvalidInput, match="Pair is a Pair, a class without a key"):
        bioneuro.save(tmp_path / "state", NamedTuple("Pair", [("a", int)])(1))


def test_a_class_of_the_same_name_as_a_registered_one_is_not_taken_for_it(tmp_path):
    impostor = type("Scaler", (Scaler,), {"__init__": Scaler.__init__})
    with pytest.raises(InvalidInput, match="without a key"):
        bioneuro.save(tmp_path / "model", impostor())


def test_a_parameter_that_is_a_function_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"cannot store Scaler\.factor: it is a function, and functions are not"):
        bioneuro.save(tmp_path / "model", Scaler(factor=lambda x: x))


def test_a_key_that_is_not_installed_lists_those_that_are(tmp_path, registered):
    path = bioneuro.save(tmp_path / "model", Scaler())
    del registered["my scaler"]
    registered["my scales"] = registered["Walk"]
    with pytest.raises(
        FileFormatError, match=r"unknown key of a class 'my scaler'; did you mean 'my scales'\?"
    ) as caught:
        bioneuro.load(path)
    assert "'RBM'" in str(caught.value)
    assert "the package that provides 'my scaler' is not installed" in str(caught.value)


def test_a_key_whose_package_does_not_load_says_why(tmp_path, registered):
    path = bioneuro.save(tmp_path / "model", Scaler())
    registered["my scaler"] = registered["Gone"]
    with pytest.raises(FileFormatError, match="installed as no_such_module:Gone, which does not load: No module"):
        bioneuro.load(path)


def test_a_key_that_now_means_another_kind_of_thing_is_refused(tmp_path, registered):
    model, state = bioneuro.save(tmp_path / "model", Scaler()), bioneuro.save(tmp_path / "state", Walk(np.zeros(1)))
    registered["my scaler"], registered["Walk"] = registered["Walk"], registered["my scaler"]
    with pytest.raises(FileFormatError, match="no estimator"):
        bioneuro.load(model)
    with pytest.raises(FileFormatError, match="no NamedTuple"):
        bioneuro.load(state)


def test_a_class_that_changed_since_says_what_it_does_not_know(tmp_path, registered):
    path = bioneuro.save(tmp_path / "model", Scaler())
    registered["my scaler"] = EntryPoint("my scaler", f"{__name__}:Stranger", storable.GROUP)
    with pytest.raises(FileFormatError, match=r"its content is no my scaler: .* takes no arguments|unexpected keyword"):
        bioneuro.load(path)


def test_only_the_entry_points_of_a_file_are_imported(tmp_path, monkeypatch, registered):
    loaded = []
    true_load = EntryPoint.load
    monkeypatch.setattr(EntryPoint, "load", lambda entry: (loaded.append(entry.name), true_load(entry))[1])
    bioneuro.load(bioneuro.save(tmp_path / "state", Walk(np.zeros(1))))
    assert set(loaded) == {"Walk"}
