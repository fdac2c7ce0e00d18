"""Small frozen values: names on the wire, limits, the branch's name, events and errors."""

import pickle
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph import errors
from graph.events import (
    EVENT,
    Event,
    PlanReady,
    PrCreated,
    RunFinished,
    RunStarted,
    ToolFinished,
    UsageReported,
    ValidationFinished,
)
from graph.request.branch_names import branch_name
from graph.request.run_request import RunRequest
from graph.spending import Spend, Usage
from graph.state import Limits
from graph.values import CommandReport, Failure, Plan


@given(st.text(), st.uuids())
def test_a_branch_name_is_always_a_safe_ref(prompt: str, run_id: object) -> None:
    assert re.fullmatch(
        r"agent/([A-Z][A-Z0-9]+-\d+-)?[a-z0-9]+(-[a-z0-9]+)*-[0-9a-z]{8}",
        branch_name(prompt, str(run_id)),
    )


@given(
    st.floats(0, 100),
    st.one_of(st.none(), st.floats(0, 100)),
    st.integers(0, 10),
    st.one_of(st.none(), st.integers(0, 10)),
)
def test_a_request_never_raises_a_limit(
    money: float, asked_money: float | None, rounds: int, asked_rounds: int | None
) -> None:
    limits = Limits(max_cost_usd=money, max_fix_rounds=rounds)
    request: RunRequest = {
        "repo_url": "x",
        "prompt": "x",
        "max_cost_usd": asked_money,
        "max_fix_rounds": asked_rounds,
    }
    lowered = limits.lowered_by(request)
    assert lowered.max_cost_usd <= (money or float("inf"))
    assert lowered.max_fix_rounds <= rounds
    if money:
        assert lowered.max_cost_usd > 0


def test_events_go_on_the_wire_in_camel_case_without_key() -> None:
    event = ToolFinished(
        key="1.2.1.3", role="coder", call_id="t1", ok=False, output="x", exit_code=1, duration_ms=5
    )
    assert event.data() == {
        "type": "tool.finished",
        "role": "coder",
        "callId": "t1",
        "ok": False,
        "output": "x",
        "exitCode": 1,
        "durationMs": 5,
    }


def test_what_readers_count_on_is_there_as_null_too() -> None:
    started = RunStarted(repo_url="x", prompt="p", models={}, version="1", attempt=1)
    assert (started.data()["baseBranch"], "baseSha" in started.data()) == (None, False)
    local = PrCreated(url=None, number=None, branch="b", draft=False).data()
    assert (local["url"], local["number"]) == (None, None)
    absent = CommandReport(command="c", exit_code=None, status="unavailable", duration_ms=1)
    validated = ValidationFinished(
        status="unavailable", commands=(absent,), new_failures=(), known_failures=()
    )
    assert validated.data()["commands"][0]["exitCode"] is None


def test_the_plan_on_the_wire() -> None:
    event = PlanReady(plan_id="plan-1", plan=Plan(summary="s", validate_=("make",)))
    assert event.data()["plan"]["validate"] == ["make"]
    assert event.data()["planId"] == "plan-1"


def test_usage_names_tokens_as_the_api_does_and_says_unknown_cost() -> None:
    event = UsageReported(
        role="coder", model="m", usage=Usage(input_tokens=3), cost_usd=None, run_cost_usd=None
    )
    data = event.data()
    assert data["input_tokens"] == 3
    assert data["cache_read_input_tokens"] == 0
    assert data["costUsd"] is None
    assert data["replies"] == 1


def test_run_finished_keeps_an_unknown_cost() -> None:
    event = RunFinished(
        attempt=1,
        status="failed",
        usage=Usage(),
        cost_usd=None,
        error=Failure(code="x", message="y"),
    )
    assert event.data()["costUsd"] is None
    assert event.data()["error"]["code"] == "x"


def test_the_same_event_has_the_same_key_and_another_has_another() -> None:
    one = PlanReady(plan_id="plan-1", plan=Plan(summary="s")).keyed("plan-1")
    same = PlanReady(plan_id="plan-1", plan=Plan(summary="s")).keyed("plan-1")
    other = PlanReady(plan_id="plan-1", plan=Plan(summary="t")).keyed("plan-1")
    assert one.key == same.key != other.key


def test_every_event_type_is_known_by_its_name() -> None:
    types = {model.model_fields["type"].default for model in get_args(Event)}
    assert len(types) == len(get_args(Event))
    event = EVENT.validate_python(
        {"type": "retry", "what": "claude", "attempt": 1, "waitMs": 5, "reason": "529"}
    )
    assert event.type == "retry"


def test_unknown_cost_stays_unknown() -> None:
    assert (Spend(cost_usd=None) + Spend(cost_usd=1.0)).cost_usd is None
    assert (Spend(cost_usd=0.5) + Spend(cost_usd=1.0)).cost_usd == 1.5


def _all(cls: type[errors.CodingAgentError]) -> list[type[errors.CodingAgentError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in _all(sub))]


@pytest.mark.parametrize("cls", _all(errors.CodingAgentError))
def test_every_error_is_in_the_drawn_tree_and_survives_a_journey(
    cls: type[errors.CodingAgentError],
) -> None:
    assert errors.__doc__
    assert re.search(rf"\b{cls.__name__}\b", errors.__doc__)
    assert re.fullmatch(r"[a-z_]+", cls.code)
    assert (cls.__doc__ or "").startswith("Raised when")
    again = pickle.loads(pickle.dumps(cls("what happened", "what to do")))
    assert (again.message, again.hint, again.code) == ("what happened", "what to do", cls.code)


def test_a_branch_name_tells_no_key() -> None:
    key = "0123456789abcdef0123456789abcdef"
    assert branch_name(f"Use {key} to greet", "01abcdefgh") == "agent/use-to-greet-abcdefgh"
    assert branch_name(f"Use sk_{key}", "01abcdefgh") == "agent/use-sk-abcdefgh"


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Fix ABC-123: greet", "agent/ABC-123-greet-abcdefgh"),
        ("Take UTF-8 and SHA-256, see OPS-7 and OPS-8.", "agent/OPS-7-greet-abcdefgh"),
        ("Take UTF-8 alone; not-ABC-1, ABC-1x or abc-12.", "agent/greet-abcdefgh"),
    ],
)
def test_a_ticket_of_the_prompt_is_kept_in_the_name(prompt: str, name: str) -> None:
    assert branch_name("Greet", "01abcdefgh", prompt=prompt) == name


def test_a_ticket_is_named_once() -> None:
    name = branch_name("ABC-123: Greet", "01abcdefgh", prompt="Fix ABC-123")
    assert name == "agent/ABC-123-greet-abcdefgh"
