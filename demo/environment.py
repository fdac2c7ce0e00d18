"""Everything a demo is played on: a forge, Claude or its replay, and the HTTP service."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.client import RemoteRuns
from demo.demo_settings import demo_settings, replayed
from demo.fake_github.server import ForgeServer
from demo.http_service import serve
from demo.pull_request_view import PullRequestView, fetch_pull_request
from demo.script.claude_app import create_claude_app
from demo.script.replay import Replay
from demo.script.sample_repository import NAME
from demo.script.story import STORY
from wiring import Settings, create_local_app

Events = AsyncIterator[dict[str, Any]]
Draw = Callable[[Events], Awaitable[int]]


@dataclass(frozen=True)
class Stage:
    """The servers' addresses, and what a caller does with them."""

    forge: ForgeServer
    service: str

    @property
    def repo_url(self) -> str:
        return f"{self.forge.address}/{NAME}"

    async def run(self, prompt: str, draw: Draw) -> int:
        """Start a run as any client would, and draw it to its end."""
        async with RemoteRuns.open(self.service, None, version="demo") as runs:
            run_id = await runs.start({"repo_url": self.repo_url, "prompt": prompt})
            async with aclosing(runs.events(run_id)) as events:
                return await draw(events)

    async def pull_request(self, number: int, clone: Path) -> PullRequestView:
        """The pull request as the forge tells it; git clones into the new folder `clone`."""
        return await fetch_pull_request(self.forge, NAME, number, clone)


@asynccontextmanager
async def open_stage(
    folder: Path, sample: Path, settings: Settings, *, live: bool
) -> AsyncIterator[Stage]:
    """Host the sample and serve; all state is kept below `folder`."""
    token = f"ghp_{secrets.token_hex(18)}"
    async with ForgeServer(token=token) as forge, AsyncExitStack() as opened:
        await forge.add_repository(NAME, sample)
        settings = demo_settings(
            settings, data_dir=folder / "data", github_api_url=forge.api_url, github_token=token
        )
        if not live:
            claude = await opened.enter_async_context(serve(create_claude_app(Replay(STORY))))
            settings = replayed(settings, claude)
        service = await opened.enter_async_context(serve(create_local_app(settings)))
        yield Stage(forge, service)
