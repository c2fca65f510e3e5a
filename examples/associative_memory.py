"""An associative memory: ten digits stored in the weights, recalled from noise, and again with neurons dead.

python examples/associative_memory.py
"""

from matplotlib.figure import Figure

import bioneuro
import energy
from bioneuro.viz.style import BLUE

digits = bioneuro.load_digits()
stored = digits.prototypes()
memory = energy.HopfieldMemory(rule="pseudo-inverse", random_state=0).fit(stored)
noisy = bioneuro.corrupt(stored, flip=0.2, random_state=0)
recalled = memory.recall_recording(noisy)
hurt = memory.lesion(units=0.3, random_state=0)

print(f"recalled: {energy.exact_recall(memory.recall(noisy), stored)} of {len(stored)} without a wrong pixel")
print(f"overlap with what was stored: {memory.score(noisy, stored):.3f}, ", end="")
print(f"with three neurons in ten dead: {hurt.score(noisy, stored):.3f}")

figure = Figure(figsize=(10, 3), layout="constrained")
pictures, falling = figure.subplots(1, 2, width_ratios=(2.2, 1))
bioneuro.viz.images(
    {
        "stored": digits.pictures(stored),
        "20 % flipped": digits.pictures(noisy),
        "recalled": digits.pictures(memory.recall(noisy)),
        "30 % dead": digits.pictures(hurt.recall(noisy)),
    },
    digits.image_shape,
    title="Ten digits in one set of weights",
    ax=pictures,
)
falling.plot(recalled["energy"], color=BLUE, alpha=0.7)
falling.set(title="Every recall runs downhill", xlabel="sweeps over all neurons", ylabel="energy")
figure.savefig("associative_memory.png", dpi=150)
