"""Contrastive divergence: the gradient estimator of restricted Boltzmann machines.

    d(-log P(v)) / dW = -<v h>_data + <v h>_model,   likewise for the biases

The model's average is taken over chains that ran k sweeps of Gibbs sampling: from the data themselves (CD-k), or from
where they stood after the last minibatch (persistent CD). CD-k is biased, but points down to lower loss; persistent
chains forget the data and come closer to the true gradient when the learning rate is small.

Source: G. E. Hinton, Neural Computation 14 (2002) 1771; T. Tieleman, ICML (2008).
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.gemm import matmul
from bioneuro._jit.keys import Key
from bioneuro.errors import check_number
from bioneuro.optim.transform import weights_of
from bioneuro.parameters import Parameters
from bioneuro.training.batches import Batch
from energy.rbm import Machine, hidden_fields, unit_means, visible_fields
from energy.sampling import Chains, Draws, first_states, gibbs


class ContrastiveDivergence:
    """Gradient estimator for `bioneuro.training.fit`: the mean gradient over a batch, plus that of l2 |W|^2.

    It returns the squared reconstruction error, the mean over rows of sum_i (v_i - P(v_i = 1 | h))^2 with h ~ P(h | v):
    not the loss whose gradient it adds (that one needs the partition function), but a number to watch.

    Parameters
    ----------
    k : sweeps of Gibbs sampling for each minibatch, >= 1.
    persistent : whether chains go on from where they stood.
    n_chains : number of persistent chains; None: as many as the first batch has rows.
    graded : whether the data are means of units rather than 0 and 1. The model's side then takes means for its last
        visible states too (Hinton 2012, section 3.3): states of 0 and 1 vary more than grey pixels do, and the
        difference alone would drive most hidden units silent.
    l2 : penalty on squared weights; its gradient is 2 l2 W. Biases are free.

    Attributes
    ----------
    state : (n_chains, n_visible), where the persistent chains stand; None before the first step and without them.
    """

    def __init__(
        self,
        k: int = 1,
        *,
        persistent: bool = False,
        n_chains: int | None = None,
        graded: bool = False,
        l2: float = 0.0,
    ):
        self.k = check_number("k", k, low=1, integer=True, hint="sweeps of Gibbs sampling for each minibatch")
        self.persistent = bool(persistent)
        self.n_chains = None if n_chains is None else check_number("n_chains", n_chains, low=1, integer=True)
        self.graded = bool(graded)
        self.l2 = check_number("l2", l2, low=0)
        self.state: np.ndarray | None = None

    def __call__(self, params: Parameters, batch: Batch, key: Key, step: int, out: Parameters) -> float:
        machine = Machine.of(params)
        visible, first = batch.X, step * (self.k + 1)
        stream = key.child("data")
        data = Draws.of(stream, len(visible))
        means, hidden = data.sample(hidden_fields(machine, visible), machine.hidden_alive, 2 * first)
        fields = visible_fields(machine, hidden)
        back, states = data.sample(fields, machine.visible_alive, 2 * first + 1)
        chains = Chains(states, back, hidden, first + 1)
        if self.persistent:
            chains = self._advance(machine, len(visible), key.child("chains"), first)
        elif self.k > 1:
            chains = gibbs(machine, states, stream, sweeps=self.k - 1, first=first + 1)
        dreams = chains.visible_means if self.graded else chains.visible
        dreamt = unit_means(hidden_fields(machine, dreams), machine.hidden_alive)
        add_gradient(Machine.of(out), (visible, means), (dreams, dreamt))
        penalise(params, out, self.l2)
        return float(np.square(visible - back).sum()) / len(visible)

    def _advance(self, machine: Machine, n_rows: int, key: Key, first: int) -> Chains:
        """Let the persistent chains go on for k sweeps."""
        if self.state is None:
            self.state = first_states(machine, self.n_chains or n_rows, key.child("start"))
        chains = gibbs(machine, self.state, key, sweeps=self.k, first=first)
        self.state = chains.visible
        return chains


def add_gradient(into: Machine, data: tuple, model: tuple, share: float = 1.0) -> None:
    """Add share x (<v h>_model - <v h>_data), and the same of v and of h, to `into`; data, model: (v, h), rows each."""
    for (visible, hidden), sign in ((data, -share), (model, share)):
        weight = visible.dtype.type(sign / len(visible))
        into.weights[...] += matmul(visible.T, hidden) * weight
        into.visible_bias[...] += visible.sum(axis=0) * weight
        into.hidden_bias[...] += hidden.sum(axis=0) * weight


def penalise(params: Parameters, out: Parameters, l2: float) -> None:
    """Add the gradient of l2 |W|^2 over all weights."""
    if l2:
        for where in weights_of(params):
            out.theta[where] += params.dtype.type(2 * l2) * params.theta[where]
