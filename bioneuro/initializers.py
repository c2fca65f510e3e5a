"""Initialisers: the first weights of a network.

eta is a unit's fan-in: the number of synapses that end on it, all projections together, the bias not counted. An
initialiser is a function `(generator, shape, fan_in, fan_out) -> float64 array`; adding one is one function and one
line of `INITIALIZERS`. Schemes that look at data live with the engine that runs it through the network; for backprop,
`feedforward.calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from bioneuro._jit.keys import Key, seed_from
from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.topology import Projection, Sparse, Topology
from bioneuro.topology.units import Unit

Initializer = Callable[[np.random.Generator, tuple[int, ...], float, float], np.ndarray]


def normal(variance: Callable[[float, float], float]) -> Initializer:
    """w ~ N(0, variance(fan_in, fan_out))."""

    def draw(generator, shape, fan_in, fan_out):
        return generator.normal(0, math.sqrt(variance(fan_in, fan_out)), shape)

    return draw


def uniform(variance: Callable[[float, float], float]) -> Initializer:
    """w ~ U(-b, b) with b = sqrt(3 variance(fan_in, fan_out)), so that the variance is the one named."""

    def draw(generator, shape, fan_in, fan_out):
        bound = math.sqrt(3 * variance(fan_in, fan_out))
        return generator.uniform(-bound, bound, shape)

    return draw


def constant(value: float) -> Initializer:
    """w = value: units of a layer then stay alike for ever, which is why networks start at random."""
    return lambda generator, shape, fan_in, fan_out: np.full(shape, float(value))


def gaussian(sigma: float) -> Initializer:
    """w ~ N(0, sigma^2), whatever the fan-in: the way signals die (sigma .01) or saturate (sigma 1) in deep nets."""
    sigma = check_number("sigma", sigma, low=0)
    return normal(lambda fan_in, fan_out: sigma**2)


def orthogonal(gain: float = 1.0) -> Initializer:
    """W^T W = gain^2 I (or W W^T where W is wider than high), uniform over such matrices (Saxe et al. 2014)."""

    def draw(generator, shape, fan_in, fan_out):
        flat = (math.prod(shape[:-1]), shape[-1]) if len(shape) > 1 else (shape[0] if shape else 1, 1)
        tall = generator.normal(size=(max(flat), min(flat)))
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diag(r))  # without this the law of Q depends on the QR routine
        return gain * (q if flat[0] >= flat[1] else q.T).reshape(shape)

    return draw


def random_walk(gain: Callable[[float], float]) -> Initializer:
    """w ~ N(0, gain(eta)^2 / eta), so that the log length of a back-propagated error walks without drift.

    Source: Sussillo and Abbott, Random walk initialization for training very deep feedforward networks (2014).
    """
    return normal(lambda fan_in, fan_out: gain(fan_in) ** 2 / fan_in)


INITIALIZERS: dict[str, Initializer] = {
    "he-normal": normal(lambda fan_in, fan_out: 2 / fan_in),  # ReLU: He et al. 2015
    "he-uniform": uniform(lambda fan_in, fan_out: 2 / fan_in),
    "sigmoid-normal": normal(lambda fan_in, fan_out: 12.8 / fan_in),  # Kumar 2017: 1 / (eta g'(0)^2 (1 + g(0)^2))
    "sigmoid-uniform": uniform(lambda fan_in, fan_out: 12.8 / fan_in),
    "lecun-normal": normal(lambda fan_in, fan_out: 1 / fan_in),  # linear and tanh units; sigma = 1 / sqrt(eta)
    "lecun-uniform": uniform(lambda fan_in, fan_out: 1 / fan_in),
    "glorot-normal": normal(lambda fan_in, fan_out: 2 / (fan_in + fan_out)),  # Glorot and Bengio 2010
    "glorot-uniform": uniform(lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    "small-gaussian": gaussian(0.01),
    "unit-gaussian": gaussian(1.0),
    "zeros": constant(0),
    "orthogonal": orthogonal(),
    "random-walk-linear": random_walk(lambda n: math.exp(1 / (2 * n))),
    "random-walk-relu": random_walk(lambda n: math.sqrt(2) * math.exp(1.2 / (max(n, 6) - 2.4))),
}
ALIASES = {
    "he": "he-normal",
    "kaiming": "he-normal",
    "lecun": "lecun-normal",
    "xavier": "lecun-normal",  # as the lectures use the name; Glorot's own formula is "glorot"
    "glorot": "glorot-normal",
    "sigmoid": "sigmoid-normal",
}
FROM_DATA = ("lsuv", "data-dependent")  # see `feedforward.calibration`


def as_initializer(given: str | Initializer) -> Initializer:
    """An initialiser by name, or the function given."""
    if callable(given):
        return given
    choose("initializer", given, [*INITIALIZERS, *ALIASES, *FROM_DATA])
    if given in FROM_DATA:
        raise InvalidInput(
            f"initializer {given!r} looks at data, which only a network that runs can: give it to an estimator, or use "
            "feedforward.calibration.first_parameters"
        )
    return INITIALIZERS[ALIASES.get(given, given)]


# -- by the units that receive -----------------------------------------------------------------------------------------


def kumar(value: float, slope: float) -> float:
    """1 / (g'(0)^2 (1 + g(0)^2)): eta times the variance that keeps activity, for units smooth at 0.

    Source: Kumar, On weight initialization in deep neural networks (2017).
    """
    return 1 / (slope**2 * (1 + value**2))


def rectifier(unit: Unit) -> float:
    """1 / E f(z)^2 = 2 / (1 + alpha^2) for z ~ N(0, 1), with alpha the slope on the left (He et al. 2015).

    Where units differ in alpha, the mean of alpha^2.
    """
    return 2 / (1 + _mean_square(unit.learns.get("alpha", getattr(unit, "alpha", 0.0))))


def exponential(unit: Unit) -> float:
    """1 / E f(z)^2 for z ~ N(0, 1) and f(z) = alpha (e^z - 1) on the left: 1.55 at alpha = 1."""
    left = math.e**2 * _below(-2) - 2 * math.sqrt(math.e) * _below(-1) + 0.5
    return 1 / (0.5 + _mean_square(unit.alpha) * left)


def _below(z: float) -> float:
    """The share of N(0, 1) below z."""
    return math.erfc(-z / math.sqrt(2)) / 2


def _mean_square(values) -> float:
    return float(np.mean(np.square(values)))


# unit -> eta times the variance of the weights that reach it; a bipolar type is like its unipolar one; all others: 1
GAINS: dict[str, Callable[[Unit], float]] = {
    "linear": lambda unit: kumar(0, 1),
    "tanh": lambda unit: kumar(0, 1),
    "sigmoid": lambda unit: kumar(0.5, 0.25),  # 12.8
    "softplus": lambda unit: kumar(math.log(2), 0.5),
    "relu": rectifier,
    "leaky_relu": rectifier,
    "prelu": rectifier,
    "frelu": rectifier,
    "elu": exponential,
    "selu": lambda unit: 1.0,  # Klambauer et al. 2017: mean 0 and variance 1 are then a fixed point
}


def for_unit(unit: Unit) -> Initializer:
    """w ~ N(0, gain / eta) with the gain of the units that receive; what "auto" means."""
    gain = GAINS.get(unit.name.removeprefix("bipolar_"), lambda unit: 1.0)(unit)
    return normal(lambda fan_in, fan_out: gain / fan_in)


# -- first parameters --------------------------------------------------------------------------------------------------


def initialise(
    topology: Topology,
    weights: str | Initializer | Mapping[str, str | Initializer] = "auto",
    *,
    bias: float | Mapping[str, float | np.ndarray] = 0.0,
    random_state=0,
    dtype="float32",
) -> Parameters:
    """First parameters of a topology.

    Parameters
    ----------
    weights : an initialiser or its name for every projection, or {projection: ...}; "auto" (and projections left out)
        goes by the units that receive: He's 2 / eta for ReLU, 12.8 / eta for sigmoid, 1 / eta for linear, tanh and SELU
        (see `GAINS`).
    bias : number for every bias, or {population: number or (n,)}, others 0; a little above 0 wakes ReLUs.
    random_state : None, int, Generator, RandomState or a `Key`; each projection has a stream of its own.
    dtype : float32 or float64.

    Symmetric projections come out symmetric with a zero diagonal where they join a population with itself;
    projections with a `sign` get weights of that sign.
    """
    key = random_state if isinstance(random_state, Key) else Key.from_seed(seed_from(random_state))
    params = Parameters.zeros(topology, dtype)
    named = weights if isinstance(weights, Mapping) else dict.fromkeys(_owners(topology), weights)
    for name in named:
        choose("projection to initialise", name, _owners(topology))
    for name in _owners(topology):
        projection = topology.projection(name)
        scheme = named.get(name, "auto")
        if isinstance(scheme, str) and scheme == "auto":
            scheme = for_unit(topology[projection.post].unit)
        params[name] = _draw(topology, projection, as_initializer(scheme), key.child(name).generator())
    biases = [key for key in params if key.endswith(".bias")]
    given = bias if isinstance(bias, Mapping) else {entry.removesuffix(".bias"): bias for entry in biases}
    for population, value in given.items():
        params[f"{population}.bias"] = value
    return params


def _owners(topology: Topology) -> list[str]:
    return [projection.name for projection in topology.projections if projection.name in topology.layout]


def _draw(
    topology: Topology, projection: Projection, scheme: Initializer, generator: np.random.Generator
) -> np.ndarray:
    pre, post = topology.ends(projection)
    fan_in = sum(other.fan_in(*topology.ends(other)) for other in topology.incoming(post.name))
    leaving = (other for other in topology.projections if other.pre == pre.name)
    fan_out = sum(other.n_synapses(*topology.ends(other)) for other in leaving) / pre.size
    values = scheme(generator, topology.layout[projection.name].shape, fan_in, fan_out)
    pairs = projection.symmetric and projection.autapse and not projection.shared
    if pairs and isinstance(projection, Sparse):
        values = values[np.minimum(np.arange(values.size), topology.edges(projection.name).reverse())]
    elif pairs:
        upper = np.triu(values, 1)
        values = upper + upper.T
    return projection.sign * np.abs(values) if projection.sign else values


def output_bias(unit: str, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Bias of the output units at which a network without weights already predicts the mean label.

    Linear: mean(y); sigmoid: logit of the mean, ln(p / (1 - p)) (mean .9 gives ln 9 = 2.197); softmax: log of the
    class shares. `y` is (n, outputs): numbers, 0/1 targets or one-hot rows. The first loss is then the entropy of
    the labels. Shares of 0 and 1 are taken as half an example away from them. `weights`, (n,), say how much rows count;
    where they are less than 1 on average, the examples are the rows.
    """
    y = np.asarray(y, dtype=float)
    if y.ndim != 2 or not len(y):
        raise InvalidInput(f"targets must be (n, outputs) with n >= 1, got shape {y.shape}")
    mean = np.average(y, axis=0, weights=weights)
    half = 0.5 / (len(y) if weights is None else max(np.sum(weights), np.count_nonzero(weights)))
    share = np.clip(mean, half, 1 - half)
    formulas = {
        "linear": lambda: mean,
        "sigmoid": lambda: np.log(share / (1 - share)),
        "softmax": lambda: np.log(share),
    }
    return formulas[choose("output unit with a bias from labels", unit, formulas)]()
