"""One kernel for each block of `simd` and `tiles`; `python blocks.py` prints, as JSON, what arm64 would make of them.

A script, because LLVM ends the whole process over code that a processor does not have.
"""

from __future__ import annotations

import json
import re

import numba
import numpy as np
from llvmlite import binding

from bioneuro._jit import simd, tiles
from bioneuro._jit.kernel import kernel
from bioneuro._jit.matrix import Matrix
from bioneuro._jit.philox import philox_blocks as philox_block

ARM = "aarch64-unknown-linux-gnu"


@kernel
def tile(a, b, out, inner, more, first, last):
    tiles.tile(2, 3, a, b, out, inner, more, first, last)


@kernel
def dot_tile(a, b, out, inner, more, apart):
    tiles.dot_tile(3, 2, a, b, out, inner, more, apart)


@kernel
def dot(a, a0, b, b0, inner):
    return simd.dot(a, a0, b, b0, inner)


@kernel
def dot_gap(a, a0, high, b, b0, inner):
    return simd.dot_gap(a, a0, high, b, b0, inner)


@kernel
def total(a, a0, count):
    return simd.total(a, a0, count)


@kernel
def largest(a, a0, count):
    return simd.largest(a, a0, count)


@kernel
def stretch(a, a0, shift, factor, out, out0, count):
    simd.stretch(a, a0, shift, factor, out, out0, count)


@kernel
def scaled_gap(a, a0, factor, b, b0, out, out0, count):
    simd.scaled_gap(a, a0, factor, b, b0, out, out0, count)


@kernel
def outer(a, b, out, rows, columns):
    tiles.outer(2, a, b, out, rows, columns)


@kernel
def add_down(m, rows, row, row0, columns):
    simd.add_down(2, m, rows, row, row0, columns)


@kernel
def sum_down(m, rows, out, out0, columns):
    simd.sum_down(2, m, rows, out, out0, columns)


@kernel
def sum_rows(rows, first, last, m, out, out0, columns, more):
    simd.sum_rows(2, rows, first, last, m, out, out0, columns, more)


@kernel
def sum_scaled_rows(rows, factors, first, last, m, out, out0, columns, more):
    simd.sum_scaled_rows(2, rows, factors, first, last, m, out, out0, columns, more)


@kernel
def add_signed(bits, m, m0, out, out0):
    simd.add_signed(bits, m, m0, out, out0)


@kernel
def count_differences(a, a0, b, b0, words):
    return simd.count_differences(a, a0, b, b0, words)


@kernel
def philox_blocks(c0, c1, c2, c3, k0, k1, words, start):
    philox_block(c0, c1, c2, c3, k0, k1, words, start)


FLAT = numba.types.Array(numba.float32, 1, "C")
MATRIX = numba.typeof(Matrix(np.empty(1, np.float32), 0, 1, 1))
ROWS = numba.types.Array(numba.int32, 1, "C")
WORDS = numba.types.Array(numba.uint64, 1, "C")
WORD, INT, FLAG, NONE, NUMBER = numba.uint64, numba.int64, numba.boolean, numba.none, numba.float32
SIGNATURES = {
    tile: (MATRIX, MATRIX, MATRIX, INT, FLAG, INT, INT),
    dot_tile: (MATRIX, MATRIX, MATRIX, INT, FLAG, INT),
    dot: (FLAT, INT, FLAT, INT, INT),
    dot_gap: (FLAT, INT, NUMBER, FLAT, INT, INT),
    total: (FLAT, INT, INT),
    largest: (FLAT, INT, INT),
    stretch: (FLAT, INT, NUMBER, NUMBER, FLAT, INT, INT),
    scaled_gap: (FLAT, INT, NUMBER, FLAT, INT, FLAT, INT, INT),
    outer: (MATRIX, MATRIX, MATRIX, INT, NONE),
    add_down: (MATRIX, INT, FLAT, INT, NONE),
    sum_down: (MATRIX, INT, FLAT, INT, NONE),
    sum_rows: (ROWS, INT, INT, MATRIX, FLAT, INT, NONE, FLAG),
    sum_scaled_rows: (ROWS, FLAT, INT, INT, MATRIX, FLAT, INT, NONE, FLAG),
    add_signed: (WORD, FLAT, INT, FLAT, INT),
    count_differences: (WORDS, INT, WORDS, INT, INT),
    philox_blocks: (WORD, WORD, WORD, WORD, WORD, WORD, WORDS, INT),
}


def instructions_on_arm(block):
    """Return the names of the instructions that arm64 code of the block consists of; vector ones end in `.v`."""
    compiled = numba.njit(block.py_func, error_model="numpy", nogil=True)  # the text of a cached kernel is not kept
    compiled.compile(SIGNATURES[block])
    text = compiled.inspect_llvm(SIGNATURES[block])
    text = re.sub(r'^target .*$|"target-[^"]*"="[^"]*"', "", text, flags=re.MULTILINE)
    # counting references, no part of the block, is written for the processor at hand
    text = re.sub(r"^define[^\n]* (@NRT_\w+)\(.*?^}", r"declare void \1(ptr)", text, flags=re.MULTILINE | re.DOTALL)
    machine = binding.Target.from_triple(ARM).create_target_machine(opt=3)
    module = binding.parse_assembly(text)
    module.triple, module.data_layout = ARM, str(machine.target_data)
    found = re.findall(r"^\t(\w+)\t(v?)", machine.emit_assembly(module), flags=re.MULTILINE)
    return sorted({name + (".v" if vector else "") for name, vector in found})


if __name__ == "__main__":
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    try:
        binding.Target.from_triple(ARM)
    except RuntimeError:
        print(json.dumps(None))
    else:
        print(json.dumps({block.__name__: instructions_on_arm(block) for block in SIGNATURES}))
