"""Local learning: rate rules on the projections of a topology, as a gradient estimator.

Every population emits y = f(sum of drives + bias), f its unit's response; units that are joined with their own
population settle. Each rule then sees what is emitted on the two sides of its projection, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bioneuro._jit.keys import Key
from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.parameters import Parameters
from bioneuro.plasticity import kernels
from bioneuro.plasticity.rate import RateRule, check_rules
from bioneuro.topology import Dense, Population, Projection, Topology
from bioneuro.training.batches import Batch

RESPONSES: dict[str, Callable[[np.ndarray], None]] = {"linear": lambda y: None, "relu": kernels.rectify}
SETTLED = 1e-5  # largest change, in units of the largest activity


class LocalLearning:
    """Gradient estimator for `bioneuro.training.fit`: adds -dW of each rule, so that an optimiser adds rate x dW.

    It returns the root mean square of dW. That is not a loss that the rules descend, but a number to watch: it falls as
    learning comes to rest.

    Parameters
    ----------
    topology : its populations on the way to the rules' projections hold linear or ReLU units.
    rules : {projection: rule or its name}; all other projections stay what they are. Signs of projections (Dale's law)
        are kept by `optim.dale()` at the end of the optimiser's chain.
    settle : most rounds for units that are joined with their own population, >= 1.

    Attributes
    ----------
    state : {projection: {name: array}}, what rules remember between minibatches; {} before the first step.

    >>> from bioneuro import Topology
    >>> LocalLearning(Topology.mlp(4, 2, unit="relu", output="linear"), {"input->output": "oja"}).rules
    {'input->output': Oja()}
    """

    def __init__(self, topology: Topology, rules: Mapping[str, RateRule | str], *, settle: int = 50):
        self.topology = topology
        self.rules = check_rules(rules)
        self.settle = check_number("settle", settle, low=1, integer=True)
        for name, rule in self.rules.items():
            _check_projection(topology, choose("projection", name, [p.name for p in topology.projections]), rule)
        self.order = _populations_needed(topology, self.rules)
        self.state: dict[str, dict[str, np.ndarray]] = {}

    def identity(self) -> str:
        """What a run and its continuation have in common."""
        return f"{type(self).__name__}({sorted(self.rules.items())}, settle={self.settle})"

    def __call__(self, params: Parameters, batch: Batch, key: Key, step: int, out: Parameters) -> float:
        if not self.state:
            self.state = {name: rule.start(*params[name].shape, params.dtype) for name, rule in self.rules.items()}
        active = self.emitted(params, batch.X)
        squares, count = 0.0, 0
        for name, rule in self.rules.items():
            projection, target = self.topology.projection(name), out[name]
            change = np.zeros_like(target)
            rule.change(params[name], active[projection.pre], active[projection.post], self.state[name], change)
            if projection.autapse:
                np.fill_diagonal(change, 0)  # no unit reaches itself
            target -= change
            squares += float(np.vdot(change, change))
            count += change.size
        return float(np.sqrt(squares / count))

    def emitted(self, params: Parameters, X: np.ndarray) -> dict[str, np.ndarray]:
        """What the populations emit for the rows of X, {name: (b, n)}."""
        active = {}
        for population in self.order:
            sources = self.topology.incoming(population.name)
            if not sources:
                active[population.name] = X
                continue
            fields = sum(self._drive(params, source, active) for source in sources if not source.autapse)
            if population.bias:
                fields += params[f"{population.name}.bias"]
            lateral = [params[source.name] for source in sources if source.autapse]
            active[population.name] = self._settled(fields, lateral, RESPONSES[population.unit.name])
        return active

    def _drive(self, params: Parameters, source: Projection, active: Mapping[str, np.ndarray]) -> np.ndarray:
        weights, x = params[source.name], active[source.pre]
        return self.rules[source.name].drive(weights, x) if source.name in self.rules else x @ weights

    def _settled(self, fields: np.ndarray, lateral: list[np.ndarray], respond: Callable) -> np.ndarray:
        """y = f(fields + y V), from y = f(fields) in steps of one half."""
        y = fields.copy()
        respond(y)
        for _ in range(self.settle if lateral else 0):
            new = fields + sum(y @ weights for weights in lateral)
            respond(new)
            moved = float(np.abs(new - y).max())
            y = (y + new) / 2
            if moved <= SETTLED * float(np.abs(y).max()):
                break
        return y


def _check_projection(topology: Topology, name: str, rule: RateRule) -> None:
    projection = topology.projection(name)
    if not isinstance(projection, Dense) or projection.shared or projection.tied_to is not None:
        raise UnsupportedTopology(
            f"{name!r} must be a Dense projection with a weight of its own for each synapse to be learnt by a rate rule"
        )
    if projection.symmetric and not rule.keeps_symmetry:
        raise UnsupportedTopology(
            f"{name!r} is symmetric, and the rule {rule.name!r} gives the two directions different weights; "
            "use a projection with symmetric=False"
        )


def _populations_needed(topology: Topology, rules: Mapping[str, RateRule]) -> tuple[Population, ...]:
    """Populations at the ends of the rules' projections and all that reach them, in feedforward order."""
    forward = Topology(topology.populations, [p for p in topology.projections if not p.autapse])
    needed = {end for name in rules for end in (topology.projection(name).pre, topology.projection(name).post)}
    for population in reversed(forward.order()):
        if population.name in needed:
            needed |= {source.pre for source in forward.incoming(population.name)}
    order = tuple(population for population in forward.order() if population.name in needed)
    inputs = [population.name for population in order if not forward.incoming(population.name)]
    if len(inputs) != 1:
        raise UnsupportedTopology(f"rate rules need one population that receives the data, got {inputs}")
    for population in order:
        if population.name not in inputs and population.unit.name not in RESPONSES:
            raise UnsupportedTopology(
                f"population {population.name!r} has {population.unit.name!r} units, which rate rules do not run; they "
                f"run {', '.join(RESPONSES)}: topology.with_units({population.name}='linear')"
            )
    lateral = {p.post for p in topology.projections if p.autapse} & set(inputs)
    if lateral:
        raise InvalidInput(f"{lateral.pop()!r} receives the data and cannot settle; drop its projection onto itself")
    return order
