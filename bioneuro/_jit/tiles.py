"""What matrix products are made of: tiles that stay in registers while sums run down the inner axis.

Blocks of vector code as those of `simd`, each beside its loop, and under the same rules.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types

from bioneuro._jit.emit import REGISTERS, Emitter, vector_code
from bioneuro._jit.matrix import at
from bioneuro._jit.simd import PANEL, dot, lanes

TILE_ROWS = 6  # rows of a tile of products; with TILE_VECTORS registers a row it fills three quarters of the registers
TILE_VECTORS = 4 if REGISTERS == 32 else 2
DOT_ROWS = 6  # rows of a tile of scalar products
DOT_COLUMNS = REGISTERS // 8


def _tile_loop(rows, halves, a, b, out, inner, more, first, last):
    """out[i, j] (+)= sum over k of a[i, k] b[k, j], for `rows` rows and the columns in [first, last).

    `last` is None where all of the tile is there, `halves` half registers of columns; else nothing behind it is
    touched. Columns before `first` keep their values, but nobody else may write them now. Sums start from 0, or, where
    `more`, from `out`, and ascend in k. The rows of b and out are contiguous. `rows` and `halves` are literal numbers.
    """
    for i in range(rows):
        for j in range(first, halves * lanes.loop(out.values) // 2 if last is None else last):
            total = out.values[at(out, i, j)] if more else out.values.dtype.type(0)
            for k in range(inner):
                total += a.values[at(a, i, k)] * b.values[at(b, k, j)]
            out.values[at(out, i, j)] = total


@vector_code(_tile_loop)
def tile(typing, rows, halves, a, b, out, inner, more, first, last):
    n_rows, n_halves = rows.literal_value, halves.literal_value
    all_there = last == types.none

    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a, b, out = (e.matrix(position, arguments[position]) for position in (2, 3, 4))
        inner, more, first, last = arguments[5:]
        parts = e.parts(n_halves * e.lanes // 2, None if all_there else last)
        targets = [(out.along(e.index(i), part.column), *part) for i in range(n_rows) for part in parts]

        def add_products(k, sums):
            right = [e.load(b.along(k, part.column), part.vector, part.mask) for part in parts]
            following = []
            for i in range(n_rows):
                x = builder.load(a.at(e.index(i), k))
                following += [e.fused(e.splat(x, y.type), y, sums[len(following) + n]) for n, y in enumerate(right)]
            return following

        known = [(target, vector, mask) for target, _, vector, mask in targets]
        sums = e.loop(inner, e.first_sums(known, more), add_products)
        with builder.if_else(builder.icmp_signed(">", first, e.index(0))) as (some, whole):
            with some:
                for total, (target, column, vector, mask) in zip(sums, targets, strict=True):
                    kept = e.before(builder.sub(first, column), vector)
                    e.store(builder.select(kept, e.load(target, vector, mask), total), target, mask)
            with whole:
                for total, (target, _, _, mask) in zip(sums, targets, strict=True):
                    e.store(total, target, mask)
        return context.get_dummy_value()

    last = types.none if all_there else types.intp
    return types.void(rows, halves, a, b, out, types.intp, types.boolean, types.intp, last), generate


def _outer_loop(vectors, a, b, out, rows, columns):
    """out[i, j] = a[i, 0] b[0, j] in the first `rows` rows i, for `columns` columns; None: all the registers.

    What tiles make of sums of one term, to the bit; but they would be begun anew for every few rows.
    """
    for i in range(rows):
        for j in range(vectors * lanes.loop(out.values) if columns is None else columns):
            out.values[at(out, i, j)] = a.values[at(a, i, 0)] * b.values[at(b, 0, j)] + out.values.dtype.type(0)


@vector_code(_outer_loop)
def outer(typing, vectors, a, b, out, rows, columns):
    n_vectors, all_there = vectors.literal_value, columns == types.none

    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a, b, out = (e.matrix(position, arguments[position]) for position in (1, 2, 3))
        parts = e.parts(n_vectors * e.lanes, None if all_there else arguments[5])
        right = [e.load(b.along(e.index(0), part.column), part.vector, part.mask) for part in parts]

        def multiply(i, _):
            x = builder.load(a.at(i, e.index(0)))
            for part, y in zip(parts, right, strict=True):
                product = e.fused(e.splat(x, y.type), y, ir.Constant(y.type, [0.0] * y.type.count))
                e.store(product, out.along(i, part.column), part.mask)
            return []

        e.loop(arguments[4], [], multiply)
        return context.get_dummy_value()

    limit = types.none if all_there else types.intp
    return types.void(vectors, a, b, out, types.intp, limit), generate


def _dot_tile_loop(rows, columns, a, b, out, inner, more, apart):
    """out[i, j] (+)= sum over k of a[i, k] b[j, k], for `rows` rows and `columns` columns.

    Lane l sums the terms k = l, l + lanes, l + 2 lanes, ..., ascending; neighbouring lanes are then added, and so on.
    The rows of a and out are contiguous; those of b are cut into panels: after every PANEL numbers the row goes on
    `apart` numbers behind where they began (`PANEL`: contiguous). `rows` and `columns` must be literal numbers.
    """
    for i in range(rows):
        for j in range(columns):
            places = [b.start + j * b.row + k // PANEL * apart + k % PANEL for k in range(inner)]
            total = dot.loop(a.values, a.start + i * a.row, b.values[places], 0, inner)
            out.values[at(out, i, j)] = total + out.values[at(out, i, j)] if more else total


@vector_code(_dot_tile_loop)
def dot_tile(typing, rows, columns, a, b, out, inner, more, apart):
    n_rows, n_columns = rows.literal_value, columns.literal_value

    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        a, b, out = (e.matrix(position, arguments[position]) for position in (2, 3, 4))
        inner, more, apart = arguments[5:]
        further = builder.sub(apart, e.index(PANEL))

        def add_products(k, sums, mask):
            place = builder.add(k, builder.mul(builder.udiv(k, e.index(PANEL)), further))
            right = [e.load(b.along(e.index(j), place), mask=mask) for j in range(n_columns)]
            following = []
            for i in range(n_rows):
                x = e.load(a.along(e.index(i), k), mask=mask)
                following += [e.fused(x, y, sums[len(following) + n]) for n, y in enumerate(right)]
            return following

        sums = e.run_along(inner, [e.zeros] * (n_rows * n_columns), add_products)
        together = min(n_columns, e.lanes)  # sums that one store writes
        vector = ir.VectorType(e.number, together)
        for place, totals in enumerate(e.sum_lanes(sums, together)):
            i, j = divmod(place * together, n_columns)
            target = out.along(e.index(i), e.index(j))
            known = builder.select(more, e.load(target, vector), ir.Constant(vector, [0.0] * together))
            e.store(builder.fadd(totals, known), target)
        return context.get_dummy_value()

    return types.void(rows, columns, a, b, out, types.intp, types.boolean, types.intp), generate
