"""The words with which docker makes a container for one command.

The system call filter is ours. What docker does else by itself is left as it is: its AppArmor
profile, its masks over `/proc` and `/sys`, and its daemon's default runtime (`runsc` is one).
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.core.protocol import BASE_OBJECTS, WORKSPACE, Limits
from sandbox.egress.forwarder import BASH_START, PROXY_FOLDER, Outlet
from sandbox.host.resource_watch import LONGEST
from sandbox.tree.environment import HOME, with_tools

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
    """The constant words, to which a start adds its own."""

    constant: tuple[str, ...]
    image: str

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
        line = ["create", "--name", name, *self.constant]
        line += ["--interactive"] if stdin else []
        for file in files:
            line += file.words()
        # The first process of a container cannot be stopped from within.
        entry = ["--signal=KILL", f"{LONGEST * seconds + GRACE_S:.0f}"]
        script = _FILE if to_file else _STREAM if program else _HELD
        entry += ["/bin/bash", "-c", script, "bash"]
        return [*line, "--entrypoint", "timeout", self.image, *entry, *program]


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
    words = [*_CONFINED, f"--security-opt=seccomp={calls}"]
    words += [f"--user={user[0]}:{user[1]}", "--label", label]
    words += _limits(limits)
    for name, value in {**_way_out(outlet), **with_tools(path, tool_paths)}.items():
        words += ["--env", f"{name}={value}"]
    if outlet:
        words += Bind(outlet.folder, PROXY_FOLDER).words()
    for bind in (*binds, *(Bind(folder.resolve(), str(folder)) for folder in tool_paths)):
        words += bind.words()
    return ContainerLine((*words, "--workdir", WORKSPACE), image)


def tree_binds(tree: Path, base_objects: Path | None) -> list[Bind]:
    """The tree's folders for the command, the base read-only beside them."""
    binds = [
        Bind(tree / "workspace", WORKSPACE, writable=True),
        Bind(tree / "home", HOME, writable=True),
        Bind(tree / "tmp", "/tmp", writable=True),  # noqa: S108 - the sandbox's own
    ]
    return binds + ([Bind(base_objects, BASE_OBJECTS)] if base_objects else [])


_SHARES = 1024
"""Of a container, where nothing is said."""


def _limits(limits: Limits) -> list[str]:
    disk = limits.disk_mb << 20
    return [
        f"--memory={limits.memory_mb}m",
        f"--memory-swap={limits.memory_mb}m",
        f"--cpus={limits.cpus:g}",
        f"--cpu-shares={round(_SHARES * limits.weight)}",
        f"--pids-limit={limits.pids}",
        f"--shm-size={limits.shm_mb}m",
        f"--ulimit=fsize={disk}:{disk}",
        "--ulimit=core=0:0",
        "--ulimit=nofile=4096:4096",
        "--ulimit=memlock=65536:65536",
    ]


def _way_out(outlet: Outlet | None) -> Mapping[str, str]:
    return {**outlet.environment, "BASH_ENV": BASH_START} if outlet else {}
