"""Commands in containers of others that misbehave: scripted ones stand for those."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from graph.errors import SandboxLost
from sandbox.backends.container.channel import frame
from sandbox.backends.container.fork_server import READY
from sandbox.backends.container.sandbox import RemoteSandbox
from sandbox.backends.container.wire import SERVER_WORDS
from sandbox.core.protocol import Limits
from tests.support.polling import until

NONSENSE = b'{"exit_code": null, "limit": "mine", "lost": "", "duration_ms": 1, "tree_bytes": 0}'
ENDED = {"exit_code": 0, "limit": None, "lost": "", "duration_ms": 1, "tree_bytes": 0}


@dataclass
class Scripted:
    """A process that says what it was told to; `code` None: its time was over before."""

    code: int | None = 0
    said: bytes = b""
    answer: bytes = json.dumps(ENDED).encode() + b"\n"
    given: bytes = b""
    last: bytes = b""
    """It ends once this has come, as the supervisor does once it has all that it is given."""

    async def stdout(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.said), 1 << 16):
            yield self.said[start : start + (1 << 16)]

    async def stderr(self) -> AsyncIterator[bytes]:
        yield self.answer

    async def write(self, data: bytes) -> None:
        self.given += data

    async def end_input(self) -> None:
        return

    async def wait(self) -> int | None:
        await until(lambda: bool(self.given) and self.given.endswith(self.last))
        return self.code


@dataclass
class Container:
    processes: list[Scripted]
    ended: bool = False
    started: list[Scripted] = field(default_factory=list)

    async def start(self, argv: Sequence[str], *, timeout_s: int | None) -> Scripted:
        assert sum(map(len, argv)) < 1000
        if tuple(argv) == SERVER_WORDS:
            return Scripted(said=frame(0, READY, b"it has no other user"))
        self.started.append(self.processes.pop(0))
        return self.started[-1]

    async def end(self) -> None:
        self.ended = True


def sandbox_in(*processes: Scripted) -> tuple[RemoteSandbox, Container]:
    container = Container(list(processes))
    return RemoteSandbox(container, Limits(output_bytes=1 << 16)), container


async def test_what_its_time_ended_has_met_its_limit_once_all_is_gone() -> None:
    sandbox, container = sandbox_in(Scripted(code=None, answer=b""), Scripted())
    result = await sandbox.run("sleep 9")
    assert (result.exit_code, result.limit) == (None, "time")
    assert b'"kill_others": true' in container.started[1].given
    assert not container.ended


@pytest.mark.parametrize("answer", [b"", b'{"lost": "no user", "limit": null, "exit_code": null}'])
async def test_where_not_all_can_be_ended_the_container_is(answer: bytes) -> None:
    never = Scripted(code=None, answer=b"")
    sandbox, container = sandbox_in(never, Scripted(code=None, answer=answer))
    with pytest.raises(SandboxLost, match="does not answer"):
        await sandbox.run("sleep 9")
    assert container.ended


@pytest.mark.parametrize(
    "answer",
    [b"", b"Traceback: no\n", b"[]\n", b'{"exit_code": 0}\n', b'{"limit": "time"\n', NONSENSE],
)
async def test_without_an_answer_it_is_lost(answer: bytes) -> None:
    sandbox, _ = sandbox_in(Scripted(answer=answer))
    with pytest.raises(SandboxLost, match="the sandbox was lost"):
        await sandbox.run("true")


async def test_more_than_was_asked_for_is_not_taken() -> None:
    sandbox, _ = sandbox_in(Scripted(said=b"x" * (1 << 20)))
    with pytest.raises(SandboxLost, match="more than was asked for"):
        await sandbox.run("true")


async def test_the_supervisor_and_all_input_go_in_before_the_command_can_begin() -> None:
    stdin = b"input" * 500_000 + b"end"
    sandbox, container = sandbox_in(Scripted(last=b"end"))
    await sandbox.run("cat", stdin=stdin)
    assert container.started[0].given.endswith(stdin)
    assert b"class Command:" in container.started[0].given
