"""One request to the Messages API, and every way in which it can fail."""

import asyncio
import inspect
import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic._base_client import AsyncAPIClient, make_request_options
from pydantic import SecretStr

from graph import Usage
from graph.errors import (
    ClaudeBilling,
    ClaudeError,
    ClaudeRateLimited,
    ClaudeRefused,
    ClaudeRejected,
    ClaudeUnauthorized,
    ClaudeUnavailable,
    ContextExceeded,
)
from roles.claude.client import Claude, map_error
from roles.claude.provider import AnthropicProvider
from roles.claude.reply import AttemptFailed
from tests.standins import claude as standin
from tests.standins.claude import HttpError, says, text, thinking, tool_use
from tests.standins.refusing_proxy import refusing_proxy
from tests.support.roles.role_bench import KEY, MODEL, Serve

ROOT = Path(__file__).parents[3]
REQUEST: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Hello"}],
    "stream": True,
}


def body(**changes: Any) -> bytes:
    return json.dumps(REQUEST | changes).encode()


class Heard:
    """Collects the pieces of a reply."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str]] = []
        self.usage: Usage | None = None

    def report(self, usage: Usage) -> None:
        self.usage = usage

    def begin_block(self) -> None:
        self.pieces.append(("block", ""))

    def add(self, kind: str, value: str) -> None:
        self.pieces.append((kind, value))

    def all(self, kind: str) -> str:
        return "".join(value for of, value in self.pieces if of == kind)


async def test_reply_has_blocks_as_they_came(serve: Serve) -> None:
    content = (
        thinking("First I look. " * 40),
        text("I will look."),
        tool_use("bash", {"command": "ls", "deep": {"list": [1, None, "ü"]}}),
    )
    async with serve(standin.ScriptedReply(content)) as (_, claude):
        heard = Heard()
        reply = await claude.attempt(body(tools=[{"type": "bash_20250124", "name": "bash"}]), heard)
    assert reply.content == list(content)
    assert reply.stop_reason == "tool_use"
    assert reply.model == MODEL
    assert reply.request_id
    assert reply.request_id.startswith("req_")
    assert reply.usage.output_tokens > 50
    assert reply.usage.input_tokens > 0
    assert heard.all("thinking") == content[0]["thinking"]
    assert heard.all("text") == "I will look."
    assert [kind for kind, _ in heard.pieces].count("block") == 3


async def test_content_can_be_sent_back_unchanged(serve: Serve) -> None:
    call = tool_use("bash", {"command": "ls"})
    first = standin.ScriptedReply((thinking("Hm."), call))
    tools = [{"type": "bash_20250124", "name": "bash"}]
    async with serve(first, says("Done.")) as (server, claude):
        reply = await claude.attempt(body(tools=tools), Heard())
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "a"}
        messages = [
            *REQUEST["messages"],
            {"role": "assistant", "content": reply.content},
            {"role": "user", "content": [result]},
        ]
        await claude.attempt(body(tools=tools, messages=messages), Heard())
    assert server.requests[1]["messages"][1]["content"] == list(first.content)


@pytest.mark.parametrize(
    ("fault", "error", "repeatable"),
    [
        (HttpError(401, "authentication_error"), ClaudeUnauthorized, False),
        (HttpError(401, "api_error"), ClaudeUnauthorized, False),
        (HttpError(403, "permission_error"), ClaudeUnauthorized, False),
        (HttpError(403, "overloaded_error"), ClaudeUnauthorized, False),
        (HttpError(404, "api_error"), ClaudeRejected, False),
        (
            HttpError(400, "invalid_request_error", "Output blocked by content filtering policy"),
            ClaudeRefused,
            False,
        ),
        (
            HttpError(400, "invalid_request_error", "This organization has been disabled."),
            ClaudeUnauthorized,
            False,
        ),
        (HttpError(402, "billing_error"), ClaudeBilling, False),
        (HttpError(400, "billing_error"), ClaudeBilling, False),
        (
            HttpError(400, "invalid_request_error", "Your credit balance is too low to access"),
            ClaudeBilling,
            False,
        ),
        (
            HttpError(400, "invalid_request_error", "You have reached your usage limits."),
            ClaudeBilling,
            False,
        ),
        (HttpError(400, "invalid_request_error"), ClaudeRejected, False),
        (
            HttpError(400, "invalid_request_error", "prompt is too long: 1000001 tokens > 1000000"),
            ContextExceeded,
            False,
        ),
        (HttpError(404, "not_found_error"), ClaudeRejected, False),
        (HttpError(405, "method_not_allowed"), ClaudeRejected, False),
        (HttpError(413, "request_too_large"), ContextExceeded, False),
        (HttpError(422, "invalid_request_error"), ClaudeRejected, False),
        (HttpError(408, "timeout_error"), ClaudeUnavailable, True),
        (HttpError(409, "conflict_error"), ClaudeUnavailable, True),
        (HttpError(429, "rate_limit_error"), ClaudeRateLimited, True),
        (HttpError(500), ClaudeUnavailable, True),
        (HttpError(503, "strange_error"), ClaudeUnavailable, True),
        (HttpError(529, "overloaded_error"), ClaudeUnavailable, True),
        (HttpError(500, headers={"x-should-retry": "false"}), ClaudeUnavailable, False),
        (standin.Cut(), ClaudeUnavailable, True),
        (standin.Cut(after=0), ClaudeUnavailable, True),
        (standin.Reset(), ClaudeUnavailable, True),
        (standin.Reset(after=0), ClaudeUnavailable, True),
        (standin.Malformed(), ClaudeUnavailable, True),
        (standin.Misplaced(), ClaudeUnavailable, True),
        (standin.ErrorEvent(), ClaudeUnavailable, True),
        (standin.ErrorEvent(kind="api_error"), ClaudeUnavailable, True),
        (standin.ErrorEvent(kind="rate_limit_error"), ClaudeRateLimited, True),
        (standin.ErrorEvent(kind="new_error"), ClaudeUnavailable, True),
        (standin.ErrorEvent(kind="invalid_request_error"), ClaudeRejected, False),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:60],
)
async def test_fault_is_mapped(
    serve: Serve, fault: Any, error: type[ClaudeError], repeatable: bool
) -> None:
    async with serve(fault) as (_, claude):
        with pytest.raises(AttemptFailed) as raised:
            await claude.attempt(body(), Heard())
    assert type(raised.value.error) is error
    assert raised.value.repeatable is repeatable
    assert raised.value.error.message


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        (HttpError(401, "authentication_error"), "ANTHROPIC_API_KEY"),
        (HttpError(403, "permission_error", "Your key may not use this model."), "another key"),
        (HttpError(404, "not_found_error", "model: claude-opus-9"), "CODING_AGENT_MODEL"),
        (HttpError(400, "invalid_request_error", "tools.0: unknown"), "what the answer says"),
        (
            HttpError(400, "invalid_request_error", "Output blocked by content filtering policy"),
            "Word the request otherwise",
        ),
        (
            HttpError(403, "permission_error", "This organization has been disabled."),
            "organization",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_the_hint_fits_the_answer(serve: Serve, fault: HttpError, hint: str) -> None:
    async with serve(fault) as (_, claude):
        with pytest.raises(AttemptFailed) as raised:
            await claude.attempt(body(), Heard())
    assert hint in raised.value.error.hint


def test_an_answer_of_something_else_blames_the_address() -> None:
    request = httpx2.Request("POST", "http://127.0.0.1/v1/messages")
    response = httpx2.Response(404, request=request, text="<html>no such page</html>")
    failed = map_error(anthropic.APIStatusError("told", response=response, body=None))
    assert "ANTHROPIC_BASE_URL" in failed.error.hint


async def test_a_service_that_is_not_anthropics_is_not_looked_up_there() -> None:
    claude = Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url="http://127.0.0.1:9"))
    with pytest.raises(AttemptFailed) as failed:
        await claude.attempt(body(), Heard())
    with pytest.raises(ClaudeUnavailable) as probed:
        await claude.probe()
    assert failed.value.error.hint == probed.value.hint
    assert "ANTHROPIC_BASE_URL" in probed.value.hint


async def test_what_a_listener_raises_is_not_claudes(serve: Serve) -> None:
    class Deaf(Heard):
        def add(self, kind: str, value: str) -> None:
            raise ValueError(f"no {kind}")

    async with serve(says("Hello."), says("Again.")) as (server, claude):
        with pytest.raises(ValueError, match="no text"):
            await claude.attempt(body(), Deaf())
        assert (await claude.attempt(body(), Heard())).content == [text("Again.")]
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("HTTPS_PROXY", "gopher://127.0.0.1:70"),
        ("HTTP_PROXY", "http://proxy:port"),
        ("SSL_CERT_FILE", "/there/is/no/such.pem"),
        ("SSL_CERT_FILE", __file__),
        ("SSLKEYLOGFILE", "/there/is/no/such.log"),
    ],
)
async def test_a_variable_that_no_client_can_be_made_of_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    claude = Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url="http://127.0.0.1:9"))
    for use in (claude.probe(), claude.attempt(body(), Heard())):
        with pytest.raises(ClaudeUnavailable) as raised:
            await use
        assert variable in raised.value.message
        assert variable in raised.value.hint


async def test_the_password_of_a_proxy_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush#more@proxy.example:3128")
    claude = Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url="http://127.0.0.1:9"))
    with pytest.raises(ClaudeUnavailable, match="HTTPS_PROXY") as raised:
        await claude.probe()
    assert "hush" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    ("status", "repeatable"),
    [("407 Proxy Authentication Required", False), ("403 Forbidden", False), ("502 Gone", True)],
)
async def test_what_a_proxy_refuses_is_not_claudes_doing(
    status: str, monkeypatch: pytest.MonkeyPatch, *, repeatable: bool
) -> None:
    async with refusing_proxy(status) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        provider = AnthropicProvider(api_key=SecretStr(KEY), base_url="https://claude.invalid")
        with pytest.raises(AttemptFailed) as raised:
            await Claude(provider).attempt(body(), Heard())
    assert len(proxy.asked) == 1
    assert raised.value.repeatable == repeatable
    assert "HTTPS_PROXY" in raised.value.error.message
    assert status in raised.value.error.message
    assert "HTTPS_PROXY" in raised.value.error.hint


@pytest.mark.parametrize("value", ["[::1]", "fd00::/8,10.0.0.0/8", "::1,.example,[::1]:80", "*"])
async def test_any_list_of_hosts_without_a_proxy_is_taken(
    serve: Serve, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", f"127.0.0.1,{value}")
    async with serve(says("Hello.")) as (_, claude):
        assert (await claude.attempt(body(), Heard())).content == [text("Hello.")]


def test_the_sdk_is_the_one_whose_inner_parts_are_known() -> None:
    """The client uses parts that no release promises: another one is looked at first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"anthropic=={anthropic.__version__}" in project["dependencies"]
    post = inspect.signature(AsyncAPIClient.post).parameters
    assert {"content", "options", "cast_to", "stream", "stream_cls"} <= set(post)
    options = inspect.signature(make_request_options).parameters
    assert {"extra_headers", "span_name", "span_route"} <= set(options)
    assert {"_iterator", "_observer"} <= set(vars(anthropic.AsyncStream))
    assert inspect.isasyncgenfunction(anthropic.AsyncStream.__stream__)


async def test_spend_limit_is_billing_though_429(serve: Serve) -> None:
    class SpendLimit:
        async def send(self, exchange: Any) -> None:
            details = {"error_code": "enforced_spend_limit_reached"}
            error = {"type": "rate_limit_error", "message": "limit", "details": details}
            await exchange.whole(429, {"type": "error", "error": error})

    async with serve(SpendLimit()) as (_, claude):
        with pytest.raises(AttemptFailed) as raised:
            await claude.attempt(body(), Heard())
    assert type(raised.value.error) is ClaudeBilling
    assert not raised.value.repeatable


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5, 1.5),
        ({"retry-after": "nonsense"}, None, None),
        ({"retry-after": "-3"}, 0, 0),
        ({}, None, None),
    ],
)
async def test_retry_after_is_read(
    serve: Serve, headers: dict[str, str], least: float | None, most: float | None
) -> None:
    async with serve(HttpError(429, "rate_limit_error", headers=headers)) as (_, claude):
        with pytest.raises(AttemptFailed) as raised:
            await claude.attempt(body(), Heard())
    asked = raised.value.retry_after_s
    assert (asked is None) if least is None or most is None else least <= (asked or 0) <= most


async def test_retry_after_may_be_a_date(serve: Serve) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    async with serve(HttpError(529, headers={"retry-after": date})) as (_, claude):
        with pytest.raises(AttemptFailed) as raised:
            await claude.attempt(body(), Heard())
    assert raised.value.retry_after_s == pytest.approx(60, abs=3)


async def test_usage_of_a_broken_stream_is_told(serve: Serve) -> None:
    begun, never = Heard(), Heard()
    async with serve(standin.Cut(), HttpError(500)) as (_, claude):
        for heard in (begun, never):
            with pytest.raises(AttemptFailed):
                await claude.attempt(body(), heard)
    assert begun.usage
    assert begun.usage.tokens > 0
    assert never.usage is None


async def test_silence_ends_after_its_time(serve: Serve) -> None:
    async with serve(standin.Silence(), silence_s=0.2) as (_, claude):
        with pytest.raises(AttemptFailed) as raised:
            await claude.attempt(body(), Heard())
    assert type(raised.value.error) is ClaudeUnavailable
    assert "in time" in raised.value.error.message


async def test_reply_without_end_has_a_wall_clock(serve: Serve) -> None:
    async with serve(standin.Slow(), turn_s=0.3) as (_, claude):
        with pytest.raises(AttemptFailed) as raised:
            await claude.attempt(body(), Heard())
    assert raised.value.repeatable


async def test_cancelling_leaves_no_request(serve: Serve) -> None:
    silence = standin.Silence()
    async with serve(silence) as (_, claude):
        sending = asyncio.create_task(claude.attempt(body(), Heard()))
        await asyncio.wait_for(silence.begun.wait(), 60)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(silence.left.wait(), 60)


async def test_nobody_listens(serve: Serve) -> None:
    async with serve() as (server, _):
        address = server.base_url
    claude = Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url=address))
    with pytest.raises(AttemptFailed) as raised:
        await claude.attempt(body(), Heard())
    await claude.close()
    assert type(raised.value.error) is ClaudeUnavailable
    assert raised.value.repeatable


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/", "http://127.0.0.1:port", "127.0.0.1:1"])
async def test_address_that_cannot_be_called(address: str) -> None:
    claude = Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url=address))
    with pytest.raises((AttemptFailed, ClaudeRejected)) as raised:
        await claude.attempt(body(), Heard())
    await claude.close()
    error = raised.value.error if isinstance(raised.value, AttemptFailed) else raised.value
    assert isinstance(error, ClaudeRejected)
    assert "ANTHROPIC_BASE_URL" in error.hint
    with pytest.raises(ClaudeRejected):
        await Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url=address)).probe()


@pytest.mark.parametrize("key", [None, SecretStr("")])
async def test_missing_key(key: SecretStr | None) -> None:
    claude = Claude(AnthropicProvider(api_key=key))
    with pytest.raises(ClaudeUnauthorized):
        await claude.attempt(body(), Heard())
    with pytest.raises(ClaudeUnauthorized):
        await claude.probe()
    await claude.warm() if key is None else None
    await claude.close()


async def test_environment_is_not_read_for_credentials(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    async with serve(says("Hello.")) as (_, claude):
        reply = await claude.attempt(body(), Heard())
    assert reply.content == [text("Hello.")]
    without = Claude(AnthropicProvider(api_key=None))
    with pytest.raises(ClaudeUnauthorized):
        await without.attempt(body(), Heard())


async def test_probe(serve: Serve) -> None:
    async with serve() as (server, claude):
        await claude.probe()
        wrong = Claude(AnthropicProvider(api_key=SecretStr("sk-wrong"), base_url=server.base_url))
        with pytest.raises(ClaudeUnauthorized):
            await wrong.probe()
        await wrong.close()
        assert not server.requests
    gone = Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url=server.base_url))
    with pytest.raises(ClaudeUnavailable):
        await gone.probe()
    await gone.close()


async def test_key_is_never_told(serve: Serve) -> None:
    fault = HttpError(400, "invalid_request_error", f"bad header {KEY} in request")
    async with serve(fault) as (_, claude):
        with pytest.raises(AttemptFailed) as raised:
            await claude.attempt(body(), Heard())
        assert KEY not in repr(claude) + str(vars(claude)["_provider"])
    assert KEY not in raised.value.error.message
    assert "***" in raised.value.error.message


def _all_subclasses(kind: type[Exception]) -> list[type[Exception]]:
    found = [kind]
    for below in kind.__subclasses__():
        found += _all_subclasses(below)
    return found


_FOREIGN = sorted(
    {*_all_subclasses(anthropic.AnthropicError), *_all_subclasses(httpx2.HTTPError)},
    key=lambda kind: f"{kind.__module__}.{kind.__qualname__}",
)


@pytest.mark.parametrize("kind", _FOREIGN, ids=lambda kind: kind.__name__)
def test_map_is_total(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    if isinstance(error, anthropic.APIStatusError):
        status = getattr(kind, "status_code", 418)
        request = httpx2.Request("POST", "http://127.0.0.1/v1/messages")
        response = httpx2.Response(status, request=request, text=json.dumps({}))
        anthropic.APIStatusError.__init__(error, "told", response=response, body={})
    failed = map_error(error)
    assert isinstance(failed.error, ClaudeError)
    assert failed.error.message


def test_every_status_has_a_class() -> None:
    request = httpx2.Request("POST", "http://127.0.0.1/v1/messages")
    for status in range(400, 600):
        response = httpx2.Response(status, request=request, text="no JSON at all")
        failed = map_error(anthropic.APIStatusError("told", response=response, body=None))
        assert type(failed.error) is not ClaudeError, status
        assert failed.repeatable == (status >= 500 or status in {408, 409, 429, 499}), status


@pytest.mark.slow
def test_the_client_takes_no_aiohttp_along_and_leaves_it_to_others() -> None:
    """In a process of its own: in this one it is imported long since."""
    program = """\
import asyncio, sys
from pydantic import SecretStr
from roles.claude.client import _AIOHTTP, Claude
from roles.claude.import_without import without
from roles.claude.provider import AnthropicProvider
asyncio.run(Claude(AnthropicProvider(api_key=SecretStr("key"))).warm())
print("anthropic" in sys.modules, "aiohttp" in sys.modules)
with without(_AIOHTTP):
    import aiohttp
print(_AIOHTTP in sys.modules)
"""
    line = [sys.executable, "-c", program]
    told = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)
    assert told.stdout.split() == ["True", "False", "False"], told.stderr
