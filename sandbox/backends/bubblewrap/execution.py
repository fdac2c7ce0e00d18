"""One started command: its output, its limits, and the certainty that all of it is gone.

Not asyncio's own subprocesses: those wait for a pipe's end, which a daemon may hold open for
ever, and before Python 3.12 start a thread for each process. Here the event loop watches the
leader (bubblewrap outside) and the first process of the sandbox's process namespace by pidfd:
when the latter has ended, the kernel has ended everything in the namespace.

To join a control group can take the kernel 20 ms, so a thread does it while bubblewrap mounts. A
barrier holds the sandbox until then; where it closes unopened, bash reads no command. One that is
held waits there for its command, too.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from graph.calls import settle
from graph.errors import SandboxLost
from sandbox.backends.bubblewrap.argv import received_words
from sandbox.backends.bubblewrap.child_fds import ChildFds, Pipe
from sandbox.core.output import BothEnds
from sandbox.core.protocol import LimitHit
from sandbox.host.executors import on_starter, on_worker

READ_BYTES = 64 * 1024
GONE_WITHIN_S = 10.0
"""How long killed processes may take to vanish; one stuck in the kernel can take for ever."""

START_SIGNAL, RUN_SIGNAL = b"g", b"o\n"
"""bubblewrap takes the first byte, the shell in the sandbox the rest of the line."""

_CHILD_PID = re.compile(rb'"child-pid": (\d+)')
_EXIT_CODE = re.compile(rb'"exit-code": (\d+)')

JoinCgroup = Callable[[int], None]
"""Puts a process, and what it will start, under the kernel's limits. Raises OSError."""


@dataclass(frozen=True)
class Spawned:
    """A command that was just started: its leader, and this side's descriptors of it."""

    leader: "subprocess.Popen[bytes]"
    pidfd: int
    output: int
    status: int
    barrier: int
    words: int | None = None
    """Where the words of its program are to be written, if it has none yet."""


class Execution:
    """A command that runs. Await `wait()`; `stop` ends it at any time.

    One without a program waits at its start, within its limits, for `begin` and `give`.
    """

    def __init__(
        self, spawned: Spawned, kept: BothEnds, output_bytes: int, join: JoinCgroup | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._spawned = spawned
        self._started = time.monotonic()
        self._output_bytes = output_bytes
        self._join = join
        self._joining: asyncio.Future[None] | None = None
        self._status = b""
        self._init_pidfd: int | None = None
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._reaped: asyncio.Future[None] = self._loop.create_future()
        self._let_in: asyncio.Future[None] = self._loop.create_future()
        self.closed = asyncio.Event()
        self.duration_ms = 0
        self.output = kept
        self.limit: LimitHit | None = None
        self.loss = ""
        """Why there is neither an exit code nor a limit."""
        self._loop.add_reader(spawned.output, self._read_output)
        self._loop.add_reader(spawned.status, self._read_status)
        self._loop.add_reader(spawned.pidfd, self._leader_exited)

    @property
    def pid(self) -> int:
        """The leader, outside the sandbox: every process of the command descends from it."""
        return self._spawned.leader.pid

    @property
    def exit_code(self) -> int | None:
        """What bubblewrap says the command exited with; None where it did not come to that."""
        found = _EXIT_CODE.search(self._status)
        return int(found[1]) if found else None

    async def is_let_in(self, then: "asyncio.Future[None]", within_s: float) -> bool:
        """Whether it is at its start when it is wanted, which `then` says within a time."""
        for awaited, seconds in ((self._let_in, None), (then, within_s)):
            await asyncio.wait(
                (awaited, self._finished),
                timeout=seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        return then.done() and not self._finished.done()

    def begin(self, kept: BothEnds, output_bytes: int) -> None:
        """Count time and output from here on."""
        self._started = time.monotonic()
        self.output, self._output_bytes = kept, output_bytes

    def give(self, program: Sequence[str]) -> None:
        """Have it become a program."""
        assert self._spawned.words is not None, "it has a program"
        data = b"".join(os.fsencode(word) + b"\0" for word in received_words(program))
        os.pwrite(self._spawned.words, data, 0)
        self._signal(RUN_SIGNAL)

    async def wait(self) -> None:
        """Return when the command has ended and no process is left, cancelled or not.

        Raises SandboxLost where killed processes do not vanish.
        """
        try:
            await asyncio.shield(self._finished)
        finally:
            self.stop()
            await self._wait_until_reaped()

    def stop(self, limit: LimitHit | None = None, loss: str = "it was stopped") -> None:
        """Kill everything, at a limit or for another reason; the first one counts."""
        if not self._finished.done():
            self.limit = limit
            self.loss = loss
            self._end()
            self._kill()

    def _end(self) -> None:
        self.duration_ms = round((time.monotonic() - self._started) * 1000)
        self._finished.set_result(None)

    async def _wait_until_reaped(self) -> None:
        awaited = [self._reaped, self._joining] if self._joining else [self._reaped]
        cancelled = False
        deadline = self._loop.time() + GONE_WITHIN_S
        while awaited and (left := deadline - self._loop.time()) > 0:
            try:
                await asyncio.wait(awaited, timeout=left)
            except asyncio.CancelledError:
                cancelled = True
            awaited = [future for future in awaited if not future.done()]
        self._close()
        if cancelled:
            raise asyncio.CancelledError
        if awaited:
            raise SandboxLost(f"killed processes were still there after {GONE_WITHIN_S:.0f} s")

    def _kill(self) -> None:
        """The leader's group, and the namespace's first process, which takes the rest with it."""
        with contextlib.suppress(ProcessLookupError):
            if self._spawned.leader.returncode is None:
                os.killpg(self._spawned.leader.pid, signal.SIGKILL)
            if self._init_pidfd is not None:
                signal.pidfd_send_signal(self._init_pidfd, signal.SIGKILL)

    def _read_output(self) -> None:
        if self._feed() and self.output.total > self._output_bytes:
            self._loop.remove_reader(self._spawned.output)
            self.stop("output")

    def _feed(self) -> bool:
        """Take one piece of output; False when there is none now, or no more."""
        try:
            data = os.read(self._spawned.output, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._spawned.output)
            return False
        self.output.feed(data)
        return True

    def _read_status(self) -> None:
        """bubblewrap tells its child's pid at the start, the exit code at the end."""
        try:
            data = os.read(self._spawned.status, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._spawned.status)
            return
        self._status += data
        found = _CHILD_PID.search(self._status)
        if found and self._init_pidfd is None:
            self._child_made(int(found[1]))

    def _child_made(self, pid: int) -> None:
        try:
            self._init_pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return  # the leader tells why
        except OSError as error:
            self.stop(loss=f"it could not be watched: {error}")
        if self._finished.done():
            self._kill()
        elif self._join is None:
            self._release()
        else:
            self._joining = on_worker(partial(self._join, pid))
            self._joining.add_done_callback(self._joined)

    def _joined(self, joining: "asyncio.Future[None]") -> None:
        error = joining.exception()
        if isinstance(error, ProcessLookupError):
            return  # the leader tells why
        if error:
            self.stop(loss=f"its limits could not be set: {error}")
        else:
            self._release()

    def _release(self) -> None:
        if not self.closed.is_set():
            is_held = self._spawned.words is not None
            self._signal(START_SIGNAL if is_held else START_SIGNAL + RUN_SIGNAL)
            if not self._let_in.done():
                self._let_in.set_result(None)

    def _signal(self, signal: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._spawned.barrier, signal)

    def _leader_exited(self) -> None:
        """Also the end of what the command left running: nothing outlives it."""
        self._loop.remove_reader(self._spawned.pidfd)
        self._read_status()
        self._kill()
        self._note_loss(self._spawned.leader.wait())
        if not self._finished.done():
            self._end()
        if self._init_pidfd is None:
            self._all_reaped()
        else:
            self._loop.add_reader(self._init_pidfd, self._all_reaped)

    def _note_loss(self, code: int) -> None:
        """Where bubblewrap came to no command, what it says is in the output."""
        if self.loss or self.exit_code is not None:
            return
        said = self.output.kept[-500:].decode(errors="replace").strip()
        self.loss = f"it was killed from outside (signal {-code})" if code < 0 else said

    def _all_reaped(self) -> None:
        if self._init_pidfd is not None:
            self._loop.remove_reader(self._init_pidfd)
        while self.output.total <= self._output_bytes and self._feed():
            pass
        self._reaped.set_result(None)

    def _close(self) -> None:
        self.closed.set()
        ours = self._spawned
        fds = (ours.pidfd, ours.output, ours.status, ours.barrier, ours.words, self._init_pidfd)
        for fd in fds:
            if fd is not None:
                self._loop.remove_reader(fd)
                os.close(fd)


async def start(spawn: Callable[[], Spawned], monitor: Callable[[Spawned], Execution]) -> Execution:
    """Spawn on the thread for it and monitor it. What is cancelled meanwhile is ended first."""
    spawned = on_starter(spawn)
    cancelled = await settle(spawned)
    if cancelled and spawned.exception():
        raise asyncio.CancelledError
    execution = monitor(spawned.result())
    if cancelled:
        execution.stop()
        await execution.wait()
        raise asyncio.CancelledError
    return execution


def spawn(
    line: Sequence[str],
    fds: ChildFds,
    *,
    stdin: int,
    output: Pipe,
    status: Pipe,
    barrier: Pipe,
    words: Pipe | None,
    environment: Mapping[str, str],
) -> Spawned:
    """Start a command line in a session of its own, output and errors in one pipe.

    Raises OSError.
    """
    leader = subprocess.Popen(
        line,
        stdin=stdin,
        stdout=output.theirs,
        stderr=output.theirs,
        pass_fds=[fd for fd in fds.theirs if fd not in {stdin, output.theirs}],
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    try:
        pidfd = os.pidfd_open(leader.pid)
    except OSError:
        os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()
        raise
    told = words.ours if words else None
    return Spawned(leader, pidfd, output.ours, status.ours, barrier.ours, told)
