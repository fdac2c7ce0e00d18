"""What makes publishing impossible is told before the work, with what mends it."""

import json
from typing import Any

import pytest

from forge.publish.service import ForgePublisher
from graph.errors import BranchExists, CodingAgentError, ForgeForbidden, PushRejected
from tests.standins.github import Fault
from tests.support.trusted_side import TrustedSide, git

pytestmark = pytest.mark.slow

BRANCH = "agent/change-0123abcd"
RULES = f"/rules/branches/{BRANCH}"
ALWAYS = 1000


def answer(side: TrustedSide, path_end: str, told: Any, status: int = 200) -> None:
    """Let every call for a path be answered so."""
    body = json.dumps(told).encode()
    method = "POST" if path_end.endswith("graphql") else "GET"
    side.forge.fail(method, path_end, Fault(status, body=body, times=ALWAYS))


async def check(side: TrustedSide, *, title: str | None = None, **more: Any) -> tuple[str, ...]:
    base = await side.prepare()
    told: dict[str, Any] = {"runs": side.runs, "forge": side.github}
    publisher = ForgePublisher(**(told | more))
    return await publisher.check_publishable("r1", base, BRANCH, title, side.events.append)


async def refused(side: TrustedSide, **more: Any) -> CodingAgentError:
    with pytest.raises((PushRejected, ForgeForbidden)) as raised:
        await check(side, **more)
    return raised.value


async def test_a_repository_that_takes_it_has_nothing_to_tell(side: TrustedSide) -> None:
    assert await check(side) == ()
    assert side.forge.calls("POST", ".git/git-receive-pack") == 0
    assert not side.hosted.pulls
    assert git(side.hosted.git_dir, "branch", "--format=%(refname:short)") == b"main\n"


async def test_without_the_right_to_push(side: TrustedSide) -> None:
    side.hosted.push = False
    error = await refused(side)
    assert error.code == "github_forbidden"
    assert "may not push to octo/sample" in error.message
    assert "GITHUB_TOKEN" in error.hint
    assert "CODING_AGENT_FORK=public" in error.hint


async def test_a_fork_is_the_way_where_it_may_be(side: TrustedSide) -> None:
    side.hosted.push = False
    (note,) = await check(side, forks=True)
    assert "once somebody approves" in note
    assert side.forge.calls("POST", "/forks") == 0
    assert side.forge.calls("POST", "/pulls") == 1
    assert not side.hosted.pulls


async def test_no_fork_comes_from_a_private_repository(side: TrustedSide) -> None:
    side.hosted.push, side.hosted.private = False, True
    error = await refused(side, forks=True)
    assert "CODING_AGENT_FORK" not in error.hint


async def test_a_token_that_only_reads(side: TrustedSide) -> None:
    """The account may push, and this token of it may not: git alone tells."""
    side.forge.fail("GET", ".git/info/refs", Fault(403, skip=2))
    base = await side.prepare()
    with pytest.raises(ForgeForbidden):
        await side.publisher.check_publishable("r1", base, BRANCH, None, side.events.append)


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        (Fault(403, "Resource not accessible by personal access token"), "GITHUB_TOKEN"),
        (Fault(404, "Not Found"), "GITHUB_TOKEN"),
        (
            Fault(403, headers={"x-accepted-github-permissions": "pull_requests=write"}),
            "pull_requests=write",
        ),
        (
            Fault(403, "GitHub Actions is not permitted to create or approve pull requests."),
            "repository's settings",
        ),
    ],
    ids=["no right", "no scope", "named right", "Actions"],
)
@pytest.mark.parametrize("push", [True, False], ids=["pushed", "from a fork"])
async def test_a_token_that_may_open_no_pull_request(
    side: TrustedSide, fault: Fault, step: str, push: bool
) -> None:
    side.forge.fail("POST", "/pulls", fault)
    side.hosted.push = push
    error = await refused(side, forks=True)
    assert error.code == "github_forbidden"
    assert "may open no pull request in octo/sample" in error.message
    assert step in error.hint
    assert error.hint.endswith(", then run again.")


@pytest.mark.parametrize("fault", [Fault(500), Fault(429), Fault(410, "Gone")], ids=repr)
async def test_where_the_right_to_open_one_is_not_told_nothing_stops(
    side: TrustedSide, fault: Fault
) -> None:
    side.forge.fail("POST", "/pulls", fault)
    assert await check(side) == ()


async def test_the_right_to_open_one_is_asked_for_once(side: TrustedSide) -> None:
    for _ in range(2):
        assert await check(side) == ()
    assert side.forge.calls("POST", "/pulls") == 1


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ({"has_pull_requests": False}, "takes no pull requests"),
        (
            {
                "pull_request_creation_policy": "collaborators_only",
                "permissions": {"push": False},
            },
            "takes none from others",
        ),
        ({"allow_forking": False, "permissions": {"push": False}}, "may not be forked"),
    ],
)
async def test_a_repository_that_takes_no_pull_request(
    side: TrustedSide, fact: dict[str, Any], said: str
) -> None:
    told = side.forge.shapes.repository(side.hosted)
    answer(side, "/api/v3/repos/octo/sample", {**told, **fact})
    assert said in (await refused(side, forks=True)).message


async def test_a_branch_in_the_way(side: TrustedSide) -> None:
    git(side.hosted.git_dir, "update-ref", "refs/heads/agent", "main")
    error = await refused(side)
    assert "has a branch agent" in error.message
    assert "Rename the branch agent" in error.hint


@pytest.mark.parametrize("name", [BRANCH, f"{BRANCH}/theirs"])
async def test_a_branch_that_is_there(side: TrustedSide, name: str) -> None:
    git(side.hosted.git_dir, "update-ref", f"refs/heads/{name}", "main")
    with pytest.raises(BranchExists, match=f"octo/sample has a branch {BRANCH}") as raised:
        await check(side)
    assert "that the repository does not have" in raised.value.hint


async def test_all_that_stands_in_the_way_is_told_at_once(side: TrustedSide) -> None:
    side.hosted.push = False
    git(side.hosted.git_dir, "update-ref", "refs/heads/agent", "main")
    email = pattern("commit_author_email_pattern", "ends_with", "@example.org")
    answer(side, RULES, [rule("required_signatures"), email])
    error = await refused(side)
    for said in ("may not push", "has a branch agent", "signed commits", "another author"):
        assert said in error.message
    for step in ("GITHUB_TOKEN", "Rename the branch", "CODING_AGENT_GIT_AUTHOR", "agent/*"):
        assert step in error.hint


def rule(kind: str, **parameters: Any) -> dict[str, Any]:
    told = {"parameters": parameters} if parameters else {}
    return {"type": kind, "ruleset_id": 7, **told}


def pattern(kind: str, operator: str, text: str, *, negate: bool = False) -> dict[str, Any]:
    return rule(kind, operator=operator, pattern=text, negate=negate)


@pytest.mark.parametrize(
    ("rules", "said", "hint"),
    [
        ([rule("creation")], "lets this account make no branch", "agent/*"),
        ([rule("required_signatures")], "asks for signed commits", "agent/*"),
        ([rule("required_status_checks")], "have passed their checks", "agent/*"),
        ([rule("workflows")], "have passed their checks", "agent/*"),
        ([pattern("branch_name_pattern", "starts_with", "feature/")], "other names", "agent/*"),
        ([pattern("branch_name_pattern", "ends_with", "-ok")], "other names", "agent/*"),
        ([pattern("branch_name_pattern", "contains", "JIRA")], "other names", "agent/*"),
        ([pattern("branch_name_pattern", "regex", "^(feat|fix)/")], "other names", "agent/*"),
        (
            [pattern("branch_name_pattern", "regex", "^agent/", negate=True)],
            "not regex ^agent/",
            "agent/*",
        ),
        (
            [pattern("commit_author_email_pattern", "ends_with", "@example.org")],
            "another author than octo-agent",
            "CODING_AGENT_GIT_AUTHOR",
        ),
        (
            [pattern("committer_email_pattern", "ends_with", "@example.org")],
            "another author",
            "CODING_AGENT_GIT_AUTHOR",
        ),
    ],
)
async def test_rules_that_a_push_would_break(
    side: TrustedSide, rules: list[dict[str, Any]], said: str, hint: str
) -> None:
    answer(side, RULES, rules)
    answer(side, "/rulesets/7", {"name": "Strict", "current_user_can_bypass": "never"})
    error = await refused(side)
    assert error.code == "push_refused"
    assert said in error.message
    assert "Strict" in error.message
    assert hint in error.hint


TICKET = pattern("commit_message_pattern", "regex", r"^[A-Z]+-[0-9]+: ")
"""What a title of ours does not begin with, where nobody gives one."""


@pytest.mark.parametrize("title", [None, "Greet in the morning"])
async def test_a_message_that_a_rule_does_not_take(side: TrustedSide, title: str | None) -> None:
    answer(side, RULES, [TICKET])
    error = await refused(side, title=title)
    assert "other commit messages" in error.message
    assert (title or "Change what") in error.message
    assert "`title`" in error.hint
    assert "agent/*" not in error.hint


@pytest.mark.parametrize(
    ("title", "rules"),
    [
        ("TEAM-7: Greet in the morning", [TICKET]),
        (None, [pattern("commit_message_pattern", "contains", "WIP", negate=True)]),
        (None, [pattern("commit_message_pattern", "regex", r"(?m)^.{10,72}$")]),
        (None, [pattern("commit_message_pattern", "contains", "what was asked for")]),
    ],
)
async def test_a_message_that_a_rule_takes(
    side: TrustedSide, title: str | None, rules: list[dict[str, Any]]
) -> None:
    answer(side, RULES, rules)
    assert await check(side, title=title) == ()


async def test_rules_that_a_push_keeps(side: TrustedSide) -> None:
    answer(
        side,
        RULES,
        [
            rule("deletion"),
            rule("non_fast_forward"),
            rule("pull_request"),
            rule("required_status_checks", do_not_enforce_on_create=True),
            pattern("branch_name_pattern", "regex", r"^agent/[a-z-]+-\w{8}$"),
            pattern("branch_name_pattern", "starts_with", "main", negate=True),
            pattern("commit_author_email_pattern", "ends_with", "github.com"),
        ],
    )
    assert await check(side) == ()


@pytest.mark.parametrize("regex", ["(", "\0", "^(([a-z/0-9-]+)+)+!$"])
async def test_an_expression_that_cannot_be_tried_stops_nothing(
    side: TrustedSide, regex: str
) -> None:
    answer(side, RULES, [pattern("branch_name_pattern", "regex", regex)])
    assert await check(side) == ()


async def test_who_bypasses_a_ruleset_need_not_keep_it(side: TrustedSide) -> None:
    answer(side, RULES, [rule("creation"), rule("required_signatures")])
    answer(side, "/rulesets/7", {"name": "Strict", "current_user_can_bypass": "always"})
    assert await check(side) == ()


@pytest.mark.parametrize("status", [400, 403, 404, 410, 500])
async def test_a_forge_that_tells_of_no_rules_has_none(side: TrustedSide, status: int) -> None:
    answer(side, RULES, {"message": "Upgrade to GitHub Pro"}, status=status)
    assert await check(side) == ()


async def test_signatures_that_the_base_branch_asks_for_are_told(side: TrustedSide) -> None:
    answer(side, "/rules/branches/main", [rule("required_signatures")])
    assert ["squash" in note for note in await check(side)] == [True]


async def test_the_account_of_an_app_is_asked_for_elsewhere(side: TrustedSide) -> None:
    answer(side, "/user", {"message": "Resource not accessible by integration"}, status=403)
    viewer = {"login": "our-app[bot]", "databaseId": 42}
    answer(side, "/api/graphql", {"data": {"viewer": viewer}})
    assert await check(side) == ()
    account = await side.github.account()
    assert account.author == "our-app[bot] <42+our-app[bot]@users.noreply.github.com>"
    await side.github.probe()


async def test_an_app_may_push_though_the_api_says_no(side: TrustedSide) -> None:
    """The API tells of no right of an App's account, whatever it was given."""
    answer(side, "/user", {"message": "Resource not accessible by integration"}, status=403)
    told = side.forge.shapes.repository(side.hosted)
    answer(side, "/api/v3/repos/octo/sample", {**told, "permissions": {"push": False}})
    assert await check(side) == ()
    assert await check(side, forks=True) == ()
    assert (await side.github.repository("octo/sample")).push


async def test_what_actions_pushes_starts_no_workflow(side: TrustedSide) -> None:
    answer(side, "/user", {"message": "Resource not accessible by integration"}, status=403)
    viewer = {"login": "github-actions[bot]", "databaseId": 41898282}
    answer(side, "/api/graphql", {"data": {"viewer": viewer}})
    (note,) = await check(side)
    assert "starts no workflow" in note
    assert "GITHUB_TOKEN" in note


async def test_an_author_is_for_show_alone(side: TrustedSide) -> None:
    answer(side, "/user", {"message": "Resource not accessible by integration"}, status=403)
    assert await check(side) == ()
    account = await side.github.account()
    assert account.author == "coding-agent <coding-agent@invalid>"
    with pytest.raises(ForgeForbidden):
        await side.github.probe()
