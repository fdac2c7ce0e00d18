"""What GitHub's description says of refusals and of long lists, and what is made of it."""

import time
from typing import Any

import pytest

from forge.github.api_errors import ApiError
from graph.errors import CodingAgentError
from tests.standins.github_contract.operations import github_operations
from tests.standins.github_contract.schemas import complete
from tests.standins.github_server.repository import HostedPull
from tests.support.trusted_side import TrustedSide

NAME = "octo/sample"
FIELD = {"resource": "PullRequest", "field": "base", "code": "invalid"}


def refusals() -> list[tuple[str, int, dict[str, Any]]]:
    """Call, status and schema of all refusals that the description has of calls of ours."""
    known = github_operations()
    return [
        (f"{method.upper()} {path}", int(status), content["schema"])
        for path, item in known.description["paths"].items()
        for method, operation in item.items()
        for status, answer in operation["responses"].items()
        for content in known.resolve(answer).get("content", {}).values()
        if int(status) >= 400
    ]


def test_each_documented_refusal_is_an_error_of_ours() -> None:
    assert {status for _, status, _ in refusals()} >= {401, 403, 404, 409, 410, 422, 503}
    for call, status, schema in refusals():
        body = complete({"message": "Told so"}, schema)
        error = ApiError.read(status, body, {}, limited=False).error(call)
        assert isinstance(error, CodingAgentError), (call, status)
        assert status >= 500 or "Told so" in error.message, (call, status)


@pytest.mark.parametrize("told", [[FIELD], ["base is invalid"], [{"message": "base is invalid"}]])
def test_each_documented_shape_of_a_422_is_read(told: list[Any]) -> None:
    """`validation-error` lists objects, `validation-error-simple` lists texts."""
    body = {"message": "Validation Failed", "errors": told}
    assert "base is invalid" in ApiError.read(422, body, {}, limited=False).message


@pytest.fixture
def with_many(side: TrustedSide) -> TrustedSide:
    """A repository with seventy pull requests, of which GitHub shows thirty at a time."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    for number in range(1, 71):
        side.hosted.pulls[number] = HostedPull(
            *(number, f"Pull {number}", "", "main", f"b{number}", "a" * 40, "b" * 40),
            draft=False,
            state="closed",
            merged_at=when,
            updated_at=when,
        )
    return side


async def test_a_long_list_is_read_page_by_page(with_many: TrustedSide) -> None:
    side = with_many
    before = side.forge.calls("GET", "/pulls")
    merged = await side.github.merged_pulls(NAME, time.time() - 3600, 65)
    assert sorted(pull.number for pull in merged) == list(range(6, 71))
    assert side.forge.calls("GET", "/pulls") - before == 3


async def test_what_is_written_to_an_old_name_is_written(side: TrustedSide) -> None:
    """GitHub answers a write to a renamed repository by 307 and does nothing."""
    side.hosted.issues[1] = ("A title", "A body")
    side.forge.rename(side.hosted, "octo/renamed")
    number = await side.github.create_comment(NAME, 1, "First")
    await side.github.edit_comment(NAME, number, "Second")
    await side.github.add_reaction(NAME, "issue", 1, "eyes")
    assert [each.body for each in await side.github.comments(NAME, 1, 10)] == ["Second"]
    assert side.hosted.reactions == [("issues/1", "eyes")]


async def test_what_is_asked_of_an_old_name_is_asked_whole(side: TrustedSide) -> None:
    """GitHub leads to the present place with the query that it was asked with."""
    side.hosted.issues[1] = ("A title", "A body")
    for number in range(120):
        side.hosted.say(1, "ada", f"Comment {number}")
    side.forge.rename(side.hosted, "octo/renamed")
    said = await side.github.comments(NAME, 1, 100)
    assert [each.body for each in said] == [f"Comment {number}" for number in range(20, 120)]
