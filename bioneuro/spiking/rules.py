"""The rules of a run, checked against its topology and compiled into what the kernels need."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping

import numba
import numpy as np
from numba.core.errors import NumbaError

from bioneuro.errors import InvalidInput, choose
from bioneuro.parameters import Parameters
from bioneuro.plasticity.homeostasis import AdaptiveThreshold, NormaliseWeights
from bioneuro.plasticity.rate import RateRule
from bioneuro.plasticity.spike import SPIKE_RULES, SpikeRule
from bioneuro.spiking.synapse_kernels import CONSTANTS, KEEP, MAX_RULES, N_CONSTANTS, POST_DECAY, PRE_DECAY, SIGN, W_MAX
from bioneuro.spiking.synapses import delay_steps, whole_steps
from bioneuro.topology import Dense, Projection, Sparse, Topology

RULES = SpikeRule | NormaliseWeights | AdaptiveThreshold
STRONGEST = 10.0  # ways from rest to threshold, that a plastic synapse may come to bridge at a spike


class Rules:
    """Who learns by what: {projection or population: rule or list of rules}.

    Attributes
    ----------
    learning : {projection: spike-timing rule}.
    kinds : the different pairs (on_pre, on_post), at most MAX_RULES.
    normalising : {projection: (rule, its period in steps)}.
    adapting : {population: adaptive threshold}.
    """

    def __init__(self, topology: Topology, given: Mapping | None, dt: float):
        self.topology, self.dt = topology, dt
        self.learning: dict[str, SpikeRule] = {}
        self.normalising: dict[str, tuple[NormaliseWeights, int]] = {}
        self.adapting: dict[str, AdaptiveThreshold] = {}
        for name, rule in _listed(given):
            self._place(name, rule)
        order = [projection.name for projection in topology.projections]  # not that of `given`: a run may go on
        self.learning = dict(sorted(self.learning.items(), key=lambda entry: order.index(entry[0])))
        self.kinds = list(dict.fromkeys(rule.functions for rule in self.learning.values()))
        if len(self.kinds) > MAX_RULES:
            raise InvalidInput(
                f"one network runs at most {MAX_RULES} different kinds of spike-timing rule, got {len(self.kinds)}: "
                + ", ".join(f"{name}: {type(rule).__name__}" for name, rule in self.learning.items())
            )

    def _place(self, name: str, rule: RULES) -> None:
        if isinstance(rule, AdaptiveThreshold):
            neurons = [population.name for population in self.topology.populations if population.role != "input"]
            self._add(self.adapting, choose("population with an adaptive threshold", name, neurons), rule)
            return
        projection = self.topology.projection(
            choose("projection to learn", name, [projection.name for projection in self.topology.projections])
        )
        if projection.shared:
            raise InvalidInput(f"{name!r} shares one weight between all synapses; plastic synapses have one each")
        if isinstance(rule, NormaliseWeights):
            steps = whole_steps("NormaliseWeights.period", rule.period, self.dt, 1)
            self._add(self.normalising, name, (rule, steps))
        else:
            rule.check_projection(projection)
            self._check_bound(projection, rule)
            self._add(self.learning, name, rule)

    def _check_bound(self, projection: Projection, rule: SpikeRule) -> None:
        """Refuse a w_max in millivolts."""
        unit = self.topology[projection.post].unit
        way = float(np.min(np.subtract(unit.v_threshold, unit.v_rest)))
        if 0 < STRONGEST * way < rule.w_max:
            raise InvalidInput(
                f"{type(rule).__name__}.w_max={rule.w_max:g} V on {projection.name!r} is {rule.w_max / way:.0f} times "
                f"the {way:g} V from rest to threshold of {projection.post!r}; weights are in volts: 0.0004 is 0.4 mV"
            )

    def _add(self, table: dict, name: str, rule) -> None:
        if name in table:
            raise InvalidInput(f"{name!r} has two rules of the same kind; give one")
        table[name] = rule

    @property
    def places(self) -> dict[str, dict[str, int]]:
        """{projection: the columns of `Route` that its rule fills}."""
        places, pre, post = {}, 0, 0
        for row, (name, rule) in enumerate(self.learning.items()):
            kind = self.kinds.index(rule.functions)
            places[name] = {"rule": kind, "plastic": row, "pre_trace": pre, "post_trace": post}
            ends = self.topology.ends(name)
            pre, post = pre + ends[0].size, post + ends[1].size
        return places

    @property
    def digest(self) -> str:
        """Names what traces belong to."""
        return hashlib.blake2b(repr(self.learning).encode(), digest_size=8).hexdigest()

    @property
    def longest_delay(self) -> int:
        """Steps; 0 where nothing learns."""
        return max((delay_steps(self.topology.projection(name), self.dt) for name in self.learning), default=0)

    def check_weights(self, parameters: Parameters, cut: Mapping[str, np.ndarray]) -> None:
        """Raise `InvalidInput` where first weights lie outside a rule's bounds, or dead synapses would learn."""
        for name, rule in self.learning.items():
            sizes = parameters[name] * (self.topology.projection(name).sign or 1)
            if sizes.size and not (sizes.min() >= 0 and sizes.max() <= np.float32(rule.w_max) * (1 + 1e-6)):
                raise InvalidInput(
                    f"{type(rule).__name__} keeps weights of {name!r} within [0, {rule.w_max:g}] V in the direction of "
                    f"their sign, got {sizes.min():g} .. {sizes.max():g}; scale or clip them, or raise w_max"
                )
            if name in cut:
                raise InvalidInput(f"synapses of {name!r} are dead and would grow again; lesion units, or do not learn")

    def explain(self, error: NumbaError) -> None:
        """Raise `InvalidInput` where a function of a rule is why the engine could not be compiled."""
        for name, rule in self.learning.items():
            for place, function in zip(("on_pre", "on_post"), rule.functions, strict=True):
                reason = why_not(function)
                if reason:
                    raise InvalidInput(
                        f"{place} of {type(rule).__name__}, the rule of {name!r}, cannot be compiled: {reason}; "
                        "it must make a number of (weight, pre, post, constants) by arithmetic, math and np alone"
                    ) from error

    @property
    def n_traces(self) -> tuple[int, int]:
        """How many presynaptic and how many postsynaptic traces there are."""
        ends = [self.topology.ends(name) for name in self.learning]
        return sum(pre.size for pre, _ in ends), sum(post.size for _, post in ends)

    def table(self) -> np.ndarray:
        """One row per plastic projection: sign, keep, decay of both traces in one step, w_max, constants."""
        table = np.zeros((len(self.learning), CONSTANTS + N_CONSTANTS))
        for row, (name, rule) in zip(table, self.learning.items(), strict=True):
            row[SIGN], row[KEEP], row[W_MAX] = self.topology.projection(name).sign or 1, rule.keep, rule.w_max
            row[PRE_DECAY], row[POST_DECAY] = np.exp(-self.dt / np.array(rule.traces))
            row[CONSTANTS:] = np.nan  # a rule that reads a constant that it has not loses its numbers, and is told so
            row[CONSTANTS : CONSTANTS + len(rule.constants)] = rule.constants
        return table

    def adaptation(self) -> np.ndarray:
        """(populations, 2): what a threshold rises by at a spike (V), and what remains of a rise after one step."""
        rows = []
        for population in self.topology.populations:
            rule = self.adapting.get(population.name)
            rows.append((0.0, 1.0) if rule is None else (rule.increment, math.exp(-self.dt / rule.tau)))
        return np.array(rows)

    def next_normalisation(self, step: int) -> int | None:
        """The first step after `step` at which weights are normalised."""
        return min(((step // period + 1) * period for _, period in self.normalising.values()), default=None)

    def normalise(self, step: int, parameters: Parameters) -> None:
        """Rescale what is due after `step` steps; no weight leaves the bounds of its rule."""
        for name, (rule, period) in self.normalising.items():
            if step % period:
                continue
            projection, n_post = self.topology.projection(name), self.topology.ends(name)[1].size
            weights, post = parameters[name], None
            if not isinstance(projection, Dense):
                post = self.topology.edges(name).post if isinstance(projection, Sparse) else np.arange(n_post)
            rule.apply(weights, post, n_post)
            if name in self.learning:  # bounds come before sums
                w_max = weights.dtype.type(self.learning[name].w_max)
                np.clip(weights, -w_max, w_max, out=weights)


def why_not(function: Callable) -> str:
    """Why Numba cannot make a weight of (weight, pre, post, constants); "" where it can."""
    number = numba.float64
    compiled = numba.njit(getattr(function, "py_func", function))
    try:
        compiled.compile((number, number, number, numba.types.UniTuple(number, N_CONSTANTS)))
    except NumbaError as error:
        lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()  # without colours
        return next((line.strip() for line in lines if line.strip() and "nopython mode" not in line), "unknown")
    made = compiled.nopython_signatures[0].return_type
    return "" if isinstance(made, numba.types.Number | numba.types.Boolean) else f"it returns {made}, not a number"


def _listed(given: Mapping | None):
    if given is not None and not isinstance(given, Mapping):
        raise InvalidInput(
            f'rules is {{projection: rule}}, got {type(given).__name__}; for example {{"E->E": STDP(w_max=3e-4)}}'
        )
    for name, rules in (given or {}).items():
        for rule in rules if isinstance(rules, list | tuple) else [rules]:
            if not isinstance(rule, RULES):
                known = ", ".join([*SPIKE_RULES, "NormaliseWeights", "AdaptiveThreshold"])
                raise InvalidInput(f"a rule of {name!r} is one of {known}, got {rule!r}{_way_out(rule)}")
            yield name, rule


def _way_out(rule) -> str:
    """What to do with something that is almost a rule of a run."""
    if isinstance(rule, type):
        return f"; make one: {rule.__name__}(...)"
    if isinstance(rule, RateRule):
        return "; rate rules learn from activities, without spikes: HebbianFeatures, LocalLearning"
    return ""
