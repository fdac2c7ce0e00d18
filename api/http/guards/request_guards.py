"""What stands before the routes: each guard answers a request itself or lets it pass."""

import asyncio
import math
import re
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.guards.auth import Auth
from api.http.guards.host_names import is_same_origin, without_port
from api.http.guards.http_middleware import HttpMiddleware
from api.http.guards.problems import ProblemError, problem, unauthorized_problem
from api.http.guards.rate_limit import KeyRateLimit
from api.http.guards.session import session_end, token_of
from api.http.guards.unsigned_bodies import UnsignedBodies
from graph import unheard
from runs.model import Caller

MAX_BODY_BYTES: Final = 1024 * 1024
DELIVERIES: Final = "/webhooks/github"
"""Takes no key: what comes is signed."""
MAX_DELIVERY_BYTES: Final = 25 * 1024 * 1024
"""GitHub sends no more."""
_MOST_UNSIGNED_BYTES: Final = 4 * MAX_DELIVERY_BYTES
"""Of all bodies that are being read and whose senders are not known yet."""
BODY_TIMEOUT_S: Final = 30.0
_PUBLIC: Final = frozenset(("/health", "/ready", "/", "/docs", "/openapi.json"))
_PUBLIC_FOLDER: Final = "/assets/"
_CLOSE: Final = {"Connection": "close"}
_BODILESS: Final = frozenset(("GET", "HEAD", "OPTIONS"))


class HostGuard(HttpMiddleware):
    """Answers known `Host` values alone, and no page of another origin."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        super().__init__(app)
        self._hosts = frozenset(host.lower() for host in hosts)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if len(headers.getlist("host")) != 1 or not self._is_known(host):
            refusal = problem(
                400,
                "host_not_allowed",
                "This service does not answer to this host name.",
                hint="Set CODING_AGENT_HOSTS to the names it is reached by.",
            )
            return await refusal(scope, receive, send)
        if any(not is_same_origin(origin, host) for origin in headers.getlist("origin")):
            refusal = problem(
                403, "origin_not_allowed", "Pages of another origin may not call this service."
            )
            return await refusal(scope, receive, send)
        return await self.app(scope, receive, send)

    def _is_known(self, host: str) -> bool:
        """An entry without a port stands for every port."""
        return host in self._hosts or without_port(host) in self._hosts


class KeyGuard(HttpMiddleware):
    """Finds out who calls; all but a few addresses need a key where keys are set."""

    def __init__(self, app: ASGIApp, auth: Auth, rate: KeyRateLimit) -> None:
        super().__init__(app)
        self._auth = auth
        self._rate = rate

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refusal := self._refusal_for(scope):
            return await refusal(scope, receive, send)
        return await self.app(scope, receive, send)

    def _refusal_for(self, scope: Scope) -> ASGIApp | None:
        path: str = scope["path"]
        if self._auth.locked and path != "/health":
            return unauthorized_problem("The service is not set up yet.", hint=self._auth.locked)
        if _is_public(path) or path == DELIVERIES:
            return None
        headers = Headers(scope=scope)
        presented = headers.getlist("authorization")
        token = None if presented or not self._auth.required else token_of(headers)
        caller = self._caller(presented, token)
        if caller is None:
            return unauthorized_problem("A valid API key is needed.", presented=bool(presented))
        if not presented and self._auth.required and not _may_be_ours(scope["method"], headers):
            return problem(
                403,
                "origin_not_allowed",
                "A session changes something only from a page of this service.",
                hint="Send this service's own `Origin`, or call with a key.",
            )
        if self._auth.required and (wait := self._rate.wait_s(caller.name)):
            return problem(
                429,
                "too_many_requests",
                "This key calls too often.",
                hint="Wait as long as `Retry-After` says.",
                headers={"Retry-After": str(math.ceil(wait))},
            )
        scope["state"]["caller"] = caller
        if token:
            scope["state"]["session_end"] = session_end(token)
        return None

    def _caller(self, presented: Sequence[str], token: str | None) -> Caller | None:
        """Who calls: by a session, or by a key where one is needed."""
        if token is None:
            return self._auth.caller(presented[0] if len(presented) == 1 else None)
        return self._auth.session_caller(token, time.time())


def _may_be_ours(method: str, headers: Headers) -> bool:
    """Whether a call that a browser adds a cookie to was made by a page of this service.

    A foreign `Origin` has been refused before.
    """
    from_here = headers.get("origin") or headers.get("sec-fetch-site") == "same-origin"
    return method in _BODILESS or bool(from_here)


def _is_public(path: str) -> bool:
    return path in _PUBLIC or path.startswith(_PUBLIC_FOLDER)


class BodyGuard(HttpMiddleware):
    """Reads a body whole before anything acts on it: JSON, of limited size, in limited time.

    Addresses without a key take none: nobody can hold a connection by a body that does not come.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int = MAX_BODY_BYTES,
        timeout_s: float = BODY_TIMEOUT_S,
        unsigned_bytes: int = _MOST_UNSIGNED_BYTES,
    ) -> None:
        super().__init__(app)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._unsigned = UnsignedBodies(unsigned_bytes)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in _BODILESS or _is_public(scope["path"]):
            return await self.app(scope, receive, send)
        try:
            headers = Headers(scope=scope)
            if scope["path"] == DELIVERIES:
                body = await self._json(headers, receive, MAX_DELIVERY_BYTES, unsigned=True)
            else:
                body = await self._json(headers, receive, self._max_bytes)
        except ClientDisconnect:
            return None
        except ProblemError as refused:
            return await refused.answer(scope, receive, send)
        return await self.app(scope, _replay(body, receive), send)

    async def _json(
        self, headers: Headers, receive: Receive, max_bytes: int, *, unsigned: bool = False
    ) -> bytes:
        """The body, not yet parsed. Raises ProblemError."""
        length = headers.get("content-length", "0")
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > max_bytes:
            raise _too_large(max_bytes)
        try:
            async with asyncio.timeout(self._timeout_s) as time_left:
                if unsigned:
                    with self._unsigned.reading(time_left) as count:
                        body = await self._read(receive, max_bytes, count)
                else:
                    body = await self._read(receive, max_bytes)
        except TimeoutError:
            late = "The body did not arrive in time."
            raise ProblemError(408, "request_timeout", late, headers=_CLOSE) from None
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        if body and not _is_json(headers.getlist("content-type")):
            raise ProblemError(
                415, "unsupported_media_type", "A body must be sent as application/json."
            )
        return body

    async def _read(
        self, receive: Receive, max_bytes: int, count: Callable[[int], None] = unheard
    ) -> bytes:
        """The body, or so much of it that it is seen to be too large; each piece is counted."""
        body, more = bytearray(), True
        while more and len(body) <= max_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            count(len(piece := message.get("body", b"")))
            body += piece
            more = message.get("more_body", False)
        return bytes(body)


def _too_large(max_bytes: int) -> ProblemError:
    """The connection is kept: one that is closed while a body comes loses the answer, too."""
    return ProblemError(413, "body_too_large", f"A body takes at most {max_bytes // 1024} KiB.")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand out the body that was read, then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _is_json(content_types: Sequence[str]) -> bool:
    if len(content_types) != 1:
        return False
    return content_types[0].partition(";")[0].strip().lower() == "application/json"
