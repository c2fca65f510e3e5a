"""Contrastive divergence: the gradient estimator of restricted Boltzmann machines.

    d(-log P(v)) / dW = -<v h>_data + <v h>_model,   likewise for the biases

The model's average is taken over chains that ran k sweeps of Gibbs sampling: from the data themselves (CD-k), or from
where they stood after the last minibatch (persistent CD). CD-k is biased, but points down to lower loss; persistent
chains forget the data and come closer to the true gradient when the learning rate is small.

Source: G. E. Hinton, Neural Computation 14 (2002) 1771; T. Tieleman, ICML (2008).
"""

from __future__ import annotations

import time

import numpy as np

from bioneuro._jit.cores import Crew, team_size
from bioneuro._jit.gemm import matmul
from bioneuro._jit.keys import Key
from bioneuro._jit.simd import PANEL
from bioneuro._jit.team import run_team
from bioneuro.errors import InvalidInput, check_number
from bioneuro.optim.transform import weights_of
from bioneuro.parameters import Parameters
from bioneuro.training.batches import Batch
from energy.kernels.divergence import Phase, contrast
from energy.rbm import Machine, silence
from energy.sampling import Draws, first_states

_PRODUCT = 0.01  # nanoseconds of a state times a weight


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
        self._crews: dict[int, Crew] = {}  # by size: the last batch of an epoch may be worth fewer workers

    def identity(self) -> str:
        """What a run and its continuation have in common."""
        chains = f"persistent={self.persistent}, n_chains={self.n_chains}"
        return f"{type(self).__name__}(k={self.k}, {chains}, graded={self.graded}, l2={self.l2})"

    def __call__(self, params: Parameters, batch: Batch, key: Key, step: int, out: Parameters) -> float:
        machine, first = Machine.of(params), step * (self.k + 1)
        visible = _fitting(batch.X, machine)
        observed, stream = silence(visible, machine.visible_alive), key.child("data")
        data = _phase(machine, stream, len(visible))
        if self.persistent:
            chains = key.child("chains")
            if self.state is None:
                self.state = first_states(machine, self.n_chains or len(visible), chains.child("start"))
            model, sweeps = _phase(machine, chains, len(self.state)), self.k
            model.visible[...] = self.state
        elif self.k > 1:
            model, sweeps = _phase(machine, stream, len(visible)), self.k - 1
        else:
            model, sweeps = data._replace(hidden_means=np.empty_like(data.hidden)), 0
        products = _products(machine, len(visible), len(model.visible), sweeps)
        size = _team(machine, products, sweeps)
        crew = self._crews.setdefault(size, Crew(size, 1e-9 * _PRODUCT))
        follows = not self.persistent
        arguments = (machine, Machine.of(out), observed, data, model, first, sweeps, follows, self.graded)
        started = time.perf_counter()
        run_team(contrast, crew.workers(), *arguments)
        crew.note(products, time.perf_counter() - started)
        if self.persistent:
            self.state = model.visible
        penalise(params, out, self.l2)
        return float(np.square(visible - data.visible_means).sum()) / len(visible)


def _products(machine: Machine, n_rows: int, n_chains: int, sweeps: int) -> int:
    """Of a step: up, down and a gradient for the data, and two ways a sweep and a gradient for the model."""
    return machine.weights.size * (3 * n_rows + (2 * sweeps + 2) * n_chains)


def _team(machine: Machine, products: int, sweeps: int) -> int:
    """How many workers a step is worth."""
    outputs = -(-min(machine.weights.shape) // PANEL)
    return team_size(outputs=outputs, nanoseconds=products * _PRODUCT, barriers=2 * sweeps + 2)


def _fitting(X: np.ndarray, machine: Machine) -> np.ndarray:
    """X in C order; kernels read as far as the machine is wide, whatever is there."""
    n, dtype = len(machine.visible_bias), machine.weights.dtype
    if X.ndim != 2 or X.shape[1] != n or X.dtype != dtype:
        raise InvalidInput(
            f"X must be {dtype} of shape (n, {n}), a number for each visible unit, got {X.dtype} of shape {X.shape}"
        )
    return np.ascontiguousarray(X)


def _phase(machine: Machine, key: Key, n: int) -> Phase:
    """Room for n chains."""
    units = (machine.hidden_bias, machine.hidden_bias, machine.visible_bias, machine.visible_bias)
    return Phase(*Draws.of(key, n), *(np.empty((n, len(bias)), bias.dtype) for bias in units))


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
