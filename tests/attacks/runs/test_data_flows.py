"""Where a run connects to and what stays of it: docs/data.md, held against a whole run."""

import re
import sys
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import pytest

from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
PAGE: Final = (Path(__file__).parents[3] / "docs/data.md").read_text(encoding="utf-8")


class Connections:
    """Addresses that this process connects to, and names it looks up, while it listens.

    An audit hook stays for good: one that does not listen does nothing.
    """

    def __init__(self) -> None:
        self.ports: set[tuple[str, int]] = set()
        self.names: set[str] = set()
        self._listens = False
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._listens:
            return
        if event == "socket.connect" and isinstance(args[1], tuple):
            self.ports.add((args[1][0], args[1][1]))
        elif event == "socket.getaddrinfo":
            self.names.add(str(args[0]))

    def __enter__(self) -> Self:
        self._listens = True
        return self

    def __exit__(self, *_: object) -> None:
        self._listens = False


def _port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)


async def test_a_run_connects_to_claude_and_the_forge_alone(world: World) -> None:
    repo = await world.host()
    service = _port(str(world.service.http.base_url))
    with Connections() as seen:
        run = await world.run("Greet and connect.", repo, small_change())
    assert run.end["status"] == "succeeded"
    claude, forge = _port(world.claude.base_url), _port(world.forge.api_url)
    assert {claude, forge} <= seen.ports
    assert seen.ports <= {claude, forge, service}
    assert seen.names <= {"127.0.0.1", "localhost"}


async def test_all_that_stays_of_a_run_is_described(world: World) -> None:
    repo = await world.host()
    run = await world.run("Greet and stay.", repo, small_change())
    folder = world.data / "runs" / run.run_id
    described = {part for span in re.findall(r"`([^`]+)`", PAGE) for part in span.split("/")}
    for place in (world.data, folder):
        names = {path.name for path in place.iterdir() if not path.name.startswith(".")}
        plain = {re.sub(r"-(?:wal|shm)$", "", name) for name in names}
        assert plain - described == set()
