"""Trainings by JAX: a whole epoch is one compiled scan over its batches, the buffers of the state donated."""

from __future__ import annotations

import time
from functools import cache, partial

import jax
import jax.numpy as jnp
import optax

from benchmarks.peers.task import read
from benchmarks.table import serve


def mean_loss(parameters, x, label):
    weights, biases = parameters
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = jax.nn.relu(x @ weight + bias)
    found = x @ weights[-1] + biases[-1]
    return optax.softmax_cross_entropy_with_integer_labels(found, label).mean()


@cache
def epoch_of(optimizer: str, rate: float):
    """The optax transform, and the compiled epoch (state, X, y, order in batches) -> state."""
    rule = optax.sgd(rate, momentum=0.9) if optimizer == "momentum" else optax.adam(rate)

    @partial(jax.jit, donate_argnums=0)
    def epoch(state, X, y, order):
        def step(state, rows):
            parameters, moments = state
            gradient = jax.grad(mean_loss)(parameters, X[rows], y[rows])
            updates, moments = rule.update(gradient, moments, parameters)
            return (optax.apply_updates(parameters, updates), moments), None

        return jax.lax.scan(step, state, order)[0]

    return rule, epoch


@cache
def on_device(folder: str):
    task = read(folder)
    return jnp.asarray(task.X), jnp.asarray(task.y, jnp.int32), jnp.asarray(task.orders, jnp.int32)


def train(folder: str, batch_size: int, optimizer: str, rate: float) -> dict:
    """One network; returns the seconds of all epochs, and the loss over all rows after them."""
    task, (X, y, orders) = read(folder), on_device(folder)
    rule, epoch = epoch_of(optimizer, rate)
    parameters = tuple(tuple(jnp.array(array) for array in arrays) for arrays in (task.weights, task.biases))
    state = jax.block_until_ready((parameters, rule.init(parameters)))
    begin = time.perf_counter()
    for order in orders:
        state = epoch(state, X, y, order.reshape(-1, batch_size))
    jax.block_until_ready(state)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "loss": float(mean_loss(state[0], X, y))}


if __name__ == "__main__":
    serve({"train": train}, version=jax.__version__)
