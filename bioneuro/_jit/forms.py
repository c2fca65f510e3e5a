"""A compiled function in its forms: called from Python, from other kernels, or by address.

Numba surrounds the code of a function by two wrappers, one that unpacks Python's objects and one that C could call.
They take longer to compile than a small kernel does, and each way to call a kernel needs one of them at most. So every
form is compiled by itself, the first time that somebody calls the function in this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType

from numba import types
from numba.core.compiler import Compiler
from numba.core.dispatcher import Dispatcher, NullCache
from numba.core.registry import CPUDispatcher

from bioneuro._jit.parts import INNER, PartCompiler

_FOR_PYTHON = {"no_cfunc_wrapper": True}
_OTHERS = {"inner": INNER, "address": {"no_cpython_wrapper": True, "no_cfunc_wrapper": False}}
_COMPILERS = {"inner": PartCompiler, "address": Compiler}


class Forms(CPUDispatcher):
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
            form = CPUDispatcher(_renamed(self.py_func, name), targetoptions=options, pipeline_class=_COMPILERS[name])
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


def _renamed(function: FunctionType, ending: str) -> FunctionType:
    """A copy with a name, and so a cache file, of its own."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__, copy.__module__ = function.__kwdefaults__, function.__module__
    copy.__qualname__ = f"{function.__qualname__}.{ending}"
    return copy
