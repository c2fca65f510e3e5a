"""Transforms of an update on its way from gradient to step, and chains of them.

A `Transform` is a pair (init, update) on the flat vector `theta`, as a small frozen object: equal settings make equal
transforms, and they can be pickled. The update vector enters as the gradient and leaves as the step that is added to
`theta`; every transform changes it, and its own state, in place:

    state = optimizer.init(parameters)
    optimizer.update(update, state, parameters, step)      # update: (n_parameters,), gradient in, step out
    parameters.theta += update

Before an optimiser stand the penalties `l1` and `l2` and the clipping of gradients; behind it what scales or limits
steps: `per_layer`, `weight_decay`, `max_norm`, `freeze`, `dale`. A chain in this order,

    l1, l2; clip_value; clip; an optimiser; per_layer, weight_decay; max_norm, freeze, dale

is compiled with the network that it trains. Any other order means what it says, but goes step by step, and is slower;
so do `yellowfin`, several decays of which one has a schedule, and `max_norm` beside what is frozen or has a sign.
A training refuses penalties behind an optimiser, and two optimisers, which would go up the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.optim import kernels
from bioneuro.optim.schedules import Schedule, as_schedule, check_rate
from bioneuro.parameters import Parameters
from bioneuro.topology import Dense, OneToOne, Projection, Topology


@dataclass(frozen=True)
class Transform:
    """Base of all transforms; one without memory leaves `init` as it is."""

    def init(self, parameters: Parameters) -> Any:
        """The state before the first step: arrays by name."""
        return {}

    def update(self, update: np.ndarray, state: Any, parameters: Parameters, step: int) -> None:
        """Change `update` and `state` in place; `step` counts from 0."""
        raise NotImplementedError

    def see(self, losses: Sequence[float]) -> None:
        """Show the losses of all epochs so far to the schedules that go by them (`schedules.on_plateau`)."""
        for value in vars(self).values():
            if hasattr(value, "see"):
                value.see(losses)

    @property
    def leads_nowhere(self) -> bool:
        """Whether it only changes what an optimiser is given, or gives."""
        return isinstance(self, _AROUND)

    @property
    def watches(self) -> bool:
        """Whether a schedule goes by the losses, which must then be shown to it after each epoch."""
        return any(getattr(value, "watches", False) for value in vars(self).values())

    def identity(self) -> str:
        """What a run and its continuation have in common: all settings but a rate whose schedule may reach further."""
        settings = [field.name for field in fields(self) if field.name != "rate" or "Schedule" not in field.type]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in settings)})"


@dataclass(frozen=True, init=False)
class chain(Transform):
    """Apply transforms one after the other: `chain(clip(1.0), adam(1e-3), weight_decay(1e-4), dale())`."""

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform):
        for transform in transforms:
            if not isinstance(transform, Transform):
                raise InvalidInput(f"chain takes transforms such as optim.adam(1e-3), got {transform!r}")
        object.__setattr__(self, "transforms", transforms)

    def init(self, parameters):
        return [transform.init(parameters) for transform in self.transforms]

    def update(self, update, state, parameters, step):
        for transform, own in zip(self.transforms, state, strict=True):
            transform.update(update, own, parameters, step)

    def see(self, losses):
        for transform in self.transforms:
            transform.see(losses)

    @property
    def leads_nowhere(self):
        return all(transform.leads_nowhere for transform in self.transforms)

    @property
    def watches(self):
        return any(transform.watches for transform in self.transforms)

    def identity(self):
        return f"chain({', '.join(transform.identity() for transform in self.transforms)})"


@dataclass(frozen=True)
class clip(Transform):
    """u <- u min(1, norm / |u|): bound the Euclidean length of the whole update (Pascanu et al. 2013)."""

    norm: float

    def __post_init__(self):
        check_number("norm", self.norm, low=0, open_low=True)

    def update(self, update, state, parameters, step):
        length = _length(update)
        if length > self.norm:
            update *= self.norm / length


def _length(update: np.ndarray) -> float:
    """|u|, also where the square of a large one overflows."""
    with np.errstate(over="ignore"):
        square = float(np.dot(update, update))
    if np.isfinite(square):
        return np.sqrt(square)
    largest = float(np.abs(update).max())
    return largest * _length(update / update.dtype.type(largest)) if np.isfinite(largest) else np.inf


@dataclass(frozen=True)
class clip_value(Transform):
    """u <- max(-bound, min(bound, u)): bound every number of the gradient by itself."""

    bound: float

    def __post_init__(self):
        check_number("bound", self.bound, low=0, open_low=True)

    def update(self, update, state, parameters, step):
        np.clip(update, -self.bound, self.bound, out=update)


@dataclass(frozen=True)
class l2(Transform):
    """g <- g + 2 rate w, the gradient of the penalty rate |w|^2, before an optimiser.

    Half the `weight_decay` of PyTorch's optimisers. Under an optimiser that divides by the size of the gradient it is
    not the same as `weight_decay`: the penalty is divided too. `biases` is their rate as a share of `rate`; arrays that
    units learn are spared.
    """

    rate: float
    biases: float = 0.0

    def __post_init__(self):
        check_number("rate of l2", self.rate, low=0)
        check_number("biases", self.biases, low=0)

    def update(self, update, state, parameters, step):
        _decay(update, parameters, -2 * self.rate, self.biases)


@dataclass(frozen=True)
class l1(Transform):
    """g <- g + rate sign(w), a subgradient of the penalty rate sum |w|, before an optimiser; `biases` as in `l2`."""

    rate: float
    biases: float = 0.0

    def __post_init__(self):
        check_number("rate of l1", self.rate, low=0)
        check_number("biases", self.biases, low=0)

    def update(self, update, state, parameters, step):
        for key, rate in rates_by_key(parameters, self.rate, self.biases).items():
            where = parameters.topology.layout[key].where
            kernels.pull(update[where], parameters.theta[where], update.dtype.type(rate))


@dataclass(frozen=True)
class weight_decay(Transform):
    """u <- u - rate theta, behind an optimiser: decay that its moments do not see (Loshchilov and Hutter 2019).

    Arrays that units learn are spared, and biases too unless `biases`, their rate as a share of `rate`, says otherwise.
    A penalty in the loss is another thing: its gradient, `l2`, belongs before the optimiser.
    """

    rate: float | Schedule
    biases: float = 0.0

    def __post_init__(self):
        check_rate("rate of weight_decay", self.rate, open_low=False)
        check_number("biases", self.biases, low=0)

    def update(self, update, state, parameters, step):
        _decay(update, parameters, as_schedule(self.rate)(step), self.biases)


@dataclass(frozen=True)
class per_layer(Transform):
    """u <- factor u, behind an optimiser: a learning rate of their own for some parameters.

    Parameters
    ----------
    factors : {name: factor >= 0} by which the rate is multiplied; a name is a key of the parameters
        ("input->hidden", "hidden.bias") or a population, which stands for all projections that end on it and for what
        its units learn. A key counts more than its population. Factor 0: these stay what they are, bit for bit.

    >>> chain(Transform(), per_layer({"input->hidden": 0.1, "output": 2.0})).transforms[1].factors
    (('input->hidden', 0.1), ('output', 2.0))
    """

    factors: Mapping[str, float]

    def __post_init__(self):
        factors = dict(self.factors)
        for name, factor in factors.items():
            check_number(f"factor of {name!r}", factor, low=0)
        object.__setattr__(self, "factors", tuple(factors.items()))

    def init(self, parameters):
        self.by_key(parameters)
        return {}

    def update(self, update, state, parameters, step):
        for key, factor in self.by_key(parameters).items():
            if factor != 1:
                update[parameters.topology.layout[key].where] *= update.dtype.type(factor)

    def by_key(self, parameters: Parameters) -> dict[str, float]:
        """The factor of every key of the parameters."""
        layout, populations = parameters.topology.layout, parameters.topology.unit_layout
        factors = dict.fromkeys(layout, 1.0)
        for name, factor in sorted(self.factors, key=lambda item: item[0] in layout):
            choose("parameter or population with a rate of its own", name, [*layout, *populations])
            keys = [name] if name in layout else _keys_of(parameters.topology, name)
            if not keys:
                raise InvalidInput(
                    f"a rate of its own for population {name!r} changes nothing, because no weights of its own end on "
                    f"it; name a population that they end on, or one of {', '.join(map(repr, layout))}"
                )
            factors |= dict.fromkeys(keys, factor)
        return factors


@dataclass(frozen=True)
class max_norm(Transform):
    """Keep the Euclidean length of each unit's incoming weights at most `limit` (Srivastava et al. 2014).

    w + u <- (w + u) min(1, limit / |w + u|), over all that reaches a unit, from several populations where there are
    skips; biases are free. Place it behind the optimiser; units whose weights are short enough are not touched.

    Parameters
    ----------
    limit : > 0; 2 to 4 is usual.
    populations : whose units are meant; None: all that Dense or OneToOne projections end on.

    Raises `UnsupportedTopology` where another kind of projection, or one number shared by all synapses, ends there.
    """

    limit: float
    populations: tuple[str, ...] | None = None

    def __post_init__(self):
        check_number("limit", self.limit, low=0, open_low=True)
        if self.populations is not None:
            named = (self.populations,) if isinstance(self.populations, str) else tuple(self.populations)
            object.__setattr__(self, "populations", named)

    def init(self, parameters):
        topology = parameters.topology
        for name in self.populations or ():
            choose("population with a largest norm", name, topology.unit_layout)
            if name not in self.held(topology):
                raise InvalidInput(
                    f"max_norm of population {name!r} changes nothing, because no weights of its own end on it; name a "
                    "population that they end on"
                )
        for projections in self.held(topology).values():
            for projection in projections:
                if not isinstance(projection, Dense | OneToOne) or projection.shared:
                    raise UnsupportedTopology(
                        f"max_norm knows the incoming weights of Dense and OneToOne projections with a weight per "
                        f"synapse, not of {projection.name!r}; name other populations"
                    )
        return {}

    def update(self, update, state, parameters, step):
        for projections in self.held(parameters.topology).values():
            blocks = [parameters.topology.layout[projection.name] for projection in projections]
            after = [(parameters.theta[b.where] + update[b.where]).reshape(-1, b.shape[-1]) for b in blocks]
            length = np.sqrt(sum(np.square(weights).sum(axis=0) for weights in after))
            long = length > self.limit
            for block, weights in zip(blocks, after, strict=True):
                old, step_of = (part[block.where].reshape(weights.shape) for part in (parameters.theta, update))
                step_of[:, long] = weights[:, long] * (self.limit / length[long]) - old[:, long]

    def held(self, topology: Topology) -> dict[str, list[Projection]]:
        """The projections with weights of their own that end on each population that is meant."""
        arriving = {name: topology.incoming(name) for name in self.populations or topology.unit_layout}
        own = {name: [edge for edge in edges if edge.name in topology.layout] for name, edges in arriving.items()}
        return {name: edges for name, edges in own.items() if edges}


@dataclass(frozen=True)
class freeze(Transform):
    """u <- 0 for the parameters named, one or several: they stay what they are, bit for bit."""

    keys: tuple[str, ...] | str

    def __post_init__(self):
        if isinstance(self.keys, str):
            object.__setattr__(self, "keys", (self.keys,))

    def init(self, parameters):
        for key in self.keys:
            choose("parameter to freeze", key, parameters)
        return {}

    def update(self, update, state, parameters, step):
        for key in self.keys:
            update[parameters.topology.layout[key].where] = 0


@dataclass(frozen=True)
class dale(Transform):
    """Keep every projection's weights on the side of zero that its `sign` names: u <- max(0, sign (w + u)) sign - w.

    Dale's law: a neuron excites or inhibits at all its synapses. Place it last; projections of sign 0 are free.
    """

    def update(self, update, state, parameters, step):
        for projection in parameters.topology.projections:
            if projection.sign and projection.name in parameters:
                where = parameters.topology.layout[projection.name].where
                weights = parameters.theta[where]
                update[where] = projection.sign * np.maximum(0, projection.sign * (weights + update[where])) - weights


_AROUND = (clip, clip_value, l1, l2, per_layer, weight_decay, max_norm, freeze, dale)


def weights_of(parameters: Parameters) -> list[slice]:
    """Slices of `theta` that hold weights of projections (not biases, not arrays of units)."""
    layout = parameters.topology.layout
    return [
        layout[projection.name].where for projection in parameters.topology.projections if projection.name in layout
    ]


def rates_by_key(parameters: Parameters, rate: float, biases: float) -> dict[str, float]:
    """`rate` for the weights, `rate` x `biases` for the biases, nothing for arrays of units."""
    layout = parameters.topology.layout
    rates = {projection.name: rate for projection in parameters.topology.projections if projection.name in layout}
    return rates | ({key: rate * biases for key in layout if key.endswith(".bias")} if biases else {})


def _decay(update: np.ndarray, parameters: Parameters, rate: float, biases: float) -> None:
    for key, own in rates_by_key(parameters, rate, biases).items():
        where = parameters.topology.layout[key].where
        kernels.decay(update[where], parameters.theta[where], update.dtype.type(own))


def _keys_of(topology: Topology, population: str) -> list[str]:
    """Keys of what reaches the units of a population, and of what they learn."""
    arriving = {projection.name for projection in topology.incoming(population)}
    return [key for key in topology.layout if key in arriving or key.startswith(f"{population}.")]
