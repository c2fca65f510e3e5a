"""What is wrong is said in words, and a training that diverges stops with its last good weights."""

import re

import numpy as np
import pytest

from bioneuro import Topology, load_digits, optim
from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, NotFiniteError, UnknownName
from bioneuro.initializers import initialise
from bioneuro.training import Hard, fit, fit_together, minimise
from feedforward import Huber, NetworkClassifier, NetworkRegressor
from feedforward.backprop import Backprop
from feedforward.network import Network

DIGITS = load_digits()
X, y = DIGITS.X[:120], DIGITS.y[:120]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"optimizer": lambda rate: rate}, InvalidInput, r"must make a Transform of a learning rate.*<lambda> made li"),
        ({"optimizer": optim.clip(1.0)}, InvalidInput, r"holds no optimiser; use a chain with one"),
        ({"optimizer": optim.chain(optim.l1(0.1), optim.max_norm(3))}, InvalidInput, "holds no optimiser"),
        (
            {"optimizer": lambda rate: optim.chain(optim.adam(rate), optim.l1(0.1))},
            InvalidInput,
            r"l1\(rate=0.1, biases=0.0\) is a penalty, which belongs before the optimiser.*away from 0.*weight_decay",
        ),
        ({"optimizer": optim.chain(optim.yellowfin(), optim.clip(1), optim.l2(0.1))}, InvalidInput, "belongs before"),
        ({"optimizer": optim.chain(optim.adam(0.1), optim.sgd(0.1))}, InvalidInput, "holds one optimiser, got ad"),
        ({"hidden_bias": "a"}, InvalidInput, r"hidden_bias must be a number in \(-inf, inf\), got 'a'"),
        ({"dropout": "half"}, InvalidInput, r"dropout of 'hidden' must be a number in \[0, 1\), got 'half'"),
        ({"loss": "mse"}, UnknownName, "unknown loss 'mse'; did you mean 'squared'"),
        ({"loss": Huber}, UnknownName, r"it is a class, of which an object may be meant, Huber\(...\)"),
        ({"emphasis": Hard}, UnknownName, r"it is a class, of which an object may be meant, Hard\(...\)"),
        ({"optimizer": None}, UnknownName, "unknown optimizer None; allowed: 'sgd'"),
        ({"schedule": optim.cosine(0.1, 0, 10)}, InvalidInput, r"schedule is a name.*optimizer=optim.adam\(schedule\)"),
        ({"learning_rate": -1}, InvalidInput, r"learning_rate must be a number in \(0, inf\), got -1"),
        ({"learning_rate": np.inf}, InvalidInput, r"learning_rate must be a number in \(0, inf\), got inf"),
        ({"learning_rate": np.nan}, InvalidInput, r"learning_rate must be a number in \(0, inf\), got nan"),
        (
            {"batch_size": "auto"},
            InvalidInput,
            r"batch_size must be an integer in \[1, inf\), got 'auto'; one as large",
        ),
        ({"batch_size": None}, InvalidInput, r"batch_size must be an integer in \[1, inf\), got None; one as large"),
        ({"hidden_layer_sizes": (3.7,)}, InvalidInput, r"a size in hidden_layer_sizes must be an integer .* got 3.7"),
        ({"hidden_layer_sizes": (0,)}, InvalidInput, r"a size in hidden_layer_sizes must be an integer .* got 0"),
        ({"hidden_layer_sizes": "big"}, InvalidInput, "a size in hidden_layer_sizes must be an integer .* got 'big'"),
        ({"batch_norm": 3}, InvalidInput, "batch normalisation is for True, False or names of populations, got 3"),
        ({"frozen": "hiden.bias"}, UnknownName, "unknown parameter to freeze 'hiden.bias'; did you mean 'hidden.bias'"),
        ({"callbacks": print}, InvalidInput, r"callbacks must be a list of functions, got .*; give callbacks=\[...\]"),
        ({"callbacks": [3]}, InvalidInput, "callbacks must be functions of a `Progress`, one of them is 3"),
        ({"class_weight": "ballanced"}, UnknownName, "did you mean 'balanced'"),
        ({"class_weight": {1: -2}}, InvalidInput, r"class_weight\[1\] must be a number in \[0, inf\), got -2"),
        ({"class_weight": {11: 2}}, InvalidInput, r"class_weight names \[11\], which no label is, and leaves out"),
    ],
)
def test_bad_settings_are_answered_with_what_to_do(settings, error, message):
    with pytest.raises(error, match=message):
        NetworkClassifier(**{"epochs": 1} | settings).fit(X, y)


def test_numbers_may_be_given_as_text_wherever_they_are_allowed():
    nets = [NetworkClassifier((5,), dropout=share, epochs=1, random_state=0).fit(X, y) for share in ("0.5", 0.5)]
    assert nets[0].parameters_.theta.tobytes() == nets[1].parameters_.theta.tobytes()


def test_labels_out_of_range_are_named():
    net = NetworkClassifier((5,)).partial_fit(X, y, classes=np.arange(10))
    with pytest.raises(InvalidInput, match=r"not among the classes \[0, 1, 2.*9\]: \[10, 12\]"):
        net.partial_fit(X, np.where(y == 3, 12, np.where(y == 4, 10, y)))


@pytest.mark.parametrize("model", [NetworkClassifier, NetworkRegressor])
def test_numbers_too_large_for_float32_are_refused(model):
    large = X.astype(float) * 1e60
    with pytest.raises(InvalidInput, match=r"X holds numbers up to 7.49e\+59, more than float32 can; scale the data"):
        model(dtype="float32").fit(large, y)
    net = model((5,), dtype="float32", epochs=1, random_state=0).fit(X, y)
    with pytest.raises(InvalidInput, match="X holds numbers up to"):
        net.predict(large)
    if model is NetworkRegressor:
        with pytest.raises(InvalidInput, match=r"y holds numbers up to 9e\+60"):
            net.fit(X, y * 1e60)


def test_a_batch_larger_than_the_data_is_all_of_it():
    settings = {"hidden_layer_sizes": (5,), "epochs": 3, "random_state": 0}
    nets = [NetworkClassifier(batch_size=size, **settings).fit(X, y) for size in (120, 5000)]
    assert nets[0].parameters_.theta.tobytes() == nets[1].parameters_.theta.tobytes()
    assert nets[1].t_ == 3


def test_a_class_that_is_missing_from_a_part_may_have_a_weight():
    net = NetworkClassifier((5,), class_weight={7: 3.0}, random_state=0)
    few = y < 5
    net.partial_fit(X[few], y[few], classes=np.arange(10)).partial_fit(X, y)
    with pytest.raises(InvalidInput, match=r"class_weight names \[12\]"):
        net.set_params(class_weight={12: 3.0}).partial_fit(X[few], y[few])


# -- data of other shapes, handed to the engine itself -----------------------------------------------------------------

NET = Topology.mlp(64, 8, 10)
FIRST = initialise(NET, random_state=0)
TARGETS = np.eye(10, dtype="float32")[y]
INPUTS = X.astype("float32")


class StepByStep(Backprop):
    program = None


def train(make=Backprop, X=INPUTS, y=TARGETS, **options):
    options = {"optimizer": optim.adam(0.01), "epochs": 1, "key": Key.from_seed(0)} | options
    return fit(FIRST, make(Network(NET)), X, y, **options)


@pytest.mark.parametrize(
    ("output", "size", "targets", "message"),
    [
        ("softmax", 1, [0.2, 0.4], "one softmax output is 1 whatever the inputs are"),
        (
            "softmax",
            2,
            [[0.2, 0.4], [-0.1, 0.3]],
            r"softmax outputs learn targets in \[0, inf\], and y lies in \[-0.1",
        ),
        ("sigmoid", 1, [0.0, 25.0], r"sigmoid outputs learn targets in \[0, 1\], and y lies in \[0, 25\]"),
        ("tanh", 2, [[0.0, 1.0], [-1.2, 1.0]], r"tanh outputs learn targets in \[-1, 1\], and y lies in \[-1.2, 1\]"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_targets_that_the_outputs_of_a_topology_never_come_near_are_refused(method, output, size, targets, message):
    """The outputs of `Topology.mlp` are softmax units unless told otherwise, and one of them is always 1."""
    net = NetworkRegressor(topology=Topology.mlp(64, 5, size, output=output), random_state=0)
    with pytest.raises(InvalidInput, match=f"{message}.*use topology.with_units.output='linear'."):
        getattr(net, method)(X[:2], np.array(targets))
    net.set_params(topology=net.topology.with_units(output="linear"))
    assert np.isfinite(getattr(net, method)(X[:2], np.array(targets)).predict(X[:2])).all()


def test_shares_rounded_to_float32_are_within_reach():
    shares = np.array([1 + 1e-7, -1e-7, 0.5])
    NetworkRegressor(topology=Topology.mlp(64, 1, output="sigmoid"), epochs=1).fit(X[:3], shares)


def test_backprop_says_that_it_runs_a_network():
    with pytest.raises(InvalidInput, match=r"backprop runs a Network, got Topology.*; make one of a topology"):
        Backprop(NET)


@pytest.mark.parametrize("make", [Backprop, StepByStep])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"y": y}, r"y must have shape .* got \(\d+,\); class numbers become targets by np.eye\(n_classes\)\[y\]"),
        ({"y": TARGETS[:, :5]}, r"y must have shape \(\d+, 10\), a number for each unit of 'output', got \(\d+, 5\)"),
        ({"y": None}, "y must have shape"),
        ({"y": TARGETS[:50]}, "X and y must have the same number of rows, got 120 and 50"),
        ({"X": INPUTS[:, :60]}, r"X must have shape \(\d+, 64\), a number for each unit of 'input', got \(\d+, 60\)"),
        ({"X": np.hstack([INPUTS, INPUTS])}, r"X must have shape \(\d+, 64\)"),
        ({"X": INPUTS.tolist()}, "X must be an array with one row for each example, got list; use np.asarray"),
        ({"optimizer": "adam"}, r"optimizer must be a Transform such as optim.adam\(1e-3\), got 'adam'"),
        ({"key": 0}, r"key must be a Key, got 0; use Key.from_seed\(0\)"),
        ({"callbacks": print}, "callbacks must be a list of functions"),
        ({"validation": (INPUTS, TARGETS)}, "validation must be a function of the parameters .*, got tuple; .*loss_of"),
        ({"weights": ["a"] * 120}, r"weights must be numbers, got \['a', 'a'.*\.\.\.\]"),
        ({"weights": np.full(120, -1.0)}, r"weights must be a number in \[0, inf\), got -1.0"),
        ({"weights": np.ones(3)}, r"weights must be 120 numbers, one a row; got shape \(3,\)"),
    ],
)
def test_data_that_do_not_fit_are_never_read(make, data, message):
    with pytest.raises(InvalidInput, match=message):
        train(make, **data)


@pytest.mark.parametrize("make", [Backprop, StepByStep])
@pytest.mark.parametrize(("output", "loss"), [("softmax", "logistic"), ("sigmoid", "cross-entropy")])
def test_data_of_another_type_of_number_are_those_numbers(make, output, loss):
    network = Network(NET.with_units(output=output))
    results = [
        fit(
            FIRST,
            make(network, loss, flip=0.1, mask=0.2),
            (INPUTS > 0.5).astype(kind),
            TARGETS.astype(kind),
            optimizer=optim.sgd(0.1),
            epochs=1,
            key=Key.from_seed(0),
        )
        for kind in ("float32", "uint8", "bool", "float64")
    ]
    for result in results[1:]:
        assert result.parameters.theta.tobytes() == results[0].parameters.theta.tobytes()
        assert result["loss"].tobytes() == results[0]["loss"].tobytes()


@pytest.mark.parametrize("make", [Backprop, StepByStep])
@pytest.mark.parametrize("size", [5, 30])
def test_parameters_of_another_network_are_never_read(make, size):
    others = initialise(Topology.mlp(64, size, 10), random_state=0)
    options = {"optimizer": optim.adam(0.01), "epochs": 1, "key": Key.from_seed(0)}
    with pytest.raises(InvalidInput, match=r"parameters of .*hidden \d+ relu.* are not those of the network.*hidden 8"):
        fit(others, make(Network(NET)), INPUTS, TARGETS, **options)
    with pytest.raises(InvalidInput, match="are not those of the network"):
        fit_together([others], make(Network(NET)), INPUTS, TARGETS, **options | {"keys": [options.pop("key")]})
    with pytest.raises(InvalidInput, match="are not those of the network"):
        make(Network(NET)).loss_of(others, INPUTS, TARGETS)


@pytest.mark.parametrize("given", [NET, NetworkClassifier()], ids=["topology", "estimator"])
def test_a_training_begins_with_parameters(given):
    with pytest.raises(InvalidInput, match="begins with Parameters, got"):
        minimise(given, Backprop(Network(NET)), INPUTS, TARGETS, key=Key.from_seed(0))
    with pytest.raises(InvalidInput, match=r"begins with Parameters, got .* initialise\(topology, random_state=0\)"):
        fit(given, Backprop(Network(NET)), INPUTS, TARGETS, optimizer=optim.adam(0.01), epochs=1, key=Key.from_seed(0))


def test_minimising_checks_its_data_too():
    for data, message in (
        ((INPUTS, TARGETS[:9]), "same number of rows"),
        ((INPUTS, y), "class numbers become targets"),
    ):
        with pytest.raises(InvalidInput, match=message):
            minimise(FIRST, Backprop(Network(NET)), *data, key=Key.from_seed(0))


# -- numbers that are no longer finite ---------------------------------------------------------------------------------

DEEP = Topology.mlp(64, 6, 5, 10, unit="linear")


def diverging(make, layer):
    """In float32, where 1e20 times 1e20 is infinite: a layer of large weights, and one row of large numbers."""
    first, inputs = initialise(DEEP, random_state=0), INPUTS.copy()
    first[layer] *= np.float32(1e20)
    inputs[77] *= np.float32(1e20)
    options = {"optimizer": optim.sgd(1e-37), "epochs": 2, "key": Key.from_seed(0), "batch_size": 8}
    return fit(first, make(Network(DEEP)), inputs, TARGETS, **options)


@pytest.mark.parametrize("make", [Backprop, StepByStep])
@pytest.mark.parametrize(
    ("layer", "population"),
    [("input->hidden1", "hidden1"), ("hidden1->hidden2", "hidden2"), ("hidden2->output", "output")],
)
def test_a_training_that_diverges_names_the_population_where_it_does(layer, population, make):
    with pytest.raises(
        NotFiniteError, match=f"come out of population '{population}'.*lower the learning rate"
    ) as caught:
        diverging(make, layer)
    assert int(re.search(r"at step (\d+)", str(caught.value))[1]) > 0
    kept = caught.value.recording
    assert np.isfinite(kept.parameters.theta).all()
    assert kept.state is None


def test_compiled_and_plain_trainings_tell_the_same_of_the_same_step():
    told = []
    for make in (Backprop, StepByStep):
        with pytest.raises(NotFiniteError) as caught:
            diverging(make, "hidden1->hidden2")
        told.append((str(caught.value), caught.value.recording.parameters.theta.tobytes()))
    assert told[0] == told[1]


def test_a_divergence_among_many_epochs_in_one_call_is_found_where_it_is():
    net = Topology.mlp(64, 3, output="linear")
    told = []
    for callbacks in ((), [lambda progress: False]):  # with a callback, one epoch at a time
        options = {"optimizer": optim.sgd(1.0), "epochs": 200, "batch_size": 8, "key": Key.from_seed(0)}
        with pytest.raises(NotFiniteError, match="the loss became") as caught:
            fit(initialise(net), Backprop(Network(net)), INPUTS[:16], TARGETS[:16, :3], callbacks=callbacks, **options)
        told.append((str(caught.value), caught.value.recording.parameters.theta.tobytes()))
    assert told[0] == told[1]
    assert int(re.search(r"epoch (\d+)", told[0][0])[1]) > 5


def test_a_loss_that_is_too_large_for_finite_outputs_is_told_apart():
    net = NetworkRegressor((5,), epochs=2, dtype="float32", centre=False, random_state=0)
    with pytest.raises(NotFiniteError, match="what the network puts out is finite, and its loss too large"):
        net.fit(X * 1e30, y.astype(float))


@pytest.mark.parametrize("optimizer", [optim.sgd(10.0), optim.chain(optim.clip(1e30), optim.sgd(10.0))], ids=str)
def test_an_estimator_keeps_the_last_good_weights_and_its_curve(optimizer):
    net = NetworkRegressor((), optimizer=optimizer, epochs=300, batch_size=60, dtype="float32", random_state=0)
    with pytest.raises(NotFiniteError):
        net.fit(X, y.astype(float))
    assert 1 < net.n_iter_ == len(net.loss_curve_) < 300
    assert np.abs(net.parameters_.theta).max() > 1e6  # what it had come to
    assert np.isfinite(net.parameters_.theta).all()


def test_minimising_a_loss_that_is_not_finite_keeps_the_last_good_weights():
    net = NetworkRegressor((5,), optimizer="lbfgs", centre=False, random_state=0)
    with pytest.raises(NotFiniteError, match="scale the data"):
        net.fit(X.astype(float) * 1e200, y * 1e200)
    assert np.isfinite(net.parameters_.theta).all()
