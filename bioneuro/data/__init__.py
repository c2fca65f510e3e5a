"""Data: one shape for every set, digits, patterns, plane figures, corruption, and what happens to rows before a model.

>>> from bioneuro.data import load_digits
>>> load_digits()
Dataset('digits': 1797 rows x 64 features in [0, 1], images (8, 8), 10 classes)
"""

from bioneuro.lazy import lazy_names

_NAMES = {
    "Dataset": "bioneuro.data.dataset",
    "load_digits": "bioneuro.data.digits",
    "load_mnist": "bioneuro.data.digits",
    "read_idx": "bioneuro.data.idx",
    "Spikes": "bioneuro.data.encoding",
    "encode_latency": "bioneuro.data.encoding",
    "encode_poisson": "bioneuro.data.encoding",
    "encode_rate": "bioneuro.data.encoding",
    "rates_of": "bioneuro.data.encoding",
    "corrupt": "bioneuro.data.corruption",
    "known_half": "bioneuro.data.corruption",
    "random_patterns": "bioneuro.data.patterns",
    "biased_patterns": "bioneuro.data.patterns",
    "correlated_patterns": "bioneuro.data.patterns",
    "xor": "bioneuro.data.shapes2d",
    "concentric_circles": "bioneuro.data.shapes2d",
    "spirals": "bioneuro.data.shapes2d",
    "bars_and_stripes": "bioneuro.data.shapes2d",
    "imbalanced": "bioneuro.data.shapes2d",
    "Standardise": "bioneuro.data.transforms",
    "Whiten": "bioneuro.data.transforms",
    "Bipolar": "bioneuro.data.transforms",
    "Binarise": "bioneuro.data.transforms",
}

__all__ = sorted(_NAMES)
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
