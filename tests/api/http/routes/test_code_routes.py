"""POST /code: what starts a run, what does not, and how it answers."""

from typing import Any

import pytest

from api.http.guards.auth import Auth
from graph.values import Status
from tests.standins.servers.http_service import CODE, KEYS, client_of
from tests.standins.services.in_memory_run_service import MemoryService

ASYNC = {"Prefer": "respond-async"}
FULL: dict[str, Any] = {
    "repoUrl": "https://github.com/o/r.git",
    "prompt": "Change it.\n\nThoroughly.",
    "baseBranch": "release/1.x",
    "branch": "agent/topic",
    "setup": ["make deps"],
    "validate": ["make test", "make lint"],
    "validateOnly": True,
    "approvePlan": True,
    "draft": True,
    "title": "Change it",
    "labels": ["bug", "needs review"],
    "reviewers": ["octocat", "org/team"],
    "allow": ["workflows"],
    "maxCostUsd": 2,
    "maxFixRounds": 0,
    "timeoutS": 600,
    "model": "claude-opus-5-5",
}


async def test_the_answer_is_the_runs_events() -> None:
    service = MemoryService(instant=True)
    async with client_of(service) as client:
        answer = await client.post("/code", json=CODE)
    (run_id,) = service.runs
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["X-Run-Id"] == run_id
    assert answer.headers["Location"] == f"/runs/{run_id}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    frames = answer.text.strip().split("\n\n")
    assert [frame.splitlines()[0] for frame in frames] == ["id: 1", "id: 2"]
    assert [frame.splitlines()[1] for frame in frames] == [
        "event: run.queued",
        "event: run.finished",
    ]


async def test_an_asynchronous_answer_is_the_run() -> None:
    service = MemoryService()
    async with client_of(service) as client:
        answer = await client.post("/code", json=CODE, headers=ASYNC)
    (run_id,) = service.runs
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/runs/{run_id}"
    assert answer.headers["X-Run-Id"] == run_id
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.json()["runId"] == run_id
    assert answer.json()["repoUrl"] == CODE["repoUrl"]


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        (["Respond-Async"], 202),
        (["wait=5, respond-async"], 202),
        (["respond-async; x=1"], 202),
        (["wait=1", "respond-async"], 202),
        (["respond-asynchronously"], 200),
        ([""], 200),
    ],
)
async def test_preferences_are_read_as_http_writes_them(prefer: list[str], status: int) -> None:
    async with client_of(MemoryService(instant=True)) as client:
        headers = [("Prefer", value) for value in prefer]
        assert (await client.post("/code", json=CODE, headers=headers)).status_code == status


async def test_every_field_reaches_the_run() -> None:
    service = MemoryService()
    async with client_of(service) as client:
        assert (await client.post("/code", json=FULL, headers=ASYNC)).status_code == 202
    (run,) = service.runs.values()
    assert run.record.request == {
        "repo_url": "https://github.com/o/r.git",
        "prompt": "Change it.\n\nThoroughly.",
        "base_branch": "release/1.x",
        "branch": "agent/topic",
        "setup": ["make deps"],
        "validate": ["make test", "make lint"],
        "validate_only": True,
        "approve_plan": True,
        "draft": True,
        "title": "Change it",
        "labels": ["bug", "needs review"],
        "reviewers": ["octocat", "org/team"],
        "allow": ["workflows"],
        "max_cost_usd": 2,
        "max_fix_rounds": 0,
        "timeout_s": 600,
        "model": "claude-opus-5-5",
    }


PULL = "https://github.com/o/r/pull/7"
ON_PULL = {"pullRequest": PULL, "prompt": "Do what the review asks for."}


async def test_a_pull_request_names_its_repository() -> None:
    service = MemoryService()
    async with client_of(service) as client:
        assert (await client.post("/code", json=ON_PULL, headers=ASYNC)).status_code == 202
        neither = await client.post("/code", json={"prompt": "Change it."}, headers=ASYNC)
        wrong = await client.post("/code", json=ON_PULL | {"pullRequest": "https://x"})
        alone = await client.post("/code", json=ON_PULL | {"reviewOnly": True}, headers=ASYNC)
    run, review = service.runs.values()
    assert alone.status_code == 202
    assert review.record.request["review_only"] is True
    assert run.record.request == {
        "repo_url": "https://github.com/o/r",
        "pull_request_url": PULL,
        "prompt": ON_PULL["prompt"],
    }
    assert neither.status_code == 422
    assert neither.json()["errors"][0]["pointer"] == "/repoUrl"
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/pullRequest")


async def test_a_run_that_follows_goes_on_with_the_pull_request() -> None:
    service = MemoryService()
    done = service.add(status="succeeded")
    service.publish(done, PULL)
    body = {"parentRunId": done, "prompt": "And a test."}
    async with client_of(service) as client:
        assert (await client.post("/code", json=body, headers=ASYNC)).status_code == 202
    followed = list(service.runs.values())[-1].record.request
    assert followed["parent_run_id"] == done
    assert (followed["pull_request_url"], followed["repo_url"]) == (PULL, "https://github.com/o/r")


@pytest.mark.parametrize(
    ("status", "published", "expected"),
    [("running", True, (409, "run_active")), ("succeeded", False, (422, "invalid_request"))],
)
async def test_a_run_that_cannot_be_followed_is_told(
    status: Status, published: bool, expected: tuple[int, str]
) -> None:
    service = MemoryService()
    parent = service.add(status=status)
    if published:
        service.publish(parent, PULL)
    async with client_of(service) as client:
        answer = await client.post("/code", json={"parentRunId": parent, "prompt": "More."})
    assert (answer.status_code, answer.json()["code"]) == expected


async def test_a_run_that_one_may_not_see_cannot_be_followed() -> None:
    service = MemoryService()
    others = service.add("somebody", status="succeeded")
    service.publish(others, PULL)
    async with client_of(service, auth=Auth(KEYS), key=KEYS[0][1]) as client:
        for parent in (others, "no-such-run"):
            answer = await client.post("/code", json={"parentRunId": parent, "prompt": "More."})
            assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
    assert len(service.runs) == 1


async def test_null_and_absent_are_the_same() -> None:
    service = MemoryService()
    nulls = dict.fromkeys(
        ("baseBranch", "branch", "title", "maxCostUsd", "maxFixRounds", "timeoutS", "model")
    )
    async with client_of(service) as client:
        await client.post(
            "/code", json=CODE | nulls | {"labels": [], "draft": False}, headers=ASYNC
        )
    (run,) = service.runs.values()
    assert run.record.request == {"repo_url": CODE["repoUrl"], "prompt": CODE["prompt"]}


async def test_a_keys_name_owns_the_run() -> None:
    service = MemoryService()
    async with client_of(service, auth=Auth(KEYS), key=KEYS[0][1]) as client:
        await client.post("/code", json=CODE, headers=ASYNC)
    (run,) = service.runs.values()
    assert run.record.owner == "ann"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"repoUrl": 5}, "/repoUrl"),
    ({"repoUrl": ""}, "/repoUrl"),
    ({"repoUrl": "x" * 501}, "/repoUrl"),
    ({"repoUrl": "https://github.com/o/r\nHost: evil"}, "/repoUrl"),
    ({"prompt": ""}, "/prompt"),
    ({"prompt": " \n\t"}, "/prompt"),
    ({"prompt": "x" * 32_001}, "/prompt"),
    ({"prompt": "a\x00b"}, "/prompt"),
    ({"prompt": ["x"]}, "/prompt"),
    ({"prompt": None}, "/prompt"),
    ({"baseBranch": "-x"}, "/baseBranch"),
    ({"baseBranch": "a b"}, "/baseBranch"),
    ({"baseBranch": "a^"}, "/baseBranch"),
    ({"baseBranch": "x" * 201}, "/baseBranch"),
    ({"baseBranch": "a..b"}, "/baseBranch"),
    ({"baseBranch": "refs/heads/main"}, "/baseBranch"),
    ({"branch": "a b"}, "/branch"),
    ({"branch": "HEAD"}, "/branch"),
    ({"setup": "make"}, "/setup"),
    ({"setup": ["x"] * 21}, "/setup"),
    ({"setup": ["ok", ""]}, "/setup/1"),
    ({"validate": [5]}, "/validate/0"),
    ({"validate": ["x" * 4001]}, "/validate/0"),
    ({"validateOnly": "true"}, "/validateOnly"),
    ({"validateOnly": 1}, "/validateOnly"),
    ({"approvePlan": None}, "/approvePlan"),
    ({"title": "a\nb"}, "/title"),
    ({"title": "x" * 201}, "/title"),
    ({"labels": ["x" * 51]}, "/labels/0"),
    ({"labels": ["x"] * 21}, "/labels"),
    ({"reviewers": ["@octocat"]}, "/reviewers/0"),
    ({"reviewers": ["a"] * 16}, "/reviewers"),
    ({"allow": ["everything"]}, "/allow/0"),
    ({"maxCostUsd": 0}, "/maxCostUsd"),
    ({"maxCostUsd": -1}, "/maxCostUsd"),
    ({"maxCostUsd": "5"}, "/maxCostUsd"),
    ({"maxCostUsd": True}, "/maxCostUsd"),
    ({"maxFixRounds": -1}, "/maxFixRounds"),
    ({"maxFixRounds": 1.5}, "/maxFixRounds"),
    ({"maxFixRounds": 10**30}, "/maxFixRounds"),
    ({"timeoutS": 0}, "/timeoutS"),
    ({"timeoutS": 604_801}, "/timeoutS"),
    ({"model": "-x"}, "/model"),
    ({"model": "a b"}, "/model"),
    ({"promt": "x"}, "/promt"),
    ({"repo_url": "x"}, "/repo_url"),
    ({"validate_": ["x"]}, "/validate_"),
    ({"requestedBy": "eve"}, "/requestedBy"),
    ({"marked <odd> name": 1}, ""),
]


async def test_a_field_that_does_not_fit_is_pointed_at(subtests: pytest.Subtests) -> None:
    service = MemoryService()
    async with client_of(service) as client:
        for change, pointer in BAD:
            with subtests.test(str(change)[:60]):
                answer = await client.post("/code", json=CODE | change)
                assert answer.status_code == 422
                assert answer.headers["Content-Type"] == "application/problem+json"
                problem = answer.json()
                assert problem["code"] == "invalid_request"
                assert [error["pointer"] for error in problem["errors"]] == [pointer]
                assert problem["errors"][0]["message"]
                assert "marked" not in answer.text
                assert "Host: evil" not in answer.text
                assert not service.runs


NOWHERE_HERE = [
    "https://evil.example/o/r",
    "https://user@github.com/o/r",
    "https://github.com:444/o/r",
    "https://140.82.121.4/o/r",
    "https://github.com/o/r?x=1",
    "https://github.com/o/r#x",
    "https://github.com/o/../r",
    "https://github.com/-o/r",
    "ssh://git@github.com/o/r",
    "git@github.com:o/r",
    "file:///etc",
    "/etc/passwd",
    "--upload-pack=evil",
]


async def test_an_address_of_nowhere_here_starts_nothing(subtests: pytest.Subtests) -> None:
    service = MemoryService(instant=True)
    async with client_of(service) as client:
        for repo_url in NOWHERE_HERE:
            with subtests.test(repo_url):
                answer = await client.post("/code", json=CODE | {"repoUrl": repo_url})
                assert answer.status_code == 422
                assert answer.json()["code"] == "invalid_repo_url"
                assert answer.json()["errors"][0]["pointer"] == "/repoUrl"
                assert repo_url not in answer.text
                assert not service.runs


async def test_a_repository_that_is_not_allowed_is_not_there() -> None:
    service = MemoryService()

    def allowed(name: str, full_name: str) -> bool:
        return (name, full_name) == ("ann", "o/r")

    async with client_of(service, auth=Auth(KEYS), repo_allowed=allowed) as client:
        ann, bob = ({"Authorization": f"Bearer {key}", **ASYNC} for _, key in KEYS)
        assert (await client.post("/code", json=CODE, headers=ann)).status_code == 202
        refused = await client.post("/code", json=CODE, headers=bob)
        other = await client.post(
            "/code", json=CODE | {"repoUrl": "https://github.com/o/private"}, headers=ann
        )
    assert refused.status_code == other.status_code == 404
    assert refused.json() == other.json()
    assert refused.json()["code"] == "repository_not_found"
    assert "private" not in other.text
    assert len(service.runs) == 1


async def test_a_repeat_joins_the_run() -> None:
    service = MemoryService(instant=True)
    headers = {"Idempotency-Key": "one"}
    async with client_of(service) as client:
        first = await client.post("/code", json=CODE, headers=headers)
        again = await client.post("/code", json=CODE | {"draft": False}, headers=headers)
        later = await client.post("/code", json=CODE, headers=headers | ASYNC)
        other = await client.post("/code", json=CODE | {"prompt": "Else."}, headers=headers)
    assert first.text == again.text
    assert first.headers["X-Run-Id"] == again.headers["X-Run-Id"] == later.headers["X-Run-Id"]
    assert later.status_code == 202
    assert len(service.runs) == 1
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_a_key_belongs_to_its_caller() -> None:
    service = MemoryService()
    async with client_of(service, auth=Auth(KEYS)) as client:
        for _, key in KEYS:
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "one", **ASYNC}
            await client.post("/code", json=CODE, headers=headers)
    assert [run.record.owner for run in service.runs.values()] == ["ann", "bob"]


async def test_a_call_that_is_begun_again_elsewhere_starts_no_second_run() -> None:
    """Its machine was taken away: the platform runs the same call on another one."""
    service, calls = MemoryService(instant=True), iter(["in-1", "in-1", "in-2"])
    async with client_of(service, call_name=lambda: next(calls)) as client:
        told = [(await client.post("/code", json=CODE)).headers["X-Run-Id"] for _ in range(3)]
    assert told[0] == told[1] != told[2]
    assert len(service.runs) == 2


async def test_a_message_that_is_sent_again_elsewhere_is_one() -> None:
    service, calls = MemoryService(), iter(["in-0", "in-1", "in-1", "in-2"])
    async with client_of(service, call_name=lambda: next(calls)) as client:
        run_id = (await client.post("/code", json=CODE, headers=ASYNC)).headers["X-Run-Id"]
        for _ in range(3):
            answer = await client.post(f"/runs/{run_id}/messages", json={"text": "Hello."})
            assert answer.status_code == 202
    assert service.runs[run_id].messages == ["Hello.", "Hello."]


async def test_a_refused_request_keeps_no_key() -> None:
    service = MemoryService()
    headers = {"Idempotency-Key": "one", **ASYNC}
    async with client_of(service) as client:
        bad = await client.post("/code", json=CODE | {"prompt": ""}, headers=headers)
        good = await client.post("/code", json=CODE, headers=headers)
    assert (bad.status_code, good.status_code) == (422, 202)


async def test_an_odd_idempotency_key_is_refused() -> None:
    service = MemoryService()
    async with client_of(service) as client:
        for key in (b"", b"x" * 201, b"a b", b"\xc3\xbc"):
            headers = [(b"Idempotency-Key", key)]
            answer = await client.post("/code", json=CODE, headers=headers)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["parameter"] == "idempotency-key"
    assert not service.runs


async def test_readers_are_limited_before_a_run_is_started() -> None:
    service = MemoryService(max_readers=0)
    async with client_of(service) as client:
        answer = await client.post("/code", json=CODE)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_readers")
        assert int(answer.headers["Retry-After"]) > 0
        assert not service.runs
        assert (await client.post("/code", json=CODE, headers=ASYNC)).status_code == 202
