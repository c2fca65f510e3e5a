"""Sparse X: the same networks as from the same rows in full, in memory that grows with the entries."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from bioneuro import Dense, OneToOne, Population, Topology, memory, optim
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, ResourceError
from bioneuro.initializers import initialise
from bioneuro.sparse import SparseRows, as_rows
from bioneuro.training import fit, minimise
from feedforward import (
    Autoencoder,
    EnsembleClassifier,
    EnsembleRegressor,
    NetworkClassifier,
    NetworkRegressor,
    check_gradient,
    instruments,
)
from feedforward.backprop import Backprop
from feedforward.network import Network
from feedforward.program import Program

DRAW = np.random.default_rng(0)
FULL = DRAW.normal(size=(150, 40)) * (DRAW.random((150, 40)) < 0.1)
FULL[[0, 7, 149]] = 0  # rows without entries
X = sp.csr_array(FULL)
Y = np.digitize(FULL[:, :8].sum(axis=1), [-0.3, 0.3])
NUMBERS = np.stack([np.sin(FULL[:, :5].sum(axis=1)), FULL[:, 5:9].sum(axis=1)], axis=1)
WEIGHTS = DRAW.integers(0, 4, 150).astype(float)
BRANCHES = Topology(
    [Population("in", 40, "input"), Population("same", 40, unit="tanh"), Population("out", 3, "output", "softmax")],
    [OneToOne("in", "same"), Dense("same", "out"), Dense("in", "out")],
)


def network(model=NetworkClassifier, **options):
    return model(**{"hidden_layer_sizes": (12,), "epochs": 4, "centre": False, "random_state": 0} | options)


def both(act, **options):
    """The networks that `act(net, X)` leaves, for the rows in full and for their entries."""
    nets = network(**options), network(**options)
    for net, rows in zip(nets, (FULL, X), strict=True):
        act(net, rows)
    return nets


def learn(net, rows):
    net.fit(rows, Y)


def learn_in_parts(net, rows):
    for part in (slice(0, 80), slice(80, 150), slice(40, 120)):
        net.partial_fit(rows[part], Y[part], classes=[0, 1, 2], sample_weight=WEIGHTS[part])


def learn_with_weights(net, rows):
    net.fit(rows, Y, sample_weight=WEIGHTS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("act", "options"),
    [
        (learn, {}),
        (learn, {"batch_size": 1}),
        (learn, {"batch_size": 1000}),
        (learn, {"hidden_layer_sizes": (), "optimizer": "momentum"}),
        (learn, {"batch_norm": True, "dropout": 0.3, "unit": "prelu"}),
        (learn, {"class_weight": "balanced", "emphasis": "balanced"}),
        (learn, {"topology": Topology.mlp(40, 9, 70, 3, skip=[("input", "output")])}),
        (learn_with_weights, {}),
        (learn_in_parts, {}),
        (learn_in_parts, {"batch_norm": True, "warm_start": True}),
    ],
)
def test_compiled_trainings_leave_the_same_bytes(act, options, dtype):
    dense, sparse = both(act, dtype=dtype, **options)
    assert sparse.parameters_.theta.tobytes() == dense.parameters_.theta.tobytes()
    assert sparse.loss_curve_.tobytes() == dense.loss_curve_.tobytes()


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "lbfgs"},
        {"optimizer": "lbfgs", "batch_norm": True},
        {"optimizer": "cg", "patience": 3},
        {"patience": 2, "epochs": 30, "learning_rate": 0.05},
        {"optimizer": lambda rate: optim.yellowfin()},
        {"emphasis": "hard"},
        {"noise": 0.1},
        {"dropout": {"input": 0.2}},
        {"topology": BRANCHES},
        {"topology": BRANCHES, "optimizer": "lbfgs"},
        {"initializer": "lsuv"},
        {"initializer": "data-dependent"},
        {
            "optimizer": "momentum",
            "batch_size": 1,
            "hidden_layer_sizes": (40,),
            "l2": 0,
        },  # in full, learning is deferred
    ],
    ids=lambda options: ", ".join(options),
)
def test_other_trainings_leave_the_same_numbers(options):
    dense, sparse = both(learn, dtype="float64", **options)
    np.testing.assert_allclose(sparse.parameters_.theta, dense.parameters_.theta, rtol=0, atol=1e-9)
    np.testing.assert_allclose(sparse.validation_curve_, dense.validation_curve_, rtol=1e-9)
    np.testing.assert_allclose(sparse.predict_proba(X), dense.predict_proba(FULL), rtol=0, atol=1e-9)


def test_without_a_hidden_layer_it_is_logistic_regression():
    penalty = 0.1  # a gradient of 1e-5, where it ends, then leaves weights at most 1e-5 sqrt(123) / (2 penalty) away
    net = network(hidden_layer_sizes=(), optimizer="lbfgs", epochs=1000, l2=penalty).fit(X, Y)
    theirs = LogisticRegression(C=1 / (2 * penalty * len(Y)), tol=1e-8, max_iter=1000).fit(X, Y)
    np.testing.assert_allclose(net.predict_proba(X), theirs.predict_proba(X), atol=5e-4)


def unsorted(X):
    order = np.concatenate([np.arange(first, last)[::-1] for first, last in zip(X.indptr, X.indptr[1:], strict=False)])
    return sp.csr_matrix((X.data[order], X.indices[order], X.indptr), X.shape)


def twice(X):
    """Each entry as two that add up to it, and a 0 in the first place of the last row."""
    entries = X.tocoo()
    data = np.concatenate([0.25 * entries.data, 0.75 * entries.data, [0.0]])
    rows, columns = (np.concatenate([at, at, [last]]) for at, last in zip(entries.coords, (149, 0), strict=True))
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(151))
    return sp.csr_array((data[order], columns[order], starts), X.shape)


def with_zeros(X):
    """Sorted, each entry once, and 0 in rows that had none."""
    full = X.toarray()
    full[[0, 7, 149], 3] = np.inf
    X = sp.csr_array(full)
    X.data[np.isinf(X.data)] = 0
    return X


def with_long_indices(X):
    X = X.copy()
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


OTHERS = [sp.csr_matrix, sp.csc_array, sp.coo_matrix, sp.lil_array, sp.bsr_matrix]
FORMS = [*OTHERS, unsorted, twice, with_zeros, with_long_indices]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_any_form_of_the_same_entries_is_the_same_data(form):
    given = form(X)
    before = given.copy()
    net = network().fit(given, Y)
    assert net.parameters_.theta.tobytes() == network().fit(X, Y).parameters_.theta.tobytes()
    assert net.predict_proba(given).tobytes() == net.predict_proba(X).tobytes()
    if given.format == "csr":
        for name in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(given, name), getattr(before, name))


def test_rows_are_shared_where_nothing_has_to_be_done():
    rows = as_rows(X)
    assert np.shares_memory(rows.data, X.data)
    assert len(rows) == 150
    assert len(rows[[3, 3]]) == 2
    for form in (twice, with_zeros):
        assert as_rows(form(X)).nnz == X.nnz
    with pytest.raises(InvalidInput, match=r"sparse rows, \(150, 40\), are not filled unless toarray\(\) asks for it"):
        np.asarray(rows)


@pytest.mark.parametrize("batch_size", [32, 2000])
@pytest.mark.parametrize("full_row", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_memory_grows_with_the_entries(batch_size, full_row, optimizer):
    n, features = 2000, 200_000
    rows, columns = np.arange(n).repeat(5), DRAW.integers(0, features, 5 * n)
    if full_row:
        rows, columns = np.append(rows, np.zeros(features)), np.append(columns, np.arange(features))
    wide = sp.coo_array((np.ones(len(rows)), (rows, columns)), (n, features)).tocsr()
    y = DRAW.integers(0, 2, n)
    options = {"optimizer": optimizer, "epochs": 1, "initializer": "lsuv"}
    tracemalloc.start()
    try:
        net = network(hidden_layer_sizes=(4,), batch_size=batch_size, patience=1, **options)
        net.fit(wide, y).predict(wide)
        if optimizer == "adam":
            net.partial_fit(wide, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.2 * n * features * 4  # of X in full; these are weights, moments, corrections and copies


def test_predictions_of_a_network_that_centres_fill_few_rows_at_a_time():
    n, features = 2000, 50_000
    wide = sp.csr_array((np.ones(5 * n), (np.arange(n).repeat(5), DRAW.integers(0, features, 5 * n))), (n, features))
    net = network(centre=True, hidden_layer_sizes=(2,), epochs=1).fit(wide[:20].toarray(), np.arange(20) % 2)
    assert net.input_mean_.any()
    tracemalloc.start()
    try:
        net.predict(wide)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.1 * n * features * 4


@pytest.mark.parametrize(("features", "dtype"), [(60, "float64"), (70, "float32")])
def test_numbers_that_are_0_count_where_their_type_is_chosen(features, dtype):
    wide = np.hstack([FULL, np.zeros((150, features - 40))])
    for rows in (wide, sp.csr_array(wide)):
        assert network(epochs=0).fit(rows, Y).parameters_.dtype == dtype


def test_the_room_for_a_batch_goes_by_the_fullest_of_them():
    topology, optimizer = Topology.mlp(40, 9, 3), optim.adam(0.01)
    parameters = initialise(topology, random_state=0, dtype="float64")
    program = Program(Backprop(Network(topology)), parameters, as_rows(X), np.eye(3)[Y], optimizer, 3, n_threads=1)
    lengths = np.diff(X.indptr)
    order, begins = np.array([5, 6, 7, 9, 9, 9, 3]), np.array([0, 3, 6, 7])
    batch = program.data(order, begins).batch
    assert batch.values.shape == (1, max(lengths[[5, 6, 7]].sum(), 3 * lengths[9], lengths[3]))


# -- prediction --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("act", [lambda net: net, lambda net: net.lesion(units={"input": 0.3, "hidden": 0.3})])
def test_both_forms_of_the_same_rows_are_answered_alike(centre, act):
    for fitted in (network(centre=centre).fit(FULL, Y), network(centre=centre).fit(X, Y)):
        net = act(fitted)
        np.testing.assert_allclose(net.predict_proba(X), net.predict_proba(FULL), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(net.predict(X), net.predict(FULL))
        assert net.score(X, Y) == net.score(FULL, Y)
        for name, emitted in net.activations(X).items():
            in_full = emitted.toarray() if sp.issparse(emitted) else emitted
            np.testing.assert_allclose(in_full, net.activations(FULL)[name], rtol=0, atol=1e-12)


def test_sparse_inputs_come_out_sparse_unless_they_are_centred():
    assert network(centre=True).fit(X, Y).activations(X)["input"].format == "csr"
    assert isinstance(network(centre=True).fit(FULL, Y).activations(X)["input"], np.ndarray)


def test_answers_do_not_depend_on_how_rows_are_split(monkeypatch):
    for net in (network().fit(X, Y), network(centre=True).fit(FULL, Y)):
        whole = net.predict_proba(X)
        monkeypatch.setattr("feedforward.estimators.network._AT_ONCE", 3 * 40)
        assert net.predict_proba(X).tobytes() == whole.tobytes()
        assert np.concatenate([net.predict_proba(X[k : k + 7]) for k in range(0, 150, 7)]).tobytes() == whole.tobytes()
        monkeypatch.undo()


def test_sparse_rows_are_not_centred_and_those_learnt_in_full_are():
    assert not network(centre=True).fit(X, Y).input_mean_.any()
    assert not network(centre=True).partial_fit(X, Y, classes=[0, 1, 2]).input_mean_.any()
    nets = [network(centre=True).fit(FULL, Y).partial_fit(rows, Y) for rows in (FULL, X)]
    assert nets[0].parameters_.theta.tobytes() == nets[1].parameters_.theta.tobytes()


def test_what_would_have_to_be_made_dense_and_does_not_fit_is_refused(monkeypatch):
    net = network(centre=True).fit(FULL, Y)
    monkeypatch.setattr(memory, "available", lambda: 1000)
    with pytest.raises(ResourceError, match=r"subtract the mean .*\(centre=True\) from sparse X needs .* X made dense"):
        net.activations(X)


# -- the rest of the interface -----------------------------------------------------------------------------------------


def test_regressors_take_sparse_rows():
    nets = [network(NetworkRegressor).fit(rows, NUMBERS) for rows in (FULL, X)]
    for net, rows in zip(nets, (FULL, X), strict=True):
        net.partial_fit(rows, NUMBERS)
    assert nets[1].parameters_.theta.tobytes() == nets[0].parameters_.theta.tobytes()
    np.testing.assert_allclose(nets[1].predict(X), nets[0].predict(FULL), rtol=0, atol=1e-12)
    assert nets[1].score(X, NUMBERS) == pytest.approx(nets[0].score(FULL, NUMBERS), abs=1e-12)


@pytest.mark.parametrize("options", [{}, {"optimizer": lambda rate: optim.yellowfin()}, {"noise": 0.1}], ids=list)
@pytest.mark.parametrize(
    ("ensemble", "model", "y"),
    [(EnsembleClassifier, NetworkClassifier, Y), (EnsembleRegressor, NetworkRegressor, NUMBERS)],
)
def test_ensembles_take_sparse_rows(ensemble, model, y, options):
    few = network(model, **options)
    dense, sparse = (ensemble(few, 3, bootstrap=True, random_state=0).fit(rows, y) for rows in (FULL, X))
    np.testing.assert_allclose(sparse.predict(X), dense.predict(FULL), rtol=0, atol=1e-9)
    assert sparse.oob_score_ == pytest.approx(dense.oob_score_, abs=1e-9)
    if not options:
        for mine, theirs in zip(sparse.members_, dense.members_, strict=True):
            assert mine.parameters_.theta.tobytes() == theirs.parameters_.theta.tobytes()


def test_learning_rates_are_found_alike():
    found = [network().find_learning_rate(rows, Y, share=0.5, steps=10, rates=[1e-3, 1e-2]) for rows in (FULL, X)]
    np.testing.assert_array_equal(found[0].losses, found[1].losses)


def test_a_warm_start_goes_on():
    nets = both(lambda net, rows: net.fit(rows, Y).fit(rows, Y), warm_start=True)
    assert nets[0].parameters_.theta.tobytes() == nets[1].parameters_.theta.tobytes()
    assert len(nets[1].loss_curve_) == 4


def test_a_checkpoint_goes_on_with_the_same_data_alone(tmp_path):
    whole = network(epochs=6, schedule="constant").fit(X, Y)
    half = network(epochs=3, schedule="constant", checkpoint=tmp_path / "half").fit(X, Y)
    rest = half.set_params(epochs=6).fit(X, Y)
    assert rest.parameters_.theta.tobytes() == whole.parameters_.theta.tobytes()
    for name, place in (("data", 3), ("indices", 3), ("indptr", 7)):  # of row 7, in which there is nothing yet
        other = X.copy()
        getattr(other, name)[place] += -1 if name == "indptr" else 1
        with pytest.raises(InvalidInput, match="belongs to another training"):
            half.fit(other, Y)


@pytest.mark.parametrize("options", [{}, {"dropout": {"input": 0.3}}, {"noise": 0.2}, {"batch_norm": ("hidden",)}])
def test_gradients_are_right(options):
    topology = Topology.mlp(40, 5, 3, unit="tanh", skip=[("input", "output")])
    y = DRAW.random((20, 3))
    assert check_gradient(topology, sp.csc_matrix(FULL[:20]), y, l2=0.1, directions=30, **options) < 1e-6
    assert check_gradient(BRANCHES, X[:20], y, directions=30) < 1e-6


@pytest.mark.parametrize("options", [{}, {"topology": BRANCHES}])
def test_instruments_look_at_sparse_rows(options):
    net = network(**options).fit(X, Y)
    for model, y in ((net, Y), (net.parameters_, np.eye(3)[Y])):
        np.testing.assert_allclose(
            instruments.gradients(model, X, y).theta, instruments.gradients(model, FULL, y).theta, rtol=0, atol=1e-12
        )
        inputs = [instruments.net_inputs(model, rows) for rows in (X, FULL)]
        for name in inputs[0]:
            np.testing.assert_allclose(inputs[0][name], inputs[1][name], rtol=0, atol=1e-12)
    broken = X.copy()
    broken.data[3] = np.nan
    with pytest.raises(InvalidInput, match="X must be finite rows"):
        instruments.activity(net.parameters_, broken)


# -- refused -----------------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_sparse_data_is_said():
    with pytest.raises(ValueError, match="NaN"):
        network().fit(sp.csr_array(np.where(FULL > 2, np.nan, FULL)), Y)
    with pytest.raises(ValueError, match="X has 39 features, but NetworkClassifier is expecting 40"):
        network().fit(X, Y).predict(X[:, :39])
    with pytest.raises(InvalidInput, match=r"X holds numbers up to \d.*e\+60, more than float32 can"):
        network(dtype="float32").fit(X * 1e60, Y)
    with pytest.raises(TypeError, match=r"[Ss]parse data was passed"):
        Autoencoder().fit(X)


def test_the_loop_underneath_takes_sparse_rows_and_says_how_to_make_them():
    parameters, backprop = initialise(Topology.mlp(40, 5, 3), random_state=0), Backprop(Network(Topology.mlp(40, 5, 3)))
    targets = np.eye(3, dtype=np.float32)[Y]
    rows, options = as_rows(X, np.float32), {"optimizer": optim.sgd(0.1), "epochs": 1, "key": Key.from_seed(0)}
    assert isinstance(rows, SparseRows)
    assert np.isfinite(fit(parameters, backprop, rows, targets, **options).parameters.theta).all()
    with pytest.raises(InvalidInput, match=r"X must be an array .*, got csr_array; use as_rows of bioneuro.sparse"):
        fit(parameters, backprop, X, targets, **options)
    with pytest.raises(InvalidInput, match=r"y must be an array .*, got csr_array; use y.toarray\(\)"):
        minimise(parameters, backprop, rows, sp.csr_array(targets), key=Key.from_seed(0))
    with pytest.raises(InvalidInput, match=r"X must have shape \(150, 40\)"):
        fit(parameters, backprop, rows[:, :30], targets, **options)


def test_sparse_targets_of_a_regressor_are_answered_with_what_to_do():
    with pytest.raises(InvalidInput, match=r"use y.toarray\(\)"):
        NetworkRegressor().fit(np.ones((4, 2)), sp.csr_array(np.ones((4, 2))))
