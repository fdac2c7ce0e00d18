"""What may be asked is one rule: this machine refuses what a server refuses, and names the same."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from api.cli.local.checked_runs import CheckedRuns
from api.client.remote_runs import RemoteRuns
from api.client.runs_protocol import Runs
from api.client.server_error import ServerError
from api.http.routes.request_models import CodeRequest, MessageRequest, PlanAnswer
from api.terminal.text.option_names import name_options
from forge.core.repository_address import parse
from graph import wire_name
from graph.errors import RequestError
from graph.values import Approval, Plan
from tests.standins.servers.http_service import make_app, serving
from tests.standins.services.run_service import House

LONG = "x" * 40_000
PLAN: dict[str, Any] = {"summary": "s", "steps": ("a",)}
BAD: dict[str, tuple[Any, ...]] = {
    "prompt": (" \n", "a\0b", LONG),
    "repo_url": ("", "a\nb", "o/" + LONG, "https://elsewhere.example/o/r", "o/r/x y"),
    "base_branch": ("", "a b", "-a", "a..b", LONG),
    "branch": ("", "a b", "HEAD", LONG),
    "setup": ([""], [" "], ["a\0b"], [LONG], ["a"] * 21),
    "validate": ([""], [" "], ["a\0b"], [LONG], ["a"] * 21),
    "title": ("", "a\nb", "a\x07b", LONG),
    "labels": ([""], ["a\nb"], [LONG], ["a"] * 21),
    "reviewers": ([""], ["a b"], ["-a"], ["o/t/x"], [LONG], ["a"] * 16),
    "allow": ([""], ["all"], ["workflows"] * 5),
    "model": ("", "a b", "a\nb", LONG),
    "pull_request_url": ("", "a\nb", LONG, "https://github.com/o/r"),
    "parent_run_id": ("", "../x", "a b", LONG),
}
"""Of each field that takes a text, what does not fit."""
NO_TEXT = {"validate_only", "approve_plan", "draft", "review_only"}
LIMITS = {"max_cost_usd", "max_fix_rounds", "timeout_s"}
"""The operator's own on this machine."""


def full_name(address: str) -> str:
    return parse(address, "https://github.com", allow_local=False).full_name


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Runs, Runs, str]]:
    """The runs of a server, the same as those of this machine, and the id of one."""
    house = House(tmp_path_factory.mktemp("data"))
    async with house.open(pick_up=False) as service:

        @asynccontextmanager
        async def opened() -> AsyncIterator[Any]:
            yield service

        app = make_app(opened, check_repo_url=full_name)
        async with serving(app) as address, RemoteRuns.open(address, None, version="1") as remote:
            here = CheckedRuns(service, check_address=full_name)
            yield remote, here, await here.start({"repo_url": "o/r", "prompt": "p"})


def test_each_field_of_a_request_is_tried() -> None:
    fields = {wire_name(name) for name in BAD.keys() | NO_TEXT | LIMITS}
    assert fields == {each.alias or name for name, each in CodeRequest.model_fields.items()}
    assert PlanAnswer.model_fields.keys() == {"plan_id", "decision", "plan", "feedback"}
    assert MessageRequest.model_fields.keys() == {"text"}


def options_of(error: Any) -> set[str]:
    """What is to be mended, as the command names it; a code of its own names it already."""
    if error.code != "invalid_request":
        return set()
    lines = name_options(error.message).splitlines()
    return {line.partition(":")[0] for line in lines if line.startswith(("--", "PROMPT", "TEXT"))}


async def refusal(call: Awaitable[Any]) -> tuple[str, set[str]]:
    with pytest.raises((ServerError, RequestError)) as raised:
        await call
    error: Any = raised.value
    return error.code, options_of(error)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("field", "value"), [(name, each) for name in BAD for each in BAD[name]])
async def test_a_value_that_does_not_fit_is_refused_by_both(
    both: tuple[Runs, Runs, str], field: str, value: Any
) -> None:
    there, here, _ = both
    request: Any = {"repo_url": "https://github.com/o/r", "prompt": "p", field: value}
    code, named = await refusal(there.start(request))
    assert await refusal(here.start(request)) == (code, named)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("text", ["", " \n", "a\0b", LONG])
async def test_a_message_that_does_not_fit_is_refused_by_both(
    both: tuple[Runs, Runs, str], text: str
) -> None:
    there, here, run_id = both
    assert await refusal(there.message(run_id, text)) == await refusal(here.message(run_id, text))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("decision", "plan", "feedback"),
    [
        ("approve", PLAN | {"summary": ""}, ""),
        ("approve", PLAN | {"summary": LONG}, ""),
        ("approve", PLAN | {"steps": ("a\nb",)}, ""),
        ("approve", PLAN | {"files": ("a",) * 201}, ""),
        ("approve", PLAN | {"validate": ("",)}, ""),
        ("reject", PLAN, ""),
        ("revise", None, " "),
        ("revise", None, "a\0b"),
        ("revise", None, LONG),
    ],
)
async def test_an_answer_to_a_plan_that_does_not_fit_is_refused_by_both(
    both: tuple[Runs, Runs, str], decision: Any, plan: dict[str, Any] | None, feedback: str
) -> None:
    there, here, run_id = both
    own = Plan.model_validate(plan) if plan else None
    answer = Approval(decision=decision, plan_id="p", plan=own, feedback=feedback)
    said = await refusal(there.answer_plan(run_id, answer))
    assert await refusal(here.answer_plan(run_id, answer)) == said
