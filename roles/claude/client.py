"""The Messages API: one request, streamed, and every foreign error in our terms.

The only holder of the Claude key, and the only file that knows the SDK, which is slow to import and
is therefore imported at its first use.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from graph import UNTRUSTED_HINT, SecretForms, Usage, is_untrusted, name_proxy_variables
from graph.errors import (
    ClaudeRateLimited,
    ClaudeRejected,
    ClaudeUnauthorized,
    ClaudeUnavailable,
)
from roles.claude.answer_errors import classify, read_retry_after, refused_by_proxy
from roles.claude.import_without import without
from roles.claude.provider import ANTHROPIC_URL, Provider
from roles.claude.reply import AttemptFailed, Kind, Reply, ReplyListener

if TYPE_CHECKING:
    import anthropic
    from anthropic._base_client import AsyncAPIClient
    from anthropic.types import Message

_AIOHTTP: Final = "anthropic._vendor.httpx_aiohttp"
"""The SDK's way to use aiohttp, wherever that is installed (modal needs it): 6 MB for nothing."""
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RuntimeError)
"""What the SDK raises where it reads a stream that is not the Messages API's."""
_REPEATABLE = (ClaudeRateLimited, ClaudeUnavailable)
_ELSEWHERE: Final = "Check that the service at ANTHROPIC_BASE_URL answers, then resume the run."
_MAX_MESSAGE = 500
"""Characters of an error's message."""


class StreamBroken(ConnectionError):
    """Raised when a stream is not a whole reply of the Messages API; says what it could not do."""


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
        self._key_forms = [SecretForms(secret) for secret in provider.secrets]
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
                    case None:
                        listener.begin_block()
                    case kind, text:
                        listener.add(kind, text)
        raise AssertionError("an exchange ends with a reply")

    async def warm_cache(self, body: bytes, betas: Sequence[str] = ()) -> Usage:
        """Send one request that asks for no reply; what it has used. Raises AttemptFailed."""
        client = await self._open_client()
        import anthropic
        import httpx2
        from anthropic.types import Message

        try:
            with self._signing():
                message = await client.post(
                    "/v1/messages?beta=true" if betas else "/v1/messages",
                    content=body,
                    options=_request_options(betas),
                    cast_to=Message,
                )
            return _read_usage(message)
        except (
            *(anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL, OSError),
            *_MALFORMED,
        ) as error:
            raise self._map_error(error) from error

    async def _exchange(
        self, client: "AsyncAPIClient", body: bytes, betas: Sequence[str]
    ) -> AsyncGenerator[Usage | tuple[Kind, str] | Reply | None]:
        """What comes of one request: usage, pieces, None where a block begins, then the reply.

        Only what the SDK does is in here, so that its errors alone are mapped.
        """
        import anthropic
        import httpx2
        from anthropic.lib.streaming import AsyncMessageStream
        from anthropic.types import Message, RawMessageStreamEvent

        try:
            async with asyncio.timeout(self._turn_s):
                with self._signing():
                    raw = await client.post(
                        "/v1/messages?beta=true" if betas else "/v1/messages",
                        content=body,
                        options=_request_options(betas),
                        cast_to=Message,
                        stream=True,
                        stream_cls=anthropic.AsyncStream[RawMessageStreamEvent],
                    )
                async with AsyncMessageStream(raw, output_format=anthropic.NOT_GIVEN) as stream:
                    try:
                        async for event in stream:
                            if event.type == "message_start":
                                yield _read_usage(event.message)
                            elif event.type == "content_block_start":
                                yield None
                            elif event.type == "text":
                                yield "text", event.text
                            elif event.type == "thinking":
                                yield "thinking", event.thinking
                        yield _read_reply(stream.current_message_snapshot, stream.request_id)
                    except _MALFORMED as error:
                        raise StreamBroken(f"not be read ({type(error).__name__})") from error
        except (anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._map_error(error) from error

    async def probe(self) -> None:
        """Raise ClaudeError where the endpoint does not answer or does not take the key."""
        client = await self._open_client()
        import anthropic
        import httpx2

        path, body = self._provider.probe()
        options: Any = {"timeout": self._connect_s * 2}
        try:
            with self._signing():
                if body is None:
                    await client.get(path, cast_to=object, options=options)
                else:
                    await client.post(path, cast_to=object, body=body, options=options)
        except AttemptFailed as failed:
            raise failed.error from failed
        except (
            *(anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL, OSError),
            *_MALFORMED,
        ) as error:
            raise self._map_error(error).error from error

    def contains_key(self, data: bytes, *, middle: bool = False) -> bool:
        """Whether data holds a key, or its middle half, in any form that could be read back."""
        return any(key.found_in(data, middle=middle) for key in self._key_forms)

    @contextmanager
    def _signing(self) -> Iterator[None]:
        """Map what is raised where a request cannot be signed, or its credentials not be had."""
        try:
            yield
        except self._provider.credential_errors() as error:
            text = self._hide(f"No credentials for the Messages API: {error}"[:_MAX_MESSAGE])
            raise AttemptFailed(
                ClaudeUnauthorized(text, self._provider.unauthorized_hint),
                repeatable=bool(getattr(error, "retryable", False)),
            ) from error

    def _hide(self, text: str) -> str:
        for key in self._key_forms:
            text = key.hide(text)
        return text

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

        try:
            # Its own, as the SDK's does not take an IPv6 address in NO_PROXY.
            http_client = httpx2.AsyncClient(
                timeout=anthropic.Timeout(self._silence_s, connect=self._connect_s),
                limits=anthropic.DEFAULT_CONNECTION_LIMITS,
                follow_redirects=True,
            )
        except OSError as error:
            raise ClaudeUnavailable(
                f"The certificates that SSL_CERT_FILE names cannot be read: {error}",
                "Set SSL_CERT_FILE to a file of certificates, or unset it.",
            ) from error
        except (ImportError, ValueError, httpx2.InvalidURL) as error:
            names = name_proxy_variables()
            raise ClaudeUnavailable(
                f"The proxy that the environment names ({names}) cannot be used: {error}"[
                    :_MAX_MESSAGE
                ],
                f"Set {names} to an http:// or https:// proxy, or unset it.",
            ) from error
        try:
            make: Callable[..., AsyncAPIClient] = getattr(anthropic, self._provider.client)
            return make(
                **self._provider.client_options(),
                max_retries=0,
                http_client=http_client,
                open_telemetry={"traces": {"content_mode": "metadata_only"}},
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise ClaudeRejected(
                f"The address of the Messages API is not a URL: {self._provider.base_url!r}.",
                "Set ANTHROPIC_BASE_URL to an https:// address.",
            ) from error

    def _map_error(self, error: BaseException) -> AttemptFailed:
        """Map whatever the SDK or its HTTP library raised; total."""
        failed = map_error(error)
        message, hint = self._hide(failed.error.message), failed.error.hint
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
    if isinstance(error.__cause__, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        text = f"The request could not be sent: {error.__cause__}"[:_MAX_MESSAGE]
        return AttemptFailed(ClaudeRejected(text, "Check ANTHROPIC_BASE_URL."), repeatable=False)
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
    return AttemptFailed(ClaudeUnavailable(text), repeatable=True)


def _status_failure(error: "anthropic.APIStatusError") -> AttemptFailed:
    kind, hint = classify(
        error.status_code, error.type, error.error_code or "", error.api_message or ""
    )
    text = error.api_message or f"Status {error.status_code}."
    message = f"The Messages API answered {error.type or error.status_code}: {text}"
    message = message[:_MAX_MESSAGE]
    if error.request_id:
        message += f" (request {error.request_id})"
    repeatable = kind in _REPEATABLE
    if error.status_code != 200:
        wish = error.response.headers.get("x-should-retry")
        repeatable = repeatable if wish not in {"true", "false"} else wish == "true"
    return AttemptFailed(
        kind(message, hint),
        repeatable=repeatable,
        retry_after_s=read_retry_after(error.response.headers),
    )


def _read_reply(message: "Message", request_id: str | None) -> Reply:
    if message.stop_reason is None:
        raise StreamBroken("not be read to the reply's end")
    details = message.stop_details
    return Reply(
        content=[block.to_dict(mode="json") for block in message.content],
        stop_reason=message.stop_reason,
        usage=_read_usage(message),
        model=message.model,
        request_id=request_id,
        stop_details=details.to_dict(mode="json") if details else None,
    )


def _request_options(betas: Sequence[str]) -> Any:
    """Options of one request, whose body is ours already."""
    from anthropic._base_client import make_request_options

    return make_request_options(
        extra_headers={"anthropic-beta": ",".join(betas)} if betas else None,
        span_name="anthropic.messages.create",
        span_route="/v1/messages",
    )


def _read_usage(message: "Message") -> Usage:
    counted = {name: getattr(message.usage, name) or 0 for name in Usage.model_fields}
    return Usage(**counted)
