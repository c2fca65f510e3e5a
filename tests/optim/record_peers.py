"""Record what the optimisers of PyTorch (and, where they differ, of Optax) do: run once, by hand, where both are there.

    python tests/optim/record_peers.py

200 steps in float64 down a noisy quadratic, gradient h theta + noise, with curvatures h from 1 to 1e-3; theta after
each step goes into recorded/peers.npz, under the names that `test_peers.py` looks for.
"""

from pathlib import Path

import numpy as np

STEPS, RATE = 200, 0.01
FILE = Path(__file__).parent / "recorded" / "peers.npz"


def from_torch(make, theta, curvature, noise):
    import torch

    parameter = torch.nn.Parameter(torch.tensor(theta))
    optimizer = make([parameter])
    for row in noise:
        parameter.grad = torch.tensor(curvature) * parameter.detach() + torch.tensor(row)
        optimizer.step()
        yield parameter.detach().numpy().copy()


def from_optax(make, theta, curvature, noise):
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    transform = make(optax)
    parameter = jax.numpy.asarray(theta)
    state = transform.init(parameter)
    for row in noise:
        update, state = transform.update(curvature * parameter + row, state, parameter)
        parameter = optax.apply_updates(parameter, update)
        yield np.asarray(parameter)


def main():
    import optax
    import torch
    from torch.optim import SGD, Adagrad, Adam, AdamW, RAdam, RMSprop, Rprop

    generator = np.random.default_rng(0)
    setting = {
        "theta": generator.normal(size=6),
        "curvature": np.logspace(0, -3, 6),
        "noise": 0.1 * generator.normal(size=(STEPS, 6)),
    }
    torch_runs = {
        "sgd": lambda p: SGD(p, RATE),
        "sgd-l2": lambda p: SGD(p, RATE, weight_decay=0.1),
        "momentum": lambda p: SGD(p, RATE, momentum=0.9),
        "nesterov": lambda p: SGD(p, RATE, momentum=0.9, nesterov=True),
        "adagrad": lambda p: Adagrad(p, RATE),
        "rmsprop": lambda p: RMSprop(p, RATE),
        "rmsprop-centred": lambda p: RMSprop(p, RATE, centered=True),
        "adam": lambda p: Adam(p, RATE),
        "adam-l2": lambda p: Adam(p, RATE, weight_decay=0.1),
        "amsgrad": lambda p: Adam(p, RATE, betas=(0.9, 0.9), amsgrad=True),
        "radam": lambda p: RAdam(p, RATE),
        "radam-short": lambda p: RAdam(p, RATE, betas=(0.9, 0.9)),
        "adamw": lambda p: AdamW(p, RATE, weight_decay=0.1),
        "rprop": lambda p: Rprop(p, RATE),
    }
    optax_runs = {
        "optax-amsgrad": lambda o: o.amsgrad(RATE, b2=0.9),
        "optax-adagrad": lambda o: o.adagrad(RATE, initial_accumulator_value=0.1, eps=0),
        "optax-rmsprop": lambda o: o.rmsprop(RATE, decay=0.9, eps=1e-8),
    }
    runs = {name: list(from_torch(make, **setting)) for name, make in torch_runs.items()}
    runs |= {name: list(from_optax(make, **setting)) for name, make in optax_runs.items()}
    versions = np.array([f"torch {torch.__version__}", f"optax {optax.__version__}"])
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, versions=versions, **setting, **{name: np.array(path) for name, path in runs.items()})


if __name__ == "__main__":
    main()
