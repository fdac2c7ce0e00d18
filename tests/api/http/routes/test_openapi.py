"""The OpenAPI document: what it promises is tried, and its page is served from here."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema_rs import Draft202012Validator
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from api.http.guards.auth import Auth
from api.http.routes.sse import StreamTimes
from api.http.schemas.field_descriptions import describe_fields, unused
from tests.standins.servers.http_service import (
    KEYS,
    client_of,
    make_app,
    serving,
)
from tests.standins.services.in_memory_run_service import MemoryService

PAGE = Path(__file__).parents[4] / "api" / "http" / "page"
KEY = {"Authorization": f"Bearer {KEYS[0][1]}"}
# A value of the right form may still name nothing that is there.
MAX_EXAMPLES = 8
MORE_EXAMPLES = {"POST /code": 12}  # what it answers hangs on its headers too
CALLS = {
    "POST /code",
    "GET /runs",
    "GET /events",
    "GET /audit",
    "GET /figures",
    "GET /runs/{run_id}",
    "DELETE /runs/{run_id}",
    "GET /runs/{run_id}/events",
    "GET /runs/{run_id}/diff",
    "POST /runs/{run_id}/cancel",
    "POST /runs/{run_id}/plan",
    "POST /runs/{run_id}/resume",
    "POST /runs/{run_id}/messages",
    "GET /auth-test",
    "POST /session",
    "POST /webhooks/github",
    "GET /session",
    "GET /session/repositories",
    "DELETE /session",
    "GET /health",
    "GET /ready",
    "GET /metrics",
    "GET /environments/{owner}/{repo}",
    "DELETE /environments/{owner}/{repo}",
}
WITHOUT_INPUT = {
    *("GET /health", "GET /ready", "GET /metrics"),
    *("POST /session", "GET /session", "DELETE /session"),
}
NAMES_THINGS = {
    *("POST /code", "GET /auth-test", "GET /runs", "GET /events", "GET /audit"),
    *("GET /environments/{owner}/{repo}", "DELETE /environments/{owner}/{repo}"),
}
TAKES_TEXT = {"GET /runs"}
"""In an address whatever is no text becomes one: `repo=False`."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server in a thread of its own: schemathesis calls it and waits."""
    found: list[str] = []
    stops: list[Callable[[], object]] = []
    ready = threading.Event()

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        service = MemoryService(instant=True)
        service.add("ann", status="succeeded")
        app = make_app(
            service.open, auth=Auth(KEYS), stream_times=StreamTimes(whole=0.1, heartbeat=1)
        )
        async with serving(app) as address:
            found.append(address)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    yield found[0]
    stops[0]()
    thread.join()


@pytest.fixture(scope="module")
def openapi(address: str) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


def try_operation(operation: APIOperation[Any, Any, Any], mode: GenerationMode) -> int:
    """How many calls were tried."""
    tried = 0
    excluded = [positive_data_acceptance] if operation.label in NAMES_THINGS else []
    excluded += [negative_data_rejection] if operation.label in TAKES_TEXT else []

    @settings(
        max_examples=MORE_EXAMPLES.get(operation.label, MAX_EXAMPLES),
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate(headers=KEY, excluded_checks=excluded, timeout=60)

    with suppress(Unsatisfiable):  # a call without input cannot be called wrongly
        check()
    return tried


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Overriding standard format")  # schemathesis' own doing
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_service_does_as_its_document_says(
    openapi: OpenApiSchema, mode: GenerationMode, subtests: pytest.Subtests
) -> None:
    tried: dict[str, int] = {}
    for found in openapi.get_all_operations():
        assert isinstance(found, Ok)
        with subtests.test(found.ok().label):
            tried[found.ok().label] = try_operation(found.ok(), mode)
    if mode is GenerationMode.POSITIVE:
        assert {label for label, calls in tried.items() if calls} == CALLS
    else:
        assert {label for label, calls in tried.items() if not calls} <= WITHOUT_INPUT


async def document() -> dict[str, Any]:
    async with client_of(MemoryService()) as client:
        answer = await client.get("/openapi.json")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found


async def test_every_call_of_the_contract_is_documented() -> None:
    paths = (await document())["paths"]
    assert {
        f"{method.upper()} {path}" for path, calls in paths.items() for method in calls
    } == CALLS


async def test_fields_are_camel_case_and_bodies_have_examples() -> None:
    schemas = (await document())["components"]["schemas"]
    assert set(schemas["CodeRequest"]["properties"]) == {
        *("repoUrl", "prompt", "baseBranch", "branch", "setup", "validate", "validateOnly"),
        "approvePlan",
        *("draft", "title", "labels", "reviewers", "allow", "maxCostUsd", "maxFixRounds"),
        *("timeoutS", "model", "pullRequest", "parentRunId", "reviewOnly"),
    }
    for name in ("CodeRequest", "PlanAnswer", "ResumeRequest", "MessageRequest"):
        assert schemas[name]["examples"]
        assert schemas[name]["additionalProperties"] is False


async def test_errors_are_documented_as_problems() -> None:
    found = await document()
    assert set(found["components"]["schemas"]["Problem"]["required"]) == {
        *("type", "title", "status", "detail", "code"),
    }
    assert "HTTPValidationError" not in json.dumps(found)
    for calls in found["paths"].values():
        for call in calls.values():
            for status, answer in call["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"]


async def test_only_open_calls_need_no_key() -> None:
    paths = (await document())["paths"]
    open_calls = {
        path for path, calls in paths.items() for call in calls.values() if "security" not in call
    }
    assert open_calls == {"/health", "/ready"}


async def test_the_page_is_our_own() -> None:
    async with client_of(MemoryService()) as client:
        page = await client.get("/docs")
        assert page.headers["Content-Type"].startswith("text/html")
        assert "http://" not in page.text
        assert "https://" not in page.text
        for name, kind in (
            ("/assets/swagger-ui/swagger-ui.css", "text/css"),
            ("/assets/swagger-ui/swagger-ui-bundle.js", "text/javascript"),
            ("/assets/docs.js", "text/javascript"),
        ):
            assert name in page.text
            answer = await client.get(name)
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith((kind, "application/javascript"))
            again = await client.get(name, headers={"If-None-Match": answer.headers["ETag"]})
            assert again.status_code == 304


def test_the_page_holds_no_inline_script_or_style() -> None:
    page = (PAGE / "docs.html").read_text()
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page
    assert not [word for word in ("onload", "onclick", "onerror") if word in page]


async def test_every_field_and_parameter_is_described() -> None:
    found = await document()
    schemas = found["components"]["schemas"]
    fields = {
        f"{schema}.{name}": field
        for schema, parts in schemas.items()
        for name, field in parts.get("properties", {}).items()
    }
    parameters = {
        f"{path} {parameter['name']}": parameter
        for path, calls in found["paths"].items()
        for call in calls.values()
        for parameter in call.get("parameters", ())
    }
    missing = [
        name for name, each in {**fields, **parameters}.items() if not each.get("description")
    ]
    assert missing == []


async def test_no_description_is_kept_that_no_field_needs() -> None:
    found = await document()
    for schema in found["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            field.pop("description", None)
    for calls in found["paths"].values():
        for call in calls.values():
            for parameter in call.get("parameters", ()):
                parameter.pop("description", None)
    assert unused(describe_fields(found)) == set()


async def test_examples_fit_their_schemas() -> None:
    found = await document()
    for name, schema in found["components"]["schemas"].items():
        validator = Draft202012Validator({**schema, "components": found["components"]})
        for example in schema.get("examples", ()):
            validator.validate(example)
        for field, part in schema.get("properties", {}).items():
            checks = Draft202012Validator({**part, "components": found["components"]})
            for example in part.get("examples", ()):
                assert checks.is_valid(example), f"{name}.{field}: {example}"


async def test_the_document_keeps_to_openapi_3_1() -> None:
    found = await document()
    assert found["openapi"].startswith("3.1.")
    text = json.dumps(found)
    for newer in ("itemSchema", "itemEncoding", '"query":', "$self", "deviceAuthorization"):
        assert newer not in text
