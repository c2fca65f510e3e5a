"""Running averages: what momentum remembers is about the last 1 / (1 - beta) gradients, and at first too little.

python examples/training/running_averages.py

v <- beta v + (1 - beta) g, as `optim.ewma` takes it of gradients, here of a slow wave with noise. Two controls: a plain
mean of the last 1 / (1 - beta) values, and the variance of an average of noise alone, (1 - beta) / (1 + beta).
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

from bioneuro import Parameters, Topology, optim, viz
from bioneuro.viz.style import GREY, INK, SETTINGS

STEPS, BETAS, FIRST = 300, (0.5, 0.9, 0.98), 60
draw, unit = np.random.default_rng(0), Topology.mlp(1, 1, output="linear")
wave = 1 + 0.5 * np.sin(2 * np.pi * np.arange(STEPS) / STEPS)
noise = 0.5 * draw.normal(size=STEPS)


def averages(values, beta, corrected=True):
    """What the optimiser steps by, were the values gradients and its rate 1."""
    optimizer, parameters = optim.ewma(1.0, beta=beta, corrected=corrected), Parameters.zeros(unit, "float64")
    state, found = optimizer.init(parameters), []
    for step, value in enumerate(values):
        update = np.full(parameters.theta.size, value)  # the gradient goes in
        optimizer.update(update, state, parameters, step)  # and comes out as the step, downhill
        found.append(-update[0])
    return np.array(found)


rcParams.update(SETTINGS)
left, right = (figure := Figure(figsize=(11, 4.4), layout="constrained")).subplots(1, 2)
curves = {f"beta {beta}: about {1 / (1 - beta):.0f} values": averages(wave + noise, beta) for beta in BETAS}
left.plot(wave + noise, ".", color=GREY, alpha=0.5, markersize=4, label="values")
viz.bands(curves, range(STEPS), title="The longer the memory, the smoother, and the later", xlabel="step", ax=left)
left.plot(wave, color=INK, linewidth=0.8, label="without noise")
left.set(ylabel="gradient", ylim=(-1.8, 2.7))
left.legend(ncols=2, loc="lower left")
kinds = {"corrected": averages(wave + noise, 0.98), "uncorrected": averages(wave + noise, 0.98, corrected=False)}
kinds["plain mean of the last 50"] = [np.mean((wave + noise)[max(0, k - 49) : k + 1]) for k in range(STEPS)]
viz.bands({name: values[:FIRST] for name, values in kinds.items()}, range(FIRST), markers=False, ax=right)
right.plot(wave[:FIRST], color=INK, linewidth=0.8, label="without noise")
right.set(title="beta 0.98: uncorrected averages begin at 0", xlabel="step", ylabel="gradient")
right.legend()
long = draw.normal(size=20_000)
for beta in BETAS:
    formula, found = (1 - beta) / (1 + beta), averages(long, beta)[1000:].var()
    print(f"beta {beta}: {found:.4f} of the variance of noise is left, by the formula {formula:.4f}")
figure.savefig("running_averages.png", dpi=150)
