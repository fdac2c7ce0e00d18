"""The words with which docker makes a container: for one command, or for a fork server.

The system call filter is ours. What docker does else by itself is left as it is: its AppArmor
profile, its masks over `/proc` and `/sys`, and its daemon's default runtime (`runsc` is one).
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.backends.base.command import Command
from sandbox.backends.container.wire import ExecRequest, server_words
from sandbox.core.protocol import BASE_OBJECTS, WORKSPACE, Limits
from sandbox.egress.forwarder import BASH_START, PROXY_FOLDER, Outlet
from sandbox.host.resource_watch import LONGEST
from sandbox.tree.environment import HOME, OWN_PROGRAMS, VARIABLES, read_only_path

WARM_S = 3600
"""So long a container with a fork server is used."""
_OWN_PROCESSES = 16
"""In it: the first, the fork server, a supervisor, and room in which that sees too many."""
_OWN_MEMORY_MB = 12
"""What these take of it, so that a command has all of its own."""
_TO_START_AS_ANOTHER = ("SETUID", "SETGID", "SETPCAP", "KILL")
GRACE_S = 30
"""A container whose service is gone ends by itself so long after its longest time."""

_CONFINED = (
    "--pull=never",
    "--network=none",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--ipc=private",
    "--log-driver=none",
    "--no-healthcheck",
    "--restart=no",
    "--hostname=sandbox",
)
OUTPUT_FILE = "/etc/command-output"
"""Where a container has the file of ours that takes a command's output."""
# In one stream, in order, or the output to a file and complaints alone to the stream.
_STREAM, _FILE = 'exec "$@" 2>&1', f'exec "$@" 2>&1 >{OUTPUT_FILE}'

LET_IN = b"."
"""What one that waits for its program says first."""
# The program comes as words, each ended by NUL, until the input's end.
_HELD = f"printf {LET_IN.decode()}; mapfile -d '' -t words; exec \"${{words[@]}}\" 2>&1 </dev/null"


@dataclass(frozen=True)
class Bind:
    """A folder or file of this machine, and where a container has it."""

    source: Path
    target: str
    writable: bool = False

    def words(self) -> list[str]:
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(
            fields if self.writable else [*fields, "readonly"]
        )
        return ["--mount", text.getvalue()]


@dataclass(frozen=True)
class ContainerLine:
    """The constant words, to which a start adds its own. `user`: of commands, and its group.

    `path`: where programs are found that commands cannot have written.
    """

    constant: tuple[str, ...]
    image: str
    user: tuple[int, int]
    limits: Limits
    path: str

    def build(
        self,
        name: str,
        program: Sequence[str],
        *,
        seconds: float,
        stdin: bool,
        to_file: bool,
        files: Iterable[Bind] = (),
    ) -> list[str]:
        """The words after `docker`. Without a program it waits for one at its standard input."""
        line = ["create", "--name", name, *self.constant, f"--pids-limit={self.limits.pids}"]
        line += [f"--user={self.user[0]}:{self.user[1]}", "--workdir", WORKSPACE]
        line += ["--env", f"PATH={self.path}:{OWN_PROGRAMS}"]
        line += _memory(self.limits.memory_mb) + (["--interactive"] if stdin else [])
        for file in files:
            line += file.words()
        # The first process of a container cannot be stopped from within.
        entry = ["--signal=KILL", f"{LONGEST * seconds + GRACE_S:.0f}"]
        script = _FILE if to_file else _STREAM if program else _HELD
        entry += ["/bin/bash", "-c", script, "bash"]
        return [*line, "--entrypoint", "timeout", self.image, *entry, *program]

    def build_warm(self, name: str, idle_s: int) -> list[str]:
        """The words of one whose fork server starts commands as their user."""
        pids = self.limits.pids + _OWN_PROCESSES
        line = ["create", "--name", name, *self.constant, f"--pids-limit={pids}"]
        line += ["--rm", "--user=0:0", *(f"--cap-add={each}" for each in _TO_START_AS_ANOTHER)]
        line += _memory(self.limits.memory_mb + _OWN_MEMORY_MB)
        line += ["--workdir", "/", "--env", f"PATH={self.path}", "--interactive"]
        longest = WARM_S + LONGEST * self.limits.timeout_s + GRACE_S
        entry = ["--signal=KILL", f"{longest:.0f}", *server_words(idle_s, self.user[0])]
        return [*line, "--entrypoint", "timeout", self.image, *entry]

    def request(self, command: Command, output_bytes: int) -> ExecRequest:
        """What its fork server is told of a command. The time that counts is watched outside."""
        return ExecRequest(
            program=tuple(command.program),
            timeout_s=LONGEST * command.seconds,
            output_bytes=output_bytes,
            memory_mb=self.limits.memory_mb,
            pids=self.limits.pids,
            disk_mb=self.limits.disk_mb,
            input_bytes=len(command.stdin),
            user=self.user[0],
            group=self.user[1],
            folders=(),
            container_limits=True,
            environment={},
        )


def container_line(
    *,
    image: str,
    path: str,
    user: tuple[int, int],
    label: str,
    limits: Limits,
    binds: Sequence[Bind],
    tool_paths: Sequence[Path],
    calls: Path,
    outlet: Outlet | None = None,
) -> ContainerLine:
    """Everything but what differs from start to start.

    `path` is the image's own PATH, `calls` the file that says which system calls are allowed.
    Only set-up has an `outlet`; its container has no network of docker's either.
    """
    words = [*_CONFINED, f"--security-opt=seccomp={calls}", "--label", label, *_limits(limits)]
    for name, value in {**_way_out(outlet), **VARIABLES}.items():
        words += ["--env", f"{name}={value}"]
    if outlet:
        words += Bind(outlet.folder, PROXY_FOLDER).words()
    for bind in (*binds, *(Bind(folder.resolve(), str(folder)) for folder in tool_paths)):
        words += bind.words()
    return ContainerLine(tuple(words), image, user, limits, read_only_path(path, tool_paths))


def tree_binds(tree: Path, base_objects: Path | None) -> list[Bind]:
    """The tree's folders for the command, the base read-only beside them."""
    binds = [
        Bind(tree / "workspace", WORKSPACE, writable=True),
        Bind(tree / "home", HOME, writable=True),
        Bind(tree / "tmp", "/tmp", writable=True),  # noqa: S108 - the sandbox's own
    ]
    return binds + ([Bind(base_objects, BASE_OBJECTS)] if base_objects else [])


def is_read_only(path: str) -> bool:
    """Whether commands can write to no folder of such a PATH."""
    written = (WORKSPACE, HOME, "/tmp", "/dev", "/proc")  # noqa: S108 - the sandbox's own
    folders = [os.path.normpath(folder) for folder in path.split(":")]
    return all(
        folder.startswith("/") and not f"{folder}/".startswith(tuple(f"{w}/" for w in written))
        for folder in folders
    )


_SHARES = 1024
"""Of a container, where nothing is said."""


def _limits(limits: Limits) -> list[str]:
    disk = limits.disk_mb << 20
    return [
        f"--cpus={limits.cpus:g}",
        f"--cpu-shares={round(_SHARES * limits.weight)}",
        f"--shm-size={limits.shm_mb}m",
        f"--ulimit=fsize={disk}:{disk}",
        "--ulimit=core=0:0",
        "--ulimit=nofile=4096:4096",
        "--ulimit=memlock=65536:65536",
    ]


def _memory(megabytes: int) -> list[str]:
    return [f"--memory={megabytes}m", f"--memory-swap={megabytes}m"]


def _way_out(outlet: Outlet | None) -> Mapping[str, str]:
    return {**outlet.environment, "BASH_ENV": BASH_START} if outlet else {}
