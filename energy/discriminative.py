"""Restricted Boltzmann machines that classify: a class is one more group of visible units, one of which is on.

    E(v, y, h) = -a.v - b.h - d_y - v W h - h.U_y
    P(y | v) = exp(s_y) / sum_c exp(s_c),   s_y = d_y + sum_j log(1 + exp(b_j + (v W)_j + U_jy))

P(y | v) is exact, and so is its gradient: no sampling is needed to learn it. The hybrid loss

    -log P(y | v) - g log P(v, y)

adds g times the generative loss, whose gradient contrastive divergence estimates.

Source: H. Larochelle and Y. Bengio, Classification using discriminative restricted Boltzmann machines, ICML (2008).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro._jit.random import fill_uniform
from bioneuro._jit.rows import log_sum_exp_rows, softmax_rows
from bioneuro.errors import check_number
from bioneuro.optim.transform import weights_of
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, Population, Topology
from bioneuro.training.batches import Batch
from bioneuro.training.readout import output_projection
from energy.contrastive import add_gradient, penalise
from energy.kernels import rbm as kernels
from energy.rbm import Machine, boltzmann_projection, hidden_fields, unit_means, visible_fields
from energy.sampling import Draws


class Labels(NamedTuple):
    """The class units, as views into `Parameters`: weights U^T (n_classes, n_hidden) and bias d (n_classes,)."""

    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, parameters: Parameters) -> Labels:
        projection = label_projection(parameters.topology)
        return cls(parameters[projection.name].T, parameters[f"{projection.post}.bias"])


class Joint(NamedTuple):
    """A machine and its class units."""

    machine: Machine
    labels: Labels

    @classmethod
    def of(cls, parameters: Parameters) -> Joint:
        return cls(Machine.of(parameters), Labels.of(parameters))


def joint_topology(n_visible: int, n_hidden: int, n_classes: int) -> Topology:
    """Visible and class units, each joined both ways with the hidden ones."""
    return Topology(
        [
            Population("visible", n_visible, "input", "bernoulli"),
            Population("hidden", n_hidden, "hidden", "bernoulli"),
            Population("output", n_classes, "output", "softmax"),
        ],
        [Dense("visible", "hidden", symmetric=True), Dense("hidden", "output", symmetric=True)],
    )


def label_projection(topology: Topology) -> Dense:
    """The projection from the hidden units to the classes; refuses whatever is not input -> hidden -> output."""
    return output_projection(topology, boltzmann_projection(topology))


def class_scores(machine: Machine, labels: Labels, visible: np.ndarray) -> np.ndarray:
    """s_y of each row, (n, n_classes): minus the free energy of (v, y), up to a term that all classes share."""
    return class_scores_from(machine, labels, hidden_fields(machine, visible))


def class_scores_from(machine: Machine, labels: Labels, fields: np.ndarray) -> np.ndarray:
    """s_y of each row whose `hidden_fields` are known, (n, n_classes)."""
    scores = np.empty((len(fields), len(labels.bias)), fields.dtype)
    kernels.class_scores(fields, machine.hidden_alive, np.ascontiguousarray(labels.weights), labels.bias, scores)
    return scores


def class_probabilities(machine: Machine, labels: Labels, visible: np.ndarray) -> np.ndarray:
    """P(y | v), (n, n_classes)."""
    scores = class_scores(machine, labels, visible)
    softmax_rows(scores, scores)
    return scores


class HybridGradient:
    """Gradient estimator of the hybrid loss for `bioneuro.training.fit`; batches carry class numbers as y.

    It returns the mean of -log P(y | v) plus l2 |W|^2, whose gradient is exact; the generative part has no value.

    Parameters
    ----------
    generative : g >= 0, the share of the generative loss; 0: purely discriminative.
    k : sweeps of contrastive divergence for the generative part, >= 1.
    graded : as in `ContrastiveDivergence`.
    l2 : penalty on squared weights; its gradient is 2 l2 W. Biases are free.
    """

    def __init__(self, generative: float = 0.01, *, k: int = 1, graded: bool = False, l2: float = 0.0):
        self.generative = check_number("generative", generative, low=0)
        self.k = check_number("k", k, low=1, integer=True, hint="sweeps of Gibbs sampling for each minibatch")
        self.graded = bool(graded)
        self.l2 = check_number("l2", l2, low=0)

    def identity(self) -> str:
        """What a run and its continuation have in common."""
        return f"{type(self).__name__}({self.generative}, k={self.k}, graded={self.graded}, l2={self.l2})"

    def __call__(self, params: Parameters, batch: Batch, key: Key, step: int, out: Parameters) -> float:
        joint, into = Joint.of(params), Joint.of(out)
        fields = hidden_fields(joint.machine, batch.X)
        loss = discriminate(joint, fields, batch, into)
        if self.generative:
            self._generate(joint, fields, batch, key, step, into)
        penalise(params, out, self.l2)
        squares = sum(float(np.dot(params.theta[where], params.theta[where])) for where in weights_of(params))
        return loss + self.l2 * squares

    def _generate(self, joint: Joint, fields: np.ndarray, batch: Batch, key: Key, step: int, into: Joint) -> None:
        """Add g times the contrastive divergence of visible and class units together."""
        (machine, labels), first = joint, step * self.k
        draws, drawn_classes = Draws.of(key.child("joint"), len(batch.X)), key.child("classes")
        given = np.eye(len(labels.bias), dtype=fields.dtype)[batch.y]
        fields = fields + given @ labels.weights
        means = unit_means(fields, machine.hidden_alive)
        for sweep in range(first, first + self.k):
            _, hidden = draws.sample(fields, machine.hidden_alive, 2 * sweep)
            back, visible = draws.sample(visible_fields(machine, hidden), machine.visible_alive, 2 * sweep + 1)
            classes = _draw_classes(hidden @ labels.weights.T + labels.bias, drawn_classes, sweep)
            fields = hidden_fields(machine, visible) + classes @ labels.weights
        if self.graded:
            visible, fields = back, hidden_fields(machine, back) + classes @ labels.weights
        dreamt = unit_means(fields, machine.hidden_alive)
        add_gradient(into.machine, (batch.X, means), (visible, dreamt), self.generative)
        weight = fields.dtype.type(self.generative / len(fields))
        into.labels.weights[...] += (classes.T @ dreamt - given.T @ means) * weight
        into.labels.bias[...] += (classes - given).sum(axis=0) * weight


def discriminate(joint: Joint, fields: np.ndarray, batch: Batch, into: Joint) -> float:
    """Add the gradient of the mean -log P(y | v) to `into`; return its value. `fields`: those of `batch.X`."""
    (machine, labels), rows = joint, np.arange(len(fields))
    scores = class_scores_from(machine, labels, fields)
    norms = np.empty(len(fields), fields.dtype)
    log_sum_exp_rows(scores, norms)
    loss = (norms - scores[rows, batch.y]).mean(dtype=np.float64)
    delta = np.exp(scores - norms[:, None])
    delta[rows, batch.y] -= 1
    delta /= fields.dtype.type(len(fields))
    pull = np.ascontiguousarray(labels.weights)
    back, label_gradient = np.zeros_like(fields), np.zeros_like(pull)
    kernels.class_score_gradients(fields, machine.hidden_alive, pull, delta, back, label_gradient)
    into.machine.weights[...] += batch.X.T @ back
    into.machine.hidden_bias[...] += back.sum(axis=0)
    into.labels.weights[...] += label_gradient
    into.labels.bias[...] += delta.sum(axis=0)
    return float(loss)


def _draw_classes(scores: np.ndarray, key: Key, step: int) -> np.ndarray:
    """One class a row with the probabilities softmax(scores), as one-hot rows."""
    softmax_rows(scores, scores)
    steps = np.cumsum(scores, axis=1, dtype=np.float64)
    uniform = fill_uniform(key, step, np.empty((len(scores), 1))) * steps[:, -1:]
    chosen = np.minimum((uniform >= steps).sum(axis=1), scores.shape[1] - 1)
    one_hot = np.zeros_like(scores)
    one_hot[np.arange(len(scores)), chosen] = 1
    return one_hot
