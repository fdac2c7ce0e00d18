"""The service deployed on a local Modal, with stand-ins for Claude and GitHub on loopback."""

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx

from tests.modal_plane.client import deploy
from tests.modal_plane.containers.container import Container
from tests.modal_plane.plane import Plane, modal_plane
from tests.standins.github import TOKEN
from tests.standins.messages_api.server import MessagesServer, ReplyTo
from tests.support.polling import until
from tests.support.whole_runs.claude_script import Cast, Script, small_change
from tests.support.whole_runs.hosted_repository import GREETER, Hosted, make_repository
from tests.support.whole_runs.issue_label import (
    ISSUE,
    PROMPT,
    comments_on,
    deliver_label,
    open_issue,
)
from tests.support.whole_runs.service_client import Run, Service
from tests.support.whole_runs.world import CLAUDE_KEY, Forge

ROOT: Final = Path(__file__).parents[2]
KEY: Final = "k" * 32
OTHER_KEY: Final = "o" * 32
APP: Final = "coding-agent"
OURS: Final = "octo-agent"
"""The account of the forge's token."""
FUNCTIONS: Final = ("api", "run", "planner", "coder", "reviewer", "fixer", "setup")
PRELOAD: Final = (
    *("anthropic", "github", "git", "httpx2", "langgraph.graph", "langgraph.checkpoint.sqlite.aio"),
    *("prometheus_client", "pydantic_settings", "sse_starlette", "opentelemetry.trace"),
    *("modal.sandbox", "kingfisher_sdk"),
)
"""What takes long to import: each container begins with a copy of a process that has it."""
OWN: Final = (
    *("wiring.modal_platform", "api.http.app", "forge.publish.service", "forge.base.service"),
    *("graph.machine.build", "roles.registry", "runs.driving.clean_up", "runs.driving.run_driver"),
    *("sandbox.checks.service", "sandbox.backends.modal.trees"),
)
"""Of what is deployed. `deploy` itself is not among it: it reads its environment at its start."""


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
        cls,
        *,
        folder: Path = ROOT,
        env: Mapping[str, str] | None = None,
        reply: ReplyTo | None = None,
    ) -> AsyncIterator[Self]:
        """`reply` answers in place of the cast."""
        cast = Cast()
        async with AsyncExitStack() as opened:
            forge = await opened.enter_async_context(Forge())
            claude = await opened.enter_async_context(MessagesServer(reply or cast, key=CLAUDE_KEY))
            plane = await opened.enter_async_context(modal_plane(*PRELOAD, own=OWN))
            deployment = cls(plane, forge, claude, cast)
            plane.secrets.add("anthropic-api-key", {"ANTHROPIC_API_KEY": CLAUDE_KEY})
            plane.secrets.add("github-token", {"GITHUB_TOKEN": TOKEN})
            told = {**deployment.settings, **(env or {})}
            await deploy(plane, "deploy.py", folder=folder, env=told)
            for name in FUNCTIONS:
                plane.function(name, APP).idle = 120
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

    async def check(self, run: Run) -> None:
        """What holds for every run that has ended, wherever its parts were."""
        seqs = [event["seq"] for event in run.events]
        assert seqs == list(range(1, len(seqs) + 1))
        begun = [(event["node"], event["visit"]) for event in run.of("node.started")]
        left = [(event["node"], event["visit"]) for event in run.of("node.finished")]
        assert begun == left
        cost = sum(usage["costUsd"] for usage in run.of("usage"))
        assert math.isclose(run.end["costUsd"], cost, abs_tol=1e-9)
        view = await run.view()
        assert (view["status"], view["usage"]) == (run.end["status"], run.end["usage"])
        assert self.cast.untold(run.prompt) == {}, run.end
        await until(lambda: not self.sandboxes(run.run_id))

    async def check_labeled_issue(self) -> None:
        """A delivery, which comes twice, becomes one run, and its end is told where it began."""
        repo = await self.host()
        open_issue(repo)
        self.cast.learn(PROMPT, small_change())
        async with self.client("") as http:
            await deliver_label(http, repo)
        await until(lambda: "Done." in "".join(comments_on(repo, OURS)), within_s=200)
        (comment,) = comments_on(repo, OURS)
        assert f"{repo.url}/pull/{repo.pull.number}" in comment
        assert f"Closes #{ISSUE}." in repo.pull.body
        await until(lambda: not self.busy("triggers") and not self.sandboxes())

    def containers(self, function: str) -> list[Container]:
        """Those that run."""
        return self.plane.scheduler.of(self.plane.function(function, APP))

    def busy(self, function: str) -> bool:
        """Whether a container has an input in hand."""
        return any(container.inputs for container in self.containers(function))

    def sandboxes(self, run_id: str = "") -> list[str]:
        """The names of Sandboxes that run."""
        known = self.plane.sandboxes.by_id.values()
        return [one.name for one in known if one.result is None and one.name.startswith(run_id)]

    @property
    def volume(self) -> Path:
        """What is committed."""
        return self.plane.volumes.named("coding-agent-workspaces").files

    async def delete_setup_image(self) -> None:
        """Let all Dicts and the Queue have expired, and the web containers with what they know."""
        await until(lambda: not self.busy("run"), within_s=30)
        for name in list(self.plane.dicts.by_name):
            self.plane.dicts.expire(name)
        self.plane.queues.expire("coding-agent-events")
        for container in self.containers("api"):
            await self.plane.preempt(container.task_id)
