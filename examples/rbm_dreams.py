"""What a Boltzmann machine has learnt: its filters, and the digits it dreams when nothing is shown to it.

python examples/rbm_dreams.py
"""

import numpy as np
from matplotlib.figure import Figure

import bioneuro
import energy

digits = bioneuro.load_digits()
rbm = energy.RBM(n_components=100, epochs=150, random_state=0).fit(digits.X)
dreams = rbm.sample(40, means=True, random_state=0)
strongest = np.argsort(-np.abs(rbm.parameters_["visible->hidden"]).sum(axis=0))[:40]
filters = rbm.parameters_["visible->hidden"].T[strongest]

figure = Figure(figsize=(12, 3.9), layout="constrained")
seen, learnt, dreamt = figure.subplots(1, 3)
bioneuro.viz.images(digits.X[:40], digits.image_shape, columns=8, title="What it saw", ax=seen)
bioneuro.viz.images(
    filters, digits.image_shape, columns=8, value_range=(-3, 3), title="What its hidden units look for", ax=learnt
)
bioneuro.viz.images(dreams, digits.image_shape, columns=8, title="What it dreams", ax=dreamt)
figure.savefig("rbm_dreams.png", dpi=150)

novelty = np.array([np.abs(digits.X - dream).mean(axis=1).min() for dream in dreams])
print(f"mean difference of a dream from the nearest digit it saw: {novelty.mean():.3f} of the range of a pixel")
