"""The contract with GitHub: what breaks it is told, whoever breaks it."""

import json
from typing import Any

import pytest

from tests.standins.github_contract.contract import Answer, Call, Contract
from tests.standins.github_contract.operations import github_operations
from tests.standins.github_contract.trim import trim

REPO = "/repos/octo/sample"
JSON = {"user-agent": "tests", "content-type": "application/json"}
PULL = {"title": "T", "head": "more", "base": "main"}


def sent(method: str, path: str, query: str = "", body: Any = None, **headers: str) -> Call:
    said = json.dumps(body).encode() if body is not None else b""
    return Call(method, path, query, JSON | headers, said)


FITS = [
    sent("GET", REPO),
    sent("GET", f"{REPO}/git/ref/heads/a/b"),
    sent("GET", f"{REPO}/compare/a...b"),
    sent("GET", f"{REPO}/commits/main/check-runs", "per_page=100&filter=latest"),
    sent("POST", f"{REPO}/pulls", body=PULL),
    sent("POST", f"{REPO}/issues/7/labels", body={"labels": ["bug"]}),
    sent("PATCH", f"{REPO}/issues/comments/7", body={"body": "x"}),
]
BREAKS = {
    "no such call": (sent("GET", f"{REPO}/nothings"), "is not in"),
    "a word for a number": (sent("GET", f"{REPO}/pulls/one"), "pull_number in its path"),
    "a parameter of nobody": (sent("GET", REPO, "x=1"), "x is no parameter of its query"),
    "a wrong parameter": (sent("GET", f"{REPO}/pulls", "state=merged"), "state in its query"),
    "a field of nobody": (
        sent("POST", f"{REPO}/pulls", body=PULL | {"titel": "T"}),
        "titel is no field of ",
    ),
    "a field that is missing": (sent("POST", f"{REPO}/pulls", body={"title": "T"}), "head"),
    "a field of a wrong kind": (
        sent("POST", f"{REPO}/pulls", body=PULL | {"draft": "yes"}),
        "draft: ",
    ),
    "a list for an object": (sent("POST", f"{REPO}/issues/7/labels", body=["bug"]), "all of it"),
    "no body": (sent("POST", f"{REPO}/pulls"), "Its body is missing"),
    "a body too many": (sent("GET", REPO, body={}), "It has no body"),
    "a body that is no JSON": (Call("POST", f"{REPO}/pulls", "", JSON, b"{"), "no JSON"),
    "a body of another kind": (
        sent("POST", f"{REPO}/pulls", body=PULL, **{"content-type": "text/plain"}),
        "The body is text/plain",
    ),
    "nobody": (sent("GET", REPO, **{"user-agent": ""}), "Nothing says who asks"),
    "another version": (sent("GET", REPO, **{"x-github-api-version": "1"}), "Version is 1"),
}


@pytest.mark.parametrize("call", FITS, ids=lambda call: f"{call.method} {call.path}")
def test_what_fits_breaks_nothing(call: Call) -> None:
    contract = Contract()
    assert contract.hold_request(call)
    assert contract.take_breaches() == []


@pytest.mark.parametrize("name", BREAKS)
def test_a_wrong_request_is_told(name: str) -> None:
    call, said = BREAKS[name]
    contract = Contract()
    contract.hold_request(call)
    assert any(said in breach for breach in contract.take_breaches())


def test_who_adds_a_call_learns_how() -> None:
    contract = Contract()
    contract.hold_request(sent("GET", f"{REPO}/milestones"))
    [told] = contract.take_breaches()
    version = github_operations().description["info"]["version"]
    assert f"npm pack @octokit/openapi@{version}" in told
    assert f'octokit-openapi-{version}.tgz "GET {REPO}/milestones"' in told


def answered(call: Call, status: int, body: Any) -> tuple[Any, list[str]]:
    """What goes out for an answer, and what is wrong with it."""
    contract = Contract()
    operation = contract.hold_request(call)
    assert operation
    said = json.dumps(body).encode() if body is not None else b""
    went_out = contract.hold_answer(operation, Answer(status, {}, said))
    return json.loads(went_out or b"null"), contract.take_breaches()


COMMENTS = sent("GET", f"{REPO}/issues/7/comments")


def test_an_answer_has_all_that_githubs_have() -> None:
    comment = {"id": 7, "body": "x", "user": {"login": "octocat"}}
    [told], breaches = answered(COMMENTS, 200, [comment])
    assert breaches == []
    assert (told["id"], told["body"], told["user"]["login"]) == (7, "x", "octocat")
    assert {"node_id", "html_url", "created_at", "updated_at"} <= told.keys()
    assert {"avatar_url", "site_admin"} <= told["user"].keys()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, [{"id": "7"}], "0/id"),
        (200, [{"text": "x"}], "text is no field"),
        (200, [{"user": {"name2": "x"}}], "user/name2 is no field"),
        (200, [{"url": "/7"}], "0/url"),
        (200, {}, "all of it"),
        (200, None, "without body"),
        (202, [], "is never answered 202"),
        (404, {"msg": "x"}, "msg is no field"),
    ],
)
def test_a_wrong_answer_is_told(status: int, body: Any, said: str) -> None:
    _, breaches = answered(COMMENTS, status, body)
    assert any(said in breach for breach in breaches)


@pytest.mark.parametrize("status", [301, 304, 401, 403, 404, 410, 429, 502])
def test_any_call_may_be_refused(status: int) -> None:
    assert answered(sent("GET", "/user"), status, {"message": "No"})[1] == []


def test_any_write_may_be_refused_for_what_it_says() -> None:
    told = {"message": "No", "errors": [{"field": "run_id", "code": "invalid"}]}
    rerun = sent("POST", f"{REPO}/actions/runs/7/rerun-failed-jobs")
    assert answered(rerun, 422, told)[1] == []
    assert "422" in answered(sent("GET", "/user"), 422, told)[1][0]


def test_a_trimmed_description_is_what_it_was_trimmed_from() -> None:
    whole = github_operations().description
    call = f"GET {REPO}/issues/7"
    trimmed = trim(whole, [call])
    [path] = trimmed["paths"]
    assert trimmed["paths"][path] == {"get": whole["paths"][path]["get"]}
    for kind, components in trimmed["components"].items():
        assert components.items() <= whole["components"][kind].items()
    assert trimmed["components"]["schemas"].keys() < whole["components"]["schemas"].keys()
    with pytest.raises(LookupError, match="no operation GET /nothing"):
        trim(whole, ["GET /nothing"])
