"""Kernels called by address: compiled steps that are put together at run time, without compiling again.

An engine that offers ten activations, ten optimisers and ten losses would be compiled a thousand times if they were
bound into it. Instead each of them is a small kernel of its own, compiled once and kept on disk; the engine keeps their
addresses in a table and calls through it, some ten nanoseconds a call, once for a block of many numbers.

Such a kernel returns a whole number (0 by custom). Both sides must agree on the types of the arguments: what
`address(function, *types)` was asked for is what `call(address, arguments)` passes. With the JIT off an "address" is a
place in a list of Python functions.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from bioneuro._jit.kernel import twin_of

_functions: list[Callable] = []


def address(function: Callable, *kinds: types.Type) -> int:
    """Where the machine code of the kernel `function` for arguments of these Numba types begins.

    It is compiled, or loaded from disk, if need be, and stays where it is for as long as the process lives.
    """
    if numba.config.DISABLE_JIT:
        if function not in _functions:
            _functions.append(function)
        return _functions.index(function)
    compiled = function.get_compile_result(function.compile(kinds) and function.overloads[kinds].signature)
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)


def call(address, arguments):
    """Run the kernel at `address` with the tuple `arguments`; return its answer (int64)."""
    return _functions[address](*arguments)


@twin_of(call)
def _(address, arguments):
    return lambda address, arguments: _call(address, arguments)


@intrinsic
def _call(typing, address, arguments):
    def generate(context, builder, signature, given):
        values = cgutils.unpack_tuple(builder, given[1])
        kind = ir.FunctionType(ir.IntType(64), [value.type for value in values])
        return builder.call(builder.inttoptr(given[0], kind.as_pointer()), values)

    return types.int64(types.intp, arguments), generate
