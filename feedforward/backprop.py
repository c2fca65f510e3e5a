"""Backpropagation as a gradient estimator for `bioneuro.training.fit`.

The plain step is here, population by population in NumPy; where a training can be compiled, `program` hands it over.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro._jit.random import fill_normal, fill_uniform
from bioneuro.errors import InvalidInput, check_number, choose
from bioneuro.optim.transform import Transform, weights_of
from bioneuro.parameters import Parameters
from bioneuro.topology import OneToOne
from bioneuro.training.batches import Batch
from feedforward.batch_kernels import UNKNOWN
from feedforward.losses import loss_for
from feedforward.network import Layers, Network
from feedforward.normalisation import check_rows


class Backprop:
    """Gradient estimator: of the mean loss over a batch plus l2 |W|^2 (biases are free), by backpropagation.

    It returns the loss without the penalty, which `penalty` gives. With weights w of the rows the loss is
    sum w L / sum w; where the batch has a total of its own, the gradient is that of sum w L / total.

    Parameters
    ----------
    network : `Network`.
    loss : name of a loss; "auto" goes by the output units.
    l2 : penalty on squared weights; its gradient is 2 l2 W.
    dropout : share in [0, 1) of the hidden units that are dead in a minibatch, or {population: share}. A lesion redrawn
        for each row; the living emit 1 / (1 - share) times their output, so that the mean stays (inverted dropout,
        Srivastava et al. 2014).
    noise : standard deviation, >= 0, of Gaussian noise on the inputs, redrawn for each row and step; in their units.
    flip, mask : shares in [0, 1], flip + mask <= 1, of the inputs, then numbers in [0, 1], that become 1 - x, or 0.5,
        which says nothing; redrawn for each row and step, and noise comes on top (denoising, Vincent et al. 2010).

    Where populations are normalised, a call also moves their running mean and variance in the parameters it is given;
    their gradient is 0, so that optimisers leave them alone.
    """

    takes_weights = True

    def __init__(
        self,
        network: Network,
        loss: str = "auto",
        *,
        l2: float = 0.0,
        dropout: float | Mapping[str, float] = 0,
        noise: float = 0.0,
        flip: float = 0.0,
        mask: float = 0.0,
    ):
        if not isinstance(network, Network):
            raise InvalidInput(f"backprop runs a Network, got {network!r}; make one of a topology, Network(topology)")
        self.network = network
        self.loss_name = loss
        self.loss = loss_for(loss, network.output.unit.name)
        self.l2 = check_number("l2", l2, low=0)
        self.noise = check_number("noise", noise, low=0, open_high=True)
        self.flip, self.mask = check_number("flip", flip, low=0, high=1), check_number("mask", mask, low=0, high=1)
        if self.flip + self.mask > 1:
            raise InvalidInput(f"flip + mask must not exceed 1, got {self.flip:g} + {self.mask:g}")
        if not isinstance(dropout, Mapping):
            dropout = {population.name: dropout for population in network.topology.by_role("hidden")}
        self.dropout = {}
        for name, given in dropout.items():
            choose("population to drop units of", name, network.topology.unit_layout)
            share = check_number(f"dropout of {name!r}", given, low=0, high=1, open_high=True)
            if share and name == network.output.name:
                raise InvalidInput(f"dropout of the output {name!r} would hide targets; drop inputs or hidden units")
            if share:
                self.dropout[name] = share

    def identity(self) -> str:
        """What a run and its continuation have in common."""
        named = {"l2": self.l2, "dropout": sorted(self.dropout.items()), "noise": self.noise}
        named |= {"flip": self.flip, "mask": self.mask}
        return f"{type(self).__name__}({self.loss_name!r}, {named!r})"

    def __repr__(self) -> str:
        return f"<{self.identity()} of {self.network.topology!r}>"

    def __call__(self, params: Parameters, batch: Batch, key: Key, step: int, out: Parameters) -> float:
        self._check_parameters(params)
        self._check_data(batch.X, batch.y)
        if self._normalised:
            check_rows(len(batch.X), len(batch.X))
        masks, layers = self._forward(params, batch, key, step)
        name = self.network.output.name
        z, a = layers.inputs[name], layers.outputs[name]
        delta = np.empty_like(z)
        losses = self.loss(z, a, batch.y, delta, batch.weights, batch.total)
        self.network.backward(params, layers, delta, self.loss.closed, out, masks)
        if self.l2:
            for where in weights_of(params):
                out.theta[where] += params.dtype.type(2 * self.l2) * params.theta[where]
        self.network.follow(params, layers)
        return float(losses.sum() / _total(batch.weights, len(z)))

    def _forward(self, params: Parameters, batch: Batch, key: Key, step: int) -> tuple[dict[str, np.ndarray], Layers]:
        """Masks and layers of a step of training."""
        masks = self._drop(len(batch.X), key, step, params.dtype)
        X = self._disturb(batch.X.astype(params.dtype, copy=False), key, step)
        return masks, self.network.forward(params, X, masks, np.matmul, by_batch=True)

    def first_not_finite(self, params: Parameters, batch: Batch, key: Key, step: int) -> str | None:
        """The first population of which something comes out that is not finite; None: the loss alone is not."""
        outputs = self._forward(params, batch, key, step)[1].outputs
        return next((name for name, a in outputs.items() if not np.all(np.isfinite(a))), None)

    def _check_parameters(self, params: Parameters) -> None:
        """Kernels read and write where the parameters of this network lie, whatever is there."""
        given, own = params.topology, self.network.topology
        if given is not own and given.layout != own.layout:
            raise InvalidInput(
                f"parameters of {given!r} are not those of the network, {own!r}; make Backprop(Network(topology)) with "
                "the topology of the parameters"
            )

    def _check_data(self, X: np.ndarray, y: np.ndarray) -> None:
        """Kernels read as far as the network is wide, whatever is there."""
        for name, values, population in (("X", X, self.network.input), ("y", y, self.network.output)):
            if np.shape(values) != (len(X), population.size):
                raise InvalidInput(
                    f"{name} must have shape ({len(X)}, {population.size}), a number for each unit of "
                    f"{population.name!r}, got {np.shape(values)}"
                    + ("; class numbers become targets by np.eye(n_classes)[y]" if np.ndim(values) == 1 else "")
                )
        if self.corrupts and (X.min() < 0 or X.max() > 1):
            raise InvalidInput(
                f"flip and mask are for inputs in [0, 1], got numbers from {X.min():g} to {X.max():g}; scale X, or use "
                "noise"
            )

    def penalty(self, params: Parameters) -> float:
        """l2 |W|^2."""
        return self.l2 * sum(float(np.dot(params.theta[where], params.theta[where])) for where in weights_of(params))

    def program(
        self, params: Parameters, X, y, optimizer: Transform, batch_size: int, weights=None, weight_of_row=None
    ):
        """The training as a `Program`, which takes many steps in a compiled call; None where it cannot."""
        from feedforward.program import Program, reason_against

        self._check_parameters(params)
        self._check_data(X, y)
        if self._normalised:
            check_rows(len(X), batch_size)
        if self._goes_by_itself(X) or reason_against(self.network, optimizer, params) is not None:
            return None
        options = {"weights": weights, "weight_of_row": weight_of_row}
        return Program(self, params, X, y, optimizer, min(batch_size, len(X)), **options)

    def program_of_many(
        self, params: Parameters, X, y, optimizer: Transform, batch_size: int, n_members: int, n_rows: int, weights=None
    ):
        """The same for networks that are trained together, each on `n_rows` of the rows."""
        from feedforward.program import reason_against
        from feedforward.together import Together

        self._check_parameters(params)
        self._check_data(X, y)
        if self._normalised:
            check_rows(n_rows, batch_size)
        if self._goes_by_itself(X) or reason_against(self.network, optimizer, params) is not None:
            return None
        return Together(self, params, X, y, optimizer, min(batch_size, n_rows), n_members, n_rows, weights=weights)

    def _goes_by_itself(self, X) -> bool:
        """Whether a subclass computes the gradient in a way of its own, or sparse rows do not go entry by entry."""
        by_entries = isinstance(X, np.ndarray) or not self.needs_every_input
        return not by_entries or type(self).__call__ is not Backprop.__call__

    @property
    def needs_every_input(self) -> bool:
        """Whether inputs of 0 count as others do: disturbed ones, dropped ones, and where one-to-one projections, or
        weights that run the other way elsewhere, leave them."""
        name, topology = self.network.input.name, self.network.topology
        leaving = [edge for edge in topology.projections if edge.pre == name]
        every = any(isinstance(edge, OneToOne) or topology.turns(edge) for edge in leaving)
        return self.disturbs or name in self.dropout or every

    @property
    def corrupts(self) -> bool:
        """Whether inputs are flipped or unknown here and there."""
        return self.flip > 0 or self.mask > 0

    @property
    def disturbs(self) -> bool:
        """Whether what the network sees is not what it is given."""
        return self.corrupts or self.noise > 0

    @property
    def _normalised(self) -> bool:
        return any(layer.normalised for layer in self.network.layers)

    def _disturb(self, X: np.ndarray, key: Key, step: int) -> np.ndarray:
        """X, corrupted and noisy."""
        name = self.network.input.name
        if self.corrupts:
            draws = fill_uniform(key.child("corruption").child(name), step, np.empty(X.shape, np.float32))
            X = X if isinstance(X, np.ndarray) else X.toarray()
            X = np.where(draws < np.float32(self.flip), 1 - X, X)
            X[draws >= np.float32(1 - self.mask)] = UNKNOWN
        if self.noise:
            draws = fill_normal(key.child("noise").child(name), step, np.empty(X.shape, X.dtype))
            X = X + X.dtype.type(self.noise) * draws
        return X

    def _drop(self, n_rows: int, key: Key, step: int, dtype) -> dict[str, np.ndarray]:
        masks = {}
        for name, share in self.dropout.items():
            draws = np.empty((n_rows, self.network.topology[name].size), np.float32)
            lives = fill_uniform(key.child("dropout").child(name), step, draws) >= np.float32(share)
            masks[name] = lives * dtype.type(1 / (1 - share))
        return masks

    def loss_of(self, params: Parameters, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Mean loss over rows as they are, without dropout and penalty, as validation takes it."""
        return float(self.losses_of(params, X, y, weights).sum() / _total(weights, len(X)))

    def losses_of(self, params: Parameters, X: np.ndarray, y: np.ndarray, weights=None) -> np.ndarray:
        """(n,) the same of each row, times its weight."""
        self._check_parameters(params)
        layers = self.network.forward(params, X, None, np.matmul)
        name = self.network.output.name
        z, a = layers.inputs[name], layers.outputs[name]
        return self.loss(z, a, y, np.empty_like(z), weights)


def _total(weights: np.ndarray | None, rows: int) -> float:
    """What a weighted mean divides by; 1 where all weights are 0."""
    return rows if weights is None else float(weights.sum()) or 1.0
