"""Vanishing gradients, and each of the five remedies by itself.

python examples/training/vanishing_gradients.py
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro import Topology, viz
from bioneuro.topology.units import Sigmoid
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkRegressor
from feedforward.instruments import gradients
from feedforward.targets import to_range

DEPTH, RATES = 6, (0.1, 0.3, 1.0)
PLAIN = {"unit": "sigmoid", "output": "sigmoid", "loss": "squared", "initializer": "unit-gaussian", "targets": (0, 1)}
CASES = {
    "none": {},
    "1: weights of sd 1/sqrt(n)": {"initializer": "lecun-normal"},
    "2: targets .15 and .85": {"targets": (0.15, 0.85)},
    "3: 0.1 added to the slope": {"unit": Sigmoid(flat_spot=0.1), "output": Sigmoid(flat_spot=0.1)},
    "4: cross-entropy": {"loss": "logistic"},
    "5: ReLUs": {"unit": "relu", "initializer": "he-normal"},
}
train, test = bioneuro.load_digits().split(random_state=0)
Y = np.eye(10)[train.y]
import time
for name, change in CASES.items():
    case = PLAIN | change
    net = Topology.mlp(64, *[30] * DEPTH, 10, unit=case["unit"], output=case["output"])
    targets = to_range(Y, *case["targets"])
    sizes = []
    t=time.time()
    for seed in range(3):
        model = NetworkRegressor(topology=net, loss=case["loss"], initializer=case["initializer"], optimizer="momentum", schedule="constant", l2=0, epochs=0, random_state=seed)
        found = gradients(model.fit(train.X, targets), train.X, targets)
        sizes.append([np.sqrt(np.mean(found[p.name] ** 2)) for p in net.projections])
    accs={}
    for rate in RATES:
        accs[rate]=[]
        for seed in range(2):
            model.set_params(learning_rate=rate, epochs=20, random_state=seed).fit(train.X, targets)
            accs[rate].append(np.mean(model.predict(test.X).argmax(1)==test.y).round(3))
    print(name, np.exp(np.mean(np.log(sizes),0)), accs, round(time.time()-t,2))
