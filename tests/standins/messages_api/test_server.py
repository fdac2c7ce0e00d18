"""The stand-in Messages API refuses what the real one refuses, and streams as it does."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from demo.script.reply_stream import Block, text, tool_use
from tests.standins.messages_api.scripted_reply import ScriptedReply, thinking
from tests.standins.messages_api.server import MessagesServer

KEY = "sk-test"
HEADERS = {"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}
BASH: Block = {"type": "bash_20250124", "name": "bash"}
CALL = tool_use("bash", {"command": "ls"}, "toolu_1")
RESULT: Block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a"}
HELLO: Block = {"role": "user", "content": "Hello"}
REQUEST: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [HELLO]}


class Client:
    """Posts requests and remembers the server."""

    def __init__(self, server: MessagesServer, http: httpx.AsyncClient) -> None:
        self.server, self._http = server, http

    async def post(
        self, request: Any, headers: dict[str, str] = HEADERS, path: str = "/v1/messages"
    ) -> httpx.Response:
        return await self._http.post(self.server.base_url + path, json=request, headers=headers)

    async def get(self, path: str, headers: dict[str, str] = HEADERS) -> httpx.Response:
        return await self._http.get(self.server.base_url + path, headers=headers)

    async def refusal(self, **changes: Any) -> str:
        """The message of the 400 that this request is answered with, or nothing."""
        answer = await self.post(REQUEST | changes)
        if answer.status_code == 200:
            return ""
        assert answer.json()["type"] == "error"
        assert answer.json()["error"]["type"] == "invalid_request_error"
        return str(answer.json()["error"]["message"])


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async def reply(_: dict[str, Any]) -> ScriptedReply:
        return ScriptedReply((thinking("Hm. " * 200), text("Hello."), CALL))

    async with MessagesServer(reply, key=KEY) as server, httpx.AsyncClient() as http:
        yield Client(server, http)


def said(*blocks: Block) -> Block:
    return {"role": "assistant", "content": list(blocks)}


def told(*blocks: Block) -> Block:
    return {"role": "user", "content": list(blocks)}


async def test_whole_reply(client: Client) -> None:
    answer = (await client.post(REQUEST)).json()
    assert [block["type"] for block in answer["content"]] == ["thinking", "text", "tool_use"]
    assert answer["stop_reason"] == "max_tokens"
    assert answer["usage"]["output_tokens"] == 100
    assert (await client.post(REQUEST | {"max_tokens": 999})).json()["stop_reason"] == "tool_use"


async def test_stream_has_the_apis_events(client: Client) -> None:
    answer = await client.post(REQUEST | {"stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["request-id"].startswith("req_")
    events = [line[7:] for line in answer.text.split("\n") if line.startswith("event: ")]
    data = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]
    assert [item["type"] for item in data] == events
    assert events[0] == "message_start"
    assert events[-2:] == ["message_delta", "message_stop"]
    assert events.count("content_block_start") == events.count("content_block_stop") == 3
    assert data[0]["message"]["stop_reason"] is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({**HEADERS, "authorization": "Bearer wrong"}, 401),
        ({"x-api-key": KEY, "anthropic-version": "2026-10-21"}, 200),
        ({"authorization": f"Bearer {KEY}"}, 400),
    ],
)
async def test_headers(client: Client, headers: dict[str, str], status: int) -> None:
    assert (await client.post(REQUEST, headers)).status_code == status


async def test_other_paths(client: Client) -> None:
    assert (await client.get("/v1/models")).json()["data"]
    assert (await client.get("/v1/models", {})).status_code == 401
    assert (await client.get("/v1/files")).status_code == 404
    counted = await client.post(REQUEST, path="/v1/messages/count_tokens")
    assert counted.json()["input_tokens"] > 10


async def test_bodies_that_are_no_request(client: Client) -> None:
    for content in (b"", b"{", b"[1]", b'"x"'):
        answer = await client._http.post(
            f"{client.server.base_url}/v1/messages",
            content=content,
            headers=HEADERS | {"content-type": "application/json"},
        )
        assert answer.status_code == 400
    plain = await client._http.post(
        f"{client.server.base_url}/v1/messages",
        content=json.dumps(REQUEST),
        headers=HEADERS | {"content-type": "text/plain"},
    )
    assert plain.status_code == 400


async def test_unknown_model_is_404(client: Client) -> None:
    answer = await client.post(REQUEST | {"model": "claude-9"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temperature": 1}, "temperature"),
        ({"top_p": 1}, "top_p"),
        ({"max_tokens": 0, "stream": True}, "max_tokens"),
        ({"max_tokens": 200_000}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"model": None}, "model"),
        ({"messages": []}, "at least one"),
        ({"messages": None}, "at least one"),
        ({"messages": [said(text("x"))]}, "first message"),
        ({"messages": [HELLO, said(text("x"))]}, "prefill"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role"),
        ({"messages": [told()]}, "non-empty"),
        ({"messages": [told(text(" "))]}, "non-whitespace"),
        ({"messages": [told(CALL)]}, "not permitted here"),
        ({"messages": [HELLO | {"name": "x"}]}, "nothing else"),
        ({"messages": [HELLO, said(CALL), HELLO]}, "without `tool_result`"),
        ({"messages": [told(RESULT)]}, "unexpected `tool_use_id`"),
        ({"messages": [HELLO, said(CALL), told(RESULT, RESULT)]}, "single result"),
        ({"messages": [HELLO, said(CALL), told(text("x"), RESULT)]}, "before other content"),
        (
            {"messages": [HELLO, said(CALL), told(RESULT), said(CALL), told(RESULT)]},
            "unique",
        ),
        ({"messages": [HELLO, said(CALL), told(RESULT | {"is_error": "yes"})]}, "is_error"),
        ({"messages": [HELLO, said(CALL | {"input": "{"}), told(RESULT)]}, "input"),
        (
            {"messages": [HELLO, said(thinking("a") | {"thinking": "b"}, CALL), told(RESULT)]},
            "signature",
        ),
        ({"messages": [HELLO, said(text("x") | {"parsed_output": None}), HELLO]}, "parsed_output"),
        ({"thinking": {"type": "disabled"}}, "thinking"),
        ({"thinking": {"type": "adaptive", "budget_tokens": 9}}, "budget_tokens"),
        ({"thinking": {"type": "adaptive", "display": "full"}}, "display"),
        ({"model": "claude-haiku-4-5", "thinking": {"type": "adaptive"}}, "thinking"),
        ({"model": "claude-haiku-4-5", "output_config": {"effort": "low"}}, "effort"),
        ({"output_config": {"effort": "huge"}}, "effort"),
        ({"output_config": {"form": 1}}, "output_config"),
        ({"tools": [BASH, BASH]}, "unique"),
        ({"tools": [BASH | {"name": "shell"}]}, "must be 'bash'"),
        ({"tools": [{"type": "bash_2020", "name": "bash"}]}, "unknown tool type"),
        ({"tools": [BASH | {"description": "x"}]}, "description"),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "match"),
        ({"tools": [{"name": "a"}]}, "input_schema"),
        ({"tools": [BASH], "tool_choice": {"type": "any"}}, "forcing"),
        ({"cache_control": {"type": "forever"}}, "cache_control"),
        ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control"),
        ({"system": [text("")]}, "system"),
        ({"system": 5}, "system"),
    ],
)
async def test_refused(client: Client, changes: dict[str, Any], words: str) -> None:
    assert words in await client.refusal(**changes)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "object", "properties": {}}, "additionalProperties"),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
            "every property",
        ),
        ({"type": "string", "minLength": 1}, "minLength"),
        ({"type": "array", "items": {"type": "object"}}, "additionalProperties"),
        ({"anyOf": [{"type": "integer", "minimum": 0}]}, "minimum"),
    ],
)
async def test_schema_refused(client: Client, schema: dict[str, Any], words: str) -> None:
    form = {"type": "json_schema", "schema": schema}
    assert words in await client.refusal(output_config={"format": form})


async def test_at_most_four_breakpoints(client: Client) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    system = [text("x") | mark for _ in range(4)]
    assert await client.refusal(system=system) == ""
    assert "maximum of 4" in await client.refusal(system=system, **mark)


async def test_good_conversations(client: Client) -> None:
    conversation = [
        HELLO,
        said(thinking("Hm."), text("I look."), CALL),
        told(RESULT | {"is_error": True}, text("And so?")),
        HELLO,
    ]
    assert await client.refusal(messages=conversation, tools=[BASH]) == ""


async def test_a_pause_without_tools_of_the_server_is_a_prefill() -> None:
    async def reply(_: dict[str, Any]) -> ScriptedReply:
        return ScriptedReply((text("Wait."),), stop_reason="pause_turn")

    async with MessagesServer(reply) as server, httpx.AsyncClient() as http:
        client = Client(server, http)
        await client.post(REQUEST)
        messages = [HELLO, said(text("Wait."))]
        assert "prefill" in await client.refusal(messages=messages)
        assert await client.refusal(messages=[*messages, told(text("Go on."))]) == ""
