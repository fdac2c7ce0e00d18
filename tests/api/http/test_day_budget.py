"""The money of a day is held while many start at once, over real HTTP and each kind of store."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.http.guards.auth import Auth
from runs.driving.remote_dispatcher import RemoteDispatcher
from runs.model.day_budget import DayLimits
from runs.service import RunService
from runs.shared.store import SharedStore
from tests.standins.servers.http_service import CODE, KEYS, make_app, serving
from tests.standins.services.run_service import House, config_of
from tests.standins.shared_backend import SharedPlaces

Open = Callable[[], AbstractAsyncContextManager[RunService]]
ASYNC = {"Prefer": "respond-async"}


async def _nowhere(_: str, _ahead: bool) -> None:
    """A run that is started waits."""


@pytest.fixture(params=["sqlite", "dicts"])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a process of the service, of as many as are asked for."""
    if request.param == "sqlite":
        house = House(tmp_path)
        house.pace.hold("plan")
        return lambda: house.open(max_queued=20)
    places, names = SharedPlaces(tmp_path), iter("abcdefgh")

    @asynccontextmanager
    async def open_one() -> AsyncIterator[RunService]:
        name = next(names)
        service = RunService(
            store=SharedStore(places.backend, service=name, slots=4),
            config=config_of(tmp_path, max_queued=20),
            dispatch=RemoteDispatcher(name, _nowhere),
            pick_up=False,
        )
        async with service:
            yield service

    return open_one


@asynccontextmanager
async def clients(open_one: Open, day: DayLimits) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of two processes, by the key of each caller in turn."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            app = make_app(open_one, auth=Auth(KEYS), day=day)
            address = await stack.enter_async_context(serving(app))
            for _, key in KEYS:
                headers = {"Authorization": f"Bearer {key}"}
                client = httpx.AsyncClient(base_url=address, headers=headers, timeout=60)
                made.append(await stack.enter_async_context(client))
        yield made


async def start_at_once(callers: list[httpx.AsyncClient], count: int = 10) -> list[httpx.Response]:
    body: dict[str, Any] = CODE | {"maxCostUsd": 1.0}
    return list(
        await asyncio.gather(
            *(
                callers[number % len(callers)].post("/code", json=body, headers=ASYNC)
                for number in range(count)
            )
        )
    )


async def test_the_service_has_its_money_a_day(processes: Open) -> None:
    async with clients(processes, DayLimits(service_usd=4.5)) as callers:
        answers = await start_at_once(callers)
        assert Counter(answer.status_code for answer in answers) == {202: 4, 429: 6}
        refused = [answer for answer in answers if answer.status_code == 429]
        assert {answer.json()["code"] for answer in refused} == {"daily_budget_exhausted"}
        assert {answer.headers["Retry-After"] for answer in refused} == {"60"}
        assert "CODING_AGENT_MAX_COST_USD_PER_DAY" in refused[0].json()["hint"]


async def test_a_key_has_its_money_a_day(processes: Open) -> None:
    async with clients(processes, DayLimits(caller_usd=2.0)) as callers:
        answers = await start_at_once(callers, count=12)
        assert Counter(answer.status_code for answer in answers) == {202: 4, 429: 8}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert "CODING_AGENT_KEY_MAX_COST_USD_PER_DAY" in refused.json()["hint"]


async def test_a_repeat_joins_its_run_though_the_money_is_gone(processes: Open) -> None:
    async with clients(processes, DayLimits(service_usd=1.0)) as callers:
        headers = ASYNC | {"Idempotency-Key": "k1"}
        first = await callers[0].post("/code", json=CODE, headers=headers)
        again = await callers[2].post("/code", json=CODE, headers=headers)
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.headers["X-Run-Id"] == again.headers["X-Run-Id"]
        assert (await callers[1].post("/code", json=CODE, headers=ASYNC)).status_code == 429


async def test_a_resumed_run_needs_money_of_the_day(processes: Open) -> None:
    async with clients(processes, DayLimits(service_usd=1.0)) as callers:
        run_id = (await callers[0].post("/code", json=CODE, headers=ASYNC)).headers["X-Run-Id"]
        assert (await callers[0].post(f"/runs/{run_id}/cancel")).status_code == 202
        waited = await callers[0].get(f"/runs/{run_id}", params={"wait": 30})
        assert waited.json()["status"] == "cancelled"
        assert (await callers[1].post("/code", json=CODE, headers=ASYNC)).status_code == 202
        assert (await callers[0].post(f"/runs/{run_id}/resume")).status_code == 429
