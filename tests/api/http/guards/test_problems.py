"""Errors as problem documents: the map is total, and nothing inside is told."""

import inspect
import json
import pickle

import pytest
from starlette.requests import Request

from api.http.guards.problems import STATUS, on_error, status_of
from graph import errors
from tests.standins.servers.http_service import CODE, client_of
from tests.standins.services.in_memory_run_service import FAULT, MemoryService

ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.CodingAgentError)
]
REQUEST = Request({"type": "http", "method": "GET", "path": "/", "headers": []})


def test_every_error_has_a_status() -> None:
    assert set(ERRORS) == set(STATUS)


@pytest.mark.parametrize("kind", ERRORS)
async def test_every_error_becomes_a_problem(kind: type[errors.CodingAgentError]) -> None:
    answer = await on_error(REQUEST, kind("what /var/lib/secret holds", "hint"))
    body = bytes(answer.body).decode()
    assert answer.status_code == STATUS[kind]
    assert answer.headers["content-type"] == "application/problem+json"
    assert f'"code":"{kind.code}"' in body
    assert f'"status":{STATUS[kind]}' in body
    if answer.status_code >= 500:
        assert "/var/lib" not in body
    if answer.status_code == 422:
        assert '"errors":[{"pointer"' in body
    if answer.status_code == 429:
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("error", "pointer"),
    [
        (errors.InvalidRequest("prompt is one word of many."), ""),
        (errors.InvalidRequest("What was sent is odd.", field="prompt"), "/prompt"),
        (errors.LimitRaised("Too much.", field="maxCostUsd"), "/maxCostUsd"),
        (errors.InvalidRepoUrl("x is no address."), "/repoUrl"),
        (errors.BranchNotFound("main is missing."), ""),
    ],
)
async def test_the_field_of_an_error_is_its_own_and_not_read_from_its_words(
    error: errors.CodingAgentError, pointer: str
) -> None:
    sent = pickle.loads(pickle.dumps(error))
    answer = json.loads(bytes((await on_error(REQUEST, sent)).body))
    assert [item["pointer"] for item in answer["errors"]] == [pointer]


def test_a_later_error_takes_the_status_of_its_kind() -> None:
    class Newer(errors.RunActive):
        """Raised never."""

    assert status_of(Newer("x")) == 409


async def test_a_missing_and_a_forbidden_repository_look_the_same() -> None:
    missing = await on_error(REQUEST, errors.RepositoryNotFound("o/r is missing"))
    hidden = await on_error(REQUEST, errors.RepositoryNotAllowed("o/r is outside"))
    assert (missing.status_code, missing.body) == (hidden.status_code, hidden.body)


@pytest.mark.parametrize("fault", [ValueError("secret inside"), FAULT, KeyError("secret")])
async def test_an_unexpected_error_tells_nothing(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    service = MemoryService()
    run_id = service.add()
    service.fault = fault
    async with client_of(service) as client:
        for answer in (await client.get(f"/runs/{run_id}"), await client.post("/code", json=CODE)):
            assert answer.status_code == 500
            assert answer.json()["code"] == "internal"
            assert "secret" not in answer.text
            assert "Traceback" not in answer.text
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "secret inside" in caplog.text or "'secret'" in caplog.text


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (errors.StoreLocked("locked /data/x"), 503),
        (errors.StoreFull("full"), 507),
        (errors.TooManyRuns("100 runs wait"), 429),
        (errors.LimitRaised("maxCostUsd takes at most 5."), 422),
        (errors.BranchNotAllowed("Another prefix."), 422),
        (errors.ModelNotAllowed("That model is not offered."), 422),
    ],
)
async def test_what_the_service_raises_is_answered(
    fault: errors.CodingAgentError, status: int
) -> None:
    service = MemoryService()
    service.fault = fault
    async with client_of(service) as client:
        answer = await client.post("/code", json=CODE, headers={"Idempotency-Key": "k1"})
        assert (answer.status_code, answer.json()["code"]) == (status, fault.code)
        assert ("Retry-After" in answer.headers) == (status in (429, 503))
        service.fault = None
        answer = await client.post(
            "/code", json=CODE, headers={"Idempotency-Key": "k1", "Prefer": "respond-async"}
        )
        assert answer.status_code == 202


async def test_what_the_framework_refuses_is_a_problem_too() -> None:
    async with client_of(MemoryService()) as client:
        nothing = await client.get("/nothing/<script>")
        method = await client.put("/code", json=CODE)
        run = await client.put("/runs/01abc")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_found")
    assert "script" not in nothing.text
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["Allow"] == "OPTIONS, POST"
    assert run.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS"
    assert nothing.json() == {
        "type": "urn:coding-agent:problem:not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing at this address.",
        "code": "not_found",
    }
