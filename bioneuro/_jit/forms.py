"""A compiled function in its forms: called from Python, from other kernels, or by address.

Numba surrounds the code of a function by two wrappers, one that unpacks Python's objects and one that C could call.
They take longer to compile than a small kernel does, and each way to call a kernel needs one of them at most. So every
form is compiled by itself, the first time that somebody calls the function in this way.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType

from numba import types
from numba.core.caching import FunctionCache
from numba.core.compiler import Compiler
from numba.core.dispatcher import Dispatcher, NullCache
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys

from bioneuro._jit.parts import INNER, PartCompiler

_FOR_PYTHON = {"no_cfunc_wrapper": True}
_OTHERS = {"inner": INNER, "address": {"no_cpython_wrapper": True, "no_cfunc_wrapper": False}}
_COMPILERS = {"inner": PartCompiler, "address": Compiler}


class _Form(CPUDispatcher):
    def enable_caching(self):
        self._cache = _Cache(self.py_func)

    def compile(self, sig):
        with _uncollected():
            return super().compile(sig)


class Forms(_Form):
    """The form of a function for Python, which knows the others. Kernels that name it call the inner one."""

    @classmethod
    def of(cls, function: FunctionType, options: dict, *, cached: bool) -> Forms:
        """Return the forms of `function`; `options` are Numba's. Raises RuntimeError where nothing can be cached."""
        forms = cls(function, targetoptions={"nopython": True, **options, **_FOR_PYTHON})
        if cached:
            forms.enable_caching()
        return forms

    def form(self, name: str) -> Dispatcher:
        """Return the form called `name`: "inner", for calls by kernels, or "address"."""
        made = self.__dict__.setdefault("_made", {})
        if name not in made:
            options = {**self.targetoptions, **_OTHERS[name]}
            form = _Form(_renamed(self.py_func, name), targetoptions=options, pipeline_class=_COMPILERS[name])
            if not isinstance(self._cache, NullCache):
                form.enable_caching()
            made[name] = form
        return made[name]

    def made(self) -> Iterator[Dispatcher]:
        """The forms that somebody has asked for."""
        yield self
        yield from self.__dict__.get("_made", {}).values()

    def get_call_template(self, args, kws):
        """What Numba asks for when a kernel calls this function; numbers written out in a call make no other code."""
        return self.form("inner").get_call_template(tuple(map(types.unliteral, args)), kws)

    def get_overload(self, sig):
        """The same, once the types are known."""
        return self.form("inner").get_overload(sig)


class _Cache(FunctionCache):
    def load_overload(self, sig, target_context):
        """Load what is there without the type rules for all of NumPy, 0.2 s, which compilers alone have use for."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


@contextmanager
def _uncollected():
    """Leave garbage where it is: the collector would go through millions of the compiler's objects again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _renamed(function: FunctionType, ending: str) -> FunctionType:
    """A copy with a name, and so a cache file, of its own."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__, copy.__module__ = function.__kwdefaults__, function.__module__
    copy.__qualname__ = f"{function.__qualname__}.{ending}"
    return copy
