"""First weights that look at data: what reaches each layer, computed once more by NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from bioneuro import Dense, Population, Topology, load_digits
from bioneuro.errors import InvalidInput
from bioneuro.initializers import initialise
from feedforward.calibration import data_dependent, first_parameters, lsuv
from feedforward.normalisation import with_batch_norm

X = load_digits().X[:300].astype("float64")
X = X - X.mean(axis=0)
ACT = {"relu": lambda h: np.maximum(h, 0), "tanh": np.tanh, "linear": lambda h: h}
SKIP = [("input", "hidden3"), ("hidden1", "output")]


def reaching(params, rows, *, biases=True):
    """{population: x W + b} by NumPy, over a topology whose populations stand in feedforward order."""
    net, emitted, found = params.topology, {"input": rows}, {}
    for population in net.populations[1:]:
        h = sum(emitted[p.pre] @ params[p.name] for p in net.projections if p.post == population.name)
        full = h + params[f"{population.name}.bias"]
        found[population.name] = full if biases else h
        emitted[population.name] = ACT.get(population.unit.name, lambda h: h)(full)
    return found


def deep(unit="relu", skip=()):
    return Topology.mlp(64, 40, 50, 30, 40, 10, unit=unit, skip=skip)


# -- LSUV --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["relu", "tanh"])
@pytest.mark.parametrize("start", ["orthogonal", "small-gaussian", "unit-gaussian"])
def test_lsuv_brings_the_variance_of_every_layer_to_one(unit, start):
    first = initialise(deep(unit, SKIP), start, bias={"hidden1": 0.2, "output": np.arange(10)}, dtype="float64")
    params = lsuv(first, X)
    for name, h in reaching(params, X, biases=False).items():
        assert h.var() == pytest.approx(1, abs=0.1), name
    for name in params:
        if name.endswith(".bias"):
            assert (params[name] == first[name]).all()
        else:  # one factor a layer, so that orthogonal weights stay so but for their length
            ratio = params[name] / first[name]
            np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-12)


def test_lsuv_leaves_layers_alone_that_are_near_one_and_takes_float32():
    params = lsuv(initialise(deep(), "orthogonal", dtype="float64"), X)
    assert (lsuv(params, X).theta == params.theta).all()
    single = lsuv(initialise(deep(), "orthogonal"), X.astype("float32"))
    assert single.dtype == np.float32
    for h in reaching(single, X).values():
        assert h.var() == pytest.approx(1, abs=1e-5)


def test_shared_weights_are_scaled_for_the_layer_that_uses_them_first():
    net = Topology(
        [Population("input", 64, "input", bias=False), Population("code", 20), Population("output", 64, "output")],
        [Dense("input", "code"), Dense("code", "output", tied_to="input->code")],
    )
    first = initialise(net, "orthogonal", dtype="float64")
    for scheme in (lsuv, data_dependent):
        params = scheme(first, X)
        h = X @ params["input->code"]
        assert h.var() == pytest.approx(1, abs=1e-9)
        assert (params["code->output"] == params["input->code"].T).all()
    a = np.maximum(h + params["code.bias"], 0) @ params["code->output"]  # of the data-dependent one
    np.testing.assert_allclose(params["output.bias"], -a.mean(axis=0), atol=1e-12)


# -- data-dependent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["relu", "tanh"])
def test_every_unit_is_reached_with_a_deviation_of_one_and_its_bias_as_mean(unit):
    first = initialise(deep(unit, SKIP), bias={"hidden2": 0.3, "output": np.arange(10)}, dtype="float64")
    params = data_dependent(first, X, balance=False)
    found = reaching(params, X)
    for name, h in found.items():
        np.testing.assert_allclose(h.std(axis=0), 1, rtol=1e-12)
        np.testing.assert_allclose(h.mean(axis=0), first[f"{name}.bias"], atol=1e-12)
    if unit == "tanh":  # its layers cannot be rescaled without a change of what the network computes
        assert (data_dependent(first, X).theta == params.theta).all()


def paces(params, n_draws=20):
    """Root mean square of dL/dW over that of W for each layer of a chain of ReLUs, errors at the output N(0, 1)."""
    net, rng = params.topology, np.random.default_rng(5)
    inputs, hs = [X], reaching(params, X)
    inputs += [np.maximum(h, 0) for h in hs.values()]
    found = []
    for _ in range(n_draws):
        delta = rng.normal(size=(len(X), 10))
        row = []
        for k, projection in reversed(list(enumerate(net.projections))):
            W = params[projection.name]
            row.append(np.mean((inputs[k].T @ delta) ** 2) / np.mean(W**2))
            delta = (delta @ W.T) * (inputs[k] > 0)
        found.append(row[::-1])
    return np.sqrt(np.mean(found, axis=0))


def test_balance_brings_all_projections_to_one_pace_and_leaves_the_output_as_it_is():
    first = initialise(deep(), bias=0.1, dtype="float64")
    plain, balanced = data_dependent(first, X, balance=False), data_dependent(first, X)
    np.testing.assert_allclose(reaching(balanced, X)["output"], reaching(plain, X)["output"], atol=1e-10)
    before, after = paces(plain), paces(balanced)
    assert before.max() / before.min() > 3
    assert after.max() / after.min() < 1.25  # one draw of errors against twenty others
    skips = initialise(deep(skip=SKIP), dtype="float64")
    plain, balanced = data_dependent(skips, X, balance=False), data_dependent(skips, X)
    np.testing.assert_allclose(reaching(balanced, X)["output"], reaching(plain, X)["output"], atol=1e-10)
    assert (balanced.theta != plain.theta).any()


def test_a_unit_that_nothing_reaches_keeps_its_weights():
    first = initialise(deep(), dtype="float64")
    first["input->hidden1"][:, 3] = 0
    params = data_dependent(first, X, balance=False)
    assert (params["input->hidden1"][:, 3] == 0).all()
    assert np.isfinite(params.theta).all()


def test_normalised_layers_are_left_as_they_are():
    first = initialise(with_batch_norm(deep(), ["hidden2"]), dtype="float64")
    for scheme in (lsuv, data_dependent):
        params = scheme(first, X)
        for key in ("hidden1->hidden2", "hidden2.bias", "hidden2.gain"):
            assert (params[key] == first[key]).all()
        assert (params["hidden2->hidden3"] != first["hidden2->hidden3"]).any()


# -- both --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", [lsuv, data_dependent])
def test_schemes_refuse_what_does_not_vary_and_change_nothing_given(scheme):
    first = initialise(deep(), dtype="float64")
    theta, rows = first.theta.copy(), X.copy()
    scheme(first, X)
    assert (first.theta == theta).all()
    assert (rows == X).all()
    with pytest.raises(InvalidInput, match="reaches population 'hidden1' has a standard deviation of 0 over its units"):
        scheme(initialise(deep(), "zeros", dtype="float64"), X)
    with pytest.raises(InvalidInput, match=r"rows \(n, 64\), n >= 2, as the network sees them; got shape \(5, 3\)"):
        scheme(first, X[:5, :3])


@pytest.mark.parametrize("scheme", ["lsuv", "data-dependent"])
def test_schemes_are_chosen_by_name(scheme):
    params = first_parameters(deep("tanh"), scheme, X, bias={"hidden2": 0.3}, random_state=3, dtype="float64")
    for name, h in reaching(params, X).items():
        assert h.var() == pytest.approx(1, abs=0.01)
        if scheme == "data-dependent":
            assert h.mean() == pytest.approx(0.3 * (name == "hidden2"), abs=1e-12)
    W = params["hidden3->hidden4"]
    if scheme == "lsuv":  # drawn orthogonal
        np.testing.assert_allclose(W @ W.T, (W @ W.T)[0, 0] * np.eye(30), atol=1e-12)
    again = first_parameters(deep("tanh"), scheme, X, bias={"hidden2": 0.3}, random_state=3, dtype="float64")
    assert again.theta.tobytes() == params.theta.tobytes()


def test_other_schemes_are_those_of_initialise_and_many_rows_are_sampled():
    plain = first_parameters(deep(), {"input->hidden1": "he"}, X, bias=0.1, random_state=3)
    assert plain.theta.tobytes() == initialise(deep(), bias=0.1, random_state=3).theta.tobytes()
    many = np.repeat(X, 10, axis=0)
    params = first_parameters(deep("tanh"), "lsuv", many, dtype="float64")
    assert reaching(params, X)["hidden4"].var() == pytest.approx(1, abs=0.1)
    assert reaching(params, X)["hidden4"].var() != pytest.approx(1, abs=1e-9)  # of a sample, not of all
    with pytest.raises(InvalidInput, match="unknown initializer 'lsvu'; did you mean 'lsuv'"):
        first_parameters(deep(), "lsvu", X)
