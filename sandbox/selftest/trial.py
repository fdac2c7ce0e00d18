"""Tries whether the sandbox holds on this machine, before anything untrusted runs in it.

Each probe says that it is about to try, and then whether it got through: one that never tried
proves nothing and counts as not held. What a probe does when it gets through is harmless.
"""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from graph.errors import SandboxError, SandboxUnavailable
from graph.files import write_whole
from sandbox.backends.base.backend import Tree
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.backends.base.trial_result import Results, TrialResult
from sandbox.core.protocol import MAX_QUOTED_CHARS, ExecResult, Sandbox
from sandbox.host.orphans import is_gone, process_name, read_text
from sandbox.host.resource_watch import LONGEST
from sandbox.selftest import probes as attacks
from sandbox.selftest.probes import CANARY, MEMORY_MB, Outside, Probe, probes
from sandbox.tree.checkout import make_parts
from sandbox.tree.delete_tree import remove_folder

LOOP_S = 1.0
SHORT_LOOP_S = 0.25
PATIENT_LOOP_S = 5.0
KEPT_S = 24 * 3600
LEFT_S = 3600
"""Temporary files that are older were left by a process that was killed (seconds)."""
OUTSIDE = "outside"

Run = Callable[[str], Awaitable[ExecResult]]


async def ensure_holds(backend: LocalBackend) -> None:
    """Try the sandbox, unless it held on this machine within a day. Raises SandboxUnavailable."""
    verdict = backend.state / f"verdict-{backend.name}.json"
    for left in await asyncio.to_thread(_list_left, backend.state):
        await remove_folder(left)
    machine = await asyncio.to_thread(machine_state, backend)
    if await asyncio.to_thread(_is_kept, verdict, machine):
        return
    failed = [result for result in await trial(backend, loop_s=SHORT_LOOP_S) if not result.held]
    if failed:
        details = "; ".join(f"{result.name}: {result.detail}" for result in failed)
        raise SandboxUnavailable(f"the sandbox does not hold here: {details}", failed[0].fix)
    kept = json.dumps({"machine": machine, "at": time.time()}).encode()
    await asyncio.to_thread(write_whole, verdict, kept)


async def trial(backend: LocalBackend, *, loop_s: float = LOOP_S) -> Results:
    """Try each probe in a tree made for it."""
    smaller = backend.limited(attacks.small_limits(backend.limits))
    try:
        async with (
            trial_tree(backend) as tree,
            _open(backend, tree) as sandbox,
            _open(smaller, tree) as small,
        ):
            started = (await asyncio.to_thread(process_name, os.getpid())).rpartition("-")[2]
            with outside(tree.folder / OUTSIDE, started) as there:
                tried = probes(there, calls=backend.filters_calls)
                found = await asyncio.gather(
                    _try_ways(sandbox, tried, is_warm=backend.is_warm),
                    _try_loop(sandbox, loop_s),
                    try_bombs(small),
                )
    except SandboxError as error:
        is_own = error.hint != error.default_hint  # the default one sends to `doctor`: here
        fix = error.hint if is_own else backend.remedy(error.message)
        return (TrialResult("start", held=False, detail=error.message, fix=fix),)
    return tuple(
        result if result.held or result.fix else replace(result, fix=backend.remedy(result.detail))
        for results in found
        for result in results
    )


def machine_state(backend: LocalBackend) -> str:
    """What a verdict holds for: another kernel, boot, uid or program asks for a new trial."""
    parts = [
        os.uname().release,
        read_text(Path("/proc/sys/kernel/random/boot_id")).strip(),
        os.geteuid(),
        *backend.identity(),
    ]
    return sha256(json.dumps(parts).encode()).hexdigest()


async def try_probes(run: Run, tried: Iterable[Probe], prelude: str = "") -> Results:
    """All of them in one command."""
    ended = await run("\n".join([attacks.READY, prelude, *(probe.script for probe in tried)]))
    return tuple(judge(probe.name, probe.what, ended) for probe in tried)


async def try_loop(
    sandbox: Sandbox, seconds: float, is_left: Callable[[str], Awaitable[bool]]
) -> tuple[TrialResult, ExecResult]:
    """Whether a command that ends at no signal, and what it started, are gone after their time.

    `is_left` says whether a process with this word is still there.
    """
    marker = f"977.{secrets.randbelow(10**9):09}"
    ended = await sandbox.run(attacks.loop_script(marker), timeout_s=seconds)
    in_time = ended.limit == "time" and ended.duration_ms < (LONGEST * seconds + 2) * 1000
    held = in_time and not await is_left(marker)
    return judge("loop", "outliving its time", ended, held=held), ended


async def try_bombs(sandbox: Sandbox) -> Results:
    """What uses more than `small_limits`, one after the other."""
    memory = await sandbox.run(attacks.MEMORY_BOMB, timeout_s=20)
    forks = await sandbox.run(attacks.fork_bomb(), timeout_s=20)
    output = await sandbox.run(attacks.OUTPUT_BOMB, timeout_s=20)
    return (
        judge("memory", f"taking more than {MEMORY_MB} MiB", memory),
        judge("forks", f"making more than {attacks.PIDS} processes", forks),
        judge("output", "endless output", output, held=output.limit == "output"),
    )


async def _try_ways(sandbox: LocalSandbox, tried: Iterable[Probe], *, is_warm: bool) -> Results:
    """In each way that commands are started; what got through in one did."""
    marked = await try_probes(partial(_run_marked, sandbox), tried)
    if not is_warm:
        return marked
    plain = await try_probes(partial(sandbox.run, timeout_s=20), tried)
    return tuple(p if m.held else m for m, p in zip(marked, plain, strict=True))


async def _run_marked(sandbox: LocalSandbox, script: str) -> ExecResult:
    """With a canary in the environment that bubblewrap or docker is started from."""
    return await sandbox.execute(
        ["/bin/bash", "-c", script], timeout_s=20, environment={CANARY: secrets.token_hex(8)}
    )


async def _try_loop(sandbox: Sandbox, seconds: float) -> Results:
    async def is_left(marker: str) -> bool:
        return await asyncio.to_thread(_is_running, marker)

    result, ended = await try_loop(sandbox, seconds, is_left)
    if not ended.output:  # it did not come to its start: a busy machine, or docker
        result, _ = await try_loop(sandbox, PATIENT_LOOP_S, is_left)
    return (result,)


def judge(name: str, what: str, ended: ExecResult, *, held: bool = True) -> TrialResult:
    """What came of a probe: `tried-` and `through-` with its name are in the output."""
    words = ended.text.split()
    if f"tried-{name}" not in words:
        return TrialResult(
            name, held=False, detail=f"not tried: {ended.text[-MAX_QUOTED_CHARS:].strip()}"
        )
    if not held or f"through-{name}" in words:
        return TrialResult(name, held=False, detail=f"{what} was possible")
    return TrialResult(name, held=True, detail=f"{what} was refused")


@contextlib.asynccontextmanager
async def trial_tree(backend: LocalBackend) -> AsyncIterator[Tree]:
    """An empty tree, removed afterwards."""
    tree = await asyncio.to_thread(_make_tree, backend)
    try:
        yield tree
    finally:
        await remove_folder(tree.folder)


@contextlib.asynccontextmanager
async def _open(backend: LocalBackend, tree: Tree) -> AsyncIterator[LocalSandbox]:
    sandbox = await backend.open(tree)
    try:
        yield sandbox
    finally:
        await sandbox.close()


def _list_left(state: Path) -> list[Path]:
    """What trials and writes that were killed have left."""
    before = time.time() - LEFT_S
    return [
        path
        for path in state.iterdir()
        if path.name.startswith((".", "trial-"))
        and (path.lstat().st_mtime < before or is_gone(path.name.split("-", 2)[-1]))
    ]


def _make_tree(backend: LocalBackend) -> Tree:
    """A tree in the state folder, so that the way to it is tried too, and a file beside it."""
    backend.state.chmod(0o711)
    name = f"trial-{secrets.token_hex(4)}-{process_name(os.getpid())}"
    folder, uid = backend.state / name, backend.uid_for_run("trial")
    folder.mkdir(mode=0o711)
    folder.chmod(0o711)
    make_parts(folder, uid)
    (folder / OUTSIDE).write_text("outside\n")
    (folder / OUTSIDE).chmod(0o644)
    return Tree(folder, uid=uid)


@contextlib.contextmanager
def outside(file: Path, started: str) -> Iterator[Outside]:
    """What probes look for on this machine; `started`: when this process did."""
    abstract = f"coding-agent-{secrets.token_hex(8)}"
    pid = os.getpid()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        if os.uname().sysname == "Linux":
            local.bind(f"\0{abstract}")
            local.listen()
        yield Outside(file, server.getsockname()[1], abstract, pid, started)


def _is_running(marker: str) -> bool:
    """Whether a process of this machine has the marker among its words."""
    lines = (read_text(path).split("\0") for path in Path("/proc").glob("[0-9]*/cmdline"))
    return any(marker in words for words in lines)


def _is_kept(verdict: Path, machine: str) -> bool:
    """Whether the file says that the sandbox held here lately."""
    try:
        kept = json.loads(verdict.read_bytes())
        fresh: bool = 0 <= time.time() - kept["at"] < KEPT_S
        return fresh and kept["machine"] == machine
    except (OSError, ValueError, TypeError, KeyError):
        return False
