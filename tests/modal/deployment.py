"""The service deployed on a local Modal, with stand-ins for Claude and GitHub on loopback."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx

from demo.messages_server import MessagesServer
from tests.e2e.hosted import GREETER, Hosted, make_repository
from tests.e2e.script import Cast, Script
from tests.e2e.service import Run, Service
from tests.e2e.world import CLAUDE_KEY, Forge
from tests.modal_plane.client import deploy
from tests.modal_plane.plane import Plane, modal_plane
from tests.standins.github import TOKEN

ROOT: Final = Path(__file__).parents[2]
KEY: Final = "k" * 32
OTHER_KEY: Final = "o" * 32
APP: Final = "coding-agent"


class Deployment:
    """A plane with the product on it. Prompts keep the runs apart."""

    def __init__(self, plane: Plane, forge: Forge, claude: MessagesServer, cast: Cast) -> None:
        self.plane = plane
        self.forge = forge
        self.claude = claude
        self.cast = cast
        self._hosted = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, folder: Path = ROOT, env: Mapping[str, str] | None = None
    ) -> AsyncIterator[Self]:
        cast = Cast()
        async with AsyncExitStack() as opened:
            forge = await opened.enter_async_context(Forge())
            claude = await opened.enter_async_context(MessagesServer(cast, key=CLAUDE_KEY))
            plane = await opened.enter_async_context(modal_plane())
            deployment = cls(plane, forge, claude, cast)
            plane.secrets.add("anthropic-api-key", {"ANTHROPIC_API_KEY": CLAUDE_KEY})
            plane.secrets.add("github-token", {"GITHUB_TOKEN": TOKEN})
            told = {**deployment.settings, **(env or {})}
            await deploy(plane, "deploy.py", folder=folder, env=told)
            yield deployment
            forge.release_all()

    @property
    def settings(self) -> dict[str, str]:
        """What the deployer has in the environment."""
        return {
            "CODING_AGENT_API_KEYS": f"me:{KEY},you:{OTHER_KEY}",
            "CODING_AGENT_REPOS": "octo/*",
            "CODING_AGENT_KEY_RATE": "0",
            "CODING_AGENT_MAX_CONCURRENT_RUNS": "3",
            "ANTHROPIC_BASE_URL": self.claude.base_url,
            "GITHUB_API_URL": self.forge.api_url,
        }

    @property
    def address(self) -> str:
        return self.plane.function("api", APP).definition.web_url

    @asynccontextmanager
    async def client(self, key: str = KEY) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(
            base_url=self.address, timeout=60, trust_env=False, headers=headers
        ) as http:
            yield http

    async def host(
        self,
        files: Mapping[str, str] = GREETER,
        more: Callable[[Path], object] = lambda _: None,
    ) -> Hosted:
        """A new repository on the forge."""
        self._hosted += 1
        name = f"octo/sample-{self._hosted}"
        with tempfile.TemporaryDirectory() as source:
            made = await asyncio.to_thread(make_repository, Path(source) / "made", files, more)
            repository = await self.forge.add_repository(name, made)
        return Hosted(repository, f"{self.forge.address}/{name}")

    async def start(
        self, http: httpx.AsyncClient, prompt: str, repo: Hosted, script: Script, **fields: Any
    ) -> Run:
        self.cast.learn(prompt, script)
        return await Service(http).start(prompt, repo.url, **fields)
