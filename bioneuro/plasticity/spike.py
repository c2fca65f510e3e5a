"""Spike-timing rules: what a synapse does when a spike passes it, from either side.

A rule is two functions and the time constants of two traces:

    on_pre(weight, pre, post, constants) -> weight     at a spike of the presynaptic cell
    on_post(weight, pre, post, constants) -> weight    when a spike of the postsynaptic cell arrives at the synapse

`pre` and `post` are the traces of spikes that passed *before* this instant: each rises by 1 at a spike and decays with
its time constant. A postsynaptic spike arrives one delay after it was fired (the delay is dendritic). At one instant
postsynaptic arrivals are served first, then presynaptic spikes, and only then do the traces rise: spikes that coincide
at the synapse do not see each other (as in NEST).

Rules see the size of a weight, in volts and >= 0; what they return is clipped to [0, w_max]. An inhibitory projection
(sign -1) grows more negative where a rule raises the weight. The functions are compiled into the engine's step; a rule
of your own is a class with two such functions, see `SpikeRule`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from bioneuro.errors import InvalidInput, check_field, check_number, check_numbers, choose
from bioneuro.topology import Projection

SPIKE_RULES: dict[str, type[SpikeRule]] = {}
PAIRINGS = {"all-to-all": 1.0, "nearest": 0.0}  # what is kept of a trace when the next spike raises it

ARGUMENTS = ("weight", "pre", "post", "constants")
MOST_CONSTANTS = 4
LONGEST_TRACE = 10.0  # s
_PARTS = ("functions", "constants", "traces")


def register(cls: type[SpikeRule]) -> type[SpikeRule]:
    """Class decorator: make a rule known by the name of its class."""
    SPIKE_RULES[cls.__name__] = cls
    return cls


@dataclass(frozen=True, kw_only=True)
class SpikeRule:
    """Base of all spike-timing rules; a subclass names its functions, their constants and the traces.

    Parameters
    ----------
    w_max : V, > 0; weights stay in [0, w_max]. Every rule takes it, by keyword.

    A subclass gives, as attributes or properties,

    functions : (on_pre, on_post), two plain functions `(weight, pre, post, constants) -> weight` of numbers, defined
        at the top of a module and compiled by Numba: arithmetic, `math`, `np`, `if`. Either may return `weight` as it
        is. A global that they read is read once, when they are compiled.
    constants : what they are given as `constants`, at most four numbers.
    traces : time constants of the presynaptic and of the postsynaptic trace, s, in (0, 10].
    keep : what remains of a trace when the next spike raises it by 1: 1 (default), spikes add up; 0, the last counts.
    check(), check_projection(projection) : raise `InvalidInput` for constants and projections that it cannot take.

    A rule of one's own, which strengthens a synapse that is used shortly before its cell fires and weakens every other
    use by a fixed share:

    >>> from dataclasses import dataclass
    >>> from math import exp
    >>> from bioneuro import Dense, Parameters, Population, Topology
    >>> from bioneuro.plasticity import SpikeRule
    >>> from bioneuro.spiking import LIF, SpikeTrain, simulate
    >>> def used(weight, pre, post, constants):
    ...     return weight * (1 - constants[1])
    >>> def fired(weight, pre, post, constants):
    ...     return weight + constants[0] * pre
    >>> @dataclass(frozen=True, kw_only=True)
    ... class UseItOrLoseIt(SpikeRule):
    ...     gain: float = 2e-5  # V
    ...     loss: float = 0.1
    ...     functions = (used, fired)
    ...     traces = (20e-3, 20e-3)
    ...     @property
    ...     def constants(self):
    ...         return self.gain, self.loss

    One synapse, used at 5 and 8 ms, whose cell is made to fire at 10 ms:

    >>> net = Topology([Population("in", 1, "input"), Population("cell", 1, "output", LIF())], [Dense("in", "cell")])
    >>> params = Parameters.zeros(net, "float64")
    >>> params["in->cell"] = 1e-4
    >>> spikes = {"in": SpikeTrain([0, 0], [5e-3, 8e-3]), "cell": SpikeTrain([0], [9.9e-3], weight=1.0)}
    >>> run = simulate(params, spikes, 20e-3, rules={"in->cell": UseItOrLoseIt(w_max=3e-4)})
    >>> by_hand = 1e-4 * 0.9**2 + 2e-5 * (exp(-5 / 20) + exp(-2 / 20))
    >>> abs(float(run.parameters["in->cell"][0, 0]) - by_hand) < 1e-12
    True
    """

    w_max: float

    def __post_init__(self):
        check_field(self, "w_max", low=0, high=10, open_low=True, hint="volts; a synapse's is near 0.0003")
        self.check()
        self._check_parts()

    def check(self) -> None:
        """Raise `InvalidInput` if a constant is out of its range."""

    def check_projection(self, projection: Projection) -> None:
        """Raise `InvalidInput` if the rule cannot learn this projection."""

    @property
    def functions(self) -> tuple[Callable, Callable]:
        """(on_pre, on_post)."""
        return _missing(self, "its functions = (on_pre, on_post)")

    @property
    def constants(self) -> tuple[float, ...]:
        """What the two functions are given as `constants`, at most four numbers."""
        return _missing(self, "its constants, a tuple of at most four numbers")

    @property
    def traces(self) -> tuple[float, float]:
        """Time constants of the presynaptic and the postsynaptic trace, s."""
        return _missing(self, "its traces = (seconds, seconds)")

    @property
    def keep(self) -> float:
        """1 where traces add up over all spikes, 0 where only the last one counts."""
        return 1.0

    def _check_parts(self) -> None:
        """Hold what a subclass gives to what the engine takes."""
        name = type(self).__name__
        functions, constants, traces = (_as_tuple(name, part, getattr(self, part)) for part in _PARTS)
        if len(functions) != 2 or not all(map(callable, functions)):
            raise InvalidInput(f"{name}.functions must be (on_pre, on_post), two functions, got {self.functions!r}")
        if self.functions != functions:
            raise InvalidInput(f"{name}.functions must be the same two every time; define them at the top of a module")
        for place, function in zip(("on_pre", "on_post"), functions, strict=True):
            arguments = list(inspect.signature(getattr(function, "py_func", function)).parameters)
            if len(arguments) != len(ARGUMENTS):
                raise InvalidInput(
                    f"{place} of {name} takes ({', '.join(ARGUMENTS)}), got a function of ({', '.join(arguments)})"
                )
        if len(constants) > MOST_CONSTANTS:
            raise InvalidInput(f"{name}.constants holds at most {MOST_CONSTANTS} numbers, got {len(constants)}")
        check_numbers(f"{name}.constants", constants)
        if len(traces) != 2:
            raise InvalidInput(
                f"{name}.traces holds two time constants (s), of the presynaptic and the postsynaptic trace, "
                f"got {len(traces)}"
            )
        for trace in traces:
            check_number(f"{name}.traces", trace, low=0, high=LONGEST_TRACE, open_low=True, hint="seconds; near 0.02")
        check_number(f"{name}.keep", self.keep, low=0, high=1)

    def _check_time(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            hint = f"times are in seconds: {name}={value} is {value} s; a trace lasts near 0.02"
            check_field(self, name, low=0, high=LONGEST_TRACE, open_low=True, hint=hint)


def _missing(rule: SpikeRule, what: str):
    raise InvalidInput(f"{type(rule).__name__} lacks {what}; help(bioneuro.plasticity.SpikeRule) shows a whole rule")


def _as_tuple(name: str, part: str, given) -> tuple:
    if not isinstance(given, tuple | list):
        raise InvalidInput(f"{name}.{part} must be a tuple, got {given!r}")
    return tuple(given)


@register
@dataclass(frozen=True, kw_only=True)
class STDP(SpikeRule):
    """Pair-based spike-timing-dependent plasticity.

    A pair of spikes, delta = t_post + delay - t_pre at the synapse, changes the weight by

        w += a_plus  F_plus(w)  exp(-delta / tau_plus)     delta > 0
        w -= a_minus F_minus(w) exp(delta / tau_minus)     delta < 0

    with F = w_max for both (`dependence="additive"`), or F_plus = w_max - w, F_minus = w ("multiplicative"); w stays in
    [0, w_max].

    Parameters
    ----------
    w_max : V, > 0.
    a_plus, a_minus : >= 0, shares of F per pair.
    tau_plus, tau_minus : s, > 0.
    dependence : "additive" or "multiplicative".
    pairing : "all-to-all" pairs of spikes, or "nearest": a spike meets only the last one of the other cell.

    Sources: Song, Miller, Abbott, Nature Neuroscience 3 (2000) 919 (additive); van Rossum, Bi, Turrigiano, Journal of
    Neuroscience 20 (2000) 8812 (multiplicative); Morrison, Diesmann, Gerstner, Biological Cybernetics 98 (2008) 459.

    A cell that fires 10 ms after its source, counted at the synapse, strengthens it by a_plus w_max exp(-10 / 20):

    >>> from bioneuro import Dense, Parameters, Population, Topology
    >>> from bioneuro.spiking import LIF, SpikeTrain, simulate
    >>> net = Topology([Population("in", 1, "input"), Population("cell", 1, "output", LIF())], [Dense("in", "cell")])
    >>> params = Parameters.zeros(net, "float64")
    >>> params["in->cell"] = 1e-4
    >>> spikes = {"in": SpikeTrain([0], [5e-3]), "cell": SpikeTrain([0], [14.9e-3], weight=1.0)}
    >>> run = simulate(params, spikes, 20e-3, rules={"in->cell": STDP(w_max=3e-4)})
    >>> round(float(run.parameters["in->cell"][0, 0]), 9), round(1e-4 + 0.01 * 3e-4 * 0.6065306597, 9)
    (0.00010182, 0.00010182)
    """

    a_plus: float = 0.01
    a_minus: float = 0.0105
    tau_plus: float = 20e-3
    tau_minus: float = 20e-3
    dependence: str = "additive"
    pairing: str = "all-to-all"

    def check(self):
        for name in ("a_plus", "a_minus"):
            check_field(self, name, low=0, high=1)
        self._check_time("tau_plus", "tau_minus")
        choose("dependence of STDP", self.dependence, _STDP)
        choose("pairing of STDP", self.pairing, PAIRINGS)

    @property
    def functions(self):
        return _STDP[self.dependence]

    @property
    def constants(self):
        scale = self.w_max if self.dependence == "additive" else 1.0
        return self.a_plus * scale, self.a_minus * scale, self.w_max

    @property
    def traces(self):
        return self.tau_plus, self.tau_minus

    @property
    def keep(self):
        return PAIRINGS[self.pairing]


@register
@dataclass(frozen=True, kw_only=True)
class InhibitorySTDP(SpikeRule):
    """Inhibition learns to balance excitation: each postsynaptic cell is led to fire at `rate`.

        at a presynaptic spike     w += eta w_max (y - alpha),    alpha = 2 rate tau
        at a postsynaptic arrival  w += eta w_max x

    x, y: the traces; w, the size of an inhibitory weight, stays in [0, w_max].

    Parameters
    ----------
    w_max : V, > 0.
    rate : Hz, >= 0, that postsynaptic cells are led to.
    eta : >= 0, change per pair as a share of w_max.
    tau : s, > 0, of both traces.

    Source: Vogels, Sprekeler, Zenke, Clopath, Gerstner, Science 334 (2011) 1569.
    """

    rate: float = 5.0
    eta: float = 0.005
    tau: float = 20e-3

    def check(self):
        check_field(self, "rate", low=0, high=1e3, hint="hertz")
        check_field(self, "eta", low=0, high=1)
        self._check_time("tau")

    def check_projection(self, projection):
        if projection.sign != -1:
            raise InvalidInput(
                f"InhibitorySTDP learns inhibitory synapses; {projection.name!r} has sign={projection.sign}, "
                "set sign=-1 and let its weights be negative"
            )

    @property
    def functions(self):
        return inhibitory_on_pre, inhibitory_on_post

    @property
    def constants(self):
        return self.eta * self.w_max, 2 * self.rate * self.tau

    @property
    def traces(self):
        return self.tau, self.tau


def additive_on_pre(weight, pre, post, constants):
    return weight - constants[1] * post


def additive_on_post(weight, pre, post, constants):
    return weight + constants[0] * pre


def multiplicative_on_pre(weight, pre, post, constants):
    return weight - constants[1] * weight * post


def multiplicative_on_post(weight, pre, post, constants):
    return weight + constants[0] * (constants[2] - weight) * pre


def inhibitory_on_pre(weight, pre, post, constants):
    return weight + constants[0] * (post - constants[1])


def inhibitory_on_post(weight, pre, post, constants):
    return weight + constants[0] * pre


_STDP = {
    "additive": (additive_on_pre, additive_on_post),
    "multiplicative": (multiplicative_on_pre, multiplicative_on_post),
}
