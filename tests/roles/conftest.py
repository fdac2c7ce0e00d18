"""What the tests of roles share: a run, a Claude on loopback, and ears for events."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from demo.messages_server import Answer, MessagesServer
from graph.events import Event
from graph.tasks import RoleTask
from graph.values import Base, Budget, RoleName, Spend
from roles.claude import Claude
from roles.turn import Patience
from tests.standins.claude import Script
from tests.standins.sandbox import make_run

KEY = "sk-ant-api03-Zx_4/+tests~only==aa"
MODEL = "claude-opus-5-5"
RUN = "01run"
FILES = {"calc.py": "def add(a, b):\n    return a - b\n", "README.md": "A calculator.\n"}


class Ears:
    """Hears what is emitted, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event.data() for event in self.events if event.type == kind]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def keys(self) -> list[str]:
        return [event.key for event in self.events]


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def base(runs: Path) -> Base:
    runs.mkdir()
    return make_run(runs, RUN, FILES)


@pytest.fixture
def patience() -> Patience:
    return Patience(attempts=4, first_s=0.01, longest_s=0.02)


Serve = Callable[..., AbstractAsyncContextManager[tuple[MessagesServer, Claude]]]


@pytest.fixture
def serve() -> Serve:
    """A server with a script, and a Claude that speaks to it."""

    @asynccontextmanager
    async def serving(
        *answers: Answer, **options: Any
    ) -> AsyncIterator[tuple[MessagesServer, Claude]]:
        async with MessagesServer(Script(*answers), key=KEY) as server:
            settings: dict[str, Any] = {
                "api_key": SecretStr(KEY),
                "base_url": server.base_url,
            } | options
            claude = Claude(**settings)
            try:
                yield server, claude
            finally:
                await claude.close()

    return serving


@pytest.fixture
def task(base: Base) -> RoleTask:
    return make_task(base)


def make_task(base: Base, role: RoleName = "coder", **changes: Any) -> RoleTask:
    """A task of the test's run with an hour and five dollars, unless changed."""
    budget = Budget(
        max_cost_usd=changes.pop("max_cost_usd", 5.0),
        max_tokens=changes.pop("max_tokens", None),
        deadline=time.time() + changes.pop("seconds", 3600.0),
        spent=changes.pop("spent", Spend()),
    )
    fields: dict[str, Any] = {
        "run_id": RUN,
        "role": role,
        "step": 1,
        "fence": 1,
        "prompt": "Make add add.",
        "base": base,
        "budget": budget,
    }
    return RoleTask(**(fields | changes))
