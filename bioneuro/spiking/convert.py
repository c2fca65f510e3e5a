"""Conversion: a trained network of rate units becomes a network of spiking neurons on the same structure, and back.

An activity a of a rate unit is a rate of spikes r = R (a - c) / A, with one scale (R, A, c) per population:

    population                R                A                                       c
    input                     `input_rate`     1                                       0
    hidden (ReLU)             `rate`           percentile of its activities on X       0
    output                    `rate`           percentile of its logits, less c        the logit that is silent: below
                                                                                       the lowest best logit of X

An integrate-and-fire neuron without leak, of threshold theta, fires at r = (sum_j w'_j r_j + drive) / theta. So

    w'_ij = theta (R_post / A_post) (A_pre / R_pre) w_ij        in volts, the jump of the membrane at a spike
    bias' = tau_m theta (R_post / A_post) (b + sum_i c_i w_i - c_post)        in volts, a constant drive R I

The neuron is a LIF of long tau_m (1 s): its leak takes about 1 / (2 tau_m) from a rate and silences drives below
1 / tau_m. Its reset to a value forgets by how much the membrane had passed the threshold, so that rates come out lower,
the more so the larger the jumps: by 6 % on the digits, with no decision changed; by up to a fifth in networks of a few
strong synapses. The structure is kept, so no synapse smooths the jumps; instead they are small because inputs spike
more often than neurons (1000 against 200 Hz) and take turns (`encode_rate`), and steps are short (dt = 0.1 ms). Where
that is not enough, let rates fall from layer to layer: rate={"hidden": 200.0, "output": 50.0}.

Sources: Diehl, Neil, Binas, Cook, Liu, Pfeiffer, IJCNN 2015 (data-based normalisation); Rueckauer, Lungu, Hu, Pfeiffer,
Liu, Front. Neurosci. 11 (2017) 682 (percentiles).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bioneuro.data.domain import as_finite_floats
from bioneuro.data.encoding import encode_rate
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.spiking.engine import simulate
from bioneuro.spiking.inputs import SpikeTrain
from bioneuro.topology import LIF, Dense, Lesion, OneToOne, Population, Projection, Sparse, Topology

HIDDEN, OUTPUT = ("relu",), ("softmax", "linear", "sigmoid", "relu")  # a rate is never negative, but may be compared
RATE = 200.0  # Hz


class RateScale(NamedTuple):
    """How activities are written as rates: rate = highest (activity - silent) / largest, in Hz, one scale a population.

    Attributes
    ----------
    highest : {population: Hz}, the rate of the activity silent + largest.
    largest : {population: span of activities}.
    silent : {population: the activity whose rate is 0}.
    """

    highest: Mapping[str, float]
    largest: Mapping[str, float]
    silent: Mapping[str, float]

    def gain(self, population: str) -> float:
        """Hz per unit of activity."""
        return self.highest[population] / self.largest[population]

    def activities(self, population: str, rates: np.ndarray) -> np.ndarray:
        """The activities that rates in Hz stand for."""
        return self.silent[population] + np.asarray(rates) / self.gain(population)

    def rates(self, population: str, activities: np.ndarray) -> np.ndarray:
        """The rates in Hz that stand for activities; below `silent` there are none."""
        return np.maximum(0.0, self.gain(population) * (np.asarray(activities) - self.silent[population]))


class SpikingNetwork(NamedTuple):
    """A converted network: spiking `parameters`, the `scale` they are written in, and the rate units it came from."""

    parameters: Parameters
    scale: RateScale
    source: Topology

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
    parameters: Parameters,
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
    parameters : of an acyclic topology with ReLU hidden units, softmax, linear or sigmoid outputs, and Dense, OneToOne
        or Sparse projections. Not changed.
    X : (n, n_input) rows in [0, 1], as the network was trained on; they set the scale, labels are not needed.
    input_mean : (n_input,) subtracted from the rows by the rate network (`NetworkClassifier.input_mean_`): spikes
        cannot be negative, so it moves into the biases that inputs reach.
    rate : Hz, of the largest activity of each population, one number or {population: Hz} (others: 200).
    input_rate : Hz, of an input of 1.
    percentile : in (0, 100], of the activities that counts as the largest; 100: the maximum (Diehl et al.).
    unit : LIF with v_rest = v_reset; None: LIF(tau_m=1.0, v_threshold=20e-3, v_reset=0.0, refractory=0.0).

    Returns
    -------
    SpikingNetwork : its topology is `parameters.topology.with_units(...)`, of the same structure_digest.

    Raises
    ------
    UnsupportedTopology : a cycle, other units or projections, tied or shared weights.
    InvalidInput : rows outside [0, 1], of another width; a mean where the units that inputs reach have no bias.

    Examples
    --------
    >>> import bioneuro, feedforward
    >>> digits = bioneuro.load_digits()
    >>> model = feedforward.NetworkClassifier((20,), epochs=5, random_state=0).fit(digits.X, digits.y)
    >>> network = to_spiking(model.parameters_, digits.X, input_mean=model.input_mean_)
    >>> network.topology.structure_digest == model.topology_.structure_digest
    True
    """
    source = parameters.topology
    _check_source(source)
    X = _check_rows(X, source)
    unit = _check_unit(LIF(tau_m=1.0, v_threshold=20e-3, v_reset=0.0, refractory=0.0) if unit is None else unit)
    rates = _check_rates(source, rate)
    input_rate = check_number("input_rate", input_rate, low=0, open_low=True, high=1e6, hint="hertz")
    percentile = check_number("percentile", percentile, low=0, open_low=True, high=100)
    mean = _check_mean(source, input_mean)
    scale = _scale_of(parameters, X.astype(np.float64) - mean, rates, input_rate, percentile)
    units = {population.name: unit for population in source.populations if population.role != "input"}
    written = Parameters.zeros(source.with_units(**units), parameters.dtype)
    _write(parameters, written, scale, unit, mean)
    _copy_input_bias(parameters, written)
    return SpikingNetwork(written, scale, source)


def to_rates(network: SpikingNetwork, *, input_mean: np.ndarray | None = None) -> Parameters:
    """The way back: the weights and biases of rate units that a spiking network stands for.

    Parameters
    ----------
    network : from `to_spiking`; its parameters may have been changed since, by plasticity or a lesion.
    input_mean : as it was given to `to_spiking`.

    Returns
    -------
    Parameters on `network.source`.
    """
    source, written, scale = network.source, network.parameters, network.scale
    rates = Parameters.zeros(source, written.dtype)
    mean = _check_mean(source, input_mean)
    for projection in source.projections:
        rates[projection.name] = written[projection.name] / _weight_factor(
            scale, projection, _unit_of(written, projection)
        )
    for population in _receiving(source):
        if population.bias:
            unit = written.topology[population.name].unit
            bias = written[f"{population.name}.bias"] / _bias_factor(scale, population.name, unit)
            rates[f"{population.name}.bias"] = bias + _offsets(rates, scale, population, mean)
    _copy_input_bias(written, rates)
    return rates


def spike_counts(
    network: SpikingNetwork,
    X,
    duration: float = 0.2,
    *,
    dt: float = 1e-4,
    lesion: Lesion | None = None,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Show each row for `duration` to the network at rest; count the spikes of the output neurons.

    Inputs spike regularly at input_rate times x (`bioneuro.data.encode_rate`), so the same row gives the same counts.

    Parameters
    ----------
    X : (n, n_input) in [0, 1].
    duration : s, a multiple of dt.
    dt : s; more than 1 / (10 rate) loses accuracy.
    lesion : of `network.topology`; its dead neurons are silent.
    progress : show a progress bar over the rows.

    Returns
    -------
    (n, n_output) int64 counts, and (n, n_output) V, the membranes at the end: what is left below the next spike.
    """
    topology = network.topology
    X = _check_rows(X, network.source)
    source, output = topology.by_role("input")[0], topology.by_role("output")[0]
    where = topology.unit_layout[output.name]
    spikes = encode_rate(X, duration, highest=network.scale.highest[source.name])
    counts, membranes = np.zeros((len(X), output.size), np.int64), np.zeros((len(X), output.size))
    for i in _rows(len(X), progress):
        run = simulate(
            network.parameters,
            {source.name: SpikeTrain(*spikes.row(i))},
            duration,
            dt=dt,
            record={"spikes": [output.name]},
            random_state=0,  # nothing is drawn
            max_rate=np.inf,
            lesion=lesion,
        )
        counts[i] = np.bincount(run["spikes.units"] - where.start, minlength=output.size)
        membranes[i] = run.state.membrane[where]
    return counts, membranes


def classify(
    network: SpikingNetwork,
    X,
    duration: float = 0.2,
    *,
    dt: float = 1e-4,
    lesion: Lesion | None = None,
    progress: bool = False,
) -> np.ndarray:
    """The output neuron with the most spikes; of equal ones that with the highest membrane.

    Parameters as in `spike_counts`. Returns (n,) int64 indices of output units: `classes_[classify(...)]` are labels.
    """
    counts, membranes = spike_counts(network, X, duration, dt=dt, lesion=lesion, progress=progress)
    best = counts == counts.max(axis=1, keepdims=True)
    return np.where(best, membranes, -np.inf).argmax(axis=1)


# -- the scale ---------------------------------------------------------------------------------------------------------


def _scale_of(parameters: Parameters, X: np.ndarray, rates: dict, input_rate: float, percentile: float) -> RateScale:
    topology = parameters.topology
    activities = _activities(parameters, X)
    highest, largest, silent = {}, {}, {}
    for population in topology.populations:
        name = population.name
        silent[name] = 0.0
        if population.role == "input":
            highest[name], largest[name] = input_rate, 1.0
            continue
        highest[name] = rates[name]
        values = activities[name]
        top = float(np.percentile(values, percentile))
        if (
            population.role == "output" and population.bias
        ):  # only differences of logits count; winners must not be silent
            silent[name] = float(values.max(axis=1).min() - (top - values.min()) / 8)
        largest[name] = top - silent[name]
        if not largest[name] > 0:
            raise InvalidInput(
                f"population {name!r} has no activity above {silent[name]:g} on these {len(X)} rows, so there is no "
                "scale for its rates; give rows like those the network was trained on, or percentile=100"
            )
    return RateScale(highest, largest, silent)


def _activities(parameters: Parameters, X: np.ndarray) -> dict[str, np.ndarray]:
    """Activities of ReLU populations and logits of outputs, (n, size) each, of rows with the mean taken off."""
    topology = parameters.topology
    found = {topology.by_role("input")[0].name: X}
    for population in topology.order():
        if population.role == "input":
            continue
        h = np.zeros((len(X), population.size))
        for projection in topology.incoming(population.name):
            h += found[projection.pre] @ _matrix(parameters, projection)
        if population.bias:
            h += parameters[f"{population.name}.bias"]
        found[population.name] = h if population.role == "output" else np.maximum(h, 0.0)
    return found


def _matrix(parameters: Parameters, projection: Projection):
    """W, such that h = x @ W."""
    from scipy.sparse import csr_array, diags_array

    weights = parameters[projection.name].astype(np.float64)
    if isinstance(projection, Dense):
        return weights
    if isinstance(projection, OneToOne):
        return diags_array(weights)
    edges = parameters.topology.edges(projection.name)
    shape = tuple(end.size for end in parameters.topology.ends(projection))
    return csr_array((weights, edges.post, edges.indptr), shape)


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
            offset += mean @ _matrix(parameters, projection)
    return offset


def _receiving(topology: Topology) -> list[Population]:
    return [population for population in topology.populations if population.role != "input"]


def _unit_of(written: Parameters, projection: Projection) -> LIF:
    return written.topology[projection.post].unit


# -- checks ------------------------------------------------------------------------------------------------------------


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


def _check_rows(X, topology: Topology) -> np.ndarray:
    X, width = as_finite_floats(X), topology.by_role("input")[0].size
    if X.ndim != 2 or X.shape[1] != width:
        raise InvalidInput(f"X must be (n, {width}) for {topology!r}, got shape {X.shape}")
    if X.min() < 0 or X.max() > 1:
        raise InvalidInput(
            f"values run from {X.min():g} to {X.max():g}; spikes encode values in [0, 1]: rescale them before "
            "training, and give a mean that the network subtracts as input_mean"
        )
    return X


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
            "LIF(tau_m=1.0, v_threshold=20e-3, v_reset=0.0, refractory=0.0) is without leak for all purposes"
        )
    return unit


def _rows(n: int, progress: bool):
    if not progress:
        return range(n)
    from tqdm import tqdm

    return tqdm(range(n), desc="rows", unit="row")
