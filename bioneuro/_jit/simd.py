"""Vector building blocks: small pieces of LLVM code that kernels call, each beside the loop that it replaces.

Numba's loops keep one partial result in a register, or many in memory; these blocks keep a whole tile of them in
registers while they run down the inner axis. `lanes(dtype)` numbers fill one register of the processor that compiles,
and LLVM splits what the processor lacks.

A matrix is handed over as a `Matrix` (`matrix.py`). **Nothing is checked here**: callers hold the bounds. The products
in x y + z are fused, with one rounding, where the processor can fuse them, and rounded twice where it cannot. Sums run
in the order that each loop shows, so that a result depends on the processor only through this and, in `dot` and what
sums like it, through the number of lanes: rounding errors, no more.

Each decorated function below is its loop: the JIT compiles the vector code registered with it; with the JIT off the
loop itself runs, and `block.loop` is the loop in any case.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types

from bioneuro._jit.emit import ADDS_FROM_MEMORY, INDEX, INT32, REGISTER_BYTES, REGISTERS, Emitter, vector_code
from bioneuro._jit.matrix import at

PANEL = 64  # columns of a matrix that is stored panel by panel; whole registers of any processor
_AHEAD = 8192  # bytes that patterns are fetched ahead: what memory sends in the time that it takes to answer
STRIP_VECTORS = REGISTERS // 2  # registers of a strip, the tile of one row
WIDE_STRIP_VECTORS = REGISTERS if ADDS_FROM_MEMORY else STRIP_VECTORS  # where rows are added as they are


def _lanes_loop(array):
    """Return how many numbers of the array's type fill one register."""
    return REGISTER_BYTES // array.dtype.itemsize


@vector_code(_lanes_loop)
def lanes(typing, array):
    def generate(context, builder, signature, arguments):
        return INDEX(REGISTER_BYTES * 8 // array.dtype.bitwidth)

    return types.intp(array), generate


def _dot_loop(a, a0, b, b0, inner):
    """Return the sum over k of a[a0 + k] b[b0 + k]: each lane sums its own terms, then neighbours are added."""
    width = _lanes_loop(a)
    sums = [a.dtype.type(0)] * width
    for k in range(inner):
        sums[k % width] += a[a0 + k] * b[b0 + k]
    while len(sums) > 1:
        sums = [sums[i] + sums[i + 1] for i in range(0, len(sums), 2)]
    return sums[0]


@vector_code(_dot_loop)
def dot(typing, a, a0, b, b0, inner):
    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a, a0, b, b0, inner = arguments
        a, b = e.address(0, a, a0), e.address(2, b, b0)

        def add_product(k, sums, mask):
            return [e.fused(e.load(builder.gep(a, [k]), mask=mask), e.load(builder.gep(b, [k]), mask=mask), sums[0])]

        totals = e.sum_lanes(e.run_along(inner, [e.zeros], add_product), 1)[0]
        return builder.extract_element(totals, INT32(0))

    return a.dtype(a, types.intp, b, types.intp, types.intp), generate


def _dot_gap_loop(a, a0, high, b, b0, inner):
    """Return the sum over k of a[a0 + k] (high - b[b0 + k]), summed as in `dot`."""
    return _dot_loop(a, a0, high - b[b0 : b0 + inner], 0, inner)


@vector_code(_dot_gap_loop)
def dot_gap(typing, a, a0, high, b, b0, inner):
    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a, a0, high, b, b0, inner = arguments
        a, b, high = e.address(0, a, a0), e.address(3, b, b0), e.splat(high)

        def add_product(k, sums, mask):
            x, y = (e.load(builder.gep(row, [k]), mask=mask) for row in (a, b))
            return [e.fused(x, builder.fsub(high, y), sums[0])]

        totals = e.sum_lanes(e.run_along(inner, [e.zeros], add_product), 1)[0]
        return builder.extract_element(totals, INT32(0))

    return a.dtype(a, types.intp, a.dtype, b, types.intp, types.intp), generate


def _total_loop(a, a0, count):
    """Return the sum over k of a[a0 + k], k < count, summed as in `dot`."""
    return _dot_loop(a, a0, np.ones(count, a.dtype), 0, count)


@vector_code(_total_loop)
def total(typing, a, a0, count):
    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a = e.address(0, *arguments[:2])

        def add(k, sums, mask):
            return [builder.fadd(e.load(builder.gep(a, [k]), mask=mask), sums[0])]

        totals = e.sum_lanes(e.run_along(arguments[2], [e.zeros], add), 1)[0]
        return builder.extract_element(totals, INT32(0))

    return a.dtype(a, types.intp, types.intp), generate


def _largest_loop(a, a0, count):
    """Return the largest of a[a0 + k], k < count, NaN left aside; -inf where there is none."""
    return max((a[a0 + k] for k in range(count) if a[a0 + k] == a[a0 + k]), default=a.dtype.type(-np.inf))


@vector_code(_largest_loop)
def largest(typing, a, a0, count):
    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a, nothing = e.address(0, *arguments[:2]), ir.Constant(e.vector, [-np.inf] * e.lanes)

        def larger(x, y):
            return builder.select(builder.fcmp_ordered(">", x, y), x, y)

        def look(k, found, mask):
            numbers = e.load(builder.gep(a, [k]), mask=mask)
            return [larger(numbers if mask is None else builder.select(mask, numbers, nothing), found[0])]

        found = e.run_along(arguments[2], [nothing], look)[0]
        for level in range(e.lanes.bit_length() - 1):
            found = larger(e.swapped(found, 1 << level), found)
        return builder.extract_element(found, INT32(0))

    return a.dtype(a, types.intp, types.intp), generate


def _stretch_loop(a, a0, shift, factor, out, out0, count):
    """out[out0 + k] = (a[a0 + k] - shift) factor, k < count; for rows too short for a loop to fill its registers."""
    for k in range(count):
        out[out0 + k] = (a[a0 + k] - shift) * factor


@vector_code(_stretch_loop)
def stretch(typing, a, a0, shift, factor, out, out0, count):
    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a, a0, shift, factor, out, out0, count = arguments
        a, out, shift, factor = e.address(0, a, a0), e.address(4, out, out0), e.splat(shift), e.splat(factor)

        def move(k, _, mask):
            numbers = builder.fsub(e.load(builder.gep(a, [k]), mask=mask), shift)
            e.store(builder.fmul(numbers, factor), builder.gep(out, [k]), mask)
            return []

        e.run_along(count, [], move)
        return context.get_dummy_value()

    return types.void(a, types.intp, a.dtype, a.dtype, out, types.intp, types.intp), generate


def _scaled_gap_loop(a, a0, factor, b, b0, out, out0, count):
    """out[out0 + k] = factor a[a0 + k] - b[b0 + k], k < count; for short rows, as `stretch`."""
    for k in range(count):
        out[out0 + k] = factor * a[a0 + k] - b[b0 + k]


@vector_code(_scaled_gap_loop)
def scaled_gap(typing, a, a0, factor, b, b0, out, out0, count):
    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a, a0, factor, b, b0, out, out0, count = arguments
        a, b, out, factor = e.address(0, a, a0), e.address(3, b, b0), e.address(5, out, out0), e.splat(factor)

        def subtract(k, _, mask):
            x, y = (e.load(builder.gep(row, [k]), mask=mask) for row in (a, b))
            e.store(builder.fsub(builder.fmul(factor, x), y), builder.gep(out, [k]), mask)
            return []

        e.run_along(count, [], subtract)
        return context.get_dummy_value()

    return types.void(a, types.intp, a.dtype, b, types.intp, out, types.intp, types.intp), generate


def _sum_rows_loop(vectors, rows, first, last, m, out, out0, columns, more):
    """out[out0 + j] (+)= sum over n in [first, last) of m[rows[n], j], for `columns` columns; None: all the registers.

    The product of a binary row, given as the list of its ones, with a matrix. `vectors`, how many registers there are,
    must be a literal number.
    """
    for j in range(vectors * _lanes_loop(out) if columns is None else columns):
        total = out[out0 + j] if more else out.dtype.type(0)
        for n in range(first, last):
            total += m.values[at(m, rows[n], j)]
        out[out0 + j] = total


@vector_code(_sum_rows_loop)
def sum_rows(typing, vectors, rows, first, last, m, out, out0, columns, more):
    n_vectors, all_there = vectors.literal_value, columns == types.none

    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        _, rows, first, last, m, out, out0, columns, more = arguments
        rows, m, out = e.address(1, rows, first), e.matrix(4, m), e.address(5, out, out0)
        parts = e.parts(n_vectors * e.lanes, None if all_there else columns)

        def add_row(n, sums):
            row = e.position(1, rows, n)
            values = [e.load(m.along(row, part.column), part.vector, part.mask) for part in parts]
            return [builder.fadd(total, value) for total, value in zip(sums, values, strict=True)]

        e.sum_into(out, parts, more, builder.sub(last, first), add_row)
        return context.get_dummy_value()

    limit = types.none if all_there else types.intp
    return types.void(vectors, rows, types.intp, types.intp, m, out, types.intp, limit, types.boolean), generate


def _sum_scaled_rows_loop(vectors, rows, factors, first, last, m, out, out0, columns, more):
    """out[out0 + j] (+)= sum over n in [first, last) of factors[n] m[rows[n], j]; the rest as in `sum_rows`.

    The product of a sparse row with a matrix.
    """
    for j in range(vectors * _lanes_loop(out) if columns is None else columns):
        total = out[out0 + j] if more else out.dtype.type(0)
        for n in range(first, last):
            total += factors[n] * m.values[at(m, rows[n], j)]
        out[out0 + j] = total


@vector_code(_sum_scaled_rows_loop)
def sum_scaled_rows(typing, vectors, rows, factors, first, last, m, out, out0, columns, more):
    n_vectors, all_there = vectors.literal_value, columns == types.none

    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        _, rows, factors, first, last, m, out, out0, columns, more = arguments
        rows, factors = e.address(1, rows, first), e.address(2, factors, first)
        m, out = e.matrix(5, m), e.address(6, out, out0)
        parts = e.parts(n_vectors * e.lanes, None if all_there else columns)

        def add_row(n, sums):
            row, factor = e.position(1, rows, n), e.splat(builder.load(builder.gep(factors, [n])))
            values = [e.load(m.along(row, part.column), part.vector, part.mask) for part in parts]
            return [e.fused(factor, value, total) for total, value in zip(sums, values, strict=True)]

        e.sum_into(out, parts, more, builder.sub(last, first), add_row)
        return context.get_dummy_value()

    limit = types.none if all_there else types.intp
    whole = (types.intp, types.intp, m, out, types.intp, limit, types.boolean)
    return types.void(vectors, rows, factors, *whole), generate


def _sum_down_loop(vectors, m, rows, out, out0, columns):
    """out[out0 + j] = sum over the first `rows` rows i of m[i, j], ascending; the columns as in `sum_rows`."""
    for j in range(vectors * _lanes_loop(out) if columns is None else columns):
        total = out.dtype.type(0)
        for i in range(rows):
            total += m.values[at(m, i, j)]
        out[out0 + j] = total


@vector_code(_sum_down_loop)
def sum_down(typing, vectors, m, rows, out, out0, columns):
    n_vectors, all_there = vectors.literal_value, columns == types.none

    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        _, m, rows, out, out0, columns = arguments
        m, out = e.matrix(1, m), e.address(3, out, out0)
        parts = e.parts(n_vectors * e.lanes, None if all_there else columns)

        def add_row(i, sums):
            values = [e.load(m.along(i, part.column), part.vector, part.mask) for part in parts]
            return [builder.fadd(total, value) for total, value in zip(sums, values, strict=True)]

        e.sum_into(out, parts, ir.Constant(ir.IntType(1), 0), rows, add_row)
        return context.get_dummy_value()

    limit = types.none if all_there else types.intp
    return types.void(vectors, m, types.intp, out, types.intp, limit), generate


def _add_down_loop(vectors, m, rows, row, row0, columns):
    """m[i, j] += row[row0 + j] in the first `rows` rows i; the columns as in `sum_rows`."""
    for j in range(vectors * _lanes_loop(row) if columns is None else columns):
        for i in range(rows):
            m.values[at(m, i, j)] += row[row0 + j]


@vector_code(_add_down_loop)
def add_down(typing, vectors, m, rows, row, row0, columns):
    n_vectors, all_there = vectors.literal_value, columns == types.none

    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        _, m, rows, row, row0, columns = arguments
        m, row = e.matrix(1, m), e.address(3, row, row0)
        parts = e.parts(n_vectors * e.lanes, None if all_there else columns)
        added = [e.load(builder.gep(row, [part.column]), part.vector, part.mask) for part in parts]

        def add(i, _):
            for part, value in zip(parts, added, strict=True):
                target = m.along(i, part.column)
                e.store(builder.fadd(e.load(target, part.vector, part.mask), value), target, part.mask)
            return []

        e.loop(rows, [], add)
        return context.get_dummy_value()

    limit = types.none if all_there else types.intp
    return types.void(vectors, m, types.intp, row, types.intp, limit), generate


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
        e = Emitter(context, builder, signature)
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
        e = Emitter(context, builder, signature)
        a, a0, b, b0, words = arguments
        a, b = e.address(0, a, a0), e.address(2, b, b0)
        width, chains = REGISTER_BYTES // 8, 4  # counts of several registers side by side hide the latency of one
        block = ir.VectorType(INDEX, width)

        def count(place, total, mask=None):
            left, right = (e.load(builder.gep(array, [place]), block, mask) for array in (a, b))
            return builder.add(total, e.call("llvm.ctpop", builder.xor(left, right)))

        def add_registers(step, sums):
            first = builder.mul(step, e.index(width * chains))
            e.fetch(builder.gep(a, [builder.add(first, e.index(_AHEAD // 8))]), chains * REGISTER_BYTES)
            return [count(builder.add(first, e.index(n * width)), total) for n, total in enumerate(sums)]

        def add_rest(step, sums):
            place = builder.add(whole, builder.mul(step, e.index(width)))
            return [count(place, sums[0], e.before(builder.sub(words, place), block))]

        steps = builder.udiv(words, e.index(width * chains))
        whole = builder.mul(steps, e.index(width * chains))
        sums = e.loop(steps, [ir.Constant(block, [0] * width)] * chains, add_registers)
        while len(sums) > 1:
            sums = [builder.add(*pair) for pair in zip(sums[::2], sums[1::2], strict=True)]
        rest = builder.udiv(builder.add(builder.sub(words, whole), e.index(width - 1)), e.index(width))
        counts = e.loop(rest, sums, add_rest)[0]
        return e.declared("llvm.vector.reduce.add", INDEX, [counts], vector=block)

    return types.int64(a, types.intp, b, types.intp, types.intp), generate
