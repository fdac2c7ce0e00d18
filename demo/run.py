"""The whole job on the bundled sample: every part is real but Claude's replies, and GitHub."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from api.client import RemoteRuns
from api.drawings import console_for
from api.settings import load_settings
from demo.demo_settings import demo_settings, replayed
from demo.forge_server import ForgeServer
from demo.http_service import serve
from demo.messages_server import MessagesServer
from demo.pull_request_view import fetch_pull_request
from demo.replay import Replay
from demo.sample import NAME, REQUEST, make_sample
from demo.story import STORY
from demo.temporary_folder import temporary_folder
from local import create_local_app

Events = AsyncIterator[dict[str, Any]]
Draw = Callable[[Events], Awaitable[int]]

_TOKEN: Final = "ghp_of_the_local_forge_only"  # noqa: S105 - opens nothing but the demo's server
_ABOUT: Final = {
    False: "Git, sandbox, tests and HTTP are real; GitHub is a local forge, and Claude's replies "
    "are replayed, so nothing is spent.",
    True: "Git, sandbox, tests, HTTP and Claude are real; GitHub is a local forge.",
}


@dataclass
class _Noted:
    """What the demo needs to know of the events that pass."""

    pull_request: int | None = None

    async def passing(self, events: Events) -> Events:
        async for event in events:
            if event["type"] in ("pr.created", "pr.updated"):
                self.pull_request = event["number"]
            yield event


async def run_demo(*, live: bool, draw: Draw) -> int:
    """Turn the sample's request into a pull request and show it; the exit code of the run."""
    console_for().print(_ABOUT[live], style="dim")
    with temporary_folder() as folder:
        async with ForgeServer(token=_TOKEN) as forge, AsyncExitStack() as opened:
            await forge.add_repository(NAME, make_sample(folder / "sample"))
            settings = demo_settings(
                load_settings(),
                data_dir=folder / "data",
                github_api_url=forge.api_url,
                github_token=_TOKEN,
            )
            if not live:
                claude = await opened.enter_async_context(MessagesServer(Replay(STORY)))
                settings = replayed(settings, claude.base_url)
            server = await opened.enter_async_context(serve(create_local_app(settings)))
            repo_url = f"{forge.address}/{NAME}"
            noted = _Noted()
            code = await _watch(server, repo_url, lambda events: draw(noted.passing(events)))
            if noted.pull_request is not None:
                found = await fetch_pull_request(
                    forge.api_url, _TOKEN, repo_url, noted.pull_request, folder / "clone"
                )
                found.show(console_for())
            return code


async def _watch(server: str, repo_url: str, draw: Draw) -> int:
    """Start the run as any client would, and draw it to its end."""
    async with RemoteRuns.open(server, None, version="demo") as runs:
        run_id = await runs.start({"repo_url": repo_url, "prompt": REQUEST})
        return await draw(runs.events(run_id))
