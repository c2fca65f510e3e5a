"""Rate rules: their formulas against plain NumPy, and where the field says that they end."""

from __future__ import annotations

import numpy as np
import pytest

from bioneuro import Dense, Parameters, Population, Topology, load_digits, optim
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError, UnknownName, UnsupportedTopology
from bioneuro.plasticity import (
    BCM,
    RATE_RULES,
    AntiHebb,
    Competitive,
    Covariance,
    Hebb,
    LocalLearning,
    Oja,
    Sanger,
)
from bioneuro.plasticity.rate import as_rate_rule
from bioneuro.training import fit
from bioneuro.training.batches import n_batches
from tests.naive import plasticity as naive

DRAW = np.random.default_rng(0)
X, W = DRAW.normal(size=(6, 4)), DRAW.normal(size=(4, 3))
DIGITS = load_digits().X - load_digits().X.mean(axis=0)


def one_projection(n_pre, n_post, unit="linear", **options):
    return Topology(
        [
            Population("input", n_pre, "input", "linear", bias=False),
            Population("units", n_post, "hidden", unit, bias=False),
        ],
        [Dense("input", "units", **options)],
    )


def first_weights(net, sigma, dtype="float64"):
    parameters = Parameters.zeros(net, dtype)
    parameters["input->units"] = sigma * np.random.default_rng(1).normal(size=parameters["input->units"].shape)
    return parameters


def learn(rows, rule, n_units, *, rate, epochs, batch_size=10, sigma=0.1, schedule="linear", unit="linear", **options):
    net = one_projection(rows.shape[1], n_units, unit, **options)
    first = first_weights(net, sigma)
    if net.projections[0].sign:
        first["input->units"] = net.projections[0].sign * np.abs(first["input->units"])
    steps = epochs * n_batches(len(rows), batch_size)
    return fit(
        first,
        LocalLearning(net, {"input->units": rule}),
        rows.astype(np.float64),
        optimizer=optim.chain(optim.sgd(optim.over_training(schedule, rate, steps)), optim.dale()),
        epochs=epochs,
        batch_size=batch_size,
        key=Key.from_seed(0),
    )


def principal_components(rows):
    _, vectors = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
    return vectors[:, ::-1]


def cosines(weights, components):
    return np.abs((weights * components).sum(axis=0)) / np.linalg.norm(weights, axis=0)


# -- formulas ----------------------------------------------------------------------------------------------------------


@pytest.mark.small
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Hebb(), naive.hebb(W, X, X @ W)),
        (Hebb(decay=0.3), naive.hebb(W, X, X @ W, 0.3)),
        (Oja(), naive.oja(W, X, X @ W)),
        (Sanger(), naive.sanger(W, X, X @ W)),
        (BCM(), naive.bcm(W, X, X @ W, np.square(X @ W).mean(axis=0))),
        (Covariance(), naive.covariance(W, X, X @ W, X.mean(axis=0), (X @ W).mean(axis=0))),
        (AntiHebb(target=0.2), naive.anti_hebb(W, X, X @ W, 0.2)),
        (Competitive(p=2, k=3, delta=0.4), naive.competitive(W, X, 2, 3, 0.4)),
        (Competitive(p=3, k=2, delta=0.1), naive.competitive(W, X, 3, 2, 0.1)),
    ],
    ids=str,
)
def test_a_rule_is_its_formula_and_adds_to_what_is_there(rule, expected):
    out = np.ones_like(W)
    rule.change(W, X, rule.drive(W, X), rule.start(4, 3, W.dtype), out)
    np.testing.assert_allclose(out, 1 + expected, rtol=1e-12, atol=1e-14)


@pytest.mark.small
@pytest.mark.parametrize(("rule", "name"), [(Covariance(tau=3), "pre"), (BCM(tau=3), "threshold")])
def test_running_means_are_plain_at_first_and_then_forget(rule, name):
    state = rule.start(2, 2, np.dtype("float64"))
    seen, mean = [], np.zeros(2)
    for step in range(6):
        x = DRAW.normal(size=(4, 2))
        rule.change(np.eye(2), x, x, state, np.zeros((2, 2)))
        value = np.square(x).mean(axis=0) if name == "threshold" else x.mean(axis=0)
        seen.append(value)
        mean = np.mean(seen, axis=0) if step < 3 else mean + (value - mean) / 3
        np.testing.assert_allclose(state[name], mean, rtol=1e-12)


# -- where they end ----------------------------------------------------------------------------------------------------


def test_oja_finds_the_first_principal_component_with_length_one():
    weights = learn(DIGITS, Oja(), 1, rate=0.05, epochs=20).parameters["input->units"]
    assert cosines(weights, principal_components(DIGITS)[:, :1])[0] > 0.999
    np.testing.assert_allclose(np.linalg.norm(weights), 1, atol=0.01)


def test_sanger_finds_the_first_five_components_in_order():
    weights = learn(DIGITS, Sanger(), 5, rate=0.1, epochs=60).parameters["input->units"]
    assert (cosines(weights, principal_components(DIGITS)[:, :5]) > 0.999).all()


def test_units_under_oja_all_find_the_same_component():
    weights = learn(DIGITS, Oja(), 3, rate=0.05, epochs=20).parameters["input->units"]
    assert (cosines(weights, principal_components(DIGITS)[:, [0, 0, 0]]) > 0.999).all()


def test_a_bcm_unit_answers_one_of_four_inputs_with_four_and_no_other():
    """The stable fixed point: y = 1 / p for one input of probability p, 0 for the rest (Intrator and Cooper 1992)."""
    inputs = np.eye(4) + 0.2  # linearly independent, not orthogonal
    rows = np.tile(inputs, (25, 1))
    result = learn(
        rows, BCM(tau=20), 6, rate=0.02, epochs=400, batch_size=20, sigma=0.3, schedule="constant", unit="relu"
    )
    answers = inputs @ result.parameters["input->units"]
    alive = answers.max(axis=0) > 0.5  # a unit that nothing drives at first stays silent
    assert alive.sum() >= 3
    np.testing.assert_allclose(answers[:, alive].max(axis=0), 4, rtol=0.05)
    assert ((answers[:, alive] > 0.2).sum(axis=0) == 1).all()


def test_competing_units_share_three_clusters_and_end_with_length_one():
    centres = 3 * np.eye(3)
    rows = np.repeat(centres, 40, axis=0) + 0.1 * np.random.default_rng(2).normal(size=(120, 3))
    weights = learn(rows, Competitive(delta=0.0), 3, rate=0.05, epochs=100, sigma=1.0).parameters["input->units"]
    winners = (rows @ weights).argmax(axis=1).reshape(3, 40)
    assert all(len(set(cluster)) == 1 for cluster in winners.tolist())
    won = np.unique(winners)
    np.testing.assert_allclose(np.linalg.norm(weights[:, won], axis=0), 1, atol=0.02)


def test_hebb_grows_without_bound_as_powers_of_the_covariance():
    rows, rate = DIGITS.astype(np.float64), 0.5
    result = learn(rows, "hebb", 2, rate=rate, epochs=30, batch_size=len(rows), schedule="constant")
    step = np.eye(64) + rate * rows.T @ rows / len(rows)
    first = first_weights(one_projection(64, 2), 0.1)["input->units"]
    expected = np.linalg.matrix_power(step, 30) @ first
    np.testing.assert_allclose(result.parameters["input->units"], expected, rtol=1e-9, atol=1e-12)
    assert np.linalg.norm(expected) > 5 * np.linalg.norm(first)


def test_covariance_is_hebb_on_centred_rows_however_large_their_mean():
    rows = DIGITS[:300]
    shifted, centred = (
        learn(x, rule, 2, rate=0.5, epochs=5, batch_size=300).parameters["input->units"]
        for x, rule in ((rows + 5, Covariance()), (rows - rows.mean(axis=0), Hebb()))
    )
    np.testing.assert_allclose(shifted, centred, rtol=1e-3, atol=1e-6)  # rounding of float32 means near 5


def test_the_reverse_rule_leaves_linear_units_uncorrelated():
    """Földiák (1989): lateral inhibition that grows with correlation ends where there is none."""
    net = Topology(
        [Population("input", 3, "input", "linear", bias=False), Population("units", 3, "hidden", "linear", bias=False)],
        [Dense("input", "units"), Dense("units", "units", sign=-1, name="inhibition")],
    )
    mixing = np.array([[1.0, 0.5, 0.3], [0.0, 1.0, 0.4], [0.0, 0.0, 1.0]])
    rows = np.random.default_rng(3).normal(size=(400, 3)) @ mixing
    first = Parameters.zeros(net, "float64")
    first["input->units"] = np.eye(3)
    learning = LocalLearning(net, {"inhibition": AntiHebb()})
    optimizer = optim.chain(optim.sgd(0.1), optim.dale())
    learnt = fit(
        first, learning, rows, optimizer=optimizer, epochs=200, batch_size=400, key=Key.from_seed(0)
    ).parameters
    before, after = (np.corrcoef(learning.emitted(p, rows)["units"].T) for p in (first, learnt))
    off = ~np.eye(3, dtype=bool)
    assert np.abs(before[off]).max() > 0.4
    assert np.abs(after[off]).max() < 0.02
    assert (learnt["inhibition"] <= 0).all()
    assert (np.diag(learnt["inhibition"]) == 0).all()
    np.testing.assert_array_equal(learnt["input->units"], np.eye(3))


def test_units_that_inhibit_each_other_settle_where_nothing_moves_however_strongly_they_do():
    """y = x + y V has the solution x (1 - V)^-1; whole steps y <- x + y V would grow by 1.5 in each round."""
    net = Topology(
        [Population("input", 4, "input", "linear", bias=False), Population("units", 4, "hidden", "linear")],
        [Dense("input", "units"), Dense("units", "units", sign=-1, name="inhibition")],
    )
    params = Parameters.zeros(net, "float64")
    params["input->units"], params["units.bias"] = np.eye(4), 0.1
    params["inhibition"] = -0.5 * (1 - np.eye(4))
    rows = np.random.default_rng(4).normal(size=(30, 4))
    settled = LocalLearning(net, {"inhibition": AntiHebb()}).emitted(params, rows)["units"]
    np.testing.assert_allclose(settled, (rows + 0.1) @ np.linalg.inv(np.eye(4) - params["inhibition"]), atol=1e-4)


# -- in the training loop ----------------------------------------------------------------------------------------------


def test_dales_law_holds_while_a_rule_learns():
    result = learn(DIGITS[:200], Sanger(), 4, rate=0.5, epochs=5, sign=1)
    weights = result.parameters["input->units"]
    assert (weights >= 0).all()
    assert (weights > 0).any()


def test_a_stopped_training_goes_on_with_the_same_bits():
    rows = DIGITS[:50] + 1
    net = one_projection(64, 3)
    options = {"optimizer": optim.sgd(0.01), "batch_size": 7, "key": Key.from_seed(4)}
    start = first_weights(net, 0.1, "float32")
    whole = fit(start, LocalLearning(net, {"input->units": "covariance"}), rows, epochs=4, **options)
    half = fit(start, LocalLearning(net, {"input->units": "covariance"}), rows, epochs=2, **options)
    on = fit(start, LocalLearning(net, {"input->units": "covariance"}), rows, epochs=4, state=half.state, **options)
    assert on.parameters.theta.tobytes() == whole.parameters.theta.tobytes()


def test_rules_of_two_layers_learn_together():
    net = Topology.mlp(64, 8, 3, unit="relu", output="linear")
    rules = LocalLearning(net, {"input->hidden": "oja", "hidden->output": Sanger()})
    first = Parameters.zeros(net)
    first.theta[...] = np.random.default_rng(0).normal(scale=0.1, size=first.theta.size)
    learnt = fit(
        first, rules, DIGITS, optimizer=optim.sgd(0.01), epochs=1, batch_size=50, key=Key.from_seed(0)
    ).parameters
    for key in first:
        assert np.array_equal(learnt[key], first[key]) == key.endswith("bias")


def test_a_rate_that_is_too_high_is_said_to_be():
    with pytest.raises(NotFiniteError, match="lower the learning rate"), np.errstate(all="ignore"):
        learn(DIGITS[:100] * 100, Oja(), 2, rate=10.0, epochs=20, schedule="constant")


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.small
def test_every_rule_has_a_name_and_a_wrong_one_is_answered_with_the_nearest():
    for name, rule in RATE_RULES.items():
        assert as_rate_rule(name) == rule()
        assert rule().name == name
    with pytest.raises(UnknownName, match="did you mean 'sanger'"):
        as_rate_rule("sangar")
    with pytest.raises(InvalidInput, match="a rate rule is one of hebb"):
        as_rate_rule(3)


@pytest.mark.small
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hebb(decay=-1), r"Hebb.decay must be a number in \[0, inf\), got -1"),
        (lambda: BCM(tau=0.5), "BCM.tau"),
        (lambda: Covariance(tau=0), "Covariance.tau.*in minibatches"),
        (lambda: Competitive(k=1), "Competitive.k"),
        (lambda: Competitive(p=1), "Competitive.p"),
        (lambda: Competitive(k=4).start(5, 3, "float64"), "Competitive.k=4 is the rank .* of 3 units"),
        (lambda: AntiHebb(target=-0.1), "AntiHebb.target"),
        (lambda: LocalLearning(Topology.mlp(4, 2), {}), "rules must be"),
        (lambda: LocalLearning(Topology.mlp(4, 3, 2), {"input->hiden": Oja()}), "did you mean 'input->hidden'"),
    ],
)
def test_constants_and_projections_out_of_range_are_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.small
@pytest.mark.parametrize(
    ("net", "rules", "message"),
    [
        (
            Topology.mlp(4, 3, unit="sigmoid", output="softmax"),
            {"input->output": "oja"},
            "'softmax' units.*linear, relu",
        ),
        (Topology.rbm(4, 3), {"visible->hidden": "oja"}, "is symmetric, and the rule 'oja'"),
        (
            Topology.mlp((6, 6, 1), 3, unit="relu", output="linear").with_units(output="lif"),
            {"input->output": "oja"},
            "lif",
        ),
    ],
)
def test_topologies_that_rules_cannot_run_are_refused_by_name(net, rules, message):
    with pytest.raises(UnsupportedTopology, match=message):
        LocalLearning(net, rules)
