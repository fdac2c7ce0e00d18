"""The bubblewrap command line, word by word.

It is made once for a tree; a start adds its own descriptors and the command.
"""

import os
import re
import resource
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.core.protocol import BASE_OBJECTS, WORKSPACE, Limits
from sandbox.egress.forwarder import PROXY_FOLDER, Outlet
from sandbox.tree.environment import HOME, OWN_TOOLS, SYSTEM_PATH, with_tools

UID = "1000"
RLIMITS = "/etc/rlimits.sh"

ETC: Mapping[str, bytes] = {
    "/etc/passwd": b"root:x:0:0:root:/root:/usr/sbin/nologin\n"
    b"agent:x:1000:1000:agent:/home/agent:/bin/bash\n"
    b"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": b"root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "/etc/hosts": b"127.0.0.1 localhost sandbox\n::1 localhost sandbox\n",
    "/etc/timezone": b"Etc/UTC\n",
    "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files\n"
    b"protocols: files\nservices: files\n",
}
"""Files of `/etc` that are ours.

Of the host's only what programs need to start is shown, and the tables that libraries read.
"""

_HOST_ETC = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls",
    "/etc/protocols",
    "/etc/services",
    "/etc/mime.types",
    "/etc/maven/m2.conf",
    "/etc/maven/logging",  # and not its settings, which may hold passwords
)
_NAMESPACES = "--unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts"
_CONFINED = "--disable-userns --assert-userns-disabled --cap-drop ALL --new-session --clearenv"
_SETS_AND_BECOMES = re.compile(r"""(?:\w+=(?:"[^"]*"|'[^']*'|[^\s"'])++ )++exec /bin/bash -c """)
"""A command after its variables, as `prepare_command` puts them together."""
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

NPROC_BACKSTOP = 4096
"""For all processes of the sandbox where a group counts them exactly."""


@dataclass(frozen=True)
class CommandLine:
    """The constant parts, in the order in which they stand around what a start adds."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    def build(
        self, *, files: Mapping[str, int], seccomp: int, status: int, barrier: int
    ) -> list[str]:
        line = [*self.before, "--json-status-fd", str(status), "--block-fd", str(barrier)]
        line += ["--seccomp", str(seccomp)]
        for path, fd in files.items():
            line += ["--perms", "0644", "--file", str(fd), path]
        return [*line, *self.after]


def command_line(
    bwrap: Sequence[str],
    tree: Path,
    base_objects: Path | None,
    limits: Limits,
    tool_paths: Sequence[Path],
    outlet: Outlet | None = None,
    uv: Path | None = None,
) -> CommandLine:
    """Everything but what differs from start to start; only set-up has an `outlet`."""
    before = [*bwrap, *_NAMESPACES.split(), "--unshare-cgroup-try", *_CONFINED.split()]
    before += ["--die-with-parent", "--uid", UID, "--gid", UID, "--hostname", "sandbox"]
    variables = {**(outlet.environment if outlet else {}), **with_tools(SYSTEM_PATH, tool_paths)}
    variables["BASH_ENV"] = RLIMITS
    for name, value in variables.items():
        before += ["--setenv", name, value]
    own = ("--ro-bind", str(uv), f"{OWN_TOOLS}/uv") if uv else ()
    way_out = ("--ro-bind", str(outlet.folder), PROXY_FOLDER) if outlet else ()
    after = (*_system(limits), *own, *way_out, *_tree(tree, base_objects, tool_paths))
    return CommandLine(tuple(before), after)


def rlimits(limits: Limits, *, grouped: bool) -> str:
    """What bash reads before the command (by `BASH_ENV`): the limits of each single process.

    Set inside, the number of processes is counted for this sandbox alone, since Linux 5.14; before,
    for all processes of the uid, which an ordinary user has too many of.
    """
    counted = not grouped and _kernel() >= (5, 14)
    wanted = {
        "c": (resource.RLIMIT_CORE, 0, 1),
        "f": (resource.RLIMIT_FSIZE, limits.disk_mb * 1024, 1024),
        "n": (resource.RLIMIT_NOFILE, 4096, 1),
        "l": (resource.RLIMIT_MEMLOCK, 64, 1024),
        "q": (resource.RLIMIT_MSGQUEUE, 0, 1),
        "r": (resource.RLIMIT_RTPRIO, 0, 1),
        "e": (resource.RLIMIT_NICE, 0, 1),
        "u": (resource.RLIMIT_NPROC, limits.pids if counted else NPROC_BACKSTOP, 1),
    }
    if not grouped:  # not the address space: runtimes reserve far more of it than they use
        wanted["d"] = (resource.RLIMIT_DATA, 2 * limits.memory_mb * 1024, 1024)
    words = " ".join(
        f"-{option} {_at_most(value, unit, resource.getrlimit(kind)[1])}"
        for option, (kind, value, unit) in wanted.items()
    )
    return f"ulimit {words} || exit 126; unset BASH_ENV\n"


def barrier_words(fd: int) -> str:
    """What bash reads before the command: nothing runs where the barrier closed unopened."""
    return f"read -r -u {fd} || exit 125; unset REPLY; exec {fd}<&-\n"


def receiving_program(fd: int) -> list[str]:
    """What becomes a program: a line of bash lies in a file of ours, then the line's words."""
    read = f'mapfile -t -d "" -u {fd} words; exec {fd}<&-'
    script = f'{read}; set -- "${{words[@]:1}}"; eval "${{words[0]}}"'
    return ["/bin/bash", "-c", script, "bash"]


def received_words(program: Sequence[str]) -> list[str]:
    """What has the receiving program become another: no bash is started to start one."""
    match program:
        case ["/bin/bash", "-c", line, "bash"] if _SETS_AND_BECOMES.match(line):
            return [line]
    return ['exec -- "$@"', *program]


def output_words(fd: int) -> str:
    """What bash reads before a command whose output goes to a file of ours."""
    return f"exec >&{fd} {fd}>&-\n"


def _at_most(value: int, unit: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard // unit)


def _kernel() -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def _system(limits: Limits) -> Iterable[str]:
    """The system's programs, our `/etc`, `/proc` and `/dev`."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _MERGED:
        folder = Path("/", name)
        if folder.is_symlink():
            yield from ("--symlink", os.readlink(folder), f"/{name}")  # noqa: PTH115 - as it is
        elif folder.is_dir():
            yield from ("--ro-bind", f"/{name}", f"/{name}")
    for path in (*_HOST_ETC, *map(str, Path("/etc").glob("java-*"))):
        if Path(path).exists():
            yield from ("--ro-bind", path, path)
    yield from ("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev")
    yield from ("--size", str(limits.shm_mb << 20), "--perms", "1777", "--tmpfs", "/dev/shm")  # noqa: S108
    yield from ("--remount-ro", "/dev")


def _tree(tree: Path, base_objects: Path | None, tool_paths: Sequence[Path]) -> Iterable[str]:
    """Tools and base read-only, the tree's folders for the command; nothing below those."""
    for path in tool_paths:
        if not path.is_relative_to("/usr"):
            yield from ("--ro-bind", str(path.resolve()), str(path))
    if base_objects is not None:
        yield from ("--ro-bind", str(base_objects), BASE_OBJECTS)
    yield from ("--bind", str(tree / "workspace"), WORKSPACE)
    yield from ("--bind", str(tree / "home"), HOME)
    yield from ("--bind", str(tree / "tmp"), "/tmp")  # noqa: S108
    yield from ("--remount-ro", "/", "--chdir", WORKSPACE, "--")
