"""Conditioning: features of unlike size make the loss a ravine; standardised, they make it a bowl.

python examples/training/conditioning.py

A linear unit learns from measurements of a wine whether it comes from the third of three growers. Its squared loss has
the Hessian H = X'X / n. Descent flies out of a ravine at rates above 2 / (largest eigenvalue); at safe rates it needs
about as many steps as the condition number, largest / smallest eigenvalue, to get along the bottom.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from sklearn.datasets import load_wine

from bioneuro import viz
from bioneuro.data import Standardise, Whiten
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkRegressor

X, y = load_wine(return_X_y=True)
y, pair, away, room = (y == 2) - np.mean(y == 2), X[:, [1, 9]], np.array([0.3, -0.05]), np.array([0.45, 0.18])
standard, names = Standardise().fit_transform(X), {"xlabel": "weight of malic acid", "ylabel": "weight of colour"}


def descend(X, rate, steps, start):
    """The weights before the first step and after each; an epoch of one batch is one step."""
    path = [start]
    NetworkRegressor(
        (), optimizer="sgd", learning_rate=rate, schedule="constant", batch_size=len(X), epochs=steps, l2=0,
        centre=False, initializer=lambda *_: start[:, None], frozen=("output.bias",), dtype="float64",
        callbacks=[lambda seen: path.append(seen.parameters["input->output"].ravel().copy())],
    ).fit(X, y)  # fmt: skip
    return np.array(path)


def loss(w, X):
    return np.mean((w @ X.T - y) ** 2, axis=-1) / 2


rcParams.update(SETTINGS)
figure = Figure(figsize=(11, 7), layout="constrained")
axes = figure.subplot_mosaic([[0, 0, 1, 1, 2, 2], ["H", "H", "H", "loss", "loss", "loss"]], height_ratios=[1.1, 1])
maps = ("Raw", pair, 2.1, 1), ("Raw", pair, 1, 1), ("Standardised", standard[:, [1, 9]], 1, pair.std(axis=0))
for ax, (kind, Z, share, unit) in zip(axes.values(), maps, strict=False):
    values, best = np.linalg.eigvalsh(Z.T @ Z / len(Z)), np.linalg.lstsq(Z, y)[0]
    path, limits = descend(Z, share / values[-1], 16, best + away * unit), [best - room * unit, best + room * unit]
    viz.descent_paths(lambda w, Z=Z: loss(w, Z), {"": path}, minimum=best, limits=np.transpose(limits), ax=ax, **names)
    ax.set_title(rf"{kind}, condition {values[-1] / values[0]:.2g}, rate {share} / $\lambda_1$")
spectra, above = {}, {}
for kind, Z in {"raw": X, "standardised": standard, "whitened": Whiten().fit_transform(X)}.items():
    values = np.linalg.eigvalsh(Z.T @ Z / len(Z))[::-1]
    spectra[f"{kind}: condition number {values[0] / values[-1]:,.0f}"] = values
    above[kind] = loss(descend(Z, 1 / values[0], 1000, np.zeros(13)), Z) - loss(np.linalg.lstsq(Z, y)[0], Z) + 1e-12
    print(kind, "loss above the least after 0, 10, 100, 1000 steps:", above[kind][[0, 10, 100, 1000]].round(6))
top, down = viz.bands(spectra, range(1, 14), ax=axes["H"]), viz.bands(above, range(1001), ax=axes["loss"])
top.set(title="Eigenvalues of H, 13 features", xlabel="from the largest", ylabel=r"eigenvalue $\lambda$", yscale="log")
down.set(title=r"Descent on 13 features, rate 1 / $\lambda_1$", xlabel="step", ylabel="loss above the least")
down.set(xscale="symlog", xlim=(0, 1000), yscale="log", ylim=(1e-8, 0.2))
figure.savefig("conditioning.png", dpi=150)
