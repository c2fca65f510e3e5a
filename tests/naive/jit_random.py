"""Plain twins of bioneuro._jit.random, straight from the definitions, on Python integers."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

WORD = 2**64
MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
UNIFORM, NORMAL, POISSON, BELOW, NEXT_ATTEMPT = 0, 1, 2, 3, 256


def philox(counter, key):
    counter, key = [int(word) for word in counter], [int(word) for word in key]
    for _ in range(10):
        first, second = MULTIPLIERS[0] * counter[0], MULTIPLIERS[1] * counter[2]
        counter = [
            (second // WORD) ^ counter[1] ^ key[0],
            second % WORD,
            (first // WORD) ^ counter[3] ^ key[1],
            first % WORD,
        ]
        key = [(word + weyl) % WORD for word, weyl in zip(key, WEYL, strict=True)]
    return counter


def word(key, row, unit, step, kind):
    return philox((unit // 4, row, step, kind), key)[unit % 4]


def uniform(key, row, unit, step, dtype=np.float64):
    bits = 24 if dtype == np.float32 else 53
    return dtype((word(key, row, unit, step, UNIFORM) >> (64 - bits)) / 2**bits)


def normal(key, row, unit, step):
    return special.ndtri(open_uniform(word(key, row, unit, step, NORMAL)))


def open_uniform(word):
    return ((word >> 12) + 0.5) / 2**52


def poisson(key, row, unit, step, rate):
    if rate < 10:
        u = (word(key, row, unit, step, POISSON) >> 11) / 2**53
        return int(np.argmax(stats.poisson.cdf(np.arange(100), rate) > u))
    b = 0.931 + 2.53 * np.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    for attempt in range(1, 1000):
        words = philox((unit, row, step, POISSON + attempt * NEXT_ATTEMPT), key)
        for first, second in (words[:2], words[2:]):
            u, v = open_uniform(first) - 0.5, open_uniform(second)
            distance = 0.5 - abs(u)
            count = np.floor((2 * a / distance + b) * u + rate + 0.43)
            if distance >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
                return int(count)
            inside = count >= 0 and not (distance < 0.013 and v > distance)
            if inside and v * inverse_alpha / (a / distance**2 + b) <= stats.poisson.pmf(count, rate):
                return int(count)
    raise AssertionError("a thousand rejections")


def integer_below(key, row, unit, step, n):
    for attempt in range(1000):
        for value in philox((unit, row, step, BELOW + attempt * NEXT_ATTEMPT), key):
            if value * n % WORD >= WORD % n:
                return value * n // WORD
    raise AssertionError("a thousand rejections")


def permutation(key, row, step, n):
    order = list(range(n))
    for place in range(n):
        other = integer_below(key, row, place, step, place + 1)
        order[place], order[other] = order[other], place
    return order


def hash_row(values):
    def mix(state, multiplier):
        low = state * multiplier % WORD
        return low ^ (low >> 32)

    first, last = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
    state = len(values) ^ first
    for value in values:
        state = mix(state ^ int(np.float64(value + 0.0).view(np.uint64)), first)
    return mix(mix(state, last), last)
