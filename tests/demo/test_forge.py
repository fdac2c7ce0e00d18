"""The demo's forge speaks as GitHub's published description says, in all that a run asks it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from demo.forge import DemoForge
from demo.git import git
from demo.http_service import serve
from forge.core import PullText
from forge.github import GitHub
from graph import RetryPolicy
from graph.errors import ForgeUnauthorized
from tests.standins.github_contract.held_app import HeldApp
from tests.support.trusted_side import make_repository

NAME, TOKEN = "octo/sample", "ghp_OfTheDemo"


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[tuple[DemoForge, str]]:
    """The forge, and the address of its API; what does not fit the description fails the test."""
    forge = DemoForge(NAME, "main", tmp_path / "forge.git", TOKEN)
    source = make_repository(tmp_path / "source")
    git(tmp_path, "clone", "--quiet", "--bare", str(source), str(forge.git_dir))
    async with serve(HeldApp(forge.app())) as address:
        yield forge, f"{address}/api/v3"


def client(api_url: str, token: str = TOKEN) -> GitHub:
    policy = RetryPolicy(attempts=1)
    return GitHub(api_url=api_url, token=SecretStr(token), retry_policy=policy)


async def test_it_answers_a_run_as_github_would(forge: tuple[DemoForge, str]) -> None:
    demo, api_url = forge
    github = client(api_url)
    assert (await github.account()).login == "coding-agent"
    assert (await github.repository(NAME)).push
    assert await github.recent_messages(NAME, "main", 30) == ["first"]
    assert await github.branch_rules(NAME, "main") == ()
    await github.try_pull(NAME, "main")
    assert await github.find_pull(NAME, "main", "agent/x") is None
    text = PullText("Round amounts", "What was done.")
    made = await github.create_pull(NAME, "main", "agent/x", text, draft=False)
    assert await github.find_pull(NAME, "main", "agent/x") == made
    assert await github.create_comment(NAME, made.number, "The receipt") == 1
    assert demo.comments == ["The receipt"]
    await github.close()


async def test_who_does_not_sign_in_is_told_so(forge: tuple[DemoForge, str]) -> None:
    github = client(forge[1], "ghp_Other")
    with pytest.raises(ForgeUnauthorized, match="Bad credentials"):
        await github.repository(NAME)
    await github.close()
