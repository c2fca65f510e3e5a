"""Spike-timing rules: what a synapse does when a spike passes it, from either side.

A rule is two functions and the time constants of two traces:

    on_pre(weight, pre, post, constants) -> weight     at a spike of the presynaptic cell
    on_post(weight, pre, post, constants) -> weight    when a spike of the postsynaptic cell arrives at the synapse

`pre` and `post` are the traces of spikes that passed *before* this instant: each rises by 1 at a spike and decays with
its time constant. A postsynaptic spike arrives one delay after it was fired (the delay is dendritic). At one instant
postsynaptic arrivals are served first, then presynaptic spikes, and only then do the traces rise: spikes that coincide
at the synapse do not see each other (as in NEST).

Rules see the size of a weight, in volts and >= 0, and keep it in [0, w_max]: an inhibitory projection (sign -1) grows
more negative where a rule raises the weight. The functions are compiled into the engine's step; adding a rule is one
class with two such functions and the `@register` line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bioneuro.errors import InvalidInput, check_field, choose
from bioneuro.topology import Projection

SPIKE_RULES: dict[str, type[SpikeRule]] = {}
PAIRINGS = {"all-to-all": 1.0, "nearest": 0.0}  # what is kept of a trace when the next spike raises it


def register(cls: type[SpikeRule]) -> type[SpikeRule]:
    """Class decorator: make a rule known by the name of its class."""
    SPIKE_RULES[cls.__name__] = cls
    return cls


@dataclass(frozen=True, kw_only=True)
class SpikeRule:
    """Base of all spike-timing rules."""

    w_max: float

    def __post_init__(self):
        check_field(self, "w_max", low=0, high=1e3, open_low=True, hint="volts; a synapse's is near 0.0003")
        self.check()

    def check(self) -> None:
        """Raise `InvalidInput` if a constant is out of its range."""

    def check_projection(self, projection: Projection) -> None:
        """Raise `InvalidInput` if the rule cannot learn this projection."""

    @property
    def functions(self) -> tuple[Callable, Callable]:
        """(on_pre, on_post)."""
        raise NotImplementedError

    @property
    def constants(self) -> tuple[float, ...]:
        """What the two functions are given as `constants`, at most four numbers."""
        raise NotImplementedError

    @property
    def traces(self) -> tuple[float, float]:
        """Time constants of the presynaptic and the postsynaptic trace, s."""
        raise NotImplementedError

    @property
    def keep(self) -> float:
        """1 where traces add up over all spikes, 0 where only the last one counts."""
        return 1.0

    def _check_time(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            hint = f"times are in seconds: {name}={value} is {value} s; a trace lasts near 0.02"
            check_field(self, name, low=0, high=10, open_low=True, hint=hint)


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
        return self.eta * self.w_max, 2 * self.rate * self.tau, self.w_max

    @property
    def traces(self):
        return self.tau, self.tau


def additive_on_pre(weight, pre, post, constants):
    return max(weight - constants[1] * post, 0.0)


def additive_on_post(weight, pre, post, constants):
    return min(weight + constants[0] * pre, constants[2])


def multiplicative_on_pre(weight, pre, post, constants):
    return max(weight - constants[1] * weight * post, 0.0)


def multiplicative_on_post(weight, pre, post, constants):
    return min(weight + constants[0] * (constants[2] - weight) * pre, constants[2])


def inhibitory_on_pre(weight, pre, post, constants):
    return min(max(weight + constants[0] * (post - constants[1]), 0.0), constants[2])


def inhibitory_on_post(weight, pre, post, constants):
    return min(weight + constants[0] * pre, constants[2])


_STDP = {
    "additive": (additive_on_pre, additive_on_post),
    "multiplicative": (multiplicative_on_pre, multiplicative_on_post),
}
