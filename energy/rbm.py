"""Restricted Boltzmann machines: energy, free energy and conditional means of Bernoulli units.

    E(v, h) = -a.v - b.h - v W h,   P(v, h) = exp(-E) / Z,   v_i, h_j in {0, 1}
    F(v) = -log sum_h exp(-E(v, h)) = -a.v - sum_j log(1 + exp(b_j + (v W)_j)),   P(v) = exp(-F(v)) / Z
    P(h_j = 1 | v) = 1 / (1 + exp(-(b + v W)_j / T)),   P(v_i = 1 | h) = 1 / (1 + exp(-(a + W h)_i / T))

A dead unit is always 0 and contributes nothing. Numbers between 0 and 1 stand for the mean of a unit.

Source: P. Smolensky, in Parallel Distributed Processing, vol. 1 (1986), ch. 6; G. E. Hinton, A practical guide to
training restricted Boltzmann machines (2012).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.gemm import matmul, matmul_nt
from bioneuro.errors import UnsupportedTopology
from bioneuro.initializers import gaussian, output_bias
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, Projection, Topology
from energy.kernels import rbm as kernels

VISIBLE_UNITS = ("bernoulli", "linear")  # linear: the inputs of a feedforward network, which only pass values on
HIDDEN_UNITS = ("bernoulli", "sigmoid", "tanh", "relu", "prelu", "linear")  # what a rate network has there


class Machine(NamedTuple):
    """The numbers of one machine, as views into `Parameters`, and who lives.

    weights : (n_visible, n_hidden); visible_bias, visible_alive : (n_visible,); hidden_bias, hidden_alive : (n_hidden,)
    All of one type; `alive` is 1 for the living and 0 for the dead.
    """

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    visible_alive: np.ndarray
    hidden_alive: np.ndarray

    @classmethod
    def of(
        cls, parameters: Parameters, *, visible_bias: np.ndarray | None = None, alive: np.ndarray | None = None
    ) -> Machine:
        """The machine that `parameters` hold.

        Parameters
        ----------
        visible_bias : (n_visible,), for topologies whose input population has no bias of its own.
        alive : (n_units,) bool, in the order of `topology.unit_layout`; None: all live.
        """
        topology, dtype = parameters.topology, parameters.dtype
        projection = boltzmann_projection(topology)
        if visible_bias is None:
            visible_bias = parameters[f"{projection.pre}.bias"]
        masks = []
        for name in (projection.pre, projection.post):
            living = np.ones(topology[name].size, dtype)
            if alive is not None:
                living[...] = alive[topology.unit_layout[name]]
            masks.append(living)
        return cls(parameters[projection.name], visible_bias, parameters[f"{projection.post}.bias"], *masks)

    def living(self) -> Machine:
        """The machine of the living units alone."""
        v, h = self.visible_alive > 0, self.hidden_alive > 0
        return Machine(
            np.ascontiguousarray(self.weights[v][:, h]),
            self.visible_bias[v],
            self.hidden_bias[h],
            self.visible_alive[v],
            self.hidden_alive[h],
        )

    def turned(self) -> Machine:
        """The same machine with visible and hidden units in each other's place."""
        weights = np.ascontiguousarray(self.weights.T)
        return Machine(weights, self.hidden_bias, self.visible_bias, self.hidden_alive, self.visible_alive)


def boltzmann_projection(topology: Topology) -> Projection:
    """The projection from the input population to hidden units that a restricted Boltzmann machine can learn.

    Both populations are run as Bernoulli units, so that a network made for backprop can be learnt this way too.
    Raises `UnsupportedTopology` where there is not exactly one such projection, where hidden units have no biases, and
    for units that mean something else (Gaussian, spiking, spins).
    """
    inputs = [population.name for population in topology.by_role("input")]
    found = [
        projection
        for projection in topology.projections
        if projection.pre in inputs and topology[projection.post].role == "hidden" and not projection.autapse
    ]
    if len(inputs) != 1 or len(found) != 1:
        raise UnsupportedTopology(
            f"a restricted Boltzmann machine needs one input population and one projection from it to hidden units, "
            f"{topology!r} has {len(inputs)} and {len(found)}; use Topology.rbm(n_visible, n_hidden) or Topology.mlp"
        )
    projection = found[0]
    if not isinstance(projection, Dense) or projection.shared or projection.tied_to or projection.sign:
        raise UnsupportedTopology(
            f"{projection.name!r} must be a Dense projection with a free weight of its own for each synapse to be "
            "learnt by a Boltzmann machine"
        )
    for name, allowed in ((projection.pre, VISIBLE_UNITS), (projection.post, HIDDEN_UNITS)):
        if topology[name].unit.name not in allowed:
            raise UnsupportedTopology(
                f"population {name!r} has {topology[name].unit.name!r} units, which a Bernoulli machine does not run; "
                f"it takes {', '.join(map(repr, allowed))}: topology.with_units({name}='bernoulli')"
            )
    if not topology[projection.post].bias:
        raise UnsupportedTopology(f"population {projection.post!r} has bias=False; hidden Bernoulli units need biases")
    return projection


def hidden_fields(machine: Machine, visible: np.ndarray) -> np.ndarray:
    """b + v W, (n, n_hidden), each row by itself; dead visible units contribute nothing."""
    return matmul(silence(visible, machine.visible_alive), machine.weights, bias=machine.hidden_bias)


def visible_fields(machine: Machine, hidden: np.ndarray) -> np.ndarray:
    """a + W h, (n, n_visible), each row by itself; dead hidden units contribute nothing."""
    return matmul_nt(silence(hidden, machine.hidden_alive), machine.weights, bias=machine.visible_bias)


def unit_means(fields: np.ndarray, alive: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """1 / (1 + exp(-fields / T)) for the living, 0 for the dead."""
    means = np.empty_like(fields)
    kernels.unit_means(fields, alive, fields.dtype.type(1 / temperature), means)
    return means


def hidden_means(machine: Machine, visible: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """P(h_j = 1 | v), (n, n_hidden)."""
    return unit_means(hidden_fields(machine, visible), machine.hidden_alive, temperature)


def visible_means(machine: Machine, hidden: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """P(v_i = 1 | h), (n, n_visible)."""
    return unit_means(visible_fields(machine, hidden), machine.visible_alive, temperature)


def energy(machine: Machine, visible: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """E(v, h) of each pair of rows; (n,)."""
    visible, hidden = silence(visible, machine.visible_alive), silence(hidden, machine.hidden_alive)
    return -(visible * machine.visible_bias).sum(axis=1) - (hidden_fields(machine, visible) * hidden).sum(axis=1)


def free_energy(machine: Machine, visible: np.ndarray) -> np.ndarray:
    """F(v) of each row; (n,) float64."""
    return free_energy_from(machine, visible, hidden_fields(machine, visible))


def free_energy_from(machine: Machine, visible: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """F(v) of each row whose `hidden_fields` are known; (n,) float64."""
    pull = np.multiply(visible, machine.visible_bias * machine.visible_alive, dtype=np.float64)
    return -pull.sum(axis=1) - log_hidden_sums(fields, machine.hidden_alive)


def log_hidden_sums(fields: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """sum_j log(1 + exp(fields_j)) over living units; (n,) float64."""
    out = np.empty(len(fields))
    kernels.log_hidden_sums(fields, alive, out)
    return out


def pseudo_log_likelihood(machine: Machine, visible: np.ndarray) -> np.ndarray:
    """sum_i log P(v_i | all other visible units), in nats; (n,) float64, <= 0.

    P(v_i | rest) = 1 / (1 + exp(F(v) - F(v with unit i turned over))): no partition function is needed. scikit-learn's
    `BernoulliRBM.score_samples` estimates the same sum from one unit drawn at random. Dead units are left out.
    Source: J. Besag, J. Royal Statistical Society B 36 (1974) 192.
    """
    fields = hidden_fields(machine, visible)
    sums = log_hidden_sums(fields, machine.hidden_alive)
    total = np.zeros(len(visible))
    for unit in np.flatnonzero(machine.visible_alive):
        turn = 1 - 2 * visible[:, unit]
        turned = log_hidden_sums(fields + turn[:, None] * machine.weights[unit], machine.hidden_alive)
        rise = sums - turned - np.multiply(turn, machine.visible_bias[unit], dtype=np.float64)  # of F
        total -= np.logaddexp(0, -rise)
    return total


def initial_parameters(topology: Topology, X: np.ndarray, *, sigma: float, key) -> Parameters:
    """Weights ~ N(0, sigma^2); visible biases at the log-odds of the data's means; hidden biases 0.

    X : (n, n_visible) in [0, 1]. A mean of 0 or 1 is taken as half a row away from it. With such biases the machine
    starts at the pixels' own statistics, so that weights need only learn what goes beyond them.
    """
    projection = boltzmann_projection(topology)
    params = Parameters.zeros(topology, X.dtype)
    weights = params[projection.name]
    weights[...] = gaussian(sigma)(key.child("weights").generator(), weights.shape, *weights.shape)
    params[f"{projection.pre}.bias"] = output_bias("sigmoid", X)
    return params


def silence(states: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """`states` with the dead at 0."""
    return states if alive.all() else states * alive
