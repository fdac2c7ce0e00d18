"""The program that runs one command inside a container, and ends all of it.

Its source is sent with each command, so that nothing in the container can have changed it. It is
of the standard library alone, for Linux.

It runs as the container's root; the command runs as another user, without capabilities, and so can
neither stop it nor write its answer. As a subreaper it becomes the parent of whatever the command
leaves behind: where it has no child any more, nothing of the command is left. Where the kernel has
no subreapers, commands go one after the other, and each takes with it every process of its user.

Standard input carries this source, the request, a long command, what the command reads, and stays
open: its end says that nobody waits any more. Standard output carries the command's, standard
error the answer. The first argument is the length of the source, the second that of the request,
the third how long the source is waited for.
"""

from __future__ import annotations  # a container's Python may be older than ours

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, Any, NoReturn

from sandbox.backends.container import own_container
from sandbox.host.resource_usage import (
    Processes,
    TreeSize,
    can_become,
    descendants,
    exceeded,
    owned,
    processes,
    threads_of,
)

PIECE = 65536
GONE_WITHIN_S = 10.0
INTERVAL_S, MOST_INTERVAL_S = 0.05, 0.5
SCAN_SHARE = 10
LOCK = "/.one-command-at-a-time"
NO_NEW_PRIVS, SUBREAPER, DEATH_SIGNAL = 38, 36, 1
PRCTL = ctypes.CDLL(None).prctl


class Ended(Exception):
    """Raised when a command came to its end: by itself, at a limit, or since nobody waits."""

    def __init__(self, limit: str | None = None, lost: str = "") -> None:
        super().__init__(limit, lost)
        self.limit = limit
        self.lost = lost


class Command:
    """One command, and what may be used by it."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        user = request["user"]
        self.user: int | None = user if user is not None and can_become(user) else None
        self.crowded = PRCTL(SUBREAPER, 1, 0, 0, 0) == 0
        self.alone = request["kill_others"] or not self.crowded
        self.written = 0
        self.code: int | None = None
        self.container_limits = request["container_limits"]
        self.memory = sys.maxsize if self.container_limits else request["memory_mb"] << 20
        self.kills = own_container.memory_kills() if self.container_limits else 0
        self.scan_at = 0.0
        counts = self.user is not None and not self.container_limits
        self.others = threads_of(owned(processes(), user)) if counts else 0

    def run(self) -> dict[str, Any]:
        """The answer: an exit code or a limit, or why there is neither."""
        if self.alone and self.user is None:
            return answer(lost="this container has no other user, or no subreapers")
        self.chown_folders()
        if not (self.crowded or self.request["kill_others"]):
            self.wait_for_turn()
        script, given = self.take_input()
        woken = wake_on_children()
        tree = self.watch_folders()
        output, theirs = self.make_output()
        started = time.monotonic()
        try:
            leader = self.start(script, given, theirs)
        except (OSError, subprocess.SubprocessError) as error:
            return answer(lost=f"the command cannot be started: {error}")
        finally:
            os.close(theirs)
        end = Ended(lost="the supervisor failed")
        try:
            self.monitor(leader, output, woken, tree)
        except Ended as ended:
            end = ended
        finally:
            took = round((time.monotonic() - started) * 1000)
            gone = self.end()
        if not gone:
            return answer(lost="its processes cannot be ended")
        limit = end.limit or (None if end.lost else self.late_limit(output, tree))
        if tree and limit == "disk":  # it may have grown until all of it was gone
            tree.has_outgrown(list)
        told = answer(None if limit else self.code, limit, end.lost, took, tree.size if tree else 0)
        return {**told, **own_container.look_back(self.kills)} if self.container_limits else told

    def watch_folders(self) -> TreeSize | None:
        folders = self.request["folders"]
        disk, known = self.request["disk_mb"] << 20, self.request["tree_bytes"]
        return TreeSize(folders, disk, known) if folders else None

    def chown_folders(self) -> None:
        owner = self.request["owner"]
        for folder in self.request["chown_dirs"]:
            os.makedirs(folder, exist_ok=True)
            if can_become(owner):
                os.chown(folder, owner, owner)

    def make_output(self) -> tuple[int, int]:
        """A pipe that the command's user owns, who may then open `/dev/stdout` and its like."""
        if self.user is None:
            return os.pipe()
        os.seteuid(self.user)
        try:
            return os.pipe()
        finally:
            os.seteuid(0)

    def wait_for_turn(self) -> None:
        lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)

    def take_input(self) -> tuple[IO[bytes] | None, IO[bytes] | int]:
        """The command as a file, where it is long, and what it reads."""
        script, given = self.request["script_bytes"], self.request["input_bytes"]
        file = spool(script, in_memory=self.container_limits) if script else None
        return file, spool(given, in_memory=self.container_limits) if given else subprocess.DEVNULL

    def start(self, script: IO[bytes] | None, given: IO[bytes] | int, output: int) -> int:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("MODAL_")
        }
        path = f"{inherited.get('PATH', os.defpath)}:{self.request['more_path']}"
        if self.container_limits:
            own_container.drop_capabilities()
            own_container.be_killed_first(own_container.FIRST)
        more = [f"/proc/self/fd/{script.fileno()}"] if script else []
        self.started = subprocess.Popen(  # kept: as garbage it would bury its process itself
            [*self.request["program"], *more],
            stdin=given,
            stdout=output,
            stderr=output,
            pass_fds=[script.fileno()] if script else [],
            cwd=None if self.container_limits else self.request["folder"],
            env={**inherited, **self.request["environment"], "PATH": path},
            start_new_session=True,
            user=self.user,
            group=None if self.user is None else self.request["group"],
            extra_groups=None if self.user is None else [],
            preexec_fn=self.confine,  # noqa: PLW1509 - there is one thread
        )
        if self.container_limits:
            own_container.be_killed_first(0)
        return self.started.pid

    def confine(self) -> None:
        """What holds for each single process; called in the child."""
        PRCTL(NO_NEW_PRIVS, 1, 0, 0, 0)
        PRCTL(DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
        if self.container_limits:
            os.chdir(self.request["folder"])  # its user's, where root without rights cannot go
            return
        limits = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: self.request["disk_mb"] << 20,
            resource.RLIMIT_NOFILE: 4096,
            resource.RLIMIT_DATA: 2 * self.memory,
        }
        if self.user is not None:
            limits[resource.RLIMIT_NPROC] = self.request["pids"] + self.others
        for kind, most in limits.items():
            hard = resource.getrlimit(kind)[1]
            value = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (value, value))

    def monitor(self, leader: int, output: int, woken: int, tree: TreeSize | None) -> NoReturn:
        """Pass its output on and watch what it uses, until it ended."""
        deadline = time.monotonic() + self.request["timeout_s"]
        os.set_blocking(output, False)
        poll = select.poll()
        for source in (0, output, woken):
            poll.register(source, select.POLLIN)
        while True:
            for source, _ in poll.poll(INTERVAL_S * 1000):
                if source == output and not self.relay(output):
                    poll.unregister(output)
                elif source == woken:
                    os.read(woken, PIECE)
                elif source == 0 and not os.read(0, PIECE):
                    raise Ended(lost="it was stopped")
            if self.reap(leader):
                raise Ended
            if time.monotonic() >= deadline:
                raise Ended("time")
            self.scan()
            if tree and tree.is_due and tree.has_outgrown(self.mine):
                raise Ended("disk")

    def relay(self, output: int) -> bool:
        """Pass one piece of output on; False where it has come to its end."""
        try:
            data = os.read(output, PIECE)
        except BlockingIOError:
            return True
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(1, rest) :]
        self.written += len(data)
        if self.written > self.request["output_bytes"]:
            raise Ended("output")
        return bool(data)

    def reap(self, leader: int) -> bool:
        """Bury who died; whether the command's own process did."""
        try:
            while self.code is None:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == leader:
                    code = os.waitstatus_to_exitcode(status)
                    self.code = code if code >= 0 else 128 - code
                elif pid == 0:
                    return False
        except ChildProcessError:
            return True
        return True

    def scan(self) -> None:
        """Hold its processes to their number and their memory."""
        now = time.monotonic()
        if now < self.scan_at:
            return
        if limit := exceeded(self.mine(), pids=self.request["pids"] - 1, memory=self.memory):
            raise Ended(limit)
        took = time.monotonic() - now
        self.scan_at = now + took + min(max(INTERVAL_S, SCAN_SHARE * took), MOST_INTERVAL_S)

    def mine(self) -> Processes:
        """The processes of the command."""
        every = processes()
        if self.alone and self.user is not None:
            return owned(every, self.user)
        return descendants(every, os.getpid())

    def end(self) -> bool:
        """Kill what is left, again and again, until nothing is."""
        deadline = time.monotonic() + GONE_WITHIN_S
        while time.monotonic() < deadline:
            mine = self.mine()
            for pid in mine:
                kill(pid)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                if not (self.alone and mine):
                    return True
            time.sleep(0.002)
        return False

    def late_limit(self, output: int, tree: TreeSize | None) -> str | None:
        """The limit that shows when all has ended: in what was still to be read, or in the tree."""
        try:
            while self.relay(output):
                pass
        except Ended as late:
            return late.limit
        return "disk" if tree and tree.is_due and tree.has_outgrown(list) else None


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def wake_on_children() -> int:
    """A descriptor that can be read when a child died."""
    ours, theirs = os.pipe()
    for end in (ours, theirs):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return ours


def spool(size: int, *, in_memory: bool) -> IO[bytes]:
    """The next `size` bytes of standard input as a file without a name, which any user may read."""
    path = f"/tmp/.given-{os.getpid()}-{os.urandom(8).hex()}"  # noqa: S108 - the sandbox's own
    if in_memory:
        handle = os.memfd_create(path)
    else:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        os.unlink(path)
    file = os.fdopen(handle, "r+b", buffering=0)
    for data in taken(size):
        file.write(data)
    file.seek(0)
    return file


def taken(size: int) -> Iterator[bytes]:
    """The next `size` bytes of standard input, and none that come after them."""
    while size:
        data = os.read(0, min(size, PIECE))
        if not data:
            raise EOFError("its input broke off")
        yield data
        size -= len(data)


def answer(
    code: int | None = None,
    limit: str | None = None,
    lost: str = "",
    took: int = 0,
    tree_bytes: int = 0,
) -> dict[str, Any]:
    end = {"exit_code": code, "limit": limit, "lost": lost}
    return {**end, "duration_ms": took, "tree_bytes": tree_bytes}


def supervise(request: dict[str, Any]) -> None:
    """Run a command, and tell how it ended."""
    try:
        end = Command(request).run()
    except (OSError, EOFError) as error:
        end = answer(lost=str(error))
    sys.stderr.write(json.dumps(end) + "\n")


def main() -> None:
    supervise(json.loads(b"".join(taken(int(sys.argv[2])))))
