"""The benchmark of spiking and Hebbian networks: every figure beside a control, and rows that say what is missing."""

import pytest

from benchmarks import biology
from benchmarks.biology import competing_on_mnist, moved, run
from bioneuro.data import load_digits


def named(rows, metric):
    return [entry for entry in rows if entry.metric.startswith(metric)]


def test_sangers_units_stand_beside_both_kinds_of_random_ones_and_margins_are_differences(monkeypatch):
    monkeypatch.setattr(biology, "SEEDS", range(1))
    rows = run(["--only", "hebbian", "--quick"])
    assert [entry.peer for entry in named(rows, "accuracy")] == ["random, on and off cells", "random ReLUs"] * 2
    assert all(entry.low <= entry.value <= entry.high for entry in rows)
    against = {entry.peer: entry for entry in named(rows, "accuracy")[2:]}  # 16 units
    relus, on_off = named(rows, "margin")[2:]
    for entry, control in ((relus, "random ReLUs"), (on_off, "random, on and off cells")):
        assert entry.value == pytest.approx(against[control].value - against[control].peer_value)
        assert entry.at_least == 10
    assert relus.reached()


def test_lesions_are_of_the_same_networks_and_the_silenced_suffer_more(monkeypatch):
    monkeypatch.setattr(biology, "SEEDS", range(1))
    monkeypatch.setattr(biology, "DRAWS", range(1))
    dead, silenced = run(["--only", "lesion"])
    assert dead.value > silenced.value > silenced.peer_value
    assert dead.reached()


@pytest.mark.parametrize(
    ("flags", "words"), [([], "give --data FOLDER or set BIONEURO_DATA"), (["--quick"], "--quick")]
)
def test_mnist_that_is_not_here_is_a_row_that_says_so(monkeypatch, tmp_path, flags, words):
    monkeypatch.delenv("BIONEURO_DATA", raising=False)
    rows = [*run(["--only", "mnist", *flags]), *run(["--only", "mnist-c", "--data", str(tmp_path), *flags])]
    assert len(rows) == 4
    assert all(entry.value is None and words in entry.peer for entry in rows)


@pytest.mark.filterwarnings("ignore::bioneuro.plasticity.IdleUnits")  # so small a layer has them
def test_units_that_never_learnt_have_not_moved_and_those_that_won_have():
    digits = load_digits()
    first, learnt = (competing_on_mnist(8, epochs=epochs, random_state=0).fit(digits.X, digits.y) for epochs in (0, 20))
    assert moved(first, first) == 0
    assert moved(learnt, first) > 0.5
