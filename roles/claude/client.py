"""The Messages API: one request, streamed, and every foreign error in our terms.

The only holder of the Claude key, and the only file that knows the SDK, which is slow to import and
is therefore imported at its first use.
"""

import asyncio
import email.utils
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from pydantic import SecretStr

from graph import SecretForms, Usage
from graph.errors import (
    ClaudeBilling,
    ClaudeError,
    ClaudeRateLimited,
    ClaudeRejected,
    ClaudeUnauthorized,
    ClaudeUnavailable,
    ContextExceeded,
)
from roles.claude.import_without import without

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import Message

DEFAULT_BASE_URL: Final = "https://api.anthropic.com"

Block = dict[str, Any]

_AIOHTTP: Final = "anthropic._vendor.httpx_aiohttp"
"""The SDK's way to use aiohttp, wherever that is installed (modal needs it): 6 MB for nothing."""
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RuntimeError)
_BY_TYPE: Final[Mapping[str, type[ClaudeError]]] = {
    "authentication_error": ClaudeUnauthorized,
    "permission_error": ClaudeUnauthorized,
    "billing_error": ClaudeBilling,
    "rate_limit_error": ClaudeRateLimited,
    "overloaded_error": ClaudeUnavailable,
    "api_error": ClaudeUnavailable,
    "timeout_error": ClaudeUnavailable,
    "conflict_error": ClaudeUnavailable,
    "not_found_error": ClaudeRejected,
    "request_too_large": ContextExceeded,
}
_BY_STATUS: Final[Mapping[int, type[ClaudeError]]] = {
    200: ClaudeUnavailable,
    401: ClaudeUnauthorized,
    402: ClaudeBilling,
    403: ClaudeUnauthorized,
    408: ClaudeUnavailable,
    409: ClaudeUnavailable,
    413: ContextExceeded,
    429: ClaudeRateLimited,
    499: ClaudeUnavailable,
}
_REPEATABLE = (ClaudeRateLimited, ClaudeUnavailable)
_BILLING_WORDS = ("credit balance", "spend limit", "usage limit")
_LENGTH_WORDS = ("prompt is too long", "exceed context limit", "context window")
_MAX_MESSAGE = 500


class ReplyListener(Protocol):
    """Hears a reply while it comes."""

    def begin_block(self) -> None: ...

    def add(self, kind: Literal["text", "thinking"], text: str) -> None: ...


@dataclass(frozen=True)
class Reply:
    """One whole reply; `content` holds its blocks as they came, to be sent back unchanged."""

    content: list[Block]
    stop_reason: str
    usage: Usage
    model: str
    request_id: str | None
    stop_details: Block | None = None


class StreamCut(ConnectionError):
    """Raised when a stream ended as if it were whole, before the reply did."""


class AttemptFailed(Exception):
    """Raised when one request did not bring a whole reply.

    `usage` is what the API had reported of it by then, None where it had not begun.
    """

    def __init__(
        self,
        error: ClaudeError,
        *,
        repeatable: bool,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.repeatable = repeatable
        self.retry_after_s = retry_after_s
        self.usage = usage


class Claude:
    """One client of the Messages API, made at its first use and shared by all roles.

    `silence_s` bounds how long a stream may say nothing, `turn_s` a whole reply.
    """

    def __init__(
        self,
        *,
        api_key: SecretStr | None,
        base_url: str | None = None,
        silence_s: float = 120.0,
        turn_s: float = 900.0,
        connect_s: float = 10.0,
    ) -> None:
        self._api_key = api_key
        self._key_forms = SecretForms(api_key)
        self._base_url = base_url or DEFAULT_BASE_URL
        self._silence_s = silence_s
        self._turn_s = turn_s
        self._connect_s = connect_s
        self._client: anthropic.AsyncAnthropic | None = None
        self._client_lock = asyncio.Lock()

    async def warm(self) -> None:
        """Import the SDK and make the client, away from the event loop; needs no key."""
        if self._api_key is not None:
            await self._open_client()

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
        walk through all of it each turn. Raises AttemptFailed.
        """
        client = await self._open_client()
        import anthropic
        import httpx2
        from anthropic._base_client import make_request_options
        from anthropic.lib.streaming import AsyncMessageStream
        from anthropic.types import Message, RawMessageStreamEvent

        foreign = (anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL, OSError)
        reported: Usage | None = None
        try:
            async with asyncio.timeout(self._turn_s):
                raw = await client.post(
                    "/v1/messages?beta=true" if betas else "/v1/messages",
                    content=body,
                    options=make_request_options(
                        extra_headers={"anthropic-beta": ",".join(betas)} if betas else None,
                        span_name="anthropic.messages.create",
                        span_route="/v1/messages",
                    ),
                    cast_to=Message,
                    stream=True,
                    stream_cls=anthropic.AsyncStream[RawMessageStreamEvent],
                )
                async with AsyncMessageStream(raw, output_format=anthropic.NOT_GIVEN) as stream:
                    async for event in stream:
                        if event.type == "message_start":
                            reported = _read_usage(event.message)
                        elif event.type == "content_block_start":
                            listener.begin_block()
                        elif event.type == "text":
                            listener.add("text", event.text)
                        elif event.type == "thinking":
                            listener.add("thinking", event.thinking)
                    return _read_reply(stream.current_message_snapshot, stream.request_id)
        except (*foreign, *_MALFORMED) as error:
            failed = self._map_error(error)
            failed.usage = reported
            raise failed from error

    async def probe(self) -> str:
        """Whether the endpoint answers and takes the key: `ok`, or the error's code."""
        try:
            client = await self._open_client()
        except ClaudeError as error:
            return error.code
        import anthropic
        import httpx2

        try:
            await client.models.list(limit=1, timeout=self._connect_s * 2)
        except (anthropic.AnthropicError, httpx2.HTTPError, *_MALFORMED) as error:
            return self._map_error(error).error.code
        return "ok"

    def contains_key(self, data: bytes, *, middle: bool = False) -> bool:
        """Whether data holds the key, or its middle half, in any form that could be read back."""
        return self._key_forms.found_in(data, middle=middle)

    async def _open_client(self) -> "anthropic.AsyncAnthropic":
        if self._client is None:
            async with self._client_lock:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._make_client)
        return self._client

    def _make_client(self) -> "anthropic.AsyncAnthropic":
        if self._api_key is None or not self._api_key.get_secret_value():
            raise ClaudeUnauthorized("There is no key for the Messages API.")
        with without(_AIOHTTP):
            import anthropic
        import httpx2

        timeout = anthropic.Timeout(self._silence_s, connect=self._connect_s)
        try:
            client = anthropic.AsyncAnthropic(
                api_key=self._api_key.get_secret_value(),
                base_url=self._base_url,
                max_retries=0,
                timeout=timeout,
                open_telemetry={"traces": {"content_mode": "metadata_only"}},
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise ClaudeRejected(
                f"The address of the Messages API is not a URL: {self._base_url!r}.",
                "Set ANTHROPIC_BASE_URL to an https:// address.",
            ) from error
        return client

    def _map_error(self, error: BaseException) -> AttemptFailed:
        """Map whatever the SDK or its HTTP library raised; total."""
        failed = map_error(error)
        message = self._key_forms.hide(failed.error.message)
        if message != failed.error.message:
            failed.error = type(failed.error)(message, failed.error.hint)
        return failed


def map_error(error: BaseException) -> AttemptFailed:
    """What an exception of the SDK, its HTTP library or the stream's reading means."""
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        return _status_failure(error)
    if isinstance(error.__cause__, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        text = f"The request could not be sent: {error.__cause__}"[:_MAX_MESSAGE]
        return AttemptFailed(ClaudeRejected(text, "Check ANTHROPIC_BASE_URL."), repeatable=False)
    if isinstance(error, anthropic.CredentialsError):
        text = f"No credentials for the Messages API: {error}"[:_MAX_MESSAGE]
        return AttemptFailed(ClaudeUnauthorized(text), repeatable=False)
    timeouts = (TimeoutError, anthropic.APITimeoutError, httpx2.TimeoutException)
    if isinstance(error, timeouts):
        text = "The Messages API did not answer in time."
    elif isinstance(error, StreamCut):
        text = "The reply's stream ended before the reply did."
    elif isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError | OSError):
        text = f"The connection to the Messages API failed ({type(error).__name__})."
    else:
        text = f"The reply's stream could not be read ({type(error).__name__})."
    return AttemptFailed(ClaudeUnavailable(text), repeatable=True)


def _status_failure(error: "anthropic.APIStatusError") -> AttemptFailed:
    kind = _error_class(error)
    text = error.api_message or f"Status {error.status_code}."
    message = f"The Messages API answered {error.type or error.status_code}: {text}"[:_MAX_MESSAGE]
    if error.request_id:
        message += f" (request {error.request_id})"
    repeatable = kind in _REPEATABLE
    if error.status_code != 200:
        wish = error.response.headers.get("x-should-retry")
        repeatable = repeatable if wish not in {"true", "false"} else wish == "true"
    return AttemptFailed(
        kind(message), repeatable=repeatable, retry_after_s=_retry_after(error.response.headers)
    )


def _error_class(error: "anthropic.APIStatusError") -> type[ClaudeError]:
    """The class of a status error: by its code, its type, then its status."""
    if "spend_limit" in (error.error_code or ""):
        return ClaudeBilling
    if kind := _BY_TYPE.get(error.type or ""):
        return kind
    if error.status_code == 400 or error.type == "invalid_request_error":
        return _classify_rejection((error.api_message or "").lower())
    otherwise = ClaudeUnavailable if error.status_code >= 500 else ClaudeRejected
    return _BY_STATUS.get(error.status_code, otherwise)


def _classify_rejection(message: str) -> type[ClaudeError]:
    """Credit and length have no code of their own; where no words match it is plainly rejected."""
    if any(words in message for words in _BILLING_WORDS):
        return ClaudeBilling
    if any(words in message for words in _LENGTH_WORDS):
        return ContextExceeded
    return ClaudeRejected


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the API asks: milliseconds, seconds or a date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) / unit)
        except ValueError:
            continue
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _read_reply(message: "Message", request_id: str | None) -> Reply:
    if message.stop_reason is None:
        raise StreamCut
    details = message.stop_details
    return Reply(
        content=[block.to_dict(mode="json") for block in message.content],
        stop_reason=message.stop_reason,
        usage=_read_usage(message),
        model=message.model,
        request_id=request_id,
        stop_details=details.to_dict(mode="json") if details else None,
    )


def _read_usage(message: "Message") -> Usage:
    usage = message.usage
    return Usage(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        cache_creation_input_tokens=usage.cache_creation_input_tokens or 0,
        cache_read_input_tokens=usage.cache_read_input_tokens or 0,
    )
