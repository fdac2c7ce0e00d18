"""Commands through a container's fork server, in a container that is really there."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from graph.errors import SandboxLost
from sandbox.backends.container.channel import Channel, frame
from sandbox.backends.container.fork_server import INPUT, OUTPUT, READY
from sandbox.backends.container.sandbox import RemoteSandbox
from sandbox.backends.container.send_base import make_empty_tree
from sandbox.backends.container.wire import SERVER_WORDS, USER, exec_request
from sandbox.host.orphans import read_text
from tests.sandbox.backends.container.held_container import HeldContainer
from tests.sandbox.backends.container.local_container import LIMITS
from tests.support.polling import until
from tests.support.sandbox.local_tree import AS_ROOT

pytestmark = pytest.mark.sandbox
as_root = pytest.mark.skipif(not AS_ROOT, reason="needs root: a container has other users")


@pytest.fixture
async def container(data_dir: Path) -> AsyncIterator[HeldContainer]:
    async with HeldContainer.open(data_dir) as held:
        yield held


@pytest.fixture
async def sandbox(container: HeldContainer) -> RemoteSandbox:
    made = RemoteSandbox(container, LIMITS)
    await make_empty_tree(made, LIMITS)
    return made


def inside(container: HeldContainer, words: str) -> list[int]:
    """The processes of the container whose command line has these words."""
    space = Path(f"/proc/{container.first}/ns/pid").readlink()
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and words in read_text(path / "cmdline").replace("\0", " "):
            try:
                found += [int(path.name)] if (path / "ns/pid").readlink() == space else []
            except OSError:  # it has ended
                continue
    return found


@as_root
async def test_one_process_is_started_for_all_commands(
    container: HeldContainer, sandbox: RemoteSandbox
) -> None:
    for number in range(5):
        result = await sandbox.run(f"echo {number}; id -u; exit {number}")
        assert (result.text, result.exit_code) == (f"{number}\n{USER}\n", number)
    assert container.started == [SERVER_WORDS]


@as_root
async def test_a_command_may_open_what_it_writes_to(sandbox: RemoteSandbox) -> None:
    command = "echo one > /dev/stderr; echo two > /dev/stdout; echo three >> /proc/self/fd/1"
    assert (await sandbox.run(f"{command}; cat /dev/stdin", stdin=b"four")).text == (
        "one\ntwo\nthree\nfour"
    )


@as_root
async def test_commands_go_on_at_once_and_each_hears_its_own(sandbox: RemoteSandbox) -> None:
    async def talk(number: int) -> str:
        command = f"read line; for n in $(seq 200); do echo {number}-$line; done"
        return (await sandbox.run(command, stdin=f"given {number}\n".encode())).text

    told = await asyncio.gather(*map(talk, range(8)))
    assert told == [f"{number}-given {number}\n" * 200 for number in range(8)]


@as_root
async def test_a_long_input_goes_on_beside_a_command(sandbox: RemoteSandbox) -> None:
    data = os.urandom(8 << 20)
    both = await asyncio.gather(
        sandbox.run("wc -c", stdin=data), sandbox.run("sleep 0.2; echo beside")
    )
    assert [result.text.strip() for result in both] == [str(len(data)), "beside"]


@as_root
@pytest.mark.parametrize(
    ("command", "limit"),
    [
        ("yes", "output"),
        ("for i in $(seq 60); do sleep 60 & done; wait", "pids"),
        ("for i in 1 2 3; do head -c 20M /dev/zero > $i; done; sleep 9", "disk"),
    ],
)
async def test_limits_hold_and_the_next_command_goes_on(
    container: HeldContainer, sandbox: RemoteSandbox, command: str, limit: str
) -> None:
    result = await sandbox.run(command)
    assert result.limit == limit or (limit == "pids" and b"fork" in result.output), result
    assert not inside(container, "sleep 60")
    assert (await sandbox.run("rm -f 1 2 3; echo next")).text == "next\n"
    assert container.started == [SERVER_WORDS]


@as_root
async def test_who_is_cancelled_has_its_command_ended_alone(
    container: HeldContainer, sandbox: RemoteSandbox
) -> None:
    other = asyncio.create_task(sandbox.run("sleep 1.5; echo stayed"))
    cancelled = asyncio.create_task(sandbox.run("setsid sleep 77 & sleep 78"))
    await until(lambda: bool(inside(container, "sleep 77")))
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert not inside(container, "sleep 77") + inside(container, "sleep 78")
    assert (await other).text == "stayed\n"
    assert container.started == [SERVER_WORDS]


@as_root
async def test_a_command_cannot_stop_trace_or_play_what_starts_the_next(
    container: HeldContainer, sandbox: RemoteSandbox
) -> None:
    await sandbox.run("true")
    (server,) = inside(container, "python3 -I -S -c")
    namespaced = read_text(Path(f"/proc/{server}/status")).split("NSpid:")[1].split()[1]
    attacks = (
        f"kill -9 {namespaced}",
        f"echo forged > /proc/{namespaced}/fd/1",
        f"cat /proc/{namespaced}/environ /proc/{namespaced}/mem",
        f"python3 -c 'import os; os.pidfd_getfd' && ls /proc/{namespaced}/fd/",
        "grep CapEff /proc/self/status | grep -v 0000000000000000",
        "ls /proc/self/fd | grep -vE '^[0123]$'",
    )
    for attack in attacks:
        assert (await sandbox.run(attack)).exit_code != 0, attack
    await sandbox.run("kill -9 -1")
    assert (await sandbox.run("echo still")).text == "still\n"
    assert inside(container, "python3 -I -S -c") == [server]
    assert container.started == [SERVER_WORDS]


@as_root
async def test_where_it_is_killed_commands_are_lost_and_others_can_be_started(
    container: HeldContainer, sandbox: RemoteSandbox
) -> None:
    going_on = asyncio.create_task(sandbox.run("sleep 79"))
    await until(lambda: bool(inside(container, "sleep 79")))
    pids = inside(container, "python3 -I -S -c")
    (server,) = [pid for pid in pids if parent(pid) not in pids]
    os.kill(server, signal.SIGKILL)
    with pytest.raises(SandboxLost, match="the sandbox was lost"):
        await going_on
    await until(lambda: not inside(container, "sleep 79"))
    assert (await sandbox.run("echo anew")).text == "anew\n"
    assert container.started == [SERVER_WORDS] * 2


@as_root
async def test_a_sweep_does_not_end_it(container: HeldContainer, sandbox: RemoteSandbox) -> None:
    going_on = asyncio.create_task(sandbox.run("sleep 79"))
    await until(lambda: bool(inside(container, "sleep 79")))
    assert await sandbox.kill_all()
    assert (await going_on).exit_code == 137
    assert (await sandbox.run("echo on")).text == "on\n"
    assert container.started.count(SERVER_WORDS) == 1


@as_root
async def test_who_shares_a_channel_shares_its_server(container: HeldContainer) -> None:
    channel = Channel(container)
    first = RemoteSandbox(container, LIMITS, channel=channel)
    await make_empty_tree(first, LIMITS)
    second = RemoteSandbox(container, LIMITS, {"TOLD": "secret"}, channel)
    assert (await second.run("echo $TOLD")).text == "secret\n"
    assert (await first.run("echo $TOLD")).text == "\n"
    await first.close()
    assert (await second.run("echo on")).text == "on\n"
    assert container.started == [SERVER_WORDS]


@as_root
async def test_where_root_cannot_become_another_each_command_is_started_by_itself(
    data_dir: Path,
) -> None:
    """There a command could end what starts the next, and answer in its place."""
    async with HeldContainer.open(data_dir) as container:
        bounded = ["setpriv", "--bounding-set", "-setuid"]
        start = container.start

        async def bound(argv: Sequence[str], *, timeout_s: int | None) -> object:
            return await start([*bounded, *argv], timeout_s=timeout_s)

        container.start = bound  # type: ignore[method-assign,assignment]
        sandbox = RemoteSandbox(container, LIMITS)
        await make_empty_tree(sandbox, LIMITS)
        assert (await sandbox.run("id -u")).text == "0\n"
        assert len(container.started) == 3
        assert "-setuid" in container.started[0]


def parent(pid: int) -> int:
    return int(read_text(Path(f"/proc/{pid}/status")).split("PPid:")[1].split()[0])


@dataclass
class Talker:
    """A process that says what it was told to, and then nothing, until its input ends."""

    said: bytes
    is_closed: asyncio.Event = field(default_factory=asyncio.Event)
    is_told: asyncio.Event = field(default_factory=asyncio.Event)
    is_read: asyncio.Event = field(default_factory=asyncio.Event)
    heard: bytes = b""

    def __post_init__(self) -> None:
        self.is_read.set()

    async def stdout(self) -> AsyncIterator[bytes]:
        yield self.said
        await self.is_closed.wait()

    async def stderr(self) -> AsyncIterator[bytes]:
        await self.is_closed.wait()
        yield b"why"

    async def write(self, data: bytes) -> None:
        self.is_told.set()
        await self.is_read.wait()
        self.heard += data

    async def end_input(self) -> None:
        self.is_closed.set()

    async def wait(self) -> int | None:
        return 0


@dataclass
class Container:
    talkers: list[Talker]

    async def start(self, argv: Sequence[str], *, timeout_s: int | None) -> Talker:
        return self.talkers.pop(0)

    async def end(self) -> None: ...


HUGE = frame(1, OUTPUT, b"x")[:5] + (1 << 31).to_bytes(4, "big")


@pytest.mark.parametrize("said", [HUGE, frame(0, READY) + HUGE])
async def test_nonsense_is_a_loss(said: bytes) -> None:
    sandbox = RemoteSandbox(Container([Talker(said), Talker(said)]), LIMITS)
    with pytest.raises(SandboxLost, match="nonsense"):
        await sandbox.run("true")


async def test_one_that_ends_before_it_serves_says_why() -> None:
    talker = Talker(b"")
    talker.is_closed.set()
    with pytest.raises(SandboxLost, match="lost: why"):
        await RemoteSandbox(Container([talker]), LIMITS).run("true")


async def begun(talker: Talker) -> "tuple[Channel, asyncio.Task[None]]":
    """A channel, and one that writes to its command by it, which nobody reads."""
    channel = Channel(Container([talker]))
    command, _ = await channel.start(exec_request(["true"], LIMITS), timeout_s=60)
    talker.is_read.clear()
    talker.is_told.clear()
    writing = asyncio.create_task(command.write(b"given"))
    await talker.is_told.wait()
    return channel, writing


async def test_who_is_cancelled_does_not_wait_for_what_nobody_reads() -> None:
    """Else no time limit would end it. What it wrote is written whole, for whose frame is next."""
    talker = Talker(frame(0, READY))
    _, writing = await begun(talker)
    writing.cancel()
    done, _ = await asyncio.wait([writing], timeout=60)
    assert writing in done
    assert writing.cancelled()
    talker.is_read.set()
    await until(lambda: talker.heard.endswith(frame(1, INPUT, b"given")))


async def test_one_that_is_dropped_leaves_nothing_that_writes_to_it() -> None:
    channel, writing = await begun(Talker(frame(0, READY)))
    channel.drop()
    with pytest.raises(SandboxLost, match="its fork server was ended"):
        await asyncio.wait_for(writing, 60)
