"""Recording: traces by name, as in a dict."""

import numpy as np
import pytest

from bioneuro import Parameters, Recording, Topology
from bioneuro.errors import UnknownName

pytestmark = pytest.mark.small

RUN = Recording(Parameters.zeros(Topology.mlp(2, 1)), traces={"loss": np.arange(3.0), "times": np.arange(3)})


def test_traces_are_looked_up_listed_and_handed_on_by_name(tmp_path):
    assert RUN["loss"] is RUN.traces["loss"]
    assert "loss" in RUN
    assert "energy" not in RUN
    assert list(RUN) == list(RUN.keys()) == ["loss", "times"]
    np.savez(tmp_path / "run.npz", **RUN)
    np.testing.assert_array_equal(np.load(tmp_path / "run.npz")["times"], [0, 1, 2])


def test_a_trace_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="unknown trace 'los'; did you mean 'loss'"):
        RUN["los"]
    assert repr(RUN) == "Recording(loss (3,), times (3,))"
