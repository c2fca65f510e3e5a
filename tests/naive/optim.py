"""Plain NumPy twins of the optimisers: theta after each of a list of gradients, formulas as a textbook has them."""

from __future__ import annotations

import numpy as np


def sgd(theta, gradients, rate):
    for g in gradients:
        theta = theta - rate * g
        yield theta


def momentum(theta, gradients, rate, beta=0.9):
    m = np.zeros_like(theta)
    for g in gradients:
        m = beta * m - rate * g
        theta = theta + m
        yield theta


def nesterov(theta, gradients, rate, beta=0.9):
    """In the form of Sutskever et al.: theta here is the point that looks ahead, phi + beta m."""
    phi, m = theta, np.zeros_like(theta)
    for g in gradients:
        m = beta * m - rate * g
        phi = phi + m
        yield phi + beta * m


def rmsprop(theta, gradients, rate, beta=0.99, epsilon=1e-8):
    s = np.zeros_like(theta)
    for g in gradients:
        s = beta * s + (1 - beta) * g**2
        theta = theta - rate * g / (np.sqrt(s) + epsilon)
        yield theta


def adam(theta, gradients, rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    v, s = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        v = beta1 * v + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        theta = theta - rate * (v / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + epsilon)
        yield theta
