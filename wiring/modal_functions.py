"""What each function of a deployment does: drive a run, play a role, serve the web, tidy up.

The functions share nothing but the store's places and a folder. What they run on is told them.
"""

import secrets
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph import RoleName, RoleTask, Services
from graph.errors import StoreError
from runs.driving import RemoteDispatcher
from runs.remote_roles import NoteReader, Play, RemoteRole, RoleWorker, RoleWorkerFence
from runs.shared import ArchivedRunFiles, Mount, StorageBackend, VersionChain
from runs.store import Store, is_wanted, known_runs, live_runs
from sandbox import Sandboxes
from wiring.configuration import Configuration
from wiring.deployed import (
    BASELINES,
    ArchivedEnvironments,
    DeployedRecords,
    RoleStarts,
    SharedWorkspaces,
    begun_with,
    kept_trees,
    records_of,
)
from wiring.services import make_role, make_services

if TYPE_CHECKING:
    from fastapi import FastAPI

    from api.http import Probes
    from forge.core import Forge
    from runs import RunService
    from wiring.triggers import TriggerInbox

SOON_S: Final = 60.0
"""What is to be worked off so soon is waited for."""
TRIGGERED: Final = "github:"
"""Begins the owners of runs that were asked for on the forge."""
STREAM_S: Final = 120.0
"""A stream ends itself before the platform does; its reader goes on with the next."""
GATHER_S: Final = 1.0
DUE_S: Final = 300.0
UNFILED: Final = 20
"""Runs whose last events are brought into files at once."""
IsWanted = Callable[[str], Awaitable[bool]]
"""Whether a run, by its id, is or will be driven."""


@dataclass(frozen=True)
class Deployment(ABC):
    """What the functions of a deployment do, and how they reach each other."""

    configuration: Configuration
    backend: StorageBackend
    mount: Mount
    """The folder that run and roles share; other functions do not have it."""

    @abstractmethod
    def sandboxes(
        self,
        runs: Path,
        *,
        is_wanted: IsWanted | None = None,
        begun_elsewhere: Collection[str] = (),
    ) -> Sandboxes:
        """Over the folder of all runs. `is_wanted`: asked of a run that others may end.

        `begun_elsewhere`: trees whose Sandboxes another function makes ahead.
        """

    @abstractmethod
    async def end_orphans(self, active: Collection[str]) -> None:
        """End the Sandboxes of all but these runs."""

    @abstractmethod
    async def forget_set_ups(self, repo: str) -> bool:
        """Remove what set-ups of a repository left; whether there was anything."""

    @abstractmethod
    async def spawn(self, run_id: str, plans_at_once: bool = False) -> None:
        """Start the function that drives a run; what it plans with was begun where it does."""

    @abstractmethod
    async def wake_triggers(self) -> None:
        """Start the function that works deliveries off."""

    @abstractmethod
    async def withdraw(self, run_id: str) -> None:
        """Take the newest start of a run back, where it has not begun."""

    @abstractmethod
    async def is_started(self, run_id: str) -> bool:
        """Whether what was started for a run is under way, or still to begin."""

    @abstractmethod
    def play(self, role: RoleName) -> Play:
        """Start the function of a role."""

    @cached_property
    def records(self) -> DeployedRecords:
        return records_of(self.configuration.settings, self.backend)

    @cached_property
    def run_notes(self) -> NoteReader:
        return NoteReader(self.backend.changes, VersionChain(self.backend), self.backend.runs)

    async def drive_run(self, run_id: str, *, call: str, begun_at: float = 0) -> None:
        """Drive one run until it ends or waits. `call` names all tries of this call.

        May be called again at any time, for the same run. Who entered it began at `begun_at`, in
        Unix seconds, what its plan needs.
        """
        from graph import build_graph
        from runs.driving import (
            CleanUp,
            DriveContext,
            LocalRunFiles,
            SingleRunWorker,
        )

        await self.mount.reload()
        service, runs = f"{call}.{secrets.token_hex(4)}", self.mount.root / "runs"
        trees, begun = begun_with(begun_at)
        records, sandboxes = self.records, self.sandboxes(runs, begun_elsewhere=trees)
        store = records.store(service, self.mount)
        starts = RoleStarts(self.play, begun)
        workspaces = SharedWorkspaces(self.mount, store, records, sandboxes, starts)
        configuration, disk = self.configuration, Path(tempfile.gettempdir()) / "checkpoints"
        forge, limits = configuration.forge(), configuration.limits
        services = self._make_services(sandboxes, workspaces, forge)
        context = DriveContext(
            store=store,
            graph=build_graph(services, limits, configuration.rules).compile(),
            files=LocalRunFiles(runs),
            checkpoints=records.checkpoints(store, self.mount, disk),
            limits=limits,
            clean_up=CleanUp(partial(services.close_run, resumable=True)),
            gather_s=GATHER_S,
            hide=configuration.hide,
        )
        worker = SingleRunWorker(
            context,
            configuration.service(runs).started,
            lambda held: held.startswith(f"{call}."),
            records.tell_role,
        )
        async with AsyncExitStack() as ends:  # each, whichever of the others fails
            ends.push_async_callback(store.close)
            ends.push_async_callback(forge.close)
            ends.push_async_callback(self.mount.commit_run, run_id)
            ends.push_async_callback(services.preparation.close)
            ends.push_async_callback(starts.close)
            await store.open()
            with configuration.telemetry():
                await worker(run_id)
            await self._settle(run_id, store, sandboxes)

    async def _settle(self, run_id: str, store: Store, sandboxes: Sandboxes) -> None:
        """Leave nothing open of a run that ended or waits, and let its issue be told."""
        run = await store.get(run_id)
        if run is None or run.status not in ("queued", "running"):
            await sandboxes.close_run(run_id, keep=kept_trees(run))
            await store.archive_tail(run_id)
        if run and run.owner.startswith(TRIGGERED):
            await self.wake_triggers()

    def _make_services(
        self, sandboxes: Sandboxes, workspaces: SharedWorkspaces, forge: "Forge"
    ) -> Services:
        """The graph's services; each role is played by a function of its own."""
        from roles import ROLES

        return make_services(
            self.configuration,
            role=lambda name: RemoteRole(
                self.play(name),
                ROLES[name].result,
                mount=self.mount,
                notes=self.backend.changes,
            ),
            runs=self.mount.root / "runs",
            sandboxes=sandboxes,
            workspaces=workspaces,
            forge=forge,
            networked=bool(self.configuration.settings.setup_hosts),
            records=ArchivedEnvironments(self.backend.archive, self.mount),
            baselines=self.mount.root / BASELINES,
            make_last=self.mount.commit,
        )

    async def play_role(
        self, task: dict[str, Any], *, call: str
    ) -> AsyncGenerator[dict[str, Any], None]:
        """One call of a role: its events, then its result. `call` names all tries of this call.

        Without a task there is nothing but a container that is up.
        """
        if not task:
            from roles import ROLES

            assert ROLES  # imported while nobody waits
            return
        asked, runs = RoleTask.model_validate(task), self.mount.root / "runs"
        worker = RoleWorker(
            asked,
            call=call,
            mount=self.mount,
            notes=self.backend.changes,
            runs=self.run_notes,
        )
        claude, fence = self.configuration.claude(), RoleWorkerFence(worker)
        role = make_role(
            self.configuration,
            asked.role,
            claude=claude,
            sandboxes=self.sandboxes(runs),
            runs=runs,
            fences=lambda _: fence,
        )
        try:
            async with aclosing(worker.run(role)) as items:
                async for item in items:
                    yield item
        finally:
            await claude.close()

    def web_app(
        self, host: str, probes: "Probes", call_name: Callable[[], str | None]
    ) -> "FastAPI":
        """The HTTP service; `host` is the name it is reached by where none is set.

        `call_name` names all tries of the call that is answered.
        """
        from api.http.routes import StreamTimes

        missing = "; ".join(self.configuration.settings.missing_in_public.values())
        store = self.records.store(_service(), serves=True)
        return self.configuration.web(
            lambda: self.open_service(store),
            probes,
            hosts=(host,),
            locked=f"Where you deploy: {missing}; modal deploy deploy.py" if missing else "",
            environments=ArchivedEnvironments(
                self.backend.archive, forget_set_ups=self.forget_set_ups
            ),
            deliveries=self.configuration.deliveries(self._inbox(store)),
            shared_store=True,
            stream_times=StreamTimes(whole=STREAM_S),
            call_name=call_name,
        )

    def _inbox(self, store: Store) -> "TriggerInbox":
        from wiring.triggers import TriggerInbox

        deliveries, settings = self.records.deliveries(store), self.configuration.settings
        return TriggerInbox(
            deliveries, label=settings.label, wake=self.wake_triggers, autofix=settings.autofix
        )

    async def work_off_triggers(self) -> None:
        """Work off what was delivered, and bring the comments of threads up to date."""
        from wiring.triggers import ThreadActs, TriggerRules, TriggerWorker

        store, forge = self.records.store(_service()), self.configuration.forge()
        deliveries = self.records.deliveries(store)
        rules, day = TriggerRules.of(self.configuration.settings), self.configuration.day
        try:
            async with self.open_service(store) as runs:
                acts = ThreadActs(deliveries, forge, runs, rules, day)
                await TriggerWorker(deliveries, acts).drain(SOON_S)
        finally:
            await forge.close()

    async def tidy_up(self) -> None:
        """Start what nobody drives, remove what has lain for too long, end forgotten sandboxes."""
        store = self.records.store(_service())
        async with self.open_service(store) as runs:
            await self._start_due(store)
            await self.end_orphans(await live_runs(store))
            await runs.tidy()
            if await self.records.deliveries(store).has_work(time.time()):
                await self.wake_triggers()

    async def _start_due(self, store: Store) -> None:
        unfiled, now = await store.refresh(), time.time()
        for run_id in unfiled[:UNFILED]:
            await self.spawn(run_id)
        for run_id in await store.due(now, frozenset(), 1000):
            run = await store.get(run_id)
            if run is None or now - run.updated_at <= DUE_S:
                continue
            if run.status == "running" or not await self.is_started(run_id):
                await self.spawn(run_id)

    @asynccontextmanager
    async def open_service(self, store: Store) -> AsyncIterator["RunService"]:
        """The runs of a store, open while the block runs; each is driven by its own function."""
        from runs import RunService

        sandboxes = self.sandboxes(Path("runs"), is_wanted=partial(is_wanted, store))
        starts = RoleStarts(self.play)
        workspaces = SharedWorkspaces(self.mount, store, self.records, sandboxes, starts)

        async def on_end(run_id: str) -> None:
            """Leave nothing in the queue; what was resumed meanwhile is started again."""
            run = None
            with suppress(StoreError):  # they are ended all the same
                run = await store.get(run_id)
            await sandboxes.close_run(run_id, keep=kept_trees(run))
            await self.withdraw(run_id)
            if run := await store.get(run_id):
                await self.records.tell_role(run)
                if not run.final:
                    await self.spawn(run_id)

        async def on_delete(run_id: str) -> None:
            await sandboxes.close_run(run_id)
            await self.records.remove(store, run_id)

        runs = RunService(
            store=store,
            config=self.configuration.service(Path("runs")),
            files=ArchivedRunFiles(self.backend, partial(known_runs, store)),
            dispatch=RemoteDispatcher(
                store.service, self.spawn, workspaces.begin_plan_tree, self.is_started
            ),
            on_end=on_end,
            on_delete=on_delete,
            pick_up=False,
        )
        async with runs:
            try:
                yield runs
            finally:
                await starts.close()


def _service() -> str:
    return f"api.{secrets.token_hex(8)}"
