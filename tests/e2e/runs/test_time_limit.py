"""The time of a run counts from its start: a clone, a hostile base and set-up end with it."""

import pytest

from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
FOREVER = 'setup = ["touch begun; sleep 3600"]\nvalidate = ["python3 -m unittest"]\n'


def make_bomb(repo: Hosted) -> None:
    """Ten folders of ten folders, ten levels deep: a few objects, and 10^11 files."""
    folder = repo.repository.git_dir
    blob = git(folder, "hash-object", "-w", "--stdin", stdin=b"boom\n").decode().strip()
    entries = "".join(f"100644 blob {blob}\tf{n}\n" for n in range(10))
    for _ in range(11):
        tree = git(folder, "mktree", stdin=entries.encode()).decode().strip()
        entries = "".join(f"040000 tree {tree}\td{n}\n" for n in range(10))
    commit = git(folder, "commit-tree", "-m", "Grow", tree).decode().strip()
    git(folder, "update-ref", "refs/heads/main", commit)


async def test_a_git_bomb_ends_as_too_large_and_nothing_is_paid(world: World) -> None:
    repo = await world.host()
    make_bomb(repo)
    run = await world.run("Greet the bomb.", repo, {}, timeoutS=60)
    assert (run.end["status"], run.error) == ("failed", "repo_too_large")
    assert run.nodes == [("prepare", "error")]
    assert world.cast.asked(run.prompt, "planner") == []


async def test_a_clone_that_does_not_end_ends_with_the_time(world: World) -> None:
    repo = await world.host()
    gate = world.forge.hold("POST", f"{repo.repository.full_name}.git/git-upload-pack")
    run = await world.run("Greet slowly.", repo, {}, timeoutS=5)
    assert gate.came
    assert run.end["status"] == "timed_out"
    assert run.nodes[-1][0] == "prepare"
    gate.released = True


async def test_a_set_up_that_does_not_end_ends_with_the_time(world: World) -> None:
    repo = await world.host({**GREETER, ".coding-agent.toml": FOREVER})
    script = small_change(coder=[], reviewer=[])
    run = await world.run("Greet after set-up.", repo, script, timeoutS=10)
    assert run.end["status"] == "timed_out"
    assert run.nodes[-1] == ("code", "stopped")
    assert (repo.branches, repo.pulls) == ([], [])
