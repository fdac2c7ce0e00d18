"""A world for whole runs: a forge, Claude's stand-in, and the HTTP service over one data folder."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from api.exit_codes import exit_code
from demo.demo_settings import demo_settings, replayed
from demo.http_service import serve
from demo.temporary_folder import temporary_folder
from tests.standins.github import TOKEN, GitHubStandIn
from tests.standins.messages_api.server import MessagesServer
from tests.support.compiled_secret_rules import copy_rules
from tests.support.whole_runs.claude_script import Cast, Script
from tests.support.whole_runs.hosted_repository import GREETER, Hosted, make_repository
from tests.support.whole_runs.leftovers import Leftovers
from tests.support.whole_runs.service_client import (
    EXIT_CODES,
    Run,
    Service,
    check_log,
)
from wiring import create_local_app
from wiring.settings import Settings

CLAUDE_KEY: Final = "sk-ant-for-tests-only-0123456789abcdef"


class Forge(GitHubStandIn):
    """The stand-in, which can also keep a call waiting."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[Held] = []

    def hold(self, method: str, path_end: str, *, after_push: bool = False) -> "Held":
        """Calls that come from now on; `after_push`: once somebody has pushed."""
        pushed = self._pushes()
        held = Held(method, path_end, lambda: not after_push or self._pushes() > pushed)
        self._held.append(held)
        return held

    def _pushes(self) -> int:
        return sum(
            request.method == "POST" and request.path.endswith("/git-receive-pack")
            for request in list(self.requests)
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        for held in self._held:
            if held.holds(scope["method"], scope["path"]):
                await held.wait()
        await super().handle(scope, receive, send)

    def release_all(self) -> None:
        for held in self._held:
            held.released = True


class Held:
    """Calls of one kind that get no answer yet. The forge has a thread and a loop of its own."""

    def __init__(self, method: str, path_end: str, is_due: Callable[[], bool]) -> None:
        self.method = method
        self.path_end = path_end
        self.is_due = is_due
        self.came = False
        self.released = False

    def holds(self, method: str, path: str) -> bool:
        return method == self.method and path.endswith(self.path_end) and self.is_due()

    async def wait(self) -> None:
        self.came = True
        while not self.released:  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.005)


class World:
    """Where whole runs happen. `service` is the one that is open."""

    def __init__(self, forge: Forge, claude: MessagesServer, cast: Cast, folder: Path) -> None:
        self.forge = forge
        self.claude = claude
        self.cast = cast
        self.folder = folder
        self.data = folder / "data"
        own = demo_settings(
            Settings(),
            data_dir=self.data,
            github_api_url=forge.api_url,
            github_token=TOKEN,
        )
        more = {"anthropic_api_key": SecretStr(CLAUDE_KEY), "key_rate": 0, "allow": ("workflows",)}
        self.settings = replayed(own, claude.base_url).model_copy(update=more)
        self._hosted = 0
        self._service: Service | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, **settings: Any) -> AsyncIterator[Self]:
        """Forge and Claude, without a service yet."""
        cast = Cast()
        forge = Forge()
        with temporary_folder() as folder:
            async with forge, MessagesServer(cast, key=CLAUDE_KEY) as claude:
                world = cls(forge, claude, cast, folder)
                world.settings = world.settings.model_copy(update=settings)
                await asyncio.to_thread(copy_rules, world.data)
                try:
                    yield world
                finally:
                    forge.release_all()

    @classmethod
    @asynccontextmanager
    async def with_service(cls, **settings: Any) -> AsyncIterator[Self]:
        async with cls.open(**settings) as world, world.serving():
            yield world

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Service]:
        """The HTTP service over the data folder; each that is opened stands for a process."""
        async with AsyncExitStack() as opened:
            address = await opened.enter_async_context(serve(create_local_app(self.settings)))
            self._service = await opened.enter_async_context(Service.at(address))
            try:
                yield self._service
            finally:
                self._service = None

    @property
    def service(self) -> Service:
        assert self._service, "no service is open"
        return self._service

    async def host(
        self,
        files: Mapping[str, str] = GREETER,
        more: Callable[[Path], object] = lambda _: None,
        message: str = "Begin",
        **facts: Any,
    ) -> Hosted:
        """A new repository on the forge."""
        self._hosted += 1
        name = f"octo/sample-{self._hosted}"
        with tempfile.TemporaryDirectory() as source:
            folder = Path(source) / "made"
            made = await asyncio.to_thread(make_repository, folder, files, more, message)
            repository = await self.forge.add_repository(name, made, **facts)
        return Hosted(repository, f"{self.forge.address}/{name}")

    async def start(self, prompt: str, repo: Hosted | str, script: Script, **fields: Any) -> Run:
        self.cast.learn(prompt, script)
        return await self.service.start(
            prompt, repo if isinstance(repo, str) else repo.url, **fields
        )

    async def run(self, prompt: str, repo: Hosted | str, script: Script, **fields: Any) -> Run:
        """A whole run. What holds for every run is held here."""
        run = await (await self.start(prompt, repo, script, **fields)).ended()
        await self.check(run)
        return run

    async def resume(self, run: Run, script: Script, **limits: Any) -> Run:
        """Carry a run on to its next end."""
        self.cast.add(run.prompt, script)
        await run.resume(**limits)
        await self.check(run)
        return run

    async def check(self, run: Run, *, all_told: bool = True) -> None:
        """The log, the record and the machine after the end of a run."""
        check_log(run)
        view, status = await run.view(), run.end["status"]
        assert view["status"] == status
        assert exit_code(status) == EXIT_CODES[status]
        assert view["error"] == run.end.get("error")
        assert (view["pr"] or {}).get("url") == run.end.get("prUrl")
        assert view["usage"] == run.end["usage"]
        assert not all_told or self.cast.untold(run.prompt) == {}, run.end
        await Leftovers(self.data).none_of(run.run_id, status)
