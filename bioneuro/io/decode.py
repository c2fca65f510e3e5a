"""From the tree of a file back to things; whatever the tree may be, the outcome is a thing or a `FileFormatError`."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bioneuro import memory
from bioneuro.errors import FileFormatError
from bioneuro.io.container import parse_dtype
from bioneuro.io.encode import MAX_DEPTH, WORDS, is_fitted, names_of
from bioneuro.io.kinds import KINDS_BY_NAME
from bioneuro.io.storable import class_of

BYTES_PER_NUMBER = 40  # of a list in Python


def decode(header: dict, arrays: list[np.ndarray]) -> Any:
    """The thing that `encode` took apart; whatever else the tree may be is a `FileFormatError`."""
    decoder = _Decoder(arrays)
    thing = decoder.thing(header["tree"], 0)
    if decoder.waiting:
        raise FileFormatError(f"its header does not use array {min(decoder.waiting)}")
    return thing


class _Decoder:
    def __init__(self, arrays: list[np.ndarray]):
        self.waiting = dict(enumerate(arrays))  # each array belongs to one place
        self.seen: list[Any] = []

    def thing(self, node: Any, depth: int) -> Any:
        if depth > 2 * MAX_DEPTH:
            raise FileFormatError(f"its header is nested more than {MAX_DEPTH} deep")
        if isinstance(node, list):
            return [self.thing(entry, depth + 1) for entry in node]
        if not isinstance(node, dict):
            return node
        what = node.get("is")
        if not isinstance(what, str):
            raise FileFormatError("its header holds an object that does not say what it is")
        if what in KINDS_BY_NAME:
            parts = self.entries(_only(node, "of")["of"], depth)
            thing = _rebuild(what, lambda: KINDS_BY_NAME[what].put_together(**parts))
            self.seen.append(thing)
            return thing
        if what not in _READERS:
            raise FileFormatError(f"its header holds a {what[:40]!r}, which this version does not know")
        names, read = _READERS[what]
        return read(self, depth + 1, **_only(node, *names))

    def entries(self, named: Any, depth: int) -> dict:
        if not isinstance(named, dict):
            raise FileFormatError("its header holds a list where named entries belong")
        return {name: self.thing(node, depth + 1) for name, node in named.items()}

    def array(self, depth: int, of: Any, readonly: Any = False) -> np.ndarray:
        if type(of) is not int or of not in self.waiting or type(readonly) is not bool:
            raise FileFormatError(f"its header names array {str(of)[:40]}, which is not there or was used before")
        array = self.waiting.pop(of)
        array.flags.writeable = not readonly
        return array

    def numbers(self, depth: int, of: Any) -> list:
        array = self.array(depth, of)
        if array.ndim != 1:
            raise FileFormatError(f"array {of} is a list of numbers and has {array.ndim} axes")
        memory.require({"list": BYTES_PER_NUMBER * array.size}, "a list in the file")
        return array.tolist()

    def tupled(self, depth: int, of: Any) -> tuple:
        values = self.thing(of, depth)
        if not isinstance(values, list):
            raise FileFormatError("its header holds a tuple that is no list of entries")
        return tuple(values)

    def mapping(self, depth: int, of: Any) -> dict:
        if not isinstance(of, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in of):
            raise FileFormatError("its header holds a dict that is no list of pairs")
        pairs = [(self.thing(name, depth), self.thing(value, depth)) for name, value in of]
        named = _rebuild("dict", lambda: dict(pairs))
        if len(named) != len(pairs):
            raise FileFormatError("its header holds a dict with one name twice")
        return named

    def real(self, depth: int, of: Any) -> float:
        return _rebuild("float", lambda: struct.unpack(">d", bytes.fromhex(of))[0])  # infinite, or a NaN with its bits

    def path(self, depth: int, of: Any) -> Path:
        return _rebuild("path", lambda: Path(of))

    def scalar(self, depth: int, of: Any, dtype: Any) -> np.generic:
        dtype = parse_dtype(dtype)
        if not isinstance(of, str) or len(of) != 2 * dtype.itemsize:
            raise FileFormatError(f"a number of type {dtype} takes {dtype.itemsize} bytes, the header gives others")
        return _rebuild("number", lambda: np.frombuffer(bytes.fromhex(of), dtype)[0])

    def objects(self, depth: int, of: Any, shape: Any) -> np.ndarray:
        if (
            not isinstance(of, list)
            or not isinstance(shape, list)
            or not all(type(n) is int and n >= 0 for n in shape)
            or math.prod(shape) != len(of)
        ):
            raise FileFormatError("its header holds words that do not fill their array")
        words = [self.thing(entry, depth) for entry in of]
        if not all(isinstance(word, WORDS) for word in words):
            raise FileFormatError("its header holds an array of objects that are neither text nor numbers")
        array = np.empty(len(of), dtype=object)
        array[:] = words
        return _rebuild("array of words", lambda: array.reshape(shape))

    def again(self, depth: int, of: Any) -> Any:
        if type(of) is not int or not 0 <= of < len(self.seen):
            raise FileFormatError("its header repeats something that was not there before")
        return self.seen[of]

    def named(self, depth: int, key: Any, of: Any) -> Any:
        cls = class_of(key)
        if names_of(cls) is None:
            raise FileFormatError(f"{key!r} is a {cls!r} and no NamedTuple or dataclass, as the file has it")
        parts = self.entries(of, depth)
        return _rebuild(key, lambda: cls(**parts))

    def estimator(self, depth: int, key: Any, params: Any, fitted: Any) -> Any:
        cls = class_of(key)
        if not isinstance(cls, type) or not hasattr(cls, "get_params"):
            raise FileFormatError(f"{key!r} is {cls!r} and no estimator, as the file has it")
        chosen = self.entries(params, depth)
        model = _rebuild(key, lambda: cls(**chosen))
        for name, value in self.entries(fitted, depth).items():
            if not is_fitted(name) or not name.isidentifier() or callable(getattr(cls, name, None)):
                raise FileFormatError(f"{name[:40]!r} is no fitted attribute of {key}")
            _rebuild(key, partial(setattr, model, name, value))
        return model


def _only(node: dict, *names: str) -> dict:
    """The entries of `node` but for "is", which must be `names`; "readonly" may be left out."""
    given = {name: value for name, value in node.items() if name != "is"}
    if not set(given) <= set(names) or set(names) - set(given) - {"readonly"}:
        raise FileFormatError(f"its header describes a {node['is']} without {', '.join(names)}")
    return given


def _rebuild(what: str, make: Callable[[], Any]) -> Any:
    """`make()`; whatever a constructor objects to is the fault of the file."""
    try:
        return make()
    except Exception as error:
        raise FileFormatError(f"its content is no {what}: {error or type(error).__name__}") from None


_READERS: dict[str, tuple[tuple[str, ...], Callable]] = {
    "array": (("of", "readonly"), _Decoder.array),
    "numbers": (("of",), _Decoder.numbers),
    "tuple": (("of",), _Decoder.tupled),
    "dict": (("of",), _Decoder.mapping),
    "float": (("of",), _Decoder.real),
    "path": (("of",), _Decoder.path),
    "scalar": (("of", "dtype"), _Decoder.scalar),
    "objects": (("of", "shape"), _Decoder.objects),
    "again": (("of",), _Decoder.again),
    "named": (("key", "of"), _Decoder.named),
    "estimator": (("key", "params", "fitted"), _Decoder.estimator),
}
