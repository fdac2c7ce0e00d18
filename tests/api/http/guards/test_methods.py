"""HEAD and OPTIONS, on every address that there is."""

import httpx
import pytest

from api.http.guards.auth import Auth
from tests.standins.servers.http_service import KEYS, client_of
from tests.standins.services.in_memory_run_service import MemoryService

ADDRESSES = {
    "/health": "GET, HEAD, OPTIONS",
    "/ready": "GET, HEAD, OPTIONS",
    "/metrics": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
    "/docs": "GET, HEAD, OPTIONS",
    "/assets/docs.js": "GET, HEAD, OPTIONS",
    "/runs": "GET, HEAD, OPTIONS",
    "/runs/{run}": "DELETE, GET, HEAD, OPTIONS",
    "/runs/{run}/events": "GET, HEAD, OPTIONS",
    "/runs/{run}/diff": "GET, HEAD, OPTIONS",
    "/code": "OPTIONS, POST",
    "/runs/{run}/cancel": "OPTIONS, POST",
}


@pytest.mark.parametrize(("path", "allowed"), ADDRESSES.items())
async def test_options_name_what_an_address_takes(path: str, allowed: str) -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client:
        answer = await client.options(path.format(run=run_id))
        refused = await client.patch(path.format(run=run_id))
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, allowed, b"")
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", [path for path, allowed in ADDRESSES.items() if "GET" in allowed])
async def test_head_is_get_without_a_body(path: str) -> None:
    service = MemoryService()
    run_id = service.add()
    service.emit(run_id, "run.queued", position=0)
    async with client_of(service) as client:
        head = await client.head(path.format(run=run_id))
        async with client.stream("GET", path.format(run=run_id)) as get:
            same = ("content-type", "x-run-id", "cache-control")  # numbers of metrics may grow
            assert head.status_code == get.status_code
            assert {name: head.headers.get(name) for name in same} == {
                name: get.headers.get(name) for name in same
            }
        assert head.content == b""
        assert (await client.get("/health")).status_code == 200  # the connection is still sound
        await service.reading_is(0)


async def test_what_takes_no_get_takes_no_head() -> None:
    async with client_of(MemoryService()) as client:
        answers = [await client.head("/code"), await client.head("/nothing")]
        nothing = await client.options("/nothing")
    assert [answer.status_code for answer in answers] == [405, 404]
    assert nothing.status_code == 404


async def test_head_and_options_need_the_key_that_get_needs() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        open_ones = [await client.head("/health"), await client.options("/ready")]
        closed: list[httpx.Response] = [await client.head("/runs"), await client.options("/code")]
    assert [answer.status_code for answer in open_ones] == [200, 204]
    assert [answer.status_code for answer in closed] == [401, 401]
