"""A container of this machine's system: its own files, processes and network, as root inside."""

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.backends.container.wire import ExecRequest, exec_request
from sandbox.core.protocol import Limits
from tests.modal_plane.containers.rootfs import first_process, map_users
from tests.support.sandbox.local_tree import AS_ROOT

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "MODAL_TASK_ID": "ta-1", "TOOLS": "/opt/tools"}
LIMITS = Limits(timeout_s=20, memory_mb=128, pids=40, disk_mb=32, output_bytes=1 << 20)
SUBREAPERS, NO_SUBREAPERS = b"SUBREAPER, DEATH_SIGNAL = 38, 36", b"SUBREAPER, DEATH_SIGNAL = 38, 99"
"""A number that no kernel knows stands for one that this kernel does not."""

# What is still there when the command has ended, before the container ends it.
_TELL = (
    "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null "
    "| grep ^sleep > /left"
)


@dataclass(frozen=True)
class Ended:
    """The supervisor's answer, the command's output, and processes that were left."""

    answer: dict[str, object]
    output: bytes
    left: str


class OwnUsers:
    """A container's users: the kernel counts their processes apart from those of other containers.

    Where the tests are not root's, the container knows of its root alone.
    """

    def __init__(self) -> None:
        self._told, tell = os.pipe()
        mapped, self._map_ready = os.pipe()
        self.given = (tell, mapped)
        """Descriptors that bubblewrap gets."""
        self.options = ["--unshare-user", "--uid", "0", "--gid", "0", "--info-fd", str(tell)]
        self.options += ["--userns-block-fd", str(mapped)] if AS_ROOT else []

    def give(self) -> int:
        """Give it them once it begins; its first process."""
        for handle in self.given:
            os.close(handle)
        first = first_process(self._told)
        if first and AS_ROOT:
            map_users(first)
        os.close(self._map_ready)
        return first


@dataclass(frozen=True)
class Container:
    """`without` names a capability that its root does not have."""

    folder: Path
    without: str = ""

    def request(self, command: str) -> ExecRequest:
        return exec_request(["/bin/bash", "-c", command, "bash"], LIMITS)

    def line(self, *words: str, users: "OwnUsers") -> list[str]:
        """What runs these words in it."""
        line = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-net", *users.options]
        line += ["--cap-drop", self.without] if self.without else []
        line += ["--bind", str(self.folder), "/", "--proc", "/proc", "--dev", "/dev"]
        for path in (Path("/", name) for name in ("usr", "bin", "lib", "lib64", "sbin", "etc")):
            if path.is_symlink() and not (self.folder / path.name).is_symlink():
                line += ["--symlink", str(path.readlink()), str(path)]
            elif not path.is_symlink() and path.is_dir():
                line += ["--ro-bind", str(path), str(path)]
        (self.folder / "tmp").mkdir(mode=0o1777, exist_ok=True)
        (self.folder / "tmp").chmod(0o1777)
        return [*line, "--chdir", "/", *words]

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        users = OwnUsers()
        process = subprocess.Popen(
            self.line("bash", "-c", f"{shlex.join(words)}; {_TELL}", users=users),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            pass_fds=users.given,
        )
        users.give()
        return process

    def run(self, request: ExecRequest, given: bytes = b"", *, subreapers: bool = True) -> Ended:
        """Carry an request out; its input stays open until it has answered."""
        process = self.start("/usr/bin/python3", *request.argv[1:])
        head = (
            request.stdin_preamble
            if subreapers
            else request.stdin_preamble.replace(SUBREAPERS, NO_SUBREAPERS)
        )
        feed(process, head + given)
        return self.ended(process)

    def ended(self, process: "subprocess.Popen[bytes]") -> Ended:
        assert process.stdout
        assert process.stderr
        assert process.stdin
        with process:
            output, told = process.stdout.read(), process.stderr.read()
            process.stdin.close()
        answer = json.loads(told.splitlines()[-1]) if told else {}
        return Ended(answer, output, (self.folder / "left").read_text())


def feed(process: "subprocess.Popen[bytes]", data: bytes) -> None:
    assert process.stdin
    process.stdin.write(data)
    process.stdin.flush()
