"""The Messages API: one request, streamed, and every foreign error in our terms.

The only holder of the Claude key, and the only file that knows the SDK, which is slow to import and
is therefore imported at its first use.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from graph import UNTRUSTED_HINT, SecretForms, Usage, is_untrusted, name_variables
from graph.errors import (
    ClaudeRejected,
    ClaudeUnauthorized,
    ClaudeUnavailable,
)
from roles.claude.answer_errors import (
    NOT_THE_API,
    REPEATABLE,
    check_media_type,
    classify,
    fail_by_status,
    note_status,
    noted_status,
    read_retry_after,
    refused_by_proxy,
)
from roles.claude.import_without import without
from roles.claude.provider import ANTHROPIC_URL, Provider
from roles.claude.reply import AttemptFailed, Reply, ReplyListener
from roles.claude.reply_reader import Part, ReplyReader, StreamBroken, counts_of, read_usage

if TYPE_CHECKING:
    import anthropic
    from anthropic._base_client import AsyncAPIClient

_AIOHTTP: Final = "anthropic._vendor.httpx_aiohttp"
"""The SDK's way to use aiohttp, wherever that is installed (modal needs it): 6 MB for nothing."""
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RuntimeError)
"""What is raised where a stream that is not the Messages API's is read."""
_UNSENDABLE: Final = "Check ANTHROPIC_BASE_URL and ANTHROPIC_CUSTOM_HEADERS."
_ELSEWHERE: Final = "Check that the service at ANTHROPIC_BASE_URL answers, then resume the run."
_MAX_MESSAGE = 500
"""Characters of an error's message."""


class Claude:
    """One client of the Messages API, made at its first use and shared by all roles.

    `silence_s` bounds how long a stream may say nothing, `turn_s` a whole reply.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        silence_s: float = 120.0,
        turn_s: float = 900.0,
        connect_s: float = 10.0,
    ) -> None:
        self._provider = provider
        self._keys = SecretForms(*provider.secrets)
        self._silence_s = silence_s
        self._turn_s = turn_s
        self._connect_s = connect_s
        self._client: AsyncAPIClient | None = None
        self._client_lock = asyncio.Lock()

    async def warm(self) -> None:
        """Import the SDK and make the client, away from the event loop, where it can be made."""
        if self._provider.find_missing() is None:
            await self._open_client()

    def model_id(self, model: str) -> str:
        """The model's name as the endpoint has it."""
        return self._provider.model_id(model)

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def attempt(
        self, body: bytes, listener: ReplyListener, betas: Sequence[str] = ()
    ) -> Reply:
        """Send one request, a JSON body that asks for a stream; never repeats.

        The body is sent as it is: so the bytes of a history stay the same, and the SDK does not
        walk through all of it each turn. Raises AttemptFailed, or ClaudeError where no client can
        be made. What the listener raises is not ours to explain.
        """
        client = await self._open_client()
        async with aclosing(self._exchange(client, body, betas)) as parts:
            async for part in parts:
                match part:
                    case Reply():
                        return part
                    case Usage():
                        listener.report(part)
                    case "block":
                        listener.begin_block()
                    case kind, text:
                        listener.add(kind, text)
        raise AssertionError("an exchange ends with a reply")

    async def warm_cache(self, body: bytes, betas: Sequence[str] = ()) -> Usage:
        """Send one request that asks for no reply; what it has used. Raises AttemptFailed."""
        client = await self._open_client()
        from anthropic.types import Message

        try:
            with self._signing():
                message = await client.post(
                    "/v1/messages?beta=true" if betas else "/v1/messages",
                    content=body,
                    options=_request_options(betas),
                    cast_to=Message,
                )
            return read_usage(message.to_dict())
        except _foreign() as error:
            raise self._map_error(error) from error

    async def _exchange(
        self, client: "AsyncAPIClient", body: bytes, betas: Sequence[str]
    ) -> AsyncGenerator[Part | Reply]:
        """What comes of one request: what is heard of its events, then the reply.

        Only the SDK and the reading of its events are in here: their errors alone are mapped.
        """
        from anthropic.types import Message

        try:
            async with asyncio.timeout(self._turn_s):
                with self._signing():
                    stream = await client.post(
                        "/v1/messages?beta=true" if betas else "/v1/messages",
                        content=body,
                        options=_request_options(betas),
                        cast_to=Message,
                        stream=True,
                        stream_cls=_stream_class(),
                    )
                reader, answer = ReplyReader(), stream.response
                async with stream:
                    try:
                        async for event in stream:
                            if (part := reader.take(event)) is not None:
                                yield part
                        yield reader.read(answer.headers.get("request-id"))
                    except _MALFORMED as error:
                        check_media_type(answer.headers)
                        raise StreamBroken(f"not be read ({type(error).__name__})") from error
        except _foreign() as error:
            raise self._map_error(error) from error

    async def probe(self) -> None:
        """Raise ClaudeError where the endpoint does not answer or does not take the key."""
        client = await self._open_client()
        path, body = self._provider.probe()
        options: Any = {"timeout": self._connect_s * 2}
        try:
            with self._signing():
                if body is None:
                    answer = await client.get(path, cast_to=object, options=options)
                else:
                    answer = await client.post(path, cast_to=object, body=body, options=options)
        except AttemptFailed as failed:
            raise failed.error from failed
        except _foreign() as error:
            raise self._map_error(error).error from error
        if not isinstance(answer, dict):
            raise ClaudeRejected("The answer is none of the Messages API.", NOT_THE_API)

    def contains_key(self, data: bytes, *, middle: bool = False) -> bool:
        """Whether data holds a key in any form that could be read back; `middle`: or half of it."""
        return self._keys.found_in(data, middle=middle)

    @contextmanager
    def _signing(self) -> Iterator[None]:
        """Map what is raised where a request cannot be signed, or its credentials not be had."""
        try:
            yield
        except self._provider.credential_errors() as error:
            text = self._keys.hide(f"No credentials for the Messages API: {error}"[:_MAX_MESSAGE])
            raise AttemptFailed(
                ClaudeUnauthorized(text, self._provider.unauthorized_hint),
                repeatable=bool(getattr(error, "retryable", False)),
            ) from error

    async def _open_client(self) -> "AsyncAPIClient":
        if self._client is None:
            async with self._client_lock:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._make_client)
        return self._client

    def _make_client(self) -> "AsyncAPIClient":
        if missing := self._provider.find_missing():
            raise ClaudeUnauthorized(*missing)
        with without(_AIOHTTP):
            import anthropic
        import httpx2

        with name_variables(ClaudeUnavailable, httpx2.InvalidURL):
            # Its own, as the SDK's does not take an IPv6 address in NO_PROXY.
            http_client = httpx2.AsyncClient(
                timeout=anthropic.Timeout(self._silence_s, connect=self._connect_s),
                limits=anthropic.DEFAULT_CONNECTION_LIMITS,
                follow_redirects=True,
                event_hooks={"response": [note_status]},
            )
        try:
            make: Callable[..., AsyncAPIClient] = getattr(anthropic, self._provider.client)
            return make(
                **self._provider.client_options(),
                max_retries=0,
                http_client=http_client,
                open_telemetry={"traces": {"content_mode": "metadata_only"}},
            )
        except (httpx2.InvalidURL, ValueError, anthropic.AnthropicError) as error:
            given, hint = self._provider.base_url, "Set ANTHROPIC_BASE_URL to an https:// address."
            raise ClaudeRejected(
                f"The address of the Messages API is not a URL: {given or error}.",
                hint if given else self._provider.unavailable_hint,
            ) from error

    def _map_error(self, error: BaseException) -> AttemptFailed:
        """Map whatever the SDK or its HTTP library raised; total."""
        failed = map_error(error)
        message, hint = self._keys.hide(failed.error.message), failed.error.hint
        address = (self._provider.base_url or ANTHROPIC_URL).rstrip("/")
        if hint == ClaudeUnavailable.default_hint:
            own = address == ANTHROPIC_URL
            hint = self._provider.unavailable_hint if own else _ELSEWHERE
        elif hint == ClaudeUnauthorized.default_hint:
            hint = self._provider.unauthorized_hint
        if (message, hint) != (failed.error.message, failed.error.hint):
            failed.error = type(failed.error)(message, hint)
        return failed


def map_error(error: BaseException) -> AttemptFailed:
    """What an exception of the SDK, its HTTP library or the stream's reading means."""
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        return _status_failure(error)
    unsendable = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL)
    if isinstance(error.__cause__, unsendable) or isinstance(error, UnicodeEncodeError):
        text = f"The request could not be sent: {error.__cause__ or error}"[:_MAX_MESSAGE]
        return AttemptFailed(ClaudeRejected(text, _UNSENDABLE), repeatable=False)
    if isinstance(error.__cause__, httpx2.ProxyError):
        return refused_by_proxy(str(error.__cause__))
    if is_untrusted(str(error.__cause__)):
        text = "The certificate of the Messages API is not trusted here."
        return AttemptFailed(ClaudeUnavailable(text, UNTRUSTED_HINT), repeatable=False)
    if isinstance(error, anthropic.CredentialsError) or type(error) is anthropic.AnthropicError:
        text = f"No credentials for the Messages API: {error}"[:_MAX_MESSAGE]
        return AttemptFailed(ClaudeUnauthorized(text), repeatable=False)
    timeouts = (TimeoutError, anthropic.APITimeoutError, httpx2.TimeoutException)
    if isinstance(error, timeouts):
        text = "The Messages API did not answer in time."
    elif isinstance(error, StreamBroken):
        text = f"The reply's stream could {error}."
    else:
        text = f"The connection to the Messages API failed ({type(error).__name__})."
    status = noted_status(error)
    failed = AttemptFailed(ClaudeUnavailable(text), repeatable=True)
    return failed if status < 400 else fail_by_status(status, type(error).__name__)


def _status_failure(error: "anthropic.APIStatusError") -> AttemptFailed:
    """Any JSON may be in the body: what is no text says nothing."""
    name, said = (each if isinstance(each, str) else "" for each in (error.type, error.api_message))
    status, headers = error.status_code, error.response.headers
    kind, hint = classify(status, name or None, error.error_code or "", said)
    message = f"The Messages API answered {name or status}: {said or f'Status {status}.'}"
    message = message[:_MAX_MESSAGE]
    if error.request_id:
        message += f" (request {error.request_id})"
    repeatable = kind in REPEATABLE
    if status != 200:
        wish = headers.get("x-should-retry")
        repeatable = repeatable if wish not in {"true", "false"} else wish == "true"
    return AttemptFailed(
        kind(message, hint), repeatable=repeatable, retry_after_s=read_retry_after(headers)
    )


@cache
def _foreign() -> tuple[type[Exception], ...]:
    """All that the SDK raises, and its HTTP library."""
    import anthropic
    import httpx2

    known = (anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL)
    return (*known, OSError, AssertionError, *_MALFORMED)


@cache
def _stream_class() -> Any:
    """The SDK's stream whose events stay plain JSON; what records a trace is given what it knows.

    The SDK makes a model of each piece of a word, and reads a call's whole input again for each.
    """
    import anthropic

    class Stream(anthropic.AsyncStream[object]):
        async def __aiter__(self) -> AsyncIterator[Any]:
            event: Any
            async for event in self._iterator:
                if observer := self._observer:
                    observer.item(_traced(event))
                yield event

    return Stream


def _traced(event: Any) -> Any:
    """An event as what records a trace knows it, also where nothing is told of what was used."""
    from anthropic._models import construct_type_unchecked
    from anthropic.types import RawMessageStartEvent

    match event:
        case {"type": "message_start", "message": dict(message)}:
            usage = {"input_tokens": 0, "output_tokens": 0} | counts_of(message.get("usage"))
            told = {**event, "message": {**message, "usage": usage}}
            return construct_type_unchecked(type_=RawMessageStartEvent, value=told)
        case {"type": "message_delta"}:
            return {**event, "usage": {"output_tokens": 0} | counts_of(event.get("usage"))}
    return event


def _request_options(betas: Sequence[str]) -> Any:
    """Options of one request, whose body is ours already."""
    from anthropic._base_client import make_request_options

    return make_request_options(
        extra_headers={"anthropic-beta": ",".join(betas)} if betas else None,
        span_name="anthropic.messages.create",
        span_route="/v1/messages",
    )
