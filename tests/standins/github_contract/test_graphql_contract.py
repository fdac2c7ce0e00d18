"""The contract with GitHub where GraphQL is spoken."""

import json
from typing import Any

import pytest

from tests.standins.github_contract.graphql_contract import SCHEMA, VERSION, judge_graphql
from tests.standins.github_contract.trim_graphql import trim

VIEWER = "query { viewer { login databaseId } }"
READY = """mutation Mutation($input: MarkPullRequestReadyForReviewInput!) {
  markPullRequestReadyForReview(input: $input) { clientMutationId pullRequest { isDraft } } }"""
VIEWED = {"viewer": {"login": "octocat", "databaseId": 1}}


def judged(query: str, answer: Any, **variables: Any) -> str:
    asked = json.dumps({"query": query, "variables": variables}).encode()
    return "\n".join(judge_graphql(asked, json.dumps(answer).encode()))


def test_what_fits_breaks_nothing() -> None:
    assert judged(VIEWER, {"data": VIEWED}) == ""
    marked = {"clientMutationId": None, "pullRequest": {"isDraft": False}}
    told = {"data": {"markPullRequestReadyForReview": marked}}
    assert judged(READY, told, input={"pullRequestId": "PR_1"}) == ""
    assert judged(VIEWER, {"data": None, "errors": [{"message": "No"}]}) == ""


@pytest.mark.parametrize(
    ("query", "answer", "said"),
    [
        ("query { viewer { name } }", {"data": {}}, f"graphql-schema@{VERSION}"),
        (READY, {"data": {}}, "to be provided"),
        (VIEWER, {"data": {"viewer": {"databaseId": 1}}}, "login"),
        (VIEWER, {"data": {"viewer": {"login": "x", "databaseId": "one"}}}, "Int cannot"),
        (VIEWER, {"data": {"viewer": {**VIEWED["viewer"], "name": "x"}}}, "not asked for"),
        (VIEWER, {"data": None, "errors": [{}]}, "does not say"),
    ],
)
def test_what_does_not_fit_is_told(query: str, answer: Any, said: str) -> None:
    assert said in judged(query, answer)


def test_a_trimmed_schema_holds_what_its_fields_need() -> None:
    whole = SCHEMA.read_text()
    trimmed = trim(whole, ["Mutation.markPullRequestReadyForReview", "Query.viewer"])
    assert "input MarkPullRequestReadyForReviewInput {" in trimmed
    assert "login" not in trimmed
    with pytest.raises(LookupError, match=r"no field Query\.nothing"):
        trim(whole, ["Query.nothing"])
