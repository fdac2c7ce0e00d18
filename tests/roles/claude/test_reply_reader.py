"""A reply put together from its events, beside what the SDK itself makes of them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from hypothesis import given
from hypothesis import strategies as st

from roles.claude.reply import Block
from roles.claude.reply_reader import ReplyReader, StreamBroken

Events = list[dict[str, Any]]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PIECES = st.lists(TEXT, max_size=5)
CITATIONS: list[Block] = [{}, {"citations": None}, {"citations": []}]
STRAY: Events = [{"type": "text_delta", "text": "x"}, {"type": "new_delta", "x": 1}]
KINDS = ["message_start", "content_block_start", "content_block_delta", "message_delta"]
KINDS += ["text", "text_delta", "thinking_delta", "citations_delta", "signature_delta", "tool_use"]
NAMES = ["index", "delta", "content_block", "message", "usage", "model", "stop_reason", "text"]
NAMES += ["stop_details", "citation", "output_tokens"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ODD = st.recursive(
    JSON,
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(KINDS) | JSON}, optional=dict.fromkeys(NAMES, inner)
    ),
    max_leaves=8,
)


def cut(text: str, at: list[int]) -> Iterator[str]:
    ends = sorted({each % (len(text) + 1) for each in at} | {len(text)})
    begin = 0
    for end in ends:
        yield text[begin:end]
        begin = end


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Block, Events]:
    """What a block begins with, and its deltas."""
    start: Block
    deltas: Events
    kind = draw(st.sampled_from(["text", "thinking", "tool_use", "server_tool_use", "unknown"]))
    if kind == "text":
        start = {"type": kind, "text": draw(TEXT), **draw(st.sampled_from(CITATIONS))}
        deltas = [{"type": "text_delta", "text": each} for each in draw(PIECES)]
        cited: Any = {"type": "char_location", "cited_text": "a"}
        deltas += [{"type": "citations_delta", "citation": cited}] * draw(st.integers(0, 2))
    elif kind == "thinking":
        start = {"type": kind, "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": each} for each in draw(PIECES)]
        deltas += [{"type": "signature_delta", "signature": each} for each in draw(PIECES)]
    elif kind == "unknown":
        start, deltas = {"type": "something_new", "more": draw(JSON)}, []
    else:
        start = {"type": kind, "id": draw(st.uuids().map(str)), "name": "bash", "input": {}}
        given = json.dumps(draw(st.dictionaries(TEXT, JSON, max_size=3)), ensure_ascii=False)
        given = given[: draw(st.integers(0, len(given)))] if draw(st.booleans()) else given
        at = draw(st.lists(st.integers(0, 500), max_size=5))
        deltas = [{"type": "input_json_delta", "partial_json": each} for each in cut(given, at)]
    return start, deltas + draw(st.lists(st.sampled_from(STRAY), max_size=1)) * (kind != "text")


def events_of(made: list[tuple[Block, Events]]) -> Iterator[dict[str, Any]]:
    used = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 7}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    yield {"type": "message_start", "message": message | {"usage": used}}
    for index, (start, deltas) in enumerate(made):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 9}}
    yield {"type": "message_stop"}


@given(st.lists(blocks(), max_size=4))
def test_a_reply_is_what_the_sdk_makes_of_it(made: list[tuple[Block, Events]]) -> None:
    reader = ReplyReader()
    theirs: Any = None
    kept: dict[int, bytes] = {}
    for event in events_of(made):
        sent = json.loads(json.dumps(event))
        theirs = accumulate_event(event=sent, current_snapshot=theirs, json_bufs=kept)
        reader.take(json.loads(json.dumps(event)))
    try:
        ours = reader.read("req_1")
    except StreamBroken:
        inputs = [each.input for each in theirs.content if each.type == "tool_use"]
        assert not all(isinstance(each, dict) for each in inputs)
        return
    assert ours.content == [each.to_dict(mode="json") for each in theirs.content]
    assert (ours.stop_reason, ours.model) == (theirs.stop_reason, theirs.model)
    for name, count in ours.usage:
        assert count == (getattr(theirs.usage, name) or 0)


@given(st.lists(ODD, max_size=4), st.integers(0, 5))
def test_any_json_is_an_event_or_a_fault_of_the_stream(events: Events, begun: int) -> None:
    reader = ReplyReader()
    ordinary = list(events_of([({"type": "text", "text": ""}, [])]))
    try:
        for event in [*ordinary[:begun], *events, *ordinary[begun:]]:
            reader.take(event)
        reader.read(None)
    except (StreamBroken, ValueError, LookupError, TypeError, AttributeError):
        return


def test_a_message_that_begins_whole_is_taken() -> None:
    reader = ReplyReader()
    content = [{"type": "text", "text": "Hello."}]
    message = {"model": "m", "content": content, "stop_reason": "end_turn", "usage": None}
    reader.take({"type": "message_start", "message": message})
    reply = reader.read(None)
    assert (reply.content, reply.stop_reason) == (content, "end_turn")


@pytest.mark.parametrize("pieces", [1, 100_000])
def test_an_input_is_read_once_however_many_pieces_it_comes_in(pieces: int) -> None:
    given = json.dumps({"command": "x" * 400_000})
    size = -(-len(given) // pieces)
    texts = [given[at : at + size] for at in range(0, len(given), size)]
    call = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": each} for each in texts]
    reader = ReplyReader()
    for event in events_of([(call, deltas)]):
        reader.take(event)
    assert reader.read(None).content[0]["input"] == json.loads(given)
