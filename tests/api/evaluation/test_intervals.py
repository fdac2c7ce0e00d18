"""Intervals, held against published figures."""

import math

import pytest

from api.evaluation.intervals import ratio_interval, share_interval


@pytest.mark.parametrize(
    ("number", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_shares_are_wilsons(number: int, total: int, low: float, high: float) -> None:
    interval = share_interval(number, total)
    assert interval.low == pytest.approx(low, abs=6e-5)
    assert interval.high == pytest.approx(high, abs=6e-5)


def test_of_nothing_nothing_is_known() -> None:
    assert (share_interval(0, 0).low, share_interval(0, 0).high) == (0.0, 1.0)
    assert ratio_interval([]).high == math.inf


def test_a_ratio_without_spread_is_itself() -> None:
    interval = ratio_interval([(0.5, 1.0)] * 10)
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_a_ratio_lies_in_its_interval_and_is_the_same_each_time() -> None:
    pairs = [(0.2 + index % 5 / 10, float(index % 3 > 0)) for index in range(20)]
    interval = ratio_interval(pairs)
    ratio = sum(first for first, _ in pairs) / sum(second for _, second in pairs)
    assert interval.low < ratio < interval.high
    assert ratio_interval(pairs) == interval


def test_one_of_few_that_may_be_missing_leaves_no_bound() -> None:
    assert ratio_interval([(1.0, 1.0), (1.0, 0.0)]).high == math.inf
