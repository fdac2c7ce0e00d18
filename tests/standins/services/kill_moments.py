"""Data folders as a kill at each moment leaves them: a copy after everything that was kept."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from graph.machine.build import build_graph
from runs.checkpoints.local_checkpoints import LocalCheckpoints
from runs.checkpoints.run_saver import LogBarrier, RunSaver
from runs.driving.clean_up import CleanUp
from runs.driving.local_dispatcher import LocalDispatcher
from runs.driving.run_driver import DriveContext, RunDriver
from runs.driving.run_files import LocalRunFiles
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.run import Run
from runs.service import RunService
from runs.sqlite.store import SqliteStore
from runs.store.protocol import Decide
from tests.standins.services.run_service import House, config_of

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Moments:
    """The copies of a house, oldest first, made below `folder` while `watching`."""

    house: House
    folder: Path
    watching: bool = False
    houses: list[House] = field(default_factory=list)

    def keep(self) -> None:
        if not self.watching:
            return
        source, target = self.house.folder, self.folder / str(len(self.houses))
        databases = [path.relative_to(source) for path in source.rglob("*.db")]
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.db*"))
        for path in databases:
            one, other = sqlite3.connect(source / path), sqlite3.connect(target / path)
            with closing(one), closing(other):
                one.backup(other)
        self.houses.append(House(target, script=deepcopy(self.house.script)))

    def then(self, kept: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(kept)
        async def then(*args: P.args, **kwargs: P.kwargs) -> T:
            result = await kept(*args, **kwargs)
            self.keep()
            return result

        return then

    @asynccontextmanager
    async def open(self) -> AsyncIterator[RunService]:
        """The house's service, watched."""
        config = config_of(self.house.folder)
        store, files = _Store(self), LocalRunFiles(config.runs)
        context = DriveContext(
            store=store,
            graph=build_graph(self.house.pace.services(self.house.script)).compile(),
            files=files,
            checkpoints=_Checkpoints(self, config.runs),
            limits=config.limits,
            clean_up=CleanUp(self._ended),
        )
        dispatch = LocalDispatcher(
            store,
            lambda: partial(RunDriver, context),
            slots=config.max_concurrent,
            pick_up=True,
            started=config.started,
        )
        async with RunService(store=store, config=config, dispatch=dispatch) as service:
            yield service

    async def _ended(self, run_id: str) -> None:
        self.house.closed.append(run_id)


class _Store(SqliteStore):
    def __init__(self, moments: Moments) -> None:
        super().__init__(moments.house.database)
        self._moments = moments

    async def transact(
        self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
    ) -> Run | None:
        return await self._moments.then(super().transact)(run_id, decide, day)


class _Checkpoints(LocalCheckpoints):
    def __init__(self, moments: Moments, runs: Path) -> None:
        super().__init__(runs)
        self._moments = moments

    @asynccontextmanager
    async def open(self, run_id: str, barrier: LogBarrier) -> AsyncIterator[RunSaver]:
        async with super().open(run_id, barrier) as saver:
            for name in ("aput", "aput_writes", "discard_command"):
                setattr(saver, name, self._moments.then(getattr(saver, name)))
            yield saver
