"""The wiring for one machine: settings in; the graph, the run service and the web app out.

`open_graph` gives the compiled graph to Python, `open_services` what its nodes call, `studio_graph`
the same graph to LangGraph Studio, `open_service` the life of runs to the command and the server.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from forge.base import KeptBases
from forge.github import ONCE, GitHub
from graph import Preparation, Services
from graph.errors import CodingAgentError
from roles.claude import Claude
from runs import RunService
from runs.sqlite import SqliteStore
from sandbox import CommandMetrics, Sandboxes, Wanted, choose, examine
from sandbox.backends.docker import docker_environment
from sandbox.egress import try_hosts
from sandbox.selftest import TrialResult
from sandbox.setup import networked_set_up
from sandbox.tree import LocalWorkspaces
from sandbox.trees import LazySandboxes, LocalSandboxes
from wiring import Configuration, Settings, load_settings
from wiring.doctor import Finding, credential, data_dir, git, python

if TYPE_CHECKING:
    from fastapi import FastAPI
    from langgraph.graph.state import CompiledStateGraph

    from runs.driving import Builder
    from sandbox.backends.modal import ModalClient

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
    def configuration(self) -> Configuration:
        return Configuration(self.settings, version(DISTRIBUTION))

    @cached_property
    def claude(self) -> Claude:
        return self.configuration.claude()

    @cached_property
    def github(self) -> GitHub:
        return self.configuration.github()

    @cached_property
    def sandbox_counts(self) -> CommandMetrics:
        return CommandMetrics()

    @cached_property
    def sandboxes(self) -> LazySandboxes:
        return LazySandboxes(self._choose_sandboxes, runs=self.runs)

    @cached_property
    def workspaces(self) -> LocalWorkspaces:
        return LocalWorkspaces(runs=self.runs, sandboxes=self.sandboxes)

    @cached_property
    def services(self) -> Services:
        # Imported, as LangGraph below, when a run is driven: who only looks at runs needs none.
        from forge.base import GitRepositories, WarmingRepositories
        from forge.publish import ForgePublisher
        from roles import ClaudeCoder, ClaudeFixer, ClaudePlanner, ClaudeReviewer
        from sandbox.checks import SandboxChecks
        from sandbox.environments import SandboxEnvironments

        settings, runs = self.settings, self.runs
        role: dict[str, Any] = {"claude": self.claude, "sandboxes": self.sandboxes, "runs": runs}
        forge: dict[str, Any] = {
            "runs": runs,
            "github": self.github,
            "api_url": settings.github_api_url,
            "token": settings.github_token,
        }
        models = settings.role_models
        checks = SandboxChecks(runs=runs, sandboxes=self.sandboxes)
        environments = SandboxEnvironments(
            sandboxes=self.sandboxes, networked=bool(settings.setup_hosts)
        )
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
            preparation=Preparation(environments, checks),
            checks=checks,
            publisher=ForgePublisher(
                **forge,
                author=settings.git_author,
                forks=settings.fork == "public",
                kept=self.kept_bases,
            ),
        )

    def graph(self, services: Services | None = None) -> "Builder":
        """The graph within the operator's limits, over this machine's services or others."""
        from graph import build_graph

        return build_graph(services or self.services, self.configuration.limits)

    async def warm(self) -> None:
        """Import what is slow to import and try the sandbox; who needs them meets their errors."""
        await asyncio.gather(self.claude.warm(), self.sandboxes.chosen(), return_exceptions=True)

    async def examine_sandbox(self) -> tuple[TrialResult, ...]:
        """The full trial of the sandbox. Raises SandboxUnavailable."""
        if self.settings.sandbox != "modal":
            return await examine(self.settings.sandbox, self._wanted)
        from sandbox.selftest import try_modal

        return await try_modal(self._modal_client, hosts=self.settings.setup_hosts)

    def make_data_dir(self) -> None:
        """The data folder; the sandbox's user passes it on the way to its tree."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)

    async def close_run(self, run_id: str) -> None:
        """End all of a run that is stopped; what a resumed one needs stays."""
        if "services" in self.__dict__:
            await self.services.close_run(run_id, resumable=True)
        else:
            await self.workspaces.close(run_id, resumable=True)

    async def close(self) -> None:
        """End what was opened."""
        if "services" in self.__dict__:
            await self.services.preparation.close()
        if "claude" in self.__dict__:
            await self.claude.close()
        if "github" in self.__dict__:
            await self.github.close()

    async def _choose_sandboxes(self) -> Sandboxes:
        if self.settings.sandbox == "modal":
            return await self._on_modal()
        backend = await choose(self.settings.sandbox, self._wanted)
        metrics = self.sandbox_counts
        set_up = networked_set_up(
            backend, self.settings.setup_hosts, self.settings.data_dir, metrics
        )
        return LocalSandboxes(runs=self.runs, backend=backend, metrics=metrics, set_up=set_up)

    async def _on_modal(self) -> Sandboxes:
        from sandbox.backends.modal import ModalSandboxes

        client, hosts = self._modal_client, self.settings.setup_hosts
        await client.reach()
        return ModalSandboxes(
            runs=self.runs, client=client, setup_hosts=hosts, metrics=self.sandbox_counts
        )

    @property
    def _modal_client(self) -> "ModalClient":
        """In an app of their own: a service that is deployed ends those of its app."""
        return self.configuration.modal_client("coding-agent-sandboxes")

    @property
    def _wanted(self) -> Wanted:
        settings = self.settings
        return Wanted(
            limits=self.configuration.command_limits,
            tool_paths=settings.tool_paths,
            state=settings.data_dir / "sandbox",
            image=settings.sandbox_image,
            docker_environment=docker_environment(settings.docker_host),
        )


@asynccontextmanager
async def open_graph(
    settings: Settings | None = None, *, services: Services | None = None
) -> AsyncIterator["CompiledStateGraph[Any]"]:
    """The compiled graph with checkpoints in the data folder.

    `services` are those of `open_services`, changed; without them the graph has this machine's.
    `thread_id` is the run's id. Input: `graph.RunRequest`. Raises SettingsError.
    """
    from runs.driving import open_checkpointer

    machine = Machine(settings or load_settings())
    machine.make_data_dir()
    try:
        async with open_checkpointer(machine.settings.data_dir / "threads.db") as checkpointer:
            yield machine.graph(services).compile(checkpointer=checkpointer)
    finally:
        await machine.close()


@asynccontextmanager
async def open_services(settings: Settings | None = None) -> AsyncIterator[Services]:
    """This machine's services; `dataclasses.replace` puts others in. Raises SettingsError."""
    machine = Machine(settings or load_settings())
    machine.make_data_dir()
    try:
        yield machine.services
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
        config=machine.configuration.service(machine.runs),
        on_end=machine.close_run,
        on_delete=machine.workspaces.close,
        on_round=partial(machine.kept_bases.tidy, keep_days=settings.keep_days),
        pick_up=pick_up,
    )
    try:
        with machine.configuration.telemetry():
            async with service:
                yield service
    finally:
        await machine.close()


def start_log(settings: Settings, level: str | None = None) -> None:
    """Log to standard error from now on, without any secret of the settings."""
    Machine(settings).configuration.start_log(level)


@dataclass(frozen=True)
class LocalProbes:
    """Tries this machine's credentials for `/auth-test`."""

    machine: Machine

    async def claude(self) -> str:
        return await self.machine.claude.probe()

    async def github(self) -> str:
        return await self.machine.github.probe()

    async def repository(self, repo_url: str) -> tuple[bool, bool]:
        full_name = self.machine.configuration.full_name(repo_url)
        facts = await self.machine.github.repository(full_name, retry_policy=ONCE)
        return True, facts.push


def create_local_app(settings: Settings) -> "FastAPI":
    """The HTTP service over this machine."""
    from api.http.guards import LOOPBACK_HOSTS

    machine = Machine(settings)
    return machine.configuration.web(
        lambda: open_service(settings, pick_up=True, machine=machine),
        LocalProbes(machine),
        hosts=LOOPBACK_HOSTS,
        sandbox_counts=lambda: machine.sandbox_counts,
    )


async def doctor(settings: Settings) -> list[Finding]:
    """Try what a run needs of this machine: Python, git, data folder, sandbox, credentials."""
    machine = Machine(settings)
    findings = [python(), await git(), data_dir(settings.data_dir), *await _sandbox(machine)]
    reached = await try_hosts(settings.setup_hosts)
    findings.append(Finding("set-up", *reached, fix="Correct CODING_AGENT_SETUP_HOSTS."))
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
        return [Finding("sandbox", held=False, detail=error.message, fix=error.hint)]
    return [
        Finding(f"sandbox: {result.name}", result.held, result.detail, result.fix)
        for result in results
    ]
