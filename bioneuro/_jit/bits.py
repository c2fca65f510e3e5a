"""Whole-number arithmetic that Numba lacks: the 128-bit product, and floats seen as their bits.

Each function is its own plain-Python twin; kernels run the LLVM instruction.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from bioneuro._jit.kernel import twin_of

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


@intrinsic
def _multiply_wide(_, a, b):
    def generate(context, builder, signature, arguments):
        word, double = ir.IntType(64), ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, double) for argument in arguments))
        high = builder.trunc(builder.lshr(product, ir.Constant(double, 64)), word)
        return context.make_tuple(builder, signature.return_type, (high, builder.trunc(product, word)))

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate


@intrinsic
def _reinterpret(_, x):
    target = _BITS_OF.get(x) or _FLOAT_OF[x]

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(target))

    return target(x), generate


@twin_of(multiply_wide)
def _(a, b):
    return lambda a, b: _multiply_wide(a, b)


@twin_of(bits_of)
def _(x):
    return (lambda x: _reinterpret(x)) if x in _BITS_OF else None


@twin_of(float_of)
def _(bits):
    return (lambda bits: _reinterpret(bits)) if bits in _FLOAT_OF else None
