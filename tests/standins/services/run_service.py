"""Real run services over one data folder: real store, real graph, scripted roles."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graph.machine.build import build_graph
from graph.request.request_rules import RequestRules
from graph.request.run_request import RunRequest
from graph.state import Limits
from runs.model.run_record import Caller, LoggedEvent
from runs.service import RunService, ServiceConfig
from runs.sqlite.store import SqliteStore
from tests.standins.services.paced_services import Pace
from tests.standins.services.scripted_services import Script

ME = Caller("local")
REQUEST: RunRequest = {"repo_url": "octocat/hello", "prompt": "Say hello twice"}


def config_of(folder: Path, **changes: Any) -> ServiceConfig:
    values: dict[str, Any] = {
        "runs": folder / "runs",
        "limits": Limits(),
        "max_concurrent": 4,
        "max_queued": 5,
        "max_readers": 10,
        "models": {"planner": "m1", "coder": "m1", "reviewer": "m1", "fixer": "m1"},
        "rules": RequestRules(allow=("workflows",)),
        "version": "1.0",
        "keep_days": 30,
    }
    return ServiceConfig(**values | changes)


@dataclass
class House:
    """One data folder. Each service that is opened stands for a process."""

    folder: Path
    script: Script = field(default_factory=Script)
    closed: list[str] = field(default_factory=list)
    roles: dict[str, Any] = field(default_factory=dict)
    """Services that take the place of the scripted ones."""
    store: type[SqliteStore] = SqliteStore

    @property
    def pace(self) -> Pace:
        return Pace(self.folder / "pace")

    @property
    def database(self) -> Path:
        return self.folder / "runs.db"

    @property
    def url_file(self) -> Path:
        """Where the address of a PostgreSQL database stands, if runs are kept in one."""
        return self.folder / "database-url"

    @asynccontextmanager
    async def open(self, *, pick_up: bool = True, **config: Any) -> AsyncIterator[RunService]:
        async def on_end(run_id: str) -> None:
            self.closed.append(run_id)

        places = self._in_postgres() if self.url_file.exists() else {}
        service = RunService(
            **{"store": self.store(self.database), **places},
            graph=lambda: build_graph(replace(self.pace.services(self.script), **self.roles)),
            config=config_of(self.folder, **config),
            on_end=on_end,
            pick_up=pick_up,
            drain_s=0.1,
        )
        try:
            async with service:
                yield service
        finally:
            if places:
                await places["checkpoints"].close()

    def _in_postgres(self) -> dict[str, Any]:
        """The places of runs, in the database whose address stands in the folder."""
        from runs.checkpoints import PostgresCheckpoints
        from runs.postgres import ConnectionOptions, PostgresStore

        database = ConnectionOptions(self.url_file.read_text(), answer_s=5.0)
        checkpoints = PostgresCheckpoints(database)
        store = PostgresStore(database)
        return {"store": store, "checkpoints": checkpoints, "on_delete": checkpoints.remove}


async def started(service: RunService, **request: Any) -> str:
    """The id of a run that was just started."""
    record, new = await service.start({**REQUEST, **request}, owner="local")  # type: ignore[typeddict-item]
    assert new
    return record.run_id


async def log_of(service: RunService, run_id: str, after: int = 0) -> list[LoggedEvent]:
    """All events of a run, once it has ended."""
    async with asyncio.timeout(60):
        events = [event async for event in service.events(run_id, after)]
    assert [event.seq for event in events] == list(range(after + 1, after + 1 + len(events)))
    check_nodes(events)
    return events


def check_nodes(events: list[LoggedEvent]) -> None:
    """Each node that starts also finishes, before another starts."""
    open_node = None
    for event in events:
        if event.type == "node.started":
            assert open_node is None, story(events)
            open_node = (event.data["node"], event.data["visit"])
        elif event.type == "node.finished":
            assert open_node == (event.data["node"], event.data["visit"]), story(events)
            open_node = None
    assert open_node is None, story(events)


async def seen(service: RunService, run_id: str, kind: str, after: int = 0) -> LoggedEvent:
    """The first event of a type."""
    async with asyncio.timeout(60):
        async for event in service.events(run_id, after):
            if event.type == kind:
                return event
    raise AssertionError(f"no {kind} in the log of {run_id}")


def story(events: list[LoggedEvent]) -> list[str]:
    """The events of a run and its nodes, a word each."""
    told = []
    for event in events:
        data = event.data
        if event.type == "run.finished":
            told.append(f"finished:{data['status']}")
        elif event.type.startswith("run."):
            told.append(event.type.removeprefix("run."))
        elif event.type == "node.started":
            told.append(f"{data['node']}{data['visit']}")
        elif event.type == "node.finished":
            told.append(f"{data['node']}:{data['outcome']}")
    return told
