"""GET /events, and who may read whose runs."""

import asyncio
import json

import httpx
from httpx_sse import aconnect_sse

from api.http.guards.auth import Auth
from tests.standins.servers.http_service import KEYS, client_of
from tests.standins.services.in_memory_run_service import MemoryService

ANN, BOB = ({"Authorization": f"Bearer {key}"} for _, key in KEYS)


async def told(client: httpx.AsyncClient, count: int, headers: dict[str, str]) -> list[str]:
    """The ids of the runs in the first rows."""
    async with asyncio.timeout(60), aconnect_sse(client, "GET", "/events", headers=headers) as feed:
        found: list[str] = []
        async for sent in feed.aiter_sse():
            assert (sent.event, bool(sent.id)) == ("run", True)
            found.append(json.loads(sent.data)["runId"])
            if len(found) == count:
                return found
    raise AssertionError(found)


async def test_rows_come_as_the_list_has_them() -> None:
    service = MemoryService()
    service.add("ann")
    async with client_of(service, auth=Auth(KEYS)) as client:
        async with aconnect_sse(client, "GET", "/events", headers=ANN) as feed:
            sent = await anext(feed.aiter_sse())
        (row,) = (await client.get("/runs", headers=ANN)).json()["runs"]
    assert json.loads(sent.data) == row


async def test_a_removal_is_told_by_the_runs_id() -> None:
    service = MemoryService()
    run_id = service.add("ann", status="failed")
    async with (
        client_of(service, auth=Auth(KEYS)) as client,
        aconnect_sse(client, "GET", "/events", headers=ANN) as feed,
    ):
        sent = feed.aiter_sse()
        assert (await anext(sent)).event == "run"
        assert (await client.delete(f"/runs/{run_id}", headers=ANN)).status_code == 204
        removal = await anext(sent)
    assert (removal.event, bool(removal.id)) == ("run.removed", True)
    assert json.loads(removal.data) == {"runId": run_id}


async def test_a_cursor_is_one_that_was_given() -> None:
    async with client_of(MemoryService()) as client:
        for cursor in ("", "xyz", "1" * 13, "-1"):
            refused = await client.get("/events", headers={"Last-Event-ID": cursor})
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        refused = await client.get("/events?since=1")
        assert refused.status_code == 422


async def test_the_feed_takes_a_readers_place() -> None:
    async with client_of(MemoryService(max_readers=0)) as client:
        answer = await client.get("/events")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_readers")


async def test_each_repository_is_judged_once_however_many_runs_there_are() -> None:
    service, judged = MemoryService(), []
    for number in range(30):
        service.add("ann", repo_url=f"https://github.com/o/r{number % 3}")

    def allowed(_: str, full_name: str) -> bool:
        judged.append(full_name)
        return full_name != "o/r0"

    async with client_of(service, auth=Auth(KEYS), repo_allowed=allowed, team=True) as client:
        assert len((await client.get("/runs", headers=BOB)).json()["runs"]) == 20
    assert sorted(judged) == ["o/r0", "o/r1", "o/r2"]


async def test_a_key_reads_its_own_runs_or_those_of_its_team() -> None:
    service = MemoryService()
    run_id = service.add("ann")
    theirs = service.add("ann", repo_url="https://github.com/o/closed")
    local = service.add("ann", repo_url="/home/ann/src/o/r")
    own = service.add("bob")

    def allowed(name: str, full_name: str) -> bool:
        return name == "ann" or full_name == "o/r"

    async with client_of(service, auth=Auth(KEYS), repo_allowed=allowed) as client:
        assert await told(client, 1, BOB) == [own]
        assert (await client.get(f"/runs/{run_id}", headers=BOB)).status_code == 404
    async with client_of(service, auth=Auth(KEYS), repo_allowed=allowed, team=True) as client:
        assert await told(client, 2, BOB) == [run_id, own]
        assert (await client.get(f"/runs/{run_id}", headers=BOB)).json()["owner"] == "ann"
        for hidden in (theirs, local):
            assert (await client.get(f"/runs/{hidden}", headers=BOB)).status_code == 404
        refused = await client.post(f"/runs/{run_id}/cancel", headers=BOB)
        assert (refused.status_code, refused.json()["code"]) == (403, "run_not_yours")
