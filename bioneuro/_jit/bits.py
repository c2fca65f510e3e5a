"""Whole-number arithmetic that Numba lacks: the 128-bit product, and floats seen as their bits.

Each function is its own plain-Python twin; kernels run the LLVM instruction.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types

from bioneuro._jit.kernel import instruction_for

_BITS_OF = {types.float64: types.uint64, types.float32: types.uint32}
_FLOAT_OF = {bits: number for number, bits in _BITS_OF.items()}


def multiply_wide(a, b):
    """Return the high and the low 64 bits of the 128-bit product of two uint64."""
    product = int(a) * int(b)
    return np.uint64(product >> 64), np.uint64(product & 0xFFFFFFFFFFFFFFFF)


def bits_of(x):
    """Return the bits of a float64 (float32) as a uint64 (uint32)."""
    return x.view(np.uint64 if x.dtype == np.float64 else np.uint32)


def float_of(bits):
    """Return the float64 (float32) with the bits of a uint64 (uint32)."""
    return bits.view(np.float64 if bits.dtype == np.uint64 else np.float32)


@instruction_for(multiply_wide)
def _(typing, a, b):
    def generate(context, builder, signature, arguments):
        word, double = ir.IntType(64), ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, double) for argument in arguments))
        high = builder.trunc(builder.lshr(product, ir.Constant(double, 64)), word)
        return context.make_tuple(builder, signature.return_type, (high, builder.trunc(product, word)))

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate


@instruction_for(bits_of)
def _(typing, x):
    return _reinterpret(x, _BITS_OF)


@instruction_for(float_of)
def _(typing, bits):
    return _reinterpret(bits, _FLOAT_OF)


def _reinterpret(x, targets):
    if x not in targets:
        return None

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return targets[x](x), generate
