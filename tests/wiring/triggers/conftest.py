"""A forge with one repository and an issue, a run service, and the worker between them."""

import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from forge.github import GitHub
from graph import RetryPolicy, RunRequest
from runs import RunService
from runs.deliveries import Deliveries, SqlDeliveries
from runs.model import DayLimits
from runs.sqlite import SqliteStore
from tests.standins.github import TOKEN, GitHubStandIn
from tests.standins.github_contract.deliveries import delivered
from tests.standins.github_server.repository import HostedRepository
from tests.standins.services.run_service import House
from tests.support.trusted_side import make_repository
from wiring.setting_groups.triggers import Autofix
from wiring.triggers import ThreadActs, TriggerInbox, TriggerRules, TriggerWorker

OURS = "octo-agent"
"""The account of the stand-in's token."""


@dataclass
class World:
    """What a test asks of the forge and of the service."""

    forge: GitHubStandIn
    hosted: HostedRepository
    house: House
    rules: TriggerRules
    service: RunService
    deliveries: Deliveries
    worker: TriggerWorker
    inbox: TriggerInbox
    github: GitHub
    woken: list[None] = field(default_factory=list)
    _deliveries: int = 0

    async def deliver(self, event: str, payload: dict[str, Any], delivery: str = "") -> None:
        """What GitHub sends of an event; each delivery has a name of its own."""
        self._deliveries += 1
        name = delivery or f"delivery-{self._deliveries}"
        await self.inbox.take(event, name, delivered(event, payload))

    async def comment(self, body: str, by: str = "ada", **changes: Any) -> dict[str, Any]:
        """A comment of somebody on issue 1, delivered; what was sent."""
        said = self.hosted.say(1, by, body)
        payload = {
            **self.payload("created", by),
            "comment": {"id": said.id, "body": body, "created_at": said.created_at},
            **changes,
        }
        await self.deliver("issue_comment", payload)
        return payload

    async def label(self, by: str = "ada") -> None:
        payload = {**self.payload("labeled", by), "label": {"name": "coding-agent"}}
        await self.deliver("issues", payload)

    def payload(self, action: str, by: str) -> dict[str, Any]:
        title, body = self.hosted.issues[1]
        issue = {
            "number": 1,
            "title": title,
            "body": body,
            "user": {"login": self.author, "type": "User"},
            "updated_at": (datetime.now(UTC) + timedelta(seconds=2)).isoformat(),
        }
        sender = {"login": by, "type": "User"}
        repository = {"full_name": self.hosted.full_name, "id": self.hosted.id}
        return {"action": action, "issue": issue, "sender": sender, "repository": repository}

    author = "ada"
    """Whose issue it is."""

    async def begin_elsewhere(self, number: int) -> str:
        """A run on a pull request that somebody begins by the API; its id."""
        address = f"{self.forge.address}/{self.hosted.full_name}"
        url = f"{address}/pull/{number}"
        request = RunRequest(repo_url=address, prompt="Greet", pull_request_url=url)
        run, _ = await self.service.start(request, owner="alice")
        return run.run_id

    @property
    def ours(self) -> list[str]:
        """Our comments as they are now."""
        return [each.body for each in self.hosted.comments.values() if each.author == OURS]

    def claimed_until(self, delivery: str) -> float:
        """When somebody may work a delivery off again, in Unix seconds."""
        with closing(sqlite3.connect(self.house.database)) as connection:
            sql = "SELECT claimed_until FROM deliveries WHERE name = ?"
            (found,) = connection.execute(sql, (delivery,)).fetchone()
            return float(found)

    async def runs(self) -> list[Any]:
        """All runs, oldest first."""
        from runs.model import Caller

        listed, _ = await self.service.list(Caller("x", operator=True))
        return listed[::-1]


@pytest.fixture(scope="session")
def running_forge() -> Iterator[GitHubStandIn]:
    server = GitHubStandIn()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("made") / "source")


@pytest.fixture
async def world(running_forge: GitHubStandIn, source: Path, tmp_path: Path) -> AsyncIterator[World]:
    running_forge.forget_all()
    hosted = await running_forge.add_repository("octo/sample", source)
    hosted.permissions = {"ada": "admin", "ben": "write", "eve": "read"}
    hosted.issues[1] = ("Greet twice", "Say hello twice. <!-- hidden order -->")
    async with open_world(running_forge, hosted, House(tmp_path)) as opened:
        yield opened


@asynccontextmanager
async def open_world(
    forge: GitHubStandIn, hosted: HostedRepository, house: House, **rules: Any
) -> AsyncIterator[World]:
    """One process over the data folder of a house."""
    told: dict[str, Any] = {
        "label": "coding-agent",
        "word": "/coding-agent",
        "web": forge.address,
        "allowed": lambda _repo, _name: True,
        "max_cost_usd": 5.0,
        "thread_usd": 10.0,
    }
    policy = RetryPolicy(attempts=1)
    github = GitHub(api_url=forge.api_url, token=SecretStr(TOKEN), retry_policy=policy)
    store, told_rules = SqliteStore(house.database), TriggerRules(**(told | rules))
    await store.open()
    async with house.open() as service:
        deliveries = SqlDeliveries(store.writer, store.dialect)
        acts = ThreadActs(deliveries, github, service, told_rules, DayLimits())
        worker = TriggerWorker(deliveries, acts)
        woken: list[None] = []

        async def wake() -> None:
            woken.append(None)

        inbox = TriggerInbox(deliveries, label="coding-agent", wake=wake, autofix=get_args(Autofix))
        yield World(
            *(forge, hosted, house, told_rules, service, deliveries, worker, inbox, github),
            woken=woken,
        )
    await store.close()
    await github.close()


def minutes_ago(minutes: float) -> str:
    moment = datetime.fromtimestamp(time.time() - minutes * 60, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
