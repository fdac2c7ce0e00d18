"""Merged pull requests, where they began, and what an issue says."""

import time
from typing import Any

import pytest

from graph.errors import RepositoryNotFound
from tests.standins.github_server.repository import HostedPull
from tests.support.trusted_side import TrustedSide, git

NAME = "octo/sample"
DAY_S = 86400


def add(side: TrustedSide, number: int, *, changed_days: int, **facts: Any) -> None:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - changed_days * DAY_S))
    common: dict[str, Any] = {"merged_at": when, "body": f"Body {number}", "state": "closed"}
    side.hosted.pulls[number] = HostedPull(
        **{**common, **facts},
        number=number,
        title=f"Pull {number}",
        base="main",
        head="b",
        base_sha="a" * 40,
        head_sha="b" * 40,
        draft=False,
        updated_at=when,
    )


async def numbers(side: TrustedSide, days: int, limit: int = 10) -> list[int]:
    pulls = await side.github.merged_pulls(NAME, time.time() - days * DAY_S, limit)
    return [pull.number for pull in pulls]


async def test_those_since_a_time_the_last_changed_first(side: TrustedSide) -> None:
    for number, days in ((1, 3), (2, 1), (3, 9), (4, 2)):
        add(side, number, changed_days=days)
    add(side, 5, changed_days=1, merged_at=None)
    add(side, 6, changed_days=1, state="open", merged_at=None)
    add(side, 7, changed_days=0, merged_at="2020-01-01T00:00:00Z")
    assert await numbers(side, 5) == [2, 4, 1]
    assert await numbers(side, 5, limit=2) == [2, 4]
    assert await numbers(side, 30) == [2, 4, 1, 3]


async def test_texts_may_be_missing(side: TrustedSide) -> None:
    add(side, 1, changed_days=1, body=None)
    (pull,) = await side.github.merged_pulls(NAME, 0, 10)
    assert (pull.text.title, pull.text.body) == ("Pull 1", "")
    side.hosted.issues[4] = ("It fails", "")
    assert (await side.github.issue_text(NAME, 4)).title == "It fails"
    with pytest.raises(RepositoryNotFound):
        await side.github.issue_text(NAME, 5)


async def test_where_two_commits_part(side: TrustedSide) -> None:
    folder = side.hosted.git_dir
    base = git(folder, "rev-parse", "main").decode().strip()
    one, other = [
        git(folder, "commit-tree", "main^{tree}", "-p", base, "-m", name).decode().strip()
        for name in ("one", "other")
    ]
    assert await side.github.merge_base(NAME, one, other) == base
