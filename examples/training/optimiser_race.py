"""A race of optimisers

python examples/training/optimiser_race.py
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro import Parameters, Topology, optim, training, viz
from bioneuro._jit.keys import Key
from bioneuro.initializers import initialise
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier
from feedforward.network import Backprop, Network

RACERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
train, test = bioneuro.load_digits().split(random_state=0)
net, key = Topology.mlp(64, 30, 10), Key.from_seed(0)
X, Y = train.X - train.X.mean(axis=0), np.eye(10, dtype="float32")[train.y]
import time
t=time.time()
found = {name: training.find_learning_rate(initialise(net), Backprop(Network(net)), X, Y, optimizer=name, share=0.25, steps=100, key=key) for name in RACERS}
print({n: (f.best, f.losses.round(3)) for n,f in found.items()}, time.time()-t)
t=time.time()
for name in RACERS:
    runs=[NetworkClassifier((30,), optimizer=name, learning_rate=found[name].best, schedule="constant", l2=0, epochs=20, random_state=s).fit(train.X, train.y) for s in range(3)]
    print(name, np.mean([r.loss_curve_ for r in runs],0)[[0,1,3,7,19]], np.mean([r.score(test.X,test.y) for r in runs]), time.time()-t)
