"""What the gate holds back is not pushed, is told without its content, and is kept."""

from typing import Any

import pytest

from tests.standins.github import TOKEN
from tests.support.whole_runs.claude_script import done, shell, small_change
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import CLAUDE_KEY, World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
WORKFLOW = "mkdir -p .github/workflows && echo 'on: push' > .github/workflows/ci.yml"


def in_halves(secret: str) -> str:
    """Words for printf that make the secret only in the sandbox."""
    middle = len(secret) // 2
    return f"{secret[:middle]} {secret[middle:]}"


async def blocked(
    world: World, prompt: str, repo: Hosted, command: str
) -> tuple[Run, dict[str, Any]]:
    """A run that the gate stops, and the first thing that the gate found."""
    run = await world.run(prompt, repo, small_change(coder=[shell(command), done()]))
    assert (run.end["status"], run.nodes[-1]) == ("blocked", ("publish", "failed"))
    assert (repo.branches, repo.pulls) == ([], [])
    assert world.forge.calls("POST", f"{repo.repository.full_name}.git/git-receive-pack") == 0
    gate = run.one("gate.finished")
    assert (await run.view())["gate"]["findings"] == gate["findings"]
    return run, gate["findings"][0]


async def test_a_workflow_file(world: World) -> None:
    repo = await world.host()
    run, finding = await blocked(world, "Greet at each push.", repo, WORKFLOW)
    assert (finding["rule"], finding["path"]) == ("workflows", ".github/workflows/ci.yml")
    assert b"+on: push" in await run.diff()


async def test_a_workflow_file_that_was_allowed(world: World) -> None:
    repo = await world.host()
    script = small_change(coder=[shell(WORKFLOW), done()])
    run = await world.run("Greet at every push.", repo, script, allow=["workflows"])
    assert run.end["status"] == "succeeded"
    assert "Worth a look" in repo.told


async def test_the_services_own_token(world: World) -> None:
    repo = await world.host()
    command = f"printf '%s%s\\n' {in_halves(TOKEN)} > leaked.txt; cat leaked.txt"
    run, finding = await blocked(world, "Greet with a token.", repo, command)
    assert (finding["rule"], finding["path"], finding["line"]) == ("secret", "leaked.txt", 1)
    assert TOKEN not in str(run.events) + str(await run.view())
    assert run.of("tool.finished")[-1]["output"].startswith("***")
    diff = await run.diff()
    assert (b"leaked.txt" in diff, TOKEN.encode() in diff) == (True, False)


async def test_somebodys_token(world: World) -> None:
    repo = await world.host()
    token = "ghp_" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA1bC2"
    command = f"printf '# first\\n%s%s\\n' {in_halves(token)} > config.ini"
    run, finding = await blocked(world, "Greet with another token.", repo, command)
    assert (finding["rule"], finding["line"]) == ("secret_pattern", 2)
    assert token not in str(run.events)


@pytest.mark.parametrize(
    "command", ["cat > leaked", "base64 -w 40 > leaked", "(printf '\\0'; cat) > leaked"]
)
async def test_the_key_of_claude_is_not_even_kept(world: World, command: str) -> None:
    repo = await world.host()
    command = f"printf 'key %s%s\\n' {in_halves(CLAUDE_KEY)} | {command}"
    script = small_change(coder=[shell(command), done()], reviewer=[])
    run = await world.run(f"Greet with a key: {len(command)}.", repo, script)
    assert (run.end["status"], run.error) == ("failed", "secret_in_change")
    assert (repo.branches, await run.diff()) == ([], b"")


async def test_a_link_out_of_the_tree(world: World) -> None:
    repo = await world.host()
    command = "ln -s ../../etc/passwd outside"
    _, finding = await blocked(world, "Greet from outside.", repo, command)
    assert (finding["rule"], finding["path"]) == ("symlink", "outside")
