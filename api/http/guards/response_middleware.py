"""What every answer passes on its way out: headers, the access log, the last resort."""

import logging
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from api.http.guards.http_middleware import HttpMiddleware
from api.http.guards.problems import unexpected_problem

log = logging.getLogger(__name__)
access = logging.getLogger("api.access")

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_LOGGED_PATH: Final = 200


class UnhandledErrorMiddleware(HttpMiddleware):
    """Answers an error nobody expected; it is logged, and nothing of it is told."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        def on_start(_: Message) -> None:
            nonlocal started
            started = True

        try:
            await self.app(scope, receive, _with_start_hook(send, on_start))
        except Exception:
            if started:
                raise
            log.exception("%s %s failed", scope["method"], _printable_path(scope))
            await unexpected_problem()(scope, receive, send)


class SecurityHeadersMiddleware(HttpMiddleware):
    """Security headers on every answer, and which run an answer is about."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})

        def add(message: Message) -> None:
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            if run_id := state.get("run_id"):
                headers["X-Run-Id"] = run_id
                headers["Location"] = f"/runs/{run_id}"

        await self.app(scope, receive, _with_start_hook(send, add))


class AccessLogMiddleware(HttpMiddleware):
    """One line a request: no query, no header, no body."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, start = 0, time.perf_counter()

        def on_start(message: Message) -> None:
            nonlocal status
            status = message["status"]

        try:
            await self.app(scope, receive, _with_start_hook(send, on_start))
        finally:
            caller = scope.get("state", {}).get("caller")
            access.info(
                "%s %s %s %.1f ms %s",
                scope["method"],
                _printable_path(scope),
                status or "-",
                (time.perf_counter() - start) * 1000,
                caller.name if caller else "-",
                extra={"run_id": scope.get("state", {}).get("run_id")},
            )


def _with_start_hook(send: Send, on_start: Callable[[Message], None]) -> Send:
    """A `send` that lets `on_start` see, or change, the start of the answer."""

    async def watching(message: Message) -> None:
        if message["type"] == "http.response.start":
            on_start(message)
        await send(message)

    return watching


def _printable_path(scope: Scope) -> str:
    """The path as one printable word."""
    return quote(scope["path"], safe="/-._~")[:_LOGGED_PATH]
