"""Intervals for figures of few tasks."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_Z: Final = statistics.NormalDist().inv_cdf(0.975)
_DRAWS: Final = 2000
_SEED: Final = 20


@dataclass(frozen=True)
class Interval:
    """Bounds of 95 %; `high` is infinite where nothing holds it down."""

    low: float
    high: float


def share_interval(count: int, total: int) -> Interval:
    """Of a share, by Wilson's score; of no tasks it is everything."""
    if not total:
        return Interval(0.0, 1.0)
    share, square = count / total, _Z * _Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    spread = math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    half = _Z * spread / (1 + square / total)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def ratio_interval(pairs: Sequence[tuple[float, float]]) -> Interval:
    """Of the sum of the first over the sum of the second, by a bootstrap with a fixed seed."""
    if not pairs:
        return Interval(0.0, math.inf)
    draw = random.Random(_SEED)  # noqa: S311 - the same page each time
    ratios = sorted(_ratio(draw.choices(pairs, k=len(pairs))) for _ in range(_DRAWS))
    edge = round(_DRAWS * 0.025)
    return Interval(ratios[edge], ratios[-1 - edge])


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    upper, lower = sum(first for first, _ in pairs), sum(second for _, second in pairs)
    return upper / lower if lower else math.inf
