"""Things as trees of JSON: what is small stands in the tree, arrays stand beside it and are named by their number.

None, booleans, whole numbers, finite floats, text and lists are themselves; everything else is an object whose "is"
says what it is: {"is": "tuple", "of": [...]}, {"is": "array", "of": 0}, {"is": "Parameters", "of": {...}}.
One of the frozen things (`KINDS`) that occurs twice is stored once and is one again after loading.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from bioneuro.errors import InvalidInput
from bioneuro.io.container import storable_dtype
from bioneuro.io.kinds import KINDS, kind_of
from bioneuro.io.storable import key_of

MAX_DEPTH = 64
MAX_BITS = 4096  # of a whole number
WORDS = (str, int, float, bool, type(None))  # what an array of objects may hold
PACKED = 64  # lists of more numbers than this go into an array
INSTEAD = "give it by its name, or an object that does the same, or None"  # of a function


def encode(thing: Any) -> tuple[dict, list[np.ndarray]]:
    """Return `(header, arrays)`: the header's "what" and "tree", and the arrays that the tree names by number."""
    encoder = _Encoder()
    return {"what": type(thing).__name__, "tree": encoder.node(thing, type(thing).__name__, 0)}, encoder.arrays


class _Encoder:
    def __init__(self):
        self.arrays: list[np.ndarray] = []
        self.seen: dict[int, int] = {}  # id of a frozen thing -> its place among them

    def node(self, thing: Any, where: str, depth: int) -> Any:
        """`thing` as JSON; `where` names the place in what was given."""
        if depth > MAX_DEPTH:
            raise InvalidInput(f"cannot store {where[:80]}...: nested more than {MAX_DEPTH} deep, or it holds itself")
        write = _WRITERS.get(type(thing))
        if write is not None:
            return write(self, thing, where, depth + 1)
        if isinstance(thing, PurePath):
            return {"is": "path", "of": str(thing)}
        if isinstance(thing, np.generic):
            return self.scalar(thing, where)
        if kind_of(thing) is not None:
            return self.kind(thing, where, depth + 1)
        if callable(thing) or (isinstance(thing, tuple) and any(map(callable, thing))):
            raise _cannot_store(where, f"a {type(thing).__name__}, and functions are not stored ({INSTEAD})")
        if (names := names_of(type(thing))) is not None:
            parts = {name: getattr(thing, name) for name in names}
            return {"is": "named", "key": key_of(type(thing), where), "of": self.entries(parts, where, depth + 1)}
        if hasattr(thing, "get_params"):
            return self.estimator(thing, where, depth + 1)
        raise _cannot_store(where, f"a {type(thing).__name__}")

    def entries(self, named: Mapping[str, Any], where: str, depth: int) -> dict:
        return {name: self.node(value, f"{where}.{name}", depth) for name, value in named.items()}

    def integer(self, value: int, where: str, depth: int) -> int:
        if value.bit_length() > MAX_BITS:
            raise InvalidInput(f"cannot store {where}: a whole number of {value.bit_length()} bits, at most {MAX_BITS}")
        return value

    def real(self, value: float, where: str, depth: int) -> Any:
        return value if math.isfinite(value) else {"is": "float", "of": struct.pack(">d", value).hex()}

    def sequence(self, values: list, where: str, depth: int) -> Any:
        kinds = set(map(type, values)) if len(values) > PACKED else set()
        if kinds == {float} or (kinds == {int} and min(values) >= -(2**63) and max(values) < 2**63):
            return {"is": "numbers", "of": self._put(np.array(values))}
        return [self.node(value, f"{where}[{k}]", depth) for k, value in enumerate(values)]

    def tupled(self, values: tuple, where: str, depth: int) -> dict:
        return {"is": "tuple", "of": self.sequence(list(values), where, depth)}

    def mapping(self, values: dict, where: str, depth: int) -> dict:
        pairs = [
            [self.node(name, f"a name in {where}", depth), self.node(value, f"{where}[{name!r}]", depth)]
            for name, value in values.items()
        ]
        return {"is": "dict", "of": pairs}

    def array(self, array: np.ndarray, where: str, depth: int) -> dict:
        if array.dtype == object:
            return self.objects(array, where, depth)
        if not storable_dtype(array.dtype):
            raise _cannot_store(where, f"an array of {array.dtype}")
        node = {"is": "array", "of": self._put(array)}
        return node if array.flags.writeable else {**node, "readonly": True}

    def objects(self, array: np.ndarray, where: str, depth: int) -> dict:
        """Words of different lengths, as data frames name their columns."""
        values = array.ravel().tolist()
        for value in values:
            if type(value) not in WORDS:
                raise _cannot_store(where, f"an array of objects, among them a {type(value).__name__}")
        return {"is": "objects", "shape": list(array.shape), "of": [self.node(v, where, depth) for v in values]}

    def scalar(self, value: np.generic, where: str) -> dict:
        if not storable_dtype(value.dtype):
            raise _cannot_store(where, f"a number of type {value.dtype}")
        return {"is": "scalar", "dtype": value.dtype.str, "of": value.tobytes().hex()}

    def kind(self, thing: Any, where: str, depth: int) -> dict:
        if id(thing) in self.seen:
            return {"is": "again", "of": self.seen[id(thing)]}
        cls = kind_of(thing)
        node = {"is": cls.__name__, "of": self.entries(KINDS[cls].take_apart(thing), where, depth)}
        self.seen[id(thing)] = len(self.seen)
        return node

    def estimator(self, model: Any, where: str, depth: int) -> dict:
        key, params = key_of(type(model), where), model.get_params(deep=False)
        fitted = {name: value for name, value in vars(model).items() if name not in params and is_fitted(name)}
        return {
            "is": "estimator",
            "key": key,
            "params": self.entries(params, where, depth),
            "fitted": self.entries(fitted, where, depth),
        }

    def _put(self, array: np.ndarray) -> int:
        self.arrays.append(np.asarray(array))
        return len(self.arrays) - 1


def names_of(cls: Any) -> tuple[str, ...] | None:
    """The fields of a NamedTuple or a dataclass; None for all other classes."""
    if isinstance(cls, type) and is_dataclass(cls):
        return tuple(field.name for field in fields(cls))
    return getattr(cls, "_fields", None)


def is_fitted(attribute: str) -> bool:
    """Whether an attribute is part of what was learnt: named `like_this_`, or `_like_this` where it is private."""
    return (attribute.endswith("_") or attribute.startswith("_")) and not attribute.startswith("__")


def _cannot_store(where: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"cannot store {where}: it is {what}; what can be stored are numbers, text, booleans, None, arrays of numbers, "
        "booleans or text, lists, tuples and dicts of those, topologies, parameters, lesions, recordings, data sets, "
        "units, optimisers, schedules and emphases, and registered estimators, NamedTuples and dataclasses"
    )


def _itself(encoder: _Encoder, thing: Any, where: str, depth: int) -> Any:
    return thing


_WRITERS: dict[type, Callable] = {
    type(None): _itself,
    bool: _itself,
    str: _itself,
    int: _Encoder.integer,
    float: _Encoder.real,
    list: _Encoder.sequence,
    tuple: _Encoder.tupled,
    dict: _Encoder.mapping,
    np.ndarray: _Encoder.array,
    np.memmap: _Encoder.array,
}
