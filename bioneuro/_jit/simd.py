"""Vector building blocks: small pieces of LLVM code that kernels call, each beside the loop that it replaces.

Numba's loops keep one partial result in a register, or many in memory; these blocks keep a whole tile of them in
registers while they run down the inner axis. `lanes(dtype)` numbers fill one register of the processor that compiles,
and LLVM splits what the processor lacks.

A matrix is handed over as a `Matrix`, a flat array with the position of the first element and the distance to the next
row and column, which covers parts, transposes and padded rows without copies. **Nothing is checked here**: callers hold
the bounds. The products in x y + z are fused, with one rounding, where the processor can fuse them, and rounded twice
where it cannot. Sums run in the order that each loop shows, so that a result depends on the processor only through this
and, in `dot_tile` and `dot`, through the number of lanes: rounding errors, no more.

Each decorated function below is its loop: the JIT compiles the vector code registered with it; with the JIT off the
loop itself runs, and `block.loop` is the loop in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from bioneuro._jit.kernel import scalar

INDEX, INT32 = ir.IntType(64), ir.IntType(32)


def _register_file() -> tuple[int, int]:
    """Bytes in a vector register, and how many there are, of the processor that Numba compiles for."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    has = set(features.split(","))
    if "+avx512f" in has:
        return 64, 32
    if triple.startswith(("x86_64", "i686")):
        return (32, 16) if "+avx2" in has else (16, 16)
    return 16, 32


REGISTER_BYTES, REGISTERS = _register_file()
TILE_ROWS = 6  # rows of a tile of products; with TILE_VECTORS registers a row it fills three quarters of the registers
TILE_VECTORS = 4 if REGISTERS == 32 else 2
DOT_ROWS = 4  # rows of a tile of scalar products
DOT_COLUMNS = REGISTERS // 8
STRIP_VECTORS = REGISTERS // 2  # registers of a strip, the tile of one row
LANES = REGISTER_BYTES // 4  # float32 numbers in a register
LANES_64 = REGISTER_BYTES // 8  # float64 numbers in a register


def vector_code(loop: Callable) -> Callable:
    """Register the function that builds the vector code of `loop`, an `@intrinsic` that takes the same arguments."""

    def register(build: Callable) -> Callable:
        block = loop if numba.config.DISABLE_JIT else intrinsic(prefer_literal=True)(build)
        block.loop = loop
        return block

    return register


class Matrix(NamedTuple):
    """A matrix within a flat array: element (i, j) is values[start + i row + j column]."""

    values: np.ndarray
    start: int
    row: int
    column: int


@scalar
def stored(values, start, row):
    """The matrix with contiguous rows that begins at `start` in `values`; its rows are `row` apart."""
    return Matrix(values, np.int64(start), np.int64(row), np.int64(1))


@scalar
def part(m, i, j):
    """The matrix that begins at element (i, j) of `m`."""
    return Matrix(m.values, m.start + i * m.row + j * m.column, m.row, m.column)


@scalar
def turned(m):
    """The transpose of `m`: the same numbers, read the other way."""
    return Matrix(m.values, m.start, m.column, m.row)


@scalar
def get(m, i, j):
    """Element (i, j) of `m`."""
    return m.values[m.start + i * m.row + j * m.column]


@scalar
def put(m, i, j, value):
    """Set element (i, j) of `m`."""
    m.values[m.start + i * m.row + j * m.column] = value


def _lanes_loop(array):
    """Return how many numbers of the array's type fill one register."""
    return REGISTER_BYTES // array.dtype.itemsize


@vector_code(_lanes_loop)
def lanes(typing, array):
    def generate(context, builder, signature, arguments):
        return INDEX(REGISTER_BYTES * 8 // array.dtype.bitwidth)

    return types.intp(array), generate


def _tile_loop(rows, vectors, a, b, out, inner, more, skip):
    """out[i, j] (+)= sum over k of a[i, k] b[k, j], for `rows` rows and `vectors` registers of columns.

    Sums start from 0, or, where `more`, from `out`, and ascend in k. The rows of b and out are contiguous. The first
    `skip` columns of each register are left as they are. `rows` and `vectors` must be literal numbers.
    """
    for i in range(rows):
        for j in range(vectors * lanes(out.values)):
            if j % lanes(out.values) >= skip:
                total = get(out, i, j) if more else out.values.dtype.type(0)
                for k in range(inner):
                    total += get(a, i, k) * get(b, k, j)
                put(out, i, j, total)


@vector_code(_tile_loop)
def tile(typing, rows, vectors, a, b, out, inner, more, skip):
    n_rows, n_vectors = rows.literal_value, vectors.literal_value
    whole = getattr(skip, "literal_value", None) == 0

    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature)
        a, b, out = (e.matrix(position, arguments[position]) for position in (2, 3, 4))
        inner, more, skip = arguments[5:]
        columns = [e.index(j * e.lanes) for j in range(n_vectors)]
        targets = [out.along(e.index(i), column) for i in range(n_rows) for column in columns]
        store = e.store if whole else e.store_behind(skip)

        def add_products(k, sums):
            right = [e.load(b.along(k, column)) for column in columns]
            left = [e.splat(builder.load(a.at(e.index(i), k))) for i in range(n_rows)]
            return [e.fused(x, y, total) for (x, y), total in zip(product(left, right), sums, strict=True)]

        for total, target in zip(e.loop(inner, e.first_sums(targets, more), add_products), targets, strict=True):
            store(total, target)
        return context.get_dummy_value()

    return types.void(rows, vectors, a, b, out, types.intp, types.boolean, skip if whole else types.intp), generate


def _dot_tile_loop(rows, columns, a, b, out, inner, more):
    """out[i, j] (+)= sum over k of a[i, k] b[j, k], for `rows` rows and `columns` columns; `inner` whole registers.

    Lane l sums the terms k = l, l + lanes, l + 2 lanes, ..., ascending; neighbouring lanes are then added, and so on.
    The rows of a, b and out are contiguous. `rows` and `columns` must be literal numbers.
    """
    for i in range(rows):
        for j in range(columns):
            total = dot(a.values, a.start + i * a.row, b.values, b.start + j * b.row, inner)
            put(out, i, j, total + get(out, i, j) if more else total)


@vector_code(_dot_tile_loop)
def dot_tile(typing, rows, columns, a, b, out, inner, more):
    n_rows, n_columns = rows.literal_value, columns.literal_value

    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature)
        a, b, out = (e.matrix(position, arguments[position]) for position in (2, 3, 4))
        inner, more = arguments[5:]

        def add_products(step, sums):
            k = builder.mul(step, e.index(e.lanes))
            left = [e.load(a.along(e.index(i), k)) for i in range(n_rows)]
            right = [e.load(b.along(e.index(j), k)) for j in range(n_columns)]
            return [e.fused(x, y, total) for (x, y), total in zip(product(left, right), sums, strict=True)]

        sums = e.loop(builder.udiv(inner, e.index(e.lanes)), [e.zeros] * (n_rows * n_columns), add_products)
        together = min(n_columns, e.lanes)  # sums that one store writes
        vector = ir.VectorType(e.number, together)
        for place, totals in enumerate(e.sum_lanes(sums, together)):
            i, j = divmod(place * together, n_columns)
            target = out.along(e.index(i), e.index(j))
            known = builder.select(more, e.load(target, vector), ir.Constant(vector, [0.0] * together))
            e.store(builder.fadd(totals, known), target)
        return context.get_dummy_value()

    return types.void(rows, columns, a, b, out, types.intp, types.boolean), generate


def _dot_loop(a, a0, b, b0, inner):
    """Return the sum over k of a[a0 + k] b[b0 + k], for `inner` whole registers, summed as in `dot_tile`."""
    width = lanes(a)
    sums = [a.dtype.type(0)] * width
    for k in range(inner):
        sums[k % width] += a[a0 + k] * b[b0 + k]
    while len(sums) > 1:
        sums = [sums[i] + sums[i + 1] for i in range(0, len(sums), 2)]
    return sums[0]


@vector_code(_dot_loop)
def dot(typing, a, a0, b, b0, inner):
    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature)
        a, a0, b, b0, inner = arguments
        a, b = e.address(0, a, a0), e.address(2, b, b0)

        def add_product(step, sums):
            at = [builder.mul(step, e.index(e.lanes))]
            return [e.fused(e.load(builder.gep(a, at)), e.load(builder.gep(b, at)), sums[0])]

        totals = e.sum_lanes(e.loop(builder.udiv(inner, e.index(e.lanes)), [e.zeros], add_product), 1)[0]
        return builder.extract_element(totals, INT32(0))

    return a.dtype(a, types.intp, b, types.intp, types.intp), generate


def _sum_rows_loop(vectors, rows, first, last, m, out, out0, more):
    """out[out0 + j] (+)= sum over n in [first, last) of m[rows[n], j], for `vectors` registers of columns.

    The product of a binary row, given as the list of its ones, with a matrix. `vectors` must be a literal number.
    """
    for j in range(vectors * lanes(out)):
        total = out[out0 + j] if more else out.dtype.type(0)
        for n in range(first, last):
            total += get(m, rows[n], j)
        out[out0 + j] = total


@vector_code(_sum_rows_loop)
def sum_rows(typing, vectors, rows, first, last, m, out, out0, more):
    n_vectors = vectors.literal_value

    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature)
        _, rows, first, last, m, out, out0, more = arguments
        rows, m, out = e.address(1, rows, first), e.matrix(4, m), e.address(5, out, out0)
        columns = [e.index(j * e.lanes) for j in range(n_vectors)]
        targets = [builder.gep(out, [column]) for column in columns]

        def add_row(n, sums):
            row = e.position(1, rows, n)
            return [builder.fadd(total, e.load(m.along(row, c))) for total, c in zip(sums, columns, strict=True)]

        sums = e.loop(builder.sub(last, first), e.first_sums(targets, more), add_row)
        for total, target in zip(sums, targets, strict=True):
            e.store(total, target)
        return context.get_dummy_value()

    return types.void(vectors, rows, types.intp, types.intp, m, out, types.intp, types.boolean), generate


def _sum_scaled_rows_loop(vectors, rows, factors, first, last, m, out, out0, more):
    """out[out0 + j] (+)= sum over n in [first, last) of factors[n] m[rows[n], j], for `vectors` registers of columns.

    The product of a sparse row with a matrix. `vectors` must be a literal number.
    """
    for j in range(vectors * lanes(out)):
        total = out[out0 + j] if more else out.dtype.type(0)
        for n in range(first, last):
            total += factors[n] * get(m, rows[n], j)
        out[out0 + j] = total


@vector_code(_sum_scaled_rows_loop)
def sum_scaled_rows(typing, vectors, rows, factors, first, last, m, out, out0, more):
    n_vectors = vectors.literal_value

    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature)
        _, rows, factors, first, last, m, out, out0, more = arguments
        rows, factors = e.address(1, rows, first), e.address(2, factors, first)
        m, out = e.matrix(5, m), e.address(6, out, out0)
        columns = [e.index(j * e.lanes) for j in range(n_vectors)]
        targets = [builder.gep(out, [column]) for column in columns]

        def add_row(n, sums):
            row, factor = e.position(1, rows, n), e.splat(builder.load(builder.gep(factors, [n])))
            return [e.fused(factor, e.load(m.along(row, c)), total) for total, c in zip(sums, columns, strict=True)]

        sums = e.loop(builder.sub(last, first), e.first_sums(targets, more), add_row)
        for total, target in zip(sums, targets, strict=True):
            e.store(total, target)
        return context.get_dummy_value()

    return types.void(vectors, rows, factors, types.intp, types.intp, m, out, types.intp, types.boolean), generate


def _add_signed_loop(bits, m, m0, out, out0):
    """out[j] += m[j] where bit j of the word `bits` is 1, -m[j] where it is 0; 64 numbers.

    What a pattern of -1/+1, one bit a unit, adds to 64 fields.
    """
    for j in range(64):
        value = m[m0 + j]
        out[out0 + j] += value if (int(bits) >> j) & 1 else -value


@vector_code(_add_signed_loop)
def add_signed(typing, bits, m, m0, out, out0):
    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature)
        bits, m, m0, out, out0 = arguments
        m, out = e.address(1, m, m0), e.address(3, out, out0)
        for part in range(64 // e.lanes):
            at = [e.index(part * e.lanes)]
            chunk = builder.trunc(builder.lshr(bits, e.index(part * e.lanes)), ir.IntType(e.lanes))
            ones = builder.bitcast(chunk, ir.VectorType(ir.IntType(1), e.lanes))
            value, target = e.load(builder.gep(m, at)), builder.gep(out, at)
            known = e.load(target)
            e.store(builder.select(ones, builder.fadd(known, value), builder.fsub(known, value)), target)
        return context.get_dummy_value()

    return types.void(types.uint64, m, types.intp, out, types.intp), generate


def _count_differences_loop(a, a0, b, b0, words):
    """Return how many bits differ between a[a0 : a0 + words] and b[b0 : b0 + words], both uint64.

    The overlap of two packed patterns of -1/+1 is n - 2 differences.
    """
    return np.int64(sum(int(a[a0 + w] ^ b[b0 + w]).bit_count() for w in range(words)))


@vector_code(_count_differences_loop)
def count_differences(typing, a, a0, b, b0, words):
    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature)
        a, a0, b, b0, words = arguments
        a, b = e.address(0, a, a0), e.address(2, b, b0)
        width, chains = REGISTER_BYTES // 8, 4  # counts of several registers side by side hide the latency of one
        block = ir.VectorType(INDEX, width)
        single = builder.module.declare_intrinsic("llvm.ctpop", [INDEX])

        def add_registers(step, sums):
            first = builder.mul(step, e.index(width * chains))
            counted = []
            for chain, total in enumerate(sums):
                at = [builder.add(first, e.index(chain * width))]
                left, right = (e.load(builder.gep(array, at), block) for array in (a, b))
                counted.append(builder.add(total, e.call("llvm.ctpop", builder.xor(left, right))))
            return counted

        def add_word(step, sums):
            at = [builder.add(whole, step)]
            differing = builder.xor(builder.load(builder.gep(a, at)), builder.load(builder.gep(b, at)))
            return [builder.add(sums[0], builder.call(single, [differing]))]

        zeros = ir.Constant(block, [0] * width)
        steps = builder.udiv(words, e.index(width * chains))
        sums = e.loop(steps, [zeros] * chains, add_registers)
        while len(sums) > 1:
            sums = [builder.add(*pair) for pair in zip(sums[::2], sums[1::2], strict=True)]
        whole = builder.mul(steps, e.index(width * chains))
        total = e.index(0)
        for lane in range(width):
            total = builder.add(total, builder.extract_element(sums[0], e.index(lane)))
        return e.loop(builder.sub(words, whole), [total], add_word)[0]

    return types.int64(a, types.intp, b, types.intp, types.intp), generate


class _Place(NamedTuple):
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


class _Emitter:
    """The few phrases of LLVM that the blocks are made of, for the number type of the block's arrays."""

    def __init__(self, context, builder, signature):
        self.context, self.builder, self.types = context, builder, signature.args
        floats = {array.dtype for array in map(_array, self.types) if array and isinstance(array.dtype, types.Float)}
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

    def matrix(self, argument: int, value) -> _Place:
        """The `Matrix` that is argument number `argument`."""
        values, start, row, column = cgutils.unpack_tuple(self.builder, value)
        data = self.context.make_array(_array(self.types[argument]))(self.context, self.builder, values).data
        return _Place(self.builder, self.builder.gep(data, [start]), row, column)

    def position(self, argument: int, pointer, n):
        """Entry n of an array of integers, argument number `argument`, as an index."""
        value = self.builder.load(self.builder.gep(pointer, [n]))
        return self.context.cast(self.builder, value, self.types[argument].dtype, types.intp)

    def load(self, pointer, vector=None):
        vector = vector or self.vector
        value = self.builder.load(self.builder.bitcast(pointer, vector.as_pointer()))
        value.align = _bytes(vector)
        return value

    def store(self, value, pointer) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, value.type.as_pointer())).align = _bytes(value.type)

    def store_behind(self, skipped) -> Callable:
        """A store of whole registers that leaves the first lanes in memory as they are."""
        builder, lanes = self.builder, ir.VectorType(INT32, self.lanes)
        unset = ir.Constant(lanes, ir.Undefined)
        first = builder.insert_element(unset, builder.trunc(skipped, INT32), INT32(0))
        first = builder.shuffle_vector(first, unset, ir.Constant(lanes, [0] * self.lanes))
        mask = builder.icmp_signed(">=", ir.Constant(lanes, list(range(self.lanes))), first)
        pointer = self.vector.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [self.vector, pointer, INT32, mask.type])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.{_suffix(self.vector)}.p0")

        def store(value, target):
            alignment = INT32(_bytes(self.vector))
            builder.call(function, [value, builder.bitcast(target, pointer), alignment, mask])

        return store

    def splat(self, scalar):
        """The vector that holds `scalar` in every lane."""
        unset = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(unset, scalar, INT32(0))
        return self.builder.shuffle_vector(one, unset, ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes))

    def fused(self, x, y, z):
        """x y + z, fused where the processor can."""
        return self.call("llvm.fmuladd", x, y, z)

    def call(self, name: str, *arguments):
        """An LLVM intrinsic on vectors of one type, which it also returns."""
        vector = arguments[0].type
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(vector, [vector] * len(arguments)), f"{name}.{_suffix(vector)}"
        )
        return self.builder.call(function, arguments)

    def first_sums(self, targets: Sequence, more) -> list:
        """Zeros, or, where the flag `more` is set, what the targets hold."""
        builder = self.builder
        before, known = builder.block, []
        with builder.if_then(more):
            known = [self.load(target) for target in targets]
            inside = builder.block
        sums = []
        for value in known:
            merged = builder.phi(self.vector)
            merged.add_incoming(self.zeros, before)
            merged.add_incoming(value, inside)
            sums.append(merged)
        return sums

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

    def sum_lanes(self, vectors: Sequence, together: int) -> list:
        """The sums of the lanes of each vector, `together` of them in a vector, in order.

        Neighbours are added, then neighbours of these sums, and so on. Vectors share the work: two, halved, fit into
        one.
        """
        count, kept = len(vectors), list(vectors)
        for _ in range(self.lanes.bit_length() - 1):
            kept += kept[-1:] * (len(kept) % 2)
            kept = [self._add_neighbours(*pair) for pair in zip(kept[::2], kept[1::2], strict=True)]
        pick, parts = ir.VectorType(INT32, together), []
        for place in range(0, count, together):
            whole, lane = divmod(place, self.lanes)
            lanes = ir.Constant(pick, list(range(lane, lane + together)))
            parts.append(self.builder.shuffle_vector(kept[whole], kept[whole], lanes))
        return parts

    def _add_neighbours(self, low, high):
        pick = ir.VectorType(INT32, self.lanes)
        even, odd = (
            self.builder.shuffle_vector(low, high, ir.Constant(pick, list(range(start, 2 * self.lanes, 2))))
            for start in (0, 1)
        )
        return self.builder.fadd(even, odd)


def _array(kind: types.Type) -> types.Array | None:
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
