"""Repositories on which no run can go far, and how each is told apart."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import (
    Script,
    approve,
    done,
    shell,
    small_change,
)
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
NOBODY: Script = {}


def check_failed(run: Run, code: str, node: str) -> dict[str, Any]:
    assert (run.end["status"], run.error) == ("failed", code)
    assert run.nodes[-1] == (node, "error")
    error: dict[str, Any] = run.end["error"]
    assert error["node"] == node
    assert error["message"]
    assert error["hint"]
    return error


def untouched(repo: Hosted) -> bool:
    return (repo.branches, repo.pulls) == ([], [])


async def test_an_empty_repository(world: World) -> None:
    repo = await world.host({})
    run = await world.run("Greet in an empty one.", repo, NOBODY)
    check_failed(run, "empty_repository", "prepare")
    assert untouched(repo)


async def test_a_branch_that_does_not_exist(world: World) -> None:
    repo = await world.host()
    run = await world.run("Greet on a branch.", repo, NOBODY, baseBranch="no/such-branch")
    assert "no/such-branch" in check_failed(run, "branch_not_found", "prepare")["message"]


async def test_a_repository_that_does_not_exist(world: World) -> None:
    url = f"{world.forge.address}/octo/no-such-repository"
    run = await world.run("Greet nowhere.", url, NOBODY)
    check_failed(run, "repository_not_found", "prepare")


async def test_an_archived_repository(world: World) -> None:
    repo = await world.host(archived=True)
    run = await world.run("Greet in the archive.", repo, NOBODY)
    check_failed(run, "repository_archived", "prepare")


async def test_a_token_that_may_only_read(world: World) -> None:
    """It is told before anything is paid; once the right is given, the run goes on."""
    repo = await world.host(push=False)
    run = await world.run("Greet without a right.", repo, NOBODY)
    check_failed(run, "github_forbidden", "prepare")
    assert untouched(repo)

    repo.repository.push = True
    await world.resume(run, small_change())
    assert run.end["status"] == "succeeded"
    assert repo.branches == [repo.pull.head]


async def test_a_private_repository_and_another_base(world: World) -> None:
    def add_branch(folder: Path) -> None:
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Begin")
        git(folder, "switch", "-qc", "release/1.0")
        (folder / "only-here.txt").write_text("1.0\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Release")
        git(folder, "switch", "-q", "main")
        (folder / "later.txt").write_text("later\n")

    repo = await world.host(GREETER, add_branch, private=True)
    run = await world.run("Greet in a release.", repo, small_change(), baseBranch="release/1.0")
    assert run.end["status"] == "succeeded"
    assert repo.pull.base == "release/1.0"
    assert b"only-here.txt" in repo.tree(repo.pull.head)
    assert b"later.txt" not in repo.tree(repo.pull.head)


async def test_a_renamed_repository(world: World) -> None:
    repo = await world.host()
    world.forge.rename(repo.repository, "octo/renamed")
    run = await world.run("Greet under a new name.", repo, small_change())
    assert run.end["status"] == "succeeded"
    assert run.end["prUrl"] == f"{world.forge.address}/octo/renamed/pull/1"
    assert "renamed" in repo.told


POLITE = """\
import unittest

from greet import greet


class PoliteTest(unittest.TestCase):
    def test_no_morning_is_spoken_of(self):
        self.assertNotIn('morning', greet('Ada'))
"""
EVENING = "sed -i 's/Good morning/Good evening/' greet.py"


async def test_a_base_that_moves_on_meanwhile(world: World) -> None:
    """The change goes over to it, fails a test that is new there, and is mended there."""
    repo = await world.host()
    script = {**small_change(), "fixer": [shell(EVENING), done()]}
    script["reviewer"] = [approve(), approve()]
    run = await world.start("Greet from an old base.", repo, script)
    await run.until("node.finished", node="prepare")
    moved = repo.commit("test_polite.py", POLITE)
    await run.ended()
    await world.check(run)
    assert run.end["status"] == "succeeded"
    assert [name for name, _ in run.nodes[3:]] == [
        "validate", "review", "publish", "validate", "fix", "validate", "review", "publish",
    ]  # fmt: skip
    assert [outcome for name, outcome in run.nodes if name == "publish"] == ["revised", "ok"]
    assert [event.get("baseSha") for event in run.of("change.updated")] == [None, moved, None]
    assert "test_no_morning_is_spoken_of" in run.of("validation.finished")[1]["newFailures"][0]
    assert repo.git("rev-parse", f"{repo.pull.head}^").decode().strip() == moved
    assert repo.tree(repo.pull.head)[b"test_polite.py"][1].decode() == POLITE
    assert "Good evening" in repo.diff(repo.pull.head)
    assert "moved from" in repo.told
