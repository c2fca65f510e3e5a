"""Plain twins of the sparse rules: who reaches whom, from the definitions, on Python lists and integers."""

from __future__ import annotations

from bioneuro._jit.keys import Key
from tests.naive.jit_random import UNIFORM, WORD, integer_below, uniform, word


def edges(projection, n_pre, n_post):
    """The sorted list of (pre, post) of a sparse projection."""
    key = Key.from_seed(projection.seed).child(projection.name)
    rule, kind = projection.rule, type(projection.rule).__name__
    loops = projection.pre == projection.post and not projection.autapses

    def row(key, i, k, n_others):
        own = i if loops else None
        return (with_replacement if projection.multapses else floyd)(key, i, k, n_others - loops, own)

    match kind:
        case "FixedProbability":
            degrees = key.child("out-degrees").generator().binomial(n_post - loops, rule.p, size=n_pre)
            found = [(i, j) for i in range(n_pre) for j in row(key.child("edges"), i, int(degrees[i]), n_post)]
        case "FixedOutDegree":
            found = [(i, j) for i in range(n_pre) for j in row(key.child("edges"), i, rule.k, n_post)]
        case "FixedInDegree":
            found = [(i, j) for j in range(n_post) for i in row(key.child("edges"), j, rule.k, n_pre)]
        case "SmallWorld":
            pairs = watts_strogatz(key.child("edges"), n_pre, rule.k, rule.p, projection.multapses)
            found = [(i, j) for i, j in pairs] + [(j, i) for i, j in pairs]
        case "Edges":
            found = list(zip(rule.pre.tolist(), rule.post.tolist(), strict=True))
    return sorted(found)


def floyd(key, row, k, n, own):
    """A subset of k of 0 .. n-1; numbers from `own` on are moved up by one."""
    chosen = set()
    for draw in range(k):
        last = n - k + draw
        unit = below(key, row, draw, last + 1)
        chosen.add(last if unit in chosen else unit)
    return [unit + (own is not None and unit >= own) for unit in chosen]


def with_replacement(key, row, k, n, own):
    drawn = [below(key, row, draw, n) for draw in range(k)]
    return [unit + (own is not None and unit >= own) for unit in drawn]


def below(key, row, draw, n):
    value = word(key, row, draw, 0, UNIFORM)
    return value * n // WORD if value * n % WORD >= WORD % n else integer_below(key, row, draw, 0, n)


def watts_strogatz(key, n, k, p, multapses):
    """Pairs (i, far end), lap after lap; a pair that is rewired avoids all that are there."""
    pairs = {(i, lap): (i + lap + 1) % n for lap in range(k // 2) for i in range(n)}
    for i, lap in list(pairs):
        joined = {frozenset((a, b)) for (a, _), b in pairs.items()}
        full = all(frozenset((i, j)) in joined for j in range(n) if j != i)
        if uniform(key, i, lap, 0) >= p or (full and not multapses):
            continue
        for step in range(1, 10_000):
            other = integer_below(key, i, lap, step, n - 1)
            other += other >= i
            if multapses or frozenset((i, other)) not in joined:
                break
        pairs[i, lap] = other
    return [(i, far) for (i, _), far in pairs.items()]
