"""A page on this machine alone that sends a person to GitHub, and takes what comes back once."""

import asyncio
import hmac
import html
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

_CODE: Final = 200
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Create a GitHub App</title>
<h1>Create a GitHub App</h1>
<p>GitHub shows the App's rights, and asks you to confirm.</p>
<form action="{action}" method="post">
<input type="hidden" name="manifest" value="{manifest}">
<button autofocus>Go on to GitHub</button>
</form>
"""
_DONE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Done</title>
<h1>Done</h1><p>Close this page and look at your terminal.</p>
"""


class ManifestServer:
    """Two addresses on the loopback. `code` is what GitHub gives for the App, once."""

    def __init__(self, web: str, form: str, manifest: Callable[[str], dict[str, Any]]) -> None:
        """`web` is GitHub's address, `form` the one below it that takes manifests."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._state = secrets.token_urlsafe(32)
        self.address = f"http://{self._host}/"
        self._action = f"{web}{form}?state={self._state}"
        self._manifest = json.dumps(manifest(f"{self.address}created"))
        self._web = web
        self.code: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = Starlette(routes=[Route("/", self._page), Route("/created", self._created)])
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        work = asyncio.create_task(server.serve(sockets=[self._listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await work

    async def _page(self, request: Request) -> Response:
        if refused := self._refusal(request):
            return refused
        filled = _PAGE.format(
            action=html.escape(self._action), manifest=html.escape(self._manifest)
        )
        return HTMLResponse(filled, headers=self._headers())

    async def _created(self, request: Request) -> Response:
        if refused := self._refusal(request):
            return refused
        state, code = (request.query_params.get(name, "") for name in ("state", "code"))
        right = hmac.compare_digest(state.encode(), self._state.encode())
        if not right or not code.isalnum() or len(code) > _CODE or self.code.done():
            return PlainTextResponse("This is not an answer to the page.", 403, self._headers())
        self.code.set_result(code)
        return HTMLResponse(_DONE, headers=self._headers())

    def _refusal(self, request: Request) -> Response | None:
        """Pages of other names that lead to this machine see nothing."""
        if request.headers.get("host") == self._host:
            return None
        return PlainTextResponse("Another host name.", 400, self._headers())

    def _headers(self) -> dict[str, str]:
        policy = f"default-src 'none'; form-action {self._web}; frame-ancestors 'none'"
        return {
            "Content-Security-Policy": f"{policy}; base-uri 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
