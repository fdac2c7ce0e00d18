"""By how much a tree outgrows its limit on this machine before that is seen.

Not at all where each tree has a disk of its own. Else a watcher holds it, and what that misses is
measured: with bombs of data and of empty files, in a tree made for it.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

from sandbox.backends.base.protocols import DiskBackend, LocalBackend
from sandbox.backends.base.tree_disk import Disks, NoDisks
from sandbox.core.protocol import ExecResult
from sandbox.host.resource_usage import ENTRY_BYTES, tree_bytes
from sandbox.selftest.trial import TrialResult, attach, trial_tree

LIMIT_MB = 32
DATA_MB = 512
FILES = 4 * LIMIT_MB * (1 << 20) // ENTRY_BYTES
WITHIN_S = 20

DATA_BOMB = (
    f"echo tried-disk; for i in $(seq {DATA_MB // 16}); do head -c 16M /dev/zero > d$i || exit; "
    "done; echo through-disk"
)
FILES_BOMB = (
    f"echo tried-inodes; mkdir e; cd e; seq {FILES} | xargs -P 2 -n 400 touch"
    " && echo through-inodes"
)


async def overshoot(backend: LocalBackend) -> tuple[TrialResult, ...]:
    """Set the bombs off, one after the other. Raises SandboxError."""
    small = backend.limited(replace(backend.limits, disk_mb=LIMIT_MB))
    data = await _measure(small, DATA_BOMB)
    files = await _measure(small, FILES_BOMB)
    disks = small.disks if isinstance(small, DiskBackend) else NoDisks("docker is used")
    return (
        _judge("disk", data, _held(disks, f"{-(-data.over >> 20)} MiB")),
        _judge("inodes", files, _held(disks, f"{files.over // ENTRY_BYTES} files")),
    )


def _held(disks: Disks | NoDisks, over: str) -> str:
    if isinstance(disks, Disks):
        return "the kernel takes no more than a limit of {limit}"
    return f"stopped {over} over a limit of {{limit}} by a watcher: {disks.why}"


class _Measured:
    """How a bomb ended, and the bytes by which its tree is over the limit."""

    def __init__(self, ended: ExecResult, size: int) -> None:
        self.ended = ended
        self.over = max(size - (LIMIT_MB << 20), 0)


async def _measure(backend: LocalBackend, bomb: str) -> _Measured:
    async with trial_tree(backend) as tree:
        sandbox = await asyncio.to_thread(attach, backend, tree)
        ended = await sandbox.run(bomb, timeout_s=WITHIN_S)
        await sandbox.close()
        return _Measured(ended, await asyncio.to_thread(tree_bytes, Path(tree)))


def _judge(name: str, measured: _Measured, held: str) -> TrialResult:
    words = measured.ended.text.split()
    limit = f"{LIMIT_MB} MiB" if name == "disk" else f"{LIMIT_MB * 256} files"
    if f"tried-{name}" not in words:
        return TrialResult(name, held=False, detail=f"not tried: {measured.ended.text[-300:]}")
    if measured.ended.limit == "time":
        detail = f"the limit of {limit} was not reached in {WITHIN_S} s: this disk is slow"
        return TrialResult(name, held=True, detail=detail)
    if measured.ended.limit != "disk":
        return TrialResult(
            name,
            held=False,
            detail=f"a tree could outgrow its {limit}",
            fix="Put CODING_AGENT_DATA_DIR on a disk of its own, so that nothing else fills up.",
        )
    return TrialResult(name, held=True, detail=held.format(limit=limit))
