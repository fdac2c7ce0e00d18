"""What each function of a deployment does: drive a run, play a role, serve the web, tidy up.

The functions share nothing but the store's places and a folder. What they run on is told them.
"""

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph import RoleTask, Services
from roles.worktree import WriteFence
from runs.driving import RemoteDispatcher
from runs.remote_roles import Play, RemoteRole, RoleWorker
from runs.shared import ArchivedRunFiles, Mount, SharedStore, StorageBackend, VersionChain
from sandbox import Sandboxes
from sandbox.tree import LocalWorkspaces
from wiring.archived_environments import ArchivedEnvironments
from wiring.configuration import Configuration
from wiring.services import make_role, make_services
from wiring.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from api.http import Probes
    from forge.core import Forge
    from runs import RunService

STREAM_S: Final = 120.0
"""A stream ends itself before the platform does; its reader goes on with the next."""
GATHER_S: Final = 1.0
DUE_S: Final = 300.0


@dataclass(frozen=True)
class Deployment:
    """What every function is told, and how it reaches the others."""

    configuration: Configuration
    backend: StorageBackend
    sandboxes: Callable[[Path], Sandboxes]
    """Sandboxes over the folder of all runs."""
    end_orphans: Callable[[Collection[str]], Awaitable[None]]
    """Ends the Sandboxes of all but these runs."""
    spawn: Callable[[str], Awaitable[None]]
    """Starts the function that drives a run."""
    play: Callable[[str], Play]
    """Starts the function of a role."""

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    def store(self, service: str, mount: Mount | None = None) -> SharedStore:
        slots = self.settings.max_concurrent_runs
        return SharedStore(self.backend, service=service, slots=slots, mount=mount)


class SharedWorkspaces(LocalWorkspaces):
    """Folders of runs that other functions see; the number of a role call is in the record."""

    def __init__(self, mount: Mount, store: SharedStore, sandboxes: Sandboxes) -> None:
        super().__init__(runs=mount.root / "runs", sandboxes=sandboxes)
        self._mount = mount
        self._store = store

    async def next_fence(self, run_id: str) -> int:
        """Kept in the folder too: a role that sees it sees all that it was given."""
        fence = await self._store.raise_fence(run_id)
        await self._mount.keep({f"runs/{run_id}/fence": b"%d" % fence})
        return fence

    async def close(self, run_id: str, *, resumable: bool = False) -> None:
        """One that lost its run to another process leaves that one's sandboxes alone."""
        if not await self._store.is_driven_elsewhere(run_id):
            await super().close(run_id, resumable=resumable)


async def drive_run(
    deployment: Deployment, mount: Mount, run_id: str, *, call: str, own: Path
) -> None:
    """Drive one run until it ends or waits. `call` names all tries of this call, `own` is a disk.

    May be called again at any time, for the same run.
    """
    from graph import build_graph
    from runs.driving import (
        CleanUp,
        CopiedCheckpoints,
        DriveContext,
        LocalRunFiles,
        SingleRunWorker,
    )

    await mount.reload()
    service, runs = f"{call}.{secrets.token_hex(4)}", mount.root / "runs"
    store, sandboxes = deployment.store(service, mount), deployment.sandboxes(runs)
    workspaces = SharedWorkspaces(mount, store, sandboxes)
    configuration = deployment.configuration
    forge, limits = configuration.forge(), configuration.limits
    services = _make_services(deployment, mount, sandboxes, workspaces, forge)
    context = DriveContext(
        store=store,
        graph=build_graph(services, limits).compile(),
        files=LocalRunFiles(runs),
        checkpoints=CopiedCheckpoints(mount, own, service),
        limits=limits,
        clean_up=CleanUp(services.close_run),
        gather_s=GATHER_S,
        hide=configuration.hide,
    )
    worker = SingleRunWorker(
        context, configuration.service(runs).started, lambda held: held.startswith(f"{call}.")
    )
    try:
        with configuration.telemetry():
            await worker(run_id)
        run = await store.get(run_id)
        if run is None or run.status not in ("queued", "running"):
            await sandboxes.close_run(run_id)
            await store.archive_tail(run_id)
    finally:
        await services.preparation.close()
        await mount.commit()
        await forge.close()
        await store.close()


def _make_services(
    deployment: Deployment,
    mount: Mount,
    sandboxes: Sandboxes,
    workspaces: SharedWorkspaces,
    forge: "Forge",
) -> Services:
    """The graph's services; each role is played by a function of its own."""
    from roles import ROLES

    return make_services(
        deployment.configuration,
        role=lambda name: RemoteRole(
            deployment.play(name),
            ROLES[name].result,
            mount=mount,
            notes=deployment.backend.changes,
        ),
        runs=mount.root / "runs",
        sandboxes=sandboxes,
        workspaces=workspaces,
        forge=forge,
        networked=bool(deployment.settings.setup_hosts),
        records=ArchivedEnvironments(deployment.backend.archive, mount),
    )


async def play_role(
    deployment: Deployment,
    mount: Mount,
    task: RoleTask,
    *,
    call: str,
    fence: Callable[[RoleWorker], WriteFence],
) -> AsyncGenerator[dict[str, Any], None]:
    """One call of a role: its events, then its result. `call` names all tries of this call."""
    backend = deployment.backend
    worker = RoleWorker(
        task, call=call, mount=mount, notes=backend.changes, chain=VersionChain(backend)
    )
    configuration, runs = deployment.configuration, mount.root / "runs"
    claude, write_fence = configuration.claude(), fence(worker)
    role = make_role(
        configuration,
        task.role,
        claude=claude,
        sandboxes=deployment.sandboxes(runs),
        runs=runs,
        fences=lambda _: write_fence,
    )
    try:
        async with aclosing(worker.run(role)) as items:
            async for item in items:
                yield item
    finally:
        await claude.close()


def web_app(deployment: Deployment, *, service: str, host: str, probes: "Probes") -> "FastAPI":
    """The HTTP service; `host` is the name it is reached by where none is set."""
    from api.http.routes import StreamTimes

    missing = "; ".join(deployment.settings.missing_in_public.values())
    return deployment.configuration.web(
        lambda: open_service(deployment, service),
        probes,
        hosts=(host,),
        locked=f"Where you deploy: {missing}; modal deploy deploy.py" if missing else "",
        environments=ArchivedEnvironments(deployment.backend.archive),
        shared_store=True,
        stream_times=StreamTimes(whole=STREAM_S),
    )


async def tidy_up(deployment: Deployment, service: str) -> None:
    """Start what nobody drives, remove what has lain for too long, end forgotten sandboxes."""
    store = deployment.store(service)
    await store.refresh()
    now = time.time()
    for run_id in await store.due(now, frozenset(), 1000):
        run = await store.get(run_id)
        if run and now - run.updated_at > DUE_S:
            await deployment.spawn(run_id)
    await deployment.end_orphans(await store.live())
    async with open_service(deployment, service) as runs:
        await runs.tidy()


@asynccontextmanager
async def open_service(deployment: Deployment, service: str) -> AsyncIterator["RunService"]:
    """The runs of the store; each is driven by a function of its own."""
    from runs import RunService

    sandboxes = deployment.sandboxes(Path("runs"))

    async def on_end(run_id: str) -> None:
        await sandboxes.close_run(run_id)
        await deployment.spawn(run_id)

    store = deployment.store(service)
    runs = RunService(
        store=store,
        config=deployment.configuration.service(Path("runs")),
        files=ArchivedRunFiles(deployment.backend, store.known),
        dispatch=RemoteDispatcher(service, deployment.spawn),
        on_end=on_end,
        on_delete=sandboxes.close_run,
        pick_up=False,
    )
    async with runs:
        yield runs
