"""What a request may ask for within what the operator allows."""

from pathlib import Path
from typing import Any

import pytest

from graph.errors import (
    BranchNotAllowed,
    InvalidRequest,
    LimitRaised,
    ModelNotAllowed,
    PriceUnknown,
    RequestError,
)
from graph.request.request_rules import RequestRules
from graph.request.run_request import RunRequest
from graph.state import Limits
from runs.model.operator_limits import digest_of
from runs.model.run import Run
from tests.standins.services.run_service import REQUEST, config_of

RULES = RequestRules(allow=("workflows",), models=("claude-a", "claude-b"))
LIMITS = Limits(max_cost_usd=5, max_tokens=0, max_fix_rounds=3, timeout_s=3600)


def request(**changes: Any) -> RunRequest:
    return {**REQUEST, **changes}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("asked", "effective"),
    [
        ({}, LIMITS),
        ({"max_cost_usd": 1.5}, LIMITS.model_copy(update={"max_cost_usd": 1.5})),
        ({"max_cost_usd": 5}, LIMITS),
        ({"max_tokens": 1000}, LIMITS.model_copy(update={"max_tokens": 1000})),
        ({"max_fix_rounds": 0}, LIMITS.model_copy(update={"max_fix_rounds": 0})),
        ({"timeout_s": 60}, LIMITS.model_copy(update={"timeout_s": 60})),
        ({"max_cost_usd": None}, LIMITS),
    ],
)
def test_a_request_may_lower_limits(asked: Any, effective: Limits, tmp_path: Path) -> None:
    accepted = config_of(tmp_path, limits=LIMITS).accept(request(**asked))
    for name, value in effective.model_dump().items():
        assert accepted[name] == value  # type: ignore[literal-required]


@pytest.mark.parametrize(
    ("asked", "error", "named"),
    [
        ({"max_cost_usd": 5.01}, LimitRaised, "maxCostUsd 5.01"),
        ({"max_cost_usd": 0}, LimitRaised, "maxCostUsd 0"),
        ({"max_cost_usd": -1}, InvalidRequest, "maxCostUsd"),
        ({"max_cost_usd": float("nan")}, InvalidRequest, "maxCostUsd"),
        ({"max_cost_usd": float("inf")}, InvalidRequest, "maxCostUsd"),
        ({"max_tokens": -1}, InvalidRequest, "maxTokens"),
        ({"max_fix_rounds": 4}, LimitRaised, "maxFixRounds 4"),
        ({"timeout_s": 3601}, LimitRaised, "timeoutS 3601"),
        ({"timeout_s": 0}, InvalidRequest, "timeoutS 0"),
        ({"model": "gpt"}, ModelNotAllowed, "'gpt'"),
        ({"branch": "topic"}, BranchNotAllowed, "'topic' does not begin with agent/"),
        ({"branch": "agent/$(id)"}, InvalidRequest, "id"),
        ({"branch": "+agent/x"}, InvalidRequest, "agent/x"),
        ({"branch": "HEAD"}, InvalidRequest, "'HEAD'"),
        ({"branch": "0" * 40}, InvalidRequest, "0000"),
        ({"allow": ["workflows", "large_files"]}, InvalidRequest, "'large_files'"),
        ({"prompt": " \n"}, InvalidRequest, "prompt"),
        ({"prompt": 7}, InvalidRequest, "prompt"),
        ({"labels": "x"}, InvalidRequest, "labels"),
    ],
)
def test_a_request_that_asks_too_much(
    asked: Any, error: type[RequestError], named: str, tmp_path: Path
) -> None:
    config = config_of(tmp_path, limits=LIMITS, rules=RULES)
    with pytest.raises(error, match=named):
        config.accept(request(**asked))


def test_a_model_without_a_price_needs_a_limit_of_tokens(tmp_path: Path) -> None:
    rules = RequestRules(role_models={"coder": "house"}, has_price=lambda name: name == "priced")
    config = config_of(tmp_path, limits=Limits(max_tokens=0), rules=rules)
    with pytest.raises(PriceUnknown, match="'house'"):
        config.accept(request())
    assert config.accept(request(model="priced"))
    assert config.accept(request(max_tokens=1000))["max_tokens"] == 1000
    limited = config_of(tmp_path, limits=Limits(max_tokens=1000), rules=rules)
    run = Run(run_id="r", owner="me", request=limited.accept(request()), created_at=0.0)
    assert limited.started(run).data()["unpriced"] == ["house"]


def test_an_operator_may_let_a_branch_have_any_name(tmp_path: Path) -> None:
    config = config_of(tmp_path, rules=RequestRules(any_branch=True))
    assert config.accept(request(branch="topic/x"))["branch"] == "topic/x"
    with pytest.raises(InvalidRequest):
        config.accept(request(branch="HEAD"))


def test_without_an_operators_limit_any_may_be_set(tmp_path: Path) -> None:
    config = config_of(tmp_path, limits=Limits(max_cost_usd=0))
    assert config.accept(request(max_cost_usd=100))["max_cost_usd"] == 100
    assert config.accept(request(max_cost_usd=0))["max_cost_usd"] == 0
    assert config.accept(request(model="any", allow=["workflows"]))["model"] == "any"


def test_other_limits_for_another_attempt(tmp_path: Path) -> None:
    config = config_of(tmp_path, limits=LIMITS)
    accepted = config.accept(request(max_cost_usd=1))
    assert config.with_limits(accepted, {})["max_cost_usd"] == 1
    assert config.with_limits(accepted, {"max_cost_usd": 3})["max_cost_usd"] == 3
    with pytest.raises(LimitRaised):
        config.with_limits(accepted, {"max_cost_usd": 6})
    stricter = config_of(tmp_path, limits=LIMITS.model_copy(update={"max_cost_usd": 0.5}))
    assert stricter.with_limits(accepted, {})["max_cost_usd"] == 0.5


def test_the_model_of_each_role(tmp_path: Path) -> None:
    config = config_of(tmp_path, models={"planner": "a", "coder": "b"})
    assert config.models_of(request()) == {"planner": "a", "coder": "b"}
    assert config.models_of(request(model="c")) == {"planner": "c", "coder": "c"}


def test_a_digest_is_of_what_is_asked() -> None:
    assert digest_of(request()) == digest_of(
        {"prompt": REQUEST["prompt"], "repo_url": "octocat/hello"}
    )
    assert digest_of(request(draft=False, labels=[], title=None)) == digest_of(request())
    assert digest_of(request(draft=True)) != digest_of(request())
    assert digest_of(request(max_fix_rounds=0)) != digest_of(request())
