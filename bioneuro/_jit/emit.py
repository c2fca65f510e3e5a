"""Vector code in LLVM: the registers of the processor, and the phrases that the blocks of `simd` are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.extending import intrinsic

INDEX, INT32 = ir.IntType(64), ir.IntType(32)


LINE = 64  # bytes that memory sends at a time
_LOCALITY, _DATA = {1: 3, 2: 2}, 1  # what `llvm.prefetch` is told: the level of the cache, and that this is no code


def _register_file() -> tuple[int, int]:
    """Bytes in a vector register, and how many there are, of the processor that Numba compiles for."""
    if "+avx512f" in _FEATURES:
        return 64, 32
    if _TRIPLE.startswith(("x86_64", "i686")):
        return (32, 16) if "+avx2" in _FEATURES else (16, 16)
    return 16, 32


_TRIPLE, _, _FEATURES = cpu_target.target_context.codegen().magic_tuple()
_FEATURES = set(_FEATURES.split(","))
REGISTER_BYTES, REGISTERS = _register_file()
ADDS_FROM_MEMORY = "+avx" in _FEATURES  # wherever the number stands: a sum takes no register for what it adds
MULTIPLIES_52_BITS = {"+avx512f", "+avx512ifma"} <= _FEATURES


def vector_code(loop: Callable) -> Callable:
    """Register the function that builds the vector code of `loop`, an `@intrinsic` that takes the same arguments."""

    def register(build: Callable) -> Callable:
        block = loop if numba.config.DISABLE_JIT else intrinsic(prefer_literal=True)(build)
        block.loop = loop
        return block

    return register


def fetch_line(builder, pointer, *, level: int = 1, to_write: bool = False) -> None:
    """Have the line at an address come into a cache meanwhile, `to_write`: out of those of all other cores."""
    arguments = [builder.bitcast(pointer, ir.IntType(8).as_pointer())]
    arguments += [INT32(hint) for hint in (int(to_write), _LOCALITY[level], _DATA)]
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8"), arguments)


class Place(NamedTuple):
    """A `Matrix` in LLVM's terms."""

    builder: ir.IRBuilder
    start: ir.Value
    row: ir.Value
    column: ir.Value

    def at(self, i, j):
        """The address of element (i, j)."""
        builder = self.builder
        return builder.gep(self.start, [builder.add(builder.mul(i, self.row), builder.mul(j, self.column))])

    def along(self, i, j):
        """The address of element (i, j) where rows are contiguous."""
        return self.builder.gep(self.start, [self.builder.add(self.builder.mul(i, self.row), j)])


class Part(NamedTuple):
    """A vector of a row of a tile: its first column, and which lanes are there (None: all)."""

    column: ir.Value
    vector: ir.VectorType
    mask: ir.Value | None


class Emitter:
    """The few phrases of LLVM that the blocks are made of, for the number type of the block's arrays."""

    def __init__(self, context, builder, signature):
        self.context, self.builder, self.types = context, builder, signature.args
        numbers = {array.dtype for array in map(array_type, self.types) if array}
        floats = {number for number in numbers if isinstance(number, types.Float)}
        if len(floats) > 1:
            raise TypingError(f"the arrays of a vector block must hold one type of number, got {floats}")
        if floats:
            dtype = floats.pop()
            self.number = context.get_value_type(dtype)
            self.lanes = REGISTER_BYTES * 8 // dtype.bitwidth
            self.vector = ir.VectorType(self.number, self.lanes)
            self.zeros = ir.Constant(self.vector, [0.0] * self.lanes)

    @staticmethod
    def index(value: int) -> ir.Constant:
        return INDEX(value)

    def address(self, argument: int, array, start):
        """Where element `start` of the array that is argument number `argument` lies in memory."""
        data = self.context.make_array(self.types[argument])(self.context, self.builder, array).data
        return self.builder.gep(data, [start])

    def matrix(self, argument: int, value) -> Place:
        """The `Matrix` that is argument number `argument`."""
        values, start, row, column = cgutils.unpack_tuple(self.builder, value)
        data = self.context.make_array(array_type(self.types[argument]))(self.context, self.builder, values).data
        return Place(self.builder, self.builder.gep(data, [start]), row, column)

    def position(self, argument: int, pointer, n):
        """Entry n of an array of integers, argument number `argument`, as an index."""
        value = self.builder.load(self.builder.gep(pointer, [n]))
        return self.context.cast(self.builder, value, self.types[argument].dtype, types.intp)

    def load(self, pointer, vector=None, mask=None):
        """The vector at an address; lanes outside the mask are 0 and not touched in memory."""
        vector = vector or self.vector
        pointer = self.builder.bitcast(pointer, vector.as_pointer())
        if mask is None:
            value = self.builder.load(pointer)
            value.align = _bytes(vector)
            return value
        zeros = ir.Constant(vector, None)
        return self.declared("llvm.masked.load", vector, [pointer, INT32(_bytes(vector)), mask, zeros], ".p0")

    def store(self, value, pointer, mask=None) -> None:
        pointer = self.builder.bitcast(pointer, value.type.as_pointer())
        if mask is None:
            self.builder.store(value, pointer).align = _bytes(value.type)
        else:
            arguments = [value, pointer, INT32(_bytes(value.type)), mask]
            self.declared("llvm.masked.store", ir.VoidType(), arguments, ".p0", value.type)

    def fetch(self, pointer, size: int) -> None:
        """Have `size` bytes from an address on come into the first-level cache meanwhile; there may be nothing."""
        first = self.builder.bitcast(pointer, ir.IntType(8).as_pointer())
        for place in range(0, size, LINE):
            fetch_line(self.builder, self.builder.gep(first, [self.index(place)]))

    def before(self, limit, vector=None):
        """Which lanes have a number below `limit`."""
        lanes = ir.VectorType(INDEX, (vector or self.vector).count)
        return self.builder.icmp_signed("<", ir.Constant(lanes, list(range(lanes.count))), self.splat(limit, lanes))

    def parts(self, columns: int, last=None) -> list[Part]:
        """The vectors that hold `columns` numbers: whole registers, then ever smaller parts; masked where `last`."""
        parts, start, width = [], 0, self.lanes
        while start < columns:
            while start + width > columns:
                width //= 2
            column, vector = self.index(start), ir.VectorType(self.number, width)
            mask = None if last is None else self.before(self.builder.sub(last, column), vector)
            parts.append(Part(column, vector, mask))
            start += width
        return parts

    def splat(self, scalar, vector=None):
        """The vector that holds `scalar` in every lane."""
        vector = vector or self.vector
        unset = ir.Constant(vector, ir.Undefined)
        one = self.builder.insert_element(unset, scalar, INT32(0))
        zeros = ir.Constant(ir.VectorType(INT32, vector.count), [0] * vector.count)
        return self.builder.shuffle_vector(one, unset, zeros)

    def fused(self, x, y, z):
        """x y + z, fused where the processor can."""
        return self.call("llvm.fmuladd", x, y, z)

    def multiply_52(self, half: str, total, x, y):
        """total + the upper ("h") or lower ("l") half of the product of the lower 52 bits of x and y; eight words."""
        name, vector = f"llvm.x86.avx512.vpmadd52{half}.uq.512", total.type
        kind = ir.FunctionType(vector, [vector] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [total, x, y])

    def call(self, name: str, *arguments):
        """An LLVM intrinsic on vectors of one type, which it also returns."""
        return self.declared(name, arguments[0].type, arguments)

    def declared(self, name: str, result, arguments: Sequence, ending: str = "", vector=None):
        """A call of an LLVM intrinsic that is named for a vector type, that of the result unless said."""
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        name = f"{name}.{_suffix(vector or result)}{ending}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)

    def first_sums(self, targets: Sequence, more) -> list:
        """Zeros, or, where the flag `more` is set, what the targets (address, vector type, mask) hold."""
        builder = self.builder
        before, known = builder.block, []
        with builder.if_then(more):
            known = [self.load(*target) for target in targets]
            inside = builder.block
        sums = []
        for value in known:
            merged = builder.phi(value.type)
            merged.add_incoming(ir.Constant(value.type, [0.0] * value.type.count), before)
            merged.add_incoming(value, inside)
            sums.append(merged)
        return sums

    def sum_into(self, row, parts: Sequence[Part], more, count, body: Callable[..., list]) -> None:
        """Store in the parts of a row what `loop` makes of zeros, or, where `more`, of what they hold."""
        targets = [(self.builder.gep(row, [part.column]), part.vector, part.mask) for part in parts]
        totals = self.loop(count, self.first_sums(targets, more), body)
        for total, (target, _, mask) in zip(totals, targets, strict=True):
            self.store(total, target, mask)

    def loop(self, count, carried: Sequence, body: Callable[..., list]) -> list:
        """carried = body(i, carried) for i in 0 ... count - 1, the carried values in registers; return the last."""
        builder = self.builder
        before = builder.block
        inside, after = (builder.append_basic_block(name) for name in ("block.loop", "block.after"))
        builder.cbranch(builder.icmp_signed(">", count, self.index(0)), inside, after)
        builder.position_at_end(inside)
        step = builder.phi(INDEX)
        step.add_incoming(self.index(0), before)
        values = [builder.phi(value.type) for value in carried]
        for phi, value in zip(values, carried, strict=True):
            phi.add_incoming(value, before)
        following = body(step, values)
        successor = builder.add(step, self.index(1))
        end = builder.block
        step.add_incoming(successor, end)
        for phi, value in zip(values, following, strict=True):
            phi.add_incoming(value, end)
        builder.cbranch(builder.icmp_signed("<", successor, count), inside, after)
        builder.position_at_end(after)
        results = []
        for value, final in zip(carried, following, strict=True):
            merged = builder.phi(value.type)
            merged.add_incoming(value, before)
            merged.add_incoming(final, end)
            results.append(merged)
        return results

    def run_along(self, inner, carried: Sequence, body: Callable[..., list]) -> list:
        """`loop` over `inner` numbers by whole registers: body(k, values, mask); the mask picks what fills none."""
        builder, width = self.builder, self.index(self.lanes)
        whole, rest = builder.udiv(inner, width), builder.urem(inner, width)
        end, mask = builder.mul(whole, width), self.before(rest)
        values = self.loop(whole, carried, lambda step, values: body(builder.mul(step, width), values, None))
        some = builder.zext(builder.icmp_signed(">", rest, self.index(0)), INDEX)
        return self.loop(some, values, lambda _, values: body(end, values, mask))

    def sum_lanes(self, vectors: Sequence, together: int) -> list:
        """The sums of the lanes of each vector, `together` of them in a vector, in order.

        Neighbours are added, then neighbours of these sums, and so on. Two vectors share every addition: the result
        holds sums of the one in the lanes where a bit of the lane's number is 0, of the other where it is 1.
        """
        count, kept = len(vectors), list(vectors)
        for level in range(self.lanes.bit_length() - 1):
            kept += kept[-1:] * (len(kept) % 2)
            kept = [self._add_lanes(*pair, 1 << level) for pair in zip(kept[::2], kept[1::2], strict=True)]
        pick, parts = ir.VectorType(INT32, together), []
        for place in range(0, count, together):
            whole, lane = divmod(place, self.lanes)
            lanes = ir.Constant(pick, list(range(lane, lane + together)))
            parts.append(self.builder.shuffle_vector(kept[whole], kept[whole], lanes))
        return parts

    def swapped(self, vector, apart: int):
        """Every lane l in the place of lane l ^ apart."""
        lanes = ir.Constant(ir.VectorType(INT32, self.lanes), [lane ^ apart for lane in range(self.lanes)])
        return self.builder.shuffle_vector(vector, vector, lanes)

    def _add_lanes(self, low, high, apart: int):
        """Lane l of `low` (of `high` where l & apart), plus the lane `apart` from it in the same vector."""
        pick = ir.VectorType(INT32, self.lanes)
        source = [self.lanes * bool(lane & apart) for lane in range(self.lanes)]
        here, there = (
            ir.Constant(pick, [first + (lane ^ flip) for lane, first in enumerate(source)]) for flip in (0, apart)
        )
        return self.builder.fadd(
            self.builder.shuffle_vector(low, high, here), self.builder.shuffle_vector(low, high, there)
        )


def array_type(kind: types.Type) -> types.Array | None:
    """The type of the array that an argument is, or, as a `Matrix`, holds."""
    kind = kind[0] if isinstance(kind, types.BaseNamedTuple) else kind
    return kind if isinstance(kind, types.Array) else None


def _bytes(vector: ir.VectorType) -> int:
    """What one number of the vector takes, the alignment of arrays."""
    return {ir.FloatType: 4, ir.DoubleType: 8}.get(type(vector.element)) or vector.element.width // 8


def _suffix(vector: ir.VectorType) -> str:
    """How LLVM names functions on such vectors."""
    letter = "f" if isinstance(vector.element, ir.FloatType | ir.DoubleType) else "i"
    return f"v{vector.count}{letter}{8 * _bytes(vector)}"
