"""Everything a demo is played on: a forge, Claude or its replay, and the HTTP service."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.client import RemoteRuns
from demo.demo_settings import demo_settings, replayed
from demo.forge import DemoForge
from demo.git import git
from demo.http_service import serve
from demo.script.claude_app import create_claude_app
from demo.script.replay import Replay
from demo.script.sample_repository import BRANCH, NAME
from demo.script.story import STORY
from wiring import Settings, create_local_app

Events = AsyncIterator[dict[str, Any]]
Draw = Callable[[Events], Awaitable[int]]


@dataclass(frozen=True)
class Stage:
    """The forge, the addresses of forge and service, and what a caller does with them."""

    forge: DemoForge
    forge_address: str
    service: str

    async def run(self, prompt: str, draw: Draw) -> int:
        """Start a run as any client would, and draw it to its end."""
        async with RemoteRuns.open(self.service, None, version="demo") as runs:
            run_id = await runs.start(
                {"repo_url": f"{self.forge_address}/{NAME}", "prompt": prompt}
            )
            async with aclosing(runs.events(run_id)) as events:
                return await draw(events)

    async def diff(self, base: str, head: str, *options: str) -> str:
        """What a pull request from `head` into `base` changes, in the form of git's options."""
        words = ("diff", *options, f"{base}...{head}")
        return await asyncio.to_thread(git, self.forge.git_dir, *words)


@asynccontextmanager
async def open_stage(
    folder: Path, sample: Path, settings: Settings, *, live: bool
) -> AsyncIterator[Stage]:
    """Host the sample and serve; all state is kept below `folder`."""
    forge = DemoForge(NAME, BRANCH, folder / "forge.git", f"ghp_{secrets.token_hex(18)}")
    clone = ("clone", "--quiet", "--bare", "--no-hardlinks", str(sample), str(forge.git_dir))
    await asyncio.to_thread(git, folder, *clone)
    async with AsyncExitStack() as opened:
        address = await opened.enter_async_context(serve(forge.app()))
        settings = demo_settings(
            settings,
            data_dir=folder / "data",
            github_api_url=f"{address}/api/v3",
            github_token=forge.token,
        )
        if not live:
            claude = await opened.enter_async_context(serve(create_claude_app(Replay(STORY))))
            settings = replayed(settings, claude)
        service = await opened.enter_async_context(serve(create_local_app(settings)))
        yield Stage(forge, address, service)
