"""`coding-agent eval --from-repo`: tasks of merged pull requests, tried in the sandbox."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.standins.github_server.repository import HostedPull
from tests.support.command.command_process import Ended, command
from tests.support.trusted_side import git
from tests.support.whole_runs.evaluation_tasks import EMPTY, ROUNDING, BundledTask
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
README = {"README": "Read me.\n"}


def commit(folder: Path, files: Mapping[str, str]) -> str:
    """A commit on the branch as it is, which stays where it is."""
    git(folder, "read-tree", "main")
    for name, content in files.items():
        blob = git(folder, "hash-object", "-w", "--stdin", stdin=content.encode()).decode().strip()
        git(folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    tree = git(folder, "write-tree").decode().strip()
    return git(folder, "commit-tree", tree, "-p", "main", "-m", "Change").decode().strip()


def add_pull(
    repo: Hosted, number: int, *parts: Mapping[str, str], days: int = 1, **facts: Any
) -> None:
    """A merged pull request, whose base has moved since it was begun."""
    folder = repo.repository.git_dir
    head = commit(folder, {name: text for part in parts for name, text in part.items()})
    git(folder, "update-ref", f"refs/pull/{number}/head", head)
    moved = commit(folder, {f"other-{number}.txt": "moved\n"})
    git(folder, "update-ref", "refs/heads/main", moved)
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400))
    common: dict[str, Any] = {"title": f"Pull {number}", "body": "", "merged_at": when}
    repo.repository.pulls[number] = HostedPull(
        **{**common, **facts},
        number=number,
        base="main",
        head=f"branch-{number}",
        base_sha=moved,
        head_sha=head,
        draft=False,
        state="closed",
        updated_at=when,
    )


class Mining:
    def __init__(self, world: World) -> None:
        self.world = world
        self.tasks = world.folder / "tasks.jsonl"

    async def host(self, *tasks: BundledTask) -> Hosted:
        return await self.world.host(
            {name: text for task in tasks for name, text in task.files.items()}
        )

    async def run(self, repo: Hosted, *options: str) -> Ended:
        words = ("eval", str(self.tasks), "--from-repo", repo.repository.full_name, *options)
        return await command(*words, home=self.world.folder, env=environment_of(self.world))


@pytest_asyncio.fixture
async def mining() -> AsyncIterator[Mining]:
    async with World.open() as world:
        yield Mining(world)


async def test_a_pull_request_with_tests_becomes_a_task(mining: Mining) -> None:
    repo = await mining.host(ROUNDING, EMPTY)
    repo.repository.issues[7] = ("mean() drops the half", "It should be exact.")
    halves = "".join(
        f"\n    def test_half{number}(self):\n        self.assertEqual(mean([1, 2]), 1.5)\n"
        for number in range(60)
    )
    hidden = {"test_stats.py": ROUNDING.hidden["test_stats.py"] + halves}
    add_pull(repo, 1, ROUNDING.solution, hidden, body="Divides by /.\n\nFixes #7")
    add_pull(repo, 2, EMPTY.solution, EMPTY.hidden, body="See #7. Fixes #404")
    ended = await mining.run(repo)
    assert ended.code == 0, ended.out + ended.err
    tasks = {
        task["instance_id"]: task for task in map(json.loads, mining.tasks.read_text().splitlines())
    }
    assert len(tasks) == 2
    first = tasks[f"{repo.repository.full_name.replace('/', '__')}-1"]
    assert first["problem_statement"] == "mean() drops the half\n\nIt should be exact."
    base = repo.repository.pulls[1].base_sha
    assert (
        first["base_commit"]
        == git(repo.repository.git_dir, "rev-parse", f"{base}^").decode().strip()
    )
    assert ("stats.py" in first["patch"], "test_stats" in first["patch"]) == (True, False)
    assert "test_half" in first["test_patch"]
    assert len(first["FAIL_TO_PASS"]) == 61
    assert all("test_half" in name for name in first["FAIL_TO_PASS"])
    assert tasks[f"{repo.repository.full_name.replace('/', '__')}-2"][
        "problem_statement"
    ].startswith("Pull 2")
    assert not list((mining.world.data / "evaluations").glob("*/*"))
    assert list((mining.world.data / "runs").glob("*/base.git")) == []


async def test_others_are_told_with_their_reason(mining: Mining) -> None:
    repo = await mining.host(ROUNDING)
    passing = {"test_other.py": ROUNDING.files["test_stats.py"]}
    add_pull(repo, 1, README, ROUNDING.solution)
    add_pull(repo, 2, ROUNDING.hidden)
    add_pull(repo, 3, ROUNDING.solution, passing)
    add_pull(repo, 4, README, ROUNDING.hidden)
    add_pull(repo, 5, ROUNDING.solution, ROUNDING.hidden, days=100)
    add_pull(repo, 6, ROUNDING.solution, ROUNDING.hidden, merged_at=None)
    ended = await mining.run(repo)
    assert ended.code == 1, ended.out + ended.err
    said = " ".join(ended.out.split())
    for number, why in (
        (1, "it touches no tests"),
        (2, "it touches no sources"),
        (3, "its tests do not fail without it (passed)"),
        (4, "the checks do not pass with it (failed)"),
    ):
        assert f"#{number} Pull {number}: {why}" in said
    assert "#5" not in said
    assert "#6" not in said
    assert mining.tasks.read_text() == ""


async def test_a_time_that_is_none(mining: Mining) -> None:
    ended = await mining.run(await mining.host(ROUNDING), "--since", "last year")
    assert (ended.code, mining.tasks.exists()) == (2, False)
    assert "such as 90d" in ended.err
