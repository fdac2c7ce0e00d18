"""The wiring for one machine: settings in; the graph, the run service and the web app out.

`open_graph` gives the compiled graph to Python, `studio_graph` the same graph to LangGraph Studio,
`open_service` the life of runs to the command and the server.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from api.machine_checks import Finding, credential, data_dir, git, python
from api.service_log import log_to_stderr
from api.settings import Settings, load_settings
from api.telemetry import tracing
from forge.github import ONCE, GitHub
from forge.kept_base import KeptBases
from forge.publisher import ForgePublisher
from forge.repo_url import is_loopback, parse, web_address
from forge.repository import GitRepositories
from forge.secret_forms import hiding
from forge.warming import WarmingRepositories
from graph.errors import CodingAgentError
from graph.services import Services
from graph.state import Limits as RunLimits
from roles.claude import Claude
from roles.coder import ClaudeCoder
from roles.fixer import ClaudeFixer
from roles.planner import ClaudePlanner
from roles.reviewer import ClaudeReviewer
from runs.service import RunService
from runs.service_config import ServiceConfig
from runs.sqlite_store import SqliteStore
from sandbox.checks import SandboxChecks
from sandbox.choice import Wanted, choose
from sandbox.counted import Counts
from sandbox.docker_cli import docker_environment
from sandbox.examination import examine
from sandbox.lazy import LazySandboxes
from sandbox.networked_set_up import networked_set_up
from sandbox.package_hosts import try_hosts
from sandbox.sandbox import Limits as CommandLimits
from sandbox.sandbox import Sandboxes
from sandbox.trees import LocalSandboxes
from sandbox.trial import TrialResult
from sandbox.workspace import LocalWorkspaces

if TYPE_CHECKING:
    from fastapi import FastAPI
    from langgraph.graph.state import CompiledStateGraph

    from runs.driver import Builder

DISTRIBUTION: Final = "modal-coding-agent"


@dataclass(frozen=True)
class Machine:
    """This machine's services over one set of settings, each made when it is first asked for."""

    settings: Settings

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.settings.data_dir / "runs"

    @cached_property
    def kept_bases(self) -> KeptBases:
        return KeptBases(self.settings.data_dir / "bases", runs=self.runs)

    @property
    def limits(self) -> RunLimits:
        return RunLimits(**self.settings.run_limits)

    @cached_property
    def claude(self) -> Claude:
        return Claude(
            api_key=self.settings.anthropic_api_key, base_url=self.settings.anthropic_base_url
        )

    @cached_property
    def github(self) -> GitHub:
        """GitHub asks for a second between writes; a forge on this machine does not."""
        api_url = self.settings.github_api_url
        return GitHub(
            api_url=api_url,
            token=self.settings.github_token,
            seconds_between_writes=None if is_loopback(urlsplit(api_url).hostname or "") else 1.0,
        )

    @cached_property
    def sandbox_counts(self) -> Counts:
        return Counts()

    @cached_property
    def sandboxes(self) -> LazySandboxes:
        return LazySandboxes(self._choose_sandboxes, runs=self.runs)

    @cached_property
    def workspaces(self) -> LocalWorkspaces:
        return LocalWorkspaces(runs=self.runs, sandboxes=self.sandboxes)

    @cached_property
    def services(self) -> Services:
        settings, runs = self.settings, self.runs
        role: dict[str, Any] = {"claude": self.claude, "sandboxes": self.sandboxes, "runs": runs}
        forge: dict[str, Any] = {
            "runs": runs,
            "github": self.github,
            "api_url": settings.github_api_url,
            "token": settings.github_token,
        }
        models = settings.role_models
        return Services(
            planner=ClaudePlanner(**role, model=models["planner"]),
            coder=ClaudeCoder(**role, model=models["coder"]),
            reviewer=ClaudeReviewer(**role, model=models["reviewer"]),
            fixer=ClaudeFixer(**role, model=models["fixer"]),
            repositories=WarmingRepositories(
                GitRepositories(
                    **forge, allow_local=True, allowed=settings.repo_allowed, kept=self.kept_bases
                ),
                self.warm,
            ),
            workspaces=self.workspaces,
            checks=SandboxChecks(
                runs=runs, sandboxes=self.sandboxes, networked=bool(settings.setup_hosts)
            ),
            publisher=ForgePublisher(
                **forge,
                author=settings.git_author,
                forks=settings.fork == "public",
                kept=self.kept_bases,
            ),
        )

    def graph(self) -> "Builder":
        from graph.build import build_graph  # brings LangGraph: who only looks at runs needs none

        return build_graph(self.services, self.limits)

    async def warm(self) -> None:
        """Import what is slow to import and try the sandbox; who needs them meets their errors."""
        await asyncio.gather(self.claude.warm(), self.sandboxes.chosen(), return_exceptions=True)

    async def examine_sandbox(self) -> tuple[TrialResult, ...]:
        """The full trial of the sandbox. Raises SandboxUnavailable."""
        return await examine(self.settings.sandbox, self._wanted)

    def make_data_dir(self) -> None:
        """The data folder; the sandbox's user passes it on the way to its tree."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)

    async def close(self) -> None:
        """End what was opened."""
        if "claude" in self.__dict__:
            await self.claude.close()
        if "github" in self.__dict__:
            await self.github.close()

    async def _choose_sandboxes(self) -> Sandboxes:
        backend = await choose(self.settings.sandbox, self._wanted)
        counts = self.sandbox_counts
        set_up = networked_set_up(
            backend, self.settings.setup_hosts, self.settings.data_dir, counts
        )
        return LocalSandboxes(runs=self.runs, backend=backend, counts=counts, set_up=set_up)

    @property
    def _wanted(self) -> Wanted:
        settings = self.settings
        return Wanted(
            limits=CommandLimits(**settings.command_limits),
            tool_paths=settings.tool_paths,
            state=settings.data_dir / "sandbox",
            image=settings.sandbox_image,
            docker_environment=docker_environment(settings.docker_host),
        )


@asynccontextmanager
async def open_graph(settings: Settings | None = None) -> AsyncIterator["CompiledStateGraph[Any]"]:
    """The compiled graph with this machine's services and checkpoints in the data folder.

    `thread_id` is the run's id. Input: `graph.state.RunRequest`.
    """
    from runs.checkpoints import open_checkpointer

    machine = Machine(settings or load_settings())
    machine.make_data_dir()
    try:
        async with open_checkpointer(machine.settings.data_dir / "threads.db") as checkpointer:
            yield machine.graph().compile(checkpointer=checkpointer)
    finally:
        await machine.close()


async def studio_graph() -> "CompiledStateGraph[Any]":
    """The graph as `langgraph.json` names it: no checkpointer, services open at first use.

    The server lets nothing block its event loop, and asks for every run and every read.
    """
    machine = await asyncio.to_thread(_studio_machine)
    return machine.graph().compile(name="coding_agent")


@cache
def _studio_machine() -> Machine:
    """The services of all runs in Studio, made once."""
    machine = Machine(load_settings())
    machine.make_data_dir()
    return machine


@asynccontextmanager
async def open_service(
    settings: Settings, *, pick_up: bool = False, machine: Machine | None = None
) -> AsyncIterator[RunService]:
    """The runs of this machine's data folder; `pick_up` goes on with those left by others."""
    machine = machine or Machine(settings)
    machine.make_data_dir()
    service = RunService(
        store=SqliteStore(settings.data_dir / "runs.db"),
        graph=machine.graph,
        config=_service_config(machine),
        on_end=lambda run_id: machine.workspaces.close(run_id, resumable=True),
        on_delete=machine.workspaces.close,
        on_round=partial(machine.kept_bases.tidy, keep_days=settings.keep_days),
        pick_up=pick_up,
    )
    headers = settings.otel_exporter_otlp_headers
    spans = tracing(
        endpoint=settings.otel_exporter_otlp_endpoint,
        headers=headers.get_secret_value() if headers else "",
        version=version(DISTRIBUTION),
        hide=hiding(settings.secrets),
    )
    try:
        with spans:
            async with service:
                yield service
    finally:
        await machine.close()


def start_log(settings: Settings, level: str | None = None) -> None:
    """Log to standard error from now on, without any secret of the settings."""
    log_to_stderr(
        hide=hiding(settings.secrets), format=settings.log_format, level=level or settings.log_level
    )


def _service_config(machine: Machine) -> ServiceConfig:
    settings = machine.settings
    return ServiceConfig(
        runs=machine.runs,
        limits=machine.limits,
        max_concurrent=settings.max_concurrent_runs,
        max_queued=settings.max_queued_runs,
        max_readers=settings.max_readers,
        models=settings.role_models,
        allowed_models=settings.models,
        allow=settings.allow,
        version=version(DISTRIBUTION),
        keep_days=settings.keep_days,
        hide=hiding(settings.secrets),
    )


@dataclass(frozen=True)
class LocalProbes:
    """Tries this machine's credentials for `/auth-test`."""

    machine: Machine

    async def claude(self) -> str:
        return await self.machine.claude.probe()

    async def github(self) -> str:
        return await self.machine.github.probe()

    async def repository(self, repo_url: str) -> tuple[bool, bool]:
        full_name = _full_name(self.machine.settings, repo_url)
        facts = await self.machine.github.repository(full_name, patience=ONCE)
        return True, facts.push


def create_local_app(settings: Settings) -> "FastAPI":
    """The HTTP service over this machine."""
    from api.app import create_app
    from api.auth import Auth
    from api.guards import LOOPBACK_HOSTS
    from api.options import AppOptions

    machine = Machine(settings)
    keys = [(key.name, key.key.get_secret_value()) for key in settings.api_keys]
    return create_app(
        open_service=lambda: open_service(settings, pick_up=True, machine=machine),
        probes=LocalProbes(machine),
        auth=Auth(keys, settings.operators),
        options=AppOptions(
            version=version(DISTRIBUTION),
            check_repo_url=lambda repo_url: _full_name(settings, repo_url),
            repo_allowed=lambda name, full_name: settings.repo_allowed(full_name, name),
            hosts=settings.hosts or LOOPBACK_HOSTS,
            key_rate=settings.key_rate,
            key_max_cost_usd_per_day=settings.key_max_cost_usd_per_day,
            max_key_readers=max(1, settings.max_readers // 2),
            sandbox_counts=lambda: machine.sandbox_counts,
        ),
    )


def _full_name(settings: Settings, repo_url: str) -> str:
    """OWNER/REPO of an address below the configured host. Raises InvalidRepoUrl."""
    return parse(repo_url, web_address(settings.github_api_url), allow_local=False).full_name


async def doctor(settings: Settings) -> list[Finding]:
    """Try what a run needs of this machine: Python, git, data folder, sandbox, credentials."""
    machine = Machine(settings)
    findings = [python(), await git(), data_dir(settings.data_dir), *await _sandbox(machine)]
    reached = await try_hosts(settings.setup_hosts)
    findings.append(Finding("set-up", *reached, mend="Mend CODING_AGENT_SETUP_HOSTS."))
    probes = LocalProbes(machine)
    try:
        findings += [
            await credential("Claude", "ANTHROPIC_API_KEY", probes.claude),
            await credential("GitHub", "GITHUB_TOKEN", probes.github),
        ]
    finally:
        await machine.close()
    return findings


async def _sandbox(machine: Machine) -> list[Finding]:
    try:
        results = await machine.examine_sandbox()
    except CodingAgentError as error:
        return [Finding("sandbox", held=False, detail=error.message, mend=error.hint)]
    return [
        Finding(f"sandbox: {result.name}", result.held, result.detail, result.mend)
        for result in results
    ]
