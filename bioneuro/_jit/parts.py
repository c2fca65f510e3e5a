"""Code that is only ever a part of other code: compiled to be linked, not to be run.

Numba optimises every function by itself and makes machine code of it, and does both once more wherever a kernel calls
the function. Inner functions need neither a whole optimisation of their own nor machine code: `PartCompiler` leaves
both to whoever links them in. It still simplifies each, or counts of references, which can only be matched up early,
stay in the code and make small steps half as long again.
"""

from __future__ import annotations

from llvmlite import binding
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_ENVIRONMENT = "_ZN08NumbaEnv"  # what the name of a function's environment, a place in memory, begins with


class PartCompiler(Compiler):
    """Numba's compiler for functions that are linked into others."""

    def compile_extra(self, func):
        self.state.library = _Part(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(func)


class _Part(JITCodeLibrary):
    """What Numba links is the code as it was built; what it runs are the environments alone."""

    def _optimize_final_module(self):
        """Whoever links the code optimises it."""

    def _finalize_final_module(self):
        self._finalized = True
        self._get_module_for_linking()  # Numba keeps it for whoever asks
        self._final_module = _environments(self._final_module)
        super()._finalize_final_module()


def _environments(module: binding.ModuleRef) -> binding.ModuleRef:
    """What is left of a module without its code: Numba writes to the environments of every function that it knows."""
    places = (place for place in module.global_variables if place.name.startswith(_ENVIRONMENT))
    left = binding.parse_assembly("\n".join(map(str, places)))
    left.name, left.triple, left.data_layout = module.name, module.triple, module.data_layout
    return left


PART = {**INNER, "pipeline_class": PartCompiler}  # options of numba.jit
