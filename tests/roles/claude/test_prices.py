"""The dated table of prices."""

from datetime import date

import pytest

from graph.spending import Usage
from roles.claude.prices import TABLE, cost_usd, find_model

USAGE = Usage(
    input_tokens=1000,
    output_tokens=2000,
    cache_creation_input_tokens=3000,
    cache_read_input_tokens=40_000,
)


def test_table_is_dated_and_whole() -> None:
    assert TABLE.dated >= date(2026, 11, 1)
    assert len(TABLE.models) >= 14
    for model in TABLE.models.values():
        assert model.read < model.input < model.write_5m < model.write_1h < model.output
        assert model.max_output < model.window


def test_cost_of_a_reply() -> None:
    expected = (1000 * 4 + 2000 * 20 + 3000 * 5 + 40_000 * 0.2) / 1e6
    assert cost_usd("claude-opus-5-5", USAGE) == pytest.approx(expected)


def test_haiku_has_two_levels() -> None:
    short = Usage(cache_read_input_tokens=100_000, output_tokens=1000)
    long = Usage(cache_read_input_tokens=100_000, input_tokens=1, output_tokens=1000)
    assert cost_usd("claude-haiku-5-5", short) == pytest.approx((100_000 * 0.01 + 1000 * 0.5) / 1e6)
    assert cost_usd("claude-haiku-5-5", long) == pytest.approx(
        (100_000 * 0.05 + 0.5 + 1000 * 2.5) / 1e6
    )


def test_dated_id_is_known() -> None:
    assert find_model("claude-haiku-4-5-20251001") == find_model("claude-haiku-4-5")


@pytest.mark.parametrize("name", ["", "claude-opus-9", "gpt", "claude-opus-5-5-latest"])
def test_unknown_model_has_no_cost(name: str) -> None:
    assert find_model(name) is None
    assert cost_usd(name, USAGE) is None
