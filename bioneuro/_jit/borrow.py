"""Arrays without an owner: what a kernel passes on thousands of times without counting who holds it.

Numba counts the holders of an array in a word that all threads share; a kernel that hands arrays on by the dozen in
every microsecond spends more time on that word than on its numbers. `borrowed` gives the same arrays with nothing to
count; whoever called the kernel holds the arrays themselves until it returns.
"""

from __future__ import annotations

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from bioneuro._jit.kernel import twin_of


def borrowed(values):
    """An array, or a tuple that holds arrays, to be used while the caller's arguments live."""
    return values


@twin_of(borrowed)
def _(values):
    return lambda values: _borrowed(values)


@intrinsic
def _borrowed(typing, values):
    def generate(context, builder, signature, given):
        return _without_owner(context, builder, values, given[0])

    return values(values), generate


def _without_owner(context, builder, kind, value):
    if isinstance(kind, types.Array):
        array = cgutils.create_struct_proxy(kind)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value)
        parts = [_without_owner(context, builder, inner, part) for inner, part in zip(kind, parts, strict=True)]
        return context.make_tuple(builder, kind, parts)
    return value
