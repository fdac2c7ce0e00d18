"""Money as people read it."""

import pytest

from graph import format_usd


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "$0.00"), (0.0042, "$0.0042"), (0.00994, "$0.0099"), (0.01, "$0.01"), (12.345, "$12.35")],
)
def test_less_than_a_cent_is_no_zero(usd: float, text: str) -> None:
    assert format_usd(usd) == text
