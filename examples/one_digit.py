"""One digit through the engines: what a backprop network, a Boltzmann machine and a Hopfield memory make of it.

python examples/one_digit.py
"""

import numpy as np
from matplotlib.figure import Figure

import bioneuro
import energy
import feedforward
from bioneuro.viz.style import BLUE

digits = bioneuro.load_digits()
train, test = digits.split(random_state=0)
net = bioneuro.Topology.mlp(64, 100, 10)  # the one topology: both use its input->hidden projection

backprop = feedforward.NetworkClassifier(topology=net, random_state=0).fit(train.X, train.y)
boltzmann = energy.RBMClassifier(topology=net, random_state=0).fit(train.X, train.y)
hopfield = energy.HopfieldMemory(rule="pseudo-inverse", random_state=0).fit(digits.prototypes())

row = int(np.flatnonzero(test.y == 3)[0])
digit = bioneuro.corrupt(test.X[row : row + 1], gaussian=0.1, random_state=0)
pattern = np.where(digit > np.median(digits.X, axis=0), 1.0, -1.0)

figure = Figure(figsize=(11, 5.2), layout="constrained")
axes = figure.subplots(2, 3)
bioneuro.viz.images(digit, (8, 8), title="A handwritten three, with noise", ax=axes[0, 0])
for ax, name, model in ((axes[0, 1], "backprop network", backprop), (axes[0, 2], "Boltzmann machine", boltzmann)):
    ax.bar(range(10), model.predict_proba(digit)[0], color=BLUE)
    ax.set(title=f"{name} says {model.predict(digit)[0]}", xlabel="digit", ylabel="probability", xticks=range(10))
recall = digits.pictures(np.concatenate([pattern, hopfield.recall(pattern)]))
bioneuro.viz.images(recall, (8, 8), titles=["shown", "recalled"], title="Hopfield memory", ax=axes[1, 0])
hidden = {"backprop (ReLU)": backprop.activations(digit)["hidden"][0], "Boltzmann": boltzmann.transform(digit)[0]}
for ax, (name, values) in zip(axes[1, 1:], hidden.items(), strict=True):
    ax.vlines(range(len(values)), 0, values, color=BLUE)
    ax.set(title=f"its hidden units: {name}", xlabel="hidden unit", ylabel="activity")

print("backprop:", backprop.predict(digit)[0], " Boltzmann:", boltzmann.predict(digit)[0], " it is a:", test.y[row])
figure.savefig("one_digit.png", dpi=150)
