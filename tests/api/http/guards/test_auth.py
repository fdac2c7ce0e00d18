"""Keys: who is let in, where, and how often."""

import httpx
import pytest

from api.http.guards.auth import Auth
from api.http.guards.rate_limit import KeyRateLimit
from tests.standins.servers.http_service import CODE, KEYS, client_of
from tests.standins.services.in_memory_run_service import MemoryService

ANN, BOB = KEYS[0][1], KEYS[1][1]
GUARDED = [
    ("POST", "/code"),
    ("GET", "/runs"),
    ("GET", "/events"),
    ("GET", "/audit"),
    ("GET", "/figures"),
    ("GET", "/runs/00000000000000000000000001"),
    ("GET", "/runs/00000000000000000000000001/events"),
    ("GET", "/runs/00000000000000000000000001/diff"),
    ("POST", "/runs/00000000000000000000000001/cancel"),
    ("POST", "/runs/00000000000000000000000001/plan"),
    ("POST", "/runs/00000000000000000000000001/resume"),
    ("POST", "/runs/00000000000000000000000001/messages"),
    ("DELETE", "/runs/00000000000000000000000001"),
    ("GET", "/auth-test"),
    ("GET", "/metrics"),
    ("POST", "/session"),
    ("GET", "/session"),
    ("GET", "/session/repositories"),
    ("DELETE", "/session"),
    ("GET", "/nothing"),
    ("GET", "/docs/"),
    ("GET", "/assets"),
    ("GET", "/health/"),
]
PUBLIC = ["/", "/health", "/ready", "/docs", "/openapi.json", "/assets/docs.js"]


def test_without_keys_everyone_is_local() -> None:
    assert Auth().caller(None) == Auth().caller("Bearer whatever")
    caller = Auth().caller(None)
    assert caller is not None
    assert (caller.name, caller.operator) == ("local", False)
    operator = Auth(operators=["local"]).caller(None)
    assert operator is not None
    assert operator.operator


def test_a_key_is_its_owner() -> None:
    auth = Auth(KEYS, operators=["bob"])
    ann, bob = auth.caller(f"Bearer {ANN}"), auth.caller(f"bearer  {BOB} ")
    assert ann is not None
    assert bob is not None
    assert (ann.name, ann.operator, bob.name, bob.operator) == ("ann", False, "bob", True)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {ANN[:-1]}",
        f"Bearer {ANN}x",
        f"Basic {ANN}",
        ANN,
        f"Bearer {ANN} {ANN}",
        "Bearer \udcff",
    ],
)
def test_anything_else_is_nobody(header: str | None) -> None:
    assert Auth(KEYS).caller((header or "").encode(errors="replace").decode() or header) is None


def test_keys_are_kept_as_digests() -> None:
    auth = Auth(KEYS)
    assert ANN not in repr(vars(auth))


def test_a_key_has_so_many_calls_a_minute() -> None:
    now = 0.0
    rate = KeyRateLimit(60, clock=lambda: now)
    assert [rate.wait_s("ann") for _ in range(60)] == [0.0] * 60
    assert rate.wait_s("ann") == pytest.approx(1)
    assert rate.wait_s("bob") == 0
    now = 1.5
    assert rate.wait_s("ann") == 0
    assert rate.wait_s("ann") == pytest.approx(0.5)
    now = 1e6
    assert [rate.wait_s("ann") for _ in range(60)] == [0.0] * 60
    assert rate.wait_s("ann") > 0


def test_no_rate_is_no_limit() -> None:
    rate = KeyRateLimit(0)
    assert {rate.wait_s("ann") for _ in range(1000)} == {0.0}


def assert_unauthorized(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="coding-agent"')
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthorized"


async def test_guarded_calls_need_a_key() -> None:
    service = MemoryService()
    service.add("ann")
    async with client_of(service, auth=Auth(KEYS)) as client:
        for method, path in GUARDED:
            assert_unauthorized(await client.request(method, path))
            wrong = {"Authorization": f"Bearer {ANN}x"}
            answer = await client.request(method, path, headers=wrong)
            assert_unauthorized(answer)
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
            assert ANN not in answer.text
        assert len(service.runs) == 1


async def test_a_body_is_not_read_before_the_key() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        answer = await client.post("/code", content=b"x" * 2_000_000)
        assert_unauthorized(answer)


async def test_two_authorization_headers_are_none() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        headers = [("Authorization", f"Bearer {ANN}"), ("Authorization", f"Bearer {BOB}")]
        assert_unauthorized(await client.get("/runs", headers=headers))


async def test_public_calls_need_none() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        for path in PUBLIC:
            assert (await client.get(path)).status_code == 200, path


async def test_a_key_opens() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS), key=ANN) as client:
        assert (await client.get("/runs")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200


async def test_others_runs_are_not_there_and_operators_see_all() -> None:
    service = MemoryService()
    run_id = service.add("ann", status="succeeded")
    calls = [call for call in GUARDED if run_id in call[1]]
    async with client_of(service, auth=Auth(KEYS), key=BOB) as client:
        for method, path in calls:
            body = {"planId": "p", "decision": "approve"} if path.endswith("plan") else None
            body = {"text": "hello"} if path.endswith("messages") else body
            answer = await client.request(method, path, json=body)
            missing = await client.request(method, path.replace("01", "99"), json=body)
            assert (answer.status_code, answer.json()) == (404, missing.json()), path
            assert answer.json()["code"] == "run_not_found"
            assert "X-Run-Id" not in answer.headers
        assert (await client.get("/runs")).json()["runs"] == []
    async with client_of(service, auth=Auth(KEYS, operators=["bob"]), key=BOB) as client:
        assert (await client.get(f"/runs/{run_id}")).status_code == 200
        assert [run["runId"] for run in (await client.get("/runs")).json()["runs"]] == [run_id]


async def test_a_key_that_calls_too_often_waits() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS), key=ANN, key_rate=3) as client:
        statuses = [(await client.get("/runs")).status_code for _ in range(3)]
        answer = await client.get("/runs")
        other = await client.get("/runs", headers={"Authorization": f"Bearer {BOB}"})
        free = await client.get("/health")
    assert (statuses, answer.status_code, other.status_code) == ([200] * 3, 429, 200)
    assert free.status_code == 200
    assert answer.json()["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 20


async def test_a_locked_service_answers_health_alone() -> None:
    fix = "Run: modal secret create coding-agent CODING_AGENT_API_KEYS=..."
    auth = Auth(KEYS, locked=fix)
    async with client_of(MemoryService(), auth=auth, key=ANN) as client:
        assert (await client.get("/health")).status_code == 200
        for path in ("/ready", "/docs", "/openapi.json", "/runs"):
            answer = await client.get(path)
            assert_unauthorized(answer)
            assert answer.json()["hint"] == fix
        assert_unauthorized(await client.post("/code", json=CODE))


async def test_every_documented_call_is_open_or_needs_a_key() -> None:
    service = MemoryService(instant=True)
    run_id = service.add("ann", status="succeeded")
    async with client_of(service, auth=Auth(KEYS)) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        for path, calls in paths.items():
            for method, call in calls.items():
                url = path.replace("{run_id}", run_id)
                for headers in ({}, {"Authorization": f"Bearer {ANN}x"}, {"X-Api-Key": ANN}):
                    answer = await client.request(method, url, headers=headers)
                    if call.get("security"):
                        assert_unauthorized(answer)
                    elif "security" in call:  # a proof of its own: a delivery's signature
                        assert answer.is_client_error
                    else:
                        assert answer.status_code == 200
        assert run_id in service.runs


async def test_a_key_reads_so_many_streams_at_a_time() -> None:
    service = MemoryService(max_readers=10)
    anns, bobs = service.add("ann"), service.add("bob")
    path, other = f"/runs/{anns}/events", f"/runs/{bobs}/events"
    async with client_of(service, auth=Auth(KEYS), key=ANN, max_key_readers=1) as client:
        async with client.stream("GET", path):
            second = await client.get(path)
            assert (second.status_code, second.json()["code"]) == (429, "too_many_readers")
            headers = {"Authorization": f"Bearer {BOB}"}
            async with client.stream("GET", other, headers=headers) as bob:
                assert bob.status_code == 200
        await service.reading_is(0)
        async with client.stream("GET", path) as again:
            assert again.status_code == 200
