"""This machine's services over one set of settings: the graph, the runs and the web app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from forge.base import KeptBases
from forge.core import ONCE, Forge
from forge.secret_scan import SecretCatalogue
from graph import ENVIRONMENTS, Services
from roles.claude import Claude
from runs import RunService
from runs.model import Caller
from sandbox import BackendOptions, CommandMetrics, Sandboxes, open_sandboxes
from sandbox.environments import LocalEnvironmentRecords
from sandbox.tree import LocalWorkspaces
from sandbox.trees import LazySandboxes
from wiring.configuration import Configuration
from wiring.data_folder import make_data_folder
from wiring.known_repositories import MOST_REPOSITORIES
from wiring.merged_pulls import MergedPulls
from wiring.run_store import RunStore
from wiring.services import make_role, make_services
from wiring.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from langgraph.checkpoint.base import BaseCheckpointSaver

    from runs.driving import Builder, GraphRecorder
    from runs.sql import SqlStore
    from wiring.triggers import LocalTriggers

DISTRIBUTION: Final = "modal-coding-agent"


@dataclass(frozen=True)
class Machine:
    """This machine's services over one set of settings, each made when it is first asked for.

    `setup_turns`: a model may look for set-up, with a network. Without, no role has any.
    """

    settings: Settings
    setup_turns: bool = True

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.settings.data_dir / "runs"

    @cached_property
    def run_store(self) -> RunStore:
        return RunStore(self.settings)

    @cached_property
    def secrets(self) -> SecretCatalogue:
        return SecretCatalogue(self.settings.data_dir / "secret-rules")

    @cached_property
    def kept_bases(self) -> KeptBases:
        return KeptBases(self.settings.data_dir / "bases", runs=self.runs)

    @cached_property
    def configuration(self) -> Configuration:
        return Configuration(self.settings, version(DISTRIBUTION))

    @cached_property
    def claude(self) -> Claude:
        return self.configuration.claude()

    @cached_property
    def forge(self) -> Forge:
        return self.configuration.forge()

    @cached_property
    def triggers(self) -> "LocalTriggers":
        from wiring.triggers import LocalTriggers, TriggerRules

        rules = TriggerRules.of(self.settings)
        return LocalTriggers(rules, self.configuration.day, lambda: self.forge)

    @cached_property
    def sandbox_metrics(self) -> CommandMetrics:
        return CommandMetrics()

    @cached_property
    def sandboxes(self) -> LazySandboxes:
        return LazySandboxes(self._choose_sandboxes, runs=self.runs)

    @cached_property
    def workspaces(self) -> LocalWorkspaces:
        return LocalWorkspaces(
            runs=self.runs, sandboxes=self.sandboxes, on_change=lambda: self._compiling
        )

    @cached_property
    def environment_records(self) -> LocalEnvironmentRecords:
        data = self.settings.data_dir
        kept = (self.backend_options.setups, self.baselines)
        elsewhere = self._forget_set_ups if self.settings.sandbox == "modal" else None
        return LocalEnvironmentRecords(data / ENVIRONMENTS, kept=kept, forget_set_ups=elsewhere)

    @property
    def baselines(self) -> Path:
        """Where results of checks on untouched bases are kept for later runs."""
        return self.settings.data_dir / "baselines"

    @cached_property
    def services(self) -> Services:
        # Imported, as LangGraph below, when a run is driven: who only looks at runs needs none.
        from forge.base import WarmingRepositories

        role = partial(
            make_role,
            self.configuration,
            claude=self.claude,
            sandboxes=self.sandboxes,
            runs=self.runs,
            records=self.environment_records,
        )
        made = make_services(
            self.configuration,
            role=role,
            runs=self.runs,
            sandboxes=self.sandboxes,
            workspaces=self.workspaces,
            forge=self.forge,
            kept_bases=self.kept_bases,
            secrets=self.secrets,
            networked=bool(self.settings.hosts_of_setup),
            records=self.environment_records,
            baselines=self.baselines,
            allow_local=True,
        )
        repositories = WarmingRepositories(made.repositories, self.warm)
        setup = made.setup if self.setup_turns else None
        return replace(made, repositories=repositories, setup=setup)

    def graph(
        self, services: Services | None = None, recorder: "GraphRecorder | None" = None
    ) -> "Builder":
        """The graph within the operator's limits, over this machine's services or others.

        `recorder` keeps the runs of a program that calls the graph itself.
        """
        from graph import build_graph

        options = {"call_node": recorder} if recorder else {}
        configuration, services = self.configuration, services or self.services
        return build_graph(services, configuration.limits, configuration.rules, **options)

    def recorder(self) -> "GraphRecorder":
        """Keeps runs of graphs that are called from Python among all runs; to be opened."""
        from runs.driving import CleanUp, GraphRecorder

        config = self.configuration.service(self.runs)
        return GraphRecorder(self.run_store.make(), config, CleanUp(self.close_run))

    def open_checkpointer(self) -> "AbstractAsyncContextManager[BaseCheckpointSaver[Any]]":
        """Checkpoints of graphs that are called from Python."""
        from runs.checkpoints import open_checkpointer
        from runs.driving import threads_file

        return open_checkpointer(threads_file(self.runs))

    @cached_property
    def _compiling(self) -> "asyncio.Future[None]":
        """What a first publication needs, compiled while its change is checked and reviewed."""
        return asyncio.ensure_future(asyncio.to_thread(self.secrets.compile))

    async def warm(self) -> None:
        """Import what is slow to import and try the sandbox; who needs them meets their errors."""
        await asyncio.gather(self.claude.warm(), self.sandboxes.chosen(), return_exceptions=True)

    def make_data_dir(self) -> None:
        """Raises DataFolderUnusable."""
        make_data_folder(self.settings.data_dir)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.make_data_dir)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close_run(self, run_id: str) -> None:
        """End all of a run that is stopped; what a resumed one needs stays."""
        if "services" in self.__dict__:
            await self.services.close_run(run_id, resumable=True)
        else:
            await self.workspaces.close(run_id, resumable=True)

    async def delete_run(self, run_id: str) -> None:
        """End and remove all of a run that lies outside of its folder and its record."""
        await self.workspaces.close(run_id)
        await self.run_store.remove(run_id)

    async def close(self) -> None:
        """End what was opened."""
        await self.run_store.close()
        if "_compiling" in self.__dict__:
            self.secrets.stop_compiling()
            await self._compiling
        if "services" in self.__dict__:
            await self.services.preparation.close()
        if "claude" in self.__dict__:
            await self.claude.close()
        if "forge" in self.__dict__:
            await self.forge.close()

    async def _forget_set_ups(self, repo: str) -> bool:
        from sandbox.backends.modal import forget_set_ups

        return await forget_set_ups(self.backend_options, repo)

    async def _choose_sandboxes(self) -> Sandboxes:
        return await open_sandboxes(
            self.settings.sandbox,
            self.backend_options,
            runs=self.runs,
            metrics=self.sandbox_metrics,
        )

    @property
    def backend_options(self) -> BackendOptions:
        """On Modal in an app of their own: a service that is deployed ends those of its app."""
        return self.configuration.backend_options("coding-agent-sandboxes")


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    pick_up: bool = False,
    traced: bool = True,
    machine: Machine | None = None,
) -> AsyncIterator[RunService]:
    """The runs of this machine's data folder; `pick_up` goes on with those left by others.

    A process is traced once: not `traced` leaves that to who opens the service later.
    """
    machine = machine or Machine(settings)
    store = machine.run_store.make()
    service = RunService(
        store=store,
        graph=machine.graph,
        config=machine.configuration.service(machine.runs),
        checkpoints=machine.run_store.checkpoints,
        on_end=machine.close_run,
        on_delete=machine.delete_run,
        on_round=partial(machine.kept_bases.tidy, keep_days=settings.keep_days),
        pick_up=pick_up,
    )
    async with machine:
        with machine.configuration.telemetry() if traced else nullcontext():
            async with (
                service,
                _told_elsewhere(machine.configuration, service),
                _triggered(machine, store, service) if pick_up else nullcontext(),
            ):
                yield service


def _triggered(
    machine: Machine, store: "SqlStore", service: RunService
) -> AbstractAsyncContextManager[None]:
    """Deliveries of the forge are worked off while the block runs, where any may come."""
    if not machine.settings.github_webhook_secrets:
        return nullcontext()
    from runs.deliveries import SqlDeliveries

    return machine.triggers.running(SqlDeliveries(store.writer, store.dialect), service)


@asynccontextmanager
async def _told_elsewhere(configuration: Configuration, service: RunService) -> AsyncIterator[None]:
    """What becomes of the service's runs is told where the settings say, while the block runs."""
    find = partial(service.get, caller=Caller("notifier", operator=True))
    if notifier := configuration.notifier(find):
        service.observe(notifier.on_event)
        async with notifier.running():
            yield
    else:
        yield


@dataclass(frozen=True)
class LocalProbes:
    """Tries this machine's credentials for `/auth-test`."""

    machine: Machine

    async def claude(self) -> str:
        await self.machine.claude.probe()
        return "ok"

    async def github(self) -> str:
        await self.machine.forge.probe()
        return "ok"

    async def repository(self, repo_url: str) -> tuple[bool, bool]:
        full_name = self.machine.configuration.full_name(repo_url)
        facts = await self.machine.forge.repository(full_name, retry_policy=ONCE)
        return True, facts.push

    async def repositories(self) -> list[str]:
        if not self.machine.forge.access.credentials.present:
            return []
        return await self.machine.forge.repository_names(MOST_REPOSITORIES)


def create_local_app(settings: Settings) -> "FastAPI":
    """The HTTP service over this machine."""
    from api.http.guards import LOOPBACK_HOSTS

    machine = Machine(settings)
    return machine.configuration.web(
        lambda: open_service(settings, pick_up=True, machine=machine),
        LocalProbes(machine),
        hosts=LOOPBACK_HOSTS,
        environments=machine.environment_records,
        sandbox_counts=lambda: machine.sandbox_metrics,
        deliveries=machine.configuration.deliveries(machine.triggers),
        merged_pulls=MergedPulls(
            lambda: machine.forge, machine.configuration.full_name, machine.triggers.merged
        ),
    )
