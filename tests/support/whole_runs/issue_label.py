"""An issue that somebody labels, and the signed deliveries that tell a service of it."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from tests.standins.github_contract.deliveries import delivered
from tests.standins.github_server.app_key import app_keys
from tests.standins.github_server.apps import HostedApp
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.world import World

SECRET = "the-secret-of-the-webhook-24"
ISSUE = 41
TITLE = "Greet in the morning"
BODY = "Let the greeting of an issue say that it is morning."
PROMPT = f"{TITLE}\n\n{BODY}"
"""What a run of the issue is asked for."""


BOT = "my-agent[bot]"
"""The account of the App."""


@asynccontextmanager
async def world_with_app() -> AsyncIterator[World]:
    """A service that is served, takes deliveries, and signs in as an App."""
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


def open_issue(repo: Hosted) -> None:
    """Open it, where `ada` may write."""
    repo.repository.permissions = {"ada": "write"}
    repo.repository.issues[ISSUE] = (TITLE, BODY)


async def deliver_label(http: httpx.AsyncClient, repo: Hosted) -> None:
    """Tell twice, as GitHub may, that `ada` labeled it."""
    payload = _label(repo)
    for _ in range(2):
        await deliver(http, "issues", "delivery-1", payload)


async def deliver(
    http: httpx.AsyncClient, event: str, delivery: str, payload: dict[str, Any]
) -> None:
    """A signed delivery, which is taken."""
    body = delivered(event, payload)
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    answer = await http.post("/webhooks/github", content=body, headers=headers)
    assert answer.status_code == 202, answer.text


def comments_on(repo: Hosted, author: str) -> list[str]:
    """What this account says on the issue now."""
    said = repo.repository.comments.values()
    return [each.body for each in said if (each.author, each.issue) == (author, ISSUE)]


def _label(repo: Hosted) -> dict[str, Any]:
    ada = {"login": "ada", "type": "User"}
    title, body = repo.repository.issues[ISSUE]
    return {
        "action": "labeled",
        "label": {"name": "coding-agent"},
        "issue": {
            "number": ISSUE,
            "title": title,
            "body": body,
            "user": ada,
            "comments": len(repo.repository.comments),
            "updated_at": datetime.now(UTC).isoformat(),
        },
        "sender": ada,
        "repository": {"full_name": repo.repository.full_name},
    }
