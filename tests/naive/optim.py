"""Plain NumPy twins of the optimisers: theta after each of a list of gradients, formulas as a textbook has them."""

from __future__ import annotations

import math

import numpy as np


def sgd(theta, gradients, rate):
    for g in gradients:
        theta = theta - rate * g
        yield theta


def momentum(theta, gradients, rate, beta=0.9, first_rate=None):
    """In the form m <- -rate' g; repeat: w <- w + m, m <- beta m - rate g."""
    gradients = iter(gradients)
    m = -(rate if first_rate is None else first_rate) * next(gradients)
    for g in gradients:
        theta = theta + m
        yield theta
        m = beta * m - rate * g
    yield theta + m


def ewma(theta, gradients, rate, beta=0.9, corrected=True):
    v = np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        v = beta * v + (1 - beta) * g
        theta = theta - rate * (v / (1 - beta**t) if corrected else v)
        yield theta


def nesterov(theta, gradients, rate, beta=0.9):
    """In the form of Sutskever et al.: theta here is the point that looks ahead, phi + beta m."""
    phi, m = theta, np.zeros_like(theta)
    for g in gradients:
        m = beta * m - rate * g
        phi = phi + m
        yield phi + beta * m


def adagrad(theta, gradients, rate, epsilon=1e-10):
    s = np.zeros_like(theta)
    for g in gradients:
        s = s + g**2
        theta = theta - rate * g / (np.sqrt(s) + epsilon)
        yield theta


def rmsprop(theta, gradients, rate, beta=0.99, epsilon=1e-8, inside=False, corrected=False):
    s = np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        s = beta * s + (1 - beta) * g**2
        square = s / (1 - beta**t) if corrected else s
        theta = theta - rate * g / (np.sqrt(square + epsilon) if inside else np.sqrt(square) + epsilon)
        yield theta


def centred_rmsprop(theta, gradients, rate, beta=0.99, epsilon=1e-8):
    s, m = np.zeros_like(theta), np.zeros_like(theta)
    for g in gradients:
        s = beta * s + (1 - beta) * g**2
        m = beta * m + (1 - beta) * g
        theta = theta - rate * g / (np.sqrt(np.maximum(s - m**2, 0)) + epsilon)
        yield theta


def adam(theta, gradients, rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    v, s = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        v = beta1 * v + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        theta = theta - rate * (v / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + epsilon)
        yield theta


def adamw(theta, gradients, rate, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=1e-2):
    """All of theta decays here."""
    v, s = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        theta = theta * (1 - rate * decay)
        v = beta1 * v + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        theta = theta - rate * (v / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + epsilon)
        yield theta


def amsgrad(theta, gradients, rate, beta1=0.9, beta2=0.999, epsilon=1e-8, largest_of="raw"):
    v, s, h = np.zeros_like(theta), np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        v = beta1 * v + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        if largest_of == "raw":
            h = np.maximum(h, s)
            root = np.sqrt(h / (1 - beta2**t))
        else:
            h = np.maximum(h, s / (1 - beta2**t))
            root = np.sqrt(h)
        theta = theta - rate * (v / (1 - beta1**t)) / (root + epsilon)
        yield theta


def radam(theta, gradients, rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    v, s = np.zeros_like(theta), np.zeros_like(theta)
    most = 2 / (1 - beta2) - 1
    for t, g in enumerate(gradients, start=1):
        v = beta1 * v + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        n = most - 2 * t * beta2**t / (1 - beta2**t)
        step = v / (1 - beta1**t)
        if n > 5:
            r = math.sqrt((n - 4) * (n - 2) * most / ((most - 4) * (most - 2) * n))
            step = step * r * math.sqrt(1 - beta2**t) / (np.sqrt(s) + epsilon)
        theta = theta - rate * step
        yield theta


def rprop(theta, gradients, rate, shrink=0.5, grow=1.2, smallest=1e-6, largest=50.0):
    theta, size, before = theta.copy(), np.full_like(theta, rate), np.zeros_like(theta)
    for g in gradients:
        g = g.copy()
        for i in range(theta.size):
            if g[i] * before[i] > 0:
                size[i] = min(size[i] * grow, largest)
            elif g[i] * before[i] < 0:
                size[i] = max(size[i] * shrink, smallest)
                g[i] = 0
            theta[i] -= np.sign(g[i]) * size[i]
        before = g
        yield theta.copy()


def quickprop(theta, gradients, rate, growth=1.75):
    """Number by number, with the cases of Fahlman's report."""
    theta, last, before = theta.copy(), np.zeros_like(theta), np.zeros_like(theta)
    for g in gradients:
        for i in range(theta.size):
            d, s, p, step = last[i], g[i], before[i], 0.0
            if d < 0:
                if s > 0:
                    step -= rate * s
                step += growth * d if s >= growth / (1 + growth) * p else d * s / (p - s)
            elif d > 0:
                if s < 0:
                    step -= rate * s
                step += growth * d if s <= growth / (1 + growth) * p else d * s / (p - s)
            else:
                step -= rate * s
            theta[i] += step
            last[i], before[i] = step, s
        yield theta.copy()
