"""What the stand-in's prompt cache reads, writes and forgets."""

from typing import Any

import pytest

from graph.spending import Usage
from tests.standins.messages_api.prompt_cache import PromptCache

AUTO = {"cache_control": {"type": "ephemeral"}}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> PromptCache:
    return PromptCache(clock)


def request(turns: int, **more: Any) -> dict[str, Any]:
    """A conversation of that many turns, each of about 500 tokens."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "start " + "s" * 4000}]
    for number in range(turns):
        call = {"type": "tool_use", "id": f"t{number}", "name": "bash", "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "r" * 2000}
        messages += [
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    return {"model": "m", "system": "x" * 400, "messages": messages, **AUTO, **more}


def total(usage: Usage) -> int:
    return usage.tokens - usage.output_tokens


def test_first_request_writes_all(cache: PromptCache) -> None:
    usage = cache.bill(request(0))
    assert usage.cache_read_input_tokens == usage.input_tokens == 0
    assert usage.cache_creation_input_tokens > 1000


def test_next_request_reads_what_was_written(cache: PromptCache) -> None:
    first, second = cache.bill(request(0)), cache.bill(request(1))
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.cache_creation_input_tokens > 400
    assert second.input_tokens == 0


def test_same_request_again_is_only_read(cache: PromptCache) -> None:
    cache.bill(request(3))
    again = cache.bill(request(3))
    assert again.cache_creation_input_tokens == again.input_tokens == 0


def test_without_a_mark_nothing_is_cached(cache: PromptCache) -> None:
    plain = request(3)
    del plain["cache_control"]
    assert cache.bill(plain) == cache.bill(plain) == Usage(input_tokens=total(cache.bill(plain)))


def test_short_prompts_are_not_cached(cache: PromptCache) -> None:
    short = {"model": "m", "messages": [{"role": "user", "content": "x" * 1000}], **AUTO}
    assert cache.bill(short).cache_creation_input_tokens == 0
    assert cache.bill(short).cache_read_input_tokens == 0


def test_rewritten_history_is_not_read(cache: PromptCache) -> None:
    cache.bill(request(3))
    other = request(4)
    other["messages"][0] = {"role": "user", "content": "other " + "s" * 4000}
    assert cache.bill(other).cache_read_input_tokens == 0


@pytest.mark.parametrize(
    "change",
    [
        {"system": "y"},
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        {"model": "other"},
        {"thinking": {"type": "adaptive"}},
        {"output_config": {"effort": "low"}},
    ],
)
def test_changed_prefix_is_not_read(cache: PromptCache, change: dict[str, Any]) -> None:
    cache.bill(request(3))
    assert cache.bill(request(4, **change)).cache_read_input_tokens == 0


def test_entries_live_five_minutes_from_their_last_use(cache: PromptCache, clock: Clock) -> None:
    cache.bill(request(0))
    for turn in range(1, 4):
        clock.now += 200
        assert cache.bill(request(turn)).cache_read_input_tokens > 0
    clock.now += 301
    assert cache.bill(request(4)).cache_read_input_tokens == 0


def test_look_back_is_bounded(cache: PromptCache) -> None:
    cache.bill(request(0))
    assert cache.bill(request(9)).cache_read_input_tokens > 0
    assert cache.bill(request(30)).cache_read_input_tokens == 0


def test_marked_system_is_read_by_another_conversation(cache: PromptCache) -> None:
    system = [{"type": "text", "text": "x" * 4000, **AUTO}]
    cache.bill(request(0, system=system))
    other = request(0, system=system)
    other["messages"] = [{"role": "user", "content": "other"}]
    assert cache.bill(other).cache_read_input_tokens >= 1000


def test_a_text_is_short_for_one_block(cache: PromptCache) -> None:
    first, again = request(1), request(1)
    result = again["messages"][-1]["content"][0]
    result["content"] = [{"type": "text", "text": result["content"]}]
    assert cache.bill(again).cache_read_input_tokens == 0
    usage = cache.bill(first)
    assert usage.cache_read_input_tokens == total(usage)
