import pytest

from bioneuro import optim
from bioneuro.errors import InvalidInput, UnknownName

pytestmark = pytest.mark.small


def test_schedules_have_their_closed_forms():
    assert optim.constant(0.3)(10**6) == 0.3
    assert [optim.step(1.0, 0.5, 10)(t) for t in (0, 9, 10, 25)] == [1, 1, 0.5, 0.25]
    assert optim.exponential(2.0, 0.9)(3) == pytest.approx(2 * 0.9**3, rel=1e-15)
    assert optim.exponential(2.0, 0.95, every=100)(50) == pytest.approx(2 * 0.95**0.5, rel=1e-15)
    assert [optim.linear(1.0, 0.0, 4)(t) for t in (0, 1, 4, 9)] == [1, 0.75, 0, 0]
    assert [optim.piecewise([0.5, 0.9], [5])(t) for t in (0, 4, 5, 99)] == [0.5, 0.5, 0.9, 0.9]


def test_schedules_by_name_cover_the_training():
    assert optim.over_training("linear", 0.1, 50)(50) == 0
    assert optim.over_training("exponential", 0.1, 50)(50) == pytest.approx(0.001)
    assert optim.over_training("step", 0.1, 30)(29) == pytest.approx(0.001)
    assert optim.over_training("constant", 0.1, 30)(29) == 0.1


def test_bad_schedules_say_what_is_wrong():
    with pytest.raises(InvalidInput, match="rising boundaries"):
        optim.piecewise([1, 2], [3, 4])
    with pytest.raises(InvalidInput, match="every must be"):
        optim.step(1, 0.5, 0)
    with pytest.raises(UnknownName, match="did you mean 'linear'"):
        optim.over_training("liner", 0.1, 10)
