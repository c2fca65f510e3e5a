"""Projections: how one population reaches another. Structure and shapes only; values live in `Parameters`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np

from bioneuro.errors import InvalidInput, UnsupportedTopology, check_number, choose
from bioneuro.topology.sparse_rules import Edges, Rule, SmallWorld, as_rule

if TYPE_CHECKING:
    from bioneuro.topology.population import Population

PROJECTIONS: dict[str, type[Projection]] = {}
_FIELDS = """
    Parameters
    ----------
    pre, post : names of populations.
    name : "pre->post" unless given; unique in a topology.
    symmetric : used in both directions with the same weights; with pre is post, W = W.T and the diagonal is zero.
    sign : +1 (excitatory) or -1 (inhibitory): Dale's law, kept by `optim.dale()` and held to by `simulate`; 0: free.
    delay : seconds from a spike to its arrival, >= 0, where simulated at most 1; 0: one step.
    tau_synapse : seconds in which the current set off by a spike decays, >= 0; 0: a spike moves the membrane at once.
    tied_to : name of a projection whose values this one uses too: transposed where the shapes ask for it, and, between
        populations of equal size, where this projection starts at the end of the other (the decoder of an autoencoder).
    shared : one number for all synapses instead of one each.
    """


@dataclass(frozen=True)
class Projection:
    __doc__ = f"""Base of all projections `pre -> post`.
    {_FIELDS}"""

    pre: str
    post: str
    _: KW_ONLY
    name: str = ""
    symmetric: bool = False
    sign: Literal[-1, 0, 1] = 0
    delay: float = 0.0
    tau_synapse: float = 0.0
    tied_to: str | None = None
    shared: bool = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        PROJECTIONS[cls.__name__] = cls

    def __post_init__(self):
        for end in ("pre", "post"):
            if not isinstance(getattr(self, end), str) or not getattr(self, end):
                raise InvalidInput(f"{type(self).__name__}.{end} must name a population, got {getattr(self, end)!r}")
        if not self.name:
            object.__setattr__(self, "name", f"{self.pre}->{self.post}")
        if not isinstance(self.name, str) or "." in self.name:
            raise InvalidInput(f"a projection's name is text without '.', got {self.name!r}")
        if self.sign not in (-1, 0, 1):
            raise InvalidInput(f"{self.name}: sign must be +1 (excitatory), -1 (inhibitory) or 0, got {self.sign!r}")
        object.__setattr__(self, "sign", int(self.sign))
        delay = check_number(f"{self.name}: delay", self.delay, low=0, hint="delays are in seconds")
        object.__setattr__(self, "delay", delay)
        tau = check_number(
            f"{self.name}: tau_synapse", self.tau_synapse, low=0, high=1, hint="seconds; a synapse's is near 0.005"
        )
        object.__setattr__(self, "tau_synapse", tau)
        for switch in ("symmetric", "shared"):
            object.__setattr__(self, switch, bool(getattr(self, switch)))
        if isinstance(self.tied_to, Projection):
            object.__setattr__(self, "tied_to", self.tied_to.name)

    @property
    def autapse(self) -> bool:
        """Whether the projection connects a population with itself."""
        return self.pre == self.post

    def check(self, pre: Population, post: Population) -> None:
        """Raise `InvalidInput` if the two ends cannot be joined this way."""
        if self.shared and self.symmetric and self.autapse:
            raise InvalidInput(f"{self.name}: a symmetric projection of a population onto itself cannot be shared")

    def n_synapses(self, pre: Population, post: Population) -> int:
        """Number of synapses, each used once per step (shared values counted at every use)."""
        raise NotImplementedError

    def weight_shape(self, pre: Population, post: Population) -> tuple[int, ...] | None:
        """Shape of the weights in `Parameters`, or None where there are none of its own."""
        raise NotImplementedError

    def fan_in(self, pre: Population, post: Population) -> float:
        """Mean number of synapses that end on one unit of `post`, the eta of the initialisation formulas."""
        return self.n_synapses(pre, post) / post.size

    def to_json(self) -> dict:
        """What it is, as JSON can hold it; fields at their default are left out, so that new ones move no digest."""
        described = {"type": type(self).__name__}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != (f"{self.pre}->{self.post}" if field.name == "name" else field.default):
                described[field.name] = value.to_json() if isinstance(value, Rule) else value
        return described


@dataclass(frozen=True)
class Dense(Projection):
    __doc__ = f"""All-to-all: h_post = x_pre @ W, W of shape (n_pre, n_post).
    {_FIELDS}
    >>> Dense("input", "hidden", sign=1, delay=1.5e-3).name
    'input->hidden'
    """

    def n_synapses(self, pre, post):
        return pre.size * post.size - (pre.size if self.symmetric and self.autapse else 0)

    def weight_shape(self, pre, post):
        return () if self.shared else (pre.size, post.size)


@dataclass(frozen=True)
class OneToOne(Projection):
    __doc__ = f"""Unit i reaches unit i: h_post = x_pre * w, w of shape (n,); both populations have the same size.
    {_FIELDS}"""

    def check(self, pre, post):
        super().check(pre, post)
        if pre.size != post.size:
            raise InvalidInput(
                f"OneToOne {self.name!r} joins {pre.name!r} ({pre.size} units) and {post.name!r} ({post.size}); "
                "give both the same size or use Dense"
            )

    def n_synapses(self, pre, post):
        return pre.size

    def weight_shape(self, pre, post):
        return () if self.shared else (pre.size,)


@dataclass(frozen=True)
class Sparse(Projection):
    __doc__ = f"""Some synapses of all that could be, by a rule; weights follow (pre, post) order, one per synapse.
    {_FIELDS}rule : `FixedProbability`, `FixedInDegree`, `FixedOutDegree`, `Edges`, `SmallWorld` of `bioneuro.topology`.
    autapses, multapses : whether a unit may reach itself, and a pair have several synapses.
    seed : names the draw: two projections with the same seed still differ, the name is part of the key.

    >>> from bioneuro.topology import FixedInDegree
    >>> Sparse("E", "I", FixedInDegree(80), sign=1, delay=3e-3, tau_synapse=5e-3).name
    'E->I'
    """

    rule: Rule
    _: KW_ONLY
    autapses: bool = False
    multapses: bool = False
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "rule", as_rule(self.rule, self.name))
        check_number(f"{self.name}: seed", self.seed, low=0, integer=True)
        for field, kind in (("seed", int), ("autapses", bool), ("multapses", bool)):
            object.__setattr__(self, field, kind(getattr(self, field)))

    def check(self, pre, post):
        if self.symmetric and self.autapse:  # may be shared: there is no diagonal to keep at zero
            if not isinstance(self.rule, Edges | SmallWorld):
                raise InvalidInput(
                    f"{self.name}: {type(self.rule).__name__} draws each direction by itself, so it cannot be "
                    "symmetric; use SmallWorld, or Edges with both directions of each pair"
                )
            if self.autapses or self.multapses:
                raise InvalidInput(f"{self.name}: a symmetric projection has neither autapses nor multapses")
        self.rule.check(self, pre, post)

    def n_synapses(self, pre, post):
        return self.rule.count(self, pre, post)

    def nbytes_drawing(self, pre: Population, post: Population) -> dict[str, int]:
        """Bytes that drawing takes at its peak, by part."""
        n = self.n_synapses(pre, post)
        return {"synapses": 4 * n, "synapses while they are sorted": 16 * n, "rows": 16 * (pre.size + post.size + 2)}

    def weight_shape(self, pre, post):
        return () if self.shared else (self.n_synapses(pre, post),)


def _pair(value, what: str) -> tuple[int, int]:
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(pair) != 2:
        raise InvalidInput(f"{what} must be one integer or two (height, width), got {value!r}")
    return tuple(check_number(what, entry, low=1, integer=True) for entry in pair)


def _windows(size: int, window: int, stride: int, padding: str) -> int:
    """Number of windows along one axis: "same" ceil(n / s), "valid" floor((n - k) / s) + 1."""
    return math.ceil(size / stride) if padding == "same" else (size - window) // stride + 1


class _Windowed:
    """What convolution and pooling share: windows that slide over (height, width, channels)."""

    def _check_windows(self, pre, post, window, channels: int | None) -> None:
        choose(f"padding of {self.name}", self.padding, ("valid", "same"))
        for end in (pre, post):
            if len(end.shape) != 3:
                raise InvalidInput(
                    f"{type(self).__name__} {self.name!r} needs (height, width, channels) at both ends; "
                    f"{end.name!r} has shape {end.shape}"
                )
        expected = tuple(
            _windows(n, k, s, self.padding) for n, k, s in zip(pre.shape, window, self.stride, strict=False)
        )
        expected += (post.shape[2] if channels is None else channels,)
        if min(expected) < 1 or expected != post.shape:
            raise InvalidInput(
                f"{type(self).__name__} {self.name!r}: {pre.name!r} {pre.shape} with window {window}, stride "
                f"{self.stride}, padding {self.padding!r} gives {expected}, but {post.name!r} has shape {post.shape}"
            )


@dataclass(frozen=True)
class Conv2D(_Windowed, Projection):
    __doc__ = f"""One mask slid over an image: weights (kernel height, kernel width, channels in, channels out), NHWC.
    {_FIELDS}kernel, stride : an integer, or two (height, width).
    padding : "valid", or "same": zeros around the image, so that the output is as large where the stride is 1.
    """

    _: KW_ONLY
    kernel: int | tuple[int, int] = 3
    stride: int | tuple[int, int] = 1
    padding: Literal["valid", "same"] = "valid"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "kernel", _pair(self.kernel, f"{self.name}: kernel"))
        object.__setattr__(self, "stride", _pair(self.stride, f"{self.name}: stride"))

    def check(self, pre, post):
        super().check(pre, post)
        self._check_windows(pre, post, self.kernel, None)

    def n_synapses(self, pre, post):
        return post.size * self.kernel[0] * self.kernel[1] * pre.shape[2]

    def weight_shape(self, pre, post):
        return (*self.kernel, pre.shape[2], post.shape[2])


@dataclass(frozen=True)
class Pool2D(_Windowed, Projection):
    __doc__ = f"""Each unit of `post` takes the maximum (or mean) of a window of `pre`; no weights.
    {_FIELDS}window, stride : an integer, or two (height, width); no stride: that of the window.
    padding : "valid", or "same": as many windows as the strides cover.
    kind : "max" or "mean".
    """

    _: KW_ONLY
    window: int | tuple[int, int] = 2
    stride: int | tuple[int, int] | None = None
    padding: Literal["valid", "same"] = "valid"
    kind: Literal["max", "mean"] = "max"

    def __post_init__(self):
        super().__post_init__()
        choose(f"kind of {self.name}", self.kind, ("max", "mean"))
        object.__setattr__(self, "window", _pair(self.window, f"{self.name}: window"))
        stride = self.window if self.stride is None else self.stride
        object.__setattr__(self, "stride", _pair(stride, f"{self.name}: stride"))

    def check(self, pre, post):
        super().check(pre, post)
        self._check_windows(pre, post, self.window, pre.shape[2])

    def n_synapses(self, pre, post):
        return post.size * self.window[0] * self.window[1]

    def weight_shape(self, pre, post):
        return None


def as_projection(given: Projection | Mapping) -> Projection:
    """Turn a JSON description or a `Projection` into a `Projection`."""
    if isinstance(given, Projection):
        return given
    if not isinstance(given, Mapping) or "type" not in given:
        raise InvalidInput(f"a projection is one of {', '.join(PROJECTIONS)} or its JSON description, got {given!r}")
    cls = PROJECTIONS[choose("projection", given["type"], PROJECTIONS)]
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items() if key != "type"}
    for key in values:
        choose(f"field of {cls.__name__}", key, [field.name for field in fields(cls)])
    return cls(**values)


def unsupported(engine: str, projection: Projection, supported: tuple[type, ...]) -> UnsupportedTopology:
    """The error with which an engine refuses a projection it does not understand."""
    names = ", ".join(cls.__name__ for cls in supported)
    return UnsupportedTopology(
        f"the {engine} engine does not run {type(projection).__name__} {projection.name!r}; it runs {names}"
    )
