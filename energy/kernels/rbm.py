"""Kernels of restricted Boltzmann machines: unit by unit from fields, the weighted sums that reach them.

Fields are (n, m), one row per state of the other layer; `alive` is (m,) of 1 and 0 in their type.
"""

from __future__ import annotations

import numpy as np

from bioneuro._jit.kernel import kernel
from bioneuro._jit.math import sigmoid, softplus
from bioneuro._jit.random import draw_bernoulli


@kernel
def unit_means(fields, alive, inverse_temperature, means):
    """means_ij = alive_j / (1 + exp(-fields_ij / T))."""
    for i in range(fields.shape[0]):
        row, out = fields[i], means[i]
        for j in range(out.shape[0]):
            out[j] = alive[j] * sigmoid(inverse_temperature * row[j])


@kernel
def sample_units(fields, alive, inverse_temperature, key, rows, step, means, states):
    """`unit_means`, and states_ij = 1 with probability means_ij, else 0.

    key : (2,) uint64; rows : (n,) uint64, the stream of each row; step : uint64. The draw of a unit depends on these
    and its place j alone, so that rows may be computed together or apart.
    """
    unit_means(fields, alive, inverse_temperature, means)
    draw_bernoulli(key, rows, step, means, states, 0, means.shape[1])


@kernel
def squash_units(alive, means, begin, end):
    """`unit_means` in place, of the units from `begin` (a multiple of 4) to `end`, at T = 1."""
    living = alive[begin:end]
    for i in range(means.shape[0]):
        row = means[i, begin:end]
        for j in range(row.shape[0]):
            row[j] = living[j] * sigmoid(row[j])


@kernel
def log_hidden_sums(fields, alive, out):
    """out_i = sum_j alive_j log(1 + exp(fields_ij)), summed in float64 in order; out: (n,) float64."""
    scratch = np.empty(fields.shape[1], fields.dtype)
    for i in range(fields.shape[0]):
        row = fields[i]
        for j in range(scratch.shape[0]):
            scratch[j] = alive[j] * softplus(row[j])
        total = 0.0
        for j in range(scratch.shape[0]):
            total += scratch[j]
        out[i] = total


@kernel
def class_scores(fields, alive, label_weights, label_bias, out):
    """out_iy = d_y + sum_j alive_j log(1 + exp(fields_ij + U_yj)): minus the free energy of (row i, class y) up to a
    term of the row; label_weights: (n_classes, m), out: (n, n_classes)."""
    scratch = np.empty(fields.shape[1], fields.dtype)
    for i in range(fields.shape[0]):
        row = fields[i]
        for y in range(out.shape[1]):
            pull = label_weights[y]
            for j in range(scratch.shape[0]):
                scratch[j] = alive[j] * softplus(row[j] + pull[j])
            total = np.float64(label_bias[y])
            for j in range(scratch.shape[0]):
                total += scratch[j]
            out[i, y] = total


@kernel
def class_score_gradients(fields, alive, label_weights, coefficients, field_gradient, label_gradient):
    """Add the gradient of sum_iy coefficients_iy `class_scores`_iy to field_gradient (n, m), label_gradient (y, m)."""
    for i in range(fields.shape[0]):
        row, back = fields[i], field_gradient[i]
        for y in range(coefficients.shape[1]):
            pull, weight, collected = label_weights[y], coefficients[i, y], label_gradient[y]
            for j in range(row.shape[0]):
                flow = weight * alive[j] * sigmoid(row[j] + pull[j])
                back[j] += flow
                collected[j] += flow
