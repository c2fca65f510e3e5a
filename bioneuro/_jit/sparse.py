"""Products with a sparse matrix: sums of the rows of a dense one, times factors, a strip of columns in registers."""

from __future__ import annotations

from bioneuro._jit.kernel import kernel
from bioneuro._jit.simd import get, lanes, part, sum_scaled_rows


@kernel
def multiply_sparse(starts, ends, indices, factors, m, out, rows, columns, more):
    """out_i (+)= sum over e in [starts_i, ends_i) of factors_e m_(indices_e), for the first `rows` rows of out.

    m, out: `Matrix` with contiguous rows and `columns` columns. Sums ascend in e and do not depend on the split.
    """
    width = lanes(out.values)
    for i in range(rows):
        j, place = 0, out.start + i * out.row
        while j + 8 * width <= columns:
            strip = part(m, 0, j)
            sum_scaled_rows(8, indices, factors, starts[i], ends[i], strip, out.values, place + j, more)
            j += 8 * width
        while j + width <= columns:
            strip = part(m, 0, j)
            sum_scaled_rows(1, indices, factors, starts[i], ends[i], strip, out.values, place + j, more)
            j += width
        while j < columns:
            total = out.values[place + j] if more else factors.dtype.type(0)
            for e in range(starts[i], ends[i]):
                total += factors[e] * get(m, indices[e], j)
            out.values[place + j] = total
            j += 1
