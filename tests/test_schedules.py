import pytest

from enas.errors import UsageError
from enas.schedules import cosine_with_restarts


def rate(epoch: float) -> float:
    return cosine_with_restarts(epoch, high=0.05, low=0.0005, first=10, growth=2)


@pytest.mark.parametrize("epoch", [0.0, 10.0, 30.0, 70.0, 150.0])
def test_published_restarts(epoch: float) -> None:
    assert rate(epoch) == pytest.approx(0.05)


def test_half_way_is_the_middle_and_the_end_is_low() -> None:
    assert rate(5.0) == pytest.approx((0.05 + 0.0005) / 2)
    assert rate(20.0) == pytest.approx((0.05 + 0.0005) / 2)
    assert rate(309.999) == pytest.approx(0.0005, abs=1e-8)
    assert all(rate(float(e)) > rate(e + 1.0) for e in range(30, 69))


def test_a_cycle_without_epochs_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one epoch"):
        cosine_with_restarts(0.0, high=1.0, low=0.0, first=0, growth=2)
