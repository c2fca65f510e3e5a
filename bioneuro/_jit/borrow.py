"""Arrays without an owner, and tables of them that are handed on by address.

Numba counts the holders of an array in a word that all threads share, and passes a tuple by copying what it holds,
seven words for each array; a kernel that hands arrays on by the dozen in every microsecond spends more time on that
than on its numbers. `borrowed` gives the same arrays with nothing to count, and a named tuple as one address; whoever
called the kernel holds the arrays themselves until it returns.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_getattr_generic, models, register_model

from bioneuro._jit.kernel import instruction_for


class Borrowed(types.Type):
    """The address of a named tuple of the type `kind`, which nobody changes."""

    def __init__(self, kind: types.BaseNamedTuple):
        self.kind = kind
        super().__init__(f"Borrowed({kind})")


@register_model(Borrowed)
class _Address(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.IntType(8).as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):
    key = Borrowed

    def generic_resolve(self, borrowed, name):
        fields = borrowed.kind.fields
        return borrowed.kind[fields.index(name)] if name in fields else None


@lower_getattr_generic(Borrowed)
def _read_field(context, builder, borrowed, value, name):
    pointer = builder.bitcast(value, context.get_value_type(borrowed.kind).as_pointer())
    place = borrowed.kind.fields.index(name)
    found = builder.load(builder.gep(pointer, [ir.IntType(32)(0), ir.IntType(32)(place)]))
    return _without_owner(context, builder, borrowed.kind[place], found)  # once more: here LLVM sees that there is none


def borrowed(values):
    """An array, or a tuple with arrays in it that nobody changes, for the kernel that asks and those that it calls."""
    return values


@instruction_for(borrowed)  # no overload: a function of its own would take the place with it when it returns
def _(typing, values):
    named = isinstance(values, types.BaseNamedTuple)

    def generate(context, builder, signature, given):
        value = _without_owner(context, builder, values, given[0])
        if not named:
            return value
        place = cgutils.alloca_once(builder, value.type)
        builder.store(value, place)
        return builder.bitcast(place, ir.IntType(8).as_pointer())

    return (Borrowed(values) if named else values)(values), generate


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
