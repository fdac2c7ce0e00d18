"""`/metrics` over a real socket: what runs leave in the numbers, and who may read them."""

from collections import Counter
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.http.guards.auth import Auth
from graph.errors import StoreLocked
from sandbox.core.metrics import CommandMetrics
from tests.standins.servers.http_service import (
    CODE,
    KEYS,
    client_of,
    make_app,
    serving,
)
from tests.standins.services.in_memory_run_service import MemoryService
from tests.standins.services.run_service import House
from tests.standins.services.scripted_services import FAILED, PASSED

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scrape:
    """The samples of one answer."""

    def __init__(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        self._samples: Samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._samples.get((f"coding_agent_{name}", frozenset(labels.items())))

    def has(self, name: str) -> bool:
        return any(found == name for found, _ in self._samples)


async def scrape(client: httpx.AsyncClient) -> Scrape:
    return Scrape(await client.get("/metrics"))


async def test_a_run_leaves_its_numbers(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.script.validations = [FAILED, PASSED]
    async with (
        serving(make_app(house.open)) as address,
        httpx.AsyncClient(base_url=address, timeout=20) as client,
    ):
        before = await scrape(client)
        assert before("runs", status="succeeded") == 0
        assert before("run_ends_total", status="succeeded") == 0
        await client.post("/code", json=CODE)
        await client.post("/code", json=CODE)
        after = await scrape(client)
    assert after("runs", status="succeeded") == 2
    assert after("run_ends_total", status="succeeded") == 2
    assert after("run_ends_total", status="failed") == 0
    assert after("node_seconds_count", node="plan", outcome="ok") == 2
    assert after("node_seconds_count", node="validate", outcome="failed") == 1
    assert after("node_seconds_sum", node="plan", outcome="ok") is not None
    call = {"role": "coder", "model": "claude-test"}
    assert after("model_calls_total", **call) == 2
    assert after("tokens_total", kind="input", **call) == 200
    assert after("tokens_total", kind="output", **call) == 20
    assert after("cost_usd_total", **call) == pytest.approx(0.02)
    lag, events = after("event_lag_seconds_sum"), after("event_lag_seconds_count")
    assert lag is not None
    assert events is not None
    assert 0 <= lag / events < 1
    assert after("store_up") == 1
    assert (after("run_slots"), after("queued_runs")) == (4, 0)
    assert after("build_info", version="1.2.3") == 1
    assert after.has("process_open_fds")
    assert after.has("process_resident_memory_bytes")


async def test_what_runs_and_reads_now(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.pace.hold("plan")
    async with (
        serving(make_app(lambda: house.open(max_concurrent=1))) as address,
        httpx.AsyncClient(base_url=address, timeout=20) as client,
    ):
        async with (
            client.stream("POST", "/code", json=CODE),
            client.stream("POST", "/code", json=CODE),
        ):
            await house.pace.reached("plan")
            now = await scrape(client)
            assert now("runs", status="running") == 1
            assert now("runs", status="queued") == 1
            assert (now("queued_runs"), now("driven_runs"), now("readers")) == (1, 1, 2)
        house.pace.let_go("plan")


async def test_a_picked_up_run_is_counted(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.pace.hold("plan")
    async with serving(make_app(house.open)) as address, httpx.AsyncClient() as client:
        answer = await client.post(
            f"{address}/code", json=CODE, headers={"Prefer": "respond-async"}
        )
        await house.pace.reached("plan")
    house.pace.let_go("plan")
    async with (
        serving(make_app(house.open)) as address,
        httpx.AsyncClient(base_url=address, timeout=20) as client,
    ):
        await client.get(f"{answer.headers['Location']}?wait=20")
        after = await scrape(client)
    assert after("run_resumes_total", reason="picked_up") == 1
    assert after("run_ends_total", status="interrupted") == 1
    assert after("run_ends_total", status="succeeded") == 1


async def test_retries_and_calls_without_a_price_are_counted() -> None:
    service = MemoryService()
    run_id = service.add()
    spent = {"role": "coder", "model": 'odd "model"\n', "input_tokens": 7, "output_tokens": 1}
    async with client_of(service) as client:
        service.emit(run_id, "usage", **spent, costUsd=None)
        service.emit(run_id, "retry", what="claude", attempt=2, waitMs=10, reason="529")
        service.emit(run_id, "role.text", role="coder", text="x")
        after = await scrape(client)
    assert after("unpriced_calls_total", model='odd "model"\n') == 1
    assert after("cost_usd_total", role="coder", model='odd "model"\n') is None
    assert after("retries_total", what="claude") == 1


async def test_sandbox_starts_and_kills_are_counted() -> None:
    counts = CommandMetrics(started=5, killed=Counter(memory=2, time=1))
    async with client_of(MemoryService(), sandbox_counts=lambda: counts) as client:
        seen = await scrape(client)
        assert seen("sandbox_starts_total") == 5
        assert seen("sandbox_kills_total", reason="memory") == 2
        counts.killed["time"] += 1
        assert (await scrape(client))("sandbox_kills_total", reason="time") == 2


async def test_a_store_that_does_not_answer_is_a_number_too() -> None:
    service = MemoryService()
    async with client_of(service) as client:
        service.fault = StoreLocked("locked")
        seen = await scrape(client)
    assert seen("store_up") == 0
    assert seen("runs", status="running") is None
    assert seen.has("process_open_fds")


async def test_a_key_is_needed_where_keys_are_set() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        refused = await client.get("/metrics")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        headers = {"Authorization": f"Bearer {KEYS[0][1]}"}
        assert (await client.get("/metrics", headers=headers)).status_code == 200
