"""HEAD for every address that takes GET, and OPTIONS for all, as HTTP asks of a server."""

from typing import Final

from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.types import Message, Receive, Scope, Send

from api.http.guards.http_middleware import HttpMiddleware

_VERBS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")


class MethodMiddleware(HttpMiddleware):
    """Answers OPTIONS by the methods that an address takes, and HEAD as GET without its body."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            return await self.app({**scope, "method": "GET"}, receive, _without_body(send))
        if scope["method"] == "OPTIONS" and (methods := allowed_methods(scope)):
            answer = Response(status_code=204, headers={"Allow": methods})
            return await answer(scope, receive, send)
        return await self.app(scope, receive, send)


def allowed_methods(scope: Scope) -> str:
    """The `Allow` header of an address; empty where there is nothing."""
    found = {verb for verb in _VERBS if _takes(scope, verb)}
    if not found:
        return ""
    return ", ".join(sorted({*found, "OPTIONS", *(("HEAD",) if "GET" in found else ())}))


def _takes(scope: Scope, verb: str) -> bool:
    # Within a mounted app `root_path` is the mount's.
    asked = {**scope, "method": verb, "root_path": scope.get("app_root_path", "")}
    return any(
        route.matches(asked)[0] is Match.FULL and (verb == "GET" or not isinstance(route, Mount))
        for route in scope["app"].routes
    )


def _without_body(send: Send) -> Send:
    """A `send` that ends the answer where its body would begin."""
    ended = False

    async def send_head(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            await send(message)
        elif not ended:
            ended = True
            await send({"type": "http.response.body"})

    return send_head
