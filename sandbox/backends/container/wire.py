"""Commands for containers that others run: the words that start one, and what it answers."""

import inspect
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import get_args

from graph.errors import SandboxLost
from sandbox.backends.container import fork_server, own_container, supervisor
from sandbox.core.output import BothEnds
from sandbox.core.protocol import WORKSPACE, ExecResult, LimitHit, Limits
from sandbox.host import resource_usage
from sandbox.tree.environment import HOME, OWN_PROGRAMS, VARIABLES

USER = 29_000
"""The uid that commands run as; far from accounts and from the uids of this machine's trees."""

FOLDERS = (WORKSPACE, HOME, "/tmp")  # noqa: S108 - the sandbox's own
_PIECE = 1 << 20
_SLACK_S = 20.0
_SLOWEST = 256 * 1024
"""Bytes a second that a link is taken to carry at least."""


def _program(*modules: ModuleType) -> bytes:
    """The source of a program: each module under its name, then the last one's `main`."""
    names = [module.__name__ for module in modules]
    packages = {name.rpartition(".")[0] for name in names} | {"sandbox", "sandbox.backends"}
    lines = ["import sys, types"]
    lines += [f"sys.modules[{name!r}] = types.ModuleType({name!r})" for name in sorted(packages)]
    for module, name in zip(modules, names, strict=True):
        source = inspect.getsource(module)
        lines.append(f"sys.modules[{name!r}] = made = types.ModuleType({name!r})")
        lines.append(f"exec({source!r}, made.__dict__)")
    return "\n".join([*lines, "made.main()\n"]).encode()


_SUPERVISOR = _program(resource_usage, own_container, supervisor)
_FORK_SERVER = _program(resource_usage, own_container, supervisor, fork_server)
_BEGIN = """\
import os, signal, sys
signal.alarm(int(sys.argv[3]))
source = b""
while len(source) < int(sys.argv[1]):
    source += os.read(0, int(sys.argv[1]) - len(source)) or sys.exit("no source")
signal.alarm(0)
exec(compile(source, "coding-agent", "exec"))
"""


def _words(source: bytes, *arguments: int) -> tuple[str, ...]:
    return ("python3", "-I", "-S", "-c", _BEGIN, str(len(source)), *map(str, arguments))


@dataclass(frozen=True)
class ExecRequest:
    """What the supervisor is told; its fields are read by `sandbox.backends.container.supervisor`.

    `tree_bytes` is what the last answer told of the tree: only what grows over its limit is ended.
    `user` runs it, None is the container's root. `chown_dirs` names folders that are made, and
    given to `owner`, before it starts.
    `kill_others` says that every other command ends with it. `container_limits`: its container is
    its own while it runs, with all its limits, and its tree is watched from outside.
    """

    program: tuple[str, ...]
    timeout_s: float
    output_bytes: int
    memory_mb: int
    pids: int
    disk_mb: int
    tree_bytes: int = 0
    script_bytes: int = 0
    input_bytes: int = 0
    user: int | None = USER
    group: int = USER
    owner: int = USER
    folder: str = WORKSPACE
    folders: tuple[str, ...] = FOLDERS
    chown_dirs: tuple[str, ...] = ()
    kill_others: bool = False
    container_limits: bool = False
    environment: dict[str, str] = field(default_factory=lambda: dict(VARIABLES), repr=False)
    more_path: str = OWN_PROGRAMS

    @property
    def answer_within_s(self) -> int:
        """How long it may take until the answer is there, at most."""
        given = self.script_bytes + self.input_bytes
        return math.ceil(self.timeout_s + supervisor.GONE_WITHIN_S + _SLACK_S + given / _SLOWEST)

    @property
    def argv(self) -> tuple[str, ...]:
        """The words of the exec: short, whatever the command is."""
        return _words(_SUPERVISOR, len(self.text), fork_server.IDLE_S)

    @property
    def stdin_preamble(self) -> bytes:
        """What goes into its standard input before the command and its input."""
        return _SUPERVISOR + self.text

    @property
    def text(self) -> bytes:
        """The request as the supervisor reads it."""
        return json.dumps({**asdict(self), "answer_within_s": self.answer_within_s}).encode()


def server_words(idle_s: int, user: int = USER) -> tuple[str, ...]:
    """The words of a fork server for a user, that ends where nothing is heard for so long."""
    return _words(_FORK_SERVER, user, idle_s)


SERVER_WORDS = server_words(fork_server.IDLE_S)
SERVER_SOURCE = _FORK_SERVER
"""What starts a fork server, and what is written to it first."""


def exec_request(
    program: Sequence[str], limits: Limits, *, timeout_s: float | None = None, keep_bytes: int = 0
) -> ExecRequest:
    """An request within the limits: a caller may shorten the time, never lengthen it."""
    return ExecRequest(
        program=tuple(program),
        timeout_s=limits.timeout_s if timeout_s is None else min(timeout_s, limits.timeout_s),
        output_bytes=max(limits.output_bytes, keep_bytes),
        memory_mb=limits.memory_mb,
        pids=limits.pids,
        disk_mb=limits.disk_mb,
    )


def pieces_of(data: bytes) -> Iterator[bytes]:
    """Data in pieces that one call carries."""
    return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))


@dataclass(frozen=True)
class ExecAnswer:
    """How a command ended, and what its tree then held; 0 where nobody looked.

    Of a container that was its own: processes killed for memory, whether anything is left in it.
    """

    result: ExecResult
    tree_bytes: int = 0
    memory_kills: int = 0
    left: bool = False


def read_answer(raw: bytes, kept: BothEnds) -> ExecAnswer:
    """What the supervisor answered. Raises SandboxLost: nothing."""
    try:
        answer = json.loads(raw.strip().splitlines()[-1])
        lost, limit, code = answer["lost"], answer["limit"], answer["exit_code"]
        took, tree_bytes = int(answer["duration_ms"]), int(answer["tree_bytes"])
        kills, left = int(answer.get("memory_kills", 0)), bool(answer.get("left", False))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        said = raw[-300:].decode(errors="replace").strip()
        raise SandboxLost(f"the sandbox was lost: {said or 'it did not answer'}") from error
    if lost or (code is None if limit is None else limit not in get_args(LimitHit)):
        raise SandboxLost(f"the sandbox was lost: {lost or 'it told no end'}")
    result = ExecResult(
        exit_code=None if limit else int(code),
        output=kept.kept,
        dropped=kept.dropped,
        duration_ms=took,
        limit=limit,
    )
    return ExecAnswer(result, tree_bytes, kills, left)
