"""The stand-in clears old tool results as the API does, and refuses what the API would."""

import json
from typing import Any

import pytest

from tests.standins.messages_api.context_clearing import BETA, cleared
from tests.standins.messages_api.request_rules import Refused, check_request

EDIT: dict[str, Any] = {"type": "clear_tool_uses_20250919"}


def request(count: int, edit: dict[str, Any] | None = None, size: int = 4_000) -> dict[str, Any]:
    """A conversation of so many calls."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Look."}]
    for number in range(count):
        name = f"t{number}"
        call = {"type": "tool_use", "id": name, "name": "bash", "input": {}}
        result = {"type": "tool_result", "tool_use_id": name, "content": "x" * size}
        messages += [
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    made: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": messages}
    return made if edit is None else made | {"context_management": {"edits": [edit]}}


def at(tokens: int, keep: int) -> dict[str, Any]:
    return EDIT | {
        "trigger": {"type": "input_tokens", "value": tokens},
        "keep": {"type": "tool_uses", "value": keep},
    }


def test_old_results_are_cleared_once_the_prompt_is_long() -> None:
    asked = request(10, at(5_000, 4))
    read, told = cleared(asked)
    results = [block for m in read["messages"][2::2] for block in m["content"]]
    assert ["cleared" in block["content"] for block in results] == [True] * 6 + [False] * 4
    assert told
    (applied,) = told["applied_edits"]
    assert applied["cleared_tool_uses"] == 6
    assert 5_500 < applied["cleared_input_tokens"] < 6_000
    assert len(json.dumps(asked)) > 40_000


@pytest.mark.parametrize(
    "edit",
    [
        at(50_000, 4),
        at(5_000, 10),
        at(5_000, 4) | {"clear_at_least": {"type": "input_tokens", "value": 7_000}},
        EDIT,
    ],
)
def test_nothing_is_cleared_before(edit: dict[str, Any]) -> None:
    asked = request(10, edit)
    assert cleared(asked) == (asked, {"applied_edits": []})


def test_without_the_field_nothing_is_told() -> None:
    asked = request(3)
    assert cleared(asked) == (asked, None)


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        {"edits": []},
        {"edits": [at(1, 1)], "more": 1},
        {"edits": [{"type": "clear_everything"}]},
        {"edits": [EDIT | {"keep": 3}]},
        {"edits": [EDIT | {"keep": {"type": "input_tokens", "value": 3}}]},
        {"edits": [EDIT | {"trigger": {"type": "tool_uses", "value": -1}}]},
        {"edits": [EDIT | {"size": 3}]},
    ],
)
def test_wrong_edits_are_refused(config: Any) -> None:
    with pytest.raises(Refused, match="context_management"):
        check_request(request(1) | {"context_management": config}, betas=frozenset((BETA,)))


def test_field_needs_the_beta() -> None:
    asked = request(1, at(1, 1))
    check_request(asked, betas=frozenset((BETA,)))
    with pytest.raises(Refused, match="Extra inputs"):
        check_request(asked)
