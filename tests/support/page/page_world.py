"""A real service whose runs are replayed or scripted, and a browser that looks at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.http.guards.auth import Auth
from graph.files.run_folder import RunFolder
from runs.model.run_record import Caller
from runs.service import RunService
from runs.sqlite.store import SqliteStore
from tests.standins.servers.http_service import make_app, serving
from tests.standins.services.run_service import House
from tests.support.page.browser import Browser, Tab, open_browser
from tests.support.page.replayed_runs import Replayed, replay


@dataclass
class ServiceWorld:
    """The address of the service, and its store as another process has it."""

    house: House
    service: RunService
    store: SqliteStore
    address: str

    async def replay(self, run: Replayed) -> str:
        return await replay(self.store, run)

    @property
    def caller(self) -> Caller:
        return Caller("local", operator=True)

    def keep_diff(self, run_id: str, diff: bytes) -> None:
        """Have a run's newest change be this."""
        path = RunFolder.of(self.house.folder / "runs", run_id).diff(1)
        path.parent.mkdir(parents=True)
        path.write_bytes(diff)


@dataclass
class PageWorld(ServiceWorld):
    """A service and a browser that looks at it."""

    browser: Browser

    @asynccontextmanager
    async def tab(self, screen: str = "", **window: Any) -> AsyncIterator[Tab]:
        async with self.browser.tab(self.address, **window) as tab:
            await tab.go(screen)
            yield tab


@asynccontextmanager
async def page_world(folder: Path, **given: Any) -> AsyncIterator[PageWorld]:
    """A service over `folder`, and a browser."""
    async with open_browser() as browser, service_world(folder, **given) as world:
        yield PageWorld(**vars(world), browser=browser)


@asynccontextmanager
async def service_world(folder: Path, **given: Any) -> AsyncIterator[ServiceWorld]:
    """Everybody's runs are seen here: the caller is the operator."""
    house = House(folder)
    auth = given.pop("auth", Auth((), ("local",)))
    async with house.open(pick_up=False) as service:
        store = SqliteStore(house.database)
        await store.open()
        try:

            @asynccontextmanager
            async def opened() -> AsyncIterator[RunService]:
                yield service

            async with serving(make_app(opened, auth=auth, **given)) as address:
                yield ServiceWorld(house, service, store, address)
        finally:
            await store.close()
