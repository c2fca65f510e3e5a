"""The benchmark of drawing: a row for every rule, with synapses as many as it says."""

from benchmarks.synapses import RULES, run
from bioneuro import Population, Sparse, Topology


def test_every_rule_has_a_row_of_as_many_synapses():
    rows = run(["--quick"])
    assert [entry.case for entry in rows] == [f"100,000 synapses, {name}" for name in RULES]
    assert all(0 < entry.low <= entry.value <= entry.high for entry in rows)
    for make in RULES.values():
        net = Topology([Population("a", 1000)], [Sparse("a", "a", make(1000, 100))])
        assert abs(net.n_synapses - 100_000) < 5 * 300  # a binomial number for the first, exact for the others
