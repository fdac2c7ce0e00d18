"""Tries whether the sandbox holds on this machine, before anything untrusted runs in it.

Each probe says that it is about to try, and then whether it got through: one that never tried
proves nothing and counts as not held. What a probe does when it gets through is harmless.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shlex
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from graph.errors import SandboxError, SandboxUnavailable
from sandbox import seccomp
from sandbox.bubblewrap import Bubblewrap
from sandbox.bubblewrap_sandbox import ENVIRONMENT, BubblewrapSandbox
from sandbox.mending import LEFT_OPEN, mend_for
from sandbox.removal import remove_folder
from sandbox.sandbox import ExecResult
from sandbox.whole_file import write_whole

CANARY = "CODING_AGENT_CANARY"
LOOP_S = 3.0
SHORT_LOOP_S = 0.25
MEMORY_MB = 64
KEPT_S = 24 * 3600
LEFT_S = 3600
"""A trial takes seconds: what is older than this was left by one that was killed."""
TOLD = 300
OUTSIDE = "outside"

LOOP = "trap '' TERM INT HUP; echo tried-loop; while :; do :; done"
BOMB = (
    f"echo tried-memory; head -c {4 * MEMORY_MB}M /dev/zero | tail -c {4 * MEMORY_MB}M >/dev/null"
    " && echo through-memory"
)
_VSOCK = (
    "if command -v perl; then perl -e 'exit !socket(my $s, 40, 1, 0)'; "
    "elif [ -x /usr/bin/python3 ]; then /usr/bin/python3 -c 'import socket; socket.socket(40, 1)'; "
    "else ! grep -q '^Seccomp:.2' /proc/self/status; fi"
)
_SYSCTL = 'read -r v < /proc/sys/kernel/core_pattern && echo "$v" > /proc/sys/kernel/core_pattern'


@dataclass(frozen=True)
class TrialResult:
    """One probe: whether the sandbox held, what was seen, and how to mend it where it did not."""

    name: str
    held: bool
    detail: str
    mend: str = ""


@dataclass(frozen=True)
class Probe:
    """`attack` is shell that succeeds only where the sandbox does not hold."""

    name: str
    attack: str
    what: str

    @property
    def script(self) -> str:
        """Says `tried-`, and `through-` where it got through."""
        return (
            f"echo tried-{self.name}; "
            f"if ( {self.attack} ) >/dev/null 2>&1; then echo through-{self.name}; fi"
        )


def probes(host_file: Path, port: int) -> tuple[Probe, ...]:
    """Attacks on what is outside; run with a canary in the environment, they all bite there."""
    return (
        Probe("environment", f'[ -n "${CANARY}" ]', "reading the environment it was started from"),
        Probe("file", f"cat {shlex.quote(str(host_file))}", "reading a file outside the tree"),
        Probe("namespace", "unshare -Ur true", "making a user namespace"),
        Probe("vsock", _VSOCK, "opening a socket to the hypervisor"),
        Probe("loopback", f"exec 3<>/dev/tcp/127.0.0.1/{port}", "connecting to this machine"),
        Probe("sysctl", _SYSCTL, "setting up the kernel"),
    )


async def ensure_holds(backend: Bubblewrap, state: Path) -> None:
    """Try the sandbox, unless it held on this machine within a day. Raises SandboxUnavailable."""
    verdict, machine = state / "verdict.json", await asyncio.to_thread(machine_state, backend)
    if await asyncio.to_thread(_is_kept, verdict, machine):
        return
    failed = [result for result in await trial(backend, loop_s=SHORT_LOOP_S) if not result.held]
    if failed:
        details = "; ".join(f"{result.name}: {result.detail}" for result in failed)
        raise SandboxUnavailable(f"the sandbox does not hold here: {details}", failed[0].mend)
    kept = json.dumps({"machine": machine, "at": time.time()}).encode()
    await asyncio.to_thread(write_whole, verdict, kept)


async def trial(backend: Bubblewrap, *, loop_s: float = LOOP_S) -> tuple[TrialResult, ...]:
    """Try each probe in a tree made for it."""
    small = replace(backend.limits, memory_mb=MEMORY_MB)
    async with _tree(backend) as tree:
        try:
            sandbox = await asyncio.to_thread(_attach, backend, tree)
            smaller = await asyncio.to_thread(lambda: _attach(backend.limited(small), tree))
            with _listener() as port:
                found = await asyncio.gather(
                    _try_probes(sandbox, probes(tree / OUTSIDE, port)),
                    _try_loop(sandbox, loop_s),
                    _try_memory(smaller),
                )
        except SandboxError as error:
            told = error.hint != error.default_hint  # the default one sends to `doctor`: here
            mend = error.hint if told else mend_for(error.message)
            return (TrialResult("start", held=False, detail=error.message, mend=mend),)
    return tuple(result for results in found for result in results)


def machine_state(backend: Bubblewrap) -> str:
    """What a verdict holds for: another kernel, boot, uid or program asks for a new trial."""
    programs = (backend.bwrap, backend.setpriv, shutil.which("git"))
    parts = [
        os.uname().release,
        _boot(),
        os.geteuid(),
        seccomp.VERSION,
        backend.grouped,
        *map(str, backend.tool_paths),
        *(_identity(program) for program in programs if program),
    ]
    return sha256(json.dumps(parts).encode()).hexdigest()


async def _try_probes(
    sandbox: BubblewrapSandbox, tried: tuple[Probe, ...]
) -> tuple[TrialResult, ...]:
    script = "\n".join(probe.script for probe in tried)
    canary = {CANARY: secrets.token_hex(8)}
    ended = await sandbox.execute(
        ["/bin/bash", "-c", script], timeout_s=20, environment={**ENVIRONMENT, **canary}
    )
    return tuple(_judge(probe.name, probe.what, ended) for probe in tried)


async def _try_loop(sandbox: BubblewrapSandbox, seconds: float) -> tuple[TrialResult, ...]:
    ended = await sandbox.run(LOOP, timeout_s=seconds)
    stopped = ended.limit == "time" and ended.duration_ms < (seconds + 2) * 1000
    return (_judge("loop", "outliving its time", ended, held=stopped),)


async def _try_memory(sandbox: BubblewrapSandbox) -> tuple[TrialResult, ...]:
    ended = await sandbox.run(BOMB, timeout_s=20)
    return (_judge("memory", f"taking more than {MEMORY_MB} MiB", ended),)


def _judge(name: str, what: str, ended: ExecResult, *, held: bool = True) -> TrialResult:
    words = ended.text.split()
    if f"tried-{name}" not in words:
        said = ended.text[-TOLD:]
        return TrialResult(name, held=False, detail=f"not tried: {said}", mend=mend_for(said))
    if not held or f"through-{name}" in words:
        return TrialResult(name, held=False, detail=f"{what} was possible", mend=LEFT_OPEN)
    return TrialResult(name, held=True, detail=f"{what} was refused")


@contextlib.asynccontextmanager
async def _tree(backend: Bubblewrap) -> AsyncIterator[Path]:
    for left in await asyncio.to_thread(_left, backend.state):
        await remove_folder(left)
    tree = await asyncio.to_thread(_make_tree, backend)
    try:
        yield tree
    finally:
        await asyncio.to_thread(shutil.rmtree, tree, ignore_errors=True)


def _left(state: Path) -> list[Path]:
    """What trials and writes that were killed have left."""
    before = time.time() - LEFT_S
    found = [*state.glob("trial-*"), *state.glob(".*")]
    return [path for path in found if path.lstat().st_mtime < before]


def _make_tree(backend: Bubblewrap) -> Path:
    """A tree in the state folder, so that the way to it is tried too, and a file beside it."""
    backend.state.chmod(0o711)
    tree = Path(tempfile.mkdtemp(prefix="trial-", dir=backend.state))
    owner = backend.owner_of("trial")
    tree.chmod(0o711)
    for name in ("workspace", "home", "tmp"):
        (tree / name).mkdir(mode=0o700)
        if owner is not None:
            os.chown(tree / name, owner, owner)
    (tree / OUTSIDE).write_text("outside\n")
    (tree / OUTSIDE).chmod(0o644)
    return tree


def _attach(backend: Bubblewrap, tree: Path) -> BubblewrapSandbox:
    return backend.attach(tree, None, backend.owner_of("trial"))


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _is_kept(verdict: Path, machine: str) -> bool:
    """Whether the file says that the sandbox held here lately."""
    try:
        kept = json.loads(verdict.read_bytes())
        fresh: bool = 0 <= time.time() - kept["at"] < KEPT_S
        return fresh and kept["machine"] == machine
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _boot() -> str:
    """Empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _identity(program: str) -> list[object]:
    """A program's version, without running it."""
    path = Path(program).resolve()
    info = path.stat()
    return [str(path), info.st_ino, info.st_size, info.st_mtime_ns]
