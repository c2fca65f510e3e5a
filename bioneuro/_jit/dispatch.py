"""Kernels called by address: compiled steps that are put together at run time, without compiling again.

An engine that offers ten activations, ten optimisers and ten losses would be compiled a thousand times if they were
bound into it. Instead each of them is a small kernel of its own, compiled once and kept on disk; the engine keeps their
addresses in a table and calls through it, some ten nanoseconds a call, once for a block of many numbers.

Such a kernel returns a whole number (0 by custom). Both sides must agree on the types of the arguments: what
`address(function, *types)` was asked for is what `call(address, arguments)` passes. To be sure of it, the upper bits of
an address, of which no machine makes use, name those types; a call with others, or by an address that is 0, raises
TypeError. With the JIT off an "address" is a place in a list of Python functions.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils

from bioneuro._jit.kernel import instruction_for

_WORD, _PLACE_BITS, _TAGS = ir.IntType(64), 48, 0x7FFF

_functions: list[Callable] = [None]  # 0 is no address


@functools.cache
def address(function: Callable, *kinds: types.Type) -> int:
    """Where the machine code of the kernel `function` for arguments of these Numba types begins, and their tag.

    It is compiled, or loaded from disk, if need be, and stays where it is for as long as the process lives.
    """
    if numba.config.DISABLE_JIT:
        if function not in _functions:
            _functions.append(function)
        return _functions.index(function)
    form = function.form("address")
    form.compile(kinds)
    compiled = form.overloads[kinds]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name) | _tag(kinds)


def call(address, arguments):
    """Run the kernel at `address` with the tuple `arguments`; return its answer (int64)."""
    return _functions[address](*arguments)


def _tag(kinds: Iterable[types.Type]) -> int:
    """The types as a number in the upper bits, the same in every process; never 0, and no sign."""
    said = ", ".join(str(types.unliteral(kind)) for kind in kinds)
    digest = hashlib.blake2b(said.encode(), digest_size=8).digest()
    return (1 + int.from_bytes(digest, "little") % _TAGS) << _PLACE_BITS


@instruction_for(call)
def _(typing, address, arguments):
    tag = _tag(arguments.types)

    def generate(context, builder, signature, given):
        place = builder.sub(given[0], _WORD(tag))
        with builder.if_then(builder.icmp_unsigned(">=", place, _WORD(1 << _PLACE_BITS)), likely=False):
            said = f"no kernel for arguments of the types {arguments.types} has this address"
            context.call_conv.return_user_exc(builder, TypeError, (said,))
        values = cgutils.unpack_tuple(builder, given[1])
        kind = ir.FunctionType(_WORD, [value.type for value in values])
        return builder.call(builder.inttoptr(place, kind.as_pointer()), values)

    return types.int64(types.intp, arguments), generate
