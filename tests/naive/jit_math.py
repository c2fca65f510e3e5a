"""Plain twins of bioneuro._jit.math and rows: textbook formulas in 80-digit decimals."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np

DIGITS = 80

FORMULAS = {
    "exp": lambda x: x.exp(),
    "log": lambda x: x.ln(),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
    "softplus": lambda x: (1 + x.exp()).ln() if x > -90 else x.exp() - (2 * x).exp() / 2,  # the next term: e^3x / 3
}


def errors_in_last_place(name, x, result):
    """Return |result - exact| in units of the last place of the exact value, one per element."""
    with localcontext() as context:
        context.prec = DIGITS
        exact = [FORMULAS[name](Decimal(float(value))) for value in x]
        places = np.spacing(np.abs(np.array([float(value) for value in exact]).astype(x.dtype)))
        return np.array(
            [
                float(abs(Decimal(float(got)) - value) / Decimal(float(place)))
                for got, value, place in zip(result, exact, places, strict=True)
            ]
        )


def log_sum_exp(row):
    with localcontext() as context:
        context.prec = DIGITS
        return float(sum(Decimal(float(value)).exp() for value in row).ln())


def softmax(row):
    with localcontext() as context:
        context.prec = DIGITS
        powers = [Decimal(float(value)).exp() for value in row]
        return [float(power / sum(powers)) for power in powers]
