"""Optimiser kernels: each rule is a few lines for one number, bound into two loops.

A rule takes the gradient g, the moments of one parameter and the constants of the step, and returns the step u and the
new moments. `whole` runs it over flat vectors, for the chain of transforms; `block` over a part of one array while
it is in the cache, together with all that may stand around an optimiser in a chain, for engines that train in one
compiled call. Adding an optimiser is one function here and a few lines in `rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from bioneuro._jit.kernel import Slot, kernel, scalar, specialise


@scalar
def sgd(g, c):
    """u = -rate g; c = (rate,)."""
    return -c[0] * g


@scalar
def momentum(g, m, c):
    """m <- beta m - rate g; u = m; c = (rate, beta)."""
    m = c[1] * m - c[0] * g
    return m, m


@scalar
def nesterov(g, m, c):
    """m <- beta m - rate g; u = beta m - rate g; c = (rate, beta)."""
    push = c[0] * g
    m = c[1] * m - push
    return c[1] * m - push, m


@scalar
def ewma(g, v, c):
    """v <- beta v + (1 - beta) g; u = -size v; c = (size, beta, 1 - beta)."""
    v = c[1] * v + c[2] * g
    return -c[0] * v, v


@scalar
def adagrad(g, s, c):
    """S <- S + g^2; u = -rate g / (sqrt(S) + epsilon); c = (rate, epsilon)."""
    s = s + g * g
    return -c[0] * g / (np.sqrt(s) + c[1]), s


@scalar
def rmsprop(g, s, c):
    """S <- beta S + (1 - beta) g^2; u = -rate g / (sqrt(S correction + inside) + outside).

    c = (rate, beta, 1 - beta, correction, inside, outside).
    """
    s = c[1] * s + c[2] * g * g
    return -c[0] * g / (np.sqrt(s * c[3] + c[4]) + c[5]), s


@scalar
def centred_rmsprop(g, m, s, c):
    """As `rmsprop`, with the variance S - M^2 in the place of S, M the average of g; never below 0."""
    m = c[1] * m + c[2] * g
    s = c[1] * s + c[2] * g * g
    mean, square = m * c[3], s * c[3]
    return -c[0] * g / (np.sqrt(square - min(mean * mean, square) + c[4]) + c[5]), m, s


@scalar
def adam(g, v, s, c):
    """V, S as in `rules.adam`; u = -size V / (sqrt(S) root + epsilon), where size and root carry the corrections.

    c = (size, root, epsilon, beta1, 1 - beta1, beta2, 1 - beta2).
    """
    v = c[3] * v + c[4] * g
    s = c[5] * s + c[6] * g * g
    return -c[0] * v / (np.sqrt(s) * c[1] + c[2]), v, s


@scalar
def amsgrad(g, v, s, h, c):
    """As `adam`, with H <- max(H, S share) in the place of S; c as there, and share."""
    v = c[3] * v + c[4] * g
    s = c[5] * s + c[6] * g * g
    h = max(h, s * c[7])
    return -c[0] * v / (np.sqrt(h) * c[1] + c[2]), v, s, h


@scalar
def rprop(g, p, size, c):
    """size *= grow where g has the sign of p, the gradient before; *= shrink and g <- 0 where it has the other;
    u = -size sign(g), p <- g.

    c = (shrink, grow, smallest, largest, 1, 0); the last two keep float32 from becoming float64.
    """
    agreement = np.sign(g) * p
    factor = c[0] if agreement < c[5] else (c[1] if agreement > c[5] else c[4])
    size = min(max(size * factor, c[2]), c[3])
    g = c[5] if agreement < c[5] else g
    return -np.sign(g) * size, g, size


@scalar
def quickprop(g, d, p, c):
    """u = d g / (p - g), where the parabola through the slopes p and g has its minimum, or growth d if that is nearer
    or there is none; and - rate g, unless g turned against the last step d. d <- u, p <- g.

    c = (rate, growth, growth / (1 + growth), 0).
    """
    uphill = d > c[3]
    left, before = (-g if uphill else g), (-p if uphill else p)  # slopes along the last step, downhill positive
    still = d == c[3]
    u = c[1] * d if still or left >= c[2] * before else d * g / (p - g)
    u -= c[0] * g if still or left > c[3] else c[3]
    return u, u, g


rule = Slot("rule(g, moments..., constants) -> (step, moments...)")
N_CONSTANTS = 8  # that a rule may have
N_STEP = N_CONSTANTS + 1  # numbers that are new in every step: the rule's own, and a factor of the decay
N_OWN = 7  # that an array has: see `OWN`
OWN = ("rate", "l2", "l1", "decay", "bound", "low", "high")
"""What an array of parameters has of its own: a factor of the step; the gradients' penalties l2 w and l1 sign(w); the
share of w that decays in a step (times the factor of the step); the largest gradient; the range of w."""


@scalar
def _constants(c):
    """As a tuple, so that loops keep them in registers."""
    return c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8]


@scalar
def _own(o):
    """As a tuple, and whether neither gradient nor weight is bounded and there is no l1: then loops do without."""
    free = o[2] == 0 and o[4] == np.inf and o[5] == -np.inf and o[6] == np.inf
    return o[0], o[1], o[2], o[3], o[4], o[5], o[6], free


@scalar
def _penalised(g, w, own):
    """g + l2 w + l1 sign(w), bounded."""
    g += own[1] * w
    if own[7]:
        return g
    g += own[2] * np.sign(w)
    g = own[4] if g > own[4] else g
    return -own[4] if g < -own[4] else g


@scalar
def _stepped(w, u, own, decay):
    """w after the step u, scaled, decayed and held in its range."""
    w += own[0] * u - own[3] * decay * w
    if own[7]:
        return w
    w = own[5] if w < own[5] else w
    return own[6] if w > own[6] else w


def _whole(update, first, second, third, constants):
    c = _constants(constants)
    for i in range(update.shape[0]):
        update[i] = rule(update[i], c)


def _whole1(update, first, second, third, constants):
    c = _constants(constants)
    for i in range(update.shape[0]):
        update[i], first[i] = rule(update[i], first[i], c)


def _whole2(update, first, second, third, constants):
    c = _constants(constants)
    for i in range(update.shape[0]):
        update[i], first[i], second[i] = rule(update[i], first[i], second[i], c)


def _whole3(update, first, second, third, constants):
    c = _constants(constants)
    for i in range(update.shape[0]):
        update[i], first[i], second[i], third[i] = rule(update[i], first[i], second[i], third[i], c)


def _block(theta, first, second, third, place, gradient, start, count, constants, own):
    """One step of `count` parameters, from `place` on in theta and the moments, from `start` on in the gradient."""
    c, o = _constants(constants), _own(own)
    w, g = theta[place : place + count], gradient[start : start + count]
    for j in range(w.shape[0]):
        w[j] = _stepped(w[j], rule(_penalised(g[j], w[j], o), c), o, c[8])
    return 0


def _block1(theta, first, second, third, place, gradient, start, count, constants, own):
    c, o = _constants(constants), _own(own)
    w, g = theta[place : place + count], gradient[start : start + count]
    a = first[place : place + count]
    for j in range(w.shape[0]):
        u, a[j] = rule(_penalised(g[j], w[j], o), a[j], c)
        w[j] = _stepped(w[j], u, o, c[8])
    return 0


def _block2(theta, first, second, third, place, gradient, start, count, constants, own):
    c, o = _constants(constants), _own(own)
    w, g = theta[place : place + count], gradient[start : start + count]
    a, b = first[place : place + count], second[place : place + count]
    for j in range(w.shape[0]):
        u, a[j], b[j] = rule(_penalised(g[j], w[j], o), a[j], b[j], c)
        w[j] = _stepped(w[j], u, o, c[8])
    return 0


def _block3(theta, first, second, third, place, gradient, start, count, constants, own):
    c, o = _constants(constants), _own(own)
    w, g = theta[place : place + count], gradient[start : start + count]
    a, b, d = first[place : place + count], second[place : place + count], third[place : place + count]
    for j in range(w.shape[0]):
        u, a[j], b[j], d[j] = rule(_penalised(g[j], w[j], o), a[j], b[j], d[j], c)
        w[j] = _stepped(w[j], u, o, c[8])
    return 0


@cache
def whole(function: Callable, n_moments: int) -> Callable:
    """The kernel (update, first, second, third, constants) of a rule over flat vectors; gradient in, step out."""
    return specialise((_whole, _whole1, _whole2, _whole3)[n_moments], rule=function)


@cache
def block(function: Callable, n_moments: int) -> Callable:
    """The kernel of a rule over a part of an array; see `_block`."""
    return specialise((_block, _block1, _block2, _block3)[n_moments], rule=function)


@kernel
def penalise(theta, place, gradient, start, count, own, out):
    """The first half of such a step by itself: out = gradient + l2 w + l1 sign(w), bounded, from `place` on."""
    o = _own(own)
    w, g, target = theta[place : place + count], gradient[start : start + count], out[place : place + count]
    for j in range(target.shape[0]):
        target[j] = _penalised(g[j], w[j], o)
    return 0


@kernel
def decay(update, weights, rate):
    """u <- u - rate w."""
    for i in range(update.shape[0]):
        update[i] -= rate * weights[i]


@kernel
def pull(update, weights, rate):
    """u <- u + rate sign(w)."""
    for i in range(update.shape[0]):
        update[i] += rate * np.sign(weights[i])
