"""From a push to a base branch to the merge commit on a pull request: a delivery, a real run."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from forge.triggers import write_conflicts_prompt
from tests.support.polling import until
from tests.support.pull_requests import commit_in
from tests.support.whole_runs.claude_script import approve, done, shell, small_change, text_of
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.issue_label import SECRET, deliver
from tests.support.whole_runs.world import World

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]
PROMPT = write_conflicts_prompt("main")
LATER = {
    "greet.py": GREETER["greet.py"].replace("Hello", "Hello, dear"),
    ".github/workflows/ci.yml": "on: push\n",
}
TAKE_OURS = "sed -i '/^<<<<<<</d; /^=======/,/^>>>>>>>/d' greet.py"
BOTH = "sed -i 's/Good morning/Good morning, dear/' greet.py"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    settings: dict[str, Any] = {
        "github_webhook_secrets": (SecretStr(SECRET),),
        "autofix": ("conflicts",),
    }
    async with World.with_service(**settings) as opened:
        yield opened


async def push_to_base(world: World, repo: Hosted) -> str:
    """Somebody changes the same line on the base branch, and GitHub tells of the push."""
    newest = commit_in(repo.repository.git_dir, "main", LATER)
    repo.pull.mergeable = False
    payload = {
        "ref": "refs/heads/main",
        "after": newest,
        "deleted": False,
        "sender": {"login": "ada", "type": "User"},
        "repository": {"full_name": repo.repository.full_name},
    }
    async with httpx.AsyncClient(base_url=world.service.http.base_url, trust_env=False) as http:
        await deliver(http, "push", f"push-{newest[:8]}", payload)
    return newest


async def test_conflicts_are_resolved_judged_and_pushed_as_a_merge(world: World) -> None:
    repo = await world.host()
    await world.run("Greet in the morning, before main moves.", repo, small_change())
    head, branch = repo.git("rev-parse", repo.pull.head).decode().strip(), repo.pull.head
    script = {
        "fixer": [
            shell("cat greet.py"),
            shell(f"{TAKE_OURS}; {BOTH}"),
            done("Merge main", "It greets in the morning, and dearly."),
        ],
        "reviewer": [approve()],
    }
    world.cast.learn(PROMPT, script)
    newest = await push_to_base(world, repo)
    await until(lambda: not world.cast.untold(PROMPT), within_s=300)
    await until(lambda: "Done." in repo.told, within_s=60)
    assert parents(repo, branch) == [head, newest]
    tree = repo.tree(branch)
    assert b"Good morning, dear" in tree[b"greet.py"][1]
    assert b".github/workflows/ci.yml" in tree, "what the base branch gained is not held back"
    subject = repo.git("log", "-1", "--format=%s", branch).decode().strip()
    assert subject == "Merge main"
    opening, after_cat, *_ = world.cast.asked(PROMPT, "fixer")
    assert "CONFLICT (content): Merge conflict in greet.py" in text_of(
        opening["messages"][0]["content"]
    )
    shown = text_of(after_cat["messages"][-1]["content"])
    assert f"<<<<<<< pull-request-{head[:10]}" in shown
    assert f">>>>>>> base-{newest[:10]}" in shown
    (review,) = world.cast.asked(PROMPT, "reviewer")
    assert "ci.yml" not in text_of(review["messages"][0]["content"])
    assert "It greets in the morning, and dearly." in repo.pull.body


def parents(repo: Hosted, branch: str) -> list[str]:
    return repo.git("log", "-1", "--format=%P", branch).decode().split()
