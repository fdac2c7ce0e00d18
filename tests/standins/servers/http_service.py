"""The HTTP service over a real socket, on a run service of the test's choice."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import uvicorn
from starlette.types import ASGIApp

from api.http.app import create_app
from api.http.guards.auth import Auth
from api.http.options import AppOptions
from api.http.server import make_server
from graph.errors import InvalidRepoUrl
from tests.standins.services.in_memory_run_service import MemoryService

_ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+?)(\.git)?")
_LIMITS = httpx.Limits()
CODE = {"repoUrl": "https://github.com/o/r", "prompt": "Change it."}
KEYS = (("ann", "ann-key-0123456789-0123456789"), ("bob", "bob-key-0123456789-0123456789"))


def check_repo_url(repo_url: str) -> str:
    if not (match := _ADDRESS.fullmatch(repo_url)):
        raise InvalidRepoUrl("This is not an address of a repository here.")
    return match[1]


@dataclass
class ScriptedProbes:
    """Answers as it is told, and keeps what it was asked."""

    claude_code: str = "ok"
    github_code: str = "ok"
    rights: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    fault: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def claude(self) -> str:
        if self.fault:
            raise self.fault
        return self.claude_code

    async def github(self) -> str:
        if self.fault:
            raise self.fault
        return self.github_code

    async def repository(self, repo_url: str) -> tuple[bool, bool]:
        self.asked.append(repo_url)
        if self.fault:
            raise self.fault
        return self.rights.get(repo_url, (False, False))

    async def repositories(self) -> list[str]:
        return []


def make_app(
    open_service: Callable[[], AbstractAsyncContextManager[Any]],
    *,
    probes: ScriptedProbes | None = None,
    auth: Auth | None = None,
    **options: Any,
) -> ASGIApp:
    given = {"version": "1.2.3", "check_repo_url": check_repo_url, "key_rate": 0} | options
    return create_app(
        open_service=cast("Any", open_service),
        probes=probes or ScriptedProbes(),
        auth=auth or Auth(),
        options=AppOptions(**cast("Any", given)),
    )


class PromptServer(uvicorn.Server):
    """Says when it is ready, and ends when it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        self.ready.set()
        await self.stop.wait()
        self.should_exit = True


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[tuple[str, PromptServer]]:
    """A server and its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    # What asyncio does for listeners that it makes itself: small writes are sent at once.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = PromptServer(make_server(app, host="127.0.0.1", port=0).config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield address, server
    finally:
        server.stop.set()
        await task


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The address of a server that runs until the end."""
    async with running(app) as (address, _):
        yield address


@asynccontextmanager
async def client_of(
    service: MemoryService,
    *,
    key: str | None = None,
    limits: httpx.Limits = _LIMITS,
    **given: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service made of these parts."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        serving(make_app(service.open, **given)) as address,
        httpx.AsyncClient(base_url=address, headers=headers, timeout=20, limits=limits) as client,
    ):
        yield client
