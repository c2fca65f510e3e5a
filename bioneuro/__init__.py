"""One topology and one data set for spiking, Hebbian, Hopfield, Boltzmann and backprop networks.

>>> import bioneuro, energy
>>> stored = bioneuro.load_digits().prototypes()
>>> memory = energy.HopfieldMemory(rule="pseudo-inverse").fit(stored)
>>> noisy = bioneuro.corrupt(stored, flip=0.2, random_state=0)
>>> memory.score(noisy, stored) > 0.9
True
"""

from bioneuro.lazy import lazy_names

__version__ = "0.1.0"

_NAMES = {
    "Topology": "bioneuro.topology",
    "Population": "bioneuro.topology",
    "Dense": "bioneuro.topology",
    "Sparse": "bioneuro.topology",
    "OneToOne": "bioneuro.topology",
    "Conv2D": "bioneuro.topology",
    "Pool2D": "bioneuro.topology",
    "Lesion": "bioneuro.topology",
    "Parameters": "bioneuro.parameters",
    "Recording": "bioneuro.recording",
    "Dataset": "bioneuro.data",
    "load_digits": "bioneuro.data",
    "load_mnist": "bioneuro.data",
    "corrupt": "bioneuro.data",
    "save": "bioneuro.io",
    "load": "bioneuro.io",
    "Study": "bioneuro.compare",
    **{
        module: f"bioneuro.{module}"
        for module in (
            "compare",
            "data",
            "initializers",
            "io",
            "optim",
            "plasticity",
            "spiking",
            "topology",
            "training",
            "viz",
        )
    },
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
