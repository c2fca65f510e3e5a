"""How long it takes until the synapses of a sparse projection are drawn, by each rule, once compiled.

    python -m benchmarks.synapses [--quick] [--only PATTERN] [--json PATH]

Ten million synapses within 10,000 units, a thousand a unit (--quick: a hundredth of them), in (pre, post) order, on one
core whatever --threads; seven draws of seven seeds, after one that does not count.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.table import Row, Settings, interleaved, main, row, timed
from bioneuro import Population, Sparse, Topology
from bioneuro.topology import FixedInDegree, FixedOutDegree, FixedProbability, Rule, SmallWorld

UNITS, SECONDS = 10_000, 1.0
RULES: dict[str, Callable[[int, int], Rule]] = {  # of n units, k synapses each
    "fixed probability": lambda n, k: FixedProbability(k / n),
    "fixed in-degree": lambda n, k: FixedInDegree(k),
    "fixed out-degree": lambda n, k: FixedOutDegree(k),
    "small world": lambda n, k: SmallWorld(k, 0.1),
}


def drawing(settings: Settings, name: str) -> Iterator[Row]:
    """Draw by one rule; at a tenth of the units and of their partners with --quick."""
    n = UNITS // 10 if settings.quick else UNITS
    rule, seeds = RULES[name](n, n // 10), itertools.count()

    def draw() -> None:
        Topology([Population("a", n)], [Sparse("a", "a", rule, seed=next(seeds))]).edges("a->a")

    spread = interleaved({"ours": timed(draw)})["ours"]
    asked = None if settings.quick else SECONDS
    yield row(f"{n * n // 10:,} synapses, {name}", "time", spread, "s", at_least=asked)


CASES = {name: partial(drawing, name=name) for name in RULES}


def run(argv: list[str] | None = None) -> list[Row]:
    """The benchmark; argv as on the command line."""
    return main(__doc__, CASES, argv=argv)


if __name__ == "__main__":
    run()
