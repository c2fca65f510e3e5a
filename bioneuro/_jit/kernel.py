"""Compiled kernels: one decorator, cached specialisation, and a digest that keeps the disk cache honest.

Numba's disk cache looks only at the file that holds a function. A kernel that calls a function of another file would
go on giving its old answer after an edit there. So every kernel's `__qualname__`, which names its cache file, carries a
digest of all files of this package, of every decorated function of another file that the kernel names, and of those
that its own file imports: functions beside it may call them. The digest of a function holds its whole file, constants
included; a constant of a file of which nothing decorated is imported goes unseen.

With `NUMBA_DISABLE_JIT=1` the decorators return the plain functions.
"""

from __future__ import annotations

import hashlib
import linecache
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
from numba.core.typing.templates import infer_global, make_intrinsic_template
from numba.extending import overload

from bioneuro._jit.forms import Forms
from bioneuro._jit.parts import PART
from bioneuro.errors import InvalidInput, choose

_OPTIONS = {"nogil": True, "error_model": "numpy"}
_CONSTANTS = (bool, int, float, str, tuple, type(None), np.generic)
_NAMED = (np.ufunc, types.BuiltinFunctionType)

_compiled: dict[types.FunctionType, _Compiled] = {}
_twins: set[types.FunctionType] = set()
_specialised: dict[tuple, Callable] = {}


class UncachedKernel(UserWarning):
    """A kernel that each process compiles again, because its cache file could not be trusted or written."""


class Slot(NamedTuple):
    """A global name of a template that `specialise` fills in; the text says what belongs there."""

    description: str

    def __call__(self, *_):
        raise InvalidInput(f"this template needs {self.description}; bind it with specialise(template, name=...)")


class KernelStatistics(NamedTuple):
    """How one kernel of this process came to be: signatures loaded from disk (hits) and compiled (misses)."""

    name: str
    signatures: int
    hits: int
    misses: int
    cached: bool


class _Compiled(NamedTuple):
    call: Callable
    digest: bytes | None  # of everything the function depends on, its own file included; None without source
    cached: bool


def kernel(function: types.FunctionType) -> Callable:
    """Compile `function` on first call: cached on disk, without the GIL, with NumPy's rules for division.

    Kernels take arrays and scalars, write into arrays passed in, never raise and never print. They call functions of
    their own file, of `bioneuro._jit`, decorated functions that their file imports by name, and what Numba knows of
    NumPy and Python.
    """
    return _decorate(function)


def scalar(function: types.FunctionType) -> Callable:
    """Compile `function` as `kernel` does, to be inlined wherever a kernel calls it, so that loops vectorise."""
    return _decorate(function, forceinline=True)


def twin_of(twin: types.FunctionType) -> Callable:
    """Register what kernels run instead of the plain-Python `twin`.

    The decorated function maps the Numba types of the arguments to an implementation (or to None: not supported).
    Python calls of `twin`, and everything when the JIT is off, run `twin` itself.
    """
    _twins.add(twin)
    return overload(twin, jit_options=_OPTIONS | PART | {"forceinline": True})


def instruction_for(twin: types.FunctionType) -> Callable:
    """Register the LLVM code that kernels run instead of the plain-Python `twin`, without a function of its own.

    The decorated function is what `numba.extending.intrinsic` takes: the types of the arguments to a signature and the
    function that builds the code.
    """
    _twins.add(twin)

    def register(build: Callable) -> Callable:
        template = make_intrinsic_template(twin, build, twin.__name__)
        infer_global(twin, numba.types.Function(template))
        return build

    return register


def specialise(template: Callable, /, **bound) -> Callable:
    """Return `template` compiled with its global names replaced by `bound`: functions or constants.

    A function passed as an argument, or closed over, is never found in the disk cache by a second process; a
    specialisation is, and runs like a kernel written by hand. The same template and bindings give the same object.

    Parameters
    ----------
    template : a module-level function (plain or a kernel) that uses each bound name as a global
    bound : plain functions, `@scalar` and `@kernel` functions, functions of `bioneuro._jit`, NumPy ufuncs, numbers,
        strings, tuples of these

    For example, with `unit = Slot("unit(field) -> mean")` and `_means` calling `unit(z[i])` in one module:
    `sigmoid_means = specialise(_means, unit=sigmoid)`.
    """
    function = getattr(template, "py_func", template)
    if function.__closure__:
        raise InvalidInput(f"{function.__name__} closes over {function.__code__.co_freevars}; make them globals")
    used = sorted(set(_names(function.__code__)))
    for name, value in bound.items():
        choose(f"global name in template {function.__name__}", name, used)
        if not isinstance(value, _CONSTANTS + _NAMED) and not (callable(value) and hasattr(value, "__qualname__")):
            raise InvalidInput(
                f"specialise binds functions, numbers, strings and tuples, got {name}={type(value).__name__}; "
                "pass arrays to the kernel as arguments"
            )
    key = (function, *((name, _identity(bound[name])) for name in sorted(bound)))
    if key not in _specialised:
        _specialised[key] = _specialise(function, bound)
    return _specialised[key]


def kernel_statistics() -> list[KernelStatistics]:
    """Return one row per kernel, scalar and specialisation defined so far in this process, sorted by name."""
    return sorted(_statistics(function, record) for function, record in _compiled.items())


def _specialise(function: types.FunctionType, bound: dict) -> Callable:
    told = any(_was_told_of(value) for value in bound.values())
    if not numba.config.DISABLE_JIT:
        bound = {name: _as_scalar(value) for name, value in bound.items()}
    label = ",".join(f"{name}={_label(value)}" for name, value in sorted(bound.items()))[:80]
    copy = types.FunctionType(
        function.__code__, {**function.__globals__, **bound}, f"{function.__name__}[{label}]", function.__defaults__
    )
    copy.__qualname__, copy.__module__, copy.__doc__ = copy.__name__, function.__module__, function.__doc__
    copy.__kwdefaults__ = function.__kwdefaults__
    return _decorate(copy, bound=bound, notify=not told)


def _was_told_of(value) -> bool:
    """Whether a kernel that is bound has said already that it is compiled anew; whoever uses it need not repeat it."""
    record = None if isinstance(value, types.FunctionType) else _record(value)
    return record is not None and record.digest is None


def _as_scalar(value):
    if not isinstance(value, types.FunctionType) or value in _twins:
        return value
    return _compiled[value].call if value in _compiled else _decorate(value, notify=False, forceinline=True)


def _decorate(function: types.FunctionType, *, bound: dict | None = None, notify: bool = True, **options) -> Callable:
    surroundings = _digest_surroundings(function, bound or {})
    source = None if function.__closure__ else _source(function)
    trusted = surroundings is not None and source is not None
    digest = _blake(surroundings, source) if trusted else None
    call, cached = function, False
    if not numba.config.DISABLE_JIT:
        name = function.__qualname__
        if trusted:
            function.__qualname__ = f"{name}_{surroundings.hex()}"
            try:
                call, cached = Forms.of(function, _OPTIONS | options, cached=True), True
            except RuntimeError as error:  # Numba found no folder that it may write to
                _notify(name, str(error))
        elif notify:
            _notify(
                name,
                "it, or a function it calls, closes over values or has no source file to watch for changes; "
                "define it at the top of a module",
            )
        if not cached:
            call = Forms.of(function, _OPTIONS | options, cached=False)
    _compiled[function] = _Compiled(call, digest, cached)
    return call


def _notify(name: str, reason: str) -> None:
    warnings.warn(f"kernel {name} is compiled anew in every process: {reason}", UncachedKernel, stacklevel=4)


def _digest_surroundings(function: types.FunctionType, bound: dict) -> bytes | None:
    """Digest all that the answer depends on and Numba's cache does not see; None if some of it has no source."""
    parts = [_HEADERS, f"{function.__module__} {function.__defaults__}".encode(), *_code_parts(function.__code__)]
    for name, value in sorted(bound.items()):
        record = _record(value)
        parts += [name.encode(), repr(_identity(value)).encode() if record is None else record.digest]
    for callee in (*_callees(function), *_imported(function)):
        record = _record(callee)
        if record and getattr(callee, "py_func", callee).__code__.co_filename != function.__code__.co_filename:
            parts.append(record.digest)
    return None if None in parts else _blake(*parts)


def _callees(function: types.FunctionType) -> Iterator:
    """Yield what the global names of `function` stand for, `module.name` included."""
    names = sorted(set(_names(function.__code__)))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, types.ModuleType):
            yield from (getattr(value, inner) for inner in names if hasattr(value, inner))
        else:
            yield value


def _imported(function: types.FunctionType) -> Iterator:
    """Yield the decorated functions that the file of `function` knows by now; those without a source, only callees."""
    for _, value in sorted(function.__globals__.items()):
        record = None if isinstance(value, types.ModuleType) else _record(value)
        if record is not None and record.digest is not None:
            yield value


def _code_parts(code: types.CodeType) -> Iterator[bytes]:
    """Yield what tells functions of one file apart, lambdas of one line included."""
    yield f"{code.co_qualname}:{code.co_firstlineno} {code.co_names}".encode()
    yield code.co_code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code_parts(constant)
        else:  # the order of a set of strings differs between processes
            yield repr(sorted(constant, key=repr) if isinstance(constant, frozenset) else constant).encode()


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _record(value) -> _Compiled | None:
    function = getattr(value, "py_func", value)
    return _compiled.get(function) if isinstance(function, types.FunctionType) else None


def _identity(value):
    """Return what tells one binding from another: equal numbers of different types differ, and so do 0.0 and -0.0."""
    if isinstance(value, _CONSTANTS + _NAMED):
        return repr(value)
    function = getattr(value, "py_func", value)
    if isinstance(function, types.FunctionType) and function not in _twins:
        return function
    return f"{function.__module__}.{function.__qualname__}"


def _label(value) -> str:
    text = getattr(getattr(value, "py_func", value), "__name__", None) or str(value)
    return "".join(character if character.isalnum() or character in "_.-" else "_" for character in text)


def _source(function: types.FunctionType) -> bytes | None:
    """Return the whole file (or notebook cell) that holds `function`: helpers beside it change its answer too."""
    path = Path(function.__code__.co_filename)
    if path.is_file():
        return path.read_bytes()
    return "".join(linecache.getlines(str(path), function.__globals__)).encode() or None


def _blake(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=6)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def _statistics(function: types.FunctionType, record: _Compiled) -> KernelStatistics:
    name = f"{function.__module__}.{function.__name__}"
    forms = list(record.call.made()) if isinstance(record.call, Forms) else []
    hits = sum(sum(form.stats.cache_hits.values()) for form in forms)
    misses = sum(sum(form.stats.cache_misses.values()) for form in forms)
    signatures = sum(len(form.signatures) for form in forms)
    return KernelStatistics(name, signatures, hits, misses if record.cached else signatures, record.cached)


_HEADERS = _blake(*(path.name.encode() + path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
