"""Philox-4x64-10: four random words from a 256-bit counter and a 128-bit key, as in `numpy.random.Philox`.

Being a pure function of (key, counter) it gives the same draw to a unit whatever thread, chunk or batch it falls in.
Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types

from bioneuro._jit.bits import multiply_wide
from bioneuro._jit.emit import INDEX, INT32, MULTIPLIES_52_BITS, REGISTER_BYTES, Emitter, vector_code
from bioneuro._jit.kernel import scalar, twin_of

_ROUNDS = 10
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_WORD, _HALF = 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF

_ELEVEN, _TWELVE, _FORTY = np.uint64(11), np.uint64(12), np.uint64(40)
_TWO_M24, _TWO_M52, _TWO_M53 = np.float32(2**-24), 2.0**-52, 2.0**-53


def philox(c0, c1, c2, c3, k0, k1):
    """Return four uint64 for the counter (c0, c1, c2, c3) and the key (k0, k1), all uint64."""
    c0, c1, c2, c3, k0, k1 = map(int, (c0, c1, c2, c3, k0, k1))
    for _ in range(_ROUNDS):
        high_0, low_0 = divmod(int(_MULTIPLIER_0) * c0, _WORD + 1)
        high_1, low_1 = divmod(int(_MULTIPLIER_1) * c2, _WORD + 1)
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
        k0, k1 = (k0 + int(_WEYL_0)) & _WORD, (k1 + int(_WEYL_1)) & _WORD
    return np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)


@twin_of(philox)
def _(c0, c1, c2, c3, k0, k1):
    if any(word != types.uint64 for word in (c0, c1, c2, c3, k0, k1)):
        return None  # a signed word would turn the arithmetic into float64 without a sound

    def rounds(c0, c1, c2, c3, k0, k1):
        for _ in range(_ROUNDS):
            high_0, low_0 = multiply_wide(_MULTIPLIER_0, c0)
            high_1, low_1 = multiply_wide(_MULTIPLIER_1, c2)
            c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
            k0, k1 = k0 + _WEYL_0, k1 + _WEYL_1
        return c0, c1, c2, c3

    return rounds


# The vector units and the integer unit multiply at the same time; smaller registers than these gain nothing
LANES = REGISTER_BYTES // 8
VECTORS, SINGLES = {8: (3, 4), 4: (2, 4)}.get(LANES, (0, 2))
BLOCKS = VECTORS * LANES + SINGLES  # counters of one call of `philox_blocks`


def _philox_blocks_loop(c0, c1, c2, c3, k0, k1, words, start):
    """words[start + 4 i : start + 4 i + 4] = philox(c0 + i, c1, c2, c3, k0, k1) for i below BLOCKS; all uint64."""
    for i in range(BLOCKS):
        words[start + 4 * i : start + 4 * i + 4] = philox(int(c0) + i, c1, c2, c3, k0, k1)


@vector_code(_philox_blocks_loop)
def philox_blocks(typing, c0, c1, c2, c3, k0, k1, words, start):
    def generate(context, builder, signature, arguments):
        e = Emitter(context, builder, signature)
        c0, *others, k0, k1, words, start = arguments
        counters = []
        for group in range(VECTORS):
            lanes = ir.Constant(_VECTOR, list(range(group * LANES, (group + 1) * LANES)))
            first, *same = (e.splat(word, _VECTOR) for word in (c0, *others))
            counters += [builder.add(first, lanes), *same]
        for i in range(VECTORS * LANES, BLOCKS):
            counters += [builder.add(c0, INDEX(i)), *others]

        def rounds(_, carried):  # all counters in step, so that the processor finds work for all its units
            *words, k0, k1 = carried
            keys = {INDEX: (k0, k1), _VECTOR: (e.splat(k0, _VECTOR), e.splat(k1, _VECTOR))}
            following = []
            for counter in zip(*[iter(words)] * 4, strict=True):
                following += _round(e, counter, keys[counter[0].type])
            return [*following, builder.add(k0, INDEX(int(_WEYL_0))), builder.add(k1, INDEX(int(_WEYL_1)))]

        carried = rounds(0, [*counters, k0, k1])  # apart from the others: here the counters share a product
        *counters, _, _ = e.loop(e.index(_ROUNDS - 1), carried, rounds)
        target = e.address(6, words, start)
        for counter in zip(*[iter(counters)] * 4, strict=True):
            for value in _in_order(builder, counter):
                place = builder.bitcast(target, value.type.as_pointer())
                builder.store(value, place).align = 8
                target = builder.gep(target, [e.index(getattr(value.type, "count", 1))])
        return context.get_dummy_value()

    word = types.uint64
    return types.void(word, word, word, word, word, word, words, types.intp), generate


_VECTOR = ir.VectorType(INDEX, LANES)


def _round(e, counter, keys):
    """One round of one counter, or of a vector of counters."""
    c0, c1, c2, c3 = counter
    product = _product if c0.type == INDEX else _product_by_carry if MULTIPLIES_52_BITS else _product_by_halves
    high_0, low_0 = product(e, c0, int(_MULTIPLIER_0))
    high_1, low_1 = product(e, c2, int(_MULTIPLIER_1))
    xor = e.builder.xor
    return [xor(xor(high_1, c1), keys[0]), low_1, xor(xor(high_0, c3), keys[1]), low_0]


def _product(e, x, factor: int):
    """High and low 64 bits of x times a constant."""
    builder, double = e.builder, ir.IntType(128)
    product = builder.mul(builder.zext(x, double), double(factor))
    return builder.trunc(builder.lshr(product, double(64)), INDEX), builder.trunc(product, INDEX)


def _product_by_halves(e, x, factor: int):
    """The same for vectors, where the widest product is that of 32 bits by 32."""
    builder = e.builder
    half, low_half, factor_low, factor_high = map(_everywhere, (32, _HALF, factor & _HALF, factor >> 32))
    low, high = builder.and_(x, low_half), builder.lshr(x, half)
    lowest = builder.mul(low, factor_low)
    middle = builder.add(builder.mul(high, factor_low), builder.lshr(lowest, half))
    cross = builder.add(builder.mul(low, factor_high), builder.and_(middle, low_half))
    carried = builder.add(builder.lshr(middle, half), builder.lshr(cross, half))
    whole = builder.or_(builder.shl(cross, half), builder.and_(lowest, low_half))
    return builder.add(builder.mul(high, factor_high), carried), whole


def _product_by_carry(e, x, factor: int):
    """The same where one instruction adds the upper or the lower half of a product of 52 bits by 52.

    With factor = 2^12 f + rest, |rest| <= 2^11, and x = 2^52 x_1 + x_0,

        high = x_1 f + upper(x_0 f) + carry,     2^52 carry = lower(x_0 f) + x rest / 2^12 - low / 2^12.

    (x >> 12) rest in place of the middle term errs by less than 2^11, and always towards the same side, so that a shift
    by 52 bits still finds the carry, or, where that side is below, minus the carry.
    """
    builder = e.builder
    near = (factor + (1 << 11)) >> 12
    rest, f, twelve, most = factor - (near << 12), _everywhere(near), _everywhere(12), _everywhere(52)
    low = builder.mul(x, _everywhere(factor))
    upper = e.multiply_52("h", builder.mul(builder.lshr(x, most), f), x, f)
    lower = e.multiply_52("l", builder.mul(builder.lshr(x, twelve), _everywhere(rest)), x, f)
    known = builder.lshr(low, twelve)
    if rest < 0:
        return builder.add(upper, builder.ashr(builder.sub(lower, known), most)), low
    return builder.sub(upper, builder.ashr(builder.sub(known, lower), most)), low


def _everywhere(value: int):
    return ir.Constant(_VECTOR, [value & _WORD] * LANES)


def _in_order(builder, counter):
    """The words of a counter, or vectors that hold the words of one counter after the other."""
    if counter[0].type == INDEX:
        return counter
    by_turns = _shuffle([lane + LANES * word for lane in range(LANES) for word in (0, 1)])
    pairs = [builder.shuffle_vector(*counter[word : word + 2], by_turns) for word in (0, 2)]
    order = [2 * LANES * pair + 2 * block + word for block in range(LANES) for pair in (0, 1) for word in (0, 1)]
    return [builder.shuffle_vector(*pairs, _shuffle(order[at : at + LANES])) for at in range(0, 4 * LANES, LANES)]


def _shuffle(lanes):
    return ir.Constant(ir.VectorType(INT32, len(lanes)), lanes)


@scalar
def uniform64(word):
    """The upper 53 bits of a uint64 as a float64 in [0, 1)."""
    return np.float64(np.int64(word >> _ELEVEN)) * _TWO_M53


@scalar
def uniform32(word):
    """The upper 24 bits of a uint64 as a float32 in [0, 1)."""
    return np.float32(np.int32(word >> _FORTY)) * _TWO_M24


@scalar
def open_uniform(word):
    """The upper 52 bits of a uint64 as a float64 in (0, 1), symmetric about 1/2."""
    return (np.float64(np.int64(word >> _TWELVE)) + 0.5) * _TWO_M52
