"""A browser's session: who gets one, what it opens, and where it ends."""

import asyncio
import re
import time
from collections.abc import Callable

import httpx
import pytest

from api.http.guards.auth import Auth
from api.http.guards.session import SESSION_S
from tests.standins.servers.http_service import CODE, KEYS, client_of, make_app, serving
from tests.standins.services.in_memory_run_service import MemoryService

ANN = KEYS[0][1]
BEARER = {"Authorization": f"Bearer {ANN}"}
ASYNC = {"Prefer": "respond-async"}
NOW = 1_800_000_000.0


def token(now: float = NOW, key: str = ANN) -> str:
    made = Auth(KEYS).open_session(f"Bearer {key}", now)
    assert made
    return made


async def signed_in(client: httpx.AsyncClient) -> str:
    """The cookie, as `name=value`; httpx itself keeps none."""
    answer = await client.post("/session", headers=BEARER)
    assert answer.status_code == 204
    client.cookies.clear()
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


def test_a_token_stands_for_its_key_for_twelve_hours() -> None:
    auth = Auth(KEYS, operators=["ann"])
    caller = auth.session_caller(token(), NOW + SESSION_S - 1)
    assert caller is not None
    assert (caller.name, caller.operator) == ("ann", True)
    assert auth.session_caller(token(), NOW + SESSION_S + 1) is None
    assert auth.session_caller(token(NOW + 60), NOW) is None


def test_a_token_ends_with_its_key_and_holds_in_every_process() -> None:
    assert Auth(KEYS).session_caller(token(), NOW)
    assert Auth(KEYS[1:]).session_caller(token(), NOW) is None
    assert Auth([("ann", "another-key-0123456789-0123456789")]).session_caller(token(), NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda made: made[:-1],
        lambda made: made + "0",
        lambda made: made.upper(),
        lambda made: made.replace(".", "..", 1),
        lambda made: f"{int(made.partition('.')[0]) + 1}.{made.partition('.')[2]}",
        lambda made: f"{made.partition('.')[0]}.{'0' * 64}",
        lambda made: f"\N{ARABIC-INDIC DIGIT ONE}{made}",
    ],
)
def test_no_other_token_is_taken(change: Callable[[str], str]) -> None:
    assert Auth(KEYS).session_caller(change(token()), NOW) is None


def test_no_token_is_made_without_a_key() -> None:
    assert Auth(KEYS).open_session("Bearer wrong-key-0123456789-0123456789", NOW) is None
    assert Auth(KEYS).open_session(None, NOW) is None
    assert Auth(KEYS).session_caller(token(), NOW) == Auth(KEYS).caller(f"Bearer {ANN}")


async def test_a_key_signs_a_browser_in() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        answer = await client.post("/session", headers=BEARER)
        cookie = answer.headers["Set-Cookie"]
        assert re.fullmatch(
            r"coding-agent-session=[0-9]+\.[0-9a-f]{64}; Path=/; Max-Age=43200; HttpOnly; "
            r"SameSite=Strict",
            cookie,
        )
        client.cookies.clear()
        assert (await client.get("/session")).status_code == 401
        headers = {"Cookie": cookie.partition(";")[0]}
        who = await client.get("/session", headers=headers)
        assert who.json() == {
            "name": "ann",
            "operator": False,
            "keyRequired": True,
            "limits": {"maxCostUsd": 5.0, "maxFixRounds": 3, "timeoutS": 3600},
            "repositories": ["*"],
            "models": ["m1"],
            "allow": ["workflows"],
            "branchPrefix": "agent/",
        }
        assert (await client.get("/runs", headers=headers)).status_code == 200
        usable = await client.get("/session/repositories", headers=headers)
        assert usable.json() == {"repositories": []}
        wrong = await client.post("/session", headers={"Authorization": f"Bearer {ANN}x"})
        assert (wrong.status_code, "Set-Cookie" in wrong.headers) == (401, False)


async def test_off_this_machine_a_cookie_goes_over_https_alone() -> None:
    hosts = ("agent.example",)
    async with client_of(MemoryService(), auth=Auth(KEYS), hosts=hosts) as client:
        host = {"Host": "agent.example"}
        answer = await client.post("/session", headers=BEARER | host)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-coding-agent-session=")
        assert cookie.endswith("; Secure")
        client.cookies.clear()
        value = cookie.partition(";")[0]
        assert (await client.get("/runs", headers=host | {"Cookie": value})).status_code == 200
        plain = {"Cookie": value.removeprefix("__Host-")}
        assert (await client.get("/runs", headers=host | plain)).status_code == 401


async def test_a_session_changes_something_only_from_a_page_of_ours() -> None:
    service = MemoryService()
    async with client_of(service, auth=Auth(KEYS)) as client:
        session = {"Cookie": await signed_in(client), **ASYNC}
        own = str(client.base_url).rstrip("/")
        refused: tuple[dict[str, str], ...] = (
            {},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        )
        for headers in refused:
            answer = await client.post("/code", json=CODE, headers=session | headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
        assert not service.runs
        for headers in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin"}):
            answer = await client.post("/code", json=CODE, headers=session | headers)
            assert answer.status_code == 202
        assert {run.record.owner for run in service.runs.values()} == {"ann"}


async def test_a_session_does_not_draw_itself_out() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        session = {"Cookie": await signed_in(client), "Sec-Fetch-Site": "same-origin"}
        answer = await client.post("/session", headers=session)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)


async def test_a_key_that_is_presented_wins_over_a_session() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        session = {"Cookie": await signed_in(client)}
        bob = {"Authorization": f"Bearer {KEYS[1][1]}"}
        assert (await client.get("/session", headers=session | bob)).json()["name"] == "bob"
        wrong = {"Authorization": "Bearer nobody"}
        assert (await client.get("/session", headers=session | wrong)).status_code == 401


async def test_signing_out_takes_the_cookie_back() -> None:
    async with client_of(MemoryService(), auth=Auth(KEYS)) as client:
        session = {"Cookie": await signed_in(client), "Sec-Fetch-Site": "same-origin"}
        answer = await client.delete("/session", headers=session)
        assert answer.status_code == 204
        assert answer.headers["Set-Cookie"].startswith("coding-agent-session=; Path=/; Max-Age=0;")


async def test_without_keys_there_is_no_session() -> None:
    async with client_of(MemoryService()) as client:
        answer = await client.post("/session")
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (204, False)
        who = (await client.get("/session")).json()
        assert (who["name"], who["operator"], who["keyRequired"]) == ("local", False, False)


async def test_a_cookie_of_a_service_with_keys_is_nothing_to_one_without() -> None:
    session = {"Cookie": f"coding-agent-session={token()}"}
    async with client_of(MemoryService()) as client:
        answer = await client.get("/session", headers=session)
        assert (answer.status_code, answer.json()["name"]) == (200, "local")


async def test_no_stream_outlives_its_session() -> None:
    app = make_app(MemoryService().open, auth=Auth(KEYS))
    said = ""
    async with serving(app) as address, httpx.AsyncClient() as client, asyncio.timeout(30):
        for left_s in (2, 4, 8):  # a slow machine asks only after the end of a short one
            ends_soon = token(time.time() - SESSION_S + left_s)
            client.headers["Cookie"] = f"coding-agent-session={ends_soon}"
            async with client.stream("GET", f"{address}/events") as answer:
                said = "".join([part async for part in answer.aiter_text()])
            if answer.status_code == 200:
                break
        assert "event: stream.end" in said
        assert (await client.get(f"{address}/events")).status_code == 401


async def test_the_repositories_are_those_that_the_key_may_use() -> None:
    async def listed() -> tuple[str, ...]:
        return "ann/b", "bob/c", "ann/a"

    def allowed(who: str, name: str) -> bool:
        return name.startswith(who)

    app = make_app(
        MemoryService().open, auth=Auth(KEYS), known_repositories=listed, repo_allowed=allowed
    )
    async with serving(app) as address, httpx.AsyncClient(headers=BEARER) as client:
        answer = await client.get(f"{address}/session/repositories")
    assert answer.json() == {"repositories": ["ann/b", "ann/a"]}
