"""From a label on an issue to its pull request: a signed delivery, an App, a real run."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.standins.github_server.app_key import app_keys
from tests.standins.github_server.apps import HostedApp
from tests.support.polling import until
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.world import World

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]
SECRET = "the-secret-of-the-webhook-24"
ISSUE = 41
BOT = "my-agent[bot]"
MOST_CALLS = 20
"""Of GitHub's API: of the run with an App, and of the conversation about it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    private, public = app_keys()
    settings: dict[str, Any] = {
        "github_webhook_secrets": (SecretStr(SECRET),),
        "github_app_id": "12345",
        "github_app_key": SecretStr(private),
        "github_token": None,
    }
    async with World.open(**settings) as opened:
        opened.forge.app = HostedApp(app_id="12345", public_key=public, owner="octo")
        async with opened.serving():
            yield opened


async def deliver(world: World, event: str, payload: dict[str, Any], name: str) -> int:
    body = json.dumps(payload).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": name,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    async with httpx.AsyncClient(base_url=world.service.http.base_url, trust_env=False) as http:
        answer = await http.post("/webhooks/github", content=body, headers=headers)
    return answer.status_code


def label(repo: Hosted, title: str, body: str) -> dict[str, Any]:
    return {
        "action": "labeled",
        "label": {"name": "coding-agent"},
        "issue": {
            "number": ISSUE,
            "title": title,
            "body": body,
            "user": {"login": "ada", "type": "User"},
            "updated_at": datetime.now(UTC).isoformat(),
        },
        "sender": {"login": "ada", "type": "User"},
        "repository": {"full_name": repo.repository.full_name},
    }


async def test_an_issue_becomes_a_pull_request_that_closes_it(world: World) -> None:
    repo = await world.host()
    hosted = repo.repository
    hosted.permissions = {"ada": "write"}
    title, body = "Greet in the morning", "Let the greeting of an issue say that it is morning."
    hosted.issues[ISSUE] = (title, body)
    world.cast.learn(f"{title}\n\n{body}", small_change())
    before = len(world.forge.requests)
    payload = label(repo, title, body)
    for _ in range(2):
        assert await deliver(world, "issues", payload, "delivery-1") == 202

    def told() -> list[str]:
        said = hosted.comments.values()
        return [each.body for each in said if (each.author, each.issue) == (BOT, ISSUE)]

    await until(lambda: any("Done." in text for text in told()), within_s=300)
    (comment,) = told()
    pull = repo.pull
    assert f"{repo.url}/pull/{pull.number}" in comment
    assert f"Closes #{ISSUE}." in pull.body
    assert "github:ada" in pull.body
    assert pull.reviewers == ["ada"]
    assert hosted.reactions == [(f"issues/{ISSUE}", "eyes")]
    author = repo.git("show", "--no-patch", "--format=%an", pull.head).decode().strip()
    assert author == BOT
    calls = [each for each in world.forge.requests[before:] if each.path.startswith("/api/")]
    assert len(calls) <= MOST_CALLS, "\n".join(f"{each.method} {each.path}" for each in calls)
