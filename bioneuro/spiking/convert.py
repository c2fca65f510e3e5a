"""Conversion: a trained network of rate units becomes a network of spiking neurons on the same structure, and back.

An activity a of a rate unit is a rate of spikes r = R (a - c) / A, with one scale (R, A, c) per population:

    population                R                A                                       c
    input                     `input_rate`     1                                       0
    hidden (ReLU)             `rate`           percentile of its activities on X       0
    output                    `rate`           percentile of its logits, less c        the logit that is silent: below
                                                                                       the lowest best logit of X

An integrate-and-fire neuron without leak that falls by theta at a spike fires at r = (sum_j w'_j r_j + drive) / theta.
So

    w'_ij = theta (R_post / A_post) (A_pre / R_pre) w_ij        in volts, the jump of the membrane at a spike
    bias' = tau_m theta (R_post / A_post) (b + sum_i c_i w_i - c_post)        in volts, a constant drive R I

The neuron is a LIF of long tau_m (1 s), whose leak takes about 1 / (2 tau_m) from a rate and silences drives below
1 / tau_m, and of soft reset: what the membrane had beyond its threshold is kept. (A reset to a value forgets it: rates
on the digits come out 6 % lower, in networks of a few strong synapses up to a fifth.) A neuron spikes at most once a
step, and one that spikes too early cannot take it back, so jumps should be small: inputs spike more often than neurons
(1000 against 200 Hz) and take turns (`encode_rate`). Where that is not enough, let rates fall from layer to layer:
rate={"hidden": 200.0, "output": 50.0}.

Sources: Diehl, Neil, Binas, Cook, Liu, Pfeiffer, IJCNN 2015 (data-based normalisation); Rueckauer, Lungu, Hu, Pfeiffer,
Liu, Front. Neurosci. 11 (2017) 682 (percentiles, soft reset).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bioneuro.data.domain import as_finite_floats
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.spiking.rate_scale import RateScale, matrix, scale_of
from bioneuro.topology import LIF, Dense, OneToOne, Population, Projection, Sparse, Topology

HIDDEN, OUTPUT = ("relu",), ("softmax", "linear", "sigmoid", "relu")  # a rate is never negative, but may be compared
RATE = 200.0  # Hz
WITHOUT_LEAK = LIF(tau_m=1.0, v_threshold=20e-3, v_reset=0.0, refractory=0.0, soft_reset=1.0)


class SpikingNetwork(NamedTuple):
    """A converted network: spiking `parameters`, the `scale` they are written in, the rate units it came from, and the
    (n_input,) mean that these subtracted from the rows."""

    parameters: Parameters
    scale: RateScale
    source: Topology
    input_mean: np.ndarray

    @property
    def topology(self) -> Topology:
        return self.parameters.topology

    def __repr__(self) -> str:
        spans = ", ".join(
            f"{name} {self.scale.silent[name]:.3g} .. {self.scale.silent[name] + largest:.3g} as 0 .. "
            f"{self.scale.highest[name]:g} Hz"
            for name, largest in self.scale.largest.items()
        )
        return f"SpikingNetwork({self.topology!r}; {spans})"


def to_spiking(
    trained,
    X,
    *,
    input_mean: np.ndarray | None = None,
    rate: float | Mapping[str, float] = RATE,
    input_rate: float = 1000.0,
    percentile: float = 99.9,
    unit: LIF | None = None,
) -> SpikingNetwork:
    """Write a trained rate network in spikes; the equations are those of the module.

    Parameters
    ----------
    trained : a fitted `feedforward.NetworkClassifier` or `NetworkRegressor`, or `Parameters`: of an acyclic topology
        with ReLU hidden units, softmax, linear or sigmoid outputs, and Dense, OneToOne or Sparse projections. Not
        changed.
    X : (n, n_input) rows in [0, 1], as the network was trained on; they set the scale, labels are not needed.
    input_mean : (n_input,) that the rate network subtracts from the rows: spikes cannot be negative, so it moves into
        the biases that inputs reach. An estimator brings its own (`input_mean_`); of bare parameters nobody can tell,
        and without it the answers are wrong.
    rate : Hz, of the largest activity of each population, one number or {population: Hz} (others: 200).
    input_rate : Hz, of an input of 1.
    percentile : in (0, 100], of the activities that counts as the largest; 100: the maximum (Diehl et al.).
    unit : LIF with v_rest = v_reset; None: LIF(tau_m=1.0, v_threshold=20e-3, v_reset=0.0, refractory=0.0,
        soft_reset=1.0).

    Returns
    -------
    SpikingNetwork : its topology is `parameters.topology.with_units(...)`, of the same structure_digest.

    Raises
    ------
    UnsupportedTopology : a cycle, other units or projections, tied or shared weights.
    InvalidInput : an estimator that is not fitted, or lesioned, or does not answer by its network alone; rows outside
        [0, 1], of another width; a mean where the units that inputs reach have no bias.

    Examples
    --------
    >>> import bioneuro, feedforward
    >>> digits = bioneuro.load_digits()
    >>> model = feedforward.NetworkClassifier((20,), epochs=5, random_state=0).fit(digits.X, digits.y)
    >>> network = to_spiking(model, digits.X)
    >>> network.topology.structure_digest == model.topology_.structure_digest
    True
    """
    parameters, input_mean = _unpacked(trained, input_mean)
    source = parameters.topology
    _check_source(source)
    X = check_rows(X, source)
    unit = _check_unit(WITHOUT_LEAK if unit is None else unit)
    rates = _check_rates(source, rate)
    input_rate = check_number("input_rate", input_rate, low=0, open_low=True, high=1e6, hint="hertz")
    percentile = check_number("percentile", percentile, low=0, open_low=True, high=100)
    mean = _check_mean(source, input_mean)
    scale = scale_of(parameters, X.astype(np.float64) - mean, rates, input_rate, percentile)
    units = {population.name: unit for population in source.populations if population.role != "input"}
    written = Parameters.zeros(source.with_units(**units), parameters.dtype)
    _write(parameters, written, scale, unit, mean)
    _copy_input_bias(parameters, written)
    return SpikingNetwork(written, scale, source, mean)


def to_rates(network: SpikingNetwork) -> Parameters:
    """The way back: the weights and biases of rate units that a spiking network stands for.

    Parameters
    ----------
    network : from `to_spiking`; its parameters may have been changed since, by plasticity or a lesion.

    Returns
    -------
    Parameters on `network.source`.
    """
    check_network("to_rates", network)
    source, written, scale = network.source, network.parameters, network.scale
    rates = Parameters.zeros(source, written.dtype)
    for projection in source.projections:
        unit = written.topology[projection.post].unit
        rates[projection.name] = written[projection.name] / _weight_factor(scale, projection, unit)
    for population in _receiving(source):
        if population.bias:
            unit = written.topology[population.name].unit
            bias = written[f"{population.name}.bias"] / _bias_factor(scale, population.name, unit)
            rates[f"{population.name}.bias"] = bias + _offsets(rates, scale, population, network.input_mean)
    _copy_input_bias(written, rates)
    return rates


# -- weights and biases ------------------------------------------------------------------------------------------------


def _write(parameters: Parameters, written: Parameters, scale: RateScale, unit: LIF, mean: np.ndarray) -> None:
    for projection in parameters.topology.projections:
        written[projection.name] = parameters[projection.name] * _weight_factor(scale, projection, unit)
    for population in _receiving(parameters.topology):
        if population.bias:
            bias = parameters[f"{population.name}.bias"] - _offsets(parameters, scale, population, mean)
            written[f"{population.name}.bias"] = bias * _bias_factor(scale, population.name, unit)


def _copy_input_bias(parameters: Parameters, other: Parameters) -> None:
    """A bias of inputs drives nothing; it is kept for the way back."""
    for population in parameters.topology.by_role("input"):
        if population.bias:
            other[f"{population.name}.bias"] = parameters[f"{population.name}.bias"]


def _weight_factor(scale: RateScale, projection: Projection, unit: LIF) -> float:
    """Volts per unit of weight."""
    return (unit.v_threshold - unit.v_reset) * scale.gain(projection.post) / scale.gain(projection.pre)


def _bias_factor(scale: RateScale, population: str, unit: LIF) -> float:
    """Volts of constant drive per unit of bias."""
    return unit.tau_m * (unit.v_threshold - unit.v_reset) * scale.gain(population)


def _offsets(parameters: Parameters, scale: RateScale, population: Population, mean: np.ndarray) -> np.ndarray:
    """What the mean of the inputs and the silent activity take from a bias."""
    offset = np.full(population.size, scale.silent[population.name])
    for projection in parameters.topology.incoming(population.name):
        if parameters.topology[projection.pre].role == "input":
            offset += mean @ matrix(parameters, projection)
    return offset


def _receiving(topology: Topology) -> list[Population]:
    return [population for population in topology.populations if population.role != "input"]


# -- checks ------------------------------------------------------------------------------------------------------------


def _unpacked(trained, input_mean) -> tuple[Parameters, np.ndarray | None]:
    """Parameters and mean of what `to_spiking` is given."""
    if isinstance(trained, Parameters):
        return trained, input_mean
    name = type(trained).__name__
    if not hasattr(trained, "fit"):
        raise InvalidInput(f"to_spiking takes a fitted network or Parameters, got {name}")
    if not hasattr(trained, "parameters_"):
        raise InvalidInput(f"this {name} is not fitted; call fit before to_spiking")
    if not hasattr(trained, "input_mean_"):
        raise InvalidInput(
            f"{name} does not answer by a network of rate units alone; to_spiking takes NetworkClassifier, "
            "NetworkRegressor, or the Parameters of a network"
        )
    if input_mean is not None:
        raise InvalidInput(f"{name} brings its own input_mean_; leave input_mean out, or give parameters_ with it")
    if not trained.alive_.all():
        raise InvalidInput("convert the whole network, and give classify or spike_counts a lesion=")
    return trained.parameters_, trained.input_mean_


def check_network(what: str, given) -> None:
    """Raise `InvalidInput` for anything but what `to_spiking` returns."""
    if not isinstance(given, SpikingNetwork):
        raise InvalidInput(f"{what} takes a SpikingNetwork, as to_spiking returns it, got {type(given).__name__}")


def check_rows(X, topology: Topology) -> np.ndarray:
    X, width = as_finite_floats(X), topology.by_role("input")[0].size
    if X.ndim != 2 or X.shape[1] != width:
        raise InvalidInput(f"X must be (n, {width}) for {topology!r}, got shape {X.shape}")
    if X.min() < 0 or X.max() > 1:
        raise InvalidInput(
            f"values run from {X.min():g} to {X.max():g}; spikes encode values in [0, 1]: rescale them before "
            "training, and give a mean that the network subtracts as input_mean"
        )
    return X


def _check_source(topology: Topology) -> None:
    topology.order()  # says which cycle there is
    for role in ("input", "output"):
        if len(topology.by_role(role)) != 1:
            raise UnsupportedTopology(f"conversion needs one {role} population, {topology!r} has another number")
    for population in _receiving(topology):
        allowed = OUTPUT if population.role == "output" else HIDDEN
        if population.unit.name not in allowed:
            raise UnsupportedTopology(
                f"{population.role} units {population.name!r} are {population.unit.name!r}; a rate of spikes can stand "
                f"for {', '.join(map(repr, allowed))}: train a network of those"
            )
        if population.role == "output" and any(p.pre == population.name for p in topology.projections):
            raise UnsupportedTopology(
                f"projections leave the output population {population.name!r}; it must be the end"
            )
    for projection in topology.projections:
        if not isinstance(projection, Dense | OneToOne | Sparse) or projection.shared or projection.tied_to:
            kind = "tied" if projection.tied_to else "shared" if projection.shared else type(projection).__name__
            raise UnsupportedTopology(
                f"conversion scales each projection by itself; {projection.name!r} is {kind}: use Dense, "
                "OneToOne or Sparse with a weight per synapse"
            )


def _check_mean(topology: Topology, mean) -> np.ndarray:
    source = topology.by_role("input")[0]
    mean = np.zeros(source.size) if mean is None else np.asarray(mean, np.float64)
    if mean.shape != (source.size,) or not np.isfinite(mean).all():
        raise InvalidInput(f"input_mean must be {source.size} finite numbers, got shape {mean.shape}")
    if mean.any():
        for projection in topology.projections:
            if projection.pre == source.name and not topology[projection.post].bias:
                raise InvalidInput(
                    f"population {projection.post!r} has no bias to take the mean of the inputs; train without "
                    "(centre=False), or with a bias"
                )
    return mean


def _check_rates(topology: Topology, rate) -> dict[str, float]:
    names = [population.name for population in _receiving(topology)]
    given = rate if isinstance(rate, Mapping) else dict.fromkeys(names, rate)
    for name in given:
        choose("population with a rate", name, names)
    return {
        name: check_number(f"rate of {name!r}", given.get(name, RATE), low=0, open_low=True, high=1e4, hint="hertz")
        for name in names
    }


def _check_unit(unit: LIF) -> LIF:
    if not isinstance(unit, LIF):
        raise InvalidInput(f"unit must be a LIF, got {unit!r}")
    if any(isinstance(value, tuple) for value in vars(unit).values()) or unit.v_rest != unit.v_reset:
        raise InvalidInput(
            f"conversion needs a LIF with one value per constant that resets to rest, got {unit!r}; "
            f"{WITHOUT_LEAK!r} is without leak for all purposes"
        )
    return unit
