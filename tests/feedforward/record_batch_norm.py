"""Record a training with batch normalisation in PyTorch: run once, by hand, where it is there.

    python tests/feedforward/record_batch_norm.py

A 4-5-3 network (linear, normalised, tanh, linear) in float64, 10 steps of gradient descent on 1/2 |a - y|^2, in batches
of 6 rows. All that it has after each step goes into recorded/batch_norm.npz, where `test_normalisation.py` looks.
"""

from pathlib import Path

import numpy as np

STEPS, ROWS, RATE = 10, 6, 0.3
FILE = Path(__file__).parent / "recorded" / "batch_norm.npz"


def main():
    import torch

    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    norm = torch.nn.BatchNorm1d(5)
    hidden, output = torch.nn.Linear(4, 5, bias=False), torch.nn.Linear(5, 3)
    network = torch.nn.Sequential(hidden, norm, torch.nn.Tanh(), output)
    optimizer = torch.optim.SGD(network.parameters(), RATE)
    now = {
        "input->hidden": lambda: hidden.weight.T,
        "hidden->output": lambda: output.weight.T,
        "hidden.bias": lambda: norm.bias,
        "hidden.gain": lambda: norm.weight,
        "hidden.mean": lambda: norm.running_mean,
        "hidden.variance": lambda: norm.running_var,
        "output.bias": lambda: output.bias,
    }

    def snapshot():
        return {name: read().detach().numpy().copy() for name, read in now.items()}

    X, y = torch.randn(STEPS, ROWS, 4) * 3 + 1, torch.randn(STEPS, ROWS, 3)
    path = [snapshot()]
    for rows, targets in zip(X, y, strict=True):
        optimizer.zero_grad()
        (0.5 * (network(rows) - targets).square().sum() / ROWS).backward()
        optimizer.step()
        path.append(snapshot())
    network.eval()
    answer = network(X[0]).detach().numpy()
    recorded = {name: np.array([moment[name] for moment in path]) for name in now}
    FILE.parent.mkdir(exist_ok=True)
    version = np.array(f"torch {torch.__version__}")
    np.savez_compressed(FILE, version=version, X=X.numpy(), y=y.numpy(), answer=answer, **recorded)


if __name__ == "__main__":
    main()
